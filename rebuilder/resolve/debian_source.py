"""A Debian source package: its `.dsc`, its build dependencies, and the newest entry of its changelog.

Spec: dsc(5), Debian Policy 5.4 and 7.7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rebuilder import deb822
from rebuilder.errors import RecipeError, Stopped
from rebuilder.model import BuildKind, FailureReason, FileDigest, Source, Verdict
from rebuilder.resolve import debian_changelog, debian_unpack
from rebuilder.resolve.debian_target import NAME, VERSION

DSC_LIMIT = 4 * 1024**2
#: What `dpkg-source` of the suites can unpack without a version control system.
FORMATS = ("1.0", "3.0 (quilt)", "3.0 (native)")
_DEBIAN_TAR = re.compile(r"\.debian\.tar(?:\.(?:xz|gz|bz2|lzma))?\Z")
_NATIVE_TAR = re.compile(r"\.tar(?:\.(?:xz|gz|bz2|lzma))?\Z")

#: Debian Policy 7.1. Strict, because these strings become arguments of a program: none may begin with a dash.
_RELATION = re.compile(
    r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?: ?\((?:<<|<=|=|>=|>>|<|>) ?[A-Za-z0-9.+:~-]+\))?"
    r"(?: ?\[!?[a-z0-9-]+(?: !?[a-z0-9-]+)*\])?(?: ?<!?[a-z0-9.-]+(?: !?[a-z0-9.-]+)*>)*\Z"
)

#: From a file of the source to its path in the blobs.
Paths = Callable[[str], Path]


@dataclass(frozen=True, kw_only=True)
class Dsc:
    """What a `.dsc` says, read from its verified or vouched text."""

    name: str
    version: str
    format: str
    fields: dict[str, str]
    files: tuple[deb822.ListedFile, ...]


def parse_dsc(text: bytes) -> Dsc:
    """Read the text of a `.dsc`. Raises ``deb822.Malformed`` for a form, a name or a path that is not sane."""
    found = [deb822.fields(paragraph) for paragraph in deb822.paragraphs(text)]
    if len(found) != 1:
        msg = f"expected one paragraph in a .dsc, found {len(found)}"
        raise deb822.Malformed(msg)
    fields = found[0]
    name, version = fields.get("Source", ""), fields.get("Version", "")
    if not NAME.match(name) or not VERSION.match(version):
        msg = f"expected a source name and version in a .dsc, found {name[:80]!r} {version[:80]!r}"
        raise deb822.Malformed(msg)
    if fields.get("Format", "") not in FORMATS:
        msg = f"source {name}: expected format {', '.join(FORMATS)}, found {fields.get('Format', '')[:40]!r}"
        raise deb822.Malformed(msg)
    files = deb822.checksums(fields.get("Checksums-Sha256", ""))
    if not files or any("/" in item.name or item.name.endswith(".dsc") for item in files):
        msg = f"source {name}: expected plain file names under Checksums-Sha256, found {[item.name for item in files]}"
        raise deb822.Malformed(msg)
    return Dsc(name=name, version=version, format=fields["Format"], fields=fields, files=files)


def checked_dsc(text: bytes, source: Source, *, vouched: bool) -> Dsc:
    """The `.dsc`, which must say of every file what the signed index or the recipe says.

    For a contradiction ``Stopped(refused)`` if a signed list has vouched for those files, for then both are the
    publisher's word, else ``RecipeError``: only the recipe says that they belong together.
    ``Stopped(build-failed)`` for a source that nobody could unpack.
    """
    try:
        dsc = parse_dsc(text)
    except deb822.Malformed as error:
        raise bad_source(str(error)) from error
    if (dsc.name, dsc.version) != (source.name, source.version):
        reason = f"expected the .dsc of {source.name} {source.version}, its text is of {dsc.name} {dsc.version}"
        raise _contradiction(reason, vouched=vouched)
    expected = {item.name: (item.sha256, item.size) for item in source.files[1:]}
    found = {item.name: (item.sha256, item.size) for item in dsc.files}
    if expected != found:
        names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        reason = (
            f"the .dsc of {source.name} {source.version} contradicts the digests it was fetched by: "
            f"it names other bytes, or a missing or further file, for {', '.join(names)}"
        )
        raise _contradiction(reason, vouched=vouched)
    return dsc


def _contradiction(reason: str, *, vouched: bool) -> Stopped | RecipeError:
    if vouched:
        return Stopped(Verdict.REFUSED, reason)
    msg = f"{reason}. No signed list names these files, so the recipe alone puts them together"
    return RecipeError(msg, hint="write into the recipe the files and digests that the .dsc names")


def bad_source(reason: str) -> Stopped:
    """A source that can't be unpacked: a failed build, with its reason from the closed list."""
    return Stopped(Verdict.BUILD_FAILED, f"{FailureReason.BAD_SOURCE}: {reason}")


def relations(fields: dict[str, str], build: BuildKind) -> tuple[str, ...]:
    """Build dependencies for one kind of build, as relation strings with their architecture and profile
    restrictions; a conflict begins with `Conflicts: `, the form `apt-get satisfy` takes.

    ``Stopped(build-failed)`` for anything that is not a relation.
    """
    part = {"any": "-Arch", "all": "-Indep"}.get(build, "")
    depends = [*_split(fields, "Build-Depends"), *_split(fields, f"Build-Depends{part}")]
    conflicts = [*_split(fields, "Build-Conflicts"), *_split(fields, f"Build-Conflicts{part}")]
    return tuple(dict.fromkeys([*depends, *(f"Conflicts: {item}" for item in conflicts)]))


def read_changelog(source: Source, path: Paths) -> bytes | None:
    """The beginning of `debian/changelog`, read out of the packed source; ``None`` if it can't be found there."""
    tar = next((file for file in source.files if _DEBIAN_TAR.search(file.name)), None)
    if tar is not None:
        return _member(tar, path, lambda name: name == "debian/changelog")
    diff = next((file for file in source.files if file.name.endswith(".diff.gz")), None)
    if diff is not None:
        return _from_diff(debian_unpack.lines(path(diff.sha256), diff.name))
    native = [file for file in source.files if _NATIVE_TAR.search(file.name)]
    return _member(native[0], path, _in_tree("changelog")) if len(native) == 1 else None


def tree_control(source: Source, path: Paths) -> dict[str, str]:
    """The first paragraph of `debian/control` of a local tree. ``Stopped(build-failed)`` if there is none."""
    try:
        data = _member(source.files[0], path, _in_tree("control"))
        first = next(deb822.paragraphs(data or b""), None)
        if first is not None:
            return deb822.fields(first)
    except deb822.Malformed as error:
        reason = f"debian/control: {error}"
        raise bad_source(reason) from error
    reason = "expected build dependencies in debian/control of the tree, found no such file"
    raise bad_source(reason)


def newest_entry(source: Source, path: Paths) -> debian_changelog.Entry | None:
    """The newest changelog entry; ``None`` where only dpkg itself can tell (an odd form, a patched file)."""
    try:
        data = read_changelog(source, path)
        return debian_changelog.newest_entry(data) if data else None
    except deb822.Malformed:
        return None


def _in_tree(file: str) -> debian_unpack.Wanted:
    return lambda name: name.partition("/")[2] == f"debian/{file}"


def _member(file: FileDigest, path: Paths, wanted: debian_unpack.Wanted) -> bytes | None:
    """The first such member of a packed source file, at most ``debian_unpack.MEMBER_LIMIT`` bytes of it."""
    return next((data for _, data in debian_unpack.tar_members(path(file.sha256), file.name, wanted)), None)


def _split(fields: dict[str, str], field: str) -> Iterator[str]:
    text = re.sub(r"\s+", " ", re.sub(r"\n#[^\n]*", "", fields.get(field, "")))
    for item in filter(None, map(str.strip, text.split(","))):
        if not all(_RELATION.match(alternative.strip()) for alternative in item.split("|")):
            reason = f"{field}: expected relations as Debian Policy 7.1 allows them, found {item[:120]!r}"
            raise bad_source(reason)
        yield item


def _from_diff(rows: Iterable[bytes]) -> bytes | None:
    """`debian/changelog` as a `.diff.gz` creates it, or its beginning as the diff leaves it."""
    found: list[bytes] = []
    wanted, size, hunks = False, 0, 0
    for row in rows:
        if row.startswith(b"+++ "):
            wanted = row[4:].split(b"\t")[0].strip().partition(b"/")[2] == b"debian/changelog"
            hunks = 0
        elif wanted and row.startswith(b"@@ "):
            hunks += 1
            if hunks > 1 or not re.match(rb"@@ -[0-9,]+ \+1[, ]", row):
                break
        elif wanted and row[:1] in {b"+", b" "}:
            found.append(row[1:])
            size += len(row)
        elif found and row.startswith(b"--- "):
            break
        if size > debian_unpack.MEMBER_LIMIT:
            break
    return b"".join(found) or None
