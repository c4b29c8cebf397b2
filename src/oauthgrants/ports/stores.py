"""What has to be kept: clients, users, tokens, what may be used once, failed guesses."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from oauthgrants.attempts import AttemptLimit
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports.calling import MaybeAwaitable
from oauthgrants.tokens import AccessToken, MfaToken, RefreshToken
from oauthgrants.users import User


class Rotation(Enum):
    """What came of spending a refresh token."""

    ROTATED = "rotated"
    """It was spent by this call, and its successor is stored."""
    REPLAYED = "replayed"
    """It had been spent before, and nothing is stored."""
    MISSING = "missing"
    """It is unknown, or its family has been revoked, and nothing is stored."""


class ClientStore(Protocol):
    """The registered clients."""

    def find_client(self, client_id: str) -> MaybeAwaitable[Client | None]:
        """Return the client with this id, None if there is none."""
        ...

    def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> MaybeAwaitable[None]:
        """
        Keep *new* in the place of *old*, the same secret hashed at a higher cost.

        If *old* is no longer there, do nothing; a store that is read-only never does anything.
        """
        ...


class UserStore(Protocol):
    """The resource owners."""

    def find_user(self, username: str) -> MaybeAwaitable[User | None]:
        """Return the user who types *username*, None if there is none."""
        ...

    def find_user_by_sub(self, sub: str) -> MaybeAwaitable[User | None]:
        """Return the user with this subject identifier, None if there is none."""
        ...

    def replace_password_hash(self, sub: str, old: str, new: str) -> MaybeAwaitable[None]:
        """
        Keep *new* in the place of *old*, the same password hashed at a higher cost.

        If *old* is no longer there, do nothing; a store that is read-only never does anything.
        """
        ...


class TokenStore(Protocol):
    """
    The tokens, under their digests. On return, what was written survives a crash.

    Tokens past ``expires_at`` may be dropped or returned; they are checked after the look-up.
    """

    def save_tokens(
        self, access: AccessToken | None, refresh: RefreshToken | None
    ) -> MaybeAwaitable[None]:
        """Store both or neither. None: there is no such token, or it is not stored, as a JWT."""
        ...

    def find_access_token(self, digest: bytes) -> MaybeAwaitable[AccessToken | None]:
        """Return the access token with this digest, None if unknown or revoked."""
        ...

    def find_refresh_token(self, digest: bytes) -> MaybeAwaitable[RefreshToken | None]:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        ...

    def rotate_refresh_token(
        self,
        spent: bytes,
        access: AccessToken | None,
        refresh: RefreshToken,
        *,
        grace: timedelta,
    ) -> MaybeAwaitable[Rotation]:
        """
        Mark a refresh token as spent and store its successors, in one step.

        Of any number of calls at once with the same *spent*, one answers ROTATED, unless
        *grace* allows more.

        Args:
            spent: Digest of the refresh token that came.
            access: The new access token, None for one that is not stored, such as a JWT.
            refresh: The new refresh token, of the same family. Its ``issued_at`` is now.
            grace: How long after it was first spent a token may be spent again, if no other
                of its family has been spent since. Zero for never.
        """
        ...

    def revoke_family(self, family: str) -> MaybeAwaitable[None]:
        """End all tokens of *family*, access and refresh, in one step; if unknown, do nothing."""
        ...

    def revoke_access_token(self, digest: bytes) -> MaybeAwaitable[None]:
        """End the access token with this digest; if there is none, do nothing."""
        ...


class DenyList(Protocol):
    """Which JWTs are revoked: the JWTs themselves are not stored."""

    def deny(self, identifier: str, expires_at: datetime) -> MaybeAwaitable[None]:
        """Remember *identifier*, a ``jti`` or a family, until *expires_at*."""
        ...

    def is_denied(self, identifiers: Collection[str]) -> MaybeAwaitable[bool]:
        """Return whether any of *identifiers* is remembered."""
        ...


class ReplayStore(Protocol):
    """What may be used once: a client assertion (RFC 7523, 3), a DPoP proof, a one-time code."""

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> MaybeAwaitable[bool]:
        """
        Remember *digest* until *expires_at*, and return whether it is new.

        Of any number of calls at once with the same *digest*, one answers True. What has
        expired may still be remembered.

        Args:
            digest: 32 octets, SHA-256 of what may be used once.
            expires_at: From when on it is refused for its age anyway.
        """
        ...


class AttemptStore(Protocol):
    """
    Counts guesses at passwords and secrets (RFC 6749, 2.3.1 and 4.3.2).

    A guess is counted as failed before it is made, and taken back if it was right. So of many
    at once, no more are made than the limit allows.
    """

    def begin_attempt(
        self, digest: bytes, limit: AttemptLimit, now: datetime
    ) -> MaybeAwaitable[bool]:
        """
        Count an attempt, unless it comes too early; return whether it may be made.

        One atomic step that does what `AttemptLimit.count` does. An attempt that comes too
        early changes nothing, so that nobody prolongs a wait by trying.

        Args:
            digest: 32 octets, SHA-256 of what is limited: names are not kept.
            limit: How many are allowed.
            now: Aware, in UTC.
        """
        ...

    def withdraw_attempt(self, digest: bytes) -> MaybeAwaitable[None]:
        """
        Count one failure less, but never less than zero: the attempt succeeded.

        One atomic step that does what `Attempts.withdraw` does.
        """
        ...

    def clear_attempts(self, digest: bytes) -> MaybeAwaitable[None]:
        """Forget all failures."""
        ...


class KnownSources(Protocol):
    """From where users have signed in before, so that strangers cannot lock them out."""

    def remember_source(self, digest: bytes, expires_at: datetime) -> MaybeAwaitable[None]:
        """Remember *digest*, 32 octets, until *expires_at*; a later end stays."""
        ...

    def is_known_source(self, digest: bytes, now: datetime) -> MaybeAwaitable[bool]:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        ...


class MfaTokenStore(Protocol):
    """The tokens of sign-ins that wait for a second factor, under their digests."""

    def save_mfa_token(self, token: MfaToken) -> MaybeAwaitable[None]:
        """Store *token*."""
        ...

    def find_mfa_token(self, digest: bytes) -> MaybeAwaitable[MfaToken | None]:
        """Return the token with this digest, None if unknown or taken; it may have expired."""
        ...

    def take_mfa_token(self, digest: bytes) -> MaybeAwaitable[bool]:
        """
        Forget the token with this digest, and return whether it was there.

        Of any number of calls at once, one answers True.
        """
        ...


class Store(
    ClientStore,
    UserStore,
    TokenStore,
    DenyList,
    ReplayStore,
    AttemptStore,
    KnownSources,
    MfaTokenStore,
    Protocol,
):
    """A store that fills every port above."""


class Purgeable(Protocol):
    """A store that keeps what has expired until it is told to forget it."""

    def delete_expired(self, now: datetime, limit: int) -> MaybeAwaitable[int]:
        """
        Delete what has expired by *now*, *limit* of it at most: tokens, denials and the like.

        Return how many were deleted. Fewer than *limit* means that nothing is left, except what
        has expired within the last minute. Call it from a timer, again and again until then:
        each call is short, and holds up nobody.
        """
        ...
