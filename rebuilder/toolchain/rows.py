"""Rows of a lock: which package stands in which root, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rebuilder.errors import InfrastructureError, IntegrityError, RecipeError
from rebuilder.lock import LockedPackage, LockedRoot, ToolchainLock
from rebuilder.model import BuildKind, SignedIndex
from rebuilder.toolchain.index import PackageLists, package_name, package_version
from rebuilder.toolchain.pool import Exact
from rebuilder.toolchain.solver import Chosen

#: What a Debian builder has beside essential and required packages; fakeroot, for the build is not root.
BUILDER_PACKAGES = ("apt", "build-essential", "fakeroot")
_KINDS: tuple[BuildKind, ...] = ("all", "any", "generic")


def locked(
    chosen: Mapping[BuildKind, Iterable[Chosen]], lists: PackageLists, exact: Exact, why: Mapping[str, str]
) -> list[LockedPackage]:
    """apt's choice as rows: digests from the signed lists, or from the pool where a version was asked for.

    ``InfrastructureError`` if two kinds of build got different versions, or apt chose what no list has.
    """
    roots: dict[Chosen, list[BuildKind]] = {}
    for kind, packages in chosen.items():
        for package in packages:
            roots.setdefault(package, []).append(kind)
    entries = lists.find({package.package for package in roots})
    from_pool = {(package.package, package.version): package for package in exact.from_pool}
    rows = []
    for package, kinds in roots.items():
        reason = why.get(package.package, "dependency")
        held = tuple(sorted(kinds))
        entry = next((entry for entry in entries[package.package] if entry.version == package.version), None)
        pooled = from_pool.get((package.package, package.version))
        if pooled is not None:
            rows.append(pooled.model_copy(update={"why": reason, "roots": held}))
        elif entry is not None:
            rows.append(entry.locked(reason, held))
        else:
            msg = f"apt chose {package.package} {package.version}, which no signed list has"
            raise InfrastructureError(msg)
    return rows


def reasons(asked: Mapping[BuildKind, Iterable[str]]) -> dict[str, str]:
    """Why the packages that relations name are there; the rest are dependencies of them."""
    from debian.deb822 import PkgRelation

    found: dict[str, str] = {}
    for lines in asked.values():
        for line in lines:
            if not line.startswith("Conflicts:"):
                for alternatives in PkgRelation.parse_relations(line.removeprefix("Depends:")):
                    found |= {str(relation["name"]): "build-dependency" for relation in alternatives}
    return found | dict.fromkeys(BUILDER_PACKAGES, "build-essential")


def wanted(pins: Iterable[str]) -> dict[str, str]:
    """``name=version`` as a mapping. ``RecipeError`` for anything else."""
    versions: dict[str, str] = {}
    for pin in pins:
        name, _, version = pin.partition("=")
        try:
            versions[package_name(name)] = package_version(version)
        except ValueError as error:
            msg = f"toolchain.want: expected 'name=version', found {pin[:160]!r}: {error}"
            raise RecipeError(msg) from error
    return versions


def replaced(old: Mapping[str, LockedPackage], exact: Exact) -> list[LockedPackage]:
    """Rows of a lock in which the packages that were found stand for those of the same name, in the same roots."""
    new = {name: entry.locked(old[name].why, old[name].roots) for name, entry in exact.signed.items()}
    for one in exact.from_pool:
        new[one.package] = one.model_copy(update={"roots": old[one.package].roots, "why": old[one.package].why})
    return [new.get(name, package) for name, package in old.items()]


def with_fakeroot(lists: PackageLists, versions: Mapping[str, str]) -> dict[str, str]:
    """A `.buildinfo` need not list fakeroot, because its builder was root; ours is not."""
    added = {
        name: entries[0].version
        for name, entries in lists.find(("fakeroot", "libfakeroot")).items()
        if entries and "fakeroot" not in versions
    }
    return added | dict(versions)


def of(lock: ToolchainLock, kind: BuildKind) -> tuple[LockedPackage, ...]:
    """The packages of one root."""
    return tuple(package for package in lock.packages if kind in package.roots)


def roots_by_kind(lock: ToolchainLock) -> dict[BuildKind, LockedRoot]:
    """The root filesystem of each kind. ``IntegrityError`` if the lock speaks of kinds that no package is for, or
    gives two digests to one set of packages: such a root would never be checked."""
    found = {root.build: root for root in lock.roots}
    said = {(root.build, root.sha256, root.size) for root in lock.roots}
    fits = len(said) == len(lock.roots) == len(found) and found.keys() == set(kinds(lock.packages))
    if not fits or any(len({(found[k].sha256, found[k].size) for k in group}) > 1 for group in same_set(lock)):
        msg = f"the roots of the lock ({', '.join(root.build for root in lock.roots)}) are not those of its packages"
        raise IntegrityError(msg, hint="the lock was changed; make a new one with --relock")
    return found


def same_set(lock: ToolchainLock) -> list[tuple[BuildKind, ...]]:
    """Kinds of build, together where they have the very same packages and so the same root filesystem."""
    groups: dict[tuple[str, ...], list[BuildKind]] = {}
    for kind in kinds(lock.packages):
        groups.setdefault(tuple(package.sha256 for package in of(lock, kind)), []).append(kind)
    return [tuple(group) for group in groups.values()]


def kinds(packages: Iterable[LockedPackage]) -> tuple[BuildKind, ...]:
    """Every kind of build that some package is for, sorted."""
    found = {kind for package in packages for kind in package.roots}
    return tuple(kind for kind in _KINDS if kind in found)


def epoch(indexes: Iterable[SignedIndex]) -> int:
    """SOURCE_DATE_EPOCH of a lock: the date of its newest index."""
    return max(int(index.date.timestamp()) for index in indexes)
