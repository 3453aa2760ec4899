"""How a value of a finding is shown: short, printable, enough to recognise it by. Digests say the rest."""

from __future__ import annotations

from rebuilder.data import Data
from rebuilder.findings import MAX_VALUE

_BEFORE, _AFTER = 60, 100


def cut(text: str, limit: int = MAX_VALUE) -> str:
    """The text, or its start with a sign that it goes on. Never holds a lone surrogate."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def at_offset(data: Data, offset: int) -> str:
    """What lies at ``offset``: the text line where there is text, else the bytes in hex. Empty at the end."""
    start = max(0, offset - _BEFORE)
    around = data.read(start, offset - start + _AFTER)
    if not around[offset - start :]:
        return "(ends here)"
    if _is_text(around):
        head, tail = around[: offset - start], around[offset - start :]
        line = head[head.rfind(b"\n") + 1 :] + tail.split(b"\n", 1)[0]
        return cut(line.decode("utf-8", "backslashreplace") or "(empty line)")
    return around[offset - start :][:16].hex(" ")


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in data) * 20 <= len(data)
