"""Errands to indexes about single releases: pages and files of Python indexes, versions and tarballs of npm's registry.

What comes back is as hostile as the index; addresses of it go back into the next container and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rebuilder.errors import InfrastructureError, Stopped, UsageError
from rebuilder.model import RootImage, Verdict
from rebuilder.ports import Blobs, Engine, Progress
from rebuilder.releases import System
from rebuilder.toolchain import fetching, languages_npm, releases_npm, releases_pypi
from rebuilder.toolchain.fetching import Answer, Client, Errand, Row
from rebuilder.toolchain.releases_npm import Shown
from rebuilder.toolchain.releases_pypi import Offered

_GONE = (404, 410)


class Clients(Protocol):
    """What the host's own clients are configured with."""

    def pip(self) -> Client:
        """For pip."""

    def npm(self) -> Client:
        """For npm."""


@dataclass(frozen=True, kw_only=True)
class IndexTools:
    """What it takes to ask an index."""

    engine: Engine
    blobs: Blobs
    progress: Progress
    clients: Clients
    #: The root filesystem whose pip or npm asks; made when first needed.
    root: Callable[[System], RootImage]
    new_run_id: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one index says of a project."""

    raw: bytes
    files: tuple[Offered, ...]


class Asking:
    """One index of each kind. All methods raise ``Stopped(unavailable)`` for what cannot be reached and what is none,
    ``InfrastructureError`` if the root filesystem lacks the client."""

    def __init__(self, tools: IndexTools, spools: Path) -> None:
        self._tools = tools
        self._spools = spools
        self._told: set[str] = set()
        self._pages: dict[str, tuple[Page, ...]] = {}

    def client(self, system: System) -> Client:
        """Who asks."""
        return self._tools.clients.pip() if system == "pypi" else self._tools.clients.npm()

    def where(self, system: System) -> str:
        """The index, as a person may see it."""
        hosts = ", ".join(self.client(system).hosts)
        kind = "the index" if system == "pypi" else "the registry"
        return f"{kind} ({hosts})" if hosts else kind

    # --- Python -------------------------------------------------------------------------------------

    def pages(self, project: str, *, anew: bool = False) -> tuple[Page, ...]:
        """What each index that has the project (its normalised name) says of it, in pip's order; ``anew`` though it was
        asked already. ``UsageError`` if none has it."""
        if anew or project not in self._pages:
            self._pages[project] = self._asked(project)
        return self._pages[project]

    def _asked(self, project: str) -> tuple[Page, ...]:
        with self._run("pypi", "pages", f"asking for {project}", {"project": project.encode()}) as answer:
            rows = answer.rows()
            found = [
                _page(answer.raw(f"files/{number}"), row, project) for number, row in enumerate(rows) if row.status == 0
            ]
        if found:
            return tuple(found)
        if troubles := [row.log for row in rows if row.status not in _GONE]:
            raise Stopped(Verdict.UNAVAILABLE, f"{project} cannot be looked up: {troubles[0]}", missing=(project,))
        msg = f"{self.where('pypi')} has no package {project}"
        hint = "names are compared in lower case with - for any of '.', '_' and '-'; check the spelling"
        raise UsageError(msg, hint=hint)

    @contextmanager
    def files(self, urls: Sequence[str]) -> Iterator[tuple[Answer, tuple[Row, ...]]]:
        """What lies at these addresses, as files by their number."""
        what = f"fetching {len(urls)} files"
        with self._run("pypi", "files", what, {"wanted.json": json.dumps(list(urls)).encode()}) as answer:
            yield answer, answer.rows()

    # --- npm ----------------------------------------------------------------------------------------

    def shown(self, name: str, version: str) -> Shown:
        """What npm shows of a version, or of the newest that is no pre-release. ``UsageError`` if there is none, with
        the nearest."""
        found, versions = self._view(name, version)
        if found is not None and (version or "-" not in found.version):
            return found
        if not version and (newest := releases_npm.newest(versions or self._view(name, "0.0.0-0")[1])):
            return self.shown(name, newest)
        what = f"no version {version}" if version else "no version but pre-releases"
        msg = f"{self.where('npm')} has {what} of {name}"
        near = ", ".join(releases_npm.nearest(versions, version or "999.0.0"))
        raise UsageError(msg, hint=f"the nearest that it has: {near}" if near else "it has none at all")

    def _view(self, name: str, version: str) -> tuple[Shown | None, bytes]:
        """That version, and if there is none what npm prints of the package's versions."""
        spec = releases_npm.checked(name, version)
        files = {"wanted.json": json.dumps([[spec, name]]).encode()}
        with self._run("npm", "view", f"asking for {spec}", files) as answer:
            (row,) = answer.rows() or (Row(status=1),)
            if row.status == 0:
                try:
                    return releases_npm.shown(answer.raw("files/0"), name, version), b""
                except ValueError as error:
                    reason = f"{self.where('npm')} does not answer as a registry does about {spec}: {error}"
                    raise Stopped(Verdict.UNAVAILABLE, reason, missing=(spec,)) from error
            versions = answer.raw("files/0-versions")
        if versions:
            return None, versions
        why = languages_npm.words(row, self.client("npm").hosts)
        if "no such package" in why:
            msg = f"{self.where('npm')} has no package {name}"
            raise UsageError(msg, hint="check the spelling; names of scopes are @scope/name")
        raise Stopped(Verdict.UNAVAILABLE, f"{spec} cannot be looked up: {why}", missing=(spec,))

    @contextmanager
    def tarballs(self, specs: Sequence[str]) -> Iterator[tuple[Answer, tuple[Row, ...]]]:
        """The tarballs of these, as files by their number."""
        files = {"wanted.json": json.dumps(list(specs)).encode()}
        with self._run("npm", "pack", f"npm fetches {len(specs)} packages", files) as answer:
            yield answer, answer.rows()

    # --- both ---------------------------------------------------------------------------------------

    @contextmanager
    def _run(self, system: System, task: str, what: str, files: dict[str, bytes]) -> Iterator[Answer]:
        tools, client = self._tools, self.client(system)
        if system == "pypi":
            program, more = fetching.python("addresses.py")
        else:
            program, more = fetching.node("registry.js"), {}
        tools.progress.stage("resolve", what)
        for note in client.notes:
            if note not in self._told:
                tools.progress.line(note)
                self._told.add(note)
        errand = Errand(
            client=client, root=tools.root(system), run_id=tools.new_run_id(), program=program, task=task,
            files=more | files,
        )  # fmt: skip
        with fetching.scratch(self._spools) as spool:
            answer = fetching.run(tools.engine, errand, tools.progress, spool)
            if answer.tried.status != 0:
                msg = f"the container that asks an index failed: {answer.tried.log[:400]}"
                raise InfrastructureError(msg)
            yield answer


def _page(raw: bytes, row: Row, project: str) -> Page:
    try:
        return Page(raw=raw, files=releases_pypi.offered(raw, row.kind, row.url, project))
    except ValueError as error:
        reason = f"{project} cannot be looked up: what the index gives cannot be read: {error}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(project,)) from error
