"""Requests of our own, by httpx: bounded in size and time, and nowhere else."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from oauthgrants import AsyncResourceServer, HttpRequest, HttpResponse, OAuthError, ResourceServer
from oauthgrants.fetching import AsyncHttpxFetcher, HttpxFetcher, UnusableAnswer
from oauthgrants.token_checks.introspection import RemoteIntrospection
from resource_support import API, bearer
from support import Colour

Behave = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(behave: Behave) -> Generator[str]:
    """Answer requests on a port of this machine so, and say where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            behave(self)

        def do_POST(self) -> None:
            behave(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def respond(
    handler: BaseHTTPRequestHandler, body: bytes, *headers: tuple[str, str], status: int = 200
) -> None:
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def fetch(colour: Colour, request: HttpRequest, **settings: Any) -> HttpResponse:
    """Send *request* with a fetcher of each colour."""
    if colour == "sync":
        fetcher = HttpxFetcher(**settings)
        try:
            return fetcher.fetch(request)
        finally:
            fetcher.close()

    async def in_loop() -> HttpResponse:
        fetcher = AsyncHttpxFetcher(**settings)
        try:
            return await fetcher.fetch(request)
        finally:
            await fetcher.close()

    return asyncio.run(in_loop())


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers=[("Accept", "application/json")])


def test_a_request_goes_out_as_it_is(colour: Colour) -> None:
    seen: list[tuple[str, str, str | None, str | None, bytes]] = []

    def behave(handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        fields = [handler.headers.get(name) for name in ("X-Test", "Accept-Encoding")]
        seen.append((handler.command, handler.path, *fields, handler.rfile.read(length)))  # type: ignore[arg-type]
        respond(handler, b"{}", ("Cache-Control", "a"), ("Cache-Control", "b"), status=201)

    with serving(behave) as url:
        request = HttpRequest(
            method="POST", url=f"{url}/a?b=c", headers=[("X-Test", "1")], body=b"token=x"
        )
        response = fetch(colour, request)

    assert seen == [("POST", "/a?b=c", "1", "identity", b"token=x")]
    assert (response.status, response.body) == (201, b"{}")
    assert [value for name, value in response.headers if name == "cache-control"] == ["a", "b"]


def test_redirects_are_not_followed(colour: Colour) -> None:
    """Not even where the host's own client would."""
    paths: list[str] = []

    def behave(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        respond(handler, b"", ("Location", "/elsewhere"), status=302)

    with serving(behave) as url:
        given: Any = (
            {"client": httpx.Client(follow_redirects=True)}
            if colour == "sync"
            else {"make_client": lambda: httpx.AsyncClient(follow_redirects=True)}
        )
        assert fetch(colour, get(f"{url}/jwks"), **given).status == 302
    assert paths == ["/jwks"]


def test_a_long_answer_is_not_read_to_its_end(colour: Colour) -> None:
    with serving(lambda handler: respond(handler, b"a" * 100)) as url:
        assert fetch(colour, get(url), most=100).body == b"a" * 100
        with pytest.raises(UnusableAnswer, match="too long"):
            fetch(colour, get(url), most=99)


def test_nothing_is_unpacked(colour: Colour) -> None:
    """A small answer that unfolds to a large one stays small."""
    packed = gzip.compress(bytes(10_000_000))

    with serving(lambda handler: respond(handler, packed, ("Content-Encoding", "gzip"))) as url:
        assert fetch(colour, get(url)).body == packed


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answer, with a body of which a little comes all the time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    drip_octets(handler)


def drip_octets(handler: BaseHTTPRequestHandler) -> None:
    try:
        for _ in range(100):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def test_a_slow_answer_is_given_up(colour: Colour) -> None:
    """Also one of which a little comes all the time."""
    begin = time.monotonic()
    with serving(drip) as url, pytest.raises((UnusableAnswer, TimeoutError)):
        fetch(colour, get(url), timeout=timedelta(milliseconds=200))
    assert time.monotonic() - begin < 4


def test_a_slow_head_is_given_up(colour: Colour) -> None:
    """Each octet of it comes in time; the head as a whole does not."""

    def drip_head(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        drip_octets(handler)

    begin = time.monotonic()
    with serving(drip_head) as url, pytest.raises((UnusableAnswer, TimeoutError)):
        fetch(colour, get(url), timeout=timedelta(milliseconds=200))
    assert time.monotonic() - begin < 4


def test_a_slow_body_over_a_connection_that_was_kept_is_given_up() -> None:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/first":
            respond(handler, b"{}")
        else:
            drip(handler)

    fetcher = HttpxFetcher(timeout=timedelta(milliseconds=200))
    with serving(behave) as url, closing(fetcher):
        assert fetcher.fetch(get(f"{url}/first")).status == 200
        with pytest.raises(UnusableAnswer, match="too long"):
            fetcher.fetch(get(f"{url}/second"))


def test_no_answer_is_given_up(colour: Colour) -> None:
    with (
        serving(lambda _: time.sleep(1)) as url,
        pytest.raises((httpx.TimeoutException, TimeoutError, UnusableAnswer)),
    ):
        fetch(colour, get(url), timeout=timedelta(milliseconds=100))


def test_nobody_there(colour: Colour) -> None:
    with serving(lambda _: None) as url:
        pass
    with pytest.raises(httpx.ConnectError):
        fetch(colour, get(url))


def test_by_default_httpx_asks_and_keeps_its_connections(colour: Colour) -> None:
    connections: set[Any] = set()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        connections.add(handler.client_address)
        handler.rfile.read(int(handler.headers["Content-Length"]))
        respond(handler, b'{"active":true,"client_id":"app","aud":"https://api.example.com"}')

    request = HttpRequest(method="GET", url=API, headers=[bearer("abc")])
    with serving(behave) as url:
        settings: dict[str, Any] = {
            "resource": API,
            "tokens": RemoteIntrospection(endpoint=url, client_id="api", client_secret="s"),
            "allow_insecure_transport": True,
        }

        async def in_loop() -> None:
            server = AsyncResourceServer(**settings)
            for _ in range(3):
                assert (await server.require_token(request)).client_id == "app"
            await server.close()
            await server.close()

        if colour == "async":
            asyncio.run(in_loop())
        else:
            server = ResourceServer(**settings)
            for _ in range(3):
                assert server.require_token(request).client_id == "app"
            server.close()
            with pytest.raises(OAuthError):
                server.require_token(request)
    assert len(connections) == 1


def test_what_asks_nobody_has_nothing_to_close(colour: Colour) -> None:
    class Finder:
        def find_access_token(self, value: Any) -> None:
            return None

    if colour == "sync":
        ResourceServer(resource=API, tokens=Finder()).close()
    else:
        asyncio.run(AsyncResourceServer(resource=API, tokens=Finder()).close())


@pytest.mark.parametrize("kind", ["ResourceServer", "AsyncResourceServer"])
@pytest.mark.parametrize("way", ["JwtChecker", "RemoteIntrospection"])
def test_without_httpx_it_says_what_to_install(kind: str, way: str) -> None:
    """As soon as it is configured, not at the first token."""
    code = f"""
import sys
sys.modules["httpx"] = None
from oauthgrants import {kind}
from oauthgrants.token_checks.introspection import RemoteIntrospection
from oauthgrants.token_checks.jwt import JwtChecker
ways = {{
    "JwtChecker": JwtChecker(issuer="https://a.example"),
    "RemoteIntrospection": RemoteIntrospection(
        endpoint="https://a.example", client_id="c", client_secret="s"
    ),
}}
{kind}(resource="https://api.example", tokens=ways[{way!r}])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert b"pip install 'oauthgrants[resource]'" in answer.stderr
    assert b"ModuleNotFoundError" in answer.stderr


def test_fetchers_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)

    for kind in (HttpxFetcher, AsyncHttpxFetcher):
        with pytest.raises(ModuleNotFoundError, match=r"oauthgrants\[resource\]"):
            kind()


def test_what_needs_no_extra_loads_none() -> None:
    code = """
import sys
from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore, ResourceServer
server = AuthorizationServer(
    issuer="https://a.example", store=MemoryStore(), grants=[ClientCredentialsGrant()]
)
ResourceServer(resource="https://api.example", tokens=server.lookup)
print(sorted({"asyncio", "joserfc", "httpx"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert answer.stdout.decode().strip() == "[]"
