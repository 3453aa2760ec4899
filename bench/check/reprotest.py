"""Runs reprotest's auto mode on projects of the corpus, and counts its builds and what it names.

    .venv/bin/python bench/check/reprotest.py [--only TEXT] [--cache FOLDER]

It has no backend for containers, and builds where it runs. So it runs in a container of the image of `bare.py`, without
a network and as an ordinary user, by its null server. What cannot work there is left out (`LEFT_OUT`): it needs FUSE,
or sudo and other users. The engine's usual filter of system calls would make it give up on most broken projects: it is
off for it. Without diffoscope, so that nothing but builds takes its time. One run has 600 s.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bare import Bench, bench, command, must
from prepare import CACHE, COMMITTED, prepare

VERSION = "0.7.33"
#: Its variations that need FUSE (disorderfs), and sudo with other users.
LEFT_OUT = ("fileordering", "user_group")
_ENVIRONMENT = CACHE.parent / "reprotest-env"
_STARTED = re.compile(r'^INFO:reprotest:build "[^"\n]*": ', re.MULTILINE)
_NAMED = re.compile(r"^Observed unreproducibility when varying each of the following:\n(.*)$", re.MULTILINE)
#: It switches address randomisation off and makes name spaces, which the engine's own filter of system calls forbids.
_ALLOWED = ("--security-opt=seccomp=unconfined",)
#: As root: a user, and the tree as he has it; then reprotest as that user.
_SCRIPT = """set -e
cp -r /in /build/project; rm -rf /build/project/.git; mkdir /build/home
echo builder:x:1000:1000:builder:/build/home:/bin/sh >> /etc/passwd; echo builder:x:1000: >> /etc/group
chown -R 1000:1000 /build; cd /build/project
exec setpriv --reuid=1000 --regid=1000 --clear-groups env -u VARY -u BUILD python3 -m reprotest --auto-build --verbose \
  --no-diffoscope --vary="$VARY" --build-command="$BUILD" /build/project 'out/*' 2>&1
"""


@dataclass(frozen=True)
class Outcome:
    """What one run of reprotest came to. ``builds`` are those it started."""

    builds: int
    named: tuple[str, ...]
    ended: Literal["reproducible", "named", "not even when fixed", "gave up", "out of time"]


def installed() -> Path:
    """The folder with its Python packages, in a virtual environment of its own."""
    folder = _ENVIRONMENT
    if not list(folder.glob("lib/python*/site-packages/reprotest")):
        venv.create(folder, with_pip=True)
        must(str(folder / "bin" / "pip"), "install", "-q", f"reprotest=={VERSION}")
    return next(folder.glob("lib/python*/site-packages"))


def auto(work: Bench, tree: Path) -> Outcome:
    """Auto mode on one project."""
    values = {
        "VARY": ",".join(f"-{name}" for name in LEFT_OUT), "BUILD": f"mkdir out && {{ {command(tree)}\n}}",
        "HOME": "/build/home", "USER": "builder", "LOGNAME": "builder", "PYTHONPATH": "/reprotest",
        "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": str(COMMITTED), "PYTHONHASHSEED": "0",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        # With its home folder that is none, these would fail instead of answering.
        "npm_config_cache": "/tmp/npm", "GOCACHE": "/tmp/go", "GOPATH": "/tmp/gopath", "CARGO_HOME": "/tmp/cargo",
    }  # fmt: skip
    options = [f"--env={name}={value}" for name, value in values.items()]
    ended = work.run(tree, _SCRIPT, options=(*options, *_ALLOWED, f"--volume={installed()}:/reprotest:ro"))
    return outcome(ended)


def outcome(ended: subprocess.CompletedProcess[bytes]) -> Outcome:
    """What its words say."""
    text = ended.stdout.decode(errors="replace")
    builds = len(_STARTED.findall(text))
    named = _NAMED.search(text)
    if ended.returncode == 137:
        return Outcome(builds, (), "out of time")
    if "\nReproducible, even when varying" in text:
        return Outcome(builds, (), "reproducible")
    if "\nNot reproducible, even when fixing" in text:
        return Outcome(builds, (), "not even when fixed")
    return Outcome(builds, tuple(named[1].split()), "named") if named else Outcome(builds, (), "gave up")


def main() -> None:
    """Run it on the chosen projects, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    cache = options.cache.resolve()
    folders, work, total = prepare(cache, options.only), bench(cache), 0
    for project, folder in folders.items():
        found = auto(work, folder)
        total += found.builds
        print(f"{project}: {found.builds} builds, {found.ended} {' '.join(found.named)}", flush=True)
    print(f"{total} builds on {len(folders)} projects; never varied: {', '.join(LEFT_OUT)}", file=sys.stdout)


if __name__ == "__main__":
    main()
