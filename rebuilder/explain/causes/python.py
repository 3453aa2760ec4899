"""Causes in compiled Python and in what a wheel or an sdist says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rebuilder.data import Data
from rebuilder.explain.causes import Change, Match, Rule, Scene, Severity, wheels
from rebuilder.explain.causes.fields import ABSENT, Forms, evidence, fields, text
from rebuilder.explain.causes.marshalled import MAX_BYTES, Graph, graph, shape_of
from rebuilder.findings import DifferenceClass, Finding, MemberPath

_COMPILE = "python -m compileall --invalidation-mode unchecked-hash"
_HASHED = Change(where="project", target="build script", text=_COMPILE)
_EPOCH = Change(
    where="environment",
    target="variable:SOURCE_DATE_EPOCH",
    text="Set SOURCE_DATE_EPOCH: compileall and py_compile then write hashes in place of times.",
)
_PYTHON = Change(
    where="environment", target="package:python3", text="Compile with the Python release of the published file."
)


def times(scene: Scene) -> Iterator[Match]:
    """The time of the source in the header."""
    for one in fields(scene, ("mtime",)):
        if one.form == "pyc" and ABSENT not in one.values:
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def modes(scene: Scene) -> Iterator[Match]:
    """A header with a time on one side and with a hash on the other, or one that is checked and one that is not."""
    for one in fields(scene, ("flags", "mtime", "source size", "source hash")):
        if one.form == "pyc" and (one.finding.what == "flags" or ABSENT in one.values):
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def releases(scene: Scene) -> Iterator[Match]:
    """The magic number, and what follows from it: the code, and the hash, which is over the magic number too."""
    moved = _of_other_release(scene)
    for one in fields(scene, ("magic", "source hash")):
        if one.form == "pyc" and one.finding.path in moved and ABSENT not in one.values:
            sure = one.finding.what == "magic"
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved" if sure else "likely")
    for index, finding in scene.findings():
        if _is_code(finding) and finding.path[:-1] in moved:
            # What the source said may differ as well: nobody compared two languages.
            yield Match(finding=index, evidence=evidence(finding), confidence="possible")


def _of_other_release(scene: Scene) -> frozenset[MemberPath]:
    return frozenset(one.finding.path for one in fields(scene, ("magic",)) if one.form == "pyc")


def _is_code(finding: Finding) -> bool:
    return finding.kind is DifferenceClass.CONTENT and bool(finding.path) and finding.path[-1] == "code"


@dataclass(frozen=True, slots=True)
class _Code:
    """Code that differs, compiled by one release; ``graphs`` is ``None`` where it could not be read."""

    index: int
    finding: Finding
    graphs: tuple[Graph, Graph] | None


def _codes(scene: Scene) -> Iterator[_Code]:
    forms = Forms(scene)
    for index, finding in scene.findings():
        if not _is_code(finding) or forms.at(finding.path[:-1]) != "pyc":
            continue
        magics = [int.from_bytes(side.read(0, 2), "little") for side in scene.pair(finding.path[:-1])]
        if magics[0] == magics[1]:
            yield _Code(index, finding, _graphs(scene.pair(finding.path), magics[0]))


def _graphs(pair: tuple[Data, Data], magic: int) -> tuple[Graph, Graph] | None:
    shape = shape_of(magic)
    if shape is None or max(side.size for side in pair) > MAX_BYTES:
        return None
    try:
        left, right = (graph(side.read(0, side.size), shape) for side in pair)
    except ValueError:
        return None
    return left, right


def references(scene: Scene) -> Iterator[Match]:
    """Equal objects, shared in another way."""
    for one in _codes(scene):
        if one.graphs and one.graphs[0].strict == one.graphs[1].strict:
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def set_order(scene: Scene) -> Iterator[Match]:
    """Equal objects, but for the order within constant sets."""
    for one in _codes(scene):
        if one.graphs and _only_in(one.graphs, lambda side: side.unordered):
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def file_names(scene: Scene) -> Iterator[Match]:
    """Equal objects, but for the path of the source."""
    for one in _codes(scene):
        if one.graphs and _only_in(one.graphs, lambda side: side.placeless):
            names = [text(b", ".join(side.filenames[:3])) for side in one.graphs]
            yield Match(finding=one.index, evidence=evidence(one.finding, *names), confidence="proved")


def _only_in(graphs: tuple[Graph, Graph], view: Callable[[Graph], bytes]) -> bool:
    """Whether two graphs differ, and are equal in this view."""
    left, right = graphs
    return left.strict != right.strict and view(left) == view(right)


def code(scene: Scene) -> Iterator[Match]:
    """Code that no narrower rule explains, and facts of another source in the header."""
    for one in _codes(scene):
        if one.graphs is None or not _alike(*one.graphs):
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="possible")
    moved = _of_other_release(scene)
    for field in fields(scene, ("source size", "source hash")):
        if field.form == "pyc" and ABSENT not in field.values and field.finding.path not in moved:
            yield Match(finding=field.index, evidence=evidence(field.finding), confidence="likely")


def _alike(left: Graph, right: Graph) -> bool:
    return left.placeless == right.placeless or left.unordered == right.unordered


_PYC_RULES: tuple[Rule, ...] = (
    Rule(
        id="pyc-times",
        title="Compiled Python carries the time of its source",
        severity=Severity.INSPECT,
        fix=f"{_COMPILE}, or SOURCE_DATE_EPOCH set while compiling; or ship no .pyc.",
        match=times,
        changes=(_EPOCH, _HASHED),
    ),
    Rule(
        id="pyc-invalidation",
        title="Compiled Python is checked against its source in another way",
        severity=Severity.INSPECT,
        fix=f"Name the way: {_COMPILE} DIR; without a name it depends on SOURCE_DATE_EPOCH.",
        match=modes,
        changes=(_EPOCH, _HASHED),
    ),
    Rule(
        id="pyc-python",
        title="Compiled by another release of Python",
        severity=Severity.INSPECT,
        fix="Compile with the Python the publisher compiled with, or ship no .pyc.",
        match=releases,
        changes=(_PYTHON,),
    ),
    Rule(
        id="pyc-refs",
        title="Compiled Python shares equal objects in another way",
        severity=Severity.INSPECT,
        fix="Compile all files in one way, on a tree without __pycache__: python -m compileall -j 1 DIR; "
        "or ship no .pyc.",
        match=references,
        changes=(Change(where="project", target="build script", text="python -m compileall -j 1 DIR, or no .pyc."),),
    ),
    Rule(
        id="pyc-set-order",
        title="Constant sets in compiled Python are in another order",
        severity=Severity.INSPECT,
        fix="PYTHONHASHSEED=0 while compiling; Python 3.11 and later write sets sorted.",
        match=set_order,
        changes=(Change(where="environment", target="variable:PYTHONHASHSEED", text="Compile with PYTHONHASHSEED=0."),),
    ),
    Rule(
        id="pyc-code-path",
        title="Compiled Python carries the path it was built in",
        severity=Severity.INSPECT,
        fix="python -m compileall -s BUILD-FOLDER -p / BUILD-FOLDER; or ship no .pyc.",
        match=file_names,
        changes=(
            Change(where="environment", target="path", text="Build in the folder that the published file names."),
            Change(where="project", target="build script", text="python -m compileall -s BUILD-FOLDER -p / ..."),
        ),
    ),
    Rule(
        id="pyc-code",
        title="Compiled Python holds other code",
        severity=Severity.BEHAVIOUR,
        fix="Compare the sources first: if they are equal, the compiler is not, or one side was compiled from others.",
        match=code,
    ),
)

RULES: tuple[Rule, ...] = (*_PYC_RULES, *wheels.RULES)
