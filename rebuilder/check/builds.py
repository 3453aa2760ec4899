"""One build of a check as a plan for the sandbox: the project's steps, made in one ``Setting``. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rebuilder.check.fixes import Trial
from rebuilder.check.model import INPUT, OUT, TOOLS, TREE, Project
from rebuilder.check.variations import MARKER, Setting
from rebuilder.model import BuildPlan, FileDigest, Limits, RootFile, Step

INPUT_FOLDER = "/build/input"
OUT_FOLDER = "/build/out"
#: What the toolchain holds for the variations' sake, besides what the project asks for.
VARIATION_PACKAGES = ("bash", "busybox-static", "libfaketime", "locales-all", "tzdata", "util-linux")
#: Names by which builds call a compiler of C, C++ or Fortran.
_COMPILERS = (
    *("cc", "c++", "c89", "c99", "gcc", "g++", "gfortran", "clang", "clang++"),
    *("x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++", "x86_64-linux-gnu-gfortran"),
)
_FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT_USER, _ROOT_GROUP = "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n"
#: Puts a process into a umask without a shell, whose own variables would show in the build.
_UMASK = "umask oct shift; exec { $ARGV[0] } @ARGV or die qq{could not run $ARGV[0]: $!\\n}"
#: An argument that only the probe's step has.
PROBE_MARK = "rebuilder-probe/1"
_CACHE = "npm-cache.tar"
_NODE, _NPM = "node.tgz", "npm.tgz"
#: Where the build finds the scalars of `resolve/replays.py`.
REPLAY = "replay.json"
#: Of `npm ci --offline`: a name that no resolver answers (RFC 2606). The cache that
#: `toolchain/languages_npm_index.py` makes answers for it.
OFFLINE_REGISTRY = "https://registry.invalid/"
#: What `hooks_plan` leaves.
REQUIRES = "requires.json"
#: Makes a repository of the bundle whose work tree is the tree as it lies: nothing is checked out.
_HISTORY = (
    "set -e; git init -q; git fetch -q --tags \"$1\" HEAD:refs/heads/main; "
    "git symbolic-ref HEAD refs/heads/main; git reset -q"
)
#: The same for a commit that a recipe names: the bundle has to be of that one.
_HISTORY_OF = (
    f"{_HISTORY}; found=$(git rev-parse HEAD); "
    'test "$found" = "$2" || { echo "expected the history of commit $2, found that of $found" >&2; exit 1; }'
)


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Files that every build is given, besides the tree: by role. All of them lie in the blobs."""

    tree: FileDigest
    history: FileDigest | None = None
    #: The commit that the history has to be of; empty: it was made for this very build.
    commit: str = ""
    wheels: tuple[FileDigest, ...] = ()
    npm_cache: FileDigest | None = None
    #: What npm is to install of it, `name@range`; none: what the tree's own lock says.
    npm_packages: tuple[str, ...] = ()
    #: Node and npm as packages of their own index, where the suite's are not wanted.
    node: FileDigest | None = None
    npm_client: FileDigest | None = None
    #: What `resolve/replays.py` read off published archives.
    replay: FileDigest | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The probe's script, and the word its lines begin with; no word: no probe."""

    script: str = ""
    word: str = ""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is the same in all builds of a check."""

    project: Project
    epoch: int | None
    limits: Limits
    #: A fix that is tried: variables on top of all others, words for every call of a compiler.
    fix: Trial = field(default_factory=Trial)
    #: Words before each of the project's own commands: ``env`` and what only they are to see.
    before: tuple[str, ...] = ()


def build_plan(around: Circumstances, setting: Setting, materials: Materials, probe: Probe) -> BuildPlan:
    """The plan. Its steps are the same in every build; only values of the setting differ."""
    project = around.project
    prepared = (_unpack(setting), *_languages(project, materials, setting))
    own = (_own(step, around, setting) for step in project.steps)
    return BuildPlan(
        build="generic",
        inputs=_inputs(materials),
        input_dir=INPUT_FOLDER,
        steps=tuple(wrapped(step, setting) for step in (*prepared, *_probe(project, setting, probe), *own)),
        environment=environment(around, setting),
        outputs=project.outputs,
        output_dir=OUT_FOLDER,
        unpack_steps=1,
        hostname=setting.hostname,
        domainname=setting.domainname,
        user=f"{setting.uid}:{group_id(setting)}",
        cpuset=setting.cpuset,
        files=(*root_files(setting), *_compilers(around.fix, setting)),
        limits=around.limits,
    )


def environment(around: Circumstances, setting: Setting) -> dict[str, str]:
    """Every variable of a build. What the project pins wins over what is varied, and the probe sees that."""
    variables = {
        "HOME": setting.home,
        "LANG": setting.locale,
        "LC_ALL": setting.locale,
        "LOGNAME": setting.user,
        "PATH": ":".join(filter(None, (SYSTEM_PATH, setting.exec_folder))),
        "PERL_HASH_SEED": str(setting.hash_seed),
        "PERL_PERTURB_KEYS": "0",
        "PYTHONHASHSEED": str(setting.hash_seed),
        "SHELL": "/bin/bash" if setting.bash else "/bin/sh",
        "TMPDIR": setting.tmpdir,
        "TZ": setting.zone,
        "USER": setting.user,
        **_optional(setting),
    }
    if around.epoch is not None:
        variables["SOURCE_DATE_EPOCH"] = str(around.epoch)
    pinned = {name: _put(value, setting) for name, value in around.project.environment.items()}
    tried = {name: _put(value, setting) for name, value in around.fix.variables.items()}
    return dict(sorted({**variables, **pinned, **tried}.items()))


def _optional(setting: Setting) -> dict[str, str]:
    found: dict[str, str] = {}
    if setting.locale != "C.UTF-8":
        found["LANGUAGE"] = setting.locale.partition(".")[0]
    if setting.marker:
        found[MARKER] = setting.marker
    if setting.jobs:
        found |= {"MAKEFLAGS": f"-j{setting.jobs}", "CMAKE_BUILD_PARALLEL_LEVEL": str(setting.jobs)}
        found["DEB_BUILD_OPTIONS"] = f"parallel={setting.jobs}"
    if setting.days_ahead:
        # Times of files stay what they are: a build that compares them must not see the future.
        found |= {"LD_PRELOAD": _FAKETIME, "FAKETIME": f"+{setting.days_ahead}d", "NO_FAKE_STAT": "1"}
        found["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    elif setting.clock is not None:
        # As seconds, so that no TZ of the build has a say in it. A time without an @ stands still.
        found |= {"LD_PRELOAD": _FAKETIME, "FAKETIME": str(setting.clock), "FAKETIME_FMT": "%s"}
        found |= {"NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return found


def root_files(setting: Setting) -> tuple[RootFile, ...]:
    """The user's entry in `/etc/passwd` and `/etc/group`, and bash as `/bin/sh` where that is varied."""
    user, number = setting.user, setting.uid
    account = f"{user}:x:{number}:{group_id(setting)}:{user}:{setting.home}:/bin/sh\n"
    group = f"{setting.group or user}:x:{group_id(setting)}:\n"
    # A group that is named may have the number of one that the toolchain knows by another name (20 is `staff` on one
    # system, `dialout` on the other), and the first entry counts.
    append = not setting.group
    files = (
        RootFile(path="/etc/passwd", content=account + ("" if append else _ROOT_USER), append=append),
        RootFile(path="/etc/group", content=group + ("" if append else _ROOT_GROUP), append=append),
    )
    return (*files, RootFile(path="/usr/bin/sh", link="bash")) if setting.bash else files


def _compilers(fix: Trial, setting: Setting) -> tuple[RootFile, ...]:
    """Compilers that add the words of a fix, found before the toolchain's own."""
    if not fix.compiler:
        return ()
    added = " ".join(shlex.quote(_put(word, setting)) for word in fix.compiler)
    scripts = {name: f'#!/bin/sh\nexec /usr/bin/{name} {added} "$@"\n' for name in _COMPILERS}
    return tuple(
        RootFile(path=f"/usr/local/bin/{name}", content=script, executable=True) for name, script in scripts.items()
    )


def _inputs(materials: Materials) -> tuple[FileDigest, ...]:
    found = [materials.tree.model_copy(update={"name": "source.tar"})]
    if materials.history:
        found.append(materials.history.model_copy(update={"name": "history.bundle"}))
    for file, name in (
        (materials.npm_cache, _CACHE),
        (materials.node, _NODE),
        (materials.npm_client, _NPM),
        (materials.replay, REPLAY),
    ):
        if file:
            found.append(file.model_copy(update={"name": name}))
    return (*found, *materials.wheels)


def _unpack(setting: Setting) -> Step:
    argv = ("tar", "-x", "--strip-components=1", "-f", f"{INPUT_FOLDER}/source.tar")
    return Step(argv=argv, cwd=setting.tree, label="unpack the source")


def _languages(project: Project, materials: Materials, setting: Setting) -> tuple[Step, ...]:
    """Folders, history and packages of the project's language; no code of the project runs yet."""
    folders = [setting.home, setting.tmpdir, OUT_FOLDER, *filter(None, (setting.exec_folder,))]
    steps = [Step(argv=("mkdir", "-p", *folders), cwd=setting.tree, label="folders")]
    if materials.history:
        script = (_HISTORY_OF, "sh", f"{INPUT_FOLDER}/history.bundle", materials.commit)
        argv = ("sh", "-c", *(script if materials.commit else (_HISTORY, *script[1:3])))
        steps.append(Step(argv=argv, cwd=setting.tree, label="history from Git"))
    if project.wheels:
        tools = tools_folder(setting)
        argv = ("python3", "-m", "venv", "--without-pip", tools)
        steps.append(Step(argv=argv, cwd=setting.tree, label="environment of Python"))
        pip = ("python3", "-m", "pip", "--python", f"{tools}/bin/python", "install", "--quiet")
        offline = ("--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--disable-pip-version-check")
        files = (f"{INPUT_FOLDER}/{wheel.name}" for wheel in materials.wheels)
        # Not in the tree: a file of it that is called pip.py would be run.
        steps.append(Step(argv=(*pip, *offline, *files), cwd=setting.tmpdir, label="packages of Python"))
    steps += _node(materials, setting)
    if materials.npm_cache:
        cache = f"{setting.home}/.npm"
        steps.append(Step(argv=("tar", "-x", "-f", f"{INPUT_FOLDER}/{_CACHE}"), cwd=cache, label="cache of npm"))
        # The cache was made for a registry that is nowhere, for locks that name no address of a package.
        where = (f"--cache={cache}", f"--registry={OFFLINE_REGISTRY}")
        quiet = ("--offline", "--ignore-scripts", "--no-audit", "--no-fund", *where)
        if materials.npm_packages:
            return (*steps, *_chosen(materials, setting, quiet))
        install = (*_npm(materials, setting), "ci", *quiet)
        steps.append(Step(argv=install, cwd=setting.tree, label="packages of npm"))
    return tuple(steps)


def _chosen(materials: Materials, setting: Setting, quiet: tuple[str, ...]) -> tuple[Step, ...]:
    """Without a lock the suite's npm chooses, as it did when the packages were locked; outside of the tree, whose own
    files then stay as they are."""
    folder = f"{tools_folder(setting)}/npm-packages"
    install = ("npm", "install", "--no-save", "--no-package-lock", *quiet, "--", *materials.npm_packages)
    return (
        Step(argv=install, cwd=folder, label="packages of npm"),
        Step(argv=("mv", "-T", f"{folder}/node_modules", f"{setting.tree}/node_modules"), cwd=folder,
             label="packages of npm into the tree"),
    )  # fmt: skip


def _node(materials: Materials, setting: Setting) -> list[Step]:
    """Node and npm, unpacked; `npm` is a command beside `node`, for scripts of packages that call it."""
    tools, steps = tools_folder(setting), []
    for file, name, folder in ((materials.node, _NODE, "node"), (materials.npm_client, _NPM, "npm")):
        if file:
            argv = ("tar", "-x", "--strip-components=1", "-f", f"{INPUT_FOLDER}/{name}")
            steps.append(Step(argv=argv, cwd=f"{tools}/{folder}", label=f"unpack {folder}"))
    if materials.npm_client:
        link = ("ln", "-s", f"{tools}/npm/bin/npm-cli.js", "npm")
        steps.append(Step(argv=link, cwd=f"{tools}/node/bin", label="npm as a command"))
    return steps


def _npm(materials: Materials, setting: Setting) -> tuple[str, ...]:
    """The words by which npm is called."""
    tools = tools_folder(setting)
    path = ("env", f"PATH={tools}/node/bin:{SYSTEM_PATH}") if materials.node or materials.npm_client else ()
    return (*path, "node", f"{tools}/npm/bin/npm-cli.js") if materials.npm_client else (*path, "npm")


def _probe(project: Project, setting: Setting, probe: Probe) -> tuple[Step, ...]:
    if not probe.word:
        return ()
    zones = "named" if project.named_zones else "rule"
    argv = ("/usr/bin/perl", "-e", probe.script, PROBE_MARK, probe.word, setting.tree, zones, *project.tools)
    return (Step(argv=argv, cwd=setting.tree, label="what this build can see of what is varied"),)


def _own(step: Step, around: Circumstances, setting: Setting) -> Step:
    argv = _filled(step.argv, setting)
    label = step.label or (_brief(argv) if around.before else "")
    return Step(argv=(*_filled(around.before, setting), *argv), cwd=_put(step.cwd, setting), label=label)


def wrapped(step: Step, setting: Setting) -> Step:
    """A step in the umask and under the kernel of the setting."""
    kernel = ("setarch", "--uname-2.6") if setting.old_kernel else ()
    argv = ("/usr/bin/perl", "-e", _UMASK, setting.umask, *kernel, *step.argv)
    return Step(argv=argv, cwd=step.cwd, label=step.label or _brief(step.argv))


def _brief(argv: tuple[str, ...]) -> str:
    """The command without the text of a script in it."""
    return " ".join(word for word in argv if "\n" not in word)


def group_id(setting: Setting) -> int:
    """The number of the build's group."""
    return setting.uid if setting.gid is None else setting.gid


def tools_folder(setting: Setting) -> str:
    """Where the build's own environment lies: below TMPDIR, as `python -m build` has it."""
    return str(PurePosixPath(setting.tmpdir) / "build-env")


def _filled(argv: tuple[str, ...], setting: Setting) -> tuple[str, ...]:
    return tuple(_put(word, setting) for word in argv)


def _put(text: str, setting: Setting) -> str:
    values = {TREE: setting.tree, OUT: OUT_FOLDER, TOOLS: tools_folder(setting), INPUT: INPUT_FOLDER}
    for token, value in values.items():
        text = text.replace(token, value)
    return text


def hooks_plan(around: Circumstances, setting: Setting, materials: Materials, script: str) -> BuildPlan:
    """The plan of a container in which the build backend says what else it needs; its one output is ``REQUIRES``."""
    plan = build_plan(around, setting, materials, Probe())
    steps = plan.steps[: len(plan.steps) - len(around.project.steps)]
    argv = (f"{tools_folder(setting)}/bin/python", "-P", "-c", script, f"{OUT_FOLDER}/{REQUIRES}")
    ask = wrapped(Step(argv=argv, cwd=setting.tree), setting)
    return plan.model_copy(update={"steps": (*steps, ask), "outputs": (REQUIRES,)})
