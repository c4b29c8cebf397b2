"""What a grant is (RFC 6749, 4): the protocol that ours and extension grants (4.5) follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

import attrs

from oauthgrants.clients import VerifiedClient
from oauthgrants.events import Event
from oauthgrants.forms import Form, Limits
from oauthgrants.granting import ResourceRules, ScopeRules
from oauthgrants.issuing import TokenIssuer
from oauthgrants.ports import Clock, Hasher, TokenStore, UserStore
from oauthgrants.tokens import TokenResponse


@attrs.frozen(kw_only=True)
class TokenRequest:
    """
    A token request whose client is authenticated and may use the grant.

    Attributes:
        form: The known parameters.
        client: Who asks.
        source: The address that it connects from, None if unknown.
    """

    form: Form
    client: VerifiedClient
    source: str | None = None


@attrs.frozen(kw_only=True)
class Services:
    """
    What a server lends its grants.

    Attributes:
        issuer: Makes and stores tokens.
        scopes: Grants scope.
        resources: Grants resources.
        tokens: The stored tokens.
        users: The resource owners, None on a server without.
        hasher: How passwords are kept.
        clock: Tells the time.
        limits: How much a request may bring.
        record: Tells of events.
        refreshes: Whether the refresh token grant is enabled.
        adapt: Returns a port of the grant's own as this server can call it.
    """

    issuer: TokenIssuer
    scopes: ScopeRules
    resources: ResourceRules
    tokens: TokenStore
    users: UserStore | None
    hasher: Hasher
    clock: Clock
    limits: Limits
    record: Callable[[Event], None]
    refreshes: bool
    adapt: Callable[[Any], Any]


GrantHandler = Callable[[TokenRequest], Awaitable[TokenResponse]]
"""Answers a token request, or raises an `OAuthError`."""


class Grant(Protocol):
    """
    A way to a token. Extension grants (RFC 6749, 4.5) are classes like this one.

    Success returns, failure raises an `OAuthError`. By the time the handler runs, the client
    has been authenticated and is registered for the grant type.
    """

    @property
    def grant_type(self) -> str:
        """The value of ``grant_type``: a registered name, or an absolute URI."""
        ...

    @property
    def parameters(self) -> Collection[str]:
        """The names of the parameters that it reads, beside ``grant_type`` and ``resource``."""
        ...

    def bind(self, services: Services) -> GrantHandler:
        """
        Return what answers requests; called once, when the server is made.

        Raises:
            ValueError: The server lacks what the grant needs.
        """
        ...
