"""The image: made from a base of mmdebstrap's without naming a registry, and used with no network."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from rebuilder.attest.pins import render_pins
from tests import attest_cases

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".rebuilder" / "test-cache"
SOCKET = Path("/var/run/docker.sock")


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env(timeout=300)
    yield made
    made.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Iterator[str]:
    """Built as `make image` builds it."""
    tag = "rebuilder-test-image:dockerfile"
    done = subprocess.run(
        [sys.executable, "scripts/image.py", "--tag", tag, "--base-tar", str(CACHE / "image-base.tar")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    yield tag
    client.images.remove(tag, force=True)


def run(
    client: docker.DockerClient, image: str, *command: str, files: dict[str, bytes] | None = None, **options: object
) -> tuple[int, str]:
    """Exit code and everything printed, from a sealed container; ``files`` lie in ``/mnt``."""
    container = client.containers.create(
        image, list(command), network_mode="none", cap_drop=["ALL"], security_opt=["no-new-privileges"], **options
    )
    try:
        if files:
            container.put_archive("/mnt", tar_of(files))
        container.start()
        status = container.wait(timeout=120)["StatusCode"]
        return status, container.logs().decode()
    finally:
        container.remove(force=True, v=True)


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_the_entry_point_is_the_tool_and_the_user_is_not_root(client: docker.DockerClient, image: str) -> None:
    status, text = run(client, image, "--version")
    assert (status, text.split()[0]) == (0, "rebuilder,"), text
    status, text = run(client, image, "-c", "import os; print(os.getuid())", entrypoint=["/opt/rebuilder/bin/python"])
    assert (status, text.strip()) == (0, "1000")


def test_doctor_without_an_engine_says_so_and_how_to_get_one(client: docker.DockerClient, image: str) -> None:
    status, text = run(client, image, "doctor", "--json")
    needs = {need["name"]: need for need in json.loads(text)["needs"]}
    assert status == 3
    assert [name for name, need in needs.items() if need["state"] == "missing"] == ["docker engine"], text
    assert "DOCKER_HOST" in needs["docker engine"]["get"]


def test_doctor_with_the_hosts_engine_finds_all(client: docker.DockerClient, image: str) -> None:
    status, text = run(
        client, image, "doctor", "--json",
        volumes={str(SOCKET): {"bind": str(SOCKET), "mode": "rw"}}, group_add=[str(SOCKET.stat().st_gid)],
    )  # fmt: skip
    needs = {need["name"]: need for need in json.loads(text)["needs"]}
    assert status == 0, text
    assert needs["python"]["state"] == "ok"
    assert "pinned keys" in needs["anchor debian-archive"]["found"]
    assert "from the host's apt" in needs["mirror of debian"]["found"]


@pytest.mark.parametrize(("case", "expected"), [("reproduced", 0), ("different-declared", 10)])
def test_verify_bundle_in_the_image(client: docker.DockerClient, image: str, case: str, expected: int) -> None:
    files = {
        "bundle.intoto.jsonl": attest_cases.bundle(case),
        "pins.json": render_pins(attest_cases.PINS),
        "published": attest_cases.published_file(case),
    }
    command = ("verify-bundle", "/mnt/bundle.intoto.jsonl", "/mnt/published", "--pin", "/mnt/pins.json")
    status, text = run(client, image, *command, files=files)
    assert status == expected, text
    changed = files | {"published": files["published"] + b"x"}
    status, text = run(client, image, *command, files=changed)
    assert status == 21, text
    assert "not verified" in text
