"""The formats the walk can take apart, in the order they are tried."""

from __future__ import annotations

from rebuilder.compare.archive.ar import AR
from rebuilder.compare.archive.codecs import BZIP2, XZ, ZSTD
from rebuilder.compare.archive.elf import ELF
from rebuilder.compare.archive.gzip import GZIP
from rebuilder.compare.archive.layout import Reader
from rebuilder.compare.archive.pyc import PYC
from rebuilder.compare.archive.tar import TAR
from rebuilder.compare.archive.zip import ZIP
from rebuilder.data import Data

HEAD = 4096
READERS: tuple[Reader, ...] = (AR, GZIP, XZ, BZIP2, ZSTD, ELF, PYC, ZIP, TAR)
#: Formats that pack one thing.
CODECS = frozenset({"gzip", "xz", "bzip2", "zstd"})
#: Formats whose entries are parts of one file, not files.
INNER = frozenset({"elf", "pyc"})


def reader_of(data: Data) -> Reader | None:
    """The reader for these bytes by how they begin; ``None`` for what is no container we know."""
    head = data.read(0, HEAD)
    return next((reader for reader in READERS if reader.recognises(head, data.size)), None)
