"""Totality: whatever byte differs, anywhere, some finding covers it; and a finding says where."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebuilder.data import Held, first_difference
from rebuilder.findings import DifferenceClass, Finding
from tests import samples
from tests.scenes import walked

NAMES = tuple(samples.samples())
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def findings(one: bytes, other: bytes) -> tuple[Finding, ...]:
    return walked(one, other).difference.findings


def mutated(data: bytes, draw: st.DataObject) -> bytes:
    """One change: a byte flipped, some inserted, some deleted."""
    at = draw.draw(st.integers(0, len(data)))
    how = draw.draw(st.sampled_from(["flip", "insert", "delete"]))
    if how == "insert" or at == len(data):
        return data[:at] + draw.draw(st.binary(min_size=1, max_size=40)) + data[at:]
    if how == "delete":
        return data[:at] + data[at + draw.draw(st.integers(1, 40)) :]
    return data[:at] + bytes([data[at] ^ draw.draw(st.integers(1, 255))]) + data[at + 1 :]


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_the_first_difference_is_where_two_data_part(same, one, other):
    left, right = same + one, same + other
    expected = next((at for at in range(len(left) + 1) if left[: at + 1] != right[: at + 1]), None)
    assert first_difference(Held(left), Held(right)) == (None if left == right else expected)


@pytest.mark.parametrize("name", NAMES)
def test_equal_bytes_have_no_finding(name):
    result = walked(samples.samples()[name], samples.samples()[name])
    assert result.difference.findings == ()
    assert result.leaves == ()


@pytest.mark.parametrize("name", NAMES)
@RELAXED
@given(draw=st.data())
def test_a_change_anywhere_is_found(name, draw):
    sample = samples.samples()[name]
    changed = mutated(sample, draw)
    if changed != sample:
        assert findings(sample, changed), "nothing covers the change"
        assert findings(changed, sample), "nothing covers it the other way round"


@pytest.mark.parametrize("name", NAMES)
def test_every_single_byte_is_covered(name):
    """Not at random: each byte of a sample, or each 7th of a long one."""
    sample = samples.samples()[name]
    for at in range(0, len(sample), 1 if len(sample) < 1500 else 7 if len(sample) < 12000 else 31):
        changed = bytearray(sample)
        changed[at] ^= 0x41
        assert findings(sample, bytes(changed)), f"byte {at} of {len(sample)}"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"text"}])
@RELAXED
@given(draw=st.data())
def test_a_second_change_does_not_hide_the_first(name, draw):
    """Two bytes flipped: what is said of each alone is said of both together, as long as the container holds."""
    sample = samples.samples()[name]
    one, two = draw.draw(st.integers(0, len(sample) - 1)), draw.draw(st.integers(0, len(sample) - 1))
    if one == two:
        return
    alone = [findings(sample, flipped(sample, at)) for at in (one, two)]
    together = walked(sample, flipped(flipped(sample, one), two))
    if any(covers_all(found) for found in (*alone, together.difference.findings)):
        return  # no longer such a container: the whole of it differs, and that covers both
    said = {(finding.path, finding.what) for finding in together.difference.findings}
    for finding in (*alone[0], *alone[1]):
        assert covered(finding, said), f"{finding.path} {finding.what} is not said any more"


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x21
    return bytes(changed)


def covers_all(found: tuple[Finding, ...]) -> bool:
    """The outermost container could not be read on one side, or lost or got members."""
    shapes = {DifferenceClass.MISSING, DifferenceClass.EXTRA, DifferenceClass.ORDER}
    return any(finding.kind in shapes or finding.what in {"bytes", "gap"} for finding in found if len(finding.path) < 2)


def covered(finding: Finding, said: set[tuple[tuple[str, ...], str]]) -> bool:
    """By itself, or by all bytes of something above it; packed bytes that unpack to the same, by other content."""
    if (finding.path, finding.what) in said:
        return True
    above = {finding.path[:depth] for depth in range(len(finding.path) + 1)}
    if any(path in above and what == "bytes" for path, what in said):
        return True
    return any(path[: len(finding.path)] == finding.path for path, _ in said)


def test_a_payload_changed_behind_stale_md5sums_is_shown_as_that_file(tmp_path: Path):
    """The attack that hides a file from diffoscope: md5sums, size and time all say that nothing changed."""
    one, other = (packed(tmp_path / side, payload) for side, payload in (("a", b"print('a')\n"), ("b", b"evil  ('a')")))
    result = walked(one, other)
    content = [item for item in result.difference.findings if item.kind is DifferenceClass.CONTENT]
    assert [item.path for item in content] == [("data.tar.xz", "./usr/lib/x/a.py")]
    assert content[0].published.size == content[0].rebuilt.size == 11
    assert content[0].published.value == "print('a')"
    assert content[0].rebuilt.value == "evil  ('a')"
    assert ("data.tar.xz", "./usr/lib/x/a.py") in result.leaves
    assert not [item for item in result.difference.findings if "md5sums" in str(item.path)]


def packed(folder: Path, payload: bytes) -> bytes:
    target = folder / "usr/lib/x/a.py"
    target.parent.mkdir(parents=True)
    target.write_bytes(payload)
    control = folder / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: X <x@example.org>\nDescription: x\n"
    )
    (control / "md5sums").write_text("d41d8cd98f00b204e9800998ecf8427e  usr/lib/x/a.py\n")
    subprocess.run(["find", folder, "-exec", "touch", "-d", "@1700000000", "{}", "+"], check=True)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-b", folder, f"{folder}.deb"],
        check=True, capture_output=True, env={"SOURCE_DATE_EPOCH": "1700000000", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return Path(f"{folder}.deb").read_bytes()


def test_honest_md5sums_are_derived_and_linked(tmp_path: Path):
    import hashlib

    sides = []
    for side, payload in (("a", b"one\n"), ("b", b"two\n")):
        packed(tmp_path / side, payload)
        sums = tmp_path / side / "DEBIAN" / "md5sums"
        sums.write_text(f"{hashlib.md5(payload).hexdigest()}  usr/lib/x/a.py\n")
        subprocess.run(["touch", "-d", "@1700000000", sums], check=True)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tmp_path / side, f"{tmp_path / side}.deb"],
            check=True, capture_output=True, env={"SOURCE_DATE_EPOCH": "1700000000", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        sides.append((tmp_path / f"{side}.deb").read_bytes())
    found = {item.path: item for item in walked(*sides).difference.findings}
    sums = found["control.tar.xz", "./md5sums"]
    assert sums.kind is DifferenceClass.DERIVED
    assert sums.follows == (("data.tar.xz", "./usr/lib/x/a.py"),)


def test_md5sums_that_lie_about_what_changed_are_content(tmp_path: Path):
    sides = []
    for side, payload, stated in (("a", b"one\n", "0" * 32), ("b", b"two\n", "1" * 32)):
        packed(tmp_path / side, payload)
        sums = tmp_path / side / "DEBIAN" / "md5sums"
        sums.write_text(f"{stated}  usr/lib/x/a.py\n")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tmp_path / side, f"{tmp_path / side}.deb"],
            check=True, capture_output=True,
        )  # fmt: skip
        sides.append((tmp_path / f"{side}.deb").read_bytes())
    found = {item.path: item for item in walked(*sides).difference.findings if item.what == "bytes"}
    assert found["control.tar.xz", "./md5sums"].kind is DifferenceClass.CONTENT


def test_a_wrong_checksum_or_size_is_not_hidden_by_another_time():
    """The reader cannot check these without unpacking, and equal stored bytes are not unpacked."""
    import io
    import zipfile

    sides = []
    for minute in (1, 2):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in ("a", "b"):
                archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 1, minute, 0)), b"the same")
        sides.append(out.getvalue())
    crc = zipfile.ZipFile(io.BytesIO(sides[0])).getinfo("b").CRC.to_bytes(4, "little")
    other = bytearray(sides[1])
    at = other.rindex(b"b", 0, other.index(b"PK\x01\x02")) - 16
    for start in (at, other.rindex(crc)):
        assert other[start : start + 4] == crc
        other[start : start + 4] = b"\1\2\3\4"
    said = {(item.path, item.what) for item in findings(sides[0], bytes(other))}
    assert {(("b",), "local.crc32"), (("b",), "central.crc32"), (("b",), "local.mtime")} <= said


def test_offsets_that_moved_with_a_changed_member_are_not_told_one_by_one():
    import io
    import zipfile

    sides = []
    for data in (b"short", b"not so short"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for number in range(20):
                archive.writestr(zipfile.ZipInfo(f"{number}"), data if number == 3 else b"x")
        sides.append(out.getvalue())
    assert [(item.path, item.what) for item in findings(*sides)] == [(("3",), "bytes")]
