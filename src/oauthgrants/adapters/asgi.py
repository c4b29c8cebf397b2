"""The authorization server as an ASGI 3 application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from oauthgrants.adapters.proxies import Arrival, TrustedProxies, quote_path
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.wire import HttpRequest, HttpResponse

Scope: TypeAlias = Mapping[str, Any]
"""What a connection is about."""
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
"""Waits for a message of the web server."""
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
"""Gives the web server a message."""


class AsgiApplication:
    """
    Serves every endpoint of a server to any ASGI web server.

    Mounted below a prefix, it answers where the issuer says: ``root_path`` is part of the URL.
    What the host's code raises goes on to the web server. Run bare, it takes part in the
    lifespan protocol without doing anything in it, and turns WebSockets away.

    >>> from oauthgrants import Client, ClientCredentialsGrant, MemoryStore
    >>> application = AsgiApplication(
    ...     AsyncAuthorizationServer(
    ...         issuer="https://auth.example.com",
    ...         store=MemoryStore(),
    ...         grants=[ClientCredentialsGrant()],
    ...     ),
    ...     trusted_proxies=["10.0.0.0/8"],
    ... )
    """

    def __init__(
        self, server: AsyncAuthorizationServer, *, trusted_proxies: str | Iterable[str] = ()
    ) -> None:
        """
        Make an application.

        Args:
            server: Answers the requests.
            trusted_proxies: Addresses and networks of those whose ``X-Forwarded-`` headers
                are believed (RFC 9700, 4.13), and ``unix`` for those on a Unix socket.

        Raises:
            ValueError: *trusted_proxies* has something else.
        """
        self._server = server
        self._most = server.limits.body + 1
        self._proxies = TrustedProxies.parse(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request.

        Raises:
            ValueError: The connection is of a kind that ASGI did not have when this was written.
        """
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})
            case kind:
                raise ValueError(f"a connection of the type {kind!r} is none for OAuth")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._read_body(receive)
        if body is None:
            return
        response = await self._server.handle(self._see(scope, body))
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": _encode_headers(response),
            }
        )
        content = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": content})

    def _see(self, scope: Scope, body: bytes) -> HttpRequest:
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        client = scope.get("client")
        arrival = self._proxies.look_behind(
            Arrival.at(
                next((value for name, value in headers if name.lower() == "host"), None),
                server=scope.get("server"),
                scheme=scope.get("scheme", "http"),
                source=(client[0] or None) if client else None,
            ),
            headers,
        )
        return HttpRequest(
            method=scope["method"],
            url=arrival.url(_find_path(scope), scope.get("query_string", b"").decode("latin-1")),
            headers=headers,
            body=body,
            source=arrival.source,
        )

    async def _read_body(self, receive: Receive) -> bytes | None:
        """
        Return the body, None if the client went away in the middle.

        Of one that is too long come as many octets as it takes to refuse it.
        """
        body = bytearray()
        more = True
        while more and len(body) < self._most:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body[: self._most])


def _find_path(scope: Scope) -> str:
    """Return the path that the client asked for, quoted."""
    root: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    # The path includes the prefix, as SCRIPT_NAME and PATH_INFO together do; older web servers
    # and frameworks take the prefix off.
    if root and path != root and not path.startswith(f"{root}/"):
        path = root + path
    # The octets of the wire are better, unless a proxy or middleware has changed the path.
    raw: bytes = scope.get("raw_path") or b""
    if unquote(raw.decode("latin-1")) == path:
        return quote_path(raw, escaped=True)
    return quote_path(path.encode(errors="replace"))


def _encode_headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    # ASGI wants names in lower case.
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.framed_headers
    ]


async def _live(receive: Receive, send: Send) -> None:
    kind = ""
    while kind != "lifespan.shutdown":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
