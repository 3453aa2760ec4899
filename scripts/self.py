"""Is what this checkout makes reproducible? ``make self``, or ``python scripts/self.py [--worktree] [--output DIR]``.

Its wheel and sdist: ``rebuilder check`` builds them with everything varied. The root filesystem they are built in:
made a second time from its toolchain lock, with a state folder that remembers nothing, as another host would make it.

Exit code: that of the check if it is not 0, 10 if the root filesystem comes out otherwise, 2 usage, 3 a fault of this
machine.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from rebuilder.check.model import CheckReport
from rebuilder.cli.progress import shown
from rebuilder.config import Config, load_config
from rebuilder.errors import IntegrityError, RebuilderError, Stopped
from rebuilder.lock import ToolchainLock
from rebuilder.ports import Exit, Job
from rebuilder.sandbox.docker import DockerEngine
from rebuilder.store.durable import in_use
from rebuilder.toolchain.locks import DebianToolchains
from rebuilder.wiring import workshop

ROOT = Path(__file__).resolve().parent.parent
REBUILDER = Path(sys.executable).with_name("rebuilder")
#: One of each has to be there and equal.
WANTED = (".whl", ".tar.gz")
EXIT_USAGE = 2
EXIT_DIFFERS = 10
OTHER_UMASK = 0o077
#: A rule, because it holds where no database of zones is installed.
OTHER_ZONE = "XYZ-13:47"
ROOT_ADVICE = (
    "what follows from host name, umask, time zone or CPU count has to be held fixed in rebuilder/toolchain/rootfs.py; "
    "a file that varies from run to run needs a named fix-up in rebuilder/toolchain/fixups.py"
)


def main() -> None:
    """Check both, print their digests, exit with what came out."""
    parser = argparse.ArgumentParser(description="Check that wheel, sdist and toolchain are reproducible.")
    parser.add_argument("--worktree", action="store_true", help="the files as they lie, not those of the commit")
    parser.add_argument("--output", type=Path, help="folder of the report (default: `self` in the state folder)")
    arguments = parser.parse_args()
    if not (ROOT / ".git").exists():
        print(f"self: expected a Git checkout, found none at {ROOT}", file=sys.stderr)
        print("  what to do: clone the repository; what is checked is a commit", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    config = load_config()
    folder: Path = (arguments.output or config.state / "self").absolute()
    sys.exit(check_packages(folder, worktree=arguments.worktree) or check_root(folder / "toolchain.lock.json", config))


def check_packages(folder: Path, *, worktree: bool) -> int:
    """Wheel and sdist, by the tool itself; the exit code, 0 only if both are there and no build gave others."""
    words = ["check", str(ROOT), "--variations", "all", "--output", str(folder), *(["--worktree"] if worktree else [])]
    print(f"$ {shlex.join(['rebuilder', *words])}", flush=True)
    code = subprocess.run([REBUILDER, *words], check=False).returncode
    if code:
        return failed(code, f"the check of wheel and sdist ended with {code}, not with 0", advice(code, folder))
    report = CheckReport.model_validate_json((folder / "check.json").read_bytes())
    found = sorted(file.name for file in report.outputs)
    if any(sum(name.endswith(ending) for name in found) != 1 for ending in WANTED):
        return failed(1, f"expected one wheel and one sdist, found {found}", "see [build-system] in pyproject.toml")
    silent = [row.name for row in report.variations if row.status != "passed"]
    varied = len(report.variations) - len(silent)
    print(f"\nself: equal in {len(report.builds)} builds, {varied} things varied with effect")
    if silent:
        print(f"self: without effect on this host, so that nothing is known of them: {', '.join(silent)}")
    if report.source.dirty and not worktree:
        changed = len(report.source.dirty)
        print(f"self: commit {report.source.commit[:12]} was built; changed since then and left out: {changed} files")
    for file in report.outputs:
        print(f"{file.first.sha256 if file.first else '-'}  {file.name}")
    return 0


def advice(code: int, folder: Path) -> str:
    """What to do about a check that did not end well."""
    if code == 10:
        return f"{folder / 'index.html'} names what differs, the cause and the fix; the command there repeats the check"
    if code == 12:
        return f"two builds of one and the same differ: look for a race or a random value, with {folder / 'index.html'}"
    if code == 13:
        return f"read {folder}/build-*.log; {folder / 'first' / 'build.sh'} makes the same build by hand"
    return "the message above says what is missing on this host; nothing was found out about the packages"


def check_root(lock_file: Path, config: Config) -> int:
    """The root filesystem of that lock once more; the exit code."""
    lock = ToolchainLock.model_validate_json(lock_file.read_bytes())
    expected = lock.roots[0].sha256
    print(f"\nself: making the root filesystem of {len(lock.packages)} packages again, as another host", flush=True)
    try:
        with in_use(config.state), tempfile.TemporaryDirectory(prefix="self-", dir=config.state) as empty:
            found = make_again(lock, config, Path(empty))
    except IntegrityError as err:
        return failed(EXIT_DIFFERS, err.message, f"{ROOT_ADVICE}. The lock: {lock_file}")
    except Stopped as stop:
        return failed(stop.verdict.exit_code, stop.reason, "the packages of the lock have to be had: see the mirrors")
    except RebuilderError as err:
        return failed(err.exit_code, err.message, err.hint or "nothing was found out about the root filesystem")
    if found != expected:
        what = f"expected the root filesystem {expected}, found {found}"
        return failed(EXIT_DIFFERS, what, f"{ROOT_ADVICE}. The lock: {lock_file}")
    print(f"{found}  root filesystem")
    print("self: wheel, sdist and root filesystem are reproducible, as far as this host can tell")
    return 0


def make_again(lock: ToolchainLock, config: Config, empty: Path) -> str:
    """sha256 of the lock's root filesystem, made with ``empty`` as state folder.

    ``IntegrityError`` if it is not the lock's. Only the packages themselves are taken from the state that is there,
    each by its digest: they are what both have in common.
    """
    other = replace(config, state=empty, evidence=(config.state, *config.evidence))
    os.umask(OTHER_UMASK)
    os.environ["TZ"] = OTHER_ZONE
    time.tzset()
    with shown(quiet=False) as progress:
        shop = workshop(other, progress)
        toolchains = DebianToolchains(OtherHost(), shop.fetcher, shop.blobs, progress, empty, endorser=shop.endorser)
        return toolchains.materialise(lock)[0].sha256


class OtherHost(DockerEngine):
    """The same engine as another host would use it: another host name, umask, time zone and user, one CPU."""

    def run(
        self, job: Job, *, stdin: Iterable[bytes] = (), stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> Exit:
        """As ``DockerEngine.run``."""
        changed = replace(
            job,
            hostname="elsewhere",
            cpus=1.0,
            argv=("/bin/sh", "-c", f'umask {OTHER_UMASK:04o}; exec "$@"', "sh", *job.argv),
            environment={**job.environment, "TZ": OTHER_ZONE, "HOSTNAME": "elsewhere", "LOGNAME": "someone"},
        )
        return super().run(changed, stdin=stdin, stdout=stdout, stderr=stderr)


def failed(code: int, what: str, todo: str) -> int:
    """Say it; the exit code."""
    print(f"\nself: {what}\n  what to do: {todo}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
