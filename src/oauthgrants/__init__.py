"""
OAuth 2.0 tokens for the two grants that need no browser.

Client credentials (RFC 6749, 4.4), the legacy password grant (4.3), refresh (6) and extension
grants (4.5), for any web stack, with and without asyncio.
"""

from oauthgrants.clients import Client, ClientSecret
from oauthgrants.errors import (
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from oauthgrants.grants.client_credentials import ClientCredentialsGrant
from oauthgrants.grants.password import PasswordGrant
from oauthgrants.grants.refresh_token import RefreshTokenGrant
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.stores.memory import MemoryStore
from oauthgrants.tokens import AccessToken, Lifetimes, RefreshToken
from oauthgrants.users import User
from oauthgrants.wire import HttpRequest, HttpResponse

__all__ = [
    "AccessToken",
    "Argon2idHasher",
    "AsyncAuthorizationServer",
    "AuthorizationServer",
    "Client",
    "ClientCredentialsGrant",
    "ClientSecret",
    "HttpRequest",
    "HttpResponse",
    "InvalidClient",
    "InvalidClientMetadata",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidScope",
    "Lifetimes",
    "MemoryStore",
    "OAuthError",
    "PasswordGrant",
    "RefreshToken",
    "RefreshTokenGrant",
    "Scope",
    "Secret",
    "TemporarilyUnavailable",
    "UnauthorizedClient",
    "UnsupportedGrantType",
    "User",
]
