"""``rebuilder show``: what a run found, or which runs there are."""

from __future__ import annotations

import click

from rebuilder.config import load_config


@click.command()
@click.argument("run", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print the record (run.json) of each run, one a line.")
def show(run: str, *, as_json: bool) -> None:
    """Show RUN, a run's id (or its beginning) or the sha256 of an artifact; without it, list all runs.

    \b
    Examples:
      rebuilder show
      rebuilder show 20261120T19
      rebuilder show "$(sha256sum less_668-1_amd64.deb | cut -d' ' -f1)"
    """
    from rebuilder.report.text import clean, summary_text
    from rebuilder.store.runs import RunStore

    runs = RunStore(load_config().state)
    readable, faults = runs.survey()
    for fault in faults:
        click.echo(f"rebuilder: {clean(fault)}", err=True)
    found = runs.find(run) if run else readable
    if as_json:
        for item in found:
            click.echo(item.record.model_dump_json(by_alias=True))
    elif run and len(found) == 1:
        click.echo("\n".join(summary_text(found[0].record, places(found[0].folder))))
    else:
        for item in found:
            name = item.record.published.purl if item.record.published else item.record.target
            click.echo(f"{item.record.run_id}  {item.record.verdict:<13} {clean(name)}")
        if not found:
            click.echo("no runs yet; `rebuilder verify TARGET` makes one", err=True)


def places(folder: object) -> dict[str, str]:
    """Where the evidence of a run lies, for ``summary_text``."""
    from pathlib import Path

    base = Path(str(folder))
    named = {"page": "index.html", "record": "run.json", "recipe": "recipe.toml", "toolchain": "toolchain.lock.json"}
    found = {what: str(base / name) for what, name in named.items() if (base / name).exists()}
    bundle = next(iter(sorted(base.glob("*.intoto.jsonl"))), None)
    return found | ({"bundle": str(bundle)} if bundle else {})
