"""What is particular to ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oauthgrants import HttpRequest
from oauthgrants.adapters.asgi import AsgiApplication
from oauthgrants.testing.contract_servers import (
    BODY_LIMIT,
    HostFault,
    make_async_server,
    read_echo,
)
from oauthgrants.testing.sending import body_messages, call_asgi, make_scope, read_response

ECHO = ("X-Contract", "echo")
# Raises if it reaches the server
FAULT = ("X-Contract", "fault")


def echo(scope: dict[str, Any], *, trusted_proxies: tuple[str, ...] = ()) -> HttpRequest:
    application = AsgiApplication(make_async_server(), trusted_proxies=trusted_proxies)
    return read_echo(read_response(call_asgi(application, scope, body_messages(b""))))


def test_the_lifespan_of_a_bare_application_is_complete() -> None:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    sent = call_asgi(AsgiApplication(make_async_server()), {"type": "lifespan"}, messages)

    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_a_websocket_is_turned_away() -> None:
    scope = {**make_scope("GET", "/token", []), "type": "websocket"}
    messages = iter([{"type": "websocket.connect"}])

    sent = call_asgi(AsgiApplication(make_async_server()), scope, messages)

    assert sent == [{"type": "websocket.close"}]


def test_an_unknown_kind_of_connection_is_left_to_the_web_server() -> None:
    with pytest.raises(ValueError, match="'webtransport' is none for OAuth"):
        call_asgi(AsgiApplication(make_async_server()), {"type": "webtransport"}, iter(()))


def test_a_client_that_goes_away_does_not_reach_the_server() -> None:
    scope = make_scope("POST", "/token", [FAULT])
    half = {"type": "http.request", "body": b"grant_type=", "more_body": True}

    sent = call_asgi(
        AsgiApplication(make_async_server()), scope, iter([half, {"type": "http.disconnect"}])
    )

    assert sent == []


def test_a_client_that_stays_does_reach_it() -> None:
    with pytest.raises(HostFault):
        call_asgi(
            AsgiApplication(make_async_server()),
            make_scope("POST", "/token", [FAULT]),
            body_messages(b""),
        )


def test_no_more_is_received_than_the_limit_needs() -> None:
    received: list[int] = []

    def many() -> Iterator[dict[str, Any]]:
        for _ in range(100):
            received.append(1000)
            yield {"type": "http.request", "body": b"a" * 1000, "more_body": True}

    scope = make_scope("POST", "/token", [ECHO])
    sent = call_asgi(AsgiApplication(make_async_server()), scope, many())

    assert len(read_echo(read_response(sent)).body) == BODY_LIMIT + 1
    assert sum(received) == 5000


def test_headers_are_latin_1_and_repeat() -> None:
    scope = make_scope("POST", "/token", [ECHO, ("X-Note", "caf\xe9"), ("X-Note", "b")])

    assert echo(scope).headers == (
        ("x-contract", "echo"),
        ("x-note", "caf\xe9"),
        ("x-note", "b"),
    )


@pytest.mark.parametrize(
    ("root_path", "path", "raw_path", "seen"),
    [
        pytest.param("", "/token", b"/token", "/token", id="plain"),
        pytest.param("", "", None, "/", id="empty"),
        pytest.param("", "/a/b", b"/a%2Fb", "/a%2Fb", id="as-on-the-wire"),
        pytest.param("", "/a#b", b"/a#b", "/a%23b", id="no-fragment"),
        pytest.param("", "/\ufffd", b"/%FF", "/%FF", id="not-utf-8"),
        pytest.param("", "/\ufffd", None, "/%EF%BF%BD", id="not-utf-8-lost"),
        pytest.param("", "/\udcff", None, "/%3F", id="surrogate"),
        pytest.param("", "/a b%", None, "/a%20b%25", id="quoted-again"),
        pytest.param("", "http://h/token", b"http://h/token", "/http://h/token", id="absolute"),
        pytest.param("/oauth", "/oauth/token", b"/oauth/token", "/oauth/token", id="included"),
        pytest.param("/oauth", "/token", b"/oauth/token", "/oauth/token", id="taken-off-path"),
        pytest.param("/oauth", "/token", b"/token", "/oauth/token", id="taken-off-both"),
        pytest.param("/oauth", "/oauthx", None, "/oauth/oauthx", id="only-alike"),
        pytest.param("/oauth", "/oauth", None, "/oauth", id="prefix-alone"),
        pytest.param("/oauth/", "/token", None, "/oauth/token", id="final-slash"),
        pytest.param("", "/new", b"/old", "/new", id="rewritten-by-middleware"),
        pytest.param("/\xe9", "/token", None, "/%C3%A9/token", id="prefix-quoted"),
    ],
)
def test_the_path_is_the_client_s(
    root_path: str, path: str, raw_path: bytes | None, seen: str
) -> None:
    scope = make_scope("POST", "/", [ECHO]) | {
        "root_path": root_path,
        "path": path,
        "raw_path": raw_path,
    }

    assert echo(scope).url == f"http://backend:8000{seen}"


def test_what_may_be_missing_from_the_scope_may_be_missing() -> None:
    scope = make_scope("POST", "/token", [ECHO])
    for key in ("scheme", "query_string", "root_path", "raw_path", "client", "server"):
        del scope[key]

    seen = echo(scope)

    assert (seen.url, seen.source) == ("http://localhost/token", None)


def test_a_server_on_a_unix_socket_is_the_local_host() -> None:
    scope = make_scope("POST", "/token", [ECHO]) | {"server": ["/run/oauth.sock", None]}

    assert echo(scope).url == "http://localhost/token"


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_a_proxy_on_a_unix_socket_can_be_trusted(client: tuple[str, int] | None) -> None:
    scope = make_scope("POST", "/token", [ECHO, ("X-Forwarded-For", "198.51.100.7")])
    scope["client"] = client

    assert echo(scope, trusted_proxies=("unix",)).source == "198.51.100.7"
    assert echo(scope, trusted_proxies=("127.0.0.1",)).source is None
