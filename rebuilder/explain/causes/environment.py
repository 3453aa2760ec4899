"""Causes in what surrounds a build: who builds, on which machine, in which folder, locale, zone and shell."""

from __future__ import annotations

import re
from functools import reduce

from rebuilder.explain.causes import Change, Confidence, Rule, Scene, applied, orders, paths, times, variables
from rebuilder.explain.causes.shapes import Shape, also, environment, project, rule

_HOST = re.compile(rb"(?<![\w.-])[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,62}){0,5})(?![\w-])")
_HOST_WORD = re.compile(rb"(?i)host ?(?:name)?|\bnode\b|machine|built (?:on|at)|@|\bon\b")
_USER_WORD = re.compile(rb"(?i)user(?:name)?|logname|built by|compiled by|\bby\b|author|owner|packager|maintainer")
_NAME = re.compile(rb"(?<![\w.-])[A-Za-z_][A-Za-z0-9_.-]{0,62}(?![\w])")
_CPU = re.compile(
    rb"(?<![\w-])-j ?[0-9]{1,4}(?![0-9])(?: --jobserver-(?:auth|fds)=[\w:,/.-]{1,200})?"
    rb"|parallel=[0-9]{1,4}|--jobs[= ][0-9]{1,4}"
    rb"|(?i:n?(?:proc|cpu|core|thread|job|worker)(?:s|_count|_num)?)\w{0,12}[\"']?\s?[:= ]\s?[0-9]{1,4}(?![0-9])"
    rb"|-flto=[0-9]{1,4}(?![0-9])"
    rb"|(?<![\w.-])[0-9]{1,4} (?:parallel |worker |cpu )?"
    rb"(?i:processor|cpu|core|thread|job|worker|process)(?:e?s)?(?![\w])"
)
#: What make adds where there is more than one job.
_SERVER = re.compile(rb" --jobserver-[^ ]*$")
_NUMBER = re.compile(rb"[0-9]{1,4}")
_LAST = re.compile(rb"[^\s:=@'\"]+$")
_KERNEL = re.compile(
    rb"#[0-9]{1,4}(?:~[\w.~-]{1,40})? SMP[ \w:.,()+~-]{0,80}"
    rb"|(?<![\w.])[2-9]\.[0-9]{1,3}\.[0-9]{1,4}(?:-rc[0-9]+)?(?:[-+][A-Za-z0-9_.+~-]{1,60})?(?![\w])"
    rb"|(?<![\w])(?:x86_64|i[3-6]86|aarch64|armv[5-8]\w{0,3}|riscv64|ppc64(?:le)?|s390x)(?![\w])"
)
_KERNEL_TAIL = re.compile(
    rb"(?:amd64|generic|arm64|cloud|lts|aws|azure|gcp|virt|server|desktop|rpi|fc[0-9]+|el[0-9]+|pve|zen|arch)"
)
_FOREIGN = (
    b"Januar Februar Mai Juni Juli Oktober Dezember Mittwoch janvier mars avril mai juin juillet septembre "
    b"octobre novembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    b"jaanuar veebruar aprill oktoober detsember Okt Dez Mrz janv juil lundi mardi mercredi jeudi vendredi"
).split()
_ENGLISH = (
    b"January February March April May June July August September October November December Monday Tuesday "
    b"Wednesday Thursday Friday Saturday Sunday Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec Mon Tue Wed Thu Fri Sat Sun"
).split()
#: Longer ones first: `Jan` is how `January` starts.
_WORDS = sorted(sorted({*_FOREIGN, *_ENGLISH}), key=len, reverse=True)
#: What a locale writes in its own way: quotes, decimal marks, names of months and days.
_LOCAL = re.compile(
    rb"[0-9]{1,12}[.,][0-9]{1,6}|\xe2\x80[\x98\x99\x9a\x9c\x9d\x9e]|\xc2[\xab\xbb]\xc2?\xa0?|['\"`]{1,2}"
    rb"|(?<![A-Za-z])(?:" + b"|".join(_WORDS) + rb")(?![A-Za-z])\.?"
)


def _host(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    ours = scene.surroundings.hostname.encode()
    if (
        ours
        and other.partition(b".")[0] == ours.partition(b".")[0]
        and one.partition(b".")[0] != other.partition(b".")[0]
    ):
        return "likely"
    return None


def _user(scene: Scene, _: bytes, other: bytes) -> Confidence | None:
    return "likely" if scene.surroundings.user and other == scene.surroundings.user.encode() else None


def _after(word: re.Pattern[bytes], value: str) -> re.Pattern[bytes]:
    """A value that words announce: all together, so that the words must be on both sides."""
    words = rb"(?:" + word.pattern.replace(b"(?i)", b"") + rb")[\"']?\s?[:= ]?\s?[\"']?"
    return re.compile(rb"(?:" + words + rb"){1,4}" + value.encode(), re.IGNORECASE)


def _announced(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    """The words before the value are the same; the value is one of a machine or a person, not a number."""
    left, right = _LAST.search(one), _LAST.search(other)
    if left is None or right is None or one[: left.start()] != other[: right.start()]:
        return None
    values = [found.group() for found in (left, right)]
    if any(len(value) < 3 or value.isdigit() for value in values):
        return None
    known = (scene.surroundings.hostname.encode(), scene.surroundings.user.encode())
    return "likely" if values[1] in known else "possible"


def _cpus(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    """The same words, and two counts that a machine can have."""
    sides = [_SERVER.sub(b"", side) for side in (one, other)]
    words = [_NUMBER.sub(b"", side) for side in sides]
    counts = [[int(count) for count in _NUMBER.findall(side)] for side in sides]
    if words[0] != words[1] or not all(len(found) == 1 and 0 < found[0] <= 4096 for found in counts):
        return None
    return "possible" if one[:1].isdigit() else "likely"


def _jobs(scene: Scene, one: bytes, other: bytes) -> Change | None:
    return applied.jobs(scene, _SERVER.sub(b"", one), _SERVER.sub(b"", other))


def _kernel(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    if one.startswith(b"#") != other.startswith(b"#"):
        return None
    if one.startswith(b"#") or any(_KERNEL_TAIL.search(side) for side in (one, other)):
        return "likely"
    # A bare version number is anybody's; 2.6.x is what setarch says.
    return (
        "likely"
        if b"2.6." in (one[:4], other[:4])
        else "possible"
        if one[:1].isalpha() and other[:1].isalpha()
        else None
    )


def _locale(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    if one[:1].isdigit() and other[:1].isdigit():
        return "possible" if one.replace(b",", b".") == other.replace(b",", b".") else None
    marks = [side[:1] in b"'\"`" for side in (one, other)]
    curly = [side[:1] in (b"\xe2", b"\xc2") for side in (one, other)]
    if any(curly) and all(mark or curl for mark, curl in zip(marks, curly, strict=True)):
        return "possible"
    words = [side.rstrip(b".") for side in (one, other)]
    if (words[0] in _ENGLISH) != (words[1] in _ENGLISH) and any(word in _FOREIGN for word in words):
        return "possible"
    return None


_WHO = "Leave it out, or take it from the source"
_ANNOUNCED_HOST = _after(_HOST_WORD, _HOST.pattern.decode())
_ANNOUNCED_USER = _after(_USER_WORD, _NAME.pattern.decode())

_SHAPES: tuple[Shape, ...] = (
    *variables.SHAPES,
    Shape(
        id="hostname",
        title="A file holds the name of the machine it was built on",
        pattern=_HOST,
        judge=_host,
        fix=f"{_WHO}: no uname -n, no hostname.",
        variations=frozenset({"host"}),
        changes=(*environment("hostname", "the publisher's"), *project("what writes it", "no host name")),
    ),
    Shape(
        id="hostname",
        title="A file holds the name of the machine it was built on",
        pattern=_ANNOUNCED_HOST,
        judge=_announced,
        where=variables.prose,
        fix=f"{_WHO}: no uname -n, no hostname.",
        changes=(*environment("hostname", "the publisher's"), *project("what writes it", "no host name")),
    ),
    Shape(
        id="username",
        title="A file names the user who built it",
        pattern=_NAME,
        judge=_user,
        fix=f"{_WHO}: no whoami, no $USER.",
        variations=frozenset({"user"}),
        changes=(*environment("user", "the publisher's"), *project("what writes it", "no user name")),
    ),
    Shape(
        id="username",
        title="A file names the user who built it",
        pattern=_ANNOUNCED_USER,
        judge=_announced,
        where=variables.prose,
        fix=f"{_WHO}: no whoami, no $USER.",
        changes=(*environment("user", "the publisher's"), *project("what writes it", "no user name")),
    ),
    Shape(
        id="cpu-count",
        title="A file holds the number of processors of the machine",
        pattern=_CPU,
        judge=_cpus,
        fix="Do not write the number of jobs out; split work in a number of pieces that is fixed.",
        variations=frozenset({"cpu", "jobs"}),
        changes=(
            *environment("cpus", "as many as the publisher had"),
            *project("what writes it", "no nproc, no -jN"),
        ),
        applied=_jobs,
    ),
    Shape(
        id="kernel-version",
        title="A file names the kernel it was built on",
        pattern=_KERNEL,
        judge=_kernel,
        fix="Leave uname out of what is written.",
        variations=frozenset({"kernel"}),
        changes=(
            *environment("kernel", "the publisher's (setarch --uname-2.6)"),
            *project("what writes it", "no uname"),
        ),
    ),
    Shape(
        id="locale-messages",
        title="Words, quotes or decimal marks are those of another locale",
        pattern=_LOCAL,
        judge=_locale,
        fix="Build with LC_ALL=C.UTF-8.",
        variations=frozenset({"locale"}),
        changes=(*environment("locale", "C.UTF-8, or the publisher's"), *project("the build", "LC_ALL=C.UTF-8")),
    ),
)


def _merged(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules of one id, in order, as one: what the first says of a finding counts."""
    grouped: dict[str, list[Rule]] = {}
    for one in rules:
        grouped.setdefault(one.id, []).append(one)
    return tuple(reduce(lambda first, other: also(first.match, other), same) for same in grouped.values())


RULES: tuple[Rule, ...] = (*paths.RULES, *times.RULES, *_merged(tuple(rule(shape) for shape in _SHAPES)), *orders.RULES)
