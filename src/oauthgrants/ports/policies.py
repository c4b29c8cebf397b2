"""What decides where the core does not: on passwords, codes, scopes, claims and lifetimes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from oauthgrants.clients import Client
from oauthgrants.ports.calling import MaybeAwaitable
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.tokens import Lifetimes
from oauthgrants.users import PasswordOutcome, User


class Hasher(Protocol):
    """Hashes passwords, and client secrets that people chose."""

    def hash(self, secret: Secret) -> MaybeAwaitable[str]:
        """Return *secret* in the form that is kept."""
        ...

    def verify(self, encoded: str | None, secret: Secret) -> MaybeAwaitable[bool]:
        """
        Return whether *secret* matches *encoded*.

        None stands for an unknown client or user: do the same work and
        return False, so that timing tells nobody who exists.
        """
        ...

    def needs_rehash(self, encoded: str) -> MaybeAwaitable[bool]:
        """Return whether *encoded* is weaker than what `hash` makes."""
        ...


class PasswordVerifier(Protocol):
    """Checks a resource owner's password (RFC 6749, 4.3.2)."""

    def verify_password(
        self, username: str, password: Secret, client: Client
    ) -> MaybeAwaitable[PasswordOutcome]:
        """
        Return whose password it is, or why it is refused.

        Args:
            username: As sent: not trimmed, folded or normalised.
            password: As sent.
            client: The client that asks, authenticated if it can be.
        """
        ...


class SecondFactor(Protocol):
    """What a user has to show beside the password: a code, or whatever the host asks for."""

    def is_wanted(self, user: User, client: Client) -> MaybeAwaitable[bool]:
        """
        Return whether *user*, whose password was right, has to show more.

        A host that sends a message or a push notification does so here.
        """
        ...

    def verify_otp(self, user: User, otp: Secret, client: Client) -> MaybeAwaitable[bool]:
        """
        Return whether *otp* is what *user* has to show now.

        Args:
            user: Whose password was right.
            otp: As sent: a code, a recovery code, or what else clients of the host send. One
                that was right is not accepted again within ten minutes, whatever this returns.
            client: The client that asks, authenticated if it can be.
        """
        ...


class TotpSecrets(Protocol):
    """The secrets that users share with their authenticator applications (RFC 6238)."""

    def find_totp_secret(self, sub: str) -> MaybeAwaitable[Secret | None]:
        """Return the secret of this user in base32, None if there is none."""
        ...

    def take_recovery_code(self, sub: str, digest: bytes) -> MaybeAwaitable[bool]:
        """
        Forget a recovery code of this user, and return whether it was there.

        Of any number of calls at once, one answers True.

        Args:
            sub: The user's.
            digest: SHA-256 of the code, 32 octets; codes in the clear are kept nowhere.
        """
        ...


class ScopePolicy(Protocol):
    """Grants less than what was asked for (RFC 6749, 3.3)."""

    def grant_scope(
        self, requested: Scope, allowed: Scope, client: Client, user: User | None
    ) -> MaybeAwaitable[Scope]:
        """
        Return what is granted, at most *allowed*; an empty scope refuses the request.

        Args:
            requested: What the client asks for, or its default.
            allowed: All that client and user may have; on refresh, no more than was granted.
            client: Who asks.
            user: The resource owner, None if the client acts for itself.

        Raises:
            InvalidScope: To refuse the request.
        """
        ...


class ExtraClaims(Protocol):
    """Adds claims of the host's own to access tokens."""

    @property
    def parameters(self) -> Collection[str]:
        """The names of the request's parameters that it wants to see."""
        ...

    def make_claims(
        self, client: Client, user: User | None, scope: Scope, parameters: Mapping[str, str]
    ) -> MaybeAwaitable[Mapping[str, Any]]:
        """
        Return claims for a JWT and for introspection; registered ones are ignored.

        Args:
            client: Who gets the token.
            user: On whose behalf, None if the client acts for itself.
            scope: What was granted.
            parameters: Those named by the property `parameters` that the request has.
        """
        ...


class LifetimePolicy(Protocol):
    """Chooses how long tokens live."""

    def choose_lifetimes(
        self,
        usual: Lifetimes,
        client: Client,
        grant_type: str,
        scope: Scope,
        user: User | None,
    ) -> MaybeAwaitable[Lifetimes]:
        """
        Return the lifetimes of the tokens about to be issued.

        Args:
            usual: What the settings of client, grant and server say.
            client: Who gets them.
            grant_type: By which grant.
            scope: What was granted.
            user: On whose behalf, None if the client acts for itself.
        """
        ...
