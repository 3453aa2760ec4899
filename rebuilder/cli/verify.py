"""``rebuilder verify``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.config import load_config
from rebuilder.errors import UsageError

if TYPE_CHECKING:
    from rebuilder.model import Record
    from rebuilder.ports import Resolution
    from rebuilder.wiring import Workshop

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("target", required=False, default="")
@click.option("--source", type=click.Path(exists=True, path_type=Path),
              help="A source tree or .dsc at hand, in place of TARGET.")
@click.option("--artifact", "artifacts", type=_FILE, multiple=True, help="With --source: the file it should give.")
@click.option("--suite", default="trixie", show_default=True, help="With --source: where the toolchain comes from.")
@click.option("--buildinfo", type=_FILE, help="The publisher's .buildinfo: its toolchain, path and environment.")
@click.option("--pack", type=_FILE, help="A toolchain made by `lock --pack`, for when mirrors have dropped it.")
@click.option("--relock", is_flag=True, help="Set the recorded toolchain aside and solve a new one. The page says so.")
@click.option("--keep", is_flag=True, help="Leave the build container running and say how to enter it.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--no-sign", is_flag=True, help="Sign nothing: for a look before keys exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the record (run.json) on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; one line with the verdict.")
def verify(target: str, source: Path | None, artifacts: tuple[Path, ...], suite: str, **options: object) -> None:
    """Rebuild TARGET in a sealed container, compare every byte, sign what came out.

    TARGET is a purl (pkg:deb/debian/less?distro=trixie) or the path of a recipe.toml.
    """
    from rebuilder.cli.progress import shown
    from rebuilder.cli.publish import renew_index
    from rebuilder.ports import Options
    from rebuilder.store.durable import in_use
    from rebuilder.store.publish import Site
    from rebuilder.wiring import workshop

    _check_usage(target, source, artifacts)
    config = load_config()
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        ports = shop.ports(sign=not options["no_sign"], passphrase=ask_passphrase)
        shop.engine.version()
        shop.sweep()
        resolve = _resolver(shop, target, source, artifacts, suite, options)
        from rebuilder.pipeline import verify as run

        record = run(
            target or str(source),
            resolve,
            ports,
            Options(keep=bool(options["keep"]), relock=bool(options["relock"]), sign=not options["no_sign"]),
        )
        renew_index(Site(config.state))
    try:
        _say(record, config.state / "runs" / record.run_id, options)
    except BrokenPipeError:  # the run stands, and so does its exit code
        nobody_reads()
    sys.exit(record.verdict.exit_code)


def _check_usage(target: str, source: Path | None, artifacts: tuple[Path, ...]) -> None:
    if bool(target) == bool(source):
        msg = "expected either a TARGET or --source with --artifact, found " + ("both" if target else "neither")
        raise UsageError(msg, hint="for example: rebuilder verify 'pkg:deb/debian/less?distro=trixie'")
    if bool(source) != bool(artifacts):
        msg = "expected --source and --artifact together"
        raise UsageError(msg, hint="rebuilder verify --source DIR --artifact FILE.deb")


def _resolver(
    shop: Workshop,
    target: str,
    source: Path | None,
    artifacts: tuple[Path, ...],
    suite: str,
    options: dict[str, object],
) -> Callable[[], Resolution]:
    """What the pipeline calls first: the target resolved, with a given `.buildinfo` or pack taken into account."""

    def resolve() -> Resolution:
        if source is not None:
            resolution = shop.ecosystem.local(source, artifacts, suite)
        else:
            resolution = shop.ecosystem.resolve(target)
        if isinstance(pack := options["pack"], Path):
            resolution = shop.with_pack(resolution, pack)
        if isinstance(buildinfo := options["buildinfo"], Path):
            resolution = shop.with_buildinfo(resolution, buildinfo)
        return resolution

    return resolve


def _say(record: Record, folder: Path, options: dict[str, object]) -> None:
    from rebuilder.cli.show import places
    from rebuilder.report.text import clean, summary_text

    if options["as_json"]:
        click.echo(record.model_dump_json(by_alias=True))
    elif options["quiet"]:
        click.echo(f"{record.verdict.value}: {clean(record.reason)}")
    else:
        first, *rest = summary_text(record, places(folder))
        word, _, sentence = first.partition(":")
        click.echo(click.style(word.upper(), bold=True, fg=_COLOURS.get(word, "yellow")) + f":{sentence}")
        click.echo("\n".join(rest))


_COLOURS = {"reproduced": "green", "different": "red", "refused": "red"}


def ask_passphrase() -> bytes:
    """The passphrase of the signing keys, from the terminal. ``UsageError`` where there is none."""
    if not sys.stdin.isatty():
        msg = "the signing keys have a passphrase and there is no terminal to ask for it"
        raise UsageError(msg, hint="run it from a terminal, or keep keys without passphrase for unattended use")
    answer: str = click.prompt("Passphrase of the signing keys", hide_input=True, err=True)
    return answer.encode()
