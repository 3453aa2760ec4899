"""Whole reports of checks, one for each thing a check may say. All values are invented but fit together."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from rebuilder.check.model import (
    Breakage,
    BuildReport,
    CheckReport,
    CheckVerdict,
    Dependency,
    Fix,
    OutputReport,
    Project,
    ProjectKind,
    SourceState,
    ToolchainState,
    VariationName,
    VariationReport,
)
from rebuilder.findings import Cause, Change, DifferenceClass, Evidence, Finding, Severity, Side
from rebuilder.model import Attempt, FailureReason, FileDigest, Limits, Step
from tests.record_cases import explanation_of
from tests.records import START, file, sha

WHEEL, SDIST = "demo-1.0-cp313-cp313-linux_x86_64.whl", "demo-1.0.tar.gz"
NATIVE = (WHEEL, "demo/_native.so", ".rodata")
CANARY = "/build/c7q2m9x4/a longer folder than before/demo"
NAMES: tuple[VariationName, ...] = get_args(VariationName)
#: Name -> title, what the control and the varied build were given.
GIVEN = {
    "path": ("Build path", "/build/demo", CANARY),
    "home": ("Home folder", "/build/home", "/build/c7q2m9x4-home"),
    "user": ("User and group", "builder, 1000:1000", "c7q2m9x4, 4711:4712"),
    "umask": ("Umask", "0022", "0002"),
    "locale": ("Locale", "C.UTF-8", "et_EE.UTF-8"),
    "timezone": ("Time zone", "UTC", "XYZ-13:47"),
    "host": ("Host and domain name", "rebuilder", "c7q2m9x4.example"),
    "environment": ("Environment variables", "none more", "REBUILDER_CANARY=c7q2m9x4"),
    "exec-path": ("Search path for programs", "/usr/bin:/bin", "/usr/bin:/bin:/build/c7q2m9x4-bin"),
    "shell": ("Shell", "dash", "bash"),
    "cpu": ("Number of processors", "2", "1"),
    "jobs": ("Parallel jobs", "1", "2"),
    "kernel": ("Kernel release", "as it is", "2.6, i686"),
    "clock": ("Clock", "as it is", "398 days, 6 hours and 23 minutes ahead"),
    "order": ("Order of directory entries", "sorted", "shuffled"),
    "times": ("Times of source files", "2026-11-20", "2031-02-03"),
    "tmpdir": ("Folder for temporary files", "/tmp", "/var/tmp/c7q2m9x4"),
    "hash-seed": ("Seed of hashes", "PYTHONHASHSEED=0", "PYTHONHASHSEED=424242"),
}
NOT_VARIED = (
    "CPU model and its features: a container cannot change them; look for -march=native",
    "the real clock: programs without a dynamic loader do not see a faked one",
)


def variations(*broken: str, **changes: dict[str, object]) -> tuple[VariationReport, ...]:
    """Every variation: passed, but for the broken ones and for what ``changes`` says (``_`` for ``-``)."""
    rows = []
    for name in NAMES:
        title, control, varied = GIVEN[name]
        values: dict[str, object] = {
            "name": name,
            "title": title,
            "status": "breaks" if name in broken else "passed",
            "control": control,
            "varied": varied,
            "canary": "c7q2m9x4" if "c7q2m9x4" in varied else "",
            "probed_control": control,
            "probed_varied": varied,
        }
        rows.append(VariationReport(**(values | changes.get(name.replace("-", "_"), {}))))  # type: ignore[arg-type]
    return tuple(rows)


def build(number: int, purpose: str, why: str, outputs: tuple[FileDigest, ...], **changes: object) -> BuildReport:
    """One build; ``varied`` and ``differing`` are given by name, everything else is a field of the attempt."""
    begin = START + timedelta(seconds=30 * number)
    attempt: dict[str, object] = {
        "run_id": f"check-{number}",
        "build": "generic",
        "number": number,
        "root_sha256": sha("root"),
        "started": begin,
        "finished": begin + timedelta(seconds=21.4),
        "exit_status": 0,
        "outputs": outputs,
        "log": file(f"build-{number}.log", size=4011),
        "limits": Limits(),
        "engine": "Docker 28",
    }
    own = {key: changes.pop(key) for key in ("varied", "differing") if key in changes}
    values = {"number": number, "purpose": purpose, "why": why, "varied": (), **own}
    return BuildReport(**values, attempt=Attempt(**(attempt | changes)))  # type: ignore[arg-type]


def project(**changes: object) -> Project:
    """A Python project with a native module."""
    values: dict[str, object] = {
        "kind": ProjectKind.PYTHON,
        "name": "demo",
        "version": "1.0",
        "found": "pyproject.toml, build backend setuptools.build_meta",
        "steps": (Step(argv=("python3", "-m", "build", "--no-isolation", "--outdir", "@OUT@", "."), cwd="@TREE@"),),
        "outputs": ("*.whl", "*.tar.gz"),
        "relations": ("python3-dev", "gcc"),
        "wheels": ("setuptools>=77", "build"),
        "environment": {"PIP_NO_INDEX": "1"},
        "notes": ("Tests were not run: they are no part of the build.",),
    }
    return Project(**(values | changes))  # type: ignore[arg-type]


def source(**changes: object) -> SourceState:
    """A clean commit with a tag."""
    values: dict[str, object] = {
        "kind": "git-commit",
        "commit": sha("commit")[:40],
        "tag": "v1.0",
        "tree": file("tree.tar", size=40_960),
        "epoch": 1_795_000_000,
        "epoch_from": "time of the commit",
    }
    return SourceState(**(values | changes))  # type: ignore[arg-type]


def toolchain() -> ToolchainState:
    """133 packages and two wheels."""
    rows = (("build", "1.3.0"), ("setuptools", "84.2.1"))
    wheels = tuple(Dependency(system="pypi", name=name, version=version, sha256=sha(name)) for name, version in rows)
    return ToolchainState(
        suite="trixie", lock_sha256=sha("lock"), root_sha256=sha("root"), packages=133, dependencies=wheels
    )


def report(verdict: str, headline: str, **changes: object) -> CheckReport:
    """A whole report. Made of the given values and the usual ones."""
    values: dict[str, object] = {
        "check_id": f"20261120T170000Z-{sha(headline)[:8]}",
        "tool_version": "0.4.0",
        "started": START,
        "finished": START + timedelta(seconds=95),
        "verdict": CheckVerdict(verdict),
        "headline": headline,
        "again": "rebuilder check . --variations all --seed 7",
        "seed": 7,
        "project": project(),
        "source": source(),
        "toolchain": toolchain(),
        "variations": variations(),
        "not_varied": NOT_VARIED,
        "builds": (),
    }
    return CheckReport(**(values | changes))  # type: ignore[arg-type]


OUTPUTS = (file(WHEEL, size=48_120), file(SDIST, size=12_004))
CHANGED = (file(WHEEL, "varied wheel", size=48_152), file(SDIST, "varied sdist", size=12_004))


def _pair() -> tuple[BuildReport, BuildReport]:
    return (
        build(1, "control", "Everything else is compared with it.", OUTPUTS),
        build(2, "varied", "All 18 variations at once: if nothing changes, two builds are enough.", OUTPUTS,
              varied=NAMES, differing=()),
    )  # fmt: skip


def reproducible() -> CheckReport:
    """Two builds, no difference; one file of the work tree is not in the commit."""
    same = tuple(OutputReport(name=one.name, first=one, second=one, second_build=2) for one in OUTPUTS)
    return report(
        "reproducible",
        "No difference was seen in 2 outputs under 18 effective variations.",
        builds=_pair(),
        outputs=same,
        source=source(dirty=("README.md",)),
    )


def native_findings() -> tuple[Finding, ...]:
    """What differs in the wheel: the path in the program, and what follows from it."""
    return (
        Finding(path=NATIVE[1:], kind=DifferenceClass.CONTENT, what="bytes", offset=0x2104,
                published=Side(value="/build/demo/native.c", sha256=sha("n1"), size=8112),
                rebuilt=Side(value=f"{CANARY}/native.c", sha256=sha("n2"), size=8144)),
        Finding(path=("demo-1.0.dist-info/RECORD",), kind=DifferenceClass.DERIVED, what="bytes", offset=31,
                follows=(NATIVE[1:2],)),
    )  # fmt: skip


def umask_findings() -> tuple[Finding, ...]:
    """What differs in the sdist: modes."""
    names = ("demo-1.0/", "demo-1.0/pyproject.toml", "demo-1.0/demo/__init__.py", "demo-1.0/native.c")
    return tuple(
        Finding(path=(name,), kind=DifferenceClass.METADATA, what="mode",
                published=Side(value="0755" if name.endswith("/") else "0644"),
                rebuilt=Side(value="0775" if name.endswith("/") else "0664"))
        for name in names
    )  # fmt: skip


def path_cause() -> Cause:
    """The build path in a program, proved by its canary."""
    return Cause(
        id="build-path-rodata",
        title="The program holds the folder it was built in",
        severity=Severity.INSPECT,
        confidence="proved",
        findings=(0, 1),
        evidence=(Evidence(path=NATIVE[1:], what="text", offset=0x2104, published="/build/demo/native.c",
                           rebuilt=f"{CANARY}/native.c"),),
        fix="Build in the same folder, or compile with -ffile-prefix-map (it covers __FILE__ and assert).",
        docs="causes/build-path-rodata.md",
    )  # fmt: skip


def umask_cause() -> Cause:
    """Modes in an archive."""
    one = umask_findings()[0]
    return Cause(
        id="archive-modes",
        title="Modes follow the umask of the build",
        severity=Severity.HARMLESS,
        confidence="likely",
        findings=(0, 1, 2, 3),
        evidence=(Evidence(path=one.path, what="mode", published="0755", rebuilt="0775"),),
        fix="Set the umask, or give modes when files are packed.",
        changes=(Change(where="project", target="build script", text="tar --mode=u+rw,go=rX,a-s"),),
        docs="causes/archive-modes.md",
    )


def path_breakage() -> Breakage:
    """The first breakage of ``two_breakages``: its fix is confirmed."""
    return Breakage(
        variations=("path",),
        proof=("canary", "rebuild"),
        places=(NATIVE,),
        count=1,
        cause=path_cause(),
        fix=Fix(
            words="Add -ffile-prefix-map=$PWD=. to CFLAGS.",
            changes=(
                Change(where="project", target="pyproject.toml", text='[tool.cibuildwheel]\nenvironment = { '
                       'CFLAGS="-ffile-prefix-map=$PWD=." }'),
                Change(where="environment", target="variable:CFLAGS", text="export CFLAGS=-ffile-prefix-map=$PWD=."),
            ),
            result="confirmed",
            tried=("CFLAGS=-ffile-prefix-map=@TREE@=.",),
        ),
        summary=f"The build path is embedded in demo/_native.so of {WHEEL} (.rodata, offset 0x2104).",
    )  # fmt: skip


def umask_breakage() -> Breakage:
    """The second one: no rebuild tried its fix."""
    return Breakage(
        variations=("umask",),
        proof=("rebuild",),
        places=tuple((SDIST, *one.path) for one in umask_findings()),
        count=4,
        cause=umask_cause(),
        fix=Fix(words="Pack the files with modes of their own.", reason="it has to go into the project"),
        summary=f"Modes of 4 members of {SDIST} follow the umask.",
    )


def difference_files() -> dict[str, bytes]:
    """What lies beside the report of ``two_breakages``: every difference of each output."""
    wheel = explanation_of(WHEEL, native_findings(), (path_cause(),))
    sdist = explanation_of(SDIST, umask_findings(), (umask_cause(),))
    return {f"difference-{one.artifact}.json": data for one, data in (wheel, sdist)}


def _differing_outputs() -> tuple[OutputReport, ...]:
    told = (
        explanation_of(WHEEL, native_findings(), (path_cause(),))[0],
        explanation_of(SDIST, umask_findings(), (umask_cause(),))[0],
    )
    return tuple(
        OutputReport(
            name=one.name, first=one, second=other, second_build=2, explanation=why, difference=why.difference
        )
        for one, other, why in zip(OUTPUTS, CHANGED, told, strict=True)
    )


def two_breakages() -> CheckReport:
    """The build path in a wheel, proved by its canary, and the umask in an sdist."""
    control, _ = _pair()
    rest = tuple(name for name in NAMES if name not in {"path", "umask"})
    return report(
        "not-reproducible",
        f"{WHEEL} differs in 2 of 72 members, and {SDIST} in 4 of 74.",
        variations=variations("path", "umask", home={"status": "passed", "detail": "static programs do not read it"}),
        builds=(
            control,
            build(2, "varied", "All 18 variations at once.", CHANGED, varied=NAMES, differing=(WHEEL, SDIST)),
            build(3, "confirm", "Without path and umask: nothing else may differ.", OUTPUTS, varied=rest, differing=()),
            build(4, "fix", "With -ffile-prefix-map in CFLAGS and all variations but umask.", OUTPUTS,
                  varied=("path", *rest), differing=()),
        ),
        outputs=_differing_outputs(),
        breakages=(path_breakage(), umask_breakage()),
    )  # fmt: skip


def flaky() -> CheckReport:
    """A race: equal builds differ."""
    control, _ = _pair()
    other = (file(WHEEL, "another wheel", size=48_120), OUTPUTS[1])
    name = (WHEEL, "demo/index.json")
    return report(
        "flaky",
        f"{WHEEL} does not come out the same even when nothing is varied.",
        variations=variations(**{one.replace("-", "_"): {"status": "undecided"} for one in NAMES}),
        builds=(
            control,
            build(2, "varied", "All 18 variations at once.", other, varied=NAMES, differing=(WHEEL,)),
            build(3, "repeat", "The control once more: is it chance?", other, differing=(WHEEL,)),
        ),
        outputs=(OutputReport(name=WHEEL, first=OUTPUTS[0], second=other[0], second_build=3),),
        breakages=(
            Breakage(
                variations=(),
                proof=("repeat",),
                places=(name,),
                count=1,
                fix=Fix(words="Look for jobs that race, unsorted output of threads, or random numbers."),
                summary=f"demo/index.json of {WHEEL} differs between two builds of which nothing was varied.",
            ),
        ),
    )


def build_failed() -> CheckReport:
    """The build asks for a host on the network, which it does not have."""
    failed = build(
        1, "control", "Everything else is compared with it.", (),
        exit_status=1, failure=FailureReason.EXIT_STATUS, detail="it asked for the host data.example",
    )  # fmt: skip
    return report(
        "build-failed",
        "The build needs the network: it asked for the host data.example, and there is none in the container.",
        variations=variations(**{one.replace("-", "_"): {"status": "undecided", "probed_control": "",
                                                         "probed_varied": ""} for one in NAMES}),
        builds=(failed,),
        warnings=("Fetch what the build needs before, and name it in [tool.rebuilder.check].",),
    )  # fmt: skip


def fails_under_one() -> CheckReport:
    """The build fails when its folder has a space in its name."""
    control, _ = _pair()
    died = {"exit_status": 2, "failure": FailureReason.EXIT_STATUS, "detail": "make: *** [Makefile:4: all] Error 1"}
    return report(
        "not-reproducible",
        "The build fails when it is done in another folder.",
        project=project(kind=ProjectKind.MAKE, found="Makefile", wheels=()),
        variations=variations("path"),
        builds=(
            control,
            build(2, "varied", "All 18 variations at once.", (), varied=NAMES, **died),
            build(3, "search", "Half of the variations.", (), varied=NAMES[:9], **died),
            build(4, "search", "path alone.", (), varied=("path",), **died),
        ),
        breakages=(
            Breakage(
                variations=("path",),
                proof=("rebuild",),
                places=(),
                count=0,
                fix=Fix(words="Quote paths in the Makefile.", changes=(
                    Change(where="project", target="Makefile", text='all:\n\t$(CC) -o demo "$(CURDIR)/demo.c"'),)),
                fails=True,
                summary="The build fails with the variation path: make ends with status 2.",
            ),
        ),
    )  # fmt: skip


def not_effective() -> CheckReport:
    """Clean, but the locale is not there, and two variations were left out."""
    missing = "the locale et_EE.UTF-8 is not in the toolchain"
    changed = variations(
        locale={"status": "not-effective", "probed_varied": "C.UTF-8", "detail": missing},
        cpu={"status": "left-out", "control": "", "varied": "", "probed_control": "", "probed_varied": ""},
        kernel={"status": "left-out", "control": "", "varied": "", "probed_control": "", "probed_varied": ""},
    )
    rest = tuple(name for name in NAMES if name not in {"cpu", "kernel"})
    same = tuple(OutputReport(name=one.name, first=one, second=one, second_build=2) for one in OUTPUTS)
    control, _ = _pair()
    return report(
        "reproducible",
        "No difference was seen in 2 outputs under 15 effective variations.",
        variations=changed,
        builds=(control, build(2, "varied", "All that was asked for.", OUTPUTS, varied=rest, differing=())),
        outputs=same,
        again="rebuilder check . --variations all,-cpu,-kernel --seed 7",
    )


HOSTILE = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>"
HOSTILE += "\x1b[2J\u202e\nnext](x:y) {0} ]]>\x00\ufffe"


def hostile() -> CheckReport:
    """A report in which all that a project or a build may name is hostile."""
    bad = HOSTILE
    given = two_breakages()
    cause = path_cause().model_copy(update={
        "title": bad, "fix": bad,
        "evidence": (Evidence(path=(bad,), what=bad, published=bad, rebuilt=bad),) * 9})  # fmt: skip
    change = Change(where="project", target="../../etc/passwd", text=bad * 100)
    broken = path_breakage().model_copy(update={
        "cause": cause, "summary": bad, "places": ((bad, bad),) * 50, "count": 5000,
        "fix": Fix(words=bad, changes=(change,) * 50, reason=bad, tried=(bad,) * 9)})  # fmt: skip
    unknown = umask_breakage().model_copy(update={"cause": None, "summary": "x" * 100_000})
    rows = tuple(one.model_copy(update={
        "title": bad, "control": bad, "varied": bad, "canary": bad, "probed_control": bad, "probed_varied": bad,
        "detail": bad}) for one in given.variations)  # fmt: skip
    builds = tuple(one.model_copy(update={"why": bad, "differing": (bad,) * 100}) for one in given.builds)
    return given.model_copy(update={
        "headline": bad, "again": bad, "warnings": (bad,) * 500, "not_varied": (bad,) * 500,
        "project": project(name=bad, version=bad, found=bad, notes=(bad,) * 99, outputs=(bad,),
                           environment={bad: bad}, steps=(Step(argv=(bad,), cwd=bad),)),
        "source": source(dirty=(bad,) * 5000, tag=bad, epoch_from=bad, submodules=(bad,) * 99),
        "variations": rows, "builds": builds, "breakages": (broken, unknown) * 60,
    })  # fmt: skip


CASES = {
    "reproducible": reproducible,
    "two-breakages": two_breakages,
    "flaky": flaky,
    "build-failed": build_failed,
    "fails-under-one": fails_under_one,
    "not-effective": not_effective,
}
