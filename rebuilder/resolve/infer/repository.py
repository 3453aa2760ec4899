"""Where a release's source may be cloned from, out of the links and texts that its metadata holds. Pure.

Every address comes out as ``https://host/owner/name`` or is not taken: no credentials, ports, queries or odd letters.
Code hosts are named here; they are no package registries.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from rebuilder.model import Origin
from rebuilder.releases import Guess

#: Two path parts are a repository there; on those of ``_NESTED`` a repository may lie deeper.
HOSTS: Final = frozenset({"github.com", "bitbucket.org", "codeberg.org", "gitee.com", "git.sr.ht", "opendev.org"})
_NESTED = re.compile(r"^(?:gitlab\.[a-z0-9.-]+|salsa\.debian\.org|invent\.kde\.org|framagit\.org|0xacab\.org)$")
_GIT_HOST = re.compile(r"^(?:git|gitea|forgejo|code|scm|source)\.[a-z0-9-]+(?:\.[a-z0-9-]+)+$")
_SHORT = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
#: What is no owner on the hosts, though it stands where one would.
_NO_OWNER = frozenset(
    {"sponsors", "orgs", "marketplace", "apps", "about", "features", "topics", "login", "search", "settings"}
    | {"users", "notifications", "contact", "security", "explore", "pricing", "collections", "enterprise", "site"}
    | {"groups", "-"}
)
_TREES = frozenset({"tree", "blob", "src"})
#: What may follow a repository where its depth is not known.
_PAGES = _TREES | {"issues", "merge_requests", "wikis", "releases", "tags", "commits", "raw"}

_SOURCE_LABELS = frozenset(
    {"source", "sources", "sourcecode", "sourcerepository", "repository", "repo", "github", "gitlab", "code", "git"}
)
_HOME_LABELS = frozenset({"homepage", "home"})
#: Links that say nothing of this project's source.
_SKIPPED = frozenset({"funding", "sponsor", "sponsors", "donate", "donation", "donations", "twitter", "chat"})

_LIMIT = 500
_LINKS = 100
_DESCRIPTION = 200_000
_SCP = re.compile(r"^(?:[A-Za-z0-9_-]+@)?([A-Za-z0-9.-]+):(?!//)([^:]+)$")
_PART = re.compile(r"^~?[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")
_SHORTHAND = re.compile(
    r"^(?:(github|gitlab|bitbucket):)?([A-Za-z0-9][A-Za-z0-9-]{0,99}/[A-Za-z0-9_.-]{1,100})(?:#.*)?$"
)
_IN_TEXT = re.compile(r"https?://[A-Za-z0-9.-]{4,100}/[A-Za-z0-9_.~-]{1,100}/[A-Za-z0-9_./-]{1,200}")
_BADGE = re.compile(r"badge|/workflows/|\.svg$|shields|/actions\b")


class Place(NamedTuple):
    """A repository, and the folder in it that an address names; empty for none."""

    url: str
    folder: str = ""
    #: Whether the host is one that is known for repositories.
    known: bool = True


def of_metadata(home_page: str, project_urls: tuple[tuple[str, str], ...], description: str) -> tuple[Guess, ...]:
    """Repositories that the metadata of a Python project names, each as a guess of ``repository``, likeliest first:
    a link called source, the home page, other links to code hosts, and addresses in the description."""
    links = [(_label(label), label, url) for label, url in project_urls[:_LINKS]]
    found: list[Guess] = []
    for plain, label, url in links:
        if plain in _SOURCE_LABELS and (place := located(url)):
            found.append(_guess(place, Origin.DECLARED, f"its metadata calls it {_words(label)}", 0.95))
    homes = [home_page, *(url for plain, _, url in links if plain in _HOME_LABELS)]
    for url in homes:
        if (place := located(url)) and place.known:
            found.append(_guess(place, Origin.INFERRED, "it is the home page that its metadata names", 0.85))
    for plain, label, url in links:
        if plain not in _SOURCE_LABELS | _HOME_LABELS | _SKIPPED and (place := located(url)) and place.known:
            found.append(_guess(place, Origin.INFERRED, f"its metadata links to it as {_words(label)}", 0.75))
    found += _described(description[:_DESCRIPTION])
    return _distinct(found)


def of_npm(repository: str, directory: str = "") -> tuple[Guess, ...]:
    """The repository that npm's ``repository`` names, as a guess; none if it is not one. For the folder see
    ``folder_of_npm``."""
    place = located(repository, shorthand=True)
    if place is None:
        return ()
    folder = folder_of_npm(repository, directory)
    inside = f", in its folder {folder}" if folder else ""
    return (_guess(place, Origin.DECLARED, f"its package.json names it{inside}", 0.95),)


def folder_of_npm(repository: str, directory: str = "") -> str:
    """The folder of the repository that is the project: npm's ``directory``, else what the address has after
    ``/tree/<branch>/``. Empty for none, and for anything that leads elsewhere."""
    if directory:
        return _folder(directory.split("/"))
    place = located(repository, shorthand=True)
    return place.folder if place else ""


def located(text: str, *, shorthand: bool = False) -> Place | None:
    """The repository that an address names; ``None`` for what is none, or has credentials, a port or odd letters in it.
    ``shorthand``: npm's ``owner/name`` and ``gitlab:owner/name`` too."""
    text = text.strip()
    if not text or len(text) > _LIMIT or not text.isascii() or not text.isprintable() or re.search(r"[\s\\]", text):
        return None
    if shorthand and (short := _SHORTHAND.match(text)):
        return _placed(_SHORT[short[1] or "github"], short[2])
    scp = _SCP.match(text)
    if scp and "://" not in text:
        return _placed(scp[1].lower(), scp[2])
    try:
        parts = urlsplit(text.removeprefix("git+"))
        port = parts.port
    except ValueError:
        return None
    user = parts.username or ""
    if parts.scheme not in ("https", "http", "git", "ssh") or parts.password is not None or not parts.hostname:
        return None
    if (user and (parts.scheme != "ssh" or user != "git")) or port not in (None, 22, 80, 443, 9418):
        return None
    return _placed(parts.hostname.lower(), parts.path)


def _placed(host: str, path: str) -> Place | None:
    host = host.removeprefix("www.")
    parts = [part for part in path.split("#")[0].split("?")[0].split("/") if part]
    if len(parts) < 2 or parts[0].lower() in _NO_OWNER:
        return None
    if host in HOSTS:
        return _made(host, parts[:2], _below(parts[2:]))
    if _NESTED.match(host):
        ends = (at for at, part in enumerate(parts) if part == "-" or (at > 1 and part in _PAGES))
        cut = next(ends, len(parts))
        return _made(host, parts[:cut], _below([part for part in parts[cut:] if part != "-"]))
    is_git = parts[-1].endswith(".git") or bool(_GIT_HOST.match(host))
    if not is_git or not re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", host):
        return None
    place = _made(host, parts, "")
    return place._replace(known=False) if place else None


def _made(host: str, parts: list[str], folder: str) -> Place | None:
    """An address of checked parts alone."""
    names = [*parts[:-1], parts[-1].removesuffix(".git")]
    if len(names) < 2 or len(names) > 8 or not all(_PART.match(name) and set(name) != {"."} for name in names):
        return None
    ending = ".git" if parts[-1].endswith(".git") and host not in HOSTS else ""
    return Place(f"https://{host}/{'/'.join(names)}{ending}", folder)


def _below(parts: list[str]) -> str:
    """The folder after ``tree/<branch>``."""
    return _folder(parts[2:]) if len(parts) > 2 and parts[0] in _TREES else ""


def _folder(parts: list[str]) -> str:
    """A path in a repository, of parts that are names; empty for any other."""
    kept = [part for part in parts if part not in ("", ".")]
    sound = all(re.fullmatch(r"[A-Za-z0-9@_.+-]{1,100}", part) and part not in ("..", ".git") for part in kept)
    return "/".join(kept) if sound and len(kept) <= 20 else ""


def _described(text: str) -> list[Guess]:
    """Addresses in a text, those that it names most often first."""
    places = Counter(
        place.url
        for found in _IN_TEXT.findall(text)[: 10 * _LINKS]
        if not _BADGE.search(found) and (place := located(found.rstrip("."))) and place.known
    )
    return [
        _guess(Place(url), Origin.INFERRED, f"its description names it ({count} times)", 0.4 if count > 1 else 0.3)
        for url, count in places.most_common(5)
    ]


def _distinct(guesses: list[Guess]) -> tuple[Guess, ...]:
    """Each address once, by its first guess; those less sure after surer ones. Hosts ignore the case of names."""
    first: dict[str, Guess] = {}
    for guess in guesses:
        first.setdefault(guess.value.lower().removesuffix(".git"), guess)
    return tuple(sorted(first.values(), key=lambda guess: -guess.confidence))


def _guess(place: Place, origin: Origin, evidence: str, sure: float) -> Guess:
    sure = sure if place.known else sure * 0.7
    return Guess(input="repository", value=place.url, origin=origin, evidence=evidence, confidence=round(sure, 3))


def _label(label: str) -> str:
    return re.sub(r"[^a-z]", "", label[:60].lower())


def _words(label: str) -> str:
    return repr(label[:60])
