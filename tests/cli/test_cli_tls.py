"""``oauthgrants serve`` with TLS of its own, and clients that show certificates (RFC 8705)."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest
from cli_support import Process, read_all, running, started
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from certificate_makers import Identity, authority, make, soon
from oauthgrants.certificates import thumbprint, to_jwk
from oauthgrants.cli.config import read_configuration
from oauthgrants.cli.errors import ConfigError
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.cli.tls import Tls

CC = "grant_type=client_credentials"
SECRET = "a-secret-of-the-plain-client"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@attrs.frozen
class Folder:
    """Where the files of a server and of its clients are."""

    path: Path
    identities: dict[str, Identity]

    def write(self, name: str, identity: Identity) -> None:
        (self.path / f"{name}.pem").write_text(identity.pem)
        (self.path / f"{name}.key").write_text(identity.key_pem)
        self.identities[name] = identity

    def configuration(self, tls: str = "", clients: str = "", issuer: str = "https") -> str:
        return f"""
            issuer = "{issuer}://127.0.0.1:8443"
            [tls]
            certificate = "server.pem"
            key = "server.key"
            {tls}
            [grants]
            client_credentials = true
            [[clients]]
            client_id = "plain"
            client_secret = "{SECRET}"
            client_secret_machine_made = true
            grant_types = ["client_credentials"]
            introspects = ["https://api.example.com"]
            [tokens]
            audience = "https://api.example.com"
            {clients}
        """


def self_signed(client_id: str, identity: Identity) -> str:
    return f"""
        [[clients]]
        client_id = "{client_id}"
        token_endpoint_auth_method = "self_signed_tls_client_auth"
        tls_client_certificate_bound_access_tokens = true
        grant_types = ["client_credentials"]
        jwks = '{json.dumps({"keys": [to_jwk(identity.der)]})}'
    """


BOTH = 'client_ca = "ca.pem"\nself_signed_clients = true'
REPORTS = """
    [[clients]]
    client_id = "reports"
    token_endpoint_auth_method = "tls_client_auth"
    tls_client_auth_subject_dn = "CN=reports"
    grant_types = ["client_credentials"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("tls"), {})
    localhost = x509.IPAddress(ip_address("127.0.0.1"))
    folder.write("server", make("localhost", localhost, issuer=authority()))
    (folder.path / "ca.pem").write_text(authority().pem)
    folder.write("reports", make("reports", issuer=authority()))
    folder.write("other", make("other", issuer=authority()))
    # As `openssl req -x509` makes them, which says that they may sign others.
    folder.write("robot", make("robot", is_authority=True))
    folder.write("liar", make("reports", is_authority=True))
    folder.write("forged", make("reports", issuer=folder.identities["robot"]))
    folder.write("stranger", make("stranger"))
    return folder


@pytest.fixture(scope="module")
def served(folder: Folder) -> Iterator[Process]:
    """``oauthgrants serve`` as a process, with clients of both methods."""
    clients = "".join(
        [
            REPORTS,
            self_signed("robot", folder.identities["robot"]),
            self_signed("liar", folder.identities["liar"]),
        ]
    )
    path = folder.path / "oauth.toml"
    path.write_text(folder.configuration(BOTH, clients))
    with started(str(path), "--port", "0") as process:
        yield process


@attrs.frozen
class Curl:
    """Sends forms by curl, with certificates."""

    folder: Folder
    port: int

    def run(self, form: str, name: str | None = None, *options: str, path: str = "/token") -> Any:
        files = self.folder.path
        shown = (
            []
            if name is None
            else ["--cert", str(files / f"{name}.pem"), "--key", str(files / f"{name}.key")]
        )
        return subprocess.run(
            [
                *("curl", "--silent", "--show-error", "--max-time", "30"),
                *("--cacert", str(files / "ca.pem"), *shown, "--data", form, *options),
                f"https://127.0.0.1:{self.port}{path}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    def post(self, form: str, name: str | None = None, *options: str, path: str = "/token") -> Any:
        done = self.run(form, name, *options, path=path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def curl(folder: Folder, served: Process) -> Curl:
    return Curl(folder, served.port)


def test_it_says_where_it_listens(served: Process) -> None:
    assert served.line.startswith("listening on https://127.0.0.1:")


@needs_curl
@pytest.mark.req("R8705-2-a", "R8705-2.1-a")
def test_curl_authenticates_by_a_certificate_of_the_authority(curl: Curl) -> None:
    assert "access_token" in curl.post(f"{CC}&client_id=reports", "reports")
    assert curl.post(f"{CC}&client_id=reports", "other")["error"] == "invalid_client"
    assert curl.post(f"{CC}&client_id=reports")["error"] == "invalid_client"


@needs_curl
@pytest.mark.req("R8705-2-a", "R8705-2.2-a", "R8705-3.2-a")
def test_curl_authenticates_by_a_self_signed_certificate(curl: Curl) -> None:
    answered = curl.post(f"{CC}&client_id=robot", "robot")
    form = f"token={answered['access_token']}"
    seen = curl.post(form, None, "--user", f"plain:{SECRET}", path="/introspect")

    robot = curl.folder.identities["robot"]
    assert seen["cnf"] == {"x5t#S256": thumbprint(robot.der)}
    assert curl.post(f"{CC}&client_id=robot", "reports")["error"] == "invalid_client"


@needs_curl
@pytest.mark.req("R8705-2.1-a")
@pytest.mark.parametrize("name", ["liar", "forged"])
def test_who_signs_certificates_itself_speaks_for_nobody_else(curl: Curl, name: str) -> None:
    """Either says that it is ``reports``, and its root is one that the handshake trusts."""
    assert curl.post(f"{CC}&client_id=reports", name)["error"] == "invalid_client"


@needs_curl
def test_other_clients_need_no_certificate(curl: Curl) -> None:
    assert "access_token" in curl.post(CC, None, "--user", f"plain:{SECRET}")
    assert "access_token" in curl.post(CC, "reports", "--user", f"plain:{SECRET}")


@needs_curl
def test_a_certificate_that_nobody_knows_ends_the_handshake(curl: Curl) -> None:
    done = curl.run(f"{CC}&client_id=robot", "stranger")

    assert done.returncode != 0
    assert done.stdout == ""
    # The server goes on.
    assert "access_token" in curl.post(f"{CC}&client_id=robot", "robot")


@needs_curl
@pytest.mark.req("R9700-4.13-a")
def test_a_header_with_a_certificate_is_not_believed(curl: Curl) -> None:
    octets = b64encode(curl.folder.identities["reports"].der).decode()
    done = curl.post(f"{CC}&client_id=reports", None, "--header", f"Client-Cert: :{octets}:")

    assert done["error"] == "invalid_client"


# In the same process


def tls_of(folder: Folder, tls: str = BOTH) -> Tls:
    read = read_configuration(folder.configuration(tls), folder.path).tls
    assert read is not None
    return read


@contextmanager
def running_with_tls(folder: Folder, patience: float = 30) -> Generator[int]:
    from cli_support import ISSUER, say_hello

    with (
        listen("127.0.0.1", 0) as listener,
        HttpServer(
            listener,
            say_hello,
            issuer=ISSUER,
            patience=patience,
            grace=0.5,
            secure=tls_of(folder).secure,
        ) as http,
    ):
        thread = Thread(target=http.run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            http.stop()
            thread.join(10)


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def ask(port: int, folder: Folder, octets: bytes = REQUEST) -> bytes:
    context = ssl.create_default_context(cafile=folder.path / "ca.pem")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        # An end without goodbye would be an error.
        context.wrap_socket(
            plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
        ) as client,
    ):
        client.sendall(octets)
        return read_all(client)


def test_a_connection_ends_with_a_goodbye(folder: Folder) -> None:
    """Else nobody could tell the end from one that somebody else has made."""
    closing = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    with running_with_tls(folder) as port:
        assert b'{"came":true}' in ask(port, folder, closing)
        assert b'{"came":true}' in ask(port, folder, closing)


def test_what_is_no_handshake_disturbs_nobody(folder: Folder) -> None:
    closing = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    with (
        running_with_tls(folder) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as silent,
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        socket.create_connection(("127.0.0.1", port), timeout=10) as gone,
    ):
        gone.close()
        plain.sendall(REQUEST)
        # One that says nothing holds nobody up either.
        assert b'{"came":true}' in ask(port, folder, closing)
        assert b"HTTP" not in read_until_closed(plain)
        silent.close()


def test_a_handshake_has_to_end(folder: Folder) -> None:
    with (
        running_with_tls(folder, patience=0.2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as silent,
    ):
        assert read_until_closed(silent) == b""


def read_until_closed(client: socket.socket) -> bytes:
    try:
        return read_all(client)
    except ConnectionResetError:
        return b""


def test_plain_http_stays_what_it_is() -> None:
    with running() as http:
        assert http.say(REQUEST.replace(b"1.1", b"1.0")).startswith(b"HTTP/1.1 200")


def test_without_certificates_of_clients_nobody_is_asked_for_one(folder: Folder) -> None:
    assert tls_of(folder, "").context.verify_mode == ssl.CERT_NONE
    assert tls_of(folder, "self_signed_clients = false").context.verify_mode == ssl.CERT_NONE
    only_ours = tls_of(folder, "self_signed_clients = true")
    assert only_ours.context.verify_mode == ssl.CERT_OPTIONAL


@pytest.fixture(scope="module")
def faulty(folder: Folder) -> Folder:
    (folder.path / "empty.pem").write_text("")
    (folder.path / "odd.pem").write_text("\u00e9")
    key = make().key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (folder.path / "locked.key").write_bytes(key)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://", "http://", "issuer: has to be an https URL, as there is [tls]"),
        ('"server.pem"', '"nowhere.pem"', "tls.certificate: or tls.key cannot be used: No such"),
        ('"server.key"', '"nowhere.key"', "tls.certificate: or tls.key cannot be used: No such"),
        ('"server.key"', '"reports.key"', "tls.certificate: or tls.key cannot be used: "),
        ('"server.key"', '"locked.key"', "tls.certificate: or tls.key cannot be used: "),
        ('"ca.pem"', '"nowhere.pem"', "tls.client_ca: cannot be read: No such"),
        ('"ca.pem"', '"empty.pem"', "tls.client_ca: has to be of certificates in PEM: "),
        ('"ca.pem"', '"odd.pem"', "tls.client_ca: has to be of certificates in PEM: "),
        ("key = ", "kee = ", "tls.kee: unknown key; is it key?"),
        ('key = "server.key"', "", "tls.key: is missing"),
        ("client_ca", "#", "clients[1].token_endpoint_auth_method: tls_client_auth takes [tls]"),
        ("self_signed_clients = true", "", "clients[2].token_endpoint_auth_method: self_signed_"),
        ("[tls]", "[metadata]", "clients[1].token_endpoint_auth_method: tls_client_auth takes"),
        ("jwks = ", 'jwks_uri = "https://a.example/"#', "clients[2].jwks_uri: does not go with"),
        ("tls_client_auth_subject_dn", "tls_client_auth_san_ip", "clients[1]: "),
    ],
)
def test_what_does_not_fit_is_refused_with_its_key(
    faulty: Folder, old: str, new: str, message: str
) -> None:
    clients = REPORTS + self_signed("robot", faulty.identities["robot"])
    text = faulty.configuration(BOTH, clients)
    assert old in text
    read_configuration(text, faulty.path)

    with pytest.raises(ConfigError) as refusal:
        read_configuration(text.replace(old, new, 1), faulty.path)
    assert str(refusal.value).startswith(message), refusal.value


@contextmanager
def connecting(folder: Folder, name: str | None) -> Generator[socket.socket]:
    """Return the end of a connection at whose other end a client begins a handshake."""
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context(cafile=folder.path / "ca.pem")
    context.check_hostname = False
    if name is not None:
        context.load_cert_chain(folder.path / f"{name}.pem", folder.path / f"{name}.key")

    def connect() -> None:
        with suppress(OSError), context.wrap_socket(theirs) as client:
            client.recv(1)

    thread = Thread(target=connect)
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join(10)
        theirs.close()


@pytest.mark.req("R8705-2.1-a")
@pytest.mark.parametrize(
    ("name", "verified"),
    [("reports", True), ("robot", False), ("forged", False), (None, False)],
)
def test_what_an_authority_has_issued_is_verified(
    folder: Folder, name: str | None, verified: bool
) -> None:
    """Not what is trusted for itself, and not what that has issued."""
    text = folder.configuration(BOTH, self_signed("robot", folder.identities["robot"]))
    tls = read_configuration(text, folder.path).tls
    assert tls is not None

    with connecting(folder, name) as connection:
        secured, shown = tls.secure(connection, 10)
        secured.close()

    assert shown.octets == (None if name is None else folder.identities[name].der)
    assert shown.verified == verified


def test_an_authority_whose_key_cannot_be_read_verifies_nothing(folder: Folder) -> None:
    # The object identifier of its curve, changed to one that nobody has assigned
    curve = bytes.fromhex("06082a8648ce3d0301")
    odd = authority().der.replace(curve + b"\x07", curve + b"\x7f")
    tls = read_configuration(folder.configuration(BOTH), folder.path).tls
    assert tls is not None

    for authorities, verified in [((odd,), False), ((odd, *tls.authorities), True)]:
        with connecting(folder, "reports") as connection:
            secured, shown = attrs.evolve(tls, authorities=authorities).secure(connection, 10)
            secured.close()
        assert shown.verified is verified


def test_a_registered_certificate_that_has_expired_ends_the_handshake(folder: Folder) -> None:
    """As it would at the endpoint."""
    expired = make("late", since=soon(days=-2), until=soon(days=-1))
    folder.write("late", expired)
    text = folder.configuration("self_signed_clients = true", self_signed("late", expired))
    tls = read_configuration(text, folder.path).tls
    assert tls is not None

    with connecting(folder, "late") as connection, pytest.raises(ssl.SSLError):
        tls.secure(connection, 10)


def test_the_configuration_on_the_page_makes_a_server(folder: Folder) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mutual-tls.md").read_text("utf-8")
    [toml] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (folder.path / "clients.pem").write_text(authority().pem)

    server = read_configuration(toml, folder.path).server

    told = server.metadata()
    assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]
