"""Opaque access tokens: random values that mean nothing without the store."""

from __future__ import annotations

from oauthgrants.brief import service
from oauthgrants.hashing import token_digest
from oauthgrants.ports import TokenStore, is_awaitable, resolve
from oauthgrants.secret import Secret, SecretFormat
from oauthgrants.token_formats import Describe
from oauthgrants.tokens import AccessToken


@service
class OpaqueFormat:
    """
    Values ``ogat_…``, kept as digests.

    Attributes:
        tokens: Where they are kept.
        values: Makes values.
    """

    tokens: TokenStore
    values: SecretFormat = SecretFormat("ogat_")

    is_stored = True

    def make(
        self,
        describe: Describe,
        family: str | None,  # noqa: ARG002  # the store knows the family
    ) -> tuple[Secret, AccessToken]:
        """Return a new value and what it stands for."""
        value = self.values.generate()
        return value, describe(digest=token_digest(value))

    async def find(self, value: Secret) -> AccessToken | None:
        """Return what *value* stands for, None if it is unknown or revoked."""
        if self.values.is_garbled(value):
            return None
        found = self.tokens.find_access_token(token_digest(value))
        return await found if is_awaitable(found) else found

    async def revoke(self, token: AccessToken) -> None:
        """End *token*."""
        await resolve(self.tokens.revoke_access_token(token.digest))
