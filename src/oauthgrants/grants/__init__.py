"""What a grant is (RFC 6749, 4): the protocol that ours and extension grants (4.5) follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

from oauthgrants.brief import brief, service
from oauthgrants.clients import Client, VerifiedClient
from oauthgrants.events import Event
from oauthgrants.forms import Form, Limits
from oauthgrants.granting import ResourceRules, ScopeRules
from oauthgrants.issuing import TokenIssuer
from oauthgrants.mfa import WaitingSignIns
from oauthgrants.ports import Clock, Hasher, ReplayStore, TokenStore, UserStore
from oauthgrants.profiles import Profile
from oauthgrants.throttling.limited import LimitedGuesses
from oauthgrants.tokens import NO_CLAIMS, TokenResponse


@brief(kw_only=True)
class TokenRequest:
    """
    A token request whose client is authenticated and may use the grant.

    Attributes:
        form: The known parameters.
        client: Who asks.
        cnf: What it has shown to bind tokens to, as `AccessToken.cnf`; empty for nothing.
        source: The address that it connects from, None if unknown.
    """

    form: Form
    client: VerifiedClient
    cnf: Mapping[str, str] = NO_CLAIMS
    source: str | None = None


@service(kw_only=True)
class Services:
    """
    What a server lends its grants.

    Attributes:
        issuer: Makes and stores tokens.
        scopes: Grants scope.
        resources: Grants resources.
        tokens: The stored tokens.
        users: The resource owners, None on a server without.
        hasher: Hashes passwords.
        clock: Tells the time.
        limits: How large a request and its parts may be.
        record: Reports events.
        grant_types: The grants that are enabled.
        profile: The rules that the server keeps to.
        waiting: Keeps sign-ins that wait for a second factor, None without a store for them.
        replays: Remembers what may be used once, None without a store for it.
        limited: Limits guesses at passwords and codes, None for no limits.
        adapt: Takes a port of the grant's own, and returns it as this server can call it.
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
    grant_types: frozenset[str]
    profile: Profile
    waiting: WaitingSignIns | None
    replays: ReplayStore | None
    limited: LimitedGuesses | None
    adapt: Callable[[Any], Any]

    def may_refresh(self, client: Client) -> bool:
        """Return whether a refresh token would be of use to *client*."""
        return "refresh_token" in self.grant_types and "refresh_token" in client.grant_types


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
        """The value of ``grant_type``, which is a registered name or an absolute URI."""
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
