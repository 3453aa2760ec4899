"""``rebuilder verify-bundle``: check a signed bundle, fully offline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rebuilder.attest.pins import Pin
    from rebuilder.attest.verify import Report, Wanted
    from rebuilder.errors import VerificationError

_CHUNK = 1024 * 1024


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--sha256", "digests", multiple=True, metavar="HEX", help="A digest in place of a file; may be repeated.")
@click.option(
    "--pin", "pin_files", multiple=True, type=click.Path(path_type=Path), help="A pins.json to trust; may be repeated."
)
@click.option("--trust", type=click.Path(path_type=Path), help="A folder whose *.json are all pins to trust.")
@click.option("--json", "as_json", is_flag=True, help="One machine-readable record.")
def verify_bundle(
    bundle: Path,
    files: tuple[Path, ...],
    digests: tuple[str, ...],
    pin_files: tuple[Path, ...],
    trust: Path | None,
    as_json: bool,
) -> None:
    """Check who signed BUNDLE, and what it says about each published FILE. Asks no network anything.

    Without pins of your own choice, only what your own keys signed is believed.

    \b
    Example:
      rebuilder verify-bundle less_668-1.intoto.jsonl less_668-1_amd64.deb --pin lab-pins.json

    \b
    Exit codes: 0 all holds and every FILE was reproduced; 10 different, 11 equivalent, 12 flaky,
    13 build failed, 14 refused, 15 unavailable; 20 signature, key or role bad, 21 the file is not the
    subject, 22 unknown predicate, 23 not enough evidence (also: no FILE and no --sha256 given).
    """
    from rebuilder.attest.bundle import MAX_BUNDLE
    from rebuilder.attest.verify import verify_bundle as verify
    from rebuilder.errors import VerificationError

    pins = _pins(pin_files, trust)
    data = _read(bundle, MAX_BUNDLE, "a bundle")
    wanted = (*(_hashed(path) for path in files), *(_given(text) for text in digests))
    try:
        report = verify(data, pins, wanted)
    except VerificationError as error:
        _failed(error, as_json)
        sys.exit(error.exit_code)
    click.echo(_as_json(report) if as_json else "\n".join(_as_text(report, bundle)))
    sys.exit(report.exit_code)


def _pins(pin_files: tuple[Path, ...], trust: Path | None) -> tuple[Pin, ...]:
    from rebuilder.attest.pins import MAX_PINS_FILE, parse_pins
    from rebuilder.attest.strict import FormatError
    from rebuilder.errors import UsageError

    paths = [*pin_files, *(sorted(trust.glob("*.json")) if trust is not None else [])]
    if not pin_files and trust is None:
        paths = [_own_pins()]
    found: list[Pin] = []
    for path in paths:
        try:
            found.extend(parse_pins(_read(path, MAX_PINS_FILE, "pinned keys")))
        except FormatError as error:
            msg = f"{path}: {error}"
            raise UsageError(msg, hint="ask its owner for the pins.json that `rebuilder keys init` made") from error
    if not found:
        msg = "expected at least one pinned key, found none"
        raise UsageError(msg, hint="give the signer's pins.json with --pin FILE, from a place you trust")
    return tuple(found)


def _own_pins() -> Path:
    from rebuilder.config import load_config
    from rebuilder.errors import UsageError

    path = load_config().state / "keys" / "pins.json"
    if not path.exists():
        msg = f"expected your own pins in {path}, found none"
        raise UsageError(msg, hint="give the signer's pins.json with --pin FILE, from a place you trust")
    return path


def _read(path: Path, limit: int, what: str) -> bytes:
    from rebuilder.errors import UsageError

    try:
        with path.open("rb") as file:
            return file.read(limit + 1)  # one more than allowed: the parser then says that it is too large
    except OSError as error:
        msg = f"expected {what} at {path}, found: {error.strerror}"
        raise UsageError(msg) from error


def _hashed(path: Path) -> Wanted:
    import hashlib

    from rebuilder.attest.verify import Wanted
    from rebuilder.errors import UsageError

    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        msg = f"expected the published file at {path}, found: {error.strerror}"
        raise UsageError(msg) from error
    return Wanted(name=str(path), sha256=digest.hexdigest())


def _given(text: str) -> Wanted:
    from rebuilder.attest.strict import FormatError, a_sha256
    from rebuilder.attest.verify import Wanted
    from rebuilder.errors import UsageError

    try:
        return Wanted(name="the digest you gave", sha256=a_sha256(text.lower(), "--sha256"))
    except FormatError as error:
        raise UsageError(str(error)) from error


def _failed(error: VerificationError, as_json: bool) -> None:
    from rebuilder.report.text import clean, clip

    message, hint = clip(clean(error.message), 1000), clip(clean(error.hint), 1000)
    if as_json:
        click.echo(json.dumps({**_frame(error.exit_code), "verified": False, "message": message, "hint": hint}))
        return
    click.echo(f"not verified: {message}", err=True)
    if hint:
        click.echo(f"  next: {hint}", err=True)


def _frame(exit_code: int) -> dict[str, object]:
    return {"format": "rebuilder/verify-bundle/v1", "exitCode": exit_code}


def _as_json(report: Report) -> str:
    rows = [
        {
            "line": one.line,
            "kind": one.claim.kind,
            "subject": one.claim.subject,
            "sha256": one.claim.subject_sha256,
            "statementSha256": one.sha256,
            "verdict": one.claim.verdict,
            "level": one.claim.level,
            "organisation": one.pin.organisation,
            "id": one.pin.id,
            "key": one.pin.key.spki_sha256,
        }
        for one in report.statements
    ]
    checked = [{"file": file.name, "sha256": file.sha256, "line": one.line} for file, one in report.checked]
    value = {**_frame(report.exit_code), "verified": True, "verdict": report.verdict, "notes": list(report.notes)}
    return json.dumps({**value, "checked": checked, "statements": rows})


def _as_text(report: Report, bundle: Path) -> list[str]:
    from rebuilder.cli.bundle_words import in_words
    from rebuilder.report.text import clean, clip

    return [clean(clip(line, 1000)) for line in in_words(report, str(bundle))]
