"""How often the SQLAlchemy store waits for PostgreSQL: once for what is one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import urandom
from typing import Any

import pytest
from databases import empty_postgres_url
from round_trips import RoundTrips, counted
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from oauthgrants.attempts import AttemptLimit
from oauthgrants.ports import is_awaitable
from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore, SqlAlchemyStore
from oauthgrants.testing.store_samples import (
    HOUR,
    make_access_token,
    make_mfa_token,
    make_pair,
    moment,
)
from support import World

# So often drivers look at a statement before it is prepared once and for all.
WARM = 12
MANY = 10
LIMIT = AttemptLimit(max_failures=1_000_000, window=HOUR, longest_wait=HOUR)

CALLS: dict[str, Callable[[Any], Any]] = {
    "save one": lambda store: store.save_tokens(make_access_token(), None),
    "save one by name": lambda store: store.save_tokens(access=make_access_token(), refresh=None),
    "save both": lambda store: store.save_tokens(*make_pair()),
    "find": lambda store: store.find_access_token(bytes(32)),
    "use": lambda store: store.add_if_absent(urandom(32), moment()),
    "use again": lambda store: store.add_if_absent(bytes(32), moment()),
    "begin": lambda store: store.begin_attempt(bytes(32), LIMIT, moment()),
    "withdraw": lambda store: store.withdraw_attempt(bytes(32)),
    "clear": lambda store: store.clear_attempts(bytes(32)),
    "remember": lambda store: store.remember_source(bytes(32), moment()),
    "is known": lambda store: store.is_known_source(bytes(32), moment()),
    "save MFA token": lambda store: store.save_mfa_token(make_mfa_token()),
    "find MFA token": lambda store: store.find_mfa_token(bytes(32)),
    "take MFA token": lambda store: store.take_mfa_token(bytes(32)),
}
# BEGIN, what locks the row, what counts, COMMIT; BEGIN, family twice, two tokens, COMMIT.
MORE = {"begin": 4, "save both": 6}
ONE = sorted(CALLS.keys() - MORE.keys())


@pytest.fixture
def trips() -> Iterator[RoundTrips]:
    with empty_postgres_url() as url, counted(f"postgresql:{url}") as trips:
        yield trips


@pytest.fixture
def kept(world: World, trips: RoundTrips) -> Iterator[Any]:
    """The store of the server's colour, beyond what counts."""
    if world.colour == "sync":
        engine = create_engine(trips.url.set(drivername="postgresql+psycopg"))
        yield SqlAlchemyStore(engine)
        engine.dispose()
    else:
        async_engine = create_async_engine(trips.url.set(drivername="postgresql+asyncpg"))
        yield AsyncSqlAlchemyStore(async_engine)
        world.runner.run(async_engine.dispose())


def count(trips: RoundTrips, call: Callable[[], object]) -> float:
    """Return how many round trips *call* takes, once it has been made often enough."""
    for _ in range(WARM):
        call()
    before = trips.count
    for _ in range(MANY):
        call()
    return (trips.count - before) / MANY


def test_a_client_credentials_request_takes_two_round_trips(
    world: World, kept: Any, trips: RoundTrips
) -> None:
    """One to find the client, one to keep the token: neither BEGIN nor COMMIT."""
    client = world.store.find_client("service")
    added = kept.add_client(client)
    if is_awaitable(added):
        world.runner.run(_wait(added))
    world.configure(store=kept)

    def ask() -> None:
        assert world.post("grant_type=client_credentials", client="service").status == 200

    assert count(trips, ask) == 2


@pytest.mark.parametrize(("name", "expected"), [(name, 1) for name in ONE] + list(MORE.items()))
def test_what_is_one_statement_takes_one_round_trip(
    world: World, kept: Any, trips: RoundTrips, name: str, expected: int
) -> None:
    def call() -> None:
        answer = CALLS[name](kept)
        if is_awaitable(answer):
            world.runner.run(_wait(answer))

    assert count(trips, call) == expected


async def _wait(answer: Any) -> Any:
    return await answer
