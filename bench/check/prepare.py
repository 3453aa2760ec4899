"""Makes the corpus: each project of `labels.toml` as a Git repository with one commit, in a cache folder.

    .venv/bin/python bench/check/prepare.py [--cache FOLDER] [--only TEXT] [--pin]

Foreign sources are fetched by pip's, npm's and apt's own clients and held against `sources.toml`; nothing of theirs
runs. What is there and was made of the same files is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "causes"))
import fetch  # noqa: E402

#: The fetcher is that of the other corpus; only its list is another.
fetch.SOURCES = HERE / "sources.toml"
CACHE = HERE.parent.parent / ".rebuilder" / "check-corpus"
#: Of every commit, and so SOURCE_DATE_EPOCH of the builds: 2024-03-05 12:00 UTC.
COMMITTED = 1709640000
#: The file that a hook lies in, and what names the backend that it stands before.
_HOOK_FILE, _FLIT = "make_build.py", "flit_core.buildapi"
_LARGEST = 64 << 20


@dataclass(frozen=True)
class Breaking:
    """One way in which a project is broken: what is right to say of it."""

    variations: tuple[str, ...]
    causes: tuple[str, ...]
    #: The build ends with an error there: no cause is asked for.
    fails: bool = False


@dataclass(frozen=True)
class Label:
    """A project of the corpus. ``source`` is empty for one that was made for it."""

    id: str
    language: str
    split: str
    origin: str
    source: str
    broken: tuple[Breaking, ...]


@dataclass(frozen=True)
class Change:
    """What is changed in a foreign source, as `changes.toml` says it."""

    edits: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    package: dict[str, Any] = field(default_factory=dict)
    hook: str = ""
    body: str = ""


def labels() -> list[Label]:
    """All projects, in the order of the file."""
    found = []
    for row in tomllib.loads((HERE / "labels.toml").read_text())["project"]:
        broken = tuple(
            Breaking(tuple(way["variations"]), tuple(way["causes"]), way.get("fails", False)) for way in row["broken"]
        )
        found.append(Label(row["id"], row["language"], row["split"], row["from"], row.get("source", ""), broken))
    return found


def prepare(cache: Path, only: str = "", *, pin: bool = False) -> dict[str, Path]:
    """Project -> its repository. ``SystemExit`` if a source is not the pinned one, or a change does not fit it."""
    chosen = [label for label in labels() if only in label.id]
    sources = fetch.fetch_all(cache, pin=pin) if any(label.source for label in chosen) else {}
    projects = tomllib.loads((HERE / "changes.toml").read_text())
    folders = {}
    for label in chosen:
        tree = _tree(label, sources)
        change = Change(**projects["projects"].get(label.id, {}))
        folders[label.id] = _repository(cache / label.id, _changed(label.id, tree, change, projects["hooks"]))
    return folders


def _tree(label: Label, sources: dict[tuple[str, str], Path]) -> dict[str, tuple[int, bytes]]:
    """Name -> (mode, content) of what a project is before the change. Symbolic links are left out."""
    if label.origin == "made":
        folder = HERE / "made" / label.id
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): (path.stat().st_mode & 0o111, path.read_bytes()) for path in files}
    kind = "debian" if label.origin.startswith("debian") else label.origin
    packed = [path for path in sources[kind, label.source].iterdir() if re.search(r"\.(tar\.\w+|tgz)$", path.name)]
    tree: dict[str, tuple[int, bytes]] = {}
    for path in sorted(packed, key=lambda path: ".debian.tar." in path.name):
        packaging = ".debian.tar." in path.name
        if packaging and label.origin == "debian-upstream":
            continue
        if packaging:
            tree = {name: file for name, file in tree.items() if not name.startswith("debian/")}
        tree |= _unpacked(path, keep_top=packaging)
    return tree


def _unpacked(path: Path, *, keep_top: bool) -> dict[str, tuple[int, bytes]]:
    """Regular files of a tar, without its top folder. Read in memory: no name of it is used as a path here."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./") if keep_top else member.name.partition("/")[2]
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None or not name or {"..", ".git", ""} & set(name.split("/")):
                continue
            if member.size > _LARGEST:
                sys.exit(f"{path.name}: expected files of at most {_LARGEST} bytes, found {name} of {member.size}")
            found[name] = (member.mode & 0o111, stream.read())
    return found


def _changed(
    project: str, tree: dict[str, tuple[int, bytes]], change: Change, hooks: dict[str, str]
) -> dict[str, tuple[int, bytes]]:
    tree = dict(tree)
    edits = list(change.edits)
    if change.hook:
        text = hooks[change.hook].replace("@BODY@\n", textwrap.indent(change.body, "    "))
        tree[_HOOK_FILE] = (0, text.encode())
    if change.hook == "flit":
        quote = "'" if f"{_FLIT}'".encode() in tree["pyproject.toml"][1] else '"'
        put = f'make_build{quote}\nbackend-path = ["."]'
        edits.append({"file": "pyproject.toml", "find": f"{_FLIT}{quote}", "how": "instead", "put": put})
    for edit in edits:
        mode, content = tree[edit["file"]]
        tree[edit["file"]] = (mode, _edited(f"{project}: {edit['file']}", content, edit))
    tree |= {name: (0, text.encode()) for name, text in change.files.items()}
    if change.package:
        tree["package.json"] = (0, _package(tree["package.json"][1], change.package))
    return tree


def _edited(where: str, content: bytes, edit: dict[str, str]) -> bytes:
    find, put = edit["find"].encode(), edit["put"].encode()
    if content.count(find) != 1:
        sys.exit(f"{where}: expected {edit['find']!r} once, found it {content.count(find)} times")
    texts = {"before": put + find, "after": find + put, "instead": put}
    return content.replace(find, texts[edit["how"]])


def _package(content: bytes, wanted: dict[str, Any]) -> bytes:
    package = {name: value for name, value in json.loads(content).items() if name not in wanted["drop"]}
    package["scripts"] = wanted["scripts"]
    return (json.dumps(package, indent=2, ensure_ascii=False) + "\n").encode()


def _repository(folder: Path, tree: dict[str, tuple[int, bytes]]) -> Path:
    """One commit with these files; kept where it was made of the same ones."""
    stamp = folder.with_name(f"{folder.name}.made-of")
    whole = hashlib.sha256(str(COMMITTED).encode())
    for name, (mode, content) in sorted(tree.items()):
        whole.update(f"{name}\0{mode:o}\0{len(content)}\0".encode() + content)
    if folder.is_dir() and stamp.is_file() and stamp.read_text() == whole.hexdigest():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _git(folder, "init", "-q", "-b", "main")
    _git(folder, "fast-import", "--quiet", given=_commit(tree))
    _git(folder, "reset", "-q", "--hard", "main")
    stamp.write_text(whole.hexdigest())
    return folder


def _commit(tree: dict[str, tuple[int, bytes]]) -> bytes:
    """The stream of `git fast-import`: no file of a source is an attribute, a filter or a hook on the way in."""
    stream = io.BytesIO()
    message, who = b"As it was released", "Corpus <corpus@example.org>"
    stream.write(f"commit refs/heads/main\ncommitter {who} {COMMITTED} +0000\n".encode())
    stream.write(b"data %d\n%s\n" % (len(message), message))
    for name, (mode, content) in sorted(tree.items()):
        quoted = json.dumps(name, ensure_ascii=False)
        stream.write(f"M {'100755' if mode else '100644'} inline {quoted}\n".encode())
        stream.write(b"data %d\n%s\n" % (len(content), content))
    return stream.getvalue()


def _git(folder: Path, *arguments: str, given: bytes = b"") -> None:
    closed = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": "0"}
    argv = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", "-C", str(folder), *arguments]
    ended = subprocess.run(argv, input=given, env=os.environ | closed, capture_output=True, check=False)
    if ended.returncode != 0:
        words = ended.stderr.decode(errors="replace")
        sys.exit(f"git {arguments[0]} in {folder} ended with {ended.returncode}\n{words}")


def main() -> None:
    """Make what is missing, and say where it lies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default="", help="projects whose id contains this")
    parser.add_argument("--pin", action="store_true", help="write the digests of sources that have none")
    options = parser.parse_args()
    folders = prepare(options.cache.resolve(), options.only, pin=options.pin)
    print(f"{len(folders)} projects in {options.cache}")


if __name__ == "__main__":
    main()
