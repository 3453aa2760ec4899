"""From real archives that differ in one thing to the changes that are suggested: the whole way, no pretending."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.explain.causes.families import RULES
from rebuilder.explaining import explain_paths
from rebuilder.findings import DifferenceClass
from rebuilder.model import Origin
from rebuilder.opened import desk
from rebuilder.recipe import PackageRecipe
from rebuilder.releases import Guess
from rebuilder.search import signs
from rebuilder.search.changes import SCALAR
from rebuilder.search.hints import HINTS, candidates
from rebuilder.search.known import Known
from rebuilder.search.signs import Outcome, Sign, signs_of, signs_of_failure
from tests.unit.search_world import COMMITS, SDIST, TGZ, WHEEL, recipe_of

COMMITTED = 1_600_000_001
METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n\n# Demo\n"


def guess(input_: str, value: str, *others: str) -> Guess:
    body = {"input": input_, "value": value, "origin": Origin.INFERRED, "evidence": "-", "confidence": 0.5}
    return Guess.model_validate({**body, "others": others})


KNOWN = Known(
    guesses=(guess("commit", *COMMITS[:2]), guess("backend", "hatchling==1.27.0", "hatchling==1.26.0")),
    committed=COMMITTED,
    uploaded=1_700_000_000,
    front_ends=("build", "straight"),
)


def wheel(path: Path, *, seconds: int = 1_700_000_000, generated: int = 0, level: int = 6, **files: bytes) -> Path:
    generator = files.get("wheel", b"hatchling 1.27.0")
    contents = {
        "demo/a.py": files.get("a", b"x = 1\n" * 90),
        "demo-1.0.dist-info/METADATA": files.get("metadata", METADATA),
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: " + generator + b"\n",
    }
    with zipfile.ZipFile(path, "w") as target:
        for name, data in contents.items():
            at = datetime.fromtimestamp(generated if generated and "dist-info" in name else seconds, UTC)
            info = zipfile.ZipInfo(name, at.timetuple()[:6])
            info.external_attr = int.from_bytes(files.get("mode", b"\x81\xa4")) << 16
            target.writestr(info, data, zipfile.ZIP_DEFLATED, level)
    return path


def sdist(path: Path, *, gzipped: int = 0, **fields: object) -> Path:
    plain = io.BytesIO()
    times = fields.pop("times", (1_700_000_000.0,) * 3)
    assert isinstance(times, tuple)
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as target:
        for name, time in zip(("demo-1.0/a.py", "demo-1.0/b.py", "demo-1.0/PKG-INFO"), times, strict=True):
            info = tarfile.TarInfo(name)
            info.mtime, info.size = time, 4
            for field, value in fields.items():
                setattr(info, field, value)
            target.addfile(info, io.BytesIO(b"x=1\n"))
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=gzipped))
    return path


def found(published: Path, rebuilt: Path, recipe: PackageRecipe, known: Known = KNOWN) -> list[str]:
    """Of each sign the first suggestion, in words."""
    artifact = WHEEL if published.suffix == ".whl" else SDIST
    with desk() as own:
        told = explain_paths(artifact, published, rebuilt, own)
    rows = []
    for sign in signs_of(told.explanation, told.difference):
        first = next(iter(candidates(sign, recipe, known)), None)
        words = " + ".join(change.words for change in first.changes) if first else "nothing"
        rows.append(f"{sign.id}: {words}")
    return rows


HATCH = recipe_of("hatchling")


def test_one_time_everywhere_is_the_epoch_and_a_commit_is_taken_from_its_grid(tmp_path: Path) -> None:
    ours = wheel(tmp_path / "b.whl")
    theirs = wheel(tmp_path / "a.whl", seconds=1_600_000_000)
    assert found(theirs, ours, HATCH) == ["zip-times: epoch 1600000001"]
    theirs = wheel(tmp_path / "a.whl", seconds=1_650_000_000)
    assert found(theirs, ours, HATCH) == ["zip-times: epoch 1650000000"]
    theirs = wheel(tmp_path / "a.whl", seconds=1_580_601_600)
    assert found(theirs, ours, HATCH) == ["zip-times: epoch not set"]


def test_several_times_are_those_of_files_and_of_the_build(tmp_path: Path) -> None:
    theirs = wheel(tmp_path / "a.whl", seconds=1_650_000_000, generated=1_650_000_100)
    words = f"zip-times: epoch not set + clock 1650000100 + file times of {SDIST}"
    assert found(theirs, wheel(tmp_path / "b.whl"), HATCH) == [words]
    # A zip says its times to two seconds only, and nothing of the tree's files.
    alone = HATCH.model_copy(update={"artifacts": HATCH.artifacts[:1]})
    words = f"zip-times: epoch not set + times of every member of {WHEEL}"
    assert found(theirs, wheel(tmp_path / "b.whl"), alone) == [words]


def test_fractions_of_a_second_are_no_clock_that_stands(tmp_path: Path) -> None:
    times = (1_650_000_000.5, 1_650_000_007.25, 1_650_000_100.125)
    theirs, ours = sdist(tmp_path / "a.tar.gz", times=times), sdist(tmp_path / "b.tar.gz")
    rows = found(theirs, ours, HATCH)
    assert rows[0] == f"tar-times: epoch not set + times of every member of {SDIST} + file times of {SDIST}"


def test_a_gzip_header_is_the_epoch_the_clock_or_what_it_says(tmp_path: Path) -> None:
    ours = sdist(tmp_path / "b.tar.gz", gzipped=1_700_000_000)
    theirs = sdist(tmp_path / "a.tar.gz", gzipped=1_600_000_001)
    assert found(theirs, ours, HATCH) == ["gzip-header-time: epoch 1600000001"]
    pdm = Known(guesses=(guess("backend", "pdm-backend==2.4"),))
    assert found(theirs, ours, HATCH, pdm) == ["gzip-header-time: clock 1600000001"]
    own = Known(guesses=(guess("backend", "setuptools<70.1"), guess("backend", "wheel==0.43.0")))
    assert found(theirs, ours, HATCH, own) == [f"gzip-header-time: time in the gzip header of {SDIST}"]
    theirs = sdist(tmp_path / "a.tar.gz", gzipped=1_580_601_600)
    assert found(theirs, ours, HATCH) == ["gzip-header-time: epoch not set"]
    assert found(theirs, ours, HATCH, own) == [f"gzip-header-time: time in the gzip header of {SDIST}"]


def test_owners_are_those_of_a_user_where_one_can_be_that(tmp_path: Path) -> None:
    ours = sdist(tmp_path / "b.tar.gz", uid=1000, gid=1000, uname="builder", gname="builder")
    theirs = sdist(tmp_path / "a.tar.gz", uid=1001, gid=127, uname="runner", gname="docker")
    assert found(theirs, ours, HATCH) == ["tar-owners: owners runner/1001/docker/127"]
    theirs = sdist(tmp_path / "a.tar.gz", uid=1000, gid=1000, uname="runner", gname="builder")
    assert found(theirs, ours, HATCH) == ["tar-owners: owners runner/1000/builder/1000"]
    for names in ("Jane Doe", "", "../x", "a\nb"):
        theirs = sdist(tmp_path / "a.tar.gz", uid=501, gid=20, uname=names, gname="staff")
        assert found(theirs, ours, HATCH) == [f"tar-owners: owners of the members of {SDIST}"]


@pytest.mark.parametrize(("mode", "umask"), [(0o664, "0002"), (0o600, "0066"), (0o640, "0026")])
def test_modes_show_the_umask(tmp_path: Path, mode: int, umask: str) -> None:
    theirs, ours = sdist(tmp_path / "a.tar.gz", mode=mode), sdist(tmp_path / "b.tar.gz", mode=0o644)
    assert found(theirs, ours, HATCH) == [f"archive-modes: umask {umask}"]


def test_another_stream_is_another_zlib(tmp_path: Path) -> None:
    theirs, ours = wheel(tmp_path / "a.whl", level=1), wheel(tmp_path / "b.whl")
    assert found(theirs, ours, HATCH) == ["deflate-stream: zlib zlib-ng"]


def test_the_generator_line_wins(tmp_path: Path) -> None:
    theirs, ours = wheel(tmp_path / "a.whl", wheel=b"hatchling 1.25.0"), wheel(tmp_path / "b.whl")
    assert found(theirs, ours, HATCH) == ["wheel-generator: backend hatchling==1.25.0"]
    theirs = wheel(tmp_path / "a.whl", wheel=b"hatchling 1.25.0; x")
    assert not any("; x" in row for row in found(theirs, ours, HATCH))


def test_content_of_the_project_leads_to_another_commit_and_never_to_a_scalar(tmp_path: Path) -> None:
    theirs, ours = wheel(tmp_path / "a.whl", a=b"x = 2\n"), wheel(tmp_path / "b.whl")
    assert found(theirs, ours, HATCH) == [f"content: commit {COMMITS[1][:12]}"]
    theirs = wheel(tmp_path / "a.whl", metadata=METADATA.replace(b"# Demo", b"# Other"))
    assert found(theirs, ours, HATCH) == [f"content: commit {COMMITS[1][:12]}"]
    theirs = wheel(tmp_path / "a.whl", metadata=METADATA.replace(b"Name: demo", b"Name: demo\nKeywords: a"))
    assert found(theirs, ours, HATCH)[0].startswith("generated: backend hatchling==1.27.0")


@pytest.mark.parametrize("sign", sorted(HINTS))
def test_what_is_no_field_of_an_archive_never_leads_to_a_replay(sign: str) -> None:
    seen = (signs.Seen("mtime", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"), signs.Seen("uid", "7", "8"))
    one = Sign(id=sign, artifact=SDIST, scalar=False, seen=seen)
    for recipe in (HATCH, recipe_of("npm")):
        for candidate in candidates(one, recipe, KNOWN):
            fields = {change.field for change in candidate.changes}
            assert "replay" not in fields
            if sign in (signs.CONTENT, signs.GENERATED, signs.NOT_MADE):
                assert not fields & SCALAR


def test_every_hint_is_a_cause_of_the_catalogue_or_a_sign_of_our_own() -> None:
    assert set(HINTS) - signs.OWN <= {rule.id for rule in RULES}
    assert {rule.id for rule in RULES} >= signs.PASSED_ON
    assert signs.OWN - {signs.FOREIGN} <= set(HINTS)


@pytest.mark.parametrize(("theirs", "tried"), [("19", False), ("10 (TOPS-20)", False), ("255 (unknown)", True)])
def test_no_npm_packs_as_on_another_system(theirs: str, tried: bool) -> None:
    seen = (signs.Seen("os", theirs, "3 (Unix)"),)
    one = Sign(id="gzip-header-os", artifact=TGZ, scalar=True, seen=seen)
    known = Known(guesses=(guess("npm", "9.8.1", "6.14.18"),))
    assert bool(candidates(one, recipe_of("npm"), known)) is tried


def test_nothing_is_suggested_that_the_recipe_has() -> None:
    one = Sign(id="deflate-stream", artifact=TGZ, scalar=True)
    npm = recipe_of("npm")
    known = Known(guesses=(guess("node", "18.20.8", "20.1.0"),))
    assert [c.changes[0].value for c in candidates(one, npm, known)] == ["18.20.8", "20.1.0", "bookworm"]
    tools = npm.toolchain.model_copy(update={"node": "18.20.8", "suite": "bookworm"})
    left = candidates(one, npm.model_copy(update={"toolchain": tools}), known)
    assert [c.changes[0].value for c in left] == ["20.1.0", "trixie"]


@pytest.mark.parametrize(
    ("log", "at", "id_"),
    [
        ("ModuleNotFoundError: No module named 'distutils'", "build", signs.FAILS_PYTHON),
        ("ERROR: Package 'demo' requires a different Python: 3.13.5 not in '<3.12'", "install", signs.FAILS_PYTHON),
        ("ERROR: No matching distribution found for hatchling==0.1", "install", signs.FAILS_INSTALL),
        ("something else", "install", signs.FAILS_INSTALL),
        ("LookupError: setuptools-scm was unable to detect version for /build/demo", "build", signs.FAILS_VERSION),
        ("error: command failed", "build", signs.FAILS),
    ],
)
def test_a_failed_build_says_what_it_lacks(log: str, at: signs.FailedAt, id_: str) -> None:
    assert [one.id for one in signs_of_failure(Outcome(failure=log, failed_at=at))] == [id_]
    assert candidates(Sign(id=id_), HATCH, KNOWN)


def test_a_limit_of_ours_suggests_nothing() -> None:
    assert signs_of_failure(Outcome(failure="it ran for an hour", failed_at="limit")) == ()


def test_a_finding_has_one_sign_and_lists_of_digests_have_none_beside_others(tmp_path: Path) -> None:
    theirs, ours = wheel(tmp_path / "a.whl", a=b"x = 2\n"), wheel(tmp_path / "b.whl")
    with desk() as own:
        told = explain_paths(WHEEL, theirs, ours, own)
    first = told.explanation.model_copy(update={"causes": (), "unexplained": ()})
    assert [one.id for one in signs_of(first, told.difference)] == [signs.CONTENT]
    assert {one.kind for one in told.difference.findings} == {DifferenceClass.CONTENT}


def test_nothing_is_tried_against_content_that_no_commit_has(tmp_path: Path) -> None:
    theirs, ours = wheel(tmp_path / "a.whl", a=b"x = 2\n"), wheel(tmp_path / "b.whl")
    with desk() as own:
        told = explain_paths(WHEEL, theirs, ours, own)
    foreign = frozenset({hashlib.sha256(b"x = 2\n").hexdigest()})
    found = signs_of(told.explanation, told.difference, foreign)
    assert [(one.id, one.members) for one in found] == [(signs.FOREIGN, ("demo/a.py",))]
    assert candidates(found[0], HATCH, KNOWN) == ()


def test_translations_are_compiled_by_a_program_of_the_suite() -> None:
    """gettext 0.22 writes another charset than 0.21."""
    first = HATCH
    compiled = Sign(id=signs.CONTENT, artifact=WHEEL, members=("demo/de.mo", "demo/fr.mo"))
    best = candidates(compiled, first, KNOWN)[0]
    assert [(change.field, change.value) for change in best.changes] == [("suite", "bookworm")]
    mixed = Sign(id=signs.CONTENT, artifact=WHEEL, members=("demo/de.mo", "demo/a.py"))
    assert candidates(mixed, first, KNOWN)[0].changes[0].field == "commit"


def test_flit_is_tried_of_its_own_projects_alone() -> None:
    missing = Sign(id=signs.NOT_MADE, artifact=SDIST)
    ends = ("build", "flit", "flit-setup-py", "straight")

    def tried(backend: str) -> list[str]:
        known = Known(guesses=(guess("backend", backend),), front_ends=ends)
        found = [one.changes[0] for one in candidates(missing, HATCH, known)]
        return [change.value for change in found if change.field == "front-end"]

    # It is built by `build` already.
    assert tried("hatchling==1.27.0") == ["straight"]
    assert tried("flit_core==3.9.0") == ["flit", "flit-setup-py", "straight"]
