"""Links of pages that are not what they should be: read in time, or not at all."""

from __future__ import annotations

import time

import pytest

from rebuilder.htmltags import MAX_TAG, tags
from rebuilder.toolchain import releases_pypi

URL = "https://index.example/simple/demo/"
#: Each of these made Python's own parser slow, or end it.
UNITS = [
    "<a ", "<!", "<![", "<![ ", "<![a b", "<![a[", "<a b='", '<a x="', "</", "&#", "<!--", "<script>", "<?",
    "<a <a '<a \"", "<a href=x>", "<a href='demo-1.0.tar.gz'>", "<a\n", "<a href=", "<a href= ", "<a/", "'\"<a ", "<",
    "<a '\"'>", "<a \"<1",
    "<a x=\"'\" y='\"'>", "<base href=x>", "<a a a a ", "<aaa", "--><!--", "<a href='&#1", "a=' ", "= ",
]  # fmt: skip


def read(page: str) -> list[tuple[str, dict[str, str]]]:
    return [(name, dict(named)) for name, named in tags(page, ("a", "base"))]


@pytest.mark.parametrize(
    ("page", "named"),
    [
        ('<a href="x&amp;y">', {"href": "x&y"}), ("<A\n HREF = 'x' >", {"href": "x"}),
        ("<a href=x/y#z=1>", {"href": "x/y#z=1"}),
        ('<a data-yanked href="x" data-yanked="2">', {"data-yanked": "", "href": "x"}),
        ('<a data-requires-python=">=3.8,<4" href="x">', {"data-requires-python": ">=3.8,<4", "href": "x"}),
        ("<a href='\"'>", {"href": '"'}), ('<a href="x"title="y"/>', {"href": "x", "title": "y"}),
        (f'<a href="&#{"1" * 5000};">', {"href": f"&#{'1' * 5000};"}), ("<a 'x' href=y>", {"href": "y"}),
    ],
)  # fmt: skip
def test_a_tag_and_its_attributes(page: str, named: dict[str, str]) -> None:
    assert read(f"<html>{page}text</a>") == [("a", named)]


def test_what_is_no_tag_is_left_out() -> None:
    page = "<!-- <a href=1> --><a href=2><abbr href=3><a><a href='4><b <!-- --><base href=5><!--<a href=6>"
    assert read(page) == [("a", {"href": "2"}), ("base", {"href": "5"})]
    assert read(f"<a href='{'x' * MAX_TAG}'>") == []


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("end", ["", ">", "'>", '">'])
def test_a_hostile_page_takes_no_longer_than_it_is_long(unit: str, end: str) -> None:
    for start in ("", "<a ", "<a '", '<a x="'):
        page = (start + unit * (60_000 // len(unit)) + end).encode()
        began = time.process_time()
        releases_pypi.offered(page, "text/html", URL, "demo")
        assert time.process_time() - began < 3


def test_a_page_of_an_index_is_read_as_before() -> None:
    where, digest = "demo-1.0.tar.gz", "a" * 64
    page = (
        '<!DOCTYPE html><html><head><base href="/files/"></head><body>\n'
        f'<a href="{where}#sha256={digest}" data-requires-python="&gt;=3.8" data-yanked="bad">{where}</a>\n'
        f'<a href="demo-{"9" * 5000}.tar.gz">long</a><a href="http://[x/demo-1.1.tar.gz">broken</a>'
    )
    (one,) = releases_pypi.offered(page.encode(), "text/html", URL, "demo")
    assert (one.url, one.file.sha256) == (f"https://index.example/files/{where}", digest)
    assert (one.file.yanked, one.file.requires_python) == ("bad", ">=3.8")
