"""TOML as it is written into recipes: one way for each value, so that the same recipe is the same bytes. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def block(*lines: str) -> str:
    """Lines, each with its end."""
    return "\n".join(lines) + "\n"


def line(name: str, value: object) -> str:
    """``name = value``. ``TypeError`` for a value that no recipe holds."""
    return f"{name if _BARE.match(name) else _string(name)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Sequence):
        return _array(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(line(str(name), inner) for name, inner in value.items()) + " }"
    msg = f"a recipe holds strings, numbers, booleans, arrays and tables only, found {type(value).__name__}"
    raise TypeError(msg)


def _array(items: Iterable[object]) -> str:
    return "[" + ", ".join(_value(item) for item in items) + "]"


def _string(text: str) -> str:
    """A basic string. JSON's escapes are all TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
