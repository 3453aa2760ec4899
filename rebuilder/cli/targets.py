"""What `verify` and `init` are asked for: which kind of target it is, what may be said with it, how it is resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.errors import UsageError
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.lock import ToolchainLock
    from rebuilder.pipeline import Ports
    from rebuilder.ports import Resolution
    from rebuilder.resolve.packages import Packages
    from rebuilder.resolve.projects import Projects
    from rebuilder.wiring import Special, Workshop

DEFAULT_SUITE = "trixie"


class Kind(Enum):
    """Whose rules hold."""

    DEBIAN = "a Debian package"
    PROJECT = "a project"
    PACKAGE = "a package of an index"


#: By the format of the recipe.
_OF_RECIPES = {"rebuilder/recipe/v2": Kind.PROJECT, "rebuilder/recipe/v3": Kind.PACKAGE}


@dataclass(frozen=True, kw_only=True)
class Said:
    """The words on the command line that name a target."""

    target: str = ""
    source: str = ""
    artifacts: tuple[Path, ...] = ()
    suite: str = ""
    buildinfo: Path | None = None
    commit: str = ""
    from_sdist: bool = False
    signatures: tuple[Path, ...] = ()
    anchor: str = ""

    @property
    def recipe(self) -> bool:
        """Whether the target is the path of a recipe."""
        return self.target.endswith(".toml")

    @property
    def folder(self) -> Path:
        """The source, which is at hand."""
        return Path(self.source)

    @property
    def remote(self) -> bool:
        """Whether the source is an address."""
        return "://" in self.source

    @property
    def carried(self) -> bool:
        """Whether the source is an upstream archive that Debian carries."""
        return self.source.startswith("pkg:")


def check(said: Said) -> None:
    """``UsageError`` for what can be seen to be wrong before anything is asked, opened or started."""
    alone = said.recipe or is_index_purl(said.target)
    if bool(said.target) == bool(said.source) and not alone:
        msg = "expected either a TARGET or --source with --artifact, found " + ("both" if said.target else "neither")
        raise UsageError(msg, hint="for example: rebuilder verify 'pkg:deb/debian/less?distro=trixie'")
    if bool(said.source) != bool(said.artifacts) and not alone:
        msg = f"expected --source and --artifact together, found only {'--source' if said.source else '--artifact'}"
        raise UsageError(msg, hint="for example: rebuilder verify --source DIR --artifact FILE")
    if said.target and said.suite:
        msg = f"expected --suite only with --source, found it with {said.target!r}"
        raise UsageError(msg, hint="a purl names its suite itself (?distro=...), a recipe in its table [toolchain]")
    if said.carried and not is_index_purl(said.target):
        what = said.target or "files at hand"
        msg = f"expected --source to name a Debian source only with a package of an index, found it with {what}"
        raise UsageError(msg, hint="a recipe names the archive it was made from itself")
    if said.source and not said.remote and not said.carried and not Path(said.source).exists():
        msg = f"expected --source to be a folder, a file or an address, found nothing at {redacted(said.source)!r}"
        raise UsageError(msg)
    if bool(said.signatures) != bool(said.anchor):
        only = "--signature" if said.signatures else "--anchor"
        msg = f"expected --signature and --anchor together, found only {only}"
        raise UsageError(msg, hint="the anchor is one of your trust store: docs/formats/trust-store.md")
    if "://" in said.target and not said.target.startswith("pkg:"):
        msg = f"expected a package URL or the path of a recipe, found the address {redacted(said.target)!r}"
        raise UsageError(msg, hint="a repository is named with --source, beside the package: pkg:pypi/NAME@VERSION")
    if said.target and not said.target.startswith("pkg:"):
        _check_path(Path(said.target))


def check_anchor(said: Said, trust: tuple[Path, ...]) -> None:
    """``UsageError`` for an anchor that the trust store does not have, before an index is asked for the rest."""
    if said.anchor:
        from rebuilder.endorse.trust import TrustStore

        TrustStore(trust).anchor(said.anchor)


def is_index_purl(target: str) -> bool:
    """Whether it names a package of a language's index."""
    return target.lower().startswith(("pkg:pypi/", "pkg:npm/"))


def kind_of(said: Said) -> Kind:
    """Which kind it is. ``UsageError`` for words that only another kind can have; ``RecipeError`` for a recipe that is
    none."""
    kind = _kind(said)
    _refuse_for(kind, Kind.PACKAGE, {
        "--commit": bool(said.commit), "--from-sdist": said.from_sdist, "--signature": bool(said.signatures),
    }, said)  # fmt: skip
    if said.recipe and (said.commit or said.from_sdist):
        msg = "expected --commit and --from-sdist only with a package URL, found one with a recipe that pins its source"
        raise UsageError(msg)
    if kind is Kind.DEBIAN and said.target and (said.source or said.artifacts):
        msg = f"expected --source and --artifact with the recipe of a project, found them with {said.target!r}"
        raise UsageError(msg, hint="everything that the recipe of a Debian package needs is fetched by digest")
    if kind is not Kind.DEBIAN and said.buildinfo:
        msg = f"expected --buildinfo only for a Debian package, found it for {kind.value}"
        raise UsageError(msg, hint="a recipe and its lock say what a project is built with: check DIR --write-recipe")
    if kind is Kind.PROJECT and said.remote and not said.target:
        msg = "expected --source to be at hand for files that no index has, found an address"
        raise UsageError(msg, hint="clone it first, and name the folder")
    if is_index_purl(said.target) and said.artifacts:
        msg = f"expected --artifact only with a recipe or a project, found it with {said.target!r}"
        raise UsageError(msg, hint="the files of a release are those that its index names; one: ?file_name=NAME")
    return kind


def _kind(said: Said) -> Kind:
    if is_index_purl(said.target):
        return Kind.PACKAGE
    if said.target:
        if said.target.startswith("pkg:"):
            return Kind.DEBIAN
        from rebuilder.resolve.recipes import load_recipe

        return _OF_RECIPES.get(load_recipe(Path(said.target))[0].format, Kind.DEBIAN)
    if said.remote:
        return Kind.PROJECT
    if not said.folder.is_dir() and not said.source.endswith(".dsc"):
        found = repr(said.source)
        msg = f"expected --source to be the folder of a project, a Debian source tree or a .dsc, found {found}"
        raise UsageError(msg, hint="unpack an archive first, and name its folder")
    project = said.folder.is_dir() and not (said.folder / "debian" / "changelog").is_file()
    return Kind.PROJECT if project else Kind.DEBIAN


def _refuse_for(kind: Kind, only: Kind, options: dict[str, bool], said: Said) -> None:
    found = [name for name, given in options.items() if given]
    if found and kind is not only:
        what = redacted(said.target or said.source)
        msg = f"expected {found[0]} only for {only.value}, found it for {kind.value} ({what})"
        raise UsageError(msg, hint="for example: rebuilder verify pkg:pypi/NAME@VERSION --source REPOSITORY")


def _check_path(path: Path) -> None:
    if path.is_dir():
        msg = f"expected a package URL or the path of a recipe, found the folder {str(path)!r}"
        inside = path / "recipe.toml"
        other = "for a project or a source tree: rebuilder verify --source DIR --artifact FILE"
        raise UsageError(msg, hint=f"rebuilder verify {inside}" if inside.is_file() else other)
    if not path.exists():
        msg = f"expected a package URL or the path of a recipe, found {str(path)!r}, which is neither"
        if path.name.endswith(".toml"):
            msg = f"expected a recipe at {str(path)!r}, found nothing there"
            raise UsageError(msg, hint="the recipe of one file of a release lies in a folder of that file's name below")
        hint = f"a Debian package is named so: rebuilder verify 'pkg:deb/debian/{path.name}?distro=trixie'"
        raise UsageError(msg, hint=hint)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The ecosystem that is worked with, one of the three."""

    shop: Workshop
    kind: Kind
    projects: Projects | None = None
    packages: Packages | None = None

    def special(self, *, fresh: bool) -> Special | None:
        """What of the pipeline's world is another one than for Debian packages."""
        if self.packages is not None:
            from rebuilder import package_inputs

            return package_inputs.special(self.shop, self.packages, fresh=fresh)
        if self.projects is not None:
            from rebuilder import project_inputs

            return project_inputs.special(self.shop, self.projects, fresh=fresh)
        return None

    def resolve(self, said: Said) -> Resolution:
        """The target, resolved. Raises as the ecosystem does."""
        if self.packages is not None:
            return self._package(self.packages, said)
        if self.projects is not None:
            if said.target:
                folder = said.folder if said.source else None
                return self.projects.resolve(said.target, source=folder, artifacts=said.artifacts)
            return self.projects.local(said.folder, said.artifacts, said.suite)
        if said.source:
            return self.shop.ecosystem.local(said.folder, said.artifacts, said.suite or DEFAULT_SUITE)
        return self.shop.ecosystem.resolve(said.target)

    def _package(self, packages: Packages, said: Said) -> Resolution:
        from rebuilder.resolve.packages import Asked

        if said.recipe:
            return packages.resolve(
                said.target, source=said.source, artifacts=said.artifacts, papers=said.signatures, anchor=said.anchor
            )
        asked = Asked(
            source=said.source,
            commit=said.commit,
            from_sdist=said.from_sdist,
            papers=said.signatures,
            anchor=said.anchor,
        )
        return packages.infer(said.target, asked)


def bench(shop: Workshop, kind: Kind) -> Bench:
    """The ecosystem for that kind of target. Nothing is asked yet."""
    if kind is Kind.PACKAGE:
        from rebuilder import package_inputs

        return Bench(shop=shop, kind=kind, packages=package_inputs.packages(shop))
    if kind is Kind.PROJECT:
        from rebuilder import project_inputs

        return Bench(shop=shop, kind=kind, projects=project_inputs.projects(shop))
    return Bench(shop=shop, kind=kind)


def resolver(own: Bench, said: Said, pack: Path | None) -> Callable[[], Resolution]:
    """What the pipeline calls first: the target resolved, with a given `.buildinfo` or pack taken into account."""

    def resolve() -> Resolution:
        # First, for it also holds the signed indexes that a recipe pins.
        packed: ToolchainLock | None = own.shop.unpack(pack) if pack is not None else None
        resolution = own.resolve(said)
        if packed is not None:
            resolution = own.shop.with_lock(resolution, packed)
        if said.buildinfo is not None:
            resolution = own.shop.with_buildinfo(resolution, said.buildinfo)
        return resolution

    return resolve


def searched(own: Bench, said: Said, ports: Ports, budget: int) -> dict[str, Callable[[], Resolution]]:
    """What the pipeline is to verify after a search, by target; nothing where the target cannot even be resolved: then
    verifying it says why."""
    from rebuilder.errors import Stopped

    if own.packages is None:
        return {}
    try:
        first = own.resolve(said)
    except Stopped:
        return {}
    found = found_by_search(own, own.packages, said, ports, first, budget)
    return {resolution.published.purl: _given(resolution) for resolution in found}


def _given(resolution: Resolution) -> Callable[[], Resolution]:
    return lambda: resolution


def found_by_search(
    own: Bench, packages: Packages, said: Said, ports: Ports, first: Resolution, budget: int
) -> tuple[Resolution, ...]:
    """What a search came to, as ``package_search.searched``."""
    from rebuilder.package_inputs import toolchains
    from rebuilder.package_search import Workbench, searched

    workbench = Workbench(
        ecosystem=packages,
        toolchains=toolchains(own.shop, fresh=False),
        builder=ports.builder,
        blobs=ports.blobs,
        progress=ports.progress,
        new_run_id=ports.new_run_id,
        source=said.source,
    )
    found, resolutions = searched(workbench, first, budget=budget)
    ports.progress.line(f"search: {found.reason}")
    return resolutions
