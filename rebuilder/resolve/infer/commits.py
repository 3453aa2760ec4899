"""Which commit a release was built from: named by the publisher, by a tag, or by the file that holds its version.

Pure but for the ``Repository`` that is asked. Finding nothing is an answer, with its reasons; whoever asked decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rebuilder.check.kinds.tree import shown
from rebuilder.errors import UsageError
from rebuilder.model import Origin, Value
from rebuilder.releases import Commit, System, Tag
from rebuilder.resolve.infer.history import Sought, Written, has, versioned
from rebuilder.resolve.infer.manifests import Said, folder_of, is_placeholder, said, same_version
from rebuilder.resolve.infer.tags import FOREIGN, RankedTag, ranked

if TYPE_CHECKING:
    from rebuilder.resolve.package_ports import Repository

#: So many tags are looked into, and so many ancestors of one that is too young.
_TAGS: Final = 5
_ANCESTORS: Final = 20
_OTHERS: Final = 30
_ID = re.compile(r"^[0-9a-f]{7,64}$")


class CommitChoice(Value):
    """The commit to build from, how it became known, and those to try after it."""

    #: Empty: it was not named by a tag.
    tag: str = ""
    #: Full id; empty: none was found, and ``notes`` say why.
    commit: str = ""
    #: The folder of the repository that is the project, in that commit; empty: all of it.
    subfolder: str = ""
    evidence: str = ""
    origin: Origin = Origin.INFERRED
    confidence: float = 0.0
    #: Full ids, likeliest first.
    others: tuple[str, ...] = ()
    #: What may surprise, in words.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One candidate."""

    commit: str
    evidence: str
    confidence: float
    tag: str = ""
    subfolder: str = ""
    origin: Origin = Origin.INFERRED
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def asked_for(repository: Repository, text: str) -> Commit:
    """The commit that a person named: by its id, an abbreviation that is unique, or a tag. ``UsageError`` for any other
    text, for what was asked for must not become something else."""
    found = repository.commit(text) if _ID.match(text) else None
    if found is None:
        named = text.removeprefix("refs/tags/")
        tag = next((one for one in repository.tags() if one.name == named), None)
        found = repository.commit(tag.commit) if tag is not None else None
    if found is None:
        msg = f"expected a commit or a tag of the repository, found {shown(text, 100)}, which it does not have"
        raise UsageError(msg, hint="name a commit by its id: branches move, and are no names of one")
    return found


def choose(
    repository: Repository,
    *,
    name: str,
    version: str,
    uploaded: int | None,
    declared: str = "",
    manifests: tuple[str, ...] = (),
) -> CommitChoice:
    """The commit of one version of the project ``name``, by the index's names. ``uploaded`` in seconds since 1970.

    ``declared`` is the commit that the publisher names (npm's ``gitHead``), taken if the repository has it.
    ``manifests`` are the files that say name and version; ``package.json`` among them makes it a project of npm.
    """
    system: System = "npm" if "package.json" in manifests or name.startswith("@") else "pypi"
    sought = Sought(name, version, system, uploaded)
    notes: list[str] = []
    found = [] if not declared else _declared(repository, declared, sought, notes)
    found += _tagged(repository, sought, notes)
    if not any(one.confidence > FOREIGN for one in found):
        found += _by_history(repository, sought, manifests, notes)
    return _best(found, notes)


def _best(found: list[_Found], notes: list[str]) -> CommitChoice:
    if not found:
        return CommitChoice(notes=tuple(notes))
    # A commit that the publisher names is first even if a tag looks surer.
    ranks = sorted(found, key=lambda one: (one.origin is not Origin.DECLARED, -one.confidence))
    first = ranks[0]
    rest = [first.others, *((one.commit, *one.others) for one in ranks[1:])]
    others = tuple(dict.fromkeys(other for group in rest for other in group if other != first.commit))
    if first.origin is Origin.DECLARED:
        notes += [
            f"the tag {shown(one.tag)} leads to {one.commit[:12]}, not to the commit that the publisher names"
            for one in ranks[1:2]
            if one.tag and one.commit != first.commit
        ]
    same = next((one.tag for one in ranks if one.commit == first.commit and one.tag), "")
    return CommitChoice(
        tag=first.tag or same,
        commit=first.commit,
        subfolder=first.subfolder,
        evidence=first.evidence,
        origin=first.origin,
        confidence=round(first.confidence, 3),
        others=others[:_OTHERS],
        notes=(*notes, *first.notes),
    )


def _declared(repository: Repository, declared: str, sought: Sought, notes: list[str]) -> list[_Found]:
    commit = repository.commit(declared) if _ID.match(declared) else None
    if commit is None:
        notes.append(f"the publisher names the commit {shown(declared, 64)}, which this repository does not have")
        return []
    found = _Found(
        commit=commit.id,
        evidence="the publisher names this commit in what the index says of the release",
        confidence=0.95,
        origin=Origin.DECLARED,
    )
    if sought.uploaded is not None and commit.time > sought.uploaded:
        note = f"the commit that the publisher names was made {_ago(commit.time - sought.uploaded)} after the upload"
        found = replace(found, confidence=0.5, notes=(note,))
    return [_validated(repository, found, sought)]


def _tagged(repository: Repository, sought: Sought, notes: list[str]) -> list[_Found]:
    tags = repository.tags()
    hits = ranked(tags, sought.name, sought.version, uploaded=sought.uploaded, system=sought.system)
    if not hits:
        count = f"none of its {len(tags)} tags" if tags else "it has no tags, and so none"
        notes.append(f"no tag names version {shown(sought.version, 60)}: {count} is of it in any spelling known here")
    found = []
    for hit in _distinct(hits)[:_TAGS]:
        one = _of_tag(repository, hit, sought)
        found.append(one)
        if one.confidence >= 0.9:
            break
    return found


def _distinct(hits: tuple[RankedTag, ...]) -> list[RankedTag]:
    first: dict[str, RankedTag] = {}
    for hit in hits:
        first.setdefault(hit.tag.commit, hit)
    return list(first.values())


def _of_tag(repository: Repository, hit: RankedTag, sought: Sought) -> _Found:
    name = shown(hit.tag.name)
    found = _Found(
        commit=hit.tag.commit,
        tag=hit.tag.name,
        evidence=f"the tag {name} names the version: {hit.spelling}",
        confidence=hit.confidence,
    )
    if not hit.late or sought.uploaded is None:
        return _validated(repository, found, sought)
    commit = repository.commit(hit.tag.commit)
    late = _ago(hit.tag.time - sought.uploaded)
    if commit is not None and commit.time <= sought.uploaded:
        note = f"the tag {name} was made {late} after the upload; its commit was there before"
        return _validated(repository, replace(found, confidence=found.confidence * 0.9, notes=(note,)), sought)
    return _before_upload(repository, found, late, sought)


def _before_upload(repository: Repository, found: _Found, late: str, sought: Sought) -> _Found:
    """In place of a commit that is too young, the last of its ancestors that are not."""
    name, until = shown(found.tag), sought.uploaded or 0
    note = f"the tag {name} was made {late} after the upload: it cannot be what was built from as it stands"
    older = repository.before(found.commit, until=until, limit=_ANCESTORS)
    if not older:
        note += "; it has no ancestor from before the upload"
        return _validated(repository, replace(found, confidence=found.confidence * 0.2, notes=(note,)), sought)
    note += "; its last ancestor from before the upload is taken"
    weaker = replace(
        found,
        tag="",
        evidence=f"the last ancestor of the tag {name} from before the upload, {_day(older[0])}",
        confidence=found.confidence * 0.55,
        notes=(note,),
    )
    rest = (*(commit.id for commit in older), found.commit)
    first = _first_that_says(repository, older, sought)
    others = tuple(other for other in rest if other != first)
    return _validated(repository, replace(weaker, commit=first, others=others), sought)


def _first_that_says(repository: Repository, commits: tuple[Commit, ...], sought: Sought) -> str:
    """The youngest whose manifest at the top has the version; the youngest of all if none says so."""
    for commit in commits:
        one = said(repository, commit.id, "", sought.system)
        if one is not None and same_version(one.version, sought.version, sought.system):
            return commit.id
    return commits[0].id


def _by_history(repository: Repository, sought: Sought, manifests: tuple[str, ...], notes: list[str]) -> list[_Found]:
    written = versioned(repository, sought, manifests)
    if written is None:
        before = "before the upload " if sought.uploaded is not None else ""
        notes.append(f"no commit {before}writes version {shown(sought.version, 60)} into a file that was looked at")
        return []
    newest, path = written.commits[0], shown(written.path)
    others = tuple(commit.id for commit in written.commits)
    released = _next_tag(repository, written, sought)
    if released is not None:
        since = f"{path} says {shown(sought.version, 60)} since {_day(newest)}"
        evidence = f"{since}; the tag {shown(released.name)} is the next after it"
        return [
            _validated(
                repository,
                _Found(commit=released.commit, tag=released.name, evidence=evidence, confidence=0.6, others=others),
                sought,
            )
        ]
    evidence = f"no tag; the last commit that changed {path} while it said {sought.version}, {_day(newest)}"
    found = _Found(commit=newest.id, evidence=evidence, confidence=0.55, others=others[1:])
    return [_validated(repository, found, sought)]


def _next_tag(repository: Repository, written: Written, sought: Sought) -> Tag | None:
    """The first tag after a version was written that still has it: projects side by side are released by one tag."""
    since = written.commits[0].time
    tags = sorted((tag for tag in repository.tags() if since <= tag.time <= sought.until), key=lambda tag: tag.time)
    return next((tag for tag in tags[:_TAGS] if has(repository, tag.commit, written.path, sought)), None)


def _validated(repository: Repository, found: _Found, sought: Sought) -> _Found:
    """With the folder of the project, and what its manifest says of name and version."""
    one = folder_of(repository, found.commit, sought.name, sought.system)
    if one is None:
        note = f"no manifest in {found.commit[:12]} has the name {shown(sought.name, 100)}: is it the right repository?"
        return replace(found, confidence=found.confidence * 0.6, notes=(*found.notes, note))
    found = replace(found, subfolder=one.folder)
    return _confirmed(found, one, sought)


def _confirmed(found: _Found, one: Said, sought: Sought) -> _Found:
    path = shown(one.path)
    if not one.version or is_placeholder(one.version, sought.system):
        return found
    if same_version(one.version, sought.version, sought.system):
        sure = found.confidence + (1 - found.confidence) * 0.4
        return replace(found, confidence=min(sure, 0.98), evidence=f"{found.evidence}; {path} there says so too")
    note = f"{path} in {found.commit[:12]} says version {shown(one.version, 60)}, not {shown(sought.version, 60)}"
    return replace(found, confidence=found.confidence * 0.5, notes=(*found.notes, note))


def _ago(seconds: int) -> str:
    for size, word in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def _day(commit: Commit) -> str:
    return datetime.fromtimestamp(commit.time, tz=UTC).date().isoformat()
