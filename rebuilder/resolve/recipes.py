"""Recipes and toolchain locks on disk: read with bounds, refused in words.

Formats: `docs/formats/recipe.md` and `docs/formats/toolchain-lock.md`. The models are in ``rebuilder.recipe``
and ``rebuilder.lock`` (which also writes a lock); here are the file and the messages.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from rebuilder.errors import RecipeError
from rebuilder.lock import ToolchainLock
from rebuilder.recipe import V2, V3, PackageRecipe, ProjectRecipe, Recipe
from rebuilder.resolve.projects_faults import project_faults
from rebuilder.resolve.recipe_faults import Fault, foreign_values, semantic_faults, validation_faults
from rebuilder.resolve.recipe_text import render_recipe
from rebuilder.resolve.toml_lines import line_of

RECIPE_NAME = "recipe.toml"
_RECIPE_LIMIT = 1024**2
_LOCK_LIMIT = 32 * 1024**2
_KEY_MATERIAL = re.compile(r"-----BEGIN |\bssh-(?:ed25519|rsa) AAAA|\buntrusted comment: (?:minisign|signify)")
_MODELS: dict[str, type[Recipe]] = {V2: ProjectRecipe, V3: PackageRecipe}
_TOML_PLACE = re.compile(r" \(at line (\d+), column \d+\)\Z")


def recipe_path(root: Path, recipe: Recipe) -> Path:
    """``root/<purl type>/<namespace>/<source name>/<source version>/recipe.toml``, each part percent-encoded,
    so that no name can leave ``root``; the recipe of one file of a release lies in a folder of that file's name below.
    Raises ``RecipeError`` for a purl or name that can't be a folder."""
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(recipe.purl)
    except ValueError as error:
        msg = f"expected a package URL such as pkg:deb/debian/less@668-1, found {recipe.purl!r}: {error}"
        raise RecipeError(msg) from None
    namespace = purl.namespace.split("/") if purl.namespace else []
    parts = [quote(part, safe="") for part in (purl.type, *namespace, recipe.source.name, recipe.source.version)]
    qualifiers = dict(purl.qualifiers) if isinstance(purl.qualifiers, dict) else {}
    if isinstance(recipe, PackageRecipe) and qualifiers.get("file_name"):
        parts.append(quote(qualifiers["file_name"], safe=""))
    for part in parts:
        if part in {"", ".", ".."} or len(part) > 255:
            msg = f"expected names that can be folders in {recipe.purl!r}, found {part[:80]!r}"
            raise RecipeError(msg)
    return root.joinpath(*parts, RECIPE_NAME)


def load_recipe(path: Path) -> tuple[Recipe, bytes]:
    """The recipe, and its exact bytes for the record. Raises ``RecipeError``."""
    data = _read(path, _RECIPE_LIMIT)
    return parse_recipe(data, str(path)), data


def parse_recipe(data: bytes, where: str) -> Recipe:
    """Read a recipe strictly; ``where`` names the file in messages. Raises ``RecipeError`` that says file,
    line, key, what was expected and what was found; with several faults, all of them."""
    text, values = _toml(data, where)
    _refuse_key_material(text, where)
    foreign = list(foreign_values(values))
    if foreign:
        raise _recipe_error(foreign, text, where)
    model = _MODELS.get(str(values.get("format")), Recipe)
    try:
        # By way of JSON, where pydantic can be strict about types and still take arrays for tuples.
        recipe = model.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise _recipe_error(validation_faults(model, error.errors()), text, where) from None
    faults = semantic_faults(recipe)
    if isinstance(recipe, ProjectRecipe):
        faults += project_faults(recipe)
    if faults:
        raise _recipe_error(faults, text, where)
    return recipe


def lock_beside(recipe: Path) -> Path:
    """Where the lock of a recipe lies or is to lie: the name is the recipe's to give. Raises ``RecipeError``."""
    return recipe.with_name(load_recipe(recipe)[0].toolchain.lock)


def load_lock(path: Path) -> tuple[ToolchainLock, bytes]:
    """The lock, and its exact bytes. Raises ``RecipeError``."""
    data = _read(path, _LOCK_LIMIT)
    return parse_lock(data, str(path)), data


def parse_lock(data: bytes, where: str) -> ToolchainLock:
    """Read a toolchain lock strictly. Raises ``RecipeError`` that names file, key and what was expected."""
    try:
        json.loads(data, object_pairs_hook=_unique)
        return ToolchainLock.model_validate_json(data, strict=True)
    except ValidationError as error:
        faults = validation_faults(ToolchainLock, error.errors())
        msg = "\n".join(f"{where}: {fault.words}" for fault in faults[:20])
    except (ValueError, RecursionError) as error:
        msg = f"{where}: not a toolchain lock: {error}"
    raise RecipeError(msg, hint="locks are written by the program: rebuilder lock RECIPE makes a new one")


def _toml(data: bytes, where: str) -> tuple[str, dict[str, object]]:
    if len(data) > _RECIPE_LIMIT:
        msg = f"{where}: expected at most {_RECIPE_LIMIT} bytes, found {len(data)}"
        raise RecipeError(msg)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        msg = f"{where}:{data[: error.start].count(10) + 1}: expected UTF-8 text, found byte 0x{data[error.start]:02x}"
        raise RecipeError(msg) from None
    try:
        return text.replace("\r\n", "\n"), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        msg = f"{where}:{line}: not TOML: {_TOML_PLACE.sub('', str(error))}"
        raise RecipeError(msg) from None
    except RecursionError:
        msg = f"{where}: nested too deep to be a recipe"
        raise RecipeError(msg) from None


def _refuse_key_material(text: str, where: str) -> None:
    found = _KEY_MATERIAL.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        msg = f"{where}:{line}: found key material; a recipe can't bring a key of its own, it can only name an anchor"
        raise RecipeError(msg, hint="put the key into your trust store (docs/formats/trust-store.md)")


def _recipe_error(faults: list[Fault], text: str, where: str) -> RecipeError:
    lines = sorted({(line_of(text, fault.location), fault.words) for fault in faults})
    message = "\n".join(f"{where}:{line}: {words}" for line, words in lines[:20])
    return RecipeError(message, hint="the format is in docs/formats/recipe.md")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two keys of one name would let two readers see two locks."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"key {next(name for name in names if names.count(name) > 1)!r} stands there twice"
        raise ValueError(msg)
    return found


def _read(path: Path, limit: int) -> bytes:
    """A regular file of bounded size; never blocks on a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"{path}: expected a regular file"
                raise RecipeError(msg)
            data = file.read(limit + 1)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise RecipeError(msg, hint="rebuilder init PURL writes a recipe, rebuilder lock RECIPE its lock") from None
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise RecipeError(msg) from None
    if len(data) > limit:
        msg = f"{path}: expected at most {limit} bytes, found more"
        raise RecipeError(msg)
    return data


__all__ = [
    "RECIPE_NAME",
    "load_lock",
    "load_recipe",
    "lock_beside",
    "parse_lock",
    "parse_recipe",
    "recipe_path",
    "render_recipe",
]
