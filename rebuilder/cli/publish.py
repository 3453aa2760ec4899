"""``rebuilder publish DIR``: a static folder that anyone can serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.config import load_config
from rebuilder.errors import UsageError

if TYPE_CHECKING:
    from rebuilder.store.publish import Site


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--run", "wanted", multiple=True, help="Only this run (id, its beginning, or an artifact's sha256).")
@click.option("--with-artifacts", is_flag=True, help="Also the published and rebuilt files and the whole source.")
def publish(folder: Path, wanted: tuple[str, ...], *, with_artifacts: bool) -> None:
    """Add runs with their evidence to FOLDER and renew its index. What is there already is never changed.

    FOLDER is static: any web server can serve it, and index.html opens from disk as it is.

    \b
    Examples:
      rebuilder publish reports
      rebuilder publish reports --run 20261120T19 --with-artifacts
    """
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.durable import in_use
    from rebuilder.store.publish import Site
    from rebuilder.store.runs import RunStore

    config = load_config()
    runs = RunStore(config.state)
    chosen = [run for text in wanted for run in runs.find(text)[:1]] if wanted else list(runs)
    site = Site(folder)
    if site.is_foreign():
        msg = f"{folder} holds other files and was not made by `rebuilder publish`"
        raise UsageError(msg, hint="name a new or empty folder, or one published before")
    blobs = BlobStore(config.state, config.evidence)
    try:
        with in_use(config.state):
            added = sum(site.add(run, blobs, artifacts=with_artifacts) for run in chosen)
            count = renew_index(site)
    finally:
        site.close()
    click.echo(f"{folder}: {added} runs added, {count} in all; open {folder / 'index.html'}")


def renew_index(site: Site) -> int:
    """Write the index over all runs of a folder; how many there are. One that cannot be read is said, not shown."""
    from rebuilder.report.index import index_json, index_row, render_index
    from rebuilder.report.text import clean

    with site.alone():
        runs, faults = site.runs.survey()
        folders = [(run.record, f"runs/{run.folder.name}") for run in runs]
        rows = [
            index_row(record, page=f"{folder}/index.html", record_path=f"{folder}/run.json")
            for record, folder in folders
        ]
        site.write_index(render_index(rows).encode(), index_json(rows))
    for fault in faults:
        click.echo(f"rebuilder: left out of the index: {clean(fault)}", err=True)
    return len(rows)
