"""JWT access tokens, checked by their signature alone (RFC 9068, 4; extra ``jwt``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import attrs

from oauthgrants.checks import require_issuer
from oauthgrants.errors import InvalidToken
from oauthgrants.jose import (
    ALGORITHMS,
    ExpiredJwt,
    InvalidJwt,
    UnknownKey,
    verify_jwt,
)
from oauthgrants.jwt_claims import require_times
from oauthgrants.ports import Clock
from oauthgrants.secret import Secret
from oauthgrants.token_checks import Services
from oauthgrants.token_checks.fetched_keys import FetchedKeys
from oauthgrants.token_checks.key_sets import KeySet, KeySetSettings
from oauthgrants.token_formats.jwt import TYP, token_of
from oauthgrants.tokens import AccessToken

_MOST_LEEWAY = timedelta(minutes=5)


@attrs.frozen(kw_only=True)
class JwtChecker:
    """
    Checks the JWTs of one authorization server, which is asked for its keys and for no more.

    So a token that is revoked stays valid here until it expires. One whose ``cnf`` has an unknown
    member is refused.

    Attributes:
        issuer: The only ``iss`` that is accepted.
        keys: Those of the issuer; by default found by its metadata and fetched.
        algorithms: The signature algorithms that are accepted.
        leeway: How far clocks may be apart, five minutes at most.
    """

    issuer: str
    keys: KeySetSettings | None = None
    algorithms: Collection[str] = ALGORITHMS
    leeway: timedelta = timedelta(seconds=30)

    def bind(self, services: Services) -> _JwtFinder:
        """
        Return what checks tokens.

        Raises:
            ValueError: A setting is not what it has to be.
        """
        require_issuer(self.issuer, allow_insecure_transport=services.allow_insecure_transport)
        unknown = sorted(set(self.algorithms) - ALGORITHMS)
        if unknown or not self.algorithms:
            raise ValueError(
                f"algorithms has {', '.join(unknown) or 'nothing'}; "
                f"there are {', '.join(sorted(ALGORITHMS))}"
            )
        if not timedelta() <= self.leeway <= _MOST_LEEWAY:
            raise ValueError("leeway has to be a few minutes at most (RFC 9068, Section 4)")
        keys = self.keys or FetchedKeys.discover(self.issuer)
        return _JwtFinder(
            issuer=self.issuer,
            keys=keys.bind(services),
            algorithms=frozenset(self.algorithms),
            leeway=self.leeway,
            clock=services.clock,
        )


@attrs.frozen(kw_only=True)
class _JwtFinder:
    issuer: str
    keys: KeySet
    algorithms: frozenset[str]
    leeway: timedelta
    clock: Clock

    async def find_access_token(self, value: Secret) -> AccessToken:
        """
        Return the access token that *value* is.

        Raises:
            InvalidToken: It is not valid.
        """
        try:
            return self._read(await self._verify(value.reveal()))
        except ExpiredJwt as error:
            # In the words of RFC 6750, 3.
            raise InvalidToken("The access token expired", reason=str(error)) from None
        except InvalidJwt as error:
            raise InvalidToken("the access token is not valid", reason=str(error)) from None

    def _read(self, claims: Mapping[str, Any]) -> AccessToken:
        if claims.get("iss") != self.issuer:
            raise InvalidJwt("the issuer is another one")
        require_times(claims, now=self.clock(), leeway=self.leeway)
        return token_of(claims)

    async def _verify(self, token: str) -> dict[str, Any]:
        keys = await self.keys.get()
        try:
            return verify_jwt(token, keys, algorithms=self.algorithms, typ={TYP})
        except UnknownKey:
            newer = await self.keys.get_newer(keys)
            if newer is keys:
                raise
            return verify_jwt(token, newer, algorithms=self.algorithms, typ={TYP})
