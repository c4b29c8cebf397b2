"""The contracts of adapters, for Django: sync and async views, on WSGI and ASGI."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from asgi_apps import send_to
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from marked_contract import (
    AdapterContract,
    AsyncAdapterContract,
    AsyncGuardContract,
    GuardContract,
    Send,
)

from django_adapter.mounting import routing
from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    AuthorizationServer,
    ResourceServer,
    wire,
)
from oauthgrants.adapters.django.guards import AsyncDjangoGuard, DjangoGuard
from oauthgrants.adapters.django.routes import make_urls
from oauthgrants.testing.contract_servers import HostFault, show_token
from oauthgrants.testing.sending import Body, Header, call_wsgi, make_environ, send_over_socket

Address = tuple[str, int]


def send_by_wsgi(prefix: str = "") -> Send:
    """Return what sends requests to the project by WSGI, with *prefix* taken off."""
    application: Any = WSGIHandler()

    def send(method: str, target: str, headers: Sequence[Header], body: Body) -> wire.HttpResponse:
        return call_wsgi(application, make_environ(method, target, headers, body, prefix=prefix))

    return send


class TestSyncOnWsgi(AdapterContract):
    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, trusted_proxies=trusted_proxies)):
            yield send_by_wsgi()


class TestSyncOnWsgiBelowAPrefix(AdapterContract):
    """The web server takes the prefix off."""

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, prefix="", trusted_proxies=trusted_proxies)):
            yield send_by_wsgi(prefix)


class TestAsyncOnWsgi(AsyncAdapterContract):
    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, trusted_proxies=trusted_proxies)):
            yield send_by_wsgi()


class TestAsyncOnAsgi(AsyncAdapterContract):
    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, trusted_proxies=trusted_proxies)):
            yield send_to(ASGIHandler())


class TestAsyncOnAsgiBelowAPrefix(AsyncAdapterContract):
    """The web server says what stands before the paths."""

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, prefix="", trusted_proxies=trusted_proxies)):
            yield send_to(ASGIHandler(), prefix)


class TestSyncOnAsgi(AdapterContract):
    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        with routing(make_urls(server, trusted_proxies=trusted_proxies)):
            yield send_to(ASGIHandler())


class TestGuardOnWsgi(GuardContract):
    @contextmanager
    def mount(
        self, resource_server: ResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        guard = DjangoGuard(resource_server, trusted_proxies=trusted_proxies)

        def show(request: HttpRequest) -> HttpResponse:
            return HttpResponse(show_token(request.oauth_token, request.body))  # type: ignore[attr-defined]

        def fail(_: HttpRequest) -> HttpResponse:
            raise HostFault

        urls = [
            *make_urls(resource_server),
            path("read", guard.require_token(scope="read")(show)),
            path("either", guard.require_token(any_scope="read write")(show)),
            path("any", guard.require_token()(show)),
            path("fault", guard.require_token()(fail)),
        ]
        with routing(urls):
            yield send_by_wsgi()


class TestGuardOnAsgi(AsyncGuardContract):
    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        guard = AsyncDjangoGuard(resource_server, trusted_proxies=trusted_proxies)

        async def show(request: HttpRequest) -> HttpResponse:
            return HttpResponse(show_token(request.oauth_token, request.body))  # type: ignore[attr-defined]

        async def fail(_: HttpRequest) -> HttpResponse:
            raise HostFault

        urls = [
            *make_urls(resource_server),
            path("read", guard.require_token(scope="read")(show)),
            path("either", guard.require_token(any_scope="read write")(show)),
            path("any", guard.require_token()(show)),
            path("fault", guard.require_token()(fail)),
        ]
        with routing(urls):
            yield send_to(ASGIHandler())


@contextmanager
def _run(
    command: Callable[[int], list[str]], prefix: str, trusted_proxies: tuple[str, ...]
) -> Generator[Address, None, None]:
    contract = {"prefix": prefix, "trusted_proxies": trusted_proxies}
    tests = str(Path(__file__).parents[1])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address: Address = listening.getsockname()
        process = subprocess.Popen(
            [sys.executable, "-m", *command(listening.fileno())],
            env={
                **os.environ,
                "PYTHONPATH": tests,
                "SCRIPT_NAME": prefix,
                "CONTRACT": json.dumps(contract),
            },
            pass_fds=[listening.fileno()],
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _gunicorn(listening: int) -> list[str]:
    return [
        *("gunicorn", "--bind", f"fd://{listening}", "--log-level", "critical"),
        # Its own trust in loopback addresses is not what is tested.
        *("--forwarded-allow-ips", "192.0.2.1"),
        "django_adapter.served:build_wsgi()",
    ]


def _uvicorn(prefix: str, listening: int) -> list[str]:
    return [
        *("uvicorn", "--fd", str(listening), "--log-level", "critical", "--no-proxy-headers"),
        *("--root-path", prefix, "--factory", "django_adapter.served:build_asgi"),
    ]


_running = ExitStack()


@cache
def _find(kind: str, prefix: str, trusted_proxies: tuple[str, ...]) -> Address:
    """Return the address of a web server, started if none runs with these settings."""
    command = _gunicorn if kind == "gunicorn" else partial(_uvicorn, prefix)
    return _running.enter_context(_run(command, prefix, trusted_proxies))


@pytest.fixture(scope="module", autouse=True)
def _end_web_servers() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    with _running:
        yield
    _find.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn runs on Unix only")
class TestGunicorn(AdapterContract):
    """Sync views on gunicorn."""

    takes_certificates = False

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        yield partial(send_over_socket, _find("gunicorn", prefix, tuple(trusted_proxies)))


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are passed on Unix only")
class TestUvicorn(AsyncAdapterContract):
    """Async views on uvicorn."""

    takes_certificates = False

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        address = _find("uvicorn", prefix, tuple(trusted_proxies))

        def send(
            method: str, target: str, headers: Sequence[Header], body: Body
        ) -> wire.HttpResponse:
            # What has a root path stands behind a proxy that takes the prefix off.
            return send_over_socket(address, method, target.removeprefix(prefix), headers, body)

        yield send
