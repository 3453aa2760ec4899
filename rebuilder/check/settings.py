"""What a project says of its own build: `[tool.rebuilder.check]` of its pyproject.toml, or `[check]` of a
rebuilder.toml beside it (`docs/check-settings.md`). Data of a stranger: unknown keys are refused, nothing is run."""

from __future__ import annotations

import difflib
import json
import math
import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from rebuilder.check.kinds import needs
from rebuilder.check.kinds.tree import Tree, read_toml, shown
from rebuilder.check.model import ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Limits, Value

PLACES = (("pyproject.toml", ("tool", "rebuilder", "check")), ("rebuilder.toml", ("check",)))
_HINT = "the keys are in docs/check-settings.md"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,127}\Z")
#: A project may ask for so many times the usual caps; more is for whoever owns the machine to allow.
_TIMES_THE_LIMITS = 4
#: Far beyond any date a file can have.
_LAST_EPOCH = 2**40
#: How alike two names must be to be taken for one: `cache` is not `check`.
_ALIKE = 0.75


class CheckSettings(Value):
    """One table of settings. ``where`` is the file and table, for messages; nobody writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ProjectKind | None = None
    #: Commands, run in the tree, one after another.
    build: tuple[tuple[str, ...], ...] = ()
    #: Globs, relative to the tree, of what the commands leave.
    outputs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    #: As on the command line: ``all,-cpu``.
    variations: str = Field("", max_length=1000)
    source_date_epoch: int | Literal["commit", "none"] | None = Field(None, alias="source-date-epoch")
    suite: str = ""
    #: Whether the build reads Git's history; ``None``: as the project's files say.
    history: bool | None = None
    #: Caps that replace those of ``model.Limits``, by name.
    limits: dict[str, float] = Field(default_factory=dict)
    where: str = ""

    @field_validator("build")
    @classmethod
    def _commands(cls, build: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for argv in build:
            if not argv or not argv[0] or any("\0" in word for word in argv):
                msg = f"expected lists of a program and its arguments, found {shown(repr(list(argv)))}"
                raise ValueError(msg)
        return build

    @field_validator("outputs")
    @classmethod
    def _globs(cls, outputs: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(glob.removeprefix("./").rstrip("/") if not glob.startswith("/") else glob for glob in outputs)
        for glob in plain:
            parts = glob.split("/")
            if len(glob) > 1000 or not glob.isprintable() or {"", ".", ".."} & set(parts):
                msg = f"expected globs of paths inside the tree, such as 'dist/*.tar', found {shown(repr(glob))}"
                raise ValueError(msg)
        return plain

    @field_validator("packages")
    @classmethod
    def _relations(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_in_words(needs.relation, text) for text in packages)

    @field_validator("wheels")
    @classmethod
    def _requirements(cls, wheels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_in_words(needs.requirement, text) for text in wheels)

    @field_validator("environment")
    @classmethod
    def _variables(cls, environment: dict[str, str]) -> dict[str, str]:
        for name, value in environment.items():
            if not _VARIABLE.match(name) or "\0" in value:
                msg = f'expected NAME = "value", found {shown(repr(name))}'
                raise ValueError(msg)
            if name == "SOURCE_DATE_EPOCH":
                msg = "expected SOURCE_DATE_EPOCH in the key 'source-date-epoch', found it in the environment"
                raise ValueError(msg)
        return environment

    @field_validator("source_date_epoch")
    @classmethod
    def _epoch(cls, epoch: int | str | None) -> int | str | None:
        if isinstance(epoch, int) and not 0 <= epoch <= _LAST_EPOCH:
            msg = f"expected seconds since 1970, found {epoch}"
            raise ValueError(msg)
        return epoch

    @field_validator("suite")
    @classmethod
    def _plain(cls, suite: str) -> str:
        if suite and not _SUITE.match(suite):
            msg = f"expected the name of a suite such as 'trixie', found {shown(repr(suite))}"
            raise ValueError(msg)
        return suite

    @field_validator("limits")
    @classmethod
    def _caps(cls, limits: dict[str, float]) -> dict[str, float]:
        for name, cap in limits.items():
            if name not in Limits.model_fields:
                raise ValueError(_unknown(name, sorted(Limits.model_fields), "limit"))
            if not math.isfinite(cap) or cap <= 0 or (name != "cpus" and cap != int(cap)):
                msg = f"expected a {'' if name == 'cpus' else 'whole '}number above 0 for {name!r}, found {cap}"
                raise ValueError(msg)
            if cap > (most := Limits.model_fields[name].default * _TIMES_THE_LIMITS):
                msg = f"expected at most {most} for {name!r}, found {cap:.15g}; more is for the operator's own `limits`"
                raise ValueError(msg)
        return {name: cap if name == "cpus" else int(cap) for name, cap in limits.items()}


def read_settings(tree: Tree) -> CheckSettings:
    """The settings of a project; the defaults where it has none. ``UsageError`` names file and key, says what was
    expected and found, and for an unknown key the nearest known one; also if two files have settings."""
    found = [(file, keys, value) for file, keys in PLACES for value in [_at(tree, file, keys)] if value is not None]
    if not found:
        return CheckSettings()
    if len(found) > 1:
        both = " and ".join(f"[{'.'.join(keys)}] of {file}" for file, keys, _ in found)
        msg = f"expected the settings of a check in one place, found {both}"
        raise UsageError(msg, hint="keep one of them")
    file, keys, values = found[0]
    where = f"{file}: [{'.'.join(keys)}]"
    known = sorted(_KNOWN)
    for key in values:
        if key not in _KNOWN:
            msg = f"{where}: {_unknown(key, known, 'key')}"
            raise UsageError(msg, hint=_HINT)
    return _validated(values, where).model_copy(update={"where": f"[{'.'.join(keys)}] of {file}"})


def _at(tree: Tree, file: str, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The table at ``keys`` of a file, if there is one. Tables above it belong to others, except our own."""
    value: Any = read_toml(tree, file)
    _no_slip(value, file, keys)
    for number, key in enumerate(keys):
        if not isinstance(value, dict) or (key not in value and keys[:number] != ("tool", "rebuilder")):
            return None
        strange = [name for name in value if name != key] if keys[:number] == ("tool", "rebuilder") else []
        if strange:
            msg = f"{file}: [tool.rebuilder]: {_unknown(strange[0], [key], 'key')}"
            raise UsageError(msg, hint=_HINT)
        value = value.get(key, {})
    if not isinstance(value, dict):
        msg = f"{file}: {'.'.join(keys)}: expected a table, found {shown(repr(value))}"
        raise UsageError(msg, hint=_HINT)
    return value


def _no_slip(values: dict[str, Any], file: str, keys: tuple[str, ...]) -> None:
    """Refuse a table of a rebuilder.toml that is nearly ours; all others may be Rebuilder's own configuration."""
    for name, value in values.items():
        own = len(keys) == 1 and name != keys[0] and isinstance(value, dict)
        if own and difflib.get_close_matches(name.lower(), keys, 1, _ALIKE):
            msg = f"{file}: expected the settings of a check in [{keys[0]}], found a table [{shown(name)}]"
            raise UsageError(msg, hint=f"did you mean [{keys[0]}]? {_HINT}")


def _validated(values: dict[str, Any], where: str) -> CheckSettings:
    try:
        # By way of JSON, where pydantic can be strict about types and still take arrays for tuples.
        return CheckSettings.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        faults = dict.fromkeys(f"{where}: {_fault(one)}" for one in error.errors(include_url=False))
        msg = "\n".join(list(faults)[:20])
    except (TypeError, ValueError, RecursionError):
        msg = f"{where}: expected strings, numbers, arrays and tables, found a date, or tables nested too deep"
    raise UsageError(msg, hint=_HINT)


def _fault(error: ErrorDetails) -> str:
    """A finding of pydantic in our words."""
    location = [part for part in error["loc"] if part not in {"int", "literal['commit','none']"}]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if error["type"] == "value_error":
        return f"key {shown(name)!r}: {error['msg'].removeprefix('Value error, ')}"
    if location[:1] == ["source-date-epoch"]:
        return f'key {name!r}: expected "commit", "none" or a number of seconds, found {_found(error["input"])}'
    expected = {
        "string_type": "a string",
        "bool_type": "true or false",
        "float_type": "a number",
        "tuple_type": "an array",
        "dict_type": "a table",
        "enum": str(error.get("ctx", {}).get("expected")),
    }.get(error["type"], error["msg"])
    near = difflib.get_close_matches(str(error["input"]), list(ProjectKind), 1) if error["type"] == "enum" else []
    advice = f"; did you mean '{near[0]}'?" if near else ""
    return f"key {shown(name)!r}: expected {expected}, found {_found(error['input'])}{advice}"


def _found(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    return "an array" if isinstance(value, list) else shown(json.dumps(value, default=str))


def _unknown(name: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown {what} {shown(name)!r}; {advice}"


def _in_words(check: Any, text: str) -> str:  # noqa: ANN401 - one of two functions of one form
    """The checked text; a fault as pydantic takes one, without a place, for that is the key."""
    try:
        return str(check(text, "")).strip()
    except UsageError as error:
        raise ValueError(error.message.removeprefix(": ") + (f"; {error.hint}" if error.hint else "")) from None


_KNOWN = {field.alias or name for name, field in CheckSettings.model_fields.items()} - {"where"}
