"""Writes the fixtures of the causes in archives and Python packages with real tools. Run it from anywhere, as any user.

Per cause: `published.*` and `rebuilt.*` are two builds without the fix, `fixed-1.*` and `fixed-2.*` two builds under
the same two conditions with the fix. Needs tar, gzip, xz, zstd, bzip2, zip, ar, dpkg-deb, python3.10, python3.11 and,
for `wheel-generator`, pip and the host's package index. Name causes as arguments to write only these.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
EPOCH = 1_700_000_000
LATER = EPOCH + 123_457
TEXT = "".join(f"line {n}: the quick brown fox jumps over {n * n} lazy dogs\n" for n in range(60))
FILES = {"pkg/__init__.py": "VALUE = 1\n", "pkg/data/words.txt": TEXT, "pkg/run.sh": "#!/bin/sh\nexit 0\n"}
Build = Callable[[Path, int, bool], Path]
CAUSES: dict[str, Build] = {}


def cause(name: str) -> Callable[[Build], Build]:
    """The decorated function builds in a folder, as build 0 or 1, with the fix or without; it gives the file made."""

    def kept(build: Build) -> Build:
        CAUSES[name] = build
        return build

    return kept


def run(*argv: str, cwd: Path, stdin: bytes | None = None, **environment: str) -> bytes:
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(cwd)}
    done = subprocess.run(argv, cwd=cwd, input=stdin, env={**clean, **environment}, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr.decode(errors='replace') or done.stdout.decode(errors='replace')}")
    return done.stdout


def tree(work: Path, when: int = EPOCH, files: dict[str, str] = FILES, umask: int = 0o022) -> Path:
    """The files, all with one time, made under a umask."""
    before = os.umask(umask)
    try:
        for name, text in files.items():
            path = work / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if name.endswith(".sh"):
                path.chmod(0o777 & ~umask)
    finally:
        os.umask(before)
    for path in [work / "tree", *(work / "tree").rglob("*")]:
        os.utime(path, (when, when))
    return work / "tree"


def tar(work: Path, *options: str, names: tuple[str, ...] = ("pkg",)) -> Path:
    defaults = ("--sort=name", "--owner=0", "--group=0", "--numeric-owner", f"--mtime=@{EPOCH}", "--format=gnu")
    run("tar", "-c", "-b", "1", *defaults, *options, "-f", "../out.tar", *names, cwd=work / "tree")
    return work / "out.tar"


def zipped(work: Path, *options: str, out: str = "out.zip", files: bool = True, **environment: str) -> Path:
    names = sorted(str(path.relative_to(work / "tree")) for path in (work / "tree").rglob("*") if path.is_file())
    run("zip", "-q", *options, f"../{out}", *(names if files else ["-r", "pkg"]), cwd=work / "tree", **environment)
    return work / out


def touched(work: Path, number: int, fixed: bool) -> Path:
    """The tree with the time of its build, or with the time of the commit where that is the fix."""
    return tree(work, EPOCH if fixed or not number else LATER)


@cause("zip-times")
def zip_times(work: Path, number: int, fixed: bool) -> Path:
    touched(work, number, fixed)
    return zipped(work, "-X")


@cause("zip-timezone")
def zip_timezone(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    return zipped(work, "-X", TZ="UTC" if fixed or not number else "IST-5:30")


@cause("zip-extra")
def zip_extra(work: Path, number: int, fixed: bool) -> Path:
    for path in tree(work).rglob("*"):
        os.utime(path, (LATER + number, EPOCH))
    return zipped(work, *(["-X"] if fixed else []))


@cause("zip-writer")
def zip_writer(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    if fixed or not number:
        return zipped(work, "-X", "-0")
    with zipfile.ZipFile(work / "out.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in (work / "tree").rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(work / "tree"))
    return work / "out.zip"


@cause("archive-order")
def archive_order(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    if fixed:
        return tar(work)
    names = ("pkg/__init__.py", "pkg/data/words.txt", "pkg/run.sh")
    return tar(work, "--sort=none", names=names[::-1] if number else names)


@cause("tar-times")
def tar_times(work: Path, number: int, fixed: bool) -> Path:
    touched(work, number, False)
    return tar(work, *([] if fixed else [f"--mtime=@{LATER if number else EPOCH}"]))


@cause("tar-owners")
def tar_owners(work: Path, number: int, fixed: bool) -> Path:
    """`--owner=NAME:UID` stands for packing as that user, which takes root to try."""
    tree(work)
    if fixed:
        return tar(work)
    name = ("alice:1000", "buildd:2952")[number]
    options = ("--sort=name", f"--mtime=@{EPOCH}", "--format=gnu", f"--owner={name}", f"--group={name}")
    run("tar", "-c", "-b", "1", *options, "-f", "../out.tar", "pkg", cwd=work / "tree")
    return work / "out.tar"


@cause("archive-modes")
def archive_modes(work: Path, number: int, fixed: bool) -> Path:
    tree(work, umask=0o002 if number else 0o022)
    return tar(work, *(["--mode=u+rw,go=rX,a-s"] if fixed else []))


@cause("executable-bit")
def executable_bit(work: Path, number: int, fixed: bool) -> Path:
    root = tree(work)
    if fixed:
        run("install", "-m", "755", "pkg/run.sh", "pkg/run.sh.new", cwd=root)
        (root / "pkg/run.sh.new").rename(root / "pkg/run.sh")
    elif number:
        (root / "pkg/run.sh").chmod(0o644)
    return tar(work)


@cause("pax-headers")
def pax_headers(work: Path, number: int, fixed: bool) -> Path:
    for path in tree(work).rglob("*"):
        os.utime(path, (LATER + number, EPOCH))
    # The time of change cannot be set, so it is left out of both, that this script gives the same files each time.
    delete = "delete=atime,delete=ctime" if fixed else "delete=ctime"
    option = f"--pax-option=exthdr.name=%d/PaxHeaders/%f,exthdr.mtime={EPOCH},{delete}"
    return tar(work, "--format=posix", option, names=("pkg/run.sh", "pkg/__init__.py"))


@cause("tar-format")
def tar_format(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    return tar(work, "--format=ustar" if number and not fixed else "--format=gnu")


@cause("gzip-header-time")
def gzip_header_time(work: Path, number: int, fixed: bool) -> Path:
    tree(work, LATER if number else EPOCH)
    run("gzip", "-n" if fixed else "-N", "pkg/data/words.txt", cwd=work / "tree")
    return work / "tree/pkg/data/words.txt.gz"


@cause("gzip-header-name")
def gzip_header_name(work: Path, number: int, fixed: bool) -> Path:
    source = tree(work) / "pkg/data" / ("words.tmp" if number else "words.txt")
    (work / "tree/pkg/data/words.txt").rename(source)
    run("gzip", "-n" if fixed else "-N", source.name, cwd=source.parent)
    return source.with_name(source.name + ".gz")


@cause("gzip-header-os")
def gzip_header_os(work: Path, number: int, fixed: bool) -> Path:
    source = tree(work) / "pkg/run.sh"
    if number and not fixed:
        code = "import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(), 6, mtime=0))"
        packed = run("python3.10", "-c", code, cwd=work, stdin=source.read_bytes())
    else:
        packed = run("gzip", "-n", cwd=work, stdin=source.read_bytes())
    (work / "out.gz").write_bytes(packed)
    return work / "out.gz"


@cause("deflate-stream")
def deflate_stream(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    return zipped(work, "-X", "-9" if fixed or not number else "-1")


def piped(*commands: tuple[str, ...], fix: tuple[str, ...], suffix: str) -> Build:
    def build(work: Path, number: int, fixed: bool) -> Path:
        (work / f"out.{suffix}").write_bytes(run(*(fix if fixed else commands[number]), cwd=work, stdin=TEXT.encode()))
        return work / f"out.{suffix}"

    return build


cause("xz-stream")(
    piped(("xz", "-6", "--threads=1"), ("xz", "-6", "--threads=2"), fix=("xz", "-6", "--threads=1"), suffix="xz")
)
cause("zstd-stream")(
    piped(("zstd", "-3"), ("zstd", "-19"), fix=("zstd", "-19", "--single-thread"), suffix="zst")
)
cause("bzip2-stream")(piped(("bzip2", "-1"), ("bzip2", "-9"), fix=("bzip2", "-9"), suffix="bz2"))


def deb(work: Path, *options: str, text: str = "one\n") -> Path:
    control = "Package: example\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
    control += "Description: example\n"
    shipped = {"usr/share/example/stamp": text, "usr/share/example/other": "same\n"}
    root = tree(work, files={**shipped, "DEBIAN/control": control})
    names = sorted(str(path.relative_to(root)) for path in (root / "usr").rglob("*") if path.is_file())
    (root / "DEBIAN/md5sums").write_bytes(run("md5sum", *names, cwd=root))
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH)}
    run("dpkg-deb", "--root-owner-group", "-b", *options, "tree", "out.deb", cwd=work, **environment)
    return work / "out.deb"


@cause("compression-method")
def compression_method(work: Path, number: int, fixed: bool) -> Path:
    return deb(work, "-Zxz" if fixed or not number else "-Zgzip")


@cause("md5sums")
def md5sums(work: Path, number: int, fixed: bool) -> Path:
    return deb(work, "-Zxz", text="one\n" if fixed or not number else "two\n")


@cause("ar-times")
def ar_times(work: Path, number: int, fixed: bool) -> Path:
    tree(work, LATER if number else EPOCH)
    run("ar", "rcD" if fixed else "rcU", "../../out.a", "run.sh", "__init__.py", cwd=work / "tree/pkg")
    return work / "out.a"


@cause("ar-owners")
def ar_owners(work: Path, number: int, fixed: bool) -> Path:
    """Needs root, to have files of two owners."""
    for path in tree(work).rglob("*"):
        os.chown(path, 1000 + number, 1000 + number)
    run("ar", "rcD" if fixed else "rcU", "../../out.a", "run.sh", "__init__.py", cwd=work / "tree/pkg")
    return work / "out.a"


@cause("directory-entries")
def directory_entries(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    return zipped(work, "-X", *(["-D"] if fixed or not number else []), files=False)


@cause("missing-file")
def missing_file(work: Path, number: int, fixed: bool) -> Path:
    root = tree(work)
    if number and not fixed:
        (root / "pkg/run.sh").unlink()
    return zipped(work, "-X")


@cause("moved-file")
def moved_file(work: Path, number: int, fixed: bool) -> Path:
    name = "pkg/licenses/LICENSE" if number and not fixed else "pkg/LICENSE"
    tree(work, files={**FILES, name: "Do as you like.\n"})
    return zipped(work, "-X")


@cause("extra-file")
def extra_file(work: Path, number: int, fixed: bool) -> Path:
    tree(work, files=FILES if fixed or not number else {**FILES, "pkg/left-over.orig": "old\n"})
    return zipped(work, "-X")


@cause("duplicate-entry")
def duplicate_entry(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    path = zipped(work, "-X")
    if number and not fixed:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo("pkg/__init__.py", (2023, 11, 14, 22, 13, 20)), "VALUE = 2\n")
    return path


@cause("trailing-data")
def trailing_data(work: Path, number: int, fixed: bool) -> Path:
    tree(work)
    path = zipped(work, "-X")
    if number and not fixed:
        path.write_bytes(path.read_bytes() + b"appended by nobody knows whom\n")
    return path


@cause("gap")
def gap(work: Path, number: int, fixed: bool) -> Path:
    """Bytes between the last member and the central directory: where some put what an ordinary reader is not to see."""
    tree(work)
    path = zipped(work, "-X")
    if number and not fixed:
        with zipfile.ZipFile(path, "a") as archive:
            archive.fp.seek(archive.start_dir)
            archive.fp.write(b"hidden between the members")
            archive.start_dir = archive.fp.tell()
            archive._didModify = True  # the central directory is written after them
    return path


PYTHON = (
    "import math\n\n\ndef area(radius):\n    '''Of a circle.'''\n    return math.pi * radius ** 2\n\n\n"
    "def known(word):\n    return word in {'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'}\n"
)


def compiled(work: Path, number: int, *, python: str = "python3.11", setup: str = "", call: str, **env: str) -> Path:
    tree(work, EPOCH, {"shapes.py": PYTHON})
    code = f"import py_compile as p, compileall as c\n{setup}\n{call}"
    run(python, "-c", code, cwd=work / "tree", **{"PYTHONHASHSEED": "0", **env})
    return work / "tree/shapes.pyc"


_HASH = "p.compile('shapes.py', 'shapes.pyc', 'shapes.py', invalidation_mode=p.PycInvalidationMode.UNCHECKED_HASH)"
_TIME = "p.compile('shapes.py', 'shapes.pyc', 'shapes.py', invalidation_mode=p.PycInvalidationMode.TIMESTAMP)"


@cause("pyc-times")
def pyc_times(work: Path, number: int, fixed: bool) -> Path:
    setup = f"import os; os.utime('shapes.py', ({LATER}, {LATER}))" if number else ""
    return compiled(work, number, setup=setup, call=_HASH if fixed else _TIME)


@cause("pyc-invalidation")
def pyc_invalidation(work: Path, number: int, fixed: bool) -> Path:
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH)} if number else {}
    call = _HASH if fixed else "p.compile('shapes.py', 'shapes.pyc', 'shapes.py')"
    return compiled(work, number, call=call, **environment)


@cause("pyc-python")
def pyc_python(work: Path, number: int, fixed: bool) -> Path:
    return compiled(work, number, python="python3.10" if number and not fixed else "python3.11", call=_HASH)


@cause("pyc-refs")
def pyc_refs(work: Path, number: int, fixed: bool) -> Path:
    """A process that has the same names in use already marks them as shared when it writes (up to Python 3.10)."""
    setup = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, ''); import shapes"
    return compiled(work, number, python="python3.10", setup=setup if number and not fixed else "", call=_HASH)


@cause("pyc-set-order")
def pyc_set_order(work: Path, number: int, fixed: bool) -> Path:
    seed = "0" if fixed else ("1", "2")[number]
    return compiled(work, number, python="python3.10", call=_HASH, PYTHONHASHSEED=seed)


@cause("pyc-code-path")
def pyc_code_path(work: Path, number: int, fixed: bool) -> Path:
    folder = work / ("build-one", "the-second-build")[number]
    folder.mkdir()
    (folder / "shapes.py").write_text(PYTHON)
    strip = f"stripdir={str(folder)!r}, prependdir='/'" if fixed else f"ddir='/build/{folder.name}'"
    mode = "invalidation_mode=p.PycInvalidationMode.UNCHECKED_HASH"
    call = f"c.compile_dir({str(folder)!r}, quiet=1, legacy=True, {mode}, {strip})"
    run("python3.11", "-c", f"import py_compile as p, compileall as c\n{call}", cwd=work, PYTHONHASHSEED="0")
    return folder / "shapes.pyc"


@cause("pyc-code")
def pyc_code(work: Path, number: int, fixed: bool) -> Path:
    change = (
        "import os; t = open('shapes.py').read().replace('** 2', '** 3'); open('shapes.py', 'w').write(t)\n"
        f"os.utime('shapes.py', ({EPOCH}, {EPOCH}))"
    )
    return compiled(work, number, setup=change if number and not fixed else "", call=_TIME)


@cause("abi-tag")
def abi_tag(work: Path, number: int, fixed: bool) -> Path:
    python = "python3.10" if number and not fixed else "python3.11"
    code = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'), end='')"
    suffix = run(python, "-c", code, cwd=work).decode()
    tree(work, files={**FILES, f"pkg/_speed{suffix}": "stands for a module\n"})
    return zipped(work, "-X")


def wheel(work: Path, backend: str = "", stamp: str = "", epoch: int = EPOCH) -> Path:
    requires = f'requires = ["{backend}"]\n' if backend else 'requires = ["setuptools"]\n'
    project = f'[build-system]\n{requires}build-backend = "setuptools.build_meta"\n\n'
    project += '[project]\nname = "example"\nversion = "1"\n'
    project += '[tool.setuptools]\npy-modules = ["example"]\n'
    tree(work, files={"pyproject.toml": project, "example.py": f"STAMP = {stamp!r}\n"})
    isolation = [] if backend else ["--no-build-isolation"]
    argv = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation, "-w", "../out", ".")
    index = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "HTTP", "http"))}
    home = {"HOME": os.environ.get("HOME", "/")}
    run(*argv, cwd=work / "tree", SOURCE_DATE_EPOCH=str(epoch), **home, **index)
    return next((work / "out").glob("*.whl"))


@cause("wheel-generator")
def wheel_generator(work: Path, number: int, fixed: bool) -> Path:
    return wheel(work, "setuptools==78.1.1" if number and not fixed else "setuptools==80.9.0", "same")


@cause("wheel-record")
def wheel_record(work: Path, number: int, fixed: bool) -> Path:
    return wheel(work, stamp="one" if fixed or not number else "two")


def write(name: str) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for fixed, names in ((False, ("published", "rebuilt")), (True, ("fixed-1", "fixed-2"))):
        for number, label in enumerate(names):
            with tempfile.TemporaryDirectory() as work:
                made = CAUSES[name](Path(work), number, fixed)
                shutil.copyfile(made, folder / f"{label}{made.suffix}")


if __name__ == "__main__":
    for one in sys.argv[1:] or CAUSES:
        write(one)
