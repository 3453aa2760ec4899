"""Releases as backends leave them, and what is guessed of them, for the tests of inference."""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path

from rebuilder.releases import Guess
from rebuilder.resolve.infer.python import guess
from rebuilder.resolve.infer.sdist_facts import read_sdist
from rebuilder.resolve.infer.wheel_facts import read_wheel
from tests.unit import infer_archives as made
from tests.unit.infer_archives import at, member

CHECKOUT, BUILD, UPLOAD = at("2024-02-02 01:21:20"), at("2024-02-02 01:21:27"), at("2024-02-02 01:22:14")
COMMIT = at("2024-02-01 10:00:01")
PLAIN = "demo-1.0-py3-none-any.whl"
RUNNER = ("runner", 1001, "docker", 127)
ORDER = ["backend", "requirements", "front-end", "python", "zlib", "epoch", "clock", "times", "owners", "umask"]


def of(
    wheel: Path | None = None,
    sdist: Path | None = None,
    *,
    uploaded: int | None = UPLOAD,
    pyproject: str = "",
    committed: int | None = None,
) -> dict[str, Guess]:
    found = guess(
        read_wheel(wheel) if wheel else None,
        read_sdist(sdist) if sdist else None,
        uploaded=datetime.fromtimestamp(uploaded, UTC) if uploaded is not None else None,
        pyproject=pyproject,
        committed=committed,
    )
    # Of setuptools beside the package wheel, a second row of that input says something.
    assert [one.input for number, one in enumerate(found) if number != 1 or one.input != "backend"] == ORDER
    assert all(one.evidence and one.evidence.isprintable() and len(one.evidence) < 400 for one in found)
    assert all(one.value not in one.others for one in found)
    return {one.input: one for one in reversed(found)}


def wheel_of(folder: Path, generator: str | None, **more) -> Path:
    values = {"files": {"demo/__init__.py": CHECKOUT}, "written": BUILD + 5} | more
    name = values.pop("name", "demo-1.0-py3-none-any.whl")
    return made.wheel(folder / name, generator, **values)


def of_setuptools(folder: Path, *, clock: int = BUILD, gzip_name: str = "demo-1.0.tar.gz", mode: int = 0o644) -> Path:
    """As ``python -m build`` leaves it on a machine of CI."""
    info = member("PKG-INFO", clock + 0.25, owner=RUNNER, mode=mode)
    others = [member(name, CHECKOUT, owner=RUNNER, mode=mode) for name in ("setup.py", "demo/__init__.py")]
    egg = member("demo.egg-info/SOURCES.txt", clock, owner=RUNNER, mode=mode)
    return made.sdist(folder / "demo-1.0.tar.gz", [info, *others, egg], gzip_time=clock, name=gzip_name)


def of_flit(folder: Path, time: float, *, gzip_time: int, more: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    members = [member("demo/__init__.py", time), *more, member("PKG-INFO", 0)]
    return made.sdist(folder / "demo-1.0.tar.gz", members, gzip_time=gzip_time)
