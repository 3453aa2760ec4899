"""Indexes of language packages on the loopback: a simple index (PEP 503, or PEP 691 with PEP 700) and an npm registry,
of packages made here. Each can be bent: other bytes than promised, no digests, no times, yanked files, redirects.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, unquote

import pytest

from rebuilder.config import Config, default_trust
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import RootImage
from rebuilder.toolchain.languages_pypi import NEWER_PIP
from rebuilder.wiring import workshop
from tests.integration.toolchains import Quiet

#: Kept between sessions: the lock and packages of a root filesystem with pip and npm.
STATE = Path(__file__).parents[2] / ".rebuilder" / "test-cache" / "languages"
RELATIONS = ("python3", "python3-pip", "nodejs", "npm")


@pytest.fixture(scope="session")
def language_root() -> RootImage:
    """A real root filesystem with pip and npm, made once and kept."""
    shop = workshop(Config(file=None, state=STATE, trust=default_trust()), Quiet())
    kept = STATE / "tools" / "languages.lock.json"
    if kept.is_file():
        lock = ToolchainLock.model_validate_json(kept.read_bytes())
    else:
        lock = shop.toolchains.solve_tool("trixie", shop.ecosystem.suite_indexes("trixie"), RELATIONS)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(to_bytes(lock))
    return shop.toolchains.materialise(lock)[0]


@pytest.fixture(scope="session")
def newer_pip(language_root: RootImage) -> bytes:
    """The pip that chooses as of a day, of the host's own index, kept."""
    shop = workshop(Config(file=None, state=STATE, trust=default_trust()), Quiet())
    shop.languages().ensure((NEWER_PIP,), language_root, run_id="newer-pip")
    return shop.blobs.read(NEWER_PIP.sha256, limit=10**8)


def wheel(name: str, version: str, *, requires: tuple[str, ...] = (), tag: str = "py3-none-any") -> bytes:
    """A wheel that pip takes: one module, the metadata, the record."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{module}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},," + "\n" for path in (*files, f"{info}/RECORD"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return out.getvalue()


def tarball(files: dict[str, str]) -> bytes:
    """A gzipped tar of these files, without times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


def sdist(name: str, version: str, setup: str = "") -> bytes:
    """A source archive whose `setup.py` is ``setup``."""
    base = f"{name}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return tarball({f"{base}/PKG-INFO": metadata, f"{base}/setup.py": setup})


def npm_tarball(name: str, version: str, dependencies: dict[str, str] | None = None) -> bytes:
    """An npm package with a script that must never run."""
    scripts = {"preinstall": "touch /tmp/ran", "install": "touch /tmp/ran", "prepare": "touch /tmp/ran"}
    manifest = {"name": name, "version": version, "scripts": scripts, "dependencies": dependencies or {}}
    text = f"module.exports = '{name}';\n"
    return tarball({"package/package.json": json.dumps(manifest), "package/index.js": text})


def integrity(data: bytes) -> str:
    """As a `package-lock.json` has it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


class Served:
    """Answers requests on 127.0.0.1 while it is open."""

    def __init__(self, *, user: str = "") -> None:
        #: ``user:password`` that is asked for; empty: nobody is.
        self.user = user
        #: Path and authorization of every request.
        self.requests: list[tuple[str, str]] = []
        served = self

        class Handler(_Handler):
            owner = served

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, type and body for a path; for a redirect, the type is where to."""
        raise NotImplementedError

    def answer_to(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """The same, for whoever takes what ``accept`` names."""
        return self.answer(path)

    def allows(self, authorization: str) -> bool:
        """Whether whoever says that may have an answer."""
        return not self.user or authorization == f"Basic {base64.b64encode(self.user.encode()).decode()}"


class _Handler(BaseHTTPRequestHandler):
    owner: Served
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization", "")
        path = self.path.partition("?")[0]
        self.owner.requests.append((path, authorization))
        allowed = self.owner.allows(authorization)
        taken = self.headers.get("Accept", "")
        status, kind, body = self.owner.answer_to(path, taken) if allowed else (401, "text/plain", b"who are you?")
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Location" if status == 302 else "Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Link:
    """A link of a project's page."""

    name: str
    body: bytes
    #: As the page names it; empty: the body's own.
    sha256: str = ""
    hashed: bool = True
    #: Only in the form with times.
    uploaded: str = ""
    yanked: str | None = None
    requires_python: str = ""


@dataclass
class Project:
    """One page of the index."""

    links: list[Link] = field(default_factory=list)
    #: Lines of HTML as they stand.
    raw: str = ""


class PythonIndex(Served):
    """A simple index. ``projects`` may be changed at any time."""

    def __init__(self, *, user: str = "") -> None:
        super().__init__(user=user)
        self.projects: dict[str, Project] = {}
        #: Answered in place of every page.
        self.status = 200
        #: Whether it speaks the form with times as well.
        self.json = False
        #: Where its files lie, with a slash at the end; empty: here, by an address without a host.
        self.files_at = ""
        #: Path -> where it is sent on to.
        self.moved: dict[str, str] = {}

    @property
    def url(self) -> str:
        """What pip is told."""
        return f"http://{self.user + '@' if self.user else ''}{self.host}/simple/"

    def add(self, name: str, file: str, body: bytes, *, sha256: str = "", hashed: bool = True) -> bytes:
        """Offer a file under a project; its bytes."""
        return self.offer(name, Link(file, body, sha256=sha256, hashed=hashed))

    def offer(self, name: str, link: Link) -> bytes:
        """The same, with all that a page may say of it."""
        self.projects.setdefault(name, Project()).links.append(link)
        return link.body

    def answer_to(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """The page in the form that is asked for, if it has it."""
        parts = unquote(path).strip("/").split("/", 2)
        if path in self.moved:
            return 302, self.moved[path], b""
        form = "application/vnd.pypi.simple.v1+json"
        known = self.status == 200 and parts[0] == "simple" and len(parts) == 2 and parts[1] in self.projects
        if self.json and form in accept and known:
            rows = [self._row(parts[1], link) for link in self.projects[parts[1]].links]
            return 200, form, json.dumps({"meta": {"api-version": "1.1"}, "name": parts[1], "files": rows}).encode()
        return self.answer(path)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Pages and files."""
        parts = unquote(path).strip("/").split("/", 2)
        if self.status != 200:
            return self.status, "text/plain", b"not now"
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in self.projects:
            project = self.projects[parts[1]]
            lines = (self._line(parts[1], link) for link in project.links)
            return 200, "text/html", f"<!DOCTYPE html><body>{''.join(lines)}{project.raw}</body>".encode()
        if parts[0] == "files" and len(parts) == 3:
            links = self.projects.get(parts[1], Project()).links
            found = next((link.body for link in links if link.name == parts[2]), None)
            if found is not None:
                return 200, "application/octet-stream", found
        return 404, "text/plain", b"no such thing"

    def _line(self, project: str, link: Link) -> str:
        sha256 = link.sha256 or hashlib.sha256(link.body).hexdigest()
        fragment = f"#sha256={sha256}" if link.hashed else ""
        more = "" if link.yanked is None else f' data-yanked="{link.yanked}"'
        more += f' data-requires-python="{html.escape(link.requires_python)}"' if link.requires_python else ""
        return f'<a href="{self._place(project, link)}{fragment}"{more}>{link.name}</a><br>'

    def _row(self, project: str, link: Link) -> dict[str, object]:
        sha256 = link.sha256 or hashlib.sha256(link.body).hexdigest()
        row: dict[str, object] = {
            "filename": link.name, "url": self._place(project, link), "size": len(link.body),
            "hashes": {"sha256": sha256} if link.hashed else {},
            "yanked": False if link.yanked is None else link.yanked,
        }  # fmt: skip
        row |= {"upload-time": link.uploaded} if link.uploaded else {}
        return row | ({"requires-python": link.requires_python} if link.requires_python else {})

    def _place(self, project: str, link: Link) -> str:
        return f"{self.files_at or '/'}files/{project}/{quote(link.name, safe='')}"


class NpmRegistry(Served):
    """A registry. ``tarballs`` (name -> version -> bytes) may be changed at any time."""

    def __init__(self, *, user: str = "", token: str = "") -> None:
        super().__init__(user=user)
        self.token = token
        self.tarballs: dict[str, dict[str, bytes]] = {}
        #: ``name@version`` -> other bytes than the packument speaks of.
        self.swapped: dict[str, bytes] = {}
        #: ``name@version`` -> more of what the packument says of it; ``dist`` in place of its own.
        self.rows: dict[str, dict[str, object]] = {}
        #: ``name@version`` -> when it came; a package none of whose versions is here has no times.
        self.times: dict[str, str] = {}
        #: name -> its tag ``latest``.
        self.latest: dict[str, str] = {}

    @property
    def url(self) -> str:
        """What npm is told."""
        return f"http://{self.host}/"

    def add(self, name: str, version: str, dependencies: dict[str, str] | None = None) -> str:
        """Offer a package; its integrity."""
        data = npm_tarball(name, version, dependencies)
        self.tarballs.setdefault(name, {})[version] = data
        return integrity(data)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Packuments and tarballs."""
        name, _, file = unquote(path).strip("/").partition("/-/")
        versions = self.tarballs.get(name)
        if versions is None:
            return 404, "application/json", b'{"error": "not found"}'
        if file:
            version = file.rpartition("/")[2].removesuffix(".tgz").rpartition("--")[2]
            if version in versions:
                return 200, "application/octet-stream", self.swapped.get(f"{name}@{version}", versions[version])
            return 404, "application/json", b'{"error": "not found"}'
        return 200, "application/json", json.dumps(self._packument(name, versions)).encode()

    def allows(self, authorization: str) -> bool:
        """By token, if there is one."""
        return authorization == f"Bearer {self.token}" if self.token else super().allows(authorization)

    def _packument(self, name: str, versions: dict[str, bytes]) -> dict[str, object]:
        base = f"{self.url}{quote(name, safe='@')}/-/x--"
        dists = {
            version: {"tarball": f"{base}{version}.tgz", "integrity": integrity(data)}
            for version, data in versions.items()
        }
        rows: dict[str, object] = {}
        for version, dist in dists.items():
            manifest = self._manifest(versions[version])
            more = dict(self.rows.get(f"{name}@{version}", {}))
            own = more.pop("dist", None)
            used = {"tarball": dist["tarball"], **own} if isinstance(own, dict) else dist
            rows[version] = {**manifest, "name": name, "version": version, "dist": used, **more}
        times = {version: self.times[spec] for version in versions if (spec := f"{name}@{version}") in self.times}
        latest = self.latest.get(name, next(iter(rows)))
        return {"name": name, "dist-tags": {"latest": latest}, "versions": rows} | ({"time": times} if times else {})

    @staticmethod
    def _manifest(data: bytes) -> dict[str, object]:
        """What the tarball's own manifest says of dependencies."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            content = archive.extractfile("package/package.json")
            told = json.loads(content.read() if content else b"{}")
        return {"dependencies": told.get("dependencies") or {}}
