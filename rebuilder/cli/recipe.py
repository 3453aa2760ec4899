"""``rebuilder init`` and ``rebuilder lock``: write what a person declares, record what the program found."""

from __future__ import annotations

from pathlib import Path

import click

from rebuilder.config import load_config
from rebuilder.errors import UsageError


@click.command()
@click.argument("purl")
@click.option("--recipes", type=click.Path(file_okay=False, path_type=Path), default=Path("recipes"), show_default=True,
              help="The folder recipes live in; the path below it follows from the purl.")
@click.option("--no-lock", is_flag=True, help="Write the recipe only; `rebuilder lock` can follow.")
@click.option("--quiet", is_flag=True, help="No progress.")
def init(purl: str, recipes: Path, *, no_lock: bool, quiet: bool) -> None:
    """Write a recipe (and its toolchain lock) for what PURL names today, pinned by digest.

    A recipe is a text file that says what was published, from which source, and how it is to be built, so
    that the same check can be repeated later. A recipe that is there already is never changed.

    \b
    Example:
      rebuilder init 'pkg:deb/debian/less?distro=trixie'
    """
    from rebuilder.cli.progress import shown
    from rebuilder.resolve.recipes import recipe_path, render_recipe
    from rebuilder.store.durable import in_use, replace_synced
    from rebuilder.wiring import workshop

    config = load_config()
    with in_use(config.state), shown(quiet=quiet) as progress:
        shop = workshop(config, progress)
        resolution = shop.ecosystem.resolve(purl)
        recipe = shop.ecosystem.init(resolution)
        path = recipe_path(recipes, recipe)
        if path.exists():
            msg = f"{path} exists; it was written by a person or before, and is left as it is"
            step = "verify" if path.with_name("toolchain.lock.json").exists() else "lock"
            raise UsageError(msg, hint=f"go on with `rebuilder {step} {path}`, or remove it first")
        replace_synced(path, render_recipe(recipe).encode())
    click.echo(f"wrote {path}")
    if not no_lock:
        write_lock(path, want=(), buildinfo=None, quiet=quiet)
    click.echo(f"next: rebuilder verify {path}")


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
