"""The contracts and what is particular to Starlette."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from asgi_apps import BASIC, FORM, READER, TOKEN_REQUEST, WRITER, ask, ask_websocket, send_to
from marked_contract import METHODS, AsyncAdapterContract, AsyncGuardContract, Send
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    InsufficientScope,
    OAuthError,
)
from oauthgrants.adapters.starlette import StarletteOAuth
from oauthgrants.testing.contract_servers import (
    EventList,
    HostFault,
    make_async_resource_server,
    make_async_server,
    make_resource_server,
    make_server,
    show_token,
)


class TestStarlette(AsyncAdapterContract):
    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = Starlette()
        StarletteOAuth(server, trusted_proxies=trusted_proxies).init_app(app)
        yield send_to(app)


class TestStarletteBelowAPrefix(AsyncAdapterContract):
    """In an application that is mounted below it."""

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        oauth = StarletteOAuth(server, prefix="", trusted_proxies=trusted_proxies)
        yield send_to(Starlette(routes=[Mount(prefix, routes=oauth.routes)]))


async def show(request: Request) -> Response:
    return PlainTextResponse(show_token(request.state.oauth_token, await request.body()))


async def fail(_: Request) -> Response:
    raise HostFault


class TestStarletteGuard(AsyncGuardContract):
    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        oauth = StarletteOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        either = oauth.require_token(any_scope=["read", "write"])(show)
        app = Starlette(
            routes=[
                *oauth.routes,
                Route("/read", oauth.require_token(scope="read")(show), methods=METHODS),
                Route("/either", either),
                Route("/any", oauth.require_token()(show), methods=METHODS),
                Route("/fault", oauth.require_token()(fail)),
            ]
        )
        yield send_to(app)


class TestStarletteBackend(AsyncGuardContract):
    """Starlette's own middleware and decorator."""

    takes_body = False
    takes_query = False

    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        oauth = StarletteOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        app = Starlette(
            routes=[
                *oauth.routes,
                Route("/read", oauth.require_token(scope="read")(show), methods=METHODS),
                Route("/either", oauth.require_token(any_scope="read write")(show)),
                Route("/any", oauth.require_token()(show), methods=METHODS),
                Route("/fault", oauth.require_token()(fail)),
            ],
            middleware=[oauth.middleware],
        )
        yield send_to(app)


def test_endpoints_of_every_kind_are_guarded() -> None:
    oauth = StarletteOAuth(resource_server=make_async_resource_server())

    @oauth.require_token(scope="read")
    def in_a_thread(request: Request) -> Response:
        return PlainTextResponse(str(request.state.oauth_token.scope))

    class Reports(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("open")

        @oauth.require_token(scope="write")
        async def post(self, request: Request) -> Response:
            return PlainTextResponse(str(request.state.oauth_token.scope))

    app = Starlette(routes=[Route("/thread", in_a_thread), Route("/reports", Reports)])

    assert ask(app, "GET", "/thread", READER).body == b"read"
    assert ask(app, "GET", "/thread").status == 401
    assert ask(app, "GET", "/reports").body == b"open"
    assert ask(app, "POST", "/reports", WRITER).body == b"write"
    assert ask(app, "POST", "/reports", READER).status == 403


def test_a_stream_has_the_headers_of_its_token() -> None:
    oauth = StarletteOAuth(resource_server=make_async_resource_server(allow_query=True))

    @oauth.require_token()
    async def stream(_: Request) -> Response:
        return StreamingResponse(iter([b"a", b"b"]))

    app = Starlette(routes=[Route("/stream", stream)])
    response = ask(app, "GET", "/stream?access_token=reader")

    assert response.body == b"ab"
    assert dict(response.headers)["cache-control"] == "private"


def test_init_app_comes_before_what_takes_every_path() -> None:
    app = Starlette(routes=[Mount("/", app=PlainTextResponse("mine"))])
    StarletteOAuth(make_async_server("/auth"), make_async_resource_server()).init_app(app)

    assert ask(app, "POST", "/auth/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200
    assert ask(app, "GET", "/.well-known/oauth-authorization-server/auth").status == 200
    assert ask(app, "GET", "/elsewhere").body == b"mine"
    assert app.url_path_for("oauth.token") == "/auth/token"


def who(resource_server: AsyncResourceServer) -> Starlette:
    oauth = StarletteOAuth(resource_server=resource_server)

    async def tell(request: Request) -> Response:
        user = request.user
        return JSONResponse(
            {
                "is_authenticated": user.is_authenticated,
                "display_name": user.display_name,
                "identity": getattr(user, "token", None) and user.identity,
                "scopes": request.auth.scopes,
            }
        )

    @requires("write")
    async def write(request: Request) -> Response:
        return PlainTextResponse("written")

    async def websocket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(reason=websocket.user.identity)

    return Starlette(
        routes=[
            Route("/who", tell),
            Route("/write", write, methods=["POST"]),
            WebSocketRoute("/socket", websocket),
        ],
        middleware=[oauth.middleware],
    )


def test_a_backend_knows_who_asks() -> None:
    app = who(make_async_resource_server())

    assert ask(app, "GET", "/who", READER).json() == {
        "is_authenticated": True,
        "display_name": "s6BhdRkqt3",
        "identity": "s6BhdRkqt3",
        "scopes": ["read"],
    }
    assert ask(app, "POST", "/write", WRITER).body == b"written"
    assert ask(app, "POST", "/write", READER).status == 403
    assert ask_websocket(app, "/socket", READER)[-1]["reason"] == "s6BhdRkqt3"


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic YTpi")]])
def test_a_backend_lets_nobody_in_particular_through(headers: list[tuple[str, str]]) -> None:
    sink = EventList()
    app = who(make_async_resource_server(event_sink=sink))

    answer = ask(app, "GET", "/who", *headers).json()

    assert (answer["is_authenticated"], answer["scopes"]) == (False, [])
    assert bool(sink.events) == bool(headers)


def test_a_backend_refuses_a_bad_token_with_its_challenge() -> None:
    app = who(make_async_resource_server())

    response = ask(app, "GET", "/who", ("Authorization", "Bearer guess"))

    assert response.status == 401
    assert 'error="invalid_token"' in dict(response.headers)["www-authenticate"]
    [closed] = ask_websocket(app, "/socket", ("Authorization", "Bearer guess"))
    assert closed["type"] == "websocket.close"


@pytest.mark.parametrize("setting", ["allow_body", "allow_query"])
def test_a_backend_says_what_it_cannot_do(setting: str) -> None:
    oauth = StarletteOAuth(resource_server=make_async_resource_server(**{setting: True}))

    with pytest.raises(ValueError, match="use require_token"):
        _ = oauth.backend


def test_an_endpoint_may_ask_for_more() -> None:
    oauth = StarletteOAuth(resource_server=make_async_resource_server())

    @oauth.require_token()
    async def deep(_: Request) -> Response:
        raise InsufficientScope.wanting("admin")

    async def refuse(_: Request, error: Any) -> Response:
        return oauth.render(error)

    app = Starlette(routes=[Route("/deep", deep)], exception_handlers={OAuthError: refuse})
    response = ask(app, "GET", "/deep", READER)

    assert response.status == 403
    assert 'scope="admin"' in dict(response.headers)["www-authenticate"]


def test_what_was_not_given_is_said() -> None:
    with pytest.raises(RuntimeError, match="give the adapter a resource server"):
        StarletteOAuth(make_async_server()).require_token()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((make_server(),), "AsyncAuthorizationServer takes the same settings"),
        ((None, make_resource_server()), "AsyncResourceServer takes the same settings"),
    ],
)
def test_servers_that_hold_up_the_loop_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        StarletteOAuth(*arguments)
