"""Tarballs that `npm pack` made: ``PackageKind`` for npm's registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rebuilder.check import variations
from rebuilder.check.kinds import npm as kinds
from rebuilder.check.kinds.tree import Tree, plain_name, read_json, table, word
from rebuilder.check.model import ProjectKind
from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Verdict
from rebuilder.recipe import PackageBuild, PackageToolchain, ProjectStep, Replay
from rebuilder.releases import Release, System
from rebuilder.resolve import strategies
from rebuilder.resolve.infer import npm as infer
from rebuilder.resolve.infer import repository
from rebuilder.resolve.infer.npm_facts import NpmFacts, read_tarball
from rebuilder.resolve.infer.npm_needs import needs
from rebuilder.resolve.infer.npm_packers import ignoring, only_published, preparing
from rebuilder.resolve.package_kind import Draft, Ground, Origins, Taken, Targets, Wanted
from rebuilder.resolve.packages_source import uploaded

MANIFEST = "package.json"
#: Front ends that run what has to be installed first.
INSTALLING = frozenset({infer.NPM_PREPARE, infer.IGNORING, *infer.COPYING})
#: What Node needs; and the suite's own, for what the recipe's Node and npm do not do.
_LIBRARIES, _OWN_NODE = ("libstdc++6", "ca-certificates"), ("nodejs", "npm")


class Npm:
    """``PackageKind``."""

    system: ClassVar[System] = "npm"

    def targets(self, release: Release, wanted: Wanted) -> Targets:
        """The one tarball of a version."""
        names = frozenset(file.name for file in release.files)
        if wanted.file_name and wanted.file_name not in names:
            msg = f"{release.name} {release.version} has no file {wanted.file_name!r}; it has: {', '.join(names)}"
            raise UsageError(msg)
        deprecated = release.facts.get("deprecated", "")
        notes = (f"{release.name} {release.version} is deprecated: {deprecated}",) if deprecated else ()
        return Targets(files=release.files, named=names, notes=notes)

    def origins(self, taken: Taken) -> Origins:
        """The repository, its folder and the commit (``gitHead``) that the registry's entry names."""
        facts = taken.release.facts
        directory = facts.get("directory", "")
        return Origins(
            repositories=repository.of_npm(facts.get("repository", ""), directory),
            commit=facts.get("gitHead", ""),
            subfolder=repository.folder_of_npm(facts.get("repository", ""), directory),
            manifests=(MANIFEST,),
        )

    def draft(self, taken: Taken, ground: Ground) -> Draft:
        """Node, npm, and whether scripts ran."""
        facts, tree = _facts(taken), ground.tree
        manifest = read_json(tree, MANIFEST) if MANIFEST in tree.names else {}
        guesses = infer.guess(
            facts,
            taken.release,
            manifest_at_commit=manifest or None,
            made=ground.commit.time if ground.commit else None,
            all_committed=_all_committed(facts, tree, manifest),
        )
        known: dict[str, str] = {guess.input: guess.value for guess in guesses}
        end = known["front-end"]
        packages, notes = _packages(tree, manifest, end)
        moment = uploaded(taken)
        toolchain = PackageToolchain(
            suite="trixie",
            relations=(*_LIBRARIES, *(() if known.get("node") and known.get("npm") and not packages else _OWN_NODE)),
            npm=end == infer.NPM_PREPARE and _has_lock(tree),
            packages=packages,
            as_of=int(moment.timestamp()) if moment else None,
            node=known.get("node", ""),
            npm_client=known.get("npm", ""),
        )
        return Draft(toolchain=toolchain, build=_build(taken, manifest, known), guesses=guesses, notes=notes)


def steps_of(front_end: str, scripts: dict[str, str], *, node: bool) -> tuple[ProjectStep, ...]:
    """How a front end packs a package with these scripts; one that is not rebuilt here packs as npm alone does."""
    if front_end in infer.COPYING:
        return strategies.copying_steps(front_end, node=node)
    if front_end == infer.IGNORING:
        return strategies.ignoring_steps(ignoring(scripts) or (infer.IGNORING, "--auto"), node=node)
    prepare = front_end == infer.NPM_PREPARE
    return strategies.npm_steps(node=node, prepare=prepare, before=only_published(scripts) if prepare else ())


def _packages(tree: Tree, manifest: dict[str, Any], end: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What has to be installed that no lock of the tree pins, and what is to be said of it."""
    if end in (infer.IGNORING, *infer.COPYING):
        found = needs(tree, manifest, (), (end,))
    elif end == infer.NPM_PREPARE and not _has_lock(tree):
        found = needs(tree, manifest, preparing(_scripts(manifest)))
    else:
        other = f"{end} packed it, which is not rebuilt here: npm packs the tree in its place"
        return (), (other,) if end in infer.FRONT_ENDS.values() else ()
    notes: tuple[str, ...] = ()
    if end == infer.NPM_PREPARE:
        notes = ("no lock of npm in the commit pins what its scripts need: what package.json says they need is taken, "
                 "as the index has it",)  # fmt: skip
    if end != infer.NPM_PREPARE and not found.packages:
        # It is asked for in no list: `npx` takes the newest.
        return (f"{end}@*",), notes
    if found.elsewhere:
        notes += (f"packages that no registry has are left out: {', '.join(found.elsewhere[:10])}",)
    return found.packages, notes


def _has_lock(tree: Tree) -> bool:
    """Whether npm's own lock pins every package by a digest."""
    lock = next((name for name in kinds.LOCKS if name in tree.names), "")
    try:
        return bool(lock) and bool(kinds.pinned(tree, lock))
    except UsageError:
        return False


def _all_committed(facts: NpmFacts, tree: Tree, manifest: dict[str, Any]) -> bool:
    """Whether each file of the package lies in the tree, as large as there, and the tree says which those are, so that
    no script need have. npm itself writes package.json anew."""
    if not manifest.get("files") and ".npmignore" not in tree.names and not ignoring(_scripts(manifest)):
        return False
    sizes = {member.name.partition("/")[2]: member.size for member in facts.files}
    return all(
        name in tree.names and (name == MANIFEST or _size(tree, name, size + 1) == size) for name, size in sizes.items()
    )


def _size(tree: Tree, name: str, limit: int) -> int:
    return len(tree.read(name, limit))


def _scripts(manifest: dict[str, Any]) -> dict[str, str]:
    return {name: word(text) for name, text in table(manifest, "scripts").items()}


def _build(taken: Taken, manifest: dict[str, Any], known: Mapping[str, str]) -> PackageBuild:
    name = plain_name(taken.release.name.rpartition("/")[2], "package")
    kept = known.get("times") == "file-times"
    return PackageBuild(
        strategy="commands",
        kind=ProjectKind.NPM,
        steps=steps_of(known["front-end"], _scripts(manifest), node=bool(known.get("node"))),
        outputs=strategies.NPM_OUTPUTS,
        path=variations.control(name).tree,
        environment=dict(strategies.NPM_ENVIRONMENT),
        umask=known.get("umask") or "0022",
        replay=tuple(Replay(artifact=file.name, what=("file-times",)) for file in taken.files if kept),
    )


def _facts(taken: Taken) -> NpmFacts:
    """``Stopped(unavailable)`` for a file that is no npm package."""
    try:
        return read_tarball(next(iter(taken.paths.values())))
    except UsageError as error:
        raise Stopped(Verdict.UNAVAILABLE, f"{taken.release.name} {taken.release.version}: {error}") from error
