"""Where a Git server redirects to: followed on the same server, as hosts do for renamed repositories, and nowhere else.

Git itself would follow to any host, with what it was told for the first.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from rebuilder.errors import UsageError
from rebuilder.fetch.git_address import Address, located
from rebuilder.fetch.git_remote import FetchError, authorization, certificates
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    import requests

_MOST = 3
_SECONDS = (15, 30)
_TAIL = "/info/refs"


def redirected(address: Address) -> Address:
    """The address that a server leads to in the end. Raises ``FetchError`` if it is on another server, is no
    repository's, or there are too many."""
    for _ in range(_MOST):
        target = _target(address)
        if not target:
            return address
        address = _same_server(target, address)
    msg = f"it redirects more than {_MOST} times"
    raise FetchError(msg)


def _same_server(target: str, address: Address) -> Address:
    told = redacted(target)
    base, tail, _ = target.partition(_TAIL)
    try:
        found = located(base)
    except UsageError as error:
        msg = f"it redirects to {told!r}, which cannot be the address of a repository"
        raise FetchError(msg) from error
    if not tail or not isinstance(found, Address):
        msg = f"it redirects to {told!r}, which is not a repository: does it ask for a login?"
        raise FetchError(msg)
    if (found.scheme, found.host) != (address.scheme, address.host):
        msg = f"it redirects to another server, {found.public!r}: declare that address if it is the right one"
        raise FetchError(msg)
    return replace(found, secret=address.secret)


def _target(address: Address) -> str:
    """Where an answer leads to; empty if it is none that leads anywhere."""
    import requests

    url = f"{address.remote}{_TAIL}?service=git-upload-pack"
    headers = {"User-Agent": "git/2", "Accept-Encoding": "identity"}
    if told := authorization(address):
        headers["Authorization"] = told
    with requests.Session() as session, contextlib.ExitStack() as stack:
        # Else it would add what a `.netrc` has for the server.
        session.auth = _unchanged
        session.trust_env = not address.is_loopback
        verify: bool | str = certificates() or os.environ.get("GIT_SSL_CAPATH") or True
        try:
            answer = session.get(
                url, headers=headers, allow_redirects=False, stream=True, timeout=_SECONDS, verify=verify
            )
        except (requests.RequestException, OSError) as error:
            msg = f"it redirects, and then does not say where to: {type(error).__name__}"
            raise FetchError(msg) from error
        stack.callback(answer.close)
        return urljoin(url, answer.headers.get("Location", "")) if answer.is_redirect else ""


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
