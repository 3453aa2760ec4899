"""How a Debian source is built, as the archive's own builders do it. Pure: no file, no container, no clock.

Spec: dpkg-buildpackage(1), dpkg-source(1). The builders run `dpkg-buildpackage --sanitize-env -us -uc -B` (or
`-A`) in `/build/reproducible-path/<source>-<upstream version>`, with tests on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from rebuilder.errors import RecipeError
from rebuilder.model import BuildKind, BuildPlan, FileDigest, Source, SourceKind, Step
from rebuilder.recipe import RecipeBuild

WRITABLE = "/build"
PARENT = f"{WRITABLE}/reproducible-path"
#: Outside of the tree and of the folder its outputs go to.
INPUT = f"{WRITABLE}/input"
BINARY_ONLY_NAME = "changelog.binary-only"
OUTPUTS = ("*.deb", "*.udeb", "*.buildinfo", "*.changes")
_FLAGS = {"any": "-B", "all": "-A"}
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9+.:~_-]+(?:/[A-Za-z0-9+.:~_-]+)*\Z")

#: All that a build sees unless recipe or `.buildinfo` says otherwise. `--sanitize-env` makes LANG, LC_CTYPE and
#: LC_COLLATE of it; the rest is what the archive's builders set, with a name of ours.
ENVIRONMENT = {
    "HOME": "/nonexistent/rebuilder",
    "LC_ALL": "C.UTF-8",
    "LOGNAME": "rebuilder",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games",
    "SHELL": "/bin/sh",
    "TZ": "UTC",
    "USER": "rebuilder",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a plan is made from."""

    source: Source
    settings: RecipeBuild
    #: SOURCE_DATE_EPOCH; ``None`` leaves it to dpkg, which reads it off the changelog itself.
    epoch: int | None
    #: The binary-only changelog entry to put on top.
    entry: FileDigest | None = None


def build_plan(wanted: Wanted, build: BuildKind) -> BuildPlan:
    """The plan for one kind of build. ``RecipeError`` for a build path that lies where nothing can be written."""
    tree = PurePosixPath(build_path(wanted.source, wanted.settings.path))
    entry = () if wanted.entry is None else (wanted.entry,)
    steps = [
        _unpack(wanted.source, tree),
        *(Step(argv=("sed", "-i", f"0r {INPUT}/{item.name}", "debian/changelog"), cwd=str(tree)) for item in entry),
        Step(argv=command(build, wanted.settings), cwd=str(tree)),
    ]
    return BuildPlan(
        build=build,
        inputs=(*wanted.source.files, *entry),
        input_dir=INPUT,
        steps=tuple(steps),
        environment=environment(wanted.settings, wanted.epoch),
        outputs=OUTPUTS,
        output_dir=str(tree.parent),
        unpack_steps=1,
        limits=wanted.settings.limits,
    )


def build_path(source: Source, asked: str) -> str:
    """Where the tree lies: ``asked``, or where the archive's builders put it."""
    if not asked:
        upstream = source.version.partition(":")[2] or source.version
        return f"{PARENT}/{source.name}-{upstream.rpartition('-')[0] or upstream}"
    parts = asked.split("/")
    inside = asked.startswith(f"{WRITABLE}/") and len(parts) > 3 and not asked.startswith(f"{INPUT}/")
    if not inside or not _PLAIN_PATH.match(asked) or {".", ".."} & set(parts):
        msg = f"expected a build path of plain names, two or more below {WRITABLE}, found {asked[:200]!r}"
        raise RecipeError(msg, hint=f"only {WRITABLE} can be written; leave the path out for the default")
    return asked


def environment(settings: RecipeBuild, epoch: int | None) -> dict[str, str]:
    """Every variable of the build, sorted. What the recipe sets replaces ours; one word on the locale replaces all."""
    ours = {name: value for name, value in ENVIRONMENT.items() if name != "LC_ALL" or not _locale(settings)}
    variables = {**ours, "DEB_BUILD_OPTIONS": f"parallel={settings.parallel}", **settings.environment}
    if epoch is not None:
        variables.setdefault("SOURCE_DATE_EPOCH", str(epoch))
    return dict(sorted(variables.items()))


def command(build: BuildKind, settings: RecipeBuild) -> tuple[str, ...]:
    """The build command. `--sanitize-env` is left out where it would change the locale that is asked for: it sets
    LC_CTYPE and LC_COLLATE, so a publisher who had others, or LC_ALL, did not use it."""
    locale = _locale(settings)
    sanitised = {"LC_CTYPE": "C.UTF-8", "LC_COLLATE": "C.UTF-8"}
    kept = not locale or ("LC_ALL" not in locale and locale.items() >= sanitised.items())
    return ("dpkg-buildpackage", "-us", "-uc", _FLAGS[build], *(("--sanitize-env",) if kept else ()))


def _locale(settings: RecipeBuild) -> dict[str, str]:
    return {name: value for name, value in settings.environment.items() if name == "LANG" or name.startswith("LC_")}


def _unpack(source: Source, tree: PurePosixPath) -> Step:
    """Always the first step, so that its failure means a bad source. The folder it runs in is made for it."""
    file = f"{INPUT}/{source.files[0].name}"
    if source.kind is SourceKind.LOCAL_TREE:
        # The tar of ours has one folder, which takes the tree's name.
        return Step(argv=("tar", "-x", "--strip-components=1", "-f", file), cwd=str(tree))
    return Step(argv=("dpkg-source", "-x", file, str(tree)), cwd=str(tree.parent))
