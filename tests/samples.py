"""Small real archives of every format, each with what makes it awkward: for tests of totality and for fuzzing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import py_compile
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

FILES = {"pkg/a.py": b"print(1)\n" * 20, "pkg/b.bin": bytes(range(256)) * 3, "pkg/empty": b"", "ünï/c": b"c"}


def tar(form: int = tarfile.USTAR_FORMAT, *, gnu: bool = False) -> bytes:
    """A tar with files, a folder, links; with long names and pax records where the format has them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, (name, data) in enumerate(FILES.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uid, info.uname = len(data), 1700000000 + number, 0o644, 1000, "me"
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = {"mtime": "1700000000.25", "comment": "hello"}
            archive.addfile(info, io.BytesIO(data))
        if gnu or form == tarfile.PAX_FORMAT:
            info = tarfile.TarInfo("long/" * 30 + "name")
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        folder = tarfile.TarInfo("folder/")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "pkg/a.py"
        archive.addfile(link)
    return out.getvalue()


def zipped() -> bytes:
    """A zip with stored and deflated members, extra fields, a folder, comments."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (name, data) in enumerate(FILES.items()):
            info = zipfile.ZipInfo(name, (2024, 1, 2 + number, 3, 4, 6))
            info.compress_type = zipfile.ZIP_DEFLATED if number % 2 == 0 else zipfile.ZIP_STORED
            info.external_attr = 0o100644 << 16
            info.extra = b"UT\x05\x00\x01\x00\x01\x02\x03" if number == 1 else b""
            info.comment = b"about it" if number == 2 else b""
            archive.writestr(info, data)
        archive.mkdir("folder")
        archive.comment = b"the archive's own comment"
    return out.getvalue()


def ar(members: dict[bytes, bytes], mtime: int = 1700000000) -> bytes:
    """An ar archive."""
    out = b"!<arch>\n"
    for name, data in members.items():
        out += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, mtime, 0, 0, 0o100644, len(data))
        out += data + b"\n" * (len(data) % 2)
    return out


def gz(data: bytes) -> bytes:
    """A gzip with a name."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="name", fileobj=out, mode="wb", mtime=1700000000) as file:
        file.write(data)
    return out.getvalue()


def deb() -> bytes:
    """Laid out as a `.deb` is."""
    control = gz(tar())
    return ar({b"debian-binary": b"2.0\n", b"control.tar.gz": control, b"data.tar.xz": lzma.compress(tar())})


@cache
def elf() -> bytes:
    """A small shared library from the host's compiler."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.c")
        source.write_text('const char *where(void) { return "/build/here"; }\nint twice(int x) { return 2 * x; }\n')
        command = ["gcc", "-g", "-shared", "-nostdlib", "-fPIC", "-o", f"{folder}/a.so", str(source)]
        subprocess.run(command, check=True, cwd=folder)
        return Path(folder, "a.so").read_bytes()


def pyc() -> bytes:
    """A compiled module."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "m.py")
        source.write_text("def f(x):\n    return x + 1\n")
        return Path(py_compile.compile(str(source), cfile=f"{folder}/m.pyc", dfile="m.py") or "").read_bytes()


def zstd(data: bytes) -> bytes:
    """A zstd frame."""
    import zstandard

    return zstandard.ZstdCompressor(level=3).compress(data)


@cache
def samples() -> dict[str, bytes]:
    """By name."""
    return {
        "ustar": tar(),
        "pax": tar(tarfile.PAX_FORMAT),
        "gnu": tar(tarfile.GNU_FORMAT, gnu=True),
        "zip": zipped(),
        "ar": ar({b"one/": b"odd", b"two/": b"even"}),
        "deb": deb(),
        "gz": gz(b"some text\n" * 30),
        "gz-two": gz(b"first\n") + gz(b"second\n"),
        "xz": lzma.compress(b"some text\n" * 30),
        "bz2": bz2.compress(b"some text\n" * 30),
        "zst": zstd(b"some text\n" * 30),
        "tgz": gz(tar()),
        "whl-in-tar": gz(ar({b"inner.zip": zipped()})),
        "elf": elf(),
        "pyc": pyc(),
        "text": b"just\ntext\n",
    }
