"""The two images in which the corpus is built, made by mmdebstrap out of packages of this machine's own apt sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fetch import debian_sources

NICE = ("nice", "-n", "10")
IMAGES = {
    "bookworm": "build-essential gcc-11 clang python3-dev python3-venv python3-pip gettext texinfo perl help2man git "
    "zip unzip xz-utils bzip2 zstd faketime locales debhelper fakeroot doxygen python3-sphinx ant default-jre-headless "
    "cpio groff-base file pkg-config",
    "trixie": "build-essential python3-dev python3-pip texinfo perl debhelper fakeroot doxygen python3-sphinx help2man "
    "gettext xz-utils zip git ant default-jre-headless",
}
_LOCALES = (
    'for l in de_DE et_EE en_US sv_SE; do echo "$l.UTF-8 UTF-8"; done >> "$1/etc/locale.gen"; chroot "$1" locale-gen'
)


def tag(name: str) -> str:
    """What the engine knows an image by."""
    return f"rebuilder-causes:{name}"


def image(name: str, cache: Path) -> None:
    """One image out of packages of this machine's own apt sources."""
    if run("docker", "image", "inspect", tag(name)).returncode == 0:
        return
    lists = cache / f"{name}.sources"
    lists.write_text(debian_sources("" if name == "bookworm" else name))
    hooks = [f"--customize-hook={_LOCALES}"] if "locales" in IMAGES[name].split() else []
    with (cache / f"{name}.tar").open("wb") as tar:
        argv = [*NICE, "mmdebstrap", "--variant=apt", f"--include={','.join(IMAGES[name].split())}",
                "--dpkgopt=path-exclude=/usr/share/doc/*", *hooks, name, "-", str(lists)]  # fmt: skip
        ended = subprocess.run(argv, stdout=tar, stderr=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        sys.exit(f"mmdebstrap made no {name}:\n{ended.stderr.decode(errors='replace')[-2000:]}")
    must("docker", "import", f"{cache / name}.tar", tag(name))
    (cache / f"{name}.tar").unlink()


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    """Wait for a program and keep what it says."""
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)


def must(*argv: str) -> None:
    """``SystemExit`` with its words if it fails."""
    ended = run(*argv)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(argv[:8])} ... ended with {ended.returncode}\n{ended.stderr[-2000:]}")
