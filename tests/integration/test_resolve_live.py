"""The real archive through this host's own mirrors: resolve, endorse, source and plan of small packages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.config import default_trust
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.errors import UsageError
from rebuilder.fetch.http import Locations, MirrorFetcher
from rebuilder.fetch.mirrors import mirrors
from rebuilder.model import EndorsementResult, Origin
from rebuilder.resolve.debian import Debian
from rebuilder.resolve.debian_suites import DebianSettings
from rebuilder.store.blobs import BlobStore
from tests.unit.resolve_cases import FixedClock, Silence

pytestmark = [pytest.mark.integration, pytest.mark.live]


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Debian:
    blobs = BlobStore(tmp_path_factory.mktemp("state"))
    archives = {name: mirrors(name, {})[0] for name in ("debian", "debian-security")}
    fetcher = MirrorFetcher(Locations(archives), blobs, Silence())
    endorser = DebianEndorser(TrustStore(default_trust()), blobs)
    return Debian(fetcher, blobs, endorser, FixedClock(datetime.now(UTC)), Silence(), DebianSettings())


def test_the_newest_of_the_suite_and_its_recipe(debian: Debian, tmp_path: Path) -> None:
    found = debian.resolve("pkg:deb/debian/less?distro=trixie")
    endorsement = debian.endorse(found)
    assert endorsement.result is EndorsementResult.VALID
    source, checks = debian.source(found)
    assert len(checks) == 1
    plan, inputs = debian.plan(found, source, "any")
    assert plan.steps[0].argv[:2] == ("dpkg-source", "-x")
    assert inputs[0].origin is Origin.DECLARED
    assert int(plan.environment["SOURCE_DATE_EPOCH"]) > 1_600_000_000
    assert any(relation.startswith("debhelper") for relation in debian.relations(found, source, "any"))
    (tmp_path / "recipe.toml").write_bytes(found.recipe_bytes)
    assert debian.resolve(str(tmp_path / "recipe.toml")).published == found.published


def test_the_security_suite_builds_on_the_release(debian: Debian) -> None:
    found = debian.resolve("pkg:deb/debian/unzip?distro=trixie-security")
    assert [index.suite for index in found.published.indexes] == ["trixie-security", "trixie"]
    assert debian.endorse(found).result is EndorsementResult.VALID


def test_a_rebuild_without_source_changes_takes_its_entry(debian: Debian) -> None:
    found = debian.resolve("pkg:deb/debian/gron?distro=trixie")
    plan, inputs = debian.plan(found, debian.source(found)[0], "any")
    assert {item.name: item.origin for item in inputs} == {"epoch": Origin.RECOVERED, "changelog": Origin.RECOVERED}
    assert plan.inputs[-1].name == "changelog.binary-only"


def test_a_name_that_is_not_there_gives_the_nearest(debian: Debian) -> None:
    with pytest.raises(UsageError, match=r"no package 'lesss' in trixie.*did you mean less"):
        debian.resolve("pkg:deb/debian/lesss?distro=trixie")
