"""Who vouches for a package of an index: signatures and signed lists by pinned keys; the index never does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from pathlib import Path

import pysequoia
import pytest

from rebuilder.endorse import answers, voices
from rebuilder.endorse.packages import PackageEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.endorse.voices import Said, Voice
from rebuilder.errors import InfrastructureError, Stopped, UsageError
from rebuilder.model import Artifact, Endorsement, EndorsementResult, FileDigest, Located, Published, Verdict
from rebuilder.releases import IndexFile, Release
from rebuilder.store.blobs import BlobStore
from tests.unit.endorse_cases import ARCHIVE_KEY, STRANGER, clear_signed, write_anchor
from tests.unit.endorse_signers import MiniKey, SshKey, anchor_file, pin, save

VALID, INVALID, NO_KEY = EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY
MISSING = EndorsementResult.MISSING
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
DATA = {WHEEL: b"the wheel", SDIST: b"the sdist"}
MINI = MiniKey()


def detach(data: bytes, key=ARCHIVE_KEY) -> bytes:
    return pysequoia.sign(key.secret.signer(), data, mode=pysequoia.SignatureMode.DETACHED)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sums(**changes: bytes) -> bytes:
    rows = {name: changes.get(name.partition("-")[2][:3], data) for name, data in DATA.items()}
    return "".join(f"{sha256(data)}  {name}\n" for name, data in rows.items()).encode()


class Bench:
    """A store of blobs with a release of two files, and anchors of three kinds that pin one key each."""

    def __init__(self, folder: Path) -> None:
        self.blobs = BlobStore(folder / "store")
        self.trust = folder / "trust"
        self.trust.mkdir()
        write_anchor(self.trust, "them", ARCHIVE_KEY)
        anchor_file(self.trust, "them-mini", "minisign", pin("key", MINI.public))
        self.endorser = PackageEndorser(TrustStore((self.trust,)), self.blobs)
        self.published = self.of(WHEEL)

    def of(self, *named: str, system: str = "pypi", files: dict[str, bytes] | None = None) -> Published:
        artifacts = tuple(
            Artifact(
                file=Located(
                    **save(self.blobs, name, data).model_dump(), archive=system, path=f"demo/1.0/{name}"
                ),
                package="demo", version="1.0", architecture="any", build="generic", named=name in named,
            )
            for name, data in (files or DATA).items()
        )  # fmt: skip
        return Published(
            purl=f"pkg:{system}/demo@1.0", ecosystem=system, suite="", source_name="demo", source_version="1.0",
            artifacts=artifacts, source_files=(),
        )  # fmt: skip

    def chain(
        self, papers: dict[str, bytes] | None = None, *, anchor: str = "them", allow: str = "", release=None
    ) -> Endorsement:
        given = tuple(save(self.blobs, name, data) for name, data in (papers or {}).items())
        return self.endorser.chain(self.published, anchor=anchor, allow_missing=allow, release=release, papers=given)

    def release(self, answer: bytes, system: str = "pypi", files: tuple[str, ...] = (WHEEL, SDIST)) -> Release:
        return Release(
            system=system, name="demo", version="1.0", files=tuple(IndexFile(name=name) for name in files),
            answer=save(self.blobs, "answer", answer),
        )  # fmt: skip


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def checks(found: Endorsement) -> list[tuple[str, str, str]]:
    return [(one.scheme, one.subject, one.result.value) for one in found.checks]


# --- signatures over the files ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["asc", "sig", "sign", "gpg"])
def test_a_signature_by_a_pinned_key_vouches(bench, suffix):
    found = bench.chain({f"{WHEEL}.{suffix}": detach(DATA[WHEEL])})
    assert (found.result, found.anchor) == (VALID, "them")
    assert found.reason == "anchor them vouches for every artifact that was asked for"
    assert checks(found) == [("openpgp", f"{WHEEL}.{suffix}", "valid")]
    line = found.chain[0]
    assert f"{WHEEL}.{suffix} (sha256 " in line
    assert f"over {WHEEL} (sha256 {sha256(DATA[WHEEL])})" in line
    assert f"openpgp signature by pinned {ARCHIVE_KEY.fingerprint}" in line


def test_the_three_schemes(bench, tmp_path):
    ssh = SshKey.make(tmp_path / "ssh")
    anchor_file(bench.trust, "them-ssh", "ssh", pin("fingerprint", ssh.fingerprint), f"{ssh.public}\n".encode())
    by_ssh = ssh.sign(DATA[WHEEL])
    assert bench.chain({f"{WHEEL}.sig": by_ssh}, anchor="them-ssh").result is VALID
    assert bench.chain({f"{WHEEL}.sshsig": by_ssh}, anchor="them-ssh").result is VALID
    found = bench.chain({f"{WHEEL}.minisig": MINI.sign(DATA[WHEEL])}, anchor="them-mini")
    assert (found.result, found.checks[0].fingerprint) == (VALID, MINI.public)


def test_a_bad_signature_by_a_pinned_key_refuses_whatever_else_vouches(bench):
    papers = {f"{WHEEL}.asc": detach(b"other"), f"{WHEEL}.sig": detach(DATA[WHEEL])}
    found = bench.chain(papers, allow="a reason")
    assert (found.result, found.anchor) == (INVALID, "")
    assert f"over {WHEEL}" in found.reason
    assert "bad openpgp signature: bad: the text is not what" in found.reason


def test_every_artifact_that_was_named_is_needed_and_no_other(bench):
    papers = {f"{WHEEL}.asc": detach(DATA[WHEEL])}
    assert bench.chain(papers).result is VALID
    bench.published = bench.of(WHEEL, SDIST)
    with pytest.raises(Stopped, match=f"{SDIST}: nobody signed it") as caught:
        bench.chain(papers)
    assert caught.value.missing == (SDIST,)
    assert bench.chain({**papers, f"{SDIST}.asc": detach(DATA[SDIST])}).result is VALID
    # A bad one refuses, also over a file that was not named.
    bench.published = bench.of(WHEEL)
    assert bench.chain({**papers, f"{SDIST}.asc": detach(b"x")}).result is INVALID


def test_a_strangers_signature_needs_a_reason_and_is_no_key(bench):
    papers = {f"{WHEEL}.asc": detach(DATA[WHEEL], STRANGER)}
    with pytest.raises(Stopped, match="signed, but by no key that is pinned") as caught:
        bench.chain(papers)
    assert caught.value.verdict is Verdict.UNAVAILABLE
    assert "allow_missing in [endorsement]" in caught.value.reason
    assert "are no part of a recipe: give them with --signature FILE --anchor them." in caught.value.reason
    found = bench.chain(papers, allow="new maintainer")
    assert (found.result, found.anchor) == (NO_KEY, "")
    assert found.reason.endswith("the recipe allows that because: new maintainer")
    assert f"anchor them pins {ARCHIVE_KEY.fingerprint}" in found.chain[0]
    both = bench.chain({**papers, f"{WHEEL}.sig": detach(DATA[WHEEL])})
    assert both.result is VALID
    assert [one.result for one in both.checks] == [VALID, NO_KEY]


def test_an_anchor_of_another_kind_has_no_key_for_it(bench):
    found = bench.chain({f"{WHEEL}.asc": detach(DATA[WHEEL])}, anchor="them-mini", allow="a reason")
    assert found.result is NO_KEY
    assert f"anchor them-mini pins {MINI.public}" in found.chain[0]


def test_none_is_an_anchor_that_pins_nothing(bench):
    with pytest.raises(Stopped, match="no endorsement by anchor 'none', and the recipe does not allow that"):
        bench.chain(anchor="none")
    found = bench.chain(anchor="none", allow="nobody signs these")
    assert (found.result, found.anchor, found.checks) == (MISSING, "", ())
    signed = bench.chain({f"{WHEEL}.asc": detach(DATA[WHEEL])}, anchor="none", allow="x")
    assert signed.result is NO_KEY
    assert "anchor none pins no key" in signed.chain[0]


def test_an_anchor_that_the_store_has_not_is_a_usage_error(bench):
    with pytest.raises(UsageError, match="has no anchor 'thme'"):
        bench.chain(anchor="thme")


# --- lists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SHA256SUMS", "checksums.txt", "demo.sha256sums"])
def test_a_signed_list_vouches(bench, name):
    found = bench.chain({name: sums(), f"{name}.asc": detach(sums())})
    assert found.result is VALID
    assert checks(found) == [("openpgp", f"{name}.asc", "valid"), ("checksums", name, "valid")]
    assert f"{name} names {WHEEL} with sha256 {sha256(DATA[WHEEL])}" in found.chain
    assert any(
        f"{name} (sha256 {sha256(sums())}) is signed by pinned {ARCHIVE_KEY.fingerprint}" in line
        for line in found.chain
    )


def test_a_clear_signed_list_vouches_beside_the_plain_one(bench):
    found = bench.chain({"SHA256SUMS": sums(), "SHA256SUMS.asc": clear_signed(sums(), ARCHIVE_KEY)})
    assert found.result is VALID
    assert any(
        "SHA256SUMS (sha256 " in line and "vouches for nothing: nobody signed it" in line for line in found.chain
    )


def test_lists_signed_by_the_other_schemes(bench, tmp_path):
    papers = {"SHA256SUMS": sums(), "SHA256SUMS.minisig": MINI.sign(sums())}
    assert bench.chain(papers, anchor="them-mini").result is VALID
    ssh = SshKey.make(tmp_path / "ssh")
    anchor_file(bench.trust, "them-ssh", "ssh", pin("fingerprint", ssh.fingerprint), f"{ssh.public}\n".encode())
    papers = {"SHA256SUMS": sums(), "SHA256SUMS.sig": ssh.sign(sums())}
    assert bench.chain(papers, anchor="them-ssh").result is VALID


def test_a_list_in_sha512_needs_the_bytes(bench):
    text = f"SHA512 ({WHEEL}) = {hashlib.sha512(DATA[WHEEL]).hexdigest()}\n".encode()
    assert bench.chain({"SUMS": text, "SUMS.asc": detach(text)}).result is VALID


def test_a_signed_list_that_names_another_digest_refuses(bench):
    text = sums(**{"1.0": b"other"})
    found = bench.chain({"SHA256SUMS": text, "SHA256SUMS.asc": detach(text)}, allow="x")
    assert found.result is INVALID
    assert f"SHA256SUMS names {WHEEL} with sha256 {sha256(b'other')}: expected {sha256(DATA[WHEEL])}" in found.reason


def test_a_list_that_is_not_what_the_pinned_key_signed_refuses(bench):
    found = bench.chain({"SHA256SUMS": sums(), "SHA256SUMS.asc": detach(sums() + b"x")}, allow="x")
    assert found.result is INVALID
    assert "the signature on SHA256SUMS" in found.reason


@pytest.mark.parametrize(
    ("papers", "expected"),
    [
        ({"SHA256SUMS": sums()}, "nobody signed it"),
        ({"SHA256SUMS": sums(), "SHA256SUMS.asc": b"<html>"}, "SHA256SUMS.asc .* is put aside: by its name"),
        ({"SHA1SUMS": f"{'0' * 40}  {WHEEL}".encode()}, "names .* by sha1 only, which vouches for nothing"),
        ({"MD5SUMS": f"{'0' * 32}  {WHEEL}".encode()}, "names .* by md5 only, which vouches for nothing"),
        ({"SUMS": f"{'0' * 64}  a\n{'1' * 64}  a".encode()}, "is signed, but of no use: it names 'a' twice"),
        ({"SUMS": f"{'0' * 64}  other".encode()}, "SUMS .* is signed by pinned"),
        ({f"{WHEEL}.asc": b"-----BEGIN PGP SIGNATURE-----\n\nAA"}, "is put aside: expected one"),
        ({"other.whl.asc": detach(b"x")}, "other.whl.asc .* is put aside: nothing here is called 'other.whl'"),
        ({"SUMS.asc": b"x\n" + clear_signed(sums(), ARCHIVE_KEY)}, "is put aside: found text before"),
    ],
)  # fmt: skip
def test_what_vouches_for_nothing_is_said_and_accuses_nobody(bench, papers, expected):
    name, data = next(iter(papers.items()))
    if "SUMS" in name and len(papers) == 1 and name != "SHA256SUMS" and not name.endswith(".asc"):
        papers = {**papers, f"{name}.asc": detach(data)}
    found = bench.chain(papers, allow="a reason")
    assert found.result is MISSING
    assert any(re.search(expected, line) for line in found.chain), found.chain


def test_a_list_signed_by_a_stranger_is_no_key_and_is_not_read(bench):
    text = sums(**{"1.0": b"other"})
    found = bench.chain({"SHA256SUMS": text, "SHA256SUMS.asc": detach(text, STRANGER)}, allow="x")
    assert found.result is NO_KEY
    assert not any(one.scheme == "checksums" for one in found.checks)


def test_two_papers_of_one_name_are_refused(bench):
    given = (save(bench.blobs, "SUMS", b"a"), save(bench.blobs, "SUMS", b"b"))
    with pytest.raises(UsageError, match="found two called 'SUMS'"):
        bench.endorser.chain(bench.published, anchor="them", allow_missing="x", papers=given)


def test_papers_are_bounded_and_have_to_be_there(bench):
    with pytest.raises(UsageError, match=r"SUMS: blob .* more than the 4194304 expected"):
        bench.chain({"SUMS": bytes(4 * 1024**2 + 1)}, allow="x")
    gone = FileDigest(name="SUMS", sha256="0" * 64, size=1)
    with pytest.raises(InfrastructureError, match="expected SUMS among the saved blobs"):
        bench.endorser.chain(bench.published, anchor="them", allow_missing="x", papers=(gone,))


def test_signatures_over_the_source_are_evidence(bench):
    source = Located(**save(bench.blobs, "demo-src.tar.gz", b"source").model_dump(), archive="local", path="x")
    bench.published = bench.published.model_copy(update={"source_files": (source,)})
    found = bench.chain({"demo-src.tar.gz.asc": detach(b"source")}, allow="x")
    assert found.result is MISSING
    assert [(one.subject, one.result) for one in found.evidence] == [("demo-src.tar.gz.asc", VALID)]


# --- the index ----------------------------------------------------------------------------------------


def simple(digests: dict[str, str]) -> bytes:
    files = [{"filename": name, "url": "x", "hashes": {"sha256": digest}} for name, digest in digests.items()]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files}).encode()


def page(digests: dict[str, str]) -> bytes:
    links = "".join(
        f'<a  data-x="1" href="../../p/{name}#sha256={one}">{name}</a><br/>\n' for name, one in digests.items()
    )
    return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


GOOD = {name: sha256(data) for name, data in DATA.items()}


@pytest.mark.parametrize("make", [simple, page])
def test_the_index_is_the_weakest_there_is(bench, make):
    release = bench.release(make(GOOD))
    with pytest.raises(Stopped, match=r"nobody signed it, nor a list that names it"):
        bench.chain(release=release)
    found = bench.chain(release=release, allow="nobody signs on this index")
    assert (found.result, found.anchor) == (MISSING, "")
    assert checks(found) == [("index", "pypi demo 1.0", "missing")]
    assert (
        f"{WHEEL}: the index itself names its sha256 {GOOD[WHEEL]}, the weakest there is: it signs nothing"
        in found.chain[0]
    )
    assert "can put its digest there too" in found.checks[0].reason
    assert found.checks[0].tool.startswith("rebuilder ")


@pytest.mark.parametrize("make", [simple, page])
def test_an_index_that_names_another_digest_accuses_nobody(bench, make):
    release = bench.release(make({**GOOD, WHEEL: "0" * 64}))
    found = bench.chain(release=release, allow="x")
    assert found.result is MISSING
    line = found.chain[0]
    assert f"the recipe pins sha256 {GOOD[WHEEL]}" in line
    assert f"the saved answer of the index says sha256 {'0' * 64}" in line
    assert "one of the two was changed" in line
    assert line in found.reason
    assert found.checks == ()
    assert bench.chain({f"{WHEEL}.asc": detach(DATA[WHEEL])}, release=release).result is VALID


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (simple({}), "the saved answer of the index does not name it"),
        (page({}), "the saved answer of the index does not name it"),
        (b"<html>404", "does not name it"),
        (page(GOOD).replace(b"sha256=", b"md5="), "names no digest of it that counts|does not name it"),
        (b"{", "is of no use: expected the answer of an index for pypi"),
        (b'{"files": [1]}', "is of no use"),
        (b'{"files": [{"filename": 1, "hashes": {"sha256": "%s"}}]}' % (b"0" * 64), "is of no use"),
        (b'{"files": [{"filename": "a", "hashes": {"sha256": 1}}]}', "is of no use"),
        (b'{"a":' * 100_000, "is of no use"),
        (b"\xff\xfe", "is of no use"),
        (b"", "does not name it"),
    ],
)
def test_answers_that_say_nothing(bench, answer, expected):
    found = bench.chain(release=bench.release(answer), allow="x")
    assert found.result is MISSING
    assert re.search(expected, found.chain[0]), found.chain


def packument(data: bytes, *, version: str = "1.0", tarball: str = "https://x.invalid/demo/-/demo-1.0.tgz") -> dict:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    dist = {"integrity": integrity, "shasum": hashlib.sha1(data).hexdigest(), "tarball": tarball}
    return {"name": "demo", "versions": {version: {"name": "demo", "version": version, "dist": dist}}}


def test_an_npm_registry_names_an_integrity(bench):
    bench.published = bench.of("demo-1.0.tgz", system="npm", files={"demo-1.0.tgz": b"tarball"})
    whole = packument(b"tarball")
    for answer in (whole, whole["versions"]["1.0"], packument(b"tarball", tarball="https://x.invalid/odd%20name")):
        release = bench.release(json.dumps(answer).encode(), "npm", ("demo-1.0.tgz",))
        found = bench.chain(release=release, allow="x")
        own = hashlib.sha512(b"tarball").hexdigest()
        assert f"demo-1.0.tgz: the index itself names its sha512 {own}, the weakest there is" in found.chain[0]
        assert checks(found) == [("index", "npm demo 1.0", "missing")]
    changed = bench.release(json.dumps(packument(b"other")).encode(), "npm", ("demo-1.0.tgz",))
    assert "one of the two was changed" in bench.chain(release=changed, allow="x").chain[0]


def test_sha1_of_an_npm_registry_does_not_count(bench):
    bench.published = bench.of("demo-1.0.tgz", system="npm", files={"demo-1.0.tgz": b"tarball"})
    old = packument(b"tarball")
    del old["versions"]["1.0"]["dist"]["integrity"]
    found = bench.chain(release=bench.release(json.dumps(old).encode(), "npm", ("demo-1.0.tgz",)), allow="x")
    assert "names no digest of it that counts" in found.chain[0]


@pytest.mark.parametrize("answer", [b"<html>", b'{"versions": {"2.0": {}}}', b'{"versions": {"1.0": 1}}', b"[]"])
def test_npm_answers_that_say_nothing(bench, answer):
    found = bench.chain(release=bench.release(answer, "npm", ("demo-1.0.tgz",)), allow="x")
    assert "is of no use" in found.chain[0] or "does not name it" in found.chain[0]


def test_an_answer_that_is_not_kept_is_our_own_fault(bench):
    release = bench.release(simple(GOOD)).model_copy(
        update={"answer": FileDigest(name="answer", sha256="0" * 64, size=1)}
    )
    with pytest.raises(InfrastructureError, match="expected answer among the saved blobs"):
        bench.chain(release=release, allow="x")


def test_a_hostile_page_takes_no_time():
    release = Release(
        system="pypi", name="d", version="1", files=(), answer=FileDigest(name="a", sha256="0" * 64, size=1)
    )
    start = time.monotonic()
    for piece in (b"<a ", b"<a href=", b'<a href="', b"<!--", b"<a href ", b" href   ", b"&#"):
        assert answers.entries(b"<a " + piece * 500_000, release) == ()
    assert time.monotonic() - start < 20


# --- the door that is left open -------------------------------------------------------------------------


def test_the_call_that_projects_make_today(bench):
    found = bench.endorser.chain(bench.published, anchor="none", allow_missing="a project at hand")
    assert found.result is MISSING
    assert found.reason == (
        f"{WHEEL}: nobody signed it, nor a list that names it; the recipe allows that because: a project at hand"
    )


def test_another_judge_adds_to_the_chain(bench):
    def attested(case):
        return Said(voices=[Voice(artifact=WHEEL, result=VALID, line=f"{case.anchor.name} attests {WHEEL}")])

    endorser = PackageEndorser(TrustStore((bench.trust,)), bench.blobs, judges=(*voices.JUDGES, attested))
    found = endorser.chain(bench.published, anchor="them", allow_missing="")
    assert found.result is VALID
    assert f"them attests {WHEEL}" in found.chain
