"""Stamps in formats that are no lines: PDF, PNG, SVG, SQLite, JSON, compiled catalogues, Go and Rust binaries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rebuilder.explain.causes import Match, Rule, Scene
from rebuilder.explain.causes.stamps_lines import PO_RULE
from rebuilder.explain.causes.stamps_text import EPOCH, contents, environment, evidence, project, whole_rule
from rebuilder.findings import Severity

#: What is parsed as JSON or searched for ids is no larger.
_SMALL = 4 * 1024 * 1024
_Taken = tuple[bytes | str, bytes | str, Severity] | None


def _masked(left: bytes, right: bytes, pattern: re.Pattern[bytes]) -> tuple[bytes, bytes] | None:
    """The first values that differ, if both sides are the same without what the group ``v`` matches."""
    spans = [[found.span("v") for found in islice(pattern.finditer(text), 10_000)] for text in (left, right)]
    if len(spans[0]) != len(spans[1]):
        return None
    first: tuple[bytes, bytes] | None = None
    end = (0, 0)
    for one, other in zip(*spans, strict=True):
        if left[end[0] : one[0]] != right[end[1] : other[0]]:
            return None
        values = left[one[0] : one[1]], right[other[0] : other[1]]
        first = first or (values if values[0] != values[1] else None)
        end = one[1], other[1]
    return first if left[end[0] :] == right[end[1] :] else None


# --- catalogues of messages ---------------------------------------------------------------------

_MO_DATE = re.compile(rb"(?:POT-Creation|PO-Revision)-Date: (?P<v>\d{4}-\d\d-\d\d[0-9:+ -]{0,20})(?=\n)")
_MO_MAGIC = (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde")


def _mo(left: bytes, right: bytes) -> _Taken:
    if left[:4] not in _MO_MAGIC or len(left) != len(right):
        return None
    found = _masked(left, right, _MO_DATE)
    return (*found, Severity.INSPECT) if found else None


def _gettext(scene: Scene) -> Iterator[Match]:
    yield from PO_RULE.match(scene)
    for index, finding, left, right in contents(scene, re.compile(r"\.g?mo$")):
        if found := _mo(left, right):
            where = evidence(finding.path, "date in the header entry", found[0], found[1])
            yield Match(finding=index, evidence=where, severity=found[2])


# --- documents and pictures ---------------------------------------------------------------------

_PDF = re.compile(
    rb"/(?:CreationDate|ModDate) ?\((?P<d>D:[0-9Z+'-]{4,30})\)"
    rb"|/ID\s{0,3}\[ ?(?P<i><[0-9A-Fa-f]{32}> ?<[0-9A-Fa-f]{32}>) ?\]"
    rb"|<(?:xmp|xap):(?:Create|Modify|Metadata)Date>(?P<x>[0-9T:Z.+-]{4,40})<"
    rb"|<xmpMM:(?:Document|Instance)ID>(?P<u>(?:uuid:)?[0-9a-f-]{36})<"
)

_PDF_READ = re.compile(rb"/(?:Encrypt|JS|JavaScript|ObjStm|EmbeddedFile|XFA|RichMedia|[^\s/]{0,20}#[0-9A-Fa-f]{2})")


def _pdf(left: bytes, right: bytes) -> _Taken:
    if not left.startswith(b"%PDF-") or not right.startswith(b"%PDF-"):
        return None
    spans = [[one.span(one.lastgroup or 0) for one in islice(_PDF.finditer(text), 1000)] for text in (left, right)]
    if len(spans[0]) != len(spans[1]) or not spans[0]:
        return None
    values = [[text[a:b] for a, b in spots] for text, spots in zip((left, right), spans, strict=True)]
    if any(len(one) != len(other) for one, other in zip(*values, strict=True)):
        return None  # every offset of the file's table would move
    if _without(left, spans[0]) != _without(right, spans[1]):
        return None
    first = next(((one, other) for one, other in zip(*values, strict=True) if one != other), None)
    # The key of an encrypted file comes from its id, scripts read both, and packed objects or files may hold either.
    read = _PDF_READ.search(left) or _PDF_READ.search(right)
    return (*first, Severity.INSPECT if read else Severity.HARMLESS) if first else None


def _without(text: bytes, spans: list[tuple[int, int]]) -> list[bytes]:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


def _chunks(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """The chunks of a PNG file; ``None`` if they are not all of it, or their checksums are missing."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    found: list[tuple[bytes, bytes]] = []
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        if at + 12 + size > len(data) or len(found) > 100_000:
            return None
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 12 + size]))
        at += 12 + size
    return found


def _when(chunk: tuple[bytes, bytes]) -> bool:
    """Whether a chunk of a picture is there to say when and by what it was made."""
    words = (b"date:", b"Creation Time\0", b"Software\0")
    return chunk[0] == b"tIME" or (chunk[0] in (b"tEXt", b"zTXt", b"iTXt") and chunk[1].startswith(words))


def _png(left: bytes, right: bytes) -> _Taken:
    mine, theirs = _chunks(left), _chunks(right)
    if mine is None or theirs is None:
        return None
    rest = [[chunk for chunk in side if not _when(chunk)] for side in (mine, theirs)]
    if rest[0] != rest[1]:
        return None
    times = [[kind + b" " + body[:-4][:60] for kind, body in side if _when((kind, body))] for side in (mine, theirs)]
    return b", ".join(times[0]) or "none", b", ".join(times[1]) or "none", Severity.INSPECT


_SVG_ID = re.compile(rb"(?:\bid=\"|url\(#|href=\"#)(?P<v>[A-Za-z_][\w.-]{0,80})|<dc:date>(?P<d>[0-9T:Z.+-]{4,40})<")


def _svg(left: bytes, right: bytes) -> _Taken:
    """Ids renamed one to one, and each use of them with them."""
    if max(len(left), len(right)) > _SMALL:
        return None
    found = [list(islice(_SVG_ID.finditer(text), 200_000)) for text in (left, right)]
    spans = [[one.span(one.lastgroup or 0) for one in side] for side in found]
    if len(spans[0]) != len(spans[1]) or _without(left, spans[0]) != _without(right, spans[1]):
        return None
    there: dict[bytes, bytes] = {}
    back: dict[bytes, bytes] = {}
    first = None
    for one, other in zip(*found, strict=True):
        mine, theirs = one[one.lastgroup or 0], other[other.lastgroup or 0]
        if one.lastgroup != other.lastgroup:
            return None
        if one.lastgroup == "v" and (there.setdefault(mine, theirs) != theirs or back.setdefault(theirs, mine) != mine):
            return None
        first = first or ((mine, theirs) if mine != theirs else None)
    return (*first, Severity.INSPECT) if first else None


def _sqlite(left: bytes, right: bytes) -> _Taken:
    magic = b"SQLite format 3\0"
    if not (left.startswith(magic) and right.startswith(magic)) or min(len(left), len(right)) < 100:
        return None
    kept = [data[:24] + data[28:92] + data[100:] for data in (left, right)]
    if kept[0] != kept[1]:
        return None
    shown = [f"{int.from_bytes(data[24:28])} writes, last by {sqlite_version(data)}" for data in (left, right)]
    return shown[0], shown[1], Severity.INSPECT


def sqlite_version(data: bytes) -> str:
    """Version of the library that wrote a database last."""
    number = int.from_bytes(data[96:100])
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


# --- JSON ---------------------------------------------------------------------------------------

_NPM = re.compile(
    r"_(?:args|from|hasShrinkwrap|id|inBundle|integrity|location|nodeVersion|npmOperationalInternal|npmUser|npmVersion"
    r"|phantomChildren|requested|requiredBy|resolved|shasum|shrinkwrap|spec|where)|gitHead|dist|readme|readmeFilename"
)


def _object(text: bytes) -> dict[str, Any] | None:
    """A JSON object without duplicate names."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            msg = "expected each name once in a JSON object, found one twice"
            raise ValueError(msg)
        return made

    try:
        value = json.loads(text, object_pairs_hook=unique) if len(text) <= _SMALL else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _npm(left: bytes, right: bytes) -> _Taken:
    mine, theirs = _object(left), _object(right)
    if mine is None or theirs is None:
        return None
    added = [name for name in (*mine, *theirs) if _NPM.fullmatch(name) and mine.get(name) != theirs.get(name)]
    kept = [json.dumps({key: one[key] for key in sorted(one) if key not in added}) for one in (mine, theirs)]
    if kept[0] != kept[1]:
        return None
    if not added:
        return _form(left, right, mine, theirs)
    shown = [json.dumps({name: one.get(name) for name in added}) for one in (mine, theirs)]
    return shown[0], shown[1], Severity.INSPECT


def _form(left: bytes, right: bytes, mine: dict[str, Any], theirs: dict[str, Any]) -> _Taken:
    if list(mine) != list(theirs):
        return "fields: " + ", ".join(mine), "fields: " + ", ".join(theirs), Severity.INSPECT
    return f"{left.count(bytes([10]))} lines", f"{right.count(bytes([10]))} lines", Severity.INSPECT


def _search_index(left: bytes, right: bytes) -> _Taken:
    """The index of Sphinx's search with the same words in another order."""
    start, end = b"Search.setIndex(", b")"
    sides = [text.strip().removesuffix(b";") for text in (left, right)]
    if not all(text.startswith(start) and text.endswith(end) for text in sides):
        return None
    mine, theirs = (_object(text[len(start) : -1]) for text in sides)
    if mine is None or mine != theirs:
        return None
    return "the same index", "in another order", Severity.INSPECT


# --- binaries -----------------------------------------------------------------------------------

_GO_LINE = re.compile(rb"^(?:path|mod|dep|build|=>)\t[^\n]{0,1000}$", re.MULTILINE)
_GO_VERSION = re.compile(rb"\bgo1\.\d{1,3}(?:\.\d{1,3})?(?:rc\d|beta\d)?\b")
_RUST = re.compile(rb"rustc version \d[\w.+-]{0,30}(?: \([^()\0\n]{1,60}\))?|/rustc/[0-9a-f]{40}/")


def go_information(data: bytes) -> list[bytes]:
    """Version of Go, modules and settings of a build, as a Go program holds them."""
    at = data.find(b"\xff Go buildinf:")
    if at < 0:
        return []
    near = data[at : at + 1024 * 1024]
    version = _GO_VERSION.search(near)
    lines = [found[0] for found in islice(_GO_LINE.finditer(near), 5000)]
    return ([version[0]] if version else []) + lines


def _go(left: bytes, right: bytes) -> _Taken:
    mine, theirs = (go_information(data) for data in (left, right))
    if not mine or not theirs or mine == theirs:
        return None
    gone = [line for line in mine if line not in frozenset(theirs)]
    new = [line for line in theirs if line not in frozenset(mine)]
    other = any(not line.startswith(b"build\tvcs") for line in (*gone, *new))
    return b"; ".join(gone)[:200], b"; ".join(new)[:200], Severity.BEHAVIOUR if other else Severity.INSPECT


def _rust(left: bytes, right: bytes) -> _Taken:
    mine, theirs = (sorted({found[0] for found in islice(_RUST.finditer(data), 10_000)}) for data in (left, right))
    if not mine or not theirs or mine == theirs:
        return None
    return b", ".join(mine)[:200], b", ".join(theirs)[:200], Severity.BEHAVIOUR


_ELF_TEXT = r"/(?:\.comment|\.rodata[^/]*|\.debug_[a-z]+)$|\.(?:rlib|rmeta)$|^[^/]*$"

RULES: tuple[Rule, ...] = (
    Rule(id="gettext-pot-date", title=PO_RULE.title, severity=Severity.INSPECT, fix=PO_RULE.fix,
         changes=PO_RULE.changes, match=_gettext),
    whole_rule(id="pdf-id", title="A PDF file holds a random id or the time it was made", names=r"\.(?:pdf|ai)$",
               fix="Set SOURCE_DATE_EPOCH (with FORCE_SOURCE_DATE=1 for TeX) or write a deterministic id.",
               changes=(EPOCH, environment("variable:FORCE_SOURCE_DATE", "set it to 1 for TeX")),
               what="id or dates", taken=_pdf),
    whole_rule(id="png-time", title="A picture says when or by what it was made", names=r"\.(?:a?png)$",
               fix="Leave the tIME and date chunks out.",
               changes=(EPOCH, project("build file", "convert -define png:exclude-chunks=date,time")),
               what="tIME and text chunks", taken=_png),
    whole_rule(id="svg-id", title="An SVG picture has random ids", names=r"\.svg$",
               fix="Give the drawing program a fixed seed (matplotlib: svg.hashsalt).",
               changes=(EPOCH, project("matplotlibrc", "svg.hashsalt: a fixed word")), what="ids", taken=_svg),
    whole_rule(id="sqlite-header", title="The header of an SQLite database counts writes or names the library",
               names=r"\.(?:db|sqlite3?|qch|qhc|cache)$|^[^/.]*$",
               fix="Write the database in one go with the same SQLite.",
               changes=(environment("package:libsqlite3-0", "use the same version of SQLite"),),
               what="change counter and library", taken=_sqlite),
    whole_rule(id="npm-package-json", title="The package.json holds fields that npm wrote",
               names=r"(?:^|/)package\.json$",
               fix="Pack with the npm (and node) that packed the published file, from a clean tree.",
               changes=(environment("package:npm", "use the version of npm that packed the published file"),),
               what="fields", taken=_npm),
    whole_rule(id="sphinx-search-order", title="The search index of Sphinx is in another order",
               names=r"(?:^|/)searchindex\.js$", fix="Build with the same Sphinx and with PYTHONHASHSEED=0.",
               changes=(environment("variable:PYTHONHASHSEED", "set it to 0"),), what="order", taken=_search_index),
    whole_rule(id="go-build-info", title="A Go program was built by another Go, with other modules or settings",
               names=r"/\.go\.buildinfo$|/\.data$|^[^/]*$",
               fix="Build with the same Go and module versions; -trimpath -buildvcs=false keep path and commit out.",
               changes=(environment("package:golang-go", "use the version of Go that the published program names"),
                        project("build file", "go build -trimpath -buildvcs=false")),
               what="build information", taken=_go),
    whole_rule(id="rustc-version", title="Another rustc built this", names=_ELF_TEXT,
               fix="Build with the rustc that the published file names.",
               changes=(environment("package:rustc", "use the version of rustc that the published file names"),),
               what="version of rustc", taken=_rust),
)  # fmt: skip
