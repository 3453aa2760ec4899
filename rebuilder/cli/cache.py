"""``rebuilder cache``: what lies on this disk, and how to have less of it."""

from __future__ import annotations

import click

from rebuilder.config import Config, load_config


@click.group(invoke_without_command=True)
@click.pass_context
def cache(context: click.Context) -> None:
    """Show what is stored: blobs, runs, root filesystems in the engine."""
    if context.invoked_subcommand is None:
        show(load_config())


def show(config: Config) -> None:
    """Counts and sizes, one line each."""
    from rebuilder.cli.progress import Quiet
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.runs import RunStore
    from rebuilder.wiring import workshop

    blobs = list(BlobStore(config.state).names())
    click.echo(f"state folder {config.state}")
    click.echo(f"  {len(blobs)} blobs, {sum(size for _, size in blobs) / 1e6:.1f} MB")
    click.echo(f"  {len(RunStore(config.state).folders())} runs")
    for sha256, size in workshop(config, Quiet()).engine.roots():
        click.echo(f"  root filesystem {sha256[:16]}, {size / 1e6:.0f} MB in the engine")
    click.echo("`rebuilder cache trim` forgets what no run needs; with --roots also the root filesystems")


@cache.command()
@click.option("--roots", is_flag=True, help="Also the root filesystems in the engine; they can be made again.")
def trim(*, roots: bool) -> None:
    """Forget blobs that no run and no recorded toolchain names. Runs are never touched."""
    from rebuilder.cli.progress import Quiet
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.durable import in_use
    from rebuilder.store.publish import evidence_of
    from rebuilder.store.runs import RunStore
    from rebuilder.wiring import workshop

    config = load_config()
    blobs = BlobStore(config.state)
    with in_use(config.state, alone=True):
        needed = {file.sha256 for run in RunStore(config.state) for file in evidence_of(run.record, artifacts=True)}
        dropped = [(name, size) for name, size in blobs.names() if name not in needed]
        for name, _ in dropped:
            blobs.remove(name)
    click.echo(f"forgot {len(dropped)} blobs, {sum(size for _, size in dropped) / 1e6:.1f} MB")
    if roots:
        engine = workshop(config, Quiet()).engine
        found = engine.roots()
        for sha256, _ in found:
            engine.forget_root(sha256)
        click.echo(f"forgot {len(found)} root filesystems")
