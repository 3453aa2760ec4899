"""Where each input of a Debian build comes from, said honestly (design section 3). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rebuilder.lock import ToolchainLock
from rebuilder.model import Input, Origin, Published, Source, SourceKind, utc
from rebuilder.recipe import RecipeBuild
from rebuilder.resolve.debian_plan import build_path, command, environment


def resolution_inputs(
    published: Published, build: RecipeBuild, *, source: Input, lock: ToolchainLock | None
) -> tuple[Input, ...]:
    """Every input that is known before the source is fetched."""
    return (source, toolchain_input(published, lock), *setting_inputs(published, build))


def source_input(published: Published, origin: Origin, evidence: str) -> Input:
    """The source: its name, version and the digest it is known by."""
    file = published.source_files[0]
    value = f"{published.source_name} {published.source_version} ({file.name}, sha256 {file.sha256})"
    return Input(name="source", value=value, origin=origin, evidence=evidence)


def toolchain_input(published: Published, lock: ToolchainLock | None) -> Input:
    """The toolchain: pinned by a lock, or the suite's packages as its signed index lists them."""
    if lock is not None:
        value = f"{len(lock.packages)} packages of {lock.suite}, each by sha256"
        return Input(name="toolchain", value=value, origin=Origin.PINNED, evidence="toolchain lock beside the recipe")
    dates = ", ".join(f"{index.suite} of {utc(index.date)}" for index in published.indexes)
    return Input(
        name="toolchain",
        value=f"newest packages of {dates or published.suite}",
        origin=Origin.ASSUMED,
        evidence="nobody says which packages the publisher built with; these are the suite's",
    )


def packed_input(lock: ToolchainLock) -> Input:
    """The toolchain of a pack that was given for a target that pins none: whoever gave it chose it."""
    return Input(
        name="toolchain",
        value=f"{len(lock.packages)} packages of {lock.suite}, from a pack",
        origin=Origin.ASSUMED,
        evidence="a pack was given by hand (--pack) for a target that pins no toolchain",
    )


def setting_inputs(published: Published, build: RecipeBuild) -> tuple[Input, ...]:
    """Build path, environment, command: pinned where the recipe sets them, else as the archive's builders have them."""
    place = Source(
        kind=SourceKind.SIGNED_DSC,
        name=published.source_name,
        version=published.source_version,
        files=published.source_files,
        uri="",
    )
    usual = "the archive's builders do it so"
    path = Input(
        name="path",
        value=build_path(place, build.path),
        origin=Origin.PINNED if build.path else Origin.ASSUMED,
        evidence="recipe, build.path" if build.path else usual,
    )
    variables = " ".join(f"{name}={value}" for name, value in environment(build, None).items())
    surroundings = Input(
        name="environment",
        value=variables,
        origin=Origin.PINNED if build.environment else Origin.ASSUMED,
        evidence="recipe, build.environment" if build.environment else usual,
    )
    kinds = sorted({artifact.build for artifact in published.artifacts}, reverse=True)
    commands = "; ".join(" ".join(command(kind, build)) for kind in kinds)
    return path, surroundings, Input(name="command", value=commands, origin=Origin.ASSUMED, evidence=usual)


def replaced(inputs: Iterable[Input], *changed: Input) -> tuple[Input, ...]:
    """The inputs with those of the same name replaced."""
    new = {item.name: item for item in changed}
    return (*(new.pop(item.name, item) for item in inputs), *new.values())


def origin_of(inputs: Iterable[Input], name: str) -> Origin:
    """The origin of the input of that name; ``assumed`` if nothing is said about it."""
    return next((item.origin for item in inputs if item.name == name), Origin.ASSUMED)

