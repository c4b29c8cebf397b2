"""Tokens that are bound to a key, at the guards of adapters (RFC 9449, 7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient as AiohttpClient
from aiohttp.test_utils import TestServer
from fastapi import Depends, FastAPI, Security
from fastapi.testclient import TestClient
from flask import Flask, g

from dpop_support import Prover, nonces_of, rules
from oauthgrants import (
    AccessToken,
    AsyncResourceServer,
    HttpRequest,
    HttpResponse,
    ResourceServer,
    Scope,
    Secret,
)
from oauthgrants.adapters.aiohttp import OAUTH_TOKEN, AiohttpOAuth
from oauthgrants.adapters.asgi_guard import AsgiGuard
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.adapters.mcp import ResourceTokenVerifier
from oauthgrants.adapters.wsgi_guard import WsgiGuard
from oauthgrants.hashing import token_digest
from oauthgrants.ports import never_blocks
from oauthgrants.testing.clock import MovableClock

req = pytest.mark.req
API = "https://api.example.com"
REPORTS = f"{API}/reports"
VALUE = "held-by-a-key"


@never_blocks
class Tokens:
    """Knows one token, bound to the key of *prover*."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover

    def find_access_token(self, value: Secret) -> AccessToken | None:
        if value.reveal() != VALUE:
            return None
        return AccessToken(
            digest=token_digest(value),
            client_id="s6BhdRkqt3",
            sub="s6BhdRkqt3",
            scope=Scope.of("read"),
            audience=(API,),
            issued_at=self.prover.clock.now,
            lifetime=timedelta(minutes=10),
            cnf={"jkt": self.prover.jkt},
        )


@pytest.fixture
def prover() -> Prover:
    return Prover(MovableClock())


def settings_of(prover: Prover, **dpop: Any) -> dict[str, Any]:
    return {
        "resource": API,
        "tokens": Tokens(prover),
        "dpop": rules(**dpop),
        "clock": prover.clock,
    }


def headers_of(prover: Prover, **claims: Any) -> dict[str, str]:
    return dict(prover.call(VALUE, **claims))


def call_wsgi(app: Any, headers: dict[str, str], **others: str) -> HttpResponse:
    began: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "api.example.com",
        "SERVER_NAME": "api.example.com",
        "SERVER_PORT": "443",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/reports",
        "QUERY_STRING": "page=1",
        "wsgi.input": BytesIO(),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        **others,
    }

    def start_response(status: str, headers: Any, _: Any = None) -> None:
        began.extend((status, headers))

    body = b"".join(app(environ, start_response))
    return HttpResponse(status=int(began[0].split()[0]), headers=tuple(began[1]), body=body)


@req("R9449-7.1-a", "R9449-9-a")
def test_wsgi(prover: Prover) -> None:
    """The proof goes in, the nonce comes out, and a request may pass two guards."""
    guard = WsgiGuard(ResourceServer(**settings_of(prover, nonces="required")))

    @guard.require_token()
    @guard.require_token(scope="read")
    def reports(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["oauthgrants.token"].client_id.encode()]

    refused = call_wsgi(reports, headers_of(prover))
    assert refused.status == 401
    [nonce] = nonces_of(refused)
    headers = headers_of(prover, nonce=nonce)
    assert call_wsgi(reports, headers).body == b"s6BhdRkqt3"
    assert call_wsgi(reports, headers).json()["error"] == "invalid_dpop_proof"
    prover.clock.move(seconds=151)
    accepted = call_wsgi(reports, headers_of(prover, nonce=nonce))
    assert accepted.status == 200
    assert len(nonces_of(accepted)) == 1


@req("R9449-4.3-b")
@pytest.mark.parametrize("path", ["/users/a%40example.com", "/users/a@example.com"])
def test_wsgi_keeps_what_the_client_has_escaped(prover: Prover, path: str) -> None:
    guard = WsgiGuard(ResourceServer(**settings_of(prover)))

    @guard.require_token()
    def user(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    headers = headers_of(prover, url=API + path)
    shown = {"PATH_INFO": "/users/a@example.com", "REQUEST_URI": f"{path}?page=1"}
    assert call_wsgi(user, headers, **shown).status == 200


@req("R9449-7.1-a")
def test_another_token_behind_the_first_guard_is_checked_anew(prover: Prover) -> None:
    """What an earlier guard has found is of use for what it has found alone."""
    other = ResourceServer(**settings_of(prover))
    request = HttpRequest(
        method="GET",
        url=REPORTS,
        headers=(("Authorization", f"DPoP {VALUE}"),),
        confirmed={"jkt": "another"},
    )
    with pytest.raises(Exception, match="the DPoP proof is missing"):
        other.require_token(request)


@req("R9449-7.1-a")
def test_flask(prover: Prover) -> None:
    """A guard around all views, and one around one."""
    oauth = FlaskOAuth(resource_server=ResourceServer(**settings_of(prover)))
    app = Flask(__name__)
    oauth.init_app(app)

    @app.get("/reports")
    @oauth.require_token()
    @oauth.require_token(scope="read")
    def reports() -> str:
        return str(g.oauth_token.client_id)

    client = app.test_client()
    headers = headers_of(prover)
    answers = [client.get("/reports", headers=headers, base_url=API) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 401]


@req("R9449-7.1-a")
def test_fastapi(prover: Prover) -> None:
    """A dependency of all routes, and one of each."""
    oauth = FastApiOAuth(resource_server=AsyncResourceServer(**settings_of(prover)))
    app = FastAPI(dependencies=[Depends(oauth.require_token())])
    oauth.init_app(app)

    @app.get("/reports")
    async def reports(token: Any = Security(oauth.require_token(), scopes=["read"])) -> str:  # noqa: B008
        return str(token.client_id)

    with TestClient(app, base_url=API) as client:
        headers = headers_of(prover)
        answers = [client.get("/reports", headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].headers["www-authenticate"].startswith("DPoP ")


@req("R9449-7.1-a")
def test_asgi(prover: Prover) -> None:
    guard = AsgiGuard(AsyncResourceServer(**settings_of(prover)))
    statuses: list[int] = []

    @guard.require_token()
    @guard.require_token(scope="read")
    async def reports(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(name.encode(), value.encode()) for name, value in headers_of(prover).items()]
    connection = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/reports",
        "raw_path": b"/reports",
        "query_string": b"",
        "headers": [(b"host", b"api.example.com"), *((n.lower(), v) for n, v in headers)],
    }

    async def call() -> None:
        await reports(connection, receive, send)

    for _ in range(2):
        asyncio.run(call())

    assert statuses == [200, 401]


@req("R9449-7.1-a")
def test_aiohttp(prover: Prover) -> None:
    oauth = AiohttpOAuth(resource_server=AsyncResourceServer(**settings_of(prover)))

    @oauth.require_token()
    @oauth.require_token(scope="read")
    async def reports(request: web.Request) -> web.Response:
        return web.Response(text=request[OAUTH_TOKEN].client_id)

    async def call_twice() -> list[int]:
        app = web.Application()
        app.router.add_get("/reports", reports)
        oauth.init_app(app)
        statuses: list[int] = []
        async with AiohttpClient(TestServer(app)) as client:
            headers = headers_of(prover)
            for _ in range(2):
                async with client.get("/reports", headers=headers) as answer:
                    statuses.append(answer.status)
        return statuses

    assert asyncio.run(call_twice()) == [200, 401]


@req("R9449-7.2-a")
def test_mcp(prover: Prover) -> None:
    """The SDK asks about the token alone, and takes it for one of whoever holds it."""
    verifier = ResourceTokenVerifier(ResourceServer(**settings_of(prover)))

    assert asyncio.run(verifier.verify_token(VALUE)) is None
