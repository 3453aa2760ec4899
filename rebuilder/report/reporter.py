"""From the files of a run folder to its page: the ``Reporter`` port."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence

from pydantic import TypeAdapter

from rebuilder.findings import ArtifactExplanation, Difference
from rebuilder.lock import ToolchainLock
from rebuilder.model import Record
from rebuilder.recipe import V3, RecipeGuess
from rebuilder.report.differences import Told
from rebuilder.report.excerpts import SideBlock
from rebuilder.report.pages import Link, LinkKind, RunView, StatementSummary, relative, render_run

BUNDLE_SUFFIX = ".intoto.jsonl"
_EVERY = TypeAdapter(tuple[RecipeGuess, ...])
_FIXED: tuple[tuple[LinkKind, str, str], ...] = (
    ("record", "Record (JSON)", "run.json"),
    ("recipe", "Recipe", "recipe.toml"),
    ("lock", "Toolchain lock (JSON)", "toolchain.lock.json"),
)


#: Reads diffoscope's JSON into the rows of the side-by-side view. It never raises for bad input.
SideReader = Callable[[bytes], Sequence[SideBlock]]
MAX_DIFFERENCE_BYTES = 256 * 1024**2
MAX_RECIPE_BYTES = 4 * 1024**2
MAX_GUESSES = 100


def _no_sides(_report: bytes) -> Sequence[SideBlock]:
    return ()


class PageReporter:
    """Renders a run's page from its record and the other files of its folder."""

    def __init__(self, sides: SideReader = _no_sides) -> None:
        self._sides = sides

    def page(self, record: Record, files: Mapping[str, bytes]) -> bytes:
        """The page, UTF-8."""
        return render_run(view_of(record, files, self._sides)).encode()


def view_of(record: Record, files: Mapping[str, bytes], sides: SideReader = _no_sides) -> RunView:
    """All that the page shows, taken from the files by their fixed names."""
    lock = files.get("toolchain.lock.json")
    bundles = tuple(name for name in files if name.endswith(BUNDLE_SUFFIX))
    return RunView(
        record=record,
        recipe_text=_text(files.get("recipe.toml", b"")),
        lock=ToolchainLock.model_validate_json(lock) if lock else None,
        log_text=_log(files),
        told=tuple(_told(one, files, sides) for one in record.explanation.artifacts),
        guesses=_guesses(files.get("recipe.toml", b"")),
        diff_texts=_diff_texts(record, files),
        bundle_names=bundles,
        statements=tuple(summary for name in bundles for summary in _statements(name, files[name])),
        links=tuple(_links(record, files)),
        index_path="../../index.html",
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _guesses(recipe: bytes) -> tuple[RecipeGuess, ...]:
    """How the inputs became known, as a recipe of a package says; none for any other. A page must not fail over a
    recipe: what does not hold to the format is left out."""
    if len(recipe) > MAX_RECIPE_BYTES:
        return ()
    try:
        said = tomllib.loads(recipe.decode())
        if said.get("format") != V3:
            return ()
        return _EVERY.validate_python(said.get("guesses", [])[:MAX_GUESSES])
    except (ValueError, TypeError, RecursionError):
        return ()


def _log(files: Mapping[str, bytes]) -> str:
    """The logs of all attempts, one after the other, each under its name."""
    logs = sorted(name for name in files if name.startswith("build-") and name.endswith(".log"))
    if len(logs) == 1:
        return _text(files[logs[0]])
    return "\n".join(f"===== {name} =====\n{_text(files[name])}" for name in logs)


def _told(one: ArtifactExplanation, files: Mapping[str, bytes], sides: SideReader) -> Told:
    """An explanation with the findings it is about, if they lie beside it and are the ones it names."""
    name = f"difference-{one.artifact}.json"
    return told_of(one, files.get(name), sides(files.get(f"diffoscope-{one.artifact}.json", b"")))


def told_of(one: ArtifactExplanation, data: bytes | None, blocks: Sequence[SideBlock] = ()) -> Told:
    """An explanation with its findings, where ``data`` are the bytes it names."""
    name = f"difference-{one.artifact}.json"
    difference, fault = _difference(data, one, name)
    return Told(explanation=one, difference=difference, fault=fault, blocks=blocks, whole="" if data is None else name)


def _difference(data: bytes | None, one: ArtifactExplanation, name: str) -> tuple[Difference | None, str]:
    """The findings, or why they are not shown."""
    if data is None:
        return None, f"the list of all findings ({name}) does not lie in the run folder"
    found = hashlib.sha256(data).hexdigest()
    if found != one.difference.sha256:
        return None, f"{name} is not the file the record names: expected {one.difference.sha256}, found {found}"
    if len(data) > MAX_DIFFERENCE_BYTES:
        return None, f"{name} has {len(data):,} bytes; a page reads at most {MAX_DIFFERENCE_BYTES:,}"
    try:
        return Difference.model_validate_json(data), ""
    except ValueError:
        return None, f"{name} does not hold to the format rebuilder/difference/v1"


def _diff_texts(record: Record, files: Mapping[str, bytes]) -> dict[str, str]:
    names = [report.artifact for report in record.explanation.reports]
    return {name: _text(files[f"diffoscope-{name}.txt"]) for name in names if f"diffoscope-{name}.txt" in files}


def _links(record: Record, files: Mapping[str, bytes]) -> list[Link]:
    links = [Link(kind=kind, label=label, path=path) for kind, label, path in _FIXED if path in files]
    for name in sorted(name for name in files if _can_be_linked(name)):
        if name.endswith(BUNDLE_SUFFIX):
            links.append(Link(kind="bundle", label="Signed bundle", path=name))
        elif name.endswith(".log"):
            links.append(Link(kind="log", label=f"Build log {name.removesuffix('.log')}", path=name))
        elif name.endswith((".buildinfo", ".changes")):
            links.append(Link(kind="other", label=f"Our {name}", path=name))
        elif name.startswith("difference-"):
            links.append(Link(kind="findings", label=f"Every difference (JSON), {name[11:-5]}", path=name))
    for report in record.explanation.reports:
        kinds: list[tuple[LinkKind, str]] = [("diff-text", "txt"), ("diff-html", "html")]
        for kind, suffix in kinds:
            path = f"diffoscope-{report.artifact}.{suffix}"
            if path in files and _can_be_linked(path):
                label = f"diffoscope, {report.artifact}"
                links.append(Link(kind=kind, label=label, path=path, artifact=report.artifact))
    return links


def _can_be_linked(name: str) -> bool:
    """Builds name their files as they like; a page must not fail over that."""
    try:
        relative(name)
    except ValueError:
        return False
    return True


def _statements(bundle: str, data: bytes) -> list[StatementSummary]:
    """One line of words for each statement of a bundle we have just signed ourselves."""
    found = []
    for line in data.splitlines():
        envelope = json.loads(line)
        statement = json.loads(base64.b64decode(envelope["payload"]))
        subject = statement["subject"][0]
        found.append(
            StatementSummary(
                says=_says(statement),
                predicate_type=statement["predicateType"],
                subject=subject["name"],
                sha256=subject["digest"]["sha256"],
                bundle=bundle,
                key=envelope["signatures"][0].get("keyid", ""),
            )
        )
    return found


def _says(statement: dict[str, object]) -> str:
    predicate = statement["predicate"]
    if not isinstance(predicate, dict):
        return "unknown"
    if "verificationResult" in predicate:
        return f"verdict {predicate['verificationResult']}: {', '.join(predicate['verifiedLevels'])}"
    if "outcome" in predicate:
        return f"outcome {predicate['outcome']}, no vote"
    return "provenance: these bytes came out of our rebuild"
