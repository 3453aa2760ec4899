"""The test archive is a real one: apt accepts it, gpgv accepts its signature, and its faults show."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.archive.server import MISSING, Fault, Mirror
from tests.archive.world import SUITE, Archives, World

pytestmark = pytest.mark.integration


def _apt_update(world: World, folder: Path) -> subprocess.CompletedProcess[str]:
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    key = world.folder / "trust" / "specimens.asc"
    (folder / "sources.list").write_text(
        f"deb [signed-by={key}] {world.mirrors[0].url} {SUITE} main\n"
        f"deb-src [signed-by={key}] {world.mirrors[0].url} {SUITE} main\n"
    )
    (folder / "status").touch()
    options = [
        f"-oDir::State={folder}", f"-oDir::State::lists={folder}/lists", f"-oDir::State::status={folder}/status",
        f"-oDir::Cache={folder}", f"-oDir::Etc::sourcelist={folder}/sources.list", "-oDir::Etc::sourceparts=/none",
        "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none", "-oAPT::Update::Error-Mode=any",
    ]
    return subprocess.run(["apt-get", *options, "update"], capture_output=True, text=True, check=False)


def test_apt_accepts_the_archive_and_no_changed_one(
    world: World, changed_archives: Archives, make_world, tmp_path: Path
) -> None:
    good = _apt_update(world, tmp_path / "good")
    assert good.returncode == 0, good.stderr
    suite = changed_archives.specimens.suites[SUITE]
    suite.edit_inrelease = lambda signed: signed.replace(b"Label: Specimens", b"Label: specimens")
    changed_archives.specimens.publish()
    bad = _apt_update(make_world(changed_archives), tmp_path / "bad")
    assert bad.returncode != 0
    assert "BADSIG" in bad.stderr or "invalid" in bad.stderr.lower()


def test_a_change_needs_publishing_before_the_index_vouches_for_it(
    archives: Archives, changed_archives: Archives
) -> None:
    archive = changed_archives.specimens
    path = archive.binary("specimen-plain")["Filename"]
    untouched = (archives.specimens.root / path).read_bytes()
    lists = archive.root / "dists" / SUITE / "main/binary-amd64/Packages"
    before = lists.read_text()
    archive.flip(path)
    assert lists.read_text() == before
    assert (archives.specimens.root / path).read_bytes() == untouched
    archive.publish()
    assert lists.read_text() != before


def test_a_mirror_shows_the_faults_it_was_given(archives: Archives) -> None:
    path = archives.specimens.binary("specimen-plain")["Filename"]
    whole = (archives.specimens.root / path).read_bytes()

    def get(mirror: Mirror, headers: dict[str, str] = {}) -> bytes:  # noqa: B006 - never changed
        with urllib.request.urlopen(urllib.request.Request(f"{mirror.url}/{path}", headers=headers)) as answer:
            return answer.read()

    with Mirror(archives.specimens.root) as mirror:
        assert get(mirror) == whole
        assert get(mirror, {"Range": "bytes=100-"}) == whole[100:]
        mirror.faults[path] = Fault(flip=-1)
        assert get(mirror)[:-1] == whole[:-1]
        assert get(mirror) != whole
        mirror.faults[path] = MISSING
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(mirror)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{mirror.url}/%2e%2e/%2e%2e/etc/passwd")
        assert mirror.requests[-1] == "../../etc/passwd"
