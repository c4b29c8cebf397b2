"""
OAuth 2.0 tokens for the two grants that need no browser.

Client credentials (RFC 6749, 4.4), the legacy password grant (4.3), refresh (6) and extension
grants (4.5), for any web stack, with and without asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oauthgrants.client_auth.assertion_rules import AssertionRules
    from oauthgrants.client_auth.mutual_tls import MutualTls
    from oauthgrants.client_secrets import ClientSecret
    from oauthgrants.clients import Client
    from oauthgrants.endpoints import Endpoints
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
    from oauthgrants.forms import Limits
    from oauthgrants.grants.client_credentials import ClientCredentialsGrant
    from oauthgrants.grants.mfa_otp import MfaOtpGrant
    from oauthgrants.grants.password import PasswordGrant, PasswordGrantWarning
    from oauthgrants.grants.refresh_token import RefreshTokenGrant
    from oauthgrants.hashing import Argon2idHasher
    from oauthgrants.resource import AsyncResourceServer, ResourceServer
    from oauthgrants.scopes import Scope
    from oauthgrants.sealed import SealingKey
    from oauthgrants.secret import Secret
    from oauthgrants.sender_constraints.dpop_rules import DpopRules
    from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
    from oauthgrants.stores.memory import MemoryStore
    from oauthgrants.throttling import Throttle
    from oauthgrants.tokens import AccessToken, Lifetimes, RefreshToken, VerifiedToken
    from oauthgrants.users import User
    from oauthgrants.wire import HttpRequest, HttpResponse

__all__ = [
    "AccessToken",
    "Argon2idHasher",
    "AssertionRules",
    "AsyncAuthorizationServer",
    "AsyncResourceServer",
    "AuthorizationServer",
    "Client",
    "ClientCredentialsGrant",
    "ClientSecret",
    "DpopRules",
    "Endpoints",
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
    "Limits",
    "MemoryStore",
    "MfaOtpGrant",
    "MutualTls",
    "OAuthError",
    "PasswordGrant",
    "PasswordGrantWarning",
    "RefreshToken",
    "RefreshTokenGrant",
    "ResourceServer",
    "Scope",
    "SealingKey",
    "Secret",
    "TemporarilyUnavailable",
    "Throttle",
    "UnauthorizedClient",
    "UnsupportedGrantType",
    "User",
    "VerifiedToken",
]

# Each name is loaded when it is first asked for, so that no host waits for what it does not use.
_HOMES = {
    "AccessToken": "oauthgrants.tokens",
    "Argon2idHasher": "oauthgrants.hashing",
    "AssertionRules": "oauthgrants.client_auth.assertion_rules",
    "AsyncAuthorizationServer": "oauthgrants.server",
    "AsyncResourceServer": "oauthgrants.resource",
    "AuthorizationServer": "oauthgrants.server",
    "Client": "oauthgrants.clients",
    "ClientCredentialsGrant": "oauthgrants.grants.client_credentials",
    "ClientSecret": "oauthgrants.client_secrets",
    "DpopRules": "oauthgrants.sender_constraints.dpop_rules",
    "Endpoints": "oauthgrants.endpoints",
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
    "Limits": "oauthgrants.forms",
    "MemoryStore": "oauthgrants.stores.memory",
    "MfaOtpGrant": "oauthgrants.grants.mfa_otp",
    "MutualTls": "oauthgrants.client_auth.mutual_tls",
    "OAuthError": "oauthgrants.errors",
    "PasswordGrant": "oauthgrants.grants.password",
    "PasswordGrantWarning": "oauthgrants.grants.password",
    "RefreshToken": "oauthgrants.tokens",
    "RefreshTokenGrant": "oauthgrants.grants.refresh_token",
    "ResourceServer": "oauthgrants.resource",
    "Scope": "oauthgrants.scopes",
    "SealingKey": "oauthgrants.sealed",
    "Secret": "oauthgrants.secret",
    "TemporarilyUnavailable": "oauthgrants.errors",
    "Throttle": "oauthgrants.throttling",
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
