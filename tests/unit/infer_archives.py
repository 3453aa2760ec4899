"""Wheels and sdists for the tests of inference: by hand, member by member, and by backends that are at hand."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

#: Text that each level of zlib packs in its own way.
PROSE = "".join(f"def name_{n}(value):\n    return value * {n * 7919 % 1000} + {n}\n\n" for n in range(400)).encode()
MANIFEST = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "demo"
version = "1.0"
[tool.hatch.build.targets.wheel]
packages = ["src/demo"]
"""


def at(text: str) -> int:
    """Seconds of ``2024-02-03 04:05:06`` in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def wheel(
    path: Path,
    generator: str | None,
    *,
    files: Mapping[str, int],
    written: int,
    metadata: str = "",
    mode: int = 0o100644,
    level: int = 6,
) -> Path:
    """A wheel whose files have these times, and its `.dist-info` another; seconds in UTC."""
    line = f"Generator: {generator}\n" if generator is not None else ""
    made = {
        "METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n{metadata}\nAbout it.\n",
        "WHEEL": f"Wheel-Version: 1.0\n{line}Root-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, time in files.items():
            _add(archive, name, time, PROSE, mode, level)
        for name, text in made.items():
            own = 0o100664 if name == "RECORD" else mode
            _add(archive, f"demo-1.0.dist-info/{name}", written, text.encode(), own, level)
    return path


def _add(archive: zipfile.ZipFile, name: str, time: int, data: bytes, mode: int, level: int) -> None:
    moment = datetime.fromtimestamp(time, UTC)
    entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data, compresslevel=level)


def member(
    name: str, time: float, *, owner: tuple[str, int, str, int] = ("", 0, "", 0), mode: int = 0o644
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"demo-1.0/{name}")
    info.mtime, info.mode = time, mode
    info.uname, info.uid, info.gname, info.gid = owner
    return info


def sdist(
    path: Path,
    members: Iterable[tarfile.TarInfo],
    *,
    gzip_time: int,
    texts: Mapping[str, str] | None = None,
    name: str = "demo-1.0.tar.gz",
    form: int = tarfile.PAX_FORMAT,
) -> Path:
    """An sdist of these members, whose texts are ``PROSE`` unless they are given."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(name, "wb", fileobj=raw, mtime=gzip_time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=form) as archive,
    ):
        for info in members:
            data = (texts or {}).get(info.name.partition("/")[2], "").encode() or PROSE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def by_hatchling(folder: Path, *, epoch: int | None) -> tuple[Path, Path]:
    """A wheel and an sdist of the real hatchling."""
    tree = _tree(folder)
    (tree / "pyproject.toml").write_text(MANIFEST)
    environment = {**os.environ, **({"SOURCE_DATE_EPOCH": str(epoch)} if epoch is not None else {})}
    if epoch is None:
        environment.pop("SOURCE_DATE_EPOCH", None)
    _run(["-m", "hatchling", "build", "-d", "out"], tree, environment)
    (made,) = (tree / "out").glob("*.whl")
    return made, tree / "out" / "demo-1.0.tar.gz"


def by_setuptools(folder: Path) -> Path:
    """An sdist of the real setuptools."""
    tree = _tree(folder)
    (tree / "setup.cfg").write_text("[metadata]\nname = demo\nversion = 1.0\n")
    (tree / "README.txt").write_text("about it\n")
    os.utime(tree / "README.txt", (1_600_000_000, 1_600_000_000))
    _run(["-c", "import setuptools; setuptools.setup()", "-q", "sdist", "-d", "out"], tree, dict(os.environ))
    return tree / "out" / "demo-1.0.tar.gz"


def _tree(folder: Path) -> Path:
    package = folder / "tree" / "src" / "demo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_bytes(PROSE)
    return folder / "tree"


def _run(argv: list[str], tree: Path, environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, *argv], cwd=tree, env=environment, check=True, capture_output=True, timeout=60)


__all__ = ["PROSE", "at", "by_hatchling", "by_setuptools", "member", "sdist", "wheel"]
