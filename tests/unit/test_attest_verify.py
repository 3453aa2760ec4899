"""The steps of verification, one by one: what holds, and what each refusal says."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.attest import uris
from rebuilder.attest.bundle import MAX_BUNDLE, join
from rebuilder.attest.dsse import Envelope, Signature, pae, render
from rebuilder.attest.verify import Wanted, verify_bundle
from rebuilder.errors import VerificationError
from tests.attest_cases import (
    CASES,
    PINS,
    WITH_STATEMENTS,
    bundle,
    envelope,
    pin,
    private,
    published_file,
    resigned,
    set_at,
    statements,
)

REPRODUCED = bundle("reproduced")
LINES = REPRODUCED.splitlines()


def wanted(case="reproduced"):
    return (Wanted(name="file", sha256=hashlib.sha256(published_file(case)).hexdigest()),)


def refused(data, code, message, *, pins=PINS, files=None):
    with pytest.raises(VerificationError, match=message) as caught:
        verify_bundle(data, pins, wanted() if files is None else files)
    assert caught.value.exit_code == code


# --- what holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", WITH_STATEMENTS)
def test_every_verdict_is_read_back_with_its_exit_code(case):
    report = verify_bundle(bundle(case), PINS, wanted(case))
    verdict = CASES[case]().verdict
    assert (report.verdict, report.exit_code) == (verdict, verdict.exit_code)
    assert len(report.statements) == len(statements(case))


def test_only_reproduced_ends_in_zero():
    codes = {case: verify_bundle(bundle(case), PINS, wanted(case)).exit_code for case in WITH_STATEMENTS}
    assert {case for case, code in codes.items() if code == 0} == {"reproduced", "recovered", "confirmed"}


def test_several_files_of_one_bundle_give_the_worst_verdict():
    artifacts = CASES["different-assumed"]().published.artifacts
    files = tuple(Wanted(name=one.file.name, sha256=one.file.sha256) for one in artifacts)
    assert verify_bundle(bundle("different-assumed"), PINS, files[2:3]).exit_code == 0
    assert verify_bundle(bundle("different-assumed"), PINS, files).exit_code == 10


def test_without_a_file_nothing_is_vouched_for():
    report = verify_bundle(REPRODUCED, PINS, ())
    assert (report.verdict, report.exit_code) == (None, 23)


@pytest.mark.parametrize("keyid", [None, ""])
def test_an_absent_keyid_is_no_hindrance(keyid):
    data = join([envelope(one.role, one.body, keyid=keyid) for one in statements("reproduced")])
    assert verify_bundle(data, PINS, wanted()).exit_code == 0


# --- what does not ------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(REPRODUCED) - 2), st.integers(0, 7))
def test_one_bit_changed_anywhere(position, bit):
    data = bytearray(REPRODUCED)
    data[position] ^= 1 << bit
    with pytest.raises(VerificationError) as caught:
        verify_bundle(bytes(data), PINS, wanted())
    assert caught.value.exit_code in {20, 21, 22, 23}


def test_one_byte_changed_around_every_field():
    edges = [at for at, byte in enumerate(LINES[1]) if byte in b'{}[]":,=' or at > len(LINES[1]) - 300]
    for at in edges:
        for other in b' \n\t"Aa0-_+/':
            if LINES[1][at] != other:
                line = LINES[1][:at] + bytes([other]) + LINES[1][at + 1 :]
                with pytest.raises(VerificationError):
                    verify_bundle(join_raw(LINES[0], line), PINS, wanted())


def join_raw(*lines):
    return b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", 23, "found an empty file"),
        (b"\n", 20, "line 1: expected one JSON object"),
        (b"not a bundle", 20, "line 1: expected one JSON object"),
        (b"{}" * (MAX_BUNDLE // 2 + 1), 20, f"at most {MAX_BUNDLE} bytes"),
        (b"{}\n" * 1001, 20, "at most 1000 lines"),
        (join_raw(b"{" + b" " * (8 * 1024**2) + b"}"), 20, "line 1: expected one JSON object of at most"),
        (LINES[0].replace(b'{"payload"', b'{"payload":"","payload"'), 20, "found 'payload' twice"),
        (join_raw(LINES[0]), 23, "found provenance only"),
        (join_raw(LINES[1]), 23, "expected the 1 provenances it rests on, found 0"),
        (join_raw(LINES[0], LINES[1][:-20]), 20, "line 2"),
    ],
    ids=["empty", "blank", "text", "huge", "lines", "long line", "double key", "no verdict", "no provenance", "cut"],
)
def test_broken_bundles(data, code, message):
    refused(data, code, message)


def test_another_subject():
    other = (Wanted(name="other.deb", sha256="0" * 64),)
    subject = wanted()[0].sha256
    refused(REPRODUCED, 21, f"other.deb: expected a file with sha256 {subject}, which .*, found 0000", files=other)
    with pytest.raises(VerificationError) as caught:
        verify_bundle(REPRODUCED, PINS, other)
    assert "another file than the one that was rebuilt" in caught.value.hint


def test_the_rebuilt_file_is_not_the_published_one():
    rebuilt = statements("different-declared")[0].subject_sha256
    with pytest.raises(VerificationError) as caught:
        verify_bundle(bundle("different-declared"), PINS, (Wanted(name="mine", sha256=rebuilt),))
    assert caught.value.exit_code == 21
    assert "the file that the rebuilder made" in caught.value.hint
    published = wanted("different-declared")[0].sha256
    assert f"mine: expected a file with sha256 {published}, which" in caught.value.message


def test_keys_that_are_not_pinned():
    refused(REPRODUCED, 20, "line 1: expected a signature by one of 0 pinned keys", pins=())
    refused(REPRODUCED, 20, "line 2: expected a signature by one of 1 pinned keys", pins=(pin("attest"),))
    stranger = join([envelope(one.role, one.body, owner="Stranger") for one in statements("reproduced")])
    refused(stranger, 20, "found none that holds")


def test_roles_may_not_be_swapped():
    swap = {"attest": "verdict", "verdict": "attest"}
    data = join([envelope(swap[one.role], one.body) for one in statements("reproduced")])
    refused(data, 20, "expected the provenance to be signed in the role 'attest', found a key pinned for 'verdict'")
    data = join([envelope("attest", one.body) for one in statements("reproduced")])
    refused(
        data, 20, "line 2: expected the summary to be signed in the role 'verdict', found a key pinned for 'attest'"
    )
    data = join([envelope("attest", one.body) for one in statements("flaky")])
    refused(data, 20, "expected the outcome to be signed", files=wanted("flaky"))


@pytest.mark.parametrize(("role", "line"), [("attest", 1), ("verdict", 2)])
def test_a_key_speaks_for_its_own_id_only(role, line):
    other = tuple(pin(one.role, id="https://other.example/v1") if one.role == role else one for one in PINS)
    refused(REPRODUCED, 20, f"line {line}: expected the id https://other.example/v1", pins=other)


def without_lock(body):
    del body["predicate"]["buildDefinition"]["resolvedDependencies"][1]


def without_source(body):
    del body["predicate"]["buildDefinition"]["resolvedDependencies"][3:]


def double_lock(body):
    dependencies = body["predicate"]["buildDefinition"]["resolvedDependencies"]
    dependencies.append({**dependencies[1], "digest": {"sha256": "0" * 64}})


EXT = ("predicate", uris.EXTENSION)


@pytest.mark.parametrize(
    ("index", "change", "code", "message"),
    [
        (
            1,
            set_at("predicateType", value="https://slsa.dev/verification_summary/v2"),
            22,
            "found 'https://slsa.dev/verif",
        ),
        (1, set_at("predicateType", value=7), 22, "expected an in-toto statement"),
        (1, set_at("_type", value="https://in-toto.io/Statement/v0.1"), 22, "expected an in-toto statement"),
        (1, set_at("subject", value=[]), 21, "exactly one file, found 0 subjects"),
        (1, lambda body: body["subject"].append(body["subject"][0]), 21, "exactly one file, found 2 subjects"),
        (1, set_at("subject", 0, "digest", value={"sha512": "0"}), 22, "subject digest sha256: expected text"),
        (1, set_at("predicate", "verifiedLevels", value=["SLSA_BUILD_REPRODUCED"]), 22, "that go together"),
        (1, set_at("predicate", "verifiedLevels", value=["REBUILD_BIT_FOR_BIT", "X"]), 22, "that go together"),
        (1, set_at("predicate", "verificationResult", value="FAILED"), 22, "that go together"),
        (
            1,
            set_at("predicate", "policy", "uri", value="https://x.example/p"),
            22,
            "a policy text that this version knows",
        ),
        (
            1,
            set_at("predicate", "policy", "digest", "sha256", value="0" * 64),
            22,
            "a policy text that this version knows",
        ),
        (1, set_at("predicate", "inputAttestations", value=[]), 23, "expected the 0 provenances it rests on"),
        (1, set_at(*EXT, "rebuilt", 0, "sha256", value="0" * 64), 23, "the rebuilt digests to bear out the verdict"),
        (1, set_at(*EXT, "rebuilt", value=[]), 23, "the rebuilt digests to bear out the verdict"),
        (1, set_at(*EXT, "published", "sha256", value="0" * 64), 23, "the published digest to be the subject's"),
        (1, set_at(*EXT, "inputs", 0, "origin", value="recovered"), 23, "no recovered or inferred input under"),
        (1, set_at(*EXT, "inputs", 0, "origin", value="sworn"), 22, "input origin: expected one of"),
        (1, set_at(*EXT, "endorsement", "result", value="invalid"), 23, "whose publisher's signature is bad"),
        (1, set_at(*EXT, "declared", "recipe", "sha256", value="0" * 64), 23, "agree on organisation, file, recipe"),
        (1, set_at(*EXT, value=None), 22, "extension field: expected an object"),
        (1, set_at("predicate", "resourceUri", value="pkg:deb/debian/other@1"), 23, "agree on organisation, file"),
        (
            0,
            set_at("predicate", "buildDefinition", "buildType", value="https://x.example/b"),
            22,
            "expected the build type",
        ),
        (0, set_at("predicate", "buildDefinition", "externalParameters", "skip", value=1), 22, "found 'skip'"),
        (
            0,
            set_at("predicate", "buildDefinition", "externalParameters", "artifact", value="x"),
            23,
            "to have built that",
        ),
        (1, set_at(*EXT, "normalisers", value=["ar-times/1"]), 22, "that go together"),
        (0, without_source, 23, "recipe, lock, root file system and source by digest, each once"),
        (0, double_lock, 23, "recipe, lock, root file system and source by digest, each once"),
        (0, without_lock, 23, "recipe, lock, root file system and source by digest"),
        (
            0,
            set_at("subject", 0, "digest", "sha256", value="0" * 64),
            23,
            "provenances of the rebuilt digests it gives",
        ),
    ],
)
def test_a_valid_signature_over_a_statement_that_breaks_the_rules(index, change, code, message):
    refused(resigned(index, change), code, message)


@pytest.mark.parametrize("name", ["source", "toolchain", "environment", "path"])
def test_failed_counts_only_where_all_was_declared(name):
    def change(body):
        for one in body["predicate"][uris.EXTENSION]["inputs"]:
            if one["name"] == name:
                one["origin"] = "assumed"

    data = resigned(2, change, "different-declared")
    refused(data, 23, f"FAILED only where {name} was declared", files=wanted("different-declared"))


@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        ("unsigned", ["dpkg-dev 1.22"], 23, "each package of it in a signed list, found dpkg-dev 1.22"),
        ("relocked", True, 23, "FAILED only with the recorded toolchain.*set aside for a new one"),
        ("relocked", "no", 22, "toolchain relocked: expected true or false"),
    ],
)
def test_failed_counts_only_with_a_recorded_and_signed_toolchain(key, value, code, message):
    data = resigned(2, set_at(*EXT, "toolchain", key, value=value), "different-declared")
    refused(data, code, message, files=wanted("different-declared"))


def test_a_summary_that_is_silent_about_its_toolchain_is_not_taken():
    data = resigned(2, lambda body: body["predicate"][uris.EXTENSION].pop("toolchain"), "different-declared")
    refused(data, 22, "toolchain", files=wanted("different-declared"))


@pytest.mark.parametrize(
    ("case", "path", "value", "code", "message"),
    [
        ("different-declared", ("normalisers",), ["ar-times/1"], 22, "that go together"),
        ("equivalent", ("normalisers",), [], 22, "that go together"),
        ("equivalent", ("normalisers",), ["ar-times/2"], 22, "that go together"),
        ("equivalent", ("rebuilt",), [], 23, "the rebuilt digests to bear out the verdict"),
        ("equivalent", ("rebuilt", 0, "sha256"), wanted("equivalent")[0].sha256, 23, "to bear out the verdict"),
    ],
)
def test_level_normalisers_and_digests_go_together(case, path, value, code, message):
    refused(resigned(2, set_at(*EXT, *path, value=value), case), code, message, files=wanted(case))


def test_failed_rests_on_two_rebuilds():
    data = resigned(2, lambda body: body["predicate"][uris.EXTENSION]["rebuilt"].pop(), "different-declared")
    refused(data, 23, "FAILED only after two rebuilds", files=wanted("different-declared"))


def test_every_provenance_a_summary_names_must_be_here_once():
    lines = bundle("different-declared").splitlines()
    files = wanted("different-declared")
    refused(join(lines[1:]), 23, "expected the 2 provenances it rests on, found 1 of them", files=files)

    def twice(body):
        body["predicate"]["inputAttestations"][1] = body["predicate"]["inputAttestations"][0]

    refused(resigned(2, twice, "different-declared"), 23, "expected the 2 provenances", files=files)


def test_every_provenance_must_agree_with_the_summary():
    dependency = ("predicate", "buildDefinition", "resolvedDependencies", 0, "digest", "sha256")
    data = resigned(1, set_at(*dependency, value="0" * 64), "different-declared")
    refused(data, 23, "agree on organisation, file, recipe and lock", files=wanted("different-declared"))


@pytest.mark.parametrize(
    ("case", "path", "value"),
    [
        ("reproduced", ("verifiedLevels",), [uris.LEVEL_RECOVERED]),
        ("flaky", ("outcome",), "unavailable"),
    ],
)
def test_two_words_of_one_organisation_on_one_file_clash(case, path, value):
    index = len(statements(case)) - 1
    data = bundle(case) + resigned(index, set_at("predicate", *path, value=value), case)
    refused(data, 23, "expected one verdict of Example Rebuilders", files=wanted(case))
    assert verify_bundle(bundle(case) * 2, PINS, wanted(case)).verdict is CASES[case]().verdict


@pytest.mark.parametrize(("field", "value"), [("outcome", "reproduced"), ("outcome", "x"), ("vote", "yes")])
def test_an_outcome_is_never_a_vote(field, value):
    data = resigned(0, set_at("predicate", field, value=value), "flaky")
    refused(data, 22, "an outcome that is no vote", files=wanted("flaky"))


def test_two_verdicts_of_one_organisation_on_one_file_clash():
    data = REPRODUCED + resigned(
        0,
        lambda body: body.update(subject=json.loads(statements("reproduced")[1].body)["subject"]),
        "flaky",
    )
    refused(data, 23, "expected one verdict of Example Rebuilders .* reproduced .* flaky")


def test_another_payload_type_is_no_statement():
    body = statements("reproduced")[1].body
    signature = Signature(sig=private("verdict").sign(pae("text/plain", body)))
    line = render(Envelope(payload_type="text/plain", payload=body, signatures=(signature,)))
    refused(join([LINES[0], line]), 22, "expected the payload type application/vnd.in-toto")


@given(st.binary(max_size=200))
def test_any_bytes_as_bundle_or_payload_are_refused_in_words(data):
    with pytest.raises(VerificationError):
        verify_bundle(data, PINS, wanted())
    with pytest.raises(VerificationError):
        verify_bundle(join([envelope("verdict", data)]), PINS, wanted())
