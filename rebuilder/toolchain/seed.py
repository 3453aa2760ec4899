"""The seed: the container in which apt solves and mmdebstrap runs, made of nothing but signed packages.

It needs no root, no maintainer script and no program of the host: the data archives of a fixed list of
packages (`seed.toml`) are written into one tar, in order, which an engine loads as an image.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.lock import LockedPackage
from rebuilder.model import Verdict
from rebuilder.toolchain import deb
from rebuilder.toolchain.index import PackageLists

_HERE = Path(__file__).parent
#: Where our own programs lie inside the seed.
PROGRAMS = "/usr/lib/rebuilder"
_MAX_SEED_BYTES = 1024**3


@dataclass(frozen=True)
class Recipe:
    """What `seed.toml` says."""

    suite: str
    packages: tuple[str, ...]
    #: Taken where the indexes have them.
    optional: tuple[str, ...]
    exclude: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def recipe() -> Recipe:
    """The shipped list."""
    table = tomllib.loads((_HERE / "seed.toml").read_text(encoding="utf-8"))
    return Recipe(
        suite=table["suite"],
        packages=tuple(table["packages"]),
        optional=tuple(table["optional"]),
        exclude=tuple(table["exclude"]),
        links=tuple(table["links"].items()),
        files=tuple(table["files"].items()),
    )


def is_held_by(lists: PackageLists) -> bool:
    """Whether these lists have every package of the seed: those of its own suite do."""
    found = lists.find(recipe().packages)
    return all(found[name] for name in recipe().packages)


def choose(lists: PackageLists) -> tuple[LockedPackage, ...]:
    """The newest of each seed package that the signed lists have. ``Stopped(unavailable)`` names the rest."""
    names = recipe().packages
    optional = recipe().optional
    found = lists.find((*names, *optional))
    missing = tuple(name for name in names if not found[name])
    if missing:
        reason = (
            f"the packages that the toolchain is made with are those of Debian {recipe().suite}; "
            f"{len(missing)} of {len(names)} are in none of the signed indexes"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=missing)
    return tuple(found[name][0].locked("seed", ()) for name in (*names, *optional) if found[name])


def identity(packages: Iterable[LockedPackage], epoch: int) -> str:
    """A name for the seed these packages give: sha256 over all that decides its bytes."""
    digest = hashlib.sha256(f"{epoch}\n".encode())
    for package in packages:
        digest.update(f"{package.sha256}\n".encode())
    for path in (Path(__file__), Path(deb.__file__), _HERE / "seed.toml", *_programs()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def write(packages: Iterable[LockedPackage], epoch: int, *, path_of: Callable[[str], Path], target: BinaryIO) -> str:
    """Write the seed's tar to ``target``, empty and readable; its sha256. ``path_of`` gives a checked `.deb` by digest.

    Raises ``InfrastructureError`` naming a package that cannot be read.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as out:
        seed = _Seed(out, epoch, recipe().exclude)
        for package in packages:
            try:
                with deb.data(path_of(package.sha256)) as archive:
                    seed.add_all(archive)
            except deb.Malformed as error:
                msg = f"seed package {package.package} {package.version}: {error}"
                raise InfrastructureError(msg) from error
        for name, destination in recipe().links:
            seed.add_link(name, destination)
        for name, text in recipe().files:
            seed.add_file(name, text.encode(), 0o644)
        for program in _programs():
            seed.add_file(f"{PROGRAMS[1:]}/{program.stem}", program.read_bytes(), 0o755)
    target.seek(0)
    return hashlib.file_digest(target, "sha256").hexdigest()  # type: ignore[arg-type]


def _programs() -> list[Path]:
    return sorted((_HERE / "inside").glob("*.pl"))


class _Seed:
    """A tar in the making: the first member of a name stays, times and names of owners are fixed."""

    def __init__(self, out: tarfile.TarFile, epoch: int, exclude: tuple[str, ...]) -> None:
        self._out = out
        self._epoch = epoch
        self._exclude = exclude
        self._seen: set[str] = set()
        self._size = 0

    def add_all(self, archive: tarfile.TarFile) -> None:
        """Copy a package's members. Raises ``deb.Malformed`` for one that does not belong in a package."""
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                msg = f"member {member.name[:200]!r} would leave the tree"
                raise deb.Malformed(msg)
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                msg = f"member {member.name[:200]!r} is neither file, folder nor link"
                raise deb.Malformed(msg)
            name = str(path)
            if name != "." and name not in self._seen and not self._left_out(name):
                self._add(member, name, archive.extractfile(member) if member.isreg() else None)

    def add_link(self, name: str, destination: str) -> None:
        """A symbolic link, with the folders above it."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, destination, 0o777
        self._folders(name)
        self._add(member, name, None)

    def add_file(self, name: str, content: bytes, mode: int) -> None:
        """A file of ours, with the folders above it."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        self._folders(name)
        self._add(member, name, io.BytesIO(content))

    def _folders(self, name: str) -> None:
        for folder in reversed(PurePosixPath(name).parents[:-1]):
            if str(folder) not in self._seen:
                member = tarfile.TarInfo(str(folder))
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                self._add(member, str(folder), None)

    def _left_out(self, name: str) -> bool:
        return any(name == folder or name.startswith(folder + "/") for folder in self._exclude)

    def _add(self, member: tarfile.TarInfo, name: str, content: object) -> None:
        self._size += member.size
        if self._size > _MAX_SEED_BYTES:
            msg = f"the seed would be larger than {_MAX_SEED_BYTES} bytes"
            raise deb.Malformed(msg)
        self._seen.add(name)
        clean = tarfile.TarInfo(name)
        clean.type, clean.size, clean.mode = member.type, member.size if member.isreg() else 0, member.mode
        clean.uid, clean.gid, clean.mtime = member.uid, member.gid, self._epoch
        clean.linkname = member.linkname.removeprefix("./") if member.islnk() else member.linkname
        self._out.addfile(clean, content)  # type: ignore[arg-type]
