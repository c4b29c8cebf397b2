"""Checks access tokens before WSGI applications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from oauthgrants.adapters.places import find_ways, has_form, note_earlier, require_sync
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.adapters.wsgi import WsgiRequests, read_body
from oauthgrants.errors import InvalidRequest, OAuthError
from oauthgrants.resource import ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.tokens import VerifiedToken

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

WSGI_TOKEN_KEY = "oauthgrants.token"
"""Where the checked token is in ``environ``."""


class WsgiGuard:
    """
    Guards WSGI applications: only requests with a valid access token get through.

    >>> from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ... )
    >>> guard = WsgiGuard(
    ...     ResourceServer(resource="https://api.example.com", tokens=server.lookup)
    ... )
    >>> @guard.require_token(scope="reports:read")
    ... def application(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    ...     return [environ["oauthgrants.token"].client_id.encode()]
    """

    def __init__(self, resource_server: ResourceServer, *, trusted_proxies: Proxies = ()) -> None:
        """
        Make a guard.

        Args:
            resource_server: Checks the tokens.
            trusted_proxies: As for `WsgiRequests`.

        Raises:
            TypeError: *resource_server* is for asyncio.
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        require_sync(resource_server)
        self.resource_server = resource_server
        """Checks the tokens."""
        self._most = resource_server.limits.body + 1
        self._requests = WsgiRequests(trusted_proxies)
        self._reads_body = "body" in find_ways(resource_server)

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[[WSGIApplication], WSGIApplication]:
        """
        Return a decorator for applications, which find it in ``environ["oauthgrants.token"]``.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.
        """

        def decorate(application: WSGIApplication) -> WSGIApplication:
            def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
                try:
                    token = self.verify(environ, scope=scope, any_scope=any_scope)
                except OAuthError as error:
                    response = self.resource_server.render(error)
                    start_response(
                        f"{response.status} {response.reason}", list(response.framed_headers)
                    )
                    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

                def start(
                    status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
                ) -> Callable[[bytes], object]:
                    return start_response(status, [*headers, *token.response_headers], exc_info)

                return application(environ, start)

            return guarded

        return decorate

    def verify(
        self,
        environ: WSGIEnvironment,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> VerifiedToken:
        """
        Return what the token of a request stands for, and put it into *environ*.

        The body is read only if the token may be in it, and can be read again afterwards.

        Args:
            environ: Tells of the request.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            OAuthError: As `ResourceServer.require_token` raises it.
        """
        body = b""
        if self._reads_body and has_form([environ.get("CONTENT_TYPE", "")]):
            read = read_body(environ, self._most)
            if read is None:
                raise InvalidRequest("the body is not as long as Content-Length says")
            body = read
            environ["wsgi.input"] = BytesIO(body)
        request = note_earlier(self._requests.see(environ, body), environ.get(WSGI_TOKEN_KEY))
        token = self.resource_server.require_token(request, scope=scope, any_scope=any_scope)
        if len(body) == self._most:
            # The rest cannot be read again.
            raise InvalidRequest("the body is too large")
        environ[WSGI_TOKEN_KEY] = token
        return token
