"""Causes that leave the same pieces in another order: sorting by locale, hashes, keys, and line ends. Pure, linear."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from rebuilder.explain.causes import Confidence, Match, Rule, Scene
from rebuilder.explain.causes.elf_files import section_of, severity_of
from rebuilder.explain.causes.shapes import environment, project
from rebuilder.explain.causes.texts import contents, evidence, head, readings
from rebuilder.findings import Severity

_MAX_LINES = 500_000
_MAX_JSON = 8 * 1024**2
_PLAIN = bytes(range(0x21, 0x7F))

#: Both sides' pieces: how sure it is that this is the cause.
Judge = Callable[[list[bytes], list[bytes]], Confidence | None]


def _moved(scene: Scene, judge: Judge, *, words: bool) -> Iterator[Match]:
    """Members whose lines (or, in one line, words) are the same in another order, as far as they differ."""
    told = set()
    for index, finding, pair in contents(scene):
        if section_of(scene, finding.path) or pair[0].size != pair[1].size:
            continue
        left, right = (head(side).split(b"\n", _MAX_LINES) for side in pair)
        mine, theirs, at = _middle(left, right)
        if len(mine) > 1 and Counter(mine) == Counter(theirs) and (confidence := judge(mine, theirs)):
            told.add(index)
            at = sum(len(line) + 1 for line in left[:at])
            found = evidence(finding, b" | ".join(mine[:20]), b" | ".join(theirs[:20]), at)
            yield Match(finding=index, evidence=found, confidence=confidence)
    if words:
        yield from _moved_words(scene, judge, told)


def _moved_words(scene: Scene, judge: Judge, told: set[int]) -> Iterator[Match]:
    told |= {found.finding for found in _keys(scene)}
    for reading in readings(scene):
        spots = reading.spots
        if reading.index in told or not spots.found or not spots.whole:
            continue
        found = []
        for spot in spots.found:
            left, right, _ = _middle(*(_tokens(side) for side in (spot.published, spot.rebuilt)))
            if len(left) < 2 or Counter(left) != Counter(right) or judge(left, right) is None:
                break
            found.append(spot)
        else:
            spot = found[0]
            severity = severity_of(scene, reading.path, taken_apart=False)
            shown = evidence(reading.finding, spot.published, spot.rebuilt, spot.at)
            yield Match(finding=reading.index, evidence=shown, confidence="likely", severity=severity)


def _tokens(text: bytes) -> list[bytes]:
    """Words of a line, without what stands between entries of a list."""
    spaced = text.translate(bytes.maketrans(b",;{}[]()", b"        "))
    return spaced.split()


def _middle(left: list[bytes], right: list[bytes]) -> tuple[list[bytes], list[bytes], int]:
    """Without the lines both start and end with; and how many both start with."""
    shared = min(len(left), len(right))
    start = next((i for i in range(shared) if left[i] != right[i]), shared)
    end = next((i for i in range(shared - start) if left[-1 - i] != right[-1 - i]), shared - start)
    return left[start : len(left) - end], right[start : len(right) - end], start


def _sorted(lines: list[bytes]) -> bool:
    return all(one <= other for one, other in pairwise(lines))


def _key(line: bytes) -> bytes:
    """Roughly as locales sort: letters and digits first, whatever their case."""
    return bytes(byte for byte in line.lower() if chr(byte).isalnum())


#: Letters that some languages sort elsewhere: Estonian z, Lithuanian y, Czech and Slovak ch, Danish and Norwegian aa.
_ALPHABETS: tuple[tuple[bytes, bytes], ...] = ((b"z", b"s\xff"), (b"y", b"i\xff"), (b"ch", b"h\xff"), (b"aa", b"z\xff"))
#: Fewer lines may stand in such an order by chance.
_MIN_SORTED = 5


def _by_language(lines: list[bytes]) -> bool:
    """Whether they are sorted as one of the languages sorts that have letters elsewhere."""
    if len(lines) < _MIN_SORTED:
        return False
    keys = [_key(line) for line in lines]
    return any(_sorted([key.replace(letter, place) for key in keys]) for letter, place in _ALPHABETS)


def _collation(one: list[bytes], other: list[bytes]) -> Confidence | None:
    if _sorted(one) == _sorted(other):
        return None
    rest = other if _sorted(one) else one
    return "likely" if all(_key(a) <= _key(b) for a, b in pairwise(rest)) or _by_language(rest) else None


def _hashes(one: list[bytes], other: list[bytes]) -> Confidence | None:
    """No order of sorting is behind it: neither side is in one, or only one is."""
    if _collation(one, other):
        return None
    return "possible" if _sorted(one) or _sorted(other) else "likely"


def _keys(scene: Scene) -> Iterator[Match]:
    for index, finding, pair in contents(scene):
        if max(side.size for side in pair) > _MAX_JSON or section_of(scene, finding.path):
            continue
        left, right = (_json(head(side)) for side in pair)
        if left is not None and left == right and not _same_order(left, right):
            values = [_listed(side) for side in (left, right)]
            yield Match(finding=index, evidence=evidence(finding, values[0], values[1], finding.offset))


def _json(raw: bytes) -> object | None:
    """An object or a list, in which no key stands twice."""
    if raw.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        # Numbers are kept as they are written: 1.0 is not 1.
        found: object = json.loads(
            raw,
            object_pairs_hook=_unique,
            parse_float=lambda text: ("float", text),
            parse_int=lambda text: ("int", text),
        )
    except (ValueError, RecursionError):
        return None
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found


def _same_order(one: object, other: object) -> bool:
    return json.dumps(one) == json.dumps(other)


def _listed(value: object) -> bytes:
    return json.dumps(value)[:200].encode()


def _returns(scene: Scene) -> Iterator[Match]:
    for index, finding, pair in contents(scene):
        left, right = (head(side) for side in pair)
        if section_of(scene, finding.path) or b"\0" in left or b"\0" in right or left == right:
            continue
        if left.replace(b"\r\n", b"\n") == right.replace(b"\r\n", b"\n"):
            words = [f"{side.count(bytes((13, 10)))} lines end in CR LF".encode() for side in (left, right)]
            yield Match(
                finding=index, evidence=evidence(finding, words[0], words[1], finding.offset), confidence="proved"
            )


def _echo(scene: Scene) -> Iterator[Match]:
    """Lines that start with ``-e`` on one side only: ``echo -e`` in bash, and in dash."""
    for reading in readings(scene):
        for spot in reading.spots.found:
            for one, other in ((spot.published, spot.rebuilt), (spot.rebuilt, spot.published)):
                rest = one[3:].strip() if one.startswith(b"-e ") else None
                if rest and (other.strip() == rest or other.strip() == rest.split(b"\\n")[0].strip()):
                    yield Match(
                        finding=reading.index, evidence=evidence(reading.finding, spot.published, spot.rebuilt, spot.at)
                    )
                    break
            else:
                continue
            break


RULES: tuple[Rule, ...] = (
    Rule(
        id="locale-collation",
        title="Lines are sorted by the rules of another locale",
        severity=Severity.INSPECT,
        fix="Sort with LC_ALL=C.",
        match=partial(_moved, judge=_collation, words=True),
        changes=(*environment("locale", "C.UTF-8, or the publisher's"), *project("what sorts", "LC_ALL=C sort")),
    ),
    Rule(
        id="hash-order",
        title="The same entries stand in an order that is not fixed (hash table, folder listing)",
        severity=Severity.INSPECT,
        fix="Sort the keys of a hash, and the list of a folder, before writing. PYTHONHASHSEED shows it.",
        match=partial(_moved, judge=_hashes, words=True),
        changes=(*environment("variable:PYTHONHASHSEED", "0"), *project("what writes the list", "sorted(...)")),
    ),
    Rule(
        id="json-key-order",
        title="The same JSON has its keys in another order",
        severity=Severity.INSPECT,
        fix="Write JSON with sorted keys: json.dumps(..., sort_keys=True), jq -S.",
        match=_keys,
        changes=project("what writes the JSON", "sort_keys=True"),
    ),
    Rule(
        id="line-endings",
        title="The lines end in another way (CR LF)",
        severity=Severity.INSPECT,
        fix="Check out with core.autocrlf=false, and name the line ends in .gitattributes.",
        match=_returns,
        changes=project(".gitattributes", "* text=auto eol=lf"),
    ),
    Rule(
        id="shell-echo",
        title="The echo of another shell wrote this",
        severity=Severity.INSPECT,
        fix="Use printf in place of echo -e, or build with the same /bin/sh.",
        match=_echo,
        changes=(*environment("shell", "the /bin/sh of the publisher"), *project("the script", "printf '%s\\n'")),
    ),
)
