"""Whose mirror is it? Taken from the configuration, else from what apt or debootstrap say."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuilder.errors import UsageError
from rebuilder.fetch import mirrors as module
from rebuilder.fetch.mirrors import HostMirrors, mirrors

FETCHED = """\
http://shop.example/linux/debian/ Shop Shop CE
http://mirror.example/debian/ Debian Debian
http://mirror.example/debian/ Debian Debian
http://safe.example/debian-security/ Debian Debian-Security
"""
NOT_FETCHED = """\
http://shop.example/linux/debian/ stable bookworm
http://mirror.example/debian/ main bookworm
http://mirror.example/debian/ main bookworm-updates
"""
HAS_DEFAULT = 'DEF_HTTPS=""\nDEF_MIRROR="http://mirror.example/debian"\n'


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with nothing but what a test puts there; its apt prints the file ``fetched`` or ``known``."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(module, "DEBOOTSTRAP", (tmp_path / "sid", tmp_path / "debootstrap"))
    return tmp_path


def make_debian(host: Path, *, fetched: str, known: str) -> None:
    (host / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    (host / "fetched").write_text(fetched)
    (host / "known").write_text(known)
    apt = host / "apt-get"
    apt.write_text(
        f'#!/bin/sh\ncase "$*" in *--no-release-info*) f=known ;; *) f=fetched ;; esac\n'
        f'while IFS= read -r line; do echo "$line"; done <"{host}/$f"\n'
    )
    apt.chmod(0o755)


def test_the_configuration_wins(host: Path) -> None:
    make_debian(host, fetched=FETCHED, known="")
    assert mirrors("debian", {"debian": ("http://mine.example/d",)}) == (("http://mine.example/d",), "rebuilder.toml")


def test_another_publishers_source_is_never_taken_for_debians(host: Path) -> None:
    make_debian(host, fetched=FETCHED, known=NOT_FETCHED)
    assert mirrors("debian", {}) == (("http://mirror.example/debian",), "the host's apt")
    assert mirrors("debian-security", {})[0] == ("http://safe.example/debian-security",)


def test_an_apt_that_has_fetched_nothing_yet_still_names_its_mirror(host: Path) -> None:
    make_debian(host, fetched="", known=NOT_FETCHED)
    assert mirrors("debian", {})[0] == ("http://mirror.example/debian",)
    assert mirrors("debian-security", {})[0] == ("http://mirror.example/debian-security",)


def test_the_apt_of_another_system_is_not_asked(host: Path) -> None:
    make_debian(host, fetched=FETCHED, known=NOT_FETCHED)
    (host / "os-release").write_text("ID=ubuntu\n")
    (host / "sid").write_text("mirror_style release\n")
    (host / "debootstrap").write_text(HAS_DEFAULT)
    assert mirrors("debian", {}) == (("http://mirror.example/debian",), "the host's debootstrap")


def test_the_default_of_a_derivative_is_not_debians(host: Path) -> None:
    (host / "debootstrap").write_text(HAS_DEFAULT.replace("/debian", "/derivative"))
    with pytest.raises(UsageError, match="expected a mirror of the archive 'debian'; neither") as caught:
        mirrors("debian", {})
    assert "[archives]" in caught.value.hint


def test_the_host_is_asked_when_a_mirror_is_first_needed_and_only_then(host: Path) -> None:
    found = HostMirrors({"mine": ("http://mine.example/d",)})
    make_debian(host, fetched=FETCHED, known="")
    assert found.get("mine", ()) == ("http://mine.example/d",)
    assert found.get("debian", ()) == ("http://mirror.example/debian",)
    make_debian(host, fetched=NOT_FETCHED, known="")
    assert found.get("debian", ()) == ("http://mirror.example/debian",)


def test_an_archive_that_nobody_names_has_no_mirror(host: Path) -> None:
    assert HostMirrors({}).get("elsewhere", ()) == ()
