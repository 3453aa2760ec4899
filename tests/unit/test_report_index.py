from __future__ import annotations

import json
import random

import pytest

from rebuilder.report.index import IndexRow, index_json, index_row, render_index
from tests.record_cases import CASES, bzip2_rows
from tests.unit.test_report_pages import Page

ROWS = [
    index_row(make(), page=f"runs/{name}/index.html", record_path=f"runs/{name}/run.json")
    for name, make in CASES.items()
]


def test_order_does_not_depend_on_the_order_given() -> None:
    shuffled = ROWS.copy()
    random.Random(20261120).shuffle(shuffled)
    assert render_index(shuffled) == render_index(ROWS)
    assert index_json(shuffled) == index_json(ROWS)
    names = [one["name"] for one in json.loads(index_json(ROWS))["runs"]]
    assert names == sorted(names, key=str.lower)


def test_every_run_can_be_found_by_name_and_digest_without_javascript() -> None:
    page = Page(render_index(ROWS))
    targets = [attributes.get("href") for tag, attributes in page.elements if tag == "a"]
    for row in ROWS:
        assert row.page in targets
        assert row.name in page.text
        assert all(one.sha256 in page.text for one in row.artifacts)
    assert "use your browser's own search" in page.text
    hidden = [attributes for tag, attributes in page.elements if tag == "div" and "data-filter" in attributes]
    assert all("hidden" in attributes for attributes in hidden)


def test_verdict_stands_in_words_with_a_shape() -> None:
    page = Page(render_index(ROWS))
    shapes = {attributes["href"] for tag, attributes in page.elements if tag == "use"}
    for row in ROWS:
        assert row.verdict.value in page.text
        assert f"#s-{row.verdict.value}" in shapes


def test_json_twin_has_what_the_page_has() -> None:
    body = json.loads(index_json(ROWS))
    assert body["format"] == "rebuilder/index/v1"
    bzip2 = next(one for one in body["runs"] if one["name"] == "bzip2")
    assert [(one["name"], one["verdict"]) for one in bzip2["artifacts"]] == bzip2_rows()
    assert "from the signed .dsc" in bzip2["remarks"]


def test_refused_run_without_a_publication_is_listed_by_its_target() -> None:
    refused = next(one for one in ROWS if one.verdict.value == "refused")
    assert refused.name == "pkg:deb/debian/less?distro=trixie"
    assert refused.artifacts == ()


def test_empty_index_says_so() -> None:
    assert "There are no runs yet." in Page(render_index([])).text
    assert json.loads(index_json([])) == {"format": "rebuilder/index/v1", "runs": []}


def test_rows_refuse_paths_that_leave_the_folder() -> None:
    values = {name: getattr(ROWS[0], name) for name in ROWS[0].__dataclass_fields__}
    with pytest.raises(ValueError, match="expected a relative path of plain names, found '/etc/passwd'"):
        IndexRow(**(values | {"page": "/etc/passwd"}))
