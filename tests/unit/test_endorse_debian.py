"""InRelease, clear-signed files and the whole chain, with archives that tell the truth and such that lie."""

from __future__ import annotations

import lzma
from datetime import UTC, datetime, timedelta

import pytest

from rebuilder.endorse import releasefile
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.errors import InfrastructureError, NoMessage, Stopped, UsageError
from rebuilder.model import EndorsementResult, Verdict
from tests.unit.endorse_cases import (
    ARCHIVE_KEY,
    SECOND_KEY,
    SOURCE_FILES,
    STRANGER,
    Saved,
    clear_signed,
    located,
    packages,
    release_text,
    sources,
    trust_store,
    world,
)

TEXT = release_text({"main/binary-amd64/Packages.xz": b"x"})
SHA = "0" * 64


@pytest.fixture
def endorser(tmp_path):
    return DebianEndorser(trust_store(tmp_path, "local", ARCHIVE_KEY, material=(SECOND_KEY,)), Saved())


def released(endorser, data):
    return endorser.release(data, anchor="local", subject="local trixie InRelease")


def test_one_pinned_signature_among_strangers_suffices(endorser):
    release = released(endorser, clear_signed(TEXT, STRANGER, ARCHIVE_KEY, SECOND_KEY))
    assert release.signers == (ARCHIVE_KEY.fingerprint,)
    assert [check.result.value for check in release.checks] == ["no-key", "valid", "no-key"]
    assert (release.suite, release.codename) == ("stable", "trixie")
    assert release.date == datetime(2026, 9, 12, 7, 55, 41, tzinfo=UTC)
    assert release.valid_until is None
    assert list(release.lists) == ["main/binary-amd64/Packages.xz"]
    assert release.text == TEXT


@pytest.mark.parametrize("key", [STRANGER, SECOND_KEY])
def test_only_keys_that_are_not_pinned_refuse(endorser, key):
    with pytest.raises(Stopped, match="which is not pinned by anchor 'local'; expected one of") as caught:
        released(endorser, clear_signed(TEXT, key))
    assert caught.value.verdict is Verdict.REFUSED
    assert ARCHIVE_KEY.fingerprint in caught.value.reason


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (clear_signed(TEXT, ARCHIVE_KEY).replace(b"trixie", b"trixif"), "no valid signature by a key of anchor"),
        (clear_signed(TEXT, ARCHIVE_KEY, STRANGER).replace(b"41 UTC", b"42 UTC"), "bad: the text is not what"),
        (b"Suite: evil\n" + clear_signed(TEXT, ARCHIVE_KEY), "text before the signed message"),
        (clear_signed(TEXT, ARCHIVE_KEY) + clear_signed(TEXT, STRANGER), "text after the signature"),
        (clear_signed(TEXT, ARCHIVE_KEY).replace(b"\n\n", b"\n\0\n", 1), "a NUL byte"),
    ],
)
def test_what_nobody_signed_is_refused(endorser, data, expected):
    with pytest.raises(Stopped, match=expected) as caught:
        released(endorser, data)
    assert caught.value.verdict is Verdict.REFUSED
    assert not isinstance(caught.value, NoMessage)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEXT, "carries no OpenPGP signature. Expected a message signed by a key of anchor 'local'"),
        (b"<html>Please log in</html>", "carries no OpenPGP signature"),
        (b"", "carries no OpenPGP signature"),
        (clear_signed(TEXT, STRANGER)[:40], "ends within its headers; it was cut short"),
        (clear_signed(TEXT, STRANGER).partition(b" SIGNATURE")[0], "ends before its signature; it was cut short"),
        (clear_signed(TEXT, STRANGER)[:90], "ends before its signature; it was cut short"),
        (clear_signed(TEXT, STRANGER)[:-40], "signature block has no end; it was cut short"),
    ],
)
def test_what_is_no_whole_message_says_nothing_about_the_publisher(endorser, data, expected):
    with pytest.raises(NoMessage, match=expected) as caught:
        released(endorser, data)
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_wherever_a_message_is_cut_off_nobody_is_accused(endorser):
    message = clear_signed(TEXT, STRANGER).rstrip(b"\n")
    for length in range(len(message)):
        with pytest.raises(NoMessage):
            released(endorser, message[:length])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Suite: x\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nMD5Sum:\n 0 1 x\n", "expected a field 'SHA256', found none"),
        (release_text({"x": b""}, "Suite: x"), "expected a field 'Date', found none"),
        (release_text({"x": b""}, "Date: Sat, 12 Sep 2026 07:55:41 UTC"), "expected a field 'Suite' or 'Codename'"),
        (release_text({"x": b""}, "Suite: x", "Date: 2026-09-12"), "field 'Date': expected a time like"),
        (release_text({"x": b""}, "Suite: x", "Date: Sat, 32 Sep 2026 07:55:41 UTC"), "field 'Date': expected a time"),
        (release_text({"../x": b""}), "a relative path that stays inside its archive"),
        (release_text({"/x": b""}), "a relative path that stays inside its archive"),
        (TEXT + f" {SHA} 1 main/binary-amd64/Packages.xz\n".encode(), "listed twice with different digests"),
        (TEXT + f" {SHA[:-1]}G 1 y\n".encode(), "expected a line 'sha256 size name'"),
        (TEXT + f" {SHA} -1 y\n".encode(), "expected a line 'sha256 size name'"),
        (TEXT + b"Suite: other\n", "field 'Suite' stands there twice"),
        (TEXT + b"suite: other\n", "field 'suite' stands there twice"),
        (TEXT + b"\nSuite: other\n", "expected one paragraph, found 2"),
    ],
)
def test_a_signed_index_that_is_not_sound_is_not_used(endorser, text, expected):
    with pytest.raises(Stopped, match=expected) as caught:
        released(endorser, clear_signed(text, ARCHIVE_KEY))
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_expiry_is_a_question_and_not_a_refusal(endorser):
    lines = ("Codename: trixie", "Date: Sat, 12 Sep 2026 07:55:41 UTC", "Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC")
    release = released(endorser, clear_signed(release_text({"x": b""}, *lines), ARCHIVE_KEY))
    until = datetime(2026, 9, 19, 7, 55, 41, tzinfo=UTC)
    assert release.valid_until == until
    assert not releasefile.expired(release, until)
    assert releasefile.expired(release, until + timedelta(seconds=1))
    assert not releasefile.expired(released(endorser, clear_signed(TEXT, ARCHIVE_KEY)), until + timedelta(days=9999))


def test_an_unknown_anchor_is_the_persons_mistake(endorser):
    with pytest.raises(UsageError, match="has no anchor 'locale'"):
        endorser.release(b"", anchor="locale", subject="x")


@pytest.mark.parametrize(
    ("data", "text", "result", "reason"),
    [
        (clear_signed(b"Format: 3.0", ARCHIVE_KEY), b"Format: 3.0", "valid", "made by"),
        (clear_signed(b"Format: 3.0", STRANGER, ARCHIVE_KEY), b"Format: 3.0", "valid", "made by"),
        (clear_signed(b"Format: 3.0", ARCHIVE_KEY).replace(b"3.0", b"3.1"), b"Format: 3.1", "invalid", "bad: the text"),
        (clear_signed(b"Format: 3.0", STRANGER), b"Format: 3.0", "no-key", "which we do not hold"),
        (b"Format: 3.0\n", b"Format: 3.0\n", "missing", "carries no OpenPGP signature"),
        (b"x\n" + clear_signed(b"Format: 3.0", ARCHIVE_KEY), b"", "invalid", "text before the signed message"),
    ],
)
def test_what_the_signature_of_a_dsc_is_worth(tmp_path, data, text, result, reason):
    (tmp_path / "maintainers.pgp").write_bytes(ARCHIVE_KEY.certificate)
    store = trust_store(tmp_path / "trust", "local", SECOND_KEY)
    endorser = DebianEndorser(store, Saved(), keyrings=(tmp_path / "maintainers.pgp",))
    found, check = endorser.signed_text(data, subject="demo.dsc")
    assert (found, check.result.value, check.subject) == (text, result, "demo.dsc")
    assert reason in check.reason


def test_without_any_keyring_a_signed_dsc_has_no_key(endorser):
    text, check = endorser.signed_text(clear_signed(b"Format: 3.0", ARCHIVE_KEY), subject="demo.dsc")
    assert (text, check.result) == (b"Format: 3.0", EndorsementResult.NO_KEY)


def test_with_an_anchor_only_its_keys_count(tmp_path):
    (tmp_path / "maintainers.pgp").write_bytes(STRANGER.certificate)
    store = trust_store(tmp_path / "trust", "local", ARCHIVE_KEY)
    endorser = DebianEndorser(store, Saved(), keyrings=(tmp_path / "maintainers.pgp",))
    for key, worth in ((ARCHIVE_KEY, "valid"), (STRANGER, "no-key")):
        assert endorser.signed_text(clear_signed(b"x", key), subject="x", anchor="local")[1].result.value == worth


# --- the chain ----------------------------------------------------------------------------------


def endorsed(made, published=None, allow_missing=""):
    return made.endorser.chain(published or made.published, anchor="local", allow_missing=allow_missing)


def test_the_chain_names_every_step_with_its_digest(tmp_path):
    made = world(tmp_path)
    found = endorsed(made)
    assert (found.result, found.anchor) == (EndorsementResult.VALID, "local")
    text = "\n".join(found.chain)
    for digest in (
        made.published.indexes[0].inrelease.sha256,
        *(item.sha256 for item in made.published.indexes[0].lists),
        made.published.artifacts[0].file.sha256,
        *(file.sha256 for file in SOURCE_FILES),
        ARCHIVE_KEY.fingerprint,
    ):
        assert digest in text
    assert [check.result for check in found.checks] == [EndorsementResult.VALID]


@pytest.mark.parametrize(
    "lists",
    [
        {"binary": packages(SHA256="1" * 64)},
        {"binary": packages(Size="1")},
        {"binary": packages() + b"\n" + packages(SHA256="1" * 64)},
        {"source": sources(SOURCE_FILES[0], located("demo-src_1.0.tar.xz", b"another source"))},
    ],
)
def test_an_index_that_names_another_digest_contradicts(tmp_path, lists):
    found = endorsed(world(tmp_path, **lists), allow_missing="never helps against a contradiction")
    assert (found.result, found.anchor) == (EndorsementResult.INVALID, "")
    assert "but the signed main/" in found.reason


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"binary": packages(Version="1:1.0-3")}, "demo 1:1.0-2.b1 amd64: no signed list names it"),
        ({"binary": packages(Architecture="arm64")}, "demo 1:1.0-2.b1 amd64: no signed list names it"),
        ({"binary": b""}, "demo 1:1.0-2.b1 amd64: no signed list names it"),
        ({"source": b""}, "source demo-src 1:1.0-2: no signed list names it"),
        ({"source": sources(SOURCE_FILES[0])}, "names no file demo-src_1.0.tar.xz"),
    ],
)
def test_what_no_list_names_must_be_allowed_with_a_reason(tmp_path, lists, expected):
    made = world(tmp_path, **lists)
    with pytest.raises(Stopped, match=f"does not allow that: .*{expected}.*allow_missing in .endorsement") as at:
        endorsed(made)
    assert at.value.verdict is Verdict.UNAVAILABLE
    found = endorsed(made, allow_missing="superseded in the suite")
    assert (found.result, found.anchor) == (EndorsementResult.MISSING, "")
    assert "the recipe allows that because: superseded in the suite" in found.reason


def test_without_any_index_nobody_vouches(tmp_path):
    made = world(tmp_path)
    published = made.published.model_copy(update={"indexes": ()})
    with pytest.raises(Stopped, match="no endorsement by anchor 'local'"):
        endorsed(made, published)
    assert endorsed(made, published, "files at hand").result is EndorsementResult.MISSING


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Filename": "pool/main/d/demo/other.deb"}, "the signed index 'other.deb'"),
        ({"Source": "other (1:1.0-2)"}, "is built from demo-src 1:1.0-2, the signed index says from other 1:1.0-2"),
        ({"Source": "demo-src (1:0.9-1)"}, "the signed index says from demo-src 1:0.9-1"),
        ({"Source": "demo-src"}, "the signed index says from demo-src 1:1.0-2.b1"),
    ],
)
def test_a_recipe_that_misnames_what_is_listed_is_the_persons_mistake(tmp_path, changes, expected):
    with pytest.raises(UsageError, match=expected):
        endorsed(world(tmp_path, binary=packages(**changes)))


def test_the_signature_is_checked_again_and_not_taken_from_the_record(tmp_path):
    made = world(tmp_path, signer=STRANGER)
    with pytest.raises(Stopped, match="which is not pinned by anchor 'local'") as caught:
        endorsed(made)
    assert caught.value.verdict is Verdict.REFUSED


def test_a_list_that_the_index_does_not_name_vouches_for_nothing(tmp_path):
    made = world(tmp_path)
    index = made.published.indexes[0]
    forged = made.blobs.add(lzma.compress(packages(SHA256="2" * 64)), "Packages.xz")
    published = made.published.model_copy(
        update={"indexes": (index.model_copy(update={"lists": (forged, index.lists[1])}),)}
    )
    with pytest.raises(Stopped, match="is in no signed index of trixie") as caught:
        endorsed(made, published)
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_the_index_of_another_suite_vouches_for_nothing(tmp_path):
    made = world(tmp_path)
    index = made.published.indexes[0].model_copy(update={"suite": "bookworm"})
    with pytest.raises(Stopped, match=r"expected the index of bookworm, found one that says .* it is trixie"):
        endorsed(made, made.published.model_copy(update={"indexes": (index,)}))


def test_a_blob_that_is_gone_is_our_own_fault(tmp_path):
    made = world(tmp_path)
    del made.blobs.blobs[made.published.indexes[0].lists[0].sha256]
    with pytest.raises(InfrastructureError, match=r"expected main/binary-amd64/Packages.xz of trixie among the saved"):
        endorsed(made)


def test_a_signed_list_that_can_not_be_read_is_unavailable(tmp_path):
    broken = packages() + b"Package: twice\n"
    with pytest.raises(Stopped, match=r"a signed list of trixie can't be read: .*'Package' stands there twice"):
        endorsed(world(tmp_path, binary=broken))
