"""Builds of a check as scripts to run by hand: ``first/build.sh`` and ``second/build.sh``. Pure.

Both are the same text but for the values that were varied. Each needs the `docker` client, the engine that made the
check (for the image of its toolchain), and the files of the report's folder: ``input/`` beside it and ``../input/``.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rebuilder.check.builds import OUT_FOLDER, PROBE_MARK
from rebuilder.model import BuildPlan, RootFile, Step

#: Inputs that differ between builds lie beside the script; all others beside both.
OWN_INPUT, SHARED_INPUT = "input", "../input"

_PROGRAM = r"""
# Runs in the container, as the build's user: puts the inputs in place, runs the steps, and sends what they left.
open(my $outputs, '>&', \*STDOUT) or die;
open(STDOUT, '>&', \*STDERR) or die;
umask 022;
mkdir $_ for '/build/input';
for my $path (glob '/rebuilder-input/*') {
    my ($name) = $path =~ m{([^/]+)$};
    system('cp', $path, "/build/input/$name") == 0 or exit 1;
    chmod 0444, "/build/input/$name";
    utime $ENV{SOURCE_DATE_EPOCH} // 0, $ENV{SOURCE_DATE_EPOCH} // 0, "/build/input/$name";
}
sub step {
    my ($folder, @argv) = @_;
    my $made = '';
    for my $part (grep { $_ ne '' } split m{/}, $folder) { $made .= "/$part"; mkdir $made, 0755 }
    my $child = fork() // die;
    if (!$child) {
        chdir $folder or die "build.sh: $folder: $!\n";
        exec { $argv[0] } @argv or die "build.sh: $argv[0]: $!\n";
    }
    waitpid $child, 0;
    next_unless_good($?, @argv);
}
sub next_unless_good {
    my ($status, @argv) = @_;
    return if $status == 0;
    print STDERR "build.sh: the build failed (status ", $status >> 8, ") in: @argv\n";
    exit 1;
}
"""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a script says of itself; ``image``: of the toolchain's root filesystem."""

    project: str
    what: str
    image: str


def build_script(plan: BuildPlan, named: Named) -> str:
    """The script. Every value of the plan stands in it as data, never as a part of a command."""
    return "".join((_head(plan, named), _program(plan), _container(plan), _FOOT))


def _head(plan: BuildPlan, named: Named) -> str:
    project = "".join(letter if letter.isprintable() else "?" for letter in named.project)
    return f"""\
#!/bin/sh
# A build of {project}, as `rebuilder check` made it.
# Run it from anywhere; what it makes is left in the folder output beside it. It needs docker, and the check's engine.
# `diff first/build.sh second/build.sh` shows all that was varied, besides the order and times within input/source.tar.
set -eu
what={shlex.quote(named.what)}
image={shlex.quote(named.image)}
user={plan.user}
hostname={shlex.quote(plan.hostname)}
domainname={shlex.quote(plan.domainname)}
cpuset={shlex.quote(plan.cpuset)}
memory={plan.limits.memory_bytes}
disk={plan.limits.disk_bytes}
pids={plan.limits.pids}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
name=rebuilder-by-hand-$$
trap 'docker rm -f "$name" >/dev/null 2>&1 || :; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if ! docker image inspect "$image" >/dev/null 2>&1; then
    echo "build.sh: expected the toolchain $image in the engine, found none; \\`rebuilder check\\` loads it again" >&2
    exit 3
fi
echo "build.sh: $what" >&2

cat >"$work/run.pl" <<'PROGRAM'
"""


def _program(plan: BuildPlan) -> str:
    variables = "".join(f"    {_perl(name)} => {_perl(value)},\n" for name, value in plan.environment.items())
    steps = "".join(_step(step) for step in plan.steps if PROBE_MARK not in step.argv)
    return f"""\
use strict;
use warnings;
%ENV = (
{variables});
{_PROGRAM.strip()}
{steps}open(STDOUT, '>&', $outputs) or die;
exec 'tar', '-c', '-C', {_perl(OUT_FOLDER)}, '.';
PROGRAM
"""


def _step(step: Step) -> str:
    words = "".join(f",\n    {_perl(word)}" for word in step.argv)
    return f"step({_perl(step.cwd)}{words});\n"


def _perl(text: str) -> str:
    r"""A literal of perl: only ``\`` and ``'`` mean something in it. No line of it begins with the word that ends the
    here-document, for whatever stands before or behind that word; and perl reads its own text without the carriage
    return before a newline, so that one is spelt."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\r\n", "' . \"\\r\" . '\n").replace("\nPROGRAM", "\n' . 'PROGRAM") + "'"


def _container(plan: BuildPlan) -> str:
    return f"""
set -- --interactive --name "$name" --network none --user "$user" --hostname "$hostname" --cap-drop ALL \\
    --security-opt no-new-privileges --memory "$memory" --memory-swap "$memory" --pids-limit "$pids" \\
    --tmpfs "/build:rw,exec,nosuid,nodev,mode=1777,size=$disk" --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777
[ -z "$domainname" ] || set -- "$@" --domainname "$domainname"
[ -z "$cpuset" ] || set -- "$@" --cpuset-cpus "$cpuset"
docker create "$@" "$image" /usr/bin/perl /rebuilder-run.pl >/dev/null

mkdir -p "$work/root/rebuilder-input"
cp "$work/run.pl" "$work/root/rebuilder-run.pl"
for file in "$here"/{OWN_INPUT}/* "$here"/{SHARED_INPUT}/*; do
    [ ! -f "$file" ] || cp "$file" "$work/root/rebuilder-input/"
done
{"".join(_root_file(file) for file in plan.files)}\
chmod -R go=rX "$work/root"
tar -c --owner=0 --group=0 -C "$work/root" . | docker cp - "$name:/"
"""


def _root_file(file: RootFile) -> str:
    target = f'"$work/root"{shlex.quote(file.path)}'
    folder = f'mkdir -p "$work/root"{shlex.quote(file.path.rpartition("/")[0])}\n'
    if file.link:
        return f"{folder}ln -s {shlex.quote(file.link)} {target}\n"
    before = ""
    if file.append:
        before = f'docker cp "$name:{file.path}" - | tar -x -O >{target}\n'
    after = f"chmod 755 {target}\n" if file.executable else ""
    return f"{folder}{before}printf %s {shlex.quote(file.content)} >>{target}\n{after}"


_FOOT = """
[ ! -e "$here/output" ] || rm -rf "$here/output"
mkdir "$here/output"
docker start --attach "$name" >"$work/output.tar" </dev/null
# The build made this archive, whatever it may hold: no device, and nothing that runs as its owner.
if tar -t -v -f "$work/output.tar" | grep -v '^[-dlh]'; then
    echo "build.sh: expected files from the build, found a device or a pipe" >&2
    exit 1
fi
tar -x --no-same-owner --no-same-permissions -f "$work/output.tar" -C "$here/output"
cd "$here/output"
sha256sum -- * 2>/dev/null || { echo "build.sh: the build left nothing" >&2; exit 1; }
"""
