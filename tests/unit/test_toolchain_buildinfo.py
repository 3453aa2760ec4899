"""`.buildinfo` files are a stranger's input: what they list is read whole, or not at all."""

import pytest

from rebuilder import deb822
from rebuilder.toolchain.buildinfo import MAX_BYTES, MAX_PACKAGES, installed_packages

GOOD = b"""Format: 1.0
Source: less
Build-Architecture: amd64
Installed-Build-Depends:
 autoconf (= 2.72-3.1),
 libc6 (= 2.41-12+deb13u4),
 perl:amd64 (= 1:5.40.1-6+deb13u1),
 tzdata:all (= 2026b-0+deb13u1)
"""

SIGNED = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + GOOD + b"\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n"
    b"-----END PGP SIGNATURE-----\n"
)


def test_every_package_is_read_exactly():
    read = installed_packages(GOOD)
    assert read.architecture == "amd64"
    assert read.versions == {
        "autoconf": "2.72-3.1", "libc6": "2.41-12+deb13u4", "perl": "1:5.40.1-6+deb13u1", "tzdata": "2026b-0+deb13u1",
    }


def with_packages(text):
    return f"Source: x\nInstalled-Build-Depends: {text}\n".encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Source: x\n", "expected the field Installed-Build-Depends"),
        (GOOD + b"\n" + GOOD, "expected one paragraph, found 2"),
        (b"", "expected one paragraph, found 0"),
        (GOOD + b"\x00", "NUL"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (with_packages("less (>= 1)"), r"expected 'name \(= version\)'.*'less \(>= 1\)'"),
        (with_packages("less"), r"expected 'name \(= version\)'"),
        (with_packages("less (= 1) | more (= 2)"), r"expected 'name \(= version\)'"),
        (with_packages("../../etc/passwd (= 1)"), r"expected 'name \(= version\)'"),
        (with_packages("-oDir::Etc=x (= 1)"), r"expected 'name \(= version\)'"),
        (with_packages("less (= ../../1)"), "expected the version of a Debian package"),
        (with_packages("less (= 1), less (= 2)"), "less stands in Installed-Build-Depends with two versions"),
        (with_packages("libc6:i386 (= 1)"), "is not for amd64"),
        (with_packages(" , "), "expected 1 to"),
        (with_packages(", ".join(f"p{i} (= 1)" for i in range(MAX_PACKAGES + 1))), "expected 1 to"),
        # A signature is taken off by whoever judged it: there is no second reader of that frame.
        (SIGNED, "expected"),
    ],
)
def test_anything_else_is_refused_with_the_words_that_are_wrong(data, message):
    with pytest.raises(deb822.Malformed, match=message):
        installed_packages(data)
