"""The forms that access tokens take, behind one protocol."""

from __future__ import annotations

from typing import Protocol

from oauthgrants.secret import Secret
from oauthgrants.tokens import AccessToken


class Describe(Protocol):
    """Says what a token stands for, once its identity is known."""

    def __call__(self, *, digest: bytes, jti: str | None = None) -> AccessToken:
        """Return the token with this identity."""
        ...


class AccessTokenFormat(Protocol):
    """How access tokens are made, and found again by their value."""

    @property
    def is_stored(self) -> bool:
        """Whether the token store has to keep them."""
        ...

    def make(self, describe: Describe, family: str | None) -> tuple[Secret, AccessToken]:
        """
        Return a new value and what it stands for.

        Args:
            describe: Takes the identity of the token.
            family: The token family, None outside one.
        """
        ...

    async def find(self, value: Secret) -> AccessToken | None:
        """
        Return what *value* stands for, None if it is unknown, revoked or malformed.

        Whether it has expired is for the caller to see.
        """
        ...

    async def revoke(self, token: AccessToken) -> None:
        """End *token*."""
        ...
