"""Many workers that want the same rows of PostgreSQL at once, at two isolation levels."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import attrs
import psycopg
import pytest
from concurrent_door import ConcurrentDoor, concurrent_door
from ledger import Family, Ledger, refresh, require_sound, require_true
from sql_stores import fill, new_database, on_database, plain_store
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from workload import Load, sign_in, sign_in_and_refresh, sign_in_and_revoke

from oauthgrants import HttpResponse, Secret
from oauthgrants.hashing import token_digest
from oauthgrants.ports import AttemptLimit, utc_now
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from support import World

req = pytest.mark.req
WORKERS = 32
_PATIENCE = 60.0
_PAUSE = 0.02
_TRIES = 10

SERIALIZATION_FAILURE, DEADLOCK = "40001", "40P01"


@attrs.frozen
class Arena:
    """
    A server on PostgreSQL, and a look at it from outside.

    Attributes:
        level: The isolation level of its transactions.
        door: Sends forms to the server, from any number of threads.
        used: The server's store.
        store: On connections of its own.
        url: Of the database, without ``postgresql:``.
        conflicts: How many transactions PostgreSQL ended, by SQLSTATE.
    """

    level: str
    door: ConcurrentDoor
    used: Any
    store: SqlAlchemyStore
    url: str
    conflicts: Counter[str]

    def sign_in(self) -> tuple[Family, str]:
        """Return tokens, and the name of their family."""
        family = sign_in(self.door, Ledger())
        found = self.store.find_refresh_token(token_digest(Secret(family.refresh[0])))
        assert found is not None
        return family, found.family

    @contextmanager
    def connect(self) -> Generator[psycopg.Connection]:
        """Return a connection of somebody else."""
        with psycopg.connect(f"postgresql:{self.url}", autocommit=True) as connection:
            yield connection

    def wait_for_waiters(self, number: int) -> None:
        """Return when so many transactions wait for a lock."""
        waiters = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        end = monotonic() + _PATIENCE
        with self.connect() as connection:
            while connection.execute(waiters).fetchone() != (number,):
                assert monotonic() < end, "nobody waits"
                sleep(_PAUSE)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((colour, level), id=f"{colour}-{level.lower().replace(' ', '-')}")
        for colour in ("sync", "async")
        for level in ("READ COMMITTED", "SERIALIZABLE")
    ],
)
def arena(request: pytest.FixtureRequest) -> Generator[Arena]:
    """The weakest isolation level and the strongest, and a connection for each worker."""
    colour, level = request.param
    options: dict[str, Any] = {
        "isolation_level": level,
        "pool_size": WORKERS,
        "max_overflow": 0,
    }
    with (
        asyncio.Runner() as runner,
        new_database("postgresql") as url,
        plain_store("postgresql", url) as store,
    ):
        # All sign in at once as one user, and would have to wait for one another.
        world = World(colour, runner).configure(clock=utc_now, throttle=None)
        fill(store, world.store)
        with on_database(world, "postgresql", url, **options) as engine:
            conflicts: Counter[str] = Counter()

            def note(failed: ExceptionContext) -> None:
                conflicts[getattr(failed.original_exception, "sqlstate", None) or ""] += 1

            event.listen(engine, "handle_error", note)
            with concurrent_door(world) as door:
                yield Arena(level, door, world.settings["store"], store, url, conflicts)


def _lock(connection: psycopg.Connection, table: str, key: str, value: object) -> None:
    """Change nothing in a row, and keep it from everybody else."""
    connection.execute(f"UPDATE {table} SET {key} = {key} WHERE {key} = %s".encode(), [value])


def _require_ended(door: ConcurrentDoor, family: Family, *answers: HttpResponse) -> None:
    for answer in answers:
        if "refresh_token" in answer.json():
            family.add(answer)
    for token in family.access + family.refresh:
        assert door("app", "/introspect", token=token).json() == {"active": False}


@req("R9700-4.14.2-a")
def test_of_many_that_bring_one_refresh_token_one_is_served(arena: Arena) -> None:
    """The others are replays, or are to come again; nobody gets a token that was spent."""
    family, name = arena.sign_in()
    before = arena.conflicts[SERIALIZATION_FAILURE]
    with ThreadPoolExecutor(WORKERS) as pool, arena.connect() as other:
        with other.transaction():
            _lock(other, "oauth_families", "family", name)
            waiting = [pool.submit(refresh, arena.door, family.refresh[0]) for _ in range(WORKERS)]
            # So all of them come too late, or early, for one another.
            arena.wait_for_waiters(WORKERS)
        answers = [future.result(_PATIENCE) for future in waiting]

    statuses = Counter(answer.status for answer in answers)
    print(dict(statuses), dict(arena.conflicts))
    if arena.level == "SERIALIZABLE":
        assert arena.conflicts[SERIALIZATION_FAILURE] >= before + WORKERS
        assert statuses[200] <= 1
        assert statuses[200] + statuses[400] + statuses[503] == WORKERS
    else:
        assert statuses == {200: 1, 400: WORKERS - 1}
    require_sound(arena.store)
    if statuses[400]:
        _require_ended(arena.door, family, *answers)


@req("R7009-2.1-d", "R7009-2.1-e")
def test_what_is_revoked_while_others_refresh_is_gone(arena: Arena) -> None:
    """Once somebody was told so, whatever the others were told."""
    for _ in range(3):
        family, _ = arena.sign_in()
        calls: list[Callable[[], HttpResponse]] = [
            partial(refresh, arena.door, family.refresh[0]),
            partial(arena.door, "app", "/revoke", token=family.refresh[0]),
        ] * (WORKERS // 2)
        answers = _at_once(calls)

        statuses = Counter(answer.status for answer in answers)
        print(dict(statuses), dict(arena.conflicts))
        assert statuses.keys() <= {200, 400, 503}
        assert sum("access_token" in answer.json() for answer in answers) <= 1
        require_sound(arena.store)
        if any(answer.json() == {} for answer in answers):
            _require_ended(arena.door, family, *answers)


def test_who_wants_other_rows_is_served(arena: Arena) -> None:
    """Or is to come again; what was acknowledged is true."""
    turns = [sign_in_and_refresh, sign_in_and_revoke] * (WORKERS // 2)
    with Load(lambda: nullcontext(arena.door), turns) as load:
        load.wait_for_answers()

    require_sound(arena.store)
    print(load.ledger.tokens, len(load.ledger.unavailable), dict(arena.conflicts))
    require_true(load.ledger, arena.door)
    require_sound(arena.store)


def test_no_more_guesses_are_made_than_the_limit_allows(arena: Arena) -> None:
    """Who cannot be counted does not guess."""
    limit = AttemptLimit(
        max_failures=10, window=timedelta(minutes=15), longest_wait=timedelta(days=1)
    )
    digest, now = bytes(32), utc_now()

    def guess(_: int) -> str:
        try:
            return str(arena.door.finish(arena.used.begin_attempt(digest, limit, now)))
        except DBAPIError:
            return "failed"

    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = Counter(pool.map(guess, range(WORKERS)))

    print(dict(outcomes), dict(arena.conflicts))
    assert outcomes["True"] <= 10
    if arena.level == "READ COMMITTED":
        assert outcomes == {"True": 10, "False": WORKERS - 10}


def test_a_deadlock_is_tried_again(arena: Arena) -> None:
    """Somebody else has locked the same rows in another order; the client does not notice."""
    before = arena.conflicts[DEADLOCK]
    for _ in range(_TRIES):
        family, name = arena.sign_in()
        digest = token_digest(Secret(family.refresh[0]))
        with ThreadPoolExecutor(1) as pool, arena.connect() as other:
            other.execute("BEGIN")
            _lock(other, "oauth_refresh_tokens", "digest", digest)
            waiting = pool.submit(refresh, arena.door, family.refresh[0])
            arena.wait_for_waiters(1)
            with suppress(psycopg.errors.DeadlockDetected):
                # Who of the two has to give way, PostgreSQL decides.
                _lock(other, "oauth_families", "family", name)
            other.execute("ROLLBACK")
            assert waiting.result(_PATIENCE).status == 200
        if arena.conflicts[DEADLOCK] > before:
            return
    pytest.fail("it was never the server that had to give way")


def _at_once(calls: Sequence[Callable[[], HttpResponse]]) -> list[HttpResponse]:
    """Return the answers to all *calls*, made by a worker each."""
    ready = Barrier(len(calls))

    def call(number: int) -> HttpResponse:
        ready.wait(_PATIENCE)
        return calls[number]()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, range(len(calls))))
