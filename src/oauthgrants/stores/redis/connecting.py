"""Stores for threads, on servers that may go away and come back; what is wrong with one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_SECONDS = 5.0


class ServerFault(Exception):
    """
    A server cannot be used.

    Args:
        message: Why, on one line; without the URL.
    """


def make_client(url: str, *, connections: int, patience: float = _SECONDS) -> redis.Redis:
    """
    Return the client of the server at *url*; it connects when it is first used.

    What gets no answer is sent once more, at once: the store's scripts notice.

    Args:
        url: ``redis://…`` or ``rediss://…``, as redis-py has it.
        connections: How many there are at most.
        patience: Seconds to wait for one of them, to connect, and for an answer.

    Raises:
        ServerFault: *url* has settings that there are not.
    """
    # redis-py does not say of what type settings are.
    pools = cast("Any", redis.BlockingConnectionPool)
    try:
        pool = pools.from_url(
            url,
            max_connections=connections,
            timeout=patience,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=Retry(NoBackoff(), 1),
        )
        # Settings are read when the first connection is made; it connects no sooner than used.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError):
        # What they say may have a value in it.
        raise ServerFault("has settings that redis-py does not know") from None
    return redis.Redis.from_pool(pool)


@contextmanager
def faults_explained() -> Generator[None]:
    """
    Turn what redis-py raises into one line.

    Raises:
        ServerFault: The server is away, or refuses.
    """
    try:
        yield
    except RedisError as error:
        raise ServerFault(str(error).partition("\n")[0]) from None
