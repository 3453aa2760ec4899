"""Go modules. Nothing is fetched for them: what is required has to be vendored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from rebuilder.check.kinds.needs import C_TOOLS
from rebuilder.check.kinds.tree import Asked, Tree, plain_name, read_text, shown, start_of
from rebuilder.check.model import OUT, TREE, Project, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step

MANIFEST, VENDORED = "go.mod", "vendor/modules.txt"
#: So many source files are looked into for `package main` and `import "C"`.
_LOOKED_AT = 5000
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_CGO = re.compile(r'^(?:import[ \t]+|[ \t]+)"C"[ \t]*$', re.MULTILINE)
_SKIPPED = re.compile(r"(?:^|/)(?:vendor|testdata|[._][^/]*)/")


def seen(tree: Tree) -> str:
    """The file that shows a module, or nothing."""
    return MANIFEST if MANIFEST in tree.names else ""


def project(asked: Asked) -> Project:
    """Every program of the module. ``UsageError`` if it has none, or requires modules that are not vendored."""
    tree = asked.tree
    text = read_text(tree, MANIFEST)
    _require_vendored(tree, text)
    main, cgo = _looked_into(tree)
    if not main:
        msg = f"{MANIFEST}: expected a program (`package main`) in the module, found none, so that nothing is built"
        raise UsageError(msg, hint="a Go library is published as its source; there is no build to check")
    module = re.search(r'^module[ \t]+"?([^\s"]+)', text, re.MULTILINE)
    parts = [part for part in (module[1] if module else "").split("/") if not re.fullmatch(r"v\d+", part)]
    vendored = {"GOFLAGS": "-mod=vendor"} if VENDORED in tree.names else {}
    # The caches lie beside the outputs, because a home folder may not exist.
    environment = ("env", f"GOCACHE={OUT}.go/build", f"GOPATH={OUT}.go/path")
    return Project(
        kind=ProjectKind.GO,
        name=plain_name(parts[-1] if parts else "", asked.name),
        found=MANIFEST,
        steps=(Step(argv=(*environment, "go", "build", "-o", f"{OUT}/", "./..."), cwd=TREE),),
        relations=("golang-go", *(C_TOOLS if cgo else ())),
        environment={"GOPROXY": "off", "GOTOOLCHAIN": "local", **vendored},
        tools=("go",),
    )


def _require_vendored(tree: Tree, text: str) -> None:
    missing = list(_required(text)) if VENDORED not in tree.names else []
    if missing:
        names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        msg = f"{MANIFEST}: expected required modules in {VENDORED}, found no such file; required are {shown(names)}"
        raise UsageError(
            msg, hint="the build has no network: run `go mod vendor` and commit vendor/ (or check with --worktree)"
        )


def _required(text: str) -> Iterator[str]:
    """Modules of `require` that no `replace` takes from a folder of the tree."""
    rows = list(_rows(text))
    replaced = [words for words in rows if words[0] == "replace" and len(words) > 3]
    local = {words[1] for words in replaced if words[-1].startswith(("./", "../"))}
    for words in rows:
        if words[0] == "require" and len(words) > 2 and words[1] not in local:
            yield words[1]


def _rows(text: str) -> Iterator[list[str]]:
    """Directives of a go.mod, those of a block with its keyword before them."""
    block = ""
    for row in text.splitlines():
        words = row.partition("//")[0].replace('"', "").split()
        if block and words == [")"]:
            block = ""
        elif len(words) == 2 and words[1] == "(":
            block = words[0]
        elif words:
            yield [block, *words] if block else words


def _looked_into(tree: Tree) -> tuple[bool, bool]:
    """Whether there is a program, and whether C is compiled."""
    main = cgo = False
    files = [
        name
        for name in sorted(tree.names)
        if PurePosixPath(name).suffix == ".go" and not name.endswith("_test.go") and not _SKIPPED.search(name)
    ]
    for name in files[:_LOOKED_AT]:
        text = start_of(tree, name)
        main = main or bool(_MAIN.search(text))
        cgo = cgo or bool(_CGO.search(text))
    return main, cgo
