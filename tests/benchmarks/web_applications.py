"""
What the web servers of the benchmark over HTTP serve, each in a process of its own.

All of them have the same client. What costs something is imported by who serves it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from importlib import import_module
from typing import Any

import attrs

from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    HttpRequest,
    HttpResponse,
    Secret,
)
from oauthgrants.adapters.asgi import AsgiApplication
from oauthgrants.adapters.wsgi import WsgiApplication

from .asking import ALICE, ISSUER, PASSWORD
from .peer_oauthgrants import settings_for
from .peer_requests import SOURCE, TOKEN, World

SECRET = "OAUTHGRANTS_BENCHMARK_SECRET"
"""The variable that has the client's secret: the arguments of a process are for all to see."""


def oauthgrants_wsgi() -> WsgiApplication:
    """Return the server that answers on the caller's stack."""
    return WsgiApplication(AuthorizationServer(**settings_for(_world())))


def oauthgrants_asgi() -> AsgiApplication:
    """Return the server whose answers are awaited."""
    return AsgiApplication(AsyncAuthorizationServer(**settings_for(_world())))


def sign_ins_wsgi() -> WsgiApplication:
    """Return the server for threads, with passwords kept as they are by default."""
    return WsgiApplication(AuthorizationServer(**_with_real_passwords()))


def sign_ins_asgi() -> AsgiApplication:
    """Return the same for asyncio."""
    return AsgiApplication(AsyncAuthorizationServer(**_with_real_passwords()))


def authlib_in_flask(*, fast: bool) -> Any:
    """Return Authlib's server in Flask; *fast* takes ``secrets.token_urlsafe`` for its tokens."""
    authlib: Any = import_module(".peer_libraries.peer_authlib", __package__)
    return authlib.flask_application(_world(), fast=fast)


def bare_wsgi() -> Callable[[dict[str, Any], Callable[..., object]], Iterable[bytes]]:
    """Return what reads a form and answers the same to all: what the web server takes."""
    answer = _one_answer()
    status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]

    def application(
        environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response(status, headers)
        return [answer.body]

    return application


def bare_asgi() -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the same for ASGI."""
    answer = _one_answer()
    fields = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return application


def _world() -> World:
    return World.make(secret=Secret(os.environ[SECRET]))


def _with_real_passwords() -> dict[str, Any]:
    settings = settings_for(_world())
    del settings["hasher"]
    user = attrs.evolve(ALICE, password_hash=Argon2idHasher().hash(PASSWORD))
    settings["store"].replace_user(user)
    return settings


def _one_answer() -> HttpResponse:
    """Return what oauthgrants answers, as it does to everyone."""
    world = _world()
    asked = world.ask(TOKEN, grant_type="client_credentials", scope="read")
    return AuthorizationServer(**settings_for(world)).token(
        HttpRequest(
            method="POST",
            url=ISSUER + TOKEN,
            headers=asked.headers.items(),
            body=asked.body,
            source=SOURCE,
        )
    )
