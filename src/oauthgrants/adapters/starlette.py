"""Endpoints and access tokens in Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec

from oauthgrants.adapters.asgi import AsgiApplication, encode_headers
from oauthgrants.adapters.asgi_guard import AsgiGuard
from oauthgrants.adapters.places import TOKEN_KEY, find_places, find_prefix, find_ways
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.errors import MissingToken, OAuthError
from oauthgrants.resource import AsyncResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.tokens import VerifiedToken

try:
    from starlette.applications import Starlette
    from starlette.authentication import (
        AuthCredentials,
        AuthenticationBackend,
        AuthenticationError,
        BaseUser,
    )
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.middleware.authentication import AuthenticationMiddleware
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.routing import Route
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "StarletteOAuth needs Starlette: pip install 'oauthgrants[starlette]'", name=_missing.name
    ) from _missing

_P = ParamSpec("_P")


class StarletteOAuth:
    """
    Serves the endpoints in a Starlette application, and guards its other routes.

    >>> from oauthgrants import ClientCredentialsGrant, MemoryStore
    >>> from starlette.responses import JSONResponse
    >>> server = AsyncAuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience="https://api.example.com",
    ... )
    >>> api = AsyncResourceServer(resource="https://api.example.com", tokens=server.lookup)
    >>> oauth = StarletteOAuth(server, api)
    >>> @oauth.require_token(scope="reports:read")
    ... async def reports(request):
    ...     return JSONResponse({"for": request.state.oauth_token.client_id})
    >>> app = Starlette(routes=[*oauth.routes, Route("/reports", reports)])
    """

    def __init__(
        self,
        server: AsyncAuthorizationServer | None = None,
        resource_server: AsyncResourceServer | None = None,
        *,
        prefix: str | None = None,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an adapter.

        Args:
            server: Answers at the endpoints, None for a resource server alone.
            resource_server: Checks the tokens, None without guards.
            prefix: The path before those of the endpoints, by default that of the issuer. Give
                a shorter one if the application itself is mounted below a prefix.
            trusted_proxies: As for `AsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: A server is not for asyncio.
            ValueError: Another argument is malformed; says which.
        """
        prefix = find_prefix(server, prefix)
        self.routes: list[Route] = []
        """The endpoints, for all methods, as the server says which it takes."""
        for part in (server, resource_server):
            if part is not None:
                application = AsgiApplication(
                    part, trusted_proxies=trusted_proxies, allowed_origins=allowed_origins
                )
                self.routes += (
                    Route(place.under(prefix), application, name=f"oauth.{place.name}")
                    for place in find_places(part)
                )
        self._guard = (
            None
            if resource_server is None
            else AsgiGuard(resource_server, trusted_proxies=trusted_proxies)
        )

    def init_app(self, app: Starlette) -> None:
        """Add the endpoints to *app*, before what it has."""
        app.router.routes[:0] = self.routes

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[[Callable[_P, Any]], Callable[_P, Awaitable[Response]]]:
        """
        Return a decorator for endpoints, which find the token in ``request.state.oauth_token``.

        They are functions of a request, with or without ``async``, or methods of an
        ``HTTPEndpoint``.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            RuntimeError: There is no resource server.
        """
        guard = self._require_guard()

        def decorate(endpoint: Callable[_P, Any]) -> Callable[_P, Awaitable[Response]]:
            @wraps(endpoint)
            async def guarded(*args: Any, **kwargs: Any) -> Response:
                request = _find_request(args)
                try:
                    token, receive = await guard.read_and_verify(
                        request.scope, request.receive, scope=scope, any_scope=any_scope
                    )
                except OAuthError as error:
                    return self.render(error)
                setattr(request.state, TOKEN_KEY, token)
                if receive is not request.receive:  # what was read of the body comes again
                    again = Request(request.scope, receive)
                    args = tuple(again if arg is request else arg for arg in args)
                response: Response = (
                    await endpoint(*args, **kwargs)
                    if iscoroutinefunction(endpoint)
                    else await run_in_threadpool(endpoint, *args, **kwargs)
                )
                for name, value in token.response_headers:
                    response.headers.append(name, value)
                return response

            return guarded

        return decorate

    def render(self, error: OAuthError) -> Response:
        """Return *error* as a response, for exception handlers of the host's own."""
        refusal = self._require_guard().resource_server.render(error)
        response = Response(refusal.body, refusal.status)
        response.raw_headers = encode_headers(refusal.framed_headers)
        return response

    @property
    def backend(self) -> TokenBackend:
        """
        Finds out who asks, for an ``AuthenticationMiddleware``.

        Raises:
            RuntimeError: There is no resource server.
            ValueError: It takes tokens from forms or URLs, which a backend cannot.
        """
        return TokenBackend(self._require_guard())

    @property
    def middleware(self) -> Middleware:
        """An ``AuthenticationMiddleware`` with `backend`, which refuses as `require_token` does."""

        def refuse(_: HTTPConnection, error: Exception) -> Response:
            return self.render(error.args[0])

        return Middleware(AuthenticationMiddleware, backend=self.backend, on_error=refuse)

    def _require_guard(self) -> AsgiGuard:
        if self._guard is None:
            raise RuntimeError("nothing checks tokens here: give the adapter a resource server")
        return self._guard


def _find_request(args: tuple[Any, ...]) -> Request:
    # Methods have their object before it.
    [request] = filter(lambda arg: isinstance(arg, Request), args)
    found: Request = request
    return found


class TokenUser(BaseUser):
    """
    Who acts with a token, in ``request.user``.

    Attributes:
        token: The token.
    """

    def __init__(self, token: VerifiedToken) -> None:
        self.token = token

    @property
    def is_authenticated(self) -> bool:
        """True, since there is a token."""
        return True

    @property
    def display_name(self) -> str:
        """The name of the user, or the client's identifier if it acts for itself."""
        return self.token.username or self.token.client_id

    @property
    def identity(self) -> str:
        """The ``sub``."""
        return self.token.sub


class TokenBackend(AuthenticationBackend):
    """
    Finds out who asks: a `TokenUser` whose credentials are the scope, or nobody.

    A token that is not valid raises ``AuthenticationError`` with the `OAuthError` in it.
    """

    def __init__(self, guard: AsgiGuard) -> None:
        if find_ways(guard.resource_server) - {"header"}:
            raise ValueError(
                "an AuthenticationBackend sees neither body nor response, which allow_body and "
                "allow_query need; use require_token"
            )
        self._guard = guard

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return what the request may do, and who asks; None if nobody says so."""
        if "authorization" not in conn.headers:
            return None
        try:
            token = await self._guard.verify(conn.scope)
        except MissingToken:
            return None
        except OAuthError as error:
            raise AuthenticationError(error) from None
        setattr(conn.state, TOKEN_KEY, token)
        return AuthCredentials(list(token.scope)), TokenUser(token)
