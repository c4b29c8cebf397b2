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


async def deny(keys: Keyspace, identifier: str, expires_at: datetime) -> None:
    """Remember *identifier* until *expires_at*, or as long as it was denied before."""
    await _remember(keys, keys.key(_DENIED, identifier), expires_at)


async def is_denied(keys: Keyspace, identifiers: Collection[str]) -> bool:
    """Return whether any of *identifiers* is remembered."""
    commands = [("EXISTS", keys.key(_DENIED, identifier)) for identifier in identifiers]
    if len(commands) == 1:
        return bool(await keys.execute(*commands[0]))
    return bool(commands) and any(await keys.execute_all(commands))


async def add_if_absent(keys: Keyspace, digest: bytes, expires_at: datetime) -> bool:
    """Remember *digest* until *expires_at*, and return whether it is new."""
    left = keys.time_left(expires_at)
    caller = random_id(9)
    return bool(await keys.run(scripts.ADD_IF_ABSENT, keys.key(_ONCE, digest), caller, left))


async def begin_attempt(keys: Keyspace, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
    """Count an attempt, unless it comes too early; return whether it may be made."""
    answer = await keys.run(
        scripts.BEGIN_ATTEMPT,
        keys.key(_ATTEMPTS, digest),
        random_id(9),
        to_microseconds(now),
        limit.max_failures,
        limit.window // _MICROSECOND,
        limit.longest_wait // _MICROSECOND,
        SLACK // _MILLISECOND,
    )
    return bool(answer)


async def withdraw_attempt(keys: Keyspace, digest: bytes) -> None:
    """Count one failure less, none if there is none."""
    await keys.run(scripts.WITHDRAW_ATTEMPT, keys.key(_ATTEMPTS, digest), random_id(9))


async def clear_attempts(keys: Keyspace, digest: bytes) -> None:
    """Forget all failures."""
    await keys.execute("DEL", keys.key(_ATTEMPTS, digest))


async def remember_source(keys: Keyspace, digest: bytes, expires_at: datetime) -> None:
    """Remember *digest* until *expires_at*; the later end counts."""
    await _remember(keys, keys.key(_SOURCE, digest), expires_at)


async def is_known_source(keys: Keyspace, digest: bytes, now: datetime) -> bool:
    """Return whether *digest* is remembered, and has not expired by *now*."""
    expires_at = await keys.execute("GET", keys.key(_SOURCE, digest))
    return expires_at is not None and to_microseconds(now) < int(expires_at)


async def _remember(keys: Keyspace, key: bytes, expires_at: datetime) -> None:
    left = keys.time_left(expires_at)
    await keys.run(scripts.REMEMBER, key, to_microseconds(expires_at), left)
