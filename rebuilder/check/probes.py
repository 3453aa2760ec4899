"""What the probe in each container saw, and whether a variation had an effect. Pure.

The probe (`rebuilder/sandbox/probe.pl`) runs before any code of the project, in the very container of the build. A
variation whose two values look the same to it had no effect: it says nothing, and never counts as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rebuilder.check.model import VariationName

#: Days by which a faked clock has to differ at least to be believed.
_CLOCK_SECONDS = 300 * 86400
#: The probe comes after the tree and the packages were unpacked; what they say is bounded by the log's own limit.
_MAX_LINES = 64

Seen = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Whether a variation had an effect, what both probes saw, and for whom it had none."""

    effective: bool
    control: str
    varied: str
    detail: str = ""


def seen(log: bytes, word: str) -> Seen:
    """What the probe told: the first block of lines that begin with its word. Empty if it never ended."""
    found: dict[str, str] = {}
    start = f"{word} ".encode("ascii")
    for line in log.split(b"\n"):
        if not line.startswith(start):
            continue
        name, _, value = line[len(start) :].decode("ascii", "replace").partition(" ")
        if name == "end":
            return found
        if len(found) >= _MAX_LINES:
            break
        found.setdefault(name, value.strip())
    return {}


def effect(name: VariationName, control: Seen, varied: Seen, *, tools: tuple[str, ...] = ()) -> Effect:
    """Whether ``name`` had an effect, by what the probes of both builds saw."""
    one, other = control.get(name, ""), varied.get(name, "")
    if not varied or not control:
        return Effect(effective=False, control=one, varied=other, detail="the probe did not run to its end")
    if name == "clock":
        return _clock(one, other, varied, tools)
    if one != other:
        return Effect(effective=True, control=one, varied=other)
    return Effect(effective=False, control=one, varied=other, detail=_WHY.get(name, "both builds see the same"))


def _clock(one: str, other: str, varied: Seen, tools: tuple[str, ...]) -> Effect:
    ahead = int(other) - int(one) if one.isdigit() and other.isdigit() else 0
    if ahead < _CLOCK_SECONDS:
        detail = "libfaketime is not in the toolchain, or its library cannot be loaded"
        return Effect(effective=False, control=one, varied=other, detail=detail)
    blind = tuple(varied.get("static", "").split())
    if not blind:
        return Effect(effective=True, control=one, varied=other)
    names = ", ".join(blind)
    detail = f"not seen by programs without a dynamic loader: {names}"
    return Effect(effective=bool(set(tools) - set(blind)), control=one, varied=other, detail=detail)


_WHY: Mapping[VariationName, str] = {
    "locale": "the locale is not in the toolchain, or the project's own settings pin it",
    "order": "no folder of the tree has two names, or its few names came in the same order by chance",
    "times": "the tree has no files",
    "cpu": "the engine's host has one processor only",
    "kernel": "the kernel does not take the personality UNAME26",
    "shell": "bash is not in the toolchain",
    "hash-seed": "the project's own settings pin it",
    "timezone": "the zone is not in the toolchain, or the project's own settings pin it",
}
