"""Checks access tokens before ASGI applications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from oauthgrants.adapters.asgi import (
    AsgiRequests,
    Receive,
    Send,
    encode_headers,
    read_body,
    send_response,
)
from oauthgrants.adapters.asgi import Scope as Connection
from oauthgrants.adapters.places import (
    TOKEN_KEY,
    find_ways,
    has_form,
    note_earlier,
    require_async,
)
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.errors import InvalidRequest, OAuthError
from oauthgrants.resource import AsyncResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.tokens import VerifiedToken

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application, whatever names its types have."""


class AsgiGuard:
    """
    Guards ASGI applications: only requests with a valid access token get through.

    They have it in the ``state`` of their scope, as ``oauth_token``. WebSockets without a token
    are turned away; the lifespan goes through.

    >>> from oauthgrants import AsyncAuthorizationServer, ClientCredentialsGrant, MemoryStore
    >>> server = AsyncAuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ... )
    >>> guard = AsgiGuard(
    ...     AsyncResourceServer(resource="https://api.example.com", tokens=server.lookup)
    ... )
    >>> @guard.require_token(scope="reports:read")
    ... async def application(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     client_id = scope["state"]["oauth_token"].client_id
    ...     await send({"type": "http.response.body", "body": client_id.encode()})
    """

    def __init__(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Proxies = ()
    ) -> None:
        """
        Make a guard.

        Args:
            resource_server: Checks the tokens.
            trusted_proxies: As for `AsgiRequests`.

        Raises:
            TypeError: *resource_server* is not for asyncio.
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        require_async(resource_server)
        self.resource_server = resource_server
        """Checks the tokens."""
        self._most = resource_server.limits.body + 1
        self._requests = AsgiRequests(trusted_proxies)
        self._reads_body = "body" in find_ways(resource_server)

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[[Application], Application]:
        """
        Return a decorator for applications.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.
        """

        def decorate(application: Application) -> Application:
            async def guarded(connection: Connection, receive: Receive, send: Send) -> None:
                if connection["type"] not in {"http", "websocket"}:
                    await application(connection, receive, send)
                    return
                try:
                    token, receive = await self.read_and_verify(
                        connection, receive, scope=scope, any_scope=any_scope
                    )
                except OAuthError as error:
                    if connection["type"] == "websocket":
                        await send({"type": "websocket.close"})
                    else:
                        await send_response(self.resource_server.render(error), connection, send)
                    return
                await application(with_token(connection, token), receive, add_headers(token, send))

            return guarded

        return decorate

    async def verify(
        self,
        connection: Connection,
        body: bytes = b"",
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> VerifiedToken:
        """
        Return what the token of a request stands for.

        Args:
            connection: The scope that ASGI gives.
            body: Where the token may be in a form, the octets of that.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            OAuthError: As `AsyncResourceServer.require_token` raises it.
        """
        earlier = connection.get("state", {}).get(TOKEN_KEY)
        request = note_earlier(self._requests.see(connection, body), earlier)
        return await self.resource_server.require_token(request, scope=scope, any_scope=any_scope)

    async def read_and_verify(
        self,
        connection: Connection,
        receive: Receive,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> tuple[VerifiedToken, Receive]:
        """
        Return what the token stands for, and what brings the body after this.

        The body is read only if the token may be in it.

        Args:
            connection: The scope that ASGI gives.
            receive: Brings the body.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            OAuthError: As `AsyncResourceServer.require_token` raises it.
        """
        body = b""
        if self._reads_body and has_form(
            value.decode("latin-1")
            for name, value in connection["headers"]
            if name == b"content-type"
        ):
            read = await read_body(receive, self._most)
            if read is None:
                raise InvalidRequest("the client went away")
            body = read
            receive = _put_back(body, receive)
        token = await self.verify(connection, body, scope=scope, any_scope=any_scope)
        if len(body) == self._most:
            # The rest cannot be read again.
            raise InvalidRequest("the body is too large")
        return token, receive


def with_token(connection: Connection, token: VerifiedToken) -> dict[str, Any]:
    """Return *connection* with *token* in its state."""
    return {**connection, "state": {**connection.get("state", {}), TOKEN_KEY: token}}


def add_headers(token: VerifiedToken, send: Send) -> Send:
    """Return what sends the same, and with it what *token* wants of a response."""
    if not token.response_headers:
        return send

    async def send_more(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *encode_headers(token.response_headers)]
            message = {**message, "headers": headers}
        await send(message)

    return send_more


def _put_back(body: bytes, receive: Receive) -> Receive:
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def receive_again() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await receive()

    return receive_again
