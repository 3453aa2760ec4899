"""Records of released packages, made by hand: a wheel with content of other origin, a search that ended well."""

from __future__ import annotations

from rebuilder import model
from rebuilder.model import EndorsementResult, Origin, Record, SourceKind, Undeclared, Verdict
from tests.records import START, attempt, compared, file, located, record, sha, toolchain

WHEEL, SDIST = "demo-1.2-py3-none-any.whl", "demo-1.2.tar.gz"
COMMIT = sha("commit")[:40]
RECIPE = b"""format = "rebuilder/recipe/v3"
purl = "pkg:pypi/demo@1.2"

[[guesses]]
input = "commit"
value = "%(commit)s"
origin = "declared"
evidence = "the tag v1.2 leads to it"
confidence = 0.97

[[guesses]]
input = "front-end"
value = "build==1.2.2"
origin = "inferred"
evidence = "no front end leaves its name; the newest at the upload was taken"
confidence = 0.4
"""


def published(*names: str, ecosystem: str = "pypi") -> model.Published:
    """A release of these files."""
    return model.Published(
        purl=f"pkg:{ecosystem}/demo@1.2",
        ecosystem=ecosystem,
        suite="",
        source_name="demo",
        source_version="1.2",
        artifacts=tuple(
            model.Artifact(
                file=located(name, f"published {name}").model_copy(update={"archive": ecosystem}),
                package="demo",
                version="1.2",
                architecture="all",
                build="generic",
            )
            for name in names
        ),
        source_files=(located("tree.tar", size=30_720),),
    )


def source(kind: SourceKind = SourceKind.GIT_COMMIT) -> model.Source:
    """A tree of the release."""
    uri = f"git+https://code.example/demo@{COMMIT}"
    return model.Source(kind=kind, name="demo", version="1.2", files=(file("tree.tar", size=30_720),), uri=uri)


def _inputs(*extra: model.Input) -> tuple[model.Input, ...]:
    rows = (
        ("source", "tree.tar", Origin.PINNED, "the recipe"),
        ("commit", COMMIT, Origin.DECLARED, "the tag v1.2 leads to it"),
        ("toolchain", "hatchling 1.25.0", Origin.DECLARED, "Generator line of the WHEEL file"),
        ("environment", "LC_ALL=C.UTF-8", Origin.ASSUMED, "as nobody says"),
    )
    return tuple(model.Input(name=n, value=v, origin=o, evidence=e) for n, v, o, e in rows) + extra  # type: ignore[arg-type]


def _check(scheme: str, result: str, subject: str, **more: str) -> model.SignatureCheck:
    values = {"scheme": scheme, "result": EndorsementResult(result), "subject": subject, "tool": "rebuilder"} | more
    return model.SignatureCheck(**values)  # type: ignore[arg-type]


def endorsement() -> model.Endorsement:
    """The index names the digests; a signed tag beside it, whose key we do not have."""
    return model.Endorsement(
        result=EndorsementResult.MISSING,
        anchor="",
        reason="nobody signs the files of this release; allowed by the recipe: none of its releases is signed",
        checks=(_check("index", "valid", WHEEL, reason="the index names this sha256"),),
        evidence=(
            _check("ssh", "no-key", "tag v1.2", fingerprint="SHA256:" + "A" * 43, reason="a key of no anchor"),
            _check("openpgp", "valid", f"commit {COMMIT}", fingerprint="A" * 40, reason="a key of anchor demo"),
        ),
    )


def foreign(artifact: str = WHEEL) -> tuple[Undeclared, ...]:
    """A committed file that was changed, one of no known origin, and a leftover."""
    rows = (
        ("demo/core.py", "differs-from-source", "src/demo/core.py",
         "no commit of the repository has these bytes"),
        ("demo/_telemetry.py", "not-in-source", "", "no commit of the repository has these bytes"),
        ("demo/__pycache__/core.cpython-311.pyc", "not-in-source", "",
         "stray bytecode of core.py, as Python leaves it beside what it ran; nothing shows that it does the same"),
    )  # fmt: skip
    return tuple(
        Undeclared(artifact=artifact, member=m, what=w, source_path=s, note=n, sha256=sha(m), size=2_048)  # type: ignore[arg-type]
        for m, w, s, n in rows
    )


def dirty(undeclared: tuple[Undeclared, ...] = foreign(), *names: str, **changes: object) -> Record:
    """A release whose files hold content that is not from the declared commit."""
    names = names or (WHEEL,)
    given = published(*names)
    mine = {name: file(name, f"rebuilt {name}") for name in names}
    values = {
        "endorsement": endorsement(),
        "source": source(),
        "toolchain": toolchain(Origin.DECLARED),
        "inputs": _inputs(),
        "built": model.Built(attempts=tuple(attempt(n, mine.values(), build="generic") for n in (1, 2))),
        "comparison": model.Comparison(
            artifacts=tuple(compared(name, Verdict.DIFFERENT, [one, one]) for name, one in mine.items())
        ),
        "explanation": model.Explanation(undeclared=undeclared),
    }
    return record(Verdict.DIFFERENT, "two rebuilds agree, the published file differs", given, **(values | changes))


def found_by_search() -> Record:
    """Equal in the third rebuild of a search, from an sdist."""
    given, output = published(WHEEL), file(WHEEL, f"published {WHEEL}")
    trial = model.SearchTrial
    search = (
        trial(number=1, different=(WHEEL,), recipe_sha256=sha("r1")),
        trial(
            number=2,
            changes=("hatchling 1.24.0 in place of 1.25.0",),
            why="the published WHEEL file names another generator",
            failure="the backend does not install",
            recipe_sha256=sha("r2"),
        ),
        trial(
            number=3,
            changes=("hatchling 1.24.2 in place of 1.25.0", "umask 0002 in place of 0022"),
            why="modes of the published members",
            equal=(WHEEL,),
            recipe_sha256=sha("r3"),
        ),
    )
    umask = model.Input(name="environment", value="umask 0002", origin=Origin.RECOVERED, evidence="modes of members")
    return record(
        Verdict.REPRODUCED,
        "every byte is equal",
        given,
        run_id=f"20261120T190000Z-{sha('search')[:8]}",
        started=START,
        endorsement=endorsement(),
        source=source(SourceKind.SDIST),
        toolchain=toolchain(Origin.DECLARED),
        inputs=_inputs(umask),
        built=model.Built(attempts=(attempt(1, [output], build="generic"),)),
        comparison=model.Comparison(artifacts=(compared(WHEEL, Verdict.REPRODUCED, [output]),)),
        search=search,
    )
