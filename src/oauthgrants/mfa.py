"""Sign-ins whose password was right, and that wait for a second factor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from oauthgrants.brief import service
from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import InvalidGrant, MfaRequired
from oauthgrants.events import Event, MfaAsked
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Clock, MfaTokenStore, resolve
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret, SecretFormat
from oauthgrants.tokens import MfaToken
from oauthgrants.users import User

MFA_OTP = "urn:x-oauthgrants:grant-type:mfa-otp"
"""The ``grant_type`` of `MfaOtpGrant`, an extension grant (RFC 6749, 4.5)."""

_INVALID = "the mfa_token is not valid"


@service(kw_only=True)
class WaitingSignIns:
    """
    Begins and ends such sign-ins.

    Attributes:
        tokens: Where they are kept.
        values: How their tokens look.
        lifetime: How long one waits.
        clock: Tells the time.
        record: Reports events.
    """

    tokens: MfaTokenStore
    values: SecretFormat = SecretFormat("ogmt_")
    lifetime: timedelta = timedelta(minutes=5)
    clock: Clock
    record: Callable[[Event], None]

    async def begin(
        self,
        client: VerifiedClient,
        user: User,
        scope: Scope,
        audience: tuple[str, ...],
        source: str | None,
    ) -> MfaRequired:
        """Return what asks the client for a second factor."""
        value, now = self.values.generate(), self.clock()
        await resolve(
            self.tokens.save_mfa_token(
                MfaToken(
                    digest=token_digest(value),
                    client_id=client.client_id,
                    sub=user.sub,
                    username=user.username,
                    scope=scope,
                    audience=audience,
                    issued_at=now,
                    lifetime=self.lifetime,
                )
            )
        )
        self.record(MfaAsked(at=now, source=source, client_id=client.client_id, sub=user.sub))
        return MfaRequired.with_token(value)

    async def require(self, value: Secret, client: VerifiedClient) -> MfaToken:
        """
        Return what the ``mfa_token`` *value* stands for.

        Raises:
            InvalidGrant: It is unknown, used, expired, or another client's.
        """
        found = None
        if self.values.recognises(value):
            found = await resolve(self.tokens.find_mfa_token(token_digest(value)))
        if found is None:
            raise InvalidGrant(_INVALID, reason="unknown mfa_token")
        if found.client_id != client.client_id:
            raise InvalidGrant(_INVALID, reason="another client's mfa_token", sub=found.sub)
        if found.expires_at <= self.clock():
            raise InvalidGrant(_INVALID, reason="expired mfa_token", sub=found.sub)
        return found

    async def end(self, waiting: MfaToken) -> None:
        """
        Use up *waiting*.

        Raises:
            InvalidGrant: Another request has.
        """
        if not await resolve(self.tokens.take_mfa_token(waiting.digest)):
            raise InvalidGrant(_INVALID, reason="the mfa_token has been used", sub=waiting.sub)


def keep_waiting(
    tokens: MfaTokenStore | None,
    values: SecretFormat,
    *,
    clock: Clock,
    record: Callable[[Event], None],
) -> WaitingSignIns | None:
    """Return what keeps sign-ins that wait; None if there is nowhere to keep them."""
    if tokens is None:
        return None
    return WaitingSignIns(tokens=tokens, values=values, clock=clock, record=record)
