"""The same as `rivals` for stores that are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from itertools import count as count_from
from os import urandom
from typing import Any, cast

from redis.asyncio import Redis
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from oauthgrants import AsyncAuthorizationServer, Secret
from oauthgrants.stores.redis import AsyncRedisStore
from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore

from .asking import settings_of
from .measuring import Case
from .population import access_token
from .rivals import CLIENT_ID, Rivals, begin, form_of, listening, spell_key, with_digest
from .subjects import open_postgresql, open_valkey


def settings_for_asyncpg(url: URL) -> tuple[URL, dict[str, str]]:
    """Return what psycopg takes as options as asyncpg has it: beside the URL."""
    options = dict(option.split("=") for option in str(url.query["options"]).split("-c")[1:])
    bare = url.difference_update_query(["options"]).set(drivername="postgresql+asyncpg")
    return bare, {name: value.strip() for name, value in options.items()}


@contextmanager
def on_asyncpg(calls: int, runner: asyncio.Runner, *, durable: bool = True) -> Generator[Rivals]:
    with open_postgresql("overhead_async", durable) as subject:
        secret = begin(subject)
        url, settings = settings_for_asyncpg(make_url(subject.url or ""))
        engine = create_async_engine(url, connect_args={"server_settings": settings})
        store = AsyncSqlAlchemyStore(engine)
        with listening(engine.sync_engine) as sent:
            runner.run(_do_both(store, 0))
        (find, of_client), (save, of_token) = sent
        _, arguments = engine.dialect.create_connect_args(url)
        # It has no types.
        asyncpg: Any = import_module("asyncpg")
        connection: Any = runner.run(asyncpg.connect(**arguments, server_settings=settings))

        async def send(digest: bytes) -> None:
            assert await connection.fetch(find, *of_client)
            await connection.execute(save, *with_digest(of_token, digest))

        try:
            yield _rivals(store, secret, calls, send, runner)
        finally:
            runner.run(connection.close())
            runner.run(engine.dispose())


@contextmanager
def on_redis_asyncio(calls: int, runner: asyncio.Runner) -> Generator[Rivals]:
    with open_valkey("overhead_async", False) as subject:
        secret = begin(subject)
        # Its types are not whole.
        client: Any = cast("Any", Redis).from_url(str(subject.url))
        store = AsyncRedisStore(client)
        sent: list[tuple[Any, ...]] = []
        execute = client.execute_command

        async def note(*command: Any, **options: Any) -> Any:
            sent.append(command)
            return await execute(*command, **options)

        client.execute_command = note
        runner.run(_do_both(store, 0))
        del client.execute_command
        find, (set_, key, *rest) = sent

        async def send(digest: bytes) -> None:
            assert await execute(*find)
            await execute(set_, spell_key(key, digest), *rest)

        try:
            yield _rivals(store, secret, calls, send, runner)
        finally:
            runner.run(client.aclose())


def _rivals(
    store: Any,
    secret: Secret,
    calls: int,
    send: Callable[[bytes], Awaitable[None]],
    runner: asyncio.Runner,
) -> Rivals:
    numbers = count_from(1)
    server = AsyncAuthorizationServer(**settings_of(store))
    form = form_of(secret)

    async def ask(_: None) -> None:
        assert (await server.token(form)).status == 200

    def block(do: Callable[[Any], Awaitable[None]], make: Callable[[], Any]) -> Case:
        """Return a case that enters the loop once for all its calls."""

        async def do_all(given: list[Any]) -> None:
            for one in given:
                await do(one)

        return Case(
            lambda given: runner.run(do_all(given)), 1, lambda: [make() for _ in range(calls)]
        )

    return Rivals(
        store=block(lambda number: _do_both(store, number), lambda: next(numbers)),
        bare=block(send, lambda: urandom(32)),
        request=block(ask, lambda: None),
        at_once=calls,
    )


async def _do_both(store: Any, number: int) -> None:
    assert await store.find_client(CLIENT_ID) is not None
    await store.save_tokens(access_token(number, datetime.now(UTC)), None)
