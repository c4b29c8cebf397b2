"""The Redis store behind a server of either colour."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager

from registrations import copy_registrations
from valkey_servers import open_async_client, open_client

from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from support import World


@contextmanager
def on_valkey(world: World, url: str) -> Generator[None]:
    """Let the server of *world* keep everything at *url*."""
    with closing(open_client(url)) as client:
        store = RedisStore(client)
        copy_registrations(world.store, store)
        if world.colour == "sync":
            world.configure(store=store)
            yield
        else:
            in_loop = open_async_client(url)
            world.configure(store=AsyncRedisStore(in_loop))
            try:
                yield
            finally:
                world.runner.run(in_loop.aclose())
