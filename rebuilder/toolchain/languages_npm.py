"""npm's tarballs: fetched by npm itself, checked by the integrity a lock names, and the cache that holds them.

npm reads what a lock names by its integrity from the content of its cache before it asks any network (npm 7 and
newer), so that a cache made here, of checked bytes, is all that `npm ci --offline` needs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rebuilder.check.model import NpmPackage
from rebuilder.errors import DigestMismatchError, UsageError
from rebuilder.lock import LanguagePackage
from rebuilder.model import FileDigest
from rebuilder.ports import Blobs
from rebuilder.toolchain import fetching, languages_npm_index, languages_npm_manifests
from rebuilder.toolchain.fetching import Answer, Tried
from rebuilder.toolchain.tarstream import Member, tar

CACHE_NAME = "npm-cache.tar"
NAME = re.compile(r"(?:@[A-Za-z0-9_~][A-Za-z0-9._~-]*/)?[A-Za-z0-9_~][A-Za-z0-9._~-]*\Z")
#: Exact, as locks have it: not a range, a tag or an address.
VERSION = re.compile(r"[0-9]{1,16}\.[0-9]{1,16}\.[0-9]{1,16}(?:-[0-9A-Za-z.-]{1,100})?(?:\+[0-9A-Za-z.-]{1,100})?\Z")
_INTEGRITY = re.compile(r"sha512-([A-Za-z0-9+/]{86}==)\Z")
_CODE = re.compile(r"^npm (?:ERR!|error) code (\S{1,60})", re.MULTILINE)
_WORDS = re.compile(r"^npm (?:ERR!|error) (?!code )(\S.{0,400})", re.MULTILINE)
_HOST = re.compile(r"https?://(?:\*\*\*@)?([^/\s'\"):]+(?::\d+)?)")
_UNREACHABLE = re.compile(r"E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|\w+UNREACH|RR_\w+|5\d\d)|.*(?:CERT|SIGN).*")
_SAID = {
    "E404": "the registry has no such package",
    "ETARGET": "the registry has no such version",
    "ENOVERSIONS": "the registry has no version of it",
    "EINTEGRITY": "the registry gives other bytes than the digest it names",
    "E401": "the registry wants to know who asks (401)",
    "E403": "the registry refuses it (403)",
    "EPROGRAM": "a package wants a program to be run (Git, or a script of its own), and where there is a network none "
    "is: only packages of a registry can be had",
    "ENOSPC": "it is larger than a container for fetching may hold",
}


@dataclass(frozen=True, kw_only=True, order=True)
class Tarball:
    """One package as a lock names it, checked to be no more than that."""

    name: str
    version: str
    integrity: str

    @property
    def spec(self) -> str:
        """What npm is asked for."""
        return f"{self.name}@{self.version}"

    @property
    def content(self) -> str:
        """Where npm's cache has it, below its folder of contents."""
        return content_path(self.integrity)

    @property
    def file(self) -> str:
        """A file name for it, as `npm pack` makes one."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def locked(self, file: FileDigest) -> LanguagePackage:
        """As a toolchain lock holds it."""
        return LanguagePackage(
            system="npm", name=self.name, version=self.version, file=self.file, sha256=file.sha256, size=file.size,
            integrity=self.integrity,
        )  # fmt: skip


def program() -> tuple[str, ...]:
    """How npm is run in the container."""
    return fetching.node("tarballs.js")


def checked(packages: Iterable[NpmPackage | LanguagePackage]) -> tuple[Tarball, ...]:
    """What a lock names, each once. ``UsageError`` for a name, version or integrity that could be read as more."""
    found: dict[str, Tarball] = {}
    for package in packages:
        words = (("name", NAME, package.name), ("version", VERSION, package.version))
        for what, pattern, text in (*words, ("integrity", _INTEGRITY, package.integrity)):
            if len(text) > 256 or not pattern.match(text):
                msg = (
                    f"package-lock.json: expected the {what} of a package of a registry, found {text[:200]!r} for "
                    f"{package.name[:100]!r}"
                )
                hint = "lock it anew with a current npm: every package needs an exact version and a sha512"
                raise UsageError(msg, hint=hint)
        one = Tarball(name=package.name, version=package.version, integrity=package.integrity)
        if found.setdefault(one.spec, one) != one:
            msg = f"package-lock.json: {one.spec} stands there with two integrities: {one.integrity[:20]}... is another"
            raise UsageError(msg, hint="one version of a package has one tarball; lock it anew")
    if len(found) > fetching.MAX_FILES:
        msg = f"package-lock.json: expected at most {fetching.MAX_FILES} packages, found {len(found)}"
        raise UsageError(msg)
    return tuple(sorted(found.values()))


def wanted(tarballs: Iterable[Tarball]) -> bytes:
    """What the container is told to fetch."""
    return json.dumps([[tarball.spec, tarball.content] for tarball in tarballs]).encode()


def matching(chunks: Iterable[bytes], tarball: Tarball) -> Iterator[bytes]:
    """The bytes as they stream by; ``DigestMismatchError`` at their end if they are not the integrity's."""
    digest = hashlib.sha512()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if _integrity(digest.digest()) != tarball.integrity:
        msg = f"{tarball.spec}: the bytes are not those of {tarball.integrity[:24]}..."
        raise DigestMismatchError(msg)


def why_lacking(tarball: Tarball, answer: Answer, hosts: tuple[str, ...]) -> str:
    """Why that one did not come, in words."""
    one = answer.items().get(tarball.spec, answer.tried)
    if one.status == 0:
        return "the registry gives other bytes than the integrity of the lock"
    if not _is_unreachable(one) and tarball.spec not in answer.items() and answer.items():
        return "not tried after the others failed"
    return words(one, hosts)


def words(tried: Tried, hosts: tuple[str, ...]) -> str:
    """Why npm failed, in words."""
    code = _code(tried)
    if _is_unreachable(tried):
        host = ", ".join(hosts or tuple(dict.fromkeys(_HOST.findall(tried.log)))[:3]) or "the registry"
        return f"{host} could not be reached: {code}"
    return _SAID.get(code) or f"npm failed: {code} {(_WORDS.findall(tried.log) or ['it said no more'])[0]}".strip()


def _code(tried: Tried) -> str:
    return str((_CODE.findall(tried.log) or [""])[-1])


def _is_unreachable(tried: Tried) -> bool:
    return _UNREACHABLE.fullmatch(_code(tried)) is not None


def cache(packages: Iterable[LanguagePackage], blobs: Blobs, *, manifests: bool = False) -> FileDigest:
    """The cache as a tar of `_cacache`, in the blobs: the same packages, the same bytes. With ``manifests`` it says of
    each what it asks for, too. ``UsageError`` where a lock's sha256 and integrity do not name the same bytes;
    ``KeyError`` for a package that is not in the blobs."""
    own = tuple(package for package in packages if package.system == "npm")
    by_spec = {f"{package.name}@{package.version}": package for package in own}
    members: dict[str, Member] = {}
    for tarball in checked(own):
        members[f"content-v2/{tarball.content}"] = _member(tarball, by_spec[tarball.spec].sha256, blobs)

    def asked(package: languages_npm_index.Named) -> Mapping[str, object]:
        sha256 = by_spec[f"{package.name}@{package.version}"].sha256
        return languages_npm_manifests.manifest_of(blobs.path(sha256))

    for path, content in languages_npm_index.answers(own, asked if manifests else None):
        members[path] = Member.of(f"_cacache/{path}", content)
    chunks = tar(members[path] for path in sorted(members))
    return blobs.put(chunks, name=CACHE_NAME, limit=2 * fetching.MAX_BYTES)


def content_path(integrity: str) -> str:
    """Where content of that integrity lies below `_cacache/content-v2` (cacache's own layout)."""
    digest = base64.b64decode(integrity.removeprefix("sha512-")).hex()
    return f"sha512/{digest[:2]}/{digest[2:4]}/{digest[4:]}"


def _member(tarball: Tarball, sha256: str, blobs: Blobs) -> Member:
    path = blobs.path(sha256)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").digest()
    if _integrity(found) != tarball.integrity:
        msg = f"{tarball.spec}: its sha256 {sha256} and its integrity {tarball.integrity[:24]}... name different bytes"
        raise UsageError(msg, hint="the toolchain lock is wrong; make a new one")
    return Member(f"_cacache/content-v2/{tarball.content}", path, path.stat().st_size)


def _integrity(digest: bytes) -> str:
    return f"sha512-{base64.b64encode(digest).decode()}"
