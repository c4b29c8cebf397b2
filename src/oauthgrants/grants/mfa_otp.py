"""The extension grant that finishes a sign-in with a second factor (RFC 6749, 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256

import attrs

from oauthgrants.errors import InvalidGrant, InvalidRequest
from oauthgrants.events import MfaPassed
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.issuing import Issue
from oauthgrants.mfa import MFA_OTP, WaitingSignIns
from oauthgrants.ports import MaybeAwaitable, ReplayStore, SecondFactor, resolve
from oauthgrants.secret import Secret
from oauthgrants.throttling import Guess
from oauthgrants.throttling.limited import WRONG
from oauthgrants.tokens import MfaToken, TokenResponse, require_lifetime
from oauthgrants.users import User

_REMEMBERED = timedelta(minutes=10)


@attrs.frozen(kw_only=True)
class MfaOtpGrant:
    """
    An ``mfa_token`` and an ``otp`` for the tokens that the password alone did not bring.

    The ``mfa_token`` works once, for the client that began the sign-in, and for the scope that was
    granted then. A code that was right is not accepted again.

    Attributes:
        factor: Says whether a code is right.
        refresh_tokens: Whether clients registered for ``refresh_token`` get one.
        access_token_lifetime: Whole seconds, None for the server's.
        refresh_token_lifetime: Whole seconds, None for the server's.
    """

    factor: SecondFactor
    refresh_tokens: bool = True
    access_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)
    refresh_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)

    grant_type = MFA_OTP
    parameters: frozenset[str] = frozenset({"mfa_token", "otp"})

    def bind(self, services: Services) -> GrantHandler:
        """
        Return what answers requests.

        Raises:
            ValueError: The server has nowhere to keep sign-ins that wait, or used codes.
        """
        if services.waiting is None or services.replays is None:
            raise ValueError(
                "MfaOtpGrant keeps sign-ins that wait, and codes that were used: give the server "
                "store=, or mfa_tokens= and replays="
            )
        return partial(
            self._answer,
            services,
            services.waiting,
            services.replays,
            services.adapt(self.factor),
        )

    async def _answer(
        self,
        services: Services,
        waiting: WaitingSignIns,
        replays: ReplayStore,
        factor: SecondFactor,
        request: TokenRequest,
    ) -> TokenResponse:
        client, form = request.client, request.form
        otp = Secret(form.require("otp"))
        if len(otp.reveal().encode()) > services.limits.password:
            raise InvalidRequest("the otp is too long")
        sign_in = await waiting.require(Secret(form.require("mfa_token")), client)
        user = await self._require_active(services, sign_in)

        async def check() -> bool:
            if not await resolve(factor.verify_otp(user, otp, client.client)):
                return False
            used = sha256(f"otp\0{user.sub}\0{otp.reveal()}".encode()).digest()
            return await resolve(replays.add_if_absent(used, services.clock() + _REMEMBERED))

        if not await self._guess(services, request, user, check):
            raise InvalidGrant(WRONG["otp"], reason="wrong or used code", sub=user.sub)
        await waiting.end(sign_in)
        services.record(
            MfaPassed(
                at=services.clock(),
                source=request.source,
                client_id=client.client_id,
                sub=user.sub,
            )
        )
        issue = Issue(
            client=client,
            grant_type=self.grant_type,
            scope=sign_in.scope,
            audience=sign_in.audience,
            user=user,
            form=form.without("otp"),
            cnf=request.cnf,
            source=request.source,
            access_token_lifetime=self.access_token_lifetime,
            refresh_token_lifetime=self.refresh_token_lifetime,
        )
        return await services.issuer.issue(
            issue,
            with_refresh_token=self.refresh_tokens and services.may_refresh(client.client),
        )

    async def _guess(
        self,
        services: Services,
        request: TokenRequest,
        user: User,
        check: Callable[[], MaybeAwaitable[bool]],
    ) -> bool:
        if services.limited is None:
            return await resolve(check())
        guess = Guess(
            kind="otp", name=user.sub, client_id=request.client.client_id, source=request.source
        )
        return await services.limited.make(guess, check, bool)

    async def _require_active(self, services: Services, sign_in: MfaToken) -> User:
        if services.users is None:
            return User(sub=sign_in.sub, username=sign_in.username)
        user = await resolve(services.users.find_user_by_sub(sign_in.sub))
        if user is None or not user.active:
            raise InvalidGrant(WRONG["otp"], reason="the user is gone or disabled", sub=sign_in.sub)
        return user
