"""The operator's trust store: folders of anchors, each a TOML file that pins keys, and the keys.

The format is `docs/formats/trust-store.md`. A recipe can name an anchor and no more. A key counts because
its primary fingerprint is pinned by hand, never because it lies in a key file.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from pathlib import Path

from pydantic import ValidationError

from rebuilder.endorse import anchors, sshkeys
from rebuilder.endorse.anchors import Anchor
from rebuilder.endorse.openpgp import Keyring
from rebuilder.errors import UsageError

_ANCHOR_LIMIT = 64 * 1024
_KEYS_LIMIT = 8 * 1024**2
#: `debian-keyring` has 30 MB.
_KEYRING_LIMIT = 128 * 1024**2
_HINTS = {
    "openpgp": "pins name primary keys; gpg --show-keys FILE lists them",
    "ssh": "pins name keys as ssh-keygen -l -f FILE lists them: SHA256: and 43 characters",
}


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
            self._loaded[name] = self._find(name)
        return self._loaded[name]

    def openpgp(self, name: str) -> Anchor:
        """The anchor of that name, as ``anchor``, for what is only ever signed with OpenPGP. ``UsageError`` also if
        it pins keys of another kind."""
        found = self.anchor(name)
        if found.kind != "openpgp":
            msg = f"anchor {name!r} pins {found.kind} keys; expected one that pins OpenPGP keys"
            raise UsageError(msg, hint="the indexes of an archive are signed with OpenPGP; name its anchor")
        return found

    def _find(self, name: str) -> Anchor:
        known = self.names()
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            msg = f"the trust store has no anchor {name!r}; it has: {', '.join(known) or 'none'}"
            raise UsageError(msg, hint=f"did you mean {near[0]!r}?" if near else "see docs/formats/trust-store.md")
        path = next(d / f"{name}.toml" for d in self._directories if (d / f"{name}.toml").exists())
        written = _parse(path)
        if written.name != name:
            msg = f"{path}: expected name = {name!r} as the file is called, found {written.name!r}"
            raise UsageError(msg)
        return _load(path, written)


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


def _parse(path: Path) -> anchors.Written:
    data = read_file(path, _ANCHOR_LIMIT)
    try:
        return anchors.parse(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        msg = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r:.200}"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: not TOML: {error}"
    except ValueError as error:
        msg = f"{path}: {error}"
    raise UsageError(msg, hint="the format is in docs/formats/trust-store.md")


def _load(path: Path, written: anchors.Written) -> Anchor:
    """An anchor with the keys that it pins. The message names the file that is at fault."""
    if isinstance(written, anchors.MinisignAnchorFile):
        place, hint = path, "minisign prints the public key when it makes one, and writes it into a .pub file"
    else:
        place, hint = path.parent / written.keys, _HINTS[written.kind]
    try:
        return _loaded(place, written)
    except ValueError as error:
        msg = f"{place}: anchor {written.name!r} {error}"
        raise UsageError(msg, hint=hint) from None


def _loaded(place: Path, written: anchors.Written) -> Anchor:
    if isinstance(written, anchors.MinisignAnchorFile):
        return Anchor(name=written.name, kind=written.kind, minisign=anchors.pinned_minisign_keys(written.pins))
    if isinstance(written, anchors.SshAnchorFile):
        try:
            listed = sshkeys.read(read_file(place, _KEYS_LIMIT))
        except ValueError as error:
            msg = f"{place}: {error}"
            raise UsageError(msg) from None
        return Anchor(name=written.name, kind=written.kind, ssh=anchors.pinned_ssh_keys(written.pins, listed))
    keyring = anchors.pinned_certificates(written.pins, _keyring(place, _KEYS_LIMIT))
    return Anchor(name=written.name, kind=written.kind, pins=written.pins, keyring=keyring)


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
