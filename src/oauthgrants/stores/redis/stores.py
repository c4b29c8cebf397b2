"""The store in both colours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import redis
import redis.asyncio

from oauthgrants.ports import Clock, run, utc_now
from oauthgrants.stores.redis import eviction, registrations, remembered, tokens
from oauthgrants.stores.redis.keyspace import Keyspace

P = ParamSpec("P")
T = TypeVar("T")

_Operation = Callable[Concatenate[Keyspace, P], Coroutine[Any, Any, T]]


def _in_sync(operation: _Operation[P, T]) -> Callable[Concatenate[RedisStore, P], T]:
    """Return *operation* as a method of `RedisStore`."""

    @wraps(operation)
    def method(self: RedisStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(operation(self.keyspace, *args, **kwargs))

    return method


def _in_async(
    operation: _Operation[P, T],
) -> Callable[Concatenate[AsyncRedisStore, P], Awaitable[T]]:
    """Return *operation* as a method of `AsyncRedisStore`."""

    @wraps(operation)
    async def method(self: AsyncRedisStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        # If many tasks are the first to use it, a cluster's client of redis-py 8 sends their
        # commands to the wrong servers, and fails.
        await self.client.initialize()
        return await operation(self.keyspace, *args, **kwargs)

    return method


class RedisStore:
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
        Make a store, without a word to the server.

        Args:
            client: The host's, which the host closes. Whether it decodes responses makes no
                difference.
            prefix: What all keys begin with.
            clock: Asked how long to keep what comes with no more than the moment of its end.

        Raises:
            TypeError: *client* is none of redis-py's, or has the other colour.
            ValueError: *client* reads from replicas, which are behind: a revoked token would be
                valid there.
        """
        _require_client(client, redis.Redis, redis.RedisCluster)
        self.client = client
        """The host's."""
        self.keyspace = Keyspace(client, prefix, clock, isinstance(client, redis.RedisCluster))
        """Where the store keeps what it keeps."""

    add_client = _in_sync(registrations.add_client)
    replace_client = _in_sync(registrations.replace_client)
    find_client = _in_sync(registrations.find_client)
    replace_client_secret = _in_sync(registrations.replace_client_secret)
    add_client_secret = _in_sync(registrations.add_client_secret)
    delete_client_secret = _in_sync(registrations.delete_client_secret)
    add_user = _in_sync(registrations.add_user)
    replace_user = _in_sync(registrations.replace_user)
    find_user = _in_sync(registrations.find_user)
    find_user_by_sub = _in_sync(registrations.find_user_by_sub)
    replace_password_hash = _in_sync(registrations.replace_password_hash)
    save_tokens = _in_sync(tokens.save_tokens)
    find_access_token = _in_sync(tokens.find_access_token)
    find_refresh_token = _in_sync(tokens.find_refresh_token)
    rotate_refresh_token = _in_sync(tokens.rotate_refresh_token)
    revoke_family = _in_sync(tokens.revoke_family)
    revoke_access_token = _in_sync(tokens.revoke_access_token)
    save_mfa_token = _in_sync(tokens.save_mfa_token)
    find_mfa_token = _in_sync(tokens.find_mfa_token)
    take_mfa_token = _in_sync(tokens.take_mfa_token)
    deny = _in_sync(remembered.deny)
    is_denied = _in_sync(remembered.is_denied)
    add_if_absent = _in_sync(remembered.add_if_absent)
    begin_attempt = _in_sync(remembered.begin_attempt)
    withdraw_attempt = _in_sync(remembered.withdraw_attempt)
    clear_attempts = _in_sync(remembered.clear_attempts)
    remember_source = _in_sync(remembered.remember_source)
    is_known_source = _in_sync(remembered.is_known_source)
    check_eviction = _in_sync(eviction.check_eviction)


class AsyncRedisStore:
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
        Make a store, without a word to the server.

        Args:
            client: The host's, which the host closes. Whether it decodes responses makes no
                difference.
            prefix: What all keys begin with.
            clock: Asked how long to keep what comes with no more than the moment of its end.

        Raises:
            TypeError: *client* is none of redis-py's, or has the other colour.
            ValueError: *client* reads from replicas, which are behind: a revoked token would be
                valid there.
        """
        _require_client(client, redis.asyncio.Redis, redis.asyncio.RedisCluster)
        self.client = client
        """The host's."""
        self.keyspace = Keyspace(
            client, prefix, clock, isinstance(client, redis.asyncio.RedisCluster)
        )
        """Where the store keeps what it keeps."""

    add_client = _in_async(registrations.add_client)
    replace_client = _in_async(registrations.replace_client)
    find_client = _in_async(registrations.find_client)
    replace_client_secret = _in_async(registrations.replace_client_secret)
    add_client_secret = _in_async(registrations.add_client_secret)
    delete_client_secret = _in_async(registrations.delete_client_secret)
    add_user = _in_async(registrations.add_user)
    replace_user = _in_async(registrations.replace_user)
    find_user = _in_async(registrations.find_user)
    find_user_by_sub = _in_async(registrations.find_user_by_sub)
    replace_password_hash = _in_async(registrations.replace_password_hash)
    save_tokens = _in_async(tokens.save_tokens)
    find_access_token = _in_async(tokens.find_access_token)
    find_refresh_token = _in_async(tokens.find_refresh_token)
    rotate_refresh_token = _in_async(tokens.rotate_refresh_token)
    revoke_family = _in_async(tokens.revoke_family)
    revoke_access_token = _in_async(tokens.revoke_access_token)
    save_mfa_token = _in_async(tokens.save_mfa_token)
    find_mfa_token = _in_async(tokens.find_mfa_token)
    take_mfa_token = _in_async(tokens.take_mfa_token)
    deny = _in_async(remembered.deny)
    is_denied = _in_async(remembered.is_denied)
    add_if_absent = _in_async(remembered.add_if_absent)
    begin_attempt = _in_async(remembered.begin_attempt)
    withdraw_attempt = _in_async(remembered.withdraw_attempt)
    clear_attempts = _in_async(remembered.clear_attempts)
    remember_source = _in_async(remembered.remember_source)
    is_known_source = _in_async(remembered.is_known_source)
    check_eviction = _in_async(eviction.check_eviction)


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
