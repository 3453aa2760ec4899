"""JSON Schemas of recipe and toolchain lock, generated from the models so that they can't drift from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rebuilder.lock import V1, V2, ToolchainLock
from rebuilder.recipe import V1 as RECIPE_V1
from rebuilder.recipe import V2 as RECIPE_V2
from rebuilder.recipe import PackageRecipe, ProjectRecipe, Recipe

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """File name -> schema text, with sorted keys and a newline at the end."""
    found = {}
    made = {
        "recipe.v1": _recipe_v1(),
        "recipe.v2": _recipe_v2(),
        "recipe.v3": _of(PackageRecipe),
        "toolchain-lock.v1": _lock_v1(),
        "toolchain-lock.v2": _lock_v2(),
    }
    for name, schema in made.items():
        body = {"$schema": _DIALECT, "$id": f"urn:rebuilder:schema:{name}"} | schema
        found[f"{name}.schema.json"] = json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return found


def _of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="validation")


def _recipe_v1() -> dict[str, Any]:
    """As it was published: of packages of an archive only."""
    schema = _without_sdist(_of(Recipe))
    schema["properties"]["format"] = {"const": RECIPE_V1, "title": "Format", "type": "string"}
    return schema


def _recipe_v2() -> dict[str, Any]:
    """As it was published: of projects only."""
    schema = _without_sdist(_of(ProjectRecipe))
    schema["properties"]["format"] = {"const": RECIPE_V2, "title": "Format", "type": "string"}
    return schema


def _without_sdist(schema: dict[str, Any]) -> dict[str, Any]:
    """The kinds of source that formats before v3 know."""
    schema["$defs"]["SourceKind"]["enum"].remove("sdist")
    return schema


def _lock_v1() -> dict[str, Any]:
    """As it was published: the first format knows no language packages."""
    schema = _of(ToolchainLock)
    del schema["properties"]["languages"], schema["$defs"]["LanguagePackage"]
    schema["properties"]["format"] = {"const": V1, "default": V1, "title": "Format", "type": "string"}
    return schema


def _lock_v2() -> dict[str, Any]:
    schema = _of(ToolchainLock)
    schema["properties"]["format"] = {"const": V2, "title": "Format", "type": "string"}
    languages = schema["properties"]["languages"]
    del languages["default"]
    languages["minItems"] = 1
    schema["required"] += ["format", "languages"]
    return schema


def write(directory: Path) -> None:
    """Write every schema into a folder; run after a change of the models."""
    for name, text in schemas().items():
        (directory / name).write_text(text, encoding="utf-8")
