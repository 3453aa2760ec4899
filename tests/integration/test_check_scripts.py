"""Both builds of a check, repeated by hand; and the images of single jobs, which go with their containers."""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from rebuilder.errors import InfrastructureError
from rebuilder.model import RootFile, RootImage
from rebuilder.ports import Exit
from rebuilder.sandbox import owner
from rebuilder.sandbox.docker import DockerEngine
from tests.integration.check_projects import (
    FILES,
    Projects,
    makefile,
    some_projects,  # noqa: F401 - a fixture is used by name
)
from tests.integration.sandboxes import job, nothing

pytestmark = pytest.mark.integration

#: Shows in one file nearly all that is varied, but for what has the number of a process in it.
SHOWING = makefile(
    "pwd > out",
    "env | grep -Ev '^(MAKEFLAGS|MFLAGS|FAKETIME_SHARED)=' | LC_ALL=C sort >> out",
    "id >> out; umask >> out; uname -nr >> out; nproc >> out; date +%Y >> out",
    "stat -c '%n %Y' src/* >> out; find src >> out; date -d @0 >> out",
    "echo 'it''s $$(not) run' >> out; getent passwd $$(id -u) >> out",
)


def by_hand(script: Path) -> dict[str, str]:
    """What a build script made: name -> sha256. It is run in another folder, with another environment."""
    done = subprocess.run(
        [str(script)], cwd="/", env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    output = script.parent / "output"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.iterdir()}
    assert all(f"{digest}  {name}" in done.stdout for name, digest in found.items())
    return found


def test_both_scripts_give_the_very_bytes_of_the_report(projects: Projects) -> None:
    files = {"Makefile": SHOWING, **FILES}
    done = projects.check(projects.make(files, name="Demo 'x' $y"), "--max-builds", "2", report="a report's folder")
    assert done.code == 10, done.err
    first, second = (by_hand(done.folder / each / "build.sh") for each in ("first", "second"))
    outputs = done.report.outputs
    assert first == {one.name: one.first.sha256 for one in outputs if one.first}
    assert second == {one.name: one.second.sha256 for one in outputs if one.second}
    assert first != second
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", "name=rebuilder-by-hand"], capture_output=True, text=True, check=True
    )
    assert left.stdout == ""


def test_a_script_says_which_step_failed_and_leaves_nothing(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("exit 7")}))
    assert done.code == 13, done.err
    ran = subprocess.run([str(done.folder / "first" / "build.sh")], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "build.sh: the build failed (status 2) in: " in ran.stderr
    assert list((done.folder / "first" / "output").iterdir()) == []


def test_a_script_without_its_toolchain_says_how_to_get_it(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("echo one > out")}), "--variations", "umask")
    script = done.folder / "first" / "build.sh"
    text = script.read_text()
    assert f"image=rebuilder-root:{done.report.toolchain.root_sha256}\n" in text
    script.write_text(text.replace(done.report.toolchain.root_sha256, "0" * 64))
    ran = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert "found none; `rebuilder check` loads it again" in ran.stderr


# --- images of single jobs ------------------------------------------------------------------------

HELLO = RootFile(path="/etc/hello", content="from the job\n")


def layers() -> set[str]:
    images = docker.from_env().images.list(name="rebuilder-layer")
    return {str(image.id) for image in images if owner.this_process() == image.labels.get(owner.OWNER)}


def run(engine: DockerEngine, root: RootImage, *argv: str, **changes: Any) -> tuple[Exit, str]:
    said: list[bytes] = []
    ended = engine.run(job(root, *argv, **changes), stdout=said.append, stderr=said.append)
    return ended, b"".join(said).decode()


def test_files_of_a_job_are_there_owned_by_root_and_cannot_be_written(
    engine: DockerEngine, base_root: RootImage
) -> None:
    files = (
        HELLO,
        RootFile(path="/etc/passwd", content="me:x:1000:1000::/:/bin/sh\n", append=True),
        RootFile(path="/usr/local/bin/tool", content="#!/bin/sh\necho the tool\n", executable=True),
        RootFile(path="/usr/bin/sh", link="bash"),
    )
    script = (
        "cat /etc/hello; id -un; head -n1 /etc/passwd; tool; readlink /usr/bin/sh; stat -c '%U %a' /etc/hello; "
        "{ echo x > /etc/hello; } 2>&1; echo $?"
    )
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    ended, said = run(engine, base_root, "bash", "-c", script, files=files, environment=environment)
    assert ended.status == 0
    lines = said.splitlines()
    assert lines[:6] == ["from the job", "me", "root:*:0:0:root:/root:/bin/bash", "the tool", "bash", "root 644"]
    assert "Read-only file system" in said
    assert lines[-1] == "1"
    assert layers() == set()


@pytest.mark.parametrize(
    ("argv", "changes"),
    [
        (("sh", "-c", "exit 3"), {}),
        (("/no/such/program",), {}),
        (("sleep", "60"), {"seconds": 2.0}),
        (("sh", "-c", "exit 0"), {"files": (RootFile(path="/etc/no/such", content="x", append=True),)}),
        (("sh", "-c", "exit 0"), {"files": (RootFile(path="/etc", content="x", append=True),)}),
        (("sh", "-c", "exit 0"), {"cpuset": "4000"}),
    ],
    ids=["fails", "never starts", "hangs", "adds to no file", "adds to a folder", "no such processor"],
)
def test_the_image_of_a_job_goes_with_its_container_however_it_ends(
    engine: DockerEngine, base_root: RootImage, argv: tuple[str, ...], changes: dict[str, Any]
) -> None:
    with suppress(InfrastructureError):
        run(engine, base_root, *argv, **{"files": (HELLO,), **changes})
    assert layers() == set()
    assert containers() == []


def containers() -> list[Any]:
    found = docker.from_env().containers.list(all=True, filters={"label": f"{owner.OWNER}={owner.this_process()}"})
    return list(found)


def test_an_error_while_output_is_read_takes_the_image_away_too(engine: DockerEngine, base_root: RootImage) -> None:
    def broken(data: bytes) -> None:
        msg = "no space for it"
        raise OSError(msg)

    with pytest.raises(OSError, match="no space for it"):
        engine.run(job(base_root, "echo", "x", files=(HELLO,)), stdout=broken, stderr=nothing)
    assert layers() == set()
    assert containers() == []


def test_a_sweep_takes_images_of_processes_that_are_gone_and_no_others(
    engine: DockerEngine, base_root: RootImage
) -> None:
    client = docker.from_env()
    gone = owner.this_process().rpartition("/")[0] + "/1"
    made = {}
    for name, process in (("gone", gone), ("here", owner.this_process())):
        labels = {**owner.labels(job(base_root, "true")), owner.OWNER: process}
        carrier = client.containers.create(f"rebuilder-root:{base_root.sha256}", ["/"], labels=labels)
        made[name] = carrier.commit(repository="rebuilder-layer", tag=f"test-{name}-{os.getpid()}")
        carrier.remove()
    try:
        engine.sweep()
        left = {str(image.id) for image in client.images.list(name="rebuilder-layer")}
        assert made["gone"].id not in left
        assert made["here"].id in left
        assert engine.has_root(base_root.sha256)
    finally:
        client.images.remove(made["here"].id, force=True)
