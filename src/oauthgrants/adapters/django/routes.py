"""Where the endpoints are in a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from oauthgrants.adapters.django.servers import find_paths, servers
from oauthgrants.adapters.django.views import exempt, make_view
from oauthgrants.adapters.places import AnyServer
from oauthgrants.adapters.proxies import Proxies


def make_urls(
    server: AnyServer,
    *,
    prefix: str | None = None,
    trusted_proxies: Proxies = (),
    allowed_origins: str | Iterable[str] = (),
) -> list[URLPattern]:
    """
    Return the routes of *server*, for projects that make it themselves.

    They are whole paths, so they go to the root of the project.

    Args:
        server: Answers the requests; a resource server has its metadata to show. The views are
            async if it is for asyncio.
        prefix: The path before those of the endpoints, by default that of the issuer. Give a
            shorter one if the project itself is mounted below a prefix.
        trusted_proxies: As for `DjangoRequests`.
        allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

    Raises:
        ValueError: Another argument is malformed; says which.

    >>> from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com/oauth",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ... )
    >>> [str(url.pattern) for url in make_urls(server)]
    ['oauth/token', 'oauth/introspect', 'oauth/revoke',
     '.well-known/oauth-authorization-server/oauth']
    """
    view = make_view(server, trusted_proxies=trusted_proxies, allowed_origins=allowed_origins)
    return _route(find_paths(server, prefix), view)


def make_project_urls(*, is_async: bool) -> list[URLPattern]:
    """
    Return the routes of the servers that the setting ``OAUTHGRANTS`` describes.

    Raises:
        ImproperlyConfigured: It describes none.
    """
    found = servers()
    colour = "async_" if is_async else ""
    urls: list[URLPattern] = []
    for has, server, view in (
        (found.configuration.has_server, "server", "view"),
        (found.configuration.has_resource, "resource_server", "metadata_view"),
    ):
        if has:
            paths = found.find_paths(getattr(found, f"{colour}{server}"))
            urls += _route(paths, _view_of(f"{colour}{view}", is_async=is_async))
    return urls


def _route(paths: Mapping[str, str], view: Callable[[HttpRequest], Any]) -> list[URLPattern]:
    return [path(where.removeprefix("/"), view, name=name) for name, where in paths.items()]


def _view_of(name: str, *, is_async: bool) -> Callable[[HttpRequest], Any]:
    """Return the view called *name* of the servers, whatever they are by then."""
    if is_async:

        async def async_view(request: HttpRequest) -> HttpResponse:
            answer: HttpResponse = await getattr(servers(), name)(request)
            return answer

        return exempt(async_view)

    def view(request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = getattr(servers(), name)(request)
        return answer

    return exempt(view)
