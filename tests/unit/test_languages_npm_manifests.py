"""What tarballs of npm say that they ask for, in npm's own cache."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from rebuilder.lock import LanguagePackage
from rebuilder.toolchain.languages_npm_index import answers
from rebuilder.toolchain.languages_npm_manifests import manifest_of

MANIFEST = {"name": "demo", "dependencies": {"leaf": "^1"}, "bin": "x.js", "scripts": {"install": "evil"}}


def packed(path: Path, *files: tuple[str, bytes]) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    path.write_bytes(gzip.compress(out.getvalue()))
    return path


@pytest.mark.parametrize("top", ["package", "demo-1.0", "./package"])
def test_what_is_asked_for_is_taken_and_no_script(tmp_path: Path, top: str) -> None:
    text = json.dumps(MANIFEST).encode()
    path = packed(tmp_path / "a.tgz", (f"{top}/lib/package.json", b"{}"), (f"{top}/package.json", text))
    assert manifest_of(path) == {"dependencies": {"leaf": "^1"}, "bin": "x.js"}


@pytest.mark.parametrize("text", [b"[1]", b"\xff", b"[" * 100_000, b""])
def test_a_manifest_that_is_none_asks_for_nothing(tmp_path: Path, text: bytes) -> None:
    assert manifest_of(packed(tmp_path / "a.tgz", ("package/package.json", text))) == {}


def test_a_broken_tarball_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(b"none")
    assert manifest_of(path) == {}
    whole = packed(path, ("package/big", bytes(50_000)), ("package/package.json", json.dumps(MANIFEST).encode()))
    monkeypatch.setattr("rebuilder.toolchain.languages_npm_manifests.MAX_UNPACKED", 10_000)
    assert manifest_of(whole) == {}


def test_without_a_lock_no_version_is_preferred_to_a_newer_one() -> None:
    packages = [
        LanguagePackage(system="npm", name="demo", version=version, file=f"demo-{version}.tgz", sha256="0" * 64, size=1,
                        integrity="sha512-" + "A" * 86 + "==")
        for version in ("2.10.0", "2.9.0")
    ]  # fmt: skip

    def document(**manifests: object) -> dict[str, object]:
        (found,) = (data for path, data in answers(packages, **manifests) if path.startswith("content"))  # type: ignore[arg-type]
        return json.loads(found)

    assert document()["dist-tags"] == {"latest": "2.9.0"}
    without = document(manifests=lambda package: {"dependencies": {"leaf": package.version}, "name": "other"})
    assert without["dist-tags"] == {}
    versions = without["versions"]
    assert isinstance(versions, dict)
    assert (versions["2.10.0"]["name"], versions["2.10.0"]["dependencies"]) == ("demo", {"leaf": "2.10.0"})
