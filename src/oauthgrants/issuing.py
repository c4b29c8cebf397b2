"""Issuing tokens, and spending refresh tokens for new ones (RFC 6749, 5.1 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NoReturn

from oauthgrants.brief import brief, evolve, service
from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import InvalidGrant
from oauthgrants.events import (
    Event,
    RefreshTokenReused,
    TokenIssued,
    TokenRefreshed,
    token_id,
)
from oauthgrants.forms import Form
from oauthgrants.hashing import token_digest
from oauthgrants.ports import (
    Clock,
    DenyList,
    ExtraClaims,
    LifetimePolicy,
    Rotation,
    TokenStore,
    is_awaitable,
    resolve,
)
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret, SecretFormat, random_id
from oauthgrants.token_formats import AccessTokenFormat
from oauthgrants.tokens import (
    NO_CLAIMS,
    REGISTERED_CLAIMS,
    AccessToken,
    Lifetimes,
    RefreshToken,
    TokenResponse,
)
from oauthgrants.users import User

INVALID_REFRESH_TOKEN = "the refresh token is not valid"
"""One description whatever the reason, so that none can be told from another."""


@brief(kw_only=True)
class Issue:
    """
    Whom tokens are issued to, by which grant, and for what.

    Attributes:
        client: Who gets them.
        grant_type: How it got them.
        scope: What was granted.
        audience: The resources that they are for.
        user: On whose behalf, None if the client acts for itself.
        form: The request's parameters, for claims that depend on them.
        cnf: What the tokens are to be bound to, as `AccessToken.cnf`; empty for nothing.
        source: The address that the request came from, for the event; None if unknown.
        access_token_lifetime: The grant's, whole seconds; None for the server's.
        refresh_token_lifetime: The grant's, whole seconds; None for the server's.
    """

    client: VerifiedClient
    grant_type: str
    scope: Scope
    audience: tuple[str, ...] = ()
    user: User | None = None
    form: Form = Form({})
    cnf: Mapping[str, str] = NO_CLAIMS
    source: str | None = None
    access_token_lifetime: timedelta | None = None
    refresh_token_lifetime: timedelta | None = None


@service(kw_only=True)
class TokenIssuer:
    """
    Makes tokens, stores them and reports the event.

    Attributes:
        tokens: Where they are kept, as digests.
        access_format: How access tokens look.
        refresh_format: How refresh tokens look.
        deny_list: Which JWTs are revoked, None on a server without.
        clock: Tells the time.
        record: Reports events.
        lifetimes: Where neither client nor grant has its own.
        lifetime_policy: Has the last word on them.
        extra_claims: Adds claims of the host's own.
        grace: How long the refresh token that was spent last is accepted again (C-20).
    """

    tokens: TokenStore
    access_format: AccessTokenFormat
    refresh_format: SecretFormat = SecretFormat("ogrt_")
    deny_list: DenyList | None = None
    clock: Clock
    record: Callable[[Event], None]
    lifetimes: Lifetimes = Lifetimes()
    lifetime_policy: LifetimePolicy | None = None
    extra_claims: ExtraClaims | None = None
    grace: timedelta = timedelta()

    async def issue(self, issue: Issue, *, with_refresh_token: bool = False) -> TokenResponse:
        """
        Return new tokens, stored.

        Args:
            issue: To whom, by which grant, and for what.
            with_refresh_token: Whether to issue one too, which takes a user.

        Raises:
            ValueError: A refresh token is wanted without a user.
        """
        family = random_id() if with_refresh_token else None
        lifetimes = self._usual_lifetimes(issue)
        if self.lifetime_policy is not None:
            lifetimes = await self._choose_lifetimes(self.lifetime_policy, lifetimes, issue)
        value, access = await self._make_access_token(issue, family, lifetimes)
        refresh_value: Secret | None = None
        refresh: RefreshToken | None = None
        if family is not None:
            if issue.user is None:
                raise ValueError("a refresh token belongs to a user; with_refresh_token needs one")
            refresh_value = self.refresh_format.generate()
            refresh = RefreshToken(
                digest=token_digest(refresh_value),
                client_id=issue.client.client_id,
                sub=issue.user.sub,
                username=issue.user.username,
                scope=issue.scope,
                audience=issue.audience,
                grant_type=issue.grant_type,
                issued_at=access.issued_at,
                lifetime=lifetimes.refresh_token,
                family=family,
                family_ends_at=(
                    None if lifetimes.family is None else access.issued_at + lifetimes.family
                ),
                cnf=_binding_of(issue),
            )
        stored = access if self.access_format.is_stored else None
        if stored is not None or refresh is not None:
            saved = self.tokens.save_tokens(stored, refresh)
            if is_awaitable(saved):
                await saved
        return self._answer(TokenIssued, issue, access, value, refresh_value)

    async def rotate(self, spent: RefreshToken, issue: Issue) -> TokenResponse:
        """
        Spend *spent*, store its successors and return them (RFC 9700, 4.14.2).

        Args:
            spent: The refresh token that came, the client's own.
            issue: As in `issue`; the new refresh token keeps the whole grant of *spent*.

        Raises:
            InvalidGrant: *spent* was used before, and its family is revoked now; or it had
                been revoked.
        """
        await self._refuse_denied(spent)
        lifetimes = self._usual_lifetimes(issue)
        if self.lifetime_policy is not None:
            lifetimes = await self._choose_lifetimes(self.lifetime_policy, lifetimes, issue)
        value, access = await self._make_access_token(issue, spent.family, lifetimes)
        refresh_value = self.refresh_format.generate()
        refresh = evolve(
            spent,
            digest=token_digest(refresh_value),
            issued_at=access.issued_at,
            parent=spent.digest,
            spent_at=None,
            # A refresh token from before its client had a key is bound from now on.
            cnf=spent.cnf or _binding_of(issue),
        )
        rotation = await resolve(
            self.tokens.rotate_refresh_token(
                spent.digest,
                access if self.access_format.is_stored else None,
                refresh,
                grace=self._grace_of(issue.client, spent),
            )
        )
        if rotation is Rotation.REPLAYED:
            await self._revoke_replayed(issue.client, spent, issue.source)
        if rotation is Rotation.MISSING:
            raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="revoked refresh token", sub=spent.sub)
        return self._answer(TokenRefreshed, issue, access, value, refresh_value)

    async def refuse_replay(
        self, client: VerifiedClient, found: RefreshToken, *, source: str | None = None
    ) -> None:
        """
        Check that *found* has not been spent, or so recently that the grace covers it (C-20).

        Raises:
            InvalidGrant: It has been; then its family is revoked (RFC 9700, 4.14.2).
        """
        if found.spent_at is None:
            return
        grace = self._grace_of(client, found)
        # Without grace no clock is asked: `spent_at` may come from one that is ahead.
        if not grace or self.clock() >= found.spent_at + grace:
            await self._revoke_replayed(client, found, source)

    async def revoke_family(self, client: VerifiedClient, member: RefreshToken) -> None:
        """
        End all that came from the sign-in of *member*, JWTs included.

        Args:
            client: Whose tokens they are.
            member: Any refresh token of the family.
        """
        if self.deny_list is not None:
            await resolve(
                self.deny_list.deny(member.family, self.clock() + self._longest(client, member))
            )
        await resolve(self.tokens.revoke_family(member.family))

    async def _refuse_denied(self, member: RefreshToken) -> None:
        """
        Check that nobody has begun to revoke the family of *member*.

        Raises:
            InvalidGrant: A fault came between the two steps of `revoke_family`. A new JWT would
                be denied; so the second step is done instead.
        """
        if self.deny_list is not None and await resolve(self.deny_list.is_denied([member.family])):
            await resolve(self.tokens.revoke_family(member.family))
            raise InvalidGrant(
                INVALID_REFRESH_TOKEN, reason="revoked refresh token", sub=member.sub
            )

    def _longest(self, client: VerifiedClient, member: RefreshToken) -> timedelta:
        """Return the longest that a JWT of the family may still live: no store knows them."""
        usual, own = self.lifetimes, client.client.access_token_lifetime
        return max(member.lifetime, usual.refresh_token, usual.access_token, own or timedelta())

    async def _revoke_replayed(
        self, client: VerifiedClient, spent: RefreshToken, source: str | None
    ) -> NoReturn:
        await self.revoke_family(client, spent)
        self.record(
            RefreshTokenReused(
                at=self.clock(),
                source=source,
                client_id=client.client_id,
                sub=spent.sub,
                family=spent.family,
            )
        )
        raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="replayed refresh token", sub=spent.sub)

    def _grace_of(self, client: VerifiedClient, spent: RefreshToken) -> timedelta:
        # Only for clients that have proven who they are, by authentication or by a key.
        return self.grace if client.authenticated or spent.cnf else timedelta()

    def _usual_lifetimes(self, issue: Issue) -> Lifetimes:
        """Return the client's own, else the grant's, else the server's."""
        client = issue.client.client
        access = client.access_token_lifetime or issue.access_token_lifetime
        refresh = client.refresh_token_lifetime or issue.refresh_token_lifetime
        usual = self.lifetimes
        if not access and not refresh:
            return usual
        return Lifetimes(
            access_token=access or usual.access_token,
            refresh_token=refresh or usual.refresh_token,
            family=usual.family,
        )

    async def _choose_lifetimes(
        self, policy: LifetimePolicy, usual: Lifetimes, issue: Issue
    ) -> Lifetimes:
        return await resolve(
            policy.choose_lifetimes(
                usual, issue.client.client, issue.grant_type, issue.scope, issue.user
            )
        )

    async def _make_access_token(
        self, issue: Issue, family: str | None, lifetimes: Lifetimes
    ) -> tuple[Secret, AccessToken]:
        client, user = issue.client.client, issue.user
        claims = NO_CLAIMS
        if self.extra_claims is not None:
            claims = await self._make_claims(self.extra_claims, issue)
        issued_at = self.clock()

        def describe(*, digest: bytes, jti: str | None = None) -> AccessToken:
            return AccessToken(
                digest=digest,
                client_id=client.client_id,
                sub=client.client_id if user is None else user.sub,
                username=None if user is None else user.username,
                scope=issue.scope,
                audience=issue.audience,
                issued_at=issued_at,
                lifetime=lifetimes.access_token,
                family=family,
                jti=jti,
                extra=claims,
                cnf=issue.cnf,
            )

        return self.access_format.make(describe, family)

    async def _make_claims(self, extra_claims: ExtraClaims, issue: Issue) -> Mapping[str, Any]:
        sent = {name: issue.form.get(name) for name in extra_claims.parameters}
        claims = await resolve(
            extra_claims.make_claims(
                issue.client.client,
                issue.user,
                issue.scope,
                {name: value for name, value in sent.items() if value is not None},
            )
        )
        # Registered claims are not the host's to make.
        return {name: claim for name, claim in claims.items() if name not in REGISTERED_CLAIMS}

    def _answer(
        self,
        event: type[TokenIssued],
        issue: Issue,
        access: AccessToken,
        value: Secret,
        refresh_value: Secret | None,
    ) -> TokenResponse:
        self.record(
            event(
                at=access.issued_at,
                source=issue.source,
                client_id=access.client_id,
                grant_type=issue.grant_type,
                sub=access.sub,
                scope=access.scope,
                audience=access.audience,
                token_id=token_id(access),
                family=access.family,
                secret_id=issue.client.secret_id,
                key_id=issue.client.key_id,
            )
        )
        return TokenResponse(
            access_token=value,
            token_type=access.token_type,
            expires_in=int(access.lifetime.total_seconds()),
            scope=access.scope,
            refresh_token=refresh_value,
        )


def _binding_of(issue: Issue) -> Mapping[str, str]:
    """Return what a refresh token is bound to (RFC 8705, 4; RFC 9449, 5)."""
    # That of a confidential client is bound to it by authentication.
    return NO_CLAIMS if issue.client.authenticated else issue.cnf
