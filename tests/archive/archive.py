"""A Debian archive made by a test: pool, signed indexes, by-hash, `.buildinfo` files. Real in every byte.

The archive is a folder and what this object remembers of it. Nothing is signed until ``publish``; changing a
file in the pool and publishing again gives an archive whose own index vouches for the change, changing it
without gives one that contradicts itself.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path

from debian.deb822 import Deb822, Dsc, Packages
from debian.debfile import DebFile

from tests.archive.keys import ArchiveKey

ARCHITECTURE = "amd64"
BINARY_LIST = f"main/binary-{ARCHITECTURE}/Packages"
SOURCE_LIST = "main/source/Sources"


@dataclass
class Suite:
    """What one suite lists, and how its `InRelease` is made."""

    name: str
    key: ArchiveKey
    date: datetime
    valid_until: datetime | None = None
    binaries: list[Deb822] = field(default_factory=list)
    sources: list[Deb822] = field(default_factory=list)
    #: Last say over the signed text and the signed file: for bad signatures, odd fields, expired dates.
    edit_release: Callable[[bytes], bytes] = lambda text: text
    edit_inrelease: Callable[[bytes], bytes] = lambda signed: signed

    def copy(self) -> Suite:
        """The same suite, free to change."""
        return Suite(
            self.name, self.key, self.date, self.valid_until,
            [Deb822(stanza) for stanza in self.binaries], [Deb822(stanza) for stanza in self.sources],
            self.edit_release, self.edit_inrelease,
        )


class Archive:
    """An archive in ``root``. Paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.suites: dict[str, Suite] = {}

    def suite(self, name: str, *, key: ArchiveKey, date: datetime, valid_until: datetime | None = None) -> Suite:
        """Begin a suite."""
        self.suites[name] = Suite(name, key, date, valid_until)
        return self.suites[name]

    def copy(self, root: Path) -> Archive:
        """A copy that can be changed without touching this one; files are shared until they are."""
        shutil.copytree(self.root, root, copy_function=os.link)
        other = Archive(root)
        other.suites = {name: suite.copy() for name, suite in self.suites.items()}
        return other

    # --- contents -------------------------------------------------------------------------------

    def add_real(self, suite: str, stanza: str, file: Path) -> None:
        """List a real package with the stanza its own archive gave it."""
        fields = Packages(stanza)
        self._place(file, fields["Filename"])
        self.suites[suite].binaries.append(Deb822(stanza))

    def add_source(self, suite: str, files: Iterable[Path]) -> None:
        """List a source package: its `.dsc` first, then the files the `.dsc` names."""
        dsc_file, *rest = files
        dsc = Dsc(dsc_file.read_bytes())
        folder = f"pool/main/{dsc['Source'][0]}/{dsc['Source']}"
        for file in (dsc_file, *rest):
            self._place(file, f"{folder}/{file.name}")
        stanza = Deb822({"Package": dsc["Source"]})
        for key in ("Binary", "Version", "Maintainer", "Build-Depends", "Architecture", "Standards-Version", "Format"):
            if key in dsc:
                stanza[key] = dsc[key]
        stanza["Files"] = ""
        stanza["Checksums-Sha256"] = ""
        stanza["Directory"] = folder
        stanza["X-Names"] = " ".join(file.name for file in (dsc_file, *rest))
        self.suites[suite].sources.append(stanza)

    def add_binary(self, suite: str, deb: Path, *, buildinfo: Path | None = None) -> Deb822:
        """List a binary package by its own control fields; a `.buildinfo` is named by path and digest."""
        control = DebFile(str(deb)).debcontrol()
        source = control.get("Source", control["Package"]).split()[0]
        folder = f"pool/main/{source[0]}/{source}"
        stanza = Deb822(control)
        stanza["Filename"] = f"{folder}/{deb.name}"
        self._place(deb, stanza["Filename"])
        if buildinfo is not None:
            stanza["Buildinfo-Filename"] = f"{folder}/{buildinfo.name}"
            self._place(buildinfo, stanza["Buildinfo-Filename"])
        self.suites[suite].binaries.append(stanza)
        return stanza

    def binary(self, package: str) -> Deb822:
        """The stanza of a binary package, whatever suite lists it; change it and publish again."""
        return next(s for suite in self.suites.values() for s in suite.binaries if s["Package"] == package)

    def source(self, package: str) -> Deb822:
        """The stanza of a source package."""
        return next(s for suite in self.suites.values() for s in suite.sources if s["Package"] == package)

    # --- changes --------------------------------------------------------------------------------

    def replace(self, path: str, data: bytes) -> None:
        """Put other bytes at ``path``. The indexes still say what they said until ``publish``."""
        target = self.root / path
        target.unlink()
        target.write_bytes(data)

    def flip(self, path: str, *, offset: int = -1, bit: int = 0) -> None:
        """Change one bit; by default in the middle of the file."""
        data = bytearray((self.root / path).read_bytes())
        data[len(data) // 2 if offset < 0 else offset] ^= 1 << bit
        self.replace(path, bytes(data))

    def remove(self, path: str) -> None:
        """Take a file away; the indexes still name it."""
        (self.root / path).unlink()

    # --- signed indexes -------------------------------------------------------------------------

    def publish(self, *suites: str) -> Archive:
        """Write and sign the indexes of the named suites, or of all."""
        for name in suites or tuple(self.suites):
            self._publish(self.suites[name])
        return self

    def inrelease(self, suite: str) -> str:
        """Path of a suite's signed index."""
        return f"dists/{suite}/InRelease"

    def _publish(self, suite: Suite) -> None:
        lists: dict[str, bytes] = {}
        for path, stanzas in (
            (BINARY_LIST, [self._binary_stanza(stanza) for stanza in suite.binaries]),
            (SOURCE_LIST, [self._source_stanza(stanza) for stanza in suite.sources]),
        ):
            text = "\n".join(stanzas).encode()
            lists[path] = text
            lists[f"{path}.xz"] = lzma.compress(text, preset=1)
        folder = self.root / "dists" / suite.name
        for path, data in lists.items():
            _write(folder / path, data)
            _write(folder / Path(path).parent / "by-hash" / "SHA256" / hashlib.sha256(data).hexdigest(), data)
        release = suite.edit_release(self._release(suite, lists).encode())
        _write(folder / "InRelease", suite.edit_inrelease(suite.key.clear_sign(release)))

    @staticmethod
    def _release(suite: Suite, lists: dict[str, bytes]) -> str:
        rows = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data):8d} {path}\n" for path, data in lists.items())
        until = f"Valid-Until: {_date(suite.valid_until)}\n" if suite.valid_until else ""
        return (
            f"Origin: Specimens\nLabel: Specimens\nSuite: {suite.name}\nCodename: {suite.name}\n"
            f"Date: {_date(suite.date)}\n{until}Acquire-By-Hash: yes\nArchitectures: all {ARCHITECTURE}\n"
            f"Components: main\nSHA256:\n{rows}"
        )

    def _binary_stanza(self, stanza: Deb822) -> str:
        filled = Deb822(stanza)
        if "SHA256" not in filled:
            data = self._bytes(filled["Filename"])
            filled["Size"], filled["SHA256"] = str(len(data)), hashlib.sha256(data).hexdigest()
        if "Buildinfo-Filename" in filled and "Buildinfo-Sha256" not in filled:
            data = self._bytes(filled["Buildinfo-Filename"])
            filled["Buildinfo-Sha256"], filled["Buildinfo-Size"] = hashlib.sha256(data).hexdigest(), str(len(data))
        return str(filled)

    def _source_stanza(self, stanza: Deb822) -> str:
        filled = Deb822(stanza)
        files = {name: self._bytes(f"{filled['Directory']}/{name}") for name in filled.pop("X-Names").split()}
        for key, kind in (("Files", "md5"), ("Checksums-Sha256", "sha256")):
            rows = (f"\n {hashlib.new(kind, data).hexdigest()} {len(data)} {name}" for name, data in files.items())
            filled[key] = "".join(rows)
        return str(filled)

    def _bytes(self, path: str) -> bytes:
        target = self.root / path
        return target.read_bytes() if target.exists() else b"no longer here"

    def _place(self, file: Path, path: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(file, target)


def _write(path: Path, data: bytes) -> None:
    """A new file: one that is shared with another archive must not change under it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _date(moment: datetime) -> str:
    return format_datetime(moment).replace("+0000", "UTC")
