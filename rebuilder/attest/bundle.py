"""Bundles: one DSSE envelope a line, ``<name>.intoto.jsonl`` (`docs/formats/bundle.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote

from rebuilder.attest.dsse import MAX_ENVELOPE, Envelope, parse
from rebuilder.attest.strict import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:  # the model is not needed to read a bundle
    from rebuilder.attest.pins import Role
    from rebuilder.attest.statements import Statement
    from rebuilder.model import Record

SUFFIX = ".intoto.jsonl"
MAX_BUNDLE = 64 * 1024**2
MAX_LINES = 1000


def bundle_name(record: Record) -> str:
    """File name of the bundle of a run: that of source and version, safe as a plain file name."""
    if record.published is None:
        return f"run{SUFFIX}"
    name = f"{record.published.source_name}_{record.published.source_version}"
    return quote(name, safe="+~")[: 255 - len(SUFFIX)].rstrip("%") + SUFFIX


def sign_statements(statements: Iterable[Statement], sign: Callable[[Role, bytes], bytes]) -> bytes:
    """Every statement signed by the key of its role, in order, one envelope a line."""
    return join([sign(statement.role, statement.body) for statement in statements])


def join(envelopes: list[bytes]) -> bytes:
    """Bytes of a bundle. Raises ``ValueError`` for an envelope that would not stay one line."""
    for envelope in envelopes:
        if b"\n" in envelope or not envelope:
            msg = "expected each envelope to be one line, found a line end or nothing"
            raise ValueError(msg)
    return b"".join(envelope + b"\n" for envelope in envelopes)


def split(data: bytes) -> tuple[Envelope, ...]:
    """The envelopes of a bundle, none verified yet. Raises ``FormatError``; an empty file has none."""
    if len(data) > MAX_BUNDLE:
        msg = f"bundle: expected at most {MAX_BUNDLE} bytes, found more"
        raise FormatError(msg)
    lines = data.removesuffix(b"\n").split(b"\n", MAX_LINES) if data else []
    if len(lines) > MAX_LINES:
        msg = f"bundle: expected at most {MAX_LINES} lines, found more"
        raise FormatError(msg)
    return tuple(_line(number, line) for number, line in enumerate(lines, 1))


def _line(number: int, line: bytes) -> Envelope:
    if len(line) > MAX_ENVELOPE or not (line.startswith(b"{") and line.endswith(b"}")):
        msg = f"line {number}: expected one JSON object of at most {MAX_ENVELOPE} bytes, found something else"
        raise FormatError(msg)
    try:
        return parse(line)
    except FormatError as error:
        msg = f"line {number}: {error}"
        raise FormatError(msg) from error
