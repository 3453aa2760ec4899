"""Any repository, any commands, any outputs: the recipe of files that no index has, for a purl ``pkg:generic/...``.

How it is built is what was asked for, or what the tree shows to `rebuilder check`; which commit is what was named, or
what a tag of that version names. The files are at hand, and nobody vouches for them but a signature that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packageurl import PackageURL

from rebuilder.check import variations
from rebuilder.check.projects import detect
from rebuilder.check.settings import read_settings
from rebuilder.errors import UsageError
from rebuilder.model import FileDigest, Limits, Origin, SourceKind
from rebuilder.recipe import (
    V3,
    PackageBuild,
    PackageRecipe,
    PackageSource,
    PackageToolchain,
    ProjectStep,
    RecipeArtifact,
    RecipeEndorsement,
)
from rebuilder.redaction import redacted
from rebuilder.releases import Guess
from rebuilder.resolve.infer import commits
from rebuilder.resolve.packages_names import known_from
from rebuilder.resolve.packages_recipe import row, source_files
from rebuilder.resolve.packages_source import BY_HAND
from rebuilder.resolve.projects_files import take
from rebuilder.resolve.projects_recipe import NO_ANCHOR
from rebuilder.treetar import TarTree

if TYPE_CHECKING:
    from rebuilder.check.model import Project
    from rebuilder.ports import Blobs
    from rebuilder.resolve.package_ports import Repositories

TYPE = "generic"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be pinned."""

    purl: str
    #: A folder, a bundle or a URL.
    source: str
    #: A commit or a tag; empty: the tag of that version.
    commit: str = ""
    artifacts: tuple[Path, ...]
    #: One argv, run in the tree; empty: what the tree shows.
    command: tuple[str, ...] = ()
    suite: str = ""


def recipe_of(order: Order, repositories: Repositories, blobs: Blobs, limits: dict[str, float]) -> PackageRecipe:
    """The recipe. ``UsageError`` where the purl names no version, no commit is found, the tree cannot be built, or the
    build could never give one of the files; ``Stopped(unavailable)`` where the repository cannot be had."""
    purl = _purl(order.purl)
    repository = repositories.open(order.source)
    asked = commits.asked_for(repository, order.commit).id if order.commit else ""
    choice = commits.choose(repository, name=purl.name, version=str(purl.version), uploaded=None, declared=asked)
    if not choice.commit:
        msg = f"no commit of {purl.name} {purl.version} was found in {redacted(order.source)}: "
        msg += "; ".join(map(redacted, choice.notes))
        raise UsageError(msg, hint="name one with --commit")
    found = repository.commit(choice.commit)
    tree = repository.tree(choice.commit)
    with blobs.path(tree.sha256).open("rb") as tar:
        opened = TarTree(tar)
        settings = read_settings(opened)
        if order.command and not settings.outputs:
            # What is to be held against the files is what has their names, wherever the command leaves it.
            names = tuple(f"**/{_plain(path.name)}" for path in order.artifacts)
            settings = settings.model_copy(update={"outputs": names})
        project = detect(opened, settings, name=purl.name, command=order.command)
    files = take(order.artifacts, project.outputs, blobs)
    history = repository.history(choice.commit) if project.history else None
    guess = Guess(
        input="commit",
        value=choice.commit,
        origin=Origin.PINNED if order.commit else choice.origin,
        evidence=f"{BY_HAND}: {order.commit}" if order.commit else choice.evidence,
        confidence=1.0 if order.commit else choice.confidence,
    )
    place = repository.url or "a repository at hand"
    where = Guess(input="repository", value=place, origin=Origin.PINNED, evidence=BY_HAND, confidence=1.0)
    known = known_from(repository, choice.commit, where)
    return PackageRecipe(
        format=V3,
        purl=purl.to_string(),
        source=PackageSource(
            kind=SourceKind.GIT_COMMIT,
            name=purl.name,
            version=str(purl.version),
            files=source_files(tree, history, None),
            commit=choice.commit,
            repository=repository.origin_of(choice.commit),
            tag=choice.tag,
        ),
        artifacts=tuple(_artifact(file, purl) for file in files),
        endorsement=RecipeEndorsement(anchor=NO_ANCHOR, allow_missing=BY_HAND),
        toolchain=_toolchain(project, order.suite or settings.suite or "trixie"),
        build=_build(project, found.time if found else None, history is not None, {**limits, **settings.limits}),
        # Only what a clone says of itself is a guess.
        guesses=(row(guess), *((row(known),) if known != where else ())),
    )


def _plain(name: str) -> str:
    """A name as a glob that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _purl(text: str) -> PackageURL:
    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        msg = f"expected a package URL such as pkg:generic/demo@1.0, found {text[:160]!r}: {redacted(str(error))}"
        raise UsageError(msg) from None
    if purl.type != TYPE or not purl.version or purl.namespace or purl.qualifiers or purl.subpath:
        msg = f"expected pkg:{TYPE}/NAME@VERSION, found {text[:160]!r}"
        raise UsageError(msg)
    if not purl.name[0].isalnum() or "/" in purl.name:
        # Files of the tree are looked for by it.
        msg = f"expected a name that begins with a letter or a digit and is no path, found {purl.name[:160]!r}"
        raise UsageError(msg)
    if not (purl.name + purl.version).isprintable():
        msg = f"expected a package URL of letters that can be shown, found {text[:160]!r}"
        raise UsageError(msg)
    return purl


def _toolchain(project: Project, suite: str) -> PackageToolchain:
    return PackageToolchain(
        suite=suite,
        relations=project.relations,
        wheels=project.wheels,
        ask_backend=project.asks_backend,
        npm=bool(project.npm),
    )


def _build(project: Project, time: int | None, history: bool, limits: dict[str, float]) -> PackageBuild:
    return PackageBuild(
        strategy="commands",
        kind=project.kind,
        steps=tuple(ProjectStep(argv=step.argv, cwd=step.cwd, label=step.label) for step in project.steps),
        outputs=project.outputs,
        path=variations.control(project.name).tree,
        environment=project.environment,
        history=history,
        epoch=time,
        limits=Limits.model_validate(limits),
    )


def _artifact(file: FileDigest, purl: PackageURL) -> RecipeArtifact:
    return RecipeArtifact(
        name=file.name,
        path=file.name,
        sha256=file.sha256,
        size=file.size,
        package=purl.name,
        version=str(purl.version),
        architecture="any",
        build="generic",
    )
