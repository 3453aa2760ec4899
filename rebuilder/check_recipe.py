"""A recipe of the very build that a check made, with its toolchain lock: others get its bytes from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.check.kinds.tree import read_json, word
from rebuilder.check.model import CheckVerdict, Project, ProjectKind
from rebuilder.checking import relations
from rebuilder.errors import UsageError
from rebuilder.fetch import git
from rebuilder.fetch.git_command import shown
from rebuilder.lock import to_bytes
from rebuilder.resolve.projects_faults import public_repository
from rebuilder.resolve.projects_recipe import Place, Surrounding, recipe_of
from rebuilder.resolve.recipes import parse_recipe, recipe_path, render_recipe
from rebuilder.store.durable import replace_synced
from rebuilder.treetar import TarTree

if TYPE_CHECKING:
    from rebuilder.checking import Checked
    from rebuilder.model import FileDigest
    from rebuilder.ports import Blobs

_SCP = re.compile(r"(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+):([^/].*)\Z")


def write_recipe(checked: Checked, folder: Path, blobs: Blobs, into: Path | None = None) -> tuple[Path, ...]:
    """Write both ``into`` a folder of recipes, else below ``recipes/`` of the project's ``folder``; where they lie.

    ``UsageError`` if the check did not end well, if it built files that no commit has (``--worktree`` in a
    repository), or if another recipe or lock is there already: nothing is written then.
    """
    report = checked.report
    if report.verdict is not CheckVerdict.REPRODUCIBLE:
        msg = f"expected a check that ended well before a recipe is written, found {report.verdict.value}"
        raise UsageError(msg)
    if report.source.kind == "worktree":
        msg = "expected a recipe to be of a commit, found a check of the work tree as it lies (--worktree)"
        raise UsageError(msg, hint="commit first, then: rebuilder check . --write-recipe")
    place = checked.trials.place
    recipe = recipe_of(
        report.project,
        report.source,
        place_of(folder, report.project, report.source.tree, blobs),
        Surrounding(
            suite=checked.lock.suite,
            relations=relations(report.project),
            # What it asked for is among the requirements by now.
            ask_backend=False,
            limits=place.around.limits,
        ),
        checked.trials.control.attempt.outputs,
    )
    target = recipe_path(into or folder / "recipes", recipe)
    data = render_recipe(recipe).encode()
    parse_recipe(data, str(target))
    written = ((target.with_name(recipe.toolchain.lock), to_bytes(checked.lock)), (target, data))
    for path, wanted in written:
        _require_same(path, wanted)
    for path, wanted in written:
        replace_synced(path, wanted)
    return tuple(path for path, _ in reversed(written))


def _require_same(path: Path, data: bytes) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(data) + 1) == data:
            return
    msg = f"{path} exists and is another; it was left as it is, and nothing was written"
    raise UsageError(msg, hint="give the release a new version, or remove that file first")


def place_of(folder: Path, project: Project, tree: FileDigest, blobs: Blobs) -> Place:
    """Where a project is from, and its name as the index of its language writes it."""
    repository = git.find(folder)
    name = project.name
    if project.kind is ProjectKind.NPM:
        with blobs.path(tree.sha256).open("rb") as tar:
            manifest = read_json(TarTree(tar), "package.json")
        scope, slash, _ = word(manifest.get("name")).rpartition("/")
        plain = re.fullmatch(r"@[a-z0-9._~-]{1,100}", scope)
        name = f"{scope}/{project.name.removeprefix(f'{scope[1:]}-')}" if slash and plain else name
    if repository is None:
        return Place(name=name)
    return Place(repository=_origin(repository), subfolder=shown(repository.inside), name=name)


def _origin(repository: git.Repository) -> str:
    """Where ``origin`` is cloned from, as others can use it; empty where it is a folder, or holds credentials."""
    try:
        answer = repository.checkout.git.answer("config", "--get", "remote.origin.url")
    except UsageError:
        return ""
    url = answer.decode(errors="replace").strip()
    if found := _SCP.match(url) if "://" not in url else None:
        url = f"ssh://{found[1] + '@' if found[1] else ''}{found[2]}/{found[3]}"
    return url if public_repository(url) else ""
