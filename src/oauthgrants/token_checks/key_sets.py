"""The keys of an authorization server, as a host gives them (RFC 7517, 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from oauthgrants.jose import PublicKey
from oauthgrants.jwk_sets import Keys, members_of
from oauthgrants.token_checks import Services


class KeySet(Protocol):
    """The keys of an issuer, as they change."""

    async def get(self) -> Keys:
        """Return the keys as they are known, one or more."""
        ...

    async def get_newer(self, than: Keys) -> Keys:
        """Return newer keys, as a token names one that *than* lacks; *than* if there are none."""
        ...


class KeySetSettings(Protocol):
    """Where an issuer's keys come from."""

    def bind(self, services: Services) -> KeySet:
        """
        Return the keys; called once, when the resource server is made.

        Raises:
            ValueError: A setting is not what it has to be.
        """
        ...


class StaticKeys:
    """
    Keys that the host brings.

    Args:
        keys: One or more.

    Raises:
        ValueError: There are none.
    """

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = tuple(keys)
        if not self._keys:
            raise ValueError("the key set is empty, so no token could be valid")

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> StaticKeys:
        """
        Return the keys of a JWK Set.

        Raises:
            ValueError: One is malformed, too short or not for signatures; or there are none.
        """
        return cls([PublicKey.from_jwk(jwk) for jwk in members_of(jwks)])

    def bind(self, services: Services) -> StaticKeys:  # noqa: ARG002  # it takes nothing
        """Return the keys."""
        return self

    async def get(self) -> Keys:
        """Return the keys."""
        return self._keys

    async def get_newer(self, than: Keys) -> Keys:
        """Return *than*: what is given does not change."""
        return than
