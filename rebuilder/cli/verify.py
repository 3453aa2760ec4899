"""``rebuilder verify``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rebuilder.cli import targets
from rebuilder.config import load_config
from rebuilder.errors import RebuilderError, UsageError
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.model import Record

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET]")
@click.option("--source", default="", metavar="PLACE",
              help="With a package of an index: its repository (a folder, a bundle, a URL), an archive, or the purl "
                   "of a Debian source that carries upstream's. With a recipe: a clone that has its commit. Without "
                   "TARGET: a project, a Debian source tree or a .dsc.")
@click.option("--artifact", "artifacts", type=_FILE, multiple=True,
              help="With --source: a file it should give; more may follow (dist/*).")
@click.option("--commit", default="", metavar="COMMIT", help="Build this commit or tag, not the one that is inferred.")
@click.option("--from-sdist", is_flag=True, help="Build from the release's own sdist: the page says it is no commit.")
@click.option("--search", "budget", type=click.IntRange(1, 50), metavar="N",
              help="Where it differs, try again with what the difference says: at most N rebuilds.")
@click.option("--signature", "signatures", type=_FILE, multiple=True,
              help="A signature or a signed list of checksums of the files, judged by --anchor.")
@click.option("--anchor", default="", metavar="NAME", help="The anchor of the trust store that has to have signed.")
@click.option("--suite", default="", help="With --source: where the toolchain comes from.  [default: "
              + targets.DEFAULT_SUITE + "]")
@click.option("--buildinfo", type=_FILE, help="The publisher's .buildinfo: its toolchain, path and environment.")
@click.option("--pack", type=_FILE, help="A toolchain made by `lock --pack`, for when mirrors have dropped it.")
@click.option("--relock", is_flag=True, help="Set the recorded toolchain aside and solve a new one. The page says so.")
@click.option("--keep", is_flag=True, help="Leave the build container running and say how to enter it.")
@click.option("--offline", is_flag=True, help="Use nothing but what is stored.")
@click.option("--no-sign", is_flag=True, help="Sign nothing: for a look before keys exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the record (run.json) on stdout.")
@click.option("--quiet", is_flag=True, help="No progress; one line with the verdict.")
def verify(words: tuple[str, ...], source: str, artifacts: tuple[Path, ...], **options: object) -> None:
    """Rebuild TARGET in a sealed container, compare every byte, sign what came out.

    TARGET is a package URL, whose newest version is taken unless it names one, or the path of a
    recipe.toml, which pins everything. Nothing is installed, and nothing of the package runs outside the
    container.

    \b
    Examples:
      rebuilder verify 'pkg:deb/debian/less?distro=trixie'
      rebuilder verify pkg:pypi/iniconfig@2.0.0
      rebuilder verify pkg:pypi/iniconfig@2.0.0 --source ~/src/iniconfig --search 8
      rebuilder verify 'pkg:pypi/iniconfig@2.0.0?file_name=iniconfig-2.0.0.tar.gz'
      rebuilder verify pkg:npm/is-number@7.0.0
      rebuilder verify recipes/deb/debian/less/668-1/recipe.toml
      rebuilder verify --source less-668/ --artifact less_668-1_amd64.deb
      rebuilder verify --source . --artifact dist/*
      rebuilder verify recipes/pypi/demo/1.0/recipe.toml --source .

    A folder in a Git repository stands for the commit that is checked out, or with a package of an index for the one
    that its version names: what is not committed is not built.

    With --search, each rebuild changes what the difference points at among a closed list of inputs, never the source;
    a run follows for the recipe that gave most, or for each file where no recipe gave them all.

    The exit code is the verdict's, the worst of several: 0 reproduced, anything else not; `rebuilder --help` lists
    them.
    """
    from rebuilder.cli import nobody_reads
    from rebuilder.cli.progress import shown
    from rebuilder.cli.publish import renew_index
    from rebuilder.model import worst
    from rebuilder.ports import Options
    from rebuilder.store.durable import in_use
    from rebuilder.store.publish import Site
    from rebuilder.wiring import unlocked_signer, workshop

    target, artifacts = _words(words, source, artifacts)
    said = _said(target, source, artifacts, options)
    kind = _check_usage(said, options)
    config = load_config()
    targets.check_anchor(said, config.trust)
    quiet = bool(options["quiet"]) or bool(options["as_json"])
    # Before anything moves on the screen: it may have to ask for a passphrase.
    signing = None if options["no_sign"] else unlocked_signer(config, ask_passphrase)
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress, offline=bool(options["offline"]))
        own = targets.bench(shop, kind)
        ports = shop.ports(signing, own.special(fresh=bool(options["relock"])))
        shop.engine.version()
        shop.sweep()
        pack = options["pack"]
        resolve = targets.resolver(own, said, pack if isinstance(pack, Path) else None)
        wishes = Options(keep=bool(options["keep"]), relock=bool(options["relock"]), sign=not options["no_sign"])
        from rebuilder.pipeline import verify as run

        resolvers = {target or source: resolve}
        budget = options["budget"]
        if isinstance(budget, int):
            resolvers = targets.searched(own, said, ports, budget) or resolvers
        records = tuple(run(name, resolved, ports, wishes) for name, resolved in resolvers.items())
        site = Site(config.state)
        try:
            renew_index(site)
        except RebuilderError as err:  # the run stands; its verdict must not be lost over a list of runs
            click.echo(f"rebuilder: the index of all runs could not be renewed: {err.message}", err=True)
        finally:
            site.close()
    try:
        for record in records:
            _say(record, config.state / "runs" / record.run_id, options)
    except BrokenPipeError:  # the runs stand, and so does the exit code
        nobody_reads()
    sys.exit(worst(tuple(record.verdict for record in records)).exit_code)


def _said(target: str, source: str, artifacts: tuple[Path, ...], options: dict[str, object]) -> targets.Said:
    buildinfo, signatures = options["buildinfo"], options["signatures"]
    return targets.Said(
        target=target,
        source=source,
        artifacts=artifacts,
        suite=str(options["suite"]),
        buildinfo=buildinfo if isinstance(buildinfo, Path) else None,
        commit=str(options["commit"]),
        from_sdist=bool(options["from_sdist"]),
        signatures=signatures if isinstance(signatures, tuple) else (),
        anchor=str(options["anchor"]),
    )


def _check_usage(said: targets.Said, options: dict[str, object]) -> targets.Kind:
    """Which kind of target it is. ``UsageError`` for what can be seen to be wrong before anything is asked, opened or
    started."""
    targets.check(said)
    toolchains = [f"--{name}" for name in ("buildinfo", "pack", "relock") if options[name]]
    if len(toolchains) > 1:
        msg = f"expected at most one word on the toolchain, found {' and '.join(toolchains)}"
        raise UsageError(msg, hint="leave out all but one: each of them says which packages to build with")
    others = [f"--{name}" for name in ("pack", "relock", "keep") if options[name]]
    if options["budget"] and others:
        msg = f"expected --search without {others[0]}, which says of one build what a search tries out in many"
        raise UsageError(msg, hint="search first; the run's folder holds the recipe and the lock that came out")
    if options["budget"] and not targets.is_index_purl(said.target):
        msg = f"expected --search with a package of an index, found it with {redacted(said.target or said.source)!r}"
        raise UsageError(msg, hint="for a Debian package: rebuilder explain RUN --confirm")
    return targets.kind_of(said)


def _words(words: tuple[str, ...], source: str, artifacts: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
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
