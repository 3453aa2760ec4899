"""Lists of digests: what coreutils writes is read, and a list that could mean two things is not."""

from __future__ import annotations

import hashlib

import pytest

from rebuilder.endorse.checksums import BadList, Entry, named, read
from tests.unit.endorse_signers import run

A = "ab" * 32
B = "cd" * 32
LONG = "ef" * 64


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("options", [(), ("--binary",), ("--tag",)])
def test_what_coreutils_write(tmp_path, algorithm, options):
    (tmp_path / "demo file (1).whl").write_bytes(b"data")
    text = run(
        "sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", tmp_path, f"{algorithm}sum", *options, "demo file (1).whl"
    )
    entry = Entry(name="demo file (1).whl", algorithm=algorithm, digest=hashlib.new(algorithm, b"data").hexdigest())
    assert read(text, f"{algorithm.upper()}SUMS") == (entry,)
    assert entry.counts


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224"])
def test_weak_digests_are_read_and_do_not_count(tmp_path, algorithm):
    (tmp_path / "demo").write_bytes(b"data")
    text = run(f"{algorithm}sum", tmp_path / "demo")
    found = named(read(text, "SUMS"), "demo")
    assert [(entry.algorithm, entry.counts) for entry in found] == [(algorithm, False)]


def test_escaped_names_are_refused_as_coreutils_write_them(tmp_path):
    (tmp_path / "a\nb").write_bytes(b"data")
    text = run("sha256sum", tmp_path / "a\nb")
    with pytest.raises(BadList, match="line 1: the name is escaped"):
        read(text, "SHA256SUMS")


def test_comments_empty_lines_and_other_line_ends():
    found = read(f"# of today\r\n\r\n{A.upper()} *./demo\r\n".encode(), "SHA256SUMS")
    assert found == (Entry(name="demo", algorithm="sha256", digest=A),)


def test_a_list_of_several_kinds():
    found = read(f"{A}  demo\nSHA512 (demo) = {LONG}\nMD5 (demo) = {'0' * 32}\n".encode(), "CHECKSUMS")
    assert [(entry.algorithm, entry.counts) for entry in found] == [("sha256", True), ("sha512", True), ("md5", False)]


def test_one_digest_in_a_file_named_for_what_it_is_of():
    assert read(f"{A}\n".encode(), "demo.whl.sha256") == (Entry(name="demo.whl", algorithm="sha256", digest=A),)
    # A project may be called like a digest, and a version like a list of them.
    assert read(f"{A}\n".encode(), "pysha3-1.0-b2.whl.sha256")[0].digest == A
    with pytest.raises(BadList, match="line 1: expected '<digest>  <name>'"):
        read(f"{A}\n".encode(), "SHA256SUMS")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (f"{A}  demo\n{B}  demo\n", "SUMS", "names 'demo' twice, with two digests of sha256"),
        (f"{A}  demo\n{B} *./demo\n", "SUMS", "names 'demo' twice"),
        (f"SHA256 (demo) = {A}\nSHA256 (demo) = {B}\n", "SUMS", "names 'demo' twice"),
        (f"SHA512 (demo) = {A}\n", "SUMS", "line 1: expected a digest of SHA512, found 64 hex digits"),
        (f"{A[:-1]}  demo\n", "SUMS", "line 1: expected a digest of a known kind, found 63"),
        (f"{A} demo\n", "SUMS", "line 1: expected '<digest>  <name>'"),
        (f"{A}  demo\nsome words\n", "SUMS", "line 2: expected .* found 'some words'"),
        (f"{A}  de\x1bmo\n", "SUMS", "line 1: expected the name of a file"),
        (f"{A}  de\u202emo\n", "SUMS", "line 1: expected the name of a file"),
        (f"{A}  {'x' * 5000}\n", "SUMS", "line 1: expected the name of a file"),
        ("<html>", "SUMS", "line 1: expected"),
        ("", "SUMS", "found no entry"),
        ("\n# x\n", "SUMS", "found no entry"),
        (f"{LONG}  demo\n", "B2SUMS", "digests of a kind that does not count"),
        (f"{LONG}  demo\n", "SHA3-512SUMS", "digests of a kind that does not count"),
        (f"{LONG}  demo\n", "blake2b.txt", "digests of a kind that does not count"),
    ],
)
def test_lists_that_could_mean_something_else_are_refused(text, name, expected):
    with pytest.raises(BadList, match=expected):
        read(text.encode(), name)


def test_bytes_that_are_no_text_and_lists_without_an_end():
    with pytest.raises(BadList, match="found byte 0xff at byte 1"):
        read(b"a\xff", "SUMS")
    with pytest.raises(BadList, match="at most 4194304 bytes"):
        read(b"\n" * (4 * 1024**2 + 1), "SUMS")


def test_the_same_said_twice_is_no_contradiction():
    assert len(read(f"{A}  demo\n{A}  demo\n".encode(), "SUMS")) == 1


def test_a_file_is_found_in_a_folder_if_there_is_one_of_that_name():
    found = read(f"{A}  dist/demo\n{B}  other/demo.sig\n".encode(), "SUMS")
    assert [entry.digest for entry in named(found, "demo")] == [A]
    assert named(found, "emo") == ()
    both = read(f"{A}  linux/demo\n{B}  mac/demo\n".encode(), "SUMS")
    with pytest.raises(BadList, match="names several files 'demo' in different folders"):
        named(both, "demo")
    exact = read(f"{A}  linux/demo\n{B}  demo\n".encode(), "SUMS")
    assert [entry.digest for entry in named(exact, "demo")] == [B]
