"""``rebuilder cache``: what lies on this disk, and how to have less of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rebuilder.config import Config, load_config

#: Folders of the state that can be fetched again: clones of repositories, and what indexes said.
_FETCHED = {"git": "clones of repositories", "releases": "what indexes said of releases",
            "languages": "what requirements came to"}  # fmt: skip


@click.group(invoke_without_command=True)
@click.pass_context
def cache(context: click.Context) -> None:
    """Show what is stored: blobs, runs, clones, root filesystems in the engine."""
    if context.invoked_subcommand is None:
        show(load_config())


def show(config: Config) -> None:
    """Counts and sizes, one line each."""
    from rebuilder.cli.progress import Quiet
    from rebuilder.errors import InfrastructureError
    from rebuilder.report.text import clean
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.durable import size_of
    from rebuilder.store.runs import RunStore
    from rebuilder.wiring import workshop

    blobs = list(BlobStore(config.state).names())
    click.echo(f"state folder {config.state}")
    click.echo(f"  {len(blobs)} blobs, {sum(size for _, size in blobs) / 1e6:.1f} MB")
    click.echo(f"  {len(RunStore(config.state).folders())} runs")
    for name, words in _FETCHED.items():
        if size := size_of(config.state / name):
            click.echo(f"  {words}, {size / 1e6:.1f} MB")
    try:
        roots = workshop(config, Quiet()).engine.roots()
    except InfrastructureError as err:  # what lies in the engine is not all there is to show
        click.echo(f"  root filesystems: unknown; {clean(err.message)}")
    else:
        for sha256, size in roots:
            click.echo(f"  root filesystem {sha256[:16]}, {size / 1e6:.0f} MB in the engine")
    click.echo("`rebuilder cache trim --help` says what can be forgotten")


@cache.command()
@click.option("--toolchains", is_flag=True, help="Also packages of recorded toolchains; mirrors drop old ones.")
@click.option("--roots", is_flag=True, help="Also the root filesystems in the engine; they can be made again.")
@click.option("--clones", is_flag=True, help="Also clones of repositories. A tag that moves is then not noticed.")
@click.option("--answers", is_flag=True, help="Also what indexes said. A digest that changes is then not noticed.")
def trim(*, toolchains: bool, roots: bool, clones: bool, answers: bool) -> None:
    """Forget blobs that no run and no recorded toolchain names. Runs and keys are never touched.

    What is forgotten is fetched again when it is needed. To keep a toolchain for years, make it portable
    first: `rebuilder lock RECIPE --pack`.
    """
    from rebuilder.cli.progress import Quiet
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.durable import in_use, removed
    from rebuilder.store.publish import evidence_of
    from rebuilder.store.runs import RunStore
    from rebuilder.wiring import workshop

    config = load_config()
    blobs = BlobStore(config.state)
    with in_use(config.state, alone=True):
        runs = tuple(RunStore(config.state))
        needed = {file.sha256 for run in runs for file in evidence_of(run.record, artifacts=True)}
        if not toolchains:
            needed |= set(_locked(run.folder / "toolchain.lock.json" for run in runs))
            needed |= set(_locked((config.state / "tools").glob("*.lock.json")))
            # Of another version of this tool they may not be readable, and are solved anew.
            needed |= set(_locked((config.state / "check").glob("*.json"), unreadable=True))
        dropped = [(name, size) for name, size in blobs.names() if name not in needed]
        for name, _ in dropped:
            blobs.remove(name)
        chosen = (*(["git"] if clones else []), *(["releases", "languages"] if answers else []))
        forgotten = {name: removed(config.state / name) for name in chosen}
    click.echo(f"forgot {len(dropped)} blobs, {sum(size for _, size in dropped) / 1e6:.1f} MB")
    for name, size in forgotten.items():
        click.echo(f"forgot {_FETCHED[name]}, {size / 1e6:.1f} MB")
    if roots:
        engine = workshop(config, Quiet()).engine
        found = engine.roots()
        for sha256, _ in found:
            engine.forget_root(sha256)
        click.echo(f"forgot {len(found)} root filesystems")


def _locked(paths: Iterable[Path], *, unreadable: bool = False) -> Iterator[str]:
    """sha256 of every file that these locks name: packages, and the signed indexes that vouch for them. One that is
    ``unreadable`` names nothing, if that is allowed."""
    from rebuilder.errors import RecipeError
    from rebuilder.resolve.recipes import load_lock

    for path in paths:
        if path.is_file():
            try:
                lock, _ = load_lock(path)
            except RecipeError:
                if unreadable:
                    continue
                raise
            yield from (file.sha256 for file in (*lock.packages, *lock.seed, *lock.language_files))
            yield from (file.sha256 for index in lock.indexes for file in (index.inrelease, *index.lists))
