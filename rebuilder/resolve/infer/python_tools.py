"""Which tools made a Python release: its backend and front end. Pure rules."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from rebuilder.model import Origin
from rebuilder.releases import Guess
from rebuilder.resolve.infer.seen import Family, Seen, instant, most_common, on_grid, printable

#: The backend's name on the index.
_ON_INDEX: dict[Family, str] = {
    "flit": "flit_core",
    "hatchling": "hatchling",
    "poetry": "poetry-core",
    "pdm": "pdm-backend",
    "setuptools": "setuptools",
    "meson": "meson-python",
    "scikit-build-core": "scikit-build-core",
    "uv": "uv_build",
    "maturin": "maturin",
}
#: Front ends by what the backend's own users run, likeliest first, and how sure that makes us.
_HABITS: dict[Family, tuple[tuple[str, ...], float]] = {
    "flit": (("build", "straight", "flit"), 0.6),
    "hatchling": (("build", "hatch", "straight"), 0.6),
    "poetry": (("poetry", "build"), 0.6),
    "pdm": (("build", "straight"), 0.7),
    "setuptools": (("build", "straight", "setup.py"), 0.5),
    "meson": (("build", "straight"), 0.6),
    "scikit-build-core": (("build", "straight"), 0.6),
    "uv": (("uv", "build", "straight"), 0.7),
    "maturin": (("straight", "build"), 0.5),
    "other": (("build", "straight"), 0.4),
}
#: setuptools took `bdist_wheel` over from wheel in 70.1, of this day, and wrote its own name from then on.
_OWN_BDIST_WHEEL = 1718755200
#: Versions of wheel that a distribution ships -> the next release of wheel was there (seconds since 1970), the versions
#: of setuptools beside it, likeliest first, and where.
_SHIPPED: dict[str, tuple[int, tuple[str, ...], str]] = {
    "0.34.2": (1597276800, ("45.2.0", "52.0.0"), "Ubuntu 20.04 and Debian 11"),
    "0.37.1": (1666310400, ("59.6.0",), "Ubuntu 22.04"),
    "0.38.4": (1678320000, ("66.1.1",), "Debian 12"),
    "0.42.0": (1710115200, ("68.1.2",), "Ubuntu 24.04"),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_A_MONTH = 30 * 86_400
_HIDDEN, _PATTERNS, _PATTERN_LENGTH = 20, 200, 200


def backend(seen: Seen) -> tuple[Guess, ...]:
    """The backend, by what the wheel says of itself; a bound of setuptools beside it where only wheel was named."""
    wheel = seen.wheel
    if wheel is None or not wheel.generator_name:
        return (_backend_of_manifest(seen),)
    family, version = seen.family, wheel.generator_version
    word = wheel.generator_name.lower()
    line = f"WHEEL says `Generator: {printable(wheel.generator)}`"
    name = _ON_INDEX.get(family, printable(wheel.generator_name, 60))
    others: tuple[str, ...] = ()
    if word == "pdm-pep517":
        name = word
    if word == "poetry" and _is_before(version, "1.0"):
        name = "poetry"
    elif word == "poetry":
        others = (f"poetry=={version}",)
    if word == "bdist_wheel":
        return (_pinned("wheel", version, f"{line}, which names the package wheel"), *_setuptools(seen))
    if seen.manifest_family not in (None, family) and family != "other":
        line += f"; but the manifest asks for {printable(seen.asked_backend)}"
    if family == "other" and canonicalize_name(name) not in _asked_for(seen):
        why = f"{line}, which is no backend that we know, and the manifest does not ask for it"
        return (Guess(input="backend", value="", origin=Origin.INFERRED, evidence=why, confidence=0.3),)
    guess = _pinned(name, version, line)
    if canonicalize_name(wheel.metadata.name[:200]) == canonicalize_name(name):
        told = f"{line}; the project is its own backend, as its tree has it, and not as the index does"
        return (guess.model_copy(update={"evidence": told, "confidence": 0.3}),)
    return (guess.model_copy(update={"others": others}),)


def _pinned(name: str, version: str, line: str) -> Guess:
    """A name with the version that stands in the wheel, if a release can have that."""
    if not version:
        evidence, value, sure = f"{line}, without a version", name, 0.6
    elif _is_local(version):
        evidence, value, sure = f"{line}: no release is called so; the project may be its own backend", name, 0.3
    else:
        evidence, value, sure = line, f"{name}=={version}", 0.98
    return Guess(input="backend", value=value, origin=Origin.RECOVERED, evidence=evidence, confidence=sure)


def _asked_for(seen: Seen) -> frozenset[str]:
    """Names in ``build-system.requires``, normalised; a plain name and what follows it."""
    system = seen.pyproject.get("build-system")
    wanted = system.get("requires") if isinstance(system, dict) else None
    texts = [text for text in wanted[:_PATTERNS] if isinstance(text, str)] if isinstance(wanted, list) else []
    found = (_NAME.match(text) for text in texts)
    return frozenset(canonicalize_name(name.group()) for name in found if name)


def _setuptools(seen: Seen) -> tuple[Guess, ...]:
    """Of setuptools nothing is recorded; what the metadata lack says how new it can have been."""
    wheel = seen.wheel
    if wheel is None:
        return ()
    if shipped := _shipped(seen, wheel.generator_version):
        return (shipped,)
    if "UNKNOWN" in wheel.metadata.all("Platform"):
        evidence, bound = "METADATA says `Platform: UNKNOWN`, which setuptools left out after 57.5", "<=57.5.0"
    elif seen.uploaded is not None and seen.uploaded < _OWN_BDIST_WHEEL:
        return ()
    else:
        evidence, bound = "from setuptools 70.1 on WHEEL would name setuptools", "<70.1"
    guess = Guess(
        input="backend", value=f"setuptools{bound}", origin=Origin.INFERRED, evidence=evidence, confidence=0.8
    )
    return (guess,)


def _shipped(seen: Seen, version: str) -> Guess | None:
    """The setuptools of a distribution, where a release was built with that distribution's wheel when there were newer
    ones: an environment made for the build would have had those."""
    superseded, versions, system = _SHIPPED.get(version, (0, (), ""))
    built = seen.wheel_clock or seen.uploaded
    if not versions or built is None or built < superseded + _A_MONTH:
        return None
    why = f"wheel {version} was no longer the newest by then; {system} ships it, with setuptools {versions[0]}"
    first, *others = (f"setuptools=={one}" for one in versions)
    return Guess(
        input="backend", value=first, origin=Origin.INFERRED, evidence=why, confidence=0.6, others=tuple(others)
    )


def _backend_of_manifest(seen: Seen) -> Guess:
    name = _ON_INDEX.get(seen.family, "")
    why = "the WHEEL file names no generator" if seen.wheel else "there is no wheel to name it"
    if not name:
        found = f"asks for {printable(seen.asked_backend)}" if seen.asked_backend else "names none"
        return Guess(
            input="backend", value="", origin=Origin.INFERRED, confidence=0.3, evidence=f"{why}; the manifest {found}"
        )
    evidence = f"{why}; the project is built by {printable(seen.asked_backend) or name}, whose version nothing records"
    return Guess(input="backend", value=name, origin=Origin.INFERRED, evidence=evidence, confidence=0.5)


def front_end(seen: Seen) -> Guess:
    """What called the backend: by what it left in the archives, else by habit."""
    for rule in (_by_gzip_name, _by_flit_files, _by_kinds, _by_meson_times, _by_clocks):
        if found := rule(seen):
            value, evidence, sure = found
            others = tuple(name for name in _HABITS[seen.family][0] if name != value)
            return _front_end(value, evidence, sure, others)
    habits, sure = _HABITS[seen.family]
    return _front_end(habits[0], f"nothing in the archives tells; usual for {seen.family}", sure, habits[1:])


def _front_end(value: str, evidence: str, sure: float, others: tuple[str, ...]) -> Guess:
    return Guess(
        input="front-end", value=value, origin=Origin.INFERRED, evidence=evidence, confidence=sure, others=others
    )


_Found = tuple[str, str, float] | None


def _by_gzip_name(seen: Seen) -> _Found:
    """Until Python 3.8.6 a tar's gzip kept the folder that it was made in."""
    name = (seen.sdist.gzip.name or "") if seen.sdist and seen.sdist.gzip else ""
    folder = name.replace("\\", "/").rpartition("/")[0]
    if seen.family != "setuptools" or not folder:
        return None
    if folder.rpartition("/")[2].startswith(".tmp-"):
        return "build", f"the sdist's gzip was made as {printable(name)!r}, where a PEP 517 front end has it made", 0.9
    return "setup.py", f"the sdist's gzip was made as {printable(name)!r}: by `setup.py sdist` itself", 0.9


def _by_flit_files(seen: Seen) -> _Found:
    """`flit build` packs every file of the repository, flit_core only what the manifest names; and it alone may write
    a setup.py, without a time."""
    if seen.family != "flit" or seen.sdist is None:
        return None
    if any(member.time == 0 for member in seen.sdist.files if seen.sdist.below(member) == "setup.py"):
        told = "the sdist has a setup.py that no file of the tree is: `flit build --setup-py` wrote it"
        return "flit-setup-py", told, 0.9
    patterns = _flit_includes(seen)
    hidden = sorted(name for name in seen.sdist.names if name.startswith("."))[:_HIDDEN]
    extra = next((name for name in hidden if not any(_fits(name, pattern) for pattern in patterns)), None)
    if extra is None:
        return None
    evidence = f"the sdist has {printable(extra)}, which the manifest does not name: `flit build` packs what is in Git"
    return "flit", evidence, 0.75


def _flit_includes(seen: Seen) -> tuple[str, ...]:
    """``tool.flit.sdist.include``, as far as it is one."""
    value: object = seen.pyproject
    for key in ("tool", "flit", "sdist", "include"):
        value = value.get(key) if isinstance(value, dict) else None
    found = value if isinstance(value, list) else []
    return tuple(item for item in found[:_PATTERNS] if isinstance(item, str) and len(item) < _PATTERN_LENGTH)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern.rstrip('/')}/")


def _by_kinds(seen: Seen) -> _Found:
    if seen.wheel is None:
        return ("build", "only an sdist was published", 0.7)
    if seen.sdist is None:
        return ("straight", "only a wheel is at hand: nothing says that it went through an sdist", 0.4)
    if seen.is_repaired:
        return ("straight", "the wheel is for one platform and was packed a second time, as tools of CI do", 0.6)
    return None


def _by_meson_times(seen: Seen) -> _Found:
    """`meson dist` gives every file the commit's time; a wheel out of the tree has those of the checkout."""
    only = most_common(seen.file_times)
    if seen.family != "meson" or only is None or set(seen.packed_times) != {on_grid(only // 10**9)}:
        return None
    told = f"the wheel's files have the sdist's time, {instant(only // 10**9)}"
    return "build", f"{told}, which `meson dist` gave them: it was made from the sdist", 0.85


def _by_clocks(seen: Seen) -> _Found:
    """An isolated environment takes seconds to make, between sdist and wheel."""
    first, second = seen.gzip_time, seen.wheel_clock
    if seen.family != "setuptools" or first is None or second is None or seen.one_wheel_time is not None:
        return None
    apart = second - on_grid(first)
    told = f"sdist written at {instant(first)}, wheel at {instant(second)}"
    if apart < -2:
        return "straight", f"{told}: the wheel came first", 0.7
    if apart <= 2 and seen.sdist is not None and not seen.sdist.has("setup.py"):
        return None
    if apart <= 2:
        return "setup.py", f"{told}: at once, with no environment made between them", 0.6
    return "build", f"{told}: some seconds later, as after making an environment for it", 0.7


def _is_before(version: str, bound: str) -> bool:
    try:
        return Version(version) < Version(bound)
    except InvalidVersion:
        return False


def _is_local(version: str) -> bool:
    """Whether a version is none that an index takes."""
    try:
        return Version(version).local is not None
    except InvalidVersion:
        return True
