"""The contracts and what is particular to FastAPI."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from asgi_apps import BASIC, FORM, READER, TOKEN_REQUEST, WRITER, ask, ask_websocket, send_to
from fastapi import APIRouter, Depends, FastAPI, Form, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from marked_contract import METHODS, AsyncAdapterContract, AsyncGuardContract, Send

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    ClientCredentialsGrant,
    InsufficientScope,
    MemoryStore,
    OAuthError,
    RefreshTokenGrant,
    VerifiedToken,
)
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.testing.contract_servers import (
    HostFault,
    make_async_resource_server,
    make_async_server,
    make_server,
    show_token,
)
from support import password_grant


class TestFastApi(AsyncAdapterContract):
    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = FastAPI()
        FastApiOAuth(server, trusted_proxies=trusted_proxies).init_app(app)
        yield send_to(app)


class TestFastApiBelowAPrefix(AsyncAdapterContract):
    """In an application with a root path."""

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = FastAPI()
        FastApiOAuth(server, prefix="", trusted_proxies=trusted_proxies).init_app(app)
        yield send_to(app, prefix)


class TestFastApiGuard(AsyncGuardContract):
    takes_body = False

    @contextmanager
    def mount(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = FastAPI()
        oauth = FastApiOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        oauth.init_app(app)
        read = oauth.require_token(scope="read")
        either = oauth.require_token(any_scope=["read", "write"])
        any_token = oauth.require_token()

        async def show(request: Request) -> PlainTextResponse:
            token = request.state.oauth_token
            return PlainTextResponse(show_token(token, await request.body()))

        async def fail() -> None:
            raise HostFault

        app.add_api_route("/read", show, methods=[*METHODS], dependencies=[Depends(read)])
        app.add_api_route("/either", show, dependencies=[Depends(either)])
        app.add_api_route("/any", show, methods=[*METHODS], dependencies=[Depends(any_token)])
        app.add_api_route("/fault", fail, dependencies=[Depends(any_token)])
        yield send_to(app)


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


@pytest.fixture
def oauth(app: FastAPI) -> FastApiOAuth:
    oauth = FastApiOAuth(resource_server=make_async_resource_server())
    oauth.init_app(app)
    return oauth


def test_the_scopes_of_security_are_wanted(app: FastAPI, oauth: FastApiOAuth) -> None:
    guard = oauth.require_token()

    @app.get("/read")
    def read(token: VerifiedToken = Security(guard, scopes=["read"])) -> dict[str, str]:  # noqa: B008  # as FastAPI has it
        return {"scope": str(token.scope)}

    assert ask(app, "GET", "/read", READER).json() == {"scope": "read"}
    assert ask(app, "GET", "/read", WRITER).status == 403
    assert ask(app, "GET", "/read").status == 401


def test_scopes_add_up_from_without_to_within(app: FastAPI, oauth: FastApiOAuth) -> None:
    guard = oauth.require_token(scope="read")

    def find_name(token: VerifiedToken = Security(guard)) -> str:  # noqa: B008
        return token.client_id

    router = APIRouter(dependencies=[Depends(oauth.require_token())])

    @router.get("/name")
    def name(name: str = Security(find_name, scopes=["write"])) -> str:
        return name

    @router.get("/open")
    def with_any_token() -> str:
        return "open"

    app.include_router(router, prefix="/v1")
    response = ask(app, "GET", "/v1/name", READER)

    assert response.status == 403
    assert 'scope="read write"' in dict(response.headers)["www-authenticate"]
    assert ask(app, "GET", "/v1/open", WRITER).status == 200
    assert ask(app, "GET", "/v1/open").status == 401


def test_a_whole_application_is_guarded() -> None:
    oauth = FastApiOAuth(make_async_server(), make_async_resource_server())
    app = FastAPI(dependencies=[Depends(oauth.require_token(scope="read"))])
    oauth.init_app(app)

    @app.get("/read")
    def read(request: Request) -> str:
        return str(request.state.oauth_token.scope)

    assert ask(app, "GET", "/read", READER).json() == "read"
    assert ask(app, "GET", "/read").status == 401
    # The endpoints stay open.
    assert ask(app, "POST", "/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200


def test_operations_still_read_forms(app: FastAPI, oauth: FastApiOAuth) -> None:
    @app.post("/form", dependencies=[Depends(oauth.require_token())])
    def read(word: Annotated[str, Form()]) -> str:
        return word

    assert ask(app, "POST", "/form", READER, FORM, body=b"word=a+b").json() == "a b"


def test_a_stream_has_the_headers_of_its_token(app: FastAPI) -> None:
    oauth = FastApiOAuth(resource_server=make_async_resource_server(allow_query=True))
    oauth.init_app(app)

    @app.get("/stream", dependencies=[Depends(oauth.require_token())])
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]))

    response = ask(app, "GET", "/stream?access_token=reader")

    assert response.body == b"ab"
    assert dict(response.headers)["cache-control"] == "private"


def test_a_websocket_begins_with_a_token(app: FastAPI, oauth: FastApiOAuth) -> None:
    guard = oauth.require_token(scope="read")

    @app.websocket("/socket")
    async def talk(websocket: WebSocket, token: VerifiedToken = Depends(guard)) -> None:  # noqa: B008
        await websocket.accept()
        await websocket.close(reason=token.client_id)

    [refused] = ask_websocket(app, "/socket", WRITER)

    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
    assert ask_websocket(app, "/socket", READER)[-1]["reason"] == "s6BhdRkqt3"


def test_a_test_puts_a_token_in_place(app: FastAPI, oauth: FastApiOAuth) -> None:
    """As FastAPI's own ``dependency_overrides`` has it."""
    guard = oauth.require_token(scope="read")

    @app.get("/read")
    def read(token: Any = Depends(guard)) -> str:  # noqa: B008
        return str(token)

    app.dependency_overrides[guard] = lambda: "a token"

    assert ask(app, "GET", "/read").json() == "a token"


def test_an_operation_may_ask_for_more(app: FastAPI, oauth: FastApiOAuth) -> None:
    @app.exception_handler(OAuthError)
    async def refuse(_: Request, error: Any) -> Any:
        return oauth.render(error)

    @app.get("/deep", dependencies=[Depends(oauth.require_token())])
    async def deep() -> None:
        raise InsufficientScope.wanting("admin")

    response = ask(app, "GET", "/deep", READER)

    assert response.status == 403
    assert 'scope="admin"' in dict(response.headers)["www-authenticate"]


def test_the_endpoints_can_be_included_below_a_prefix() -> None:
    oauth = FastApiOAuth(make_async_server("/v1/auth"), prefix="/auth")
    app = FastAPI()
    app.include_router(oauth.router, prefix="/v1")

    assert ask(app, "POST", "/v1/auth/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200
    assert ask(app, "DELETE", "/v1/auth/token").status == 405


def test_an_application_that_was_not_prepared_is_told(app: FastAPI) -> None:
    oauth = FastApiOAuth(resource_server=make_async_resource_server())

    @app.get("/read", dependencies=[Depends(oauth.require_token())])
    def read() -> None:
        """Answer nothing."""

    with pytest.raises(RuntimeError, match=r"call init_app\(app\) of FastApiOAuth"):
        ask(app, "GET", "/read")


def test_what_was_not_given_is_said() -> None:
    with pytest.raises(RuntimeError, match="give FastApiOAuth a resource server"):
        FastApiOAuth(make_async_server()).require_token()


def test_what_fastapi_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="FastAPI reads forms before it checks tokens"):
        FastApiOAuth(resource_server=make_async_resource_server(allow_body=True))


def test_a_server_that_holds_up_the_loop_is_refused() -> None:
    server: Any = make_server()
    with pytest.raises(TypeError, match="AsyncAuthorizationServer takes the same settings"):
        FastApiOAuth(server)


def describe(oauth: FastApiOAuth) -> tuple[dict[str, Any], list[dict[str, list[str]]]]:
    """Return the security schemes of the documentation, and what an operation wants of them."""
    app = FastAPI()
    oauth.init_app(app)
    guard = oauth.require_token(scope="read")
    app.add_api_route("/read", lambda: None, dependencies=[Security(guard, scopes=["write"])])
    document = app.openapi()
    assert set(document["paths"]) == {"/read"}
    return document["components"]["securitySchemes"], document["paths"]["/read"]["get"]["security"]


def test_both_grants_are_in_the_documentation() -> None:
    server = AsyncAuthorizationServer(
        issuer="https://auth.example.com/auth",
        store=MemoryStore(),
        grants=[ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
        scopes_supported="read write",
    )
    schemes, wanted = describe(FastApiOAuth(server, make_async_resource_server()))
    flow = {
        "tokenUrl": "https://auth.example.com/auth/token",
        "scopes": {"read": "", "write": ""},
    }

    assert schemes == {
        "OAuth2PasswordBearer": {"type": "oauth2", "flows": {"password": flow}},
        "OAuth2ClientCredentials": {"type": "oauth2", "flows": {"clientCredentials": flow}},
    }
    assert [{name: set(scopes) for name, scopes in each.items()} for each in wanted] == [
        {"OAuth2PasswordBearer": {"read", "write"}},
        {"OAuth2ClientCredentials": {"read", "write"}},
    ]


def test_only_what_is_enabled_is_in_the_documentation() -> None:
    schemes, _ = describe(FastApiOAuth(make_async_server(), make_async_resource_server()))

    assert set(schemes) == {"OAuth2ClientCredentials"}


def test_another_server_can_be_in_the_documentation() -> None:
    schemes, _ = describe(
        FastApiOAuth(
            resource_server=make_async_resource_server(),
            token_url="https://elsewhere.example.com/token",
            grant_types=["password"],
            scopes={"read": "Read reports"},
        )
    )

    assert schemes["OAuth2PasswordBearer"]["flows"]["password"] == {
        "tokenUrl": "https://elsewhere.example.com/token",
        "scopes": {"read": "Read reports"},
    }


def test_without_a_server_the_documentation_takes_tokens() -> None:
    schemes, wanted = describe(FastApiOAuth(resource_server=make_async_resource_server()))

    assert schemes == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    assert [set(each) for each in wanted] == [{"HTTPBearer"}]
