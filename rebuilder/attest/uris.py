"""Every URI that our statements use as a name, in one place.

They identify; nothing fetches them. ``rebuilder.example`` lies under a top-level name that RFC 2606
reserves, so that no stranger can ever own it and answer in our name.
"""

from __future__ import annotations

BASE = "https://rebuilder.example"

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
OUTCOME = f"{BASE}/rebuild-outcome/v0.1"

BUILD_TYPE = f"{BASE}/buildtypes/rebuild/v1"
EXTENSION = f"{BASE}/ext/rebuild/v1"
POLICY_BIT_FOR_BIT = f"{BASE}/policy/bit-for-bit/v1"
POLICY_EQUIVALENT = f"{BASE}/policy/equivalent/v1/"

LEVEL_BIT_FOR_BIT = "REBUILD_BIT_FOR_BIT"
LEVEL_RECOVERED = "REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS"
LEVEL_EQUIVALENT = "REBUILD_EQUIVALENT_AFTER_"
LEVEL_FAILED = "FAILED"


def profile(normalisers: tuple[str, ...]) -> str:
    """One name for a set of normaliser labels: ``("ar-times/1", "x/2")`` gives ``ar-times-1+x-2``."""
    return "+".join(sorted(label.replace("/", "-") for label in normalisers))


def equivalence_policy(normalisers: tuple[str, ...]) -> str:
    """URI of the policy that accepts equality after exactly these normalisers."""
    return POLICY_EQUIVALENT + profile(normalisers)


def equivalence_level(normalisers: tuple[str, ...]) -> str:
    """``verifiedLevels`` entry for them: ``ar-times/1`` gives ``REBUILD_EQUIVALENT_AFTER_AR_TIMES_1``."""
    return LEVEL_EQUIVALENT + profile(normalisers).upper().replace("-", "_").replace("+", "__")
