"""Which variations show in what differs: their canaries in the bytes, and what the differences look like. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rebuilder.check.model import VariationName
from rebuilder.check.plan import NONE, Aspect, Names
from rebuilder.compare.walk import Walked
from rebuilder.data import Data
from rebuilder.explain.causes.shapes import forms
from rebuilder.findings import Cause, Difference, DifferenceClass, Finding, MemberPath

#: What differs, of an output that one build alone made.
ONE_SIDED = ("missing", "extra")
#: What differs, of all names in a container.
THE_NAMES = "names"
#: What differs, of a place that is a whole file.
CONTENT = "content"
#: What moves in a program with any string in it.
_LAYOUT = frozenset({"elf header", "program headers", "section headers", "section layout", "section order", "gap"})
#: Bytes of a member that is looked through for every text, and for unique words only.
MAX_SMALL, MAX_LARGE = 4 * 1024**2, 64 * 1024**2
#: Bytes of members looked through for one pair of files.
MAX_LOOKED = 1024**3
#: Cause -> variations that make it, in the eyes of whoever sees only the bytes.
LOOKS_LIKE: Mapping[str, tuple[VariationName, ...]] = {
    "ar-owners": ("user",),
    "ar-times": ("times",),
    "archive-modes": ("umask",),
    "archive-order": ("order",),
    "build-path-dwarf": ("path",),
    "build-path-producer": ("path",),
    "build-path-rodata": ("path",),
    "build-path-rpath": ("path",),
    "build-path-text": ("path",),
    "copyright-year": ("clock",),
    "cpu-count": ("cpu", "jobs"),
    "date-macro": ("clock",),
    "embedded-timestamp": ("clock", "times"),
    "environment-variable": ("environment", "exec-path"),
    "executable-bit": ("umask",),
    "hash-order": ("hash-seed", "order"),
    "home": ("home",),
    "hostname": ("host",),
    "json-key-order": ("hash-seed",),
    "kernel-version": ("kernel",),
    "locale-collation": ("locale",),
    "locale-messages": ("locale",),
    "pyc-code-path": ("path",),
    "pyc-set-order": ("hash-seed",),
    "pyc-times": ("times",),
    "random-name": ("tmpdir",),
    "sdist-egg-info-order": ("order",),
    "shell-echo": ("shell",),
    "sphinx-search-order": ("order", "hash-seed"),
    "symbol-order": ("order",),
    "tar-owners": ("user",),
    "tar-times": ("times",),
    "timezone": ("timezone",),
    "username": ("user",),
    "zip-times": ("times", "timezone"),
    "zip-timezone": ("timezone",),
}


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Marker -> variation: unique ``words``, dates of a faked clock, and ``hints`` that may be there by chance."""

    words: Mapping[str, VariationName]
    dates: Mapping[str, VariationName]
    hints: Mapping[str, VariationName]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """What was seen in the differences of one output: per place, proved by a canary, or likely."""

    marked: Mapping[Aspect, Names]
    guessed: Mapping[Aspect, Names]


def roots(output: str, difference: Difference, files: Iterable[MemberPath]) -> dict[Aspect, list[int]]:
    """Every place that differs and follows from no other, with the indexes of its findings; all places where each
    follows from another one (a build-id alone). ``files``: members that are files by themselves; what differs inside
    one (sections of a program) is one place, because one string there moves all that is behind it."""
    whole = frozenset(files)
    own = [index for index, one in enumerate(difference.findings) if one.kind is not DifferenceClass.DERIVED]
    found: dict[Aspect, list[int]] = {}
    for index in own or range(len(difference.findings)):
        one = difference.findings[index]
        found.setdefault((output, *_place(one, whole)), []).append(index)
    return found


def _place(finding: Finding, files: frozenset[MemberPath]) -> tuple[MemberPath, str]:
    path = finding.path
    own = finding.kind is DifferenceClass.CONTENT or finding.what in _LAYOUT
    for size in range(len(path), -1, -1):
        if path[:size] in files and (size < len(path) or own):
            return path[:size], CONTENT
    return path, finding.what


def box(aspect: Aspect) -> tuple[str, MemberPath] | None:
    """What holds a member that one build alone has, and of an output that one alone has, all outputs; else ``None``."""
    output, path, what = aspect
    if what == "member" and path:
        return output, path[:-1]
    return ("", ()) if not path and what in ONE_SIDED else None


def folded(aspects: Iterable[Aspect], boxes: Mapping[tuple[str, MemberPath], Aspect]) -> dict[Aspect, Aspect]:
    """Each aspect, with the one that stands for it: where names are chance, each build brings others of them, and
    about these no other build could say anything."""
    return {aspect: boxes.get(of, aspect) if (of := box(aspect)) else aspect for aspect in aspects}


def marks(output: str, walked: Walked, texts: Texts, causes: Iterable[Cause]) -> Marked:
    """Look for the texts in all that differs of one output; causes tell what the rest looks like."""
    by_finding = _by_finding(causes)
    searcher = _Searcher(walked, texts)
    marked: dict[Aspect, Names] = {}
    guessed: dict[Aspect, Names] = {}
    aspects = roots(output, walked.difference, walked.leaves)
    for aspect, indexes in aspects.items():
        proved, hinted = NONE, NONE
        for index in indexes:
            sure, likely = searcher.look(walked.difference.findings[index])
            proved, hinted = proved | sure, hinted | likely
        looks = frozenset(name for index in indexes for name in by_finding.get(index, ()))
        if proved:
            marked[aspect] = proved
        if hinted or looks:
            guessed[aspect] = hinted or looks
    return Marked(marked=marked, guessed=_renamed(aspects, marked) | guessed)


def named(missing: Iterable[Aspect], extra: Iterable[Aspect], texts: Texts) -> Marked:
    """The same of outputs that one build alone made: a canary stands in the name."""
    marked = {}
    for aspect in extra:
        if found := frozenset(name for text, name in {**texts.words, **texts.dates}.items() if text in aspect[0]):
            marked[aspect] = found
    return Marked(marked=marked, guessed=_renamed([*missing, *extra], marked))


def _renamed(aspects: Iterable[Aspect], marked: Mapping[Aspect, Names]) -> dict[Aspect, Names]:
    """Of what lies alone in its container without a canary: those whose canary names something else there have
    likely renamed it."""
    every: dict[tuple[str, MemberPath], Names] = {}
    alone = {aspect: of for aspect in aspects if (of := box(aspect))}
    for aspect, of in alone.items():
        every[of] = every.get(of, NONE) | marked.get(aspect, NONE)
    return {aspect: every[of] for aspect, of in alone.items() if every[of] and aspect not in marked}


def _by_finding(causes: Iterable[Cause]) -> dict[int, tuple[VariationName, ...]]:
    """What the first cause that says anything of a finding looks like."""
    found: dict[int, tuple[VariationName, ...]] = {}
    for cause in causes:
        for index in cause.findings:
            if cause.id in LOOKS_LIKE:
                found.setdefault(index, LOOKS_LIKE[cause.id])
    return found


class _Searcher:
    """Searches each member once, whatever number of findings is about it."""

    def __init__(self, walked: Walked, texts: Texts) -> None:
        self._pairs = walked.pairs
        self._texts = texts
        self._seen: dict[MemberPath, tuple[Names, Names]] = {}
        self._left = MAX_LOOKED

    def look(self, finding: Finding) -> tuple[Names, Names]:
        """Variations whose texts stand on one side more often than on the other: proved, and likely."""
        if finding.kind is not DifferenceClass.CONTENT or finding.path not in self._pairs:
            return self._told(finding)
        if finding.path not in self._seen:
            self._seen[finding.path] = self._read(*self._pairs[finding.path])
        return self._seen[finding.path]

    def _told(self, finding: Finding) -> tuple[Names, Names]:
        """By the values that a finding shows, and by the name of a member that only one side has."""
        name = "/".join(finding.path).encode("utf-8", "surrogateescape") if _one_sided(finding) else b""
        published = finding.published.value.encode("utf-8", "surrogateescape")
        rebuilt = finding.rebuilt.value.encode("utf-8", "surrogateescape")
        if finding.kind is DifferenceClass.MISSING:
            return self._search(published + name, b"", everything=True)
        return self._search(published, rebuilt + name, everything=True)

    def _read(self, one: Data, other: Data) -> tuple[Names, Names]:
        size = max(one.size, other.size)
        if size > MAX_LARGE or one.size + other.size > self._left:
            return NONE, NONE
        self._left -= one.size + other.size
        return self._search(one.read(0, one.size), other.read(0, other.size), everything=size <= MAX_SMALL)

    def _search(self, one: bytes, other: bytes, *, everything: bool) -> tuple[Names, Names]:
        texts = self._texts
        sure = set(_differ(texts.words, one, other))
        if everything:
            sure.update(_differ(texts.dates, one, other))
        return frozenset(sure), frozenset(_differ(texts.hints, one, other) if everything and not sure else ())


def _one_sided(finding: Finding) -> bool:
    return finding.kind in (DifferenceClass.MISSING, DifferenceClass.EXTRA)


def _differ(texts: Mapping[str, VariationName], one: bytes, other: bytes) -> Iterator[VariationName]:
    for text, name in texts.items():
        if any(one.count(form) != other.count(form) for form in forms(text)):
            yield name
