"""Recipes v3: package URLs, what they name, what comes back as it was written, and what is wrong with a hostile one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rebuilder.errors import RecipeError, UsageError
from rebuilder.lock import LanguagePackage
from rebuilder.model import Origin, SourceKind
from rebuilder.recipe import PackageRecipe, RecipeFile, RecipeGuess, RecipeNormaliser, Replay
from rebuilder.resolve.packages_recipe import bootstraps, exact, of_one_file, published_of, purl_of, wanted_of
from rebuilder.resolve.recipes import parse_recipe, recipe_path, render_recipe
from tests.unit.package_build_cases import SDIST, WHEEL, recipe


def placed(*replay: Replay, **changes: Any) -> PackageRecipe:
    """A recipe whose artifacts lie where an index has them."""
    made = recipe(*replay, **changes)
    artifacts = tuple(item.model_copy(update={"path": f"demo/1.0/{item.name}"}) for item in made.artifacts)
    return made.model_copy(update={"artifacts": artifacts})


# --- package URLs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "system", "name", "version", "file_name"),
    [
        ("pkg:pypi/demo@1.0", "pypi", "demo", "1.0", ""),
        ("pkg:pypi/Foo.Bar_baz@1.0", "pypi", "foo.bar-baz", "1.0", ""),
        ("pkg:PyPI/demo", "pypi", "demo", "", ""),
        ("pkg:pypi/demo@1%212.0+local", "pypi", "demo", "1!2.0+local", ""),
        ("pkg:pypi/demo@1.0?file_name=demo-1.0.tar.gz", "pypi", "demo", "1.0", "demo-1.0.tar.gz"),
        ("pkg:npm/%40Scope/x@1.2.3", "npm", "@Scope/x", "1.2.3", ""),
        ("pkg:npm/@scope/x@1.2.3", "npm", "@scope/x", "1.2.3", ""),
        ("pkg:npm/%40scope%2Fx@1.2.3", "npm", "@scope/x", "1.2.3", ""),
    ],
)
def test_a_package_url_names_one_release(text: str, system: str, name: str, version: str, file_name: str) -> None:
    wanted = wanted_of(text)
    assert (wanted.system, wanted.name, wanted.version, wanted.file_name) == (system, name, version, file_name)
    again = wanted_of(purl_of(wanted, version or "2", file_name=file_name).to_string())
    assert (again.name, again.version, again.file_name) == (name, version or "2", file_name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("demo", "expected a package URL such as pkg:pypi/iniconfig@2.0.0, found 'demo'"),
        ("pkg:pypi/@1", "expected a package URL such as pkg:pypi/iniconfig@2.0.0, found 'pkg:pypi/@1'"),
        ("pkg:cargo/demo@1", "expected a package of an index (pkg:pypi/..., pkg:npm/...), found one of type 'cargo'"),
        ("pkg:pypi/demo@1?arch=x&os=y", "expected no qualifier but file_name, found arch, os"),
        ("pkg:pypi/demo@1?repository_url=x.example", "expected no qualifier but file_name, found repository_url"),
        ("pkg:pypi/demo@1#src", "expected no qualifier but file_name, found a subpath"),
        ("pkg:pypi/demo@1%0A2", "expected a package URL of letters that can be shown, found 'pkg:pypi/demo@1%0A2'"),
        ("pkg:pypi/de%1Bmo@1", "expected a package URL of letters that can be shown"),
        ("pkg:npm/JSONStream@1.3.5", "the name of an npm package is lower case, and 'jsonstream' is another"),
        ("pkg:npm/%40scope/X@1", "the name of an npm package is lower case, and 'x' is another"),
    ],
)
def test_what_names_none_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        wanted_of(text)
    assert raised.value.message.isprintable()


def test_exact_requirements_are_those_of_one_version() -> None:
    kept = ("flit_core==3.9.0", "A.b==1!2.0+x")
    assert exact(("a == 1", "b (==2)")) == ("a==1", "b==2")
    others = ("build", "a>=1", "a==1.*", "a==1,!=2", "a[x]==1", "a==1; python_version<'3'", "a===1.0 ; x", "a~=1")
    assert exact((*kept, *others)) == kept


# --- what was published -----------------------------------------------------------------------------


def test_all_artifacts_are_meant_unless_the_purl_names_one() -> None:
    made = published_of(placed())
    assert [(item.file.name, item.file.archive, item.named) for item in made.artifacts] == [
        (SDIST, "pypi", True), (WHEEL, "pypi", True),
    ]  # fmt: skip
    one = of_one_file(placed(), WHEEL)
    assert one.purl == f"pkg:pypi/demo@1.0?file_name={WHEEL}"
    assert [(item.file.name, item.named) for item in published_of(one).artifacts] == [(WHEEL, True)]
    replayed = of_one_file(placed(Replay(artifact=SDIST, what=("file-times",))), WHEEL)
    named = {item.file.name: item.named for item in published_of(replayed).artifacts}
    assert named == {SDIST: False, WHEEL: True}
    with pytest.raises(RecipeError, match=r"expected file_name to be one of the artifacts, found 'demo-2\.0\.tar\.gz'"):
        published_of(of_one_file(placed(), "demo-2.0.tar.gz"))


def test_the_recipe_of_one_file_lies_below_that_of_the_release(tmp_path: Path) -> None:
    assert recipe_path(tmp_path, placed()) == tmp_path / "pypi" / "demo" / "1.0" / "recipe.toml"
    one = of_one_file(placed(), "../x/a.whl")
    assert recipe_path(tmp_path, one) == tmp_path / "pypi/demo/1.0/..%2Fx%2Fa.whl/recipe.toml"
    scoped = placed().model_copy(update={"purl": "pkg:npm/%40scope/demo@1.0"})
    assert recipe_path(tmp_path, scoped) == tmp_path / "npm" / "%40scope" / "demo" / "1.0" / "recipe.toml"


@pytest.mark.parametrize(
    ("purl", "message"),
    [
        ("pkg:pypi/other@1.0", "expected a purl of demo 1.0 and of type pypi, npm, generic, found pkg:pypi/other@1.0"),
        ("pkg:pypi/demo@2.0", "expected a purl of demo 1.0"),
        ("pkg:pypi/demo", "expected a purl of demo 1.0"),
        ("pkg:deb/debian/demo@1.0", "expected a purl of demo 1.0"),
        ("pkg:", "key 'purl': expected a package URL such as pkg:pypi/demo@1.0, found 'pkg:'"),
    ],
)
def test_purl_and_source_name_the_same_release(purl: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        published_of(placed().model_copy(update={"purl": purl}))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2.0"},
        {"package": "other"},
        {"path": "other/1.0/demo-1.0.tar.gz"},
        {"path": "demo/2.0/demo-1.0.tar.gz"},
        {"path": "demo-1.0.tar.gz"},
        {"name": "demo-2.0.tar.gz", "path": "demo/1.0/demo-2.0.tar.gz"},
        {"name": "other-1.0.tar.gz", "path": "demo/1.0/other-1.0.tar.gz"},
        {"name": "other_demo-1.0-py3-none-any.whl", "path": "demo/1.0/other_demo-1.0-py3-none-any.whl"},
        {"name": "demo-1.0.1-py3-none-any.whl", "path": "demo/1.0/demo-1.0.1-py3-none-any.whl"},
        {"name": "demo.whl", "path": "demo/1.0/demo.whl"},
        {"name": "demo-1.0", "path": "demo/1.0/demo-1.0"},
    ],
)
def test_a_purl_speaks_of_no_other_release(changes: dict[str, str]) -> None:
    """Else a verdict on any file could be had under any name."""
    made = placed()
    first = made.artifacts[0].model_copy(update=changes)
    with pytest.raises(RecipeError, match=r"key 'artifacts\[0\]': expected a file of demo 1.0, as the purl says"):
        published_of(made.model_copy(update={"artifacts": (first, made.artifacts[1])}))


@pytest.mark.parametrize("name", ["Demo-1.0.0.tar.gz", "demo-1.tar.bz2", "DEMO-1.0-1-py2.py3-none-any.whl"])
def test_a_name_and_a_version_may_be_written_otherwise(name: str) -> None:
    made = placed()
    first = made.artifacts[0].model_copy(update={"name": name, "path": f"demo/1.0/{name}"})
    assert published_of(made.model_copy(update={"artifacts": (first,)})).artifacts[0].file.name == name


def test_a_tarball_of_npm_is_of_the_whole_name() -> None:
    made = placed().model_copy(update={"purl": "pkg:npm/%40scope/demo@1.0"})
    name = "scope-demo-1.0.tgz"
    item = made.artifacts[0].model_copy(update={"name": name, "path": f"@scope/demo/1.0/{name}"})
    assert published_of(made.model_copy(update={"artifacts": (item,)})).artifacts[0].file.archive == "npm"
    item = item.model_copy(update={"path": "@other/demo/1.0/scope-demo-1.0.tgz"})
    with pytest.raises(RecipeError, match=r"expected a file of @scope/demo 1\.0, as the purl says"):
        published_of(made.model_copy(update={"artifacts": (item,)}))


@pytest.mark.parametrize(
    ("archive", "path"), [("local", SDIST), ("npm", f"demo/1.0/{SDIST}"), ("pypi", f"other/1.0/{SDIST}")]
)
def test_an_sdist_as_source_is_of_the_release(archive: str, path: str) -> None:
    made = placed()
    file = RecipeFile(name=SDIST, path=path, sha256="cd" * 32, size=1)
    source = made.source.model_copy(
        update={"kind": SourceKind.SDIST, "commit": "", "archive": archive, "files": (*made.source.files, file)}
    )
    with pytest.raises(RecipeError, match="expected an sdist to be of the release that the purl names") as raised:
        published_of(made.model_copy(update={"source": source}))
    assert "release-tarball" in raised.value.hint
    good = {"archive": "pypi", "files": (*made.source.files, file.model_copy(update={"path": f"demo/1.0/{SDIST}"}))}
    found = published_of(made.model_copy(update={"source": source.model_copy(update=good)}))
    assert [(one.name, one.archive) for one in found.source_files] == [("tree.tar", "local"), (SDIST, "pypi")]


# --- as text ----------------------------------------------------------------------------------------


def full() -> PackageRecipe:
    """With a value in every field."""
    made = placed(
        Replay(artifact=SDIST, what=("file-times", "owners")),
        toolchain={"as_of": 1_700_000_000, "node": "20.9.0", "npm_client": "10.1.0", "zlib": "zlib-ng",
                   "ask_backend": True, "npm": True, "packages": ("leaf@^1.0.0",)},
        user="runner", uid=1001, group="docker", gid=127, umask="0002", clock=1_700_000_000, epoch=1_600_000_000,
        history=True, parallel=3, environment={"B": 'quote " and \\ and \x01', "A": "1"},
    )  # fmt: skip
    history = RecipeFile(name="history.bundle", path="history.bundle", sha256="ef" * 32, size=9)
    more = {"tag": "v1.0", "submodules": False, "subfolder": "packages/demo", "repository": "https://code.example/demo",
            "files": (*made.source.files, history)}  # fmt: skip
    guess = RecipeGuess(
        input="umask", value="0002", origin=Origin.RECOVERED, evidence='modes "0664"\n# umask = "0777"', confidence=0.95
    )
    return made.model_copy(
        update={
            "source": made.source.model_copy(update=more),
            "guesses": (guess, guess.model_copy(update={"input": "commit", "origin": Origin.INFERRED})),
            "normalisers": (RecipeNormaliser(name="zip-times", reason="a test"),),
        }
    )


@pytest.mark.parametrize("made", [placed(), full()], ids=["least", "full"])
def test_what_is_written_reads_back(made: PackageRecipe) -> None:
    text = render_recipe(made)
    assert parse_recipe(text.encode(), "recipe.toml") == made
    # Evidence is a comment of one line, whatever is in it.
    assert all(line.isprintable() for line in text.splitlines())


def fault(old: str, new: str, message: str, made: PackageRecipe | None = None) -> None:
    text = render_recipe(made or full())
    assert text.count(old) >= 1, text
    with pytest.raises(RecipeError, match=message) as raised:
        parse_recipe(text.replace(old, new, 1).encode(), "recipe.toml")
    assert re.match(r"recipe\.toml:\d+: ", raised.value.message)
    assert all(line.isprintable() for line in raised.value.message.splitlines())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[build.replay]]\n", '[[build.replay]]\nartifacts = "x"\n',
         r"unknown key 'build.replay\[0\].artifacts'; did you mean 'artifact'"),
        ('"file-times", "owners"', '"file-times", "contents"',
         r"key 'build.replay\[0\].what\[1\]': expected 'file-times', 'member-times', 'owners' or 'gzip-time', found"),
        ('["file-times", "owners"]', "[]", r"key 'build.replay\[0\].what': expected at least one entry"),
        ('["file-times", "owners"]', '"owners"', r"key 'build.replay\[0\].what': expected an array, found \"owners\""),
        (f'artifact = "{SDIST}"', 'artifact = "setup.py"',
         r"key 'build.replay\[0\].artifact': expected one of the artifacts, found 'setup.py'"),
        (f'artifact = "{SDIST}"', 'artifact = "../blobs/x"', r"key 'build.replay\[0\].artifact'"),
        ('umask = "0002"', 'umask = "0002"\numaks = "0022"', "unknown key 'build.umaks'; did you mean 'umask'"),
        ('umask = "0002"', 'umask = "2"', "key 'build.umask': expected .*, found \"2\""),
        ('umask = "0002"', "umask = 2", "key 'build.umask': expected a string, found 2"),
        ("uid = 1001", "uid = 0", "key 'build.uid': expected at least 1, found 0"),
        ('user = "runner"', 'user = "-runner"', "key 'build.user'"),
        ('user = "runner"', 'user = "a\\nb"', "key 'build.user'"),
        ("clock = 1700000000", "clock = -1", "key 'build.clock': expected at least 0, found -1"),
        ("clock = 1700000000", 'clock = "now"', "key 'build.clock': expected an integer, found \"now\""),
        ("as_of = 1700000000", "as_of = 2020-01-01", "key 'toolchain.as_of': expected a string, a number"),
        ("as_of = ", "as-of = ", "unknown key 'toolchain.as-of'; did you mean 'as_of'"),
        ('node = "20.9.0"', 'node = "20"', "key 'toolchain.node'"),
        ('node = "20.9.0"', 'node = "../20.9.0"', "key 'toolchain.node'"),
        ('zlib = "zlib-ng"', 'zlib = "zopfli"', "key 'toolchain.zlib': expected 'zlib' or 'zlib-ng', found \"zopfli\""),
        ("submodules = false", 'submodules = "no"', "key 'source.submodules': expected true or false, found \"no\""),
        ("submodules = ", "submodule = ", "unknown key 'source.submodule'; did you mean 'submodules'"),
        ('kind = "git-commit"', 'kind = "svn"', "key 'source.kind': expected .*'sdist'.*, found \"svn\""),
        ('kind = "git-commit"', 'kind = "signed-dsc"',
         "key 'source.kind': expected one of git-commit, local-tree, sdist, release-tarball"),
        ('kind = "git-commit"', 'kind = "sdist"',
         "key 'source.commit': expected a commit with kind 'git-commit' and only there"),
        ('commit = "' + "ab" * 20, 'commit = "' + "ab" * 19, "key 'source.commit'"),
        ('commit = "' + "ab" * 20, 'commit = "' + "AB" * 20, "key 'source.commit'"),
        ("https://code.example", "file:///etc", "key 'source.repository': expected an https or ssh URL without cred"),
        ("https://code.example", "https://me:secret@code.example", "URL without credentials"),
        ("https://code.example", "ext::sh -c id", "key 'source.repository'"),
        ('subfolder = "packages/demo"', 'subfolder = "../demo"',
         "key 'source.subfolder': expected a path inside the repository"),
        ("history.bundle", "history.tar", "key 'source.files': expected tree.tar and history.bundle"),
        ("history = true\n", "", "key 'source.files': expected tree.tar, found tree.tar, history.bundle"),
        ('build = "generic"', 'build = "any"', r"key 'artifacts\[0\].build': expected 'generic' for a project"),
        (f'name = "{WHEEL}"', f'name = "{SDIST}"', rf"key 'artifacts\[1\].name': '{SDIST}' stands there twice"),
        ('input = "umask"', 'input = "content"',
         r"key 'guesses\[0\].input': expected 'repository', .*, found \"content\""),
        ("confidence = 0.95", "confidence = 1.1", r"key 'guesses\[0\].confidence': expected at most 1"),
        ("confidence = 0.95", "confidence = nan", r"key 'guesses\[0\].confidence': expected a finite number"),
        ('origin = "recovered"', 'origin = "sure"', r"key 'guesses\[0\].origin': expected .*'recovered'"),
        ('path = "/build/work/demo"', 'path = "/etc"', "key 'build.path': expected a folder below /build"),
        ('cwd = "@TREE@"', 'cwd = "@TREE@/../x"', r"key 'build.steps\[0\].cwd'"),
        ('cwd = "@TREE@"', 'cwd = "/"', r"key 'build.steps\[0\].cwd'"),
        ('wheels = ["build"]', 'wheels = ["build @ https://x.example/a.whl"]', r"key 'toolchain.wheels\[0\]'"),
        ('wheels = ["build"]', 'wheels = ["--index-url=x"]', r"key 'toolchain.wheels\[0\]'"),
        ('relations = ["python3"]', 'relations = ["python3; rm"]', r"key 'toolchain.relations\[0\]'"),
        ('kind = "python"', 'kind = "snake"', "key 'build.kind': expected"),
        ('anchor = "none"', 'anchors = "none"', "unknown key 'endorsement.anchors'; did you mean 'anchor'"),
        ('anchor = "none"', 'anchor = "none"\nfingerprint = "x"',
         "a recipe can't bring keys or fingerprints of its own"),
    ],
)  # fmt: skip
def test_faults_name_file_line_and_key(old: str, new: str, message: str) -> None:
    fault(old, new, message)


def test_scalars_are_replayed_of_a_file_once() -> None:
    twice = placed(Replay(artifact=SDIST, what=("owners",)), Replay(artifact=WHEEL, what=("member-times",)))
    words = rf"key 'build.replay\[1\].artifact': '{SDIST}' stands there twice"
    fault(f'artifact = "{WHEEL}"', f'artifact = "{SDIST}"', words, twice)


def test_an_older_format_has_none_of_it() -> None:
    text = render_recipe(full()).replace("rebuilder/recipe/v3", "rebuilder/recipe/v2")
    with pytest.raises(RecipeError, match=r"unknown key 'build\.replay'") as raised:
        parse_recipe(text.encode(), "recipe.toml")
    assert "unknown key 'source.tag'" in raised.value.message
    fault("rebuilder/recipe/v3", "rebuilder/recipe/v9", "key 'format': expected")


@pytest.mark.parametrize(
    ("name", "version", "itself"),
    [
        ("demo", "1.0", True), ("Demo", "1.0.0", True), ("demo", "1", True),
        ("demo", "1.1", False), ("other", "1.0", False),
    ],
)
def test_a_release_that_is_among_its_own_requirements(name: str, version: str, itself: bool) -> None:
    wheel = LanguagePackage(
        system="pypi", name=name, version=version, file=f"{name}-{version}-py3-none-any.whl", sha256="0" * 64, size=1
    )
    assert bootstraps(placed(), [wheel]) is itself

