"""Scripts of other origins: nobody's unless they are named, and the same in every adapter."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from aiohttp import web
from asgi_apps import BASIC, FORM, TOKEN_REQUEST, send_to
from fastapi import FastAPI
from flask import Flask
from marked_contract import Send
from starlette.applications import Starlette
from test_aiohttp_adapter import run

from oauthgrants import (
    AsyncAuthorizationServer,
    AuthorizationServer,
    HttpResponse,
    MemoryStore,
    RefreshTokenGrant,
)
from oauthgrants.adapters.aiohttp import AiohttpOAuth
from oauthgrants.adapters.asgi import AsgiApplication
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.adapters.starlette import StarletteOAuth
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.jose import SigningKey
from oauthgrants.testing.contract_servers import (
    make_async_resource_server,
    make_async_server,
    make_resource_server,
    make_server,
)
from oauthgrants.testing.sending import call_wsgi, make_environ

HOST = ("Host", "auth.example.com")
APP = "https://app.example.com"
ORIGIN = ("Origin", APP)
OTHER = ("Origin", "https://evil.example.com")
ASKS_POST = ("Access-Control-Request-Method", "POST")
METADATA = "/.well-known/oauth-authorization-server"
Mount = Callable[..., Any]


def wsgi(application: Any) -> Send:
    def send(method: str, target: str, headers: Any, body: Any) -> HttpResponse:
        return call_wsgi(application, make_environ(method, target, headers, body))

    return send


@contextmanager
def mount_wsgi(**settings: Any) -> Generator[Send, None, None]:
    yield wsgi(WsgiApplication(make_server(), **settings))


@contextmanager
def mount_asgi(**settings: Any) -> Generator[Send, None, None]:
    yield send_to(AsgiApplication(make_async_server(), **settings))


@contextmanager
def mount_flask(**settings: Any) -> Generator[Send, None, None]:
    app = Flask(__name__)
    FlaskOAuth(make_server(), make_resource_server(), **settings).init_app(app)
    yield wsgi(app)


@contextmanager
def mount_starlette(**settings: Any) -> Generator[Send, None, None]:
    app = Starlette()
    StarletteOAuth(make_async_server(), make_async_resource_server(), **settings).init_app(app)
    yield send_to(app)


@contextmanager
def mount_fastapi(**settings: Any) -> Generator[Send, None, None]:
    app = FastAPI()
    FastApiOAuth(make_async_server(), make_async_resource_server(), **settings).init_app(app)
    yield send_to(app)


@contextmanager
def mount_aiohttp(**settings: Any) -> Generator[Send, None, None]:
    app = web.Application()
    AiohttpOAuth(make_async_server(), make_async_resource_server(), **settings).init_app(app)
    with run(app) as send:
        yield send


FRAMEWORKS = [mount_flask, mount_starlette, mount_fastapi, mount_aiohttp]


@pytest.fixture(params=[mount_wsgi, mount_asgi, *FRAMEWORKS])
def mount(request: pytest.FixtureRequest) -> Generator[Callable[..., Send], None, None]:
    with ExitStack() as stack:

        def enter(**settings: Any) -> Send:
            send: Send = stack.enter_context(request.param(**settings))
            return send

        yield enter


def cors_of(response: HttpResponse) -> dict[str, str]:
    """Return what *response* tells browsers about origins."""
    return {
        name.lower(): value
        for name, value in response.headers
        if name.lower().startswith("access-control-") or name.lower() == "vary"
    }


@pytest.mark.req("R9700-2.6-a")
def test_nothing_is_open_by_default(mount: Mount) -> None:
    send = mount()

    preflight = send("OPTIONS", "/token", [HOST, ORIGIN, ASKS_POST], b"")
    response = send("POST", "/token", [HOST, ORIGIN, FORM, BASIC], TOKEN_REQUEST)

    assert (preflight.status, cors_of(preflight)) == (405, {})
    assert (response.status, cors_of(response)) == (200, {})


@pytest.mark.req("R9700-2.6-a")
def test_an_origin_that_is_named_may_ask_for_tokens(mount: Mount) -> None:
    send = mount(allowed_origins=[APP])

    preflight = send("OPTIONS", "/token", [HOST, ORIGIN, ASKS_POST], b"")
    response = send("POST", "/token", [HOST, ORIGIN, FORM, BASIC], TOKEN_REQUEST)
    refusal = send("POST", "/token", [HOST, ORIGIN, FORM], TOKEN_REQUEST)

    assert (preflight.status, preflight.body) == (200, b"")
    assert cors_of(preflight) == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "Authorization, Content-Type, DPoP",
        "access-control-max-age": "3600",
        "vary": "Origin",
    }
    assert (response.status, refusal.status) == (200, 401)
    for each in (response, refusal):
        assert cors_of(each) == {
            "access-control-allow-origin": APP,
            "access-control-expose-headers": "DPoP-Nonce, WWW-Authenticate",
            "vary": "Origin",
        }


@pytest.mark.req("R9700-2.6-a")
@pytest.mark.parametrize("headers", [[], [OTHER], [ORIGIN, OTHER], [("Origin", "null")]])
def test_nobody_else_may(mount: Mount, headers: list[tuple[str, str]]) -> None:
    send = mount(allowed_origins=[APP])

    preflight = send("OPTIONS", "/token", [HOST, *headers, ASKS_POST], b"")
    document = send("GET", METADATA, [HOST, *headers], b"")

    # A cache must not keep this for the origin that may.
    assert (preflight.status, cors_of(preflight)) == (405, {"vary": "Origin"})
    assert (document.status, cors_of(document)) == (200, {"vary": "Origin"})


@pytest.mark.req("R9700-2.6-a")
@pytest.mark.parametrize("mount", FRAMEWORKS)
def test_the_metadata_of_resources_are_open_too(mount: Mount) -> None:
    with mount(allowed_origins=APP) as send:
        response = send("GET", "/.well-known/oauth-protected-resource", [HOST, ORIGIN], b"")

    assert cors_of(response)["access-control-allow-origin"] == APP


@pytest.mark.parametrize("kind", [AuthorizationServer, AsyncAuthorizationServer])
@pytest.mark.req("R9700-2.6-a")
def test_the_endpoints_of_servers_stay_closed(kind: Any) -> None:
    server = kind(
        issuer="https://auth.example.com/v1",
        store=MemoryStore(),
        grants=[RefreshTokenGrant()],
        signing_keys=SigningKey.generate("ES256"),
    )

    assert CrossOrigin.to(server, ["*"]).methods == {
        "/v1/token": "POST",
        "/v1/revoke": "POST",
        "/v1/jwks.json": "GET",
        "/.well-known/oauth-authorization-server/v1": "GET",
    }


def test_everybody_may_be_named() -> None:
    with mount_wsgi(allowed_origins="*") as send:
        response = send("GET", METADATA, [HOST, OTHER], b"")
        elsewhere = send("POST", "/introspect", [HOST, OTHER, FORM, BASIC], b"token=a")

    assert cors_of(response) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "DPoP-Nonce, WWW-Authenticate",
    }
    assert (elsewhere.status, cors_of(elsewhere)) == (200, {})


@pytest.mark.parametrize("path", [METADATA, "/introspect"])
def test_options_that_ask_nothing_are_for_the_server(path: str) -> None:
    with mount_wsgi(allowed_origins=[APP]) as send:
        assert send("OPTIONS", path, [HOST, ORIGIN], b"").status == 405


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com/",
        "https://App.example.com",
        "app.example.com",
        "https://",
        "null",
        "",
        "https://*.example.com",
        "https://app.example.com:port",
    ],
)
def test_what_is_no_origin_is_refused_at_once(origin: str) -> None:
    with pytest.raises(ValueError, match="allowed_origins has") as caught:
        WsgiApplication(make_server(), allowed_origins=[origin])

    assert repr(origin) in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com:8443", "http://localhost:3000", "http://[::1]:3000", "tauri://app"],
)
def test_origins_have_many_shapes(origin: str) -> None:
    assert CrossOrigin.to(make_server(), origin).origins == {origin}
