"""What helps against each variation: held fixed from outside, and changed in the project. Pure; words, never a claim.

Holding a variation fixed is confirmed by the very build that varied everything else. A change of flags is confirmed by
two more builds with it, one of them varied (`Trial`). A change of the project's own files is for its authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rebuilder.check.model import TREE, ProjectKind, VariationName
from rebuilder.findings import Change

_MAP = "-ffile-prefix-map"
#: Causes that a compiler's prefix map takes away, where the variation is the build path.
_COMPILED = frozenset({"build-path-rodata", "build-path-dwarf", "build-path-producer", "build-id", "debug-info"})


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A change of flags that can be tried from outside: variables, and words for every call of a compiler. Both may
    hold ``@TREE@``."""

    variables: Mapping[str, str] = field(default_factory=dict)
    compiler: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to try."""
        return bool(self.variables or self.compiler)

    @property
    def words(self) -> str:
        """As a person would type it."""
        told = [f"{name}={value}" for name, value in sorted(self.variables.items())]
        return " ".join((*told, *self.compiler)).replace(TREE, "$PWD")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do. ``held``: how to hold it fixed from outside, in words; empty where nobody can."""

    words: str
    held: str
    changes: tuple[Change, ...]
    trial: Trial = Trial()


def advice(name: VariationName, kind: ProjectKind, cause: str) -> Advice:
    """Advice against one variation, for a project of that kind, where ``cause`` (an id, or empty) was seen."""
    if name == "path" and cause in _COMPILED:
        return _compiled(kind)
    words, held, change = _SAYS[name]
    own = _OWN.get((name, kind))
    if packed := _packed(name, kind, cause):
        words, own = packed
    changes = (own,) if own else ()
    outside = (Change(where="environment", target=change, text=held),) if change else ()
    return Advice(words=words, held=held, changes=(*changes, *outside))


def _packed(name: VariationName, kind: ProjectKind, cause: str) -> tuple[str, Change] | None:
    """Words and a change where whoever packs the archive writes the time, so that no date of the project is at fault;
    else ``None``."""
    if cause == "gzip-header-time" or (cause == "tar-times" and kind is ProjectKind.PYTHON):
        own = _BACKEND if kind is ProjectKind.PYTHON else _PACKERS[cause]
    elif name == "clock" and cause in _PACKERS:
        own = _PACKERS[cause]
    else:
        return None
    words = _CHANCE[cause]
    return words if kind is ProjectKind.PYTHON else words.removesuffix(f" {_SDISTS}"), own


def without_flags(told: Advice, *, usable: bool) -> Advice:
    """The advice that is left once its flags were tried and did not help, or were not ``usable`` at all."""
    why = "did not help" if usable else "cannot be used here"
    left = tuple(change for change in told.changes if change.where == "environment")
    words = f"{told.trial.words} {why}: {_RELATIVE if usable else _SAYS['path'][0]}"
    return replace(told, words=words, changes=left, trial=Trial())


def chance(cause: str) -> Advice:
    """Advice on what differs between builds of one and the same."""
    return Advice(words=_CHANCE.get(cause, _ANY_CHANCE), held="", changes=())


def _compiled(kind: ProjectKind) -> Advice:
    own = _MAPS.get(kind, _MAPS[ProjectKind.MAKE])
    words = f"Compile with a prefix map, so that no folder is written into the program: {own.text.splitlines()[-1]}"
    return Advice(words=words, held="build in the same folder", changes=(own, _SAME_FOLDER), trial=_trial(kind))


def _trial(kind: ProjectKind) -> Trial:
    if kind is ProjectKind.CARGO:
        return Trial(variables={"RUSTFLAGS": f"--remap-path-prefix={TREE}=."})
    if kind is ProjectKind.GO:
        return Trial(variables={"GOFLAGS": "-trimpath"})
    # Not by CFLAGS: a project may not read them, or set its own.
    return Trial(compiler=(f"{_MAP}={TREE}=.",))


def _project(target: str, text: str) -> Change:
    return Change(where="project", target=target, text=text)


_SAME_FOLDER = Change(where="environment", target="path", text="build in the same folder")
_MAPS: Mapping[ProjectKind, Change] = {
    ProjectKind.MAKE: _project("Makefile", f"CFLAGS += {_MAP}=$(CURDIR)=."),
    ProjectKind.AUTOTOOLS: _project("the release script", f'./configure CFLAGS="-g -O2 {_MAP}=$PWD=."'),
    ProjectKind.CMAKE: _project("CMakeLists.txt", f'add_compile_options("{_MAP}=${{CMAKE_SOURCE_DIR}}=.")'),
    ProjectKind.MESON: _project(
        "meson.build",
        f"add_project_arguments('{_MAP}=' + meson.project_source_root() + '=.', language: ['c'])",
    ),
    ProjectKind.DEBIAN: _project("debian/rules", "export DEB_BUILD_MAINT_OPTIONS = reproducible=+fixfilepath"),
    ProjectKind.PYTHON: _project("the release script", f'export CFLAGS="{_MAP}=$PWD=."'),
    ProjectKind.NPM: _project("the release script", f'export CFLAGS="{_MAP}=$PWD=." CXXFLAGS="{_MAP}=$PWD=."'),
    ProjectKind.COMMAND: _project("the release script", f'export CFLAGS="{_MAP}=$PWD=."'),
    ProjectKind.CARGO: _project("the release script", 'export RUSTFLAGS="--remap-path-prefix=$PWD=."'),
    ProjectKind.GO: _project("the release script", "go build -trimpath"),
}

#: Words, how to hold it fixed from outside, and the target of that change (`Change.target`).
_SAYS: Mapping[VariationName, tuple[str, str, str]] = {
    "path": ("Write paths relative to the source or to the installed prefix.", "build in the same folder", "path"),
    "home": ("Do not write $HOME out.", "build with HOME=/nonexistent", "variable:HOME=/nonexistent"),
    "user": (
        "Do not write the user's name or number out; give archives fixed owners (tar --owner=0 --group=0 "
        "--numeric-owner).",
        "build as the same user",
        "user",
    ),
    "umask": (
        "Set the modes of what is packed: install -m 0644, tar --mode=go=rX,u+rw, or umask 022 in the build script.",
        "umask 022 before the build",
        "umask",
    ),
    "locale": (
        "Sort, format and translate in a fixed locale: LC_ALL=C.UTF-8 in the build.",
        "build with LC_ALL=C.UTF-8",
        "variable:LC_ALL=C.UTF-8",
    ),
    "timezone": ("Format times in UTC.", "build with TZ=UTC", "variable:TZ=UTC"),
    "host": ("Do not write the host's name out: no hostname, no uname -n.", "build on a host of that name", "hostname"),
    "environment": (
        "Do not write the environment out; name the variables that are needed.",
        "build with env -i and only the variables that are needed",
        "environment",
    ),
    "exec-path": ("Do not write PATH out.", "build with a fixed PATH", "variable:PATH"),
    "shell": (
        "Write the script for POSIX sh (printf, not echo -e; no [[, no $BASH_VERSION), or begin it with #!/bin/bash "
        "and set SHELL in the Makefile.",
        "build where /bin/sh is the same shell",
        "shell",
    ),
    "cpu": (
        "Do not write the number of processors out; split work in a number of pieces that is fixed.",
        "build on the same number of processors",
        "cpus",
    ),
    "jobs": (
        "Name the missing dependencies in the Makefile, and do not write MAKEFLAGS or the number of jobs out.",
        "build with make -j1",
        "variable:MAKEFLAGS=-j1",
    ),
    "kernel": ("Do not write uname out.", "build on the same kernel", "kernel"),
    "clock": (
        "Take the date from SOURCE_DATE_EPOCH where it is set, not from the clock.",
        "build with a clock held still (faketime)",
        "clock",
    ),
    "order": (
        "Sort what a folder lists: $(sort $(wildcard ...)), sorted(os.listdir(...)), tar --sort=name, find | sort.",
        "unpack the source in the same order",
        "order",
    ),
    "times": (
        "Do not copy times of source files into what is packed, or set them: tar --mtime=@$SOURCE_DATE_EPOCH, "
        "find . -exec touch -d @$SOURCE_DATE_EPOCH {} +.",
        "set all times of the source to SOURCE_DATE_EPOCH before the build",
        "times",
    ),
    "tmpdir": ("Do not write names of temporary files out.", "build with TMPDIR=/tmp", "variable:TMPDIR=/tmp"),
    "hash-seed": (
        "Sort sets and keys before writing them.",
        "build with PYTHONHASHSEED=0 and PERL_HASH_SEED=0",
        "variable:PYTHONHASHSEED=0",
    ),
}  # fmt: skip

_SHELL_DATE = 'date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%d'
_PYTHON_DATE = _project(
    "what writes the date",
    'datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), tz=timezone.utc)',
)
_NODE_DATE = _project(
    "what writes the date",
    "new Date(process.env.SOURCE_DATE_EPOCH ? Number(process.env.SOURCE_DATE_EPOCH) * 1000 : Date.now()).toISOString()",
)
_BACKEND = _project(
    "the build backend",
    "# for pure Python; flit_core as well: both take SOURCE_DATE_EPOCH and set the modes themselves\n"
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"',
)

#: The change in the project, where one is known for the kind. A file is named only where that kind always has it.
_OWN: Mapping[tuple[VariationName, ProjectKind], Change] = {
    ("order", ProjectKind.MAKE): _project("Makefile", "SOURCES := $(sort $(wildcard src/*.c))"),
    ("order", ProjectKind.CMAKE): _project("CMakeLists.txt", "list(SORT SOURCES)  # after file(GLOB SOURCES ...)"),
    ("order", ProjectKind.PYTHON): _project("what lists the files", "sorted(glob.glob('src/*.c'))"),
    ("order", ProjectKind.NPM): _project("what lists the files", "fs.readdirSync(folder).sort()"),
    ("clock", ProjectKind.MAKE): _project(
        "Makefile", "DATE := $(shell date -u -d @$${SOURCE_DATE_EPOCH:-$$(date +%s)} +%Y-%m-%d)"
    ),
    ("clock", ProjectKind.CMAKE): _project(
        "CMakeLists.txt", "string(TIMESTAMP DATE \"%Y-%m-%d\" UTC)  # takes SOURCE_DATE_EPOCH by itself"
    ),
    ("clock", ProjectKind.PYTHON): _PYTHON_DATE,
    ("timezone", ProjectKind.PYTHON): _PYTHON_DATE,
    ("clock", ProjectKind.NPM): _NODE_DATE,
    ("timezone", ProjectKind.NPM): _NODE_DATE,
    ("clock", ProjectKind.GO): _project("the release script", f'go build -ldflags "-X main.date=$({_SHELL_DATE})"'),
    ("clock", ProjectKind.AUTOTOOLS): _project("what writes the date", f"DATE=$({_SHELL_DATE})"),
    ("clock", ProjectKind.COMMAND): _project("what writes the date", f"DATE=$({_SHELL_DATE})"),
    ("clock", ProjectKind.DEBIAN): _project("debian/rules", "include /usr/share/dpkg/pkg-info.mk  # SOURCE_DATE_EPOCH"),
    ("umask", ProjectKind.MAKE): _project("Makefile", "install -m 0644 FILE $(DESTDIR)$(datadir)"),
    ("umask", ProjectKind.DEBIAN): _project("debian/rules", "dh_fixperms"),
    ("umask", ProjectKind.PYTHON): _BACKEND,
    ("times", ProjectKind.PYTHON): _BACKEND,
    ("times", ProjectKind.MAKE): _project("Makefile", "tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --clamp-mtime"),
    ("user", ProjectKind.MAKE): _project("Makefile", "tar --owner=0 --group=0 --numeric-owner"),
    ("locale", ProjectKind.MAKE): _project("Makefile", "export LC_ALL := C.UTF-8"),
    ("locale", ProjectKind.DEBIAN): _project("debian/rules", "export LC_ALL = C.UTF-8"),
    ("timezone", ProjectKind.MAKE): _project("Makefile", "export TZ := UTC"),
    ("timezone", ProjectKind.DEBIAN): _project("debian/rules", "export TZ = UTC"),
    ("shell", ProjectKind.MAKE): _project("Makefile", "SHELL := /bin/bash"),
    ("hash-seed", ProjectKind.MAKE): _project("Makefile", "export PYTHONHASHSEED := 0"),
}

_ANY_CHANCE = (
    "Two builds of the same inputs differ: look for times, random names and numbers, unordered output of threads, and "
    "missing dependencies between steps."
)
_SDISTS = (
    "An sdist of setuptools always carries the time it was made; for pure Python, hatchling and flit_core take "
    "SOURCE_DATE_EPOCH instead."
)
_CHANCE: Mapping[str, str] = {
    "tar-times": (
        f"Files made during the build carry the time they were made: tar --mtime=@$SOURCE_DATE_EPOCH. {_SDISTS}"
    ),
    "zip-times": "Files made during the build carry that time: touch -d @$SOURCE_DATE_EPOCH before zip -X.",
    "ar-times": "Let ar write no times: ARFLAGS=Dcr.",
    "gzip-header-time": f"Leave the time out of gzip's header: gzip -n, or mtime=0 in Python. {_SDISTS}",
    "embedded-timestamp": "Take the date from SOURCE_DATE_EPOCH where it is set, not from the clock.",
    "random-name": "Give temporary files fixed names, or do not write their names out.",
    "random-seed": "Draw random numbers from a fixed seed, or from the content.",
    "symbol-order": "Sort what is linked, and name dependencies between steps: a race decides the order.",
    "hash-order": "Sort sets and keys before writing them.",
}
#: What whoever packs the archive has to say, by cause.
_PACKERS: Mapping[str, Change] = {
    "gzip-header-time": _project("what packs the archive", "gzip -n"),
    "tar-times": _project("what packs the archive", "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH"),
    "zip-times": _project("what packs the archive", "find . -exec touch -h -d @$SOURCE_DATE_EPOCH {} +"),
    "ar-times": _project("what packs the archive", "ar Dcr"),
}
#: Where flags of a compiler do not take the folder away.
_RELATIVE = (
    "the folder is written by something else than the compiler (a script that calls pwd, a generated header, an "
    "absolute path on the command line). Write paths relative to the source."
)
