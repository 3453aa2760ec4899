"""The command line: parse, call, map the outcome to an exit code. Commands are imported when called."""

from __future__ import annotations

import importlib
import io
import sys
from typing import TYPE_CHECKING

import click

from rebuilder import __version__

if TYPE_CHECKING:
    from rebuilder.errors import RebuilderError, Stopped

#: What a shell reports for a program that SIGPIPE ended.
EXIT_NOBODY_READS = 141

#: name -> (module, one line of help); the function has the command's name. Kept here so that ``--help``
#: imports nothing but click.
COMMANDS = {
    "verify": ("rebuilder.cli.verify", "Rebuild a published artifact and compare every byte."),
    "init": ("rebuilder.cli.recipe", "Write a recipe for what a purl names."),
    "lock": ("rebuilder.cli.recipe", "Record the exact toolchain of a recipe."),
    "check": ("rebuilder.cli.check", "Check a project before tagging: which variation breaks its build, where, why."),
    "diff": ("rebuilder.cli.diff", "Compare any two files or folders: every difference, and why."),
    "show": ("rebuilder.cli.show", "Show a run, or all runs of an artifact's sha256."),
    "explain": ("rebuilder.cli.explain", "Say why a run differs; prove it by a rebuild with the fix."),
    "publish": ("rebuilder.cli.publish", "Write a folder of pages and evidence that anyone can serve."),
    "verify-bundle": ("rebuilder.cli.verify_bundle", "Check a signed bundle, fully offline."),
    "keys": ("rebuilder.cli.keys", "Make and show the keys that sign for you."),
    "cache": ("rebuilder.cli.cache", "Show and trim what is stored on this disk."),
    "doctor": ("rebuilder.cli.doctor", "List what Rebuilder needs, and what of it is here."),
}


class LazyGroup(click.Group):
    """A group whose commands are modules, imported only when one is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of ``COMMANDS``: the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the one command that is asked for."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> object:
        """As click does, but a reader that left (`| head`) is no fault of anybody's: click would say 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            nobody_reads()
            raise click.exceptions.Exit(EXIT_NOBODY_READS) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command names its nearest neighbour."""
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            ctx.fail(f"no command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rebuilder")
def cli() -> None:
    """Rebuild published artifacts from their declared source, compare every byte, sign what came out.

    \b
    First steps:
      rebuilder doctor                                        # is all here that is needed?
      rebuilder keys init --help                              # once: the keys that sign for you
      rebuilder verify 'pkg:deb/debian/less?distro=trixie'

    \b
    Exit codes: 0 reproduced, 10 different, 11 equivalent, 12 flaky, 13 build failed, 14 refused,
    15 unavailable, 2 usage, 3 a fault of this machine, 1 a bug of ours, 130 interrupted.
    """


def main() -> None:
    """Entry point: the only place that turns exceptions into exit codes."""
    from rebuilder.errors import EXIT_BUG, EXIT_INTERRUPTED, RebuilderError, Stopped

    interrupt_on_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a package may be called what this terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)  # a number where a command ended by `Exit`
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing half-done was kept", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as err:
        err.show()
        sys.exit(err.exit_code)
    except RebuilderError as err:
        report_error(err)
        sys.exit(err.exit_code)
    except Stopped as stop:  # of `init`, `lock` and the like: only `verify` has a record to put it in
        report_stop(stop)
        sys.exit(stop.verdict.exit_code)
    except OSError as err:
        sys.exit(report_os_error(err))
    except Exception as err:
        report_bug(err)
        sys.exit(EXIT_BUG)


def report_os_error(err: OSError) -> int:
    """A disk that is full, or barred to this user, is no bug, wherever it was met; the exit code."""
    from pathlib import Path

    from rebuilder.errors import EXIT_BUG
    from rebuilder.store.durable import disk_fault

    fault = disk_fault(err, Path(str(err.filename))) if err.filename else None
    if fault is None:
        report_bug(err)
        return EXIT_BUG
    report_error(fault)
    return fault.exit_code


def interrupt_on_signals() -> None:
    """SIGTERM and a closed terminal end a command as Ctrl-C does: containers removed, nothing half-written."""
    import signal

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # `nohup` asks to go on
            signal.signal(each, interrupt)


def nobody_reads() -> None:
    """Whoever read our output has gone (`| head`): keep Python from complaining about that when it ends."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def report_error(err: RebuilderError) -> None:
    """Message and hint of an expected error, on stderr."""
    from rebuilder.report.text import clean_block

    click.echo(f"rebuilder: {clean_block(err.message)}", err=True)
    if err.hint:
        click.echo(f"  next: {clean_block(err.hint)}", err=True)


def report_stop(stop: Stopped) -> None:
    """Why there was nothing to go on with, and what exactly is missing, on stderr."""
    from rebuilder.report.text import clean

    click.echo(f"rebuilder: {stop.verdict.value}: {clean(stop.reason)}", err=True)
    for item in stop.missing:
        click.echo(f"  missing: {clean(item)}", err=True)


def report_bug(err: Exception) -> None:
    """An error nobody expected is ours: say so, and keep the traceback in a file for the report."""
    import tempfile
    import traceback

    from rebuilder.report.text import clean

    with tempfile.NamedTemporaryFile("w", prefix="rebuilder-bug-", suffix=".txt", delete=False) as file:
        traceback.print_exception(err, file=file)
    click.echo(f"rebuilder: a bug of ours: {type(err).__name__}: {clean(str(err))}", err=True)
    click.echo(f"  nothing was signed. Please report it with {file.name}", err=True)
