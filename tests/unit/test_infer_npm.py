"""What an npm tarball says of how it was made, read from tarballs that the programs themselves packed."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.errors import UsageError
from rebuilder.model import FileDigest, Origin
from rebuilder.releases import Guess, IndexFile, Release
from rebuilder.resolve.infer import npm
from rebuilder.resolve.infer.node_versions import NODES, families, family_of, numbers
from rebuilder.resolve.infer.npm_facts import NpmFacts, read_tarball
from rebuilder.resolve.infer.npm_packers import NPM_TIME, ignoring, only_published, package_first, packed_by, preparing

PACKED = Path(__file__).parent.parent / "data" / "npm-packed"
YEAR_2022 = 1_650_000_000


def facts(name: str) -> NpmFacts:
    return read_tarball(PACKED / f"{name}.tgz")


def release(uploaded: int | None = None, **said: str) -> Release:
    time = datetime.fromtimestamp(uploaded, tz=UTC) if uploaded else None
    file = IndexFile(name="demo-1.0.0.tgz", integrity="sha512-x", uploaded=time)
    answer = FileDigest(name="answer.json", sha256="0" * 64, size=1)
    return Release(system="npm", name="demo", version="1.0.0", files=(file,), answer=answer, facts=said)


def guesses(read: NpmFacts, index: Release | None = None, **more: object) -> dict[str, Guess]:
    return {guess.input: guess for guess in npm.guess(read, index or release(), **more)}


def tarball(path: Path, files: dict[str, bytes], *, level: int = 9, system: int = 255, mode: int = 0o644) -> Path:
    """As node-tar writes it: ten digits, a space and a NUL in the number fields, no owner."""
    tar = bytearray()
    for name, data in files.items():
        info = tarfile.TarInfo(f"package/{name}")
        info.size, info.mtime, info.mode = len(data), NPM_TIME, mode
        block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        block[100:108] = b"%06o \0" % mode
        block[108:124] = bytes(16)
        block[124:136] = b"%010o \0" % len(data)
        block[136:148] = b"%010o \0" % NPM_TIME
        block[148:156] = b" " * 8
        block[148:156] = b"%06o \0" % sum(block)
        tar += block + data + bytes(-len(data) % 512)
    tar += bytes(1024)
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    stream = packer.compress(bytes(tar)) + packer.flush()
    header = b"\x1f\x8b\x08\0\0\0\0\0" + bytes([2 if level == 9 else 0, system])
    path.write_bytes(header + stream + zlib.crc32(tar).to_bytes(4, "little") + len(tar).to_bytes(4, "little"))
    return path


MANIFEST = json.dumps({"name": "demo", "version": "1.0.0"}).encode()
TEXT = b"".join(b"%d lines of %d words\n" % (n * n, n) for n in range(8000))


@pytest.mark.parametrize(
    ("name", "packer"),
    [
        ("npm-5.10.0", "npm-6-early"), ("npm-6.4.1", "npm-6-early"), ("npm-6.14.18", "npm-6"),
        ("npm-7.6.0", "npm-7-early"), ("npm-10.8.2", "npm-7"),
        ("yarn-1.22.22", "yarn-1"), ("yarn-3.6.4", "yarn"), ("pnpm-7.33.7", "pnpm"),
        ("pnpm-9.15.0", "pnpm"),
    ],
)  # fmt: skip
def test_each_packing_program_is_known_by_what_it_leaves(name: str, packer: str) -> None:
    assert packed_by(facts(name)).packer == packer


def test_the_facts_of_one_tarball() -> None:
    read = facts("npm-10.8.2")
    assert (read.gzip.xfl, read.gzip.system, read.gzip.time) == (2, 255, 0)
    assert read.names == ("LICENSE", "bin/demo.js", "lib/index.js", "package.json", "README.md", "lib/a.d.ts")
    assert (read.times, read.modes) == ({NPM_TIME}, {0o644, 0o640})
    assert (read.writer, read.owner_given) == ("node-tar", False)
    assert read.manifest["name"] == "demo-pkg"
    assert read.scripts == {"prepare": "true", "test": "true"}
    assert facts("pnpm-9.15.0").writer == "tar-stream"


def test_node_20_20_is_not_the_common_zlib() -> None:
    node = guesses(facts("npm-10.8.2"))["node"]
    assert family_of(node.value) == "third"
    assert family_of(node.others[0]) == "second"
    assert "is not as the common zlib makes it: that of Node 18.19, 20.10, 21 or later" in node.evidence


def test_the_common_zlib_at_level_9_is_node_up_to_20_9(tmp_path: Path) -> None:
    read = read_tarball(tarball(tmp_path / "a.tgz", {"index.js": TEXT, "package.json": MANIFEST}))
    node = guesses(read, made=YEAR_2022)["node"]
    assert (node.value, node.origin) == ("16.20.2", Origin.INFERRED)
    assert family_of(node.others[0]) == "third"


def test_what_the_index_says_is_taken_unless_the_archive_contradicts_it(tmp_path: Path) -> None:
    read = read_tarball(tarball(tmp_path / "a.tgz", {"index.js": TEXT, "package.json": MANIFEST}))
    told = guesses(read, release(_nodeVersion="18.16.0", _npmVersion="9.5.1"))
    assert (told["node"].value, told["node"].origin, told["node"].confidence) == ("18.16.0", Origin.DECLARED, 0.95)
    assert (told["npm"].value, told["npm"].origin) == ("9.5.1", Origin.DECLARED)
    assert family_of(told["node"].others[0]) == "third"
    wrong = guesses(read, release(_nodeVersion="22.1.0", _npmVersion="6.14.1"))
    assert family_of(wrong["node"].value) == "second"
    assert wrong["node"].origin is Origin.INFERRED
    assert "22.1.0" in wrong["node"].others
    assert "the index says that Node 22.1.0 published it, but" in wrong["node"].evidence
    assert wrong["npm"].value != "6.14.1"
    assert "the index says npm 6.14.1, but headers of npm, gzip level 9" in wrong["npm"].evidence


@pytest.mark.parametrize("said", ["", "v", "latest", "20", "1.2.3; rm -rf /", "1.2.3\x1b", "9" * 9999, "1.2.3-rc.1"])
def test_a_version_that_is_none_is_not_taken(said: str) -> None:
    found = guesses(facts("npm-10.8.2"), release(_nodeVersion=said, _npmVersion=said))
    assert found["node"].value in {node.version for node in NODES}
    assert numbers(found["npm"].value)


def test_every_version_to_try_is_offered_once() -> None:
    node = guesses(facts("npm-10.8.2"))["node"]
    assert sorted((node.value, *node.others)) == sorted(one.version for one in NODES)


def test_level_6_that_is_the_common_zlib_is_an_old_node(tmp_path: Path) -> None:
    read = read_tarball(tarball(tmp_path / "a.tgz", {"index.js": TEXT, "package.json": MANIFEST}, level=6, system=3))
    assert guesses(read)["node"].value == "10.24.1"


def test_npm_is_that_of_the_era() -> None:
    assert guesses(facts("npm-6.4.1"))["npm"].value == "6.9.0"
    assert guesses(facts("npm-6.14.18"))["npm"].value.startswith("6.14.")
    assert guesses(facts("npm-7.6.0"))["npm"].value == "7.6.0"
    assert guesses(facts("npm-10.8.2"), made=YEAR_2022)["npm"].value == "10.8.2"


def test_lerna_writes_where_it_was_into_the_manifest(tmp_path: Path) -> None:
    manifest = json.dumps({"name": "demo", "gitHead": "0" * 40}).encode()
    read = read_tarball(tarball(tmp_path / "a.tgz", {"index.js": b"1", "package.json": manifest}, level=6))
    said = release(_npmVersion="lerna/6.0.1/node@v18.12.0+x64 (linux)")
    found = guesses(read, said, manifest_at_commit={"name": "demo"})
    assert found["front-end"].value == "lerna"
    assert "its package.json is not that of the commit in: gitHead" in found["front-end"].evidence
    assert found["node"].value == "18.12.0"


def test_the_umask_shows_where_it_took_more_than_usual(tmp_path: Path) -> None:
    read = read_tarball(tarball(tmp_path / "a.tgz", {"package.json": MANIFEST}, mode=0o640))
    umask = guesses(read)["umask"]
    assert (umask.value, umask.origin) == ("0027", Origin.RECOVERED)
    assert guesses(facts("npm-10.8.2"))["umask"].value == "0022"
    assert guesses(facts("npm-6.14.18"))["umask"].value == "0002"
    assert guesses(facts("pnpm-9.15.0"))["umask"].origin is Origin.ASSUMED


def test_times_are_fixed_but_for_yarn_1() -> None:
    assert guesses(facts("npm-10.8.2"))["times"].value == "fixed"
    assert guesses(facts("yarn-1.22.22"))["times"].value == "file-times"
    assert guesses(facts("npm-10.8.2"))["epoch"].value == ""


@pytest.mark.parametrize(
    ("scripts", "found"),
    [
        ({"prepare": "husky install"}, ()),
        ({"prepare": "cd $(git rev-parse --show-toplevel) && husky install"}, ()),
        ({"prepublishOnly": "npm test && npm run lint"}, ()),
        ({"prepare": "npm run build", "test": "x"}, ("prepare",)),
        ({"prepack": "tsc", "prepare": "husky && rollup -c"}, ("prepack", "prepare")),
        ({"prepublishOnly": "not-in-publish || npm run prepublishOnly"}, ("prepublishOnly",)),
        ({"build": "tsc"}, ()),
    ],
)  # fmt: skip
def test_scripts_that_may_make_files(scripts: dict[str, str], found: tuple[str, ...]) -> None:
    assert preparing(scripts) == found


def test_what_only_publishing_runs() -> None:
    assert only_published({"prepublishOnly": "npm run build", "prepare": "tsc"}) == ("prepublishOnly",)
    assert only_published({"prepublishOnly": "npm test", "prepare": "tsc"}) == ()


def test_a_prepare_script_that_pnpm_or_an_editor_took_out_is_seen_at_the_commit() -> None:
    committed = {"name": "demo-pkg", "scripts": {"prepack": "tsc", "odd": 3}}
    end = guesses(facts("npm-10.8.2"), manifest_at_commit=committed)["front-end"]
    assert end.value == npm.NPM_PREPARE
    assert "prepack" in end.evidence


NPMIGNORE = "npmignore --auto --commentLines=autogenerated && npm run dist"


def test_scripts_of_a_package_that_the_commit_has_whole_made_nothing() -> None:
    committed: dict[str, object] = {"name": "demo-pkg", "scripts": {"prepack": "tsc"}}
    end = guesses(facts("npm-10.8.2"), manifest_at_commit=committed, all_committed=True)["front-end"]
    assert (end.value, end.others) == (npm.NPM_PACK, (npm.NPM_PREPARE,))
    assert "prepack, but every file of it is in the commit as it is" in end.evidence
    committed["scripts"] = {"prepack": NPMIGNORE}
    end = guesses(facts("npm-10.8.2"), manifest_at_commit=committed, all_committed=True)["front-end"]
    assert (end.value, end.others) == (npm.IGNORING, (npm.NPM_PREPARE, npm.NPM_PACK))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (NPMIGNORE, ("npmignore", "--auto", "--commentLines=autogenerated")),
        ("tsc && npmignore --auto", ("npmignore", "--auto")),
        ("npmignore --auto $(evil)", ()),
        ("npmignore > .npmignore", ()),
        ("tsc", ()),
    ],
)
def test_how_a_script_calls_npmignore(script: str, words: tuple[str, ...]) -> None:
    assert ignoring({"prepack": script, "test": "npmignore --test"}) == words


@pytest.mark.parametrize(
    ("tools", "value"),
    [(("clean-publish",), "clean-publish"), (("clean-publish", "dual-publish"), "dual-publish"),
     (("np",), npm.NPM_PACK)],
)  # fmt: skip
def test_a_program_that_publishes_a_copy_is_known_by_what_it_leaves_out(tools: tuple[str, ...], value: str) -> None:
    read = facts("npm-10.8.2")
    committed = {**read.manifest, "devDependencies": dict.fromkeys(tools, "^1.0.0"), "scripts": {"test": "true"}}
    end = guesses(read, manifest_at_commit=committed)["front-end"]
    assert end.value == value
    same = guesses(read, manifest_at_commit=read.manifest | {"devDependencies": read.manifest.get("devDependencies")})
    assert same["front-end"].value in (npm.NPM_PACK, npm.NPM_PREPARE)


def test_package_json_first_says_nothing_where_the_order_is_the_same() -> None:
    assert package_first(("package.json", "index.js"))
    assert not package_first(("package.json", "README.md"))
    assert not package_first(())


@pytest.mark.parametrize(
    ("version", "family"),
    [("8.17.0", "first"), ("12.22.12", "second"), ("18.18.2", "second"), ("18.19.1", "third"), ("19.9.0", "second"),
     ("20.9.0", "second"), ("20.10.0", "third"), ("21.0.0", "third"), ("v24.1.0", "third")],
)  # fmt: skip
def test_families_of_node(version: str, family: str) -> None:
    assert family_of(version) == family


def test_families_of_a_stream() -> None:
    assert families(9, same=True, unpacked=10**6) == ("second",)
    assert families(9, same=False, unpacked=10**6) == ("third",)
    assert families(6, same=True, unpacked=10**6) == ("first",)
    assert families(6, same=True, unpacked=10_000) == ("first", "second")
    assert families(6, same=False, unpacked=10**6) == ("second", "third")


@pytest.mark.parametrize("data", [b"", b"not a tarball at all", gzip.compress(b""), gzip.compress(b"x" * 2000)])
def test_what_is_no_tarball_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.tgz: expected"):
        read_tarball(path)


def test_a_tarball_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes((PACKED / "npm-10.8.2.tgz").read_bytes()[:200])
    with pytest.raises(UsageError, match=r"expected an npm tarball .*cut off"):
        read_tarball(path)


def test_a_tarball_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rebuilder.resolve.infer.npm_facts.MAX_UNPACKED", 50_000)
    path = tarball(tmp_path / "a.tgz", {"package.json": MANIFEST, "zeros": bytes(10**6)})
    with pytest.raises(UsageError, match="of at most 50000 bytes, found more than that"):
        read_tarball(path)


@pytest.mark.parametrize("manifest", [b"[" * 100_000, b"[1]", b"\xff", b'{"scripts": [1], "gitHead": 4, "name": {}}'])
def test_a_manifest_that_is_none_says_nothing(tmp_path: Path, manifest: bytes) -> None:
    read = read_tarball(tarball(tmp_path / "a.tgz", {"package.json": manifest}))
    assert read.scripts == {}
    assert guesses(read)["front-end"].value == npm.NPM_PACK


def test_another_program_is_said_to_be_one(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("demo/package.json")
        info.size = len(MANIFEST)
        tar.addfile(info, io.BytesIO(MANIFEST))
    path = tmp_path / "a.tgz"
    path.write_bytes(stream.getvalue())
    found = guesses(read_tarball(path))
    assert found["front-end"].value == "another program"
    assert found["times"].value == "file-times"
