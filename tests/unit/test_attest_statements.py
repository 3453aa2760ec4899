"""Which statements a run deserves, and that a record which contradicts itself gets none."""

from __future__ import annotations

import hashlib
import json
import warnings

import pytest
import rfc8785

from rebuilder import veto
from rebuilder.attest import uris
from rebuilder.attest.claims import read_claim
from rebuilder.attest.facts import recovered
from rebuilder.attest.policies import BIT_FOR_BIT, EQUIVALENT, policy_digest
from rebuilder.attest.statements import _languages, require_digests_fit, statements_for
from rebuilder.errors import IntegrityError
from rebuilder.lock import LanguagePackage, to_bytes
from rebuilder.model import EndorsementResult, FailureReason, Input, Origin, SelfInput, Verdict
from rebuilder.recipe import PackageRecipe, ProjectRecipe
from tests import record_cases
from tests.attest_cases import CASES, FILES, comparison, equivalent, recipe, statements, with_comparison
from tests.records import endorsement, file, inputs, lock, sha, signer, toolchain

VOTE = ["provenance", "summary"]


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        ("reproduced", VOTE),
        ("recovered", VOTE),
        ("equivalent", ["provenance", *VOTE]),
        ("different-declared", ["provenance", *VOTE]),
        ("different-assumed", ["outcome", "outcome", "provenance", *VOTE, "outcome"]),
        ("flaky", ["outcome"]),
        ("build-failed", ["outcome"]),
        ("refused", []),
        ("unavailable", ["outcome"]),
    ],
)
def test_kinds_of_statements(case, kinds):
    assert [one.kind for one in statements(case)] == kinds


@pytest.mark.parametrize("case", CASES)
def test_every_statement_is_canonical_about_one_file_and_signed_in_its_role(case):
    for one in statements(case):
        value = json.loads(one.body)
        assert one.body == rfc8785.dumps(value)
        assert value["subject"] == [{"name": one.subject, "digest": {"sha256": one.subject_sha256}}]
        assert one.role == ("attest" if one.kind == "provenance" else "verdict")
        assert one.sha256 == hashlib.sha256(one.body).hexdigest()


@pytest.mark.parametrize(
    ("case", "result", "level", "policy"),
    [
        ("reproduced", "PASSED", "REBUILD_BIT_FOR_BIT", "/policy/bit-for-bit/v1"),
        ("recovered", "PASSED", "REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS", "/policy/bit-for-bit/v1"),
        ("equivalent", "PASSED", "REBUILD_EQUIVALENT_AFTER_AR_TIMES_1", "/policy/equivalent/v1/ar-times-1"),
        ("different-declared", "FAILED", "FAILED", "/policy/bit-for-bit/v1"),
    ],
)
def test_summaries_by_the_table(case, result, level, policy):
    made = statements(case)
    record = CASES[case]()
    published = record.published.artifacts[0].file
    [summary] = [one for one in made if one.kind == "summary"]
    predicate = json.loads(summary.body)["predicate"]
    assert summary.subject_sha256 == published.sha256
    assert (predicate["verificationResult"], predicate["verifiedLevels"]) == (result, [level])
    assert predicate["policy"] == {
        "uri": uris.BASE + policy,
        "digest": {"sha256": policy_digest(uris.BASE + policy)},
    }
    named = [one["digest"]["sha256"] for one in predicate["inputAttestations"]]
    assert named == [one.sha256 for one in made if one.kind == "provenance"]
    assert predicate["verifier"]["id"] == signer().verifier_id
    rebuilt = {one.subject_sha256 for one in made if one.kind == "provenance"}
    assert (rebuilt == {published.sha256}) == (case in {"reproduced", "recovered"})
    assert {one["sha256"] for one in predicate[uris.EXTENSION]["rebuilt"]} == rebuilt


def test_a_provenance_is_about_the_rebuilt_file_and_names_all_it_was_made_from():
    first = statements("different-declared")[0]
    value = json.loads(first.body)["predicate"]
    assert first.subject_sha256 == sha("rebuilt sl_5.02-1_amd64.deb")
    dependencies = {one["name"]: one["digest"]["sha256"] for one in value["buildDefinition"]["resolvedDependencies"]}
    assert dependencies == {
        "recipe.toml": sha("recipe"),
        "toolchain.lock.json": sha("lock"),
        "root-filesystem.tar": sha("root any"),
        "sl_5.02-1.dsc": sha("sl_5.02-1.dsc"),
        "sl.orig.tar.gz": sha("sl.orig.tar.gz"),
    }
    record = CASES["different-declared"]()
    assert value["buildDefinition"]["externalParameters"]["recipe"] == recipe(record).model_dump(mode="json")
    assert value["runDetails"]["builder"]["id"] == signer().builder_id
    assert value["runDetails"]["byproducts"][0]["digest"] == {"sha256": sha("build-1.log")}


def test_buildinfo_and_diff_reports_are_byproducts():
    record = record_cases.reproduced()
    attempt = record.built.attempts[0]
    buildinfo = file("less_668-1_amd64.buildinfo")
    attempt = attempt.model_copy(update={"outputs": (*attempt.outputs, buildinfo), "log_truncated": True})
    record = record.model_copy(update={"built": record.built.model_copy(update={"attempts": (attempt,)})})
    made = json.loads(statements_for(record, recipe(record), FILES)[0].body)["predicate"]["runDetails"]["byproducts"]
    assert [one["name"] for one in made] == ["build-1.log", "less_668-1_amd64.buildinfo"]
    assert made[0]["annotations"]["truncated"] is True
    outcome = json.loads(statements("different-assumed")[1].body)["predicate"]["evidence"]
    assert outcome[-1] == {
        "name": "libbz2.diff.txt",
        "digest": {"sha256": sha("libbz2.diff.txt")},
        "annotations": {"status": "timed-out"},
    }


def test_the_resource_is_the_purl_of_the_one_file_and_keeps_an_epoch():
    record = record_cases.reproduced()
    given = record.published
    changed = given.artifacts[0].model_copy(update={"package": "libxpm4", "version": "1:3.5.17-1+deb13u1"})
    record = record.model_copy(update={"published": given.model_copy(update={"artifacts": (changed,)})})
    uri = json.loads(statements_for(record, recipe(record), FILES)[1].body)["predicate"]["resourceUri"]
    assert uri == "pkg:deb/debian/libxpm4@1:3.5.17-1%2Bdeb13u1?arch=amd64&distro=trixie"


@pytest.mark.parametrize("uri", ["", "git+https://code.example/demo@" + "ab" * 20])
def test_a_source_that_is_nowhere_known_has_no_uri(uri):
    record = record_cases.reproduced()
    record = record.model_copy(update={"source": record.source.model_copy(update={"uri": uri})})
    definition = json.loads(statements_for(record, recipe(record), FILES)[0].body)["predicate"]["buildDefinition"]
    source = definition["resolvedDependencies"][3]
    assert source["digest"] == {"sha256": record.source.files[0].sha256}
    assert source.get("uri", "") == uri
    assert ("uri" in source) == bool(uri)


def test_self_input_and_endorsement_stand_in_the_summary():
    extension = json.loads(statements("recovered")[1].body)["predicate"][uris.EXTENSION]
    assert extension["selfInput"] == [
        {"member": "usr/share/gron/table.bin", "foundIn": "gron.orig.tar.gz", "sha256": sha("table")}
    ]
    assert extension["endorsement"]["result"] == "missing"
    assert {"name": "changelog", "origin": "recovered", "value": "entry for 0.7.1-2+b8"} in extension["inputs"]


@pytest.mark.parametrize("origin", list(Origin))
@pytest.mark.parametrize("name", veto.INPUTS)
def test_a_difference_is_a_veto_only_if_all_three_were_declared(name, origin):
    record = record_cases.different_declared()
    changed = tuple(one.model_copy(update={"origin": origin}) if one.name == name else one for one in record.inputs)
    record = record.model_copy(update={"inputs": changed})
    kinds = {one.kind for one in statements_for(record, recipe(record), FILES)}
    assert kinds == (set(VOTE) if origin is Origin.DECLARED else {"outcome"})


@pytest.mark.parametrize("name", veto.INPUTS)
def test_no_veto_where_an_input_is_not_listed_at_all(name):
    record = record_cases.different_declared()
    assert not veto.lacks(record)
    assert veto.lacks(record.model_copy(update={"inputs": tuple(i for i in record.inputs if i.name != name)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"toolchain": None},
        {"toolchain": toolchain(Origin.PINNED)},
        {"toolchain": toolchain(Origin.DECLARED, relocked=True)},
        {"toolchain": toolchain(Origin.DECLARED, unsigned=("dpkg-dev 1.22",))},
        {"inputs": (*inputs(Origin.DECLARED), Input(name="source", value="", origin=Origin.ASSUMED, evidence=""))},
    ],
)
def test_no_veto_by_a_toolchain_that_is_not_the_declared_one(changes):
    record = record_cases.different_declared().model_copy(update=changes)
    assert veto.lacks(record)


def test_a_package_of_the_pool_turns_a_vote_against_into_none():
    changes = {"toolchain": toolchain(Origin.DECLARED, unsigned=("dpkg-dev 1.22",))}
    record = record_cases.different_declared().model_copy(update=changes)
    assert {one.kind for one in statements_for(record, recipe(record), FILES)} == {"outcome"}


def test_toolchain_packages_in_no_signed_list_stand_in_every_kind_of_statement():
    weak = {"toolchain": toolchain(unsigned=("dpkg-dev 1.22",))}
    expected = {"unsigned": ["dpkg-dev 1.22"], "relocked": False}
    record = record_cases.reproduced().model_copy(update=weak)
    first, second = (json.loads(one.body)["predicate"] for one in statements_for(record, recipe(record), FILES))
    assert first["buildDefinition"]["internalParameters"]["toolchain"] == expected
    assert second[uris.EXTENSION]["toolchain"] == expected
    record = record_cases.flaky().model_copy(update=weak)
    (only,) = (json.loads(one.body)["predicate"] for one in statements_for(record, recipe(record), FILES))
    assert only["toolchain"] == expected


@pytest.mark.parametrize("origin", list(Origin))
def test_recovered_or_inferred_inputs_lower_the_level(origin):
    record = record_cases.reproduced()
    extra = Input(name="times", value="", origin=origin, evidence="")
    weak = origin in {Origin.RECOVERED, Origin.INFERRED}
    assert recovered(record.model_copy(update={"inputs": (*record.inputs, extra)})) is weak
    assert recovered(record.model_copy(update={"toolchain": toolchain(origin)})) is weak
    assert recovered(record.model_copy(update={"toolchain": None})) is False


PUBLISHED = "published x_1_amd64.deb"


@pytest.mark.parametrize(
    ("verdict", "labels", "normalisers", "fits"),
    [
        (Verdict.REPRODUCED, [PUBLISHED], (), True),
        (Verdict.REPRODUCED, [PUBLISHED, PUBLISHED], (), True),
        (Verdict.REPRODUCED, [PUBLISHED, "other"], (), False),
        (Verdict.REPRODUCED, ["other"], (), False),
        (Verdict.REPRODUCED, [], (), False),
        (Verdict.REPRODUCED, [PUBLISHED], ("ar-times/1",), False),
        (Verdict.EQUIVALENT, ["other"], ("ar-times/1",), True),
        (Verdict.EQUIVALENT, ["other"], (), False),
        (Verdict.EQUIVALENT, ["other"], ("ar-times",), False),
        (Verdict.EQUIVALENT, ["other"], ("ar-times/1", "ar-times"), False),
        (Verdict.EQUIVALENT, ["other", PUBLISHED], ("ar-times/1",), False),
        (Verdict.EQUIVALENT, [], ("ar-times/1",), False),
        (Verdict.DIFFERENT, ["other", "other"], (), True),
        (Verdict.DIFFERENT, ["other", "third"], (), True),
        (Verdict.DIFFERENT, ["other"], (), False),
        (Verdict.DIFFERENT, ["other", PUBLISHED], (), False),
        (Verdict.DIFFERENT, ["other", "other"], ("ar-times/1",), False),
        (Verdict.FLAKY, ["other", "third"], (), True),
        (Verdict.FLAKY, ["other"], ("ar-times/1",), False),
        (Verdict.BUILD_FAILED, [], (), True),
        (Verdict.REFUSED, [], (), True),
        (Verdict.UNAVAILABLE, [], (), True),
    ],
)
def test_a_verdict_is_held_against_the_digests_beside_it(verdict, labels, normalisers, fits):
    rebuilt = tuple(file("x_1_amd64.deb", label) for label in labels)
    compared = comparison(verdict, rebuilt=rebuilt, normalisers=normalisers)
    if fits:
        require_digests_fit(compared)
    else:
        with pytest.raises(IntegrityError, match=f"to bear out its verdict, found {verdict.value}"):
            require_digests_fit(compared)


def test_equal_digests_of_another_size_are_not_reproduced():
    with pytest.raises(IntegrityError, match="bear out its verdict"):
        require_digests_fit(comparison(Verdict.REPRODUCED, rebuilt=(file("x_1_amd64.deb", PUBLISHED, size=1),)))


def _failing_attempt(record):
    attempt = record.built.attempts[0].model_copy(update={"failure": FailureReason.EXIT_STATUS})
    return record.model_copy(update={"built": record.built.model_copy(update={"attempts": (attempt,)})})


def _twice_published(record):
    twice = record.published.artifacts * 2
    return record.model_copy(update={"published": record.published.model_copy(update={"artifacts": twice})})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.model_copy(update={"signer": None}), "expected the identity of the signer"),
        (lambda r: r.model_copy(update={"comparison": None}), "without comparison to be refused.*found reproduced"),
        (lambda r: r.model_copy(update={"published": None}), "stopped before comparison, found reproduced"),
        (lambda r: r.model_copy(update={"endorsement": None}), "an endorsement that is not invalid"),
        (lambda r: r.model_copy(update={"endorsement": endorsement("invalid")}), "an endorsement that is not invalid"),
        (lambda r: r.model_copy(update={"source": None}), "digests of recipe, lock and source"),
        (lambda r: r.model_copy(update={"toolchain": None}), "digests of recipe, lock and source"),
        (lambda r: r.model_copy(update={"recipe_sha256": None}), "digests of recipe, lock and source"),
        (lambda r: r.model_copy(update={"recipe_sha256": sha("x")}), "recipe.toml to have sha256"),
        (lambda r: r.model_copy(update={"built": None}), "list what the attempts made, found other digests"),
        (_failing_attempt, "list what the attempts made, found other digests"),
        (_twice_published, "one comparison for each published file, found 1 for 1"),
        (lambda r: with_comparison(r, artifact="other_1_amd64.deb"), "one comparison for each published file"),
        (lambda r: with_comparison(r, published=file("x", "x")), "compared under its published digest"),
        (lambda r: with_comparison(r, rebuilt=(file("less_668-1_amd64.deb", "x"),)), "bear out its verdict"),
        (lambda r: r.model_copy(update={"tool_version": "\ud800"}), "a canonical JSON form"),
        (
            lambda r: r.model_copy(update={"published": r.published.model_copy(update={"purl": "less"})}),
            "expected the published purl to be one, found 'less'",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_not_signed(change, message):
    whole = record_cases.reproduced()
    with pytest.raises(IntegrityError, match=message):
        statements_for(change(whole), recipe(whole), FILES)


@pytest.mark.parametrize("changes", [{"verdict": Verdict.REFUSED}, {"comparison": None}])
def test_without_published_files_nothing_can_have_been_judged(changes):
    record = record_cases.reproduced().model_copy(update={"published": None, **changes})
    with pytest.raises(IntegrityError, match="without published files that was stopped before comparison"):
        statements_for(record, None, FILES)


def test_recipe_and_lock_must_be_the_recorded_ones():
    record = record_cases.reproduced()
    with pytest.raises(IntegrityError, match=r"toolchain.lock.json to have sha256 .*found no such file"):
        statements_for(record, recipe(record), {"recipe.toml": b"recipe"})
    with pytest.raises(IntegrityError, match="expected the recipe it was built by, found none"):
        statements_for(record, None, FILES)


def test_without_a_recorded_toolchain_only_that_is_lacking():
    lacking = veto.lacks(record_cases.different_declared().model_copy(update={"toolchain": None}))
    assert (lacking.undeclared, lacking.unsigned, lacking.relocked) == ((("toolchain", None),), (), False)


def test_a_run_that_failed_before_comparison_is_an_outcome():
    record = record_cases.unavailable().model_copy(update={"verdict": Verdict.BUILD_FAILED})
    [one] = statements_for(record, None, FILES)
    assert json.loads(one.body)["predicate"]["outcome"] == "build-failed"


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.UNAVAILABLE, Verdict.BUILD_FAILED, Verdict.FLAKY])
def test_no_other_verdict_of_a_file_is_a_vote(verdict):
    record = with_comparison(record_cases.flaky(), verdict=verdict)
    assert {one.kind for one in statements_for(record, recipe(record), FILES)} == {"outcome"}


def test_a_rebuild_that_made_no_file_has_no_digest_to_hold_against():
    require_digests_fit(comparison(Verdict.FLAKY, rebuilt=(file("x_1_amd64.deb", "other"), None)))


@pytest.mark.parametrize("case", ["reproduced", "flaky"])
def test_what_could_not_be_looked_through_is_said_in_every_statement(case):
    record = CASES[case]()
    update = {"unsearched": ("tool.deb:data.tar.zst",)}
    record = record.model_copy(update={"comparison": record.comparison.model_copy(update=update)})
    body = statements_for(record, recipe(record), FILES)[-1].body
    predicate = json.loads(body)["predicate"]
    assert predicate.get(uris.EXTENSION, predicate)["unsearched"] == ["tool.deb:data.tar.zst"]
    assert read_claim(body).unsearched == ("tool.deb:data.tar.zst",)


def test_refused_on_a_known_digest_is_an_outcome():
    record = record_cases.unavailable().model_copy(update={"verdict": Verdict.REFUSED})
    [one] = statements_for(record, None, FILES)
    predicate = json.loads(one.body)["predicate"]
    assert (one.kind, one.role) == ("outcome", "verdict")
    assert (predicate["outcome"], predicate["vote"]) == ("refused", "none")
    assert predicate["endorsement"]["result"] == EndorsementResult.VALID


def test_an_outcome_says_as_much_as_the_run_came_to_know():
    record = record_cases.unavailable().model_copy(update={"endorsement": None})
    early = json.loads(statements_for(record, None, FILES)[0].body)["predicate"]
    assert early["endorsement"] == {"result": "missing", "anchor": "", "signatures": []}
    assert early["source"] == {"kind": "none", "files": []}
    assert early["declared"] == {"recipe": {"sha256": sha("recipe")}}
    assert early["missing"] == list(record.missing)
    bare = record.model_copy(update={"recipe_sha256": None})
    assert json.loads(statements_for(bare, None, {})[0].body)["predicate"]["declared"] == {}
    late = json.loads(statements("flaky")[0].body)["predicate"]
    assert late["declared"] == {"recipe": {"sha256": sha("recipe")}, "toolchainLock": {"sha256": sha("lock")}}
    assert [one["rebuilt"][0]["sha256"] for one in late["attempts"]] == [
        sha("rebuilt toilet_0.3-3_amd64.deb 1"),
        sha("rebuilt toilet_0.3-3_amd64.deb 2"),
    ]


def test_each_statement_keeps_to_its_own_file():
    record = record_cases.different_assumed()
    shared = SelfInput(artifact=record_cases.BZIP2[0], member="m", found_in="f", sha256=sha("m"))
    comparison = record.comparison.model_copy(update={"self_input": (shared,)})
    record = record.model_copy(update={"comparison": comparison})
    first, second = (json.loads(one.body)["predicate"] for one in statements_for(record, recipe(record), FILES)[:2])
    names = [[one["name"] for one in each["evidence"] if "diff" in one["name"]] for each in (first, second)]
    assert names == [["bzip2.diff.txt", "bzip2.diff.html"], ["libbz2.diff.txt"]]
    assert [len(first["selfInput"]), len(second["selfInput"])] == [1, 0]
    rebuilt = [file["sha256"] for one in first["attempts"] for file in one["rebuilt"]]
    assert rebuilt == [sha(f"rebuilt {record_cases.BZIP2[0]}")] * 2


def test_only_builds_of_its_own_kind_can_have_made_a_file():
    record = record_cases.reproduced()
    [attempt] = record.built.attempts
    other = attempt.model_copy(update={"build": "all", "outputs": (file("less_668-1_amd64.deb", "x"),)})
    record = record.model_copy(update={"built": record.built.model_copy(update={"attempts": (attempt, other)})})
    assert [one.kind for one in statements_for(record, recipe(record), FILES)] == VOTE


def test_the_architecture_qualifies_debian_packages_only():
    record = record_cases.reproduced()
    record = record.model_copy(
        update={"published": record.published.model_copy(update={"purl": "pkg:generic/less@668?download_url=x"})}
    )
    uri = json.loads(statements_for(record, recipe(record), FILES)[1].body)["predicate"]["resourceUri"]
    assert uri == "pkg:generic/less@668-1?download_url=x"


def test_profiles_of_several_normalisers_have_one_name():
    assert uris.equivalence_policy(("b/2", "a-c/1")).endswith("/policy/equivalent/v1/a-c-1+b-2")
    assert uris.equivalence_level(("b/2", "a-c/1")) == "REBUILD_EQUIVALENT_AFTER_A_C_1__B_2"
    assert not equivalent().comparison.artifacts[0].normalisers[0].startswith("SLSA_")


def test_policies_have_the_digest_of_their_text():
    assert policy_digest(uris.POLICY_BIT_FOR_BIT) == hashlib.sha256(BIT_FOR_BIT.encode()).hexdigest()
    assert policy_digest(uris.POLICY_EQUIVALENT + "x") == hashlib.sha256(EQUIVALENT.encode()).hexdigest()
    assert policy_digest(uris.BASE + "/policy/bit-for-bit/v2") is None


def test_packages_of_a_language_are_those_of_the_lock_and_only_of_projects() -> None:
    name = "one-1.0-py3-none-any.whl"
    package = LanguagePackage(system="pypi", name="one", version="1.0", file=name, sha256=sha("one"), size=3)
    files = {"toolchain.lock.json": to_bytes(lock().with_languages((package,)))}
    project = ProjectRecipe.model_construct()
    assert _languages(project, files) == (package,)
    assert _languages(project, {}) == ()
    assert _languages(None, files) == ()
    assert _languages(recipe(record_cases.reproduced()), files) == ()


def test_of_a_release_only_files_that_were_asked_for_are_spoken_of() -> None:
    """A file of the same build that the purl does not name may be made in another way, by a recipe of its own."""
    record = record_cases.different_assumed()
    assert record.published is not None
    assert record.comparison is not None
    assert record.toolchain is not None
    own_lock = to_bytes(lock())
    locked = record.toolchain.model_copy(update={"lock_sha256": hashlib.sha256(own_lock).hexdigest()})
    record, files = record.model_copy(update={"toolchain": locked}), {**FILES, "toolchain.lock.json": own_lock}
    names = [one.artifact for one in record.comparison.artifacts]
    assert len(names) > 1
    artifacts = tuple(
        one.model_copy(update={"named": one.file.name == names[0]}) for one in record.published.artifacts
    )
    compared = tuple(
        one.model_copy(update={"named": one.artifact == names[0]}) for one in record.comparison.artifacts
    )
    narrowed = record.model_copy(
        update={
            "published": record.published.model_copy(update={"artifacts": artifacts}),
            "comparison": record.comparison.model_copy(update={"artifacts": compared}),
        }
    )
    package = PackageRecipe.model_construct(**dict(recipe(record)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, on a recipe made of parts of another format
        alone = {json.loads(one.body)["subject"][0]["name"] for one in statements_for(narrowed, package, files)}
        whole = {json.loads(one.body)["subject"][0]["name"] for one in statements_for(record, package, files)}
    assert alone == {names[0]}
    assert whole == {item.file.name for item in record.published.artifacts if item.named}
    of_archive = statements_for(narrowed, recipe(record), files)
    assert {json.loads(one.body)["subject"][0]["name"] for one in of_archive} == set(names)
