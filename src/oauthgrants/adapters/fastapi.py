"""Endpoints and access tokens in FastAPI, and both grants in its documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from inspect import Parameter, Signature
from typing import Any

from oauthgrants.adapters.asgi import Receive, Send
from oauthgrants.adapters.asgi import Scope as Connection
from oauthgrants.adapters.asgi_guard import Application, AsgiGuard, add_headers
from oauthgrants.adapters.places import TOKEN_KEY, find_ways
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.errors import OAuthError
from oauthgrants.ports import run
from oauthgrants.resource import AsyncResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.tokens import VerifiedToken

try:
    from fastapi import APIRouter, FastAPI, Request, Security, WebSocketException
    from fastapi.requests import HTTPConnection
    from fastapi.responses import Response
    from fastapi.security import HTTPBearer, OAuth2, SecurityScopes
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "FastApiOAuth needs FastAPI: pip install 'oauthgrants[fastapi]'", name=_missing.name
    ) from _missing

# After it, since without both libraries it is this extra that is asked for.
from oauthgrants.adapters.starlette import StarletteOAuth

# What OpenAPI calls the flow of each grant, and FastAPI the scheme
_SHOWN = {
    "password": ("password", "OAuth2PasswordBearer"),
    "client_credentials": ("clientCredentials", "OAuth2ClientCredentials"),
}
_POLICY_VIOLATION = 1008  # RFC 6455, Section 7.4.1


class FastApiOAuth:
    """
    Serves the endpoints in a FastAPI application, and guards its path operations.

    >>> from typing import Annotated
    >>> from oauthgrants import ClientCredentialsGrant, MemoryStore
    >>> server = AsyncAuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience="https://api.example.com",
    ... )
    >>> api = AsyncResourceServer(resource="https://api.example.com", tokens=server.lookup)
    >>> app = FastAPI()
    >>> oauth = FastApiOAuth(server, api)
    >>> oauth.init_app(app)
    >>> @app.get("/reports")
    ... def reports(
    ...     token: Annotated[
    ...         VerifiedToken, Security(oauth.require_token(), scopes=["reports:read"])
    ...     ],
    ... ):
    ...     return {"for": token.client_id}
    """

    def __init__(
        self,
        server: AsyncAuthorizationServer | None = None,
        resource_server: AsyncResourceServer | None = None,
        *,
        token_url: str | None = None,
        grant_types: Collection[str] | None = None,
        scopes: Mapping[str, str] | None = None,
        prefix: str | None = None,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an adapter.

        Args:
            server: Answers at the endpoints, None for a resource server alone.
            resource_server: Checks the tokens, None without guards.
            token_url: Where the documentation page asks for tokens; the endpoint of *server* by
                default. Without both, readers paste a token that they have.
            grant_types: The grants by which that page asks, of ``password`` and
                ``client_credentials``; by default those of *server*, or both without one.
            scopes: The scope tokens that it offers, with descriptions; by default those that
                *server* publishes.
            prefix: The path before those of the endpoints, by default that of the issuer. Give
                a shorter one if the application itself is mounted below a prefix.
            trusted_proxies: As for `AsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: A server is not for asyncio.
            ValueError: Another argument is malformed, or *resource_server* has ``allow_body``,
                but FastAPI reads forms before tokens are checked; says which.
        """
        if resource_server is not None and "body" in find_ways(resource_server):
            raise ValueError("FastAPI reads forms before it checks tokens; leave allow_body off")
        inner = StarletteOAuth(
            server,
            resource_server,
            prefix=prefix,
            trusted_proxies=trusted_proxies,
            allowed_origins=allowed_origins,
        )
        self.router: APIRouter = APIRouter()
        """The endpoints, for ``include_router``; `init_app` includes them."""
        self.router.routes.extend(inner.routes)
        self.render: Callable[[OAuthError], Response] = inner.render
        """Returns an `OAuthError` as a response, for exception handlers of the host's own."""
        self._guard = (
            None
            if resource_server is None
            else AsgiGuard(resource_server, trusted_proxies=trusted_proxies)
        )
        self._schemes = _make_schemes(server, token_url, grant_types, scopes)

    def init_app(self, app: FastAPI) -> None:
        """Add the endpoints to *app*, and what its guards need."""
        app.include_router(self.router)
        app.add_exception_handler(TokenRefused, _respond)
        app.add_middleware(TokenHeaders)

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[..., Awaitable[VerifiedToken]]:
        """
        Return a dependency whose value is the token, for ``Depends`` and ``Security``.

        The scopes of ``Security(…, scopes=[…])``, here and further out, are wanted too. The
        token is in ``request.state.oauth_token`` as well.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            RuntimeError: There is no resource server.
        """
        guard = self._guard
        if guard is None:
            raise RuntimeError("nothing checks tokens here: give FastApiOAuth a resource server")
        every = Scope.of(scope or Scope())

        async def dependency(
            connection: HTTPConnection, asked: SecurityScopes, **_shown: Any
        ) -> VerifiedToken:
            if TokenRefused not in connection.app.exception_handlers:
                raise RuntimeError("call init_app(app) of FastApiOAuth with the application")
            try:
                token = await guard.verify(
                    connection.scope,
                    scope=every.tokens | frozenset(asked.scopes),
                    any_scope=any_scope,
                )
            except OAuthError as error:
                if connection.scope["type"] == "websocket":
                    raise WebSocketException(_POLICY_VIOLATION) from None
                raise TokenRefused(self.render(error)) from None
            setattr(connection.state, TOKEN_KEY, token)
            return token

        # What is shown in the documentation depends on settings, so the signature does.
        shown = [
            Parameter(
                scheme.scheme_name,
                Parameter.KEYWORD_ONLY,
                default=Security(scheme, scopes=list(every)),
            )
            for scheme in self._schemes
        ]
        signature = Signature(
            [
                Parameter("connection", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
                Parameter("asked", Parameter.KEYWORD_ONLY, annotation=SecurityScopes),
                *shown,
            ]
        )
        setattr(dependency, "__signature__", signature)  # noqa: B010  # functions declare none
        return dependency


class TokenRefused(Exception):
    """
    A request has no token that would do; `FastApiOAuth.init_app` knows how to answer.

    Args:
        response: The answer.
    """

    def __init__(self, response: Response) -> None:
        super().__init__("a request was refused for its token")
        self.response = response


class TokenHeaders:
    """Adds what a token wants of a response (RFC 6750, 2.3); ASGI middleware."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        state: dict[str, Any] = {**scope.get("state", {})}

        async def send_more(message: dict[str, Any]) -> None:
            token = state.get(TOKEN_KEY)
            await (send if token is None else add_headers(token, send))(message)

        await self._app({**scope, "state": state}, receive, send_more)


async def _respond(_: Request, refusal: Any) -> Response:
    response: Response = refusal.response
    return response


# What the documentation shows. The guard itself reads the token, of WebSockets too, which
# FastAPI's own classes do not in every version.


class _ShownGrant(OAuth2):
    async def __call__(self) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read nothing."""


class _ShownToken(HTTPBearer):
    async def __call__(self) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read nothing."""


def _make_schemes(
    server: AsyncAuthorizationServer | None,
    token_url: str | None,
    grant_types: Collection[str] | None,
    scopes: Mapping[str, str] | None,
) -> list[_ShownGrant] | list[_ShownToken]:
    """Return the security schemes of the documentation (OpenAPI 3.1, 4.8.27)."""
    metadata: Mapping[str, Any] = {} if server is None else run(server.metadata())
    url: str | None = token_url or metadata.get("token_endpoint")
    if url is None:
        return [_ShownToken(scheme_name="HTTPBearer")]
    enabled = metadata.get("grant_types_supported", _SHOWN) if grant_types is None else grant_types
    published: list[str] = metadata.get("scopes_supported", [])
    described = dict(scopes or dict.fromkeys(published, ""))
    return [
        _ShownGrant(flows={flow: {"tokenUrl": url, "scopes": described}}, scheme_name=name)
        for grant_type, (flow, name) in _SHOWN.items()
        if grant_type in enabled
    ]
