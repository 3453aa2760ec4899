"""SSH signatures over files, commits and tags (OpenSSH's PROTOCOL.sshsig): pure.

A signature is for one purpose, its *namespace*: `git` for commits and tags, `file` for files. One that was made for
another purpose is not valid, whoever made it. It says nothing of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from rebuilder.endorse import sshkey
from rebuilder.endorse.body import Body
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.sshwire import Reader, string
from rebuilder.model import EndorsementResult, SignatureCheck

BEGIN = b"-----BEGIN SSH SIGNATURE-----"
_END = b"-----END SSH SIGNATURE-----"
#: RSA of 16384 bits takes 6 kB.
_ARMOUR_LIMIT = 64 * 1024
_MAGIC = b"SSHSIG"
_HASHES = ("sha256", "sha512")


@dataclass(frozen=True, kw_only=True)
class PinnedKey:
    """A key that counts, and for which namespaces; none named: for each that we ask for."""

    key: sshkey.PublicKey
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A signature as it stands in its armour. ``key`` is the public key in its wire form."""

    key: bytes
    namespace: str
    hash: str
    signature: bytes


def parse(armour: bytes) -> Parsed:
    """Take an armoured signature apart. ``BadFrame`` for anything around it, in it or after it that has no place."""
    reader = Reader(_unwrapped(armour), "the SSH signature")
    if reader.raw(len(_MAGIC)) != _MAGIC:
        msg = "the SSH signature does not begin with SSHSIG"
        raise BadFrame(msg)
    number = reader.number()
    if number != 1:
        msg = f"expected an SSH signature of version 1, found version {number}"
        raise BadFrame(msg)
    key, namespace, reserved = reader.string(), reader.word(), reader.string()
    found = Parsed(key=key, namespace=namespace, hash=reader.word(), signature=reader.string())
    reader.end()
    if reserved:
        msg = f"the SSH signature has {len(reserved)} reserved bytes, which have no meaning yet"
        raise BadFrame(msg)
    if found.hash not in _HASHES:
        msg = f"expected an SSH signature over a sha256 or sha512, found {found.hash!r}"
        raise BadFrame(msg)
    return found


def judge(armour: bytes, body: Body, keys: Sequence[PinnedKey], *, namespace: str, subject: str) -> SignatureCheck:
    """Judge one armoured signature over ``body``. ``BadFrame`` if it can't be read at all.

    ``no-key``: no key of ``keys`` made it, or one that is not pinned for this namespace. ``invalid``: one made it, and
    it does not hold for these bytes and this namespace.
    """
    found = parse(armour)
    name = sshkey.fingerprint(found.key)

    def check(result: EndorsementResult, reason: str) -> SignatureCheck:
        return SignatureCheck(
            scheme="ssh", subject=subject, result=result, fingerprint=name, tool=tool(), reason=reason
        )

    held = [pinned for pinned in keys if pinned.key.fingerprint == name]
    if not held:
        return check(EndorsementResult.NO_KEY, f"made by {name}, which is not pinned")
    if not any(not pinned.namespaces or namespace in pinned.namespaces for pinned in held):
        meant = ", ".join(sorted({one for pinned in held for one in pinned.namespaces}))
        return check(EndorsementResult.NO_KEY, f"made by {name}, which is pinned for {meant} and not for {namespace}")
    if found.namespace != namespace:
        reason = f"made by {name} for the namespace {found.namespace!r}: expected {namespace!r}"
        return check(EndorsementResult.INVALID, reason)
    try:
        held[0].key.check(found.signature, _signed_data(found, body))
    except sshkey.BadSignature as fault:
        return check(EndorsementResult.INVALID, f"a signature of {name} that does not count: {fault}")
    return check(EndorsementResult.VALID, f"made by {name} ({held[0].key.type}) for the namespace {namespace!r}")


def _signed_data(found: Parsed, body: Body) -> bytes:
    fields = (found.namespace.encode(), b"", found.hash.encode(), body.digest(found.hash))
    return _MAGIC + b"".join(string(field) for field in fields)


def _unwrapped(armour: bytes) -> bytes:
    if len(armour) > _ARMOUR_LIMIT:
        msg = f"expected at most {_ARMOUR_LIMIT} bytes of an SSH signature, found {len(armour)}"
        raise BadFrame(msg)
    lines = [line.rstrip(b" \t\r") for line in armour.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != _END:
        msg = f"expected one SSH signature from {BEGIN.decode()!r} to {_END.decode()!r} and nothing around it"
        raise BadFrame(msg)
    return sshkey.decode(b"".join(lines[1:-1]))


@cache
def tool() -> str:
    """Name and version of what judged, for the record."""
    return f"cryptography {version('cryptography')}"
