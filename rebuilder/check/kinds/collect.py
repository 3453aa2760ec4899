"""Steps that carry what a build made into ``@OUT@``: fixed scripts, whose data are arguments. POSIX sh with GNU
coreutils, findutils, tar and sed, which every Debian system has. One that finds nothing says so and exits with 3.

Scratch files lie beside ``@OUT@`` and begin with its name.
"""

from __future__ import annotations

import re

from rebuilder.check.model import OUT, TREE
from rebuilder.model import Step

#: Where an install step puts its files: in the tree, so that a path that leaks into them is found.
STAGE = f"{TREE}/rebuilder-stage"
BUILD_FOLDER = f"{TREE}/rebuilder-build"
TAR_NOTE = (
    "times, owners and group and other permissions of the files in {name} are not compared: whoever packs them sets "
    "those"
)
MADE_NOTE = (
    "every file that the build made or changed is compared, except objects (*.o, *.lo, *.d, *.pyc) and the records of "
    "make, CMake, Meson and configure; name `outputs` for others"
)
#: More files than this, or two of one name, go into one tar.
_FLAT_LIMIT = 200
_ONE = {"*": "[^/]*", "?": "[^/]"}
_SPECIAL = re.compile(r"[][.{}()+^$|\\]")

_PACK = (
    "pack() { tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "
    '--mode=go=rX,u+rw,a-s -cf "$@"; }\n'
)
_HEAD = (
    "set -u\nLC_ALL=C; export LC_ALL\nunset TAR_OPTIONS\numask 022\n"
    "fail() { printf 'rebuilder: %s\\n' \"$1\" >&2; exit 3; }\n" + _PACK
)

_BEFORE = (
    _HEAD + 'find . -name .git -prune -o -type f -print0 | xargs -0r sha256sum -z -- 2>/dev/null | sort -z > "$1"\n'
)

_MADE = (
    _HEAD
    + r"""
list=$1; shift
made() {
  find . \( -type d \( -name .git -o -name __pycache__ -o -name .deps -o -name autom4te.cache -o -name CMakeFiles \
    -o -name meson-private -o -name meson-info -o -name meson-logs \) -prune \) -o -type f \
    ! -name '*.o' ! -name '*.lo' ! -name '*.d' ! -name '*.pyc' ! -name config.log ! -name config.status \
    ! -name .ninja_log ! -name .ninja_deps ! -name build.ninja ! -name CMakeCache.txt ! -name cmake_install.cmake \
    ! -name CTestTestfile.cmake ! -name compile_commands.json ! -name install_manifest.txt "$@"
}
made ! -perm -u+r -exec chmod u+r {} +
made -print0 > "$list.names" || fail 'the files that the build left cannot be listed'
xargs -0r sha256sum -z -- < "$list.names" > "$list.sums" || fail 'a file that the build left cannot be read'
sort -z -o "$list.sums" "$list.sums"
comm -z -13 "$list" "$list.sums" | cut -z -c67- | sort -z > "$list.made"
[ -s "$list.made" ] || fail 'the build made no file; name what it makes as outputs (docs/check-settings.md)'
pack "$1" --null --no-recursion -T "$list.made"
"""
)

_MATCHING = (
    _HEAD
    + r"""
out=$1; skip=$2; limit=$3; shift 3
: > "$out.names"
while [ $# -gt 0 ]; do
  find . -regextype posix-extended -name .git -prune -o -type f -regex "$2" ! -name "$skip" -print0 > "$out.found"
  [ -s "$out.found" ] || fail "no file that the build left matches $1"
  cat "$out.found" >> "$out.names"; shift 2
done
sort -zu -o "$out.names" "$out.names"
number() { tr -cd '\000' | wc -c; }
all=$(number < "$out.names")
distinct=$(sed -z 's:.*/::' < "$out.names" | sort -zu | number)
odd=$(tr -d '\000' < "$out.names" | tr -cd '[:cntrl:]' | wc -c)
xargs -0r chmod u+r -- < "$out.names"
if [ "$all" -le "$limit" ] && [ "$all" -eq "$distinct" ] && [ "$odd" -eq 0 ]; then
  xargs -0r cp -t "$out" -- < "$out.names"
else
  pack "$out/outputs.tar" --null --no-recursion -T "$out.names"
fi
"""
)

_INSTALLED = (
    _HEAD
    + r"""
[ -d "$1" ] && [ -n "$(find "$1" ! -type d -print | head -c 1)" ] || fail 'the install step installed no file'
find "$1" -type f ! -perm -u+r -exec chmod u+r {} +
pack "$2" -C "$1" .
"""
)

_MOVED = (
    _HEAD
    + r"""
cd "$1" || fail 'the folder of the tree is gone'
find . -maxdepth 1 -type f \( -name '*.deb' -o -name '*.udeb' \) -exec mv -t "$2" -- {} + || exit 3
[ -n "$(find "$2" -type f -print | head -c 1)" ] || fail 'the build left no *.deb and no *.udeb beside the tree'
"""
)


def around(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, and with them what packs every file that they made or changed, by content, into ``made.tar``."""
    listing = f"{OUT}.before"
    before = _script(_BEFORE, listing)
    return (before, *steps, _script(_MADE, listing, f"{OUT}/made.tar"))


def matching(globs: tuple[str, ...]) -> Step:
    """Take the files that match, below folders that match too: by their names alone, or else as ``outputs.tar``."""
    pairs = [argument for glob in globs for argument in (glob, f"{pattern(glob)}(/.*)?")]
    return _script(_MATCHING, OUT, "", str(_FLAT_LIMIT), *pairs)


def expression(regex: str, *, shown_as: str, skip: str) -> Step:
    """As ``matching``, for one POSIX expression on paths that begin with ``./``, without names that match ``skip``."""
    return _script(_MATCHING, OUT, skip, str(_FLAT_LIMIT), shown_as, regex)


def installed() -> Step:
    """Pack what was installed into ``STAGE`` as ``install.tar``."""
    return _script(_INSTALLED, STAGE, f"{OUT}/install.tar")


def debian_packages() -> Step:
    """Take the packages that lie beside the tree."""
    return _script(_MOVED, f"{TREE}/..", OUT)


def pattern(glob: str) -> str:
    """A glob as a POSIX extended expression on ``./path``: ``**`` crosses folders, ``*`` and ``?`` do not."""
    out, at = r"\./", 0
    while at < len(glob):
        rest = glob[at:]
        group = re.match(r"\[([!^]?)([^]\[/\\]+)\]", rest)
        if rest.startswith("**/"):
            out, at = out + "(.*/)?", at + 3
        elif rest.startswith("**"):
            out, at = out + ".*", at + 2
        elif group:
            out, at = out + f"[{'^/' if group[1] else ''}{group[2]}]", at + group.end()
        else:
            out, at = out + (_ONE.get(rest[0]) or _SPECIAL.sub(r"\\\g<0>", rest[0])), at + 1
    return out


def _script(text: str, *arguments: str) -> Step:
    return Step(argv=("sh", "-c", text, "sh", *arguments), cwd=TREE)
