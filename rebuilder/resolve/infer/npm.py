"""How an npm tarball was packed: guesses from its own headers and from what the index says of it. Pure.

The index's words (``_nodeVersion``, ``_npmVersion``) are the publishing client's; where the archive contradicts them,
the archive is believed and the guess says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rebuilder.check.kinds.tree import shown
from rebuilder.model import Origin
from rebuilder.releases import Guess
from rebuilder.resolve.infer.node_versions import FAMILIES, NODES, Family, Node, families, family_of, numbers
from rebuilder.resolve.infer.npm_facts import texts
from rebuilder.resolve.infer.npm_packers import NPM_TIME, YARN_TIME, Packed, Packer, ignoring, packed_by, preparing

if TYPE_CHECKING:
    from rebuilder.releases import Release
    from rebuilder.resolve.infer.npm_facts import NpmFacts

#: Values of ``front-end``, and the others of ``FRONT_ENDS``.
NPM_PACK: Final = "npm pack"
NPM_PREPARE: Final = "npm pack with prepare"
#: Programs of the index that publish a copy of the tree without what only developers need, the more particular first.
COPYING: Final = ("dual-publish", "clean-publish")
#: The one of the scripts that decides which files are packed, and then `npm pack` alone.
IGNORING: Final = "npmignore"
FRONT_ENDS: Final[dict[Packer, str]] = {
    "lerna": "lerna",
    "yarn-1": "yarn 1",
    "yarn": "yarn",
    "pnpm": "pnpm",
    "own": "another program",
}

#: By packer: the majors of Node that people ran it with, the majors of npm it may be, and the npm to take.
_ERAS: Final[dict[Packer, tuple[range, range, str]]] = {
    "npm-4": (range(11), range(1, 5), "4.6.1"),
    "npm-5": (range(4, 11), range(5, 6), "5.6.0"),
    "npm-6-early": (range(6, 12), range(5, 7), "6.9.0"),
    "npm-6": (range(8, 15), range(6, 7), "6.14.18"),
    "npm-7-early": (range(10, 17), range(7, 8), "7.6.0"),
    "npm-7": (range(14, 99), range(7, 99), "7.24.2"),
}
_LERNA = re.compile(r"^lerna/[0-9.]{1,20}/node@v([0-9.]{1,20})\b")
_FACT_LIMIT = 100
_MASKS = (("0002", 0o020), ("0022", 0o044), ("0027", 0o040), ("0077", 0))


def guess(
    facts: NpmFacts,
    release: Release,
    *,
    manifest_at_commit: dict[str, object] | None = None,
    made: int | None = None,
    all_committed: bool = False,
) -> tuple[Guess, ...]:
    """What made it: ``front-end``, ``node``, ``npm``, ``times``, ``epoch`` and ``umask``, in this order.

    ``manifest_at_commit`` is package.json of the commit, if that is known. ``made``: when it was packed at the
    earliest, in seconds since 1970 (the time of the commit); without it the upload counts, which a mirror may put years
    too late. ``all_committed``: every file of it lies in the commit as it is. An ``epoch`` of no value: it is not set.
    """
    packed = packed_by(facts)
    if made is None:
        made = next((int(file.uploaded.timestamp()) for file in release.files if file.uploaded), None)
    node = _node(facts, packed.packer, release.facts, made)
    return (
        _front_end(facts, packed, release.facts, manifest_at_commit or {}, all_committed=all_committed),
        node,
        _npm(packed, release.facts, node.value),
        *_times(packed.packer),
        _umask(facts, packed.packer),
    )


def rewritten(published: dict[str, object], committed: dict[str, object]) -> tuple[str, ...]:
    """The keys of package.json that are not as the commit has them, in order."""
    keys = sorted({*published, *committed})
    return tuple(key for key in keys if not _same(published.get(key), committed.get(key)))


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return False


def _front_end(
    facts: NpmFacts, packed: Packed, says: dict[str, str], committed: dict[str, object], *, all_committed: bool
) -> Guess:
    prepares = preparing({**texts(committed.get("scripts")), **facts.scripts})
    evidence, sure = packed.evidence, packed.confidence
    value = FRONT_ENDS.get(packed.packer, NPM_PREPARE if prepares else NPM_PACK)
    ignores = bool(ignoring(texts(committed.get("scripts"))))
    if value == NPM_PREPARE and all_committed:
        value = IGNORING if ignores else NPM_PACK
    if packed.packer not in FRONT_ENDS and _lerna(says):
        value, evidence, sure = "lerna", f"the index says that lerna published it; {evidence}", 0.9
    if prepares:
        evidence += f"; it has scripts that run before that: {', '.join(prepares)}"
        evidence += ", but every file of it is in the commit as it is" if all_committed else ""
        evidence += f"; {IGNORING} of these says which files those are" if value == IGNORING else ""
    if committed and (changed := rewritten(facts.manifest, committed)):
        evidence += f"; its package.json is not that of the commit in: {shown(', '.join(changed[:20]), 200)}"
        asked = {*changed, *texts(committed.get("devDependencies"))}
        copying = next((one for one in COPYING if one in asked), "")
        if value in (NPM_PACK, NPM_PREPARE) and copying:
            value, sure = copying, 0.8
            evidence += f", and the project asks for {copying}, which leaves out what only developers need"
    likely = (NPM_PREPARE, NPM_PACK) if prepares else (NPM_PACK, NPM_PREPARE)
    others = tuple(other for other in likely if other != value)
    return Guess(
        input="front-end", value=value, origin=Origin.INFERRED, evidence=evidence, confidence=sure, others=others
    )


def _node(facts: NpmFacts, packer: Packer, says: dict[str, str], made: int | None) -> Guess:
    possible, shape = _possible(facts)
    ranked = [node.version for node in sorted(NODES, key=lambda node: _fit(node, possible, packer, made))]
    told = _told_node(says)
    if told and family_of(told) in possible:
        evidence = f"the index says that Node {told} published it, and {shape}"
        return _guess_node(told, ranked, Origin.DECLARED, evidence, 0.95)
    if told:
        evidence = f"the index says that Node {told} published it, but {shape}"
        return _guess_node(ranked[0], [*ranked, told], Origin.INFERRED, evidence, 0.5)
    evidence = f"the index does not say which Node; {shape}; of those one of its time"
    return _guess_node(ranked[0], ranked, Origin.INFERRED, evidence, 0.75 if len(possible) == 1 else 0.5)


def _possible(facts: NpmFacts) -> tuple[tuple[Family, ...], str]:
    """Families of Node's zlib that may have made it, and why, in words."""
    deflated, level = facts.deflated, 9 if facts.gzip.xfl == 2 else 6
    if not deflated.tried or "ng" in deflated.ours:
        return FAMILIES, "its gzip stream could not be compared with the common zlib"
    same = deflated.level is not None
    possible = families(level, same=same, unpacked=sum(member.size for member in facts.files))
    spans = {"first": "up to 11", "second": "12 to 18.18 or 20.0 to 20.9", "third": "18.19, 20.10, 21 or later"}
    found = "is" if same else "is not"
    as_whose = " or of ".join(spans[family] for family in possible)
    return possible, f"its gzip stream (level {level}) {found} as the common zlib makes it: that of Node {as_whose}"


def _fit(node: Node, possible: tuple[Family, ...], packer: Packer, made: int | None) -> tuple[bool, bool, int]:
    """Smaller is likelier: by its zlib, then whether the packer ran on it, then by how far off its season is."""
    majors = _ERAS[packer][0] if packer in _ERAS else range(8, 99)
    unfit = _major(node.version) not in majors
    return node.family not in possible, unfit, node.away(made) if made is not None else 0


def _guess_node(value: str, ranked: list[str], origin: Origin, evidence: str, sure: float) -> Guess:
    """The others begin with the best of each other family, for a second of the same one changes no byte."""
    families_seen, best = {family_of(value)}, []
    for version in ranked:
        if family_of(version) not in families_seen:
            families_seen.add(family_of(version))
            best.append(version)
    others = _but(value, *best, *ranked)
    return Guess(input="node", value=value, origin=origin, evidence=evidence, confidence=sure, others=others)


def _told_node(says: dict[str, str]) -> str:
    """What the index says, if it is a version; lerna puts it elsewhere."""
    found = numbers(says.get("_nodeVersion", "")[:_FACT_LIMIT]) or numbers(_lerna(says))
    return ".".join(map(str, found)) if found else ""


def _lerna(says: dict[str, str]) -> str:
    """The version of Node that lerna wrote where others write that of npm."""
    found = _LERNA.match(says.get("_npmVersion", "")[:_FACT_LIMIT])
    return found[1] if found else ""


def _npm(packed: Packed, says: dict[str, str], node: str) -> Guess:
    came, era = _came_with(node), _ERAS.get(packed.packer)
    fits = era is None or (_major(came) in era[1] and packed.packer in ("npm-6", "npm-7"))
    usual = came if fits or era is None else era[2]
    found = numbers(says.get("_npmVersion", "")[:_FACT_LIMIT])
    told = ".".join(map(str, found)) if found else ""
    if told and (era is None or _major(told) in era[1]):
        evidence, origin, value, sure = f"the index says that npm {told} published it", Origin.DECLARED, told, 0.95
    else:
        evidence = f"the index says npm {told}, but {packed.evidence}" if told else packed.evidence
        evidence += f"; {usual} comes with Node {node} or the last of its kind" if usual == came else ""
        origin, value, sure = Origin.INFERRED, usual, 0.5 if told else 0.6
    others = _but(value, usual, came, told)
    return Guess(input="npm", value=value, origin=origin, evidence=evidence, confidence=sure, others=others)


def _came_with(node: str) -> str:
    """The npm of that Node if we know it, of the last one of its major, or of the nearest below."""
    exact = next((one.npm for one in NODES if one.version == node), "")
    below = [one for one in NODES if _major(one.version) <= _major(node)]
    return exact or (max(below, key=lambda one: numbers(one.version) or (0, 0, 0)).npm if below else NODES[-1].npm)


def _but(value: str, *others: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other for other in others if other and other != value))


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _times(packer: Packer) -> tuple[Guess, Guess]:
    """What times its members have; and that none of these programs reads SOURCE_DATE_EPOCH for them."""
    kept = packer in ("npm-4", "npm-5", "yarn-1", "own")
    fixed = YARN_TIME if packer == "yarn" else NPM_TIME
    evidence = "its members have the times of files" if kept else f"every member has one fixed time ({fixed})"
    value, origin = ("file-times", Origin.RECOVERED) if kept else ("fixed", Origin.INFERRED)
    unset = f"{evidence}; what packs it does not read SOURCE_DATE_EPOCH, though a prepare script may"
    return (
        Guess(input="times", value=value, origin=origin, evidence=evidence, confidence=0.95),
        Guess(input="epoch", value="", origin=Origin.ASSUMED, evidence=unset, confidence=0.9),
    )


def _umask(facts: NpmFacts, packer: Packer) -> Guess:
    """From the permissions that no file has. yarn and pnpm set them all, npm since 7 takes the write bits away."""
    widest = 0
    for mode in facts.modes:
        widest |= mode
    evidence = "the permissions of its files are " + ", ".join(f"{mode:04o}" for mode in sorted(facts.modes)[:6])
    told = packer not in ("yarn", "pnpm", "own")
    value = next(mask for mask, bits in _MASKS if widest & bits == bits) if told else "0022"
    origin, sure = (Origin.ASSUMED, 0.6) if value == "0022" else (Origin.RECOVERED, 0.85)
    others = _but(value, "0022", "0002")
    return Guess(input="umask", value=value, origin=origin, evidence=evidence, confidence=sure, others=others)
