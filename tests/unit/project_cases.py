"""Small projects in Git repositories, and the ecosystem on a store of its own. No Docker, no network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rebuilder.checking import relations
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.lock import LanguagePackage, ToolchainLock
from rebuilder.model import FileDigest, Origin
from rebuilder.ports import Resolution
from rebuilder.project_inputs import ProjectSources
from rebuilder.recipe import ProjectRecipe
from rebuilder.resolve.projects import Projects
from rebuilder.store.blobs import BlobStore
from tests import records
from tests.unit.resolve_cases import Silence

FLIT = """[build-system]
requires = ["flit_core >=3.11"]
build-backend = "flit_core.buildapi"
[project]
name = "Demo.Flit"
version = "1!2.0"
"""
WHEEL = "demo_flit-1!2.0-py3-none-any.whl"
COMMITTED = 1_772_366_400
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"],
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in (("NAME", "Demo"), ("EMAIL", "demo@example.invalid"), ("DATE", f"{COMMITTED} +0000"))},
}  # fmt: skip


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make(folder: Path, files: dict[str, str], *, commit: bool = True) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if commit:
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "one")
    return folder


def flit(folder: Path) -> Path:
    return make(folder / "flit", {"pyproject.toml": FLIT, "demo_flit.py": '"""Demo."""\n'})


def built(folder: Path, name: str = WHEEL, data: bytes = b"a wheel") -> Path:
    (folder / "dist").mkdir(exist_ok=True)
    (folder / "dist" / name).write_bytes(data)
    return folder / "dist" / name


def npm_cache(packages: tuple[LanguagePackage, ...]) -> FileDigest:
    return records.file("npm-cache.tar", "|".join(package.name for package in packages))


def ecosystem(blobs: BlobStore) -> Projects:
    return Projects(
        blobs=blobs,
        endorser=DebianEndorser(TrustStore(()), blobs),
        progress=Silence(),
        sources=ProjectSources(blobs),
        asked_for=relations,
        npm_cache=npm_cache,
        limits={"seconds": 77},
    )


def language(name: str, system: str = "pypi") -> LanguagePackage:
    ending = "-1.0-py3-none-any.whl" if system == "pypi" else "-1.0.tgz"
    integrity = f"sha512-{'A' * 86}==" if system == "npm" else ""
    return LanguagePackage.model_validate(
        {"system": system, "name": name, "version": "1.0", "file": name + ending, "sha256": records.sha(name),
         "size": 9, "integrity": integrity}
    )  # fmt: skip


def locked(*names: str) -> ToolchainLock:
    return records.lock().with_languages(tuple(map(language, names)))


def origins(found: Resolution) -> dict[str, Origin]:
    return {item.name: item.origin for item in found.inputs}


def own(found: Resolution) -> ProjectRecipe:
    assert isinstance(found.recipe, ProjectRecipe)
    return found.recipe
