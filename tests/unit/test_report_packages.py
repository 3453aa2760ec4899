"""What pages and texts show of a released package: content of other origin first, the search, signatures, guesses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import rebuilder.report
from rebuilder.attest.statements import statements_for
from rebuilder.model import EndorsementResult, Record, SourceKind, Undeclared
from rebuilder.report import undeclared_words, words
from rebuilder.report.index import index_row
from rebuilder.report.next_steps import next_steps
from rebuilder.report.reporter import PageReporter, view_of
from rebuilder.report.text import summary_text
from tests.attest_cases import FILES, recipe
from tests.package_cases import COMMIT, RECIPE, SDIST, WHEEL, dirty, endorsement, foreign, found_by_search
from tests.records import sha
from tests.unit.test_attest_docs import SCHEMA_OF, validator
from tests.unit.test_report_pages import Page

RECIPE_BYTES = RECIPE % {b"commit": COMMIT.encode()}
HEADLINE = "3 files of the published wheel are not from the declared source"
BAD = "</td><script>alert(1)</script>\x1b[2J\u202e{{7*7}}"


def page(record: Record, recipe: bytes = RECIPE_BYTES) -> str:
    return PageReporter().page(record, {"recipe.toml": recipe, "run.json": b"{}"}).decode()


def remark(artifact: str = WHEEL, note: str = "7 more files are not from the source either") -> Undeclared:
    return Undeclared(artifact=artifact, member="", what="not-in-source", sha256=sha("w"), size=9, note=note)


# --- content of other origin ----------------------------------------------------------------------


def test_it_comes_before_everything_that_explains() -> None:
    shown = page(dirty())
    places = [shown.index(part) for part in (HEADLINE, "In short", 'id="undeclared"', 'id="causes"', 'id="compared"')]
    assert places == sorted(places)
    lines = summary_text(dirty())
    assert lines.index(HEADLINE) < lines.index("What was compared with what")
    assert HEADLINE in index_row(dirty(), page="a.html", record_path="a.json").remarks


def test_every_file_is_named_with_what_is_known_of_it() -> None:
    text = Page(page(dirty())).text
    for one in foreign():
        assert one.member in text
        assert one.sha256 in text.replace("\n", "")
    assert "differs from src/demo/core.py in the source" in text
    assert "stray bytecode" in text
    assert "    demo/core.py: differs from src/demo/core.py in the source" in summary_text(dirty())


@pytest.mark.parametrize("word", ["attack", "malicious", "tamper", "guilty", "suspicious", "evil"])
def test_it_accuses_nobody(word: str) -> None:
    assert word not in page(dirty()).lower()
    assert word not in "\n".join(summary_text(dirty())).lower()


def test_it_says_what_it_does_not_say() -> None:
    text = " ".join(Page(page(dirty())).text.split())
    assert "It does not say that they do harm" in text
    assert "proves nothing against the publisher" in text
    assert "Another version of a compiler" not in text
    assert "Another version of a compiler" in " ".join(words.fault(dirty(())))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (foreign()[:1], "1 file of the published wheel is not from the declared source"),
        (foreign(SDIST), "3 files of the published sdist are not from the declared source"),
        (foreign("demo-1.2.tgz"), "3 files of the published archive are not from the declared source"),
        ((*foreign(), *foreign(SDIST)), "6 files of 2 published archives are not from the declared source"),
        ((*foreign(), remark()), "at least 3 files of the published wheel are not from the declared source"),
        ((remark(),), ""),
        ((), ""),
    ],
)
def test_the_headline_counts(found: tuple[Undeclared, ...], sentence: str) -> None:
    assert undeclared_words.headline(dirty(found)) == sentence


def test_an_npm_package_is_called_so() -> None:
    assert dirty().published is not None
    update = {"published": dirty().published.model_copy(update={"ecosystem": "npm"})}
    record = dirty(foreign("demo-1.2.tgz")).model_copy(update=update)
    assert undeclared_words.headline(record).startswith("3 files of the published npm package are")


def test_what_was_not_looked_through_is_said_without_a_count() -> None:
    record = dirty((remark(note="not looked through: it is no archive"),))
    assert "Not looked through for other content" in page(record)
    assert "Not looked through for content that is not from the source" in summary_text(record)
    assert undeclared_words.MEANING[0] not in summary_text(record)
    assert "Is its content from the declared source?" not in page(record)


def test_without_any_nothing_is_said() -> None:
    assert 'id="undeclared"' not in page(dirty(()))
    assert not [line for line in summary_text(dirty(())) if "declared source" in line]


def test_many_files_are_cut_in_the_terminal_and_at_the_top_of_the_page() -> None:
    every = tuple(foreign()[0].model_copy(update={"member": f"demo/m{n:03}.py"}) for n in range(200))
    lines = summary_text(dirty(every))
    assert "    180 further files not shown here" in lines
    shown = page(dirty(every))
    assert shown.index("demo/m004.py") < shown.index("In short") < shown.index("demo/m005.py")
    assert "demo/m199.py" in shown


def test_hostile_names_do_nothing() -> None:
    found = tuple(
        one.model_copy(update={"member": BAD, "source_path": BAD, "note": BAD, "artifact": WHEEL}) for one in foreign()
    )
    shown = page(dirty(found))
    Page(shown)
    assert "<script>alert" not in shown
    assert "\x1b" not in shown + "\n".join(summary_text(dirty(found)))
    assert "\u202e" not in shown
    assert "{{7*7}}" in shown


def test_next_steps_ask_and_do_not_judge() -> None:
    first, second, *_ = next_steps(dirty(), signed=True)
    assert first.startswith("Ask the publisher from which commit")
    assert "`build.steps`" in second
    assert "--search N" in " ".join(next_steps(dirty(()), signed=True))
    assert "--search N" not in " ".join(next_steps(dirty((), search=found_by_search().search[:1]), signed=True))


# --- the search -----------------------------------------------------------------------------------


def test_the_way_of_a_search_is_shown() -> None:
    record = found_by_search()
    shown = Page(page(record)).text
    for said in ("umask 0002 in place of 0022", "modes of the published members", "✕ the backend does not install"):
        assert said in shown
        assert any(said in line for line in summary_text(record))
    assert "Every byte came out equal in rebuild 3, of 3 that were made." in shown
    assert "inputs searched for by 3 rebuilds" in words.qualifiers(record)


def test_a_search_without_a_hit_says_so() -> None:
    record = dirty((), search=found_by_search().search[:2])
    assert "No equal result was found in 2 rebuilds." in page(record)


def test_without_a_search_there_is_no_section() -> None:
    assert 'id="search"' not in page(dirty())
    assert "How the inputs were found" not in summary_text(dirty())


# --- inputs and signatures ------------------------------------------------------------------------


def test_guesses_of_the_recipe_stand_beside_the_inputs() -> None:
    shown = Page(page(found_by_search())).text
    assert "How sure the guesses are" in shown
    assert "97%" in shown
    assert "no front end leaves its name" in shown


@pytest.mark.parametrize(
    "recipe",
    [
        b"",
        b"\xff\xfe",
        b"a = [" + b"[" * 50_000,
        b'format = "rebuilder/recipe/v1"\nguesses = 3\n',
        b'format = "rebuilder/recipe/v3"\nguesses = 3\n',
        b'format = "rebuilder/recipe/v3"\nguesses = [{input = "commit"}]\n',
        RECIPE_BYTES.replace(b"0.97", b"97"),
        RECIPE_BYTES + b"#" * 5_000_000,
    ],
)
def test_a_recipe_that_is_none_leaves_the_page_as_it_is(recipe: bytes) -> None:
    assert view_of(found_by_search(), {"recipe.toml": recipe}).guesses == ()


def test_each_signature_says_of_what_kind_it_is() -> None:
    shown = Page(page(dirty())).text
    assert "the index's own word (weakest: nobody signs it)" in shown
    assert "SSH signature" in shown
    assert "Only the index names the published digests, and nobody signs them." in shown
    assert any(line.startswith("  SSH signature on tag v1.2: no-key") for line in summary_text(dirty()))
    assert "only the index names the published digests" in words.headline(dirty())


def test_a_signature_beside_the_index_is_more_than_the_index() -> None:
    found = endorsement()
    checks = (*found.checks, found.evidence[1])
    record = dirty(endorsement=found.model_copy(update={"result": EndorsementResult.VALID, "checks": checks}))
    assert "only the index" not in words.headline(record)


def test_an_sdist_is_not_the_commit() -> None:
    record = found_by_search()
    assert words.headline(record).startswith("Rebuilt from the sdist (which is not the commit), ")
    assert any("the sdist is what the project's repository holds" in one for one in words.not_proved(record))
    assert set(words.SOURCE_PHRASE) == set(SourceKind)


@pytest.mark.parametrize("make", [dirty, found_by_search])
def test_the_records_hold_to_the_schema(make) -> None:
    folder = Path(rebuilder.report.__file__).with_name("schemas")
    schema = json.loads(folder.joinpath("run.v1.schema.json").read_bytes())
    data = make().model_dump_json(by_alias=True)
    jsonschema.validate(json.loads(data), schema)
    assert Record.model_validate_json(data) == make()


def test_its_statements_hold_to_their_schemas() -> None:
    ssh = endorsement().evidence[0]
    minisign = ssh.model_copy(update={"scheme": "minisign", "fingerprint": "RW" + "Q" * 54})
    found = endorsement().model_copy(update={"checks": (*endorsement().checks, ssh, minisign)})
    record = found_by_search().model_copy(update={"endorsement": found})
    made = statements_for(record, recipe(record), FILES)
    assert {one.kind for one in made} == set(SCHEMA_OF) - {"outcome"}
    for one in made:
        validator(SCHEMA_OF[one.kind]).validate(json.loads(one.body))
