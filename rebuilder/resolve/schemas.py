"""JSON Schemas of recipe and toolchain lock, generated from the models so that they can't drift from them."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from rebuilder.lock import ToolchainLock
from rebuilder.recipe import Recipe

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: dict[str, type[BaseModel]] = {"recipe.v1": Recipe, "toolchain-lock.v1": ToolchainLock}


def schemas() -> dict[str, str]:
    """File name -> schema text, with sorted keys and a newline at the end."""
    found = {}
    for name, model in _MODELS.items():
        head = {"$schema": _DIALECT, "$id": f"urn:rebuilder:schema:{name}"}
        body = head | model.model_json_schema(mode="validation")
        found[f"{name}.schema.json"] = json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return found


def write(directory: Path) -> None:
    """Write every schema into a folder; run after a change of the models."""
    for name, text in schemas().items():
        (directory / name).write_text(text, encoding="utf-8")
