"""Where the certificate of a client comes from: the TLS layer, or the header of a proxy."""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPSConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from werkzeug.serving import WSGIRequestHandler, make_server

from certificate_makers import authority, make
from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.adapters.aiohttp import AiohttpOAuth
from oauthgrants.adapters.asgi import AsgiRequests
from oauthgrants.adapters.certificates import CertificateHeader
from oauthgrants.adapters.proxies import Proxies, TrustedProxies
from oauthgrants.adapters.wsgi import WsgiApplication, WsgiRequests
from oauthgrants.testing.contract_servers import make_async_server, read_echo
from oauthgrants.testing.contract_servers import make_server as make_contract_server

PROXY = "10.0.0.7"
SHOWN = make("reports", issuer=authority())
OTHER = make("other", issuer=authority())
ESCAPED = quote(SHOWN.pem, safe="")
BINARY = f":{b64encode(SHOWN.der).decode()}:"
OF_NO_VERSION = SHOWN.der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020105"))

Header = tuple[str, str]


def behind(
    header: CertificateHeader, *headers: Header, source: str = PROXY
) -> tuple[bytes | None, bool]:
    """Return the certificate of a request that comes from a proxy, and whether it is verified."""
    proxies = TrustedProxies.parse("10.0.0.0/8", certificates=header)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/token",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": (source, 40000),
    }
    return certificate_of(AsgiRequests(proxies).see(scope))


def certificate_of(request: HttpRequest) -> tuple[bytes | None, bool]:
    return request.client_certificate, request.client_certificate_verified


NONE = (None, False)
NGINX = CertificateHeader.nginx()
ENVOY = CertificateHeader.envoy(verified=True)
RFC9440 = CertificateHeader.client_cert(verified=True)


@pytest.mark.req("R9700-4.13-a")
@pytest.mark.parametrize(
    ("header", "field"),
    [
        (NGINX, ("X-SSL-Client-Cert", ESCAPED)),
        (ENVOY, ("X-Forwarded-Client-Cert", f'Cert="{ESCAPED}"')),
        (RFC9440, ("Client-Cert", BINARY)),
    ],
    ids=["nginx", "envoy", "rfc9440"],
)
def test_a_header_of_anybody_is_ignored(header: CertificateHeader, field: Header) -> None:
    others = [each for each in (NGINX, ENVOY, RFC9440) if each is not header]
    verdict = ("X-SSL-Client-Verify", "SUCCESS")

    assert behind(header, field, verdict) == (SHOWN.der, True)
    assert behind(header, field, verdict, source="192.0.2.1") == NONE
    # The proxy sets the one that is named, and lets the others pass.
    assert [behind(each, field, verdict) for each in others] == [NONE, NONE]


@pytest.mark.parametrize(
    ("verdicts", "verified"),
    [
        (["SUCCESS"], True),
        ([], False),
        (["NONE"], False),
        (["FAILED:self signed certificate"], False),
        (["success"], False),
        (["SUCCESS,SUCCESS"], False),
        (["SUCCESS", "SUCCESS"], False),
    ],
)
def test_nginx_says_whether_it_has_verified(verdicts: list[str], verified: bool) -> None:
    fields = [("X-SSL-Client-Verify", verdict) for verdict in verdicts]

    assert behind(NGINX, ("X-SSL-Client-Cert", ESCAPED), *fields) == (SHOWN.der, verified)


def test_a_proxy_that_says_nothing_is_believed_as_the_host_says() -> None:
    ingress = CertificateHeader.nginx("ssl-client-cert", verdict="ssl-client-verify")
    amazon = CertificateHeader.nginx("X-Amzn-Mtls-Clientcert-Leaf", verdict=None, verified=True)
    field = ("X-Amzn-Mtls-Clientcert-Leaf", quote(SHOWN.pem, safe="+=/"))

    assert behind(ingress, ("ssl-client-cert", ESCAPED), ("ssl-client-verify", "SUCCESS"))[1]
    assert behind(amazon, field) == (SHOWN.der, True)
    assert behind(CertificateHeader.client_cert(), ("Client-Cert", BINARY)) == (SHOWN.der, False)
    envoy = ("X-Forwarded-Client-Cert", f"Cert={ESCAPED}")
    assert behind(CertificateHeader.envoy(), envoy) == (SHOWN.der, False)


OTHER_ESCAPED = quote(OTHER.pem, safe="")


HASH, OTHER_HASH = (f"Hash={sha256(each.der).hexdigest()}" for each in (SHOWN, OTHER))


@pytest.mark.parametrize(
    "value",
    [
        f'By=a:/b;By=c;{HASH};Cert="{ESCAPED}";Subject="CN=a,O=\\"b\\", c";URI=x;DNS=a;DNS=b',
        f"{HASH.upper()}; cert={ESCAPED}",
        f'By=a ; Chain="{ESCAPED}{OTHER_ESCAPED}"',
        f'{HASH};Cert="{ESCAPED}";Chain="{ESCAPED}{OTHER_ESCAPED}"',
    ],
    ids=["all-members", "spellings", "chain", "both"],
)
def test_envoy_has_one_element(value: str) -> None:
    assert behind(ENVOY, ("X-Forwarded-Client-Cert", value)) == (SHOWN.der, True)


@pytest.mark.req("R8705-2-a", "R9700-4.13-a")
@pytest.mark.parametrize(
    "name",
    [f",{HASH};Cert=", ",Cert=", f";{HASH};Cert=", ";Cert=", ";Chain="],
    ids=["element", "element-without-hash", "members", "cert", "chain"],
)
@pytest.mark.parametrize("member", ["Cert", "Chain"])
def test_the_names_in_a_certificate_bring_no_other_one(name: str, member: str) -> None:
    """Envoy escapes nothing of them, and who makes a certificate himself may write anything."""
    value = f'By=a;{OTHER_HASH};{member}="{OTHER_ESCAPED}";URI=;DNS=x{name}"{ESCAPED}"'
    shown = behind(ENVOY, ("X-Forwarded-Client-Cert", value))

    assert shown in {NONE, (OTHER.der, True)}


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (NGINX, ["x"]),
        (NGINX, [ESCAPED, ESCAPED]),
        (NGINX, [f"{OTHER_ESCAPED},{ESCAPED}"]),
        (NGINX, ["-----BEGIN%20CERTIFICATE-----AAAA-----END%20CERTIFICATE-----"]),
        (NGINX, ["-----BEGIN%20CERTIFICATE-----AA=A-----END%20CERTIFICATE-----"]),
        (NGINX, ["a" * 40_000]),
        (RFC9440, [BINARY, BINARY]),
        (RFC9440, [f"{BINARY}, {BINARY}"]),
        (RFC9440, [f"{BINARY};a=1, {BINARY}"]),
        (RFC9440, [BINARY.strip(":")]),
        (RFC9440, [f":{b64encode(OF_NO_VERSION).decode()}:"]),
        (RFC9440, [ESCAPED]),
        (ENVOY, [f'Cert="{ESCAPED}",Hash=00']),
        (ENVOY, [f'Cert="{ESCAPED}",']),
        (ENVOY, [f'Cert="{ESCAPED}']),
        (ENVOY, [f'Cert="{ESCAPED}";Cert="{ESCAPED}"']),
        (ENVOY, [f'Cert="{ESCAPED}";Chain="{OTHER_ESCAPED}"']),
        (ENVOY, [f'{OTHER_HASH};Cert="{ESCAPED}"']),
        (ENVOY, [f'{HASH};{HASH};Cert="{ESCAPED}"']),
        (ENVOY, [f'Cert="{OTHER_ESCAPED}",Cert="{ESCAPED}"']),
        (ENVOY, [f"Cert={OTHER_ESCAPED}", f"Cert={ESCAPED}"]),
        (ENVOY, [HASH]),
        (ENVOY, ["Cert="]),
        (ENVOY, [BINARY]),
    ],
)
def test_what_cannot_be_read_is_no_certificate_and_is_logged(
    header: CertificateHeader, values: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    fields = [(header.name, value) for value in values]

    with caplog.at_level(logging.WARNING, "oauthgrants"):
        assert behind(header, *fields, ("X-SSL-Client-Verify", "SUCCESS")) == NONE
    [record] = caplog.records
    assert f"no certificate in the header {header.name} of a proxy" in record.getMessage()
    assert not any(value in record.getMessage() for value in values if len(value) > 10)


def test_parameters_of_the_field_are_for_somebody_else() -> None:
    assert behind(RFC9440, ("Client-Cert", f"{BINARY};a=1")) == (SHOWN.der, True)
    assert behind(RFC9440, ("Client-Cert", "")) == NONE


# The TLS layer


def in_asgi(tls: Any, proxies: Proxies = (), *headers: tuple[bytes, bytes]) -> tuple[Any, bool]:
    scope: dict[str, Any] = {
        "type": "http",
        "path": "/token",
        "headers": headers,
        "client": (PROXY, 40000),
        "extensions": {"tls": tls},
    }
    return certificate_of(AsgiRequests(proxies).see(scope))


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (None, NONE),
        ({}, NONE),
        ({"client_cert_chain": None}, NONE),
        ({"client_cert_chain": [], "client_cert_error": None}, NONE),
        ({"client_cert_chain": ["x"], "client_cert_error": None}, NONE),
        ({"client_cert_chain": [SHOWN.pem, authority().pem]}, (SHOWN.der, False)),
        ({"client_cert_chain": (SHOWN.pem,), "client_cert_error": None}, (SHOWN.der, True)),
        ({"client_cert_chain": [SHOWN.pem], "client_cert_error": "expired"}, (SHOWN.der, False)),
    ],
)
def test_asgi_servers_have_an_extension_for_it(tls: Any, expected: tuple[Any, bool]) -> None:
    assert in_asgi(tls) == expected


@pytest.mark.req("R9700-4.13-a")
def test_the_certificate_of_a_proxy_is_not_its_clients() -> None:
    """It authenticates the proxy, on a connection that many clients share."""
    tls = {"client_cert_chain": [OTHER.pem], "client_cert_error": None}
    trusted = TrustedProxies.parse(PROXY, certificates=RFC9440)

    assert in_asgi(tls, trusted) == NONE
    assert in_asgi(tls, PROXY) == NONE
    assert in_asgi(tls, trusted, (b"client-cert", BINARY.encode())) == (SHOWN.der, True)
    elsewhere = TrustedProxies.parse("192.0.2.1", certificates=RFC9440)
    assert in_asgi(tls, elsewhere, (b"client-cert", BINARY.encode())) == (OTHER.der, True)


def in_wsgi(**environ: Any) -> tuple[bytes | None, bool]:
    usual = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/token",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "wsgi.url_scheme": "https",
    }
    return certificate_of(WsgiRequests().see(usual | environ))


class Gone:
    """A connection that has ended."""

    def getpeercert(self, binary_form: bool) -> bytes:
        raise OSError(str(binary_form))


def test_apache_and_its_like_say_it_in_environ() -> None:
    assert in_wsgi() == NONE
    assert in_wsgi(SSL_CLIENT_CERT=SHOWN.pem, SSL_CLIENT_VERIFY="SUCCESS") == (SHOWN.der, True)
    assert in_wsgi(SSL_CLIENT_CERT=SHOWN.pem, SSL_CLIENT_VERIFY="GENEROUS") == (SHOWN.der, False)
    assert in_wsgi(SSL_CLIENT_CERT=SHOWN.pem) == (SHOWN.der, False)
    assert in_wsgi(SSL_CLIENT_CERT="x", SSL_CLIENT_VERIFY="SUCCESS") == NONE
    assert in_wsgi(HTTP_SSL_CLIENT_CERT=SHOWN.pem, HTTP_SSL_CLIENT_VERIFY="SUCCESS") == NONE
    assert in_wsgi(**{"gunicorn.socket": Gone()}) == NONE
    assert in_wsgi(**{"gunicorn.socket": object()}) == NONE


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates of a server, of a client and of their authority are."""
    import ipaddress

    from cryptography import x509

    directory = tmp_path_factory.mktemp("tls")
    localhost = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    server = make("localhost", localhost, issuer=authority())
    (directory / "ca.pem").write_text(authority().pem)
    for name, identity in {"server": server, "client": SHOWN}.items():
        (directory / f"{name}.pem").write_text(identity.pem)
        (directory / f"{name}.key").write_text(identity.key_pem)
    return directory


def server_context(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "server.pem", files / "server.key")
    context.load_verify_locations(files / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def ask(port: int, files: Path, *, with_certificate: bool) -> HttpRequest:
    """Return what the server at *port* has seen of a request."""
    context = ssl.create_default_context(cafile=files / "ca.pem")
    if with_certificate:
        context.load_cert_chain(files / "client.pem", files / "client.key")
    connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    try:
        connection.request("POST", "/token", b"", {"X-Contract": "echo"})
        response = connection.getresponse()
        return read_echo(HttpResponse(status=response.status, body=response.read()))
    finally:
        connection.close()


class _QuietHandler(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        pass


@contextmanager
def serve_by_werkzeug(files: Path) -> Generator[int]:
    application = WsgiApplication(make_contract_server())
    server = make_server(
        "127.0.0.1",
        0,
        application,  # type: ignore[arg-type,unused-ignore]
        ssl_context=server_context(files),
        request_handler=_QuietHandler,
    )
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serve_by_gunicorn(files: Path) -> Generator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--log-level", "critical"),
                *("--bind", f"fd://{listening.fileno()}"),
                *("--pythonpath", str(Path(__file__).parent)),
                *("--certfile", str(files / "server.pem"), "--keyfile", str(files / "server.key")),
                *("--ca-certs", str(files / "ca.pem"), "--cert-reqs", "1"),
                "gunicorn_app:build('', [])",
            ],
            pass_fds=[listening.fileno()],
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def serve_by_aiohttp(files: Path) -> Generator[int]:
    import asyncio

    application = web.Application()
    AiohttpOAuth(make_async_server()).init_app(application)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(application)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(files))
    loop.run_until_complete(site.start())
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield runner.addresses[0][1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(runner.cleanup())
        loop.close()


SERVERS = [
    serve_by_werkzeug,
    serve_by_aiohttp,
    pytest.param(
        serve_by_gunicorn,
        marks=pytest.mark.skipif(sys.platform == "win32", reason="gunicorn runs on Unix only"),
    ),
]


@pytest.mark.parametrize("serve", SERVERS)
def test_the_certificate_comes_from_the_connection(serve: Any, files: Path) -> None:
    with serve(files) as port:
        seen = [ask(port, files, with_certificate=each) for each in (True, False)]

    assert [certificate_of(each) for each in seen] == [(SHOWN.der, True), NONE]
