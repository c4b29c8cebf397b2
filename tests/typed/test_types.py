"""
What type checkers tell users of the library; mypy and pyright run over this file as well.

``assert_type`` is for them. Run, the tests show that what is typed so works so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, assert_type

import pytest
from aiohttp import web
from django.http import HttpRequest as DjangoRequest
from django.http import HttpResponse as DjangoResponse
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    ClientSecret,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    ResourceServer,
    Secret,
    User,
    VerifiedToken,
)
from oauthgrants.adapters.aiohttp import AiohttpOAuth
from oauthgrants.adapters.asgi_guard import Application, AsgiGuard
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.adapters.starlette import StarletteOAuth
from oauthgrants.adapters.wsgi_guard import WsgiGuard
from oauthgrants.errors import MissingToken
from oauthgrants.ports import (
    ClientStore,
    MaybeAwaitable,
    PasswordVerifier,
    TokenStore,
    UserStore,
    is_awaitable,
    resolve,
    run,
)
from oauthgrants.users import Accepted, PasswordOutcome, Rejected

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ISSUER, API = "https://auth.example.com", "https://api.example.com"
CLIENT, SECRET = Client.confidential("service", grant_types=["client_credentials"])


# Ports, written as a host's driver has it; no class of ours among their bases


class Clients:
    """Fills `ClientStore` with ``def``."""

    def find_client(self, client_id: str) -> Client | None:
        return CLIENT if client_id == CLIENT.client_id else None

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        raise AssertionError


class AsyncClients:
    """Fills it with ``async def``."""

    async def find_client(self, client_id: str) -> Client | None:
        return CLIENT if client_id == CLIENT.client_id else None

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        raise AssertionError


class Passwords:
    """Fills `PasswordVerifier` with ``def``."""

    def verify_password(self, username: str, password: Secret, client: Client) -> PasswordOutcome:
        return Rejected()


class AsyncPasswords:
    """Fills it with ``async def``."""

    async def verify_password(self, username: str, password: Secret, client: Client) -> Accepted:
        return Accepted(User(sub="user-1", username=username))


def test_a_port_may_be_def_or_async_def() -> None:
    stores: list[ClientStore] = [Clients(), AsyncClients()]
    verifiers: list[PasswordVerifier] = [Passwords(), AsyncPasswords()]
    memory = MemoryStore()
    filled: tuple[ClientStore, TokenStore, UserStore] = (memory, memory, memory)

    for store in stores:
        answer = store.find_client("service")
        assert_type(answer, MaybeAwaitable[Client | None])
        assert assert_type(run(resolve(answer)), Client | None) is CLIENT
    for verifier in verifiers:
        outcome = verifier.verify_password("alice", Secret("wonderland"), CLIENT)
        assert_type(outcome, MaybeAwaitable[PasswordOutcome])
        assert isinstance(run(resolve(outcome)), (Accepted, Rejected))
    assert len(filled) == 3


def test_what_may_be_awaitable_is_told_apart() -> None:
    async def wait() -> int:
        return 42

    async def tell(answer: MaybeAwaitable[int]) -> int:
        if is_awaitable(answer):
            return await assert_type(answer, Awaitable[int])
        return assert_type(answer, int)

    assert run(tell(41)) == 41
    assert asyncio.run(tell(wait())) == 42
    coming: MaybeAwaitable[int] = wait()
    assert asyncio.run(resolve(coming)) == run(resolve(42)) == 42


# Both colours


def make_async() -> tuple[AsyncAuthorizationServer, AsyncResourceServer]:
    server = AsyncAuthorizationServer(
        issuer=ISSUER,
        store=MemoryStore(),
        clients=AsyncClients(),
        grants=[ClientCredentialsGrant()],
    )
    return server, AsyncResourceServer(resource=API, tokens=server.lookup)


def make() -> tuple[AuthorizationServer, ResourceServer]:
    server = AuthorizationServer(
        issuer=ISSUER, store=MemoryStore(), clients=Clients(), grants=[ClientCredentialsGrant()]
    )
    return server, ResourceServer(resource=API, tokens=server.lookup)


def test_one_colour_answers_and_the_other_has_to_be_awaited() -> None:
    request = HttpRequest(method="GET", url=f"{ISSUER}/nowhere")
    server, api = make()
    async_server, async_api = make_async()

    assert assert_type(server.handle(request), HttpResponse).status == 404
    assert_type(server.metadata(), Mapping[str, Any])
    assert_type(api.handle(request), HttpResponse)

    async def work() -> None:
        answer = await async_server.handle(request)
        assert assert_type(answer, HttpResponse).status == 404
        assert_type(await async_server.metadata(), Mapping[str, Any])
        assert_type(await async_api.handle(request), HttpResponse)

        with pytest.raises(MissingToken):
            assert_type(await async_api.require_token(request, any_scope="read"), VerifiedToken)

    asyncio.run(work())
    with pytest.raises(MissingToken):
        assert_type(api.require_token(request, scope=["read", "write"]), VerifiedToken)


# Guards keep what a view takes


def test_a_guarded_view_of_flask_takes_what_it_took() -> None:
    oauth = FlaskOAuth(*make())

    @oauth.require_token(scope="read")
    def show(number: int, *, brief: bool = False) -> str:
        return f"{number} {brief}"

    if TYPE_CHECKING:
        show(1, brief=True)
        show("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert show.__name__ == "show"


def test_a_guarded_endpoint_of_starlette_gives_a_response() -> None:
    oauth = StarletteOAuth(*make_async())

    @oauth.require_token(scope="read")
    async def show(request: Request) -> Response:
        return PlainTextResponse("come in")

    if TYPE_CHECKING:
        assert_type(show(Request({})), Awaitable[Response])
        show(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert show.__name__ == "show"


def test_a_guarded_handler_of_aiohttp_can_be_routed() -> None:
    oauth = AiohttpOAuth(*make_async())

    @oauth.require_token(scope="read")
    async def show(request: web.Request) -> web.Response:
        return web.Response(text="come in")

    app = web.Application()
    app.add_routes([web.get("/", show)])
    if TYPE_CHECKING:
        show()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert len(app.router.routes()) == 2, "GET and HEAD"


def test_the_dependency_of_fastapi_is_a_token() -> None:
    oauth = FastApiOAuth(*make_async())

    dependency = oauth.require_token(scope="read")
    assert_type(dependency, Callable[..., Awaitable[VerifiedToken]])
    assert callable(dependency)


def test_a_guarded_view_of_django_is_the_view() -> None:
    import_module("django_adapter")  # sets Django up
    from oauthgrants.adapters.django.guards import require_token

    def show(request: DjangoRequest, number: int) -> DjangoResponse:
        return DjangoResponse(str(number))

    guarded = require_token(scope="read")(show)
    if TYPE_CHECKING:
        assert_type(guarded(DjangoRequest(), 1), DjangoResponse)
        guarded(DjangoRequest())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert guarded.__name__ == "show"


def test_guarded_applications_are_applications() -> None:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    guarded = WsgiGuard(make()[1]).require_token(scope="read")(application)
    assert callable(guarded)
    assert_type(AsgiGuard(make_async()[1]).require_token(scope="read")(asgi), Application)
