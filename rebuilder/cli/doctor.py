"""`rebuilder doctor`: what Rebuilder needs, and what of it is here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rebuilder.errors import EXIT_OUR_FAULT

if TYPE_CHECKING:
    from rebuilder.cli.needs import Need

MARKS = {"ok": "ok", "warning": "note", "missing": "MISSING"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a list for people.")
@click.option("--deep", is_flag=True, help="Also run a sealed container and ask each mirror for its signed index.")
def doctor(as_json: bool, deep: bool) -> None:
    """List each need with the version found, or how to get it.

    Exits 0 if nothing that is needed is missing, 3 otherwise. Notes alone do not fail it.
    """
    from rebuilder.cli.needs import survey
    from rebuilder.config import load_config

    needs = tuple(survey(load_config(), deep=deep))
    fine = all(need.state != "missing" for need in needs)
    if as_json:
        click.echo(json.dumps({"ok": fine, "needs": [asdict(need) for need in needs]}, indent=2))
    else:
        click.echo("\n".join(lines(needs)))
    sys.exit(0 if fine else EXIT_OUR_FAULT)


def lines(needs: Iterable[Need]) -> list[str]:
    """The list for people: one line a need, and under it what to do where there is something to do."""
    from rebuilder.report.text import clean

    needs = tuple(needs)
    width = max(len(need.name) for need in needs)
    out = []
    for need in needs:
        out.append(f"{MARKS[need.state]:<8} {need.name:<{width}}  {clean(need.found)}")
        for number, line in enumerate(need.get.splitlines()):
            out.append(f"{'':<8} {'':<{width}}  {'  ' if number else '->'} {clean(line)}")
    missing = [need.name for need in needs if need.state == "missing"]
    out.append("")
    out.append(f"missing: {', '.join(missing)}" if missing else "All that is needed is here.")
    return out
