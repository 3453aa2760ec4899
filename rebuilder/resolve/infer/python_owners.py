"""Whose account built a Python release: owner names and numbers of the sdist, and its umask. Pure rules."""

from __future__ import annotations

from collections import Counter

from rebuilder.model import Origin
from rebuilder.releases import Guess
from rebuilder.resolve.infer.seen import Family, Seen, printable

#: They pack files with the modes that they have, so that a umask shows.
_KEEP_MODES: tuple[Family, ...] = ("setuptools", "other")
#: Permissions of files and folders, but for what is never looked at -> umask.
_UMASKS = {"0002": {0o664, 0o775}, "0022": {0o644, 0o755}, "0077": {0o600, 0o700}, "0000": {0o666, 0o777}}
_PERMISSIONS = 0o777
_DOS = 0


def owners(seen: Seen) -> Guess:
    """``user/uid/group/gid`` of the sdist's members; empty if it records none."""
    if seen.sdist is None:
        return _owners("", "a wheel records no owners, and there is no sdist", 0.9)
    if seen.sdist.packing == "zip":
        return _owners("", "a zip records no owners", 0.95)
    count = Counter((m.user, m.uid, m.group, m.gid) for m in seen.sdist.members)
    (owner, most), *rest = count.most_common()
    user, uid, group, gid = owner
    if (user, uid, group, gid) == ("", 0, "", 0):
        if rest and seen.family not in ("uv", "maturin"):
            other = "/".join(printable(str(part), 40) for part in rest[0][0])
            return _owners("", f"{most} members of the sdist have no owner; {rest[0][1]} have {other}", 0.7)
        return _owners("", "the members of the sdist have owner 0 without a name, as its backend writes it", 0.95)
    value = f"{user}/{uid}/{group}/{gid}"
    if not value.isprintable() or value.count("/") != 3 or len(value) > 200:
        return _owners("", f"the sdist's owner is {printable(value)}, which no account can be called", 0.3)
    evidence = f"{most} of {len(seen.sdist.members)} members of the sdist belong to {value}{_whose(user, uid)}"
    return _owners(value, evidence, 0.95 if most * 20 >= len(seen.sdist.members) * 19 else 0.7)


def _owners(value: str, evidence: str, sure: float) -> Guess:
    origin = Origin.RECOVERED if value else Origin.INFERRED
    return Guess(input="owners", value=value, origin=origin, evidence=evidence, confidence=sure)


def _whose(user: str, uid: int) -> str:
    if user in ("runner", "vsts", "travis", "circleci"):
        return ", an account of a CI service"
    if uid in (501, 502):
        return ", as on macOS"
    return ""


def umask(seen: Seen) -> Guess:
    """As in ``PackageBuild.umask``."""
    if seen.family not in _KEEP_MODES:
        why = f"{seen.family} writes modes of its own, whatever the umask"
        return _umask("0022", why, 0.9, Origin.ASSUMED)
    modes = _modes(seen)
    total = modes.total()
    fitting = {name: sum(modes[mode] for mode in wanted) for name, wanted in _UMASKS.items()}
    name, most = max(fitting.items(), key=lambda pair: pair[1])
    if not most:
        return _umask("0022", "no modes in the archives tell a umask", 0.5, Origin.ASSUMED)
    wanted = " or ".join(f"{mode:o}" for mode in sorted(_UMASKS[name]))
    evidence = f"{most} of {total} members have mode {wanted}"
    if name == "0000" and seen.wheel and any(member.system == _DOS for member in seen.wheel.members):
        evidence += "; it was made on Windows, which has no umask"
    return _umask(name, evidence, 0.95 if most == total else 0.8, Origin.RECOVERED)


def _modes(seen: Seen) -> Counter[int]:
    """Of the wheel, where it has them, but for RECORD, which gets a mode of its own; else of the sdist."""
    found: Counter[int] = Counter()
    if seen.wheel:
        kept = (m for m in seen.wheel.members if m.mode and not m.is_folder and not m.name.endswith("/RECORD"))
        found.update(member.mode & _PERMISSIONS for member in kept)
    if seen.sdist and seen.sdist.packing != "zip" and not found:
        found.update(member.mode & _PERMISSIONS for member in seen.sdist.members)
    return found


def _umask(value: str, evidence: str, sure: float, origin: Origin) -> Guess:
    others = tuple(name for name in ("0022", "0002") if name != value)
    return Guess(input="umask", value=value, origin=origin, evidence=evidence, confidence=sure, others=others)
