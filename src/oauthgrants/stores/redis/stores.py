"""The store in both colours."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

import redis
import redis.asyncio
from typing_extensions import override

from oauthgrants.ports import Clock, run, utc_now
from oauthgrants.stores.colours import Operation, UsersInAsync, UsersInSync, find_operation
from oauthgrants.stores.redis.eviction import check_eviction
from oauthgrants.stores.redis.registrations import RegistrationKeys
from oauthgrants.stores.redis.remembered import RememberedKeys
from oauthgrants.stores.redis.tokens import TokenKeys

P = ParamSpec("P")
T = TypeVar("T")


class Keys(RegistrationKeys, TokenKeys, RememberedKeys):
    """All that a store does, on clients of either colour; one that is sync never suspends."""


class RedisStore(UsersInSync):
    """
    Fills every port on a server or cluster, for `AuthorizationServer`.

    `AsyncAuthorizationServer` calls it in worker threads; `AsyncRedisStore` needs none. What has
    expired, the server forgets by itself.
    """

    def __init__(
        self,
        client: redis.Redis | redis.RedisCluster,
        *,
        prefix: str = "oauthgrants:",
        clock: Clock = utc_now,
    ) -> None:
        """
        Make a store; nothing is sent to the server yet.

        Args:
            client: The host's, which the host closes. Whether it decodes responses makes no
                difference.
            prefix: What all keys begin with.
            clock: Returns the time, aware, in UTC; for what has a moment at which to forget it.

        Raises:
            TypeError: *client* is none of redis-py's, or has the other colour.
            ValueError: *client* reads from replicas, which are behind: a revoked token would be
                valid there.
        """
        _require_client(client, redis.Redis, redis.RedisCluster)
        self.client = client
        """The host's."""
        self.keyspace: Keys = Keys(client, prefix, clock, isinstance(client, redis.RedisCluster))
        """Where the store keeps what it keeps."""

    @override
    def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        answer: T = run(find_operation(self.keyspace, operation)(*args, **kwargs))
        return answer

    def check_eviction(self) -> bool:
        """
        Warn if the server may evict keys when its memory is full; call it once, at the start.

        Without its key a sign-in has ended, a JWT that was denied is valid again, and what may be
        used once may be used twice. The warning goes to the logger ``oauthgrants``.

        Returns:
            True if ``maxmemory-policy`` is another than ``noeviction``; False also for a server
            that does not say.
        """
        return run(check_eviction(self.keyspace))


class AsyncRedisStore(UsersInAsync):
    """
    Fills every port on a server or cluster, for `AsyncAuthorizationServer`.

    It does what `RedisStore` does, with the same keys, through ``redis.asyncio``.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis | redis.asyncio.RedisCluster,
        *,
        prefix: str = "oauthgrants:",
        clock: Clock = utc_now,
    ) -> None:
        """
        Make a store; nothing is sent to the server yet.

        Args:
            client: The host's, which the host closes. Whether it decodes responses makes no
                difference.
            prefix: What all keys begin with.
            clock: Returns the time, aware, in UTC; for what has a moment at which to forget it.

        Raises:
            TypeError: *client* is none of redis-py's, or has the other colour.
            ValueError: *client* reads from replicas, which are behind: a revoked token would be
                valid there.
        """
        _require_client(client, redis.asyncio.Redis, redis.asyncio.RedisCluster)
        self.client = client
        """The host's."""
        self.keyspace: Keys = Keys(
            client, prefix, clock, isinstance(client, redis.asyncio.RedisCluster)
        )
        """Where the store keeps what it keeps."""

    @override
    async def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        await self._initialize()
        answer: T = await find_operation(self.keyspace, operation)(*args, **kwargs)
        return answer

    async def check_eviction(self) -> bool:
        """Do what `RedisStore.check_eviction` does."""
        await self._initialize()
        return await check_eviction(self.keyspace)

    async def _initialize(self) -> None:
        # If many tasks are the first to use it, a cluster's client of redis-py 8 sends their
        # commands to the wrong servers, and fails.
        await self.client.initialize()


def _require_client(client: object, *kinds: type[Any]) -> None:
    if not isinstance(client, kinds):
        wanted = " or ".join(
            f"{kind.__module__.partition('.client')[0]}.{kind.__name__}" for kind in kinds
        )
        raise TypeError(f"the store takes a {wanted}, not a {type(client).__qualname__}")
    for setting in ("read_from_replicas", "load_balancing_strategy"):
        if getattr(client, setting, None):
            raise ValueError(
                f"the client has {setting}, and replicas are behind: a token that was revoked "
                "would be valid there"
            )
