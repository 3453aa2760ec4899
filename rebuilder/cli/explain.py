"""``rebuilder explain``: the causes of a run's differences, and a rebuild that proves or refutes the likeliest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rebuilder.config import Config, load_config
from rebuilder.errors import RecipeError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rebuilder.confirm import Case
    from rebuilder.findings import Proof
    from rebuilder.model import Record
    from rebuilder.ports import Progress, Resolution, Signing
    from rebuilder.store.runs import Run
    from rebuilder.wiring import Workshop


@click.command()
@click.argument("run")
@click.option("--artifact", default="", metavar="NAME", help="Which file, where several differ.  [default: the first]")
@click.option("--confirm", is_flag=True, help="Apply the likeliest fix, rebuild, say if it came true.")
@click.option("--tries", type=click.IntRange(1, 20), default=3, show_default=True,
              help="With --confirm: so many at most.")
@click.option("--no-sign", is_flag=True, help="With --confirm: sign nothing.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--json", "as_json", is_flag=True, help="Print explanation, suspects and proofs as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress; only the outcome.")
def explain(run: str, **options: object) -> None:
    """Say why the artifacts of RUN differ, and what to try. RUN is a run's id (or its beginning).

    With --confirm the likeliest fix that lies in the environment is applied (an older package from the
    pool), everything else stays as it was, and the package is built again: the cause is then confirmed,
    or refuted and the next one is tried. Each try is a run of its own, with its record and its page.

    \b
    Examples:
      rebuilder explain 20261120T2149
      rebuilder explain 20261120T2149 --confirm

    Exit codes: 0 explained (with --confirm: confirmed), 10 nothing confirmed, 2 usage, 3 a fault of this machine.
    """
    from rebuilder.cli.progress import shown
    from rebuilder.store.durable import in_use
    from rebuilder.store.runs import RunStore
    from rebuilder.wiring import unlocked_signer, workshop

    config = load_config()
    found = RunStore(config.state).find(run)[0]
    sign = bool(options["confirm"]) and not options["no_sign"]
    signing = unlocked_signer(config, _passphrase) if sign else None
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        case = _case(shop, found, str(options["artifact"]), progress)
        proofs: list[tuple[Proof, Record | None]] = []
        if options["confirm"]:
            shop.engine.version()
            shop.sweep()
            tries = options["tries"] if isinstance(options["tries"], int) else 1
            proofs += _tried(shop, case, found, signing, tries, progress)
    _say(case, proofs, config, options)
    if options["confirm"] and not any(proof.result == "confirmed" for proof, _ in proofs):
        sys.exit(10)


def _passphrase() -> bytes:
    from rebuilder.cli.verify import ask_passphrase

    return ask_passphrase()


def _case(shop: Workshop, run: Run, artifact: str, progress: Progress) -> Case:
    """What is known of the run, from its folder and the blobs. ``UsageError`` if it explains nothing."""
    from rebuilder.confirm import case
    from rebuilder.errors import UsageError
    from rebuilder.resolve.recipes import load_lock

    path = run.folder / "toolchain.lock.json"
    if not path.is_file():
        msg = f"expected a run that was built, found {run.record.verdict.value}: it has no toolchain"
        raise UsageError(msg, hint="`rebuilder show` lists the runs there are")
    lock, _ = load_lock(path)
    return case(run.record, lock, artifact, shop.blobs, progress)


def _tried(
    shop: Workshop, case: Case, run: Run, signing: Signing | None, tries: int, progress: Progress
) -> Iterator[tuple[Proof, Record | None]]:
    """Try suspects in turn until one is confirmed. One that cannot be had costs no try."""
    from rebuilder import confirm
    from rebuilder.pipeline import verify
    from rebuilder.ports import Options

    for suspect in case.suspects:
        if not tries:
            return
        versions = dict.fromkeys(suspect.packages, suspect.version)
        progress.stage("toolchain", f"{suspect.packages[0]} {suspect.version} in place of today's")
        try:
            lock = shop.toolchains.changed(case.lock, versions)
            resolution = confirm.changed(
                shop.ecosystem.resolve(str(run.folder / "recipe.toml")), lock, suspect, run.record.run_id
            )
        except (Stopped, RecipeError) as stop:
            yield confirm.not_tried(case, suspect, stop), None
            continue
        tries -= 1
        options = Options(sign=signing is not None, proves=confirm.proof_of(case, suspect, shop.blobs))
        record = verify(case.record.target, _giving(resolution), shop.ports(signing), options)
        proof = record.explanation.proof
        if proof is None:
            ended = Stopped(record.verdict, record.reason, missing=record.missing)
            yield confirm.not_tried(case, suspect, ended), record
            continue
        yield proof, record
        if proof.result == "confirmed":
            return


def _giving(resolution: Resolution) -> Callable[[], Resolution]:
    return lambda: resolution


def _say(case: Case, proofs: list[tuple[Proof, Record | None]], config: Config, options: dict[str, object]) -> None:
    import json

    if options["as_json"]:
        whole = {
            "run": case.record.run_id,
            "explanation": case.explanation.model_dump(mode="json"),
            "suspects": [
                {"packages": one.packages, "version": one.version, "why": one.why} for one in case.suspects
            ],
            "proofs": [
                {**proof.model_dump(mode="json"), "run": record.run_id if record else None} for proof, record in proofs
            ],
        }
        click.echo(json.dumps(whole, ensure_ascii=False))
        return
    from rebuilder.report.explain_text import lines
    from rebuilder.report.text import clean

    if not options["quiet"]:
        click.echo("\n".join(lines((case.explanation,), None)))
        _say_suspects(case, confirm=bool(options["confirm"]))
    for proof, record in proofs:
        colour = {"confirmed": "green", "refuted": "red"}.get(proof.result, "yellow")
        changes = ", ".join(change.text for change in proof.changes)
        word = click.style(proof.result.upper(), bold=True, fg=colour)
        click.echo(f"{word}: {clean(proof.cause)} ({clean(changes)})")
        click.echo(f"  {clean(proof.reason)}")
        if record is not None:
            click.echo(f"  evidence: {config.state / 'runs' / record.run_id}")
    if options["confirm"] and not proofs:
        click.echo("NOT TRIED: no fix that lies in the environment is known for this difference")


def _say_suspects(case: Case, *, confirm: bool) -> None:
    from rebuilder.report.text import clean

    if not case.suspects:
        click.echo("What could be tried: nothing in the toolchain is known to be younger than the published file.")
        return
    click.echo("What could be tried, likeliest first:")
    for number, one in enumerate(case.suspects[:10], 1):
        others = f" (with {', '.join(one.packages[1:])})" if one.packages[1:] else ""
        click.echo(f"  {number}. {one.packages[0]} {clean(one.version)}{clean(others)}: {clean(one.why)}")
    if not confirm:
        click.echo(f"To try it: rebuilder explain {case.record.run_id} --confirm")
