"""The refresh token grant: rotation on every use (RFC 6749, 6; RFC 9700, 4.14.2)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs

from oauthgrants.errors import InvalidGrant
from oauthgrants.forms import is_vschar
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.hashing import token_digest
from oauthgrants.issuing import INVALID_REFRESH_TOKEN, Issue
from oauthgrants.ports import UserStore, resolve
from oauthgrants.secret import Secret
from oauthgrants.tokens import RefreshToken, TokenResponse, require_lifetime
from oauthgrants.users import User


@attrs.frozen(kw_only=True)
class RefreshTokenGrant:
    """
    A refresh token for new tokens (RFC 6749, 6).

    Every use spends the token and brings a new one. One that comes a second time may have been
    stolen, so its family is revoked: all tokens that came from the same sign-in.

    Attributes:
        access_token_lifetime: Whole seconds, None for the server's.
    """

    access_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)

    grant_type = "refresh_token"
    parameters: frozenset[str] = frozenset({"refresh_token", "scope"})

    def bind(self, services: Services) -> GrantHandler:
        """
        Return what answers requests.

        Raises:
            ValueError: There is no store of users to say who is still active.
        """
        if services.users is None:
            raise ValueError(
                "RefreshTokenGrant asks at each use whether the user is still active: "
                "give the server users="
            )
        return partial(self._answer, services, services.users)

    async def _answer(
        self, services: Services, users: UserStore, request: TokenRequest
    ) -> TokenResponse:
        client = request.client
        presented = Secret(request.form.require("refresh_token"))  # 6
        spent = await self._require_valid(services, request, presented)
        user = await self._require_active(users, spent)
        resources = request.form.get_all("resource")
        audience = services.resources.narrow(spent.audience, resources)  # RFC 8707, 2.2
        asked = services.scopes.narrow(spent.scope, request.form.get("scope"))  # 6
        issue = Issue(
            client=client,
            grant_type=self.grant_type,
            scope=await services.scopes.grant(asked, client, user),  # 3.3
            audience=audience,
            user=user,
            form=request.form,
            cnf=request.cnf,
            source=request.source,
            access_token_lifetime=self.access_token_lifetime,
        )
        return await services.issuer.rotate(spent, issue)

    async def _require_valid(
        self, services: Services, request: TokenRequest, presented: Secret
    ) -> RefreshToken:
        if not is_vschar(presented.reveal()) or services.issuer.refresh_format.is_garbled(
            presented
        ):
            raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="malformed refresh token")
        found = await resolve(services.tokens.find_refresh_token(token_digest(presented)))
        if found is None:
            raise InvalidGrant(INVALID_REFRESH_TOKEN, reason="unknown refresh token")
        if found.client_id != request.client.client_id:
            raise _refusal("another client's refresh token", found)
        if services.profile.refresh_needs_grant and found.grant_type not in services.grant_types:
            raise _refusal("the grant that it came from is no longer enabled", found)
        if found.expires_at <= services.clock():
            raise _refusal("expired refresh token", found)
        if found.cnf and found.cnf != request.cnf:
            # Checked before replay: whoever lacks the key must not end the family (C-18).
            raise _refusal("bound to what was not shown", found)
        # Between here and the rotation it may still be spent; then the rotation says so.
        await services.issuer.refuse_replay(request.client, found, source=request.source)
        return found

    async def _require_active(self, users: UserStore, spent: RefreshToken) -> User:
        user = await resolve(users.find_user_by_sub(spent.sub))
        if user is None or not user.active:
            raise _refusal("the user is gone or disabled", spent)
        return user


def _refusal(reason: str, token: RefreshToken) -> InvalidGrant:
    return InvalidGrant(INVALID_REFRESH_TOKEN, reason=reason, sub=token.sub)
