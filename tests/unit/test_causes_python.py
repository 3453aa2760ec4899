"""Causes in compiled Python, wheels and checksum lists: on what real tools wrote, and on what they never would."""

import base64
import hashlib
import io
import marshal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.explain.causes import archives, python
from rebuilder.explain.causes.marshalled import graph, shape_of
from rebuilder.explain.causes.rank import explain
from rebuilder.findings import Cause, Severity
from tests.scenes import scene

DATA = Path(__file__).parents[1] / "data" / "causes"
RULES = (*archives.RULES, *python.RULES)
TOLD = {
    "pyc-times": ("inspect", "proved"),
    "pyc-invalidation": ("inspect", "proved"),
    "pyc-python": ("inspect", "proved"),
    "pyc-refs": ("inspect", "proved"),
    "pyc-set-order": ("inspect", "proved"),
    "pyc-code-path": ("inspect", "proved"),
    "pyc-code": ("behaviour", "possible"),
    "wheel-generator": ("harmless", "proved"),
    "wheel-record": ("inspect", "proved"),
    "md5sums": ("inspect", "proved"),
}
MAGIC = int.from_bytes(Path(sys.modules["hashlib"].__cached__).read_bytes()[:2], "little")
SOURCE = "def area(r, words=('a', 'b', 'a')):\n    'Of a circle.'\n"
SOURCE += "    return [3.14 * r ** 2, 10**30, 2j, b'x', 'é', ...]\n"


def fixture(cause: str, name: str) -> Path:
    (path,) = (DATA / cause).glob(f"{name}.*")
    return path


def causes(published: bytes | Path, rebuilt: bytes | Path) -> dict[str, Cause]:
    found, _ = explain(scene(published, rebuilt), RULES)
    return {cause.id: cause for cause in found}


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def pyc(code: bytes, mtime: int = 0) -> bytes:
    return MAGIC.to_bytes(2, "little") + b"\r\n" + bytes(4) + mtime.to_bytes(4, "little") + bytes(4) + code


@pytest.mark.parametrize("cause", TOLD)
def test_names_the_cause_first_of_what_real_tools_wrote_without_the_fix(cause):
    found, _ = explain(scene(fixture(cause, "published"), fixture(cause, "rebuilt")), RULES)
    assert found[0].id == cause
    assert (found[0].severity.value, found[0].confidence) == TOLD[cause]


@pytest.mark.parametrize("cause", TOLD)
def test_the_fix_takes_the_cause_away(cause):
    assert fixture(cause, "fixed-1").read_bytes() == fixture(cause, "fixed-2").read_bytes()


@pytest.mark.parametrize("cause", [cause for cause in TOLD if cause.startswith("pyc") or cause == "wheel-generator"])
def test_every_finding_of_a_fixture_with_one_cause_is_explained(cause):
    _, unexplained = explain(scene(fixture(cause, "published"), fixture(cause, "rebuilt")), RULES)
    assert unexplained == ()


def test_what_a_list_of_digests_follows_from_stays_unexplained():
    for cause, path in (("wheel-record", ("example.py",)), ("md5sums", ("data.tar.xz", "./usr/share/example/stamp"))):
        given_scene = scene(fixture(cause, "published"), fixture(cause, "rebuilt"))
        _, unexplained = explain(given_scene, RULES)
        assert [given_scene.difference.findings[index].path for index in unexplained] == [path]


def test_the_two_paths_of_a_compiled_file_are_the_evidence():
    found = causes(fixture("pyc-code-path", "published"), fixture("pyc-code-path", "rebuilt"))
    assert found["pyc-code-path"].evidence[0].published == "/build/build-one/shapes.py"
    assert found["pyc-code-path"].evidence[0].rebuilt == "/build/the-second-build/shapes.py"


def test_the_generator_line_names_the_package_to_pin():
    cause = causes(fixture("wheel-generator", "published"), fixture("wheel-generator", "rebuilt"))["wheel-generator"]
    assert [change.target for change in cause.changes] == ["package:setuptools=80.9.0", "pyproject.toml"]
    assert cause.evidence[0].rebuilt == "Generator: setuptools (78.1.1)"


def test_a_generator_line_is_not_all_where_another_line_differs():
    sides = (b"Generator: x (1)\nRoot-Is-Purelib: true\n", b"Generator: x (2)\nRoot-Is-Purelib: false\n")
    assert causes(*(packed(**{"a-1.dist-info/WHEEL": side}) for side in sides)) == {}


def test_a_requirement_is_never_put_down_to_the_backend():
    head = b"Metadata-Version: 2.%d\nName: a\n%s\n\ntext\n"
    only = [packed(**{"a-1.dist-info/METADATA": head % (n, b"Version: 1")}) for n in (1, 4)]
    texts = [head % (n, b"Requires-Dist: " + name) for n, name in ((1, b"b"), (4, b"c"))]
    more = [packed(**{"a-1.dist-info/METADATA": text}) for text in texts]
    assert causes(*only)["wheel-generator"].severity is Severity.HARMLESS
    assert causes(*more) == {}


def test_a_description_that_looks_like_a_header_is_not_taken_for_one():
    sides = [packed(**{"a-1.dist-info/METADATA": b"Name: a\n\nDynamic: " + text}) for text in (b"one\n", b"two\n")]
    assert causes(*sides) == {}


def row(name: str, data: bytes) -> bytes:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n".encode()


def test_a_record_that_lies_is_not_explained():
    honest = packed(**{"a.py": b"one", "a-1.dist-info/RECORD": row("a.py", b"one")})
    lying = packed(**{"a.py": b"two", "a-1.dist-info/RECORD": row("b.py", b"evil")})
    assert "wheel-record" not in causes(honest, lying)


def test_rows_of_a_record_in_another_order_are_harmless():
    rows = [row("a.py", b"1"), row("b.py", b"2")]
    files = {"a.py": b"1", "b.py": b"2"}
    sides = [packed(**files, **{"a-1.dist-info/RECORD": b"".join(order)}) for order in (rows, rows[::-1])]
    found = causes(*sides)
    assert set(found) == {"wheel-record"}
    assert found["wheel-record"].severity is Severity.HARMLESS


def test_a_row_for_a_file_that_one_side_alone_has_is_looked_at():
    published = packed(**{"a.py": b"1", "b.py": b"2", "a-1.dist-info/RECORD": row("a.py", b"1") + row("b.py", b"2")})
    rebuilt = packed(**{"a.py": b"1", "a-1.dist-info/RECORD": row("a.py", b"1")})
    found = causes(published, rebuilt)
    assert found["wheel-record"].severity is Severity.INSPECT
    without = packed(**{"a.py": b"1", "b.py": b"2", "a-1.dist-info/RECORD": row("a.py", b"1")})
    assert causes(published, without) == {}


def test_checksums_that_were_left_stale_are_not_explained():
    line = hashlib.md5(b"one").hexdigest().encode() + b"  a\n"
    other = hashlib.md5(b"two").hexdigest().encode() + b"  a\n"
    assert causes(packed(a=b"one", md5sums=line), packed(a=b"two", md5sums=other)).keys() == {"md5sums"}
    assert causes(packed(a=b"one", md5sums=line), packed(a=b"six", md5sums=other)) == {}


def test_sources_in_another_order_are_harmless():
    sides = [packed(**{"a.egg-info/SOURCES.txt": text}) for text in (b"a\nb\n", b"b\na\n")]
    assert set(causes(*sides)) == {"sdist-egg-info-order"}
    assert causes(sides[0], packed(**{"a.egg-info/SOURCES.txt": b"a\nc\n"})) == {}


def test_a_time_in_a_pyc_and_one_in_the_tar_around_it_are_told_apart(tmp_path):
    code = marshal.dumps(compile(SOURCE, "a.py", "exec"))
    tars = []
    for number, (inner, outer) in enumerate(((5, 9), (6, 9), (5, 10))):
        (tmp_path / "a.pyc").write_bytes(pyc(code, inner))
        name = f"{number}.tar"
        subprocess.run(["tar", "-cf", name, f"--mtime=@{outer}", "a.pyc"], cwd=tmp_path, check=True)
        tars.append(tmp_path / name)
    assert set(causes(tars[0], tars[1])) == {"pyc-times"}
    assert set(causes(tars[0], tars[2])) == {"tar-times"}
    assert set(causes(tars[1], tars[2])) == {"pyc-times", "tar-times"}


# --- marshalled code ----------------------------------------------------------------------------

SHAPE = shape_of(MAGIC)
MODULES = [Path(sys.modules[name].__file__) for name in ("argparse", "tarfile", "typing", "zipfile", "inspect")]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_one_module_written_with_and_without_references_is_one_graph(module):
    code = compile(module.read_text(), "x.py", "exec")
    # Version 2 of the format has no references, no interned marks and no short strings.
    shared, plain = marshal.dumps(code, 4), marshal.dumps(code, 2)
    assert shared != plain
    assert graph(shared, SHAPE) == graph(plain, SHAPE)
    elsewhere = graph(marshal.dumps(compile(module.read_text(), "y.py", "exec")), SHAPE)
    assert elsewhere.strict != graph(shared, SHAPE).strict
    assert elsewhere.placeless == graph(shared, SHAPE).placeless
    assert elsewhere.filenames == (b"y.py",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'Of a circle.'", "'Of a Circle.'"),
        ("3.14", "3.15"),
        ("10**30", "10**31"),
        ("2j", "3j"),
        ("b'x'", "'x'"),
        ("r ** 2", "r ** 3"),
        ("('a', 'b', 'a')", "('a', 'b', 'b')"),
        ("...]", "None]"),
        ("def area", "\ndef area"),
        ("r, words", "q, words"),
    ],
)
def test_a_change_of_the_source_is_another_graph(one, other):
    assert one in SOURCE
    left, right = (marshal.dumps(compile(text, "x.py", "exec")) for text in (SOURCE, SOURCE.replace(one, other)))
    graphs = graph(left, SHAPE), graph(right, SHAPE)
    assert graphs[0].placeless != graphs[1].placeless
    assert graphs[0].unordered != graphs[1].unordered
    assert set(causes(pyc(left), pyc(right))) == {"pyc-code"}


def test_a_path_and_code_that_change_together_are_code():
    left = marshal.dumps(compile(SOURCE, "x.py", "exec"))
    right = marshal.dumps(compile(SOURCE.replace("3.14", "4.14"), "y.py", "exec"))
    assert set(causes(pyc(left), pyc(right))) == {"pyc-code"}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_changed_byte_is_another_graph_or_an_error_or_only_how_it_is_kept(data):
    raw = bytearray(marshal.dumps(compile(SOURCE, "x.py", "exec")))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
    try:
        changed = graph(bytes(raw), SHAPE)
    except ValueError:
        return
    if changed.strict == graph(marshal.dumps(compile(SOURCE, "x.py", "exec")), SHAPE).strict:
        assert marshal.loads(bytes(raw)) == compile(SOURCE, "x.py", "exec")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_code_are_an_error_in_words(raw):
    for data in (raw, b"\xe3" + bytes(20) + raw, b"\xa9\x02" + raw):
        try:
            graph(data, SHAPE)
        except ValueError as err:
            assert "expected" in str(err) or "object" in str(err) or "offset" in str(err)  # noqa: PT017


def test_references_to_references_cost_no_more_than_their_length():
    """Each tuple holds the one before twice: 2 to the power of 1500 leaves."""
    raw = b"\xa9\x02\xa9\x00r\x01\x00\x00\x00"
    nested = b"".join(b"\xa9\x02" for _ in range(1500)) + b"\xa9\x00"
    for depth in range(1499, -1, -1):
        nested += b"r" + (depth + 1).to_bytes(4, "little")
    begin = time.monotonic()
    assert graph(raw, SHAPE).strict != graph(nested, SHAPE).strict
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "expected 1 bytes at offset 0"),
        (b"(\xff\xff\xff\x7f", "claims 2147483647 parts"),
        (b"(\xff\xff\xff\xff", "claims -1 parts"),
        (b"\xa9\x01r\x00\x00\x00\x00", "points to no finished object"),
        (b"r\x07\x00\x00\x00", "points to no finished object"),
        (b"NN", "expected the end at offset 1, found 1 more bytes"),
        (b"{0", "which code has no use for"),
        (b"z\x01\xff", "is not ASCII"),
        (b")\x01" * 5000 + b"N", "nested more than 2000 deep"),
    ],
)
def test_what_no_compiler_writes_is_refused_in_words(raw, words):
    with pytest.raises(ValueError, match=words):
        graph(raw, SHAPE)


def test_code_that_cannot_be_read_may_behave_otherwise():
    left = marshal.dumps(compile(SOURCE, "x.py", "exec"))
    found = causes(pyc(left), pyc(left[:-3]))
    assert found["pyc-code"].severity is Severity.BEHAVIOUR
