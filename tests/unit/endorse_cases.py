"""Signed messages and small archives for the tests of ``rebuilder.endorse``: real keys, nothing mocked."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pysequoia
from pysequoia.packet import PacketPile

from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.model import Artifact, FileDigest, Located, Published, SignedIndex
from tests.archive.keys import ArchiveKey

ARCHIVE_KEY = ArchiveKey.generate("archive")
SECOND_KEY = ArchiveKey.generate("second")
STRANGER = ArchiveKey.generate("stranger")

_MARK = b"-----BEGIN PGP SIGNATURE-----"


def clear_signed(text: bytes, *keys: ArchiveKey) -> bytes:
    """One clear-signed message with a signature by each key, in one block, as an archive makes it."""
    messages = [key.clear_sign(text) for key in keys]
    head = messages[0].rpartition(_MARK)[0]
    packets = b"".join(bytes(packet) for message in messages for packet in PacketPile.from_bytes(armour_of(message)))
    return head + pysequoia.armor(packets, pysequoia.ArmorKind.Signature).encode()


def armour_of(message: bytes) -> bytes:
    return _MARK + message.rpartition(_MARK)[2]


def trust_store(folder: Path, name: str, *keys: ArchiveKey, material: tuple[ArchiveKey, ...] = ()) -> TrustStore:
    """A store with one anchor that pins ``keys``; its key file may hold more than that."""
    folder.mkdir(parents=True, exist_ok=True)
    write_anchor(folder, name, *keys, material=material)
    return TrustStore((folder,))


def write_anchor(folder: Path, name: str, *keys: ArchiveKey, material: tuple[ArchiveKey, ...] = ()) -> None:
    pins = "".join(f'[[pins]]\nfingerprint = "{key.fingerprint}"\nwhy = "test"\n' for key in keys)
    (folder / f"{name}.toml").write_text(
        f'format = "rebuilder/trust-anchor/v1"\nname = "{name}"\nkind = "openpgp"\nkeys = "{name}.gpg"\n{pins}'
    )
    certificates = [bytes(key.secret.extract_certificate()) for key in (*keys, *material)]
    (folder / f"{name}.gpg").write_bytes(b"".join(certificates))


@dataclass
class Saved:
    """Blobs in memory that keep the promise of the port: digest checked, bounded, ``KeyError`` if absent."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes, name: str) -> FileDigest:
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        return FileDigest(name=name, sha256=sha256, size=len(data))

    def read(self, sha256: str, *, limit: int) -> bytes:
        data = self.blobs[sha256]
        assert len(data) <= limit
        assert hashlib.sha256(data).hexdigest() == sha256
        return data


DEB = b"the published package"
DSC = b"Format: 3.0 (quilt)\n"
TARBALL = b"the source"


def located(name: str, data: bytes) -> Located:
    sha256, path = hashlib.sha256(data).hexdigest(), f"pool/main/d/demo/{name}"
    return Located(name=name, sha256=sha256, size=len(data), archive="local", path=path)


def packages(**changes: str) -> bytes:
    deb = located("demo_1%3a1.0-2+b1_amd64.deb", DEB)
    fields = {
        "Package": "demo",
        "Source": "demo-src (1:1.0-2)",
        "Version": "1:1.0-2+b1",
        "Architecture": "amd64",
        "Filename": deb.path,
        "Size": str(deb.size),
        "SHA256": deb.sha256,
    } | changes
    other = "Package: demo-doc\nVersion: 1:1.0-2\nArchitecture: all\nDescription: Package: demo\n x\n\n"
    return (other + "".join(f"{name}: {value}\n" for name, value in fields.items())).encode()


def sources(*files: Located) -> bytes:
    rows = "".join(f"\n {file.sha256} {file.size} {file.name}" for file in files)
    return f"Package: demo-src\nVersion: 1:1.0-2\nDirectory: pool/main/d/demo\nChecksums-Sha256:{rows}\n".encode()


SOURCE_FILES = (located("demo-src_1.0-2.dsc", DSC), located("demo-src_1.0.tar.xz", TARBALL))


def release_text(lists: Mapping[str, bytes], *lines: str) -> bytes:
    rows = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in lists.items())
    head = lines or ("Suite: stable", "Codename: trixie", "Date: Sat, 12 Sep 2026 07:55:41 UTC")
    return ("\n".join(head) + f"\nSHA256:\n{rows}").encode()


@dataclass
class World:
    """A published package, its signed index in saved blobs, and an endorser that pins the archive's key."""

    endorser: DebianEndorser
    blobs: Saved
    published: Published


def world(
    folder: Path, *, binary: bytes | None = None, source: bytes | None = None, signer: ArchiveKey = ARCHIVE_KEY
) -> World:
    blobs = Saved()
    lists = {
        "main/binary-amd64/Packages.xz": lzma.compress(packages() if binary is None else binary),
        "main/source/Sources.xz": lzma.compress(sources(*SOURCE_FILES) if source is None else source),
    }
    inrelease = clear_signed(release_text(lists), signer)
    index = SignedIndex(
        archive="local",
        suite="trixie",
        inrelease=blobs.add(inrelease, "InRelease"),
        lists=tuple(blobs.add(data, path.replace("/", "_")) for path, data in lists.items()),
        date="2026-09-12T07:55:41Z",
        anchor="local",
        signers=(signer.fingerprint,),
    )
    artifact = Artifact(
        file=located("demo_1%3a1.0-2+b1_amd64.deb", DEB),
        package="demo",
        version="1:1.0-2+b1",
        architecture="amd64",
        build="any",
    )
    published = Published(
        purl="pkg:deb/debian/demo@1:1.0-2",
        ecosystem="deb",
        suite="trixie",
        source_name="demo-src",
        source_version="1:1.0-2",
        artifacts=(artifact,),
        source_files=SOURCE_FILES,
        indexes=(index,),
    )
    return World(DebianEndorser(trust_store(folder, "local", ARCHIVE_KEY), blobs), blobs, published)
