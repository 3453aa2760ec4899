"""Names and history of a Git repository that nobody vouches for, as values. Only plumbing, and nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rebuilder.errors import UsageError
from rebuilder.fetch.git_command import Git
from rebuilder.fetch.git_objects import WHOLE, Objects
from rebuilder.fetch.git_signatures import TagText, commit_signatures, committed_at, tag_signatures, tag_text
from rebuilder.releases import Commit, Tag
from rebuilder.treetar import MEMBERS_LIMIT

if TYPE_CHECKING:
    from rebuilder.releases import Signed

TAGS_LIMIT = 100_000
_HEX = re.compile(r"[0-9a-f]{4,64}\Z")
_FULL = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_BLOB = re.compile(r"[0-9a-f]{40}\Z")
_LATEST_ASKED = 2**31
_TEXT_LIMIT = 1024**2
_TREE_LIMIT = 256 * 1024**2
#: Every branch, tag and commit that was asked for; no work in progress (`refs/stash`), which nobody published.
_ALL = ("--exclude=refs/stash", "--all")


def commit(git: Git, name: str) -> Commit | None:
    """By full id, or an abbreviation that no other commit has; ``None`` if there is none."""
    if not _HEX.match(name):
        return None
    names = [name]
    if not _FULL.match(name):
        names = git.answer("rev-parse", f"--disambiguate={name}").decode().split()
    found = [object_id for object_id, kind in _kinds(git, names) if kind == "commit"]
    if len(found) != 1:
        return None
    with git.objects() as objects:
        return Commit(id=found[0], time=committed_at(_text(objects, found[0], "commit")))


def existing(git: Git, name: str) -> Commit:
    """The same; ``UsageError`` if there is none."""
    if found := commit(git, name):
        return found
    msg = f"expected commit {name[:64]!r} in the repository, found none of that id"
    raise UsageError(msg, hint="`git log --all --oneline` names those that there are")


def tags(git: Git) -> tuple[Tag, ...]:
    """Those that lead to a commit, by name; none whose name is no UTF-8. ``UsageError`` for more than
    ``TAGS_LIMIT``."""
    named = tag_ids(git)
    ids = dict(zip(named, _peeled(git, list(named.values())), strict=True))
    found = []
    with git.objects() as objects:
        times: dict[str, int] = {}
        for name, target in ids.items():
            if not target:
                continue
            own = named[name]
            time = _tag(objects, own).time if own != target else None
            if time is None:
                if target not in times:
                    times[target] = committed_at(_text(objects, target, "commit"))
                time = times[target]
            found.append(Tag(name=name, commit=target, time=time, annotated=own != target))
    return tuple(sorted(found, key=lambda tag: tag.name))


def tag_ids(git: Git) -> dict[str, str]:
    """Every tag by name, with the id of its own object. Raises as ``tags``."""
    found: dict[str, str] = {}
    for line in _lines(git, "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/tags"):
        object_id, _, name = line.partition(b" ")
        if len(found) >= TAGS_LIMIT:
            msg = f"expected at most {TAGS_LIMIT} tags in the repository, found more"
            raise UsageError(msg)
        try:
            found[name.decode()] = object_id.decode()
        except UnicodeDecodeError:
            continue
    return found


def before(git: Git, name: str, *, until: int, limit: int) -> tuple[Commit, ...]:
    """A commit and its ancestors at ``until`` or earlier, newest first. ``UsageError`` if there is no such commit."""
    start = existing(git, name).id
    return _walked(git, limit, *_not_after(until), "--end-of-options", start)


def touching(git: Git, path: str, *, until: int, limit: int) -> tuple[Commit, ...]:
    """Commits on any branch or tag at ``until`` or earlier that changed that file, newest first."""
    if not path or "\0" in path:
        msg = f"expected the path of a file, found {path[:200]!r}"
        raise UsageError(msg)
    return _walked(git, limit, *_not_after(until), "--full-history", *_ALL, "--", path)


def holds(git: Git, blob_ids: Iterable[str]) -> frozenset[str]:
    """Those of these blobs (SHA-1) that some commit of the repository has. ``UsageError`` for one that cannot know: its
    ids are SHA-256, or it was cloned in part."""
    if why := _blind(git):
        msg = f"expected a repository that knows every file of its history by SHA-1; {why}"
        raise UsageError(msg, hint="a whole clone can tell: `git fetch --unshallow`, and none made with --filter")
    asked = sorted({blob for blob in blob_ids if _BLOB.match(blob)})
    wanted = {object_id for object_id, kind in _kinds(git, asked) if kind == "blob"}
    if not wanted:
        return frozenset()
    # That an object lies there proves no commit: a folder also has what was only ever staged.
    found: set[str] = set()
    for line in _lines(git, "rev-list", "--objects", "--no-object-names", *_ALL):
        if (object_id := line.decode()) in wanted:
            found.add(object_id)
            if len(found) == len(wanted):
                break
    return frozenset(found)


def _blind(git: Git) -> str:
    """Why a file that is not found there may be in the history all the same."""
    if git.answer("rev-parse", "--show-object-format").strip() != b"sha1":
        return "its ids are SHA-256"
    if git.answer("rev-parse", "--is-shallow-repository").strip() != b"false":
        return "it is a shallow clone"
    names = git.answer("config", "--name-only", "--list").lower().splitlines()
    partial = any(
        name == b"extensions.partialclone"
        or (name.startswith(b"remote.") and name.endswith((b".promisor", b".partialclonefilter")))
        for name in names
    )
    return "it is a partial clone (--filter)" if partial else ""


def reachable(git: Git, commit_id: str, *names: str) -> bool:
    """Whether one of the names (``--remotes=origin``, ``--branches``) leads to that commit or to a descendant of it."""
    return not git.answer("rev-list", "--max-count=1", commit_id, "--not", *names)


def signatures(git: Git, name: str, tag: str) -> tuple[Signed, ...]:
    """Of a commit, and of a tag if one is named, which has to lead to it: ``UsageError`` if not. A tag object that
    says another name than it goes by is signed for that name, and left out."""
    commit_id = existing(git, name).id
    with git.objects() as objects:
        found = commit_signatures(commit_id, _text(objects, commit_id, "commit"))
    if not tag:
        return found
    own = tag_ids(git).get(tag, "")
    target = _peeled(git, [own])[0] if own else ""
    if target != commit_id:
        now = f"it leads to {target}" if target else "there is none that leads to a commit"
        msg = f"expected tag {tag[:200]!r} to lead to commit {commit_id}; {now}"
        raise UsageError(msg, hint="a tag that was moved after a release is something to ask its maintainers about")
    if own == target:
        return found
    with git.objects() as objects:
        text = _text(objects, own, "tag")
        return found + (tag_signatures(tag, text) if tag_text(text).name == tag else ())


def check_trees(git: Git, commit_id: str) -> None:
    """``UsageError`` unless the commit and each of its folders are what their ids say: Git itself only looks when it
    fetches, and a folder's index may have been made by hand."""
    with git.objects() as objects:
        said = _text(objects, commit_id, "commit").partition(b"\n")[0]
        waiting = [said.removeprefix(b"tree ").decode(errors="backslashreplace")]
        seen = set(waiting)
        while waiting:
            tree = objects.whole(waiting.pop(), "tree", _TREE_LIMIT)
            inner = _folders(tree or b"", len(commit_id) // 2) - seen
            seen |= inner
            waiting += inner
            if tree is None or len(seen) > MEMBERS_LIMIT:
                msg = f"commit {commit_id}: expected at most {MEMBERS_LIMIT} folders, found more"
                raise UsageError(msg)


def _folders(tree: bytes, id_bytes: int) -> set[str]:
    """Ids of the folders directly in a tree: mode, space, name, NUL, id; again and again."""
    found, at = set(), 0
    while at < len(tree):
        end = tree.find(b"\0", at)
        if end < 0:
            break
        if tree[at:end].partition(b" ")[0].lstrip(b"0") == b"40000":
            found.add(tree[end + 1 : end + 1 + id_bytes].hex())
        at = end + 1 + id_bytes
    return found


def _walked(git: Git, limit: int, *arguments: str) -> tuple[Commit, ...]:
    found = []
    for line in _lines(git, "rev-list", "--timestamp", f"--max-count={limit}", *arguments):
        time, _, object_id = line.decode().partition(" ")
        found.append(Commit(id=object_id, time=committed_at(b"committer > " + time.encode())))
    return tuple(sorted(found, key=lambda each: -each.time))


def _not_after(until: int) -> tuple[str, ...]:
    # Git reads no larger number there; such a late time leaves nothing out anyway.
    return (f"--min-age={max(0, until)}",) if until < _LATEST_ASKED else ()


def _peeled(git: Git, ids: list[str]) -> list[str]:
    """For each the commit that it leads to, through any tags of tags; empty if it is none."""
    found = _kinds(git, [f"{object_id}^{{commit}}" for object_id in ids])
    return [object_id if kind == "commit" else "" for object_id, kind in found]


def _kinds(git: Git, names: list[str]) -> Iterator[tuple[str, str]]:
    """Id and kind of each object, in their order; empty words for one that is not there."""
    if not names:
        return
    told = "".join(f"{name}\n" for name in names).encode()
    for line in _lines(git, "cat-file", "--batch-check=%(objectname) %(objecttype)", told=told):
        object_id, _, kind = line.decode(errors="backslashreplace").partition(" ")
        yield (object_id, kind) if kind in ("commit", "tree", "blob", "tag") else ("", "")


def _tag(objects: Objects, object_id: str) -> TagText:
    text = objects.whole(object_id, "tag", _TEXT_LIMIT)
    return tag_text(text or b"")


def _text(objects: Objects, object_id: str, kind: str) -> bytes:
    text = objects.whole(object_id, kind, _TEXT_LIMIT)
    if text is None:
        msg = f"{kind} {object_id}: expected at most {_TEXT_LIMIT} bytes, found more"
        raise UsageError(msg, hint=WHOLE)
    return text


def _lines(git: Git, *arguments: str, told: bytes = b"") -> Iterator[bytes]:
    rest = b""
    for chunk in git.stream(*arguments, told=told):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > _TEXT_LIMIT:
            msg = f"git {arguments[0]}: expected short lines, found one of more than {_TEXT_LIMIT} bytes"
            raise UsageError(msg)
