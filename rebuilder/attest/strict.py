"""Reading hostile JSON: one meaning or none. Shared by envelopes, statements and pin files."""

from __future__ import annotations

import json
from typing import Never

_MAX_DEPTH = 64


class FormatError(ValueError):
    """Bytes are not what their format says. The message says what was expected and what was found."""


def strict_json(data: bytes, what: str) -> object:
    """Parse one JSON text. Raises ``FormatError`` for anything that two readers could read differently:
    duplicate keys, bytes that are not UTF-8, NaN and infinities, lone surrogates, absurd nesting."""
    try:
        text = data.decode("utf-8")
        value: object = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except FormatError as error:
        msg = f"{what}: {error}"
        raise FormatError(msg) from None
    except UnicodeError as error:
        msg = f"{what}: expected UTF-8 text, found bytes or escapes that are none"
        raise FormatError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{what}: expected JSON, found something else ({type(error).__name__})"
        raise FormatError(msg) from error
    if _depth(value) > _MAX_DEPTH:
        msg = f"{what}: expected at most {_MAX_DEPTH} levels of nesting, found more"
        raise FormatError(msg)
    return value


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        msg = f"expected each key once, found {double!r} twice"
        raise FormatError(msg)
    return found


def _no_constant(name: str) -> Never:
    msg = f"expected a JSON number, found {name}"
    raise FormatError(msg)


def _depth(value: object) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        children: list[object] = []
        for item in level:
            if isinstance(item, dict):
                children.extend(item.values())
            elif isinstance(item, list):
                children.extend(item)
        level = children
    return deepest


def an_object(value: object, what: str) -> dict[str, object]:
    """The value as a JSON object. Raises ``FormatError``."""
    if not isinstance(value, dict):
        msg = f"{what}: expected an object, found {_kind(value)}"
        raise FormatError(msg)
    return value


def a_list(value: object, what: str) -> list[object]:
    """The value as a JSON array. Raises ``FormatError``."""
    if not isinstance(value, list):
        msg = f"{what}: expected a list, found {_kind(value)}"
        raise FormatError(msg)
    return value


def a_text(value: object, what: str) -> str:
    """The value as a non-empty string. Raises ``FormatError``."""
    if not isinstance(value, str) or not value:
        msg = f"{what}: expected text, found {_kind(value)}"
        raise FormatError(msg)
    return value


def a_sha256(value: object, what: str) -> str:
    """The value as 64 lower-case hex digits. Raises ``FormatError``."""
    text = a_text(value, what)
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        msg = f"{what}: expected 64 lower-case hex digits, found something else"
        raise FormatError(msg)
    return text


def only_keys(value: dict[str, object], allowed: frozenset[str], what: str) -> None:
    """Raises ``FormatError`` if there is a key that the format does not have."""
    unknown = sorted(value.keys() - allowed)
    if unknown:
        msg = f"{what}: expected no key but {', '.join(sorted(allowed))}; found {unknown[0]!r}"
        raise FormatError(msg)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
    return "empty text" if value == "" else names.get(type(value), "nothing")
