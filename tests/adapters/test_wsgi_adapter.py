"""What is particular to WSGI."""

from __future__ import annotations

import io
from typing import Any

import pytest

from oauthgrants import HttpRequest
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.testing.contract_servers import BODY_LIMIT, make_server, read_echo
from oauthgrants.testing.sending import call_wsgi, make_environ

FORM = ("Content-Type", "application/x-www-form-urlencoded")
ECHO = ("X-Contract", "echo")
# Raises if it reaches the server
FAULT = ("X-Contract", "fault")


def echo(environ: dict[str, Any], *, trusted_proxies: tuple[str, ...] = ()) -> HttpRequest:
    application = WsgiApplication(make_server(), trusted_proxies=trusted_proxies)
    return read_echo(call_wsgi(application, environ))


@pytest.mark.parametrize(
    "length",
    [
        pytest.param("-1", id="negative"),
        pytest.param("+5", id="signed"),
        pytest.param("1_0", id="underscore"),
        pytest.param("five", id="word"),
        pytest.param("\u0663", id="foreign-digit"),
        pytest.param("9" * 5000, id="too-long-for-int"),
    ],
)
def test_a_length_that_is_none_is_refused(length: str) -> None:
    environ = make_environ("POST", "/token", [FORM, FAULT], b"12345")
    environ["CONTENT_LENGTH"] = length

    response = call_wsgi(WsgiApplication(make_server()), environ)

    assert response.status == 400
    assert response.json()["error"] == "invalid_request"
    assert ("Cache-Control", "no-store") in response.headers


def test_a_body_cut_short_does_not_reach_the_server() -> None:
    environ = make_environ("POST", "/token", [FORM, FAULT], b"grant_type=client_creden")
    environ["CONTENT_LENGTH"] = "29"

    assert call_wsgi(WsgiApplication(make_server()), environ).status == 400


@pytest.mark.parametrize("length", [None, ""])
def test_a_body_without_length_that_nobody_ends_is_not_waited_for(length: str | None) -> None:
    environ = make_environ("POST", "/token", [FORM, ECHO], b"12345")
    if length is None:
        del environ["CONTENT_LENGTH"]
    else:
        environ["CONTENT_LENGTH"] = length

    assert echo(environ).body == b""


def test_no_more_is_asked_for_than_the_limit_needs() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"a" * size

    stream = Endless()
    environ = make_environ("POST", "/token", [FORM, ECHO], b"")
    environ |= {"wsgi.input": stream, "CONTENT_LENGTH": "1000000000"}

    assert len(echo(environ).body) == BODY_LIMIT + 1
    assert stream.given == BODY_LIMIT + 1


def test_headers_are_latin_1_and_have_their_names() -> None:
    headers = [FORM, ECHO, ("X-Note", "caf\xe9")]

    seen = echo(make_environ("POST", "/token", headers, b"1"))

    assert {
        ("content-type", FORM[1]),
        ("content-length", "1"),
        ("x-contract", "echo"),
        ("x-note", "caf\xe9"),
    } == set(seen.headers)


@pytest.mark.parametrize(
    ("script_name", "path_info", "url"),
    [
        pytest.param("", "/token", "http://backend:8000/token", id="plain"),
        pytest.param("", "", "http://backend:8000/", id="empty"),
        pytest.param("", "token", "http://backend:8000/token", id="no-slash"),
        pytest.param("", "//evil/token", "http://backend:8000//evil/token", id="two-slashes"),
        pytest.param("/a", "", "http://backend:8000/a", id="prefix-alone"),
        pytest.param("/a", "/b", "http://backend:8000/a/b", id="prefix"),
        pytest.param("", "/caf\xc3\xa9", "http://backend:8000/caf%C3%A9", id="utf-8"),
        pytest.param("", "/\xff", "http://backend:8000/%FF", id="not-utf-8"),
        pytest.param("", "/a b%?#", "http://backend:8000/a%20b%25%3F%23", id="reserved"),
        pytest.param("", "/a:@!$&'()*+,;=~b", "http://backend:8000/a:@!$&'()*+,;=~b", id="pchar"),
    ],
)
def test_the_path_is_quoted_again(script_name: str, path_info: str, url: str) -> None:
    environ = make_environ("POST", "/", [ECHO], b"")
    environ |= {"SCRIPT_NAME": script_name, "PATH_INFO": path_info}

    assert echo(environ).url == url


@pytest.mark.parametrize(
    ("path_info", "raw", "path"),
    [
        ("/users/a@example.com", "/users/a%40example.com?page=1", "/users/a%40example.com"),
        ("/a/b", "/a%2fb", "/a%2fb"),
        # What PATH_INFO has not lost is quoted in one way, and routed by that.
        ("/caf\xc3\xa9/token", "/caf%c3%a9/tok%65n", "/caf%C3%A9/token"),
        # A proxy or middleware has changed the path, or the client has sent something else.
        ("/b@c", "/a/b%40c", "/b@c"),
        ("/b@c", "http://evil.example/b%40c", "/b@c"),
        ("/b@c", "/b%40c%\u20ac", "/b@c"),
    ],
)
@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
def test_what_was_escaped_stays_so_where_the_web_server_tells(
    name: str, path_info: str, raw: str, path: str
) -> None:
    environ = make_environ("POST", "/", [ECHO], b"")
    environ |= {"PATH_INFO": path_info, name: raw}

    assert echo(environ).url == f"http://backend:8000{path}"


@pytest.mark.parametrize(
    ("query", "quoted"),
    [
        pytest.param("a=%C3%A9&b=/?:@", "?a=%C3%A9&b=/?:@", id="as-it-is"),
        pytest.param("a#b", "?a%23b", id="no-fragment"),
        pytest.param("a=\xc3\xa9", "?a=%C3%A9", id="octets"),
        pytest.param("", "", id="none"),
    ],
)
def test_the_query_stays_a_query(query: str, quoted: str) -> None:
    environ = make_environ("POST", "/token", [ECHO], b"")
    environ["QUERY_STRING"] = query

    assert echo(environ).url == f"http://backend:8000/token{quoted}"


def test_what_may_be_missing_from_environ_may_be_missing() -> None:
    environ = make_environ("POST", "/token", [ECHO], b"")
    for key in ("SCRIPT_NAME", "QUERY_STRING", "REMOTE_ADDR"):
        del environ[key]

    seen = echo(environ)

    assert (seen.url, seen.source) == ("http://backend:8000/token", None)


def test_a_proxy_on_a_unix_socket_can_be_trusted() -> None:
    headers = [ECHO, ("X-Forwarded-For", "198.51.100.7")]
    environ = make_environ("POST", "/token", headers, b"")
    environ["REMOTE_ADDR"] = ""

    assert echo(environ, trusted_proxies=("unix",)).source == "198.51.100.7"
    assert echo(environ, trusted_proxies=("127.0.0.1",)).source is None
