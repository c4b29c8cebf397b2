"""Requests and responses of Django, and those of the core."""

from __future__ import annotations

from typing import Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from oauthgrants import wire
from oauthgrants.adapters.asgi import AsgiRequests
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.adapters.wsgi import WsgiRequests, read_body


class DjangoRequests:
    """Makes an `HttpRequest` of the core from one of Django's, whatever web server brought it."""

    def __init__(self, trusted_proxies: Proxies = ()) -> None:
        """
        Say which proxies are trusted.

        Args:
            trusted_proxies: Addresses and networks of those whose ``X-Forwarded-`` headers are
                believed (RFC 9700, 4.13), and ``unix`` for those on a Unix socket; or
                `TrustedProxies`, which can hand on certificates too (RFC 8705). Django's own
                ``SECURE_PROXY_SSL_HEADER`` is believed in any case.

        Raises:
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        self._wsgi = WsgiRequests(trusted_proxies)
        self._asgi = AsgiRequests(trusted_proxies)

    def see(self, request: HttpRequest, body: bytes = b"") -> wire.HttpRequest:
        """Return *request* with *body*, which is not read here."""
        # The prefix as Django knows it, which may be by FORCE_SCRIPT_NAME.
        prefix: str = request.META.get("SCRIPT_NAME", "")
        if isinstance(request, ASGIRequest):
            query = request.scope.get("query_string", b"")
            scope = {
                **request.scope,
                "root_path": prefix,
                "scheme": request.scheme,
                # In Django's test client it is text.
                "query_string": query.encode() if isinstance(query, str) else query,
            }
            return self._asgi.see(scope, body)
        environ = {
            **cast("WSGIRequest", request).environ,
            # Django has decoded both in place; in environ, text stands for octets.
            "SCRIPT_NAME": prefix.encode().decode("latin-1"),
            "PATH_INFO": request.path_info.encode().decode("latin-1"),
            "wsgi.url_scheme": request.scheme,
        }
        return self._wsgi.see(environ, body)


def read(request: HttpRequest, most: int) -> bytes | None:
    """
    Return the body of *request*, None if it did not come whole.

    ``DATA_UPLOAD_MAX_MEMORY_SIZE`` has no say here, and chunked bodies come too, which Django
    under WSGI takes for empty ones.

    Args:
        request: If middleware has looked at its body, that can be read again.
        most: How many octets are read at most; the rest of a longer body is not.
    """
    length = request.META.get("CONTENT_LENGTH")
    environ: dict[str, Any] = {"wsgi.input": request, "wsgi.input_terminated": True}
    if not length and isinstance(request, WSGIRequest):
        environ = request.environ
    try:
        return read_body({**environ, "CONTENT_LENGTH": length}, most)
    except UnreadablePostError:
        return None


def respond(response: wire.HttpResponse, request: HttpRequest) -> HttpResponse:
    """Return *response* as Django sends it in answer to *request*."""
    headers: dict[str, str] = {}
    for name, value in response.framed_headers:
        # Django has each field once; what may be repeated may be joined (RFC 9110, 5.3).
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    content = b"" if request.method == "HEAD" else response.body
    answer = HttpResponse(content, status=response.status, headers=headers)
    if "Content-Type" not in headers:
        del answer["Content-Type"]  # Django's own
    return answer
