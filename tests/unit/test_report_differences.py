"""The part of a page, and of the terminal's words, that tells what differs and why."""

from __future__ import annotations

import hashlib
import json
import re
import time
import unicodedata
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rebuilder.report
from rebuilder.data import Held
from rebuilder.explain.sideways import Block
from rebuilder.findings import (
    ArtifactExplanation,
    Cause,
    Change,
    Count,
    Difference,
    DifferenceClass,
    Drift,
    Evidence,
    Finding,
    Proof,
    Severity,
    Side,
)
from rebuilder.model import DiffReport
from rebuilder.report import cause_words, differences, explain_text
from rebuilder.report.diff_json import SCHEMAS, output, schema
from rebuilder.report.diff_page import ComparedSide, DiffView, render_diff
from rebuilder.report.diff_text import diff_lines, summary_line
from rebuilder.report.differences import Told
from rebuilder.report.excerpts import MAX_LINES, MAX_TEXT, excerpt, unified
from rebuilder.report.member_tree import Branch, tree
from rebuilder.report.pages import render_run
from rebuilder.report.reporter import PageReporter, told_of, view_of
from rebuilder.report.text import summary_text
from tests.record_cases import (
    BUBBLEWRAP,
    DATA,
    confirmed,
    different_explained,
    explained_causes,
    explained_files,
    explained_findings,
    explanation_of,
    many_findings,
)
from tests.records import sha
from tests.unit.test_report_pages import Page
from tests.unit.test_report_pages import view_of as example_view

SCHEMA_FOLDER = Path(rebuilder.report.__file__).parent / "schemas"
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def text_of(page: str) -> str:
    return " ".join(Page(page).text.split())


def big(findings: tuple[Finding, ...], causes: tuple[Cause, ...] = ()) -> Told:
    explanation, data = explanation_of("big.deb", findings, causes)
    return told_of(explanation, data)


def page_of(told: Told) -> str:
    side = ComparedSide(name="x", sha256=sha("x"), size=1)
    return render_diff(DiffView(published=side, rebuilt=side, told=told, tool_version="1"))


def rows_of(branch: Branch) -> int:
    return sum(len(group.rows) for group in branch.groups) + sum(rows_of(one) for one in branch.branches)


# --- the page of a run --------------------------------------------------------------------------


def test_tools_come_before_causes_and_causes_before_the_bytes() -> None:
    text = text_of(render_run(example_view(different_explained())))
    order = [
        "published with debhelper 13.19, rebuilt with 13.24.2",
        "Why it differs",
        "Built against another version of libc6-dev",
        "accounts for 3 of 48 differences",
        "2 differences of 48 are not explained: no known cause fits.",
        "All 48 differences are listed here",
        "line seven of the notes",
        "diffoscope 306: complete",
    ]
    contents = text.index("Other tools than the publisher's")
    places = [text.index(one, contents) for one in order]
    assert places == sorted(places)


def test_a_cause_shows_its_evidence_its_fix_where_to_apply_it_and_its_page() -> None:
    text = text_of(render_run(example_view(different_explained())))
    for part in (
        f'{DATA} » ./usr/bin/bwrap » .text, code at byte 1,068: published "83 c0 01 c3", rebuilt "83 c0 02 c3"',
        "in the build environment [package:libc6-dev=2.41-11]: install libc6-dev 2.41-11",
        "in the project [debian/rules]: use install -m 0755",
        "docs/causes/libc6-dev-version.md in Rebuilder's documentation",
        "may behave differently",
        "near main+0x1c",
    ):
        assert part in text, part


def test_a_page_of_causes_that_is_not_beside_the_page_is_named_and_never_linked() -> None:
    page = Page(render_run(example_view(different_explained())))
    assert not [1 for tag, attributes in page.elements if tag == "a" and "causes/" in (attributes.get("href") or "")]


@pytest.mark.parametrize(("result", "words"), [("confirmed", "came out as this cause predicts"),
                                               ("refuted", "did not come out as this cause predicts")])  # fmt: skip
def test_a_proof_is_said_at_its_cause_and_only_there(result: str, words: str) -> None:
    proof = Proof(run_id="r", artifact=BUBBLEWRAP, cause="umask", changes=(), result=result, reason="because")
    told = tuple(example_view(different_explained()).told)
    causes = differences.view(told, proof)[0].causes
    assert [one.tried for one in causes] == ["", result, ""]
    assert words in causes[1].proof
    other = proof.model_copy(update={"artifact": "other.deb"})
    assert [one.tried for one in differences.view(told, other)[0].causes] == ["", "", ""]


def test_a_run_that_confirmed_a_fix_says_so_though_nothing_differs_any_more() -> None:
    text = text_of(render_run(example_view(confirmed())))
    assert "confirmed. A rebuild with the fix came out as this cause predicts." in text
    assert "install libc6-dev 2.41-11" in text
    assert "Why it differs" not in text


def test_findings_that_are_not_those_of_the_record_are_not_shown() -> None:
    record = different_explained()
    name = f"difference-{BUBBLEWRAP}.json"
    good = explained_files()[name]
    assert view_of(record, {name: good}).told[0].fault == ""
    missing = view_of(record, {}).told[0]
    assert missing.fault == f"the list of all findings ({name}) does not lie in the run folder"
    changed = view_of(record, {name: good.replace(b"0755", b"0777")})
    assert changed.told[0].difference is None
    assert f"{name} is not the file the record names: expected " in text_of(render_run(changed))
    broken, _ = explanation_of(BUBBLEWRAP, ())
    broken = broken.model_copy(update={"difference": Side(sha256=hashlib.sha256(b"{}").hexdigest(), size=2)})
    assert "does not hold to the format rebuilder/difference/v1" in told_of(broken, b"{}").fault


# --- the tree -----------------------------------------------------------------------------------


def test_members_that_differ_in_the_same_way_stand_together_with_their_values_once() -> None:
    text = page_of(big(many_findings()))
    assert "mtime differs in 9,998 members" in text
    assert text.count("2026-11-20T18:00:00Z") == 1


def test_ten_thousand_findings_fit_a_page_of_three_megabytes_in_a_few_seconds() -> None:
    begin = time.monotonic()
    page = page_of(big(many_findings()))
    assert time.monotonic() - begin < 10
    assert len(page.encode()) < 3_000_000
    told = differences.view((big(many_findings()),))[0]
    assert rows_of(told.tree) + told.left_out == 10_000
    assert rows_of(told.tree) > 9_000, "the room is there, so nearly all should have a row"


def test_what_has_no_room_is_counted_and_where_it_stands_is_said() -> None:
    names = [f"./{'long-name-' * 25}{n:05}" for n in range(12_000)]
    findings = tuple(
        Finding(path=(DATA, name), kind=DifferenceClass.METADATA, what="mtime",
                published=Side(value=f"{name[-5:]} one"), rebuilt=Side(value="two"))
        for name in names
    )  # fmt: skip
    told = big(findings)
    view = differences.view((told,))[0]
    assert 0 < view.left_out < 12_000
    assert rows_of(view.tree) + view.left_out == 12_000
    page = page_of(told)
    assert len(page.encode()) < 3_000_000
    assert f"{view.left_out:,} of 12,000 have no room on this page. All of them stand in difference-big.deb.json" in (
        text_of(page)
    )


def test_a_page_stays_small_whatever_the_shape_of_the_tree() -> None:
    hostile = "<\u202e'\"&" * 60
    shapes = {
        "each in another box": [((f"{n}{hostile}", f"{n % 7}{hostile}", "x"), f"f{n}") for n in range(4000)],
        "each of another field": [((DATA, "m"), f"{n}{hostile}"[:200]) for n in range(4000)],
        "deep": [(tuple(f"{n}/{level}{hostile}" for level in range(40)), "mtime") for n in range(300)],
    }  # fmt: skip
    for shape, rows in shapes.items():
        findings = tuple(
            Finding(path=path, kind=DifferenceClass.METADATA, what=what, published=Side(value=hostile[:200]),
                    rebuilt=Side(value=f"{n}")) for n, (path, what) in enumerate(rows)
        )  # fmt: skip
        told = big(findings)
        page = page_of(told)
        assert len(page.encode()) < 3_000_000, shape
        view = differences.view((told,))[0]
        assert rows_of(view.tree) + view.left_out == len(rows), shape
        assert not HIDDEN.search(page), shape


def test_small_groups_are_whole_though_a_large_one_takes_all_room() -> None:
    page = text_of(page_of(big(many_findings(20_000))))
    assert "./usr/share/doc/tool/README" in page
    assert 'published "one", rebuilt "two"' in page


def test_containers_that_differ_in_the_same_places_are_one_box() -> None:
    findings = tuple(
        Finding(path=(DATA, f"./lib/lib{n}.so", section), kind=DifferenceClass.CONTENT, what="bytes", offset=n)
        for n in range(500)
        for section in (".text", ".data")
    )
    branch, left_out = tree(findings, {}, 1)
    assert left_out == 0
    data = branch.branches[0]
    assert [one.name for one in data.branches] == ["500 members that differ in the same places"]
    assert ("./lib/lib7.so » .text", "first at byte 7") in data.branches[0].groups[0].rows


def test_names_that_would_forge_the_page_are_shown_as_they_are() -> None:
    page = page_of(big(many_findings(50)))
    assert Page(page).open == []
    assert "img" not in [tag for tag, _ in Page(page).elements]
    assert not HIDDEN.search(page)
    text = Page(page).text
    for shown in ("two\\nlines", "bidi[U+202E]gpj.exe", "<img src=x onerror=alert(1)>", "esc\\x1b[2J"):
        assert shown in text
    assert "4,700 more characters left out" in text


def test_every_kind_and_severity_can_be_picked_without_a_script() -> None:
    style = (Path(rebuilder.report.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    for value, mark in [*((kind.value, "k") for kind in DifferenceClass), *((one.value, "s") for one in Severity),
                        ("unexplained", "s")]:  # fmt: skip
        assert f'.tree:has([value="{value}"]:checked) .box:not(.{mark}-{value})' in style
    page = Page(render_run(example_view(different_explained())))
    values = {attributes.get("value") for tag, attributes in page.elements if attributes.get("type") == "radio"}
    assert values == {"", "unexplained", *(kind.value for kind in DifferenceClass), *(one.value for one in Severity)}


def test_indexes_that_do_not_fit_the_findings_do_no_harm() -> None:
    cause = explained_causes()[0].model_copy(update={"findings": (0, -1, 10**9)})
    explanation, data = explanation_of("x.deb", explained_findings()[:2], (cause,))
    assert "accounts for 3 of 2" in page_of(told_of(explanation, data))


@given(st.lists(st.tuples(st.lists(st.text(st.characters(codec=None), max_size=20), max_size=5),
                          st.sampled_from(DifferenceClass), st.text(max_size=8)), max_size=30))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_finding_is_lost_and_nothing_hidden_gets_through(rows: list) -> None:
    rest = {"published": Side(), "rebuilt": Side(), "offset": None, "follows": (), "note": ""}
    findings = tuple(
        Finding.model_construct(path=tuple(path), kind=kind, what=what, **rest) for path, kind, what in rows
    )
    branch, left_out = tree(findings, {}, 1)
    assert rows_of(branch) == len(rows)
    assert left_out == 0

    def names(one: Branch) -> str:
        return (
            one.name
            + "".join(name for group in one.groups for name, _ in group.rows)
            + "".join(names(below) for below in one.branches)
        )

    assert not {unicodedata.category(char) for char in names(branch)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


# --- the terminal -------------------------------------------------------------------------------


def test_the_terminal_tells_tools_causes_fixes_and_what_is_not_explained() -> None:
    lines = explain_text.lines(different_explained().explanation.artifacts)
    assert lines[0] == (
        f"{BUBBLEWRAP}: 48 differences "
        "(1 missing, 1 extra, 1 order, 41 metadata, 1 compression, 2 derived, 1 content); "
        "70 of 118 members are equal in every respect"
    )
    assert lines[1] == "  other tool: published with debhelper 13.19, rebuilt with 13.24.2 (seen in 2 places)"
    assert lines[3] == (
        "  cause 1: Built against another version of libc6-dev (likely; worth a look; accounts for 3 of 48 differences)"
    )
    assert "    fix: Build with the version of libc6-dev that the publisher used." in lines
    assert "    more on it: docs/causes/umask.md" in lines
    assert lines[-2] == "  2 differences of 48 are not explained: no known cause fits."
    assert lines[-1].startswith("  remark: published: data.tar.xz: 2 entries have the name")


def test_the_summary_of_a_run_holds_the_same_lines() -> None:
    record = different_explained()
    summary = summary_text(record)
    assert all(f"  {line}" in summary for line in explain_text.lines(record.explanation.artifacts))
    proof = summary_text(confirmed())
    assert (
        f"  This run was made to try a fix: libc6-dev-version of {BUBBLEWRAP}, as found by run "
        + (confirmed().explanation.proof.run_id)
        in proof
    )
    assert any(line.strip().startswith("confirmed (a rebuild with the fix came out") for line in proof)


def test_terminal_lines_are_harmless_and_bounded() -> None:
    bad = "\x1b]0;x\x07\u202e\nline" * 100
    cause = explained_causes()[0].model_copy(
        update={"title": bad, "fix": bad, "evidence": (Evidence(path=(bad,), what=bad),) * 9}
    )
    explanation, _ = explanation_of("x.deb", explained_findings()[:1], (cause,) * 50, remarks=(bad,) * 500)
    lines = explain_text.lines([explanation])
    assert len(lines) < 100
    assert not any(HIDDEN.search(line) or "\n" in line for line in lines)
    assert "  42 further causes not shown here" in lines
    assert "  490 further remarks not shown here" in lines


@pytest.mark.parametrize(("open_ones", "total", "words"), [
    (0, 5, ""), (1, 1, "The one difference is not explained: no known cause fits."),
    (1, 5, "1 difference of 5 is not explained: no known cause fits."),
    (5, 5, "None of the 5 differences is explained: no known cause fits."),
])  # fmt: skip
def test_what_is_not_explained_is_said_plainly(open_ones: int, total: int, words: str) -> None:
    assert cause_words.unexplained(open_ones, total) == words


# --- excerpts -----------------------------------------------------------------------------------


def test_an_excerpt_of_a_text_shows_the_changed_lines_with_their_numbers() -> None:
    text = b"".join(b"line %d\n" % n for n in range(1, 1001))
    found = excerpt(("a.txt",), Held(text), Held(text.replace(b"line 500\n", b"line five hundred\nand more\n")))
    assert found.title == "text"
    assert unified(found) == [
        "  line 498", "  line 499", "- line 500", "+ line five hundred", "+ and more", "  line 501", "  line 502",
    ]  # fmt: skip
    changed = [row for row in found.lines if row.changed]
    assert [(row.left_no, row.right_no) for row in changed] == [(500, 500), (None, 501)]
    assert (found.lines[-1].left_no, found.lines[-1].right_no) == (502, 503)


def test_two_places_far_apart_in_a_long_text_are_both_shown() -> None:
    text = b"".join(b"line %d\n" % n for n in range(1, 5001))
    other = text.replace(b"line 3\n", b"line three\n").replace(b"line 4900\n", b"line many\n")
    found = excerpt(("a.txt",), Held(text), Held(other))
    assert [(row.left_no, row.right) for row in found.lines if row.changed] == [(3, "line three"), (4900, "line many")]
    assert found.truncated == 0


def test_tools_that_show_by_what_they_do_are_told_in_another_way() -> None:
    drift = Drift(tool="ld", package="binutils", published=".interp first", rebuilt="notes first", seen=())
    assert cause_words.drifted(drift) == ('ld (package binutils): published ".interp first", rebuilt "notes first"')


def test_an_excerpt_of_bytes_shows_both_sides_at_the_first_difference() -> None:
    one = bytes(1000) + b"\x7fELF one" + bytes(100)
    found = excerpt(("x",), Held(one), Held(one.replace(b"one", b"two")), note="near main")
    assert found.title == "bytes from offset 1,005"
    assert found.comments == ("near main",)
    lines = unified(found)
    assert any(line.startswith("- 000003e0  ") and "ELF one" in line for line in lines)
    assert any(line.startswith("+ 000003e0  ") and "ELF two" in line for line in lines)


def test_a_long_line_is_cut_to_where_it_differs() -> None:
    line = b"a" * 100_000 + b"ONE" + b"b" * 100_000
    found = excerpt(("min.js",), Held(line), Held(line.replace(b"ONE", b"TWO")))
    row = next(row for row in found.lines if row.changed)
    assert "ONE" in row.left
    assert "TWO" in row.right
    assert row.left.startswith("[99,950 characters] ")
    assert len(row.left) < 300


def test_equal_bytes_have_no_excerpt_and_a_longer_file_shows_its_end() -> None:
    assert excerpt((), Held(b"x"), Held(b"x")) is None
    assert unified(excerpt((), Held(b"same\n"), Held(b"same\nmore\n"))) == ["  same", "+ more", "  "]
    found = excerpt((), Held(b"\0" * 16), Held(b"\0" * 17))
    assert [(row.left, bool(row.right)) for row in found.lines if row.changed] == [("", True)]


@pytest.mark.parametrize("make", [
    lambda n: b"\n" * n, lambda n: b"ab\n" * (n // 3), lambda n: b"".join(b"%d\n" % (k % 190) for k in range(n // 4)),
    lambda n: b"x" * n, lambda n: "\u20ac".encode() * (n // 3) + b"\n",
])  # fmt: skip
def test_excerpts_of_awkward_texts_take_no_time(make) -> None:
    one = make(MAX_TEXT + 1000)
    other = b"!" + b"".join(reversed(one.splitlines(keepends=True)))
    begin = time.monotonic()
    found = excerpt(("t",), Held(one), Held(other))
    assert time.monotonic() - begin < 2
    assert found is not None
    assert len(found.lines) <= 2 * MAX_LINES
    assert all(len(row.left or "") < 400 for row in found.lines)


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_an_excerpt_of_what_differs_always_shows_a_difference(one: bytes, other: bytes) -> None:
    found = excerpt(("m",), Held(one), Held(other))
    assert (found is None) == (one == other)
    if found:
        assert any(row.changed for row in found.lines)
        assert any(line.startswith(("-", "+")) for line in unified(found))


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schemas_are_the_generated_ones(name: str) -> None:
    """To write one anew: ``python -m rebuilder.report.diff_json NAME > .../schemas/NAME.v1.schema.json``."""
    assert (SCHEMA_FOLDER / f"{name}.v1.schema.json").read_bytes() == schema(name)


def test_what_is_written_holds_to_the_schemas() -> None:
    data = explained_files()[f"difference-{BUBBLEWRAP}.json"]
    difference = Difference.model_validate_json(data)
    jsonschema.validate(json.loads(data), json.loads(schema("difference")))
    told = example_view(different_explained()).told[0]
    sides = ComparedSide(name="a", sha256=sha("a"), size=1), ComparedSide(name="b", members=3)
    view = DiffView(published=sides[0], rebuilt=sides[1], told=told, tool_version="1")
    body = json.loads(output(view, difference).model_dump_json(by_alias=True))
    jsonschema.validate(body, json.loads(schema("diff")))
    assert (body["equal"], body["published"]["kind"], body["rebuilt"]["kind"]) == (False, "file", "folder")
    body["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
        jsonschema.validate(body, json.loads(schema("diff")))


def test_a_comparison_in_words_groups_its_findings_and_bounds_them() -> None:
    side = ComparedSide(name="x", sha256=sha("x"), size=1)
    told = big(many_findings())
    lines = diff_lines(DiffView(published=side, rebuilt=side, told=told, tool_version="1"))
    assert lines[2].startswith("differs: 10,000 differences (")
    assert "  mtime differs in 9,998 members (metadata)" in lines
    assert "    and 9,995 more" in lines
    assert len(lines) < 40
    assert not any(HIDDEN.search(line) for line in lines)
    assert summary_line(DiffView(published=side, rebuilt=side, told=told, tool_version="1")).startswith("differs: 10,0")


# --- what is left out is said ---------------------------------------------------------------------------


def test_findings_past_the_limit_of_the_comparison_are_said_where_their_number_is() -> None:
    explanation, data = explanation_of("big.deb", many_findings(30), ())
    told = told_of(
        explanation.model_copy(update={"remarks": ("70000 more findings are not listed; the limit is 30",)}), data
    )
    text = text_of(page_of(told))
    assert "30 differences and 70,000 more that are not listed" in text
    assert "All 30 differences" not in text
    assert "70,000 further differences went past the limit of the comparison and are listed nowhere." in text
    assert "30 differences and 70,000 more that are not listed" in explain_text.lines((told.explanation,))[0]


def test_a_member_name_cannot_make_up_findings_past_the_limit() -> None:
    explanation, _ = explanation_of("big.deb", many_findings(3), ())
    fake = "9 more findings are not listed; the limit is 5: opened as bytes"
    assert cause_words.unlisted(explanation.model_copy(update={"remarks": (fake,)})) == 0


def test_changes_that_the_terminal_leaves_out_are_counted() -> None:
    changes = tuple(Change(where="environment", target=f"package:p{n}=1", text=f"p{n} 1") for n in range(9))
    proof = Proof(run_id="r", artifact="a", cause="c", changes=changes, result="refuted", reason="")
    assert "  4 further changes not shown here" in explain_text.lines((), proof)
    cause = explained_causes()[0].model_copy(update={"changes": changes})
    explanation, _ = explanation_of("a", explained_findings(), (cause,))
    assert any("4 further changes not shown here" in line for line in explain_text.lines((explanation,)))


def test_comments_that_have_no_room_are_counted() -> None:
    comments = tuple(f"comment {n}" for n in range(14))
    explanation, data = explanation_of("a", explained_findings(), ())
    block = Block(member=("m",), title="t", comments=comments, lines=(), truncated=0)
    (view,) = differences.view([told_of(explanation, data, (block,))])
    assert view.sides[0].comments == (*comments[:10], "4 further comments are not shown here")


def test_a_file_whose_name_no_link_can_hold_costs_its_link_and_not_the_page() -> None:
    """A backslash is legal in a file's name; what a build leaves may be called so."""
    record, name = different_explained(), "any-1-a\\b_1_amd64.buildinfo"
    page = PageReporter().page(record, {**explained_files(), name: b"x"}).decode()
    assert "buildinfo" in text_of(page)


def test_many_artifacts_share_the_room_for_the_texts_of_diffoscope() -> None:
    record, names = different_explained(), [f"p{n}.deb" for n in range(40)]
    reports = tuple(DiffReport(artifact=name, status="complete", tool="d", seconds=1) for name in names)
    record = record.model_copy(update={"explanation": record.explanation.model_copy(update={"reports": reports})})
    page = PageReporter().page(record, {f"diffoscope-{name}.txt": b"x" * 190_000 for name in names})
    assert len(page) < 2_000_000
    assert "characters are left out of the middle" in text_of(page.decode())


def told(*kinds: DifferenceClass, causes: tuple[Cause, ...] = ()) -> ArtifactExplanation:
    return ArtifactExplanation(
        artifact="x", difference=Side(), members=Count(published=3, rebuilt=3, equal=1),
        classes=dict.fromkeys(kinds, 2), causes=causes,
    )  # fmt: skip


def test_the_headline_counts_members_and_differences_apart():
    assert cause_words.summary(told(DifferenceClass.CONTENT, DifferenceClass.METADATA)) == (
        "4 differences (2 metadata, 2 content); 1 of 3 members are equal in every respect"
    )
    assert cause_words.summary(told(DifferenceClass.METADATA)).startswith("the content of every member is equal; 2 ")
    assert not cause_words.summary(told(DifferenceClass.MISSING)).startswith("the content")


def test_two_versions_are_said_before_their_causes():
    cause = Cause(
        id="other-version", title="Another version of the package", severity=Severity.BEHAVIOUR, confidence="proved",
        findings=(0,), evidence=(), fix="Rebuild the other one.", docs="causes/other-version.md",
    )  # fmt: skip
    rows = explain_text.artifact_lines(told(DifferenceClass.CONTENT, causes=(cause,)))
    assert rows[0] == (
        "These are two versions, so most of what differs is a change of the source; the fixes below are for two builds "
        "of one version."
    )
    assert cause_words.versions(told(DifferenceClass.CONTENT)) == ""


def test_values_are_quoted_without_their_sizes_and_long_lists_of_fields_are_cut():
    sides = {"published": Side(value="Size: 60", sha256="0" * 64, size=460), "rebuilt": Side(value="x", size=461)}
    names = ", ".join(f"f{number}" for number in range(9))
    finding = Finding(path=("a",), kind=DifferenceClass.METADATA, what="w", note=f"9 fields: {names}", **sides)
    assert cause_words.values(finding) == (
        'published "Size: 60" (460 bytes), rebuilt "x" (461 bytes); 9 fields: f0, f1, f2, f3, f4, f5 and 3 more'
    )
    same = finding.model_copy(update={"rebuilt": Side(value="x", size=460), "note": ""})
    assert cause_words.values(same) == 'published "Size: 60", rebuilt "x"'
    assert cause_words.briefly("near main+0x14, more") == "near main+0x14, more"
