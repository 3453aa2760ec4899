"""Comparing two files: ours against diffoscope alone, on the same input, in the same container image, in one run.

Ours is the total walk with drift and causes, as `rebuilder diff` prints it; and again with diffoscope in its container
on the members whose content differs, container start included, as `verify` does. diffoscope alone is timed inside its
container, without the start. A word as argument takes the cases whose name holds it.
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import claim
from workplace import workplace

from rebuilder.compare.archive.elf_symbols import sections
from rebuilder.data import Held
from rebuilder.explaining import explain_paths
from rebuilder.model import RootImage
from rebuilder.opened import desk
from rebuilder.ports import Job, Tmpfs
from rebuilder.wiring import Workshop

#: diffoscope alone is given so long, as in the study behind this.
KILL = 400
ROUNDS = 3
ALONE = """
import subprocess, sys, tarfile, time
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    archive.extractall("/work")
begin = time.monotonic()
command = ["diffoscope", "--no-progress", "--html", "/work/out.html", "--text", "/work/out.txt"]
try:
    subprocess.run([*command, *sys.argv[2:]], cwd="/work", timeout=float(sys.argv[1]), capture_output=True)
except subprocess.TimeoutExpired:
    pass
print(time.monotonic() - begin)
"""


def main() -> None:
    """Run every case, or those whose name holds the word given."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    shop = workplace().shop()
    root = shop.diffoscope_root()
    with TemporaryDirectory() as folder:
        for name, aim, make in cases(Path(folder)):
            if word in name:
                measure(shop, root, name, aim, *make())


def measure(shop: Workshop, root: RootImage, name: str, aim: str, one: Path, other: Path) -> None:
    """How many times faster the whole explanation is, and with diffoscope's detail on top, where that ends in time."""
    quick = sorted(ours(shop, one, other, detail=False) for _ in range(ROUNDS))[ROUNDS // 2]
    slow = alone(shop, root, one, other)
    rounds = [slow, *(alone(shop, root, one, other) for _ in range(ROUNDS - 1 if slow < KILL / 4 else 0))]
    base = sorted(rounds)[len(rounds) // 2]
    killed = " (diffoscope was killed)" if base >= KILL else ""
    claim(f"{name}: diffoscope alone / ours{killed}", base / quick, aim, alone=base, ours=quick)
    if not killed:
        whole = sorted(ours(shop, one, other, detail=True) for _ in range(ROUNDS))[ROUNDS // 2]
        claim(f"{name}: diffoscope alone / ours with its detail", base / whole, aim, alone=base, ours=whole)


def ours(shop: Workshop, one: Path, other: Path, *, detail: bool) -> float:
    """Seconds of the whole explanation."""
    begin = time.monotonic()
    with desk() as own:
        found = explain_paths(one.name, one, other, own)
        if detail and found.leaves:
            shop.differ().diff(one.name, found.leaves, run_id="bench")
    return time.monotonic() - begin


def alone(shop: Workshop, root: RootImage, one: Path, other: Path) -> float:
    """Seconds diffoscope takes for the two whole files, by its own container's clock."""
    answer = io.BytesIO()
    arguments = (str(KILL), f"a/{one.name}", f"b/{other.name}")
    job = Job(
        purpose="diffoscope",
        run_id="bench",
        root_sha256=root.sha256,
        argv=("python3", "-I", "-c", ALONE, *arguments),
        environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/work", "TMPDIR": "/work"},
        user="1000:1000",
        tmpfs=(Tmpfs(path="/work", bytes=6 * 1024**3), Tmpfs(path="/tmp", bytes=1024**3)),
        memory_bytes=10 * 1024**3,
        seconds=KILL + 60,
    )
    noise: list[bytes] = []
    ended = shop.engine.run(
        job, stdin=packed((("a", one), ("b", other))), stdout=answer.write, stderr=noise.append
    )
    if ended.status != 0:
        sys.exit(f"diffoscope's container ended with {ended.status}: {b''.join(noise)[-500:]!r}")
    return float(answer.getvalue())


def packed(files: Iterable[tuple[str, Path]]) -> Iterable[bytes]:
    """A tar stream."""
    for folder, path in files:
        info = tarfile.TarInfo(f"{folder}/{path.name}")
        info.size = path.stat().st_size
        yield info.tobuf()
        yield path.read_bytes()
        yield bytes(-info.size % 512)
    yield bytes(1024)


# --- the cases ------------------------------------------------------------------------------------


def cases(folder: Path) -> Iterable[tuple[str, str, Callable[[], tuple[Path, Path]]]]:
    """Name, aim, and what makes the two files of each."""
    yield "wheel of 500 members, 1 differs", ">= 12", lambda: wheels(folder / "w1", changed=1)
    yield "wheel of 500 members, 42 differ", ">= 4", lambda: wheels(folder / "w42", changed=42)
    yield "wheel of 500 members, only times differ", ">= 50", lambda: wheels(folder / "wt", changed=0)
    yield "a large .deb with one ELF that differs in a byte", ">= 2", lambda: debs(folder / "deb", real(folder)[0])
    yield "a 110 MB ELF that differs in a byte", ">= 50", lambda: elves(folder / "elf", real(folder)[1])


def wheels(folder: Path, *, changed: int) -> tuple[Path, Path]:
    """Two wheels of 500 modules of about 16 KiB source each."""
    made = []
    for side in (0, 1):
        path = folder / str(side) / "demo-1.0-py3-none-any.whl"
        path.parent.mkdir(parents=True)
        chance = random.Random(1)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(500):
                lines = [f"value_{chance.randrange(10**6)} = {chance.randrange(10**9)}" for _ in range(500)]
                if side and number < changed:
                    lines[250] = "value_changed = 1"
                hour = 1 if side and not changed else 0
                info = zipfile.ZipInfo(f"demo/m{number}.py", (2024, 1, 1, hour, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, "\n".join(lines) + "\n")
        made.append(path)
    return made[0], made[1]


def real(folder: Path) -> tuple[Path, Path]:
    """A package with a small ELF among much else, and a library of more than 100 MB, both from the host's mirror."""
    names = {"r-base-core": "r-base-core_*.deb", "libllvm19": "libllvm19_*.deb"}
    for name in ("libllvm19", "libllvm16", "libllvm15", "libllvm14"):
        if subprocess.run(["apt-cache", "show", name], capture_output=True, check=False).returncode == 0:
            names = {"r-base-core": "r-base-core_*.deb", name: f"{name}_*.deb"}
            break
    subprocess.run(["apt-get", "download", "-qq", *names], cwd=folder, check=True)
    package, llvm = (next(folder.glob(pattern)) for pattern in names.values())
    subprocess.run(["dpkg-deb", "-x", llvm, folder / "llvm"], check=True)
    library = max((folder / "llvm").rglob("libLLVM*"), key=lambda path: path.lstat().st_size)
    return package, library


def debs(folder: Path, package: Path) -> tuple[Path, Path]:
    """The package, unpacked and packed again twice; in the second one byte of its library differs."""
    made = []
    for side in ("0", "1"):
        tree = folder / side / "tree"
        tree.mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
        if side == "1":
            target = max(tree.glob("usr/lib/R/modules/*.so"), key=lambda path: path.stat().st_size)
            target.write_bytes(flipped(target.read_bytes(), ".rodata"))
        path = folder / side / package.name
        subprocess.run(["find", tree, "-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"], check=True)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000"},
        )  # fmt: skip
        made.append(path)
    return made[0], made[1]


def elves(folder: Path, library: Path) -> tuple[Path, Path]:
    """The library, and the same with one byte flipped in the middle of its constants."""
    data = library.read_bytes()
    made = []
    for side, content in (("0", data), ("1", flipped(data, ".rodata"))):
        path = folder / side / "libLLVM.so"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        made.append(path)
    return made[0], made[1]


def flipped(data: bytes, name: str) -> bytes:
    """One byte in the middle of a section changed."""
    section = next(one for one in sections(Held(data)) if one.name == name.encode())
    changed = bytearray(data)
    changed[section.offset + section.size // 2] ^= 0x20
    return bytes(changed)


if __name__ == "__main__":
    main()
