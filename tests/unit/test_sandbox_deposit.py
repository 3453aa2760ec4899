"""Blobs written piece by piece: nothing hangs and nothing is left behind, whatever the store does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from rebuilder.errors import InfrastructureError, TooLargeError
from rebuilder.model import FileDigest
from rebuilder.sandbox.deposit import Deposit
from rebuilder.store.blobs import BlobStore


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def write_much(deposit: Deposit) -> None:
    for _ in range(1000):
        deposit.write(b"x" * 100)


def test_pieces_become_a_blob(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    deposit = Deposit(blobs, name="build.log", limit=10**6)
    for _ in range(100):
        deposit.write(b"x" * 1000)
        deposit.write(b"")
    stored = deposit.close()
    deposit.abort()
    assert (stored.size, stored.sha256) == (10**5, hashlib.sha256(b"x" * 10**5).hexdigest())
    assert blobs.read(stored.sha256, limit=10**6) == b"x" * 10**5


def test_an_empty_blob(tmp_path: Path) -> None:
    assert Deposit(BlobStore(tmp_path), name="n", limit=0).close().size == 0


def test_an_abort_leaves_nothing(tmp_path: Path) -> None:
    deposit = Deposit(BlobStore(tmp_path), name="n", limit=10**6)
    for _ in range(50):
        deposit.write(b"x")
    deposit.abort()
    deposit.abort()
    assert left(tmp_path) == []


def test_too_much_is_raised_and_leaves_nothing(tmp_path: Path) -> None:
    deposit = Deposit(BlobStore(tmp_path), name="n", limit=100)
    with pytest.raises(TooLargeError):
        write_much(deposit)
    with pytest.raises(TooLargeError):
        deposit.close()
    deposit.abort()
    assert left(tmp_path) == []


class FullDisk(BlobStore):
    def put(self, chunks: Iterable[bytes], *, name: str, limit: int, expect: str | None = None) -> FileDigest:
        next(iter(chunks))
        msg = "no space left"
        raise InfrastructureError(msg)


def test_a_full_disk_is_raised_to_the_writer(tmp_path: Path) -> None:
    deposit = Deposit(FullDisk(tmp_path), name="n", limit=100)
    with pytest.raises(InfrastructureError, match="no space left"):
        write_much(deposit)
    with pytest.raises(InfrastructureError, match="no space left"):
        deposit.close()
