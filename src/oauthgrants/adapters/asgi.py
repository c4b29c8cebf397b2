"""Both servers in ASGI 3 applications."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote

from oauthgrants.adapters.certificates import find_in_scope
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.places import require_async
from oauthgrants.adapters.proxies import Arrival, Proxies, TrustedProxies, quote_path
from oauthgrants.resource import AsyncResourceServer
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.wire import HttpRequest, HttpResponse

Scope: TypeAlias = Mapping[str, Any]
"""What a connection is about."""
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""Waits for a message of the web server."""
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
"""Gives the web server a message."""

# A WebSocket begins with a request of HTTP.
_SCHEMES = {"https": "https", "wss": "https"}


class AsgiRequests:
    """
    Makes an `HttpRequest` of what an ASGI server tells.

    >>> scope = {"type": "http", "method": "GET", "path": "/reports", "headers": []}
    >>> AsgiRequests().see(scope).url
    'http://localhost/reports'
    """

    def __init__(self, trusted_proxies: Proxies = ()) -> None:
        """
        Say which proxies are trusted.

        Args:
            trusted_proxies: Addresses and networks of those whose ``X-Forwarded-`` headers
                are believed (RFC 9700, 4.13), and ``unix`` for those on a Unix socket; or
                `TrustedProxies`, which can hand on certificates too (RFC 8705).

        Raises:
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        self._proxies = TrustedProxies.parse(trusted_proxies)

    def see(self, scope: Scope, body: bytes = b"") -> HttpRequest:
        """Return the request in *scope*, with *body*; a WebSocket begins with one too."""
        headers = tuple(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        )
        client = scope.get("client")
        arrival = self._proxies.look_behind(
            Arrival.at(
                next((value for name, value in headers if name.lower() == "host"), None),
                server=scope.get("server"),
                scheme=_SCHEMES.get(scope.get("scheme", "http"), "http"),
                source=(client[0] or None) if client else None,
                certificate=find_in_scope(scope),
            ),
            headers,
        )
        return HttpRequest(
            method=scope.get("method", "GET"),
            url=arrival.url(_find_path(scope), scope.get("query_string", b"").decode("latin-1")),
            headers=headers,
            body=body,
            source=arrival.source,
            client_certificate=arrival.certificate.octets,
            client_certificate_verified=arrival.certificate.verified,
        )


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
        self,
        server: AsyncAuthorizationServer | AsyncResourceServer,
        *,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an application.

        Args:
            server: Answers the requests; a resource server has its metadata to show.
            trusted_proxies: As for `AsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: *server* is not for asyncio.
            ValueError: Another argument is malformed; says which.
        """
        require_async(server)
        self._server = server
        self._most = server.limits.body + 1
        self._requests = AsgiRequests(trusted_proxies)
        self._cross_origin = CrossOrigin.to(server, allowed_origins)

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
        body = await read_body(receive, self._most)
        if body is None:
            return
        request = self._requests.see(scope, body)
        response = self._cross_origin.answer_preflight(request)
        if response is None:
            response = self._cross_origin.add_to(await self._server.handle(request), request)
        await send_response(response, scope, send)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """
    Return the body of a request, None if the client went away in the middle.

    Args:
        receive: Brings it.
        most: How many octets are read at most; the rest of a longer body is not.
    """
    body = bytearray()
    more = True
    while more and len(body) < most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body[:most])


async def send_response(response: HttpResponse, scope: Scope, send: Send) -> None:
    """Send *response* to the request in *scope*."""
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": encode_headers(response.framed_headers),
        }
    )
    content = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": content})


def _find_path(scope: Scope) -> str:
    """Return the path that the client asked for, quoted."""
    root: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    # The path includes the prefix, as SCRIPT_NAME and PATH_INFO together do; older web servers
    # and frameworks take the prefix off.
    if root and path != root and not path.startswith(f"{root}/"):
        path = root + path
    return _quote(path, scope.get("raw_path") or b"")


@lru_cache  # the paths of a server are few
def _quote(path: str, raw: bytes) -> str:
    # The octets of the wire are better, unless a proxy or middleware has changed the path.
    if unquote(raw.decode("latin-1")) == path:
        return quote_path(raw, escaped=True)
    return quote_path(path.encode(errors="replace"))


def encode_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return *headers* as ASGI wants them: octets, names in lower case."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _live(receive: Receive, send: Send) -> None:
    kind = ""
    while kind != "lifespan.shutdown":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
