"""Node packages: package.json and its lock. Spec: npm's package.json and package-lock.json, lock versions 2 and 3."""

from __future__ import annotations

import re
from typing import Any

from rebuilder.check.kinds.needs import C_TOOLS
from rebuilder.check.kinds.tree import Asked, Tree, plain_name, plain_version, read_json, shown, table, word
from rebuilder.check.model import OUT, TREE, NpmPackage, Project, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step

MANIFEST = "package.json"
#: npm takes the first of these that is there.
LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_FOREIGN_LOCKS = ("yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "workspaces")
#: Scripts that `npm pack` runs by itself.
_LIFECYCLE = ("prepack", "prepare", "prepublish")
_STRENGTHS = ("sha512", "sha384", "sha256", "sha1")
_INTEGRITY = re.compile(r"sha(?:1|256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}\Z")
_NAME = re.compile(r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+\Z")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,127}\Z")


def seen(tree: Tree) -> str:
    """The file that shows a package with a name and a version, or nothing."""
    if MANIFEST not in tree.names:
        return ""
    try:
        manifest = read_json(tree, MANIFEST)
    except UsageError:
        # It is told of in full once this kind is asked to describe the project.
        return MANIFEST
    return MANIFEST if word(manifest.get("name")) and word(manifest.get("version")) else ""


def project(asked: Asked) -> Project:
    """The tarball that `npm pack` makes. ``UsageError`` without a lock where there are dependencies."""
    tree = asked.tree
    manifest = read_json(tree, MANIFEST)
    packages, lock = _locked(tree, manifest)
    native = ("python3", *C_TOOLS) if "binding.gyp" in tree.names else ()
    workspaces = ("packages of `workspaces` are not packed, only the root is",) if manifest.get("workspaces") else ()
    return Project(
        kind=ProjectKind.NPM,
        name=plain_name(manifest.get("name"), asked.name),
        version=plain_version(manifest.get("version")),
        found=f"{MANIFEST}, {lock}" if lock else f"{MANIFEST}, no dependencies",
        steps=tuple(Step(argv=argv, cwd=TREE) for argv in _commands(manifest)),
        outputs=("*.tgz",),
        relations=("nodejs", "npm", *native),
        npm=packages,
        environment={"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false"},
        tools=("node",),
        named_zones=True,
        notes=workspaces,
    )


def _commands(manifest: dict[str, Any]) -> list[tuple[str, ...]]:
    scripts = table(manifest, "scripts")
    builds_itself = any("build" in word(scripts.get(name)) for name in _LIFECYCLE)
    pack = ("npm", "pack", "--pack-destination", OUT)
    return [pack] if builds_itself else [("npm", "run", "build", "--if-present"), pack]


def _locked(tree: Tree, manifest: dict[str, Any]) -> tuple[tuple[NpmPackage, ...], str]:
    """The packages that the lock pins, and the name of the lock, if it is needed."""
    lock = next((name for name in LOCKS if name in tree.names), "")
    if lock:
        return pinned(tree, lock), lock
    wanted = next((key for key in _DEPENDENCIES if manifest.get(key)), "")
    if not wanted:
        return (), ""
    others = [name for name in _FOREIGN_LOCKS if name in tree.names]
    found = f"found only {', '.join(others)}, which is not read" if others else "found none"
    msg = f"{MANIFEST}: expected a package-lock.json that pins what {wanted!r} names, {found}"
    raise UsageError(msg, hint="run `npm install --package-lock-only` and commit package-lock.json")


def pinned(tree: Tree, path: str) -> tuple[NpmPackage, ...]:
    """The packages that a lock of the tree pins. ``UsageError`` for one of lockfileVersion 1, or without digests."""
    return _packages(read_json(tree, path), path)


def _packages(lock: dict[str, Any], path: str) -> tuple[NpmPackage, ...]:
    if lock.get("lockfileVersion") not in (2, 3) or not isinstance(lock.get("packages"), dict):
        msg = f"{path}: expected lockfileVersion 2 or 3, found {shown(repr(lock.get('lockfileVersion')))}"
        raise UsageError(msg, hint="npm 7 or later writes one: run `npm install --package-lock-only`")
    found = {
        package.model_dump_json(): package
        for place, entry in table(lock, "packages").items()
        if _is_fetched(place, table(entry))
        for package in (_package(place, table(entry), path),)
    }
    return tuple(sorted(found.values(), key=lambda package: (package.name, package.version)))


def _is_fetched(place: str, entry: dict[str, Any]) -> bool:
    """Whether npm would fetch it: not the project itself, a workspace, bundled, or for other systems."""
    if "node_modules/" not in place or entry.get("link") is True or entry.get("inBundle") is True:
        return False
    if word(entry.get("resolved")).startswith("file:"):
        return False
    systems = entry.get("os")
    if entry.get("optional") is True and isinstance(systems, list) and systems:
        return "linux" in systems or ("!linux" not in systems and all(word(one).startswith("!") for one in systems))
    return True


def _package(place: str, entry: dict[str, Any], path: str) -> NpmPackage:
    name = word(entry.get("name")) or place.rpartition("node_modules/")[2]
    version, resolved = word(entry.get("version")), word(entry.get("resolved"))
    where = f"{path}: packages[{shown(place)!r}]"
    parts = [part.partition("?")[0] for part in word(entry.get("integrity")).split()]
    known = {part.partition("-")[0]: part for part in parts if _INTEGRITY.match(part)}
    strongest = next((known[kind] for kind in _STRENGTHS if kind in known), "")
    if not strongest or resolved.startswith("git"):
        msg = f"{where}: expected an integrity digest, found none ({shown(resolved) or 'no location either'})"
        raise UsageError(
            msg,
            hint="only a package of a registry can be had: a dependency on a Git repository or a URL has no digest; "
            "depend on a release, or list the files in the tree",
        )
    if not _NAME.match(name) or len(name) > 214 or not _VERSION.match(version):
        msg = f"{where}: expected the name and version of a package, found {shown(name)!r} {shown(version)!r}"
        raise UsageError(msg)
    return NpmPackage(name=name, version=version, integrity=strongest)
