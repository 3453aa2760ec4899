"""What a Python release was made with below its backend: the interpreter, and the library that packs. Pure rules."""

from __future__ import annotations

from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from rebuilder.model import Origin
from rebuilder.releases import Guess
from rebuilder.resolve.infer.deflate import Deflated
from rebuilder.resolve.infer.seen import Family, Seen, instant, printable

#: What these write was packed by a library of their own (in Rust), not by the interpreter's.
_OWN_LIBRARY: tuple[Family, ...] = ("uv", "maturin")
#: Python 3.12.0 and 3.13.0 were released; setuptools before 66.1, of this day, does not run on 3.12.
_PYTHON_312, _PYTHON_313, _SETUPTOOLS_661 = 1696204800, 1728259200, 1674172800
#: Device numbers of a regular file, as `tarfile` wrote them before Python 3.9.
_OLD_DEVICE = b"0000000\0" * 2
_SUITES = ("3.11", "3.13")
_Found = tuple[str, str, float] | None


def python(seen: Seen, built: int | None) -> Guess:
    """The interpreter, among the two that our suites have; ``built`` is when, in seconds since 1970."""
    for rule in (_by_tag, _by_device):
        if found := rule(seen):
            return _python(*found)
    if found := _by_bound(seen):
        return _python(*found)
    if built is None:
        return _python("3.13", "nothing says when it was built; wheels hardly depend on it", 0.4)
    when = f"built at about {instant(built)}"
    if built < _SETUPTOOLS_661 and seen.family == "setuptools":
        return _python("3.11", f"{when}, by a setuptools older than 66.1, which does not run on 3.12 or later", 0.8)
    if built < _PYTHON_312:
        return _python("3.11", f"{when}, before Python 3.12 was released", 0.7)
    if built < _PYTHON_313:
        return _python("3.11", f"{when}, before Python 3.13 was released; wheels hardly depend on it", 0.5)
    return _python("3.13", f"{when}, when Python 3.13 was there", 0.5)


def _python(value: str, evidence: str, sure: float) -> Guess:
    others = tuple(suite for suite in _SUITES if suite != value)
    return Guess(input="python", value=value, origin=Origin.INFERRED, evidence=evidence, confidence=sure, others=others)


def _by_tag(seen: Seen) -> _Found:
    name = seen.wheel.file_name.removesuffix(".whl").split("-") if seen.wheel else []
    tag = name[-3] if len(name) >= 5 and name[-2] != "abi3" else ""
    if not tag.startswith("cp3") or not tag[3:].isdigit():
        return None
    version = f"3.{tag[3:][:3]}"
    if version in _SUITES:
        return version, f"the wheel is for CPython {version}", 0.95
    nearest = "3.11" if int(tag[3:][:3]) < 12 else "3.13"
    return nearest, f"the wheel is for CPython {version}, which no suite that we have brings", 0.1


def _by_device(seen: Seen) -> _Found:
    """Only of sdists that Python itself wrote."""
    if seen.sdist is None or seen.family in _OWN_LIBRARY or seen.sdist.packing == "zip":
        return None
    if not all(member.device == _OLD_DEVICE for member in seen.sdist.files):
        return None
    evidence = (
        "the sdist's headers give device numbers as digits, as Python before 3.9 wrote them: no suite that we have "
        "brings that, and its sdist can't come out bit for bit"
    )
    return "3.11", evidence, 0.2


def _by_bound(seen: Seen) -> _Found:
    metadata = seen.wheel.metadata if seen.wheel else seen.sdist.metadata if seen.sdist else None
    text = metadata.requires_python if metadata else ""
    try:
        wanted = SpecifierSet(text[:200])
    except InvalidSpecifier:
        return None
    fitting = [suite for suite in _SUITES if wanted.contains(f"{suite}.0") or wanted.contains(f"{suite}.9")]
    if not text or len(fitting) != 1:
        return None
    return fitting[0], f"Requires-Python is {printable(text)}", 0.9


def zlib(seen: Seen) -> Guess:
    """Which library packed the archives, by packing their contents again with our own."""
    if seen.family in _OWN_LIBRARY:
        evidence = f"{seen.family} packs with a library of its own, whichever the interpreter's is"
        return Guess(input="zlib", value="zlib", origin=Origin.ASSUMED, evidence=evidence, confidence=0.9)
    tried: dict[str, Deflated] = {}
    if seen.sdist and seen.sdist.deflated.tried:
        tried["the sdist"] = seen.sdist.deflated
    if seen.wheel and seen.wheel.deflated.tried:
        tried["the wheel"] = seen.wheel.deflated
    if not tried:
        evidence = "there is too little in the archives to tell zlib from others"
        return Guess(input="zlib", value="zlib", origin=Origin.ASSUMED, evidence=evidence, confidence=0.7)
    ours: Literal["zlib", "zlib-ng"] = "zlib-ng" if "ng" in next(iter(tried.values())).ours else "zlib"
    other = "zlib" if ours == "zlib-ng" else "zlib-ng"
    equal = [f"{name} at level {found.level}" for name, found in tried.items() if found.level is not None]
    if len(equal) == len(tried):
        return _zlib(ours, f"our {ours} packs {' and '.join(equal)} to the same bytes", 0.97, (other,))
    if equal:
        return _zlib(ours, f"our {ours} packs only {equal[0]} to the same bytes: two machines made them", 0.5, (other,))
    evidence = f"our {ours} packs {' and '.join(tried)} to the same bytes at no level: another library did"
    return _zlib(other, evidence, 0.6, (ours,))


def _zlib(value: str, evidence: str, sure: float, others: tuple[str, ...]) -> Guess:
    return Guess(input="zlib", value=value, origin=Origin.INFERRED, evidence=evidence, confidence=sure, others=others)
