"""What is wrong with the recipe of a project, beyond types: pure. Each fault has the location of its key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rebuilder import deb822
from rebuilder.check.kinds import needs
from rebuilder.check.model import INPUT, OUT, TOOLS, TREE
from rebuilder.errors import UsageError
from rebuilder.model import SourceKind
from rebuilder.recipe import PackageRecipe, ProjectRecipe
from rebuilder.resolve.projects_recipe import HISTORY_NAME, TREE_NAME
from rebuilder.resolve.recipe_faults import Fault, Location

_TOKENS = (TREE, OUT, TOOLS, INPUT)
#: No user and password, nothing behind a `?`; ssh may name a user, who is no secret.
_REPOSITORY = re.compile(r"(?:https?|git)://[^\s@?#\\]+\Z|ssh://(?:[A-Za-z0-9._-]+@)?[^\s@?#\\]+\Z")
#: What `fetch/git_address.py` takes: servers that prove who they are, and this machine itself.
_HOST = r"[A-Za-z0-9_[][^\s@?#\\/]*"
_FETCHABLE = re.compile(
    rf"https://{_HOST}/+[^/]|ssh://(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?{_HOST}/+[^/]|"
    r"http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?/+[^/]"
)
_KINDS = (SourceKind.GIT_COMMIT, SourceKind.LOCAL_TREE)
_ARCHIVES = (SourceKind.SDIST, SourceKind.RELEASE_TARBALL)


def public_repository(url: str) -> bool:
    """Whether a URL can stand in a recipe: one that others can use, without any credentials."""
    return len(url) <= 1024 and url.isprintable() and bool(_REPOSITORY.match(url))


def fetchable_repository(url: str) -> bool:
    """Whether it is also one that can be cloned: recipes v3 are fetched, and `git://` and `http://` prove nothing."""
    return public_repository(url) and bool(_FETCHABLE.match(url))


def project_faults(recipe: ProjectRecipe) -> Iterator[Fault]:
    """All of them."""
    yield from _source(recipe)
    yield from _toolchain(recipe)
    yield from _build(recipe)
    for number, artifact in enumerate(recipe.artifacts):
        if artifact.build != "generic":
            words = f"key 'artifacts[{number}].build': expected 'generic' for a project, found {artifact.build!r}"
            yield Fault(location=("artifacts", number, "build"), words=words)


def _source(recipe: ProjectRecipe) -> Iterator[Fault]:
    source = recipe.source
    kinds = (*_KINDS, *_ARCHIVES) if isinstance(recipe, PackageRecipe) else _KINDS
    if source.kind not in kinds:
        words = f"key 'source.kind': expected one of {', '.join(kinds)} for a project, found '{source.kind}'"
        yield Fault(location=("source", "kind"), words=words)
    if bool(source.commit) != (source.kind is SourceKind.GIT_COMMIT):
        words = f"key 'source.commit': expected a commit with kind 'git-commit' and only there, found {source.commit!r}"
        yield Fault(location=("source", "commit"), words=words)
    if source.repository and (words := _repository_words(recipe)):
        yield Fault(location=("source", "repository"), words=words)
    if source.subfolder and not deb822.safe_path(source.subfolder):
        words = f"key 'source.subfolder': expected a path inside the repository, found {source.subfolder[:160]!r}"
        yield Fault(location=("source", "subfolder"), words=words)
    names = [file.name for file in source.files]
    wanted = [TREE_NAME, *([HISTORY_NAME] if recipe.build.history else [])]
    if source.kind in _ARCHIVES:
        wanted.append(names[-1] if names[-1] not in wanted else "the archive")
    if names != wanted:
        words = f"key 'source.files': expected {' and '.join(wanted)}, found {', '.join(names)}"
        yield Fault(location=("source", "files"), words=words)


def _repository_words(recipe: ProjectRecipe) -> str:
    """What is wrong with the repository; nothing if nothing is."""
    url = recipe.source.repository
    fetched = isinstance(recipe, PackageRecipe)
    if fetchable_repository(url) if fetched else public_repository(url):
        return ""
    schemes = "https or ssh" if fetched else "https, git or ssh"
    return f"key 'source.repository': expected an {schemes} URL without credentials, found {url[:160]!r}"


def _toolchain(recipe: ProjectRecipe) -> Iterator[Fault]:
    toolchain = recipe.toolchain
    if toolchain.want:
        words = "key 'toolchain.want': a project says versions in 'relations', such as 'gcc-14 (= 14.2.0-19)'"
        yield Fault(location=("toolchain", "want"), words=words)
    if recipe.indexes:
        words = "key 'indexes': no index names the files of a project, and those of its toolchain are in the lock"
        yield Fault(location=("indexes",), words=words)
    checks: list[tuple[str, tuple[str, ...], Callable[[str, str], str]]] = [
        ("relations", toolchain.relations, needs.relation),
        ("wheels", toolchain.wheels, needs.requirement),
    ]
    for name, texts, check in checks:
        for number, text in enumerate(texts):
            try:
                check(text, f"key 'toolchain.{name}[{number}]'")
            except UsageError as error:
                yield Fault(location=("toolchain", name, number), words=error.message)


def _build(recipe: ProjectRecipe) -> Iterator[Fault]:
    build = recipe.build
    for number, step in enumerate(build.steps):
        head, _, inside = step.cwd.partition("/")
        if head not in _TOKENS or (inside and not deb822.safe_path(inside)):
            words = (
                f"key 'build.steps[{number}].cwd': expected {', '.join(_TOKENS)} or a folder below one, such as "
                f"{TREE}/src, found {step.cwd[:160]!r}"
            )
            yield Fault(location=("build", "steps", number, "cwd"), words=words)
    if isinstance(recipe, PackageRecipe):
        yield from _replays(recipe)
    place: Location = ("build", "path")
    if not re.fullmatch(r"/build/[A-Za-z0-9+._/-]{1,200}", build.path):
        words = f"key 'build.path': expected a folder below /build, found {build.path[:160]!r}"
        yield Fault(location=place, words=words)


def _replays(recipe: PackageRecipe) -> Iterator[Fault]:
    """Scalars can be read off a file only that the recipe pins."""
    names = [item.name for item in recipe.artifacts]
    seen: set[str] = set()
    for number, replay in enumerate(recipe.build.replay):
        place: Location = ("build", "replay", number, "artifact")
        if replay.artifact not in names:
            found = repr(replay.artifact[:160])
            words = f"key 'build.replay[{number}].artifact': expected one of the artifacts, found {found}"
            yield Fault(location=place, words=words)
        if replay.artifact in seen:
            words = f"key 'build.replay[{number}].artifact': {replay.artifact[:160]!r} stands there twice"
            yield Fault(location=place, words=words)
        seen.add(replay.artifact)
