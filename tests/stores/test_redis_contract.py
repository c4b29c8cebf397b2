"""
The contract of stores, for Valkey and a cluster of it, in both colours.

Some clients decode what the server answers, some do not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager

import pytest
import redis
import redis.asyncio
from valkey_servers import (
    HOST,
    cluster_ports,
    new_prefix,
    open_async_client,
    open_client,
    valkey_url,
)

from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from oauthgrants.testing.store_contract import StoreContract

__all__ = ["cluster_ports", "valkey_url"]


class _Contract(StoreContract[RedisStore]):
    @abstractmethod
    def connect(self) -> redis.Redis | redis.RedisCluster: ...

    @contextmanager
    def open_store(self) -> Generator[RedisStore, None, None]:
        with closing(self.connect()) as client:
            yield RedisStore(client, prefix=new_prefix())

    @contextmanager
    def connect_again(self, store: RedisStore) -> Generator[RedisStore, None, None]:
        with closing(self.connect()) as client:
            yield RedisStore(client, prefix=store.keyspace.prefix)


class TestValkey(_Contract):
    @pytest.fixture(autouse=True)
    def _server(self, valkey_url: str) -> None:
        self.url = valkey_url

    def connect(self) -> redis.Redis:
        return open_client(self.url)


def _connect_to_cluster(port: int) -> redis.RedisCluster:
    return redis.RedisCluster(host=HOST, port=port, decode_responses=True)


@pytest.fixture(scope="module")
def cluster(cluster_ports: Sequence[int]) -> Iterator[redis.RedisCluster]:
    """A client for all tests: a new one reads the list of all commands from a server."""
    with closing(_connect_to_cluster(cluster_ports[0])) as client:
        yield client


class TestCluster(_Contract):
    @pytest.fixture(autouse=True)
    def _server(self, cluster: redis.RedisCluster, cluster_ports: Sequence[int]) -> None:
        self.client = cluster
        self.port = cluster_ports[0]

    @contextmanager
    def open_store(self) -> Generator[RedisStore, None, None]:
        yield RedisStore(self.client, prefix=new_prefix())

    def connect(self) -> redis.RedisCluster:
        return _connect_to_cluster(self.port)


class _AsyncContract(StoreContract[AsyncRedisStore]):
    @abstractmethod
    def connect(self) -> redis.asyncio.Redis | redis.asyncio.RedisCluster: ...

    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncRedisStore, None]:
        client = self.connect()
        yield AsyncRedisStore(client, prefix=new_prefix())
        await client.aclose()

    @asynccontextmanager
    async def connect_again(self, store: AsyncRedisStore) -> AsyncGenerator[AsyncRedisStore, None]:
        client = self.connect()
        yield AsyncRedisStore(client, prefix=store.keyspace.prefix)
        await client.aclose()


class TestAsyncValkey(_AsyncContract):
    @pytest.fixture(autouse=True)
    def _server(self, valkey_url: str) -> None:
        self.url = valkey_url

    def connect(self) -> redis.asyncio.Redis:
        return open_async_client(self.url, decode_responses=True)


class TestAsyncCluster(_AsyncContract):
    @pytest.fixture(autouse=True)
    def _server(self, cluster_ports: Sequence[int]) -> None:
        self.port = cluster_ports[0]

    def connect(self) -> redis.asyncio.RedisCluster:
        return redis.asyncio.RedisCluster(host=HOST, port=self.port)
