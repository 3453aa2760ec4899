"""Tiny Debian source packages, the same bytes every time, that build in seconds without debhelper."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

#: Every file of a source has this time; so has the newest changelog entry (Tue, 01 Sep 2026 12:00:00 +0000).
EPOCH = 1788264000
CHANGELOG_DATE = "Tue, 01 Sep 2026 12:00:00 +0000"
#: A binNMU comes a day later.
REBUILD_DATE = "Wed, 02 Sep 2026 12:00:00 +0000"
MAINTAINER = "Specimen Maker <specimen@archive.invalid>"

RULES = """\
#!/usr/bin/make -f
any := {any_packages}
all := {all_packages}

build: build-arch build-indep
build-arch: build/arch
build/arch:
	mkdir -p build
	gcc -g -O2 -Wall -o build/program program.c
{build_any}	touch $@
build-indep: build/indep
build/indep:
	mkdir -p build
{build_all}	touch $@
binary: binary-arch binary-indep
binary-arch: build-arch
	set -e; for package in $(any); do sh debian/assemble $$package any; done
{finish_any}binary-indep: build-indep
	set -e; for package in $(all); do sh debian/assemble $$package all; done
{finish_all}clean:
	rm -rf build debian/out debian/files
.PHONY: build build-arch build-indep binary binary-arch binary-indep clean
"""

ASSEMBLE = """\
#!/bin/sh
# Puts one binary package together, as a packager without debhelper would.
set -eu
package=$1
kind=$2
out=debian/out/$package
doc=$out/usr/share/doc/$package
mkdir -p "$out/DEBIAN" "$doc" "$out/usr/share/$package"
if [ "$kind" = any ]; then
	install -D -m 755 build/program "$out/usr/bin/$package"
fi
cp -r data/. "$out/usr/share/$package/"
if [ -d build/extra ]; then
	cp -r build/extra/. "$out/usr/share/$package/"
fi
if head -n 1 debian/changelog | grep -q 'binary-only=yes'; then
	# The rebuild's own entry goes to a file of its own, so that architectures stay co-installable: up to its
	# last line, without the empty one behind it.
	awk '{ print } /^ -- / { exit }' debian/changelog |
		gzip -9n > "$doc/changelog.Debian.$(dpkg-architecture -qDEB_HOST_ARCH).gz"
	awk 'NR > 1 && /^[a-z0-9]/ { rest = 1 } rest { print }' debian/changelog | gzip -9n > "$doc/changelog.Debian.gz"
else
	gzip -9nc debian/changelog > "$doc/changelog.Debian.gz"
fi
chmod -R u=rwX,go=rX "$out"
(cd "$out" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$out/DEBIAN/md5sums"
dpkg-gencontrol "-p$package" "-P$out"
find "$out" -print0 | xargs -0 touch --no-dereference "--date=@$SOURCE_DATE_EPOCH"
dpkg-deb --root-owner-group --build "$out" ..
"""

PROGRAM = """\
#include <stdio.h>
int main(void) { puts("%s"); return 0; }
"""


@dataclass(frozen=True)
class Binary:
    """One binary package of a source: ``architecture`` is ``any`` or ``all``."""

    name: str
    architecture: str = "any"


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """A native source package. Commands are lines of `debian/rules`; ``files`` come on top of the usual ones."""

    name: str
    version: str = "1.0"
    binaries: tuple[Binary, ...] = ()
    build_any: tuple[str, ...] = ()
    build_all: tuple[str, ...] = ()
    finish_any: tuple[str, ...] = ()
    finish_all: tuple[str, ...] = ()
    build_depends: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    #: Further members of the tar, for sources that are hostile as archives.
    members: tuple[tuple[tarfile.TarInfo, bytes], ...] = ()

    @property
    def packages(self) -> tuple[Binary, ...]:
        """The binary packages: one of the source's own name unless said otherwise."""
        return self.binaries or (Binary(self.name),)

    @property
    def bare_version(self) -> str:
        """The version as file names carry it: without the epoch."""
        return self.version.partition(":")[2] or self.version

    def having(self, **changes: object) -> SourcePackage:
        """A copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def tree(self) -> dict[str, bytes]:
        """Every file of the unpacked source."""
        usual = {
            "program.c": (PROGRAM % self.name).encode(),
            "data/note.txt": f"This came from the source of {self.name}.\n".encode(),
            "debian/source/format": b"3.0 (native)\n",
            "debian/changelog": self._changelog().encode(),
            "debian/control": self._control().encode(),
            "debian/rules": self._rules().encode(),
            "debian/assemble": ASSEMBLE.encode(),
        }
        return {**usual, **self.files}

    def files_of_archive(self, *, sign: Callable[[bytes], bytes] = lambda text: text) -> dict[str, bytes]:
        """The `.dsc` (first) and its tar by file name; the same bytes each time if unsigned."""
        name = f"{self.name}_{self.bare_version}"
        tar = lzma.compress(self._tar(), preset=1)
        return {f"{name}.dsc": sign(self._dsc(f"{name}.tar.xz", tar).encode()), f"{name}.tar.xz": tar}

    def write(self, folder: Path, *, sign: Callable[[bytes], bytes] = lambda text: text) -> tuple[Path, ...]:
        """The same as files below ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        written = self.files_of_archive(sign=sign)
        for name, data in written.items():
            (folder / name).write_bytes(data)
        return tuple(folder / name for name in written)

    def _tar(self) -> bytes:
        buffer = io.BytesIO()
        top = f"{self.name}-{self.bare_version}"
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            folders = {str(parent) for path in self.tree() for parent in Path(path).parents}
            for name in sorted(f"{top}/{part}".removesuffix("/.") for part in folders):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, EPOCH
                tar.addfile(entry)
            for path, data in sorted(self.tree().items()):
                entry = tarfile.TarInfo(f"{top}/{path}")
                entry.size, entry.mtime = len(data), EPOCH
                entry.mode = 0o755 if path == "debian/rules" else 0o644
                tar.addfile(entry, io.BytesIO(data))
            for entry, data in self.members:
                tar.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    def _rules(self) -> str:
        by_kind = {
            kind: " ".join(b.name for b in self.packages if b.architecture == kind) for kind in ("any", "all")
        }
        lines = {
            name: "".join(f"\t{line}\n" for line in getattr(self, name))
            for name in ("build_any", "build_all", "finish_any", "finish_all")
        }
        return RULES.format(any_packages=by_kind["any"], all_packages=by_kind["all"], **lines)

    def _changelog(self) -> str:
        head = f"{self.name} ({self.version}) local; urgency=medium"
        return f"{head}\n\n  * A specimen.\n\n -- {MAINTAINER}  {CHANGELOG_DATE}\n"

    def _control(self) -> str:
        depends = f"Build-Depends: {self.build_depends}\n" if self.build_depends else ""
        head = (
            f"Source: {self.name}\nSection: misc\nPriority: optional\nMaintainer: {MAINTAINER}\n"
            f"Standards-Version: 4.7.2\nRules-Requires-Root: no\n{depends}"
        )
        parts = [
            f"Package: {b.name}\nArchitecture: {b.architecture}\n"
            "Description: specimen for a test\n It does nothing of use.\n"
            for b in self.packages
        ]
        return "\n".join([head, *parts])

    def _dsc(self, tar: str, data: bytes) -> str:
        architectures = " ".join(sorted({b.architecture for b in self.packages}, reverse=True))
        listing = "".join(f" {b.name} deb misc optional arch={b.architecture}\n" for b in self.packages)
        return (
            f"Format: 3.0 (native)\nSource: {self.name}\nBinary: {', '.join(b.name for b in self.packages)}\n"
            f"Architecture: {architectures}\nVersion: {self.version}\nMaintainer: {MAINTAINER}\n"
            "Standards-Version: 4.7.2\n"
            + (f"Build-Depends: {self.build_depends}\n" if self.build_depends else "")
            + f"Package-List:\n{listing}"
            f"Checksums-Sha1:\n {hashlib.sha1(data).hexdigest()} {len(data)} {tar}\n"
            f"Checksums-Sha256:\n {hashlib.sha256(data).hexdigest()} {len(data)} {tar}\n"
            f"Files:\n {hashlib.md5(data).hexdigest()} {len(data)} {tar}\n"
        )


def rebuild_entry(package: SourcePackage, *, number: int = 1) -> str:
    """The changelog entry that makes a binNMU, as the archive's builders write it."""
    return (
        f"{package.name} ({package.version}+b{number}) local; urgency=low, binary-only=yes\n\n"
        "  * Binary-only non-maintainer upload for amd64; no source changes.\n"
        "  * Rebuild against a newer toolchain\n\n"
        f" -- amd64 Build Daemon <buildd@archive.invalid>  {REBUILD_DATE}\n\n"
    )
