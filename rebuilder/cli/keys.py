"""``rebuilder keys``: make and show the keys that sign for you."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rebuilder.sign.identity import Identity

_MAX_PASSPHRASE = 4096
_folder_option = click.option(
    "--keys",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the keys; default: keys/ in the state folder.",
)


@click.group()
def keys() -> None:
    """Make and show the keys that sign for you, one a role."""


@keys.command()
@click.option("--organisation", required=True, help="Who you are, as others will read it.")
@click.option("--builder-id", required=True, metavar="URI", help="Name of your builder; the attest key's.")
@click.option("--verifier-id", required=True, metavar="URI", help="Name of your verifier; the verdict key's.")
@click.option("--passphrase", "ask", is_flag=True, help="Ask for a passphrase and encrypt the keys with it.")
@click.option(
    "--passphrase-file", type=click.Path(path_type=Path), default=None, help="Encrypt with the first line of FILE."
)
@_folder_option
def init(
    organisation: str, builder_id: str, verifier_id: str, ask: bool, passphrase_file: Path | None, folder: Path | None
) -> None:
    """Make an attest key and a verdict key. Never overwrites any.

    The names go into every statement that you sign: the organisation for people, the two URIs for programs.
    They need not lead anywhere, but should be yours and should stay.

    \b
    Example:
      rebuilder keys init --organisation "Example Lab" \\
        --builder-id https://lab.example/builder --verifier-id https://lab.example/verifier
    """
    from rebuilder.errors import UsageError
    from rebuilder.sign.file import init_keys

    if ask and passphrase_file is not None:
        msg = "expected --passphrase or --passphrase-file, found both"
        raise UsageError(msg)
    passphrase = read_passphrase(passphrase_file) if passphrase_file is not None else None
    if ask:
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True).encode()
    folder = folder or _default_folder()
    identity = init_keys(
        folder, organisation=organisation, builder_id=builder_id, verifier_id=verifier_id, passphrase=passphrase
    )
    click.echo(f"Made two keys in {folder}, {'encrypted' if passphrase else 'not encrypted'}, readable by you alone.")
    _describe(identity, folder)
    click.echo("Give pins.json to whoever shall trust you, by a way they trust. Keep a copy of the folder offline.")


@keys.command()
@_folder_option
def show(folder: Path | None) -> None:
    """Show who you are and the fingerprints of your keys. Reads no private key."""
    from rebuilder.sign.file import read_identity

    folder = folder or _default_folder()
    _describe(read_identity(folder), folder)


def read_passphrase(path: Path) -> bytes:
    """First line of a file, without its end. Raises ``UsageError``; the message never quotes it."""
    from rebuilder.errors import UsageError

    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_PASSPHRASE + 2)
    except OSError as error:
        msg = f"expected a passphrase in {path}, found: {error.strerror}"
        raise UsageError(msg) from error
    passphrase = line.rstrip(b"\r\n")
    if not 1 <= len(passphrase) <= _MAX_PASSPHRASE:
        msg = f"expected a passphrase of 1 to {_MAX_PASSPHRASE} bytes on the first line of {path}, found none such"
        raise UsageError(msg)
    return passphrase


def _default_folder() -> Path:
    from rebuilder.config import load_config

    return load_config().state / "keys"


def _describe(identity: Identity, folder: Path) -> None:
    click.echo(f"  organisation  {identity.organisation}")
    click.echo(f"  attest        {identity.builder_id}\n                sha256 {identity.attest_key}")
    click.echo(f"  verdict       {identity.verifier_id}\n                sha256 {identity.verdict_key}")
    click.echo(f"  pins          {folder / 'pins.json'}")
