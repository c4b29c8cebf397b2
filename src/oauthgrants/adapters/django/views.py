"""
The endpoints as views, sync and async.

They are exempt from CSRF checks, since clients authenticate by no cookie, and from
``ATOMIC_REQUESTS``: what a refusal has to leave behind, such as a revoked family, must last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse

from oauthgrants import wire
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.django.requests import DjangoRequests, read, respond
from oauthgrants.adapters.django.users import current_request
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.adapters.wsgi import UNREADABLE
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer

SERVES = "serves_oauthgrants"
"""The mark of our views, by which the system check knows them."""


class _Front:
    """What stands between Django and a server of either colour."""

    def __init__(
        self,
        server: Any,
        trusted_proxies: Proxies,
        allowed_origins: str | Iterable[str],
    ) -> None:
        self._most = server.limits.body + 1
        self._requests = DjangoRequests(trusted_proxies)
        self._cross_origin = CrossOrigin.to(server, allowed_origins)

    def begin(self, request: HttpRequest) -> wire.HttpRequest | wire.HttpResponse:
        """Return what the server has to see, or the answer if there is nothing to ask it."""
        # Error reports of the host's would show passwords.
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        body = read(request, self._most)
        if body is None:
            return UNREADABLE
        seen = self._requests.see(request, body)
        return self._cross_origin.answer_preflight(seen) or seen

    def end(
        self, answer: wire.HttpResponse, seen: wire.HttpRequest, request: HttpRequest
    ) -> HttpResponse:
        """Return *answer* as Django sends it."""
        return respond(self._cross_origin.add_to(answer, seen), request)


def make_view(
    server: AuthorizationServer | AsyncAuthorizationServer | ResourceServer | AsyncResourceServer,
    *,
    trusted_proxies: Proxies = (),
    allowed_origins: str | Iterable[str] = (),
) -> Callable[[HttpRequest], Any]:
    """
    Return the view of *server*, whatever path it is put at; an async one if it is for asyncio.

    Args:
        server: Answers the requests; a resource server has its metadata to show.
        trusted_proxies: As for `DjangoRequests`.
        allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

    Raises:
        ValueError: Another argument is malformed; says which.
    """
    front = _Front(server, trusted_proxies, allowed_origins)
    if isinstance(server, AsyncAuthorizationServer | AsyncResourceServer):
        return exempt(_make_async_view(server, front))
    return exempt(_make_sync_view(server, front))


def _make_sync_view(
    server: AuthorizationServer | ResourceServer, front: _Front
) -> Callable[[HttpRequest], HttpResponse]:
    def oauth(request: HttpRequest) -> HttpResponse:
        seen = front.begin(request)
        if isinstance(seen, wire.HttpResponse):
            return respond(seen, request)
        asking = current_request.set(request)
        try:
            return front.end(server.handle(seen), seen, request)
        finally:
            current_request.reset(asking)

    return oauth


def _make_async_view(
    server: AsyncAuthorizationServer | AsyncResourceServer, front: _Front
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    async def oauth(request: HttpRequest) -> HttpResponse:
        seen = front.begin(request)
        if isinstance(seen, wire.HttpResponse):
            return respond(seen, request)
        asking = current_request.set(request)
        try:
            return front.end(await server.handle(seen), seen, request)
        finally:
            current_request.reset(asking)

    return oauth


def exempt(view: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Return *view*, marked as ours, as one that checks no CSRF token and is no transaction."""
    setattr(view, SERVES, True)
    # Not by Django's decorator, which before 5.0 makes a sync view of an async one.
    view.csrf_exempt = True  # type: ignore[attr-defined]
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view
