"""Every view of a check: terminal, page, JSON, SARIF, JUnit."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

import rebuilder.report
from rebuilder.check.model import CheckReport, CheckVerdict, Fix
from rebuilder.data import Held
from rebuilder.findings import Change
from rebuilder.report import check_json, check_words
from rebuilder.report.check_page import ACCENT, CheckView, render_check
from rebuilder.report.check_text import check_lines, summary_line
from rebuilder.report.excerpts import excerpt
from rebuilder.report.junit import junit
from rebuilder.report.reporter import told_of
from rebuilder.report.sarif import project_files, sarif
from tests.check_cases import (
    CANARY,
    CASES,
    HOSTILE,
    NATIVE,
    SDIST,
    WHEEL,
    build_failed,
    difference_files,
    fails_under_one,
    flaky,
    hostile,
    not_effective,
    path_breakage,
    reproducible,
    two_breakages,
    umask_breakage,
    variations,
)
from tests.unit.test_report_pages import ATTRIBUTES_WITH_SCRIPT, Page

GOLDEN = Path(__file__).parent.parent / "golden"
SCHEMA = Path(rebuilder.report.__file__).parent / "schemas" / "check.v1.schema.json"
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufffe]")
EVERY = {**CASES, "hostile": hostile}
FILES = ("check.json", "first/build.sh", "second/build.sh")


def view_of(report: CheckReport, **changes: object) -> CheckView:
    files = difference_files()
    before, after = b"\x7fELF" * 20 + b"/build/demo/native.c\0", b"\x7fELF" * 20 + CANARY.encode() + b"/native.c\0"
    blocks = [one for one in (excerpt(NATIVE[1:], Held(before), Held(after)),) if one]
    told = tuple(
        told_of(one.explanation, files[f"difference-{one.name}.json"], blocks if one.name == WHEEL else ())
        for one in report.outputs
        if one.explanation
    )
    return CheckView(**({"report": report, "told": told, "files": FILES} | changes))  # type: ignore[arg-type]


def text_of(report: CheckReport, **changes: object) -> str:
    return " ".join(Page(render_check(view_of(report, **changes))).text.split())


# --- the terminal -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "first"), [
    ("reproducible", "REPRODUCIBLE: No difference was seen in 2 outputs under 18 effective variations."),
    ("two-breakages", f"NOT REPRODUCIBLE: {WHEEL} differs in 2 of 72 members, and {SDIST} in 4 of 74."),
    ("flaky", f"FLAKY: {WHEEL} does not come out the same even when nothing is varied."),
    ("build-failed", "BUILD FAILED: The build needs the network: it asked for the host data.example, and there is "
                     "none in the container."),
])  # fmt: skip
def test_the_first_line_has_the_verdict_and_the_headline(name: str, first: str) -> None:
    assert check_lines(CASES[name](), folder="report")[0] == summary_line(CASES[name]()) == first


def test_each_breakage_is_a_block_with_cause_place_proof_fix_and_change() -> None:
    lines = check_lines(two_breakages(), folder="report")
    at = lines.index(f"1. {path_breakage().summary}")
    assert lines[at : at + 16] == [
        f"1. The build path is embedded in demo/_native.so of {WHEEL} (.rodata, offset 0x2104).",
        "   breaks with: Build path (path)",
        "   cause: The program holds the folder it was built in "
        "(proved; worth a look; docs/causes/build-path-rodata.md)",
        f"   where: {WHEEL} » demo/_native.so » .rodata",
        "   seen: demo/_native.so » .rodata, text at byte 8,452 (0x2104)",
        '         control "/build/demo/native.c"',
        f'         varied  "{CANARY}/native.c"',
        "   proof: the unique text that this variation put into the build stands in the bytes that differ; "
        "builds with it differ and builds without it do not",
        "   fix: Add -ffile-prefix-map=$PWD=. to CFLAGS.",
        "        confirmed by a rebuild with CFLAGS=-ffile-prefix-map=@TREE@=.",
        "   In the project, pyproject.toml:",
        "       [tool.cibuildwheel]",
        '       environment = { CFLAGS="-ffile-prefix-map=$PWD=." }',
        "   In the environment of the build, variable:CFLAGS:",
        "       export CFLAGS=-ffile-prefix-map=$PWD=.",
        "",
    ]
    assert lines[at + 16] == f"2. Modes of 4 members of {SDIST} follow the umask."
    assert "          and 1 more place" in lines
    assert "        not tried by a rebuild: it has to go into the project" in lines
    assert "       tar --mode=u+rw,go=rX,a-s" in lines


def test_a_fix_that_did_not_help_is_said() -> None:
    refuted = path_breakage().model_copy(update={"fix": Fix(words="Do it.", result="refuted", tried=("A=1",))})
    lines = check_lines(two_breakages().model_copy(update={"breakages": (refuted,)}), folder="")
    assert "        tried by a rebuild, which did not help with A=1" in lines


def test_what_was_seen_is_said_and_no_more_than_that() -> None:
    lines = check_lines(not_effective(), folder="report")
    passed = [line for line in lines if line.startswith("Passed: ")]
    assert passed == [
        "Passed: no difference seen under 15 effective variations in 2 builds: path, home, user, umask, timezone, "
        "host, environment, exec-path, shell, jobs, clock, order, times, tmpdir, hash-seed."
    ]
    assert "Not effective, so that it says nothing: locale - the locale et_EE.UTF-8 is not in the toolchain" in lines
    assert "Left out: cpu, kernel" in lines
    assert "Not varied, for no container can:" in lines
    assert "  the real clock: programs without a dynamic loader do not see a faked one" in lines
    for make in CASES.values():
        assert "deterministic" not in "\n".join(check_lines(make(), folder="report")).lower()


def test_variations_that_say_nothing_are_never_among_those_that_passed() -> None:
    lines = check_lines(flaky(), folder="report")
    assert not [line for line in lines if line.startswith("Passed")]
    undecided = [line for line in lines if line.startswith("Undecided: path,")]
    assert len(undecided) == 1
    assert "   breaks with: nothing varied; it differs between equal builds" in lines
    failed = check_lines(build_failed(), folder="report")
    assert "Nothing was varied, because the control failed: nothing is said about any variation." in failed
    assert not [line for line in failed if line.startswith(("Undecided", "Passed", "Not varied"))]
    assert "Effective, but not for all: home - static programs do not read it" in check_lines(
        two_breakages(), folder="report"
    )


def test_builds_seed_folder_and_dirty_tree_are_told() -> None:
    lines = check_lines(two_breakages(), folder="/tmp/a report/")
    at = lines.index("Builds")
    assert [line.split() for line in lines[at + 1 : at + 5]] == [
        ["1", "control", "nothing", "varied", "21.4", "s", "the", "control"],
        ["2", "varied", "18", "variations", "21.4", "s", "differs:", f"{WHEEL},", SDIST],
        ["3", "confirm", "16", "variations", "21.4", "s", "equal"],
        ["4", "fix", "17", "variations", "21.4", "s", "equal"],
    ]
    assert "Seed 7. To repeat this check exactly: rebuilder check . --variations all --seed 7" in lines
    assert "page: /tmp/a report/index.html" in lines
    assert "build by hand: /tmp/a report/first/build.sh and /tmp/a report/second/build.sh" in lines
    assert check_lines(reproducible(), folder="x")[1] == (
        "  The work tree is not clean and was not built, only the commit: 1 file is not as in the commit: README.md."
    )
    assert not [line for line in check_lines(reproducible(), folder="") if "index.html" in line]


EPOCH = "Built with SOURCE_DATE_EPOCH=1795000000 (from time of the commit): your release build has to set it too."


def test_what_others_get_is_listed_with_digests_and_the_epoch() -> None:
    report = reproducible()
    lines = check_lines(report, folder="report")
    at = lines.index("The same in every build (sha256)")
    assert lines[at + 1 : at + 5] == [
        *(f"  {one.first.sha256}  {one.name}" for one in report.outputs if one.first), "", EPOCH,
    ]  # fmt: skip
    many = report.model_copy(update={"outputs": report.outputs[:1] * 203})
    assert "  3 further outputs are not shown here" in check_lines(many, folder="")
    for make in (two_breakages, flaky, build_failed):
        other = check_lines(make(), folder="report")
        assert EPOCH in other
        assert "The same in every build (sha256)" not in other
    none = report.model_copy(update={"source": report.source.model_copy(update={"epoch": None})})
    assert "SOURCE_DATE_EPOCH" not in "\n".join(check_lines(none, folder="report"))


def test_a_report_that_was_not_kept_is_not_named() -> None:
    report = reproducible()
    lines = check_lines(report, folder="")
    assert "No report was kept; --output DIR keeps one (page, JSON, both builds as scripts)." in lines
    assert not [line for line in lines if report.check_id in line]
    assert lines[-1].startswith("Finished 2026-11-20T")
    kept = check_lines(report, folder="report")
    assert kept[-1].startswith(f"Check {report.check_id}, finished ")
    assert not [line for line in kept if line.startswith("No report was kept")]


def test_a_failed_build_shows_the_end_of_its_log_made_harmless() -> None:
    word = "0123456789abcdef01234567"
    log = "".join(f"step {number}\n\n" for number in range(40)) + f"{word} umask 0022\n{word} end\n\x1b[31mno\x00\n"
    lines = check_lines(build_failed(), folder="r", log=log)
    at = lines.index("The last 15 lines of its log")
    assert lines[at + 1 : at + 17] == [*(f"  step {number}" for number in range(26, 40)), "  \\x1b[31mno\\x00", ""]
    assert not [line for line in lines if word in line]
    assert "The last 1 line of its log" in check_lines(build_failed(), folder="r", log="no")
    assert not [line for line in check_lines(two_breakages(), folder="r", log=log) if "of its log" in line]
    long = check_lines(build_failed(), folder="r", log="y" * 10**6)
    assert max(map(len, long)) < 2100


def test_a_failed_build_says_why_and_has_one_script() -> None:
    lines = check_lines(build_failed(), folder="r")
    assert lines[lines.index("Builds") + 1].endswith(
        "failed: the build command ended with an error (status 1): it asked for the host data.example"
    )
    assert "build by hand: r/first/build.sh" in lines
    fails = check_lines(fails_under_one(), folder="r")
    assert "   breaks with: Build path (path); the build fails with it" in fails
    assert "   proof: builds with it fail and builds without it do not" in fails
    assert '               $(CC) -o demo "$(CURDIR)/demo.c"' in fails
    assert not [line for line in fails if "no known cause fits" in line]


def test_terminal_lines_are_harmless_and_bounded() -> None:
    lines = check_lines(hostile(), folder="r")
    assert len(lines) < 2000
    assert not [line for line in lines if HIDDEN.search(line) or "\n" in line or len(line) > 2100]
    assert "100 further breakages are not shown here" in lines


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two-breakages", "not-effective"])
def test_golden(name: str) -> None:
    """The exact page. ``REBUILDER_WRITE_GOLDEN=1 pytest ...`` writes it anew; then read the difference."""
    page = render_check(view_of(CASES[name]()))
    body = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|sha256-[A-Za-z0-9+/=]{44}", "", page)
    path = GOLDEN / f"check-{name}.html"
    if os.environ.get("REBUILDER_WRITE_GOLDEN"):
        path.write_text(body, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == body


@pytest.mark.parametrize("name", EVERY)
def test_page_is_whole_harmless_and_asks_for_nothing_from_elsewhere(name: str) -> None:
    text = render_check(view_of(EVERY[name](), logs={1: HOSTILE}))
    page = Page(text)
    assert page.open == []
    assert not [a for _, attributes in page.elements for a in attributes if ATTRIBUTES_WITH_SCRIPT.search(a)]
    for tag, attributes in page.elements:
        for key in ("src", "href", "data", "action", "poster", "srcset"):
            assert not re.match(r"(?i)[a-z][a-z0-9+.-]*:|//", attributes.get(key) or ""), (tag, attributes)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert not HIDDEN.search(text)
    assert len(text.encode()) < 3_000_000
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(attributes.get("href") or "")[1:] for tag, attributes in page.elements if tag == "a"
               and (attributes.get("href") or "").startswith("#")}  # fmt: skip
    assert targets <= set(ids)


def test_page_tells_breakages_then_variations_builds_members_and_inputs() -> None:
    ids = [attributes["id"] for tag, attributes in Page(render_check(view_of(two_breakages()))).elements
           if tag == "section" and attributes.get("id")]  # fmt: skip
    assert ids == ["breakages", "variations", "builds", "outputs", "members", "sides", "source", "toolchain",
                   "by-hand", "not-varied"]  # fmt: skip
    assert text_of(build_failed()).index("The builds, in order") < text_of(build_failed()).index("What was varied")


def test_page_shows_cause_both_values_canary_and_the_change_as_code() -> None:
    page = render_check(view_of(two_breakages()))
    text = " ".join(Page(page).text.split())
    for part in (
        "1. The build path is embedded in demo/_native.so",
        'control "/build/demo/native.c"',
        f'varied "{CANARY}/native.c"',
        "Confirmed by a rebuild with CFLAGS=-ffile-prefix-map=@TREE@=.",
        "proved by canary",
        "docs/causes/build-path-rodata.md in Rebuilder's documentation",
        "mode differs in 4 members",
        "the control's file is called published and that of build 2 rebuilt",
        "diff -u first/build.sh second/build.sh # only what was varied sh first/build.sh sh second/build.sh",
        "9505cacb7c71 (v1.0)",
    ):
        assert part in text, part
    assert '<pre>[tool.cibuildwheel]\nenvironment = { CFLAGS=&#34;-ffile-prefix-map=$PWD=.&#34; }</pre>' in page


def test_page_shows_every_variation_with_what_the_probe_saw() -> None:
    text = text_of(not_effective())
    assert "Locale locale not effective the locale et_EE.UTF-8 is not in the toolchain C.UTF-8 et_EE.UTF-8" in text
    assert "Umask umask passed 0022 0002 the same as given" in text
    assert "Whether it depends on locale, cpu, kernel or on what no container can vary (2, listed below)" in text
    assert "Number of processors: left out" in text


def test_page_shows_logs_plan_and_dirty_tree() -> None:
    text = text_of(build_failed(), logs={1: "no such host\n" + "y" * 300_000}, files=("check.json",))
    assert "no such host" in text
    assert "This is not the whole log: " in text
    assert "sh first/build.sh" not in text
    assert "≠ differs: " in text_of(two_breakages())
    assert "The work tree is not clean and was not built, only the commit" in text_of(reproducible())
    assert "480 further warnings are in check.json." in text_of(hostile())


def test_page_says_which_bytes_others_get() -> None:
    text = text_of(reproducible())
    assert "Will others get my bytes? As far as was seen, if they use the same toolchain: 2 outputs, listed" in text
    assert text.count(EPOCH) == 2
    assert text_of(two_breakages()).count(EPOCH) == 1
    assert "Will others get my bytes?" not in text_of(two_breakages())


def test_page_says_of_a_failed_control_that_nothing_was_varied() -> None:
    text = text_of(build_failed())
    assert "Nothing was varied, because the control failed: nothing is said about any variation." in text
    assert "Build path path not tried" in text
    assert "Build path: not tried" in text


def test_a_long_headline_is_set_smaller_and_titles_are_sentences() -> None:
    page = render_check(view_of(two_breakages()))
    assert '<h1 id="headline">' in page
    assert '<span class="quiet">Verdict</span>Not reproducible</p>' in page
    assert "<title>Not reproducible: demo" in page
    long = two_breakages().model_copy(update={"headline": "demo " * 30})
    assert '<h1 id="headline" class="long">demo demo' in render_check(view_of(long))
    plain = reproducible().model_copy(update={"headline": "no difference seen."})
    assert '<h1 id="headline">No difference seen.' in render_check(view_of(plain))


def test_only_what_breaks_is_coloured() -> None:
    page = render_check(view_of(two_breakages()))
    rows = [attributes.get("class") for tag, attributes in Page(page).elements if tag == "tr"]
    assert rows.count("calm") == 16


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../b", "", "a\\b"])
def test_files_beside_the_page_must_be_beside_it(path: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path of plain names, found"):
        view_of(reproducible(), files=(path,))


def test_every_verdict_has_words_and_a_shape() -> None:
    for verdict in CheckVerdict:
        assert verdict in ACCENT
        assert verdict in check_words.VERDICT_MEANING
    assert {case().verdict for case in CASES.values()} == set(CheckVerdict)


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_json_holds_to_its_schema_and_comes_back_equal(name: str) -> None:
    report = EVERY[name]()
    data = check_json.output(report)
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(data), schema)
    assert CheckReport.model_validate_json(data) == report
    assert json.loads(data)["schema"] == "rebuilder/check/v1"


@pytest.mark.parametrize(("change", "message"), [
    ({"surprise": 1}, "Additional properties are not allowed"),
    ({"verdict": "deterministic"}, "is not one of"),
    ({"schema": "rebuilder/check/v2"}, "was expected"),
])  # fmt: skip
def test_schema_refuses_what_the_model_refuses(change: dict, message: str) -> None:
    body = json.loads(check_json.output(reproducible())) | change
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate(body, json.loads(SCHEMA.read_bytes()))


@pytest.mark.parametrize("write", [sarif, junit, check_json.output])
@pytest.mark.parametrize("name", EVERY)
def test_the_same_report_gives_the_same_bytes(name: str, write) -> None:
    assert write(EVERY[name]()) == write(CheckReport.model_validate_json(check_json.output(EVERY[name]())))


# --- SARIF --------------------------------------------------------------------------------------


def closed(required: str = "", **properties: object) -> dict:
    """An object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def many(item: object, **limits: object) -> dict:
    return {"type": "array", "items": item, **limits}


TEXT = {"type": "string", "minLength": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = closed("text", text=TEXT)
BAG = {"type": "object"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9._~%/+-]+$"}
LOCATION = closed(
    "physicalLocation",
    physicalLocation=closed(
        "artifactLocation",
        artifactLocation=closed("uri", uri=URI, uriBaseId=TEXT),
        region=closed("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations=many(closed("fullyQualifiedName", name=TEXT, fullyQualifiedName=TEXT, kind=TEXT)),
)
RULE = closed("id", id=TEXT, shortDescription=MESSAGE, help=MESSAGE, properties=BAG,
              defaultConfiguration=closed("level", level=LEVEL))  # fmt: skip
RESULT = closed(
    "message ruleId ruleIndex level locations partialFingerprints",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations=many(LOCATION, maxItems=1),
    relatedLocations=many(LOCATION, uniqueItems=True),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    properties=BAG,
)
INVOCATION = closed(
    "executionSuccessful exitCode",
    commandLine=TEXT,
    exitCode={"type": "integer"},
    executionSuccessful={"type": "boolean"},
    startTimeUtc=TIME,
    endTimeUtc=TIME,
    toolExecutionNotifications=many(closed("message", level=LEVEL, message=MESSAGE)),
)
DRIVER = closed("name", name=TEXT, version=TEXT, rules=many(RULE, uniqueItems=True))
#: What we use of SARIF 2.1.0, with the types, the names and the required properties of that standard.
LOG = closed(
    "version runs",
    **{"$schema": {"type": "string"}},
    version={"const": "2.1.0"},
    runs=many(
        closed(
            "tool results",
            tool=closed("driver", driver=DRIVER),
            automationDetails=closed("id", id=TEXT),
            invocations=many(INVOCATION),
            results=many(RESULT),
            properties=BAG,
        )
    ),
)


def run_of(report: CheckReport) -> dict:
    return json.loads(sarif(report))["runs"][0]


@pytest.mark.parametrize("name", EVERY)
def test_sarif_has_the_shape_the_standard_wants(name: str) -> None:
    report = EVERY[name]()
    log = json.loads(sarif(report))
    jsonschema.Draft202012Validator(LOG).validate(log)
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert run["invocations"][0]["exitCode"] == report.verdict.exit_code
    texts = [result["message"]["text"] for result in run["results"]] + [rule["help"]["text"] for rule in rules]
    assert not [text for text in texts if HIDDEN.search(text) or "\n" in text or "](" in text]
    assert not [text for text in texts if re.search(r"(?<!\{)\{(?!\{)", text)]


def test_sarif_of_a_breakage_names_the_file_to_change_and_the_member() -> None:
    first, second = run_of(two_breakages())["results"]
    assert (first["ruleId"], first["level"]) == ("build-path-rodata", "error")
    location = first["locations"][0]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "pyproject.toml", "uriBaseId": "%SRCROOT%"}
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "demo/_native.so » .rodata"
    assert first["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == {"uri": WHEEL}
    assert first["properties"]["variations"] == ["path"]
    assert first["properties"]["canaries"] == ["c7q2m9x4"]
    assert first["properties"]["proof"] == ["canary", "rebuild"]
    assert first["properties"]["seed"] == 7
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": SDIST}, "no file is named"
    rule = run_of(two_breakages())["tool"]["driver"]["rules"][first["ruleIndex"]]
    assert rule["help"]["text"].startswith("Build in the same folder, or compile with -ffile-prefix-map")
    assert "helpUri" not in rule


def test_sarif_levels_of_flaky_not_effective_and_failed() -> None:
    assert [(one["ruleId"], one["level"]) for one in run_of(flaky())["results"]] == [
        ("differs-between-equal-builds", "warning")
    ]
    assert [(one["ruleId"], one["level"]) for one in run_of(not_effective())["results"]] == [
        ("variation-not-effective", "note")
    ]
    failed = run_of(build_failed())
    assert [(one["ruleId"], one["level"]) for one in failed["results"]] == [("build-failed", "error")]
    assert failed["invocations"][0]["executionSuccessful"] is False
    assert "data.example" in failed["results"][0]["message"]["text"]
    under = run_of(fails_under_one())["results"][0]
    assert under["ruleId"] == "build-fails-under-variation"
    assert under["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "Makefile"
    assert run_of(reproducible())["results"] == []


def fingerprints(report: CheckReport) -> list[str]:
    return [one["partialFingerprints"]["rebuilderBreakage/v1"] for one in run_of(report)["results"]]


def test_fingerprints_are_those_of_the_next_version_and_differ_between_breakages() -> None:
    text = two_breakages().model_dump_json(by_alias=True)
    later = text.replace("demo-1.0", "demo-1.1.2rc1").replace('"version":"1.0"', '"version":"1.1.2rc1"')
    later = later.replace('"seed":7', '"seed":8').replace("c7q2m9x4", "zzzz2222")
    found = fingerprints(two_breakages())
    assert fingerprints(CheckReport.model_validate_json(later)) == found
    assert len(set(found)) == 2
    both = two_breakages().model_copy(update={"breakages": tuple(
        one.model_copy(update={"cause": None}) for one in (path_breakage(), umask_breakage()))})  # fmt: skip
    assert len({*fingerprints(both), *found}) == 4


@pytest.mark.parametrize(("target", "fits"), [
    ("pyproject.toml", True), ("Makefile", True), ("src/GNUmakefile", True), ("CMakeLists.txt", True),
    ("debian/rules", True), (".cargo/config.toml", True), ("package.json", True),
    ("build script", False), ("CFLAGS", False), ("../../etc/passwd.txt", False), ("/etc/x.toml", False),
    ("a/../b.toml", False), ("https://x/y.toml", False), ("", False), ("a\nb.toml", False),
])  # fmt: skip
def test_only_plain_paths_of_the_project_are_taken_for_files(target: str, fits: bool) -> None:
    assert list(project_files([target])) == ([target] if fits else [])


# --- JUnit --------------------------------------------------------------------------------------


def cases_of(report: CheckReport) -> dict[str, ET.Element]:
    root = ET.fromstring(junit(report))
    assert root.tag == "testsuites"
    suite = root.find("testsuite")
    found = {case.get("name"): case for case in suite.findall("testcase")}
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(count)) == sum(case.find(tag) is not None for case in found.values())
    assert int(suite.get("tests")) == len(found) == len(suite.findall("testcase"))
    return found


@pytest.mark.parametrize("name", EVERY)
def test_junit_is_well_formed_and_passes_only_what_passed(name: str) -> None:
    report = EVERY[name]()
    found = cases_of(report)
    for one in report.variations:
        assert (len(found[one.name]) == 0) is (one.status == "passed"), one.name
    assert not HIDDEN.search(junit(report).decode())


def test_junit_failure_has_summary_cause_fix_and_change() -> None:
    case = cases_of(two_breakages())["path"]
    assert case.get("classname") == "rebuilder.check.demo"
    failure = case.find("failure")
    assert failure.get("message") == path_breakage().summary
    for part in (
        "cause: The program holds the folder it was built in (proved)",
        "fix: Add -ffile-prefix-map=$PWD=. to CFLAGS. (confirmed by a rebuild",
        'In the project, pyproject.toml:\n[tool.cibuildwheel]\nenvironment = { CFLAGS="',
    ):
        assert part in failure.text


def test_junit_of_what_says_nothing_is_skipped_with_its_reason() -> None:
    found = cases_of(not_effective())
    assert found["locale"].find("skipped").get("message") == (
        "not effective: the locale et_EE.UTF-8 is not in the toolchain "
        "(the probe in the container saw no effect, so this says nothing)"
    )
    assert found["cpu"].find("skipped").get("message") == (
        "left out (not varied here: it was not asked for, or a warning says why)"
    )


def test_junit_of_flaky_failed_and_breaking_without_a_place() -> None:
    assert "differs between two builds" in cases_of(flaky())["repeat"].find("failure").get("message")
    failed = cases_of(build_failed())
    assert "data.example" in failed["build"].find("error").get("message")
    assert failed["path"].find("skipped").get("message").startswith("undecided (")
    assert len(cases_of(reproducible())["build"]) == 0
    lonely = reproducible().model_copy(update={"variations": variations("path")})
    assert cases_of(lonely)["path"].find("failure").get("message") == "Build path breaks the build"


def test_changes_of_the_cause_stand_in_where_the_fix_has_none() -> None:
    own = Change(where="project", target="Makefile", text="x")
    assert [one.target for one in check_words.changes(umask_breakage())] == ["build script"]
    fixed = umask_breakage().model_copy(update={"fix": Fix(words="x", changes=(own,))})
    assert check_words.changes(fixed) == (own,)
