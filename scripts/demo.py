"""The second half of ``make demo``: keys if there are none, one real rebuild, and the evidence checked twice.

Once by ``rebuilder verify-bundle``, fully offline, and once by OpenSSL, which knows nothing of this project:
it is given the public key, the signature and the pre-authentication encoding, taken apart here with the
standard library alone.
"""

import base64
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rebuilder.config import load_config

REBUILDER = Path(sys.executable).with_name("rebuilder")
DEMO_IDENTITY = (
    "--organisation=A demo, trusted by nobody",
    "--builder-id=https://demo.invalid/builder",
    "--verifier-id=https://demo.invalid/verifier",
)


def main() -> None:
    """Run the demo for the purl or recipe on the command line; exit with the verdict's code."""
    target = sys.argv[1]
    state = load_config().state
    if not (state / "keys" / "identity.json").exists():
        if rebuilder("keys", "init", *DEMO_IDENTITY):
            sys.exit(3)
        print()
    before = runs(state)
    status = rebuilder("verify", target)
    made = sorted(runs(state) - before)
    if not made:
        sys.exit(status or 1)
    folder = state / "runs" / made[-1]
    bundles = sorted(folder.glob("*.intoto.jsonl"))
    for bundle in bundles:
        print("\nThe signed bundle, checked with no network:")
        # The code it ends with is the verdict's, as that of verify was.
        checked = rebuilder("verify-bundle", str(bundle), *published(folder, state))
        if checked != status:
            sys.exit(f"demo: expected verify-bundle to end with {status} as verify did, found {checked}")
        print("\nThe same signatures, checked by OpenSSL:")
        for line in check_with_openssl(bundle, state / "keys" / "pins.json"):
            print(line)
    print(f"\nThe page: file://{folder / 'index.html'}")
    sys.exit(status)


def rebuilder(*arguments: str) -> int:
    """Show the command as a person would type it, then run it; its exit code."""
    print(f"$ {shlex.join(['rebuilder', *arguments])}", flush=True)
    return subprocess.run([REBUILDER, *arguments], check=False).returncode


def runs(state: Path) -> set[str]:
    """Names of all run folders."""
    return {path.name for path in (state / "runs").glob("*") if path.is_dir()}


def published(folder: Path, state: Path) -> list[str]:
    """Paths of the published files that this run was about, as they lie in the store."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    compared = (record.get("comparison") or {}).get("artifacts", ())
    digests = [item["published"]["sha256"] for item in compared if item["named"]]
    return [str(state / "blobs" / digest[:2] / digest) for digest in digests]


def check_with_openssl(bundle: Path, pins: Path) -> list[str]:
    """One line a statement. Exits where OpenSSL does not accept one."""
    keys = {pin["role"]: pin["publicKey"] for pin in json.loads(pins.read_text(encoding="utf-8"))["pins"]}
    lines = []
    for number, text in enumerate(bundle.read_text(encoding="utf-8").splitlines(), 1):
        envelope = json.loads(text)
        kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        accepted = [role for role, key in keys.items() if openssl_accepts(key, signature, encoded)]
        if not accepted:
            sys.exit(f"demo: OpenSSL accepts the signature of line {number} of {bundle} by none of our keys")
        predicate = json.loads(payload)["predicateType"]
        lines.append(f"  line {number}: signature verified with the {accepted[0]} key: {predicate}")
    return lines


def openssl_accepts(key: str, signature: bytes, encoded: bytes) -> bool:
    """Whether OpenSSL verifies an Ed25519 signature over these bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        files = {"key.pem": key.encode(), "signature": signature, "encoded": encoded}
        for name, data in files.items():
            (Path(scratch) / name).write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "encoded",
                   "-sigfile", "signature"]  # fmt: skip
        return subprocess.run(command, cwd=scratch, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
