"""The runner protocol, host side: what is taken for the runner's word, and what never is."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.errors import UsageError
from rebuilder.model import BuildPlan, Limits, Step
from rebuilder.sandbox.frames import (
    Decoder,
    Event,
    FileData,
    FileStarted,
    LogData,
    ProtocolError,
    StepStarted,
    Trailer,
    input_frames,
    plan_frames,
    start_frames,
)

NONCE = bytes(range(32))
FIELDS = {
    "outcome": "done", "step": "1", "status": "", "signal": "", "full": "0", "log": "2", "processes": "0",
    "memory": "0", "note": "",
}  # fmt: skip


def plan(**changes: object) -> BuildPlan:
    values: dict[str, object] = {
        "build": "any",
        "inputs": (),
        "input_dir": "/build/in",
        "steps": (Step(argv=("true",), cwd="/build"), Step(argv=("a b", ""), cwd="/build/x")),
        "environment": {"A": "1=2", "B": ""},
        "outputs": ("*.deb", "x_[0-9].udeb"),
        "output_dir": "/build/out",
        "limits": Limits(log_bytes=100, output_bytes=50),
    }
    return BuildPlan.model_validate(values | changes)


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">cI", kind, len(payload)) + payload


def started(name: str, size: int) -> bytes:
    return frame(b"F", struct.pack(">Q", size) + name.encode("utf-8", errors="surrogateescape"))


def trailer(nonce: bytes = NONCE, **changes: str) -> bytes:
    return frame(b"T", nonce + "".join(f"{key}={value}\n" for key, value in (FIELDS | changes).items()).encode())


def decode(data: bytes, **changes: object) -> list[Event]:
    return list(Decoder(plan(**changes), NONCE).feed(data))


WHOLE = (
    frame(b"S", b"1") + frame(b"L", b"hi") + frame(b"S", b"2") + started("a.deb", 5) + frame(b"D", b"abc")
    + frame(b"D", b"de") + started("empty.deb", 0) + trailer()
)  # fmt: skip


def test_a_whole_build() -> None:
    assert decode(WHOLE)[:-1] == [
        StepStarted(1), LogData(b"hi"), StepStarted(2), FileStarted("a.deb", 5), FileData(b"abc", last=False),
        FileData(b"de", last=True), FileStarted("empty.deb", 0), FileData(b"", last=True),
    ]  # fmt: skip
    ending = decode(WHOLE)[-1]
    assert isinstance(ending, Trailer)
    assert (ending.outcome, ending.status, ending.full, ending.note) == ("done", None, False, "")


@given(st.lists(st.integers(0, len(WHOLE)), max_size=20))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    decoder = Decoder(plan(), NONCE)
    edges = [0, *sorted(cuts), len(WHOLE)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(WHOLE[start:end])]
    assert events == decode(WHOLE)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, len(WHOLE)))
def test_rubbish_is_refused_or_incomplete_and_never_a_trailer(rubbish: bytes, at: int) -> None:
    try:
        events = decode(WHOLE[: min(at, len(WHOLE) - len(trailer()))] + rubbish)
    except ProtocolError:
        return
    assert not any(isinstance(event, Trailer) for event in events)


@given(st.integers(0, 8 * 32 - 1))
def test_one_wrong_bit_of_the_nonce_makes_a_forgery(bit: int) -> None:
    nonce = bytearray(NONCE)
    nonce[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError, match="found another one: it is forged"):
        decode(trailer(bytes(nonce)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (trailer() + trailer(), r"found type b'T' with \d+ bytes after the trailer"),
        (trailer() + frame(b"L", b"x"), "after the trailer"),
        (frame(b"X"), "found type b'X'"),
        (struct.pack(">cI", b"L", 2**31), "found type b'L' with 2147483648 bytes"),
        (struct.pack(">cI", b"T", 2**17), "found type b'T' with 131072 bytes"),
        (frame(b"L", b"x" * 101), "a log frame after the outputs or past its limit"),
        (started("a.deb", 0) + frame(b"L", b"x"), "a log frame after the outputs"),
        (frame(b"S", b"2"), "expected step 1 of 2, found b'2'"),
        (frame(b"S", b"1") + frame(b"S", b"1"), "expected step 2 of 2, found b'1'"),
        (frame(b"S", b"1") + frame(b"S", b"2") + frame(b"S", b"3"), "expected step 3 of 2"),
        (frame(b"D", b"x"), "expected 0 bytes of an output, found 1"),
        (started("a.deb", 2) + frame(b"D", b"xyz"), "expected 2 bytes of an output, found 3"),
        (started("a.deb", 2) + frame(b"D"), "expected 2 bytes of an output, found 0"),
        (started("a.deb", 2) + trailer(), "expected 2 more bytes of an output, found the trailer"),
        (started("a.deb", 2) + started("b.deb", 2), "expected the rest of an output"),
        (started("a.deb", 0) + started("a.deb", 0), "found the start of 'a.deb'"),
        (started("a.deb", 51), "at most 50 bytes of outputs, found 51"),
        (started("a.deb", 0) + started("b.deb", 2**64 - 1), "at most 50 bytes"),
        (started("a.exe", 1), r"expected outputs named \*.deb, x_\[0-9\].udeb, found 'a.exe'"),
        (started("../a.deb", 1), "expected a plain file name"),
        (started("a\n.deb", 1), "expected a plain file name"),
        (started("\udcff.deb", 1), "expected a plain file name"),
        (frame(b"F", b""), "expected a plain file name"),
        (trailer(outcome="fine"), "expected the fields of a trailer"),
        (trailer(outcome="failed"), "expected the fields of a trailer"),
        (trailer(note="zz"), "expected the fields of a trailer"),
        (trailer(step="1\x00"), "expected the fields of a trailer"),
        (frame(b"T", NONCE), "expected the fields of a trailer"),
        (frame(b"T"), "it is forged"),
    ],
)
def test_what_the_runner_never_sends(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode(data)


def test_a_plan_in_frames() -> None:
    frames = list(plan_frames(plan(), keep=True))
    assert frames[0] == frame(b"V", b"rebuilder-runner/1")
    assert frames[1] == frame(b"L", b"3600 100 50 1")
    assert frame(b"E", b"A=1=2") in frames
    assert frames[-5:] == [
        frame(b"S", b"/build"), frame(b"A", b"true"), frame(b"S", b"/build/x"), frame(b"A", b"a b"), frame(b"A"),
    ]  # fmt: skip
    assert b"".join(input_frames("n", [b"x" * 65537])) == (
        frame(b"F", b"n") + frame(b"D", b"x" * 65536) + frame(b"D", b"x")
    )
    assert list(start_frames(NONCE)) == [frame(b"R"), frame(b"N", NONCE)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": {"A=B": "x"}}, "the name of an environment variable, found 'A=B'"),
        ({"environment": {"": "x"}}, "the name of an environment variable, found ''"),
        ({"environment": {"A": "x\0y"}}, "text without NUL"),
        ({"steps": (Step(argv=("a\0",), cwd="/build"),)}, "text without NUL"),
        ({"steps": (Step(argv=("true",), cwd="build"),)}, "an absolute path without '..' in the build plan, found"),
        ({"output_dir": "/build/../etc"}, "an absolute path without '..' in the build plan, found '/build/../etc'"),
        ({"outputs": ("x" * 2**21,)}, "below 1048576 bytes"),
    ],
)
def test_plans_that_no_process_could_be_given(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        list(plan_frames(plan(**changes), keep=False))
