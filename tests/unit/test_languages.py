"""Language packages: what may be asked, what is believed of an answer, what a lock and npm's cache hold."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from rebuilder.check.model import NpmPackage
from rebuilder.errors import InfrastructureError, RecipeError, Stopped, UsageError
from rebuilder.lock import V1, V2, LanguagePackage, LockedRoot, ToolchainLock, to_bytes
from rebuilder.model import RootImage
from rebuilder.ports import Exit, Job
from rebuilder.resolve.recipes import parse_lock
from rebuilder.resolve.schemas import schemas
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain import fetching, languages_npm, languages_pypi
from rebuilder.toolchain.languages import LanguagePackages
from rebuilder.toolchain.languages_memory import RememberedPackages
from rebuilder.toolchain.languages_npm_index import OFFLINE_REGISTRY
from rebuilder.toolchain.pack import contents, pack, unpack

REPOSITORY = Path(__file__).parents[2]
ROOT = RootImage(build="generic", sha256="1" * 64, size=1, packages=1)
RUN = "unit"


def integrity(data: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel_of(data: bytes, name: str = "demo") -> LanguagePackage:
    return LanguagePackage(
        system="pypi", name=name, version="1.0", file=f"{name}-1.0-py3-none-any.whl", sha256=sha256(data),
        size=len(data),
    )  # fmt: skip


def row(file: str = "demo-1.0-py3-none-any.whl", **others: Any) -> dict[str, Any]:
    """A row of pip's report, about demo 1.0."""
    info = {"url": f"https://u:***@x.example/files/{file}", "archive_info": {"hashes": {"sha256": sha256(b"w")}}}
    return {"metadata": {"name": "demo", "version": "1.0"}, "download_info": info, "is_direct": False, **others}


@dataclass
class Told:
    """A client that asks nobody."""

    network: str = "bridge"
    identity: str = "x"
    hosts: tuple[str, ...] = ("index.example",)
    notes: tuple[str, ...] = ("find-links is not taken",)

    def files(self, folder: str) -> dict[str, bytes]:
        return {"environment": f"PIP_CONFIG_FILE={folder}/pip.conf\0".encode()}

    def shown(self, text: str) -> str:
        return text.replace("s3cret", "***")

    def pip(self) -> Told:
        return self

    npm = pip


def ended(status: int | None) -> Exit:
    return Exit(status=status, timed_out=status is None, out_of_memory=False, seconds=1.0, container="c")


@dataclass
class Container:
    """An engine whose containers answer as a test says: a hostile one, for a real one never does."""

    answers: list[bytes] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    sent: list[dict[str, bytes]] = field(default_factory=list)
    complaint: bytes = b""
    ended: Exit = field(default_factory=lambda: ended(0))

    def run(
        self, job: Job, *, stdin: Iterable[bytes] = (), stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> Exit:
        self.jobs.append(job)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stdin))) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            self.sent.append({name: content.read() for name, content in files.items() if content})
        stderr(self.complaint)
        if self.answers:
            stdout(self.answers.pop(0))
        return self.ended


@dataclass
class Shown:
    """A display that remembers."""

    text: str = ""

    def stage(self, name: str, detail: str = "") -> None:
        self.text += f"{name} {detail}\n"

    def line(self, text: str) -> None:
        self.text += f"{text}\n"


@dataclass
class Now:
    """A clock that a test may move."""

    time: datetime = field(default_factory=lambda: datetime(2026, 11, 29, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time


class Desk:
    def __init__(self, state: Path) -> None:
        self.engine, self.blobs, self.shown, self.clock = Container(), BlobStore(state), Shown(), Now()
        memory = RememberedPackages(state / "languages", self.clock)
        self.packages = LanguagePackages(self.engine, self.blobs, self.shown, Told(), memory)  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def answer(said: object, report: object = None, **files: bytes) -> bytes:
    """What a container sends; files by name, `__` for a slash."""
    out = io.BytesIO()
    texts = {"answer.json": json.dumps(said).encode(), "report.json": json.dumps(report).encode()}
    entries = {**texts, **{name.replace("__", "/"): data for name, data in files.items()}}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


GOOD = {"status": 0, "log": "", "versions": ""}


# --- what may be asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--index-url=https://evil.example", "expected a requirement such as"),
        ("-r /etc/passwd", "expected a requirement such as"),
        ("demo\n--pre", "expected a requirement such as"),
        ("./here", "expected a requirement such as"),
        ("demo @ git+https://evil.example/x.git", "the requirement demo names an address"),
        ("demo --config-settings=x", "expected a requirement such as"),
    ],
)
def test_a_requirement_is_a_name_and_versions_and_nothing_else(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        languages_pypi.checked((text,))


def test_requirements_are_given_in_one_way_and_bounded() -> None:
    assert languages_pypi.checked(("b[x] >=2,<3", "a", "b[x]<3,>=2", "c; python_version < '4'")) == (
        "a", "b[x]<3,>=2", 'c; python_version < "4"',
    )  # fmt: skip
    with pytest.raises(UsageError, match="expected at most 1000 requirements, found 1001"):
        languages_pypi.checked(f"a{number}" for number in range(1001))


@pytest.mark.parametrize(
    ("name", "version", "pin", "message"),
    [
        ("--registry=http://evil", "1.0.0", integrity(b""), "expected the name of a package"),
        ("../../etc", "1.0.0", integrity(b""), "expected the name of a package"),
        ("a", "latest", integrity(b""), "expected the version of a package .* found 'latest' for 'a'"),
        ("a", "^1.0.0", integrity(b""), "expected the version"),
        ("a", "https://evil.example/a.tgz", integrity(b""), "expected the version"),
        ("a", "1.0.0\n", integrity(b""), "expected the version"),
        ("a", "1.0.0", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "expected the integrity"),
        ("a", "1.0.0", "sha512-../../../x", "expected the integrity"),
        ("a", "1.0.0", "", "expected the integrity"),
    ],
)
def test_a_package_of_a_lock_is_a_name_a_version_and_a_digest(name: str, version: str, pin: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        languages_npm.checked((NpmPackage(name=name, version=version, integrity=pin),))


def test_one_version_has_one_tarball() -> None:
    packages = [NpmPackage(name="@s/a", version="1.0.0", integrity=integrity(data)) for data in (b"1", b"1", b"2")]
    (one,) = languages_npm.checked(packages[:2])
    assert (one.spec, one.file) == ("@s/a@1.0.0", "s-a-1.0.0.tgz")
    with pytest.raises(UsageError, match=r"@s/a@1\.0\.0 stands there with two integrities"):
        languages_npm.checked(packages)


# --- what is believed of an answer --------------------------------------------------------------------


def test_the_wheels_of_the_report_are_taken_by_digest(desk: Desk) -> None:
    desk.engine.answers = [answer(GOOD, {"install": [row()]}, **{"files__demo-1.0-py3-none-any.whl": b"w"})]
    found = desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert found == (wheel_of(b"w"),)
    (job,) = desk.engine.jobs
    assert (job.purpose, job.network, job.user, job.read_only) == ("fetch", "bridge", "1000:1000", True)
    assert job.environment == {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    assert desk.engine.sent[0]["requirements.txt"] == b"demo\n"
    assert "find-links is not taken" in desk.shown.text


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (row(file="..%2f..%2fetc%2fpasswd"), "a file of demo 1.0 that is no wheel of it"),
        (row(file="demo-1.0.tar.gz"), "that is no wheel of it: 'demo-1.0.tar.gz'"),
        (row(file="other-1.0-py3-none-any.whl"), "that is no wheel of it"),
        (row(file="demo-2.0-py3-none-any.whl"), "that is no wheel of it"),
        (row(file="demo-1.0-py3-none-any.whl%0ax"), "that is no wheel of it"),
        (row(is_direct=True), "comes from an address that another package names"),
        (row(download_info={"url": "https://x/demo-1.0-py3-none-any.whl", "archive_info": {}}), "no sha256"),
    ],
)
def test_a_report_that_names_anything_but_wheels_of_the_index_is_refused(desk: Desk, one: object, message: str) -> None:
    desk.engine.answers = [answer(GOOD, {"install": [one]})]
    with pytest.raises(Stopped, match=message) as stopped:
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert stopped.value.missing == ("demo 1.0",)


@pytest.mark.parametrize("report", [None, [], {"install": 5}, {"install": [{"metadata": 1}]}, {"install": [None]}])
def test_a_report_that_is_none_is_our_own_fault(desk: Desk, report: object) -> None:
    desk.engine.answers = [answer(GOOD, report)]
    with pytest.raises(InfrastructureError, match="expected pip's report on what it chose"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)


def test_other_bytes_than_the_digest_are_not_kept_and_files_nobody_asked_for_neither(desk: Desk) -> None:
    files = {"files__demo-1.0-py3-none-any.whl": b"evil", "files__x": b"more", "files__..__..__etc__passwd": b"evil"}
    said = {"status": 0, "log": "", "items": {}}
    desk.engine.answers = [answer(GOOD, {"install": [row()]}, **files), answer(said, **files)]
    with pytest.raises(Stopped, match=r"1 of 1 .* demo 1\.0: the index gives another file for it"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert list(desk.blobs.names()) == []
    assert desk.engine.sent[1]["requirements.txt"] == f"demo==1.0 --hash=sha256:{sha256(b'w')}\n".encode()


def link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("answer.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no tar", answer(GOOD, {"install": []})[:700], link(), answer([]), answer({"log": ""}),
        answer({"status": "0"}),
    ],
)
def test_an_answer_that_is_damaged_is_our_own_fault_and_nothing_is_kept(desk: Desk, data: bytes) -> None:
    desk.engine.answers = [data]
    with pytest.raises(InfrastructureError, match=r"expected (a whole answer|how the client ended|pip's report)"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert list(desk.blobs.names()) == []


def test_an_answer_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_FILES", 3)
    files = {f"files__{number}": b"" for number in range(5)}
    desk.engine.answers = [answer(GOOD, {"install": []}, **files)]
    with pytest.raises(InfrastructureError, match="expected at most 3 plain files"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    monkeypatch.setattr(fetching, "MAX_BYTES", 100)
    monkeypatch.setattr(fetching, "_MAX_SAID_BYTES", 100)
    desk.engine.answers = [answer(GOOD, {"install": []})]
    with pytest.raises(Stopped, match="more than 100 bytes together"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)


def test_how_a_container_failed_is_told_without_secrets(desk: Desk) -> None:
    desk.engine.complaint = b"there is no pip in this root filesystem\n"
    desk.engine.ended = ended(64)
    with pytest.raises(InfrastructureError, match=r"expected the package client .* there is no pip") as error:
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert "python3-pip" in error.value.hint
    desk.engine.complaint = b"Traceback: https://s3cret@x"
    desk.engine.ended = ended(1)
    with pytest.raises(InfrastructureError, match=r"failed \(status 1\): Traceback: https://\*\*\*@x"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    desk.engine.ended = ended(None)
    with pytest.raises(Stopped, match="could not be fetched within 1800 s"):
        desk.packages.wheels(("demo",), ROOT, run_id=RUN)
    assert "s3cret" not in desk.shown.text


def test_a_choice_is_remembered_by_question_root_and_day(desk: Desk) -> None:
    def ask(root: RootImage = ROOT, *requirements: str) -> int:
        desk.engine.answers = [answer(GOOD, {"install": [row()]}, **{"files__demo-1.0-py3-none-any.whl": b"w"})]
        desk.packages.wheels(requirements or ("demo",), root, run_id=RUN)
        return len(desk.engine.jobs)

    assert (ask(), ask()) == (1, 1)
    assert ask(ROOT, "demo>=1") == 2
    assert ask(ROOT.model_copy(update={"sha256": "2" * 64})) == 3
    desk.clock.time += timedelta(hours=23)
    assert ask() == 3
    desk.clock.time += timedelta(hours=2)
    assert ask() == 4
    # A note from the future, or one that is damaged, counts for nothing.
    desk.clock.time -= timedelta(days=2)
    assert ask() == 5
    for note in (desk.blobs.root / "languages").glob("*.json"):
        note.write_text("{")
    assert ask() == 6
    assert desk.packages.wheels((), ROOT, run_id=RUN) == ()
    assert len(desk.engine.jobs) == 6


def test_tarballs_are_taken_by_integrity_and_asked_for_once(desk: Desk) -> None:
    pins = [NpmPackage(name=name, version="1.0.0", integrity=integrity(name.encode())) for name in ("a", "b", "c")]
    codes = {"b@1.0.0": {"status": 1, "log": "npm ERR! code ETARGET\nnpm ERR! notarget none"}}
    desk.engine.answers = [answer({"status": 1, "log": "", "items": codes}, files__0=b"a", files__2=b"evil")]
    with pytest.raises(Stopped, match="2 of 3 language packages could not be had") as stopped:
        desk.packages.npm(tuple(pins), ROOT, run_id=RUN)
    assert stopped.value.missing == (
        "b@1.0.0: the registry has no such version", "c@1.0.0: not tried after the others failed",
    )  # fmt: skip
    assert [name for name, _ in desk.blobs.names()] == [sha256(b"a")]
    desk.engine.answers = [answer({"status": 0, "log": ""}, files__0=b"a", files__1=b"b", files__2=b"c")]
    found = desk.packages.npm(tuple(pins), ROOT, run_id=RUN)
    assert [package.sha256 for package in found] == [sha256(name) for name in (b"a", b"b", b"c")]
    desk.clock.time += timedelta(days=400)
    assert desk.packages.npm(tuple(pins), ROOT, run_id=RUN) == found
    assert len(desk.engine.jobs) == 2


def test_a_lock_whose_two_digests_disagree_is_not_believed(desk: Desk) -> None:
    lying = LanguagePackage(
        system="npm", name="a", version="1.0.0", file="a-1.0.0.tgz", sha256=sha256(b"x"), size=1,
        integrity=integrity(b"a"),
    )  # fmt: skip
    desk.engine.answers = [answer({"status": 0, "log": ""}, files__0=b"a")]
    with pytest.raises(Stopped, match="its sha256 and its integrity name different bytes"):
        desk.packages.ensure((lying,), ROOT, run_id=RUN)
    desk.blobs.put([b"x"], name="x", limit=9)
    with pytest.raises(UsageError, match="name different bytes"):
        desk.packages.npm_cache((lying,))


def test_the_cache_is_the_same_bytes_for_the_same_packages(desk: Desk) -> None:
    packages = []
    for name, data in (("@s/a", b"one"), ("b", b"two"), ("c", b"two")):
        file = desk.blobs.put([data], name="x.tgz", limit=9)
        (one,) = languages_npm.checked((NpmPackage(name=name, version="1.0.0", integrity=integrity(data)),))
        packages.append(one.locked(file))
    cache = desk.packages.npm_cache(packages)
    assert desk.packages.npm_cache([*reversed(packages), wheel_of(b"w")]) == cache
    with tarfile.open(desk.blobs.path(cache.sha256)) as archive:
        members = {member.name: member for member in archive}
        assert all(name.startswith("_cacache/") and member.isreg() for name, member in members.items())
        hexed = hashlib.sha512(b"two").hexdigest()
        content = archive.extractfile(f"_cacache/content-v2/sha512/{hexed[:2]}/{hexed[2:4]}/{hexed[4:]}")
        assert content is not None
        assert content.read() == b"two"
        key = hashlib.sha256(f"make-fetch-happen:request-cache:{OFFLINE_REGISTRY}@s%2fa".encode()).hexdigest()
        index = archive.extractfile(f"_cacache/index-v5/{key[:2]}/{key[2:4]}/{key[4:]}")
        assert index is not None
        for line in index.read().decode().splitlines()[1:]:
            total, _, text = line.partition("\t")
            assert total == hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            assert json.loads(text)["metadata"]["url"] == f"{OFFLINE_REGISTRY}@s%2fa"


# --- locks ----------------------------------------------------------------------------------------------


@pytest.fixture
def lock() -> ToolchainLock:
    return ToolchainLock(
        suite="trixie", architecture="amd64", epoch=1, origin="suite", indexes=(), seed=(), packages=(),
        roots=(LockedRoot(build="any", sha256="1" * 64, size=1),),
    )  # fmt: skip


def test_every_lock_that_was_committed_keeps_its_bytes() -> None:
    found = [path for folder in ("recipes", "reports") for path in (REPOSITORY / folder).rglob("toolchain.lock.json")]
    assert len(found) >= 5
    for path in found:
        data = path.read_bytes()
        assert to_bytes(parse_lock(data, path.name)) == data


def test_a_lock_has_the_second_format_only_with_language_packages(lock: ToolchainLock) -> None:
    assert b"languages" not in to_bytes(lock)
    assert lock.format == V1
    second = lock.with_languages((wheel_of(b"w", "b"), wheel_of(b"w", "a"), wheel_of(b"w", "a")))
    assert (second.format, [package.name for package in second.languages]) == (V2, ["a", "b"])
    assert parse_lock(to_bytes(second), "lock") == second
    assert second.with_languages(()) == lock
    made = {name: json.loads(text) for name, text in schemas().items()}
    jsonschema.validate(json.loads(to_bytes(second)), made["toolchain-lock.v2.schema.json"])
    jsonschema.validate(json.loads(to_bytes(lock)), made["toolchain-lock.v1.schema.json"])
    for value, schema in ((second, "v1"), (lock, "v2")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(to_bytes(value)), made[f"toolchain-lock.{schema}.schema.json"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": V1}, f"expected languages in {V2} and only there"),
        ({"languages": []}, f"expected languages in {V2} and only there"),
        ({"format": "rebuilder/toolchain-lock/v3"}, "expected 'rebuilder/toolchain-lock/v1'"),
    ],
)
def test_a_lock_of_mixed_formats_is_refused(lock: ToolchainLock, change: dict[str, object], message: str) -> None:
    data = json.loads(to_bytes(lock.with_languages((wheel_of(b"w"),)))) | change
    with pytest.raises(RecipeError, match=message):
        parse_lock(json.dumps(data).encode(), "lock")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "--index-url"}, {"name": "a/b"}, {"name": "@s/../x"}, {"version": "-1"}, {"version": "1 --pre"},
        {"file": "../x.whl"}, {"sha256": "x"}, {"size": -1}, {"system": "npm"}, {"integrity": integrity(b"")},
        {"system": "npm", "integrity": "sha1-x"}, {"name": ""}, {"name": "a\nb"},
    ],
)  # fmt: skip
def test_a_language_package_holds_to_its_format(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LanguagePackage.model_validate(wheel_of(b"w").model_dump() | change)


def test_a_pack_carries_language_packages(lock: ToolchainLock, tmp_path: Path) -> None:
    blobs, other = BlobStore(tmp_path / "from"), BlobStore(tmp_path / "to")
    second = lock.with_languages((wheel_of(b"wheel"),))
    with pytest.raises(Stopped, match="1 files that the pack has to hold") as stopped:
        pack(second, blobs)
    assert stopped.value.missing == ("demo-1.0-py3-none-any.whl",)
    blobs.put([b"wheel"], name="x", limit=9)
    assert [file.name for file in contents(second)] == ["demo-1.0-py3-none-any.whl"]
    (tmp_path / "p.tar").write_bytes(b"".join(pack(second, blobs)))
    assert unpack(tmp_path / "p.tar", other, expect=second) == second
    assert other.read(sha256(b"wheel"), limit=9) == b"wheel"
