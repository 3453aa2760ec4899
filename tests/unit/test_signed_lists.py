"""A list is unpacked once; what is kept of it is what the index signs, and the packed evidence stays sound."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import pytest

from rebuilder import deb822, signed_lists
from rebuilder.errors import IntegrityError
from rebuilder.model import FileDigest
from rebuilder.signed_lists import plain_path, unpacked
from rebuilder.store.blobs import BlobStore

LIST = b"Package: first\nVersion: 1\n" * 100
SIGNED = (hashlib.sha256(LIST).hexdigest(), len(LIST))
LIMIT = 10_000


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


def packed(blobs: BlobStore, data: bytes = LIST) -> FileDigest:
    return blobs.put([lzma.compress(data)], name="main_Packages.xz", limit=LIMIT)


def damage(blobs: BlobStore, sha256: str) -> None:
    path = blobs.path(sha256)
    path.write_bytes(b"?" + path.read_bytes()[1:])


def test_what_the_index_signs_is_unpacked_once(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = packed(blobs)
    assert unpacked(file, blobs, signed=SIGNED, limit=LIMIT) == LIST
    assert blobs.has(SIGNED[0])
    monkeypatch.setattr(deb822, "decompress", None)
    assert unpacked(file, blobs, signed=SIGNED, limit=LIMIT) == LIST


def test_what_no_index_signs_unpacked_is_not_kept(blobs: BlobStore) -> None:
    assert unpacked(packed(blobs), blobs, signed=None, limit=LIMIT) == LIST
    assert not blobs.has(SIGNED[0])


def test_a_list_that_is_not_packed_is_not_kept_twice(blobs: BlobStore) -> None:
    file = blobs.put([LIST], name="main_Packages", limit=LIMIT)
    assert unpacked(file, blobs, signed=SIGNED, limit=LIMIT) == LIST
    assert list(blobs.names()) == [(file.sha256, file.size)]


@pytest.mark.parametrize("signed", [("ab" * 32, len(LIST)), (SIGNED[0], len(LIST) - 1), (SIGNED[0], len(LIST) + 1)])
def test_an_index_that_contradicts_itself_is_refused(blobs: BlobStore, signed: signed_lists.Digest) -> None:
    with pytest.raises(deb822.Malformed, match=f"as the signed index says, found sha256 {SIGNED[0]} of {len(LIST)}"):
        unpacked(packed(blobs), blobs, signed=signed, limit=LIMIT)
    assert not blobs.has(SIGNED[0])


@pytest.mark.parametrize("which", ["packed", "plain"])
def test_a_list_that_changed_on_disk_is_our_own_fault(blobs: BlobStore, which: str) -> None:
    file = packed(blobs)
    unpacked(file, blobs, signed=SIGNED, limit=LIMIT)
    damage(blobs, {"packed": file.sha256, "plain": SIGNED[0]}[which])
    with pytest.raises(IntegrityError, match="This is our own disk"):
        unpacked(file, blobs, signed=SIGNED, limit=LIMIT)


def test_without_the_packed_evidence_the_kept_list_does_not_count(blobs: BlobStore) -> None:
    file = packed(blobs)
    unpacked(file, blobs, signed=SIGNED, limit=LIMIT)
    blobs.remove(file.sha256)
    with pytest.raises(KeyError):
        unpacked(file, blobs, signed=SIGNED, limit=LIMIT)


def test_a_kept_list_does_not_get_past_a_lower_limit(blobs: BlobStore) -> None:
    file = packed(blobs)
    unpacked(file, blobs, signed=SIGNED, limit=LIMIT)
    with pytest.raises(deb822.Malformed, match="more than 500 bytes when unpacked"):
        unpacked(file, blobs, signed=SIGNED, limit=500)


def test_an_index_calls_a_list_the_same_but_for_its_packing() -> None:
    assert [plain_path(f"main/source/Sources{end}") for end in (".xz", ".gz", "")] == ["main/source/Sources"] * 3
