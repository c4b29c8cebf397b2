"""Both servers in WSGI applications (PEP 3333)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from oauthgrants.adapters.certificates import find_in_environ
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.places import require_sync
from oauthgrants.adapters.proxies import Arrival, Proxies, TrustedProxies, quote_path
from oauthgrants.resource import ResourceServer
from oauthgrants.server import AuthorizationServer
from oauthgrants.wire import HttpRequest, HttpResponse, render

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

# Content-Length = 1*DIGIT (RFC 9110, Section 8.6); longer numbers are no lengths.
_LENGTH = re.compile("[0-9]{1,18}")
# Escapes of "/", sub-delims, ":" and "@" (RFC 3986, Section 3.3): a path means something else
# without them, and PATH_INFO has lost them.
_RESERVED = re.compile("%(?:2[146-9A-CF]|3[ABD]|40)", re.IGNORECASE)


class WsgiRequests:
    """
    Makes an `HttpRequest` of what a WSGI server tells.

    >>> from wsgiref.util import setup_testing_defaults
    >>> environ = {"PATH_INFO": "/reports", "HTTP_HOST": "api.example.com"}
    >>> setup_testing_defaults(environ)
    >>> WsgiRequests().see(environ).url
    'http://api.example.com/reports'
    """

    def __init__(self, trusted_proxies: Proxies = ()) -> None:
        """
        Say which proxies are trusted.

        Args:
            trusted_proxies: Addresses and networks of those whose ``X-Forwarded-`` headers
                are believed (RFC 9700, 4.13), and ``unix`` for those on a Unix socket; or
                `TrustedProxies`, which can hand on certificates too (RFC 8705). WSGI
                shows ``X_Forwarded_For`` like ``X-Forwarded-For``, so proxy or web server
                must not let fields with underscores pass.

        Raises:
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        self._proxies = TrustedProxies.parse(trusted_proxies)

    def see(self, environ: WSGIEnvironment, body: bytes = b"") -> HttpRequest:
        """Return the request in *environ*, with *body*, which is not read here."""
        headers = _collect_headers(environ)
        arrival = self._proxies.look_behind(
            Arrival.at(
                environ.get("HTTP_HOST"),
                server=(environ["SERVER_NAME"], environ["SERVER_PORT"]),
                scheme=environ["wsgi.url_scheme"],
                source=environ.get("REMOTE_ADDR") or None,
                certificate=find_in_environ(environ),
            ),
            headers,
        )
        return HttpRequest(
            method=environ["REQUEST_METHOD"],
            url=arrival.url(_find_path(environ), environ.get("QUERY_STRING", "")),
            headers=headers,
            body=body,
            source=arrival.source,
            client_certificate=arrival.certificate.octets,
            client_certificate_verified=arrival.certificate.verified,
        )


class WsgiApplication:
    """
    Serves every endpoint of a server to any WSGI web server.

    Mounted below a prefix, it answers where the issuer says: ``SCRIPT_NAME`` is part of the URL.
    What the host's code raises goes on to the web server.

    >>> from oauthgrants import Client, ClientCredentialsGrant, MemoryStore
    >>> application = WsgiApplication(
    ...     AuthorizationServer(
    ...         issuer="https://auth.example.com",
    ...         store=MemoryStore(),
    ...         grants=[ClientCredentialsGrant()],
    ...     ),
    ...     trusted_proxies=["10.0.0.0/8"],
    ... )
    """

    def __init__(
        self,
        server: AuthorizationServer | ResourceServer,
        *,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an application.

        Args:
            server: Answers the requests; a resource server has its metadata to show.
            trusted_proxies: As for `WsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: *server* is for asyncio.
            ValueError: Another argument is malformed; says which.
        """
        require_sync(server)
        self._server = server
        self._most = server.limits.body + 1
        self._requests = WsgiRequests(trusted_proxies)
        self._cross_origin = CrossOrigin.to(server, allowed_origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        response = self.answer(environ)
        start_response(f"{response.status} {response.reason}", list(response.framed_headers))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def answer(self, environ: WSGIEnvironment) -> HttpResponse:
        """Return the answer to a request."""
        body = read_body(environ, self._most)
        if body is None:
            return UNREADABLE
        request = self._requests.see(environ, body)
        preflight = self._cross_origin.answer_preflight(request)
        return preflight or self._cross_origin.add_to(self._server.handle(request), request)


def read_body(environ: WSGIEnvironment, most: int) -> bytes | None:
    """
    Return the body of a request, None if it is not what ``Content-Length`` says.

    Args:
        environ: Tells of the request.
        most: How many octets are read at most; the rest of a longer body is not.
    """
    length = environ.get("CONTENT_LENGTH")
    if length:
        if not _LENGTH.fullmatch(length):
            return None
        wanted = min(int(length), most)
    elif environ.get("wsgi.input_terminated"):  # the body may be chunked, and ends by itself
        wanted = most
    else:
        return b""
    stream = environ["wsgi.input"]
    chunks: list[bytes] = []
    while wanted and (chunk := stream.read(wanted)):
        chunks.append(chunk)
        wanted -= len(chunk)
    # The client went away in the middle: half a form may mean something else.
    return None if length and wanted else b"".join(chunks)


def _find_path(environ: WSGIEnvironment) -> str:
    """Return the path that the client asked for, quoted."""
    # Text in environ stands for octets (PEP 3333, Unicode Issues).
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    # Not of PEP 3333, but most web servers tell one of them.
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if "%" in raw and _RESERVED.search(raw):
        octets = raw.partition("?")[0].encode("latin-1", "replace")
        # Unless a proxy or middleware has changed the path
        if unquote_to_bytes(octets) == path:
            return quote_path(octets, escaped=True)
    return quote_path(path)


def _collect_headers(environ: WSGIEnvironment) -> tuple[tuple[str, str], ...]:
    # WSGI has no repeated fields: web servers join them with a comma. Where the core wants one
    # value, such as in Authorization, it refuses the joined one as malformed.
    return tuple(
        (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    )


UNREADABLE: HttpResponse = render(
    {
        "error": "invalid_request",
        "error_description": "the body is not as long as Content-Length says",
    },
    status=400,
)
"""The answer where `read_body` has None."""
