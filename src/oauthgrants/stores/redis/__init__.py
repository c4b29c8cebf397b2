"""
Every port on one Redis or Valkey server or cluster, through redis-py, sync or async.

`RedisStore` takes a ``redis.Redis`` or a ``redis.RedisCluster`` of the host's, `AsyncRedisStore`
one of ``redis.asyncio``.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("redis") is None:
    raise ModuleNotFoundError(
        "RedisStore needs redis-py: pip install 'oauthgrants[redis]'", name="redis"
    )

from oauthgrants.stores.redis.stores import AsyncRedisStore, RedisStore

__all__ = ["AsyncRedisStore", "RedisStore"]
