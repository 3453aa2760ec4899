"""One whole record for each verdict, and for the shades of it that change what a reader must be told."""

from __future__ import annotations

import hashlib
from collections import Counter

from rebuilder import model
from rebuilder.findings import (
    ArtifactExplanation,
    Cause,
    Change,
    Count,
    Difference,
    DifferenceClass,
    Drift,
    Evidence,
    Finding,
    Proof,
    Severity,
    Side,
)
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


BUBBLEWRAP = "bubblewrap_0.11.0-2_amd64.deb"
DATA = "data.tar.xz"


def _metadata(path: tuple[str, ...], what: str, published: str, rebuilt: str) -> Finding:
    sides = {"published": Side(value=published), "rebuilt": Side(value=rebuilt)}
    return Finding(path=path, kind=DifferenceClass.METADATA, what=what, **sides)


def _content(path: tuple[str, ...], published: str, rebuilt: str, **changes: object) -> Finding:
    values = {
        "path": path,
        "kind": DifferenceClass.CONTENT,
        "what": "bytes",
        "published": Side(value=published, sha256=sha(f"published {path}"), size=72_272),
        "rebuilt": Side(value=rebuilt, sha256=sha(f"rebuilt {path}"), size=72_272),
        "offset": 1068,
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def explained_findings() -> tuple[Finding, ...]:
    """Of every class at least one: an ELF made by another libc6-dev, times of 40 files, and odds and ends."""
    program = (DATA, "./usr/bin/bwrap")
    pages = [(DATA, f"./usr/share/man/man1/page{n}.1.gz") for n in range(40)]
    return (
        _content((*program, ".text"), "83 c0 01 c3", "83 c0 02 c3", note="near main+0x1c"),
        _content((*program, ".note.gnu.build-id"), "4f 31", "a0 77", offset=16).model_copy(
            update={"kind": DifferenceClass.DERIVED, "what": "build-id", "follows": ((*program, ".text"),)}
        ),
        _content(("control.tar.xz", "./md5sums"), "0f00", "ff00").model_copy(
            update={"kind": DifferenceClass.DERIVED, "follows": (program,)}
        ),
        *(_metadata(path, "mtime", "2025-01-30T11:22:33Z", "2025-01-30T11:22:34Z") for path in pages),
        _metadata((DATA, "./usr/bin/bwrap"), "mode", "0755", "0775"),
        Finding(
            path=(DATA, "./usr/share/doc/bubblewrap/NEWS.gz"),
            kind=DifferenceClass.COMPRESSION,
            what="gzip",
            published=Side(value="gzip, 911 bytes", sha256=sha("gz one"), size=911),
            rebuilt=Side(value="gzip, 914 bytes", sha256=sha("gz two"), size=914),
            offset=8,
        ),
        Finding(path=("control.tar.xz",), kind=DifferenceClass.ORDER, what="order",
                published=Side(value="./control, ./md5sums"), rebuilt=Side(value="./md5sums, ./control")),
        Finding(path=(DATA, "./usr/share/bubblewrap/gone.txt"), kind=DifferenceClass.MISSING, what="member",
                published=Side(sha256=sha("gone"), size=12)),
        Finding(path=(DATA, "./usr/share/bubblewrap/new.txt"), kind=DifferenceClass.EXTRA, what="member",
                rebuilt=Side(sha256=sha("new"), size=13)),
    )  # fmt: skip


def explained_causes() -> tuple[Cause, ...]:
    """Three causes of three severities; they leave the last two findings unexplained."""
    every = explained_findings()
    return (
        Cause(
            id="libc6-dev-version",
            title="Built against another version of libc6-dev",
            severity=Severity.INSPECT,
            confidence="likely",
            findings=(0, 1, 2),
            evidence=(
                Evidence(path=every[0].path, what="code", offset=1068, published="83 c0 01 c3", rebuilt="83 c0 02 c3"),
            ),
            fix="Build with the version of libc6-dev that the publisher used.",
            changes=(
                Change(where="environment", target="package:libc6-dev=2.41-11", text="install libc6-dev 2.41-11"),
            ),
            docs="causes/libc6-dev-version.md",
        ),
        Cause(
            id="umask",
            title="Modes follow the umask of the build",
            severity=Severity.BEHAVIOUR,
            confidence="proved",
            findings=(43,),
            evidence=(Evidence(path=every[43].path, what="mode", published="0755", rebuilt="0775"),),
            fix="Set the umask, or give modes when files are installed.",
            changes=(
                Change(where="environment", target="umask", text="build with umask 0022"),
                Change(where="project", target="debian/rules", text="use install -m 0755"),
            ),
            docs="causes/umask.md",
        ),
        Cause(
            id="archive-times",
            title="The archive holds times of the build",
            severity=Severity.HARMLESS,
            confidence="possible",
            findings=(*range(3, 43), 44, 45),
            evidence=(Evidence(path=every[3].path, what="mtime", published=every[3].published.value,
                               rebuilt=every[3].rebuilt.value),),
            fix="Clamp times to SOURCE_DATE_EPOCH.",
            changes=(),
            docs="causes/archive-times.md",
        ),
    )  # fmt: skip


def explanation_of(
    artifact: str, findings: tuple[Finding, ...], causes: tuple[Cause, ...] = (), **changes: object
) -> tuple[ArtifactExplanation, bytes]:
    """An explanation that fits its findings, and the file that lists them."""
    members = Count(published=len(findings) + 70, rebuilt=len(findings) + 70, equal=70)
    difference = Difference(published=Side(), rebuilt=Side(), format="ar", members=members, findings=findings)
    data = difference.model_dump_json(by_alias=True).encode()
    claimed = {index for cause in causes for index in cause.findings}
    values = {
        "artifact": artifact,
        "difference": Side(sha256=hashlib.sha256(data).hexdigest(), size=len(data)),
        "members": members,
        "classes": dict(Counter(one.kind for one in findings)),
        "causes": causes,
        "unexplained": tuple(index for index in range(len(findings)) if index not in claimed),
    }
    return ArtifactExplanation(**(values | changes)), data  # type: ignore[arg-type]


def _bubblewrap() -> tuple[ArtifactExplanation, bytes]:
    drift = (
        Drift(tool="debhelper", published="13.19", rebuilt="13.24.2", count=2,
              seen=("control.tar.xz » ./postinst: Automatically added by", "control.tar.xz » ./prerm: Automatically")),
        Drift(tool="gcc", package="gcc-14", published="14.2.0-16", rebuilt="14.2.0-19",
              seen=("data.tar.xz » ./usr/bin/bwrap » .comment: GCC",)),
    )  # fmt: skip
    remarks = ("published: data.tar.xz: 2 entries have the name ./usr/bin/bwrap",)
    return explanation_of(BUBBLEWRAP, explained_findings(), explained_causes(), drift=drift, remarks=remarks)


def explained_files() -> dict[str, bytes]:
    """The files beside ``different_explained`` that hold what its record only names."""
    return {f"difference-{BUBBLEWRAP}.json": _bubblewrap()[1]}


def different_explained(proof: Proof | None = None) -> Record:
    """One package that differs, taken apart: tools of other versions, three causes, and what none explains."""
    given = published("bubblewrap", "0.11.0-2", [artifact(BUBBLEWRAP)])
    mine = file(BUBBLEWRAP, f"rebuilt {BUBBLEWRAP}", size=48_004)
    report = model.DiffReport(
        artifact=BUBBLEWRAP,
        status="complete",
        tool="diffoscope 306",
        seconds=11.5,
        text=file("bwrap.diff.txt", size=3_011),
        html=file("bwrap.diff.html", size=30_113),
        members=(
            model.MemberReport(path=(DATA, "./usr/bin/bwrap"), rung="no-disassembly", lacks=("machine code as text",)),
        ),
    )
    return record(
        Verdict.DIFFERENT,
        "two rebuilds agree, the published file differs",
        given,
        source=source(given),
        toolchain=toolchain(),
        inputs=inputs(),
        built=model.Built(attempts=(attempt(1, [mine]), attempt(2, [mine]))),
        comparison=model.Comparison(artifacts=(compared(BUBBLEWRAP, Verdict.DIFFERENT, [mine, mine]),)),
        explanation=model.Explanation(artifacts=(_bubblewrap()[0],), reports=(report,), proof=proof),
    )


def confirmed() -> Record:
    """A run that was made to try a fix, after which every byte is equal."""
    change = Change(where="environment", target="package:libc6-dev=2.41-11", text="install libc6-dev 2.41-11")
    proof = Proof(
        run_id="20261120T160000Z-0123abcd",
        artifact=BUBBLEWRAP,
        cause="libc6-dev-version",
        changes=(change,),
        result="confirmed",
        reason="all 3 findings it explains are gone",
    )
    given = published("bubblewrap", "0.11.0-2", [artifact(BUBBLEWRAP)])
    output = file(BUBBLEWRAP, f"published {BUBBLEWRAP}")
    return record(
        Verdict.REPRODUCED,
        "every byte is equal",
        given,
        run_id=f"20261120T180000Z-{sha('confirmed')[:8]}",
        source=source(given),
        toolchain=toolchain(Origin.INFERRED),
        inputs=tuple(
            one.model_copy(
                update={"origin": Origin.INFERRED, "value": "libc6-dev 2.41-11", "evidence": "explain --confirm"}
            )
            if one.name == "toolchain"
            else one
            for one in inputs()
        ),
        built=model.Built(attempts=(attempt(1, [output]),)),
        comparison=model.Comparison(artifacts=(compared(BUBBLEWRAP, Verdict.REPRODUCED, [output]),)),
        explanation=model.Explanation(proof=proof),
    )


def many_findings(count: int = 10_000) -> tuple[Finding, ...]:
    """As many times that differ, but for two members whose content does, with one name of each sort that is odd."""
    odd = ("two\nlines", "bidi\u202egpj.exe", "<img src=x onerror=alert(1)>", "esc\x1b[2J", "a" * 5000)
    names = [f"./usr/lib/python3/dist-packages/package/module_{n:05}/__init__.py" for n in range(count - 2 - len(odd))]
    times = ("2025-01-30T11:22:33Z", "2026-11-20T18:00:00Z")
    return (
        *(_metadata((DATA, name), "mtime", *times) for name in (*odd, *names)),
        _content((DATA, "./usr/bin/tool", ".text"), "00", "01"),
        _content((DATA, "./usr/share/doc/tool/README"), "one", "two"),
    )


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
    "different-explained": different_explained,
    "confirmed": confirmed,
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
