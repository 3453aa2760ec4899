"""Holds the labels against builds made by hand, without the product: what breaks a project, and that nothing else does.

    .venv/bin/python bench/check/double.py [--only TEXT] [--cache FOLDER] [--each]

Every project is built plainly, plainly again, with all variations but those of its label, and once with each variation
of its label alone. `--each` also builds it with every single variation. Exit status 1 if a label is wrong.
"""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from bare import Bench, bench, command
from prepare import CACHE, COMMITTED, Label, labels, prepare

NAMES = (
    "path", "home", "user", "umask", "locale", "timezone", "host", "environment", "exec-path", "shell", "cpu", "jobs",
    "kernel", "clock", "order", "times", "tmpdir", "hash-seed",
)  # fmt: skip
_PLAIN = {
    "HOME": "/build/home", "USER": "builder", "LOGNAME": "builder", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC",
    "TMPDIR": "/build/tmp", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0",
    "SOURCE_DATE_EPOCH": str(COMMITTED), "SHELL": "/bin/sh", "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TREE": "/build/work/project", "WHO": "1000", "MASK": "0022",
}  # fmt: skip
_VARIED = {
    "path": {"TREE": "/build/qzxwvt/deeper/qzxwvt-tree"},
    "home": {"HOME": "/build/hqzxwv"},
    "user": {"WHO": "23456", "USER": "vwxqzuser", "LOGNAME": "vwxqzuser"},
    "umask": {"MASK": "0002"},
    "locale": {"LC_ALL": "et_EE.UTF-8", "LANG": "et_EE.UTF-8", "LANGUAGE": "et_EE"},
    "timezone": {"TZ": "QXZWVKTR-12:45"},
    "environment": {"REBUILDER_CHECK_MARKER": "mkqzxw"},
    "exec-path": {"PATH": "/usr/local/bin:/usr/bin:/bin:/build/pqzxw/bin"},
    "jobs": {"MAKEFLAGS": "-j3", "CMAKE_BUILD_PARALLEL_LEVEL": "3", "DEB_BUILD_OPTIONS": "parallel=3"},
    "clock": {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME": "+500d", "NO_FAKE_STAT": "1"},
    "tmpdir": {"TMPDIR": "/build/tqzxw/scratch"},
    "hash-seed": {"PYTHONHASHSEED": "77", "PERL_HASH_SEED": "77"},
}
#: As root: users, shell and folders; then as the user: the tree, the build, and the outputs as a tar.
_ENTER = """set -e
echo "$USER:x:$WHO:$WHO:$USER:$HOME:/bin/sh" >> /etc/passwd; echo "$USER:x:$WHO:" >> /etc/group
[ -z "$BASH_SH" ] || ln -sf bash /bin/sh
mkdir -p "$TREE" "$HOME" "$TMPDIR"; chown -R "$WHO:$WHO" /build
exec setpriv --reuid="$WHO" --regid="$WHO" --clear-groups $UNAME perl -e 'umask oct shift; exec @ARGV' "$MASK" \
  env -u WHO -u MASK -u BASH_SH -u UNAME -u INNER sh -c "$INNER"
"""


def build(work: Bench, tree: Path, varied: frozenset[str]) -> str:
    """Digests of the outputs of one build, or that a varied one failed. ``SystemExit`` if a plain one does."""
    values = dict(_PLAIN)
    for name in varied & set(_VARIED):
        values |= _VARIED[name]
    inner = ["unset TREE", "set -e", f"cd {shlex.quote(values['TREE'])}", "tar -xf /side/tree.tar", "mkdir out",
             f"{{ {command(tree)}\n}} > ../log 2>&1 || {{ tail -30 ../log >&2; exit 9; }}",
             "for f in $(ls out | LC_ALL=C sort); do sha256sum out/$f; done"]  # fmt: skip
    values["BASH_SH"] = "1" if "shell" in varied else ""
    values["UNAME"] = "setarch --uname-2.6" if "kernel" in varied else ""
    values["INNER"] = "\n".join(inner)
    late = {name: values.pop(name) for name in _VARIED["clock"] if name in values}
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in late.items())
    values["INNER"] = exports + values["INNER"]
    side = work.tools.parent / "side"
    side.mkdir(exist_ok=True)
    packed = side / f"{tree.name}.tar"
    packed.write_bytes(_tar(tree, "order" in varied, "times" in varied))
    options = [f"--env={name}={value}" for name, value in values.items()]
    options += [f"--volume={packed}:/side/tree.tar:ro", "--hostname", "hqxzwvkt" if "host" in varied else "rebuilder"]
    options += ["--cpuset-cpus=0"] if "cpu" in varied else []
    ended = work.run(tree, _ENTER, options=tuple(options))
    if ended.returncode not in (0, 9) or (ended.returncode and not varied):
        words = ended.stderr.decode(errors="replace")[-1500:]
        raise SystemExit(f"the build with {sorted(varied)} ended with {ended.returncode}\n{words}")
    return "it failed" if ended.returncode else ended.stdout.decode()


def _tar(tree: Path, shuffled: bool, timed: bool) -> bytes:
    listed = subprocess.run(["git", "-C", str(tree), "ls-files", "-z"], capture_output=True, check=True).stdout
    names = sorted(name.decode() for name in listed.split(b"\0") if name)
    if shuffled:
        random.Random(5).shuffle(names)
    chance, stream = random.Random(7), BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            member = archive.gettarinfo(str(tree / name), name)
            member.mode = 0o777 if member.mode & 0o100 else 0o666
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            # As a checkout gives them: after the commit, and each its own.
            member.mtime = COMMITTED + (chance.randrange(3600, 20000000) if timed else 0)
            with (tree / name).open("rb") as content:
                archive.addfile(member, content)
    return stream.getvalue()


def wrong(work: Bench, label: Label, tree: Path, *, each: bool) -> list[str]:
    """What the label of a project says that builds do not."""
    named = {name for way in label.broken for name in way.variations}
    first, again = (build(work, tree, frozenset()) for _ in range(2))
    found = []
    if (first != again) != ("repeat" in named):
        found.append(f"plain builds {'differ' if first != again else 'are equal'}")
    if "repeat" in named:
        return found
    if build(work, tree, frozenset(NAMES) - named) != first:
        found.append("it differs with everything varied but what its label names")
    singles = NAMES if each else tuple(named)
    failing = {name for way in label.broken if way.fails for name in way.variations}
    for name in singles:
        made = build(work, tree, frozenset({name}))
        if (made == "it failed") != (name in failing):
            found.append(f"{name} {'does not fail' if name in failing else 'fails'}")
        elif (made != first) != (name in named):
            found.append(f"{name} {'changes nothing' if name in named else 'changes its outputs'}")
    return found


def main() -> None:
    """Each project, one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default="")
    parser.add_argument("--each", action="store_true")
    options = parser.parse_args()
    cache = options.cache.resolve()
    folders, work, bad = prepare(cache, options.only), bench(cache), 0
    for label in (label for label in labels() if label.id in folders):
        try:
            found = wrong(work, label, folders[label.id], each=options.each)
        except SystemExit as error:
            found = [str(error)]
        bad += bool(found)
        print(f"{label.id}: {'; '.join(found) or 'as labelled'}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
