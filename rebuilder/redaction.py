"""Texts of others as one line for a message. Pure."""

from __future__ import annotations

import os
import re

_SHOWN = 200
#: Who logs in, as a URL has it, or one that lacks a slash.
_SECRET = re.compile(r"(?:(?<=:)/|//)[^/\s'\"]*@")


def redacted(text: str) -> str:
    """Any text as one line of at most 200 characters, without what could be credentials or steer a terminal."""
    plain = os.fsencode(_SECRET.sub("//", text)).decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in plain)[:_SHOWN]
