"""What the host's pip and npm say of themselves, and how a container is told: nothing secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuilder.config import load_config
from rebuilder.errors import UsageError
from rebuilder.fetch import host_clients
from rebuilder.fetch.clients import NpmClient, PipClient, host_of, usable, without_user
from rebuilder.fetch.host_clients import (
    Chosen,
    HostClients,
    npm_client,
    npm_settings,
    pip_client,
    pip_settings,
    read_npmrc,
    read_pip_list,
)

PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SAID = """\
WARNING: something pip wants to say
:env:.index-url='https://env:p4ss@index.example/simple/'
:env:.default-timeout='9'
download.index-url='https://download.example/simple/'
global.cert='{cert}'
global.extra-index-url='https://second.example/simple file:///opt/packages'
global.find-links='/opt/wheels'
global.index-url='https://global.example/simple/'
global.trusted-host='index.example'
install.index-url='https://not-for-download.example/'
global.broken=__import__('os')
"""


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(PEM)
    return file


def program(folder: Path, name: str, text: str) -> None:
    """A client of the host that prints that."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    path.chmod(0o755)


def test_pip_says_itself_what_holds_and_the_strongest_place_wins(ca: Path) -> None:
    settings = read_pip_list(SAID.format(cert=ca))
    assert settings["index-url"] == "https://env:p4ss@index.example/simple/"
    client = pip_client(settings, Chosen(), {"http_proxy": "http://proxy.example:3128", "NO_PROXY": "*.local"})
    assert client.addresses() == ("https://env:p4ss@index.example/simple/", "https://second.example/simple")
    assert (client.ca, client.timeout, client.trusted) == (PEM, 9, ("index.example",))
    assert client.proxies == {"http_proxy": "http://proxy.example:3128", "no_proxy": "*.local"}
    assert client.notes == (
        "extra-index-url 'file:///opt/packages' is not taken: a container reaches http and https only",
        "pip's find-links is not taken",
    )
    assert client.hosts == ("index.example", "second.example")


def test_the_container_is_told_in_files_and_only_what_is_known(ca: Path) -> None:
    client = pip_client(read_pip_list(SAID.format(cert=ca)), Chosen(), {"https_proxy": "http://u:pw@127.0.0.1:3128"})
    files = client.files("/fetch")
    assert files["pip.conf"].decode() == (
        "[global]\nindex-url = https://env:p4ss@index.example/simple/\n"
        "extra-index-url = https://second.example/simple\ntrusted-host = index.example\ntimeout = 9\n"
        "cert = /fetch/ca.pem\n"
    )
    assert files["ca.pem"] == PEM
    assert sorted(files["environment"].split(b"\0")) == sorted([
        b"", b"HTTPS_PROXY=http://u:pw@127.0.0.1:3128", b"https_proxy=http://u:pw@127.0.0.1:3128",
        b"PIP_CONFIG_FILE=/fetch/pip.conf",
    ])  # fmt: skip
    assert PipClient().files("/fetch")["pip.conf"] == b"[global]\ntimeout = 60\n"


def test_what_rebuilder_toml_names_wins_over_the_hosts_clients(tmp_path: Path, ca: Path) -> None:
    file = tmp_path / "rebuilder.toml"
    named = 'pypi = "http://mine:pw@mine.example/simple"\nnpm = "https://n.example/"\nca = "ca.pem"\n'
    file.write_text(f"[indexes]\n{named}")
    found = load_config({}, file=file).indexes
    assert (found.pypi, found.npm, found.ca) == ("http://mine:pw@mine.example/simple", "https://n.example/", ca)
    assert "pw" not in repr(found)
    chosen = Chosen(pypi=found.pypi, npm=found.npm, ca=found.ca)
    client = pip_client(read_pip_list(SAID.format(cert="/nowhere")), chosen, {})
    assert client.addresses() == ("http://mine:pw@mine.example/simple",)
    # Without encryption pip asks trusted hosts only; whoever wrote it there has decided.
    assert (client.ca, client.trusted) == (PEM, ("index.example", "mine.example"))
    other = npm_client({"registry": "https://host.example/", "@a:registry": "https://a.example/"}, chosen, {})
    assert (other.addresses(), other.ca) == (("https://n.example/",), PEM)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('pypi = "file:///opt"', r"indexes\.pypi: expected a URL that begins with http:// or https://"),
        ("npm = 5", r"indexes\.npm: expected a string, found 'int'"),
        ('pypi = ""', r"indexes\.pypi: expected a string"),
        ('cargo = "https://x/"', r"indexes: expected only pypi, npm, ca, found 'cargo'"),
    ],
)
def test_wrong_indexes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "rebuilder.toml"
    file.write_text(f"[indexes]\n{text}\n")
    with pytest.raises(UsageError, match=message):
        load_config({}, file=file)


def test_an_address_that_is_refused_does_not_show_its_password(tmp_path: Path) -> None:
    file = tmp_path / "rebuilder.toml"
    file.write_text('[indexes]\npypi = "ftp://u:s3cret@x.example/"\n')
    with pytest.raises(UsageError, match="https://") as error:
        load_config({}, file=file)
    assert "s3cret" not in error.value.message
    assert usable(["ftp://u:s3cret@x.example/"], "index-url")[1] == (
        "index-url 'ftp://***@x.example/' is not taken: a container reaches http and https only",
    )


def test_a_file_of_certificates_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a file of certificates at /nowhere.*cannot be read"):
        pip_client({"cert": "/nowhere"}, Chosen(), {})
    (tmp_path / "x").write_text("hello")
    with pytest.raises(UsageError, match="expected certificates in PEM form") as error:
        npm_client({}, Chosen(ca=tmp_path / "x"), {})
    assert "[indexes] ca" in error.value.hint


def test_without_a_word_of_the_client_the_usual_variables_name_the_certificates(ca: Path) -> None:
    assert pip_client({}, Chosen(), {"REQUESTS_CA_BUNDLE": str(ca)}).ca == PEM
    assert npm_client({}, Chosen(), {"NODE_EXTRA_CA_CERTS": str(ca)}).ca == PEM
    assert pip_client({}, Chosen(), {"CURL_CA_BUNDLE": "/nowhere", "SSL_CERT_FILE": str(ca)}).ca == PEM


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://127.0.0.1:3141/simple", "host"),
        ("http://localhost/", "host"),
        ("https://u:p@[::1]:8080/x", "host"),
        ("http://pypi.localhost/", "host"),
        ("http://0.0.0.0/", "host"),
        ("https://index.example/127.0.0.1/", "bridge"),
        ("https://localhost.example/", "bridge"),
        ("", "bridge"),
    ],
)
def test_the_hosts_own_network_only_where_something_lies_on_its_loopback(url: str, network: str) -> None:
    assert PipClient(index=url).network == network
    assert PipClient(index="https://x.example/", proxies={"https_proxy": url} if url else {}).network == network
    assert PipClient(proxies={"no_proxy": "localhost,127.0.0.1"}).network == "bridge"


def test_what_a_client_says_is_shown_without_users_passwords_and_tokens() -> None:
    pip = PipClient(index="https://alice:p%40ss-w0rd@x.example/simple", extra=("https://t0ken-alone@y.example/",))
    said = (
        "Looking in https://alice:p%40ss-w0rd@x.example/simple, https://t0ken-alone@y.example/\n"
        "password p@ss-w0rd, user 'https://other:one@z.example'"
    )
    shown = pip.shown(said)
    assert shown == (
        "Looking in https://***@x.example/simple, https://***@y.example/\npassword ***, user 'https://***@z.example'"
    )
    npm = NpmClient(
        index="https://x.example/",
        auth={"//x.example/:_authToken": "npm_abc", "//x.example/:username": "alice"},
        proxies={"https_proxy": "http://bob:hunter2@proxy.example:3128"},
    )
    assert npm.shown("Bearer npm_abc via bob hunter2 at http://bob:hunter2@proxy.example:3128/") == (
        "Bearer *** via bob *** at http://***@proxy.example:3128/"
    )
    for client in (pip, npm):
        assert not any(secret in f"{client!r}{client}{client.identity}{client.hosts}" for secret in client.secrets())
    # No address: a scope, an at-sign further on.
    assert without_user("https://x.example/@scope%2fname me@home") == "https://x.example/@scope%2fname me@home"


def test_npm_says_itself_what_holds_and_its_files_what_it_does_not_tell(tmp_path: Path, ca: Path) -> None:
    (tmp_path / "user.npmrc").write_text(
        "@ours:registry=https://u:scope-pw@ours.example/npm/\n"
        '//ours.example/npm/:_authToken="${TOKEN}"\n//elsewhere.example/:_authToken=not-for-us\n'
        "; a remark\nregistry=https://user:file-pw@main.example/\nscript-shell=/bin/evil\n"
    )
    (tmp_path / "global.npmrc").write_text("registry=https://global.example/\n//main.example/:_auth=abcd\n")
    program(
        tmp_path,
        "npm",
        f'{{"userconfig": "{tmp_path}/user.npmrc", "globalconfig": "{tmp_path}/global.npmrc", "cafile": "{ca}", '
        '"strict-ssl": false, "fetch-timeout": 300000, "proxy": null, "https-proxy": "http://proxy.example:1"}',
    )
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TOKEN": "npm_xyz"}
    client = npm_client(npm_settings(environ), Chosen(), environ)
    assert client.index == "https://user:file-pw@main.example/"
    assert client.scopes == {"@ours": "https://u:scope-pw@ours.example/npm/"}
    assert client.auth == {"//ours.example/npm/:_authToken": "npm_xyz", "//main.example/:_auth": "abcd"}
    assert (client.ca, client.strict_ssl, client.timeout) == (PEM, False, 180)
    assert client.proxies == {"https_proxy": "http://proxy.example:1"}
    files = client.files("/fetch")
    assert files["npmrc"].decode().splitlines() == [
        'registry="https://user:file-pw@main.example/"',
        '@ours:registry="https://u:scope-pw@ours.example/npm/"',
        '//main.example/:_auth="abcd"',
        '//ours.example/npm/:_authToken="npm_xyz"',
        'cafile="/fetch/ca.pem"',
        'strict-ssl="false"',
        'fetch-timeout="180000"',
    ]
    assert b"NPM_CONFIG_USERCONFIG=/fetch/npmrc\0" in files["environment"]
    told = npm_settings(environ | {"npm_config_registry": "https://env.example/"})
    assert npm_client(told, Chosen(), environ).index == "https://env.example/"


def test_a_host_without_clients_leaves_the_containers_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_clients, "_pip_commands", lambda: iter(((str(tmp_path / "no-pip"),),)))
    environ = {"PATH": str(tmp_path), "PIP_INDEX_URL": "https://env.example/simple"}
    clients = HostClients(Chosen(), environ)
    assert (clients.npm().addresses(), clients.npm().hosts) == ((), ())
    assert clients.pip().addresses() == ("https://env.example/simple",)
    assert clients.pip() is clients.pip()
    program(tmp_path, "npm", "this is no JSON")
    assert npm_settings({"PATH": f"{tmp_path}:/usr/bin:/bin"}) == {}


def test_pip_itself_is_asked_and_not_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    named = {"PIP_INDEX_URL": "https://env.example/simple", "HOME": str(tmp_path)}
    settings = pip_settings({"PATH": "/usr/bin:/bin", **named})
    assert settings["index-url"] == "https://env.example/simple"


def test_odd_lines_of_an_npmrc_are_no_settings() -> None:
    odd = "//x/:_authToken=a\x07b\nregistry\n=x\n//x/:certfile=/etc/passwd\n[section]\n"
    text = f"{odd}registry = 'https://q.example/' \n"
    assert read_npmrc(text, {}) == {"registry": "https://q.example/", "//x/:certfile": "/etc/passwd"}
    assert npm_client({"registry": "https://x/", "//x/:certfile": "/k"}, Chosen(), {}).auth == {}


def test_addresses_that_are_none_have_no_host() -> None:
    assert host_of("http://[oops/") == ""
    assert host_of("https://u:p@x.example:8443/a") == "x.example:8443"
    assert usable(["https://x.example/ y", "https://ä.example/", "http://"], "k")[0] == ()
