"""Which commands build a package, by the front end that its publisher used. Pure.

All of it runs without isolation and without a network, and never a module of the tree that happens to be called as a
program of ours (``-P``). What a front end does with a project is what matters: of which files the wheel is made, and
in which order. Where two do the same, so do their steps here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from rebuilder.check.builds import SYSTEM_PATH
from rebuilder.check.model import OUT, TOOLS, TREE
from rebuilder.errors import UsageError
from rebuilder.recipe import ProjectStep

Distribution = Literal["wheel", "sdist"]
Wanted = frozenset[Distribution]
_PYTHON: Final = f"{TOOLS}/bin/python"
#: The Debian package that has msgfmt.
MSGFMT: Final = "gettext"
#: File name patterns, as in ``RecipeBuild.outputs``.
PATTERNS: Final[Mapping[Distribution, str]] = {"wheel": "*.whl", "sdist": "*.tar.gz"}
NPM_OUTPUTS: Final = ("*.tgz",)
#: For ``RecipeBuild.environment``: npm asks nobody anything.
NPM_ENVIRONMENT: Final[Mapping[str, str]] = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
}
_BEGAN: Final = f"{TOOLS}/began"
_NPM_CLI: Final = f"{TOOLS}/npm/bin/npm-cli.js"
#: How these are kept from publishing, and where they put their copy, in the tree.
_COPIES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "clean-publish": (("--without-publish", "--temp-dir", "clean-publish-copy"), "clean-publish-copy"),
    "dual-publish": (("--without-publish",), "dual-publish-tmp"),
}
_NODE_PATH: Final = f"PATH={TOOLS}/node/bin:{SYSTEM_PATH}"


def python_steps(front_end: str, *, wanted: Wanted) -> tuple[ProjectStep, ...]:
    """The commands of a front end, for the distributions that were published. ``UsageError`` for a front end that is
    none of ``FRONT_ENDS``, and where nothing is wanted."""
    steps, _ = _known(front_end)
    if not wanted:
        msg = "expected a wheel or an sdist to be built, found neither"
        raise UsageError(msg, hint="name a .whl or a .tar.gz among the artifacts")
    return steps(wanted)


def msgfmt_steps(translations: Iterable[tuple[str, str]]) -> tuple[ProjectStep, ...]:
    """The commands that compile translations, each a pair of paths in the tree: what is read, what is written."""
    return tuple(
        ProjectStep(argv=("msgfmt", "-o", f"./{made}", f"./{read}"), cwd=TREE, label="compile a translation")
        for read, made in translations
    )


def front_end_requirements(front_end: str) -> tuple[str, ...]:
    """PEP 508 requirements of the front end itself, beside those of the project. ``UsageError`` as above."""
    return _known(front_end)[1]


def reads_history(front_end: str) -> bool:
    """Whether it asks Git which files there are, and goes on with others where there is no repository."""
    return front_end in _READ_GIT


def outputs(wanted: Wanted) -> tuple[str, ...]:
    """What these distributions are called."""
    return tuple(pattern for name, pattern in PATTERNS.items() if name in wanted)


def npm_steps(
    *, node: bool, prepare: bool, directory: str = "", before: tuple[str, ...] = ()
) -> tuple[ProjectStep, ...]:
    """`npm pack` of the tree, or of a folder in it. ``node``: by the Node and npm of ``@TOOLS@``, else by the suite's;
    ``prepare``: with the scripts that packing runs, and first with those that only publishing runs (``before``).
    ``UsageError`` for a folder that is not in the tree, or a script that is called like an option.

    It is run where the tarball is to lie: npm before 7 can put it nowhere else."""
    parts = directory.split("/") if directory else []
    if {"", ".", ".."} & set(parts) or any(not part.isprintable() or "@" in part[1:] for part in parts):
        msg = f"expected a folder of the tree such as packages/core, found {directory[:200]!r}"
        raise UsageError(msg)
    if any(not name.isidentifier() for name in before):
        msg = f"expected scripts of package.json such as prepublishOnly, found {', '.join(before)[:200]!r}"
        raise UsageError(msg)
    npm, folder = _npm(node=node), "/".join((TREE, *parts))
    scripts = () if prepare else ("--ignore-scripts",)
    first = (ProjectStep(argv=(*npm, "run", name), cwd=folder, label=f"npm run {name}") for name in before)
    return (*first, ProjectStep(argv=(*npm, "pack", *scripts, folder), cwd=OUT, label="npm pack"))


def copying_steps(program: str, *, node: bool) -> tuple[ProjectStep, ...]:
    """`clean-publish` or `dual-publish` of the tree, and `npm pack` of the copy that it makes without what only
    developers need: packages of the index that have to be installed in the tree. ``node`` as above. ``KeyError`` for
    any other."""
    words, folder = _COPIES[program]
    return (
        ProjectStep(argv=_installed(program, *words, node=node), cwd=TREE, label=" ".join((program, *words))),
        ProjectStep(argv=(*_npm(node=node), "pack", "--ignore-scripts", f"{TREE}/{folder}"), cwd=OUT, label="npm pack"),
    )


def ignoring_steps(words: tuple[str, ...], *, node: bool) -> tuple[ProjectStep, ...]:
    """`npmignore` with the words of the project's script, and `npm pack` of what that leaves; it has to be installed in
    the tree. ``node`` as above."""
    first = ProjectStep(argv=_installed(*words, node=node), cwd=TREE, label=" ".join(words))
    return (first, *npm_steps(node=node, prepare=False))


def _installed(program: str, *words: str, node: bool) -> tuple[str, ...]:
    """A program of a package in the tree."""
    called = ("env", _NODE_PATH, "node") if node else ("node",)
    return (*called, f"{TREE}/node_modules/.bin/{program}", *words)


def _npm(*, node: bool) -> tuple[str, ...]:
    return ("env", _NODE_PATH, "node", _NPM_CLI) if node else ("npm",)


# --- Python's front ends ------------------------------------------------------------------------------


def _build(*options: str) -> ProjectStep:
    words = ("-P", "-m", "build", "--no-isolation", "--skip-dependency-check", *options, "--outdir", OUT, ".")
    return ProjectStep(argv=(_PYTHON, *words), cwd=TREE, label=" ".join(("build", *options)))


def _through_the_sdist(wanted: Wanted) -> tuple[ProjectStep, ...]:
    """`python -m build`: the wheel is made of the unpacked sdist, so that only what is in that can be in it."""
    if "wheel" not in wanted:
        return (_build("--sdist"),)
    return (_build(),) if "sdist" in wanted else (_build(), _without("sdist"))


def _straight(wanted: Wanted) -> tuple[ProjectStep, ...]:
    """Each of them from the tree, the sdist first."""
    return (_build(*(f"--{name}" for name in ("sdist", "wheel") if name in wanted)),)


def _flit(wanted: Wanted) -> tuple[ProjectStep, ...]:
    """`flit build`: without a format, as it is published, the wheel is made of the unpacked sdist."""
    return _flit_build(wanted)


def _flit_setup_py(wanted: Wanted) -> tuple[ProjectStep, ...]:
    """`flit build --setup-py`: with a setup.py in the sdist that no file of the tree is."""
    return _flit_build(wanted, "--setup-py")


def _flit_build(wanted: Wanted, *options: str) -> tuple[ProjectStep, ...]:
    options = (*options, *(() if "wheel" in wanted else ("--format", "sdist")))
    # It would ask the index for the classifiers that there are.
    argv = ("env", "FLIT_NO_NETWORK=1", _PYTHON, "-P", "-m", "flit", "build", *options)
    made = ProjectStep(argv=argv, cwd=TREE, label=" ".join(("flit build", *options)))
    return (ProjectStep(argv=("touch", _BEGAN), cwd=TREE, label="before flit"), made, *_taken(wanted, f"{TREE}/dist"))


def _setup_py(wanted: Wanted) -> tuple[ProjectStep, ...]:
    """`python setup.py sdist bdist_wheel`, the tree's own script: it may well import what lies beside it."""
    made = {"sdist": "sdist", "wheel": "bdist_wheel"}
    commands = [word for name, command in made.items() if name in wanted for word in (command, "--dist-dir", OUT)]
    argv = (_PYTHON, "setup.py", *commands)
    return (ProjectStep(argv=argv, cwd=TREE, label=" ".join(("setup.py", *commands[::3]))),)


def _without(name: Distribution) -> ProjectStep:
    argv = ("find", OUT, "-maxdepth", "1", "-type", "f", "-name", PATTERNS[name], "-delete")
    return ProjectStep(argv=argv, cwd=TREE, label=f"the {name} is not kept")


def _taken(wanted: Wanted, folder: str) -> tuple[ProjectStep, ...]:
    """Copies of what was made in a folder, and not of what was committed there."""
    found = ("find", folder, "-maxdepth", "1", "-type", "f", "-newer", _BEGAN)
    copy = ("-exec", "cp", "-t", OUT, "{}", "+")
    return tuple(
        ProjectStep(argv=(*found, "-name", pattern, *copy), cwd=TREE, label=f"take {pattern}")
        for pattern in outputs(wanted)
    )


_Steps = Callable[[Wanted], tuple[ProjectStep, ...]]
#: By its name in a recipe's guesses: the steps, and what they need besides the project's own requirements.
_TABLE: Final[Mapping[str, tuple[_Steps, tuple[str, ...]]]] = {
    "build": (_through_the_sdist, ("build",)),
    "straight": (_straight, ("build",)),
    "flit": (_flit, ("flit",)),
    "flit-setup-py": (_flit_setup_py, ("flit",)),
    # They call the project's backend on the tree, once for each distribution.
    "poetry": (_straight, ("build",)),
    "hatch": (_straight, ("build",)),
    "uv": (_through_the_sdist, ("build",)),
    "setup.py": (_setup_py, ("setuptools", "wheel")),
}
FRONT_ENDS: Final = tuple(_TABLE)
_READ_GIT: Final = frozenset({"flit", "flit-setup-py"})


def _known(front_end: str) -> tuple[_Steps, tuple[str, ...]]:
    if front_end in _TABLE:
        return _TABLE[front_end]
    near = difflib.get_close_matches(front_end, FRONT_ENDS, n=1)
    found = f"found {front_end[:80]!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    msg = f"expected a front end that is known, {found}"
    raise UsageError(msg, hint=f"there are {', '.join(FRONT_ENDS)}; any other is written as steps of the recipe")
