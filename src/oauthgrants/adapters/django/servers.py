"""The servers that the setting ``OAUTHGRANTS`` describes, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, TypeVar

import attrs
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest

from oauthgrants.adapters.django.conf import NAME, Configuration, read_configuration
from oauthgrants.adapters.django.guards import AsyncDjangoGuard, DjangoGuard
from oauthgrants.adapters.django.views import make_view
from oauthgrants.adapters.places import AnyServer, find_places, find_prefix
from oauthgrants.grants import Grant
from oauthgrants.grants.client_credentials import ClientCredentialsGrant
from oauthgrants.grants.password import PasswordGrant
from oauthgrants.grants.refresh_token import RefreshTokenGrant
from oauthgrants.protected_resource import ProtectedResource
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer

T = TypeVar("T")

_GRANTS: dict[str, type[Grant]] = {
    "client_credentials": ClientCredentialsGrant,
    "refresh_token": RefreshTokenGrant,
}


class Servers:
    """
    The servers of one configuration.

    Each attribute raises `ImproperlyConfigured` if the settings do not make such a server.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        """What the settings say."""

    @cached_property
    def server(self) -> AuthorizationServer:
        """The authorization server, for sync views."""
        from oauthgrants.adapters.django.store import DjangoStore
        from oauthgrants.adapters.django.users import DjangoPasswords

        return self._make_server(AuthorizationServer, DjangoStore, DjangoPasswords)

    @cached_property
    def async_server(self) -> AsyncAuthorizationServer:
        """The same for async views."""
        from oauthgrants.adapters.django.store import AsyncDjangoStore
        from oauthgrants.adapters.django.users import AsyncDjangoPasswords

        return self._make_server(AsyncAuthorizationServer, AsyncDjangoStore, AsyncDjangoPasswords)

    @cached_property
    def resource_server(self) -> ResourceServer:
        """The resource server, for sync views."""
        return self._make_resource_server(ResourceServer, "server")

    @cached_property
    def async_resource_server(self) -> AsyncResourceServer:
        """The same for async views."""
        return self._make_resource_server(AsyncResourceServer, "async_server")

    @cached_property
    def view(self) -> Callable[[HttpRequest], Any]:
        """The sync view of the authorization server."""
        return self._make_view(self.server)

    @cached_property
    def async_view(self) -> Callable[[HttpRequest], Any]:
        """The async one."""
        return self._make_view(self.async_server)

    @cached_property
    def metadata_view(self) -> Callable[[HttpRequest], Any]:
        """The sync view of the resource server, which has its metadata to show."""
        return self._make_view(self.resource_server)

    @cached_property
    def async_metadata_view(self) -> Callable[[HttpRequest], Any]:
        """The async one."""
        return self._make_view(self.async_resource_server)

    @cached_property
    def guard(self) -> DjangoGuard:
        """What guards sync views."""
        return self._make_guard(DjangoGuard, self.resource_server)

    @cached_property
    def async_guard(self) -> AsyncDjangoGuard:
        """What guards async views."""
        return self._make_guard(AsyncDjangoGuard, self.async_resource_server)

    @cached_property
    def users(self) -> Any:
        """The resource owners."""
        from oauthgrants.adapters.django.users import DjangoUsers

        return self.configuration.values.get("users") or DjangoUsers()

    def find_paths(self, server: AnyServer) -> dict[str, str]:
        """Return where *server* has endpoints, by name."""
        return self._require_right(find_paths, server, self.configuration.values.get("prefix"))

    def _make_server(self, kind: type[T], store: Any, passwords: Any) -> T:
        from oauthgrants.adapters.django.users import DjangoUsers

        values = self.configuration.values
        self._require("issuer")
        users = self.users if isinstance(self.users, DjangoUsers) else None
        verifier = values.get("password_verifier") or (users and passwords(users))
        named = values.get("grants", ["client_credentials"])
        settings = {
            "store": store(users=users),
            **self._require_right(self.configuration.server_settings),
            "grants": self._require_right(_make_grants, named, verifier),
        }
        return self._require_right(kind, **settings)

    def _make_resource_server(self, kind: type[T], server: str) -> T:
        self._require("resource")
        settings = self.configuration.resource_settings()
        if "tokens" not in settings:
            settings["tokens"] = getattr(self, server).lookup
        return self._require_right(kind, **settings)

    def _make_view(self, server: AnyServer) -> Callable[[HttpRequest], Any]:
        values = self.configuration.values
        return self._require_right(
            make_view,
            server,
            trusted_proxies=values.get("trusted_proxies", ()),
            allowed_origins=values.get("allowed_origins", ()),
        )

    def _make_guard(self, kind: Callable[..., T], resource_server: Any) -> T:
        proxies = self.configuration.values.get("trusted_proxies", ())
        return self._require_right(kind, resource_server, trusted_proxies=proxies)

    def _require_right(self, make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return what *make* makes; if it refuses, the settings are what is wrong."""
        try:
            return make(*args, **kwargs)
        except (AttributeError, TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"{NAME}: {error}") from error

    def _require(self, name: str) -> None:
        if name not in self.configuration.values:
            raise ImproperlyConfigured(f"{NAME} has no {name.upper()!r}")


def find_paths(server: AnyServer, prefix: str | None) -> dict[str, str]:
    """
    Return where *server* has endpoints, by name.

    Args:
        server: Has them.
        prefix: What stands before some of them, None for the path of the issuer.

    Raises:
        ValueError: *prefix* is not a path.
    """
    issuing = None if isinstance(server, ProtectedResource) else server
    before = find_prefix(issuing, prefix)
    return {place.name: place.under(before) for place in find_places(server)}


def _make_grants(named: list[Any], verifier: Any) -> list[Grant]:
    grants: list[Grant] = []
    for grant in named:
        if grant == "password":
            grants.append(PasswordGrant(verifier=verifier))
        elif isinstance(grant, PasswordGrant) and grant.verifier is None:
            grants.append(attrs.evolve(grant, verifier=verifier))
        elif isinstance(grant, str):
            grants.append(_make_grant(grant))
        else:
            grants.append(grant)
    return grants


def _make_grant(name: str) -> Grant:
    if name not in _GRANTS:
        raise ValueError(
            f"GRANTS has {name!r}; there are {', '.join((*_GRANTS, 'password'))}, objects, and "
            "dotted paths of such"
        )
    return _GRANTS[name]()


@cache
def servers() -> Servers:
    """
    Return the servers of this project.

    Raises:
        ImproperlyConfigured: The settings say something wrong, or nothing.
    """
    return Servers(read_configuration())


def _forget(*, setting: str, **_: object) -> None:
    if setting == NAME:
        servers.cache_clear()


# Tests change settings.
setting_changed.connect(_forget, dispatch_uid="oauthgrants")
