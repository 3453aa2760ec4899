"""Upstream's archive as a Debian source carries it: found by the signed index, of the version of the release."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from rebuilder.cli import targets
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch.archives import archive_tree
from rebuilder.model import FileDigest, Located, Origin, SourceKind
from rebuilder.releases import IndexFile, Release, System
from rebuilder.resolve import packages_source
from rebuilder.resolve.debian_indexes import SuiteIndexes
from rebuilder.resolve.debian_upstream import Upstream, UpstreamArchives, require_version, upstream_version
from rebuilder.resolve.npm import Npm
from rebuilder.resolve.package_kind import Taken, Targets, Wanted
from rebuilder.resolve.packages import Asked
from rebuilder.resolve.pypi import PyPI
from rebuilder.treetar import TarTree
from tests.unit.endorse_cases import trust_store
from tests.unit.resolve_cases import DEVELOPER, KEY, SUITE, Silence, World, tar, world

TREE = gzip.compress(tar({"demo-1.2.3/index.js": b"exports.x = 1\n", "demo-1.2.3/test.js": b"\n"}), mtime=0)


@dataclass
class Bench:
    """An archive of packages, and what is asked of it."""

    world: World

    def add(self, version: str, *, orig: str = "", data: bytes = TREE, more: tuple[str, ...] = ()) -> None:
        """Publish a source ``demo`` of that version with that upstream archive and other files."""
        bare = version.partition(":")[2] or version
        files = {orig or f"demo_{bare.rpartition('-')[0]}.orig.tar.gz": data, f"demo_{bare}.debian.tar.xz": b"debian"}
        files |= dict.fromkeys(more, b"other")
        rows = "".join(f" {hashlib.sha256(text).hexdigest()} {len(text)} {name}\n" for name, text in files.items())
        dsc = f"Format: 3.0 (quilt)\nSource: demo\nBinary: demo\nArchitecture: all\nVersion: {version}\n"
        dsc += f"Maintainer: x\nChecksums-Sha256:\n{rows}Files:\n"
        dsc += "".join(f" {hashlib.md5(text).hexdigest()} {len(text)} {name}\n" for name, text in files.items())
        folder = self.world.folder / "incoming"
        folder.mkdir()
        signed = folder / f"demo_{bare}.dsc"
        signed.write_bytes(DEVELOPER.clear_sign(dsc.encode()))
        for name, text in files.items():
            (folder / name).write_bytes(text)
        self.world.archive.add_source(SUITE, (signed, *(folder / name for name in files)))
        self.world.archive.publish()

    @property
    def archives(self) -> UpstreamArchives:
        here = self.world
        endorser = DebianEndorser(trust_store(here.folder / "trust", "specimens", KEY), here.blobs)
        indexes = SuiteIndexes(here.fetcher, here.blobs, endorser, here.clock, here.settings)
        return UpstreamArchives(indexes=indexes, settings=here.settings, fetcher=here.fetcher, progress=Silence())

    def ask(self, version: str, *, system: System = "npm", purl: str = "") -> Upstream:
        return self.archives(purl or f"pkg:deb/debian/demo?distro={SUITE}", system=system, version=version)

    def places(self) -> packages_source.Places:
        return packages_source.Places(
            repositories=None,  # type: ignore[arg-type] - none is opened
            blobs=self.world.blobs,
            archive_tree=archive_tree,
            progress=Silence(),
            carried=self.archives,
        )

    def taken(self, system: System, files: dict[str, bytes], *, named: str = "") -> Taken:
        """A release of these files, all of them in the blobs."""
        blobs = self.world.blobs
        kept = tuple(blobs.put([data], name=name, limit=len(data)) for name, data in files.items())
        listed = tuple(IndexFile(name=file.name, size=file.size, sha256=file.sha256) for file in kept)
        answer = FileDigest(name="answer", sha256="ab" * 32, size=1)
        return Taken(
            wanted=Wanted(system=system, name="demo", version="1.2.3", file_name=named),
            release=Release(system=system, name="demo", version="1.2.3", files=listed, answer=answer),
            targets=Targets(files=listed, named=frozenset({named} if named else files)),
            files=kept,
            paths={file.name: blobs.path(file.sha256) for file in kept},
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(world(tmp_path))


# --- which archive ----------------------------------------------------------------------------------


def test_the_archive_is_the_one_that_the_signed_list_names(bench: Bench) -> None:
    bench.add("1:1.2.3-4")
    found = bench.ask("1.2.3")
    assert found.file == Located(
        name="demo_1.2.3.orig.tar.gz",
        sha256=hashlib.sha256(TREE).hexdigest(),
        size=len(TREE),
        archive="local-archive",
        path="pool/main/d/demo/demo_1.2.3.orig.tar.gz",
    )
    assert bench.world.blobs.has(found.file.sha256)
    assert found.evidence == (
        "Debian's source package demo 1:1.2.3-4 carries this upstream tarball; its digest is in the signed index of "
        f"{SUITE} of 2026-09-20T12:00:00Z"
    )
    assert found.notes == ()


def test_other_projects_that_come_along_are_said_and_left_out(bench: Bench) -> None:
    bench.add("1.2.3+~4.5.6-1", more=("demo_1.2.3+~4.5.6.orig-types.tar.gz",))
    found = bench.ask("1.2.3")
    assert found.file.name == "demo_1.2.3+~4.5.6.orig.tar.gz"
    assert found.notes == (
        "not looked at, for it is of other projects that demo carries: demo_1.2.3+~4.5.6.orig-types.tar.gz",
    )


def test_a_source_of_another_version_is_refused_in_words(bench: Bench) -> None:
    bench.add("1.2.3-1")
    words = r"expected the upstream archive of version 1\.2\.4, found that of 1\.2\.3 in Debian's source package demo"
    with pytest.raises(UsageError, match=words) as caught:
        bench.ask("1.2.4")
    assert "another suite" in caught.value.hint


@pytest.mark.parametrize("version", ["1.2.3+dfsg-1", "1.2.3~ds1-1", "1.2.3+ds-1", "1.2.3+repack2-1", "1.2.3+ds+~4.5-1"])
def test_an_archive_that_debian_made_anew_is_refused_in_words(bench: Bench, version: str) -> None:
    bench.add(version)
    with pytest.raises(UsageError, match=r"expected upstream's own archive, found that Debian made the one of demo"):
        bench.ask("1.2.3")


def test_a_native_source_has_no_upstream_archive(bench: Bench) -> None:
    words = r"expected source single 1\.0 of specimens to have an upstream archive .*, found single_1\.0\.tar\.xz"
    with pytest.raises(UsageError, match=words):
        bench.ask("1.0", purl=f"pkg:deb/debian/single?distro={SUITE}")


def test_a_binary_package_or_another_kind_of_purl_names_no_source(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"there is no source 'pair-doc' in specimens"):
        bench.ask("2.0", purl=f"pkg:deb/debian/pair-doc?distro={SUITE}")
    with pytest.raises(UsageError, match=r"expected the package type 'deb', found 'npm'"):
        bench.ask("2.0", purl="pkg:npm/demo")


def test_an_archive_that_no_mirror_has_is_unavailable(bench: Bench) -> None:
    bench.add("1.2.3-1")
    bench.world.archive.remove("pool/main/d/demo/demo_1.2.3.orig.tar.gz")
    with pytest.raises(Stopped, match="could not be had"):
        bench.ask("1.2.3")


def test_wrong_bytes_of_a_mirror_are_not_the_archive(bench: Bench) -> None:
    bench.add("1.2.3-1")
    bench.world.archive.flip("pool/main/d/demo/demo_1.2.3.orig.tar.gz")
    with pytest.raises(Stopped, match="wrong bytes"):
        bench.ask("1.2.3")


def test_versions_of_debian_are_read_as_their_policy_says() -> None:
    read = {"1.2-1": "1.2", "2:1.2-3-1": "1.2-3", "1.0": "", "1:1.0": "", "1.2.3+~cs4-1+deb13u1": "1.2.3+~cs4"}
    assert {version: upstream_version(version) for version in read} == read


@pytest.mark.parametrize(
    ("system", "debian", "version", "same"),
    [
        ("pypi", "1.0~rc1", "1.0rc1", True),
        ("pypi", "1.0", "1.0.0", True),
        ("pypi", "1.0+git20200101", "1.0", False),
        ("pypi", "not a version", "1.0", False),
        ("npm", "1.0.0~beta.1", "1.0.0-beta.1", True),
        ("npm", "1.0", "1.0.0", False),
        ("npm", "1.0.0+~cs2.0", "1.0.0", True),
    ],
)
def test_a_version_is_the_same_by_the_rules_of_its_index(system: System, debian: str, version: str, same: bool) -> None:
    file = Located(name="x.orig.tar.gz", sha256="ab" * 32, size=1, archive="debian", path="pool/x.orig.tar.gz")
    found = Upstream(file=file, name="demo", version=f"{debian}-1", release=debian, evidence="")
    if same:
        require_version(found, system, version)
        return
    with pytest.raises(UsageError, match="expected the upstream archive of version"):
        require_version(found, system, version)


# --- as the source of a release ---------------------------------------------------------------------


def test_it_is_a_release_tarball_that_a_recipe_finds_again_by_its_path(bench: Bench) -> None:
    bench.add("1.2.3-1")
    taken = bench.taken("npm", {"demo-1.2.3.tgz": b"published"})
    purl = f"pkg:deb/debian/demo?distro={SUITE}"
    sourced = packages_source.find(bench.places(), Npm(), taken, Asked(source=purl))
    with bench.world.blobs.path(sourced.tree.sha256).open("rb") as file:
        assert set(TarTree(file).names) == {"index.js", "test.js"}
    recipe = packages_source.recipe_source(sourced, taken, None)
    assert (recipe.kind, recipe.archive) == (SourceKind.RELEASE_TARBALL, "local-archive")
    assert recipe.files[-1].path == "pool/main/d/demo/demo_1.2.3.orig.tar.gz"
    (guess,) = sourced.guesses
    assert guess.origin is Origin.PINNED
    assert guess.evidence.startswith("Debian's source package demo 1.2.3-1 carries this upstream tarball")
    assert packages_source.compared(sourced, taken) is taken


def test_an_archive_that_is_the_published_file_is_compared_with_nothing(bench: Bench) -> None:
    bench.add("1.2.3-1")
    taken = bench.taken("npm", {"demo-1.2.3.tgz": TREE})
    sourced = packages_source.find(bench.places(), Npm(), taken, Asked(source=f"pkg:deb/debian/demo?distro={SUITE}"))
    with pytest.raises(UsageError, match=r"expected a file of demo 1\.2\.3 that is not itself the source"):
        packages_source.compared(sourced, taken)


def test_where_debian_carries_the_sdist_itself_the_source_is_called_that(bench: Bench) -> None:
    bench.add("1.2.3-1")
    taken = bench.taken("pypi", {"demo-1.2.3.tar.gz": TREE, "demo-1.2.3-py3-none-any.whl": b"wheel"})
    sourced = packages_source.find(bench.places(), PyPI(), taken, Asked(source=f"pkg:deb/debian/demo?distro={SUITE}"))
    assert (sourced.kind, sourced.held_by) == (SourceKind.SDIST, "pypi")
    assert sourced.archive is not None
    assert sourced.archive.path == "demo/1.2.3/demo-1.2.3.tar.gz"


def test_only_a_package_of_an_index_is_built_from_it() -> None:
    purl = f"pkg:deb/debian/demo?distro={SUITE}"
    targets.check(targets.Said(target="pkg:npm/demo@1.2.3", source=purl))
    with pytest.raises(UsageError, match=r"expected --source to name a Debian source only with a package of an index"):
        targets.check(targets.Said(target="recipe.toml", source=purl))


# --- an sdist as the source of its wheel ------------------------------------------------------------


def test_an_sdist_that_is_the_source_is_no_target(bench: Bench) -> None:
    taken = bench.taken("pypi", {"demo-1.2.3.tar.gz": TREE, "demo-1.2.3-py3-none-any.whl": b"wheel"})
    sourced = packages_source.find(bench.places(), PyPI(), taken, Asked(from_sdist=True))
    left = packages_source.compared(sourced, taken)
    assert [file.name for file in left.files] == ["demo-1.2.3-py3-none-any.whl"]
    assert [file.name for file in left.targets.files] == ["demo-1.2.3-py3-none-any.whl"]
    assert left.targets.named == {"demo-1.2.3-py3-none-any.whl"}
    # What its headers tell of the publisher's machine can still be read.
    assert set(left.paths) == set(taken.paths)


def test_an_sdist_cannot_be_rebuilt_from_itself(bench: Bench) -> None:
    files = {"demo-1.2.3.tar.gz": TREE, "demo-1.2.3-py3-none-any.whl": b"wheel"}
    taken = bench.taken("pypi", files, named="demo-1.2.3.tar.gz")
    sourced = packages_source.find(bench.places(), PyPI(), taken, Asked(from_sdist=True))
    with pytest.raises(UsageError, match=r"that is not itself the source, found none asked for") as caught:
        packages_source.compared(sourced, taken)
    assert "--source" in caught.value.hint
