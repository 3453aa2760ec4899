"""What has to be read from fetched bytes before a Debian source can be built: its time, a binary-only entry."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rebuilder import deb822
from rebuilder.errors import Stopped
from rebuilder.model import Artifact, BuildKind, FileDigest, Input, Origin, Source, SourceKind, Verdict
from rebuilder.resolve import debian_source, debian_unpack
from rebuilder.resolve.debian_changelog import binary_only_entry, newest_entry
from rebuilder.resolve.debian_inputs import origin_of
from rebuilder.resolve.debian_lists import binary_only_suffix
from rebuilder.resolve.debian_plan import BINARY_ONLY_NAME

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Fetcher, Resolution

#: Of a changelog only its beginning is ever read.
_CHANGELOG_START = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Times:
    """The epoch of a build, the changelog entry it may come from, and who says so."""

    epoch: int | None
    entry: FileDigest | None
    inputs: tuple[Input, ...]


def times(resolution: Resolution, source: Source, build: BuildKind, *, fetcher: Fetcher, blobs: Blobs) -> Times:
    """SOURCE_DATE_EPOCH of one kind of build, and for a binary-only rebuild its changelog entry.

    ``Stopped(unavailable)`` if a binary-only rebuild's entry is in none of its published packages.
    """
    of_rebuild = [item for item in resolution.published.artifacts if _suffix(resolution, item)]
    rebuilt = [item for item in of_rebuild if item.build == build]
    if not rebuilt:
        declared = _declared(resolution, source, blobs)
        # The other kind's epoch is a recovered one: that is what the record has to show for the run.
        return replace(declared, inputs=()) if of_rebuild else declared
    version = source.version + _suffix(resolution, rebuilt[0])
    for item in rebuilt:
        found = _published_entry(item, source.name, version, fetcher=fetcher, blobs=blobs)
        if found is not None:
            return _recovered(item, version, *found, blobs=blobs)
    names = ", ".join(item.file.name for item in rebuilt)
    reason = f"{version} is a rebuild without source changes, and {names} does not hold its changelog entry"
    raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"changelog entry {source.name} ({version})",))


def _declared(resolution: Resolution, source: Source, blobs: Blobs) -> Times:
    set_by_recipe = resolution.recipe.build.environment.get("SOURCE_DATE_EPOCH")
    if set_by_recipe is not None:
        origin = origin_of(resolution.inputs, "environment")
        given = Input(name="epoch", value=set_by_recipe, origin=origin, evidence="SOURCE_DATE_EPOCH of the environment")
        return Times(epoch=None, entry=None, inputs=(given,))
    newest = debian_source.newest_entry(source, blobs.path)
    epoch = newest.epoch if newest else None
    value = str(epoch) if newest else "as dpkg reads it off the changelog"
    entry = f"{newest.source} ({newest.version})" if newest else "its newest"
    evidence = f"debian/changelog of the source, entry {entry}"
    # The changelog is part of the source: whoever says that this is the source says so of its time.
    said = [Input(name="epoch", value=value, origin=origin_of(resolution.inputs, "source"), evidence=evidence)]
    if source.kind is SourceKind.LOCAL_TREE:
        words = "as the files at hand have them, none later than the changelog's"
        why = "nobody says which times the publisher's files had"
        said.append(Input(name="times", value=words, origin=Origin.ASSUMED, evidence=why))
    return Times(epoch=epoch, entry=None, inputs=tuple(said))


def _recovered(item: Artifact, version: str, text: bytes, place: str, *, blobs: Blobs) -> Times:
    entry = blobs.put([text + b"\n"], name=BINARY_ONLY_NAME, limit=len(text) + 1)
    epoch = newest_entry(text).epoch
    evidence = f"{place} of {item.file.name} (sha256 {item.file.sha256})"
    said = f"entry {version}, sha256 {entry.sha256}: {' '.join(text.decode().split())}"
    return Times(
        epoch=epoch,
        entry=entry,
        inputs=(
            Input(name="epoch", value=str(epoch), origin=Origin.RECOVERED, evidence=evidence),
            Input(name="changelog", value=said, origin=Origin.RECOVERED, evidence=evidence),
        ),
    )


def _published_entry(
    item: Artifact, source: str, version: str, *, fetcher: Fetcher, blobs: Blobs
) -> tuple[bytes, str] | None:
    """The entry and the file it stands in, from one published package; ``None`` if this one does not have it."""
    folder = f"usr/share/doc/{item.package}"
    middles = ("", ".Debian", f".{item.architecture}", f".Debian.{item.architecture}")
    places = {f"{folder}/changelog{middle}.gz" for middle in middles}
    path = blobs.path(fetcher.fetch(item.file).sha256)
    try:
        for place, data in debian_unpack.deb_members(path, item.file.name, "data.tar", places.__contains__):
            found = _entry(data, source, version)
            if found is not None:
                return found, place
    except deb822.Malformed:
        # The bytes are what was published; that they are no package, the comparison will show.
        return None
    return None


def _entry(packed: bytes, source: str, version: str) -> bytes | None:
    try:
        start = zlib.decompressobj(31).decompress(packed, _CHANGELOG_START)
        return binary_only_entry(start, source, version)
    except (deb822.Malformed, zlib.error):
        return None


def _suffix(resolution: Resolution, item: Artifact) -> str:
    return binary_only_suffix(item.version, resolution.published.source_version)
