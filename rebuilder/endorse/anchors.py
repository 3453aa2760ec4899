"""Anchors as they are written, one TOML file each, and as they are loaded: pure. `docs/formats/trust-store.md`.

v1 is for OpenPGP alone and stays what it was; v2 says the same of OpenPGP, and knows SSH and minisign.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from rebuilder.endorse import minisign, sshkey, sshkeys
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.openpgp import Keyring
from rebuilder.endorse.sshsig import PinnedKey
from rebuilder.model import FileName, Fingerprint, Value

Kind = Literal["openpgp", "ssh", "minisign"]
_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"


class Pin(Value):
    """A primary key that counts, and why the operator thinks it is the right one."""

    fingerprint: Fingerprint
    why: str = Field(min_length=1)


class SshPin(Value):
    """An SSH key that counts, why, and for what; nothing named: for commits, tags and files."""

    fingerprint: str = Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")
    why: str = Field(min_length=1)
    namespaces: tuple[Literal["git", "file"], ...] = ()


class MinisignPin(Value):
    """A minisign key, whole, and why. ``id`` is what minisign calls it; given, it has to be that of ``key``."""

    key: str = Field(pattern=r"^RW[A-Za-z0-9+/]{54}$")
    id: str = Field("", pattern=r"^(?:[0-9A-F]{16})?$")
    why: str = Field(min_length=1)


class AnchorFile(Value):
    """One ``<name>.toml`` of v1."""

    format: Literal["rebuilder/trust-anchor/v1"]
    name: str = Field(pattern=_NAME)
    kind: Literal["openpgp"]
    about: str = ""
    #: The key file beside it.
    keys: FileName
    pins: tuple[Pin, ...] = Field(min_length=1)


class _AnchorFile2(Value):
    format: Literal["rebuilder/trust-anchor/v2"]
    name: str = Field(pattern=_NAME)
    about: str = ""


class OpenPgpAnchorFile(_AnchorFile2):
    """As v1."""

    kind: Literal["openpgp"]
    keys: FileName
    pins: tuple[Pin, ...] = Field(min_length=1)


class SshAnchorFile(_AnchorFile2):
    """SSH keys, and the file beside it that holds them."""

    kind: Literal["ssh"]
    keys: FileName
    pins: tuple[SshPin, ...] = Field(min_length=1)


class MinisignAnchorFile(_AnchorFile2):
    """Minisign keys, which are so short that the pins hold them."""

    kind: Literal["minisign"]
    pins: tuple[MinisignPin, ...] = Field(min_length=1)


Written = AnchorFile | OpenPgpAnchorFile | SshAnchorFile | MinisignAnchorFile

_SECOND: Mapping[str, type[OpenPgpAnchorFile | SshAnchorFile | MinisignAnchorFile]] = {
    "openpgp": OpenPgpAnchorFile,
    "ssh": SshAnchorFile,
    "minisign": MinisignAnchorFile,
}


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A loaded anchor: of its kind it holds the pinned keys and no other, of other kinds none."""

    name: str
    kind: Kind
    #: Of ``openpgp``.
    pins: tuple[Pin, ...] = ()
    keyring: Keyring = field(default_factory=lambda: Keyring(b""))
    ssh: tuple[PinnedKey, ...] = ()
    minisign: tuple[minisign.PublicKey, ...] = ()

    @property
    def expected(self) -> tuple[str, ...]:
        """The names of all pinned keys, as the anchor writes them."""
        openpgp, ssh = (pin.fingerprint for pin in self.pins), (pinned.key.fingerprint for pinned in self.ssh)
        return (*openpgp, *ssh, *(key.text for key in self.minisign))


#: Stands for an anchor that pins nothing: what a recipe names whose files nobody vouches for.
NOBODY = "none"


def parse(data: bytes) -> Written:
    """The anchor in a TOML file. ``ValidationError`` of pydantic, or ``ValueError`` with the reason."""
    table = tomllib.loads(data.decode())
    if table.get("format") != "rebuilder/trust-anchor/v2":
        return AnchorFile.model_validate(table)
    kind = table.get("kind")
    found = _SECOND.get(kind) if isinstance(kind, str) else None
    if found is None:
        msg = f"kind: expected 'openpgp', 'ssh' or 'minisign', found {kind!r:.200}"
        raise ValueError(msg)
    return found.model_validate(table)


def pinned_certificates(pins: tuple[Pin, ...], everything: Keyring) -> Keyring:
    """The pinned certificates of a keyring and no other, so that no other can ever count. ``ValueError`` if one is
    not in it as a primary key."""
    chosen = []
    for pin in pins:
        certificate = everything.holder(pin.fingerprint)
        if certificate is None or certificate.fingerprint.upper() != pin.fingerprint:
            msg = f"pins {pin.fingerprint}, but the file has no such primary key"
            raise ValueError(msg)
        chosen.append(bytes(certificate))
    return Keyring(b"".join(chosen))


def pinned_ssh_keys(pins: tuple[SshPin, ...], listed: tuple[sshkeys.ListedKey, ...]) -> tuple[PinnedKey, ...]:
    """The pinned keys of a file. Where its line allows a key less than the pin, the line holds. ``ValueError`` for one
    that is not in it, or that can't count."""
    chosen = []
    for pin in pins:
        lines = [one for one in listed if one.fingerprint == pin.fingerprint]
        if not lines:
            msg = f"pins {pin.fingerprint}, but the file has no such key"
            raise ValueError(msg)
        try:
            key = sshkey.read(lines[0].blob)
        except BadFrame as fault:
            msg = f"pins {pin.fingerprint}, and that key can't count: {fault}"
            raise ValueError(msg) from None
        chosen += [PinnedKey(key=key, namespaces=_narrowed(pin, line)) for line in lines]
    return tuple(chosen)


def pinned_minisign_keys(pins: tuple[MinisignPin, ...]) -> tuple[minisign.PublicKey, ...]:
    """The keys of the pins. ``ValueError`` for one that is none, or has another id."""
    chosen = []
    for pin in pins:
        key = minisign.read_key(pin.key)
        if pin.id and pin.id != key.id:
            msg = f"pins {pin.key} as {pin.id}, but the id of that key is {key.id}"
            raise ValueError(msg)
        chosen.append(key)
    return tuple(chosen)


def _narrowed(pin: SshPin, line: sshkeys.ListedKey) -> tuple[str, ...]:
    allowed = sshkeys.namespaces(line)
    if not allowed or not pin.namespaces:
        return allowed or pin.namespaces
    both = tuple(one for one in pin.namespaces if one in allowed)
    if not both:
        wanted = ", ".join(pin.namespaces)
        msg = f"pins {pin.fingerprint} for {wanted}, but line {line.line} allows that key for {', '.join(allowed)} only"
        raise ValueError(msg)
    return both
