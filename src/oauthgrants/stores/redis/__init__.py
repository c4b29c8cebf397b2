"""
Every port on one Redis or Valkey server or cluster, through redis-py, sync or async.

`RedisStore` takes a ``redis.Redis`` or a ``redis.RedisCluster`` of the host's, `AsyncRedisStore`
one of ``redis.asyncio``.
"""

from __future__ import annotations

try:
    from oauthgrants.stores.redis.stores import AsyncRedisStore, RedisStore
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        "RedisStore needs redis-py: pip install 'oauthgrants[redis]'", name=_missing.name
    ) from _missing

__all__ = ["AsyncRedisStore", "RedisStore"]
