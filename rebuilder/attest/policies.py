"""The policy texts that a verification summary names by digest.

The text is a constant, not a file, because this folder does no I/O. ``docs/formats/policies/`` holds the
same bytes for people, and a test compares the two. A text is never edited: a change is a new version.
"""

from __future__ import annotations

import hashlib

from rebuilder.attest.uris import POLICY_BIT_FOR_BIT, POLICY_EQUIVALENT

BIT_FOR_BIT = """\
# Policy: bit for bit, version 1

A verification summary under this policy is about one published file, its subject, named by sha256.

1. The file was rebuilt from its declared source, in a container without network, from a recorded toolchain.
2. The rebuilt file and the published file were compared whole: every byte and the length.
3. PASSED with the level `REBUILD_BIT_FOR_BIT` means that they are equal, and that no input of the build was
   recovered from the published file or inferred.
4. PASSED with the level `REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS` means that they are equal, but that at least one
   input (a time, an owner, a path, a package version, a changelog entry) was recovered from the published file
   or inferred. The extension field lists it. This level stands in place of the first, never beside it.
5. FAILED means that all of two or more rebuilds agree on bytes the published file does not have, while source,
   toolchain and environment were all declared by the publisher.
6. The summary names, by the sha256 of their statements, the provenance of every rebuild it rests on. For PASSED
   the subject of each has the digest of the published file; for FAILED it has another.
7. Anything else (a difference under other inputs, rebuilds that disagree, a build that failed, a signature that
   is bad, an input that cannot be had) gives no summary under this policy.

The policy says nothing about whether the source is harmless, or whether the compiler is.
"""

EQUIVALENT = """\
# Policy: equivalent after a profile, version 1

A verification summary under this policy is about one published file, its subject, named by sha256. The last part
of the policy's URI is the profile: the names and versions of the normalisers, each of them narrow.

1. The file was rebuilt from its declared source, in a container without network, from a recorded toolchain.
2. The rebuilt file and the published file are not equal. They become equal when the normalisers of the profile,
   and nothing else, are applied to both.
3. PASSED carries the one level `REBUILD_EQUIVALENT_AFTER_<PROFILE>`, and never a level that says bit for bit.
4. The summary names, by the sha256 of their statements, the provenance of every rebuild it rests on. The subject
   of each is the file that was built, not the published one.

Equivalent is less than reproduced. Whoever accepts it must do so by naming the profile.
"""


def policy_digest(uri: str) -> str | None:
    """sha256 of the text behind a policy URI; ``None`` for a policy that this version does not know."""
    if uri == POLICY_BIT_FOR_BIT:
        return hashlib.sha256(BIT_FOR_BIT.encode()).hexdigest()
    if uri.startswith(POLICY_EQUIVALENT):
        return hashlib.sha256(EQUIVALENT.encode()).hexdigest()
    return None
