"""What the store remembers for a while: denials, what was used once, attempts, sources."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from oauthgrants.attempts import AttemptLimit
from oauthgrants.secret import random_id
from oauthgrants.stores.redis import scripts
from oauthgrants.stores.redis.keyspace import SLACK, Keyspace
from oauthgrants.stores.redis.records import to_microseconds

_DENIED, _ONCE, _ATTEMPTS, _SOURCE = "denied", "once", "attempts", "source"
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)


class RememberedKeys(Keyspace):
    """Fills `DenyList`, `ReplayStore`, `AttemptStore` and `KnownSources`."""

    async def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*, or as long as it was denied before."""
        await self._remember(self.key(_DENIED, identifier), expires_at)

    async def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        commands = [("EXISTS", self.key(_DENIED, identifier)) for identifier in identifiers]
        if len(commands) == 1:
            return bool(await self.execute(*commands[0]))
        return bool(commands) and any(await self.execute_all(commands))

    async def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest* until *expires_at*, and return whether it is new."""
        left = self.time_left(expires_at)
        caller = random_id(9)
        return bool(await self.run(scripts.ADD_IF_ABSENT, self.key(_ONCE, digest), caller, left))

    async def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        """Count an attempt, unless it comes too early; return whether it may be made."""
        answer = await self.run(
            scripts.BEGIN_ATTEMPT,
            self.key(_ATTEMPTS, digest),
            random_id(9),
            to_microseconds(now),
            limit.max_failures,
            limit.window // _MICROSECOND,
            limit.longest_wait // _MICROSECOND,
            SLACK // _MILLISECOND,
        )
        return bool(answer)

    async def withdraw_attempt(self, digest: bytes) -> None:
        """Count one failure less, none if there is none."""
        await self.run(scripts.WITHDRAW_ATTEMPT, self.key(_ATTEMPTS, digest), random_id(9))

    async def clear_attempts(self, digest: bytes) -> None:
        """Forget all failures."""
        await self.execute("DEL", self.key(_ATTEMPTS, digest))

    async def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        """Remember *digest* until *expires_at*; the later end counts."""
        await self._remember(self.key(_SOURCE, digest), expires_at)

    async def is_known_source(self, digest: bytes, now: datetime) -> bool:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        expires_at = await self.execute("GET", self.key(_SOURCE, digest))
        return expires_at is not None and to_microseconds(now) < int(expires_at)

    async def _remember(self, key: bytes, expires_at: datetime) -> None:
        left = self.time_left(expires_at)
        await self.run(scripts.REMEMBER, key, to_microseconds(expires_at), left)
