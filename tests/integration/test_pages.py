"""The pages in a real browser: widths, schemes, print, keyboard, names for assistive tools, and no network."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rebuilder.findings import Finding
from rebuilder.report import sections
from rebuilder.report.diff_page import ComparedSide, DiffView, render_diff
from rebuilder.report.index import index_row, render_index
from rebuilder.report.pages import Link, render_run
from rebuilder.report.reporter import told_of
from tests import package_cases
from tests.integration.browser import Browser
from tests.record_cases import CASES, different_explained, explanation_of, hostile, many_findings, reproduced
from tests.records import lock, sha
from tests.unit.test_report_pages import view_of

pytestmark = pytest.mark.integration

PACKAGES = {"foreign": package_cases.dirty, "search": package_cases.found_by_search}
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}
EVIL_FRAME = (
    "<!doctype html><title>x</title><p>diff<script>document.documentElement.dataset.ran = 'yes';"
    "top.location = 'about:blank'; parent.document.title = 'owned'</script>"
)

CONTRAST = """(() => {
  const parse = c => {
    const n = c.match(/[\\d.]+/g).map(Number);
    return {rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1};
  };
  const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const luminance = rgb => .2126 * linear(rgb[0]) + .7152 * linear(rgb[1]) + .0722 * linear(rgb[2]);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.a > 0) return c.rgb;
    }
    return [255, 255, 255];
  };
  document.querySelectorAll('details').forEach(d => d.open = true);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = new Set();
  let seen = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const pair = [luminance(parse(style.color).rgb), luminance(ground(e))].sort((x, y) => y - x);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) bad.add([ratio, e.tagName, e.className, text.slice(0, 40)].join(' '));
  }
  return {seen, bad: [...bad]};
})()"""

STRUCTURE = """(() => {
  const all = s => [...document.querySelectorAll(s)];
  const ids = all('[id]').map(e => e.id);
  return {
    lang: document.documentElement.lang,
    mains: all('main').length, banners: all('body > header').length, footers: all('body > footer').length,
    navs: all('nav').filter(e => !e.getAttribute('aria-label')).length,
    headings: all('h1,h2,h3,h4').map(e => Number(e.tagName[1])),
    doubled: ids.filter((id, at) => ids.indexOf(id) !== at),
    dangling: all('a[href^="#"]').filter(e => !document.getElementById(decodeURIComponent(e.hash.slice(1)))).length,
    labelled: all('[aria-labelledby]').filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length,
    unlabelled: all('input').filter(e => !e.labels.length).length,
    captionless: all('table').filter(e => !e.caption || !e.caption.textContent.trim()).length,
    scopeless: all('th').filter(e => !e.scope).length,
    shapes: all('svg').filter(e => e.getAttribute('aria-hidden') !== 'true').length,
    frames: all('iframe').filter(e => !e.title || !e.hasAttribute('sandbox')).length,
    stuck: all('.scroll,.log,.command').filter(e => e.tabIndex !== 0 || !e.getAttribute('aria-label')).length,
  };
})()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case, a hostile one and the index, written as they would be published."""
    base = tmp_path_factory.mktemp("pages")
    rows = []
    for name, make in {**CASES, **PACKAGES, "hostile": hostile}.items():
        record = make()
        frames = tuple(
            Link(kind="diff-html", label="x", path="diff.html", artifact=one.artifact)
            for one in record.explanation.reports
        )
        bad = "</script><img src=x>" if name == "hostile" else ""
        changes = {"lock": lock(400) if record.toolchain else None, "index_path": "index.html"}
        view = view_of(
            record,
            links=(Link(kind="record", label="run.json", path="run.json"), *frames),
            log_text=bad + "w" * 100_000 + "\nline\n" * 500,
            **changes,
        )
        (base / f"{name}.html").write_text(render_run(view), encoding="utf-8")
        rows.append(index_row(record, page=f"{name}.html", record_path=f"{name}.json"))
    (base / "index.html").write_text(render_index(rows), encoding="utf-8")
    (base / "diff-two-files.html").write_text(diff_page(), encoding="utf-8")
    (base / "many.html").write_text(diff_page(many_findings()), encoding="utf-8")
    (base / "diff.html").write_text(EVIL_FRAME)
    return base


def diff_page(findings: tuple[Finding, ...] = ()) -> str:
    """The page of `rebuilder diff`, of the findings of an example or of as many as are given."""
    record = different_explained()
    told = view_of(record).told[0]
    if findings:
        explanation, data = explanation_of("many.whl", findings)
        told = told_of(explanation, data)
    name = "<img src=x>\u202egpj.whl"
    sides = (ComparedSide(name=name, sha256=sha("one"), size=1), ComparedSide(name="b.whl", sha256=sha("b"), size=2))
    return render_diff(DiffView(published=sides[0], rebuilt=sides[1], told=told, tool_version="0.1.0"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


PAGES = [*CASES, *PACKAGES, "hostile", "index", "diff-two-files"]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_fits_the_width_and_asks_for_nothing(
    browser: Browser, folder: Path, name: str, width: str, scripts: bool
) -> None:
    columns, lines = WIDTHS[width]
    browser.open(folder / f"{name}.html", width=columns, height=lines, scripts=scripts)
    assert browser.value("document.documentElement.scrollWidth") == columns
    browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.value("document.documentElement.scrollWidth") == columns
    asked = {url for url in browser.requests() if not url.startswith("about:")}
    assert asked <= {(folder / f"{name}.html").as_uri(), (folder / "diff.html").as_uri()}
    assert [one for one in browser.complaints() if "sandboxed" not in one] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["different-assumed", "index"])
def test_screenshots_show_the_scheme(
    browser: Browser, folder: Path, tmp_path: Path, name: str, width: str, scheme: str
) -> None:
    columns, lines = WIDTHS[width]
    browser.open(folder / f"{name}.html", width=columns, height=lines, scheme=scheme)
    picture = browser.screenshot(tmp_path / "page.png", whole=False)
    assert struct.unpack(">II", picture[16:24]) == (columns, lines)
    assert len(picture) > 20_000, "the picture is all but empty"
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in re.findall(r"\d+", ground)) > 384
    assert light == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_contrast_is_at_least_4_5(browser: Browser, folder: Path, name: str, scheme: str) -> None:
    browser.open(folder / f"{name}.html", scheme=scheme)
    found = browser.value(CONTRAST)
    assert found["seen"] > 20
    assert found["bad"] == []


@pytest.mark.parametrize("name", PAGES)
def test_structure_serves_a_screen_reader(browser: Browser, folder: Path, name: str) -> None:
    browser.open(folder / f"{name}.html")
    found = browser.value(STRUCTURE)
    assert (found.pop("lang"), found.pop("mains"), found.pop("banners"), found.pop("footers")) == ("en", 1, 1, 1)
    levels = found.pop("headings")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    assert {key: value for key, value in found.items() if value not in (0, [])} == {}
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    wanted = {"link", "button", "searchbox", "textbox", "navigation", "table"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node.get("role", {}).get("value") in wanted
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []


def test_keyboard_reaches_the_skip_link_first_and_then_the_result(browser: Browser, folder: Path) -> None:
    browser.open(folder / "reproduced.html")
    for key, code in (("Tab", 9), ("Enter", 13)):
        text = {"text": "\r"} if key == "Enter" else {}
        browser.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
        browser.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)
        if key == "Tab":
            assert browser.value("document.activeElement.textContent") == "Skip to the result"
    assert browser.value("document.activeElement.id") == "main"


@pytest.mark.parametrize("name", ["different-assumed", "hostile"])
def test_print_opens_what_is_folded(browser: Browser, folder: Path, name: str) -> None:
    browser.open(folder / f"{name}.html", media="print", scheme="dark")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value("[...document.querySelectorAll('details')].every(d => !d.open)")
    shown = """[...document.querySelectorAll('details pre')].every(
        p => p.getBoundingClientRect().height > 20 && p.checkVisibility({contentVisibilityAuto: true}))"""
    assert browser.value(shown)
    assert browser.value("getComputedStyle(document.querySelector('.contents')).display") == "none"
    assert len(base64.b64decode(browser.send("Page.printToPDF")["data"])) > 20_000


def test_filter_finds_by_name_and_digest(browser: Browser, folder: Path) -> None:
    browser.open(folder / "index.html")
    count = "[...document.querySelectorAll('#runs tbody tr')].filter(r => !r.hidden).length"
    kind = "(t => { const f = document.querySelector('#f-runs'); f.value = t; f.dispatchEvent(new Event('input')); })"
    every = browser.value(count)
    digest = reproduced().comparison.artifacts[0].published.sha256
    for wanted, hits in (("LESS 668", 1), (digest, 1), (digest[:20], 1), ("no such thing", 0), ("", every)):
        browser.value(f"{kind}({json.dumps(wanted)})")
        assert browser.value(count) == hits, wanted
    browser.value(f"{kind}('less 668')")
    assert browser.value("document.querySelector('[role=status]').textContent") == f"1 of {every} shown"
    browser.open(folder / "different-assumed.html")
    browser.value(f"{kind.replace('#f-runs', '#f-packages')}('libexample377')")
    assert browser.value(count.replace("#runs", "#packages")) == 1
    assert browser.value("document.querySelector('#packages').closest('details').open")


def test_without_scripts_nothing_dead_is_shown(browser: Browser, folder: Path) -> None:
    browser.open(folder / "index.html", scripts=False)
    assert browser.value("document.querySelector('.filter').getBoundingClientRect().height") == 0
    assert browser.value("document.querySelectorAll('#runs tbody tr').length") == len(CASES) + len(PACKAGES) + 1
    browser.value("document.querySelector('.letters a').click()")
    assert browser.value("document.querySelectorAll('#runs tr:target').length") == 1


def test_a_hostile_difference_report_stays_in_its_frame(browser: Browser, folder: Path) -> None:
    browser.open(folder / "different-assumed.html")
    title = browser.value("document.title")
    browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.value("document.querySelector('iframe').scrollIntoView()")
    inside = "[document.readyState, document.body.innerText.trim(), document.documentElement.dataset.ran ?? '', origin]"
    assert browser.frame_value("diff.html", inside) == ["complete", "diff", "", "null"]
    assert browser.value("document.title") == title
    assert browser.value("location.href").endswith("different-assumed.html")


#: Groups that a reader can see, by their summaries.
VISIBLE = """[...document.querySelectorAll('.tree .g')].filter(e => e.checkVisibility())
    .map(e => e.querySelector('summary').firstChild.textContent.trim())"""


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_tree_can_be_narrowed_by_kind_and_meaning_without_a_script(
    browser: Browser, folder: Path, scripts: bool
) -> None:
    browser.open(folder / "different-explained.html", scripts=scripts)
    every = browser.value(VISIBLE)
    assert len(every) == 9
    pick = "document.querySelector('.pick input[value={}]').click()"
    browser.value(pick.format("metadata"))
    assert browser.value(VISIBLE) == ["mode differs in 1 member", "mtime differs in 40 members"]
    browser.value(pick.format("behaviour"))
    assert browser.value(VISIBLE) == ["mode differs in 1 member"]
    browser.value("document.querySelectorAll('.pick input[value=\"\"]').forEach(e => e.click())")
    assert browser.value(VISIBLE) == every
    browser.value(pick.format("unexplained"))
    assert browser.value(VISIBLE) == ["1 member only in the published file", "1 member only in the rebuilt file"]


def test_the_tree_can_be_searched_by_name_field_value_and_container(browser: Browser, folder: Path) -> None:
    browser.open(folder / "different-explained.html")
    rows = "[...document.querySelectorAll('.tree li')].filter(e => e.checkVisibility()).map(e => e.textContent)"
    kind = "(t => { const f = document.querySelector('#f-tree-1'); f.value = t; f.dispatchEvent(new Event('input')); })"
    for wanted, hits in (("page17.1", 1), ("MTIME 11:22:34", 40), ("libc6-dev control.tar.xz", 1), ("bwrap .text", 2),
                         ("0775", 1), ("no such thing", 0)):  # fmt: skip
        browser.value(f"{kind}({json.dumps(wanted)})")
        assert len(browser.value(rows)) == hits, wanted
    assert browser.value("document.querySelector('.tree .none').checkVisibility()")
    browser.value(f"{kind}('')")
    assert not browser.value("document.querySelector('.tree .none').checkVisibility()")
    assert len(browser.value(VISIBLE)) == 9


@pytest.mark.parametrize("width", WIDTHS)
def test_ten_thousand_findings_stay_usable(browser: Browser, folder: Path, width: str) -> None:
    columns, lines = WIDTHS[width]
    begin = time.monotonic()
    browser.open(folder / "many.html", width=columns, height=lines)
    browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.value("document.documentElement.scrollWidth") == columns
    assert browser.value("document.querySelectorAll('.tree li').length") == 10_000
    took = browser.value("""(() => {
        const f = document.querySelector('#f-tree-1'), begin = performance.now();
        for (const text of ['module_07777', 'two\\\\nlines', '']) {
          f.value = text; f.dispatchEvent(new Event('input')); document.body.offsetHeight;
        }
        f.value = 'module_07777'; f.dispatchEvent(new Event('input'));
        return [performance.now() - begin, document.querySelector('.filter [role=status]').textContent];
    })()""")
    assert took[1] == "1 of 10000 listed here shown"
    assert took[0] < 3000, "four searches, in milliseconds, on a slow machine"
    assert time.monotonic() - begin < 60
    browser.value("document.querySelector('.pick input[value=content]').click()")
    assert browser.value("document.documentElement.scrollWidth") == columns


def test_names_of_members_can_neither_draw_nor_turn_the_page(browser: Browser, folder: Path) -> None:
    browser.open(folder / "many.html")
    assert browser.value("document.images.length") == 0
    text = browser.value("document.querySelector('.tree').textContent")
    for shown in ("two\\nlines", "bidi[U+202E]gpj.exe", "<img src=x onerror=alert(1)>", "esc\\x1b[2J"):
        assert shown in text


def test_both_sides_stay_readable_on_a_phone(browser: Browser, folder: Path) -> None:
    browser.open(folder / "different-explained.html", width=390, height=844)
    browser.value("document.querySelectorAll('#sides details').forEach(d => d.open = true)")
    assert browser.value("document.documentElement.scrollWidth") == 390
    widths = browser.value("[...document.querySelectorAll('.sides .l, .sides .r')].map(e => e.clientWidth)")
    assert min(widths) > 200, "a column of its own for each line"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_openssl_lines_on_the_page_really_check_a_bundle(tmp_path: Path, separators: tuple[str, str]) -> None:
    """The commands as printed, run by a shell, against an envelope signed here."""
    assert shutil.which("openssl"), "expected the program 'openssl', found none"
    record = reproduced()
    one = record.comparison.artifacts[0]
    key = Ed25519PrivateKey.generate()
    payload = json.dumps({"subject": [{"name": one.artifact, "digest": {"sha256": one.published.sha256}}]}).encode()
    kind = "application/vnd.in-toto+json"
    signature = key.sign(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"keyid": "x", "sig": base64.b64encode(signature).decode()}],
    }
    bundle = f"{one.artifact}.intoto.jsonl"
    (tmp_path / bundle).write_text(json.dumps(envelope, separators=separators) + "\n")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "KEY.pem").write_bytes(public)
    lines = sections.checks((bundle,), record, ()).openssl
    run = lambda: subprocess.run(["bash", "-e", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: E731
    good = run()
    assert good.returncode == 0, good.stderr
    assert "Signature Verified Successfully" in good.stdout
    assert good.stdout.rstrip().endswith(one.published.sha256)
    envelope["payload"] = base64.b64encode(payload.replace(b"less", b"more")).decode()
    (tmp_path / bundle).write_text(json.dumps(envelope, separators=separators) + "\n")
    bad = run()
    assert bad.returncode != 0
    assert "Signature Verification Failure" in bad.stdout + bad.stderr
