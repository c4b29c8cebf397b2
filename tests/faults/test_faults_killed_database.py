"""A database that is killed while clients get tokens, and started again."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Protocol

import pytest
from concurrent_door import concurrent_door
from killable_postgres import start_cluster
from killable_valkey import run_valkey
from ledger import Ledger, Post, require_sound, require_true
from redis_stores import on_valkey
from sql_stores import fill, new_database, on_database, plain_store
from workload import Load

from oauthgrants.events import Fault
from oauthgrants.ports import utc_now
from support import World

req = pytest.mark.req
ROUNDS = int(os.environ.get("OAUTHGRANTS_TEST_KILL_ROUNDS", "20"))


class Killable(Protocol):
    """A database server."""

    def kill(self) -> None:
        """Give it no time to do anything any more."""
        ...

    def start(self) -> None:
        """Start it where it was, and return when it answers."""
        ...


def _use_real_time(world: World) -> None:
    # All sign in as one user, and each sign-in that is cut off would count as a wrong guess.
    world.configure(clock=utc_now, throttle=None)


def _load_and_kill(world: World, door: Post, database: Killable, *, rounds: int) -> Ledger:
    """Return what clients were told before, meanwhile and afterwards."""
    with Load(lambda: nullcontext(door)) as load:
        for _ in range(rounds):
            load.wait_for_answers(3)
            try:
                database.kill()
                load.wait_for_answers(status=503)
            finally:
                database.start()
        load.wait_for_answers(3)
    faults = sum(isinstance(event, Fault) for event in world.sink.events)
    assert faults == len(load.ledger.unavailable)
    print(f"{rounds} kills, {load.ledger.tokens} tokens acknowledged, {faults} times unavailable")
    return load.ledger


@req("R7009-2.2.1-a")
def test_postgresql_that_is_killed_costs_nothing_but_time(world: World) -> None:
    """Until it is back, clients are to come again; then the server goes on by itself."""
    cluster = start_cluster()
    _use_real_time(world)
    with new_database("postgresql") as url, plain_store("postgresql", url) as store:
        fill(store, world.store)
        with on_database(world, "postgresql", url), concurrent_door(world) as door:
            # A start after a kill takes a second or two.
            ledger = _load_and_kill(world, door, cluster, rounds=max(1, ROUNDS // 20))
            require_sound(store)
            require_true(ledger, door)
            require_sound(store)


@req("R7009-2.2.1-a")
def test_valkey_that_is_killed_costs_nothing_but_time(world: World) -> None:
    """If it writes to its file before it answers, ``appendfsync always``."""
    _use_real_time(world)
    with run_valkey() as valkey, on_valkey(world, valkey.url), concurrent_door(world) as door:
        ledger = _load_and_kill(world, door, valkey, rounds=max(1, ROUNDS // 4))
        require_true(ledger, door)
