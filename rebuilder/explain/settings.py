"""Settings of a build that ``explain --confirm`` may try: read out of a cause's changes, checked, and applied. Pure.

    Change.target -> Setting -> RecipeBuild

A target holds what stood in an artifact, so all of it is hostile: names and words are of closed lists, values of plain
characters. Whatever is not understood is no setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rebuilder.findings import ArtifactExplanation, Cause, Change, Surroundings
from rebuilder.recipe import RecipeBuild

OPTIONS, EPOCH = "DEB_BUILD_OPTIONS", "SOURCE_DATE_EPOCH"
VARIABLE, PATH, PARALLEL = "variable:", "path:", "parallel:"
#: Most jobs that are tried: a recipe takes no more.
MAX_JOBS = 256
MAX_TARGET = 500
#: Settings tried of one explanation.
MAX_SETTINGS = 12
#: The year 2100: a build later than that is none.
_MAX_EPOCH = 4102444800
#: Words that change what is put into a package. None that leaves tests out, changes flags, or keeps symbols.
_WORDS = frozenset({"notrimdch", "nodoc", "noautodbgsym", "terse"})
_LOCALE = re.compile(r"(?:C|POSIX|[a-z]{2,3}_[A-Z]{2})(?:\.(?:UTF-8|utf8|ISO-8859-[0-9]{1,2}))?(?:@[a-z]{1,12})?")
_ZONE = re.compile(
    r"[A-Z][A-Za-z]{1,31}(?:/[A-Z][A-Za-z0-9_+-]{0,31}){0,2}|[A-Z]{3,5}[+-]?(?:[0-9]|1[0-9]|2[0-4])(?::[0-5][0-9])?"
)
_SECONDS = re.compile(r"[1-9][0-9]{0,9}")
_VALUES = {"LC_ALL": _LOCALE, "LANG": _LOCALE, "TZ": _ZONE}
_STEP = r"(?!\.\.?(?:/|\Z))[A-Za-z0-9+.:~_-]{1,100}"
#: As ``resolve.debian_plan`` wants it: two or more steps below the folder that can be written, not where inputs lie.
_FOLDER = re.compile(rf"/build/(?!input/){_STEP}(?:/{_STEP}){{1,12}}")
_JOBS = re.compile(r"[1-9][0-9]{0,2}")
_PARALLEL = re.compile(r"parallel=([0-9]{1,9})")


@dataclass(frozen=True)
class Setting:
    """One setting, checked. ``name`` is that of a variable."""

    kind: Literal["set", "add", "path", "parallel"]
    value: str
    name: str = ""

    @property
    def words(self) -> str:
        """For people."""
        if self.kind == "path":
            return f"build path {self.value}"
        if self.kind == "parallel":
            return f"{self.value} parallel jobs"
        return f"{self.name} with {self.value}" if self.kind == "add" else f"{self.name}={self.value}"

    @property
    def target(self) -> str:
        """As ``Change.target`` has it."""
        if self.kind in ("path", "parallel"):
            return f"{self.kind}:{self.value}"
        return f"{VARIABLE}{self.name}{'+=' if self.kind == 'add' else '='}{self.value}"

    @property
    def inputs(self) -> frozenset[str]:
        """Names of the build's inputs that it changes."""
        if self.kind == "path":
            return frozenset({"path"})
        return frozenset({"environment", "epoch"} if self.name == EPOCH else {"environment"})

    @property
    def shown(self) -> bool:
        """Whether such a value is read off the published file; a word to add is what would have had its effect."""
        return self.kind != "add"


@dataclass(frozen=True)
class Candidate:
    """A setting that a cause names, and the findings that have to go."""

    setting: Setting
    cause: Cause

    @property
    def why(self) -> str:
        """Why it is suspected."""
        if self.setting.shown:
            return f"the published file shows it; the cause {self.cause.id} names it"
        return f"the cause {self.cause.id} names it"


def setting(target: str) -> Setting | None:
    """The setting that a change's target asks for; ``None`` for any other, and for all that is not allowed."""
    if len(target) > MAX_TARGET:
        return None
    if target.startswith(PATH):
        return _if(_FOLDER.fullmatch(path := target.removeprefix(PATH)), Setting("path", path))
    if target.startswith(PARALLEL):
        jobs = target.removeprefix(PARALLEL)
        return _if(_JOBS.fullmatch(jobs) and int(jobs) <= MAX_JOBS, Setting("parallel", jobs))
    name, equals, value = target.removeprefix(VARIABLE).partition("=")
    if not target.startswith(VARIABLE) or not equals:
        return None
    if name.endswith("+"):
        return _if(name == f"{OPTIONS}+" and value in _WORDS, Setting("add", value, OPTIONS))
    return _if(_is_allowed(name, value), Setting("set", value, name))


def _if(good: object, one: Setting) -> Setting | None:
    return one if good else None


def _is_allowed(name: str, value: str) -> bool:
    if name == OPTIONS:
        return bool(value) and all(word in _WORDS or _is_jobs(word) for word in value.split(" "))
    if name == EPOCH:
        return _SECONDS.fullmatch(value) is not None and int(value) < _MAX_EPOCH
    return name in _VALUES and _VALUES[name].fullmatch(value) is not None


def _is_jobs(word: str) -> bool:
    found = _PARALLEL.fullmatch(word)
    return found is not None and _JOBS.fullmatch(found[1]) is not None and int(found[1]) <= MAX_JOBS


def candidates(explanation: ArtifactExplanation, around: Surroundings, known: frozenset[str]) -> tuple[Candidate, ...]:
    """What the causes ask for, the likeliest cause's first: what is not so already, and what is not of an input that
    publisher or published file made ``known``. Where two causes ask for one setting, the first has it."""
    found: dict[Setting, Candidate] = {}
    for one in _asked(explanation):
        if not one.setting.inputs & known and not _is_so(one.setting, around):
            found.setdefault(one.setting, one)
        if len(found) >= MAX_SETTINGS:
            break
    return tuple(found.values())


def _asked(explanation: ArtifactExplanation) -> Iterator[Candidate]:
    for cause in explanation.causes:
        for change in cause.changes:
            one = setting(change.target) if change.where == "environment" else None
            if one is not None:
                yield Candidate(one, cause)


def _is_so(one: Setting, around: Surroundings) -> bool:
    """Whether our build had it."""
    variables = around.environment
    if one.kind == "path":
        return one.value == around.path.rstrip("/")
    if one.kind == "set":
        ours = str(around.epoch) if one.name == EPOCH else variables.get(one.name)
        return one.value == ours
    words = variables.get(OPTIONS, "").split()
    return (f"parallel={one.value}" if one.kind == "parallel" else one.value) in words


def changes(settings: Iterable[Setting]) -> tuple[Change, ...]:
    """The settings as changes to the environment."""
    return tuple(Change(where="environment", target=one.target, text=one.words) for one in settings)


def applied(build: RecipeBuild, settings: Iterable[Setting]) -> RecipeBuild:
    """The build with the settings in place of its own; all else as it was."""
    for one in settings:
        build = build.model_copy(update=_update(build, one))
    return build


def _update(build: RecipeBuild, one: Setting) -> dict[str, object]:
    if one.kind == "path":
        return {"path": one.value}
    variables = build.environment
    if one.kind == "parallel" and OPTIONS not in variables:
        return {"parallel": int(one.value)}
    value = one.value
    if one.kind != "set":
        kept = variables.get(OPTIONS, f"parallel={build.parallel}").split()
        word = f"parallel={value}" if one.kind == "parallel" else value
        value = " ".join([*(other for other in kept if not _replaces(word, other)), word])
    return {"environment": {**variables, (one.name or OPTIONS): value}}


def _replaces(word: str, other: str) -> bool:
    return word == other or (word.startswith("parallel=") and other.startswith("parallel"))
