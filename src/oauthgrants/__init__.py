"""
OAuth 2.0 tokens for the two grants that need no browser.

Client credentials (RFC 6749, 4.4), the legacy password grant (4.3), refresh (6) and extension
grants (4.5), for any web stack, with and without asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oauthgrants.client_secrets import ClientSecret
    from oauthgrants.clients import Client
    from oauthgrants.errors import (
        InsufficientScope,
        InvalidClient,
        InvalidClientMetadata,
        InvalidGrant,
        InvalidRequest,
        InvalidScope,
        InvalidToken,
        OAuthError,
        TemporarilyUnavailable,
        UnauthorizedClient,
        UnsupportedGrantType,
    )
    from oauthgrants.grants.client_credentials import ClientCredentialsGrant
    from oauthgrants.grants.password import PasswordGrant
    from oauthgrants.grants.refresh_token import RefreshTokenGrant
    from oauthgrants.hashing import Argon2idHasher
    from oauthgrants.resource import AsyncResourceServer, ResourceServer
    from oauthgrants.scopes import Scope
    from oauthgrants.secret import Secret
    from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
    from oauthgrants.stores.memory import MemoryStore
    from oauthgrants.tokens import AccessToken, Lifetimes, RefreshToken, VerifiedToken
    from oauthgrants.users import User
    from oauthgrants.wire import HttpRequest, HttpResponse

__all__ = [
    "AccessToken",
    "Argon2idHasher",
    "AsyncAuthorizationServer",
    "AsyncResourceServer",
    "AuthorizationServer",
    "Client",
    "ClientCredentialsGrant",
    "ClientSecret",
    "HttpRequest",
    "HttpResponse",
    "InsufficientScope",
    "InvalidClient",
    "InvalidClientMetadata",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidScope",
    "InvalidToken",
    "Lifetimes",
    "MemoryStore",
    "OAuthError",
    "PasswordGrant",
    "RefreshToken",
    "RefreshTokenGrant",
    "ResourceServer",
    "Scope",
    "Secret",
    "TemporarilyUnavailable",
    "UnauthorizedClient",
    "UnsupportedGrantType",
    "User",
    "VerifiedToken",
]

# Each name is loaded when it is first asked for, so that no host waits for what it does not use.
_HOMES = {
    "AccessToken": "oauthgrants.tokens",
    "Argon2idHasher": "oauthgrants.hashing",
    "AsyncAuthorizationServer": "oauthgrants.server",
    "AsyncResourceServer": "oauthgrants.resource",
    "AuthorizationServer": "oauthgrants.server",
    "Client": "oauthgrants.clients",
    "ClientCredentialsGrant": "oauthgrants.grants.client_credentials",
    "ClientSecret": "oauthgrants.client_secrets",
    "HttpRequest": "oauthgrants.wire",
    "HttpResponse": "oauthgrants.wire",
    "InsufficientScope": "oauthgrants.errors",
    "InvalidClient": "oauthgrants.errors",
    "InvalidClientMetadata": "oauthgrants.errors",
    "InvalidGrant": "oauthgrants.errors",
    "InvalidRequest": "oauthgrants.errors",
    "InvalidScope": "oauthgrants.errors",
    "InvalidToken": "oauthgrants.errors",
    "Lifetimes": "oauthgrants.tokens",
    "MemoryStore": "oauthgrants.stores.memory",
    "OAuthError": "oauthgrants.errors",
    "PasswordGrant": "oauthgrants.grants.password",
    "RefreshToken": "oauthgrants.tokens",
    "RefreshTokenGrant": "oauthgrants.grants.refresh_token",
    "ResourceServer": "oauthgrants.resource",
    "Scope": "oauthgrants.scopes",
    "Secret": "oauthgrants.secret",
    "TemporarilyUnavailable": "oauthgrants.errors",
    "UnauthorizedClient": "oauthgrants.errors",
    "UnsupportedGrantType": "oauthgrants.errors",
    "User": "oauthgrants.users",
    "VerifiedToken": "oauthgrants.tokens",
}


def __getattr__(name: str) -> Any:
    """Load an everyday name from the module that it lives in."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return __all__
