"""``rebuilder init`` and ``rebuilder lock``: write what a person declares, record what the program found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rebuilder.cli import drafts, targets
from rebuilder.config import load_config
from rebuilder.errors import UsageError

if TYPE_CHECKING:
    from rebuilder.lock import ToolchainLock
    from rebuilder.recipe import Recipe


@click.command()
@click.argument("purl")
@click.argument("command", nargs=-1, metavar="[-- COMMAND]")
@click.option("--recipes", type=click.Path(file_okay=False, path_type=Path), default=Path("recipes"), show_default=True,
              help="The folder recipes live in; the path below it follows from the purl.")
@click.option("--source", default="", metavar="PLACE",
              help="Its repository (a folder, a bundle, a URL), an archive, or the purl of a Debian source that "
                   "carries upstream's, in place of what the release names.")
@click.option("--commit", default="", metavar="COMMIT", help="This commit or tag, not the one that is inferred.")
@click.option("--from-sdist", is_flag=True, help="The release's own sdist is the source.")
@click.option("--artifact", "artifacts", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
              help="With pkg:generic: a file that the build has to give.")
@click.option("--search", "budget", type=click.IntRange(1, 50), metavar="N",
              help="Rebuild at most N times to find the inputs that make it equal, and write those.")
@click.option("--no-lock", is_flag=True, help="Write the recipe only; `rebuilder lock` can follow.")
@click.option("--quiet", is_flag=True, help="No progress.")
def init(purl: str, command: tuple[str, ...], recipes: Path, **options: Any) -> None:  # noqa: ANN401 - click's
    """Write a recipe (and its toolchain lock) for what PURL names today, pinned by digest.

    A recipe is a text file that says what was published, from which source, and how it is to be built, so
    that the same check can be repeated later. A recipe that is there already is never changed.

    For a package of PyPI or npm, commit, backend, times and owners are inferred; each stands in the recipe with its
    evidence and how sure it is. For pkg:generic, any repository and any command will do.

    \b
    Examples:
      rebuilder init 'pkg:deb/debian/less?distro=trixie'
      rebuilder init pkg:pypi/iniconfig@2.0.0
      rebuilder init pkg:npm/is-number@7.0.0 --source ~/src/is-number --search 6
      rebuilder init pkg:generic/demo@1.0 --source ~/src/demo --artifact demo-1.0.tar -- make dist
    """
    from rebuilder.cli.progress import shown
    from rebuilder.report.text import clean
    from rebuilder.resolve.recipes import lock_beside
    from rebuilder.store.durable import in_use
    from rebuilder.wiring import workshop

    said = targets.Said(
        target=purl, source=options["source"], commit=options["commit"], from_sdist=options["from_sdist"],
        artifacts=options["artifacts"],
    )  # fmt: skip
    wish = drafts.Wish(said=said, command=command, budget=options["budget"] or 0)
    drafts.check(wish)
    config = load_config()
    with in_use(config.state), shown(quiet=options["quiet"]) as progress:
        shop = workshop(config, progress)
        made = drafts.drafted(shop, wish)
        for recipe, _ in made:
            _require_free(recipe, recipes)
        paths = [_write(recipe, lock, recipes) for recipe, lock in made]
    for path, told in paths:
        click.echo(f"wrote {path}")
        for line in told:
            click.echo(f"  {clean(line)}")
        if not options["no_lock"] and not lock_beside(path).exists():
            write_lock(path, want=(), buildinfo=None, quiet=options["quiet"])
        click.echo(f"next: rebuilder verify {path}")


def _require_free(recipe: Recipe, recipes: Path) -> None:
    """``UsageError`` if a recipe is there already: before any of several is written."""
    from rebuilder.resolve.recipes import recipe_path

    path = recipe_path(recipes, recipe)
    if path.exists():
        msg = f"{path} exists; it was written by a person or before, and is left as it is"
        step = "verify" if path.with_name("toolchain.lock.json").exists() else "lock"
        raise UsageError(msg, hint=f"go on with `rebuilder {step} {path}`, or remove it first")


def _write(recipe: Recipe, lock: ToolchainLock | None, recipes: Path) -> tuple[Path, tuple[str, ...]]:
    """Write both; the recipe's path, and what was inferred, in words."""
    from rebuilder.lock import to_bytes
    from rebuilder.recipe import PackageRecipe
    from rebuilder.resolve.recipes import recipe_path, render_recipe
    from rebuilder.store.durable import replace_synced

    path = recipe_path(recipes, recipe)
    replace_synced(path, render_recipe(recipe).encode())
    if lock is not None:
        replace_synced(path.with_name(recipe.toolchain.lock), to_bytes(lock))
    guesses = recipe.guesses if isinstance(recipe, PackageRecipe) else ()
    return path, tuple(
        f"{one.input}: {one.value or 'none'} ({one.origin.value}, {one.confidence:.0%} sure): {one.evidence}"
        for one in guesses
    )


@click.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--pack", is_flag=True, help="Also write toolchain.pack.tar: every package by digest, for later years.")
@click.option("--with", "want", multiple=True, metavar="NAME=VERSION",
              help="Take this version, from the pool if need be.")
@click.option("--buildinfo", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Read the toolchain from this .buildinfo instead of solving it.")
@click.option("--relock", is_flag=True, help="Replace the lock there is.")
@click.option("--quiet", is_flag=True, help="No progress.")
def lock(recipe: Path, want: tuple[str, ...], buildinfo: Path | None, **options: bool) -> None:
    """Record the exact toolchain of RECIPE beside it, and build its root filesystem once to know its digest.

    \b
    Examples:
      rebuilder lock recipe.toml                              # the lock was removed, or never made
      rebuilder lock recipe.toml --relock                     # today's packages in its place
      rebuilder lock recipe.toml --relock --with gcc-14=14.2.0-19
      rebuilder lock recipe.toml --pack                       # portable, for when mirrors drop packages
    """
    from rebuilder.resolve.recipes import lock_beside

    target = lock_beside(recipe)
    if (want or buildinfo) and target.exists() and not options["relock"]:
        msg = f"{target} exists, and {'--with' if want else '--buildinfo'} would make another"
        raise UsageError(msg, hint="add --relock to replace it")
    if want and buildinfo:
        msg = "expected --with or --buildinfo, found both"
        raise UsageError(msg, hint="a .buildinfo names the version of every package itself")
    if not target.exists() or options["relock"]:
        write_lock(recipe, want=want, buildinfo=buildinfo, quiet=options["quiet"])
    elif not options["pack"]:
        msg = f"{target} exists"
        raise UsageError(msg, hint="use --relock to replace it, or --pack to make it portable")
    if options["pack"]:
        write_pack(recipe, quiet=options["quiet"])


def write_lock(recipe: Path, *, want: tuple[str, ...], buildinfo: Path | None, quiet: bool) -> None:
    """Solve, materialise, write the lock beside the recipe."""
    from rebuilder.cli.progress import shown
    from rebuilder.lock import to_bytes
    from rebuilder.resolve.recipes import lock_beside
    from rebuilder.store.durable import in_use, replace_synced
    from rebuilder.wiring import workshop

    config = load_config()
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress)
        shop.engine.version()
        lock_value = shop.solve(recipe, want=want, buildinfo=buildinfo)
        target = lock_beside(recipe)
        replace_synced(target, to_bytes(lock_value))
    click.echo(f"wrote {target}: {len(lock_value.packages)} packages, {len(lock_value.roots)} root filesystems")


def write_pack(recipe: Path, *, quiet: bool) -> None:
    """Everything the lock names, in one file."""
    from rebuilder.cli.progress import shown
    from rebuilder.store.durable import in_use
    from rebuilder.wiring import workshop

    config = load_config()
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress)
        target = recipe.with_name("toolchain.pack.tar")
        size = shop.pack(recipe, target)
    click.echo(f"wrote {target}: {size / 1e6:.1f} MB; use it with `rebuilder verify {recipe} --pack {target}`")
