"""What comes of a request or an answer that gets lost between the Redis store and its server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from os import urandom
from typing import Any

import attrs
import pytest
import redis
import redis.asyncio
import redis.asyncio.retry
from lossy_proxy import Loss, LossyProxy, run_proxy
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry
from valkey_servers import new_prefix, open_client, run_server

from oauthgrants import Client, User
from oauthgrants.attempts import AttemptLimit
from oauthgrants.ports import Rotation, is_awaitable
from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_samples import make_mfa_token, make_pair, make_successors
from support import Colour

_LIMIT = AttemptLimit(
    max_failures=3, window=timedelta(minutes=15), longest_wait=timedelta(minutes=15)
)
_MOST_TRIPS = 10


@attrs.frozen
class Way:
    """
    A store behind a proxy that loses what it is told to.

    Attributes:
        store: Of either colour.
        call: Returns what a method of the store answers.
        proxy: Between the store and its server.
    """

    store: Any
    call: Callable[[Any], Any]
    proxy: LossyProxy


@pytest.fixture(scope="module")
def server_path() -> Iterator[str]:
    with run_server() as url:
        yield url.removeprefix("unix://")


@pytest.fixture
def proxy(server_path: str) -> Iterator[LossyProxy]:
    with run_proxy(server_path) as proxy:
        yield proxy


@contextmanager
def open_way(proxy: LossyProxy, colour: Colour, *, tries: int) -> Generator[Way, None, None]:
    """Return a store that sends what got no answer so many times."""
    place: dict[str, Any] = {"host": "127.0.0.1", "port": proxy.port}
    # Before version 6, redis-py sends nothing again unless it is told.
    place["retry_on_error"] = [NoConnection]
    with asyncio.Runner() as runner:

        def call(answer: Any) -> Any:
            return runner.run(wait(answer)) if is_awaitable(answer) else answer

        async def wait(answer: Any) -> Any:
            return await answer

        if colour == "sync":
            client = redis.Redis(**place, retry=Retry(NoBackoff(), tries - 1))
            yield Way(RedisStore(client, prefix=new_prefix()), call, proxy)
            client.close()
        else:
            retry = redis.asyncio.retry.Retry(NoBackoff(), tries - 1)
            in_loop = redis.asyncio.Redis(**place, retry=retry)
            yield Way(AsyncRedisStore(in_loop, prefix=new_prefix()), call, proxy)
            call(in_loop.aclose())


Lossy = Callable[[Any], Any]
Scenario = Callable[[Way, Lossy], None]


def saving(way: Way, lossy: Lossy) -> None:
    access, refresh = make_pair()
    lossy(lambda: way.store.save_tokens(access, refresh))
    assert way.call(way.store.find_access_token(access.digest)) == access
    assert way.call(way.store.find_refresh_token(refresh.digest)) == refresh


def rotating(way: Way, lossy: Lossy) -> None:
    """Else the client's next refresh would be taken for a thief's, and its sign-in ended."""
    first = make_pair()
    access, refresh = make_successors(first[1])
    way.call(way.store.save_tokens(*first))

    def rotate(*new: Any) -> Any:
        return way.store.rotate_refresh_token(first[1].digest, *new, grace=timedelta())

    assert lossy(lambda: rotate(access, refresh)) is Rotation.ROTATED
    assert way.call(way.store.find_access_token(access.digest)) == access
    assert way.call(way.store.find_refresh_token(refresh.digest)) == refresh
    assert way.call(rotate(*make_successors(first[1]))) is Rotation.REPLAYED


def revoking(way: Way, lossy: Lossy) -> None:
    access, refresh = make_pair()
    way.call(way.store.save_tokens(access, refresh))
    lossy(lambda: way.store.revoke_family(refresh.family))
    assert way.call(way.store.find_access_token(access.digest)) is None


def denying(way: Way, lossy: Lossy) -> None:
    lossy(lambda: way.store.deny("jti", samples.moment() + samples.HOUR))
    assert way.call(way.store.is_denied(["jti", "other"])) is True


def using_once(way: Way, lossy: Lossy) -> None:
    digest, ends = urandom(32), samples.moment() + samples.HOUR
    assert lossy(lambda: way.store.add_if_absent(digest, ends)) is True
    assert way.call(way.store.add_if_absent(digest, ends)) is False


def taking(way: Way, lossy: Lossy) -> None:
    token = make_mfa_token()
    way.call(way.store.save_mfa_token(token))
    assert lossy(lambda: way.store.take_mfa_token(token.digest)) is True
    assert way.call(way.store.take_mfa_token(token.digest)) is False


def beginning_an_attempt(way: Way, lossy: Lossy) -> None:
    digest, now = urandom(32), samples.moment()
    assert lossy(lambda: way.store.begin_attempt(digest, _LIMIT, now)) is True
    more = [way.call(way.store.begin_attempt(digest, _LIMIT, now)) for _ in range(3)]
    assert more == [True, True, False]


def withdrawing_an_attempt(way: Way, lossy: Lossy) -> None:
    digest, now = urandom(32), samples.moment()
    for _ in range(3):
        way.call(way.store.begin_attempt(digest, _LIMIT, now))
    lossy(lambda: way.store.withdraw_attempt(digest))
    more = [way.call(way.store.begin_attempt(digest, _LIMIT, now)) for _ in range(2)]
    assert more == [True, False]


def adding_a_client(way: Way, lossy: Lossy) -> None:
    client = Client.public("app")
    lossy(lambda: way.store.add_client(client))
    assert way.call(way.store.find_client("app")) == client
    with pytest.raises(ValueError, match="registered already"):
        way.call(way.store.add_client(client))


def replacing_a_secret(way: Way, lossy: Lossy) -> None:
    client, _ = Client.confidential("app")
    [old] = client.secrets
    new = attrs.evolve(old, hash="new")
    way.call(way.store.add_client(client))
    lossy(lambda: way.store.replace_client_secret("app", old, new))
    assert way.call(way.store.find_client("app")).secrets == (new,)


def adding_a_user(way: Way, lossy: Lossy) -> None:
    user = User(sub="user-1", username="alice")
    lossy(lambda: way.store.add_user(user))
    assert way.call(way.store.find_user("alice")) == user
    with pytest.raises(ValueError, match="exists already"):
        way.call(way.store.add_user(user))


def renaming_a_user(way: Way, lossy: Lossy) -> None:
    user = User(sub="user-1", username="alicia")
    way.call(way.store.add_user(User(sub="user-1", username="alice")))
    lossy(lambda: way.store.replace_user(user))
    assert way.call(way.store.find_user("alicia")) == user
    assert way.call(way.store.find_user("alice")) is None
    way.call(way.store.add_user(User(sub="user-2", username="alice")))


SCENARIOS: dict[Scenario, int] = {
    saving: 2,
    rotating: 2,
    revoking: 1,
    denying: 1,
    using_once: 1,
    taking: 1,
    beginning_an_attempt: 1,
    withdrawing_an_attempt: 1,
    adding_a_client: 1,
    replacing_a_secret: 2,
    adding_a_user: 3,
    renaming_a_user: 5,
}
"""Each with the number of trips that it takes."""


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.__name__)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    chosen: Scenario = request.param
    return chosen


@pytest.mark.parametrize("what", ["request", "answer"])
def test_what_is_sent_again_is_done_once(
    what: Loss, scenario: Scenario, colour: Colour, proxy: LossyProxy
) -> None:
    """Whichever of its requests or answers gets lost: redis-py sends again by default."""
    lost: list[bool] = []
    for trip in range(1, _MOST_TRIPS):
        with open_way(proxy, colour, tries=2) as way:

            def lossy(call: Any, way: Way = way, trip: int = trip) -> Any:
                warm_up(way)
                proxy.lose(what, trip)
                try:
                    answer = way.call(call())
                except NoConnection:
                    # Before version 6, redis-py sends no pipeline again.
                    assert int(redis.__version__.partition(".")[0]) < 6
                    answer = way.call(call())
                lost.append(proxy.has_lost)
                proxy.count()
                return answer

            scenario(way, lossy)

    trips = SCENARIOS[scenario]
    assert lost == [True] * trips + [False] * (_MOST_TRIPS - 1 - trips)


def test_a_fault_is_raised_and_the_next_call_works(
    scenario: Scenario, colour: Colour, proxy: LossyProxy
) -> None:
    """Of a client that sends nothing again, the host hears that it failed."""
    with open_way(proxy, colour, tries=1) as way:

        def lossy(call: Any) -> Any:
            warm_up(way)
            proxy.lose("request", 1)
            with pytest.raises(NoConnection):
                way.call(call())
            assert proxy.has_lost
            return way.call(call())

        scenario(way, lossy)


@pytest.mark.parametrize("trip", [1, 2])
def test_a_rotation_that_the_caller_repeats_is_one(
    trip: int, colour: Colour, proxy: LossyProxy
) -> None:
    """With the same successors, it is told by them, as long as they are there."""
    with open_way(proxy, colour, tries=1) as way:

        def lossy(call: Any) -> Any:
            warm_up(way)
            proxy.lose("answer", trip)
            with pytest.raises(NoConnection):
                way.call(call())
            return way.call(call())

        rotating(way, lossy)


@pytest.mark.parametrize("trip", [1, 2, 3])
def test_a_registration_that_breaks_off_blocks_nobody(
    trip: int, colour: Colour, proxy: LossyProxy, server_path: str
) -> None:
    """After a minute its username is free again; and it is one user's at any time."""
    alice, other = User(sub="user-1", username="alice"), User(sub="user-2", username="alice")
    with open_way(proxy, colour, tries=1) as way:
        warm_up(way)
        proxy.lose("request", trip)
        with pytest.raises(NoConnection):
            way.call(way.store.add_user(alice))
        assert way.call(way.store.find_user("alice")) is None
        assert way.call(way.store.find_user_by_sub("user-1")) is None

        if trip == 3:
            # It may still be under way.
            for user in (other, alice):
                with pytest.raises(ValueError, match="exists already"):
                    way.call(way.store.add_user(user))
            a_minute_passes(way, server_path, "alice")
        way.call(way.store.add_user(other))
        with pytest.raises(ValueError, match="exists already"):
            way.call(way.store.add_user(alice))
        way.call(way.store.add_user(attrs.evolve(alice, username="alicia")))

        assert way.call(way.store.find_user("alice")) == other
        assert way.call(way.store.find_user("alicia")).sub == "user-1"


@pytest.mark.parametrize("trip", [1, 2, 3, 4, 5])
def test_a_renaming_that_breaks_off_blocks_nobody(
    trip: int, colour: Colour, proxy: LossyProxy, server_path: str
) -> None:
    """Done again, it is done; and either name is free soon that is not the user's."""
    alice = User(sub="user-1", username="alice")
    renamed = attrs.evolve(alice, username="alicia")
    with open_way(proxy, colour, tries=1) as way:
        way.call(way.store.add_user(alice))
        warm_up(way)
        proxy.lose("request", trip)
        with pytest.raises(NoConnection):
            way.call(way.store.replace_user(renamed))

        found = [way.call(way.store.find_user(name)) for name in ("alice", "alicia")]
        assert found == ([None, renamed] if trip == 5 else [alice, None])
        if trip == 4:
            with pytest.raises(ValueError, match="exists already"):
                way.call(way.store.add_user(User(sub="user-2", username="alicia")))

        way.call(way.store.replace_user(renamed))
        assert way.call(way.store.find_user("alicia")) == renamed
        if trip == 5:
            a_minute_passes(way, server_path, "alice")
        another = User(sub="user-3", username="alice")
        way.call(way.store.add_user(another))
        assert way.call(way.store.find_user("alice")) == another
        assert way.call(way.store.find_user("alicia")) == renamed


def warm_up(way: Way) -> None:
    """Connect, so that the next trip is the first of what is tested."""
    way.call(way.store.find_access_token(bytes(32)))


def a_minute_passes(way: Way, server_path: str, username: str) -> None:
    """Let the claim to *username* be of a minute ago."""
    client = open_client(f"unix://{server_path}")
    key = way.store.keyspace.key("username", username)
    claimed_at = client.hget(key, "at")
    assert isinstance(claimed_at, bytes)
    client.hset(key, "at", str(int(claimed_at) - 60_000))
    client.close()
