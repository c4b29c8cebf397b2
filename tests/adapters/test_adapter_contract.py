"""The contract, for every adapter that needs no framework and the web servers it runs on."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import make_server as make_simple_server
from wsgiref.validate import validator

import hypercorn.asyncio
import pytest
import uvicorn
from marked_contract import AdapterContract, AsyncAdapterContract, Send

from oauthgrants import AsyncAuthorizationServer, AuthorizationServer, HttpResponse
from oauthgrants.adapters.asgi import AsgiApplication
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.testing.contract_servers import BODY_LIMIT, make_async_server
from oauthgrants.testing.sending import (
    AsgiCallable,
    Body,
    Header,
    body_messages,
    call_asgi,
    exchange,
    make_scope,
    read_response,
    send_over_socket,
    send_to_wsgi,
)

Address = tuple[str, int]


hypercorn_serve: Any = vars(hypercorn.asyncio)["serve"]  # its types are not complete


class TestWsgi(AdapterContract):
    """Without a web server, and with the validator of the standard library in between."""

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        application = validator(WsgiApplication(server, trusted_proxies=trusted_proxies))
        yield partial(send_to_wsgi, application, prefix=prefix)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name it has
        pass


class TestSimpleServer(AdapterContract):
    """On the web server of the standard library."""

    chunked = False

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        # It has no setting for SCRIPT_NAME, so the prefix stays in PATH_INFO.
        application = WsgiApplication(server, trusted_proxies=trusted_proxies)
        with make_simple_server("127.0.0.1", 0, application, handler_class=_QuietHandler) as http:
            thread = Thread(target=http.serve_forever, args=[0.01])
            thread.start()
            try:
                yield partial(send_over_socket, ("127.0.0.1", http.server_port))
            finally:
                http.shutdown()
                thread.join()


@contextmanager
def _run_gunicorn(prefix: str, trusted_proxies: tuple[str, ...]) -> Generator[Address, None, None]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address: Address = listening.getsockname()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn"),
                *("--bind", f"fd://{listening.fileno()}"),
                *("--pythonpath", str(Path(__file__).parent)),
                # Its own trust in loopback addresses is not what is tested.
                *("--forwarded-allow-ips", "192.0.2.1"),
                *("--log-level", "critical"),
                f"gunicorn_app:build({prefix!r}, {list(trusted_proxies)!r})",
            ],
            env={**os.environ, "SCRIPT_NAME": prefix},
            pass_fds=[listening.fileno()],
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def _run_uvicorn(prefix: str, trusted_proxies: tuple[str, ...]) -> Generator[Address, None, None]:
    config = uvicorn.Config(
        AsgiApplication(make_async_server(prefix), trusted_proxies=trusted_proxies),
        root_path=prefix,
        lifespan="on",
        ws="none",
        log_level="critical",
        # Its own trust in loopback addresses is not what is tested.
        proxy_headers=False,
    )
    web_server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=web_server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            web_server.should_exit = True
            thread.join()


_running = ExitStack()
_Run = Callable[[str, tuple[str, ...]], AbstractContextManager[Address]]


@cache
def _find(run: _Run, prefix: str = "", trusted_proxies: tuple[str, ...] = ()) -> Address:
    """Return the address of a web server, started if none runs with these settings."""
    return _running.enter_context(run(prefix, trusted_proxies))


@pytest.fixture(scope="module", autouse=True)
def _end_web_servers() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    with _running:
        yield
    _find.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn runs on Unix only")
class TestGunicorn(AdapterContract):
    """On gunicorn, in processes of its own."""

    takes_certificates = False

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        yield partial(send_over_socket, _find(_run_gunicorn, prefix, tuple(trusted_proxies)))

    def test_the_answer_to_a_body_too_long_does_not_wait_for_its_end(self) -> None:
        _require_refusal_before_the_end(_find(_run_gunicorn))


@contextmanager
def _run_hypercorn(prefix: str, trusted_proxies: tuple[str, ...]) -> Generator[Address, None, None]:
    config = hypercorn.Config()
    config.root_path = prefix
    config.errorlog = None
    listening = socket.create_server(("127.0.0.1", 0))
    address: Address = listening.getsockname()
    config.bind = [f"fd://{listening.detach()}"]  # it closes that itself
    application: Any = AsgiApplication(make_async_server(prefix), trusted_proxies=trusted_proxies)
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    serving = hypercorn_serve(application, config, shutdown_trigger=ended.wait)
    thread = Thread(target=loop.run_until_complete, args=[serving])
    thread.start()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


class TestHypercorn(AsyncAdapterContract):
    """On hypercorn."""

    takes_certificates = False

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        yield partial(send_over_socket, _find(_run_hypercorn, prefix, tuple(trusted_proxies)))

    def test_the_answer_to_a_body_too_long_does_not_wait_for_its_end(self) -> None:
        _require_refusal_before_the_end(_find(_run_hypercorn))


class TestUvicorn(AsyncAdapterContract):
    """On uvicorn, with the lifespan protocol."""

    takes_certificates = False

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        address = _find(_run_uvicorn, prefix, tuple(trusted_proxies))

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            # What has a root path stands behind a proxy that takes the prefix off.
            return send_over_socket(address, method, target.removeprefix(prefix), headers, body)

        yield send

    def test_the_answer_to_a_body_too_long_does_not_wait_for_its_end(self) -> None:
        _require_refusal_before_the_end(_find(_run_uvicorn))


class TestAsgi(AsyncAdapterContract):
    """Without a web server."""

    path_with_prefix: ClassVar[bool] = True
    with_raw_path: ClassVar[bool] = True

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        application: AsgiCallable = AsgiApplication(server, trusted_proxies=trusted_proxies)

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            scope = make_scope(method, target, headers, prefix=prefix)
            if not self.path_with_prefix:
                scope["path"] = scope["path"].removeprefix(prefix)
            if not self.with_raw_path:
                del scope["raw_path"]
            return read_response(call_asgi(application, scope, body_messages(body)))

        yield send


class TestAsgiWhosePathHasNoPrefix(TestAsgi):
    """As older web servers and frameworks mount applications."""

    path_with_prefix = False


class TestAsgiWithoutRawPath(TestAsgi):
    """As web servers that do not know the octets of the wire."""

    with_raw_path = False


# One octet more than the server takes, of a body that never ends
_UNFINISHED = b"%b\r\n%b" % (
    b"\r\n".join(
        [
            b"POST /token HTTP/1.1",
            b"Host: auth.example.com",
            b"Content-Type: application/x-www-form-urlencoded",
            b"Content-Length: 1000000000",
            b"Connection: close",
            b"",
        ]
    ),
    b"a" * (BODY_LIMIT + 1),
)


def _require_refusal_before_the_end(address: Address) -> None:
    response = exchange(address, _UNFINISHED)

    assert response.status == 400
    assert response.json()["error_description"] == "the body is too large"
