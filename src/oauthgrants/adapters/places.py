"""Where the endpoints lie in an application, and what every adapter asks of its servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias
from urllib.parse import unquote, urlsplit

import attrs

from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.ports import run
from oauthgrants.protected_resource import ProtectedResource
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.tokens import VerifiedToken
from oauthgrants.wire import HttpRequest

AnyServer: TypeAlias = (
    AuthorizationServer | AsyncAuthorizationServer | ResourceServer | AsyncResourceServer
)
"""What adapters serve."""
TOKEN_KEY = "oauth_token"
"""The name of the checked token where a framework keeps what belongs to a request."""


@attrs.frozen
class Place:
    """
    One endpoint in an application.

    Attributes:
        name: Such as ``token``.
        path: As routers match it, without escapes.
        is_below_prefix: Whether *path* lies below the prefix, without having it.
    """

    name: str
    path: str
    is_below_prefix: bool = False

    def under(self, prefix: str) -> str:
        """Return the whole path."""
        return prefix + self.path if self.is_below_prefix else self.path


def find_prefix(
    server: AuthorizationServer | AsyncAuthorizationServer | None, prefix: str | None
) -> str:
    """
    Return what stands before the paths of the endpoints: the issuer's path, or *prefix*.

    Raises:
        ValueError: *prefix* is not a path.
    """
    if prefix is None:
        return "" if server is None else unquote(urlsplit(server.issuer).path).rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise ValueError(f"prefix is {prefix!r}; it has to begin with '/', or to be empty")
    return prefix.rstrip("/")


def find_places(server: AnyServer) -> list[Place]:
    """Return where *server* has endpoints and documents."""
    if isinstance(server, ProtectedResource):
        return [Place("resource_metadata", _find_path(server.metadata_url))]
    issuer = urlsplit(server.issuer).path.rstrip("/")
    endpoints = {
        "token": server.token_endpoint,
        "introspect": server.introspection_endpoint,
        "revoke": server.revocation_endpoint,
        "jwks": server.jwks_uri,
    }
    below = [
        Place(name, unquote(urlsplit(url).path.removeprefix(issuer)), is_below_prefix=True)
        for name, url in endpoints.items()
        if url is not None
    ]
    # Metadata stand before the issuer's path (RFC 8414, 3.1).
    url = well_known_url(server.issuer, "oauth-authorization-server")
    return [*below, Place("metadata", _find_path(url))]


def note_earlier(request: HttpRequest, earlier: object) -> HttpRequest:
    """
    Return *request* with what an earlier guard has found of it.

    Args:
        request: As the resource server has to see it.
        earlier: What lies where guards of the adapter put the checked token.
    """
    if not isinstance(earlier, VerifiedToken):
        return request
    return attrs.evolve(request, confirmed=earlier.cnf)


def find_ways(resource_server: ResourceServer | AsyncResourceServer) -> frozenset[str]:
    """Return the ways that a token may come: some of ``header``, ``body`` and ``query``."""
    metadata = (
        resource_server.metadata()
        if isinstance(resource_server, ResourceServer)
        else run(resource_server.metadata())
    )
    return frozenset(metadata["bearer_methods_supported"])


def has_form(media_types: Iterable[str]) -> bool:
    """Return whether one of *media_types* is that of forms, where a token may be."""
    return any("application/x-www-form-urlencoded" in each.lower() for each in media_types)


def require_sync(server: Any) -> None:
    """
    Check that *server* answers without an event loop.

    Raises:
        TypeError: It is for asyncio.
    """
    if isinstance(server, AsyncAuthorizationServer | AsyncResourceServer):
        _refuse(server, "there is no event loop")


def require_async(server: Any) -> None:
    """
    Check that *server* is for asyncio.

    Raises:
        TypeError: It would hold up the event loop.
    """
    if isinstance(server, AuthorizationServer | ResourceServer):
        _refuse(server, "it would hold up the event loop")


def _find_path(url: str) -> str:
    return unquote(urlsplit(url).path)


_OTHER_COLOUR: dict[type, type] = {
    AuthorizationServer: AsyncAuthorizationServer,
    AsyncAuthorizationServer: AuthorizationServer,
    ResourceServer: AsyncResourceServer,
    AsyncResourceServer: ResourceServer,
}


def _refuse(server: object, why: str) -> NoReturn:
    [other] = (other for kind, other in _OTHER_COLOUR.items() if isinstance(server, kind))
    raise TypeError(
        f"{type(server).__name__} does not fit here: {why}; "
        f"{other.__name__} takes the same settings"
    )
