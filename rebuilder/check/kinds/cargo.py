"""Rust crates. Nothing is fetched for them: what is not in the tree has to be vendored into it."""

from __future__ import annotations

from typing import Any

from rebuilder.check.kinds import collect
from rebuilder.check.kinds.needs import C_TOOLS
from rebuilder.check.kinds.tree import Asked, Tree, plain_name, plain_version, read_toml, shown, table, word
from rebuilder.check.model import OUT, TREE, Project, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step

MANIFEST, LOCK = "Cargo.toml", "Cargo.lock"
#: Words for `env`: nothing of cargo's own lies in the tree or in a home folder that may not exist.
ENVIRONMENT = (f"CARGO_HOME={OUT}.cargo", "CARGO_NET_OFFLINE=true")
_CONFIGURATIONS = (".cargo/config.toml", ".cargo/config")
_DEPENDENCIES = ("dependencies", "build-dependencies", "dev-dependencies")
#: Programs and libraries of a release build, also below the folder of a target triple.
_MADE = r"\./target/([^/]+/)?release/[^/.][^/]*"


def seen(tree: Tree) -> str:
    """The file that shows a crate, or nothing."""
    return MANIFEST if MANIFEST in tree.names else ""


def project(asked: Asked) -> Project:
    """A release build; programs and libraries are its outputs. ``UsageError`` where dependencies are not vendored."""
    tree = asked.tree
    manifest = read_toml(tree, MANIFEST)
    require_vendored(tree)
    package = table(manifest, "package")
    version = package.get("version")
    if isinstance(version, dict):
        version = table(manifest, "workspace", "package").get("version")
    locked = LOCK in tree.names
    build = ("cargo", "build", "--release", "--frozen" if locked else "--offline", "--target-dir", f"{TREE}/target")
    taken = (
        collect.matching(asked.outputs)
        if asked.outputs
        else collect.expression(_MADE, shown_as="target/release/*", skip="*.d")
    )
    return Project(
        kind=ProjectKind.CARGO,
        name=plain_name(package.get("name"), asked.name),
        version=plain_version(version),
        found=MANIFEST,
        steps=(Step(argv=("env", *ENVIRONMENT, *build), cwd=TREE), taken),
        relations=("cargo", "rustc", *C_TOOLS),
        tools=("cargo", "rustc"),
        notes=() if locked else (f"there is no {LOCK}: the crate has no dependencies that one would pin",),
    )


def require_vendored(tree: Tree) -> None:
    """``UsageError`` if the crate has dependencies that are neither in the tree nor vendored."""
    if LOCK not in tree.names:
        _require_none(read_toml(tree, MANIFEST))
        return
    packages = read_toml(tree, LOCK).get("package", [])
    foreign = (
        [table(package) for package in packages if word(table(package).get("source"))]
        if isinstance(packages, list)
        else []
    )
    if not foreign:
        return
    folders = _vendored(tree)
    missing = [package for package in foreign if not any(_lies_in(tree, folder, package) for folder in folders)]
    if missing:
        names = ", ".join(f"{word(one.get('name'))} {word(one.get('version'))}" for one in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        where = f"a vendored copy in {', '.join(folders)}" if folders else "vendored sources"
        msg = f"{LOCK}: expected {where} of every dependency, found none of {shown(names)}{more}"
        raise UsageError(
            msg,
            hint="the build has no network: run `cargo vendor`, put what it prints into .cargo/config.toml, and commit "
            "both (or check with --worktree)",
        )


def _require_none(manifest: dict[str, Any]) -> None:
    tables = [manifest, *(table(one) for one in table(manifest, "target").values()), table(manifest, "workspace")]
    for where in tables:
        for kind in _DEPENDENCIES:
            for name, wanted in table(where, kind).items():
                if not (isinstance(wanted, dict) and ("path" in wanted or wanted.get("workspace") is True)):
                    msg = f"{MANIFEST}: expected a {LOCK} that pins {shown(name)!r} of [{kind}], found none"
                    raise UsageError(
                        msg, hint=f"run `cargo generate-lockfile` and `cargo vendor`, and commit {LOCK} and the copies"
                    )


def _vendored(tree: Tree) -> list[str]:
    """Folders that stand in for registries, as cargo's configuration in the tree says."""
    found = []
    for path in _CONFIGURATIONS:
        for source in table(read_toml(tree, path), "source").values():
            folder = word(table(source).get("directory")).removeprefix("./").rstrip("/")
            if folder:
                found.append(folder)
    return found


def _lies_in(tree: Tree, folder: str, package: dict[str, Any]) -> bool:
    name, version = word(package.get("name")), word(package.get("version"))
    return any(f"{folder}/{copy}/{MANIFEST}" in tree.names for copy in (name, f"{name}-{version}"))
