"""Plain builds of the corpus's projects in containers of the benchmark's own, without the product.

`Bench` has one image of trixie with every toolchain (made by mmdebstrap from this machine's apt sources), and the build
backends of Python. Builds run without a network, as an ordinary user, on tmpfs, 600 s and 3 GB at most.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import prepare  # noqa: F401 - it makes the fetcher of the other corpus importable
from fetch import debian_sources

IMAGE = "rebuilder-check-bench:trixie"
NICE = ("nice", "-n", "10")
TIME_LIMIT = 600
_PACKAGES = (
    "build-essential debhelper fakeroot python3 python3-dev python3-venv python3-pip git libfaketime faketime locales "
    "tzdata perl nodejs npm cmake ninja-build meson golang-go cargo rustc default-jdk-headless procps"
)
_LOCALES = 'for l in de_DE et_EE; do echo "$l.UTF-8 UTF-8"; done >> "$1/etc/locale.gen"; chroot "$1" locale-gen'
#: Newest of each that the projects ask for; pure Python, so that any Python's pip can install them.
_BACKENDS = ("build", "flit_core<4", "hatchling", "setuptools", "wheel")
_PACK = (
    "pack() { tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "
    '--mode=go=rX,u+rw,a-s -cf "$@"; }\n'
)
_INSTALLED = "pack out/install.tar -C stage ."
#: Patches go in before the clock is faked: dpkg-source sets times of what it patches, and libfaketime gets them wrong.
_DEBIAN = (
    "chmod +x debian/rules && env -u LD_PRELOAD dpkg-source --before-build . && "
    "dpkg-buildpackage -us -uc -b && mv ../*.deb out/"
)
_NEW = (
    "find . -type f | LC_ALL=C sort > ../before && {} && find . -type f ! -name '*.o' | LC_ALL=C sort "
    "| LC_ALL=C comm -13 ../before - > ../new && pack out/made.tar -T ../new"
)


@dataclass(frozen=True)
class Bench:
    """The image and the folder with Python's build backends."""

    tools: Path

    def run(
        self, tree: Path, script: str, *, options: tuple[str, ...] = (), image: str = IMAGE
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a script as root in a new container: the project is in `/in`, the backends are in `/tools`."""
        argv = (*NICE, "docker", "run", "--rm", "--network=none", "--memory=3g", "--pids-limit=2000",
                "--tmpfs=/build:exec,mode=1777,size=2g", "--tmpfs=/tmp:exec,mode=1777,size=1g",
                f"--volume={tree}:/in:ro", f"--volume={self.tools}:/tools:ro", *options, image,
                "timeout", "--signal=KILL", str(TIME_LIMIT), "sh", "-c", script)  # fmt: skip
        return subprocess.run(argv, capture_output=True, check=False)


def bench(cache: Path) -> Bench:
    """Image and backends, made where they are missing."""
    _image(cache)
    tools = cache / "tools"
    if not tools.is_dir():
        shutil.rmtree(cache / "tools.new", ignore_errors=True)
        must(sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:", "--no-compile",
             "--target", str(cache / "tools.new"), *_BACKENDS)  # fmt: skip
        (cache / "tools.new").rename(tools)
    return Bench(tools)


def command(tree: Path) -> str:
    """POSIX sh that builds the project in the current folder and leaves its outputs in `out/`, which is there."""
    names = {path.name for path in tree.iterdir()}
    if "rebuilder.toml" in names:
        argv = tomllib.loads((tree / "rebuilder.toml").read_text())["check"]["build"][0]
        return f"rmdir out && {' '.join(argv)}"
    if "debian" in names:
        return _DEBIAN
    if "pyproject.toml" in names:
        return "PYTHONPATH=/tools python3 -m build --no-isolation --skip-dependency-check --outdir out ."
    if "package.json" in names:
        return "npm pack --silent --pack-destination out"
    return _PACK + _compiled(tree, names)


def _compiled(tree: Path, names: set[str]) -> str:
    if "Cargo.toml" in names:
        made = "find target/release -maxdepth 1 -type f ! -name '.*' ! -name '*.d' -exec cp {} out/ ';'"
        return f"cargo build --release --offline && {made}"
    if "go.mod" in names:
        return "GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o out/ ./..."
    if "meson.build" in names:
        build = "meson setup b --prefix=/usr && meson compile -C b"
        return f"{build} && DESTDIR=$PWD/stage meson install -C b && {_INSTALLED}"
    if "CMakeLists.txt" in names:
        build = "cmake -S . -B b -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr && cmake --build b"
        return f"{build} && DESTDIR=$PWD/stage cmake --install b && {_INSTALLED}"
    if "configure" in names:
        return f"./configure --prefix=/usr && make && make install DESTDIR=$PWD/stage && {_INSTALLED}"
    makefiles = [tree / name for name in ("GNUmakefile", "Makefile", "Makefile.def") if name in names]
    if any("\ninstall:" in path.read_text() for path in makefiles):
        return f"make && make install DESTDIR=$PWD/stage PREFIX=/usr prefix=/usr && {_INSTALLED}"
    return _NEW.format("make")


def _image(cache: Path) -> None:
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0:
        return
    lists, packed = cache / "trixie.sources", cache / "trixie.tar"
    lists.write_text(debian_sources("trixie"))
    with packed.open("wb") as tar:
        argv = [*NICE, "mmdebstrap", "--variant=apt", f"--include={','.join(_PACKAGES.split())}",
                "--dpkgopt=path-exclude=/usr/share/doc/*", f"--customize-hook={_LOCALES}", "trixie", "-",
                str(lists)]  # fmt: skip
        ended = subprocess.run(argv, stdout=tar, stderr=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        sys.exit(f"mmdebstrap made no image of trixie:\n{ended.stderr.decode(errors='replace')[-2000:]}")
    must("docker", "import", str(packed), IMAGE)
    packed.unlink()


def must(*argv: str) -> None:
    """``SystemExit`` with its words if a program fails."""
    ended = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(argv[:8])} ... ended with {ended.returncode}\n{ended.stderr[-2000:]}")
