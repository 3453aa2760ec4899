"""Mutates archives of the corpus and checks what must hold for every pair of files.

``python -m tests.fuzz.walk SECONDS [SEED]`` runs on and keeps what breaks a rule in ``tests/fuzz/corpus``
(`make soak`); the tests run a fixed number of rounds with a fixed seed.

What must hold: nothing is raised; equal files have no finding; files that differ have one; every value survives JSON;
normalisers never call equal what an ordinary reader tells apart; no case takes longer than ``SLOW`` seconds.
"""

from __future__ import annotations

import hashlib
import random
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rebuilder.compare import normalise
from rebuilder.compare.walk import Bounds
from rebuilder.data import Held
from rebuilder.findings import Difference
from tests.samples import samples
from tests.scenes import walked

CORPUS = Path(__file__).parent / "corpus"
SLOW = 20.0
LIMIT = 32 * 1024**2
_NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


def seeds() -> list[bytes]:
    """The corpus: a sample of each format, and every case that once broke a rule."""
    kept = [path.read_bytes() for path in sorted(CORPUS.glob("*.bin"))]
    return [*samples().values(), *kept]


def mutate(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """One to six changes: bytes, numbers, runs moved or repeated, a piece of another file, an end cut off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(changed) + 1) if changed else 0
        match chance.randrange(8):
            case 0 if changed:
                changed[min(at, len(changed) - 1)] = chance.randrange(256)
            case 1:
                number = struct.pack(chance.choice(["<H", "<I", "<Q", ">I"]), 0)
                changed[at : at + len(number)] = (chance.choice(_NUMBERS) & (256 ** len(number) - 1)).to_bytes(
                    len(number), chance.choice(["little", "big"])
                )
            case 2:
                changed[at:at] = chance.randbytes(chance.randint(1, 64))
            case 3:
                del changed[at : at + chance.randint(1, 600)]
            case 4:
                start = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + chance.randint(1, 2000)]
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                changed[at : at + chance.randint(0, 100)] = other[start : start + chance.randint(1, 2000)]
            case 6:
                del changed[at:]
            case _:
                size = chance.randint(1, 12)
                changed[at : at + size] = bytes([chance.choice(b"0 79\xff\x80")]) * size
        if len(changed) > 200_000:
            del changed[200_000:]
    return bytes(changed)


def check(one: bytes, other: bytes) -> None:
    """Raises ``AssertionError`` where a rule is broken; anything else that comes out is a broken rule too."""
    began = time.monotonic()
    difference = walked(one, other, members=5000).difference
    assert bool(difference.findings) == (one != other), "findings and bytes disagree"
    assert Difference.model_validate_json(difference.model_dump_json(by_alias=True)) == difference
    bounds = Bounds(spool=bounded, members=5000)
    equal = normalise.equal_after(Held(one), (Held(other),), tuple(normalise.NORMALISERS), bounds)
    if equal and one != other:
        assert readable(one) == readable(other), f"called equal after {equal}"
    assert time.monotonic() - began < SLOW, "too slow"


def bounded(pieces: Iterator[bytes]) -> Held:
    """Scratch space in memory, with an end."""
    from rebuilder.compare.archive.layout import BudgetError

    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > LIMIT:
            raise BudgetError("more than the fuzzer's scratch space")
    return Held(bytes(held))


def readable(data: bytes) -> object:
    """What Python's own readers get out of a file; its bytes where they get nothing."""
    from tests.unit.test_normalisers import content

    try:
        return content(data)
    except Exception:
        return "not readable"


def run(rounds: int, seed: int, seconds: float = float("inf")) -> int:
    """Fuzz; how many cases. A case that breaks a rule is kept in the corpus, and raises."""
    chance = random.Random(seed)
    corpus = seeds()
    until = time.monotonic() + seconds
    for number in range(rounds):
        if time.monotonic() > until:
            return number
        one = chance.choice(corpus)
        other = mutate(one, chance, corpus)
        if chance.random() < 0.3:
            one = mutate(one, chance, corpus)
        try:
            check(one, other)
        except BaseException:
            for data in (one, other):
                (CORPUS / f"{hashlib.sha256(data).hexdigest()[:16]}.bin").write_bytes(data)
            print(f"seed {seed}, case {number}: kept in {CORPUS}", file=sys.stderr)
            raise
    return rounds


def main() -> None:
    """For `make soak`."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    count = run(sys.maxsize, seed, seconds)
    print(f"{count} cases in {seconds:g} s with seed {seed}: no rule was broken")


if __name__ == "__main__":
    main()
