"""Throw-away OpenPGP keys for test archives, and clear-signing with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pysequoia


@dataclass(frozen=True)
class ArchiveKey:
    """A secret key that lives as long as a test session. ``name`` becomes its user id."""

    name: str
    secret: pysequoia.Tsk

    @classmethod
    def generate(cls, name: str) -> ArchiveKey:
        """A fresh Ed25519 key with a signing subkey, as archives use."""
        return cls(name, pysequoia.Tsk.generate(user_id=f"{name} <{name}@archive.invalid>"))

    @classmethod
    def load(cls, name: str, path: Path) -> ArchiveKey:
        """The key kept in ``path``, made there first if there is none."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = cls.generate(name)
            path.touch(mode=0o600)
            path.write_bytes(bytes(fresh.secret))
            return fresh
        return cls(name, pysequoia.Tsk.from_bytes(path.read_bytes()))

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the primary key, 40 upper-case hex digits: what a trust store pins."""
        return self.secret.extract_certificate().fingerprint.upper()

    @property
    def certificate(self) -> bytes:
        """The public half, ASCII-armoured."""
        return str(self.secret.extract_certificate()).encode()

    def clear_sign(self, text: bytes) -> bytes:
        """``text`` inside a clear-signed message, as an `InRelease` or a `.dsc` is."""
        return pysequoia.sign(self.secret.signer(), text, mode=pysequoia.SignatureMode.CLEAR)
