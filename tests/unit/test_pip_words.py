"""What pip says, put in words a person can act on. Its log is an index's in part, and hostile."""

from __future__ import annotations

import pytest

from rebuilder.errors import Stopped
from rebuilder.toolchain import pip_words

LACKING = "ERROR: No matching distribution found for demo>=2 (from other)"
BROKEN = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<urllib3.HTTPConnection object "
    "at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/demo/\n"
)
SDIST = "  Found link https://x/demo-2.0.tar.gz, version: 2.0\nAvailable versions: 2.0"
FOREIGN = "  Found link https://x/demo-2.0-cp27-cp27m-win32.whl\nAvailable versions: 2.0"


@pytest.mark.parametrize(
    ("log", "versions", "reason"),
    [
        (LACKING, "Available versions: 1.1, 1.0", r"demo>=2 cannot be met: .* no such version; it has 1\.1, 1\.0"),
        (LACKING, SDIST, "source archive only"),
        (LACKING, FOREIGN, "has no wheel of it that"),
        (LACKING, "Could not fetch URL https://x/: 404 Client Error - skipping", "has no package of that name"),
        (LACKING, "Could not fetch URL https://x.example/: 500 Server Error", r"x\.example could not be reached: 500"),
        (LACKING, "Link requires a different Python (3.13.5 not in: '<3'): x", r"another Python .<3. than .* 3.13.5"),
        (BROKEN + LACKING, BROKEN, r"index\.example could not be reached: .*Connection refused"),
        ("Collecting evil\nPermissionError: no program is started while packages are fetched", "", "evil .* no wheel"),
        ("The conflict is caused by:\n    a depends on c<2\n    b depends on c>=2\n", "", "contradict each other"),
        ("ERROR: DO NOT MATCH THE HASHES\n    demo from http://x:\n", "", "demo cannot be met: .* gives other bytes"),
        ("WARNING: 401 Client Error: Unauthorized for url: https://x", "", r"index\.example could not be reached: 401"),
        ("OSError: [Errno 28] No space left on device", "", "larger than"),
        ("ERROR: something new", "", "a package cannot be met: pip failed: something new"),
        ("", "", "pip failed: it said nothing"),
    ],
)
def test_what_pip_says_is_put_in_words(log: str, versions: str, reason: str) -> None:
    stopped = pip_words.refusal(log, versions, ("index.example",))
    assert stopped.verdict == "unavailable"
    with pytest.raises(Stopped, match=reason):
        raise stopped
    assert stopped.missing


@pytest.mark.parametrize(
    "text",
    [
        "Collecting " + "(" * 200_000,
        "No matching distribution found for " + "a" * 300_000,
        "No matching distribution found for a\nAvailable versions: " + "/a-" * 100_000,
        "https://" * 100_000,
        "<" * 200_000 + "connection broken by '" + "<" * 200_000,
    ],
)
@pytest.mark.timeout(20)
def test_hostile_words_cost_no_time(text: str) -> None:
    assert pip_words.refusal(text, text, ()).missing
