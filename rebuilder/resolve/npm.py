"""Tarballs that `npm pack` made: ``PackageKind`` for npm's registry."""

from __future__ import annotations

from typing import ClassVar

from rebuilder.check import variations
from rebuilder.check.kinds.tree import plain_name, read_json, table, word
from rebuilder.check.model import ProjectKind
from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Verdict
from rebuilder.recipe import PackageBuild, PackageToolchain
from rebuilder.releases import Release, System
from rebuilder.resolve import strategies
from rebuilder.resolve.infer import npm as infer
from rebuilder.resolve.infer import repository
from rebuilder.resolve.infer.npm_facts import NpmFacts, read_tarball
from rebuilder.resolve.infer.npm_packers import preparing
from rebuilder.resolve.package_kind import Draft, Ground, Origins, Taken, Targets, Wanted
from rebuilder.resolve.packages_source import uploaded

MANIFEST = "package.json"
_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_RELATIONS = ("libstdc++6", "ca-certificates", "nodejs", "npm")


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
        facts = _facts(taken)
        manifest = read_json(ground.tree, MANIFEST) if MANIFEST in ground.tree.names else {}
        made = ground.commit.time if ground.commit else None
        guesses = infer.guess(facts, taken.release, manifest_at_commit=manifest or None, made=made)
        known = {guess.input: guess.value for guess in guesses}
        scripts = {name: word(text) for name, text in table(manifest, "scripts").items()}
        prepare = bool(preparing(scripts))
        lock = next((name for name in _LOCKS if name in ground.tree.names), "")
        moment = uploaded(taken)
        notes: tuple[str, ...] = ()
        if prepare and not lock:
            notes = ("scripts that run before packing need packages, and the commit has no package-lock.json: they are "
                     "not run, and what they would make is missing",)  # fmt: skip
        installs = bool(prepare and lock)
        toolchain = PackageToolchain(
            suite="trixie",
            relations=_RELATIONS,
            npm=installs,
            as_of=int(moment.timestamp()) if moment else None,
            node=known.get("node", ""),
            npm_client=known.get("npm", ""),
        )
        return Draft(toolchain=toolchain, build=_build(taken, installs), guesses=guesses, notes=notes)


def _build(taken: Taken, prepare: bool) -> PackageBuild:
    name = plain_name(taken.release.name.rpartition("/")[2], "package")
    return PackageBuild(
        strategy="commands",
        kind=ProjectKind.NPM,
        steps=strategies.npm_steps(node=True, prepare=prepare, directory=""),
        outputs=strategies.NPM_OUTPUTS,
        path=variations.control(name).tree,
        environment=dict(strategies.NPM_ENVIRONMENT),
    )


def _facts(taken: Taken) -> NpmFacts:
    """``Stopped(unavailable)`` for a file that is no npm package."""
    try:
        return read_tarball(next(iter(taken.paths.values())))
    except UsageError as error:
        raise Stopped(Verdict.UNAVAILABLE, f"{taken.release.name} {taken.release.version}: {error}") from error
