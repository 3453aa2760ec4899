"""A release's archives and its source side by side, as the rules of `python.py` look at them. Pure."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from rebuilder.resolve.infer.sdist_facts import SdistFacts
from rebuilder.resolve.infer.tar_walk import TarMember
from rebuilder.resolve.infer.wheel_facts import WheelFacts, seconds

Family = Literal[
    "flit", "hatchling", "poetry", "pdm", "setuptools", "meson", "scikit-build-core", "uv", "maturin", "other"
]

#: First word of a WHEEL file's generator -> backend.
_GENERATORS: dict[str, Family] = {
    "flit": "flit",
    "flit_core": "flit",
    "hatchling": "hatchling",
    "poetry": "poetry",
    "poetry-core": "poetry",
    "pdm-backend": "pdm",
    "pdm-pep517": "pdm",
    "setuptools": "setuptools",
    "bdist_wheel": "setuptools",
    "meson": "meson",
    "mesonpy": "meson",
    "meson-python": "meson",
    "scikit-build-core": "scikit-build-core",
    "uv": "uv",
    "uv_build": "uv",
    "maturin": "maturin",
}
#: First part of a ``build-backend`` -> backend.
_BACKENDS: dict[str, Family] = {
    "flit_core": "flit",
    "flit": "flit",
    "hatchling": "hatchling",
    "poetry": "poetry",
    "pdm": "pdm",
    "setuptools": "setuptools",
    "mesonpy": "meson",
    "scikit_build_core": "scikit-build-core",
    "uv_build": "uv",
    "maturin": "maturin",
}
#: What backends write where they were given no time (UTC): flit and old pdm and poetry, hatchling, scikit-build-core.
FLIT_TIME = 1451606400
HATCHLING_TIME = 1580601600
SCIKIT_TIME = 1667997441
#: A zip knows nothing before 1980.
ZIP_EPOCH = 315532800
CONSTANTS = (0, ZIP_EPOCH, FLIT_TIME, HATCHLING_TIME, SCIKIT_TIME)
#: No wheel and no index of today is older.
_OLDEST = 1_000_000_000
_DAY = 86_400
_MANIFEST_LIMIT = 1024 * 1024
#: Zones are ahead of UTC by quarters of an hour, 14 hours at most.
_QUARTER = 900
_FARTHEST = 14 * 3600


@dataclass(frozen=True)
class Seen:
    """All that is known when the rules are asked."""

    wheel: WheelFacts | None
    sdist: SdistFacts | None
    #: Seconds since 1970; ``None``: the index does not say.
    uploaded: int | None
    #: The text of ``pyproject.toml``: that of the source tree, else of the sdist.
    manifest: str
    committed: int | None

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The manifest as a value; empty if it is none."""
        try:
            return tomllib.loads(self.manifest) if len(self.manifest) <= _MANIFEST_LIMIT else {}
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}

    @cached_property
    def asked_backend(self) -> str:
        """``build-backend``; that of PEP 517's default where there is a manifest without one; empty if unknown."""
        system = self.pyproject.get("build-system")
        if not isinstance(system, dict):
            return "setuptools.build_meta" if self.has_setup else ""
        backend = system.get("build-backend", "setuptools.build_meta")
        return backend if isinstance(backend, str) else ""

    @cached_property
    def has_setup(self) -> bool:
        """Whether the sdist is one of setuptools by what lies in it."""
        return self.sdist is not None and (self.sdist.egg_info or self.sdist.has("setup.py"))

    @cached_property
    def family(self) -> Family:
        """The backend: the generator's word, else the manifest's."""
        word = self.wheel.generator_name if self.wheel else ""
        if word:
            return _GENERATORS.get(word.lower(), "other")
        return _BACKENDS.get(self.asked_backend.partition(".")[0], "other")

    @cached_property
    def manifest_family(self) -> Family | None:
        """The backend by the manifest alone; ``None`` if it names none."""
        return _BACKENDS.get(self.asked_backend.partition(".")[0], "other") if self.asked_backend else None

    @cached_property
    def gzip_time(self) -> int | None:
        """Of the sdist's gzip header."""
        return self.sdist.gzip.time if self.sdist and self.sdist.gzip else None

    @cached_property
    def file_times(self) -> tuple[int, ...]:
        """Nanoseconds of the sdist's files but for those that its backend writes into it, so far as they are known."""
        return tuple(member.time for member in self.sdist_files)

    @cached_property
    def sdist_files(self) -> tuple[TarMember, ...]:
        """Files of the sdist that came from the tree; what has no time, where others have one, was made for it."""
        if self.sdist is None:
            return ()
        files = tuple(member for member in self.sdist.files if not _is_generated(self.sdist.below(member)))
        return tuple(member for member in files if member.time) or files

    @cached_property
    def one_file_time(self) -> int | None:
        """Seconds, if every file of the sdist has the same whole one."""
        times = set(self.file_times)
        only = times.pop() if len(times) == 1 else None
        return only // 10**9 if only is not None and only % 10**9 == 0 else None

    @cached_property
    def written_times(self) -> tuple[int, ...]:
        """Seconds of what the backend made in the wheel: `.dist-info` but for licences, which come from the tree."""
        if self.wheel is None:
            return ()
        times = (seconds(member.time) for member in self.wheel.written if _is_made(member.name))
        return tuple(time for time in times if time is not None)

    @cached_property
    def packed_times(self) -> tuple[int, ...]:
        """Seconds of the project's own files in the wheel."""
        if self.wheel is None:
            return ()
        times = (seconds(member.time) for member in self.wheel.packed if not member.is_folder)
        return tuple(time for time in times if time is not None)

    @cached_property
    def one_wheel_time(self) -> int | None:
        """Seconds, if every member of the wheel has the same time."""
        times = {*self.written_times, *self.packed_times}
        return times.pop() if len(times) == 1 else None

    @cached_property
    def wheel_clock(self) -> int | None:
        """When the backend wrote the wheel's last member, if that is a clock's time and no constant."""
        real = [time for time in self.written_times if self.is_real(time)]
        return max(real, default=None)

    @cached_property
    def is_repaired(self) -> bool:
        """Whether a wheel looks packed a second time: for one platform, with folders, all at one time."""
        wheel = self.wheel
        return (
            wheel is not None
            and "-none-any" not in wheel.file_name
            and self.one_wheel_time is not None
            and any(member.is_folder for member in wheel.members)
        )

    @cached_property
    def ahead(self) -> Counter[int]:
        """By how many seconds the wheel's times are ahead of the same files' in the sdist, which are UTC, and of how
        many files; only what may be the offset of a zone. A zone with summer time has two."""
        if self.sdist is None or self.wheel is None:
            return Counter()
        times = {self.sdist.below(member).removeprefix("src/"): member.time // 10**9 for member in self.sdist_files}
        pairs = ((seconds(member.time), times.get(member.name)) for member in self.wheel.packed)
        found = Counter(made - on_grid(time) for made, time in pairs if made is not None and time is not None)
        return Counter({far: n for far, n in found.items() if far % _QUARTER == 0 and abs(far) <= _FARTHEST})

    @cached_property
    def zone(self) -> int | None:
        """The commonest offset of the wheel's times from UTC that is not 0, where two files have it or most; 0 where
        they are UTC; ``None`` if there is nothing to compare or no offset of a zone."""
        for distance, count in self.ahead.most_common():
            if distance and (count > 1 or count * 2 > self.ahead.total()):
                return distance
        return 0 if self.ahead[0] else None

    def is_real(self, time: int) -> bool:
        """Whether a time can be a clock's: no constant, and not far after the upload (of the release's first file)."""
        if time in CONSTANTS or time < _OLDEST:
            return False
        return self.uploaded is None or time <= self.uploaded + _DAY


def on_grid(time: int) -> int:
    """Seconds as a zip keeps them."""
    return time - time % 2


def instant(time: int) -> str:
    """Seconds since 1970 as a person reads them, or as a number if no calendar has them."""
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{time} s"


def printable(text: str, limit: int = 80) -> str:
    """Text out of an archive, in a sentence: bounded, in one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:limit])


def most_common(values: Iterable[Any]) -> Any:  # noqa: ANN401 - whatever was given
    """The commonest of several; ``None`` of none."""
    return next((value for value, _ in Counter(values).most_common(1)), None)


def _is_generated(path: str) -> bool:
    return path in ("PKG-INFO", "setup.cfg") or ".egg-info" in path


def _is_made(name: str) -> bool:
    """Whether a member of `.dist-info` is the backend's own work: not a licence or the like."""
    last = name.partition("/")[2]
    return last in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "zip-safe", "metadata.json")
