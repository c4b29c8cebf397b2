"""
How often a request waits for the database.

``python -m tests.benchmarks.round_trips``
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from inspect import iscoroutine
from pathlib import Path
from typing import Any

import attrs
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from oauthgrants import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.jose import SigningKey
from oauthgrants.stores.cached import AsyncCachedClients, CachedClients
from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore, SqlAlchemyStore

from . import report
from .asking import ALICE, Asker, settings_of
from .async_rivals import settings_for_asyncpg
from .population import clients
from .relay import Relay, relay_to
from .subjects import open_postgresql, open_valkey

GOAL = 2
"""So often does ``client_credentials`` wait at most, and once less for a client that is cached."""

# A driver prepares a statement when it has come a few times.
_UNCOUNTED = 10


@attrs.frozen(kw_only=True)
class Way:
    """
    A way to a database.

    Attributes:
        relay: Counts on it.
        store: What goes it.
        is_async: Whether the store has to be awaited.
    """

    relay: Relay
    store: Any
    is_async: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.round_trips",
        description="How often a request waits for the database.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--way", action="append", choices=WAYS, help="may be repeated")
    parser.add_argument("--requests", type=int, default=50, help="counted, of each kind")
    chosen = parser.parse_args(arguments)
    print(report.describe_machine("sqlalchemy", "psycopg", "asyncpg", "redis"))
    counted = {way: count_on(way, chosen.requests) for way in chosen.way or WAYS}
    print(
        report.table(
            "round trips a request, through a relay that counts "
            f"(goal: {GOAL} for client_credentials, {GOAL - 1} for a cached client)",
            ["request", *counted],
            [
                [request, *(f"{trips[request]:g}" for trips in counted.values())]
                for request in next(iter(counted.values()))
            ],
        )
    )


def count_on(way: str, requests: int) -> dict[str, float]:
    """Return how often a request of each kind waits, on the average of so many."""
    with asyncio.Runner() as runner, WAYS[way](runner) as found:
        return {
            name: _count(found.relay, ask, requests)
            for name, ask in _requests(found, runner).items()
        }


def _count(relay: Relay, ask: Callable[[], object], requests: int) -> float:
    for _ in range(_UNCOUNTED):
        ask()
    before = relay.round_trips
    for _ in range(requests):
        ask()
    return (relay.round_trips - before) / requests


def _requests(way: Way, runner: asyncio.Runner) -> dict[str, Callable[[], object]]:
    client, secret = clients()[0]
    store, is_async = way.store, way.is_async
    for answer in (store.add_client(client), store.add_user(ALICE)):
        if iscoroutine(answer):
            runner.run(answer)

    def ask(*, cached: bool = False, **settings: Any) -> Asker:
        if cached:
            settings["clients"] = (AsyncCachedClients if is_async else CachedClients)(store)
        server = (AsyncAuthorizationServer if is_async else AuthorizationServer)(
            **settings_of(store, **settings)
        )
        return Asker(server=server, client_id=client.client_id, secret=secret, runner=runner)

    plain = ask()
    jwt: dict[str, Any] = {
        "access_token_format": "jwt",
        "signing_keys": SigningKey.generate("ES256", kid="1"),
    }
    return {
        "client_credentials": plain.ask_for_token,
        "client_credentials, cached client": ask(cached=True).ask_for_token,
        "client_credentials, JWT": ask(**jwt).ask_for_token,
        "client_credentials, JWT, cached client": ask(cached=True, **jwt).ask_for_token,
        "password": plain.sign_in,
        "refresh_token": plain.refreshing(),
        "introspection": plain.introspecting(),
        "introspection, cached client": ask(cached=True).introspecting(),
    }


@contextmanager
def _postgresql() -> Generator[tuple[Relay, URL], None, None]:
    """Return a relay to a new schema of PostgreSQL, and the URL of its beginning."""
    with open_postgresql("round_trips", True) as subject:
        url = make_url(subject.url or "")
        folder = url.query.get("host")
        port = url.port or 5432
        upstream = (
            (url.host or "127.0.0.1", port)
            if folder is None
            else Path(str(folder)) / f".s.PGSQL.{port}"
        )
        with relay_to(upstream) as relay:
            to_relay = url.difference_update_query(["host"])
            yield relay, to_relay.set(host="127.0.0.1", port=relay.port)


@contextmanager
def _psycopg(runner: asyncio.Runner, **settings: Any) -> Generator[Way, None, None]:
    with _postgresql() as (relay, url):
        engine = create_engine(url, **settings)
        try:
            yield Way(relay=relay, store=SqlAlchemyStore(engine))
        finally:
            engine.dispose()


@contextmanager
def _asyncpg(runner: asyncio.Runner) -> Generator[Way, None, None]:
    with _postgresql() as (relay, url):
        bare, settings = settings_for_asyncpg(url)
        engine = create_async_engine(bare, connect_args={"server_settings": settings})
        try:
            yield Way(relay=relay, store=AsyncSqlAlchemyStore(engine), is_async=True)
        finally:
            runner.run(engine.dispose())


@contextmanager
def _pinged(runner: asyncio.Runner) -> Generator[Way, None, None]:
    with _psycopg(runner, pool_pre_ping=True) as way:
        yield way


@contextmanager
def _valkey() -> Generator[Relay, None, None]:
    with (
        open_valkey("round_trips", False) as subject,
        relay_to(Path(str(subject.url).removeprefix("unix://"))) as relay,
    ):
        yield relay


@contextmanager
def _redis_py(runner: asyncio.Runner) -> Generator[Way, None, None]:
    with _valkey() as relay, closing(Redis(port=relay.port)) as client:
        yield Way(relay=relay, store=RedisStore(client))


@contextmanager
def _redis_asyncio(runner: asyncio.Runner) -> Generator[Way, None, None]:
    with _valkey() as relay:
        client = AsyncRedis(port=relay.port)
        try:
            yield Way(relay=relay, store=AsyncRedisStore(client), is_async=True)
        finally:
            runner.run(client.aclose())


WAYS: Mapping[str, Callable[[asyncio.Runner], AbstractContextManager[Way]]] = {
    "psycopg": _psycopg,
    "psycopg, pool_pre_ping": _pinged,
    "asyncpg": _asyncpg,
    "redis": _redis_py,
    "redis.asyncio": _redis_asyncio,
}
"""By name."""


if __name__ == "__main__":
    main()
