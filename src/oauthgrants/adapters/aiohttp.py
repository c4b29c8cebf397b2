"""Endpoints and access tokens in aiohttp.web."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec

from oauthgrants.adapters import places
from oauthgrants.adapters.certificates import find_on_connection
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.proxies import Arrival, Proxies, TrustedProxies, quote_path
from oauthgrants.errors import OAuthError
from oauthgrants.resource import AsyncResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.tokens import VerifiedToken
from oauthgrants.wire import HttpRequest, HttpResponse

try:
    from aiohttp import web
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "AiohttpOAuth needs aiohttp: pip install 'oauthgrants[aiohttp]'", name=_missing.name
    ) from _missing

OAUTH_TOKEN = web.RequestKey("oauth_token", VerifiedToken)
"""Where a request has its checked token."""

_P = ParamSpec("_P")
_Server = AsyncAuthorizationServer | AsyncResourceServer


class AiohttpOAuth:
    """
    Serves the endpoints in an aiohttp application, and guards its handlers.

    >>> from oauthgrants import ClientCredentialsGrant, MemoryStore
    >>> server = AsyncAuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience="https://api.example.com",
    ... )
    >>> api = AsyncResourceServer(resource="https://api.example.com", tokens=server.lookup)
    >>> oauth = AiohttpOAuth(server, api)
    >>> @oauth.require_token(scope="reports:read")
    ... async def reports(request):
    ...     return web.json_response({"for": request[OAUTH_TOKEN].client_id})
    >>> app = web.Application()
    >>> oauth.init_app(app)
    >>> app.router.add_get("/reports", reports).method
    'GET'
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
                a shorter one if the application itself is added below a prefix.
            trusted_proxies: Addresses and networks of those whose ``X-Forwarded-`` headers
                are believed (RFC 9700, 4.13), and ``unix`` for those on a Unix socket; or
                `TrustedProxies`, which can hand on certificates too (RFC 8705).
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: A server is not for asyncio.
            ValueError: Another argument is malformed; says which.
        """
        prefix = places.find_prefix(server, prefix)
        self._proxies = TrustedProxies.parse(trusted_proxies)
        self._resource_server = resource_server
        self._reads_body = resource_server is not None and "body" in places.find_ways(
            resource_server
        )
        self._installed = web.AppKey("oauthgrants", AiohttpOAuth)
        self.routes: list[web.RouteDef] = []
        """The endpoints, for all methods, as the server says which it takes."""
        for part in (server, resource_server):
            if part is not None:
                places.require_async(part)
                handler = self._make_handler(part, CrossOrigin.to(part, allowed_origins))
                self.routes += (
                    web.route("*", place.under(prefix), handler, name=f"oauth.{place.name}")
                    for place in places.find_places(part)
                )

    def init_app(self, app: web.Application) -> None:
        """Add the endpoints to *app*, and what its guards need; those of sub-applications too."""
        app.add_routes(self.routes)
        app.on_response_prepare.append(_add_headers)
        app[self._installed] = self

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[[Callable[_P, Awaitable[Any]]], Callable[_P, Awaitable[Any]]]:
        """
        Return a decorator for handlers, which find the token in ``request[OAUTH_TOKEN]``.

        They are functions of a request, methods of one, or methods of a ``web.View``.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            RuntimeError: There is no resource server.
        """
        resource_server = self._require_resource_server()

        def decorate(handler: Callable[_P, Awaitable[Any]]) -> Callable[_P, Awaitable[Any]]:
            @wraps(handler)
            async def guarded(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                request = _find_request(args)
                if self._installed not in request.config_dict:
                    raise RuntimeError("call init_app(app) of AiohttpOAuth with the application")
                body = b""
                if self._reads_body and places.has_form(request.headers.getall("Content-Type", ())):
                    body = await request.read()
                try:
                    token = await resource_server.require_token(
                        places.note_earlier(self._see(request, body), request.get(OAUTH_TOKEN)),
                        scope=scope,
                        any_scope=any_scope,
                    )
                except OAuthError as error:
                    return self.render(error)
                request[OAUTH_TOKEN] = token
                return await handler(*args, **kwargs)

            return guarded

        return decorate

    def render(self, error: OAuthError) -> web.Response:
        """Return *error* as a response, for middlewares of the host's own."""
        return _respond(self._require_resource_server().render(error))

    def _require_resource_server(self) -> AsyncResourceServer:
        if self._resource_server is None:
            raise RuntimeError("nothing checks tokens here: give AiohttpOAuth a resource server")
        return self._resource_server

    def _make_handler(
        self, server: _Server, cross_origin: CrossOrigin
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        most = server.limits.body + 1

        async def answer(request: web.Request) -> web.Response:
            seen = self._see(request, await _read_body(request, most))
            response = cross_origin.answer_preflight(seen)
            if response is None:
                response = cross_origin.add_to(await server.handle(seen), seen)
            return _respond(response)

        return answer

    def _see(self, request: web.Request, body: bytes) -> HttpRequest:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers
        ]
        arrival = self._proxies.look_behind(
            Arrival.at(
                request.headers.get("Host"),
                server=_find_server(request),
                scheme=request.scheme,
                source=request.remote or None,
                certificate=find_on_connection(request.get_extra_info("ssl_object")),
            ),
            headers,
        )
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # an absolute target has one too (RFC 9112, Section 3.2.2)
            path = path.partition("://")[2].partition("/")[2]
        return HttpRequest(
            method=request.method,
            url=arrival.url(quote_path(path.encode("latin-1", "replace"), escaped=True), query),
            headers=headers,
            body=body,
            source=arrival.source,
            client_certificate=arrival.certificate.octets,
            client_certificate_verified=arrival.certificate.verified,
        )


async def _read_body(request: web.Request, most: int) -> bytes:
    """Return the body, or the first *most* octets of a longer one."""
    body = bytearray()
    while len(body) < most and (chunk := await request.content.readany()):
        body += chunk
    # A middleware may have read it before.
    return bytes(body[:most]) or (await request.read())[:most]


def _find_request(args: tuple[Any, ...]) -> web.Request:
    [request] = (
        arg.request if isinstance(arg, web.View) else arg
        for arg in args
        if isinstance(arg, web.Request | web.View)
    )
    return request


def _find_server(request: web.Request) -> tuple[str, int] | None:
    transport = request.transport
    name: Any = None if transport is None else transport.get_extra_info("sockname")
    # A Unix socket has a file's name, or none.
    return None if not name or isinstance(name, str | bytes) else (name[0], name[1])


def _respond(response: HttpResponse) -> web.Response:
    answer = web.Response(status=response.status, body=response.body)
    for name, value in response.headers:
        answer.headers.add(name, value)
    return answer


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    if OAUTH_TOKEN in request:
        for name, value in request[OAUTH_TOKEN].response_headers:
            response.headers.add(name, value)
