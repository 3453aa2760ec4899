"""Locks that npm makes for a project: what a package's own package may not ask for."""

from __future__ import annotations

import io
import json
from typing import Any, cast

import pytest

from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.toolchain import fetching, languages_node
from rebuilder.toolchain.fetching import Answer, Client
from rebuilder.toolchain.tarstream import Member, tar

DIGEST = f"sha512-{'a' * 86}=="
GOOD = {"version": "1.0.0", "integrity": DIGEST}


class Told:
    """A client without secrets."""

    def shown(self, text: str) -> str:
        return text


def answer(lock: bytes) -> Answer:
    files = {"answer.json": json.dumps({"status": 0, "log": ""}).encode(), "files/package-lock.json": lock}
    spool = io.BytesIO(b"".join(tar(Member.of(name, content) for name, content in files.items())))
    return Answer(spool, cast("Client", Told()))


def lock(**rows: dict[str, Any]) -> bytes:
    packages = {"": {"name": "x"}} | {f"node_modules/{name}": row for name, row in rows.items()}
    return json.dumps({"lockfileVersion": 3, "packages": packages}).encode()


def test_packages_of_the_registry_and_what_they_bring_are_taken() -> None:
    made = lock(a=GOOD, b={"name": "a", **GOOD}, c={"version": "1.0.0", "inBundle": True})
    assert languages_node.locked(answer(made), (), None) == made
    assert languages_node.locked(answer(json.dumps({"packages": {}}).encode()), (), None) == b'{"packages": {}}'


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"version": "1.0.0", "resolved": f"git+ssh://git@code.example/o/r.git#{'a' * 40}"}, "lies at 'git.ssh://code.e"),
        ({**GOOD, "resolved": "https://user:s3cret@files.example/r.tgz"}, "lies at 'https://files.example/r.tgz'"),
        ({**GOOD, "resolved": "file:../r.tgz"}, "lies at 'file:../r.tgz'"),
        ({**GOOD, "resolved": ["x\x1b[31m"]}, "lies at '.list.'"),
        ({**GOOD, "resolved": "x\n\x1b[31m"}, "lies at 'x..\\[31m'"),
        ({"version": "1.0.0", "inBundle": True, "resolved": "git://code.example/r"}, "lies at 'git://code.example/r'"),
        ({"version": "1.0.0"}, "has no digest to hold it to"),
        ({"version": "1.0.0", "integrity": "x"}, "has no digest to hold it to"),
        ({"link": True}, "is a folder and no package"),
    ],
)
def test_a_package_that_lies_elsewhere_is_refused(row: dict[str, Any], message: str) -> None:
    told = f"packages of a registry alone: 'node_modules/evil' {message}.*a package that the project depends on asks"
    with pytest.raises(Stopped, match=told) as raised:
        languages_node.locked(answer(lock(a=GOOD, evil=row)), (), None)
    assert raised.value.missing == ("node_modules/evil",)
    assert "s3cret" not in raised.value.reason


@pytest.mark.parametrize("made", [b"no", b"[]", b"{}", b'{"packages": []}', b'{"packages": {"a": 1}}', b"[" * 10**5])
def test_what_is_no_lock_is_our_fault(made: bytes) -> None:
    with pytest.raises(InfrastructureError, match=r"expected npm's package-lock\.json, found what cannot be read"):
        languages_node.locked(answer(made), (), None)


@pytest.mark.parametrize("name", ["tarballs.js", "registry.js"])
def test_npm_is_never_run_without_its_guard(name: str) -> None:
    program = fetching.node(name)[-1]
    assert program.startswith("'use strict';\nconst GUARD = ")
    assert json.dumps(fetching.program("guard.js")) in program
    assert "spawnSync('npm'" in program
    assert program.count("spawnSync(") == 1, "all of npm is run in one place"
    assert "NODE_OPTIONS: nodeOptions()" in program
