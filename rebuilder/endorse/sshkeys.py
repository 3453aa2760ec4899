"""Files of SSH public keys, as ssh-keygen(1) describes them under ALLOWED SIGNERS, or one public key a line: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rebuilder.endorse import sshkey
from rebuilder.endorse.clearsign import BadFrame

_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?", re.ASCII)
#: A word, in which a quoted part may hold blanks.
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_NAMESPACES = re.compile(r'namespaces="([a-z0-9.@*?,_-]+)"', re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """One line: a key in its wire form, and the options before it, as they are written."""

    line: int
    fingerprint: str
    blob: bytes
    options: tuple[str, ...]


def read(data: bytes) -> tuple[ListedKey, ...]:
    """Every key of a file. ``ValueError`` with the line for one that is neither a key, a comment nor empty."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"expected text, found byte 0x{data[error.start]:02x} at byte {error.start}"
        raise ValueError(msg) from None
    if "PRIVATE KEY" in text:
        msg = "it holds a private key; a key file of a trust store holds public keys only"
        raise ValueError(msg)
    lines = enumerate(text.splitlines(), 1)
    return tuple(_key(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#"))


def namespaces(listed: ListedKey) -> tuple[str, ...]:
    """For what a line allows its key; none: for everything. ``ValueError`` for an option that this tool cannot honour,
    for a key must not count for more than its line says."""
    found: tuple[str, ...] = ()
    for option in listed.options:
        match = _NAMESPACES.fullmatch(option)
        if not match or set(match[1]) & set("*?"):
            msg = f'line {listed.line}: the option {option!r} can\'t be honoured; only namespaces="git,file" can'
            raise ValueError(msg)
        found += tuple(match[1].split(","))
    return found


def _key(number: int, line: str) -> ListedKey:
    words = [match[0] for match in _WORD.finditer(line)]
    at = next((index for index, word in enumerate(words) if _TYPE.fullmatch(word)), None)
    if at is None or at + 1 >= len(words):
        msg = f"line {number}: expected an SSH public key (ssh-ed25519 AAAA… comment), found {line[:60]!r}"
        raise ValueError(msg)
    try:
        blob = sshkey.decode(words[at + 1].encode())
        kind = sshkey.key_type(blob)
    except BadFrame as fault:
        msg = f"line {number}: {fault}"
        raise ValueError(msg) from None
    if kind != words[at]:
        msg = f"line {number}: says {words[at]}, and the key in it is {kind}"
        raise ValueError(msg)
    # The first word of an allowed_signers line is who signs, which the pins say here; other files begin with options.
    named = at > 0 and '"' not in words[0] and words[0] != "cert-authority"
    options = _options(words[named:at])
    return ListedKey(line=number, fingerprint=sshkey.fingerprint(blob), blob=blob, options=options)


def _options(words: list[str]) -> tuple[str, ...]:
    """Options are separated by commas, of which quoted ones are none."""
    return tuple(match[0] for word in words for match in re.finditer(r'(?:[^,"]|"[^"]*")+', word))
