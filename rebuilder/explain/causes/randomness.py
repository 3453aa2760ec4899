"""Causes that are other in every build: random names, addresses, seeds; and what git says of a checkout."""

from __future__ import annotations

import re

from rebuilder.explain.causes import Confidence, Rule, Scene
from rebuilder.explain.causes.elf_code import seeds, suffixes
from rebuilder.explain.causes.shapes import Shape, also, environment, project, rule

_UUID = rb"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f-])"
_TEMPORARY = (
    rb"(?:/(?:var/)?tmp/[\w.-]{0,40}?|(?<![\w])(?:tmp|cc|conftest|pip-[a-z-]{1,20}))[.-]?"
    rb"[A-Za-z0-9_]{6,12}(?![A-Za-z0-9_])"
)
_HEX = rb"(?<![0-9A-Za-z_-])(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}(?![0-9A-Za-z_-])"
_RANDOM = re.compile(rb"%b|%b|%b" % (_UUID, _TEMPORARY, _HEX))
_POINTER = re.compile(
    rb"0x(?:0{4})?(?:7f|55|56)[0-9a-f]{10}(?![0-9a-f])|0x(?:f7|ff|08|09|56|57)[0-9a-f]{6}(?![0-9a-f])"
)
_GIT = re.compile(
    rb"(?<![\w])v?[0-9][\w.]{0,40}(?:-[\w.]{1,20}){0,3}?-[0-9]{1,6}-g[0-9a-f]{4,40}(?:-dirty)?"
    rb"|[-+.]g?[0-9a-f]{7,40}(?:[.+-]dirty|\.d20[0-9]{6})?(?![0-9a-zA-Z])"
    rb"|(?:[-+.]dirty)"
    rb"|(?<![0-9A-Za-z])(?=[0-9a-f]*[0-9])[0-9a-f]{7,40}(?:-dirty)?(?![0-9A-Za-z])"
)
_LTO = re.compile(rb"\.(?:lto_priv|constprop|isra|part|llvm|cold)\.[0-9]{1,20}(?![0-9])")
_SEED = re.compile(
    rb"_GLOBAL__(?:N|[ID]|sub_[ID])_[\w.$]{0,200}?[0-9A-Fa-f]{8}(?:_[0-9A-Fa-f]{8})?(?![0-9A-Fa-f])|\.gnu\.lto_[\w.$]{0,120}\.[0-9a-f]{8,16}"
)


def _random(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    """Both of one length, in one place; a hex string alone may be a digest of something as well."""
    if len(one) != len(other):
        return None
    return "likely" if re.fullmatch(_UUID, one) or not re.fullmatch(_HEX, one) else "possible"


def _pointer(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    """Addresses of one kind: loaders place at random only above the page."""
    return "likely" if len(one) == len(other) and one[-3:] == other[-3:] else "possible"


def _describe(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    """One commit by two lengths of its name, or with ``-dirty``; two commits look like anything."""
    cut = [re.sub(rb"(?:[.+-]dirty|\.d20[0-9]{6})$", b"", side) for side in (one, other)]
    if cut[0] == cut[1]:
        return "likely"
    names = [side.rpartition(b"-g")[2].lstrip(b"-+.g") for side in cut]
    if names[0].startswith(names[1]) or names[1].startswith(names[0]):
        return "likely" if min(len(name) for name in names) >= 4 else None
    return "possible" if any(b"-g" in side for side in cut) else None


RULES: tuple[Rule, ...] = (
    rule(
        Shape(
            id="git-describe",
            title="What git says of the checkout differs (length of the commit's name, -dirty)",
            pattern=_GIT,
            judge=_describe,
            fix="Build from a clean and full clone with core.abbrev set, or hand the version in.",
            changes=(
                *environment("git", "core.abbrev=12, a full clone with tags, nothing changed in it"),
                *project("what asks git", "git describe --abbrev=12 --always, or a version in a file"),
            ),
        )
    ),
    also(
        seeds,
        rule(
            Shape(
                id="random-seed",
                title="A compiler made names with a random seed",
                pattern=_SEED,
                fix="Give each file a fixed seed: -frandom-seed=<name of the file>.",
                changes=project("CFLAGS", "-frandom-seed=$@"),
            )
        ),
    ),
    also(
        suffixes,
        rule(
            Shape(
                id="lto-suffix",
                title="Link-time optimisation numbered names in another way",
                pattern=_LTO,
                fix="Link with one thread and a fixed order: -flto-partition=none or -flto=1, and sorted objects.",
                changes=project("LDFLAGS", "-flto=1 -flto-partition=none"),
            )
        ),
    ),
    rule(
        Shape(
            id="random-name",
            title="A file holds a random name or id",
            pattern=_RANDOM,
            judge=_random,
            fix="Derive the id from the content (uuid5), or give it a seed; write temporary names nowhere.",
            variations=frozenset({"tmpdir"}),
            changes=project("what makes the id", "uuid5 of the content in place of uuid4"),
        )
    ),
    rule(
        Shape(
            id="pointer-value",
            title="A file holds an address of the program that wrote it",
            pattern=_POINTER,
            judge=_pointer,
            fix="Do not print objects without a text of their own (`<object at 0x7f...>`), nor hash by address.",
            changes=project("what writes it", "a stable name in place of the object's address"),
        )
    ),
)
