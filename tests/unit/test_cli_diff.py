"""`rebuilder diff` on real files: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import jsonschema
import pytest

from rebuilder.cli import cli, main
from rebuilder.report.diff_json import schema

HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\u202a-\u202e]")


def wheel(path: Path, *, second: int = 2, changed: str = "one = 1\n") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(50):
            info = zipfile.ZipInfo(f"pkg/module_{number}.py", (2024, 1, 1, 0, 0, second))
            archive.writestr(info, f"# module {number}\n" * 20 + (changed if number == 7 else "x = 0\n"))
    return path


def tarball(path: Path, names: list[str], body: bytes = b"text\n") -> Path:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    path.write_bytes(gzip.compress(held.getvalue(), mtime=0))
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, no state folder and no engine: the command needs none of them."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.setenv("REBUILDER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the whole program."""
    code = cli.main(["diff", *map(str, arguments)], standalone_mode=False)
    said = capsys.readouterr()
    return int(code or 0), said.out, said.err


def test_equal_files_end_with_0_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = wheel(tmp_path / "a.whl"), wheel(tmp_path / "b.whl")
    code, out, err = run(capsys, one, other)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(rf"published  {re.escape(str(one))}  [\d,]+ bytes.*  sha256 [0-9a-f]{{64}}", lines[0])
    assert lines[2] == "EQUAL"


def test_different_files_end_with_1_and_name_the_member_the_lines_and_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = wheel(tmp_path / "a.whl"), wheel(tmp_path / "b.whl", second=4, changed="two = 2\n")
    code, out, _ = run(capsys, one, other)
    assert code == 1
    lines = out.splitlines()
    assert lines[2].startswith("DIFFERS: ")
    assert "  the content differs in 1 member (content)" in lines
    assert any(line.strip().startswith("pkg/module_7.py: published") for line in lines)
    assert any("mtime differs in 50 members (metadata)" in line for line in lines)
    at = lines.index("pkg/module_7.py (text; - published, + rebuilt)")
    assert "  - one = 1" in lines[at:]
    assert "  + two = 2" in lines[at:]
    assert "    and 47 more" in lines
    assert not (tmp_path / "state").exists()


def test_without_excerpts_no_line_of_a_member_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = wheel(tmp_path / "a.whl"), wheel(tmp_path / "b.whl", changed="two = 2\n")
    code, out, _ = run(capsys, "--no-excerpt", one, other)
    assert code == 1
    assert "- one = 1" not in out


def test_quiet_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = wheel(tmp_path / "a.whl"), wheel(tmp_path / "b.whl", changed="two = 2\n")
    code, out, err = run(capsys, "--quiet", one, other)
    assert (code, err, out.count("\n")) == (1, "", 1)
    assert out.startswith("differs: ")
    assert run(capsys, "--quiet", one, one)[:2] == (0, "equal\n")


def test_json_holds_to_its_schema_and_the_page_holds_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = wheel(tmp_path / "a.whl"), wheel(tmp_path / "b.whl", changed="two = 2\n")
    code, out, _ = run(capsys, "--json", "--html", "page.html", one, other)
    assert code == 1
    body = json.loads(out)
    jsonschema.validate(body, json.loads(schema("diff")))
    assert body["equal"] is False
    page = Path("page.html").read_text(encoding="utf-8")
    for finding in body["difference"]["findings"]:
        assert finding["path"][-1] in page
    assert "pkg/module_7.py" in page
    assert "two = 2" in page


def test_folders_are_compared_with_what_only_one_of_them_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wheel(tmp_path / name / "x.whl", changed=f"{name} = 1\n")
        (tmp_path / name / "same").write_text("same")
    (tmp_path / "a" / "only-here").write_text("x")
    (tmp_path / "b" / "same").chmod(0o755)
    (tmp_path / "a" / "same").chmod(0o644)
    code, out, _ = run(capsys, "a", "b")
    assert code == 1
    assert "published  a  folder, 3 entries" in out
    assert "1 member only in the published file (missing)" in out
    assert "x.whl » pkg/module_7.py" in out
    assert 'same: published "0644", rebuilt "0755"' in out
    assert run(capsys, "a", "a")[0] == 0


def test_bytes_are_shown_as_hex_of_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(bytes(5000) + b"\x01" + bytes(50))
    (tmp_path / "b").write_bytes(bytes(5000) + b"\x02" + bytes(50))
    code, out, _ = run(capsys, "a", "b")
    assert code == 1
    assert "the file itself (bytes from offset 5,000; - published, + rebuilt)" in out
    assert "- 00001380  00 00 00 00 00 00 00 00 01 00" in out
    assert "+ 00001380  00 00 00 00 00 00 00 00 02 00" in out


def test_hostile_names_reach_neither_the_terminal_nor_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["plain", "two\nlines", "bidi\u202egpj.exe", "esc\x1b[2J", "<img src=x onerror=alert(1)>"]
    one = tarball(tmp_path / "a\x1b[2J\u202e.tar.gz", names)
    other = tarball(tmp_path / "b.tar.gz", names, b"other\n")
    code, out, _ = run(capsys, "--html", "page.html", one, other)
    assert code == 1
    plain = re.sub(r"\x1b\[\d*m", "", out)
    assert "\x1b" not in plain
    assert not HIDDEN.search(plain)
    assert "two\\nlines" in plain
    assert "bidi[U+202E]gpj.exe" in plain
    page = Path("page.html").read_text(encoding="utf-8")
    assert not HIDDEN.search(page)
    assert "<img" not in page


def test_a_name_that_is_no_text_can_be_compared_and_told_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"\xff\xfe.bin")
    (tmp_path / name).write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    code, out, err = run(capsys, "--json", name, "b")
    assert (code, err) == (1, "")
    assert json.loads(out)["published"]["name"] == "\\xff\\xfe.bin"


@pytest.mark.parametrize(("arguments", "message"), [
    (["nowhere", "file"], "expected a file or a folder, found 'nowhere': No such file or directory"),
    (["file", "folder"], "expected two files or two folders, found a file (file) and a folder (folder)"),
    (["pipe", "file"], "expected a file or a folder, found 'pipe', which is a pipe, a device or a socket"),
    (["file", "file", "--html", "file"], "expected --html to name a new file or an old page, found 'file'"),
    (["file", "file", "--html", "none/page.html"], "found no folder 'none'"),
])  # fmt: skip
def test_what_cannot_be_compared_is_trouble_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize(("arguments", "message"), [
    (["one"], "Missing argument 'REBUILT'"), (["a", ""], "expected a path, found an empty one"),
    (["a", "b", "--colour"], "No such option"),
])  # fmt: skip
def test_wrong_usage_is_trouble_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rebuilder", "diff", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_bug_of_ours_is_trouble_and_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")

    def broken(*_: object) -> None:
        raise AssertionError("not expected")

    monkeypatch.setattr("rebuilder.explaining.explain_paths", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = run(capsys, "file", "file")
    assert (code, out) == (2, "")
    assert "a bug of ours: AssertionError: not expected" in err


def test_damaged_containers_are_compared_as_bytes_and_that_is_remarked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = wheel(tmp_path / "a.whl").read_bytes()
    (tmp_path / "b.whl").write_bytes(good[: len(good) // 2])
    code, out, err = run(capsys, "a.whl", "b.whl")
    assert (code, err) == (1, "")
    assert "compared as bytes" in out


def test_diffoscope_that_cannot_be_had_is_trouble_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "b").write_text("two\n")
    code, _, err = run(capsys, "--diffoscope", "a", "b")
    assert code == 2
    assert "rebuilder: " in err
    assert "bug" not in err
