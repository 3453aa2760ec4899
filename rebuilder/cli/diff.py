"""``rebuilder diff``: every difference between two files or folders, and why. Nothing is rebuilt."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.errors import InfrastructureError, RebuilderError, Stopped, UsageError

if TYPE_CHECKING:
    from rebuilder.explaining import Explained
    from rebuilder.findings import MemberPath
    from rebuilder.model import DiffReport
    from rebuilder.ports import Pair
    from rebuilder.report.diff_page import DiffView
    from rebuilder.report.excerpts import Excerpt, SideBlock

EXIT_SAME = 0
EXIT_DIFFERS = 1
#: As `diff` and `cmp` do: also for a bug of ours, which must not read as "differs".
EXIT_TROUBLE = 2
#: Members whose first differing place is shown: on the terminal, and on the page.
SHOWN_HERE = 5
SHOWN_ON_PAGE = 100
MAX_REPORT_BYTES = 64 * 1024**2
MAX_REPORT_LINES = 200


@dataclass(frozen=True, kw_only=True)
class _Wishes:
    as_json: bool
    html: Path | None
    quiet: bool
    excerpt: bool
    diffoscope: bool


def _given(context: click.Context, parameter: click.Parameter, value: str | Path) -> Path:
    """An empty path would be the folder we are in."""
    if not str(value):
        msg = "expected a path, found an empty one"
        raise click.BadParameter(msg, context, parameter)
    return Path(value)


@click.command()
@click.argument("published", type=click.Path(), callback=_given)
@click.argument("rebuilt", type=click.Path(), callback=_given)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON (rebuilder/diff/v1) on stdout.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page, one self-contained file.")
@click.option("--quiet", is_flag=True, help="One line.")
@click.option("--excerpt/--no-excerpt", default=True, help="Show the first differing places of a few members.")
@click.option("--diffoscope/--no-diffoscope", default=False,
              help="Give members whose content differs to diffoscope, in its container, for --html and --json. "
                   "The first use fetches about 20 MB of packages.  [default: no]")
def diff(published: Path, rebuilt: Path, *, excerpt: bool, diffoscope: bool, **others: object) -> None:
    """Compare PUBLISHED with REBUILT, two files or two folders, member by member and byte by byte.

    Archives are taken apart, one inside the other; nothing in them is run, and nothing leaves this machine.
    Whatever differs is listed, with its cause where one is known. Times of files in a plain folder are not compared.

    \b
    Examples:
      rebuilder diff less_668-1_amd64.deb less_692-1_amd64.deb
      rebuilder diff --html why.html dist/a.whl other/a.whl

    Exit code: 0 no difference, 1 some, 2 trouble (a file that cannot be read, a bound that was reached).
    """
    html = others["html"]
    wishes = _Wishes(
        as_json=bool(others["as_json"]),
        html=html if isinstance(html, Path) else None,
        quiet=bool(others["quiet"]),
        excerpt=excerpt,
        diffoscope=diffoscope,
    )
    raise click.exceptions.Exit(_guarded(published, rebuilt, wishes))


def _guarded(published: Path, rebuilt: Path, wishes: _Wishes) -> int:
    """The exit code; whatever goes wrong is said and is trouble, never a difference."""
    from rebuilder.cli import report_bug, report_error, report_stop
    from rebuilder.compare.archive.layout import BudgetError

    try:
        return _run(published, rebuilt, wishes)
    except BrokenPipeError:
        raise
    except RebuilderError as err:
        report_error(err)
    except Stopped as stop:
        report_stop(stop)
    except BudgetError as err:
        report_error(InfrastructureError(f"a bound of the comparison was reached: {err}"))
    except OSError as err:
        report_error(UsageError(f"{err.filename or 'the input'}: cannot be read or written: {err.strerror or err}"))
    except Exception as err:
        report_bug(err)
    return EXIT_TROUBLE


def _run(published: Path, rebuilt: Path, wishes: _Wishes) -> int:
    from rebuilder.explaining import explain_paths
    from rebuilder.opened import desk

    _check(published, rebuilt, wishes.html)
    with desk() as own:
        found = explain_paths(_name(published), published, rebuilt, own)
        view = _view(published, rebuilt, found)
        report, blocks = _looked_into(found.leaves, _name(published), wishes) if found.leaves else (None, ())
        excerpts = _excerpts(found, SHOWN_ON_PAGE if wishes.html else SHOWN_HERE) if wishes.excerpt else []
    if wishes.html:
        _write(wishes.html, replace(view, told=replace(view.told, blocks=[*excerpts, *blocks])))
    _say(view, found, report, excerpts[:SHOWN_HERE], wishes)
    return EXIT_SAME if view.equal else EXIT_DIFFERS


def _check(published: Path, rebuilt: Path, html: Path | None) -> None:
    """``UsageError`` for what cannot be compared; asked before anything is opened, for a pipe would block."""
    if html and not html.absolute().parent.is_dir():
        msg = f"expected --html to name a file in a folder that exists, found no folder {str(html.parent)!r}"
        raise UsageError(msg)
    kinds = [_kind(path) for path in (published, rebuilt)]
    if kinds[0] != kinds[1]:
        msg = f"expected two files or two folders, found a {kinds[0]} ({published}) and a {kinds[1]} ({rebuilt})"
        raise UsageError(msg)
    if html and any(html.exists() and html.samefile(path) for path in (published, rebuilt)):
        msg = f"expected --html to name a new file or an old page, found {str(html)!r}, which is to be compared"
        raise UsageError(msg)


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as err:
        msg = f"expected a file or a folder, found {str(path)!r}: {getattr(err, 'strerror', None) or err}"
        raise UsageError(msg) from None
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    msg = f"expected a file or a folder, found {str(path)!r}, which is a pipe, a device or a socket"
    raise UsageError(msg)


def _name(path: Path) -> str:
    """A name for reports: any path has one, and it can be that of a file."""
    from rebuilder.report.text import clean

    return clean(os.fsdecode(path.resolve().name)).replace("/", "_")[:200] or "root"


def _view(published: Path, rebuilt: Path, found: Explained) -> DiffView:
    from rebuilder import __version__
    from rebuilder.compare.archive.layout import printable
    from rebuilder.report.diff_page import ComparedSide, DiffView
    from rebuilder.report.differences import Told

    difference = found.difference
    sides = [
        ComparedSide(name=printable(os.fsencode(path)), sha256=side.sha256 or "", size=side.size, members=members)
        for path, side, members in (
            (published, difference.published, difference.members.published),
            (rebuilt, difference.rebuilt, difference.members.rebuilt),
        )
    ]
    told = Told(explanation=found.explanation, difference=difference)
    return DiffView(published=sides[0], rebuilt=sides[1], told=told, tool_version=__version__)


def _excerpts(found: Explained, limit: int) -> list[Excerpt]:
    """The first differing place of the first few members whose content differs."""
    from rebuilder.findings import DifferenceClass
    from rebuilder.report.cause_words import briefly, place
    from rebuilder.report.excerpts import excerpt
    from rebuilder.report.text import clip

    notes: dict[MemberPath, str] = {}
    own: set[MemberPath] = set()
    for finding in found.difference.findings:
        for depth in range(len(finding.path) + 1):
            inside = finding.path[depth:]
            if finding.note:
                words = briefly(finding.note)
                note = f"{place(inside)}: {words}" if inside else words
                notes.setdefault(finding.path[:depth], clip(note, 200))
            if finding.kind is DifferenceClass.CONTENT:
                own.add(finding.path[:depth])
    # What follows from something else (md5sums) tells least, so it comes last.
    pairs = sorted(found.leaves, key=lambda pair: pair.path not in own)[:limit]
    shown = (excerpt(pair.path, pair.published, pair.rebuilt, note=notes.get(pair.path, "")) for pair in pairs)
    return [one for one in shown if one]


def _looked_into(
    leaves: tuple[Pair, ...], name: str, wishes: _Wishes
) -> tuple[DiffReport | None, tuple[SideBlock, ...]]:
    """diffoscope's report on the members, if it was asked for, and its rows side by side."""
    if not wishes.diffoscope:
        return None, ()
    from rebuilder.cli.progress import shown
    from rebuilder.config import load_config
    from rebuilder.explain.sideways import blocks
    from rebuilder.store.durable import in_use
    from rebuilder.store.runs import new_run_id
    from rebuilder.wiring import workshop

    config = load_config()
    with in_use(config.state), shown(quiet=wishes.quiet or wishes.as_json) as progress:
        shop = workshop(config, progress)
        shop.engine.version()
        shop.sweep()
        progress.stage("explain", f"diffoscope on {len(leaves)} members")
        report = shop.differ().diff(name, leaves, run_id=new_run_id(shop.clock.now()))
        raw = shop.blobs.read(report.json_.sha256, limit=MAX_REPORT_BYTES) if report.json_ else b""
    return report, blocks(raw)


def _write(target: Path, view: DiffView) -> None:
    from rebuilder.report.diff_page import render_diff
    from rebuilder.store.durable import replace_synced

    replace_synced(target, render_diff(view).encode())


def _say(
    view: DiffView, found: Explained, report: DiffReport | None, excerpts: list[Excerpt], wishes: _Wishes
) -> None:
    from rebuilder.report.diff_json import output
    from rebuilder.report.diff_text import diff_lines, summary_line

    if wishes.as_json:
        click.echo(output(view, found.difference, report).model_dump_json(by_alias=True))
        return
    if wishes.quiet:
        click.echo(summary_line(view))
        return
    for row in diff_lines(view, excerpts):
        word, mark, rest = row.partition(":")
        if row in {"equal"} or word == "differs":
            row = click.style(word.upper(), bold=True, fg="green" if view.equal else "red") + mark + rest
        click.echo(row)
    for row in _report_lines(report) if report else []:
        click.echo(row)
    if wishes.html:
        from rebuilder.report.text import clean

        click.echo(f"\npage: {clean(str(wishes.html))}")


def _report_lines(report: DiffReport) -> list[str]:
    """How diffoscope ended, and what its report lacks."""
    from rebuilder.report.text import clean, duration

    rows = ["", f"{report.tool}: {report.status} after {duration(report.seconds)}"]
    rows += [f"  lacks: {lack}" for lack in report.lacks]
    rows += ["  its rows are shown on the page that --html writes, and only there"] if report.json_ else []
    return [clean(row) for row in rows]
