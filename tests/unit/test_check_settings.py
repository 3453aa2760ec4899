"""What a project says of its own build: read strictly, and refused in words that name file and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebuilder.check.model import ProjectKind
from rebuilder.check.settings import CheckSettings, read_settings
from rebuilder.errors import EXIT_USAGE, UsageError


class Files:
    """A tree in memory; `read` gives at most what it is asked for."""

    def __init__(self, **files: str | bytes) -> None:
        self._files = {
            name.replace("__", "."): data.encode() if isinstance(data, str) else data for name, data in files.items()
        }
        self.names = frozenset(self._files)

    def read(self, path: str, limit: int) -> bytes:
        return self._files[path][:limit]


WHOLE = """
[tool.other]
key = 1

[tool.rebuilder.check]
kind = "make"
build = [["make", "all"], ["sh", "pack.sh", "a b"]]
outputs = ["dist/*.tar", "./out/", "**/*.so"]
packages = ["libssl-dev (>=  3.0)", "gawk | mawk"]
wheels = ["jinja2>=3,<4; python_version > '3.8'"]
environment = { CFLAGS = "-O2" }
variations = "all,-cpu"
source-date-epoch = 1700000000
suite = "trixie"
history = true
limits = { seconds = 60, cpus = 1.5 }
"""


def of(text: str) -> CheckSettings:
    return read_settings(Files(pyproject__toml=f"[tool.rebuilder.check]\n{text}"))


def test_every_key() -> None:
    settings = read_settings(Files(pyproject__toml=WHOLE))
    assert settings.kind is ProjectKind.MAKE
    assert settings.build == (("make", "all"), ("sh", "pack.sh", "a b"))
    assert settings.outputs == ("dist/*.tar", "out", "**/*.so")
    assert settings.packages == ("libssl-dev (>= 3.0)", "gawk | mawk")
    assert settings.wheels == ("jinja2>=3,<4; python_version > '3.8'",)
    assert settings.environment == {"CFLAGS": "-O2"}
    assert (settings.variations, settings.suite, settings.history) == ("all,-cpu", "trixie", True)
    assert settings.source_date_epoch == 1700000000
    assert settings.limits == {"seconds": 60, "cpus": 1.5}
    assert isinstance(settings.limits["seconds"], int)
    assert settings.where == "[tool.rebuilder.check] of pyproject.toml"


def test_the_other_file_and_its_other_tables() -> None:
    settings = read_settings(Files(rebuilder__toml='state = "/var/lib/x"\n[check]\nsource-date-epoch = "commit"\n'))
    assert settings.source_date_epoch == "commit"
    assert settings.where == "[check] of rebuilder.toml"


def test_nothing_said() -> None:
    assert read_settings(Files()) == CheckSettings()
    assert read_settings(Files(pyproject__toml="[tool.black]\n", rebuilder__toml="parallel = 2")) == CheckSettings()
    assert read_settings(Files(pyproject__toml="[tool.rebuilder]\n")).build == ()


def test_two_places_are_refused() -> None:
    files = Files(pyproject__toml="[tool.rebuilder.check]\n", rebuilder__toml="[check]\n")
    with pytest.raises(UsageError, match=r"\[tool.rebuilder.check\] of pyproject.toml and \[check\] of rebuilder.toml"):
        read_settings(files)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'biuld = [["make"]]',
            r"pyproject.toml: \[tool.rebuilder.check\]: unknown key 'biuld'; did you mean 'build'\?",
        ),
        ("source_date_epoch = 1", "did you mean 'source-date-epoch'"),
        ('where = "x"', "unknown key 'where'"),
        ("zzz = 1", "known are build, environment, history, kind"),
        ('kind = "mkae"', "key 'kind': expected 'python', .* found \"mkae\"; did you mean 'make'"),
        ('build = ["make"]', r"key 'build\[0\]': expected an array, found \"make\""),
        ("build = [[]]", "key 'build': expected lists of a program and its arguments"),
        ('build = [["a\\u0000"]]', "key 'build': expected lists of a program"),
        ("build = [[1]]", r"key 'build\[0\]\[0\]': expected a string, found 1"),
        ('outputs = ["../x"]', "key 'outputs': expected globs of paths inside the tree"),
        ('outputs = ["/etc/passwd"]', "key 'outputs': expected globs"),
        ('outputs = ["a\\nb"]', "key 'outputs': expected globs"),
        ('packages = ["-o Dpkg::Pre-Invoke=x"]', "key 'packages': expected a Debian relation"),
        ('packages = ["a; rm"]', "key 'packages': expected a Debian relation"),
        ('wheels = ["demo @ https://host.example/demo.whl"]', "key 'wheels': expected .* index can meet, found a URL"),
        ('wheels = ["--index-url=x"]', "key 'wheels': expected a requirement such as"),
        ('environment = { "A B" = "x" }', "key 'environment': expected NAME = \"value\""),
        ('environment = { SOURCE_DATE_EPOCH = "1" }', "in the key 'source-date-epoch'"),
        ("environment = { A = 1 }", "key 'environment.A': expected a string, found 1"),
        ('source-date-epoch = "now"', 'key \'source-date-epoch\': expected "commit", "none" or a number of seconds'),
        ("source-date-epoch = -1", "key 'source-date-epoch': expected seconds since 1970, found -1"),
        ("source-date-epoch = true", "key 'source-date-epoch': expected"),
        ('suite = "a b"', "key 'suite': expected the name of a suite"),
        ('history = "yes"', "key 'history': expected true or false"),
        ("limits = { second = 1 }", "unknown limit 'second'; did you mean 'seconds'"),
        ("limits = { seconds = 0 }", "expected a whole number above 0 for 'seconds'"),
        ("limits = { seconds = 1.5 }", "expected a whole number above 0"),
        ("limits = { cpus = inf }", "limits"),
        ("suite = 2020-01-01", "found a date"),
        ("suite", r"pyproject.toml: not valid TOML: .*at end of document"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        of(text)
    assert caught.value.exit_code == EXIT_USAGE


def test_our_own_table_has_no_other_key() -> None:
    with pytest.raises(UsageError, match=r"\[tool.rebuilder\]: unknown key 'chek'; did you mean 'check'"):
        read_settings(Files(pyproject__toml="[tool.rebuilder.chek]\n"))
    with pytest.raises(UsageError, match=r"tool\.rebuilder\.check: expected a table, found 1"):
        read_settings(Files(pyproject__toml="[tool.rebuilder]\ncheck = 1\n"))


@pytest.mark.parametrize("name", ["chek", "Check", "checks", "chcek"])
def test_a_table_beside_that_is_nearly_ours_is_a_slip(name: str) -> None:
    words = rf"rebuilder.toml: expected the settings of a check in \[check\], found a table \[{name}\]"
    with pytest.raises(UsageError, match=words) as caught:
        read_settings(Files(rebuilder__toml=f'[{name}]\nbuild = [["make"]]\n'))
    assert caught.value.hint.startswith("did you mean [check]?")


def test_tables_of_the_configuration_and_of_others_stay() -> None:
    theirs = "check-in = 1\n[cache]\n[limits]\n[indexes]\n[fetch]\n[tools]\n"
    assert read_settings(Files(rebuilder__toml=theirs)) == CheckSettings()
    assert read_settings(Files(rebuilder__toml=f'{theirs}[check]\nsuite = "sid"\n')).suite == "sid"
    assert read_settings(Files(pyproject__toml="[chek]\n[tool.chek]\n")) == CheckSettings()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a = " + b"[" * 100_000, "nested too deep|not valid TOML"),
        (b"[tool.rebuilder.check.environment" + b".a" * 50_000 + b"]", "nested too deep|expected"),
        (b"#" * (4 * 1024**2 + 1), "expected at most 4194304 bytes"),
        (b"a = '\xff'", "not valid TOML"),
        (b"a = " + b"9" * 10_000, "not valid TOML"),
    ],
)
def test_hostile_files(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_settings(Files(pyproject__toml=data))


def test_every_example_of_the_page_is_accepted_and_every_key_is_on_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check-settings.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) > 9
    for text in examples:
        name = "pyproject__toml" if "[tool." in text else "rebuilder__toml"
        assert read_settings(Files(**{name: text})) != CheckSettings()
    table = set(re.findall(r"^\| `([a-z-]+)` \|.*\|", page.partition("## What wins")[0], re.MULTILINE))
    assert table == {field.alias or name for name, field in CheckSettings.model_fields.items()} - {"where"}
