"""One run of the real command, and what came out of it: words, record, statements, each read anew from disk."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebuilder.attest import uris
from rebuilder.model import Record
from tests.archive.world import BASE_SUITE, Archives, Outcome, World

OUR_BUG = 1
USAGE = 2
OUR_FAULT = 3
EXIT = {
    "reproduced": 0, "different": 10, "equivalent": 11, "flaky": 12, "build-failed": 13, "refused": 14,
    "unavailable": 15,
}


@dataclass(frozen=True)
class Run:
    """A run that left a record."""

    outcome: Outcome
    folder: Path
    record: Record

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """The statements in the bundle, in order; whether they verify is `verify-bundle`'s affair."""
        lines = [line for path in self.folder.glob("*.intoto.jsonl") for line in path.read_text().splitlines()]
        return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines]

    @property
    def statements(self) -> list[str]:
        """`A`, `B PASSED`, `B FAILED`, `D <outcome>`, as the table of the design names them."""
        return [_letter(payload) for payload in self.payloads]

    @property
    def bundle(self) -> Path:
        """The signed bundle."""
        return next(self.folder.glob("*.intoto.jsonl"))

    @property
    def levels(self) -> list[str]:
        """Verified levels of every summary."""
        return [level for payload in self.payloads for level in payload["predicate"].get("verifiedLevels", ())]

    @property
    def log(self) -> str:
        """Every build log of the run."""
        logs = sorted(self.folder.glob("build-*.log"))
        return "".join(path.read_bytes().decode(errors="replace") for path in logs)

    def verdict_of(self, file: str) -> str:
        """The verdict on one artifact."""
        assert self.record.comparison is not None
        return next(item.verdict.value for item in self.record.comparison.artifacts if item.artifact == file)

    def origin(self, name: str) -> str:
        """Where an input came from."""
        return next(item.origin.value for item in self.record.inputs if item.name == name)


def verify(world: World, target: str, *options: str, timeout: float = 300, **environment: str) -> Run:
    """Run `rebuilder verify` and read back the one run it left. Fails with all it said if it left none."""
    before = set(_runs(world))
    outcome = world.run("verify", target, *options, timeout=timeout, **environment)
    new = sorted(set(_runs(world)) - before)
    assert len(new) == 1, f"expected one new run, found {len(new)}; exit {outcome.code}\n{outcome.text[-4000:]}"
    record = Record.model_validate_json((new[0] / "run.json").read_bytes())
    assert outcome.code == EXIT[record.verdict.value], outcome.text
    return Run(outcome, new[0], record)


def no_run(world: World, target: str, *options: str, **environment: str) -> Outcome:
    """Run `rebuilder verify`, which must leave no record at all."""
    before = set(_runs(world))
    outcome = world.run("verify", target, *options, **environment)
    assert set(_runs(world)) == before, outcome.text
    return outcome


def check_bundle(world: World, run: Run, package: str) -> Outcome:
    """`verify-bundle` on the run's bundle and the published file of ``package``."""
    archive = world.archives.specimens
    return world.run("verify-bundle", str(run.bundle), str(archive.root / archive.binary(package)["Filename"]))


def _runs(world: World) -> list[Path]:
    return [folder for folder in (world.state / "runs").glob("*") if (folder / "files.json").exists()]


def _letter(payload: dict[str, Any]) -> str:
    kind, predicate = payload["predicateType"], payload["predicate"]
    if kind == uris.PROVENANCE:
        return "A"
    if kind == uris.SUMMARY:
        return f"B {predicate['verificationResult']}"
    assert kind == uris.OUTCOME
    return f"D {predicate['outcome']}"


def pinned(world: World, package: str) -> Path:
    """A recipe with its lock, written by the command itself."""
    outcome = world.run("init", world.purl(package), "--recipes", "recipes", "--quiet")
    assert outcome.code == 0, outcome.text
    return next((world.folder / "recipes").rglob(f"{package}/**/recipe.toml"))


def blob_path(state: Path, sha256: str) -> Path:
    """Where a blob lies."""
    return state / "blobs" / sha256[:2] / sha256


def flip(path: Path, offset: int = -1) -> None:
    """Change one bit of a file that may be shared with other folders: only here."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if offset < 0 else offset] ^= 1
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def toolchain_file(archives: Archives, package: str = "make") -> Path:
    """A real package of the toolchain, in the archive that serves it."""
    stanza = next(s for s in archives.base.suites[BASE_SUITE].binaries if s["Package"] == package)
    return archives.base.root / stanza["Filename"]
