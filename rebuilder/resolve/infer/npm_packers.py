"""Which program packed an npm tarball, and about when: each leaves its own tar headers, order and gzip header.

Measured on tarballs that npm 5 to 11, lerna, yarn 1, 3 and 4, and pnpm 7, 9 and 10 made, and on 43 published ones.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from rebuilder.resolve.infer.npm_facts import NpmFacts

#: The one time that npm, lerna and pnpm give every member: 1985-10-26 08:15 UTC.
NPM_TIME = 499162500
#: That of yarn since version 2: 1984-06-22 21:50 UTC.
YARN_TIME = 456789000

#: ``npm-4`` and before kept owners and times, some of 5 the times. ``npm-6-early``: 5.10 to about 6.9, ``npm-6`` after
#: it, ``npm-7-early``: 7.0 to 7.6 or a little later, ``npm-7`` all since. ``own``: a program of the publisher's own.
Npm = Literal["npm-4", "npm-5", "npm-6-early", "npm-6", "npm-7-early", "npm-7"]
Packer = Literal[Npm, "lerna", "yarn-1", "yarn", "pnpm", "own"]

SYSTEMS = {3: "Unix", 10: "Windows", 11: "Windows", 19: "macOS", 255: "none"}
_LIFECYCLE = ("prepublish", "prepublishOnly", "prepack", "prepare")
_SEPARATOR = re.compile(r"&&|\|\||[;|&\n]")
_OPTION = re.compile(r"--[A-Za-z-]{1,40}(?:=[A-Za-z0-9_,./!*-]{0,200})?\Z")
#: Commands that check, or set up a work tree, and make no file of the package.
_IDLE = re.compile(
    r"^(?:$|cd\b|exit\b|true\b|:|echo\b|\[|test\b|in-publish\b|not-in-publish\b|not-in-install\b|in-install\b|is-ci\b|"
    r"(?:npx |yarn |pnpm (?:exec )?)?(?:husky|lefthook|simple-git-hooks|yorkie|pinst|patch-package|safe-publish-latest|"
    r"npmignore|eslint|xo|standard|tap|mocha|jest|ava|np|git)\b|"
    r"(?:npm|yarn|pnpm)(?: run)?(?: -s| --silent)? (?:t|test|lint|prelint|posttest|ci|audit)\b)"
)


class Packed(NamedTuple):
    """The program, and what shows it."""

    packer: Packer
    evidence: str
    confidence: float


def packed_by(facts: NpmFacts) -> Packed:
    """Who packed it."""
    times, top = facts.times, {member.name.partition("/")[0] for member in facts.members}
    if facts.writer == "tar-stream":
        return _by_tar_stream(facts, times)
    if facts.writer == "other" or top != {"package"}:
        found = "other headers than theirs" if facts.writer == "other" else "another folder than `package`"
        return Packed("own", f"no npm, yarn or pnpm packed it: it has {found}", 0.9)
    if times != {NPM_TIME}:
        if facts.owner_given:
            return Packed("npm-4", "its members carry an owner and the times of files, as up to npm 4", 0.85)
        return Packed("npm-5", "its members carry the times of files and no owner, as early npm 5", 0.8)
    return _by_npm(facts)


def _by_tar_stream(facts: NpmFacts, times: frozenset[int]) -> Packed:
    if times == {YARN_TIME}:
        return Packed("yarn", "every member has the time that yarn 2 and later give, 1984-06-22 21:50 UTC", 0.98)
    if times == {NPM_TIME}:
        return Packed("pnpm", "its headers are those of tar-stream with the time that npm gives: pnpm packs so", 0.95)
    if any(member.type == "5" for member in facts.members):
        return Packed("yarn-1", "it has folders and the times of files in headers of tar-stream, as yarn 1 packs", 0.9)
    return Packed("own", "its headers are those of tar-stream with times of its own", 0.6)


def _by_npm(facts: NpmFacts) -> Packed:
    level, system = (9 if facts.gzip.xfl == 2 else 6), facts.gzip.system
    says = f"headers of npm, gzip level {level}, its system is {SYSTEMS.get(system, 'unknown')} ({system})"
    if level == 9:
        sure = 0.95 if system == 255 else 0.5
        return Packed("npm-7", f"{says}: npm since 7.7 or soon after", sure)
    if system == 255:
        if isinstance(facts.manifest.get("gitHead"), str):
            return Packed("lerna", f"{says}, and package.json has a gitHead: lerna writes it there", 0.95)
        return Packed("npm-7-early", f"{says}: npm 7.0 to 7.6, or lerna", 0.7)
    if package_first(facts.names):
        return Packed("npm-6-early", f"{says}, package.json comes first: npm up to 6.9 or a little later", 0.9)
    return Packed("npm-6", f"{says}, members by their ending: the later npm 6", 0.9)


def package_first(names: tuple[str, ...]) -> bool:
    """Whether package.json is first where an order by endings would put another before it."""
    endings = [PurePosixPath(name).suffix.lower() for name in names[1:]]
    return bool(names) and names[0] == "package.json" and any(ending < ".json" for ending in endings)


def preparing(scripts: dict[str, str]) -> tuple[str, ...]:
    """Those of the scripts before packing or publishing that may make files of the package, in the order they run."""
    return tuple(name for name in _LIFECYCLE if not _idle(scripts.get(name, "")))


def only_published(scripts: dict[str, str]) -> tuple[str, ...]:
    """Those of the preparing scripts that publishing runs and packing alone does not."""
    return tuple(name for name in preparing(scripts) if name == "prepublishOnly")


def ignoring(scripts: dict[str, str]) -> tuple[str, ...]:
    """The words with which a script before packing calls `npmignore`, which writes down which files are left out."""
    commands = (one for name in preparing(scripts) for one in _SEPARATOR.split(scripts[name][:4000]))
    called = (tuple(one.split()) for one in commands)
    return next((words for words in called if words[:1] == ("npmignore",) and all(map(_OPTION.match, words[1:]))), ())


def _idle(script: str) -> bool:
    return all(_IDLE.match(command.strip()) for command in _SEPARATOR.split(script[:4000]))
