"""The Docker Engine behind the ``Engine`` port. The only file that imports the docker SDK.

Nothing here knows what a build is. Every container has no network, no capability that was not asked
for, no new privileges, the engine's default seccomp profile, and is removed on every way out.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import HostConfig, LogConfig, Ulimit
from docker.utils import kwargs_from_env
from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError

from rebuilder.errors import InfrastructureError, IntegrityError
from rebuilder.ports import Exit, Job, Leave
from rebuilder.sandbox import owner
from rebuilder.sandbox.interrupts import undisturbed
from rebuilder.sandbox.layers import layer_tar, only_file
from rebuilder.sandbox.stream import Demultiplexer, Exchange, checked
from rebuilder.sandbox.survey import how_to_reach

_REPOSITORY = "rebuilder-root"
#: Images of one job each: a root filesystem with a few files of the job's own.
_LAYERS = "rebuilder-layer"
_ANSWER_SECONDS = 120
_KILLED = 137
_DOCTOR = "`rebuilder doctor` says what is missing and how to get it."


class DockerEngine:
    """Containers of one Docker engine: the one that ``DOCKER_HOST`` or the current context names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def version(self) -> str:
        """Name, version and API version. ``InfrastructureError`` if no engine answers."""
        with _answering("tell its version"):
            found = self._api.version()
        return f"Docker Engine {found['Version']} (API {found['ApiVersion']})"

    def has_root(self, sha256: str) -> bool:
        """Whether an image whose only layer has exactly this tar digest is loaded."""
        return self._image(sha256) is not None

    def import_root(self, tar: Path | BinaryIO, sha256: str) -> None:
        """Load an uncompressed tar as an image. ``IntegrityError``, and no image, if it is not ``sha256``."""
        tag = f"{_REPOSITORY}:{sha256}"
        label = f"LABEL {_REPOSITORY}={sha256}"
        with _answering("import a root filesystem"):
            with tar.open("rb") if isinstance(tar, Path) else nullcontext(tar) as opened:
                data = checked(opened, sha256)
                self._api.import_image_from_data(data, repository=_REPOSITORY, tag=sha256, changes=[label])
            if self._image(sha256) is None:
                self._api.remove_image(tag, force=True)
                msg = f"expected the engine to hold one layer sha256:{sha256}, found another digest after the import"
                raise IntegrityError(msg, hint="The image was removed. The engine changed bytes; try again.")

    def run(
        self,
        job: Job,
        *,
        stdin: Iterable[bytes] = (),
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
    ) -> Exit:
        """Run ``job`` to its end; see the port. With ``job.keep`` and ``Leave`` the container outlives the call.

        ``out_of_memory`` is what the engine noticed; on some hosts it misses a kill, and status 137 is all.
        """
        name = owner.container_name(job)
        try:
            with _answering(f"create the container {name}"):
                undisturbed(lambda: self._create(job, name))
            try:
                ended = self._exchange(job, name, stdin, Demultiplexer(stdout, stderr))
            except Leave:
                if not job.keep:
                    raise
                return Exit(status=None, timed_out=False, out_of_memory=False, seconds=0.0, container=self._kept(name))
        except BaseException:
            # What went wrong first is what a person has to hear; the next sweep takes what is left.
            with suppress(InfrastructureError):
                undisturbed(lambda: self._remove(name))
            raise
        undisturbed(lambda: self._remove(name))
        return ended

    def sweep(self) -> int:
        """Remove containers of runs whose process is gone; how many."""
        removed = 0
        with _answering("list its containers"):
            found = self._api.containers(all=True, filters={"label": owner.RUN})
            for container in found:
                kept = any(name.lstrip("/").startswith(owner.KEPT_PREFIX) for name in container["Names"] or ())
                if not kept and owner.is_orphan(container["Labels"], now=time.time()):
                    self._remove(container["Id"])
                    removed += 1
            # Of a container that was kept, or of a process that died before its container was made.
            for image in self._api.images(name=_LAYERS, filters={"label": owner.RUN}):
                if owner.is_orphan(image["Labels"], now=time.time()):
                    with suppress(APIError):  # in use by a container that a person keeps
                        self._api.remove_image(image["Id"])
        return removed

    def roots(self) -> tuple[tuple[str, int], ...]:
        """sha256 and size of every root filesystem that is loaded, by digest."""
        with _answering("list its root filesystems"):
            images = self._client.images.list(name=_REPOSITORY)
        tags = {tag: image.attrs["Size"] for image in images for tag in image.tags}
        return tuple(sorted((tag.rpartition(":")[2], size) for tag, size in tags.items()))

    def forget_root(self, sha256: str) -> None:
        """Remove a root filesystem; it can be made again from its lock. No error if there is none."""
        with _answering("remove a root filesystem"), contextlib.suppress(NotFound):
            self._api.remove_image(f"{_REPOSITORY}:{sha256}", force=True)

    @cached_property
    def _unchecked(self) -> docker.DockerClient:
        return docker.from_env(timeout=_ANSWER_SECONDS)

    @property
    def _client(self) -> docker.DockerClient:
        with self._lock:
            try:
                return self._unchecked
            except (DockerException, RequestException) as error:
                msg = f"expected a Docker engine at {_address()}, found none that answers: {error}"
                raise InfrastructureError(msg, hint=f"{how_to_reach(error)}. {_DOCTOR}") from error

    @property
    def _api(self) -> docker.APIClient:
        return self._client.api

    def _image(self, sha256: str) -> str | None:
        with _answering("look up a root filesystem"):
            try:
                found = self._client.images.get(f"{_REPOSITORY}:{sha256}")
            except NotFound:
                return None
        layers = found.attrs["RootFS"].get("Layers")
        return found.id if layers == [f"sha256:{sha256}"] else None

    def _create(self, job: Job, name: str) -> None:
        image = self._image(job.root_sha256)
        if image is None:
            msg = f"expected the root filesystem {job.root_sha256} in the engine, found no image with that only layer"
            raise InfrastructureError(msg, hint="It may have been removed by hand; a new run loads it again.")
        if job.files:
            image = self._layered(image, job, name)
        self._api.create_container(
            image, list(job.argv), entrypoint=[], name=name, user=job.user, hostname=job.hostname,
            domainname=job.domainname or None, working_dir=job.cwd,
            environment=[f"{key}={value}" for key, value in job.environment.items()],
            stdin_open=True, tty=False, labels=owner.labels(job), host_config=self._host_config(job),
        )  # fmt: skip

    def _layered(self, image: str, job: Job, name: str) -> str:
        """An image of this one job: the root filesystem and, above it, the job's own files. It goes with the
        container; a container that never runs carries them in, because into a read-only one nothing can be put."""
        carrier = f"{name}-files"
        try:
            self._api.create_container(image, ["/"], entrypoint=[], name=carrier, labels=owner.labels(job))
            data = layer_tar(job.files, lambda path: only_file(self._api.get_archive(carrier, path)[0], path))
            self._api.put_archive(carrier, "/", data)
            return str(self._api.commit(carrier, repository=_LAYERS, tag=name)["Id"])
        finally:
            self._remove(carrier)

    def _host_config(self, job: Job) -> HostConfig:
        return self._api.create_host_config(
            network_mode=job.network,
            cap_drop=["ALL"],
            cap_add=list(job.capabilities),
            security_opt=["no-new-privileges"],
            read_only=job.read_only,
            # Docker mounts tmpfs noexec unless told otherwise, and builds run what they make.
            tmpfs={mount.path: f"rw,exec,nosuid,nodev,size={mount.bytes},mode={mount.mode:o}" for mount in job.tmpfs},
            mem_limit=job.memory_bytes,
            memswap_limit=job.memory_bytes,
            nano_cpus=int(job.cpus * 1_000_000_000),
            cpuset_cpus=job.cpuset or None,
            pids_limit=job.pids,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            log_config=LogConfig(type="none"),
            ipc_mode="private",
            init=False,
        )

    def _exchange(self, job: Job, name: str, stdin: Iterable[bytes], output: Demultiplexer) -> Exit:
        started = time.monotonic()
        deadline = started + job.seconds
        with _answering(f"attach to the container {name}"):
            attached = self._api.attach_socket(name, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        try:
            with _answering(f"start {job.argv[0]!r} in the container {name}"):
                self._api.start(name)
            closed = Exchange(_socket(attached), stdin, output).run(deadline)
        finally:
            # The answer this connection came from first: closed after it, it complains (Python 3.13).
            if (answer := getattr(attached, "_response", None)) is not None:
                answer.close()
            attached.close()
        return self._end(name, started, deadline if closed else started)

    def _end(self, name: str, started: float, deadline: float) -> Exit:
        timed_out = not self._waited(name, deadline - time.monotonic())
        with _answering(f"tell how the container {name} ended"):
            if timed_out:
                self._kill(name)
            state = self._api.inspect_container(name)["State"]
            starved = bool(state["OOMKilled"])
            if state["ExitCode"] == _KILLED and not timed_out and not starved:
                starved = self._starved(name)
        return Exit(
            status=None if timed_out else int(state["ExitCode"]),
            timed_out=timed_out,
            out_of_memory=starved,
            seconds=time.monotonic() - started,
            container=name,
        )

    def _waited(self, name: str, seconds: float) -> bool:
        """Whether the container ended within ``seconds``; at once if they are over."""
        if seconds <= 0:
            return False
        with _answering(f"wait for the container {name}"):
            try:
                self._api.wait(name, timeout=math.ceil(seconds))
            except ReadTimeout:
                return False
            except RequestException as error:
                # The SDK's transport reports a timeout as a failed connection.
                if "timed out" in str(error).lower():
                    return False
                raise
        return True

    def _starved(self, name: str) -> bool:
        """Whether the engine heard, late, that the kernel killed for memory. ``InfrastructureError`` if the
        engine, or a person through it, killed the container.

        The engine remembers its last events only as long as it runs: no ``start`` means a new engine.
        """
        # By the engine's own clock, and past the second that is not over yet.
        until = int(datetime.fromisoformat(self._api.info()["SystemTime"]).timestamp()) + 1
        events = self._api.events(since=0, until=until, filters={"container": name}, decode=True)
        seen = {event.get("Action") or event.get("status") for event in events}
        if "start" not in seen or "kill" in seen:
            msg = f"expected the container {name} to end by itself, found it killed from outside (status {_KILLED})"
            raise InfrastructureError(msg, hint="Was the Docker engine restarted? Run the command again.")
        return "oom" in seen

    def _kill(self, name: str) -> None:
        try:
            self._api.kill(name)
        except APIError as error:
            # 409: it ended by itself in the meantime.
            if error.response is None or error.response.status_code != 409:
                raise
        self._api.wait(name, timeout=_ANSWER_SECONDS)

    def _kept(self, name: str) -> str:
        kept = name.replace("rebuilder-", owner.KEPT_PREFIX, 1)
        with _answering(f"keep the container {name}"):
            self._api.rename(name, kept)
        return kept

    def _remove(self, name: str) -> None:
        with _answering(f"remove the container {name}"):
            for last in (False, False, True):
                try:
                    self._api.remove_container(name, force=True, v=True)
                except NotFound:
                    break
                except APIError:
                    # Right after an exit the engine may still hold a mount, or remove it for someone else.
                    if last:
                        raise
                    time.sleep(0.5)
                else:
                    break
            with suppress(NotFound):
                self._api.remove_image(f"{_LAYERS}:{name}", noprune=False)


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """Turn every way in which the engine fails to answer into ``InfrastructureError``."""
    try:
        yield
    except APIError as error:
        msg = f"expected the Docker engine at {_address()} to {what}, found: {error.explanation or error}"
        hint = "Free disk space on the engine's host." if "no space left" in str(error).lower() else _DOCTOR
        raise InfrastructureError(msg, hint=hint) from error
    except (DockerException, RequestException, HTTPError) as error:
        msg = f"expected the Docker engine at {_address()} to {what}, found that it no longer answers: {error}"
        raise InfrastructureError(msg, hint=f"Nothing is known about the build. {_DOCTOR}") from error


def _socket(attached: object) -> socket.socket:
    found = getattr(attached, "_sock", attached)
    if not isinstance(found, socket.socket):
        msg = f"expected a plain or TLS connection to the Docker engine at {_address()}, found {type(found).__name__}"
        raise InfrastructureError(msg, hint="Point DOCKER_HOST at a unix:// or tcp:// address.")
    return found


def _address() -> str:
    try:
        return str(kwargs_from_env().get("base_url") or docker.ContextAPI.get_current_context().Host)
    except (DockerException, AttributeError, OSError):
        return "the address in DOCKER_HOST"
