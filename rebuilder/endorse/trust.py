"""The operator's trust store: folders of anchors, each a TOML file that pins keys, and the keys.

The format is `docs/formats/trust-store.md`. A recipe can name an anchor and no more. A key counts because
its primary fingerprint is pinned by hand, never because it lies in a key file.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from rebuilder.endorse.openpgp import Keyring
from rebuilder.errors import UsageError
from rebuilder.model import FileName, Fingerprint, Value

_ANCHOR_LIMIT = 64 * 1024
_KEYS_LIMIT = 8 * 1024**2
#: `debian-keyring` has 30 MB.
_KEYRING_LIMIT = 128 * 1024**2


class Pin(Value):
    """A primary key that counts, and why the operator thinks it is the right one."""

    fingerprint: Fingerprint
    why: str = Field(min_length=1)


class AnchorFile(Value):
    """One ``<name>.toml`` of a trust store."""

    format: Literal["rebuilder/trust-anchor/v1"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    kind: Literal["openpgp"]
    about: str = ""
    #: The key file beside it.
    keys: FileName
    pins: tuple[Pin, ...] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A loaded anchor: its keyring holds the pinned certificates and no other."""

    name: str
    pins: tuple[Pin, ...]
    keyring: Keyring


class TrustStore:
    """Anchors of several folders. Where two folders have one of the same name, the earlier folder's counts."""

    def __init__(self, directories: tuple[Path, ...]) -> None:
        for directory in directories:
            if not directory.is_dir():
                msg = f"expected a trust store, found no folder {directory}"
                raise UsageError(msg, hint="name an existing folder, or leave it out of the configuration")
        self._directories = directories
        self._loaded: dict[str, Anchor] = {}

    def names(self) -> tuple[str, ...]:
        """Every anchor there is, sorted."""
        found = {path.stem for directory in self._directories for path in directory.glob("*.toml")}
        return tuple(sorted(found))

    def anchor(self, name: str) -> Anchor:
        """The anchor of that name. ``UsageError`` if there is none, or if its files are not in order."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Anchor:
        known = self.names()
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            msg = f"the trust store has no anchor {name!r}; it has: {', '.join(known) or 'none'}"
            raise UsageError(msg, hint=f"did you mean {near[0]!r}?" if near else "see docs/formats/trust-store.md")
        path = next(d / f"{name}.toml" for d in self._directories if (d / f"{name}.toml").exists())
        anchor = _parse(path)
        if anchor.name != name:
            msg = f"{path}: expected name = {name!r} as the file is called, found {anchor.name!r}"
            raise UsageError(msg)
        return Anchor(name=name, pins=anchor.pins, keyring=_pinned(path.parent / anchor.keys, anchor))


def keyrings(paths: tuple[Path, ...]) -> tuple[Keyring, ...]:
    """Keyrings none of whose keys is pinned, as those of a distribution's developers. ``UsageError`` for a
    file that can't be read."""
    return tuple(_keyring(path, _KEYRING_LIMIT) for path in paths)


def _keyring(path: Path, limit: int) -> Keyring:
    try:
        return Keyring(read_file(path, limit))
    except ValueError as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from None


def _parse(path: Path) -> AnchorFile:
    data = read_file(path, _ANCHOR_LIMIT)
    try:
        return AnchorFile.model_validate(tomllib.loads(data.decode()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        msg = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r:.200}"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: not TOML: {error}"
    raise UsageError(msg, hint="the format is in docs/formats/trust-store.md")


def _pinned(path: Path, anchor: AnchorFile) -> Keyring:
    """The pinned certificates of a key file and no other, so that no other can ever count."""
    everything = _keyring(path, _KEYS_LIMIT)
    chosen = []
    for pin in anchor.pins:
        certificate = everything.holder(pin.fingerprint)
        if certificate is None or certificate.fingerprint.upper() != pin.fingerprint:
            msg = f"{path}: anchor {anchor.name!r} pins {pin.fingerprint}, but the file has no such primary key"
            raise UsageError(msg, hint="pins name primary keys; gpg --show-keys FILE lists them")
        chosen.append(bytes(certificate))
    return Keyring(b"".join(chosen))


def read_file(path: Path, limit: int) -> bytes:
    """A regular file of at most ``limit`` bytes. ``UsageError`` otherwise; never blocks on a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"{path}: expected a regular file"
                raise UsageError(msg)
            data = file.read(limit + 1)
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise UsageError(msg) from None
    if len(data) > limit:
        msg = f"{path}: expected at most {limit} bytes, found more"
        raise UsageError(msg)
    return data
