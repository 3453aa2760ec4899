"""``rebuilder check``: is a project's build deterministic? Which variation breaks it, where, and what helps."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.config import load_config
from rebuilder.errors import UsageError

if TYPE_CHECKING:
    from rebuilder.check.settings import CheckSettings
    from rebuilder.checking import Checked, Wishes
    from rebuilder.config import Config
    from rebuilder.wiring import Workshop

DEFAULT_SUITE = "trixie"
_MIN_BUILDS = 2
_OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, kw_only=True)
class _Given:
    """The command line, as it was given."""

    folder: Path
    command: tuple[str, ...]
    variations: str
    seed: int
    suite: str
    commit: str
    worktree: bool
    max_builds: int
    repeat: int
    fix: bool
    output: Path | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", metavar="[DIR]")
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]")
@click.option("--variations", default="", metavar="LIST",
              help="What is varied: `all,-cpu`, or `path,umask`.  [default: all, or as the project's settings say]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1),
              help="Repeats the draws of another check.  [default: a new one, printed]")
@click.option("--worktree", is_flag=True, help="Build the files as they lie, not those of the commit.")
@click.option("--commit", default="HEAD", show_default=True, help="The commit to build.")
@click.option("--suite", default="", help="Where the toolchain comes from.  [default: trixie, or the settings' own]")
@click.option("--max-builds", type=click.IntRange(_MIN_BUILDS, 100), default=12, show_default=True,
              help="Builds made to find the causes, at most.")
@click.option("--repeat", type=click.IntRange(1, 50), default=1, show_default=True,
              help="So many varied builds have to be equal, each drawn anew: for what is flaky once in ten.")
@click.option("--fix/--no-fix", default=True, help="Try fixes that can be applied from outside.")
@click.option("--relock", is_flag=True, help="Solve the toolchain anew, not the one of today that is kept.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for the report: page, JSON, both builds as scripts.")
@click.option("--sarif", type=_OUTPUT_FILE, help="Write SARIF 2.1.0, for code scanning.")
@click.option("--junit", type=_OUTPUT_FILE, help="Write JUnit XML, a test case for each variation.")
@click.option("--write-recipe", is_flag=False, flag_value="", default=None, metavar="[DIR]",
              help="Where nothing differs: write recipe and toolchain lock.  [default DIR: recipes/ of the project]")
@click.option("--json", "as_json", is_flag=True, help="Print the report (check.json) on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; one line with the answer.")
def check(folder: Path, command: tuple[str, ...], **options: object) -> None:
    """Build the project in DIR twice, with all varied that should not matter, and compare every byte.

    How it is built is read off its files, or off `[tool.rebuilder.check]` in pyproject.toml or `[check]` in
    rebuilder.toml, or given as COMMAND. The commit is built, in a sealed container; packages are fetched before. Where
    outputs differ, further builds find the variation, and the differing bytes the cause.

    \b
    Examples:
      rebuilder check .
      rebuilder check . --variations all,-cpu --seed 7 --output report/
      rebuilder check . -- make dist

    Exit code: 0 no difference seen, 10 outputs differ, 12 builds of one and the same differ (flaky), 13 the build
    failed, 15 toolchain or packages cannot be had, 2 usage, 3 a fault of this machine.
    """
    from rebuilder.cli.progress import shown
    from rebuilder.store.durable import in_use
    from rebuilder.wiring import workshop

    given = _given(folder, command, options)
    _writable(given.output, options)
    config = load_config()
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        shop.engine.version()
        shop.sweep()
        checked = _run(shop, config, given, fresh=bool(options["relock"]))
        _keep(shop, checked, given.output, options)
        if options["write_recipe"] is not None:
            _write_recipe(shop, checked, given, _recipes(given.folder, str(options["write_recipe"])))
    _say(checked, given, options)
    raise click.exceptions.Exit(checked.report.verdict.exit_code)


def _given(folder: Path, command: tuple[str, ...], options: dict[str, object]) -> _Given:
    from rebuilder.check.variations import chosen

    if options["worktree"] and options["commit"] != "HEAD":
        msg = "expected either --worktree or --commit, found both"
        raise UsageError(msg, hint="--worktree builds the files as they lie, --commit those of a commit")
    if options["variations"]:
        chosen(str(options["variations"]))
    seed = options["seed"]
    return _Given(
        folder=folder,
        command=command,
        variations=str(options["variations"]),
        seed=seed if isinstance(seed, int) else secrets.randbits(32),
        suite=str(options["suite"]),
        commit=str(options["commit"]),
        worktree=bool(options["worktree"]),
        max_builds=_number(options["max_builds"]),
        repeat=_number(options["repeat"]),
        fix=bool(options["fix"]),
        output=options["output"] if isinstance(options["output"], Path) else None,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _writable(output: Path | None, options: dict[str, object]) -> None:
    """``UsageError`` before the first build for what could not be written after the last."""
    for name in ("sarif", "junit"):
        file = options[name]
        if isinstance(file, Path) and not file.absolute().parent.is_dir():
            msg = f"expected --{name} to name a file in a folder that exists, found no folder {str(file.parent)!r}"
            raise UsageError(msg)
    if output is not None and output.is_dir() and any(output.iterdir()) and not (output / "check.json").is_file():
        msg = f"expected --output to name a new folder or that of an earlier check, found other files in {output}"
        raise UsageError(msg, hint="nothing was overwritten; name another folder")


def _run(shop: Workshop, config: Config, given: _Given, *, fresh: bool) -> Checked:
    from rebuilder.check_inputs import Asked, subject
    from rebuilder.checking import check as run

    asked = Asked(folder=given.folder, commit=given.commit, worktree=given.worktree, command=given.command)
    shop.progress.stage("check", "source")
    what, settings = subject(asked, shop.blobs)
    wishes = _wishes(given, settings, config)
    return run(what, wishes, shop.check_ports(wishes.limits, fresh=fresh))


def _wishes(given: _Given, settings: CheckSettings, config: Config) -> Wishes:
    from rebuilder.check.variations import chosen
    from rebuilder.checking import Wishes
    from rebuilder.model import Limits

    limits = Limits.model_validate({**config.limits, **settings.limits})
    return Wishes(
        variations=chosen(given.variations or settings.variations),
        seed=given.seed,
        suite=given.suite or settings.suite or DEFAULT_SUITE,
        max_builds=given.max_builds,
        repeat=given.repeat,
        try_fixes=given.fix,
        limits=limits,
        again=_again(given),
    )


def _again(given: _Given) -> str:
    """The command that repeats this check exactly, as long as the toolchain is the same."""
    folder = str(given.folder)
    folder = f"./{folder}" if folder.startswith("-") else folder
    words = ["rebuilder", "check", folder, "--seed", str(given.seed)]
    words += ["--variations", given.variations] if given.variations else []
    words += ["--suite", given.suite] if given.suite else []
    words += ["--worktree"] if given.worktree else []
    words += ["--commit", given.commit] if given.commit != "HEAD" else []
    words += ["--max-builds", str(given.max_builds)] if given.max_builds != 12 else []
    words += ["--repeat", str(given.repeat)] if given.repeat != 1 else []
    words += [] if given.fix else ["--no-fix"]
    words += ["--", *given.command] if given.command else []
    return shlex.join(words)


def _keep(shop: Workshop, checked: Checked, output: Path | None, options: dict[str, object]) -> None:
    """Everything that was asked for, on the disk."""
    from rebuilder.report.junit import junit
    from rebuilder.report.sarif import sarif
    from rebuilder.store.durable import replace_synced

    if output is not None:
        from rebuilder.check_folder import write

        shop.progress.stage("check", f"report in {output}")
        write(output, checked, shop.blobs)
    for name, made in (("sarif", sarif), ("junit", junit)):
        file = options[name]
        if isinstance(file, Path):
            replace_synced(file, made(checked.report))


def _recipes(folder: Path, named: str) -> Path | None:
    """The folder for recipes that was named; ``None``: the project's own, which is also what naming the project means
    (click takes the `.` of `--write-recipe .` for the folder)."""
    into = Path(named) if named else folder
    return None if into.resolve() == folder.resolve() else into


def _write_recipe(shop: Workshop, checked: Checked, given: _Given, into: Path | None) -> None:
    from rebuilder.check.model import CheckVerdict

    if checked.report.verdict is not CheckVerdict.REPRODUCIBLE:
        click.echo("rebuilder: no recipe was written, because the check did not end well", err=True)
        return
    from rebuilder.check_recipe import write_recipe

    for path in write_recipe(checked, given.folder, shop.blobs, into):
        click.echo(f"rebuilder: wrote {path}", err=True)
    commit = checked.report.source.commit
    pinned = f"commit {commit[:12]}" if commit else "the files as they were checked"
    click.echo(
        f"rebuilder: this recipe pins {pinned}, so it cannot be part of it: commit it later, or keep it elsewhere "
        "(--write-recipe DIR); keep it out of your sdist",
        err=True,
    )


def _failed_log(checked: Checked) -> str:
    """The log of a control that failed; empty if it did not."""
    control = checked.trials.control
    return "" if control.made else checked.trials.log(control.attempt).decode("utf-8", "replace")


def _say(checked: Checked, given: _Given, options: dict[str, object]) -> None:
    from rebuilder.cli import nobody_reads
    from rebuilder.report.check_json import output
    from rebuilder.report.check_text import check_lines, summary_line

    try:
        if options["as_json"]:
            click.echo(output(checked.report).decode())
        elif options["quiet"]:
            click.echo(summary_line(checked.report))
        else:
            first, *rest = check_lines(checked.report, folder=str(given.output or ""), log=_failed_log(checked))
            word, mark, sentence = first.partition(":")
            colour = "green" if checked.report.verdict.exit_code == 0 else "red"
            click.echo(click.style(word, bold=True, fg=colour) + mark + sentence)
            click.echo("\n".join(rest))
    except BrokenPipeError:  # the check stands, and so does its exit code
        nobody_reads()
