"""The contract of guards, for plain WSGI and ASGI applications."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest
from marked_contract import AsyncGuardContract, GuardContract, Send

from oauthgrants import AsyncResourceServer, HttpResponse, ResourceServer
from oauthgrants.adapters.asgi import AsgiApplication, AsgiRequests
from oauthgrants.adapters.asgi_guard import AsgiGuard
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.adapters.wsgi_guard import WSGI_TOKEN_KEY, WsgiGuard
from oauthgrants.testing.contract_servers import (
    HostFault,
    make_async_resource_server,
    make_async_server,
    make_resource_server,
    make_server,
    show_token,
)
from oauthgrants.testing.sending import (
    AsgiCallable,
    Body,
    Header,
    body_messages,
    call_asgi,
    call_wsgi,
    make_environ,
    make_scope,
    read_response,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PLAIN = [("Content-Type", "application/json")]


def show(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = show_token(environ[WSGI_TOKEN_KEY], environ["wsgi.input"].read(length)).encode()
    start_response("200 OK", list(PLAIN))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def fail(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise HostFault


class TestWsgi(GuardContract):
    @contextmanager
    def mount(
        self, resource_server: ResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        guard = WsgiGuard(resource_server, trusted_proxies=trusted_proxies)
        routes: dict[str, WSGIApplication] = {
            "/read": guard.require_token(scope="read")(show),
            "/either": guard.require_token(any_scope=["read", "write"])(show),
            "/any": guard.require_token()(show),
            "/fault": guard.require_token()(fail),
        }
        metadata = WsgiApplication(resource_server)

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            environ = make_environ(method, target, headers, body)
            return call_wsgi(validator(routes.get(environ["PATH_INFO"], metadata)), environ)

        yield send


@pytest.mark.parametrize("length", ["5", "five"])
def test_a_form_that_is_not_as_long_as_it_says_is_refused(length: str) -> None:
    guard = WsgiGuard(make_resource_server(allow_body=True))
    form = ("Content-Type", "application/x-www-form-urlencoded")
    environ = make_environ("POST", "/any", [form], b"a=1")
    environ["CONTENT_LENGTH"] = length

    response = call_wsgi(guard.require_token()(fail), environ)

    assert response.status == 400
    assert response.json()["error_description"] == "the body is not as long as Content-Length says"


async def show_asgi(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    content = show_token(scope["state"]["oauth_token"], body).encode()
    headers = [(name.lower().encode(), value.encode()) for name, value in PLAIN]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def fail_asgi(scope: Any, receive: Any, send: Any) -> None:
    raise HostFault


class TestAsgi(AsyncGuardContract):
    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        guard = AsgiGuard(resource_server, trusted_proxies=trusted_proxies)
        routes: dict[str, AsgiCallable] = {
            "/read": guard.require_token(scope="read")(show_asgi),
            "/either": guard.require_token(any_scope=["read", "write"])(show_asgi),
            "/any": guard.require_token()(show_asgi),
            "/fault": guard.require_token()(fail_asgi),
        }
        metadata = AsgiApplication(resource_server)

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            scope = make_scope(method, target, headers)
            application = routes.get(scope["path"], metadata)
            return read_response(call_asgi(application, scope, body_messages(body)))

        yield send


def test_a_client_that_goes_away_is_not_waited_for() -> None:
    guard = AsgiGuard(make_async_resource_server(allow_body=True))
    form = ("Content-Type", "application/x-www-form-urlencoded")

    sent = call_asgi(
        guard.require_token()(fail_asgi),
        make_scope("POST", "/any", [form]),
        iter([{"type": "http.disconnect"}]),
    )

    assert read_response(sent).status == 400


def test_what_comes_after_the_body_still_comes() -> None:
    guard = AsgiGuard(make_async_resource_server(allow_body=True))
    came: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        came.extend([(await receive())["type"], (await receive())["type"]])

    call_asgi(
        guard.require_token()(application),
        make_scope(
            "POST",
            "/any",
            [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Authorization", "Bearer reader"),
            ],
        ),
        iter([{"type": "http.request", "body": b"a=1"}, {"type": "http.disconnect"}]),
    )

    assert came == ["http.request", "http.disconnect"]


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        pytest.param([], ["websocket.close"], id="no-token"),
        pytest.param([("Authorization", "Bearer writer")], ["websocket.close"], id="scope"),
        pytest.param([("Authorization", "Bearer reader")], ["websocket.accept"], id="token"),
    ],
)
def test_a_websocket_begins_with_a_token(headers: list[Header], seen: list[str]) -> None:
    guard = AsgiGuard(make_async_resource_server())

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["state"]["oauth_token"].client_id == "s6BhdRkqt3"
        await send({"type": "websocket.accept"})

    scope = make_scope("GET", "/any", headers) | {"type": "websocket", "scheme": "wss"}
    del scope["method"]
    guarded = guard.require_token(scope="read")(application)

    assert [message["type"] for message in call_asgi(guarded, scope, iter(()))] == seen


@pytest.mark.parametrize(("scheme", "seen"), [("ws", "http"), ("wss", "https")])
def test_a_websocket_begins_with_a_request_of_http(scheme: str, seen: str) -> None:
    scope = make_scope("GET", "/any", [("Host", "api.example.com")])
    scope |= {"type": "websocket", "scheme": scheme}

    assert AsgiRequests().see(scope).url == f"{seen}://api.example.com/any"


def test_the_lifespan_goes_through_a_guard() -> None:
    guard = AsgiGuard(make_async_resource_server())
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    call_asgi(guard.require_token()(application), {"type": "lifespan"}, iter(()))

    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("adapter", "server", "message"),
    [
        (WsgiApplication, make_async_server(), "AsyncContractServer .* AuthorizationServer takes"),
        (WsgiApplication, make_async_resource_server(), "; ResourceServer takes the same settings"),
        (WsgiGuard, make_async_resource_server(), "there is no event loop; ResourceServer takes"),
        (AsgiApplication, make_server(), "; AsyncAuthorizationServer takes the same settings"),
        (AsgiApplication, make_resource_server(), "; AsyncResourceServer takes the same settings"),
        (AsgiGuard, make_resource_server(), "hold up the event loop; AsyncResourceServer takes"),
    ],
)
def test_a_server_of_the_other_colour_is_refused(adapter: Any, server: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        adapter(server)
