"""``rebuilder verify``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.config import load_config
from rebuilder.errors import RebuilderError, UsageError

if TYPE_CHECKING:
    from rebuilder.model import Record
    from rebuilder.ports import Resolution
    from rebuilder.resolve.projects import Projects
    from rebuilder.wiring import Workshop

DEFAULT_SUITE = "trixie"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is to be verified."""

    target: str
    source: Path | None
    artifacts: tuple[Path, ...]


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET]")
@click.option("--source", type=click.Path(exists=True, path_type=Path),
              help="A project, a Debian source tree or a .dsc at hand, in place of TARGET; or the clone that has the "
                   "commit of a recipe.")
@click.option("--artifact", "artifacts", type=_FILE, multiple=True,
              help="With --source: a file it should give; more may follow (dist/*).")
@click.option("--suite", help="With --source: where the toolchain comes from.  [default: " + DEFAULT_SUITE + "]")
@click.option("--buildinfo", type=_FILE, help="The publisher's .buildinfo: its toolchain, path and environment.")
@click.option("--pack", type=_FILE, help="A toolchain made by `lock --pack`, for when mirrors have dropped it.")
@click.option("--relock", is_flag=True, help="Set the recorded toolchain aside and solve a new one. The page says so.")
@click.option("--keep", is_flag=True, help="Leave the build container running and say how to enter it.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--no-sign", is_flag=True, help="Sign nothing: for a look before keys exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the record (run.json) on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; one line with the verdict.")
def verify(words: tuple[str, ...], source: Path | None, artifacts: tuple[Path, ...], **options: object) -> None:
    """Rebuild TARGET in a sealed container, compare every byte, sign what came out.

    TARGET is a package URL, whose newest version is taken unless it names one, or the path of a
    recipe.toml, which pins everything. Nothing is installed, and nothing of the package runs outside the
    container.

    \b
    Examples:
      rebuilder verify 'pkg:deb/debian/less?distro=trixie'
      rebuilder verify recipes/deb/debian/less/668-1/recipe.toml
      rebuilder verify --source less-668/ --artifact less_668-1_amd64.deb
      rebuilder verify --source . --artifact dist/*
      rebuilder verify recipes/pypi/demo/1.0/recipe.toml --source .

    A folder in a Git repository stands for the commit that is checked out: what is not committed is not built.

    The exit code is the verdict's: 0 reproduced, anything else not; `rebuilder --help` lists them.
    """
    from rebuilder.cli import nobody_reads
    from rebuilder.cli.progress import shown
    from rebuilder.cli.publish import renew_index
    from rebuilder.ports import Options
    from rebuilder.project_inputs import projects
    from rebuilder.store.durable import in_use
    from rebuilder.store.publish import Site
    from rebuilder.wiring import unlocked_signer, workshop

    target, artifacts = _words(words, source, artifacts)
    _check_usage(target, source, artifacts, options)
    project = _is_project(target, source, artifacts, options)
    config = load_config()
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    # Before anything moves on the screen: it may have to ask for a passphrase.
    signing = None if options["no_sign"] else unlocked_signer(config, ask_passphrase)
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        own = projects(shop) if project else None
        ports = shop.ports(signing, own, relock=bool(options["relock"]))
        shop.engine.version()
        shop.sweep()
        asked = _Asked(target=target, source=source, artifacts=artifacts)
        resolve = _resolver(shop, own, asked, options)
        from rebuilder.pipeline import verify as run

        record = run(
            target or str(source),
            resolve,
            ports,
            Options(keep=bool(options["keep"]), relock=bool(options["relock"]), sign=not options["no_sign"]),
        )
        site = Site(config.state)
        try:
            renew_index(site)
        except RebuilderError as err:  # the run stands; its verdict must not be lost over a list of runs
            click.echo(f"rebuilder: the index of all runs could not be renewed: {err.message}", err=True)
        finally:
            site.close()
    try:
        _say(record, config.state / "runs" / record.run_id, options)
    except BrokenPipeError:  # the run stands, and so does its exit code
        nobody_reads()
    sys.exit(record.verdict.exit_code)


def _check_usage(target: str, source: Path | None, artifacts: tuple[Path, ...], options: dict[str, object]) -> None:
    """``UsageError`` for what can be seen to be wrong before anything is asked, opened or started."""
    recipe = target.endswith(".toml")
    if bool(target) == bool(source) and not recipe:
        msg = "expected either a TARGET or --source with --artifact, found " + ("both" if target else "neither")
        raise UsageError(msg, hint="for example: rebuilder verify 'pkg:deb/debian/less?distro=trixie'")
    if bool(source) != bool(artifacts) and not recipe:
        msg = f"expected --source and --artifact together, found only {'--source' if source else '--artifact'}"
        raise UsageError(msg, hint="for example: rebuilder verify --source DIR --artifact FILE")
    if target and options["suite"]:
        msg = f"expected --suite only with --source, found it with {target!r}"
        raise UsageError(msg, hint="a purl names its suite itself (?distro=...), a recipe in its table [toolchain]")
    toolchains = [f"--{name}" for name in ("buildinfo", "pack", "relock") if options[name]]
    if len(toolchains) > 1:
        msg = f"expected at most one word on the toolchain, found {' and '.join(toolchains)}"
        raise UsageError(msg, hint="leave out all but one: each of them says which packages to build with")
    if target and not target.startswith("pkg:"):
        _check_path(Path(target))


def _check_path(path: Path) -> None:
    if path.is_dir():
        msg = f"expected a package URL or the path of a recipe, found the folder {str(path)!r}"
        inside = path / "recipe.toml"
        other = "for a project or a source tree: rebuilder verify --source DIR --artifact FILE"
        raise UsageError(msg, hint=f"rebuilder verify {inside}" if inside.is_file() else other)
    if not path.exists():
        msg = f"expected a package URL or the path of a recipe, found {str(path)!r}, which is neither"
        hint = f"a Debian package is named so: rebuilder verify 'pkg:deb/debian/{path.name}?distro=trixie'"
        raise UsageError(msg, hint=hint)


def _words(words: tuple[str, ...], source: Path | None, artifacts: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    """The target, and all artifacts: a shell makes several words of `--artifact dist/*`. ``UsageError`` for a word
    too many, and for a file that is not there."""
    first = words[0] if words else ""
    if len(words) > 1 and not artifacts:
        msg = f"expected one TARGET, found {len(words)}: {', '.join(words)[:200]}"
        raise UsageError(msg, hint="each is verified by a run of its own")
    if not (artifacts and source) or first.startswith("pkg:") or first.endswith(".toml"):
        target, others = first, words[1:]
    else:
        target, others = "", words
    missing = [word for word in others if not Path(word).is_file()]
    if missing:
        msg = f"expected files after --artifact, found {missing[0]!r}, which is none"
        raise UsageError(msg)
    return target, (*artifacts, *map(Path, others))


def _is_project(
    target: str, source: Path | None, artifacts: tuple[Path, ...], options: dict[str, object]
) -> bool:
    """Whether it is a project that is no Debian package. ``UsageError`` for options that only the other can have."""
    from rebuilder.project_inputs import is_project_recipe

    if target:
        project = not target.startswith("pkg:") and is_project_recipe(Path(target))
        if not project and (source or artifacts):
            msg = f"expected --source and --artifact with the recipe of a project, found them with {target!r}"
            raise UsageError(msg, hint="everything that the recipe of a Debian package needs is fetched by digest")
    elif source is not None and not source.is_dir() and not source.name.endswith(".dsc"):
        msg = f"expected --source to be the folder of a project, a Debian source tree or a .dsc, found {str(source)!r}"
        raise UsageError(msg, hint="unpack an archive first, and name its folder")
    else:
        project = source is not None and source.is_dir() and not (source / "debian" / "changelog").is_file()
    if project and options["buildinfo"]:
        msg = "expected --buildinfo only for a Debian package, found it for a project"
        raise UsageError(msg, hint="a recipe and its lock say what a project is built with: check DIR --write-recipe")
    return project


def _resolver(
    shop: Workshop, own: Projects | None, asked: _Asked, options: dict[str, object]
) -> Callable[[], Resolution]:
    """What the pipeline calls first: the target resolved, with a given `.buildinfo` or pack taken into account."""

    def resolve() -> Resolution:
        pack = options["pack"]
        # First, for it also holds the signed indexes that a recipe pins.
        packed = shop.unpack(pack) if isinstance(pack, Path) else None
        suite = str(options["suite"] or "")
        if own is not None and asked.target:
            resolution = own.resolve(asked.target, source=asked.source, artifacts=asked.artifacts)
        elif own is not None and asked.source is not None:
            resolution = own.local(asked.source, asked.artifacts, suite)
        elif asked.source is not None:
            resolution = shop.ecosystem.local(asked.source, asked.artifacts, suite or DEFAULT_SUITE)
        else:
            resolution = shop.ecosystem.resolve(asked.target)
        if packed is not None:
            resolution = shop.with_lock(resolution, packed)
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
        for attempt in record.built.attempts if record.built and options["keep"] else ():
            click.echo(f"Build {attempt.build}, attempt {attempt.number}: {clean(attempt.detail)}")


_COLOURS = {"reproduced": "green", "different": "red", "refused": "red"}


def ask_passphrase() -> bytes:
    """The passphrase of the signing keys, from the terminal. ``UsageError`` where there is none."""
    if not sys.stdin.isatty():
        msg = "the signing keys have a passphrase and there is no terminal to ask for it"
        raise UsageError(msg, hint="run it from a terminal, or keep keys without passphrase for unattended use")
    answer: str = click.prompt("Passphrase of the signing keys", hide_input=True, err=True)
    return answer.encode()
