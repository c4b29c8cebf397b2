"""The contracts and what is particular to aiohttp, on its own web server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from aiohttp import web
from marked_contract import AsyncAdapterContract, AsyncGuardContract, Send

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    HttpResponse,
    InsufficientScope,
    OAuthError,
)
from oauthgrants.adapters.aiohttp import OAUTH_TOKEN, AiohttpOAuth
from oauthgrants.testing.contract_servers import (
    HostFault,
    make_async_resource_server,
    make_async_server,
    make_resource_server,
    make_server,
    read_echo,
    show_token,
)
from oauthgrants.testing.sending import Header, send_over_socket

HOST = ("Host", "auth.example.com")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
ECHO = ("X-Contract", "echo")
BASIC = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
READER = ("Authorization", "Bearer reader")
WRITER = ("Authorization", "Bearer writer")
TOKEN_REQUEST = b"grant_type=client_credentials"
Ask = Callable[..., HttpResponse]


@asynccontextmanager
async def serving(app: web.Application, listening: socket.socket) -> AsyncGenerator[None, None]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


@contextmanager
def run(app: web.Application) -> Generator[Send, None, None]:
    """Serve *app* in a thread."""
    ready, loops = Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve(listening: socket.socket) -> None:
        async with serving(app, listening):
            ended = asyncio.Event()
            loops.append((asyncio.get_running_loop(), ended))
            ready.set()
            await ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        thread = Thread(target=lambda: asyncio.run(serve(listening)))
        thread.start()
        assert ready.wait(30)
        try:
            yield partial(send_over_socket, address)
        finally:
            [(loop, ended)] = loops
            loop.call_soon_threadsafe(ended.set)
            thread.join()


@contextmanager
def asking(app: web.Application) -> Generator[Ask, None, None]:
    with run(app) as send:

        def ask(method: str, target: str, *headers: Header, body: bytes = b"") -> HttpResponse:
            return send(method, target, [HOST, *headers], body)

        yield ask


class TestAiohttp(AsyncAdapterContract):
    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = web.Application()
        AiohttpOAuth(server, trusted_proxies=trusted_proxies).init_app(app)
        with run(app) as send:
            yield send


class TestAiohttpBelowAPrefix(AsyncAdapterContract):
    """In an application within another."""

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        inner, outer = web.Application(), web.Application()
        AiohttpOAuth(server, prefix="", trusted_proxies=trusted_proxies).init_app(inner)
        if prefix:
            outer.add_subapp(prefix, inner)
        with run(outer if prefix else inner) as send:
            yield send


async def show(request: web.Request) -> web.Response:
    return web.Response(text=show_token(request[OAUTH_TOKEN], await request.read()))


async def fail(_: web.Request) -> web.Response:
    raise HostFault


class TestAiohttpGuard(AsyncGuardContract):
    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = web.Application()
        oauth = AiohttpOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        oauth.init_app(app)
        app.add_routes(
            [
                web.route("*", "/read", oauth.require_token(scope="read")(show)),
                web.get("/either", oauth.require_token(any_scope=["read", "write"])(show)),
                web.route("*", "/any", oauth.require_token()(show)),
                web.get("/fault", oauth.require_token()(fail)),
            ]
        )
        with run(app) as send:
            yield send


def prepare(oauth: AiohttpOAuth, *routes: web.RouteDef, **settings: Any) -> web.Application:
    app = web.Application(**settings)
    oauth.init_app(app)
    app.add_routes(routes)
    return app


def test_handlers_of_every_kind_are_guarded() -> None:
    oauth = AiohttpOAuth(resource_server=make_async_resource_server())

    class Reports(web.View):
        async def get(self) -> web.Response:
            return web.Response(text="open")

        @oauth.require_token(scope="write")
        async def post(self) -> web.Response:
            return web.Response(text=str(self.request[OAUTH_TOKEN].scope))

    class Controller:
        @oauth.require_token(scope="read")
        async def read(self, request: web.Request) -> web.Response:
            return web.Response(text=str(request[OAUTH_TOKEN].scope))

    app = prepare(oauth, web.view("/reports", Reports), web.get("/read", Controller().read))

    with asking(app) as ask:
        assert ask("GET", "/reports").body == b"open"
        assert ask("POST", "/reports", WRITER).body == b"write"
        assert ask("POST", "/reports", READER).status == 403
        assert ask("GET", "/read", READER).body == b"read"
        assert ask("GET", "/read").status == 401


def test_the_handlers_of_an_inner_application_are_guarded() -> None:
    oauth = AiohttpOAuth(resource_server=make_async_resource_server(allow_query=True))
    inner, outer = web.Application(), web.Application()
    oauth.init_app(outer)
    inner.add_routes([web.get("/any", oauth.require_token()(show))])
    outer.add_subapp("/inner", inner)

    with asking(outer) as ask:
        response = ask("GET", "/inner/any?access_token=reader")

        assert (response.status, dict(response.headers)["Cache-Control"]) == (200, "private")
        assert ask("GET", "/inner/any").status == 401


def test_a_stream_has_the_headers_of_its_token() -> None:
    oauth = AiohttpOAuth(resource_server=make_async_resource_server(allow_query=True))

    @oauth.require_token()
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ab")
        await response.write_eof()
        return response

    with asking(prepare(oauth, web.get("/stream", stream))) as ask:
        response = ask("GET", "/stream?access_token=reader")

    assert dict(response.headers)["Cache-Control"] == "private"


def test_the_endpoints_have_names() -> None:
    app = prepare(AiohttpOAuth(make_async_server("/auth"), make_async_resource_server()))

    assert {
        name: resource.canonical for name, resource in app.router.named_resources().items()
    } == {
        "oauth.token": "/auth/token",
        "oauth.introspect": "/auth/introspect",
        "oauth.revoke": "/auth/revoke",
        "oauth.metadata": "/.well-known/oauth-authorization-server/auth",
        "oauth.resource_metadata": "/.well-known/oauth-protected-resource",
    }


@web.middleware
async def read_first(request: web.Request, handler: Any) -> web.StreamResponse:
    await request.post()
    response: web.StreamResponse = await handler(request)
    return response


def test_a_body_that_a_middleware_has_read_is_read_again() -> None:
    app = prepare(AiohttpOAuth(make_async_server()), middlewares=[read_first])

    with asking(app) as ask:
        assert ask("POST", "/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200


@pytest.mark.parametrize(
    ("target", "url"),
    [
        pytest.param("/token?a=%zz&a=1", "/token?a=%zz&a=1", id="query-as-it-is"),
        pytest.param("/%74oken", "/%74oken", id="path-as-it-is"),
        pytest.param("http://auth.example.com/token?a=1", "/token?a=1", id="absolute"),
    ],
)
def test_the_url_is_that_of_the_wire(target: str, url: str) -> None:
    with asking(prepare(AiohttpOAuth(make_async_server()))) as ask:
        assert read_echo(ask("POST", target, ECHO)).url == f"http://auth.example.com{url}"


def test_without_a_host_the_server_stands_in() -> None:
    with run(prepare(AiohttpOAuth(make_async_server()))) as send:
        url = read_echo(send("POST", "/token", [("Host", ""), ECHO], b"")).url

    assert url.startswith("http://127.0.0.1:")


def test_a_proxy_on_a_unix_socket_can_be_trusted(tmp_path: Any) -> None:
    path = str(tmp_path / "s")

    async def exchange() -> bytes:
        app = prepare(AiohttpOAuth(make_async_server(), trusted_proxies="unix"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            async with serving(app, listening):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(
                    b"POST /token HTTP/1.1\r\nConnection: close\r\nHost:\r\nX-Contract: echo\r\n"
                    b"X-Forwarded-For: 198.51.100.7\r\n\r\n"
                )
                answer = await asyncio.wait_for(reader.read(), 30)
                writer.close()
                await writer.wait_closed()
        return answer

    head, _, body = asyncio.run(exchange()).partition(b"\r\n\r\n")
    seen = read_echo(HttpResponse(status=int(head[9:12]), body=body))

    assert (seen.source, seen.url) == ("198.51.100.7", "http://localhost/token")


def test_a_handler_may_ask_for_more() -> None:
    oauth = AiohttpOAuth(resource_server=make_async_resource_server())

    @web.middleware
    async def refuse(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except OAuthError as error:
            return oauth.render(error)

    @oauth.require_token()
    async def deep(_: web.Request) -> web.Response:
        raise InsufficientScope.wanting("admin")

    with asking(prepare(oauth, web.get("/deep", deep), middlewares=[refuse])) as ask:
        response = ask("GET", "/deep", READER)

    assert response.status == 403
    assert 'scope="admin"' in dict(response.headers)["WWW-Authenticate"]


def test_an_application_that_was_not_prepared_is_told() -> None:
    oauth = AiohttpOAuth(resource_server=make_async_resource_server())
    told: list[str] = []

    @web.middleware
    async def listen(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except RuntimeError as error:
            told.append(str(error))
            return web.Response(status=500)
        return response

    app = web.Application(middlewares=[listen])
    app.add_routes([web.get("/any", oauth.require_token()(show))])
    with asking(app) as ask:
        ask("GET", "/any", READER)

    assert told == ["call init_app(app) of AiohttpOAuth with the application"]


def test_what_was_not_given_is_said() -> None:
    with pytest.raises(RuntimeError, match="give AiohttpOAuth a resource server"):
        AiohttpOAuth(make_async_server()).require_token()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((make_server(),), "AsyncAuthorizationServer takes the same settings"),
        ((None, make_resource_server()), "AsyncResourceServer takes the same settings"),
    ],
)
def test_servers_that_hold_up_the_loop_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        AiohttpOAuth(*arguments)
