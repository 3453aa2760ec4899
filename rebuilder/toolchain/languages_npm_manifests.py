"""What packages of npm's index ask for, read off their tarballs: so that npm itself can choose among them offline.

A registry says the same of each version, of what it was sent when that was published. Tarballs are hostile: each is
read once, as a stream, within bounds.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, cast

from rebuilder import tarsafe

MAX_MANIFEST: Final = 4 * 1024**2
MAX_UNPACKED: Final = 2 * 1024**3
#: Keys of package.json that decide what is installed, and where.
FIELDS: Final = (
    *("dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"),
    *("bundleDependencies", "bundledDependencies", "bin", "directories", "engines", "os", "cpu", "libc"),
)
_BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError)


def manifest_of(path: Path) -> Mapping[str, object]:
    """``FIELDS`` of a tarball's ``package.json``; nothing of one that is broken, or has none: npm says so then."""
    try:
        with gzip.open(path, "rb") as stream:
            data = _manifest(cast("tarsafe.Readable", stream))
        told = json.loads(data.decode("utf-8-sig"))
    except _BROKEN:
        return {}
    return {key: told[key] for key in FIELDS if key in told} if isinstance(told, dict) else {}


def _manifest(stream: tarsafe.Readable) -> bytes:
    """The first ``TOP/package.json``, which is the one that npm unpacks, whatever the top folder is called."""
    bounded = tarsafe.Bounded(stream, MAX_UNPACKED, lambda: ValueError("too much in it"))
    with tarsafe.opened(bounded) as archive:
        for member in archive:
            top, _, rest = member.name.removeprefix("./").partition("/")
            if top and rest == "package.json" and member.isreg() and member.size <= MAX_MANIFEST:
                return cast("IO[bytes]", archive.extractfile(member)).read()
            archive.members = []
    return b"{}"
