"""Turns a template and values into a page: autoescape always on, undefined names an error, no outside resource.

Every string that a template prints is cleaned (control, bidi and invisible characters become visible) and
then escaped. The only unescaped text is our own style sheet and script, whose hashes stand in the
Content-Security-Policy of the page, so that nothing else can be applied or run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rebuilder.model import utc
from rebuilder.report.text import bounded, clean, clean_block, clip, duration, size

_CHUNK = 16
_LONG_HEX = re.compile(r"\b([0-9a-f]{64}|[0-9A-F]{40}(?:[0-9A-F]{24})?)\b")


#: No single name, path or reason is worth more of a page than this.
_TEXT_LIMIT = 4000


class Block(str):
    """Text of several lines whose length the caller has already bounded: shown whole."""

    __slots__ = ()


def _finalize(value: object) -> object:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return clean_block(value if isinstance(value, Block) else clip(value, _TEXT_LIMIT))


def _digest(value: str) -> Markup:
    """A digest that may wrap every 16 digits; copying and finding in the page still see one word."""
    text = clean(clip(value, _TEXT_LIMIT))
    chunks = [escape(text[at : at + _CHUNK]) for at in range(0, len(text), _CHUNK)]
    return Markup('<code class="digest">{}</code>').format(Markup("<wbr>").join(chunks))


def _marked(value: str) -> Markup:
    """A sentence in which fingerprints and digests stand out, with a capital and a full stop."""
    text = clean(clip(value, _TEXT_LIMIT)).strip()
    text = text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?:" else ".")
    parts = _LONG_HEX.split(text)
    return Markup("").join(_digest(part) if at % 2 else escape(part) for at, part in enumerate(parts))


def _block(value: str) -> Block:
    return Block(bounded(value, limit=100_000)[0])


def _oneline(value: str) -> str:
    return clean(clip(value, _TEXT_LIMIT))


def _href(path: str) -> str:
    return quote(path.encode("utf-8", "replace"), safe="/")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rebuilder.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "digest": _digest,
        "size": size,
        "utc": utc,
        "duration": duration,
        "href": _href,
        "block": _block,
        "oneline": _oneline,
        "marked": _marked,
    }
    return environment


@cache
def _resource(name: str) -> tuple[Markup, str]:
    """Text of one of our own files, and its hash as a Content-Security-Policy wants it."""
    text = files("rebuilder.report").joinpath("templates", name).read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{hashed}'"  # noqa: S704 - our own file, part of the package


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page: own style and script by hash, frames beside it, nothing else."""
    rules = ("default-src 'none'", f"style-src {style}", f"script-src {script}", "frame-src 'self'")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def render(template: str, fields: Mapping[str, object]) -> str:
    """The page as text. Raises ``jinja2.UndefinedError`` if a template names what ``fields`` does not have."""
    style, style_hash = _resource("style.css")
    script, script_hash = _resource("filter.js")
    own = {"style": style, "script": script, "policy": policy(style_hash, script_hash)}
    return _environment().get_template(template).render({**fields, **own})
