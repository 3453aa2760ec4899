"""What the shared script and the hook make of each way a check can end: a program in its place ends that way.

The check itself is run by `tests/integration/test_integrations.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "integrations"
NOTHING = "0" * 40


class Place:
    """A folder with a program that writes down what it was given, prints, and ends as told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given = folder / "given"
        self.output = folder / "output"
        self.summary = folder / "summary"
        self.program = folder / "program"
        (folder / "project").mkdir()

    def ends(self, code: int, said: str = "the answer") -> Place:
        answer = self.folder / "answer"
        answer.write_text(said)
        self.program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{self.given}\ncat {answer}\nexit {code}\n')
        self.program.chmod(0o755)
        return self

    def run(self, script: str, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        foreign = ("GITHUB_", "REBUILDER_", "GIT_")
        keep = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        named = {"REBUILDER": str(self.program), "GIT_CONFIG_GLOBAL": os.devnull} | environ
        return subprocess.run(
            [HERE / script, *arguments], input=stdin, cwd=self.folder / "project", env=keep | named,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def runner(self) -> dict[str, str]:
        return {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary)}

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@b.example"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder / "project", capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def repository(self) -> str:
        self.git("init", "-q")
        self.git("commit", "-q", "--allow-empty", "-m", "one")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


VERDICTS = [
    (0, "reproducible", (0, 0, 0)),
    (10, "not-reproducible", (10, 10, 0)),
    (12, "flaky", (12, 12, 0)),
    (13, "build-failed", (13, 0, 0)),
    (15, "unavailable", (15, 0, 0)),
    (3, "fault-of-this-machine", (3, 0, 0)),
    (2, "no-verdict", (2, 2, 2)),
    (1, "no-verdict", (1, 1, 1)),
    (130, "no-verdict", (130, 130, 130)),
]


@pytest.mark.parametrize(("code", "verdict", "ends"), VERDICTS)
def test_every_end_has_a_verdict_and_fails_where_it_should(
    code: int, verdict: str, ends: tuple[int, int, int], place: Place
) -> None:
    place.ends(code)
    for fail_on, expected in zip(("any", "not-reproducible", "never"), ends, strict=True):
        done = place.run("check.sh", REBUILDER_FAIL_ON=fail_on, **place.runner())
        assert done.returncode == expected, fail_on
        assert place.output.read_text().splitlines()[-2:] == [f"verdict={verdict}", f"exit-code={code}"]
        if code and not expected:
            assert f"{verdict} (exit code {code}): not failing" in done.stderr


def test_the_page_of_integrations_says_the_same(place: Place) -> None:
    page = (HERE / "README.md").read_text(encoding="utf-8")
    for code, verdict, ends in VERDICTS[:6]:
        words = " | ".join("fails" if end else "passes" for end in ends)
        assert f"| {code} | `{verdict}` | {words} |" in page


def test_values_are_passed_as_they_are(place: Place) -> None:
    hostile = '-cpu,$(touch x);`touch x`"\' *'
    given = {"VARIATIONS": hostile, "SEED": "7", "COMMIT": "abc", "OUTPUT": "a b", "SARIF": "s.sarif", "JUNIT": "j.xml"}
    done = place.ends(0).run("check.sh", **{f"REBUILDER_{name}": value for name, value in given.items()})
    assert done.returncode == 0
    assert place.given.read_text().splitlines() == [
        "check", ".", "--output=a b", f"--variations={hostile}", "--seed=7", "--commit=abc", "--sarif=s.sarif",
        "--junit=j.xml",
    ]  # fmt: skip
    assert list((place.folder / "project").iterdir()) == []


def test_a_folder_that_looks_like_an_option_is_none(place: Place) -> None:
    (place.folder / "project" / "--json").mkdir()
    assert place.ends(0).run("check.sh", REBUILDER_DIRECTORY="--json").returncode == 0
    assert place.given.read_text().splitlines()[1] == "./--json"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FAIL_ON", "sometimes", "expected any, not-reproducible or never in REBUILDER_FAIL_ON, found 'sometimes'"),
        ("DIRECTORY", "nowhere", "expected a folder in REBUILDER_DIRECTORY, found 'nowhere', which is none"),
        ("OUTPUT", "a\nverdict=reproducible", "expected one line in REBUILDER_OUTPUT, found several"),
        ("SARIF", "a\nverdict=reproducible", "expected one line in REBUILDER_SARIF, found several"),
    ],
)
def test_wrong_values_end_before_anything_is_run(name: str, value: str, message: str, place: Place) -> None:
    done = place.ends(0).run("check.sh", **{f"REBUILDER_{name}": value}, **place.runner())
    assert done.returncode == 2
    assert message in done.stderr
    assert "next: " in done.stderr
    assert not place.given.exists()
    assert not place.output.exists()


def test_a_program_that_is_not_there_always_fails(place: Place) -> None:
    assert place.run("check.sh", REBUILDER_FAIL_ON="never").returncode == 127


def test_names_of_the_project_are_text_for_the_runner(place: Place) -> None:
    said = "</pre><script>x</script> & <b>\n::error::no\n```\n"
    done = place.ends(10, said).run("check.sh", **place.runner())
    lines = done.stdout.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert lines[-1] == f"::{token}::"
    assert lines.index("::error::no") < len(lines) - 1
    page = place.summary.read_text()
    assert page.startswith("### Rebuilder: not-reproducible\n\n<pre>\n")
    assert "\n&lt;/pre&gt;&lt;script&gt;x&lt;/script&gt; &amp; &lt;b&gt;\n" in page
    assert page.count("</pre>") == 1


def test_only_files_that_are_there_become_outputs(place: Place) -> None:
    names = {"REBUILDER_OUTPUT": "r", "REBUILDER_SARIF": "s"}
    place.ends(2).run("check.sh", **names, **place.runner())
    assert "report" not in place.output.read_text()
    (place.folder / "project" / "r").mkdir()
    (place.folder / "project" / "s").write_text("{}")
    place.ends(10).run("check.sh", **names, **place.runner())
    assert place.output.read_text().splitlines()[-2:] == ["report=r", "sarif=s"]


def test_a_push_without_a_tag_asks_nobody(place: Place) -> None:
    lines = f"refs/heads/main {'a' * 40} refs/heads/main {NOTHING}\n(delete) {NOTHING} refs/tags/v1 {'a' * 40}\n"
    done = place.run("hooks/pre-push", stdin=lines, REBUILDER="/nonexistent", REBUILDER_CHECKOUT="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_commit_of_a_signed_or_plain_tag_is_checked_once(place: Place) -> None:
    commit = place.repository()
    place.git("tag", "-a", "-m", "x", "v1")
    tag = place.git("rev-parse", "v1")
    lines = f"refs/tags/v1 {tag} refs/tags/v1 {NOTHING}\nrefs/tags/v2 {commit} refs/tags/v2 {NOTHING}\n"
    done = place.ends(0).run("hooks/pre-push", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert f"--commit={commit}" in place.given.read_text().splitlines()
    assert done.stderr.count("checking ") == 1


def test_the_hook_ends_as_the_check_did_and_says_what_to_do(place: Place) -> None:
    commit = place.repository()
    line = f"refs/tags/v1 {commit} refs/tags/v1 {NOTHING}\n"
    done = place.ends(12).run("hooks/pre-push", stdin=line, REBUILDER_FAIL_ON="never")
    assert done.returncode == 12
    assert "the tag v1 stays here: rebuilder check ended with 12. Report: " in done.stderr
    assert "REBUILDER_SKIP=1" in done.stderr


def test_skipping_is_loud(place: Place) -> None:
    line = f"refs/tags/v1 {'a' * 40} refs/tags/v1 {NOTHING}\n"
    done = place.run("hooks/pre-push", stdin=line, REBUILDER_SKIP="1")
    assert done.returncode == 0
    assert "!!! REBUILDER_SKIP=1: tags are pushed WITHOUT a check of reproducibility" in done.stderr
    assert "v1" in done.stderr


def test_a_tag_of_no_commit_and_a_missing_checkout_stop_the_push(place: Place) -> None:
    place.repository()
    blob = place.git("hash-object", "-w", "--stdin", "-t", "blob", "--path", "x")
    line = f"refs/tags/v1 {blob} refs/tags/v1 {NOTHING}\n"
    done = place.ends(0).run("hooks/pre-push", stdin=line)
    assert done.returncode == 2
    assert "expected the tag v1 to name a commit, found another object" in done.stderr
    done = place.run("hooks/pre-push", stdin=line, REBUILDER_CHECKOUT="/nonexistent")
    assert done.returncode == 2
    assert "expected Rebuilder's integrations/check.sh, found none at /nonexistent/integrations/check.sh" in done.stderr


def releasing(place: Place, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The gate, with a program that signs in place of gpg."""
    signer = place.folder / "signer"
    told = 'printf "\\n[GNUPG:] SIG_CREATED \\n" >&2; echo "-----BEGIN PGP SIGNATURE-----"'
    signer.write_text(f"#!/bin/sh\ncat >/dev/null; {told}\n")
    signer.chmod(0o755)
    settings = place.folder / "settings"
    settings.write_text(f"[gpg]\nprogram = {signer}\n[user]\nname = A\nemail = a@b.example\nsigningkey = x\n")
    return place.run("release-gate/release.sh", *words, GIT_CONFIG_GLOBAL=str(settings), **environ)


BUILD = ("dist", "sh", "-c", 'mkdir dist && touch "dist/a b" dist/c')


def test_a_release_is_checked_tagged_built_and_verified(place: Place) -> None:
    commit = place.repository()
    done = releasing(place.ends(0), "v1.0", *BUILD)
    assert done.returncode == 0, done.stderr
    assert place.git("rev-parse", "v1.0^{commit}") == commit
    assert "PGP SIGNATURE" in place.git("cat-file", "tag", "v1.0")
    assert place.given.read_text().splitlines() == [
        "verify", "--source=.", "--no-sign", "--artifact=dist/a b", "--artifact=dist/c",
    ]  # fmt: skip
    assert "Now:  git push origin refs/tags/v1.0" in done.stderr


@pytest.mark.parametrize("given", ["", "7"])
def test_the_build_of_a_release_is_told_the_time_of_the_commit(given: str, place: Place) -> None:
    place.repository()
    place.git("config", "log.showSignature", "true")
    place.ends(0)
    words = ("dist", "sh", "-c", 'mkdir dist && printf %s "$SOURCE_DATE_EPOCH" >dist/epoch')
    done = releasing(place, "v1.0", *words, SOURCE_DATE_EPOCH=given)
    assert done.returncode == 0, done.stderr
    wanted = given or place.git("show", "-s", "--no-show-signature", "--format=%ct", "HEAD")
    assert (place.folder / "project" / "dist" / "epoch").read_text() == wanted
    assert f"3/4 building with SOURCE_DATE_EPOCH={wanted}: sh -c " in done.stderr


def test_the_page_lists_the_steps_that_the_gate_counts() -> None:
    script = (HERE / "release-gate" / "release.sh").read_text(encoding="utf-8")
    page = (HERE / "README.md").read_text(encoding="utf-8").partition("## Release gate")[2]
    steps = re.findall(r'(?m)^say "(\d)/(\d) ', script)
    assert steps == [(str(number), str(len(steps))) for number in range(1, len(steps) + 1)]
    assert re.findall(r"(?m)^(\d)\. ", page) == [number for number, _ in steps]


def test_a_check_that_fails_ends_the_release_before_the_tag(place: Place) -> None:
    place.repository()
    done = releasing(place.ends(10), "v1.0", *BUILD)
    assert done.returncode == 10
    assert "no tag: the check ended with 10" in done.stderr
    assert place.git("tag") == ""


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [("exit 7", 7, "3/4 building"), ("true", 2, "expected files in dist after the build, found none")],
)
def test_a_build_that_fails_or_makes_nothing_takes_the_tag_back(
    command: str, code: int, message: str, place: Place
) -> None:
    place.repository()
    done = releasing(place.ends(0), "v1.0", "dist", "sh", "-c", command)
    assert done.returncode == code
    assert message in done.stderr
    assert "the tag v1.0 was taken back" in done.stderr
    assert place.git("tag") == ""


def test_files_that_do_not_verify_take_the_tag_back(place: Place) -> None:
    place.repository()
    place.ends(0)
    place.program.write_text('#!/bin/sh\n[ "$1" = check ] || exit 11\n')
    done = releasing(place, "v1.0", *BUILD)
    assert done.returncode == 11
    assert place.git("tag") == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("v1.0", "dist"), "expected TAG FOLDER COMMAND..., found 2 words"),
        (("a b", *BUILD), "expected a name for a tag, found 'a b'"),
        (("-d", *BUILD), "expected a name for a tag, found the option '-d'"),
        (("v0", *BUILD), "expected a new tag, found that v0 is there already"),
        (("v1.0", "old", "true"), "expected old to be empty or not there, found files in it"),
    ],
)
def test_what_cannot_be_released_is_refused_before_the_check(
    words: tuple[str, ...], message: str, place: Place
) -> None:
    place.repository()
    place.git("tag", "v0")
    (place.folder / "project" / ".git" / "info").mkdir(exist_ok=True)
    (place.folder / "project" / ".git" / "info" / "exclude").write_text("old\n")
    (place.folder / "project" / "old").mkdir()
    (place.folder / "project" / "old" / "x").touch()
    done = releasing(place.ends(0), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert not place.given.exists()


def test_a_changed_work_tree_is_not_released(place: Place) -> None:
    place.repository()
    (place.folder / "project" / "new").touch()
    done = releasing(place.ends(0), "v1.0", *BUILD)
    assert done.returncode == 2
    assert "expected a work tree without changes, found some" in done.stderr
