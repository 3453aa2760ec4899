"""Tags of a hostile page of HTML, and no more of it: in a time that grows with its length and not with its square, as
that of Python's own parser does. Pure. Spec: the HTML standard, "Tokenization", as far as an index's links need it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Mapping

#: Of one tag. What is longer is no link that anyone could follow.
MAX_TAG = 64 * 1024
#: No region that one attempt looks through holds the start of another tag; `++` and `*+` never look twice.
_TAG = re.compile(
    r"""<([a-z][a-z0-9]*+)(?=[\s/"'])((?:[^<>"']++|"(?:[^<"]++|<(?![a-z/!]))*+"|'(?:[^<']++|<(?![a-z/!]))*+')*+)>""",
    re.IGNORECASE,
)
#: Quotes are paired as above, so that none is ever without its other.
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++)))?+|"[^"]*+"|'[^']*+'"""
)


def tags(page: str, names: Collection[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Name and attributes of each start tag of one of these names, all in lower case, but for those in comments. An
    attribute that comes twice has its first value, one without a value an empty one."""
    for match in _TAG.finditer(_without_comments(page)):
        name = match[1].lower()
        if name in names and len(match[2]) <= MAX_TAG:
            yield name, _attributes(match[2])


def _attributes(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        if match[1]:
            value = next((group for group in match.groups()[1:] if group is not None), "")
            found.setdefault(match[1].lower(), _unescaped(value))
    return found


def _unescaped(value: str) -> str:
    try:
        return html.unescape(value)
    except ValueError:
        # A letter whose number has thousands of digits.
        return value


def _without_comments(page: str) -> str:
    """One that never ends reaches to the end of the page."""
    parts, at = [], 0
    while (start := page.find("<!--", at)) >= 0:
        parts.append(page[at:start])
        end = page.find("-->", start + 4)
        if end < 0:
            return " ".join(parts)
        at = end + 3
    return " ".join((*parts, page[at:]))
