from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import rebuilder.report
from rebuilder.data import Held
from rebuilder.model import Record
from rebuilder.report import words
from rebuilder.report.excerpts import Excerpt, excerpt
from rebuilder.report.index import index_row, render_index
from rebuilder.report.pages import Link, RunView, StatementSummary, render_run
from rebuilder.report.reporter import told_of
from rebuilder.report.templates import render
from tests.record_cases import CASES, different_assumed, different_explained, explained_files, hostile, reproduced
from tests.records import lock, sha

GOLDEN = Path(__file__).parent.parent / "golden"
#: Every element and attribute the pages may have; anything else came from somewhere it must not.
VOID = {"meta", "link", "br", "wbr", "input"}
ATTRIBUTES_WITH_SCRIPT = re.compile(r"^on|^style$|^srcdoc$|^formaction$")


class Page(HTMLParser):
    """Elements, attributes and text of a page, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID and tag not in {"path", "rect", "circle", "use"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def explained_excerpts() -> tuple[Excerpt, ...]:
    """A text and a binary side by side, of invented members."""
    text = b"".join(b"line %d of the notes\n" % n for n in range(30))
    pairs = [(("data.tar.xz", "./NEWS"), text, text.replace(b"line 7 ", b"line seven ")),
             (("data.tar.xz", "./usr/bin/bwrap"), bytes(range(256)), bytes(range(200)) + bytes(56))]  # fmt: skip
    found = [excerpt(path, Held(one), Held(other)) for path, one, other in pairs]
    return tuple(one for one in found if one)


def view_of(record: Record, **changes: object) -> RunView:
    compared = record.comparison.artifacts if record.comparison else ()
    bundles = tuple(f"{one.artifact}.intoto.jsonl" for one in compared)
    values = {
        "record": record,
        "recipe_text": 'format = "rebuilder/recipe/v1"\n',
        "lock": lock() if record.toolchain else None,
        "log_text": "dh build\n\x1b[1mdone\x1b[0m\n" if record.built else "",
        "told": tuple(
            told_of(one, explained_files().get(f"difference-{one.artifact}.json"), explained_excerpts())
            for one in record.explanation.artifacts
        ),
        "diff_texts": {one.artifact: "--- published\n+++ rebuilt\n" for one in record.explanation.reports},
        "bundle_names": bundles,
        "statements": tuple(
            StatementSummary(
                says="These bytes came out of our build",
                predicate_type="provenance/v1",
                subject=one.artifact,
                sha256=one.published.sha256,
                bundle=name,
                key=sha("attest key"),
            )
            for one, name in zip(compared, bundles, strict=True)
        ),
        "links": (
            Link(kind="record", label="run.json", path="run.json"),
            *(
                Link(kind="diff-html", label="x", path=f"diff/{n}.html", artifact=one.artifact)
                for n, one in enumerate(record.explanation.reports)
            ),
        ),
        "index_path": "../../index.html",
    }
    return RunView(**(values | changes))  # type: ignore[arg-type]


GOLDEN_PAGES = ("recovered", "different-assumed", "different-explained", "confirmed", "refused", "index")


@pytest.mark.parametrize("name", GOLDEN_PAGES)
def test_golden(name: str) -> None:
    """The exact page. ``REBUILDER_WRITE_GOLDEN=1 pytest ...`` writes it anew; then read the difference."""
    rows = [
        index_row(make(), page=f"runs/{key}/index.html", record_path=f"runs/{key}/run.json")
        for key, make in CASES.items()
    ]
    page = render_index(rows) if name == "index" else render_run(view_of(CASES[name]()))
    body = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|sha256-[A-Za-z0-9+/=]{44}", "", page)
    path = GOLDEN / f"report-{name}.html"
    if os.environ.get("REBUILDER_WRITE_GOLDEN"):
        path.write_text(body, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == body


@pytest.mark.parametrize("name", CASES)
def test_page_is_whole_and_asks_for_nothing_from_elsewhere(name: str) -> None:
    page = Page(render_run(view_of(CASES[name]())))
    assert page.open == []
    assert not [a for _, attributes in page.elements for a in attributes if ATTRIBUTES_WITH_SCRIPT.search(a)]
    for tag, attributes in page.elements:
        for key in ("src", "href", "data", "action", "poster", "srcset"):
            target = attributes.get(key) or ""
            assert not re.match(r"(?i)[a-z][a-z0-9+.-]*:|//", target), (tag, target)
    assert [tag for tag, _ in page.elements].count("script") == 1


@pytest.mark.parametrize("name", CASES)
def test_page_answers_an_outsiders_questions(name: str) -> None:
    record = CASES[name]()
    view = view_of(record)
    text = " ".join(Page(render_run(view)).text.split())
    assert words.headline(record) in text
    for question in (
        "What was rebuilt?",
        "From which source?",
        "With which toolchain?",
        "Who signed the original?",
        "What differs?",
        "Is that the publisher's fault?",
        "Who says so?",
        "How do I check?",
    ):
        assert question in text
    assert all(paragraph in text for paragraph in words.fault(record))
    assert all(point in text for point in words.not_proved(record))
    assert record.signer.organisation in text
    for one in record.comparison.artifacts if record.comparison else ():
        assert one.published.sha256 in text
        assert f"rebuilder verify-bundle {one.artifact}.intoto.jsonl" in text
    assert all(item in text for item in record.missing)
    if record.toolchain:
        assert all(one.package in text and one.sha256 in text for one in view.lock.packages)
        assert ("not in a signed index" in text) is bool(record.toolchain.unsigned)


def test_sections_come_in_the_promised_order() -> None:
    ids = [
        attributes["id"]
        for tag, attributes in Page(render_run(view_of(different_explained()))).elements
        if tag == "section" and attributes.get("id")
    ]
    assert ids == [
        "environment",
        "causes",
        "members",
        "sides",
        "raw",
        "compared",
        "fault",
        "endorsement",
        "inputs",
        "source",
        "toolchain",
        "timeline",
        "attempts",
        "log",
        "not-proved",
        "who",
        "check",
        "files",
    ]


def test_nothing_hostile_gets_through() -> None:
    bad = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e"
    view = view_of(
        hostile(),
        log_text=bad + "y" * 1_000_000,
        recipe_text=bad,
        diff_texts={bad: bad},
        text_notes={"log": bad},
        bundle_names=(bad.replace("/", ""),),
        verify_commands=(bad,),
        links=(Link(kind="bundle", label=bad, path="javascript:alert(1)"), Link(kind="log", label=bad, path='a"b?c#d')),
    )
    text = render_run(view)
    page = Page(text)
    assert page.open == []
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    targets = {attributes["href"] for tag, attributes in page.elements if tag == "a" and attributes.get("href")}
    assert "javascript%3Aalert%281%29" in targets
    assert "a%22b%3Fc%23d" in targets
    assert text.encode()
    assert max(len(line) for line in page.text.split("\n")) < 20_000


def test_hostile_index() -> None:
    text = render_index([index_row(hostile(), page="runs/a b/index.html", record_path="runs/a b/run.json")])
    page = Page(text)
    assert page.open == []
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "img" not in [tag for tag, _ in page.elements]


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../b", "", "a//b", "./a", "a\\b", "..", "a/..", "../..", "a\nb"])
def test_links_must_stay_relative(path: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path of plain names, found"):
        Link(kind="log", label="x", path=path)


def test_difference_html_is_only_ever_framed_and_sealed() -> None:
    page = Page(render_run(view_of(different_assumed())))
    frames = [attributes for tag, attributes in page.elements if tag == "iframe"]
    assert [(one["src"], one["sandbox"]) for one in frames] == [("diff/0.html", None), ("diff/1.html", None)]
    assert all(one["title"] for one in frames)
    assert not [
        1 for tag, attributes in page.elements if tag == "a" and (attributes.get("href") or "").startswith("diff/")
    ]


def test_truncation_is_said_aloud() -> None:
    long = view_of(reproduced(), log_text="z" * 900_000, text_notes={"log": "the log hit its limit"})
    text = Page(render_run(long)).text
    assert "This is not the whole log: the log hit its limit; 500,000 characters are left out of the middle" in text
    report = Page(render_run(view_of(different_assumed()))).text
    assert "ELF disassembly: objdump is not installed" in report


def test_unsigned_run_says_that_nobody_vouches_for_it() -> None:
    text = Page(
        render_run(view_of(reproduced().model_copy(update={"signer": None}), bundle_names=(), statements=()))
    ).text
    assert "Nobody. This run is not signed" in text
    assert "There is no signed bundle for this run." in text


def test_templates_are_strict_and_never_bypass_escaping() -> None:
    folder = Path(rebuilder.report.__file__).parent / "templates"
    for template in folder.glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape|\bMarkup\b", template.read_text(encoding="utf-8")), template.name
    with pytest.raises(UndefinedError):
        render("index.html", {"title": "x", "accent": "index"})
