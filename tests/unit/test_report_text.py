from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.model import Built, Origin, Record, SourceKind, Verdict
from rebuilder.report import words
from rebuilder.report.next_steps import next_steps
from rebuilder.report.text import bounded, clean, clean_block, duration, size, summary_text
from tests import record_cases as cases
from tests.record_cases import hostile
from tests.records import attempt, file

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\u202egpj.exe", "a[U+202E]gpj.exe"),
        ("zero\u200bwidth\ufeff", "zero[U+200B]width[U+FEFF]"),
        ("bell\x07 delete\x7f c1\x9b", "bell\\x07 delete\\x7f c1\\x9b"),
        ("two\nlines\tand\rmore", "two\\nlines\\tand\\rmore"),
        ("line\u2028paragraph\u2029", "line[U+2028]paragraph[U+2029]"),
        ("lone \ud800 surrogate", "lone [U+D800] surrogate"),
        ("tag \U000e0041", "tag [U+E0041]"),
        ("plain, größer, 日本", "plain, größer, 日本"),
    ],
)
def test_clean_makes_hidden_characters_visible(given_text: str, shown: str) -> None:
    assert clean(given_text) == shown


@given(st.text(st.characters(codec=None), max_size=200))
def test_clean_leaves_nothing_hidden_and_can_be_encoded(text: str) -> None:
    shown = clean(text)
    assert not any(unicodedata.category(character) in HIDDEN for character in shown)
    shown.encode()
    assert clean(shown) == shown


def test_clean_block_keeps_lines_and_shows_overwriting_returns() -> None:
    assert clean_block("one\r\ntwo\tx\rhidden\x1bc") == "one\ntwo\tx\\rhidden\\x1bc"


def test_bounded_says_what_it_left_out() -> None:
    text, note = bounded("start" + "x" * 10_000 + "end", limit=400, line_limit=1000)
    assert text.startswith("start")
    assert text.endswith("end")
    assert "9,608 characters left out here" in text
    assert note == "9,608 characters are left out of the middle"


def test_bounded_cuts_long_lines_and_says_so() -> None:
    text, note = bounded("a\n" + "x" * 1_000_000 + "\nb", limit=2_000_000)
    assert len(text) < 5_000
    assert "996,000 more characters left out" in text
    assert note == "1 lines are cut after 4,000 characters"


def test_bounded_leaves_short_text_alone() -> None:
    assert bounded("short", limit=5) == ("short", "")


def test_units_a_person_would_use() -> None:
    assert (duration(4.26), duration(98), duration(3600)) == ("4.3 s", "1 min 38 s", "1 h 00 min")
    assert (size(812), size(161_244), size(6_442_450_944)) == (
        "812 bytes",
        "161,244 bytes (161 kB)",
        "6,442,450,944 bytes (6.44 GB)",
    )


@pytest.mark.parametrize("name", cases.CASES)
def test_summary_answers_what_was_compared_and_what_it_proves(name: str) -> None:
    record = cases.CASES[name]()
    lines = summary_text(record, {"page": "runs/x/index.html"})
    text = "\n".join(lines)
    assert lines[0].startswith(f"{record.verdict.value}: ")
    for one in record.comparison.artifacts if record.comparison else ():
        assert one.published.sha256 in text
        assert all(file.sha256 in text for file in one.rebuilt if file)
    for one in record.inputs:
        assert f"  {one.name}: {one.origin.value} - {one.value}" in text
    assert all(item in text for item in record.missing)
    for title in ("What this does not prove", "Where the evidence lies", "What to do next", "Whose fault"):
        assert title in lines
    assert "  page: runs/x/index.html" in lines


def test_a_difference_counts_against_the_publisher_only_if_all_is_declared() -> None:
    assert "counts against the publisher" in words.fault(cases.different_declared())[0]
    assumed = words.fault(cases.different_assumed())[0]
    assert assumed.startswith(
        "This difference proves nothing against the publisher, because the toolchain and the environment and the build "
        "path are assumed"
    )


@pytest.mark.parametrize("name", ["source", "toolchain", "environment", "path"])
@pytest.mark.parametrize("origin", [one for one in Origin if one is not Origin.DECLARED] + [None])
def test_one_input_not_declared_is_enough_to_prove_nothing(name: str, origin: Origin | None) -> None:
    whole = cases.different_declared()
    changed = [
        one.model_copy(update={"origin": origin}) if one.name == name else one
        for one in whole.inputs
        if one.name != name or origin
    ]
    record = whole.model_copy(update={"inputs": tuple(changed)})
    assert "proves nothing against the publisher" in words.fault(record)[0]


def test_a_package_in_no_signed_list_is_enough_to_prove_nothing() -> None:
    whole = cases.different_declared()
    assert whole.toolchain is not None
    toolchain = whole.toolchain.model_copy(update={"unsigned": ("dpkg-dev 1.22",)})
    record = whole.model_copy(update={"toolchain": toolchain})
    told = "proves nothing against the publisher, because 1 toolchain package is in no signed index"
    assert told in words.fault(record)[0]


def test_what_is_said_of_a_relocked_and_of_a_packed_toolchain_holds_for_a_purl_too() -> None:
    whole = cases.different_assumed()
    assert whole.toolchain is not None
    relocked = whole.model_copy(update={"toolchain": whole.toolchain.model_copy(update={"relocked": True})})
    assert "relocked: any recorded toolchain was set aside on request, and a new lock was made" in (
        words.qualifiers(relocked)
    )
    packed = whole.model_copy(update={"toolchain": whole.toolchain.model_copy(update={"packed": True})})
    assert "toolchain assumed: that of a pack given by hand (trixie)" in words.qualifiers(packed)


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.DIFFERENT])
def test_no_other_verdict_counts_against_the_publisher(verdict: Verdict) -> None:
    record = cases.different_declared().model_copy(update={"verdict": verdict})
    assert "counts against" not in " ".join(words.fault(record))


def test_headline_names_what_weakens_a_result() -> None:
    record = cases.reproduced_with_recovered_input()
    assert words.headline(record) == (
        "Rebuilt from the signed .dsc, gron_0.7.1-2+b8_amd64.deb came out equal to what was published, byte for byte, "
        "using recovered input (binNMU changelog); nobody vouches for the published digests."
    )
    remarks = " | ".join(words.qualifiers(record))
    for part in (
        "needed recovered input: binNMU changelog",
        "endorsement missing: ",
        "self-input: ",
        "relocked: ",
        "1 toolchain package is",
    ):
        assert part in remarks
    assert "toolchain assumed: today's suite (trixie)" in words.qualifiers(cases.different_assumed())


def test_headline_counts_named_files_only() -> None:
    record = cases.different_assumed()
    rows = tuple(
        one.model_copy(update={"named": one.artifact == cases.BZIP2[2]}) for one in record.comparison.artifacts
    )
    record = record.model_copy(
        update={"verdict": Verdict.REPRODUCED, "comparison": record.comparison.model_copy(update={"artifacts": rows})}
    )
    assert f"{cases.BZIP2[2]} came out equal" in words.headline(record)
    assert "3 other files of the same source did not come out equal" in words.qualifiers(record)


def test_attempts_of_the_other_kind_of_build_are_left_out() -> None:
    record = cases.different_assumed()
    labels = [[label for label, _ in words.rebuilt_files(record, one)] for one in record.comparison.artifacts]
    assert labels[0] == ["rebuild 1 (any)", "rebuild 2 (any)"]
    assert labels[3] == ["rebuild 1 (all)", "rebuild 2 (all)"]


def test_equivalent_is_never_called_reproduced_and_names_its_normalisers() -> None:
    text = "\n".join(summary_text(cases.equivalent()))
    assert "equal only after these normalisers: zip-times/v1" in text
    assert "reproduced" not in text
    assert "byte for byte" not in text


def test_summary_is_harmless_whatever_the_record_holds() -> None:
    text = "\n".join(summary_text(hostile(), {"page": "a\x1b]0;x\x07b"}))
    assert not any(unicodedata.category(one) in HIDDEN - {"Cc"} for one in text)
    assert "\x1b" not in text
    assert "\\x1b" in text
    assert "[U+202E]" in text
    assert max(len(line) for line in text.split("\n")) < 8200


def test_what_could_not_be_looked_through_is_said() -> None:
    record = cases.reproduced()
    assert record.comparison is not None
    update = {"unsearched": ("tool.deb:data.tar.zst", "b.tar")}
    record = record.model_copy(update={"comparison": record.comparison.model_copy(update=update)})
    assert "2 files could not be looked through for published bytes" in words.qualifiers(record)
    assert any("could not be looked through" in point for point in words.not_proved(record))
    assert "  not looked through for published bytes: tool.deb:data.tar.zst" in summary_text(record)


# --- what to do next ------------------------------------------------------------------------------


def project_run(record: Record) -> Record:
    """The same, of a project from its commit."""
    assert record.published
    assert record.source
    published = record.published.model_copy(update={"ecosystem": "pypi", "purl": "pkg:pypi/demo@1.0"})
    source = record.source.model_copy(update={"kind": SourceKind.GIT_COMMIT})
    return record.model_copy(update={"published": published, "source": source})


def test_next_steps_name_the_run_and_only_what_fits_it() -> None:
    deb = cases.different_assumed()
    steps = next_steps(deb, signed=True)
    assert f"`rebuilder explain {deb.run_id} --confirm`" in steps[0]
    assert "--buildinfo FILE" in steps[1]
    wheel = " ".join(next_steps(project_run(deb), signed=True))
    assert "buildinfo" not in wheel
    assert "`rebuilder check DIR` says what it depends on" in wheel
    assert "verify-bundle" in next_steps(cases.reproduced(), signed=True)[0]
    assert "verify-bundle" not in " ".join(next_steps(cases.reproduced(), signed=False))
    assert [line for line in summary_text(cases.reproduced(), {"bundle": "x"}) if "verify-bundle" in line]
    assert not [line for line in summary_text(cases.reproduced(), {"page": "x"}) if "verify-bundle" in line]


def test_a_file_that_a_project_does_not_make_is_held_against_what_it_makes() -> None:
    failed = project_run(cases.build_failed())
    assert "Read the end of the build log" in next_steps(failed, signed=False)[0]
    made = (file("demo-1.0.tar.gz"), file("demo-1.0-py3-none-any.whl"))
    ended = attempt(1, made, build="all")
    record = failed.model_copy(update={"built": Built(attempts=(ended, ended.model_copy(update={"number": 2})))})
    (step,) = next_steps(record, signed=False)
    assert step.startswith("The build gave 2 files: demo-1.0.tar.gz, demo-1.0-py3-none-any.whl. Which files are taken")
    assert "`outputs` in the project's settings (docs/check-settings.md)" in step
    many = attempt(1, [file(f"f{number}") for number in range(13)])
    (step,) = next_steps(failed.model_copy(update={"built": Built(attempts=(many,))}), signed=False)
    assert "13 files: f0, " in step
    assert "f9 and 3 more" in step
    (step,) = next_steps(failed.model_copy(update={"built": Built(attempts=(attempt(1, ()),))}), signed=False)
    assert step.startswith("The build gave no file.")
    assert "Read the end" in next_steps(cases.build_failed(), signed=False)[0]
