"""What is signed of a commit or a tag: the exact bytes, and the signature, taken out of the object. Pure.

Git signs an object's text before the signature gets into it: of a commit as a header of several lines, of a tag at the
end. A repository with SHA-256 ids has a header of another name; the other of both names is over another form of the
object, which is not at hand, and in no payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rebuilder.fetch.git_objects import SHA256_DIGITS
from rebuilder.releases import Signed

Scheme = Literal["openpgp", "ssh", "x509"]
#: Of one object; a second one is already odd.
MOST = 4
_HEADERS = (b"gpgsig", b"gpgsig-sha256")
_FIRST_LINES: tuple[tuple[bytes, Scheme], ...] = (
    (b"-----BEGIN PGP SIGNATURE-----", "openpgp"),
    (b"-----BEGIN PGP MESSAGE-----", "openpgp"),
    (b"-----BEGIN SSH SIGNATURE-----", "ssh"),
    (b"-----BEGIN SIGNED MESSAGE-----", "x509"),
)
_TIME = re.compile(rb"^[^\n]*> ?(-?\d{1,24})(?: [^\n]*)?$")
#: Year 9999 ends then: what no calendar has is no time.
LATEST = 253402300799


@dataclass(frozen=True)
class TagText:
    """The headers of an annotated tag."""

    target: str
    kind: str
    name: str
    #: Seconds since 1970; ``None`` where it does not say who made it when.
    time: int | None


def commit_signatures(commit: str, text: bytes) -> tuple[Signed, ...]:
    """Those of a commit's text, whose id is ``commit``."""
    payload, found = _without(text, like=commit)
    return tuple(_signed(f"commit {commit}", payload, found))


def tag_signatures(name: str, text: bytes) -> tuple[Signed, ...]:
    """That of a tag's text."""
    start, at = None, 0
    for line in text.split(b"\n"):
        # As Git does: the last line that looks like one begins it.
        start = at if _scheme(line) else start
        at += len(line) + 1
    if start is None:
        return ()
    payload, _ = _without(text[:start], like="")
    return tuple(_signed(f"tag {name}", payload, [text[start:]]))


def committed_at(text: bytes) -> int:
    """When a commit was committed, in seconds since 1970, held between 0 and ``LATEST``."""
    return moment(text, b"committer") or 0


def tag_text(text: bytes) -> TagText:
    """What a tag says of itself."""
    head = text.partition(b"\n\n")[0].split(b"\n")
    said = {key: value for key, _, value in (line.partition(b" ") for line in reversed(head))}
    target, kind, name = (said.get(key, b"").decode(errors="backslashreplace") for key in (b"object", b"type", b"tag"))
    return TagText(target, kind, name, moment(text, b"tagger"))


def moment(text: bytes, who: bytes) -> int | None:
    """The time in the header ``who`` of a commit or a tag, in seconds since 1970, held between 0 and ``LATEST``;
    ``None`` where it has none."""
    head = text.partition(b"\n\n")[0].split(b"\n")
    line = next((line for line in head if line.startswith(who + b" ")), b"")
    found = _TIME.match(line)
    return min(max(0, int(found[1])), LATEST) if found else None


def _without(text: bytes, *, like: str) -> tuple[bytes, list[bytes]]:
    """The text without its headers of signatures, and those that are over it."""
    head, blank, body = text.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[tuple[bytes, list[bytes]]] = []
    inside = False
    for line in head.split(b"\n"):
        if inside and line.startswith(b" "):
            found[-1][1].append(line[1:])
            continue
        key, _, value = line.partition(b" ")
        inside = key in _HEADERS
        if inside:
            found.append((key, [value]))
        else:
            kept.append(line)
    own = b"gpgsig-sha256" if len(like) == SHA256_DIGITS else b"gpgsig"
    signatures = [b"".join(line + b"\n" for line in lines) for key, lines in found if key == own]
    return b"".join((b"\n".join(kept), blank, body)), signatures


def _signed(subject: str, payload: bytes, found: list[bytes]) -> Iterator[Signed]:
    for signature in found[:MOST]:
        if scheme := _scheme(signature):
            yield Signed(subject=subject, scheme=scheme, payload=payload, signature=signature)


def _scheme(text: bytes) -> Scheme | None:
    return next((scheme for line, scheme in _FIRST_LINES if text.startswith(line)), None)
