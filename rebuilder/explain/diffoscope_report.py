"""The report on a batch: for each member how far down the ladder it went, and what that lacks. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rebuilder.compare.archive.layout import FormatError
from rebuilder.explain.diffoscope_answer import MAX_JSON_BYTES, MAX_REPORT_BYTES, Answer, Result, Rung, words
from rebuilder.explain.sections import section_nodes
from rebuilder.explain.sideways import MEMBER_KEY
from rebuilder.explain.windows import Node, hex_node
from rebuilder.findings import MemberPath
from rebuilder.model import MemberReport
from rebuilder.ports import Exit, Pair

#: How every page of diffoscope begins. No other page is taken: what runs before the policy is not bound by it.
_BEGIN = re.compile(rb'(<!DOCTYPE html>\n<html lang="en">\n<head>\n)  <meta charset="utf-8" />\n')
_POLICY = (
    b'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    b"style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
)
_PAGE = b'<!DOCTYPE html>\n<html lang="en">\n<head>\n' + _POLICY + b'<meta charset="utf-8" /></head>\n<body>\n'
_MISSING_TOOL = re.compile(
    r"'([\w+.@-]{1,60})' not (?:available in path|found)"
    r"|Install(?:ing)?(?: the)? '?([\w+.-]{1,60})'?(?: package)? (?:to|may)"
)
_CUT = re.compile(r"truncated by diffoscope|Max (?:HTML |output |report )?(?:page|report|output) ?(?:size)? reached")
_LOST_TIME = re.compile(r"was stopped after|the time was over")
_LESS = {
    "no-disassembly": "what objdump, readelf --debug-dump, radare2 and decompilers would show",
    "sections": "all that diffoscope would show; there are our own tables of sections and symbols, and bytes",
    "hex": "all that diffoscope would show; there are the bytes around the first differences",
}


@dataclass(frozen=True)
class Ladder:
    """Every member with its rung, and the one tree of nodes that JSON, text and page are made from."""

    members: tuple[MemberReport, ...]
    nodes: tuple[Node, ...]
    #: Those of ``nodes`` that are not diffoscope's.
    own: tuple[Node, ...]


def label(path: MemberPath, artifact: str) -> str:
    """The member's path in words."""
    return words(" » ".join(path) or artifact, 500)


def ladder(artifact: str, pairs: Sequence[Pair], answer: Answer, reasons: dict[int, tuple[str, ...]]) -> Ladder:
    """For every pair the best there is: diffoscope's result, else our own tables, else bytes. ``reasons``: why a
    pair was not given to diffoscope, or all of them came to nothing."""
    members, nodes, own = [], [], []
    room = MAX_JSON_BYTES
    for index, pair in enumerate(pairs):
        result = answer.results.get(index)
        rung, node = (result.rung, result.node) if result else _own(pair)
        why = reasons.get(index) or answer.reasons.get(index) or ()
        lacks = list(_member_lacks(rung, why, result))
        size = len(json.dumps(node))
        if size > room:
            lacks.append(f"its part of {size} bytes: the report holds {MAX_JSON_BYTES} bytes at most, and is full")
            node = {"unified_diff": None, "comments": [lacks[-1]]}
        room -= min(size, room)
        name = label(pair.path, artifact)
        node = {**node, "source1": name, "source2": name, MEMBER_KEY: list(pair.path), "rebuilder-rung": rung}
        node["comments"] = [*(f"not shown: {one}" for one in lacks), *node.get("comments", ())]
        nodes.append(node)
        own += [] if result else [node]
        members.append(MemberReport(path=pair.path, rung=rung, lacks=tuple(lacks)))
    return Ladder(tuple(members), tuple(nodes), tuple(own))


def _own(pair: Pair) -> tuple[Rung, Node]:
    """The two rungs that need nobody else."""
    last = hex_node(pair.published, pair.rebuilt)
    try:
        tables = section_nodes(pair.published, pair.rebuilt)
    except FormatError:
        return "hex", {"unified_diff": None, "details": [last]}
    return "sections", {"unified_diff": None, "details": [*tables, last]}


def _member_lacks(rung: Rung, why: tuple[str, ...], result: Result | None) -> list[str]:
    lacks = []
    if rung != "full":
        lacks.append(f"{_LESS[rung]} ({'; '.join(why) or 'the container was stopped before it came to this member'})")
    if result and result.cut:
        lacks.append(f"{result.cut} lines of its comparisons: longer than this report holds")
    tools = _tools(result.node) if result else ()
    return [*lacks, *(f"what the helper program {tool} would show: it is not in the container" for tool in tools)]


def _tools(node: Node) -> tuple[str, ...]:
    found: set[str] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        found.update(name or package for said in one["comments"] for name, package in _MISSING_TOOL.findall(said))
        stack += one.get("details", ())
    return tuple(sorted(found))


def status(answer: Answer, found: Ladder, end: Exit | None) -> Literal["complete", "truncated", "timed-out", "failed"]:
    """How it ended, in a word: the worst that happened to any member."""
    lost = any(_LOST_TIME.search(one) for member in found.members for one in member.lacks)
    if end is not None and (lost or end.timed_out):
        return "timed-out"
    if found.members and not answer.results:
        return "failed"
    less = any(member.rung != "full" for member in found.members) or any(one.cut for one in answer.results.values())
    return "truncated" if less or answer.seconds is None or answer.trouble or _shortened(answer) else "complete"


def _shortened(answer: Answer) -> bool:
    text = answer.text.decode("utf-8", "replace")
    return len(answer.text) >= MAX_REPORT_BYTES or bool(_CUT.search(text))


def lacks(answer: Answer, found: Ladder, end: Exit | None, memory_bytes: int) -> tuple[str, ...]:
    """What the report as a whole does not show: counts of members, and what ended the container."""
    said = []
    for rung, what in _LESS.items():
        count = sum(member.rung == rung for member in found.members)
        said += [f"of {count} of {len(found.members)} members: {what}"] if count else []
    if end is not None and end.timed_out:
        said.append("the container did not answer in time and was stopped from outside")
    if end is not None and end.out_of_memory:
        needed = f"the container needed more than {memory_bytes // 1024**2} MiB of memory"
        said.append(f"{needed}; what needed it was stopped")
    if answer.trouble:
        said.append(f"text and page of diffoscope: {answer.trouble[0]}")
    if _shortened(answer):
        said.append(f"parts of text and page longer than {MAX_REPORT_BYTES // 1024**2} MiB or 2000 lines a block")
    tools = sorted({tool for result in answer.results.values() for tool in _tools(result.node)})
    said += [f"the helper program {tool} is not in the container; its comparison is missing" for tool in tools]
    return tuple(said)


def as_json(answer: Answer, found: Ladder, root_sha256: str | None) -> bytes:
    """diffoscope's own form of JSON, with what we add under keys of our own."""
    whole = {
        "diffoscope-json-version": 1,
        "source1": "published",
        "source2": "rebuilt",
        "unified_diff": None,
        "rebuilder-tool": answer.tool,
        "rebuilder-root": root_sha256,
        "rebuilder-missing-tools": answer.missing,
        "details": list(found.nodes),
    }
    return json.dumps(whole, ensure_ascii=True).encode()


def as_text(answer: Answer, found: Ladder) -> bytes:
    """diffoscope's text, then our own rungs, then how far each member came."""
    own = _own_text(answer, found)
    room = max(0, MAX_REPORT_BYTES - len(own))
    return (answer.text[:room] + b"\n" + own)[:MAX_REPORT_BYTES]


def as_page(answer: Answer, found: Ladder) -> bytes:
    """diffoscope's page, sealed, with our own rungs at its end; a plain page where diffoscope gave none."""
    own = b"<pre>" + html.escape(_own_text(answer, found).decode("utf-8", "replace")).encode() + b"</pre>\n"
    page = sealed(answer.page) or _PAGE + b"</body>\n</html>\n"
    before, end, after = page.rpartition(b"</body>")
    if not end:
        before, after = page, b""
    return before + own + end + after if len(before) + len(own) < 2 * MAX_REPORT_BYTES else before + end + after


def sealed(page: bytes) -> bytes | None:
    """The page with a policy that lets it run and load nothing, whoever serves it, before all else in it; ``None``
    if it does not begin as diffoscope's pages do.

    The frame on our own page is sandboxed besides; this is for somebody who opens the file itself."""
    found = _BEGIN.match(page)
    return page[: found.end(1)] + _POLICY + page[found.end(1) :] if found else None


def _own_text(answer: Answer, found: Ladder) -> bytes:
    lines = []
    for node in found.own:
        lines.append(f"{node['source1']} (rung {node['rebuilder-rung']})")
        for one in (node, *node.get("details", ())):
            lines += [f"  {one['source1']}"] * (one is not node) + [f"  # {said}" for said in one["comments"]]
            lines += [f"    {line}" for line in (one["unified_diff"] or "").split("\n") if line]
    lines += ["", "How far each member came:"]
    lines += [f"  {member.rung:14}  {label(member.path, '(the file itself)')}" for member in found.members]
    if answer.missing:
        lines += ["", f"Helper programs that the container does not have: {answer.missing}"]
    return "\n".join([*lines, ""]).encode("utf-8", "replace")[:MAX_REPORT_BYTES]
