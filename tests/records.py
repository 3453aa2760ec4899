"""Records of every verdict, made by hand, for tests of whatever shows, signs or stores them.

All values are invented but fit together: digests are sha256 of a label, times follow one another. Each
function returns a whole ``Record`` that survives a round trip through JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from rebuilder import model
from rebuilder.lock import Fixup, LockedPackage, LockedRoot, ToolchainLock
from rebuilder.model import Origin, Record, Verdict

START = datetime(2026, 11, 20, 17, 0, 0, tzinfo=UTC)
ARCHIVE_KEY = "4CB50190207B4758A3F73A796ED0E7B82643E131"
UPLOADER_KEY = "B8E5F13176D2A7A75220028078DBA3BC47EF2265"


def sha(label: str) -> str:
    """A digest that is the same in every run."""
    return hashlib.sha256(label.encode()).hexdigest()


def file(name: str, label: str = "", size: int = 161_244) -> model.FileDigest:
    """A file known by an invented digest."""
    return model.FileDigest(name=name, sha256=sha(label or name), size=size)


def located(name: str, label: str = "", size: int = 161_244) -> model.Located:
    """The same, with a place in the pool."""
    digest = file(name, label, size)
    return model.Located(**digest.model_dump(), archive="debian", path=f"pool/main/x/{name}")


def index() -> model.SignedIndex:
    """A signed index of the suite."""
    return model.SignedIndex(
        archive="debian",
        suite="trixie",
        inrelease=file("InRelease", size=140_391),
        lists=(file("Packages.xz", size=9_700_112), file("Sources.xz", size=9_100_540)),
        date=START - timedelta(days=6),
        valid_until=START + timedelta(days=1),
        anchor="debian-archive",
        signers=(ARCHIVE_KEY,),
    )


def artifact(name: str, *, build: model.BuildKind = "any", named: bool = True) -> model.Artifact:
    """One published .deb, named as Debian names files."""
    package, version, rest = name.split("_")
    return model.Artifact(
        file=located(name, f"published {name}"),
        package=package,
        version=version,
        architecture=rest.removesuffix(".deb"),
        build=build,
        named=named,
    )


def published(source: str, version: str, artifacts: Iterable[model.Artifact]) -> model.Published:
    """What the index says was published from one source."""
    upstream = version.split(":")[-1]
    return model.Published(
        purl=f"pkg:deb/debian/{source}@{version}?distro=trixie",
        ecosystem="deb",
        suite="trixie",
        source_name=source,
        source_version=version,
        artifacts=tuple(artifacts),
        source_files=(located(f"{source}_{upstream}.dsc", size=1_964), located(f"{source}.orig.tar.gz", size=624_911)),
        indexes=(index(),),
    )


def check(result: str = "valid", *, key: str = ARCHIVE_KEY, subject: str = "InRelease") -> model.SignatureCheck:
    """One OpenPGP signature, judged."""
    reasons = {"valid": "good signature by a pinned key", "no-key": "signed by a key that is in no keyring of ours"}
    return model.SignatureCheck(
        scheme="openpgp",
        subject=subject,
        result=model.EndorsementResult(result),
        fingerprint=key,
        claimed_time=START - timedelta(days=6),
        tool="pysequoia 0.1.35",
        reason=reasons.get(result, "the signature does not match the bytes"),
    )


def endorsement(result: str = "valid") -> model.Endorsement:
    """The archive's endorsement of the published digests."""
    return model.Endorsement(
        result=model.EndorsementResult(result),
        anchor="debian-archive" if result == "valid" else "",
        reason={
            "valid": "one pinned key of the anchor debian-archive signed the index that lists every file",
            "missing": "local files with no index; allowed by the recipe: built by hand for a talk",
        }.get(result, "the InRelease of trixie was changed after it was signed"),
        checks=(check(result if result != "missing" else "no-key"),) if result != "missing" else (),
        chain=(
            f"InRelease {sha('InRelease')} is signed by {ARCHIVE_KEY}",
            f"it lists main/binary-amd64/Packages.xz {sha('Packages.xz')}",
            "Packages.xz lists every published file below by its digest",
            f"it lists main/source/Sources.xz {sha('Sources.xz')}, which lists every source file below",
        )
        if result == "valid"
        else (),
        evidence=(check("no-key", key=UPLOADER_KEY, subject="the .dsc"),) if result == "valid" else (),
    )


def source(given: model.Published) -> model.Source:
    """The fetched source of a publication."""
    files = tuple(model.FileDigest(**one.model_dump(include={"name", "sha256", "size"})) for one in given.source_files)
    return model.Source(
        kind=model.SourceKind.SIGNED_DSC,
        name=given.source_name,
        version=given.source_version,
        files=files,
        uri=f"pkg:deb/debian/{given.source_name}@{given.source_version}?arch=source",
    )


def inputs(toolchain: Origin = Origin.ASSUMED, *extra: model.Input) -> tuple[model.Input, ...]:
    """The usual inputs; toolchain, environment and path have the same origin."""
    value = {
        Origin.ASSUMED: ("trixie as of 2026-11-14", "no .buildinfo is published"),
        Origin.DECLARED: ("213 packages", "the publisher's .buildinfo"),
        Origin.PINNED: ("213 packages", "toolchain.lock.json beside the recipe"),
    }[toolchain]
    rows = (
        ("source", "the .dsc and its files", Origin.DECLARED, "Sources.xz of the signed index"),
        ("toolchain", value[0], toolchain, value[1]),
        ("environment", "LC_ALL=C.UTF-8 TZ=UTC parallel=2", toolchain, value[1]),
        ("epoch", "1789199741", Origin.DECLARED, "newest entry of debian/changelog"),
        ("path", "/build/reproducible-path/less-668", toolchain, value[1]),
        ("command", "dpkg-buildpackage -B --sanitize-env", Origin.ASSUMED, "as the archive's builders do it"),
    )
    return tuple(model.Input(name=n, value=v, origin=o, evidence=e) for n, v, o, e in rows) + extra  # type: ignore[arg-type]


def toolchain(origin: Origin = Origin.ASSUMED, **changes: object) -> model.Toolchain:
    """A materialised toolchain with one root filesystem."""
    roots = (model.RootImage(build="any", sha256=sha("root any"), size=812_441_600, packages=213),)
    values = {"lock_sha256": sha("lock"), "origin": origin, "suite": "trixie", "roots": roots}
    return model.Toolchain(**(values | changes))  # type: ignore[arg-type]


def attempt(number: int, outputs: Iterable[model.FileDigest], **changes: object) -> model.Attempt:
    """One build that ended well, unless ``changes`` say otherwise."""
    started = START + timedelta(seconds=60 * number)
    values = {
        "run_id": f"20261120T170000Z-{number:08x}",
        "build": "any",
        "number": number,
        "root_sha256": sha("root any"),
        "started": started,
        "finished": started + timedelta(seconds=38),
        "exit_status": 0,
        "outputs": tuple(outputs),
        "log": file(f"build-{number}.log", size=48_213),
        "limits": model.Limits(),
        "engine": "Docker Engine 20.10.24 (API 1.41)",
    }
    return model.Attempt(**(values | changes))  # type: ignore[arg-type]


def timeline(*, built: bool = True) -> tuple[model.StageTime, ...]:
    """When the stages ran."""
    early = (("resolve", 0.0, 4.2), ("endorse", 4.2, 0.9), ("fetch", 5.1, 1.6), ("toolchain", 6.7, 53.3))
    late = (("sandbox", 60.0, 98.0), ("compare", 158.0, 0.3), ("explain", 158.3, 21.0), ("attest", 179.3, 0.1))
    rows = early + late if built else early[:2]
    return tuple(
        model.StageTime(stage=stage, started=START + timedelta(seconds=at), seconds=took)  # type: ignore[arg-type]
        for stage, at, took in rows
    )


def signer() -> model.Signer:
    """Whoever signs in these tests."""
    return model.Signer(
        organisation="Example Rebuilders",
        builder_id="https://rebuilders.example/builder/v1",
        verifier_id="https://rebuilders.example/verifier/v1",
        attest_key=sha("attest key"),
        verdict_key=sha("verdict key"),
    )


def compared(
    name: str, verdict: Verdict, rebuilt: Iterable[model.FileDigest | None], **changes: object
) -> model.ArtifactComparison:
    """One artifact held against its rebuilds."""
    values = {
        "artifact": name,
        "named": True,
        "verdict": verdict,
        "reason": "",
        "published": file(name, f"published {name}"),
        "rebuilt": tuple(rebuilt),
        "first_difference": 132 if verdict in {Verdict.DIFFERENT, Verdict.FLAKY} else None,
    }
    return model.ArtifactComparison(**(values | changes))  # type: ignore[arg-type]


def record(verdict: Verdict, reason: str, given: model.Published | None, **changes: object) -> Record:
    """A record with the parts every run has."""
    values = {
        "run_id": f"20261120T170000Z-{sha(given.source_name if given else reason)[:8]}",
        "tool_version": "0.1.0",
        "target": given.purl if given else "pkg:deb/debian/less?distro=trixie",
        "started": START,
        "finished": START + timedelta(seconds=180),
        "verdict": verdict,
        "reason": reason,
        "published": given,
        "recipe_sha256": sha("recipe"),
        "endorsement": endorsement(),
        "timeline": timeline(),
        "signer": signer(),
    }
    return Record(**(values | changes))  # type: ignore[arg-type]


def lock(packages: int = 3) -> ToolchainLock:
    """A toolchain lock of that many packages, one of them in no signed index."""
    rows = tuple(
        LockedPackage(
            **located(f"libexample{n}_1.{n}-1_amd64.deb", size=20_000 + n).model_dump(),
            package=f"libexample{n}",
            version=f"1.{n}-1",
            architecture="amd64" if n % 5 else "all",
            why=("essential", "build-essential", "build-dependency", "dependency")[n % 4],
            roots=("any",),
            signed=n != 1,
        )
        for n in range(packages)
    )
    return ToolchainLock(
        suite="trixie",
        architecture="amd64",
        epoch=1_789_199_741,
        origin="suite",
        indexes=(index(),),
        seed=rows[:1],
        packages=rows,
        roots=(LockedRoot(build="any", sha256=sha("root any"), size=812_441_600),),
        fixups=(
            Fixup(
                path="etc/ssl/certs/java/cacerts",
                action="remove",
                reason="a key store stamps its entries with the clock",
            ),
        ),
    )
