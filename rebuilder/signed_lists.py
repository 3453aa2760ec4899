"""Lists of a signed index, unpacked once. An `InRelease` signs both a list and what it unpacks to.

Unpacking takes twenty times as long as hashing, and every run reads tens of megabytes of lists. So the
unpacked bytes are kept as a blob under the digest that the signature covers: as trustworthy as the packed
ones, and re-hashed like them. Losing that blob costs a second.
"""

from __future__ import annotations

import hashlib

from rebuilder import deb822
from rebuilder.model import FileDigest
from rebuilder.ports import Blobs

#: sha256 and size, as a signed index gives them.
Digest = tuple[str, int]


def plain_path(path: str) -> str:
    """The path of a list without what says how it is packed: what an index calls it unpacked."""
    return path.removesuffix(".xz").removesuffix(".gz")


def unpacked(file: FileDigest, blobs: Blobs, *, signed: Digest | None, limit: int) -> bytes:
    """What ``file`` unpacks to, at most ``limit`` bytes. ``signed`` is what the verified index says that it
    unpacks to, ``None`` if it does not say.

    Raises as ``Blobs.read``, for the packed list too, and ``deb822.Malformed`` for a list that is not
    whole, too large, or other than ``signed``.
    """
    if signed is not None and signed[0] != file.sha256 and signed[1] <= limit and blobs.has(signed[0]):
        # Not read, but the evidence that goes with the run: it has to be sound.
        blobs.path(file.sha256)
        return blobs.read(signed[0], limit=signed[1])
    data = deb822.decompress(blobs.read(file.sha256, limit=min(file.size, limit)), file.name, limit)
    if signed is not None and signed[0] != file.sha256:
        found = (hashlib.sha256(data).hexdigest(), len(data))
        if found != signed:
            msg = f"{file.name}: expected {_words(signed)} inside, as the signed index says, found {_words(found)}"
            raise deb822.Malformed(msg)
        blobs.put([data], name=plain_path(file.name), limit=signed[1], expect=signed[0])
    return data


def _words(digest: Digest) -> str:
    return f"sha256 {digest[0]} of {digest[1]} bytes"
