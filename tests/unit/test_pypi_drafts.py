"""What a release of Python's index is drafted as: replays, history, steps and environment, by its archives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rebuilder.model import FileDigest
from rebuilder.releases import Commit, IndexFile, Release
from rebuilder.resolve.package_kind import Draft, Ground, Taken, Wanted
from rebuilder.resolve.pypi import PyPI
from tests.unit import infer_archives as made
from tests.unit.infer_archives import at, member
from tests.unit.infer_python_cases import BUILD, CHECKOUT, COMMIT, UPLOAD, of_flit, of_setuptools, wheel_of

SETUPTOOLS = b'[build-system]\nrequires = ["setuptools"]\n'
FLIT = b'[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


@dataclass(frozen=True)
class Files:
    """A tree in memory."""

    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.texts)

    def read(self, path: str, limit: int) -> bytes:
        return self.texts[path][:limit]


def draft(paths: list[Path], manifest: bytes, others: tuple[str, ...] = ()) -> Draft:
    index = tuple(IndexFile(name=path.name, uploaded=datetime.fromtimestamp(UPLOAD, UTC)) for path in paths)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    files = tuple(
        FileDigest(name=path.name, sha256=sha256, size=path.stat().st_size)
        for path, sha256 in zip(paths, digests, strict=True)
    )
    answer = FileDigest(name="answer", sha256=digests[0], size=1)
    release = Release(system="pypi", name="demo", version="1.0", files=index, answer=answer)
    wanted = Wanted(system="pypi", name="demo", version="1.0")
    targets = PyPI().targets(release, wanted)
    taken = Taken(
        wanted=wanted, release=release, targets=targets, files=files, paths={path.name: path for path in paths}
    )
    tree = Files({"pyproject.toml": manifest} | dict.fromkeys(others, b""))
    return PyPI().draft(taken, Ground(tree=tree, commit=Commit(id="0" * 40, time=COMMIT)))


def replays(drafted: Draft) -> dict[str, tuple[str, ...]]:
    return {one.artifact: one.what for one in drafted.build.replay}


def test_times_of_setuptools_are_replayed_at_once_under_the_hosts_clock(tmp_path):
    drafted = draft([wheel_of(tmp_path, "setuptools (75.1.0)"), of_setuptools(tmp_path)], SETUPTOOLS)
    assert replays(drafted) == {WHEEL: ("member-times",), SDIST: ("file-times", "member-times", "gzip-time")}
    assert drafted.build.clock is None
    assert (drafted.build.user, drafted.build.uid, drafted.build.group) == ("runner", 1001, "docker")


def test_a_wheel_that_an_epoch_or_a_constant_made_is_not_replayed(tmp_path):
    dated = wheel_of(tmp_path, "setuptools (75.1.0)", files={"demo/__init__.py": COMMIT}, written=COMMIT)
    drafted = draft([dated, of_setuptools(tmp_path)], SETUPTOOLS)
    assert drafted.build.epoch == COMMIT
    assert set(replays(drafted)) == {SDIST}
    constant = at("2016-01-01 00:00:00")
    plain = wheel_of(tmp_path, "pdm-backend (2.3.3)", files={"demo/__init__.py": constant}, written=constant)
    written = (member("demo/_version.py", BUILD + 0.1),)
    drafted = draft([plain, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=BUILD, more=written)], SETUPTOOLS)
    assert set(replays(drafted)) == {SDIST}


def test_an_sdist_of_constants_is_not_replayed_beside_its_wheel(tmp_path):
    constant = at("2022-11-09 12:37:21")
    wheel = wheel_of(tmp_path, "scikit-build-core 0.9.3")
    drafted = draft([wheel, of_flit(tmp_path, constant, gzip_time=constant)], SETUPTOOLS)
    assert replays(drafted) == {WHEEL: ("member-times",)}


def test_flit_build_is_given_the_history_and_flit_core_is_not(tmp_path):
    constant = at("2016-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "flit 3.9.0", written=constant)
    hidden = of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant, more=(member(".gitignore", CHECKOUT + 0.5),))
    drafted = draft([wheel, hidden], FLIT)
    assert drafted.build.history
    assert drafted.build.steps[1].label == "flit build"
    assert not draft([wheel, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant)], FLIT).build.history


def test_translations_are_compiled_before_the_build(tmp_path):
    members = [member(name, CHECKOUT) for name in ("demo/__init__.py", "demo/de.po", "demo/de.mo")]
    sdist = made.sdist(tmp_path / SDIST, [*members, member("PKG-INFO", BUILD + 0.25)], gzip_time=BUILD)
    drafted = draft([sdist], SETUPTOOLS, others=("demo/de.po",))
    assert drafted.build.steps[0].argv == ("msgfmt", "-o", "./demo/de.mo", "./demo/de.po")
    assert "gettext" in drafted.toolchain.relations
    assert "a translation is compiled by msgfmt before the build" in drafted.notes[-1]
    assert "gettext" not in draft([sdist], SETUPTOOLS, others=("demo/de.po", "demo/de.mo")).toolchain.relations


def test_no_bytecode_is_left_where_none_was_published(tmp_path):
    drafted = draft([of_setuptools(tmp_path)], SETUPTOOLS)
    assert drafted.build.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    members = [member(name, CHECKOUT) for name in ("demo.py", "__pycache__/demo.cpython-313.pyc")]
    stray = made.sdist(tmp_path / SDIST, [*members, member("PKG-INFO", BUILD + 0.25)], gzip_time=BUILD)
    assert "PYTHONDONTWRITEBYTECODE" not in draft([stray], SETUPTOOLS).build.environment
