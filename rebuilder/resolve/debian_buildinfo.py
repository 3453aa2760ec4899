"""A publisher's `.buildinfo`: which build it describes, where it was made, with which variables. Pure.

Spec: deb-buildinfo(5). Its list of packages becomes a toolchain lock elsewhere; here is what the build itself
is told. How far it may be believed depends on who vouches for it:

* `declared`: the archive's own signed index names it by digest, or a key that the anchor pins has signed it, and
  it lists every published package with exactly the published digest;
* `pinned`: any other that lists at least one of them so. Whoever handed it over chose it, and a maintainer's
  signature does not change that: a distribution has many. A difference under it proves nothing against the publisher.

What it says is `declared` only as far as it is followed: see ``_unfollowed``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rebuilder import deb822
from rebuilder.errors import RecipeError, UsageError
from rebuilder.model import EndorsementResult, FileDigest, Input, Origin, Published, SignatureCheck, Source, SourceKind
from rebuilder.recipe import RecipeBuild
from rebuilder.resolve.debian_inputs import setting_inputs
from rebuilder.resolve.debian_lists import Paragraph, source_of
from rebuilder.resolve.debian_plan import build_path

_EPOCH = "SOURCE_DATE_EPOCH"
BUILDINFO_LIMIT = 8 * 1024**2
_PAIR = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\Z')
#: What deb-buildinfo(5) may record, less what names files of the publisher's machine.
_ALLOWED = re.compile(
    r"(?:CC|CPP|CXX|OBJC|OBJCXX|PC|FC|M2C|AS|LD|AR|RANLIB|MAKE|AWK|LEX|YACC"
    r"|(?:AS|C|CPP|CXX|OBJC|OBJCXX|D|F|LD)FLAGS(?:_FOR_BUILD)?|ARFLAGS|MAKEFLAGS|GNUMAKEFLAGS"
    r"|LANG|LC_[A-Z]+|TZ|DEB_[A-Z0-9_]+|DPKG_GENSYMBOLS_CHECK_LEVEL|SOURCE_DATE_EPOCH)\Z"
)


@dataclass(frozen=True, kw_only=True)
class BuildInfo:
    """What a `.buildinfo` says of the build, apart from its packages."""

    source: str
    source_version: str
    path: str
    environment: dict[str, str]
    #: Variables it names that are not taken over.
    left_out: tuple[str, ...]
    #: `Build-Tainted-By`: what dpkg found odd where it was built, and is not so here.
    tainted: tuple[str, ...]
    files: tuple[deb822.ListedFile, ...]
    #: `Installed-Build-Depends`, one package a line: only to see whether two builds had the same.
    installed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A `.buildinfo` and what is known about who vouches for it."""

    file: FileDigest
    text: bytes
    check: SignatureCheck
    #: The signed index that names it by digest, in words; empty if none does.
    index: str = ""
    #: Whether ``check`` is by a key that the anchor pins, not by a maintainer's.
    anchored: bool = False


class ContradictionError(UsageError):
    """It is of another source, or gives a published file another digest."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How a `.buildinfo` changes a build, and the origins that follow."""

    build: RecipeBuild
    inputs: tuple[Input, ...]
    warnings: tuple[str, ...]


def parse_buildinfo(text: bytes) -> BuildInfo:
    """Read the text of a `.buildinfo`. Raises ``deb822.Malformed``."""
    found = [deb822.fields(paragraph) for paragraph in deb822.paragraphs(text)]
    if len(found) != 1 or not {"Source", "Version", "Checksums-Sha256"} <= found[0].keys():
        msg = "expected one paragraph with Source, Version and Checksums-Sha256"
        raise deb822.Malformed(msg)
    fields = found[0]
    source, version = source_of({"Package": fields["Source"].split(" ")[0], **fields})
    variables = dict(_variable(line) for line in fields.get("Environment", "").split("\n") if line.strip())
    kept = {name: value for name, value in variables.items() if _ALLOWED.match(name) and value.isprintable()}
    return BuildInfo(
        source=source,
        source_version=version,
        path=fields.get("Build-Path", ""),
        environment=kept,
        left_out=tuple(sorted(variables.keys() - kept.keys())),
        tainted=tuple(fields.get("Build-Tainted-By", "").split()),
        files=deb822.checksums(fields["Checksums-Sha256"]),
        installed=tuple(line.strip() for line in fields.get("Installed-Build-Depends", "").split("\n") if line.strip()),
    )


def named_by_index(paragraph: Paragraph) -> tuple[str, str, str] | None:
    """Path, sha256 and size of the `.buildinfo` that a paragraph of `Packages` names, if it does."""
    path = paragraph.get("Buildinfo-Filename", "").removeprefix("./")
    return (path, paragraph.get("Buildinfo-Sha256", ""), paragraph.get("Buildinfo-Size", "")) if path else None


def apply_buildinfo(given: tuple[Given, ...], published: Published, build: RecipeBuild) -> Applied:
    """Build path, environment and toolchain as one or more `.buildinfo` have them: an archive builds `any` and
    `all` apart, so that one source has a `.buildinfo` for each.

    The first decides. ``UsageError`` if one of them is not the `.buildinfo` of these packages,
    ``ContradictionError`` if it says otherwise what was published.
    """
    infos = [_parsed(item) for item in given]
    covered: set[str] = set()
    for item, info in zip(given, infos, strict=True):
        covered |= _check_subject(item, info, published)
    first, agreed = infos[0], _agree(infos)
    origin, evidence = _standing(given, everything=agreed and len(covered) == len(published.artifacts))
    path, warnings = _path(first, published, build)
    if not agreed:
        names = ", ".join(item.file.name for item in given)
        warnings += (f"{names} name different packages, paths or variables; those of the first were taken",)
    unfollowed = _unfollowed(infos)
    warnings += tuple(f"{given[0].file.name}: {note}" for note in unfollowed)
    variables = _variables(infos)
    told = build.model_copy(update={"path": path or build.path, "environment": {**build.environment, **variables}})
    inputs = [item for item in setting_inputs(published, told) if item.name == "command"]
    packages = f"packages of {given[0].file.name}"
    inputs.append(Input(name="toolchain", value=packages, origin=origin, evidence=evidence))
    if path:
        inputs.append(Input(name="path", value=path, origin=origin, evidence=evidence))
    words = " ".join(f"{name}={value}" for name, value in sorted(variables.items()))
    if unfollowed or not path:
        # Not what the publisher says, but what we made of it.
        origin = Origin.PINNED
        notes = "; ".join((*unfollowed, *(() if path else ("another build path",))))
        evidence = f"{evidence}; not followed to the letter: {notes}"
    inputs.append(Input(name="environment", value=words or "no variable", origin=origin, evidence=evidence))
    return Applied(build=told, inputs=tuple(inputs), warnings=warnings)


def _parsed(given: Given) -> BuildInfo:
    try:
        return parse_buildinfo(given.text)
    except deb822.Malformed as error:
        msg = f"{given.file.name}: not a .buildinfo: {error}"
        raise UsageError(msg, hint=f"its signature: {given.check.reason}") from error


def _unfollowed(infos: list[BuildInfo]) -> tuple[str, ...]:
    """Where our surroundings are not the ones that were declared, in words."""
    left_out = sorted({name for info in infos for name in info.left_out})
    tainted = sorted({tag for info in infos for tag in info.tainted})
    notes = (("variables that were not taken over", left_out), ("built where dpkg found something odd", tainted))
    return tuple(f"{words}: {', '.join(names)[:500]}" for words, names in notes if names)


def _agree(infos: list[BuildInfo]) -> bool:
    """Whether they describe one and the same surroundings; the epoch of a binary-only rebuild is its own."""
    surroundings = [(info.installed, info.path, {**info.environment, _EPOCH: ""}) for info in infos]
    return all(item == surroundings[0] for item in surroundings)


def _variables(infos: list[BuildInfo]) -> dict[str, str]:
    """The variables of the first, less an epoch that another contradicts: then each kind has its changelog's."""
    variables = dict(infos[0].environment)
    if len({info.environment.get(_EPOCH) for info in infos}) > 1:
        variables.pop(_EPOCH, None)
    return variables


def _check_subject(given: Given, info: BuildInfo, published: Published) -> set[str]:
    """Published packages it lists with the very digest; it must be of this source and list one, none otherwise."""
    if (info.source, info.source_version) != (published.source_name, published.source_version):
        expected = f"{published.source_name} {published.source_version}"
        msg = f"{given.file.name}: expected the .buildinfo of {expected}, it is of {info.source} {info.source_version}"
        raise ContradictionError(msg)
    listed = {item.name: item.sha256 for item in info.files}
    files = [item.file for item in published.artifacts]
    other = [file.name for file in files if listed.get(file.name, file.sha256) != file.sha256]
    covered = {file.name for file in files if listed.get(file.name) == file.sha256}
    if other or not covered:
        names = ", ".join(other or [file.name for file in files])
        msg = f"{given.file.name} describes another build: it does not list {names} with the published sha256"
        hint = "take the .buildinfo of the build that was published, or leave --buildinfo out"
        raise (ContradictionError if other else UsageError)(msg, hint=hint)
    return covered


def _standing(given: tuple[Given, ...], *, everything: bool) -> tuple[Origin, str]:
    """Who vouches for them all: the weakest of them counts."""
    name = ", ".join(f"{item.file.name} (sha256 {item.file.sha256})" for item in given)
    if not everything:
        return Origin.PINNED, f"{name}, which do not speak with one voice for all published packages"
    unnamed = [item for item in given if not item.index]
    if not unnamed:
        return Origin.DECLARED, f"{name}, named by {given[0].index}"
    weak = [item for item in unnamed if not item.anchored]
    if not weak:
        return Origin.DECLARED, f"{name}, signed by {unnamed[0].check.fingerprint}, which the anchor pins"
    check = weak[0].check
    if check.result is EndorsementResult.VALID:
        return Origin.PINNED, f"{name}, given by hand; signed by {check.fingerprint}, which no anchor pins"
    return Origin.PINNED, f"{name}, given by hand; its signature: {check.result}, {check.reason}"


def _path(info: BuildInfo, published: Published, build: RecipeBuild) -> tuple[str, tuple[str, ...]]:
    """The path to build in, if it can be had here."""
    if not info.path:
        return "", ("the .buildinfo does not say where the tree lay; it is built where the recipe or the default says",)
    place = Source(
        kind=SourceKind.SIGNED_DSC,
        name=published.source_name,
        version=published.source_version,
        files=published.source_files,
        uri="",
    )
    try:
        return build_path(place, info.path), ()
    except RecipeError:
        usual = build_path(place, build.path)
        note = f"it was built in {info.path[:200]!r}, which can't be had in this sandbox; built in {usual} instead"
        return "", (note,)


def _variable(line: str) -> tuple[str, str]:
    match = _PAIR.match(line.strip())
    if not match:
        msg = f'expected a line NAME="value" under Environment, found {line[:120]!r}'
        raise deb822.Malformed(msg)
    return match[1], re.sub(r"\\(.)", r"\1", match[2])
