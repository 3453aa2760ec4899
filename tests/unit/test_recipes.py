"""Recipes and locks: what is refused says file, line and key; what is written reads back the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.errors import EXIT_USAGE, RecipeError
from rebuilder.lock import to_bytes
from rebuilder.model import Limits
from rebuilder.recipe import Recipe, RecipeBuild, RecipeNormaliser, RecipeStep
from rebuilder.resolve.recipes import load_lock, load_recipe, parse_lock, parse_recipe, recipe_path, render_recipe
from rebuilder.resolve.schemas import schemas
from rebuilder.resolve.toml_lines import line_of

SCHEMAS = Path(__file__).parents[2] / "rebuilder" / "report" / "schemas"
SHA = "ab" * 32

TEXT = f"""format = "rebuilder/recipe/v1"
purl = "pkg:deb/debian/libxpm@1%3A3.5.17-1?distro=trixie"

[[indexes]]
archive = "debian"
suite = "trixie"
inrelease_sha256 = "{SHA}"

[source]
kind = "signed-dsc"
name = "libxpm"
version = "1:3.5.17-1"
[[source.files]]
name = "libxpm_3.5.17-1.dsc"
path = "pool/main/libx/libxpm/libxpm_3.5.17-1.dsc"
sha256 = "{SHA}"
size = 1889

[[artifacts]]
name = "libxpm4_3.5.17-1_amd64.deb"
path = "pool/main/libx/libxpm/libxpm4_3.5.17-1_amd64.deb"
sha256 = "{SHA}"
size = 161148
package = "libxpm4"
version = "1:3.5.17-1+b1"
architecture = "amd64"
build = "any"

[endorsement]
anchor = "debian-archive"

[toolchain]
suite = "trixie"
want = ["libc6=2.41-12"]

[build]
strategy = "debian"
[build.limits]
cpus = 2
"""
RECIPE = parse_recipe(TEXT.encode(), "recipe.toml")


def refused(old: str, new: str, *, count: int = 1) -> str:
    assert old in TEXT
    with pytest.raises(RecipeError) as caught:
        parse_recipe(TEXT.replace(old, new, count).encode(), "dir/recipe.toml")
    assert caught.value.exit_code == EXIT_USAGE
    return caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ('anchor = "debian', 'ancor = "debian', 30, "unknown key 'endorsement.ancor'; did you mean 'anchor'?"),
        ("strategy =", "stratgy =", 37, "unknown key 'build.stratgy'; did you mean 'strategy'?"),
        ("cpus = 2", "zebra = 2", 39, "unknown key 'build.limits.zebra'; known here: seconds, memory_bytes"),
        ("[toolchain]", "[tolchain]", 32, "unknown key 'tolchain'; did you mean 'toolchain'?"),
        ("size = 161148", 'size = "161148"', 23, "'artifacts[0].size': expected an integer, found \"161148\""),
        ("size = 161148", "size = 1.5", 23, "'artifacts[0].size': expected an integer, found 1.5"),
        ("size = 161148", "size = -1", 23, "'artifacts[0].size': expected at least 0, found -1"),
        ("size = 161148", "size = 99999999999999999999", 23, "'artifacts[0].size': expected at most"),
        ("size = 161148", "size = 1979-05-27", 23, "'artifacts[0].size': expected a string, a number, an array"),
        ("cpus = 2", "cpus = nan", 39, "'build.limits.cpus': expected a finite number, found nan"),
        ("cpus = 2", "cpus = true", 39, "'build.limits.cpus': expected a number, found true"),
        ("cpus = 2", "seconds = 0", 39, "'build.limits.seconds': expected a number above 0, found 0"),
        (f'"{SHA}"\nsize = 161148', f'"{SHA.upper()}"\nsize = 161148', 22, "a sha256 of 64 lower-case hex digits"),
        (f'inrelease_sha256 = "{SHA}"', 'inrelease_sha256 = "ab"', 7, "'indexes[0].inrelease_sha256': expected a"),
        ('package = "libxpm4"\n', "", 19, "key 'artifacts[0].package' is missing"),
        ('name = "libxpm4_3.5.17-1_amd64.deb"', 'name = "a/b"', 20, "expected a plain file name, found \"a/b\""),
        ("pool/main/libx/libxpm/libxpm4", "../libxpm4", 21, "'artifacts[0].path': expected a path inside the archive"),
        ("libxpm_3.5.17-1.dsc", "libxpm_3.5.17.tar.xz", 14, "expected the .dsc first with kind 'signed-dsc'"),
        ('kind = "signed-dsc"', 'kind = "dsc"', 10, "'signed-dsc', 'release-tarball', 'local-tree' or 'sdist'"),
        ("recipe/v1", "recipe/v9", 1, "'format': expected 'rebuilder/recipe/v1', 'rebuilder/recipe/v2' or "),
        ("pkg:deb", "deb", 2, "'purl': expected a package URL"),
        ("libc6=2.41-12", "libc6", 34, "'toolchain.want[0]': expected name=version, found 'libc6'"),
        ('suite = "trixie"\nwant', 'suite = "../trixie"\nwant', 33, "'toolchain.suite': expected a plain name"),
        ('strategy = "debian"', 'strategy = "debian"\noutputs = ["*.deb"]', 38, "strategy 'debian' says itself"),
        ('strategy = "debian"', 'strategy = "commands"', 36, "strategy 'commands' needs 'steps' and 'outputs'"),
        ('strategy = "debian"', 'strategy = "debian"\npath = "/a/../b"', 38, "'build.path': expected an absolute path"),
        ('strategy = "debian"', 'strategy = "debian"\nenvironment = { "A B" = "x" }', 38, "expected NAME = value"),
        ("[build]", "[[build]]", 36, "'build': expected a table, found an array"),
        ("[toolchain]", "[toolchain", 32, "not TOML: "),
    ],
)
def test_faults_name_file_line_and_key(old, new, line, expected):
    message = refused(old, new)
    at = [one for one in message.splitlines() if one.startswith(f"dir/recipe.toml:{line}: ")]
    assert any(expected in one for one in at), message


def test_all_faults_are_told_at_once_and_none_twice():
    message = refused("size = 161148", 'size = "x"\nsise = 1')
    assert message.splitlines() == [
        "dir/recipe.toml:23: key 'artifacts[0].size': expected an integer, found \"x\"",
        "dir/recipe.toml:24: unknown key 'artifacts[0].sise'; did you mean 'size'?",
    ]


@pytest.mark.parametrize(
    "brought",
    [
        'anchor = "debian-archive"\nfingerprints = ["04B54C3CDCA79751B16BC6B5225629DF75B188BD"]',
        'anchor = "debian-archive"\npublic_key = "AAAA"',
        'anchor = "debian-archive"\ntrust = "all"',
        'anchor = "debian-archive"\nallow_missing = """\n-----BEGIN PGP PUBLIC KEY BLOCK-----"""',
        'anchor = "debian-archive"\n# ssh-ed25519 AAAAC3NzaC1lZDI1NTE5',
    ],
)
def test_a_recipe_can_not_bring_a_key_of_its_own(brought):
    assert "can't bring key" in refused('anchor = "debian-archive"', brought).replace("a key of", "key of")


@pytest.mark.parametrize("anchor", ["../mine", "/etc/trust", "04b54c3cdca79751b16bc6b5225629df75b188bd", "Debian", ""])
def test_an_anchor_is_a_name(anchor):
    assert "expected the name of an anchor" in refused('"debian-archive"', f'"{anchor}"')


def test_no_file_name_twice():
    block = TEXT[TEXT.index("[[artifacts]]") : TEXT.index("[endorsement]")]
    assert "'libxpm4_3.5.17-1_amd64.deb' stands there twice" in refused(block, block + block)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xfe", "r:1: expected UTF-8 text, found byte 0xff"),
        (b"a = 1\na = 2", "r:2: not TOML"),
        (b"# " + b"x" * 1024**2, "expected at most 1048576 bytes"),
        (b"a = " + b"[" * 5000, "r: nested too deep|r:1: not TOML"),
        (b"", "r:1: key 'artifacts' is missing"),
    ],
)
def test_what_is_no_recipe_at_all(data, expected):
    with pytest.raises(RecipeError, match=expected):
        parse_recipe(data, "r")


def test_lines_are_found_through_strings_tables_and_remarks():
    text = 'a = 1\n[t] # x\nb = """\n[[t.c]]\nd = 1\n"""\n[[t.c]]\nd = 1\n[[t.c]]\n"d" = 2\ne.f = 3\n'
    places = (("a",), ("t", "b"), ("t", "c", 0, "d"), ("t", "c", 1, "d"))
    assert [line_of(text, where) for where in places] == [1, 3, 8, 10]
    assert line_of(text, ("t", "c", 1, "e", "f")) == 11
    assert line_of(text, ("t", "c", 1, "gone")) == 9
    assert line_of(text, ("gone",)) == 1


def test_files_are_read_whole_and_bounded(tmp_path):
    path = tmp_path / "recipe.toml"
    with pytest.raises(RecipeError, match=r"recipe\.toml: no such file"):
        load_recipe(path)
    os.mkfifo(path)
    with pytest.raises(RecipeError, match="expected a regular file"):
        load_recipe(path)
    path.unlink()
    path.write_text(TEXT)
    assert load_recipe(path) == (RECIPE, TEXT.encode())


def test_the_folder_of_a_recipe_can_not_be_left():
    assert recipe_path(Path("recipes"), RECIPE) == Path("recipes/deb/debian/libxpm/1%3A3.5.17-1/recipe.toml")
    for source in ({"name": ".."}, {"version": "."}, {"version": ""}, {"name": "x" * 300}):
        moved = RECIPE.model_copy(update={"source": RECIPE.source.model_copy(update=source)})
        with pytest.raises(RecipeError, match="expected names that can be folders"):
            recipe_path(Path("recipes"), moved)
    with pytest.raises(RecipeError, match="expected a package URL"):
        recipe_path(Path("recipes"), RECIPE.model_copy(update={"purl": "less"}))
    climbing = RECIPE.model_copy(update={"source": RECIPE.source.model_copy(update={"version": "../../x"})})
    assert recipe_path(Path("r"), climbing) == Path("r/deb/debian/libxpm/..%2F..%2Fx/recipe.toml")


@given(text=st.text(min_size=1).filter(lambda text: "-----BEGIN " not in text), parallel=st.integers(1, 256))
def test_what_is_written_reads_back(text, parallel):
    build = RecipeBuild(
        strategy="commands",
        steps=(RecipeStep(argv=("sh", "-c", text.replace("\0", "")), cwd="a/b"),),
        outputs=("*.deb",),
        path="/build/x",
        parallel=parallel,
        environment={"A": text.replace("\0", ""), "B_1": ""},
        limits=Limits(cpus=1.5),
    )
    endorsement = RECIPE.endorsement.model_copy(update={"allow_missing": text})
    normalisers = (RecipeNormaliser(name="x", reason=text), RecipeNormaliser(name="y", reason="z"))
    recipe = RECIPE.model_copy(update={"build": build, "endorsement": endorsement, "normalisers": normalisers})
    assert parse_recipe(render_recipe(recipe).encode(), "r") == recipe


def test_a_written_recipe_says_where_values_come_from():
    text = render_recipe(RECIPE)
    assert parse_recipe(text.encode(), "r") == RECIPE
    for remark in ("From the Sources list under the index", "From the Packages list under the index", "by name"):
        assert remark in text


LOCK = {
    "format": "rebuilder/toolchain-lock/v1",
    "suite": "trixie",
    "architecture": "amd64",
    "epoch": 1789199741,
    "origin": "suite",
    "indexes": [],
    "seed": [],
    "packages": [
        {
            "name": "libc6_2.41-12_amd64.deb",
            "sha256": SHA,
            "size": 1,
            "archive": "debian",
            "path": "pool/main/g/glibc/libc6_2.41-12_amd64.deb",
            "package": "libc6",
            "version": "2.41-12",
            "architecture": "amd64",
            "why": "essential",
            "roots": ["any"],
        }
    ],
    "roots": [{"build": "any", "sha256": SHA, "size": 1}],
}


def test_a_lock_reads_back_byte_for_byte(tmp_path):
    lock = parse_lock(json.dumps(LOCK).encode(), "lock")
    data = to_bytes(lock)
    assert data.endswith(b"}\n")
    (tmp_path / "toolchain.lock.json").write_bytes(data)
    assert load_lock(tmp_path / "toolchain.lock.json") == (lock, data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "lock: not a toolchain lock"),
        (b"[" * 100_000, "lock: not a toolchain lock"),
        (b'{"suite": "a", "suite": "b"}', "key 'suite' stands there twice"),
        (json.dumps(LOCK | {"epoch": "1"}).encode(), "key 'epoch': expected an integer, found \"1\""),
        (json.dumps(LOCK | {"sute": "x"}).encode(), "unknown key 'sute'; did you mean 'suite'"),
        (json.dumps(LOCK | {"roots": []}).encode(), "key 'roots': expected at least one entry, found an array"),
        (json.dumps({k: v for k, v in LOCK.items() if k != "packages"}).encode(), "key 'packages' is missing"),
    ],
)
def test_a_lock_that_does_not_hold_to_its_format_is_refused(data, expected):
    with pytest.raises(RecipeError, match=expected) as caught:
        parse_lock(data, "lock")
    assert "rebuilder lock" in caught.value.hint


def test_the_published_schemas_are_those_of_the_models():
    for name, text in schemas().items():
        assert (SCHEMAS / name).read_text(encoding="utf-8") == text, f"run rebuilder.resolve.schemas.write for {name}"


def test_the_schemas_accept_what_is_written_and_refuse_the_rest():
    made = {name: json.loads(text) for name, text in schemas().items()}
    recipe, lock = made["recipe.v1.schema.json"], made["toolchain-lock.v1.schema.json"]
    jsonschema.validate(RECIPE.model_dump(mode="json"), recipe)
    jsonschema.validate(LOCK, lock)
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate(Recipe.model_dump(RECIPE, mode="json") | {"extra": 1}, recipe)
    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        jsonschema.validate(LOCK | {"roots": [{"build": "any", "sha256": "x", "size": 1}]}, lock)
