"""A lock is not believed about itself: each row is looked up in lists whose signature holds, or is unsigned."""

from __future__ import annotations

import shutil

import pytest

from rebuilder import wiring
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.lock import LockedRoot, ToolchainLock
from rebuilder.model import Origin
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain.index import PackageLists
from rebuilder.toolchain.vouched import Vouched
from tests.unit.endorse_cases import STRANGER, trust_store
from tests.unit.resolve_cases import KEY, SUITE, FolderFetcher, world

LISTED = ("single", "pair")


@pytest.fixture
def here(tmp_path):
    return world(tmp_path)


def lock_of(here):
    indexes = here.debian.suite_indexes(SUITE)
    found = PackageLists.load(indexes, here.blobs).find(LISTED)
    rows = [found[name][0].locked("dependency", ("any",)) for name in LISTED]
    return ToolchainLock(
        suite=SUITE, architecture="amd64", epoch=1, origin="suite", indexes=indexes, packages=tuple(rows),
        seed=(rows[0].model_copy(update={"roots": ()}),), roots=(LockedRoot(build="any", sha256="0" * 64, size=1),),
    )


def judge(here, *, keys=(KEY,), state="vouched", fetcher=None, blobs=None):
    blobs = blobs or here.blobs
    endorser = DebianEndorser(trust_store(here.folder / "trust", "specimens", *keys), blobs)
    return Vouched(endorser, fetcher or here.fetcher, blobs, here.folder / state)


def with_row(lock, **changes):
    return lock.model_copy(update={"packages": (lock.packages[0].model_copy(update=changes), *lock.packages[1:])})


def test_rows_that_a_signed_list_has_are_signed_whatever_the_lock_says(here):
    lock = lock_of(here)
    for found in (judge(here).unsigned(lock), judge(here).unsigned(with_row(lock, signed=False))):
        assert (found.packages, found.why) == ((), ())


@pytest.mark.parametrize(
    "change", [{"sha256": "1" * 64}, {"size": 5}, {"version": "9"}, {"architecture": "all"}, {"package": "trojan"}]
)
def test_a_row_forged_as_signed_is_unsigned(here, change):
    lock = with_row(lock_of(here), signed=True, **change)
    row = lock.packages[0]
    assert judge(here).unsigned(lock).packages == (f"{row.package} {row.version}",)


def test_a_forged_package_of_the_seed_is_unsigned_too(here):
    lock = lock_of(here)
    seed = lock.seed[0].model_copy(update={"sha256": "1" * 64})
    found = judge(here).unsigned(lock.model_copy(update={"seed": (seed,)}))
    assert found.packages == (f"{seed.package} {seed.version} (seed)",)


def test_a_list_that_the_signed_index_does_not_name_vouches_for_nothing(here):
    """A pack may bring any list along: only those that the checked `InRelease` names by digest count."""
    lock = with_row(lock_of(here), sha256="1" * 64)
    row = lock.packages[0]
    text = (
        f"Package: {row.package}\nVersion: {row.version}\nArchitecture: {row.architecture}\nSHA256: {row.sha256}\n"
        f"Size: {row.size}\nFilename: pool/x.deb\n"
    )
    forged = here.blobs.put([text.encode()], name="main_binary-amd64_Packages", limit=10**6)
    index = lock.indexes[0]
    index = index.model_copy(update={"lists": (*index.lists, forged)})
    found = judge(here).unsigned(lock.model_copy(update={"indexes": (index,)}))
    assert found.packages == (f"{row.package} {row.version}",)


@pytest.mark.parametrize(
    ("change", "keys", "why"),
    [
        ({}, (STRANGER,), "not pinned by anchor 'specimens'"),
        ({"anchor": "nobody"}, (KEY,), "nobody"),
        ({"suite": "../../x"}, (KEY,), "expected the name of a suite"),
    ],
)
def test_an_index_that_no_pinned_key_signed_vouches_for_nothing(here, change, keys, why):
    lock = lock_of(here)
    judge(here).unsigned(lock)  # what was looked up under another trust store must not count
    indexes = tuple(index.model_copy(update=change) for index in lock.indexes)
    found = judge(here, keys=keys).unsigned(lock.model_copy(update={"indexes": indexes}))
    assert len(found.packages) == 3
    assert why in found.why[0]
    assert "vouches for nothing" in found.why[0]


def test_another_host_fetches_the_evidence_by_digest_while_mirrors_have_it(here, tmp_path):
    lock = lock_of(here)
    blobs = BlobStore(tmp_path / "elsewhere")
    fetcher = FolderFetcher(here.fetcher.roots, blobs)
    assert judge(here, fetcher=fetcher, blobs=blobs, state="other").unsigned(lock).packages == ()
    assert any("/by-hash/SHA256/" in path for path in fetcher.asked)


def test_without_the_evidence_every_row_is_unsigned_and_that_is_said(here, tmp_path):
    lock = lock_of(here)
    blobs = BlobStore(tmp_path / "elsewhere")
    found = judge(here, fetcher=FolderFetcher({}, blobs), blobs=blobs, state="other").unsigned(lock)
    assert len(found.packages) == 3
    assert "could not be had" in found.why[0]
    assert judge(here, state="other").unsigned(lock).packages == ()  # nothing of that was remembered


def test_the_warm_way_checks_the_signature_and_reads_no_list(here):
    lock = lock_of(here)
    judge(here).unsigned(lock)
    for index in lock.indexes:
        for file in index.lists:
            here.blobs.remove(file.sha256)
    shutil.rmtree(here.archive.root)
    assert judge(here).unsigned(lock).packages == ()


def test_a_pack_for_a_purl_is_an_assumption_and_said_to_be_one(here):
    lock = lock_of(here)
    resolution = here.debian.resolve("pkg:deb/debian/single?distro=specimens")
    packed = wiring.Workshop.with_lock(None, resolution, lock)
    (found,) = (item for item in packed.inputs if item.name == "toolchain")
    assert (packed.packed, packed.lock, found.origin) == (True, lock, Origin.ASSUMED)
    assert "pack" in found.evidence
    assert "recipe" not in found.evidence
