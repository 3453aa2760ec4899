"""`derived` is said only of bytes of which every difference was accounted for; and nothing raises on the way."""

from __future__ import annotations

import base64
import hashlib

import pytest

from rebuilder.compare.archive.layout import BudgetError
from rebuilder.findings import DifferenceClass, Finding
from tests.scenes import walked
from tests.unit.test_compare_hostile import tar_of

ONE, TWO = b"published\n", b"rebuilt\n"


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


def of_list(left: bytes, right: bytes) -> Finding:
    """What is said of a list beside a file that differs."""
    sides = [tar_of(("file", data), ("list", text)) for data, text in ((ONE, left), (TWO, right))]
    [finding] = [one for one in walked(*sides).difference.findings if one.path == ("list",)]
    return finding


def test_a_list_that_follows_is_derived():
    finding = of_list(b"%s  file\nsame\n" % md5(ONE), b"%s  file\nsame\n" % md5(TWO))
    assert (finding.kind, finding.follows) == (DifferenceClass.DERIVED, (("file",),))


def test_lines_in_another_order_are_more_than_a_digest():
    finding = of_list(b"%s  file\nrun this\nthen this\n" % md5(ONE), b"%s  file\nthen this\nrun this\n" % md5(TWO))
    assert finding.kind is DifferenceClass.CONTENT


def test_a_digest_that_moved_to_another_place_is_more_than_a_digest():
    finding = of_list(b"%s  file\nend\n" % md5(ONE), b"end\n%s  file\n" % md5(TWO))
    assert finding.kind is DifferenceClass.CONTENT


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (b"%s <digest> f" % md5(ONE), b"%s %s f" % (md5(ONE), md5(TWO))),
        (b"%s # f" % md5(ONE), b"%s 12 f" % md5(TWO)),
        (b"%s 12 f" % md5(ONE), b"%s # f" % md5(TWO)),
        (b"%s %s" % (md5(ONE), md5(ONE)), b"%s <digest>" % md5(TWO)),
    ],
)
def test_a_line_that_spells_what_blanks_a_digest_raises_nothing(left, right):
    assert of_list(left, right).kind is DifferenceClass.CONTENT


def record(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")


def test_spare_bits_of_a_base64_digest_are_no_digest():
    """The last of 43 characters holds four bits; two more would decode to the same digest."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = b"file,sha256=%s,%d\n"
    assert of_list(good % (record(ONE), len(ONE)), good % (record(TWO), len(TWO))).kind is DifferenceClass.DERIVED
    bent = record(TWO)[:-1] + letters[letters.index(record(TWO)[-1:]) + 1 :][:1]
    assert of_list(good % (record(ONE), len(ONE)), good % (bent, len(TWO))).kind is DifferenceClass.CONTENT


def test_a_file_that_is_only_named_like_a_section_is_content():
    for name in (".note.gnu.build-id", ".gnu_debuglink"):
        sides = [tar_of(("file", data), (name, text)) for data, text in ((ONE, b"run this"), (TWO, b"run that"))]
        [finding] = [one for one in walked(*sides).difference.findings if one.path == (name,)]
        assert finding.kind is DifferenceClass.CONTENT


def elf_findings(section: str, change) -> dict[str, Finding]:
    """What is said of an ELF whose section of this name was changed, and of which one byte elsewhere was."""
    from rebuilder.compare.archive.elf_symbols import sections
    from rebuilder.data import Held
    from tests import samples

    data = bytearray(samples.elf())
    places = {one.name.decode(): one for one in sections(Held(bytes(data)))}
    code, stamp = places[".text"], places[section]
    other = bytearray(data)
    other[code.offset] ^= 1
    other[stamp.offset : stamp.offset + stamp.size] = change(bytes(data[stamp.offset : stamp.offset + stamp.size]))
    return {one.path[-1]: one for one in walked(bytes(data), bytes(other)).difference.findings if one.path}


def test_a_build_id_is_derived_and_its_note_s_head_is_not():
    name = ".note.gnu.build-id"
    finding = elf_findings(name, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))[name]
    assert (finding.kind, finding.follows) == (DifferenceClass.DERIVED, ((".text",),))
    assert elf_findings(name, lambda raw: raw[:8] + b"\x05" + raw[9:])[name].kind is DifferenceClass.CONTENT


def test_time_that_is_over_while_digests_are_checked_ends_with_a_remark():
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > enough:
            raise BudgetError("the time is over")

    text = b"%s  file\n"
    sides = [tar_of(("file", data), ("list", text % md5(data))) for data in (ONE, TWO)]
    enough = 10**9
    assert {one.kind for one in walked(*sides, check=check).difference.findings} == {
        DifferenceClass.CONTENT, DifferenceClass.DERIVED}
    enough, calls = calls - 1, 0
    found = walked(*sides, check=check).difference
    assert {one.kind for one in found.findings} == {DifferenceClass.CONTENT}
    assert "not all checksum lists were checked: the time is over" in found.remarks
