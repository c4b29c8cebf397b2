"""
What the store does with tokens.

A token outside a family is one key. In a family, that key says what the token stands for and
the family's says that it exists: it is there only if both are. The tokens' keys are written
first, and what comes of them is decided in one step on the family's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs

from oauthgrants.ports import Rotation
from oauthgrants.secret import random_id
from oauthgrants.stores.redis import scripts
from oauthgrants.stores.redis.keyspace import Keyspace, time_to_live
from oauthgrants.stores.redis.records import (
    decode,
    encode,
    from_microseconds,
    parse,
    to_base64,
    to_microseconds,
    to_text,
)
from oauthgrants.tokens import AccessToken, MfaToken, RefreshToken

_ACCESS, _REFRESH, _FAMILY, _MFA = "at", "rt", "family", "mfa"
_KIND: dict[type[Any], str] = {AccessToken: _ACCESS, RefreshToken: _REFRESH, MfaToken: _MFA}
_MICROSECOND = timedelta(microseconds=1)


class TokenKeys(Keyspace):
    """Fills `TokenStore` and `MfaTokenStore`."""

    async def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """
        Store both or neither, and none if the family was revoked.

        Raises:
            ValueError: They are not of one family.
        """
        family = _family_of(access, refresh)
        await self._write(access, refresh)
        if family is not None:
            await self.run(scripts.SAVE, self.key(_FAMILY, family), *_members(access, refresh))

    async def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        record = await self.execute("GET", self.key(_ACCESS, digest))
        if record is None:
            return None
        token = decode(AccessToken, parse(record), digest=digest)
        if token.family is not None and await self._find_state(token, token.family) is None:
            return None
        return token

    async def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        record = await self.execute("GET", self.key(_REFRESH, digest))
        if record is None:
            return None
        token = decode(RefreshToken, parse(record), digest=digest)
        state = await self._find_state(token, token.family)
        if state is None:
            return None
        _, _, spent_at = to_text(state).partition(" ")
        return attrs.evolve(token, spent_at=from_microseconds(int(spent_at))) if spent_at else token

    async def rotate_refresh_token(
        self,
        spent: bytes,
        access: AccessToken | None,
        refresh: RefreshToken,
        *,
        grace: timedelta,
    ) -> Rotation:
        """
        Mark a refresh token as spent and store its successors, in one step.

        Raises:
            ValueError: The successors are not of one family.
        """
        _family_of(refresh, access)
        await self._write(refresh, access)
        outcome = await self.run(
            scripts.ROTATE,
            self.key(_FAMILY, refresh.family),
            _field(_REFRESH, spent),
            to_microseconds(refresh.issued_at),
            grace // _MICROSECOND,
            *_members(refresh, access),
        )
        return Rotation(to_text(outcome))

    async def revoke_family(self, family: str) -> None:
        """End all tokens of *family*, access and refresh, in one step."""
        await self.run(scripts.REVOKE, self.key(_FAMILY, family))

    async def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        await self.execute("DEL", self.key(_ACCESS, digest))

    async def save_mfa_token(self, token: MfaToken) -> None:
        """Store *token*."""
        await self.execute(*self._set(token))

    async def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        """Return the token with this digest, None if unknown or taken."""
        record = await self.execute("GET", self.key(_MFA, digest))
        if record is None or not to_text(record).startswith("{"):
            return None
        return decode(MfaToken, parse(record), digest=digest)

    async def take_mfa_token(self, digest: bytes) -> bool:
        """Forget the token with this digest, and return whether it was there."""
        return bool(await self.run(scripts.TAKE, self.key(_MFA, digest), random_id(9)))

    async def _write(self, *tokens: AccessToken | RefreshToken | None) -> None:
        """Write what *tokens* stand for; nothing is sent unless all of it can be written."""
        commands = [self._set(token) for token in tokens if token is not None]
        if len(commands) == 1:
            await self.execute(*commands[0])
        elif commands:
            await self.execute_all(commands)

    def _set(self, token: AccessToken | RefreshToken | MfaToken) -> tuple[Any, ...]:
        record = encode(token, without=("digest", "spent_at"))
        key = self.key(_KIND[type(token)], token.digest)
        return "SET", key, record, "PX", _time_to_live(token)

    async def _find_state(self, token: AccessToken | RefreshToken, family: str) -> Any:
        field = _field(_KIND[type(token)], token.digest)
        return await self.execute("HGET", self.key(_FAMILY, family), field)


def _family_of(*tokens: AccessToken | RefreshToken | None) -> str | None:
    families = {token.family for token in tokens if token is not None}
    if len(families) > 1:
        raise ValueError("tokens that are stored in one step have to be of one family")
    return next(iter(families), None)


def _members(*tokens: AccessToken | RefreshToken | None) -> Iterator[str | int]:
    """Return what the family's script takes of each of *tokens*."""
    for token in tokens:
        if token is not None:
            yield _field(_KIND[type(token)], token.digest)
            yield _time_to_live(token)
            spent_at: datetime | None = getattr(token, "spent_at", None)
            yield "" if spent_at is None else f" {to_microseconds(spent_at)}"


def _field(kind: str, digest: bytes) -> str:
    return f"{kind}:{to_base64(digest)}"


def _time_to_live(token: AccessToken | RefreshToken | MfaToken) -> int:
    # Counted from when it was issued: the server's clock may be another.
    return time_to_live(token.expires_at - token.issued_at)
