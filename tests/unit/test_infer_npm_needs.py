"""Which packages the scripts of a package.json need."""

from __future__ import annotations

from typing import Any

import pytest

from rebuilder.resolve.infer.npm_needs import needs


class Files:
    """``Tree`` of texts."""

    def __init__(self, **files: str) -> None:
        self._files = {name.replace("__", "."): text for name, text in files.items()}
        self.names = frozenset(self._files)

    def read(self, path: str, limit: int) -> bytes:
        return self._files[path].encode()[:limit]


def manifest(scripts: dict[str, str], **fields: Any) -> dict[str, object]:
    tools = dict.fromkeys(("eslint", "browserify", "uglifyify", "@scope/envify", "mkdirp", "tape"), "^1.0.0")
    return {"scripts": scripts, "dependencies": {"side-channel": "^1.0.6"}, "devDependencies": tools, **fields}


def test_what_scripts_name_is_taken_and_what_the_code_needs() -> None:
    scripts = {
        "prepack": "npm run dist", "predist": "mkdirp dist", "test": "tape test", "lint": "eslint .",
        "dist": "browserify -g @scope/envify -g [uglifyify --mangle] lib/index.js > dist/x.js",
    }  # fmt: skip
    found = needs(Files(), manifest(scripts), ("prepack",))
    assert found.packages == (
        "@scope/envify@^1.0.0", "browserify@^1.0.0", "mkdirp@^1.0.0", "side-channel@^1.0.6", "uglifyify@^1.0.0",
    )  # fmt: skip
    assert found.elsewhere == ()


def test_configuration_and_programs_of_the_tree_name_packages_too() -> None:
    asked = {"rollup": "2", "rollup-plugin-x": "1", "@rollup/y": "1", "zlib-z": "1", "typescript": "5", "@types/a": "1"}
    tree = Files(rollup__config__js="import z from 'zlib-z'", build__mjs="import x from 'mkdirp'")
    scripts = {"prepare": "rollup -c && node ./build.mjs"}
    found = needs(tree, {"scripts": scripts, "devDependencies": {**asked, "mkdirp": "1", "ava": "1"}}, ("prepare",))
    assert found.packages == ("@rollup/y@1", "mkdirp@1", "rollup@2", "rollup-plugin-x@1", "zlib-z@1")
    typed = needs(tree, {"scripts": {"prepare": "tsc -p ."}, "devDependencies": asked}, ("prepare",))
    assert "typescript@5" in typed.packages
    assert "@types/a@1" in typed.packages


@pytest.mark.parametrize("script", ["make", "gulp dist", "bash build.sh"])
def test_where_a_program_says_nothing_all_is_taken(script: str) -> None:
    found = needs(Files(), manifest({"prepack": script}), ("prepack",))
    assert len(found.packages) == 7


def test_one_program_alone() -> None:
    asked = manifest({}, devDependencies={"clean-publish": "^3.0.3", "ava": "1"})
    found = needs(Files(), asked, (), ("clean-publish",))
    assert found.packages == ("clean-publish@^3.0.3",)


def test_what_no_registry_has_is_told_and_left_out() -> None:
    rows = {"a": "git+https://code.invalid/a.git", "b": "file:../b", "c": "^1 || >=3 <4", "--d": "1", "e": ""}
    rows["f\x1b"] = "1"
    found = needs(Files(), {"dependencies": {**rows, "g": 3}}, ("prepare",))
    assert found.packages == ("c@^1 || >=3 <4", "e@*", "g@*")
    assert found.elsewhere == ("--d", "a", "b", "f?")


def test_scripts_that_run_each_other_end() -> None:
    scripts = {"prepare": "npm run a", "a": "npm run b mkdirp", "b": "npm run a"}
    assert "mkdirp@^1.0.0" in needs(Files(), manifest(scripts), ("prepare",)).packages
