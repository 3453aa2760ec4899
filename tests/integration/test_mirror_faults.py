"""A signed index from several mirrors, of which some lie, are stale, or stand behind a portal: the whole resolver."""

import pytest

from rebuilder.errors import Stopped
from rebuilder.fetch.http import Locations, MirrorFetcher
from tests.archive.keys import ArchiveKey
from tests.archive.server import MISSING, Fault, Mirror
from tests.unit.resolve_cases import BASE, KEY, NOW, SUITE, Silence, world

pytestmark = pytest.mark.integration
PATH = f"dists/{SUITE}/InRelease"


@pytest.fixture
def here(tmp_path):
    """A world with two mirrors of one archive, and what its index would be in the wrong hands."""
    here = world(tmp_path)
    signed = (here.archive.root / PATH).read_bytes()
    text = signed.split(b"\n\n", 1)[1].split(b"\n-----BEGIN PGP SIGNATURE")[0]
    here.bodies = {
        "portal": b"<html><title>Log in</title></html>",
        "cut": signed[: len(signed) // 2],
        "stranger": ArchiveKey.generate("stranger").clear_sign(text),
        "changed": signed.replace(b"Label: Specimens", b"Label: Specimenz"),
        "expired": KEY.clear_sign(text.replace(b"Nov 2026", b"Oct 2026")),
        "other suite": (here.archive.root / f"dists/{BASE}/InRelease").read_bytes(),
        "unsound": KEY.clear_sign(b"Suite: x\n"),
    }
    assert b"Valid-Until: " in text
    assert f"{NOW:%b %Y}".encode() in text
    with Mirror(here.archive.root) as first, Mirror(here.archive.root) as second:
        here.mirrors = (first, second)
        urls = tuple(mirror.url for mirror in here.mirrors)
        here.fetcher = MirrorFetcher(Locations({"local-archive": urls}), here.blobs, Silence())
        yield here


def resolve(here):
    return here.debian.resolve(f"pkg:deb/debian/single?distro={SUITE}")


def fault(here, *names):
    for mirror, name in zip(here.mirrors, names, strict=False):
        mirror.faults[PATH] = MISSING if name == "missing" else Fault(body=here.bodies[name])


@pytest.mark.parametrize(
    "name", ["portal", "cut", "stranger", "changed", "expired", "other suite", "unsound", "missing"]
)
def test_one_honest_mirror_is_enough(here, name):
    fault(here, name)
    assert resolve(here).published.artifacts
    assert [mirror.requests.count(PATH) for mirror in here.mirrors] == [1, 1]


@pytest.mark.parametrize(
    ("names", "verdict", "words"),
    [
        (("portal", "cut"), "unavailable", ("carries no OpenPGP signature", "cut short")),
        (("expired", "other suite"), "unavailable", ("expired index", "expected the index of specimens")),
        (("stranger", "expired"), "unavailable", ("is not pinned by anchor", "expired index")),
        (("unsound", "changed"), "unavailable", ("signed an index that can't be used", "no valid signature")),
        (("stranger", "changed"), "refused", ("is not pinned by anchor", "no valid signature")),
        (("changed", "portal"), "refused", ("no valid signature", "carries no OpenPGP signature")),
        (("missing", "changed"), "refused", ("HTTP 404", "no valid signature")),
    ],
)
def test_without_an_honest_one_every_mirrors_fault_is_told(here, names, verdict, words):
    fault(here, *names)
    with pytest.raises(Stopped) as stop:
        resolve(here)
    assert stop.value.verdict == verdict
    assert all(text in stop.value.reason for text in words), stop.value.reason
