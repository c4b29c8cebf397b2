"""The SDK's own client and server, over HTTP on loopback, and what goes wrong there."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import attrs
import httpx2
import pytest
import uvicorn
from asgi_apps import ask
from mcp import Client as McpClient
from mcp.client.auth import OAuthTokenError
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oauthgrants import (
    AccessToken,
    AsyncAuthorizationServer,
    AsyncResourceServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    ResourceServer,
    Secret,
    TemporarilyUnavailable,
)
from oauthgrants.adapters.mcp import McpOAuth, ResourceTokenVerifier, metadata_for_sdk
from oauthgrants.jose import SigningKey
from oauthgrants.testing.contract_servers import HostFault, make_resource_server
from oauthgrants.testing.sending import send_over_socket
from support import FORM, basic

RESOURCE = "https://mcp.example.com/mcp"
ISSUER = "https://mcp.example.com"
OTHER = "https://elsewhere.example.com"
req = pytest.mark.req


class MemoryTokens:
    """The SDK's ``TokenStorage``, and what came through it."""

    def __init__(self) -> None:
        self.tokens: list[OAuthToken] = []

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError(client_info)


class Tokens:
    """A store of tokens that may be away."""

    is_away = False

    def __init__(self, server: AsyncAuthorizationServer) -> None:
        self._lookup = server.lookup

    async def find_access_token(self, value: Secret) -> AccessToken | None:
        if self.is_away:
            raise ConnectionError
        return await self._lookup.find_access_token(value)


@attrs.frozen
class Running:
    """An MCP server with tokens of its own, and a client that is registered there."""

    address: tuple[str, int]
    secret: Secret
    tokens: Tokens

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    def provider(self, storage: MemoryTokens, **settings: Any) -> ClientCredentialsOAuthProvider:
        usual: dict[str, Any] = {
            "server_url": f"{self.issuer}/mcp",
            "storage": storage,
            "client_id": "agent",
            "client_secret": self.secret.reveal(),
            "issuer": self.issuer,
        }
        return ClientCredentialsOAuthProvider(**usual | settings)

    def call(self, tool: str, provider: httpx2.Auth, seen: list[str] | None = None) -> Any:
        """Return what *tool* answers, as an agent would ask, and note the requests in *seen*."""

        async def note(response: httpx2.Response) -> None:
            if seen is not None:
                request = response.request
                seen.append(f"{request.method} {request.url.path} {response.status_code}")

        async def call() -> Any:
            hooks: dict[str, list[Any]] = {"response": [note]}
            async with (
                httpx2.AsyncClient(auth=provider, event_hooks=hooks, timeout=30) as http,
                McpClient(streamable_http_client(f"{self.issuer}/mcp", http_client=http)) as client,
            ):
                return (await client.call_tool(tool)).structured_content

        return asyncio.run(call())


def settings_of(issuer: str) -> dict[str, Any]:
    return {
        "resource": f"{issuer}/mcp",
        "authorization_servers": [issuer],
        "scopes_supported": "reports:read",
        "allow_insecure_transport": True,
    }


@contextmanager
def run_server(
    listening: socket.socket,
    method: str = "client_secret_basic",
    further_clients: tuple[Client, ...] = (),
) -> Generator[Running, None, None]:
    address = listening.getsockname()
    issuer = f"http://127.0.0.1:{address[1]}"
    client, secret = Client.confidential(
        "agent",
        scope="reports:read",
        grant_types=["client_credentials"],
        token_endpoint_auth_method=method,
    )
    store = MemoryStore()
    for each in (client, *further_clients):
        store.add_client(each)
    server = AsyncAuthorizationServer(
        issuer=issuer,
        allow_insecure_transport=True,
        store=store,
        grants=[ClientCredentialsGrant()],
        audience=f"{issuer}/mcp",
        metadata=metadata_for_sdk(issuer),
    )
    tokens = Tokens(server)
    api = AsyncResourceServer(tokens=tokens, **settings_of(issuer))
    oauth = McpOAuth(server, api, scope="reports:read")
    mcp: MCPServer[Any] = MCPServer(
        "reports", auth=oauth.settings, token_verifier=oauth.token_verifier, log_level="CRITICAL"
    )

    @mcp.tool()
    def whoami() -> dict[str, str | None]:
        """Say who calls."""
        token = get_access_token()
        assert token is not None
        return {"client": token.client_id, "subject": token.subject, "for": token.resource}

    app = mcp.streamable_http_app()
    oauth.init_app(app)
    web_server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = Thread(target=web_server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Running(address, secret, tokens)
    finally:
        web_server.should_exit = True
        thread.join(30)


@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
def method(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def running() -> Generator[Running, None, None]:
    with socket.create_server(("127.0.0.1", 0)) as listening, run_server(listening) as server:
        yield server


@req("R8414-3-a", "R8414-3.2-a", "R9728-3-a", "R9728-3.2-a", "R9728-5.1-a")
def test_the_clients_of_the_sdk_find_their_way(method: str) -> None:
    """From a 401 by both documents and the token endpoint to the answer of a tool."""
    storage, seen = MemoryTokens(), list[str]()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        run_server(listening, method) as running,
    ):
        provider = running.provider(storage, token_endpoint_auth_method=method)
        answer = running.call("whoami", provider, seen)

    assert answer == {"client": "agent", "subject": "agent", "for": f"{running.issuer}/mcp"}
    assert seen[:5] == [
        "POST /mcp 401",
        "GET /.well-known/oauth-protected-resource/mcp 200",
        "GET /.well-known/oauth-authorization-server 200",
        "POST /token 200",
        "POST /mcp 200",
    ]
    assert [token.scope for token in storage.tokens] == ["reports:read"]


@req("OIDC-9-a", "OIDC-9-b", "R7523-3-b", "R9700-2.5-a")
def test_a_client_of_the_sdk_signs_with_its_key() -> None:
    """No secret is shared: the assertion is for the issuer that the metadata name."""
    key = SigningKey.generate("ES256", kid="2026")
    signer = Client.with_keys(
        "signer",
        jwks={"keys": [key.public.as_dict()]},
        scope="reports:read",
        grant_types=["client_credentials"],
    )
    parameters = SignedJWTParameters(
        issuer="signer",
        subject="signer",
        signing_key=key.to_pem().decode(),
        signing_algorithm="ES256",
    )
    storage = MemoryTokens()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        run_server(listening, further_clients=(signer,)) as running,
    ):
        provider = PrivateKeyJWTOAuthProvider(
            server_url=f"{running.issuer}/mcp",
            storage=storage,
            client_id="signer",
            assertion_provider=parameters.create_assertion_provider(),
            issuer=running.issuer,
        )
        answer = running.call("whoami", provider)

    assert answer == {"client": "signer", "subject": "signer", "for": f"{running.issuer}/mcp"}
    assert [token.scope for token in storage.tokens] == ["reports:read"]


def find_all(error: BaseException, kind: type[Exception]) -> list[BaseException]:
    """Return what of *kind* is in *error*, which task groups wrap."""
    inner: Any = getattr(error, "exceptions", None)
    if inner is None:
        return [error] if isinstance(error, kind) else []
    return [found for each in inner for found in find_all(each, kind)]


@req("R6749-5.2-a")
def test_a_wrong_secret_is_the_client_s_own_exception(running: Running) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # a group, or what is in it
        running.call("whoami", running.provider(MemoryTokens(), client_secret="guess"))

    [error, *_] = find_all(caught.value, OAuthTokenError)
    assert "invalid_client" in str(error)


def post(running: Running, *headers: tuple[str, str], path: str = "/mcp") -> HttpResponse:
    host = ("Host", f"127.0.0.1:{running.address[1]}")
    body = b"grant_type=client_credentials&scope=reports%3Aread" if path == "/token" else b"{}"
    return send_over_socket(running.address, "POST", path, [host, FORM, *headers], body)


def get_token(running: Running) -> str:
    answer = post(running, basic("agent", running.secret), path="/token")
    value: str = answer.json()["access_token"]
    return value


def field(answer: HttpResponse, name: str) -> str:
    [value] = [value for each, value in answer.headers if each.lower() == name.lower()]
    return value


@pytest.mark.parametrize("value", ["guess", "gu€ss".encode().decode("latin-1"), "a b"])
def test_a_token_that_is_none_earns_401(running: Running, value: str) -> None:
    answer = post(running, ("Authorization", f"Bearer {value}"))

    assert answer.status == 401
    assert "/.well-known/oauth-protected-resource/mcp" in field(answer, "WWW-Authenticate")


def test_a_store_that_is_away_earns_503(running: Running) -> None:
    """Nobody is told that a good token is bad."""
    authorization = ("Authorization", f"Bearer {get_token(running)}")
    running.tokens.is_away = True

    answer = post(running, authorization)

    assert answer.status == 503
    assert int(field(answer, "Retry-After")) > 0
    running.tokens.is_away = False
    assert post(running, authorization).status not in {401, 503}


@req("R6750-2.1-a")
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_either_resource_server_checks_for_the_sdk(colour: str) -> None:
    kind = ResourceServer if colour == "sync" else AsyncResourceServer
    client, secret = Client.confidential(
        "agent", scope="read", default_scope="read", grant_types=["client_credentials"]
    )
    store = MemoryStore()
    store.add_client(client)
    server = AuthorizationServer(
        issuer=ISSUER, store=store, grants=[ClientCredentialsGrant()], audience=[OTHER, RESOURCE]
    )
    answer = server.token(
        HttpRequest(
            method="POST",
            url=server.token_endpoint,
            headers=[FORM, basic("agent", secret)],
            body=b"grant_type=client_credentials",
        )
    )

    def verify(value: str, **settings: Any) -> Any:
        usual: dict[str, Any] = {"resource": RESOURCE, "tokens": server.lookup}
        api = kind(**usual | settings)
        return asyncio.run(ResourceTokenVerifier(api).verify_token(value))

    value = answer.json()["access_token"]
    found = verify(value)
    assert (found.token, found.client_id, found.scopes) == (value, "agent", ["read"])
    assert (found.subject, found.resource, found.claims) == ("agent", RESOURCE, {})
    assert abs(found.expires_at - time.time() - 3600) < 600
    assert verify(value, resource="https://mcp.example.com/else") is None
    assert verify(value, resource="https://mcp.example.com/else", audience=OTHER).resource == OTHER
    assert verify("guess") is None


def test_a_verifier_says_that_it_does_not_know() -> None:
    class Away:
        def find_access_token(self, value: Secret) -> AccessToken | None:
            raise ConnectionError

    verifier = ResourceTokenVerifier(ResourceServer(resource=RESOURCE, tokens=Away()))

    with pytest.raises(TemporarilyUnavailable):
        asyncio.run(verifier.verify_token("any"))


def make_server(**settings: Any) -> AsyncAuthorizationServer:
    settings.setdefault("metadata", metadata_for_sdk(ISSUER))
    return AsyncAuthorizationServer(
        issuer=ISSUER, store=MemoryStore(), grants=[ClientCredentialsGrant()], **settings
    )


def make_api(*issuers: str) -> AsyncResourceServer:
    server = make_server()
    return AsyncResourceServer(
        resource=RESOURCE, tokens=server.lookup, authorization_servers=issuers
    )


def test_what_the_clients_could_not_find_is_refused() -> None:
    with pytest.raises(ValueError, match="metadata=metadata_for_sdk"):
        McpOAuth(make_server(metadata=None), make_api(ISSUER))
    with pytest.raises(ValueError, match=f"does not name {ISSUER} among"):
        McpOAuth(make_server(), make_api(OTHER))
    with pytest.raises(ValueError, match="names no authorization_servers"):
        McpOAuth(None, make_api())
    wrong: Any = make_resource_server()
    with pytest.raises(TypeError, match="AsyncResourceServer takes the same settings"):
        McpOAuth(None, wrong)


@req("R8414-2-b")
def test_tokens_may_come_from_elsewhere() -> None:
    oauth = McpOAuth(None, make_api(OTHER, ISSUER), scope=["read", "write"])

    assert [route.path for route in oauth.routes] == ["/.well-known/oauth-protected-resource/mcp"]
    assert str(oauth.settings.issuer_url) == OTHER
    assert str(oauth.settings.resource_server_url) == RESOURCE
    assert oauth.settings.required_scopes == ["read", "write"]
    assert "authorization_endpoint" not in asyncio.run(make_server(metadata={}).metadata())


def test_what_others_raise_goes_on() -> None:
    """Only what says that tokens cannot be checked becomes a response."""
    oauth = McpOAuth(make_server(), make_api(ISSUER))

    async def fail(_: Request) -> Response:
        raise HostFault

    app = Starlette(routes=[Route("/fail", fail)])
    oauth.init_app(app)

    with pytest.raises(HostFault):
        ask(app, "GET", "/fail")
    assert ask(app, "GET", "/.well-known/oauth-protected-resource/mcp").status == 200


def test_without_the_sdk_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['mcp'] = None; import oauthgrants.adapters.mcp"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )

    assert "ModuleNotFoundError: McpOAuth needs" in done.stderr
    assert "pip install 'oauthgrants[mcp]'" in done.stderr
