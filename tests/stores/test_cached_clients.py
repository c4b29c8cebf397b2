"""Clients are remembered for a while, and never for longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from threading import Barrier, Event, Thread
from typing import Any

import attrs
import pytest
from async_store import AsyncMemoryStore

from oauthgrants import Client, ClientSecret, HttpRequest, MemoryStore
from oauthgrants.stores.cached import AsyncCachedClients, CachedClients
from oauthgrants.testing.store_contract import ClientStoreContract
from support import FORM, ISSUER, World, basic

MINUTE = timedelta(minutes=1)


class TestCachedClients(ClientStoreContract[CachedClients]):
    @contextmanager
    def open_store(self) -> Generator[CachedClients, None, None]:
        self._kept = MemoryStore()
        yield CachedClients(self._kept)

    def add_client(self, store: CachedClients, client: Client) -> None:
        self._kept.add_client(client)


class TestAsyncCachedClients(ClientStoreContract[AsyncCachedClients]):
    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncCachedClients, None]:
        self._kept = MemoryStore()
        yield AsyncCachedClients(AsyncMemoryStore(self._kept))

    def add_client(self, store: AsyncCachedClients, client: Client) -> None:
        self._kept.add_client(client)


class TestAsyncCachedClientsInThreads(TestAsyncCachedClients):
    """Over a store that may block, as database drivers do."""

    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncCachedClients, None]:
        self._kept = Counting()
        yield AsyncCachedClients(self._kept)


class Counting(MemoryStore):
    """Notes who asks, and calls back between finding and answering."""

    never_blocks = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.before_answer: Callable[[], object] = lambda: None

    def find_client(self, client_id: str) -> Client | None:
        self.asked.append(client_id)
        found = super().find_client(client_id)
        self.before_answer()
        return found


class Timer:
    """Seconds that tests move."""

    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Counting:
    store = Counting()
    for name in "abc":
        store.add_client(Client.public(name))
    return store


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_client_is_asked_for_once_until_its_time_is_over(
    store: Counting, timer: Timer, colour: str
) -> None:
    """And what has changed meanwhile counts then."""
    cached: Any = (CachedClients if colour == "sync" else AsyncCachedClients)(
        store, ttl=MINUTE, timer=timer
    )

    def find() -> Client:
        answer = cached.find_client("a")
        client: Client = asyncio.run(answer) if colour == "async" else answer
        return client

    first = find()
    store.replace_client(attrs.evolve(first, active=False))
    timer.now += 59.9
    assert find() is first
    assert store.asked == ["a"]

    timer.now += 0.1
    assert not find().active
    assert store.asked == ["a", "a"]


@pytest.mark.parametrize("names", [["a"], [None]])
def test_what_is_forgotten_is_asked_for_again(store: Counting, names: list[str | None]) -> None:
    for cached in (CachedClients(store), AsyncCachedClients(store)):
        store.asked.clear()

        def find(cached: Any = cached) -> None:
            answer = cached.find_client("a")
            if isinstance(cached, AsyncCachedClients):
                asyncio.run(answer)

        find()
        cached.forget("b")
        find()
        assert store.asked == ["a"]
        for name in names:
            cached.forget(name)
        find()
        assert store.asked == ["a", "a"]


def test_unknown_clients_are_asked_for_each_time(store: Counting) -> None:
    """A new one can be used at once, and nobody fills the memory with names."""
    cached = CachedClients(store)
    assert cached.find_client("new") is None

    store.add_client(Client.public("new"))

    assert cached.find_client("new") == Client.public("new")


def test_no_more_are_kept_than_there_is_room_for(store: Counting) -> None:
    """Those that were asked for longest ago go."""
    cached = CachedClients(store, size=2)

    for name in "abcbca":
        cached.find_client(name)

    assert store.asked == ["a", "b", "c", "a"]


def test_what_was_asked_for_before_a_change_is_not_kept(store: Counting) -> None:
    """The answer may be older than the change."""
    cached = CachedClients(store)
    store.before_answer = lambda: cached.forget("a")
    cached.find_client("a")
    store.before_answer = lambda: None

    cached.find_client("a")

    assert store.asked == ["a", "a"]


def test_the_time_begins_when_the_store_is_asked(store: Counting, timer: Timer) -> None:
    """What a slow answer says was true at its beginning."""
    cached = CachedClients(store, ttl=MINUTE, timer=timer)

    def wait() -> None:
        timer.now += 60

    store.before_answer = wait
    cached.find_client("a")
    cached.find_client("a")

    assert store.asked == ["a", "a"]


def test_a_failed_replacement_is_forgotten_too() -> None:
    """It may have happened all the same."""

    class Failing(Counting):
        def replace_client_secret(
            self, client_id: str, old: ClientSecret, new: ClientSecret
        ) -> None:
            super().replace_client_secret(client_id, old, new)
            raise ConnectionError

    client, _ = Client.confidential("app", grant_types=["client_credentials"])
    [old] = client.secrets

    for kind in (CachedClients, AsyncCachedClients):
        store = Failing()
        store.add_client(client)
        cached: Any = kind(store)

        def call(answer: Any) -> Any:
            return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer

        call(cached.find_client("app"))
        with pytest.raises(ConnectionError):
            call(cached.replace_client_secret("app", old, attrs.evolve(old, hash="new")))

        assert call(cached.find_client("app")).secrets[0].hash == "new"


def test_a_store_that_suspends_wants_the_other_one() -> None:
    cached = CachedClients(AsyncMemoryStore(MemoryStore()))

    with pytest.raises(RuntimeError, match="a port suspended"):
        cached.find_client("a")


@pytest.mark.parametrize(
    "settings", [{"ttl": timedelta()}, {"ttl": timedelta(seconds=-1)}, {"size": 0}]
)
def test_a_cache_of_nothing_is_refused(settings: dict[str, Any]) -> None:
    for kind in (CachedClients, AsyncCachedClients):
        with pytest.raises(ValueError, match="a positive ttl and a size of 1 or more"):
            kind(MemoryStore(), **settings)


def test_threads_share_a_cache(store: Counting) -> None:
    """Finding, keeping, pushing out and forgetting at once."""
    cached = CachedClients(store, size=2)
    barrier, wrong = Barrier(4, timeout=30), Event()

    def use(number: int) -> None:
        barrier.wait()
        for turn in range(500):
            name = "abc"[(turn + number) % 3]
            if cached.find_client(name) != Client.public(name):
                wrong.set()
            if not turn % 7:
                cached.forget(name if turn % 2 else None)

    threads = [Thread(target=use, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert not wrong.is_set()
    assert not any(thread.is_alive() for thread in threads)


def test_a_server_asks_for_a_client_once(world: World) -> None:
    """In both colours; tokens are stored as ever."""
    store = Counting()
    client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    store.add_client(client)
    kind = CachedClients if world.colour == "sync" else AsyncCachedClients
    world.configure(store=store, clients=kind(store))

    answers = [
        world.send(
            HttpRequest(
                method="POST",
                url=f"{ISSUER}/token",
                headers=[FORM, basic("reports", secret)],
                body=b"grant_type=client_credentials",
            )
        ).status
        for _ in range(3)
    ]

    assert answers == [200, 200, 200]
    assert store.asked == ["reports"]
    assert len(store.tokens) == 3
