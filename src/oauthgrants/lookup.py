"""What a presented value stands for, whichever kind of token it is."""

from __future__ import annotations

from oauthgrants.brief import service
from oauthgrants.forms import is_vschar
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Clock, TokenStore, resolve
from oauthgrants.secret import Secret, SecretFormat
from oauthgrants.token_formats import AccessTokenFormat
from oauthgrants.tokens import AccessToken, RefreshToken


@service(kw_only=True)
class TokenLookup:
    """
    Finds tokens that can be used now.

    Attributes:
        tokens: The stored ones.
        access_formats: The forms that access tokens may have, the current one first.
        refresh_format: How refresh tokens look.
        clock: Tells what has expired.
    """

    tokens: TokenStore
    access_formats: tuple[AccessTokenFormat, ...]
    refresh_format: SecretFormat
    clock: Clock

    async def find(
        self, value: Secret, hint: str | None, *, spent_too: bool = False
    ) -> AccessToken | RefreshToken | None:
        """
        Return the token of this *value*, None if it is unknown, revoked or expired.

        Args:
            value: As presented.
            hint: ``token_type_hint``, which says where to look first (RFC 7009, 2.1).
            spent_too: Whether a refresh token counts that has been used.
        """
        if hint == "refresh_token":
            return await self._find_refresh_token(
                value, spent_too=spent_too
            ) or await self.find_access_token(value)
        return await self.find_access_token(value) or await self._find_refresh_token(
            value, spent_too=spent_too
        )

    async def find_access_token(self, value: Secret) -> AccessToken | None:
        """Return the access token of this *value*, None if it cannot be used now."""
        if is_vschar(value.reveal()):
            for access_format in self.access_formats:
                token = await access_format.find(value)
                if token is not None:
                    return token if self.clock() < token.expires_at else None
        return None

    async def _find_refresh_token(self, value: Secret, *, spent_too: bool) -> RefreshToken | None:
        if not is_vschar(value.reveal()) or self.refresh_format.is_garbled(value):
            return None
        token = await resolve(self.tokens.find_refresh_token(token_digest(value)))
        if token is None or token.expires_at <= self.clock():
            return None
        return token if spent_too or token.spent_at is None else None

    async def revoke(self, token: AccessToken) -> None:
        """End *token*, in the form that it was found in."""
        for access_format in self.access_formats:
            if access_format.is_stored == (token.jti is None):
                await access_format.revoke(token)
