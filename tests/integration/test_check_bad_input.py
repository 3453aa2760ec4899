"""Projects that cannot be checked, or only in part: each is told what was expected, what was found, what to do next."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from rebuilder.check.variations import NAMES
from rebuilder.check_inputs import Asked, subject
from rebuilder.checking import Wishes, check
from rebuilder.config import load_config
from rebuilder.model import Limits, RootImage
from rebuilder.wiring import workshop
from tests.integration.check_projects import (
    FILES,
    Projects,
    git,
    makefile,
    some_projects,  # noqa: F401 - a fixture is used by name
)
from tests.integration.sandboxes import Remembering
from tests.records import lock

pytestmark = pytest.mark.integration
ASKS = """\
#!/usr/bin/perl
use Socket;
my ($error) = Socket::getaddrinfo("data.example.invalid", "https");
die "getaddrinfo ENOTFOUND data.example.invalid\\n" if $error;
"""


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (("gcc -o demo nothing.c",), ["the build failed with nothing varied", "read the end of its log, below"]),
        (("true",), ["the build failed with nothing varied"]),
        (("./asks",), ["it asked the network for data.example.invalid", "name what it fetches as a dependency"]),
        (("echo x > /usr/lib/demo.txt",),
         ["it wrote outside of its tree: /usr/lib/demo.txt", "only the tree, $HOME and $TMPDIR can be written"]),
        (("mkdir /opt/demo",), ["it wrote outside of its tree: /opt/demo"]),
    ],
    ids=["does not build", "builds nothing", "needs the network", "writes outside", "makes a folder outside"],
)  # fmt: skip
def test_a_build_that_fails_says_why_and_what_to_do(
    projects: Projects, commands: tuple[str, ...], words: list[str]
) -> None:
    done = projects.check(projects.make({"Makefile": makefile(*commands), "asks": ASKS}))
    assert done.code == 13, done.err
    for word in words:
        assert word in done.out
    report = done.report
    assert len(report.builds) == 1
    assert report.builds[0].attempt.failure is not None
    assert not {row.status for row in report.variations} & {"passed", "breaks"}


def test_a_build_that_makes_nothing_says_what_was_looked_for(projects: Projects) -> None:
    files = {"rebuilder.toml": '[check]\nbuild = [["true"]]\noutputs = ["dist/*.whl"]\n'}
    done = projects.check(projects.make(files))
    assert done.code == 13, done.err
    assert "no file that the build left matches dist/*.whl" in done.log(1)
    nothing = projects.check(projects.make({"Makefile": makefile("true")}, name="nothing"), report="nothing-report")
    assert nothing.code == 13
    assert "the build made no file; name what it makes as outputs" in nothing.log(1)


def test_a_build_that_hangs_is_ended_and_called_that(projects: Projects) -> None:
    files = {"Makefile": makefile("sleep 600"), "rebuilder.toml": "[check]\n[check.limits]\nseconds = 5\n"}
    began = time.monotonic()
    done = projects.check(projects.make(files))
    assert done.code == 13, done.err
    assert time.monotonic() - began < 60
    assert done.report.builds[0].attempt.failure == "time-limit"
    assert "it may hang" in done.out
    assert "limits.seconds" in done.out


def submodules(projects: Projects) -> tuple[Path, Path]:
    """A project with a submodule that is checked out, and a clone of it in which it is not."""
    part = projects.make({"part.txt": "part\n"}, name="part")
    whole = projects.make({"Makefile": makefile("cat vendor/part.txt > out")}, name="whole")
    git(whole, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(part), "vendor")
    git(whole, "commit", "-q", "-m", "with a submodule")
    clone = projects.folder / "clone"
    git(projects.folder, "clone", "-q", str(whole), str(clone))
    return whole, clone


def test_a_submodule_is_built_if_it_is_there_and_named_if_it_is_not(projects: Projects) -> None:
    whole, clone = submodules(projects)
    done = projects.check(whole)
    assert done.code == 0, done.err
    assert done.report.source.submodules
    missing = projects.check(clone, report="missing")
    assert missing.code == 2, missing.out
    assert "vendor" in missing.err
    assert "git submodule update --init" in missing.err
    assert not missing.folder.exists()


def test_a_path_with_blanks_and_other_letters(projects: Projects) -> None:
    files = {"Makefile": makefile("cat 'a b/ünï.txt' > 'o ut'", "pwd > where"), "a b/ünï.txt": "x\n", **FILES}
    done = projects.check(projects.make(files, name="mein Projekt für $HOME"), report="ein Bericht ü")
    assert done.code == 10, done.err
    assert done.broken == {"path"}
    assert (done.folder / "index.html").is_file()


def test_a_folder_that_is_no_repository(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("sort src/*.txt > out"), **FILES}, commit=False))
    assert done.code == 0, done.err
    report = done.report
    assert (report.source.kind, report.source.commit) == ("folder", "")
    given = projects.check(projects.folder / "demo", "--commit", "v1.0", report="given")
    assert given.code == 2
    assert "expected --commit only for a Git repository, found none" in given.err


def test_a_dirty_tree_is_said_and_not_built(projects: Projects) -> None:
    project = projects.make({"Makefile": makefile("cp value out"), "value": "one\n"})
    (project / "value").write_text("two\n")
    (project / "more").write_text("new\n")
    done = projects.check(project, "--variations", "umask")
    assert done.code == 0, done.err
    assert done.report.source.dirty
    assert "value" in " ".join(done.report.source.dirty)
    asis = projects.check(project, "--variations", "umask", "--worktree", report="asis")
    assert asis.report.source.kind == "worktree"
    assert asis.report.outputs[0].first != done.report.outputs[0].first


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "expected a file that says how the project is built"),
        ({"README": "nothing to build\n"}, "expected a file that says how the project is built, found none of"),
        ({"rebuilder.toml": "[check]\nbuidl = []\n", "Makefile": "all:\n"}, "did you mean 'build'?"),
        ({"rebuilder.toml": "[check\n", "Makefile": "all:\n"}, "rebuilder.toml"),
    ],
    ids=["empty", "no project", "unknown key", "no TOML"],
)
def test_what_is_no_project_is_a_usage_error(projects: Projects, files: dict[str, str], words: str) -> None:
    (projects.folder / "demo").mkdir()
    done = projects.check(projects.make(files))
    assert done.code == 2, done.out
    assert words in done.err
    assert not done.folder.exists()


def test_an_empty_folder_is_a_usage_error(projects: Projects) -> None:
    (projects.folder / "demo").mkdir()
    done = projects.check(projects.folder / "demo")
    assert done.code == 2, done.out
    assert "expected the files of a project, found none" in done.err
    git(projects.folder / "demo", "init", "-q")
    bare = projects.check(projects.folder / "demo")
    assert bare.code == 2, bare.out
    assert "expected a commit in the repository, found none yet" in bare.err
    assert "commit first, or check the files as they lie there with --worktree" in bare.err


def test_a_report_never_goes_among_other_files(projects: Projects) -> None:
    project = projects.make({"Makefile": makefile("echo one > out")})
    done = projects.check(project, report="demo")
    assert done.code == 2
    assert "expected --output to name a new folder or that of an earlier check, found other files in" in done.err
    assert not (project / "check.json").exists()


# --- a toolchain without what the variations need -------------------------------------------------


def test_a_toolchain_without_locales_and_faketime_never_passes_them(projects: Projects, base_root: RootImage) -> None:
    project = projects.make({"make.sh": "#!/bin/sh\nsort src/*.txt > out; date +%Y > year\n", **FILES})
    shop = workshop(load_config(projects.environment), Remembering())
    ports = shop.check_ports(Limits(), fresh=False)
    ports = replace(ports, toolchain=lambda suite, relations: (lock(), base_root))
    what, _ = subject(Asked(folder=project, command=("./make.sh",)), shop.blobs)
    wishes = Wishes(variations=NAMES, seed=7, suite="trixie", limits=Limits(), again="")
    report = check(what, wishes, ports).report
    rows = {row.name: row for row in report.variations}
    assert {name for name, row in rows.items() if row.status == "not-effective"} == {"locale", "clock"}, rows
    assert "the locale is not in the toolchain" in rows["locale"].detail
    assert "libfaketime is not in the toolchain" in rows["clock"].detail
    assert report.verdict.exit_code == 0
    assert report.headline.startswith("no difference seen under 16 effective variations in 2 builds (locale, clock")


# --- interrupted ----------------------------------------------------------------------------------


def containers_of(process: int, *filters: str) -> list[str]:
    """Containers that a process of this host has made and that are still there."""
    labelled = ("--filter", "label=rebuilder.run", "--format", '{{.ID}} {{.Label "rebuilder.pid"}}')
    done = subprocess.run(["docker", "ps", "-a", *filters, *labelled], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if f"/{process}/" in line]


def layers_of(process: int) -> list[str]:
    """Images of single jobs of that process."""
    images = docker.from_env().images.list(name="rebuilder-layer")
    return [str(image.id) for image in images if f"/{process}/" in image.labels["rebuilder.pid"]]


@pytest.mark.parametrize("at", ["build 1 (control)", "step 5 of", "build 2 (varied)"])
def test_an_interruption_leaves_no_container_no_image_and_no_half_report(projects: Projects, at: str) -> None:
    project = projects.make({"Makefile": makefile("sleep 3", "echo one > out"), **FILES})
    report = projects.folder / "report"
    process = subprocess.Popen(
        projects.command(project, "--seed", "7", "--output", str(report)),
        cwd=projects.folder, env=projects.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert process.stderr is not None
    said = b""
    while at.encode() not in said:
        piece = process.stderr.read(4096)
        assert piece, said.decode()
        said += piece
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, (said + rest).decode()
    assert (said + rest).decode().endswith("interrupted; nothing half-done was kept\n")
    assert containers_of(process.pid) == []
    assert not (report / "check.json").exists()
    assert layers_of(process.pid) == []


def waited(ready: Callable[[], bool]) -> None:
    for _ in range(300):
        if ready():
            return
        time.sleep(0.1)
    pytest.fail("it never came")


def test_a_check_that_was_killed_is_cleared_away_by_the_next(projects: Projects) -> None:
    project = projects.make({"Makefile": makefile("sleep 60", "echo one > out"), **FILES})
    process = subprocess.Popen(
        projects.command(project, "--seed", "7"), cwd=projects.folder, env=projects.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # The one that carries files into a layer never runs.
    waited(lambda: bool(containers_of(process.pid, "--filter", "status=running")))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert containers_of(process.pid) != []
    assert layers_of(process.pid) != []
    quick = projects.make({"Makefile": makefile("echo one > out"), **FILES}, name="quick")
    assert projects.check(quick, "--variations", "umask").code == 0
    assert containers_of(process.pid) == []
    assert layers_of(process.pid) == []
