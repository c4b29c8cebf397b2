"""Adapters on web servers of this machine, for clients that others wrote."""

from __future__ import annotations

import asyncio
import socket
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any, TypeVar

import attrs
import uvicorn
from aiohttp import web
from fastapi import FastAPI
from flask import Flask
from werkzeug.serving import make_server

from oauthgrants import (
    AccessToken,
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    MemoryStore,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.adapters.aiohttp import AiohttpOAuth
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.adapters.flask import FlaskOAuth
from support import CHEAP, password_grant

METHODS = ("client_secret_basic", "client_secret_post")
ODD_SECRET = "100%25:one+one %zz&a=b/~"
"""What form-encoding changes: percent, colon, plus, space, ampersand; some of it looks encoded."""
_T = TypeVar("_T")
_API = "https://api.example.com"


@attrs.frozen
class Running:
    """
    A server, with clients that clients may be.

    ``client_secret_basic`` and ``client_secret_post`` are named for how they authenticate,
    and ``odd-…`` are the same with `ODD_SECRET`.
    """

    issuer: str
    server: Any
    secrets: dict[str, str]

    def url(self, endpoint: str) -> str:
        """Return where *endpoint* is."""
        return f"{self.issuer}/{endpoint}"

    def find(self, value: str) -> AccessToken | None:
        """Return the access token of this *value*, as resource servers see it."""
        found: AccessToken | None = asyncio.run(self.server.lookup.find_access_token(Secret(value)))
        return found

    def holder(self, value: str) -> tuple[str, str | None]:
        """Return whose access token *value* is: the client's and the user's name."""
        token = self.find(value)
        assert token is not None
        return token.client_id, token.username


def _settings(port: int) -> tuple[dict[str, Any], dict[str, str]]:
    store = MemoryStore()
    secrets: dict[str, str] = {}
    for method in METHODS:
        for client_id, secret in ((method, None), (f"odd-{method}", ODD_SECRET)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # it says what the tests show
                client, kept = Client.confidential(
                    client_id,
                    secret=secret,
                    machine_made=secret is not None,
                    token_endpoint_auth_method=method,
                    grant_types=["client_credentials", "password", "refresh_token"],
                    scope="read write",
                    default_scope="read",
                    first_party=True,
                    introspects=[_API],
                )
            store.add_client(client)
            secrets[client_id] = kept.reveal()
    store.add_user(
        User(sub="user-1", username="alice", password_hash=CHEAP.hash(Secret("wonder+land %")))
    )
    settings: dict[str, Any] = {
        "issuer": f"http://127.0.0.1:{port}",
        "allow_insecure_transport": True,
        "store": store,
        "hasher": CHEAP,
        "grants": [ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
        "audience": _API,
    }
    return settings, secrets


@contextmanager
def run_flask() -> Generator[Running, None, None]:
    """Run Flask on threads."""
    app = Flask("auth")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        settings, secrets = _settings(port)
        server = AuthorizationServer(**settings)
        FlaskOAuth(server).init_app(app)
        http = make_server("127.0.0.1", port, app, threaded=True, fd=listening.fileno())
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        try:
            yield Running(server.issuer, server, secrets)
        finally:
            http.shutdown()
            thread.join(30)
            http.server_close()


@contextmanager
def run_fastapi() -> Generator[Running, None, None]:
    """Run FastAPI on uvicorn."""
    app = FastAPI()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings, secrets = _settings(listening.getsockname()[1])
        server = AsyncAuthorizationServer(**settings)
        FastApiOAuth(server).init_app(app)
        web_server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
        )
        thread = Thread(target=web_server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Running(server.issuer, server, secrets)
        finally:
            web_server.should_exit = True
            thread.join(30)


@contextmanager
def run_aiohttp() -> Generator[Running, None, None]:
    """Run aiohttp on its own server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings, secrets = _settings(listening.getsockname()[1])
        server = AsyncAuthorizationServer(**settings)
        app = web.Application()
        AiohttpOAuth(server).init_app(app)
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_forever)
        thread.start()

        async def serve() -> web.AppRunner:
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.SockSite(runner, listening).start()
            return runner

        def wait_for(coroutine: Coroutine[Any, Any, _T]) -> _T:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

        try:
            runner = wait_for(serve())
            try:
                yield Running(server.issuer, server, secrets)
            finally:
                wait_for(runner.cleanup())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()


SERVERS: dict[str, Callable[[], AbstractContextManager[Running]]] = {
    "flask": run_flask,
    "fastapi": run_fastapi,
    "aiohttp": run_aiohttp,
}
