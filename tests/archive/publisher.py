"""The publisher's own build machine: dpkg-buildpackage in a plain container, no code of the product.

It starts from a root filesystem made of the same real packages, and does what the archive's builders do.
Results are kept by the digest of everything that decides them.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.archive.sources import SourcePackage, rebuild_entry
from tests.archive.toolchain import RealPackages

USER = 1000
#: Where Debian's builders unpack a source, so that the path is the same everywhere.
BUILD_ROOT = "/build/reproducible-path"
SCRIPT = """\
set -eu
mkdir -p /build/out {root}
for job in /build/in/*; do
	name=$(basename "$job")
	rm -rf {root}/* && cd {root}
	dpkg-source --no-check -x "$job"/*.dsc > /dev/null
	cd ./*/
	if [ -f "$job/entry" ]; then
		cat "$job/entry" debian/changelog > ../changelog && mv ../changelog debian/changelog
	fi
	if ! dpkg-buildpackage -us -uc "-$(cat "$job/kind")" --sanitize-env > "/build/out/$name.log" 2>&1; then
		tail -n 40 "/build/out/$name.log"; echo "the publisher could not build $name"; exit 1
	fi
	mkdir "/build/out/$name" && mv ../*.deb ../*.buildinfo "/build/out/$name/"
done
"""
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent/first-build",
    "DEB_BUILD_OPTIONS": "parallel=2", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


@dataclass(frozen=True)
class BuildOrder:
    """Build the ``any`` or the ``all`` packages of a source; ``rebuild`` above 0 makes it a binNMU."""

    source: SourcePackage
    kind: str = "any"
    rebuild: int = 0

    @property
    def key(self) -> str:
        """Digest of all that this order says."""
        parts = [self.kind, str(self.rebuild), self.source.version]
        for path, data in sorted(self.source.tree().items()):
            parts += [path, hashlib.sha256(data).hexdigest()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class PublishedBuild:
    """What a build of the publisher gave."""

    debs: tuple[Path, ...]
    buildinfo: Path


class Publisher:
    """Builds orders in one container, or finds them in ``cache``. ``repository`` serves the real packages."""

    def __init__(self, cache: Path, repository: Path, suite: str, real: RealPackages) -> None:
        self._cache = cache
        self._repository = repository
        self._suite = suite
        self._epoch = int(real.date.timestamp())
        self._identity = real.build_set_digest()[:16]

    def build(self, orders: Iterable[BuildOrder]) -> dict[str, PublishedBuild]:
        """Every order's result, by its key."""
        orders = list(orders)
        missing = {order.key: order for order in orders if not self._folder(order.key).is_dir()}
        if missing:
            self._build_all(missing)
        return {order.key: self._found(order.key) for order in orders}

    def _folder(self, key: str) -> Path:
        return self._cache / f"built-{self._identity}" / key

    def _found(self, key: str) -> PublishedBuild:
        folder = self._folder(key)
        return PublishedBuild(tuple(sorted(folder.glob("*.deb"))), next(folder.glob("*.buildinfo")))

    def root(self) -> Path:
        """The root filesystem as a tar, made once by the host's own mmdebstrap."""
        target = self._cache / f"root-{self._identity}.tar"
        if not target.exists():
            partial = self._cache / "partial.tar"
            source = f"deb [trusted=yes] copy:{self._repository} {self._suite} main"
            self._cache.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=buildd", "--include=fakeroot", self._suite, str(partial), source],
                env={**os.environ, "SOURCE_DATE_EPOCH": str(self._epoch)}, capture_output=True, text=True, check=False,
            )
            if done.returncode != 0:
                msg = f"mmdebstrap could not make the publisher's root filesystem:\n{done.stderr[-3000:]}"
                raise RuntimeError(msg)
            for old in self._cache.glob("root-*.tar"):
                old.unlink()
            partial.rename(target)
        return target

    def _build_all(self, orders: dict[str, BuildOrder]) -> None:
        client = docker.from_env()
        with _image(client, self.root()) as image, _container(client, image) as container:
            container.put_archive("/", _jobs(orders))
            container.start()
            status = container.wait(timeout=600)["StatusCode"]
            log = container.logs().decode(errors="replace")
            if status != 0:
                msg = f"the publisher's build machine failed ({status}):\n{log[-3000:]}"
                raise RuntimeError(msg)
            stream, _ = container.get_archive("/build/out")
            outputs = b"".join(stream)
        for key in orders:
            self._keep(key, outputs)

    def _keep(self, key: str, outputs: bytes) -> None:
        partial = self._folder(key).with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(outputs)) as tar:
            for member in tar:
                parts = Path(member.name).parts
                if len(parts) == 3 and parts[1] == key:
                    (partial / parts[2]).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
        partial.rename(self._folder(key))


@contextmanager
def _image(client: docker.DockerClient, root: Path) -> Iterator[str]:
    tag = f"rebuilder-test-publisher:{os.getpid()}-{time.monotonic_ns()}"
    client.api.import_image_from_file(str(root), repository=tag.partition(":")[0], tag=tag.partition(":")[2])
    try:
        yield tag
    finally:
        client.images.remove(tag, force=True)


@contextmanager
def _container(client: docker.DockerClient, image: str) -> Iterator[docker.models.containers.Container]:
    script = SCRIPT.format(root=BUILD_ROOT)
    container = client.containers.create(
        image, ["sh", "-c", script], user=f"{USER}:{USER}", network_mode="none", environment=ENVIRONMENT,
        hostname="publisher", labels={"rebuilder.test": "publisher"},
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def _jobs(orders: dict[str, BuildOrder]) -> bytes:
    """A tar of ``/build/in/<key>/``, owned by the build user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        def add(name: str, data: bytes | None) -> None:
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = USER
            entry.mode = 0o755 if data is None else 0o644
            entry.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            entry.size = len(data or b"")
            tar.addfile(entry, io.BytesIO(data or b""))

        add("build", None)
        add("build/in", None)
        for key, order in orders.items():
            add(f"build/in/{key}", None)
            for name, data in order.source.files_of_archive().items():
                add(f"build/in/{key}/{name}", data)
            add(f"build/in/{key}/kind", b"B" if order.kind == "any" else b"A")
            if order.rebuild:
                add(f"build/in/{key}/entry", rebuild_entry(order.source, number=order.rebuild).encode())
    return buffer.getvalue()
