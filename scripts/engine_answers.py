"""Print in one word how the Docker engine answers: ``ready``, ``denied``, ``absent`` or ``silent``.

Asked through the same library and the same environment as the tool itself, so that what set-up finds is
what the tool will find. ``denied`` means that this user may not open the socket.
"""

import os
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

DEFAULT_HOST = "unix:///var/run/docker.sock"


def answer() -> str:
    """One of the four words of the module's docstring."""
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if host.startswith("unix://"):
        socket = Path(host.removeprefix("unix://"))
        if not socket.exists():
            return "absent"
        if not os.access(socket, os.R_OK | os.W_OK):
            return "denied"
    try:
        docker.from_env(timeout=10).ping()
    except (DockerException, RequestException):
        return "silent"
    return "ready"


if __name__ == "__main__":
    print(answer())
