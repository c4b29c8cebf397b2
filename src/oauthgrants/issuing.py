"""Issuing tokens, and spending refresh tokens for new ones (RFC 6749, 5.1 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import attrs

from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import InvalidGrant
from oauthgrants.events import Event, RefreshTokenReused, TokenIssued
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Clock, Rotation, TokenStore, resolve
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret, SecretFormat, random_id
from oauthgrants.tokens import AccessToken, RefreshToken, TokenResponse, require_lifetime
from oauthgrants.users import User


@attrs.frozen(kw_only=True)
class Lifetimes:
    """
    How long tokens live, where neither their client nor their grant says.

    Attributes:
        access_token: Whole seconds; an hour by default (RFC 6750, 5.3).
        refresh_token: How long one may lie unused, in whole seconds; by default 30 days.
        family: How long a sign-in lasts, however often it is refreshed; None for ever.

    Raises:
        ValueError: One is not one or more whole seconds.
    """

    access_token: timedelta = attrs.field(default=timedelta(hours=1), validator=require_lifetime)
    refresh_token: timedelta = attrs.field(default=timedelta(days=30), validator=require_lifetime)
    family: timedelta | None = attrs.field(default=None, validator=require_lifetime)


@attrs.frozen(kw_only=True)
class TokenIssuer:
    """
    Makes tokens, stores them and tells of it.

    Attributes:
        tokens: Where they are kept, as digests.
        clock: Tells the time.
        record: Tells of events.
        lifetimes: Where neither client nor grant has its own.
        audience: Whom tokens are for.
        access_format: How access tokens look.
        refresh_format: How refresh tokens look.
        grace: For so long may the refresh token that was spent last come again (C-20).
    """

    tokens: TokenStore
    clock: Clock
    record: Callable[[Event], None]
    lifetimes: Lifetimes = Lifetimes()
    audience: tuple[str, ...] = ()
    access_format: SecretFormat = SecretFormat("ogat_")
    refresh_format: SecretFormat = SecretFormat("ogrt_")
    grace: timedelta = timedelta()

    async def issue(
        self,
        client: VerifiedClient,
        *,
        grant_type: str,
        scope: Scope,
        user: User | None = None,
        with_refresh_token: bool = False,
        access_token_lifetime: timedelta | None = None,
        refresh_token_lifetime: timedelta | None = None,
        source: str | None = None,
    ) -> TokenResponse:
        """
        Return new tokens, stored.

        Args:
            client: Who gets them.
            grant_type: How it got them.
            scope: What was granted.
            user: On whose behalf, None if the client acts for itself.
            with_refresh_token: Whether there is one; it takes a user.
            access_token_lifetime: The grant's, None for the server's.
            refresh_token_lifetime: The grant's, None for the server's.
            source: Where the request came from, for the event.

        Raises:
            ValueError: A refresh token is wanted without a user.
        """
        family = random_id() if with_refresh_token else None
        value, access = self._access_token(
            client,
            scope=scope,
            user=user,
            family=family,
            lifetime=access_token_lifetime,
        )
        now = access.issued_at
        refresh_value: Secret | None = None
        refresh: RefreshToken | None = None
        if family is not None:
            if user is None:
                raise ValueError("a refresh token belongs to a user; with_refresh_token needs one")
            lasts = self.lifetimes.family
            refresh_value = self.refresh_format.generate()
            refresh = RefreshToken(
                digest=token_digest(refresh_value),
                client_id=client.client_id,
                sub=user.sub,
                username=user.username,
                scope=scope,
                audience=self.audience,
                grant_type=grant_type,
                issued_at=now,
                lifetime=client.client.refresh_token_lifetime
                or refresh_token_lifetime
                or self.lifetimes.refresh_token,
                family=family,
                family_ends_at=None if lasts is None else now + lasts,
            )
        await resolve(self.tokens.save_tokens(access, refresh))
        self._record_issue(client, access, grant_type, source)
        return self._response(access, value, refresh_value)

    async def rotate(
        self,
        client: VerifiedClient,
        spent: RefreshToken,
        *,
        scope: Scope,
        user: User,
        access_token_lifetime: timedelta | None = None,
        source: str | None = None,
    ) -> TokenResponse:
        """
        Return the successors of *spent*, stored, and *spent* with them (RFC 9700, 4.14.2).

        Args:
            client: Who gets them, the owner of *spent*.
            spent: The refresh token that came.
            scope: The new access token's; the new refresh token keeps the whole grant.
            user: On whose behalf.
            access_token_lifetime: The grant's, None for the server's.
            source: Where the request came from, for the event.

        Raises:
            InvalidGrant: *spent* was used before; then its family is revoked.
        """
        value, access = self._access_token(
            client,
            scope=scope,
            user=user,
            family=spent.family,
            lifetime=access_token_lifetime,
        )
        refresh_value = self.refresh_format.generate()
        refresh = attrs.evolve(
            spent,
            digest=token_digest(refresh_value),
            username=user.username,
            issued_at=access.issued_at,
            parent=spent.digest,
            spent_at=None,
        )
        rotation = await resolve(
            self.tokens.rotate_refresh_token(
                spent.digest, access, refresh, grace=self._grace_of(client)
            )
        )
        if rotation is Rotation.REPLAYED:
            await self._revoke_replayed(client, spent, source)
        if rotation is Rotation.MISSING:
            raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="revoked refresh token")
        self._record_issue(client, access, "refresh_token", source)
        return self._response(access, value, refresh_value)

    async def refuse_replay(
        self, client: VerifiedClient, found: RefreshToken, *, source: str | None = None
    ) -> None:
        """
        Check that *found* has not been spent, or so recently that the grace covers it (C-20).

        Raises:
            InvalidGrant: It has been; then its family is revoked (RFC 9700, 4.14.2).
        """
        if found.spent_at is not None and self.clock() >= found.spent_at + self._grace_of(client):
            await self._revoke_replayed(client, found, source)

    async def _revoke_replayed(
        self, client: VerifiedClient, spent: RefreshToken, source: str | None
    ) -> NoReturn:
        await resolve(self.tokens.revoke_family(spent.family))
        self.record(
            RefreshTokenReused(
                at=self.clock(),
                source=source,
                client_id=client.client_id,
                sub=spent.sub,
                family=spent.family,
            )
        )
        raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="replayed refresh token")

    def _grace_of(self, client: VerifiedClient) -> timedelta:
        # For clients of whom we know that it is they who ask again.
        return self.grace if client.authenticated else timedelta()

    def _access_token(
        self,
        client: VerifiedClient,
        *,
        scope: Scope,
        user: User | None,
        family: str | None,
        lifetime: timedelta | None,
    ) -> tuple[Secret, AccessToken]:
        value = self.access_format.generate()
        return value, AccessToken(
            digest=token_digest(value),
            client_id=client.client_id,
            sub=client.client_id if user is None else user.sub,
            username=None if user is None else user.username,
            scope=scope,
            audience=self.audience,
            issued_at=self.clock(),
            lifetime=client.client.access_token_lifetime or lifetime or self.lifetimes.access_token,
            family=family,
        )

    def _record_issue(
        self, client: VerifiedClient, access: AccessToken, grant_type: str, source: str | None
    ) -> None:
        self.record(
            TokenIssued(
                at=access.issued_at,
                source=source,
                client_id=access.client_id,
                grant_type=grant_type,
                sub=access.sub,
                scope=access.scope,
                family=access.family,
                secret_id=client.secret_id,
            )
        )

    def _response(
        self, access: AccessToken, value: Secret, refresh_value: Secret | None
    ) -> TokenResponse:
        return TokenResponse(
            access_token=value,
            expires_in=access.lifetime // timedelta(seconds=1),
            scope=access.scope,
            refresh_token=refresh_value,
        )


INVALID_REFRESH_TOKEN = "the refresh token is not valid"
"""One description whatever the reason, so that none can be told from another."""
