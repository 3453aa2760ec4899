"""``rebuilder explain``: the causes of a run's differences, and a rebuild that proves or refutes the likeliest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rebuilder.config import Config, load_config
from rebuilder.errors import RebuilderError, RecipeError, Stopped, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rebuilder.case import Case
    from rebuilder.confirm import Tried
    from rebuilder.explain.suspects import Suspect
    from rebuilder.lock import ToolchainLock
    from rebuilder.ports import Progress, Resolution, Signing
    from rebuilder.store.runs import Run
    from rebuilder.wiring import Workshop

#: Suspects whose versions are looked for. Each costs a few questions to a mirror, not a build.
MAX_LOOKED_FOR = 20


@click.command()
@click.argument("run")
@click.option("--artifact", default="", metavar="NAME", help="Which file, where several differ.  [default: the first]")
@click.option("--confirm", is_flag=True, help="Try the likeliest fixes: rebuild, and say what came of it.")
@click.option(
    "--tries",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    help="With --confirm: at most so many rebuilds.",
)
@click.option("--no-sign", is_flag=True, help="With --confirm: sign nothing of the tries.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--json", "as_json", is_flag=True, help="Print explanation, suspects and proofs as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress and no explanation; only what came of the tries.")
def explain(run: str, **options: object) -> None:
    """Say why a file that RUN rebuilt differs from the published one, and what to try.

    RUN is the id of a run that found differences, or the beginning of it; `rebuilder show` lists them.
    Both files are compared anew by the rules of this version; the run itself stays as it is.

    Often the publisher built with older packages than the suite has today, in another folder, or with
    other variables. `explain` lists what can be behind the difference, the likeliest first: settings
    that the published file shows, and packages that came later than the file. With --confirm they are
    tried in turn: the older version is taken from the archive's pool, or the setting is changed, all
    else stays as it was, and the package is built again. What can come of it:

    \b
      CONFIRMED   with the change the difference is gone. No more is tried.
      REFUTED     with the change it is still there, or only a part of it is gone.
      NOT TRIED   the older version is not to be had, or does not fit the other packages.

    Where no package alone does it, the last try is for all of them together.

    Each try is a run of its own with record, page and log. What it changes is a guess, and is called
    so in all that is signed about it.

    \b
    Examples:
      rebuilder explain 20261120T2149
      rebuilder explain 20261120T2149 --confirm

    Exit codes: 0 explained (with --confirm: confirmed), 10 nothing was confirmed, 2 usage, 3 a fault of
    this machine.
    """
    from rebuilder.cli.progress import shown
    from rebuilder.store.durable import in_use
    from rebuilder.wiring import unlocked_signer, workshop

    _check_options(options)
    config = load_config()
    found = _found(config, run)
    confirming = bool(options["confirm"])
    signing = unlocked_signer(config, _passphrase) if confirming and not options["no_sign"] else None
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    tried: list[Tried] = []
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        lock = _lock(found)
        if confirming:
            shop.engine.version()
            shop.sweep()
            _at_hand(shop, lock, progress)
        case = _case(shop, found, lock, str(options["artifact"]), progress)
        if confirming:
            _check_steady(case)
            tried += _all_tried(shop, case, found, signing, options)
            _renew_index(config)
    _say(case, tried, config, options)
    if confirming and not any(one.proof.result == "confirmed" for one in tried):
        sys.exit(10)


def _check_options(options: dict[str, object]) -> None:
    """What only means something for tries is not taken in silence where none is made."""
    given = click.get_current_context().get_parameter_source("tries")
    if options["confirm"]:
        return
    if given is click.core.ParameterSource.COMMANDLINE:
        msg = "--tries needs --confirm"
        raise UsageError(msg)
    if options["no_sign"]:
        msg = "--no-sign needs --confirm"
        raise UsageError(msg)


def _check_steady(case: Case) -> None:
    """A build that gives other bytes each time may give the right ones by chance: nothing can be confirmed by it."""
    from rebuilder.model import Verdict

    if case.item.verdict is Verdict.FLAKY:
        msg = f"{case.item.artifact} is flaky: our own rebuilds differ, so one more that is equal proves nothing"
        raise UsageError(msg, hint="read where our rebuilds differ first: rebuilder explain RUN, without --confirm")


def _passphrase() -> bytes:
    from rebuilder.cli.verify import ask_passphrase

    return ask_passphrase()


def _found(config: Config, text: str) -> Run:
    """The one run that is meant."""
    from rebuilder.store.runs import RunStore

    runs = RunStore(config.state).find(text)
    exact = [run for run in runs if run.folder.name == text]
    if len(runs) > 1 and not exact:
        names = ", ".join(run.folder.name for run in runs[:5]) + (", ..." if len(runs) > 5 else "")
        msg = f"expected one run, found {len(runs)} for {text!r}: {names}"
        raise UsageError(msg, hint="give more of the run's id")
    return (exact or list(runs))[0]


def _lock(run: Run) -> ToolchainLock:
    from rebuilder.resolve.recipes import load_lock

    path = run.folder / "toolchain.lock.json"
    if not path.is_file():
        msg = f"expected a run that found differences, found {run.record.verdict.value}: {run.record.reason}"
        raise UsageError(msg, hint="`rebuilder show` lists the runs; only those that differ can be explained")
    return load_lock(path)[0]


def _at_hand(shop: Workshop, lock: ToolchainLock, progress: Progress) -> None:
    """Fetch what is missing of the toolchain. What cannot be had, the tries will miss, and say so."""
    missing = [package for package in lock.packages if not shop.blobs.has(package.sha256)]
    if missing:
        progress.stage("toolchain", f"fetching {len(missing)} packages of the run's toolchain")
        try:
            shop.fetcher.fetch_all(missing)
        except Stopped:
            return


def _case(shop: Workshop, run: Run, lock: ToolchainLock, artifact: str, progress: Progress) -> Case:
    from rebuilder.case import case

    return case(run.record, lock, artifact, shop.blobs, progress)


# --- tries ----------------------------------------------------------------------------------------


def _all_tried(
    shop: Workshop, case: Case, run: Run, signing: Signing | None, options: dict[str, object]
) -> Iterator[Tried]:
    """Suspects in turn until one is confirmed. One that cannot be had costs no try."""
    from rebuilder.confirm import Course

    remark = "the network is switched off (--offline)" if options["offline"] else ""
    course = Course(case.suspects[:MAX_LOOKED_FOR], tries=options["tries"] if isinstance(options["tries"], int) else 1)
    while (suspect := course.next()) is not None:
        tried = _tried(shop, case, run, suspect, signing, remark)
        course.came_of(suspect, tried)
        yield tried


def _tried(shop: Workshop, case: Case, run: Run, suspect: Suspect, signing: Signing | None, remark: str) -> Tried:
    """One suspect: its toolchain or setting, then a whole run with it. ``remark`` is said where it cannot be had."""
    from rebuilder import confirm
    from rebuilder.cli.explain_words import suspected
    from rebuilder.explain.settings import applied
    from rebuilder.pipeline import verify
    from rebuilder.ports import Options

    shop.progress.stage("toolchain", f"to be tried: {suspected(suspect)}")
    try:
        versions = suspect.versions
        lock = shop.toolchains.changed(case.lock, versions) if versions else case.lock
        resolution = shop.ecosystem.resolve(str(run.folder / "recipe.toml"))
        if suspect.settings:
            resolution = shop.ecosystem.with_build(resolution, applied(resolution.recipe.build, suspect.settings))
    except (Stopped, RecipeError) as stop:
        refused = confirm.not_tried(case, suspect, stop, remark=remark)
        return confirm.Tried(suspect, refused, missing=confirm.missing(stop))
    changed = confirm.changed(resolution, lock, suspect, case.record)
    options = Options(sign=signing is not None, proves=confirm.proof_of(case, suspect, shop.blobs))
    record = verify(case.record.target, _giving(changed), shop.ports(signing), options)
    if record.explanation.proof is None:
        ended = Stopped(record.verdict, record.reason, missing=record.missing)
        # Built, and yet not judged: the record's warnings say what failed.
        why = "; ".join(record.warnings) if record.built else ""
        return confirm.Tried(suspect, confirm.not_tried(case, suspect, ended, remark=why), record)
    return confirm.Tried(suspect, record.explanation.proof, record)


def _giving(resolution: Resolution) -> Callable[[], Resolution]:
    return lambda: resolution


def _renew_index(config: Config) -> None:
    from rebuilder.cli.publish import renew_index
    from rebuilder.store.publish import Site

    site = Site(config.state)
    try:
        renew_index(site)
    except RebuilderError as err:  # the tries stand; what came of them must not be lost over a list of runs
        click.echo(f"rebuilder: the index of all runs could not be renewed: {err.message}", err=True)
    finally:
        site.close()


def _say(case: Case, tried: list[Tried], config: Config, options: dict[str, object]) -> None:
    from rebuilder.cli import nobody_reads
    from rebuilder.cli.explain_words import as_json, suspect_lines, tried_lines
    from rebuilder.report.explain_text import lines

    confirming = bool(options["confirm"])
    try:
        if options["as_json"]:
            click.echo(as_json(case, tried))
            return
        if not options["quiet"]:
            for line in (*lines((case.explanation,)), *suspect_lines(case, confirming=confirming)):
                click.echo(line)
        for one in tried:
            for line in tried_lines(one, str(config.state / "runs" / one.record.run_id) if one.record else ""):
                click.echo(line)
        if confirming and not tried:
            nothing = ": no older package and no setting is known to try"
            click.echo(click.style("NOT TRIED", bold=True, fg="yellow") + nothing)
    except BrokenPipeError:  # the tries stand, and so does the exit code
        nobody_reads()
