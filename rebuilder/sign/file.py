"""Keys in files: made once, read only when nobody else can read them, never overwritten.

A keys folder (mode 0700) holds ``attest.key`` and ``verdict.key`` (PKCS #8 PEM, mode 0600, encrypted if
a passphrase was given), ``identity.json``, and the public half: ``pins.json`` for others to pin, and
``attest.pub`` and ``verdict.pub`` for OpenSSL.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from rebuilder.attest.dsse import PAYLOAD_TYPE, Envelope, Signature, VerificationKey, pae, parse, render, signed_by
from rebuilder.attest.pins import Pin, render_pins
from rebuilder.attest.strict import FormatError
from rebuilder.errors import InfrastructureError, IntegrityError, UsageError
from rebuilder.model import Signer
from rebuilder.sign.identity import Identity, check_names, parse_identity, render_identity

Role = Literal["attest", "verdict"]
IDENTITY_FILE = "identity.json"
PINS_FILE = "pins.json"
KEY_FILES: dict[Role, str] = {"attest": "attest.key", "verdict": "verdict.key"}
PUBLIC_FILES: dict[Role, str] = {"attest": "attest.pub", "verdict": "verdict.pub"}
_MAX_FILE = 64 * 1024
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def init_keys(
    folder: Path, *, organisation: str, builder_id: str, verifier_id: str, passphrase: bytes | None
) -> Identity:
    """Make one Ed25519 key a role, with identity and pins. The folder appears whole or not at all.

    Raises ``UsageError`` for names that can't be used and if there is anything in ``folder`` already.
    """
    try:
        check_names(organisation, builder_id, verifier_id)
    except FormatError as error:
        raise UsageError(str(error)) from error
    if passphrase == b"":
        msg = "expected a passphrase, found an empty one"
        raise UsageError(msg, hint="leave the option out to keep the keys unencrypted")
    keys: dict[Role, Ed25519PrivateKey] = {role: Ed25519PrivateKey.generate() for role in KEY_FILES}
    public = {role: VerificationKey.of(key.public_key()) for role, key in keys.items()}
    identity = Identity(
        organisation=organisation,
        builder_id=builder_id,
        verifier_id=verifier_id,
        attest_key=public["attest"].spki_sha256,
        verdict_key=public["verdict"].spki_sha256,
    )
    pins = (
        Pin(role="attest", id=builder_id, organisation=organisation, key=public["attest"]),
        Pin(role="verdict", id=verifier_id, organisation=organisation, key=public["verdict"]),
    )
    private = {KEY_FILES[role]: _private_pem(key, passphrase) for role, key in keys.items()}
    shown = {PUBLIC_FILES[role]: key.pem().encode() for role, key in public.items()}
    _write_folder(folder, private, {IDENTITY_FILE: render_identity(identity), PINS_FILE: render_pins(pins)} | shown)
    return identity


def _private_pem(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def _write_folder(folder: Path, private: dict[str, bytes], public: dict[str, bytes]) -> None:
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise _already(folder)
    draft = Path(tempfile.mkdtemp(prefix=".keys-", dir=parent))  # mode 0700
    try:
        for name, data in private.items():
            _write(draft / name, data, 0o600)
        for name, data in public.items():
            _write(draft / name, data, 0o644)
        _sync(draft)
        draft.rename(folder)  # fails on a folder that is not empty: two at once can't overwrite each other
        _sync(parent)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if folder.is_dir() and any(folder.iterdir()):
            raise _already(folder) from error
        msg = f"expected to write keys to {folder}, found: {error.strerror}"
        raise InfrastructureError(msg, hint="nothing was kept; free the disk or choose another folder") from error


def _already(folder: Path) -> UsageError:
    msg = f"expected no keys in {folder} yet, found that it is in use"
    hint = "keys are never overwritten: see them with `rebuilder keys show`, or move the folder away yourself"
    return UsageError(msg, hint=hint)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_identity(folder: Path) -> Identity:
    """Identity of a keys folder. Raises ``UsageError`` if there is none or others can write to it."""
    if not (folder / IDENTITY_FILE).exists():
        msg = f"expected signing keys in {folder}, found none"
        hint = "run `rebuilder keys init --organisation NAME --builder-id URI --verifier-id URI`"
        raise UsageError(msg, hint=hint)
    _own(folder, folder.stat(), 0o077)
    try:
        return parse_identity(_read(folder / IDENTITY_FILE, 0o022))
    except FormatError as error:
        msg = f"{folder / IDENTITY_FILE}: {error}"
        raise UsageError(msg, hint="put back the file that `rebuilder keys init` made") from error


def _read(path: Path, forbidden: int) -> bytes:
    """Bytes of a small regular file whose mode has none of the ``forbidden`` bits."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        msg = f"expected a file of ours at {path}, found: {error.strerror}"
        raise UsageError(msg, hint="put it back, or make new keys in another folder") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_FILE:
            msg = f"expected a small regular file at {path}, found something else"
            raise UsageError(msg)
        _own(path, found, forbidden)
        return file.read(_MAX_FILE)


def _own(path: Path, found: os.stat_result, forbidden: int) -> None:
    if found.st_uid != os.geteuid():
        msg = f"expected {path} to belong to user {os.geteuid()}, found owner {found.st_uid}"
        raise UsageError(msg, hint="sign as the user who made the keys")
    if found.st_mode & forbidden:
        mode = stat.S_IMODE(found.st_mode)
        msg = f"expected {path} to be out of others' reach, found mode {mode:04o}"
        raise UsageError(msg, hint=f"chmod {mode & ~forbidden:04o} {path}")


class FileSigner:
    """The ``Signing`` port over a keys folder. Keys are read by ``unlock`` or the first signature, and only once."""

    def __init__(self, folder: Path, passphrase: Callable[[], bytes]) -> None:
        """``passphrase`` is called at most once, and only if a key is encrypted."""
        self._folder = folder
        self._passphrase = passphrase
        self._identity = read_identity(folder)
        self._keys: dict[Role, Ed25519PrivateKey] = {}

    @property
    def signer(self) -> Signer:
        """Who signs; each key by its SPKI sha256."""
        return Signer(
            organisation=self._identity.organisation,
            builder_id=self._identity.builder_id,
            verifier_id=self._identity.verifier_id,
            attest_key=self._identity.attest_key,
            verdict_key=self._identity.verdict_key,
        )

    def unlock(self) -> None:
        """Read the keys now: who has to be asked for a passphrase should not be asked after an hour of building.
        Raises ``UsageError`` for keys that can't be read."""
        if not self._keys:
            self._keys = self._load()

    def sign(self, role: Role, statement: bytes) -> bytes:
        """A DSSE envelope, one JSON line. Raises ``UsageError`` for keys that can't be read, and
        ``IntegrityError`` if what was made does not verify: a broken signature never leaves."""
        self.unlock()
        key = self._keys[role]
        signature = key.sign(pae(PAYLOAD_TYPE, statement))
        public = VerificationKey.of(key.public_key())
        line = render(
            Envelope(
                payload_type=PAYLOAD_TYPE,
                payload=statement,
                signatures=(Signature(sig=signature, keyid=public.keyid),),
            )
        )
        again = parse(line)
        if again.payload != statement or not signed_by(again, (public,)):
            msg = f"expected the {role} signature just made to hold, found that it does not"
            raise IntegrityError(msg, hint="nothing was kept; check this machine's memory")
        return line

    def _load(self) -> dict[Role, Ed25519PrivateKey]:
        data = {role: _read(self._folder / name, 0o077) for role, name in KEY_FILES.items()}
        locked = any(_ENCRYPTED in pem for pem in data.values())
        passphrase = self._passphrase() if locked else None
        expected = {"attest": self._identity.attest_key, "verdict": self._identity.verdict_key}
        keys: dict[Role, Ed25519PrivateKey] = {}
        for role, pem in data.items():
            keys[role] = _private_key(self._folder / KEY_FILES[role], pem, passphrase)
            found = VerificationKey.of(keys[role].public_key()).spki_sha256
            if found != expected[role]:
                msg = f"expected the {role} key {expected[role]}, found another in {KEY_FILES[role]}: {found}"
                raise UsageError(msg, hint="put back the key that belongs to identity.json and pins.json")
        return keys


def _private_key(path: Path, pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, passphrase if _ENCRYPTED in pem else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's own words may quote what it read; they stay out of the message.
        msg = f"expected to open {path}, found that the passphrase or the file is wrong"
        raise UsageError(msg, hint="give the passphrase the key was made with") from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"expected an Ed25519 key in {path}, found {type(key).__name__}"
        raise UsageError(msg)
    return key
