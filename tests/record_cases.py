"""One whole record for each verdict, and for the shades of it that change what a reader must be told."""

from __future__ import annotations

from rebuilder import model
from rebuilder.model import FailureReason, Origin, Record, Verdict
from tests.records import (
    artifact,
    attempt,
    check,
    compared,
    endorsement,
    file,
    inputs,
    published,
    record,
    sha,
    source,
    timeline,
    toolchain,
)

LESS = "less_668-1_amd64.deb"
GRON = "gron_0.7.1-2+b8_amd64.deb"
BZIP2 = ("bzip2_1.0.8-6_amd64.deb", "libbz2-1.0_1.0.8-6_amd64.deb", "libbz2-dev_1.0.8-6_amd64.deb")
BZIP2_DOC = "bzip2-doc_1.0.8-6_all.deb"


def reproduced() -> Record:
    """Equal byte for byte, with a debug package nobody published."""
    given = published("less", "668-1", [artifact(LESS)])
    debug = file("less-dbgsym_668-1_amd64.deb", size=211_008)
    output = file(LESS, f"published {LESS}")
    return record(
        Verdict.REPRODUCED,
        "every byte is equal",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=(attempt(1, [output, debug]),)),
        comparison=model.Comparison(artifacts=(compared(LESS, Verdict.REPRODUCED, [output]),), unpublished=(debug,)),
    )


def reproduced_with_recovered_input() -> Record:
    """Equal, but the changelog entry of the binNMU came from the published package; endorsement missing,
    relocked, and a source file occurs in the package."""
    given = published("gron", "0.7.1-2", [artifact(GRON)])
    output = file(GRON, f"published {GRON}")
    entry = model.Input(
        name="changelog",
        value="entry for 0.7.1-2+b8",
        origin=Origin.RECOVERED,
        evidence="changelog of the published .deb",
    )
    shared = model.SelfInput(
        artifact=GRON, member="usr/share/gron/table.bin", found_in="gron.orig.tar.gz", sha256=sha("table")
    )
    return record(
        Verdict.REPRODUCED,
        "every byte is equal",
        given,
        endorsement=endorsement("missing"),
        source=source(given),
        toolchain=toolchain(Origin.PINNED, relocked=True, unsigned=("libexample1 1.1-1",)),
        inputs=inputs(Origin.PINNED, entry),
        built=model.Built(attempts=(attempt(1, [output]),)),
        comparison=model.Comparison(artifacts=(compared(GRON, Verdict.REPRODUCED, [output]),), self_input=(shared,)),
        warnings=("The lock named 2 packages that are gone from the pool.",),
    )


def different_assumed() -> Record:
    """Four packages of two kinds of build under today's toolchain: three differ, one is equal."""
    given = published("bzip2", "1.0.8-6", [*(artifact(name) for name in BZIP2), artifact(BZIP2_DOC, build="all")])
    mine = {name: file(name, f"rebuilt {name}", size=161_248) for name in BZIP2[:2]}
    same = file(BZIP2[2], f"published {BZIP2[2]}")
    document = file(BZIP2_DOC, f"rebuilt {BZIP2_DOC}", size=160_004)
    outputs = [*mine.values(), same]
    attempts = tuple(
        attempt(number, outputs if build == "any" else [document], build=build)
        for number in (1, 2)
        for build in ("any", "all")
    )
    rows = [
        compared(
            name,
            Verdict.DIFFERENT,
            [digest, digest],
            reason="two rebuilds agree, the published file differs",
        )
        for name, digest in mine.items()
    ]
    rows.append(compared(BZIP2[2], Verdict.REPRODUCED, [same, same], reason="every byte is equal"))
    rows.append(compared(BZIP2_DOC, Verdict.DIFFERENT, [document, document], first_difference=68))
    reports = (
        model.DiffReport(
            artifact=BZIP2[0],
            status="complete",
            tool="diffoscope 332",
            seconds=8.4,
            text=file("bzip2.diff.txt", size=3_011),
            html=file("bzip2.diff.html", size=30_113),
        ),
        model.DiffReport(
            artifact=BZIP2[1],
            status="timed-out",
            tool="diffoscope 332",
            seconds=300.0,
            text=file("libbz2.diff.txt", size=812),
            lacks=("everything after usr/lib: it was stopped after 300 s", "ELF disassembly: objdump is not installed"),
        ),
    )
    return record(
        Verdict.DIFFERENT,
        "3 of 4 files differ",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=attempts),
        comparison=model.Comparison(artifacts=tuple(rows)),
        explanation=model.Explanation(reports=reports),
    )


def bzip2_rows() -> list[tuple[str, str]]:
    """Name and verdict of each file of ``different_assumed``, in the order of its publication."""
    return [(BZIP2[0], "different"), (BZIP2[1], "different"), (BZIP2[2], "reproduced"), (BZIP2_DOC, "different")]


def different_declared() -> Record:
    """The publisher declared everything, and the bytes still differ: the one case that counts against them."""
    given = published("sl", "5.02-1", [artifact("sl_5.02-1_amd64.deb")])
    name = "sl_5.02-1_amd64.deb"
    mine = file(name, f"rebuilt {name}", size=161_003)
    return record(
        Verdict.DIFFERENT,
        "two rebuilds agree, the published file differs",
        given,
        source=source(given),
        toolchain=toolchain(Origin.DECLARED),
        inputs=inputs(Origin.DECLARED),
        built=model.Built(attempts=(attempt(1, [mine]), attempt(2, [mine]))),
        comparison=model.Comparison(artifacts=(compared(name, Verdict.DIFFERENT, [mine, mine]),)),
    )


def flaky() -> Record:
    """Two rebuilds, three different files."""
    name = "toilet_0.3-3_amd64.deb"
    given = published("toilet", "0.3-3", [artifact(name)])
    tries = [file(name, f"rebuilt {name} {number}") for number in (1, 2)]
    return record(
        Verdict.FLAKY,
        "our two rebuilds differ from each other",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=tuple(attempt(number, [one]) for number, one in enumerate(tries, 1))),
        comparison=model.Comparison(artifacts=(compared(name, Verdict.FLAKY, tries),)),
    )


def build_failed() -> Record:
    """The build ran into its time limit."""
    name = "onionshare_2.6.3-1_all.deb"
    given = published("onionshare", "2.6.3-1", [artifact(name, build="all")])
    failed = attempt(
        1,
        [],
        build="all",
        exit_status=None,
        failure=FailureReason.TIME_LIMIT,
        detail="killed after 3600 s",
        log_truncated=True,
    )
    row = compared(name, Verdict.BUILD_FAILED, [None], reason="time-limit: killed after 3600 s")
    return record(
        Verdict.BUILD_FAILED,
        "time-limit: killed after 3600 s",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=(failed,)),
        comparison=model.Comparison(artifacts=(row,)),
    )


def refused() -> Record:
    """A signed index that was changed after it was signed: nothing was fetched or built."""
    bad = endorsement("invalid").model_copy(update={"checks": (check("invalid"),)})
    return record(
        Verdict.REFUSED,
        "The InRelease of trixie carries a signature that does not match its bytes.",
        None,
        endorsement=bad,
        recipe_sha256=None,
        timeline=timeline(built=False),
    )


def unavailable() -> Record:
    """Part of the source is on no mirror."""
    given = published("hello", "2.10-5", [artifact("hello_2.10-5_amd64.deb")])
    return record(
        Verdict.UNAVAILABLE,
        "2 files of the source cannot be had from any location",
        given,
        missing=(
            "hello_2.10.orig.tar.gz: not found at 2 locations",
            "hello_2.10.orig.tar.gz.asc: not found at 2 locations",
        ),
        timeline=timeline(built=False),
    )


def equivalent() -> Record:
    """Equal only after a named normaliser, so never called reproduced."""
    name = "unzip_6.0-29+deb13u1_amd64.deb"
    given = published("unzip", "6.0-29+deb13u1", [artifact(name)])
    mine = file(name, f"rebuilt {name}")
    row = compared(name, Verdict.EQUIVALENT, [mine, mine], normalisers=("zip-times/v1",))
    return record(
        Verdict.EQUIVALENT,
        "equal after zip-times/v1",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=(attempt(1, [mine]), attempt(2, [mine]))),
        comparison=model.Comparison(artifacts=(row,)),
    )


#: Every case by name, for parametrised tests.
CASES = {
    "reproduced": reproduced,
    "equivalent": equivalent,
    "recovered": reproduced_with_recovered_input,
    "different-assumed": different_assumed,
    "different-declared": different_declared,
    "flaky": flaky,
    "build-failed": build_failed,
    "refused": refused,
    "unavailable": unavailable,
}


def hostile() -> Record:
    """A record whose every free text tries to break out of a page or a terminal."""
    bad = "</td></script><script>alert(1)</script><img src=x onerror=alert(1)>'\"`{{7*7}}\x1b]0;x\x07\u202e"
    flat = "<img src=x onerror=alert(1)>'\"\u202e{{7*7}}.deb"
    fixed = {"sha256", "lock_sha256", "root_sha256", "recipe_sha256", "schema", "fingerprint", "signers"} | _CLOSED

    def poison(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: poison(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [poison(one, key) for one in value]
        if not isinstance(value, str):
            return value
        if key == "artifact" or (key == "name" and "." in value):
            return flat
        return value if key in fixed else bad + value

    return Record.model_validate(poison(_whole().model_dump(mode="json", by_alias=True)))


#: Fields with a closed set of values, or with a form of their own.
_CLOSED = frozenset(
    {
        "verdict", "origin", "result", "kind", "build", "stage", "status", "failure", "scheme", "name",
        "started", "finished", "date", "valid_until", "claimed_time", "ecosystem",
    }
)  # fmt: skip


def _whole() -> Record:
    """A record with every part filled."""
    base = different_assumed()
    extra = reproduced_with_recovered_input()
    return base.model_copy(
        update={
            "missing": ("x" * 1_000_000,),
            "warnings": extra.warnings,
            "comparison": base.comparison.model_copy(
                update={"self_input": extra.comparison.self_input, "unpublished": reproduced().comparison.unpublished}
            ),
        }
    )
