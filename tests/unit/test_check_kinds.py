"""What each kind of project needs and how it is built, and what is refused because no network is there to get it."""

from __future__ import annotations

import json

import pytest

from rebuilder.check.kinds import collect
from rebuilder.check.model import OUT, TOOLS, TREE, NpmPackage, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step
from tests.unit.check_cases import PYPROJECT, SEEN, of, words

HASH = "sha512-" + "A" * 86 + "=="


def test_python() -> None:
    project = of(SEEN[ProjectKind.PYTHON])
    assert (project.name, project.version) == ("demo", "1.0")
    assert project.found == "pyproject.toml, build backend hatchling.build"
    assert project.wheels == ("hatchling>=1.2", "build")
    assert project.asks_backend
    assert not project.history
    assert project.outputs == ("*.whl", "*.tar.gz")
    assert project.relations == ("python3", "python3-dev", "python3-venv", "python3-pip")
    assert project.steps == (
        Step(
            argv=(
                f"{TOOLS}/bin/python",
                *("-P", "-m", "build", "--no-isolation", "--skip-dependency-check", "--sdist", "--wheel"),
                *("--outdir", OUT, "."),
            ),
            cwd=TREE,
        ),
    )


def test_python_without_a_backend() -> None:
    project = of({"setup.py": "", "setup.cfg": "[metadata]\nname = demo\nversion = attr: demo.v\n", "src/a.pyx": ""})
    assert (project.name, project.version) == ("demo", "")
    assert project.wheels == ("setuptools>=40.8.0", "wheel", "build")
    assert "build-essential" in project.relations


@pytest.mark.parametrize(
    ("requires", "relations"),
    [
        ("scikit-build-core", {"cmake", "ninja-build", "build-essential"}),
        ("Meson_Python>=0.15", {"meson", "ninja-build", "patchelf", "pkgconf"}),
        ("maturin", {"cargo", "rustc", "build-essential"}),
        ("hatch-vcs", {"git"}),
    ],
)
def test_python_backends_bring_their_tools(requires: str, relations: set[str]) -> None:
    files = {"pyproject.toml": f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "x"\n'}
    assert relations <= set(of(files).relations)


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[build-system]\nrequires = ["setuptools", "setuptools-scm[toml]>=8"]\n'},
        {"pyproject.toml": PYPROJECT + '[tool.pdm.version]\nsource = "scm"\n'},
        {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "mesonpy"\nbackend-path = ["."]\n'},
        {"setup.py": "setup(use_scm_version=True)"},
        {"setup.py": "", "versioneer.py": ""},
    ],
)
def test_python_versions_that_are_read_from_git(files: dict[str, str]) -> None:
    project = of(files)
    assert project.history
    assert "git" in project.relations
    assert not of(files, history=False).history


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ('["demo @ https://host.example/demo.whl"]', "build-system.requires: expected .* found a URL"),
        ('["demo @ file:///etc"]', "found a URL"),
        ('["-r /etc/passwd"]', r"expected a requirement such as .* \(PEP 508\), found '-r /etc/passwd'"),
        ('["' + "a" * 2000 + '"]', "expected a requirement such as"),
        ("[1]", "expected an array of strings"),
    ],
)
def test_python_requirements_that_no_index_meets(requires: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        of({"pyproject.toml": f"[build-system]\nrequires = {requires}\n"})


def npm(packages: dict[str, object], **manifest: object) -> dict[str, str]:
    lock = {"lockfileVersion": 3, "packages": {"": {"name": "demo"}, **packages}}
    return {
        "package.json": json.dumps({"name": "@s/demo", "version": "1.0.0", **manifest}),
        "package-lock.json": json.dumps(lock),
    }


def test_npm_lock() -> None:
    project = of(
        npm(
            {
                "node_modules/a": {"version": "1.0.0", "integrity": f"sha1-{'b' * 27}= {HASH}", "dev": True},
                "node_modules/a/node_modules/@s/b": {"version": "2.0.0-rc.1", "integrity": HASH},
                "node_modules/again/node_modules/a": {"version": "1.0.0", "integrity": HASH},
                "node_modules/alias": {"name": "real", "version": "3.0.0", "integrity": HASH},
                "node_modules/bundled": {"version": "1.0.0", "inBundle": True},
                "node_modules/inner": {"resolved": "packages/inner", "link": True},
                "node_modules/file": {"version": "1.0.0", "resolved": "file:x.tgz", "integrity": HASH},
                "node_modules/mac": {"version": "1.0.0", "optional": True, "os": ["darwin"]},
                "packages/inner": {"version": "1.0.0"},
            },
            dependencies={"a": "^1"},
        )
    )
    assert (project.name, project.version) == ("s-demo", "1.0.0")
    assert project.npm == (
        NpmPackage(name="@s/b", version="2.0.0-rc.1", integrity=HASH),
        NpmPackage(name="a", version="1.0.0", integrity=HASH),
        NpmPackage(name="real", version="3.0.0", integrity=HASH),
    )
    assert words(project) == ["npm run build --if-present", f"npm pack --pack-destination {OUT}"]
    assert project.named_zones
    assert project.relations == ("nodejs", "npm")


def test_npm_scripts_that_build_by_themselves() -> None:
    project = of(npm({}, scripts={"prepack": "npm run build"}))
    assert words(project) == [f"npm pack --pack-destination {OUT}"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"version": "1.0.0", "resolved": "git+ssh://host.example/a#1"}, "expected an integrity digest, found none"),
        ({"version": "1.0.0", "resolved": "git+ssh://host.example/a#1", "integrity": HASH}, "expected an integrity"),
        ({"version": "1.0.0", "integrity": "md5-xx"}, "no location either"),
        ({"version": "../1", "integrity": HASH}, "expected the name and version of a package, found 'a' '../1'"),
        ({"version": "1", "name": "../x", "integrity": HASH}, r"found '\.\./x' '1'"),
    ],
)
def test_npm_locks_that_pin_nothing_to_fetch(entry: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        of(npm({"node_modules/a": entry}, dependencies={"a": "1"}))


def test_npm_without_a_lock() -> None:
    files = {"package.json": '{"name": "a", "version": "1", "devDependencies": {"b": "1"}}'}
    with pytest.raises(UsageError, match=r"package-lock.json that pins what 'devDependencies' names, found none"):
        of(files)
    with pytest.raises(UsageError, match=r"found only yarn.lock, which is not read"):
        of({**files, "yarn.lock": ""})
    with pytest.raises(UsageError, match=r"package-lock.json: expected lockfileVersion 2 or 3, found 1"):
        of({**files, "package-lock.json": '{"lockfileVersion": 1}'})


LOCK = '[[package]]\nname = "libc"\nversion = "0.2.1"\nsource = "registry+https://host.example/index"\n'
CARGO = {"Cargo.toml": '[package]\nname = "demo"\nversion = "0.1.0"\n[dependencies]\nlibc = "0.2"\n'}
VENDOR = '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "vendor"\n'


def test_cargo() -> None:
    project = of(SEEN[ProjectKind.CARGO])
    assert (project.name, project.version) == ("demo", "0.1.0")
    assert words(project)[0].endswith(f"cargo build --release --offline --target-dir {TREE}/target")
    vendored = {**CARGO, "Cargo.lock": LOCK, ".cargo/config.toml": VENDOR, "vendor/libc/Cargo.toml": ""}
    assert "--frozen" in words(of(vendored))[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (CARGO, r"expected a Cargo.lock that pins 'libc' of \[dependencies\], found none"),
        (
            {**CARGO, "Cargo.lock": LOCK},
            "Cargo.lock: expected vendored sources of every dependency, found none of libc",
        ),
        ({**CARGO, "Cargo.lock": LOCK, ".cargo/config.toml": VENDOR}, "expected a vendored copy in vendor"),
    ],
)
def test_cargo_dependencies_that_are_not_there(files: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        of(files)


def test_go() -> None:
    project = of({**SEEN[ProjectKind.GO], "c/c.go": 'package c\n\nimport "C"\n'})
    assert project.name == "demo"
    assert project.environment == {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
    assert project.relations == ("golang-go", "build-essential")
    assert words(project) == [f"env GOCACHE={OUT}.go/build GOPATH={OUT}.go/path go build -o {OUT}/ ./..."]


def test_go_requirements() -> None:
    files = {
        "go.mod": "module demo\nrequire example.org/a v1.0.0 // indirect\nrequire (\n\texample.org/b v1.0.0\n"
        "\texample.org/c v1.0.0\n)\nreplace example.org/b => ./b\n",
        "main.go": "package main\n",
    }
    with pytest.raises(UsageError, match=r"required are example.org/a, example.org/c$"):
        of(files)
    assert of({**files, "vendor/modules.txt": ""}).environment["GOFLAGS"] == "-mod=vendor"


def test_go_library() -> None:
    with pytest.raises(UsageError, match=r"expected a program \(`package main`\)"):
        of({"go.mod": "module demo\n", "a.go": "package a\n", "vendor/x/main.go": "package main\n"})


def test_debian() -> None:
    control = (
        "# kept\n\n# so\nSource: demo\nBuild-Depends: debhelper-compat (= 13),\n# why\n"
        " a (>= 1) [!hurd-any] | b <!nocheck>\n"
        "Build-Depends-Indep: c\nBuild-Conflicts: d\n\nPackage: demo\n"
    )
    project = of({**SEEN[ProjectKind.DEBIAN], "debian/control": control})
    assert (project.name, project.version) == ("demo", "1.0-1")
    assert project.relations == (
        "build-essential",
        "fakeroot",
        "debhelper-compat (= 13)",
        "a (>= 1) [!hurd-any] | b <!nocheck>",
        "c",
        "Conflicts: d",
    )
    assert words(project)[:2] == [
        "env -u LD_PRELOAD dpkg-source --before-build .",
        "dpkg-buildpackage -us -uc -b",
    ]


@pytest.mark.parametrize("kind", [ProjectKind.CMAKE, ProjectKind.MESON, ProjectKind.AUTOTOOLS])
def test_compiled_projects_install_into_a_folder(kind: ProjectKind) -> None:
    project = of(SEEN[kind])
    assert (project.name, project.version) == ("demo", "1.0")
    assert collect.STAGE in words(project)[-2]
    assert project.notes == (collect.TAR_NOTE.format(name="install.tar"),)
    named = of(SEEN[kind], outputs=("rebuilder-build/*.so",))
    assert not any(collect.STAGE in step for step in words(named))
    assert named.steps[-1] == collect.matching(("rebuilder-build/*.so",))


@pytest.mark.parametrize(
    ("makefile", "installs"),
    [
        ("all:\n\ninstall: all\n\tinstall -D a $(DESTDIR)/usr/bin/a\n", True),
        ("all install: x\n\tcp x $(DESTDIR)\n", True),
        ("install := install DESTDIR\nall:\n", False),
        ("install::=x DESTDIR\nall:\n", False),
        ("install-strip: DESTDIR\n", False),
        ("all:\n\tinstall: DESTDIR\n", False),
    ],
)
def test_make_installs_where_the_makefile_can(makefile: str, installs: bool) -> None:
    project = of({"Makefile": makefile})
    assert any("make install" in step for step in words(project)) == installs
    assert (collect.MADE_NOTE in project.notes) != installs


def test_make_does_not_install_over_the_system() -> None:
    project = of({"Makefile": "install:\n\tcp a /usr/bin\n\tpython3 x.py; gzip x; ./node x\n"})
    assert "`make install` was not run: Makefile does not use DESTDIR" in project.notes
    assert project.relations == ("build-essential", "python3")
    assert any("calls programs of python3" in note for note in project.notes)
