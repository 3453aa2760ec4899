"""What a signature or an index's word for a file is worth, in words. Pure."""

from __future__ import annotations

from rebuilder.model import EndorsementResult, Record

ENDORSEMENT_PHRASE = {
    EndorsementResult.VALID: "A key we pin vouches for the published digests.",
    EndorsementResult.INVALID: "The publisher's signature was not accepted.",
    EndorsementResult.MISSING: "Nobody vouches for the published digests.",
    EndorsementResult.NO_KEY: "There is a signature, but no key that we pin made it.",
}
#: Of what kind each check is, weakest last.
SCHEME_PHRASE = {
    "openpgp": "OpenPGP signature",
    "ssh": "SSH signature",
    "x509": "X.509 signature",
    "minisign": "minisign signature",
    "checksums": "list of checksums",
    "index": "the index's own word (weakest: nobody signs it)",
}


def phrase(record: Record) -> str:
    """The result of the endorsement as a sentence; empty where there was none."""
    found = record.endorsement
    if found is None:
        return ""
    if found.result is EndorsementResult.MISSING and index_alone(record):
        return "Only the index names the published digests, and nobody signs them."
    return ENDORSEMENT_PHRASE[found.result]


def nobody(record: Record) -> str:
    """What is said where the endorsement is missing."""
    if index_alone(record):
        return "only the index names the published digests, and nobody signs them"
    return "nobody vouches for the published digests"


def index_alone(record: Record) -> bool:
    """Whether the only word for the published digests is that of the index they were fetched from."""
    found = record.endorsement
    if found is None or found.result is EndorsementResult.INVALID:
        return False
    return bool(found.checks) and all(one.scheme == "index" for one in found.checks)
