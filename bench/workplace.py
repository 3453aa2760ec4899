"""A store of the benchmarks' own, below the configured one: keys, and a real package pinned with its lock.

Made once and not timed; then packages, indexes and root filesystems are warm. Copies of it without any
result are made by hard links.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from measure import program

from rebuilder.cli.progress import Quiet
from rebuilder.config import load_config
from rebuilder.wiring import Workshop, workshop

PACKAGE = "pkg:deb/debian/less?distro=trixie"
IDENTITY = (
    "--organisation=bench", "--builder-id=https://bench.example/builder", "--verifier-id=https://bench.example/verifier",
)  # fmt: skip
#: What runs leave behind. All else is packages, indexes, keys, and what is remembered of them: warm.
_RESULTS = shutil.ignore_patterns("runs", "log.jsonl", "tmp", "in-use", "index.*", "data", "bench")


@dataclass(frozen=True)
class Workplace:
    """Where the store and the recipe lie."""

    state: Path
    recipe: Path

    def shop(self) -> Workshop:
        """The adapters of the product on that store."""
        return workshop(replace(load_config(), state=self.state), Quiet())

    def rebuilder(self, *arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the installed program on the store, or on a copy of it. ``SystemExit`` with its words if it fails."""
        return rebuilder(state or self.state, *arguments)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A store with everything warm and no result in it; removed afterwards."""
        copy = self.state.with_name(f"fresh-{uuid4().hex}")
        try:
            shutil.copytree(self.state, copy, copy_function=os.link, ignore=_RESULTS)
            yield copy
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def workplace() -> Workplace:
    """The store with a run behind it, made where it is not there yet. ``BENCH_PACKAGE`` names another purl."""
    purl = os.environ.get("BENCH_PACKAGE", PACKAGE)
    folder = load_config().state / "bench" / "".join(c if c.isalnum() else "-" for c in purl)
    state, recipes = folder / "state", folder / "recipes"
    if not (state / "keys").is_dir():
        rebuilder(state, "keys", "init", *IDENTITY)
    if not list(recipes.glob("**/toolchain.lock.json")):
        shutil.rmtree(recipes, ignore_errors=True)
        rebuilder(state, "init", purl, "--recipes", str(recipes), "--quiet")
    recipe = next(recipes.glob("**/recipe.toml"))
    # Once, not timed: whatever this version remembers differently from the last is then warm too.
    rebuilder(state, "verify", str(recipe), "--quiet")
    return Workplace(state, recipe)


def rebuilder(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program on a store. ``SystemExit`` with its words if it fails."""
    environment = os.environ | {"REBUILDER_STATE": str(state)}
    ended = subprocess.run([program(), *arguments], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"rebuilder {' '.join(arguments)} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended
