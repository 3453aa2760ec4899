"""Signature files and lists of digests that were given by hand, put to what they speak of by their names: pure.

`X.asc`, `X.sig`, `X.minisig`, `X.sshsig` ... is a signature over the file X, which may be an artifact or a list; a
clear-signed message is a list that brings its signature; what is left is a list of digests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rebuilder.endorse import clearsign, detached
from rebuilder.endorse.clearsign import ClearSigned
from rebuilder.errors import UsageError
from rebuilder.model import FileDigest

SUFFIXES = ("asc", "sig", "sign", "gpg", "minisig", "sshsig")
#: As ``checksums.LIST_LIMIT``, which is the largest of them.
PAPER_LIMIT = 4 * 1024**2
_CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----"


@dataclass(frozen=True)
class Paper:
    """One of them, with its bytes."""

    file: FileDigest
    data: bytes

    @property
    def called(self) -> str:
        """Name and digest, for a line of the chain."""
        return f"{self.file.name} (sha256 {self.file.sha256})"


@dataclass(frozen=True)
class DigestList:
    """A list, and what signs it: detached signatures, or the message that it stands in."""

    paper: Paper
    signatures: tuple[Paper, ...] = ()
    message: ClearSigned | None = None


@dataclass(frozen=True)
class Desk:
    """Papers by what they speak of. ``notes`` say in words what is put aside, and why."""

    signatures: dict[str, tuple[Paper, ...]] = field(default_factory=dict)
    lists: tuple[DigestList, ...] = ()
    notes: tuple[str, ...] = ()


def sort(papers: Iterable[Paper], files: Iterable[str]) -> Desk:
    """Put papers to the files of these names, and to each other. ``UsageError`` for two of one name."""
    known, over, notes = set(files), dict[str, list[Paper]](), list[str]()
    plain, clear, seen = list[Paper](), list[DigestList](), set[str]()
    for paper in papers:
        if paper.file.name in seen:
            msg = f"expected signatures and lists under names of their own, found two called {paper.file.name!r}"
            raise UsageError(msg, hint="give the one that belongs to these files")
        seen.add(paper.file.name)
        stem = signed_name(paper.file.name)
        if _CLEAR in paper.data:
            try:
                clear.append(DigestList(paper, message=clearsign.split(paper.data)))
            except (clearsign.NotClearSigned, clearsign.BadFrame) as fault:
                notes.append(f"{paper.called} is put aside: {fault}")
        elif not stem:
            plain.append(paper)
        elif detached.scheme_of(paper.data) is None:
            notes.append(f"{paper.called} is put aside: by its name it is a signature, and its bytes are none")
        else:
            over.setdefault(stem, []).append(paper)
    names = known | {paper.file.name for paper in plain}
    for stem in over.keys() - names:
        notes += [f"{paper.called} is put aside: nothing here is called {stem!r}" for paper in over[stem]]
    lists = [DigestList(paper, tuple(over.get(paper.file.name, ()))) for paper in plain if paper.file.name not in known]
    signatures = {stem: tuple(found) for stem, found in over.items() if stem in known}
    return Desk(signatures, (*lists, *clear), tuple(notes))


def signed_name(name: str) -> str:
    """The file that a signature file of that name is over; empty if it is not called like one."""
    stem, _, suffix = name.rpartition(".")
    return stem if suffix in SUFFIXES else ""
