"""Whether the server throws away what it was told to keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from redis.exceptions import ResponseError

from oauthgrants.events import logger
from oauthgrants.ports import resolve
from oauthgrants.stores.redis.keyspace import Keyspace

_KEEPS_ALL = "noeviction"


async def check_eviction(keyspace: Keyspace) -> bool:
    """Warn if the server may evict keys when its memory is full, and return whether it may."""
    try:
        policies = set(_policies(await _ask(keyspace)))
    except ResponseError:
        # The host's account may not ask.
        return False
    policies.discard(_KEEPS_ALL)
    if policies:
        logger.warning(
            "the Redis server may evict what has to be kept: its maxmemory-policy is %s; "
            "set it to %s",
            ", ".join(sorted(policies)),
            _KEEPS_ALL,
        )
    return bool(policies)


async def _ask(keyspace: Keyspace) -> dict[str, Any]:
    # CONFIG would tell too, and is forbidden at many who run servers for others.
    options = {"target_nodes": "primaries"} if keyspace.is_cluster else {}
    answer: dict[str, Any] = await resolve(
        keyspace.client.execute_command("INFO", "memory", **options)
    )
    return answer


def _policies(answer: dict[str, Any]) -> Iterable[str]:
    """Return the policies in what one server answers, or several by their names."""
    for name, value in answer.items():
        if name == "maxmemory_policy":
            yield value
        elif isinstance(value, dict):
            yield from _policies(cast("dict[str, Any]", value))
