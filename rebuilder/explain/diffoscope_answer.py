"""What diffoscope's container sent, as far as it is in order. Pure: bytes in, values out.

Nothing of it is believed to have any shape: hostile files went into the container.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass, field
from typing import Any, Literal

from rebuilder.explain.windows import Node

Rung = Literal["full", "no-disassembly", "sections", "hex"]

MAX_REPORT_BYTES = 16 * 1024**2
MAX_JSON_BYTES = 32 * 1024**2
MAX_ANSWER_BYTES = 2 * MAX_REPORT_BYTES + MAX_JSON_BYTES
MAX_NODES, MAX_DEPTH = 20_000, 60
MAX_WORDS = 300


@dataclass(frozen=True)
class Result:
    """What diffoscope showed of one member."""

    rung: Rung
    node: Node
    cut: int


@dataclass
class Answer:
    """What the container sent, as far as it is in order."""

    results: dict[int, Result] = field(default_factory=dict)
    tool: str = ""
    missing: str = ""
    text: bytes = b""
    page: bytes = b""
    #: ``None``: the container did not come to its end.
    seconds: float | None = None
    reasons: dict[int, tuple[str, ...]] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()


def read_answer(stream: io.BytesIO) -> Answer:
    """The container's tar. One that is cut off gives what came before; what is not in order is passed over."""
    answer = Answer()
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                # A hole costs the sender nothing, and us its size.
                held = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if held is not None:
                    _take(answer, member.name, held.read(MAX_REPORT_BYTES))
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError, LookupError, RecursionError):
        pass  # names of names of names are read by a function that calls itself
    return answer


def _take(answer: Answer, name: str, data: bytes) -> None:
    numbered = re.fullmatch(r"result-(\d{3,6})\.json", name)
    if name == "report.txt":
        answer.text = data
    elif name == "report.html":
        answer.page = data
    elif numbered:
        result = _result(_object(data))
        if result is not None:
            answer.results[int(numbered[1])] = result
    elif name == "about.json":
        about = _object(data)
        answer.tool, answer.missing = words(about.get("tool"), 80), words(about.get("missing"), 4000)
    elif name == "status.json":
        _take_status(answer, _object(data))


def _take_status(answer: Answer, status: dict[str, Any]) -> None:
    seconds, reasons = status.get("seconds"), status.get("reasons")
    if not isinstance(seconds, float | int) or not isinstance(reasons, dict) or not 0 <= seconds < 10**7:
        return
    answer.seconds = float(seconds)
    answer.trouble = tuple(filter(None, [words(status.get("render"))]))
    for index, said in reasons.items():
        if re.fullmatch(r"\d{1,6}", index) and isinstance(said, list):
            answer.reasons[int(index)] = tuple(words(one) for one in said[-4:])


def _object(data: bytes) -> dict[str, Any]:
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return whole if isinstance(whole, dict) else {}


def words(value: object, limit: int = MAX_WORDS) -> str:
    """Text out of hostile hands as one line of visible characters; nothing if it is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[:limit])


def _result(whole: dict[str, Any]) -> Result | None:
    rung, cut = whole.get("rung"), whole.get("cut")
    if rung not in {"full", "no-disassembly"} or not isinstance(cut, int) or not isinstance(whole.get("node"), dict):
        return None
    return Result(rung, _clean(whole["node"], MAX_DEPTH, [MAX_NODES]), max(0, cut))


def _clean(value: dict[str, Any], depth: int, room: list[int]) -> Node:
    """Only what a node of diffoscope has, of the right types; ``room`` counts down the nodes."""
    room[0] -= 1
    comments, details = value.get("comments"), value.get("details")
    found: Node = {key: _string(value.get(key)) for key in ("source1", "source2")}
    found["comments"] = [_string(one) for one in comments[:50]] if isinstance(comments, list) else []
    found["unified_diff"] = _string(value.get("unified_diff")) or None
    if isinstance(details, list) and depth:
        inner = (one for one in details if isinstance(one, dict))
        found["details"] = [_clean(one, depth - 1, room) for one in inner if room[0] > 0]
    return found


def _string(value: object) -> str:
    # A lone surrogate is legal in JSON and nowhere else.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
