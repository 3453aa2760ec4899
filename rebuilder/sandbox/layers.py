"""Files that one job has in place of its root filesystem's own, as the tar the engine is given."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable

from rebuilder.errors import InfrastructureError
from rebuilder.model import RootFile

#: A file that is added to is a list of users or groups.
MAX_APPENDED = 1024**2


def layer_tar(files: tuple[RootFile, ...], before: Callable[[str], bytes]) -> bytes:
    """A tar of these files and links: owned by root, readable by all, writable by nobody else, without a time.

    ``before`` gives what the root filesystem has at a path, for those that are added to."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            info = tarfile.TarInfo(file.path.lstrip("/"))
            if file.link:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, file.link, 0o777
                tar.addfile(info)
            else:
                data = (before(file.path) if file.append else b"") + file.content.encode()
                info.size, info.mode = len(data), 0o755 if file.executable else 0o644
                tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def only_file(archive: Iterable[bytes], path: str) -> bytes:
    """The content of the one regular file in a tar that the engine gave for ``path``."""
    data = bytearray()
    for piece in archive:
        data += piece
        if len(data) > MAX_APPENDED:
            msg = f"expected {path} of the root filesystem to have less than {MAX_APPENDED} bytes, found more"
            raise InfrastructureError(msg)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        member = tar.next()
        content = tar.extractfile(member) if member is not None and member.isfile() else None
        if content is None:
            msg = f"expected {path} of the root filesystem to be a regular file, found something else"
            raise InfrastructureError(msg)
        return content.read()
