"""The fetcher against real HTTP servers on loopback that lie, break off, are slow, or have nothing."""

import hashlib
import http.server
import threading
import time

import pytest

from rebuilder.errors import NoMessage, Stopped
from rebuilder.fetch import http as fetch_http
from rebuilder.fetch.http import Locations, MirrorFetcher
from rebuilder.model import Located, Verdict
from rebuilder.store.blobs import BlobStore

pytestmark = pytest.mark.integration
BODY = bytes(range(256)) * 5000


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves ``behaviour[path]``: bytes, or a callable that answers by itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        found = self.server.behaviour.get(self.path)
        if callable(found):
            found(self)
        elif found is None:
            self.give(404, b"no")
        else:
            self.give(200, found)

    def give(self, status, body, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror():
    made = []

    def start(behaviour):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
        server.behaviour, server.asked = behaviour, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return server

    yield start
    for server in made:
        server.shutdown()
        server.server_close()


class Silent:
    def stage(self, name, detail=""):
        pass

    def line(self, text):
        pass


def fetcher(tmp_path, *servers, offline=False):
    urls = tuple(f"http://127.0.0.1:{server.server_port}" for server in servers)
    return MirrorFetcher(Locations({"local": urls}), BlobStore(tmp_path), Silent(), offline=offline)


def wanted(path="pool/a.deb", body=BODY):
    return Located(name="a.deb", sha256=hashlib.sha256(body).hexdigest(), size=len(body), archive="local", path=path)


def break_off(handler):
    """Half of the body, then a closed connection; the rest if asked by range."""
    asked = handler.headers.get("Range")
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
    body = BODY[start:]
    handler.give(206 if start else 200, body[: len(body) // 2] if not start else body, length=len(body))
    handler.close_connection = True


def test_a_file_is_fetched_checked_and_found_again_without_asking(tmp_path, mirror):
    server = mirror({"/pool/a.deb": BODY})
    getter = fetcher(tmp_path, server)
    assert getter.fetch(wanted()).sha256 == wanted().sha256
    getter.fetch(wanted())
    getter.fetch_all([wanted(), wanted()])
    assert len(server.asked) == 1
    assert BlobStore(tmp_path).read(wanted().sha256, limit=len(BODY)) == BODY


def test_a_broken_connection_is_resumed_where_it_stopped(tmp_path, mirror):
    server = mirror({"/pool/a.deb": break_off})
    fetcher(tmp_path, server).fetch(wanted())
    assert server.asked == [("/pool/a.deb", None), ("/pool/a.deb", f"bytes={len(BODY) // 2}-")]


def test_a_server_without_ranges_is_read_again_and_the_known_part_skipped(tmp_path, mirror):
    def first_half_then_all(handler):
        half = len(handler.server.asked) == 1
        handler.give(200, BODY[: len(BODY) // 2] if half else BODY, length=len(BODY))
        handler.close_connection = True

    server = mirror({"/pool/a.deb": first_half_then_all})
    fetcher(tmp_path, server).fetch(wanted())
    assert len(server.asked) == 2


def test_a_wrong_byte_at_one_mirror_goes_to_the_next(tmp_path, mirror):
    liar, honest = mirror({"/pool/a.deb": b"x" + BODY[1:]}), mirror({"/pool/a.deb": BODY})
    fetcher(tmp_path, liar, honest).fetch(wanted())
    assert len(liar.asked) == len(honest.asked) == 1


def test_wrong_bytes_everywhere_are_unavailable_and_never_the_publishers_fault(tmp_path, mirror):
    liars = [mirror({"/pool/a.deb": b"x" + BODY[1:]}) for _ in range(2)]
    with pytest.raises(Stopped, match="a mirror gave wrong bytes") as stop:
        fetcher(tmp_path, *liars).fetch(wanted())
    assert stop.value.verdict == "unavailable"
    assert stop.value.missing == ("local:pool/a.deb",)
    assert not list(BlobStore(tmp_path).names())


def test_a_body_without_end_is_cut_at_the_expected_size(tmp_path, mirror):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            handler.close_connection = True

    with pytest.raises(Stopped, match=f"more than the expected {len(BODY)} bytes"):
        fetcher(tmp_path, mirror({"/pool/a.deb": endless})).fetch(wanted())


def test_every_missing_file_is_listed(tmp_path, mirror):
    files = [wanted(f"pool/{n}.deb", bytes([n])) for n in range(5)]
    server = mirror({"/pool/2.deb": bytes([2])})
    with pytest.raises(Stopped, match="4 of 5 files could not be had") as stop:
        fetcher(tmp_path, server).fetch_all(files)
    assert stop.value.missing == tuple(f"local:pool/{n}.deb" for n in (0, 1, 3, 4))


def test_a_dead_mirror_is_tried_a_few_times_then_the_next(tmp_path, mirror):
    dead, alive = mirror({}), mirror({"/pool/a.deb": BODY})
    dead.shutdown()
    dead.server_close()
    fetcher(tmp_path, dead, alive).fetch(wanted())
    with pytest.raises(Stopped, match=f"the connection failed {fetch_http.RESUMES + 1} times"):
        fetcher(tmp_path, dead).fetch(wanted("pool/b.deb", b"other"))


def test_offline_asks_nobody_and_says_so(tmp_path, mirror):
    server = mirror({"/pool/a.deb": BODY})
    with pytest.raises(Stopped, match="the network is switched off"):
        fetcher(tmp_path, server, offline=True).fetch(wanted())
    assert not server.asked


def test_a_path_that_leaves_the_archive_is_never_asked_for(tmp_path, mirror):
    server = mirror({})
    with pytest.raises(Stopped, match="is not a path inside the archive"):
        fetcher(tmp_path, server).fetch(wanted("pool/../../etc/passwd"))
    assert not server.asked


def test_small_files_of_unknown_digest_are_bounded(tmp_path, mirror):
    getter = fetcher(tmp_path, mirror({"/dists/x/InRelease": BODY}))
    assert getter.get("local", "dists/x/InRelease", limit=len(BODY)) == BODY
    with pytest.raises(Stopped, match="more than the expected 10 bytes"):
        getter.get("local", "dists/x/InRelease", limit=10)
    assert getter.discover("local", "pool/none.deb", limit=10) is None
    with pytest.raises(Stopped, match="HTTP 404"):
        getter.get("local", "dists/y/InRelease", limit=10)
    assert getter.discover("local", "dists/x/InRelease", limit=len(BODY)).size == len(BODY)


def judge(data):
    """Words for a check: what each mirror gave decides."""
    if data == b"portal":
        raise NoMessage(Verdict.UNAVAILABLE, "a portal's page")
    if data != b"good":
        raise Stopped(Verdict.REFUSED if data == b"bad" else Verdict.UNAVAILABLE, f"judged {data.decode()}")


@pytest.mark.parametrize(
    ("bodies", "verdict"),
    [
        (["bad", "portal", "stale", "good"], None),
        (["bad", "bad"], "refused"),
        (["portal", "bad"], "refused"),
        (["bad", None], "refused"),
        (["stale", "bad"], "unavailable"),
        (["bad", "stale"], "unavailable"),
        (["portal", "stale"], "unavailable"),
        (["portal", None], "unavailable"),
    ],
)
def test_one_honest_mirror_wins_and_only_bad_signatures_everywhere_refuse(tmp_path, mirror, bodies, verdict):
    servers = [mirror({} if body is None else {"/InRelease": body.encode()}) for body in bodies]
    getter = fetcher(tmp_path, *servers)
    if verdict is None:
        assert getter.get("local", "InRelease", limit=10, check=judge) == b"good"
    else:
        with pytest.raises(Stopped) as stop:
            getter.get("local", "InRelease", limit=10, check=judge)
        assert stop.value.verdict == verdict
        words = {"portal": "a portal's page", None: "HTTP 404"}
        assert all(words.get(body, f"judged {body}") in stop.value.reason for body in bodies)
    assert all(len(server.asked) == 1 for server in servers)


def test_what_a_search_finds_has_to_be_the_file_that_is_meant(tmp_path, mirror):
    portal, honest = mirror({"/pool/a.deb": b"<html>log in</html>"}), mirror({"/pool/a.deb": BODY})
    found = fetcher(tmp_path, portal, honest).discover(
        "local", "pool/a.deb", limit=len(BODY), accept=lambda file: file.size == len(BODY)
    )
    assert found.sha256 == wanted().sha256
    assert fetcher(tmp_path, portal).discover("local", "pool/a.deb", limit=100, accept=lambda file: False) is None


def test_a_search_and_a_small_file_fail_in_words_too(tmp_path, mirror):
    server = mirror({"/pool/a.deb": BODY})
    for getter, path, words in (
        (fetcher(tmp_path, server, offline=True), "pool/a.deb", "the network is switched off"),
        (fetcher(tmp_path, server), "pool/../a.deb", "is not a path inside the archive"),
    ):
        with pytest.raises(Stopped, match=words) as stop:
            getter.get("local", path, limit=10)
        assert stop.value.verdict == "unavailable"
        assert getter.discover("local", path, limit=10) is None
    assert not server.asked


@pytest.mark.parametrize("chunked", [False, True])
def test_a_mirror_that_only_drips_is_left_for_the_next(tmp_path, mirror, monkeypatch, chunked):
    monkeypatch.setattr(fetch_http, "GRACE_SECONDS", 0.3)

    def drip(handler):
        handler.send_response(200)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"1\r\nx\r\n" if chunked else b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    slow = mirror({"/pool/a.deb": drip})
    began = time.monotonic()
    fetcher(tmp_path, slow, mirror({"/pool/a.deb": BODY})).fetch(wanted())
    assert time.monotonic() - began < 3
    with pytest.raises(Stopped, match=r"too slow: \d+ bytes in 0 s"):
        fetcher(tmp_path / "other", slow).fetch(wanted())
