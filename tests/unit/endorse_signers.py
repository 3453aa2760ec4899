"""Signatures made by the programs that people use, and by the specification where a program is not to be had."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rebuilder.endorse.body import Stored
from rebuilder.model import FileDigest
from rebuilder.store.blobs import BlobStore

QUIET = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def run(*argv: object, env: dict[str, str] | None = None, stdin: bytes = b"") -> bytes:
    done = subprocess.run([str(word) for word in argv], env={**QUIET, **(env or {})}, input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# --- SSH ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SshKey:
    """A key of ssh-keygen's, in a file."""

    path: Path

    @classmethod
    def make(cls, folder: Path, kind: str = "ed25519", bits: int = 0) -> SshKey:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kind}{bits or ''}"
        size = ("-b", str(bits)) if bits else ()
        run("ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "tester@example.invalid", "-f", path)
        return cls(path)

    @property
    def public(self) -> str:
        return self.path.with_name(f"{self.path.name}.pub").read_text().strip()

    @property
    def blob(self) -> bytes:
        return base64.b64decode(self.public.split()[1])

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen itself prints it."""
        return run("ssh-keygen", "-l", "-f", f"{self.path}.pub").decode().split()[1]

    def sign(self, data: bytes, *, namespace: str = "file", hash_name: str = "sha512") -> bytes:
        return run(
            "ssh-keygen", "-q", "-Y", "sign", "-f", self.path, "-n", namespace, "-O", f"hashalg={hash_name}", stdin=data
        )


# --- minisign -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MiniKey:
    """A minisign key that lives in memory. Files are made by the specification."""

    id: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> str:
        return base64.b64encode(b"Ed" + self.id + self.secret.public_key().public_bytes_raw()).decode()

    def sign(self, data: bytes, *, comment: str = "timestamp:1772366400\tfile:demo", prehashed: bool = True) -> bytes:
        kind, message = (b"ED", hashlib.blake2b(data).digest()) if prehashed else (b"Ed", data)
        proof = self.secret.sign(message)
        whole = self.secret.sign(proof + comment.encode())
        first, second = (base64.b64encode(part).decode() for part in (kind + self.id + proof, whole))
        return f"untrusted comment: of a test\n{first}\ntrusted comment: {comment}\n{second}\n".encode()


# --- OpenPGP, by gpg ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gpg:
    """gpg with a home of its own and one key."""

    home: Path

    def run(self, *argv: object, stdin: bytes = b"") -> bytes:
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", *argv, stdin=stdin)

    @property
    def fingerprint(self) -> str:
        rows = self.run("--with-colons", "--fingerprint").decode().splitlines()
        return next(row.split(":")[9] for row in rows if row.startswith("fpr:"))

    @property
    def certificate(self) -> bytes:
        return self.run("--export")

    def detach(self, data: bytes, *options: str) -> bytes:
        return self.run(*options, "--detach-sign", stdin=data)

    def accepts(self, signature: Path, file: Path) -> bool:
        done = subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--verify", signature, file], env=QUIET, capture_output=True
        )
        return done.returncode == 0


@contextmanager
def gpg(user: str = "tester <tester@example.invalid>") -> Iterator[Gpg]:
    # The agent's socket has a path of at most 108 bytes, which pytest's own folders are too deep for.
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    home.chmod(0o700)
    try:
        one = Gpg(home)
        one.run("--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never")
        yield one
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], env=QUIET, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


# --- anchors, blobs -------------------------------------------------------------------------------


def anchor_file(folder: Path, name: str, kind: str, pins: str, keys: bytes | None = None) -> Path:
    """An anchor of v2 with its pins as TOML, and the keys beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    line = f'keys = "{name}.keys"\n' if keys is not None else ""
    path = folder / f"{name}.toml"
    path.write_text(f'format = "rebuilder/trust-anchor/v2"\nname = "{name}"\nkind = "{kind}"\n{line}{pins}')
    if keys is not None:
        (folder / f"{name}.keys").write_bytes(keys)
    return path


def pin(field_name: str, value: str, more: str = "") -> str:
    return f'[[pins]]\n{field_name} = "{value}"\nwhy = "test"\n{more}'


def save(blobs: BlobStore, name: str, data: bytes) -> FileDigest:
    return blobs.put(iter((data,)), name=name, limit=len(data))


def stored(blobs: BlobStore, data: bytes, name: str = "demo") -> Stored:
    return Stored(save(blobs, name, data), blobs)
