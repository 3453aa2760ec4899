"""Which tags of a repository name a version of a project, best first. Pure; names of tags are hostile text.

A tag is a prefix and a version, which is all of the rest: ``v1.2.3``, ``release_v3.00``, ``@scope/name@1.2.3``.
The prefix is nobody's (``v``, ``release-``), the project's own, or another's, which counts for little.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, Literal, NamedTuple

from rebuilder.model import Value
from rebuilder.releases import System, Tag
from rebuilder.resolve.infer.spellings import likeness, looks_like

#: So many tags are looked at, and so many characters of each.
MAX_TAGS: Final = 50_000
MAX_NAME: Final = 250
_STARTS = 12
#: A tag of another project's name, however it is written.
FOREIGN: Final = 0.1
_NEUTRAL = frozenset({"v", "ver", "version", "versions", "rel", "release", "releases", "stable", "tag", "tags", "r"})
_ENDINGS = frozenset({"final", "release", "stable", "ga", "npm", "pypi", "python", "py", "js"})
_START = re.compile(r"(?<![0-9])(?=[0-9])")
#: What people put before and after a project's name.
_CLOSE = (("python-", ""), ("py-", ""), ("py", ""), ("", "-python"), ("", "-py"), ("", "-js"), ("", ".js"))
_WORDS = re.compile(r"[-_/.@ ]+")
_SHOUTED = re.compile(r"(?<=[A-Za-z])[vV]$")

Whose = Literal["none", "own", "related", "foreign"]


class RankedTag(Value):
    """A tag that names the version."""

    tag: Tag
    #: How it is written, in words: the project's name and the version with underscores.
    spelling: str
    confidence: float
    #: It was made after the upload.
    late: bool = False


class _Parts(NamedTuple):
    prefix: str
    version: str
    ending: str


def ranked(
    tags: tuple[Tag, ...], name: str, version: str, *, uploaded: int | None, system: System | None = None
) -> tuple[RankedTag, ...]:
    """The tags that name ``version`` of the project ``name``, likeliest first. ``uploaded`` in seconds since 1970: a
    later tag comes after an equally good one. Without ``system`` a name with a scope is npm's, any other Python's."""
    system = system or ("npm" if name.startswith("@") else "pypi")
    names = _Names(name)
    looked = tuple(tag for tag in tags[:MAX_TAGS] if len(tag.name) <= MAX_NAME and tag.name.isascii())
    habit = _Habit(names, looked)
    found = [hit for tag in looked if (hit := _hit(tag, names, version, system, habit))]
    late = [hit.model_copy(update={"late": uploaded is not None and hit.tag.time > uploaded}) for hit in found]
    return tuple(sorted(late, key=lambda hit: (-hit.confidence, hit.late, -hit.tag.time, hit.tag.name)))


class _Names:
    """The ways in which a project's name is written before a version."""

    def __init__(self, name: str) -> None:
        scope, _, bare = name.removeprefix("@").rpartition("/")
        self.own = frozenset({_plain(bare), _plain(f"{scope}-{bare}")} if scope else {_plain(bare)})
        close = {f"{before}{own}{after}" for own in self.own for before, after in _CLOSE}
        self.related = frozenset(close | {own[2:] for own in self.own if own.startswith("py")})

    def whose(self, prefix: str) -> Whose:
        """Whose a prefix is."""
        words = [word for word in _WORDS.split(_SHOUTED.sub("", prefix).lower()) if word]
        if prefix.lower() in _NEUTRAL:
            words = []
        while words and words[-1] in _NEUTRAL:
            words.pop()
        while len(words) > 1 and words[0] in _NEUTRAL:
            words.pop(0)
        if not words or (len(words) == 1 and words[0] in _NEUTRAL):
            return "none"
        joined = "-".join(words)
        if joined in self.own:
            return "own"
        return "related" if len(joined) > 1 and joined in self.related else "foreign"


class _Habit:
    """How the repository names its tags otherwise."""

    def __init__(self, names: _Names, tags: tuple[Tag, ...]) -> None:
        prefixes: Counter[str] = Counter()
        owners: Counter[Whose] = Counter()
        for tag in tags:
            if parts := next((p for p in _splits(tag.name) if looks_like(p.version)), None):
                prefixes[parts.prefix] += 1
                owners[names.whose(parts.prefix)] += 1
        #: Projects side by side, this one among them: a version without a name is another's.
        self.own = owners["own"] > 1 and owners["foreign"] > 1
        #: A prefix that nearly every tag has is the project's, whatever it says.
        most = prefixes.most_common(1)
        self.sole = most[0][0] if most and most[0][1] >= 3 and most[0][1] * 10 >= prefixes.total() * 9 else None
        self.many = owners["foreign"] > owners["none"] + owners["own"] and self.sole is None


def _hit(tag: Tag, names: _Names, version: str, system: System, habit: _Habit) -> RankedTag | None:
    best: RankedTag | None = None
    for parts in _splits(tag.name):
        like, spelling = likeness(parts.version, version, system)
        if not like:
            continue
        whose = names.whose(parts.prefix)
        sure, words = _belief(whose, parts.prefix, habit)
        ending = _ending(parts.ending, system)
        sure = round(min(0.99, sure * like * ending), 3)
        if best is None or sure > best.confidence:
            best = RankedTag(tag=tag, spelling=f"{words}{spelling}", confidence=sure)
    return best


def _belief(whose: Whose, prefix: str, habit: _Habit) -> tuple[float, str]:
    if whose == "own":
        return 0.97, "the project's name and "
    if whose == "none":
        # Where other versions carry the name, a bare one is that of another part of the repository.
        return (0.4 if habit.own else 0.8 if habit.many else 0.95), f"{prefix} and " if prefix else ""
    if whose == "related":
        return 0.75, "a name close to the project's and "
    if prefix == habit.sole:
        return 0.6, "the prefix that nearly all tags have, and "
    return FOREIGN, "another name and "


def _ending(ending: str, system: System) -> float:
    """What is after the version: a tag of the published form is better than the bare one beside it."""
    if not ending:
        return 1.0
    return 1.02 if ending == {"npm": "npm", "pypi": "pypi"}[system] else 0.7


def _splits(name: str) -> list[_Parts]:
    """Every way to take a name apart into a prefix and a version from a digit on, the longest version first."""
    name = name.removeprefix("refs/tags/")
    parts = []
    for match in list(_START.finditer(name))[:_STARTS]:
        prefix, rest = name[: match.start()], name[match.start() :]
        if not _is_start(prefix):
            continue
        parts.append(_Parts(prefix, rest, ""))
        body, separator, ending = rest.rpartition("-")
        if separator and ending.lower() in _ENDINGS:
            parts.append(_Parts(prefix, body, ending.lower()))
        body, separator, ending = rest.rpartition(".")
        if separator and ending.lower() in _ENDINGS:
            parts.append(_Parts(prefix, body, ending.lower()))
    return parts


def _is_start(prefix: str) -> bool:
    """Whether a version may begin after it: at a separator, after ``v`` and the like, or after any word but not inside
    a number (``1.2.3`` is no start of ``11.2.3``, and no ``2.3`` is in ``1.2.3``)."""
    if not prefix:
        return True
    if re.search(r"[0-9][._]$", prefix):
        return False
    return prefix[-1] in "-_/.@ " or prefix[-1].isalpha()


def _plain(name: str) -> str:
    return "-".join(word for word in _WORDS.split(name.lower()) if word)
