"""One root filesystem out of one list of packages: mmdebstrap, inside the seed, without a network.

All that could vary is held fixed: the packages (by digest), the programs (the seed), the clock
(SOURCE_DATE_EPOCH), the host name, and the files our last hook writes. What comes out is hashed as it is
received; what the packages' own database says is installed must be the lock, exactly.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rebuilder import deb822
from rebuilder.errors import InfrastructureError, RecipeError
from rebuilder.lock import Fixup, LockedPackage
from rebuilder.ports import Blobs, Engine, Job, Progress
from rebuilder.toolchain import deb, fixups
from rebuilder.toolchain.index import package_architecture, package_name, package_version, suite_name
from rebuilder.toolchain.seed import PROGRAMS
from rebuilder.toolchain.solver import FOLDER, Extra, repository, stanza
from rebuilder.toolchain.tarstream import Member, tar

#: What dpkg and the chroot need: owners, modes, device nodes. No SYS_ADMIN: nothing is mounted.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP", "SETGID", "SETUID", "SYS_CHROOT")
#: A folder of the root filesystem while it is made; see inside/debs.pl and inside/finish.pl.
STAND_INS = "/rebuilder-stand-ins"
MAX_ROOT_BYTES = 64 * 1024**3
_MAX_STATUS_BYTES = 64 * 1024**2
_LOG_LINES = 40


class NotInstallable(InfrastructureError):  # noqa: N818 - names what the packages are
    """mmdebstrap ran to its end and said no: as a rule the packages do not go together."""

    @property
    def reason(self) -> str:
        """What apt or dpkg has against the packages, in one line: out of the last lines that were printed."""
        lines = [line.strip() for line in self.message.split("\n") if line.strip()]
        told = [line for line in lines if re.search(r"\b(?:depends|breaks|conflicts)\b", line, re.IGNORECASE)]
        return "; ".join(told[:3] or lines[:1] + lines[-2:])[:600]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made."""

    suite: str
    epoch: int
    packages: tuple[LockedPackage, ...]
    fixups: tuple[Fixup, ...]
    seed_sha256: str
    run_id: str


def make(engine: Engine, blobs: Blobs, progress: Progress, order: Order, target: BinaryIO) -> str:
    """Make the root filesystem as a tar in ``target``, empty and readable; its sha256.

    Every package is in the blobs already. ``IntegrityError`` for one whose bytes changed there;
    ``InfrastructureError`` if mmdebstrap fails or what is installed is not the order.
    """
    _check(order)
    log = _Log(progress)
    spool = _Spool(target)
    ended = engine.run(_job(order), stdin=tar(_members(order, blobs)), stdout=spool.write, stderr=log.write)
    if ended.status != 0:
        why = "it ran out of memory" if ended.out_of_memory else "it took too long" if ended.timed_out else "it failed"
        msg = f"mmdebstrap made no root filesystem: {why} (status {ended.status}). Its last lines:\n{log.tail()}"
        of_packages = ended.status is not None and not ended.out_of_memory
        error = NotInstallable if of_packages else InfrastructureError
        raise error(msg, hint="this is our side or the toolchain packages, not the package being rebuilt")
    _check_installed(target, order.packages)
    return spool.digest.hexdigest()


def _check(order: Order) -> None:
    """A lock is a stranger's input: its words go into file names, a list of packages and an argv."""
    try:
        for package in order.packages:
            package_name(package.package)
            package_version(package.version)
            package_architecture(package.architecture)
        suite_name(order.suite)
    except ValueError as error:
        msg = f"the toolchain lock is not sound: {error}"
        raise RecipeError(msg, hint="make a new lock with --relock") from error
    fixups.check(order.fixups)


def _job(order: Order) -> Job:
    include = ",".join(package.package for package in order.packages)
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    pretend = any(fixup.action == fixups.PRETEND for fixup in order.fixups)
    options = (
        "--mode=root", "--variant=essential", "--format=tar", "--architectures=amd64", f"--include={include}",
        '--aptopt=APT::Sandbox::User "root"', '--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io",
        f'--aptopt=DPkg::Path "{STAND_INS + ":" if pretend else ""}{path}"',
        "--skip=download/empty,check/signed-by,chroot/mount",
        f"--setup-hook={PROGRAMS}/debs", f"--customize-hook={PROGRAMS}/finish",
        order.suite, "-", f"deb [trusted=yes] copy:{FOLDER}/repository {order.suite} main",
    )  # fmt: skip
    return Job(
        purpose="materialise",
        run_id=order.run_id,
        root_sha256=order.seed_sha256,
        argv=(f"{PROGRAMS}/feed", FOLDER, "mmdebstrap", *options),
        environment={
            "PATH": path,
            "LC_ALL": "C.UTF-8",
            "TMPDIR": f"{FOLDER}/tmp",  # noqa: S108 - inside the container
            "SOURCE_DATE_EPOCH": str(order.epoch),
        },
        user="0:0",
        read_only=False,
        capabilities=CAPABILITIES,
    )


def _members(order: Order, blobs: Blobs) -> Iterator[Member]:
    """The repository's index, then each package under the name apt would download it to."""
    rows: list[bytes] = []
    paths: list[tuple[LockedPackage, Path]] = []
    for package in sorted(order.packages, key=lambda package: package.package):
        path = blobs.path(package.sha256)
        paths.append((package, path))
        rows.append(stanza(Extra(control_of(package, path), f"debs/{package.name}", package.size, package.sha256)))
    yield Member.of("remove", "".join(f"{path}\n" for path in _removed(order)).encode())
    yield from repository("repository", order.suite, b"".join(rows))
    for package, path in paths:
        yield Member(f"debs/{_download_name(package)}", path, package.size)


def _removed(order: Order) -> list[str]:
    return [fixup.path for fixup in order.fixups if fixup.action == fixups.REMOVE]


def control_of(package: LockedPackage, path: Path) -> bytes:
    """The control paragraph of a locked package. ``InfrastructureError`` if the file is another package."""
    try:
        paragraph = deb.control(path)
        fields = deb822.fields(paragraph)
    except (deb.Malformed, deb822.Malformed) as error:
        msg = f"toolchain package {package.package} {package.version}: {error}"
        raise InfrastructureError(msg) from error
    found = tuple(fields.get(name, "") for name in ("Package", "Version", "Architecture"))
    if found != (package.package, package.version, package.architecture):
        msg = f"the lock says {package.package} {package.version} {package.architecture}, the file is {' '.join(found)}"
        raise InfrastructureError(msg, hint="the lock is wrong; make a new one with --relock")
    return paragraph


def _download_name(package: LockedPackage) -> str:
    """As apt names a package in its cache: the colon of an epoch quoted."""
    return f"{package.package}_{package.version.replace(':', '%3a')}_{package.architecture}.deb"


def _check_installed(root: BinaryIO, packages: Iterable[LockedPackage]) -> None:
    wanted = {(package.package, package.version, package.architecture) for package in packages}
    found = set(installed(root))
    if found == wanted:
        return
    extra = ", ".join(f"{name} {version}" for name, version, _ in sorted(found - wanted)) or "none"
    lacking = ", ".join(f"{name} {version}" for name, version, _ in sorted(wanted - found)) or "none"
    msg = f"the root filesystem does not hold exactly the locked packages; lacking: {lacking}; not locked: {extra}"
    raise InfrastructureError(msg, hint="make a new lock with --relock")


def installed(root: BinaryIO) -> Iterator[tuple[str, str, str]]:
    """Name, version and architecture of every package that a root filesystem's database calls installed."""
    root.seek(0)
    with tarfile.open(fileobj=root, mode="r:") as archive:
        for member in archive:
            if member.name.removeprefix("./") == "var/lib/dpkg/status" and member.isfile():
                break
        else:
            msg = "the root filesystem has no package database"
            raise InfrastructureError(msg)
        content = archive.extractfile(member)
        text = content.read(_MAX_STATUS_BYTES) if content else b""
    for paragraph in deb822.paragraphs(text):
        fields = deb822.fields(paragraph)
        if fields.get("Status") != "install ok installed":
            msg = f"package {fields.get('Package')} is not fully installed: {fields.get('Status')}"
            raise InfrastructureError(msg)
        yield fields["Package"], fields["Version"], fields["Architecture"]


class _Spool:
    """Writes to disk and hashes what it wrote."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_ROOT_BYTES:
            msg = f"the root filesystem is larger than {MAX_ROOT_BYTES} bytes"
            raise InfrastructureError(msg)
        self.digest.update(data)
        self._file.write(data)


class _Log:
    """Keeps the last lines for an error message; shows each as it comes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rest = b""
        self._lines: list[str] = []

    def write(self, data: bytes) -> None:
        *lines, rest = re.split(rb"[\r\n]+", self._rest + data)
        self._rest = rest[-4096:]
        for line in lines:
            text = line[:4096].decode("utf-8", "replace")
            self._lines = [*self._lines[1 - _LOG_LINES :], text]
            self._progress.line(text)

    def tail(self) -> str:
        return "\n".join(self._lines)
