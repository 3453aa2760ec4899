"""Wheels and sdists: ``PackageKind`` for Python's index. Backends: whatever follows PEP 517, and setup.py."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar, Literal

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from rebuilder.check import variations
from rebuilder.check.kinds import python as backends
from rebuilder.check.kinds.tree import Asked, start_of
from rebuilder.check.model import Project, ProjectKind
from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Verdict
from rebuilder.recipe import PackageBuild, PackageToolchain, Replay, Replayed
from rebuilder.releases import Guess, IndexFile, Release, System
from rebuilder.resolve import strategies
from rebuilder.resolve.infer import python as infer
from rebuilder.resolve.infer import repository
from rebuilder.resolve.infer.sdist_facts import SdistFacts, read_sdist
from rebuilder.resolve.infer.seen import CONSTANTS
from rebuilder.resolve.infer.translations import Translation, translations
from rebuilder.resolve.infer.wheel_facts import WheelFacts, read_wheel, seconds
from rebuilder.resolve.package_kind import Draft, Ground, Origins, Taken, Targets, Wanted
from rebuilder.resolve.packages_source import uploaded

#: Interpreters that we have, by the suite whose they are.
SUITES = {"3.11": "bookworm", "3.13": "trixie"}
NEWEST = "3.13"
_MANIFESTS = ("pyproject.toml", "setup.cfg", "setup.py")
_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")
#: What front ends make today; older ones could pack an sdist in other ways.
_SDIST = ".tar.gz"
_SURE_ENOUGH = 0.4
_LARGEST_ID = 9_999_999
_OWNERS = re.compile(r"([a-z_][a-z0-9_-]{0,31})/([0-9]{1,7})/([a-z_][a-z0-9_-]{0,31})/([0-9]{1,7})\Z")
_MACHINES = ("linux_x86_64", "any")
_Output = Literal["wheel", "sdist"]


class PyPI:
    """``PackageKind``."""

    system: ClassVar[System] = "pypi"

    def targets(self, release: Release, wanted: Wanted) -> Targets:
        """Wheels for any platform, and the sdist; others where they are asked for by name and could be made here."""
        by_name = {file.name: file for file in release.files}
        if wanted.file_name:
            if wanted.file_name not in by_name:
                known = ", ".join(sorted(by_name)[:10]) or "none"
                msg = f"{release.name} {release.version} has no file {wanted.file_name!r}; it has: {known}"
                raise UsageError(msg)
            _require_possible(wanted.file_name)
        files = [file for file in release.files if _is_portable(file.name) or file.name == wanted.file_name]
        others = [file.name for file in release.files if file not in files]
        if not files:
            reason = f"{release.name} {release.version} has no sdist and no wheel for any platform: {', '.join(others)}"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=tuple(others))
        named = {wanted.file_name} if wanted.file_name else {file.name for file in files}
        return Targets(files=tuple(files), named=frozenset(named), notes=_notes(release, files, others))

    def origins(self, taken: Taken) -> Origins:
        """The repository that the metadata names."""
        wheel, sdist = _facts(taken)
        said = (wheel.metadata if wheel else None) or (sdist.metadata if sdist else None)
        if said is None:
            return Origins(manifests=_MANIFESTS)
        found = repository.of_metadata(said.home_page, said.project_urls, said.description)
        return Origins(repositories=found, manifests=_MANIFESTS)

    def draft(self, taken: Taken, ground: Ground) -> Draft:
        """Backend, front end, times, owners: what the archives say, on top of what the tree asks for."""
        wheel, sdist = _facts(taken)
        project = backends.project(Asked(tree=ground.tree, name=taken.release.name))
        moment = uploaded(taken)
        guesses = infer.guess(
            wheel,
            sdist,
            uploaded=moment,
            pyproject=start_of(ground.tree, backends.MANIFEST, 1024 * 1024),
            committed=ground.commit.time if ground.commit else None,
        )
        compiled = _translations(wheel, sdist, ground)
        return Draft(
            toolchain=_toolchain(project, guesses, compiled, moment),
            build=_build(project, guesses, taken, ground, compiled),
            guesses=guesses,
            notes=(*project.notes, *_told(compiled)),
        )


def values(guesses: tuple[Guess, ...]) -> dict[str, str]:
    """Input -> the likeliest value."""
    return {guess.input: guess.value for guess in guesses}


def with_pin(wheels: tuple[str, ...], pin: str) -> tuple[str, ...]:
    """Requirements with ``name==version``, in place of another version of it."""
    name = pin.partition("==")[0]
    return (*(text for text in wheels if not text.startswith(f"{name}==")), pin)


def replays_of(times: str, owners: str, names: tuple[str, ...]) -> tuple[Replay, ...]:
    """What is replayed of which artifact. ``times`` is ``commit``, ``archive`` or ``archive-members``; owners that no
    account of the build can have are replayed too."""
    found: list[Replay] = []
    for name in names:
        sdist = name.endswith(_SDISTS)
        what: list[Replayed] = []
        if sdist and times in ("archive", "archive-members"):
            what.append("file-times")
        if times == "archive-members":
            what.append("member-times")
            if sdist:
                what.append("gzip-time")
        if sdist and owners and not plain_owner(owners):
            what.append("owners")
        if what:
            found.append(Replay(artifact=name, what=tuple(what)))
    return tuple(found)


def plain_owner(owners: str) -> dict[str, Any]:
    """``user/uid/group/gid`` as fields of a build; empty if no account of a build can be that, as root's cannot."""
    found = _OWNERS.match(owners)
    if found is None or not (0 < int(found[2]) <= _LARGEST_ID and 0 < int(found[4]) <= _LARGEST_ID):
        return {}
    return {"user": found[1], "uid": int(found[2]), "group": found[3], "gid": int(found[4])}


def _translations(wheel: WheelFacts | None, sdist: SdistFacts | None, ground: Ground) -> tuple[Translation, ...]:
    """What was compiled before the build: the sdist names it where there is one, for a wheel leaves folders out."""
    members = sdist.names if sdist else (member.name for member in wheel.packed) if wheel else ()
    return translations(members, ground.tree.names)


def _told(compiled: tuple[Translation, ...]) -> tuple[str, ...]:
    if not compiled:
        return ()
    what = f"{len(compiled)} translations are" if len(compiled) > 1 else "a translation is"
    return (f"{what} compiled by msgfmt before the build, for they were published so: {compiled[0].compiled}",)


def _no_later(as_of: str, moment: datetime | None) -> int | None:
    """The day of the index, and never one on which the release itself was there: it could be its own requirement."""
    if not as_of:
        return None
    return min(int(as_of), int(moment.timestamp())) if moment else int(as_of)


def _toolchain(
    project: Project, guesses: tuple[Guess, ...], compiled: tuple[Translation, ...], moment: datetime | None
) -> PackageToolchain:
    known = values(guesses)
    wheels = (*project.wheels, *strategies.front_end_requirements(known.get("front-end", "build")))
    for guess in guesses:
        # A project that is its own backend has a guess of little weight: the tree it is built from is the backend.
        if guess.input == "backend" and guess.value and guess.confidence >= _SURE_ENOUGH:
            wheels = with_pin(wheels, guess.value)
    return PackageToolchain(
        suite=SUITES.get(known.get("python", NEWEST), SUITES[NEWEST]),
        relations=(*project.relations, *((strategies.MSGFMT,) if compiled else ())),
        wheels=tuple(dict.fromkeys(wheels)),
        ask_backend=True,
        as_of=_no_later(known.get("requirements", ""), moment),
        zlib="zlib-ng" if known.get("zlib") == "zlib-ng" else "zlib",
    )


def _build(
    project: Project,
    guesses: tuple[Guess, ...],
    taken: Taken,
    ground: Ground,
    compiled: tuple[Translation, ...],
) -> PackageBuild:
    known = values(guesses)
    names = tuple(file.name for file in taken.files)
    wanted: set[_Output] = {"sdist" if name.endswith(_SDISTS) else "wheel" for name in names}
    owners, front_end = known.get("owners", ""), known.get("front-end", "build")
    steps = strategies.python_steps(front_end, wanted=frozenset(wanted))
    return PackageBuild(
        strategy="commands",
        kind=ProjectKind.PYTHON,
        steps=(*strategies.msgfmt_steps(compiled), *steps),
        outputs=project.outputs,
        path=variations.control(project.name).tree,
        history=(project.history or strategies.reads_history(front_end)) and ground.commit is not None,
        environment={**project.environment, **_bytecode(taken)},
        epoch=_seconds(known.get("epoch", "")),
        clock=_seconds(known.get("clock", "")),
        umask=known.get("umask") or "0022",
        replay=replays_of(known.get("times", "commit"), owners, _replayed(taken, known.get("epoch", ""))),
        **plain_owner(owners),
    )


def _replayed(taken: Taken, epoch: str) -> tuple[str, ...]:
    """Artifacts whose times may have to be replayed: none that has one time of its own, a constant, nor a wheel with an
    epoch."""
    wheel, sdist = _facts(taken)
    plain = {".whl": bool(epoch) or ({seconds(time) for time, _ in wheel.times} if wheel else set()) <= set(CONSTANTS)}
    if sdist is not None:
        header = {sdist.gzip.time} if sdist.gzip else set()
        plain |= dict.fromkeys(_SDISTS, {member.time // 10**9 for member in sdist.files} | header <= set(CONSTANTS))
    return tuple(file.name for file in taken.files if not any(file.name.endswith(end) and plain[end] for end in plain))


def _bytecode(taken: Taken) -> dict[str, str]:
    """No bytecode beside the sources where none was published: a backend that lies in the tree, and what a setup.py
    imports of it, would leave some."""
    wheel, sdist = _facts(taken)
    names = (*(sdist.names if sdist else ()), *(member.name for member in (wheel.members if wheel else ())))
    return {} if any(name.endswith(".pyc") for name in names) else {"PYTHONDONTWRITEBYTECODE": "1"}


def _seconds(text: str) -> int | None:
    return int(text) if text else None


def _facts(taken: Taken) -> tuple[WheelFacts | None, SdistFacts | None]:
    """``Stopped(unavailable)`` for a file that is not what its name says: nothing can be read off it."""
    wheels = [path for name, path in taken.paths.items() if name.endswith(".whl")]
    sdists = [path for name, path in taken.paths.items() if name.endswith(_SDISTS)]
    try:
        return (read_wheel(wheels[0]) if wheels else None, read_sdist(sdists[0]) if sdists else None)
    except UsageError as error:
        raise Stopped(Verdict.UNAVAILABLE, f"{taken.release.name} {taken.release.version}: {error}") from error


def _is_portable(name: str) -> bool:
    return name.endswith((_SDIST, "-none-any.whl"))


def _require_possible(name: str) -> None:
    """``Stopped(unavailable)`` for a wheel of another machine, or of an image that we have not got."""
    try:
        if name.endswith(_SDIST):
            parse_sdist_filename(name)
            return
        if name.endswith(_SDISTS):
            reason = f"{name} is an sdist that no front end makes any more: only {_SDIST} is rebuilt"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(name,))
        tags = parse_wheel_filename(name)[3]
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        msg = f"expected a wheel or an sdist, found {name!r}: {error}"
        raise UsageError(msg) from None
    platforms = {tag.platform for tag in tags}
    if not platforms & set(_MACHINES):
        reason = (
            f"{name} is for {', '.join(sorted(platforms)[:4])}: it was made on another system, or in an image of "
            "manylinux, which is not rebuilt here"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(name,))


def _notes(release: Release, files: list[IndexFile], others: list[str]) -> tuple[str, ...]:
    found = []
    yanked = next((file for file in release.files if file.yanked is not None), None)
    if yanked is not None:
        why = f": {yanked.yanked}" if yanked.yanked else ", without a reason"
        found.append(f"{release.name} {release.version} was yanked{why}")
    wheels = [name for name in others if name.endswith(".whl")]
    if wheels:
        found.append(f"not looked at, for they are for one platform each: {', '.join(wheels[:8])}"
                     + (f" and {len(wheels) - 8} more" if len(wheels) > 8 else ""))  # fmt: skip
    odd = [name for name in others if name not in wheels]
    if odd:
        found.append(f"not looked at, for no front end makes such files any more: {', '.join(odd[:8])}")
    unnamed = [file.name for file in files if not file.sha256]
    if unnamed:
        found.append(f"the index names no sha256 of {', '.join(unnamed)}: its bytes were believed when they came")
    return tuple(found)


__all__ = ["SUITES", "PyPI", "replays_of", "values", "with_pin"]
