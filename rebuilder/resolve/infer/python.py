"""How a Python release was made, by its wheel, its sdist and its source: guesses, and what they rest on. Pure.

The rules are in the files `python_*.py` beside this one; what they look at is in `seen.py`.
"""

from __future__ import annotations

from datetime import datetime

from rebuilder.releases import Guess
from rebuilder.resolve.infer import python_machine, python_owners, python_times, python_tools
from rebuilder.resolve.infer.sdist_facts import SdistFacts
from rebuilder.resolve.infer.seen import Seen
from rebuilder.resolve.infer.wheel_facts import WheelFacts


def guess(
    wheel: WheelFacts | None,
    sdist: SdistFacts | None,
    *,
    uploaded: datetime | None,
    pyproject: str,
    committed: int | None,
) -> tuple[Guess, ...]:
    """Backend (first, and setuptools or a bound of it after it where WHEEL names only the package wheel),
    ``requirements``, front end, Python, zlib, epoch, clock, times, owners, umask, each once.

    ``pyproject`` is the text of ``pyproject.toml`` in the source tree (empty: it has none, or is not known yet; then
    that of the sdist is read), ``committed`` the commit's time in seconds since 1970."""
    seen = Seen(
        wheel=wheel,
        sdist=sdist,
        uploaded=int(uploaded.timestamp()) if uploaded is not None else None,
        manifest=pyproject or (sdist.pyproject if sdist and sdist.pyproject else ""),
        committed=committed,
    )
    built = python_times.build_time(seen)
    return (
        *python_tools.backend(seen),
        python_times.requirements(seen),
        python_tools.front_end(seen),
        python_machine.python(seen, built[0] if built else seen.uploaded),
        python_machine.zlib(seen),
        python_times.epoch(seen),
        python_times.clock(seen),
        python_times.times(seen),
        python_owners.owners(seen),
        python_owners.umask(seen),
    )
