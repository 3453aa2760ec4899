"""Which front end, interpreter, library and account made a Python release: what is guessed, and why."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path

import pytest

from rebuilder.model import Origin
from tests.unit import infer_archives as made
from tests.unit.infer_archives import at, member
from tests.unit.infer_python_cases import BUILD, CHECKOUT, PLAIN, of, of_flit, of_setuptools, wheel_of


def test_the_name_in_an_old_gzip_tells_the_front_end(tmp_path):
    pep517 = of_setuptools(tmp_path, gzip_name="demo-1.0.tar.gz")
    data = pep517.read_bytes()
    for folder, value in (("dist/", "setup.py"), ("dist\\", "setup.py"), ("/home/x/dist/.tmp-abc/", "build")):
        pep517.write_bytes(data.replace(b"demo-1.0.tar\0", f"{folder}demo-1.0.tar\0".encode(), 1))
        found = of(wheel_of(tmp_path, "bdist_wheel (0.36.2)"), pep517)["front-end"]
        assert (found.value, found.confidence) == (value, 0.9)


def test_how_far_sdist_and_wheel_are_apart_tells_the_front_end(tmp_path):
    for apart, value in ((0, "setup.py"), (-20, "straight"), (12, "build")):
        wheel = wheel_of(tmp_path, "bdist_wheel (0.42.0)", written=BUILD + apart)
        assert of(wheel, of_setuptools(tmp_path))["front-end"].value == value
    # At once, but with no setup.py to be run.
    at_once = wheel_of(tmp_path, "bdist_wheel (0.42.0)", written=BUILD)
    members = [member("PKG-INFO", BUILD + 0.25), member("demo/__init__.py", CHECKOUT)]
    sdist = made.sdist(tmp_path / "demo-1.0.tar.gz", members, gzip_time=BUILD)
    assert of(at_once, sdist)["front-end"].value == "build"


def test_what_flit_alone_packs_tells_it(tmp_path):
    constant = at("2016-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "flit 3.9.0", written=constant)
    hidden = of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant, more=(member(".gitignore", CHECKOUT + 0.5),))
    found = of(wheel, hidden)["front-end"]
    assert found.value == "flit"
    assert ".gitignore" in found.evidence
    named = '[build-system]\nbuild-backend = "flit_core.buildapi"\n[tool.flit.sdist]\ninclude = [".git*"]\n'
    assert of(wheel, hidden, pyproject=named)["front-end"].value == "build"
    written = of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant, more=(member("setup.py", 0),))
    found = of(wheel, written)["front-end"]
    assert found.value == "flit-setup-py"
    assert found.evidence.startswith("the sdist has a setup.py that no file of the tree is")


def test_device_numbers_in_digits_are_of_an_old_python(tmp_path):
    sdist = of_setuptools(tmp_path)
    found = of(None, sdist)["python"]
    assert found.confidence >= 0.5
    _device_digits(sdist)
    found = of(None, sdist)["python"]
    assert (found.value, found.confidence) == ("3.11", 0.2)
    assert "as Python before 3.9 wrote them" in found.evidence


def _device_digits(path: Path) -> None:
    data = bytearray(gzip.decompress(path.read_bytes()))
    with tarfile.open(path) as archive:
        places = [info.offset_data - 512 for info in archive]
    for place in places:
        data[place + 329 : place + 345] = b"0000000\0" * 2
        data[place + 148 : place + 156] = b" " * 8
        data[place + 148 : place + 156] = b"%06o\0 " % sum(data[place : place + 512])
    path.write_bytes(gzip.compress(bytes(data), 9))


@pytest.mark.parametrize(
    ("built", "metadata", "name", "value", "evidence"),
    [
        ("2022-05-01 00:00:00", "", PLAIN, "3.11", "a setuptools older than 66.1"),
        ("2023-05-01 00:00:00", "", PLAIN, "3.11", "before Python 3.12 was released"),
        ("2024-05-01 00:00:00", "", PLAIN, "3.11", "before Python 3.13 was released"),
        ("2025-05-01 00:00:00", "", PLAIN, "3.13", "when Python 3.13 was there"),
        ("2025-05-01 00:00:00", "Requires-Python: <3.13\n", PLAIN, "3.11", "Requires-Python is <3.13"),
        ("2022-05-01 00:00:00", "Requires-Python: >=3.12\n", PLAIN, "3.13", "Requires-Python"),
        ("2025-05-01 00:00:00", "Requires-Python: nonsense\n", PLAIN, "3.13", "was there"),
        ("2025-05-01 00:00:00", "", "demo-1.0-cp311-cp311-linux_x86_64.whl", "3.11", "is for CPython 3.11"),
        ("2025-05-01 00:00:00", "", "demo-1.0-cp310-cp310-linux_x86_64.whl", "3.11", "which no suite"),
        ("2025-05-01 00:00:00", "", "demo-1.0-cp38-abi3-linux_x86_64.whl", "3.13", "was there"),
    ],
)  # fmt: skip
def test_the_interpreter(tmp_path, built, metadata, name, value, evidence):
    wheel = wheel_of(tmp_path, "bdist_wheel (0.37.1)", metadata=metadata, name=name, written=at(built))
    found = of(wheel, uploaded=at(built) + 60)["python"]
    assert found.value == value
    assert evidence in found.evidence


def test_another_library_packed_it(tmp_path):
    path = of_setuptools(tmp_path)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 3)
    path.write_bytes(packer.compress(gzip.decompress(path.read_bytes())) + packer.flush())
    found = of(None, path)["zlib"]
    assert (found.value, found.others, found.confidence) == ("zlib-ng", ("zlib",), 0.6)
    assert "at no level" in found.evidence
    both = of(wheel_of(tmp_path, "setuptools (75.0.0)"), path)["zlib"]
    assert (both.value, both.confidence) == ("zlib", 0.5)
    assert "two machines" in both.evidence


@pytest.mark.parametrize(("mode", "value"), [(0o644, "0022"), (0o664, "0002"), (0o600, "0077"), (0o666, "0000")])
def test_the_umask_shows_in_modes(tmp_path, mode, value):
    wheel = wheel_of(tmp_path, "setuptools (75.0.0)", mode=0o100000 | mode)
    assert of(wheel)["umask"].value == value
    assert of(None, of_setuptools(tmp_path, mode=mode))["umask"].value == value


def test_backends_with_modes_of_their_own_say_nothing_of_a_umask(tmp_path):
    found = of(wheel_of(tmp_path, "hatchling 1.21.0", mode=0o100600))["umask"]
    assert (found.value, found.origin) == ("0022", Origin.ASSUMED)


def test_owners_that_are_none(tmp_path):
    path = tmp_path / "demo-1.0.tar.gz"
    for owner, value, evidence in (
        (("", 0, "", 0), "", "owner 0 without a name"),
        (("a/b", 5, "c", 5), "", "which no account can be called"),
        (("a\nb", 5, "c", 5), "", "which no account can be called"),
        (("root", 0, "root", 0), "root/0/root/0", "belong to root/0/root/0"),
        (("Some One", 501, "staff", 20), "Some One/501/staff/20", "as on macOS"),
    ):
        made.sdist(path, [member("setup.py", CHECKOUT, owner=owner)], gzip_time=BUILD)
        found = of(None, path)["owners"]
        assert found.value == value
        assert evidence in found.evidence
    assert of(wheel_of(tmp_path, "flit 3.9.0"))["owners"].evidence.startswith("a wheel records no owners")


def test_hostile_words_do_not_reach_a_sentence(tmp_path):
    wheel = wheel_of(tmp_path, "\x1b[31mflit\u202e (3.9.0)", metadata="Requires-Python: \x1b[0m" + "9" * 5000 + "\n")
    manifest = '[build-system]\nbuild-backend = "a\\u001bb"\n'
    found = of(wheel, of_setuptools(tmp_path), pyproject=manifest)
    assert found["backend"].value == ""
    path = tmp_path / "demo-1.0.tar.gz"
    early = member("a.py", 0)
    early.pax_headers = {"mtime": "-99999999999"}
    late = member("b.py", 0)
    late.pax_headers = {"mtime": "999999999999"}
    made.sdist(path, [early, late], gzip_time=4294967295)
    assert "s to 999999999999 s" in of(wheel_of(tmp_path, "flit 3.9.0"), path)["times"].evidence
