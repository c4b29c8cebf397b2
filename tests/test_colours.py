"""One core in two colours: ports written ``def`` and ``async def``, on a stack and on a loop."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, cast

import pytest

from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.events import RefreshTokenReused
from oauthgrants.ports import off_loop, run
from support import CHEAP, FORM, ISSUER, Colour, World, basic, error_of, password_grant

req = pytest.mark.req
CC = "grant_type=client_credentials"


class Remote:
    """A store that answers by coroutines, as one over a network does."""

    def __init__(self, store: MemoryStore, *, suspends: bool) -> None:
        self._store = store
        self._suspends = suspends

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._suspends:
                await asyncio.sleep(0)
            return method(*args, **kwargs)

        return call


class Driver:
    """A store that blocks, as one over a sync driver does; says where it was called."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.threads: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.threads.add(threading.get_ident())
            return method(*args, **kwargs)

        return call


def test_a_port_may_be_written_async(world: World) -> None:
    """Under the sync server too, as long as it answers without suspending."""
    world.configure(store=Remote(world.store, suspends=world.colour == "async"))

    tokens = world.sign_in()

    assert world.refresh(tokens["refresh_token"]).status == 200
    assert error_of(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_port_that_suspends_under_the_sync_server_says_what_to_do() -> None:
    server = AuthorizationServer(
        issuer=ISSUER,
        store=cast("MemoryStore", Remote(MemoryStore(), suspends=True)),
        grants=[ClientCredentialsGrant()],
    )
    request = HttpRequest(
        method="POST", url=f"{ISSUER}/token", headers=[FORM, basic("a", "b")], body=CC.encode()
    )

    for answer in (server.token, server.handle):
        with pytest.raises(RuntimeError, match="use AsyncAuthorizationServer"):
            answer(request)


def test_a_port_that_suspends_on_its_way_out_too_says_what_to_do() -> None:
    """As a database session does."""

    class Session:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *args: object) -> None:
            await asyncio.sleep(0)

    async def query() -> None:
        async with Session():
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="use AsyncAuthorizationServer"):
        run(query())


@pytest.mark.parametrize("colour", ["async"])
def test_a_blocking_port_is_called_off_the_loop(world: World) -> None:
    driver = Driver(world.store)
    world.configure(store=driver)

    tokens = world.sign_in()

    assert world.refresh(tokens["refresh_token"]).status == 200
    assert driver.threads
    assert threading.get_ident() not in driver.threads


@pytest.mark.parametrize("colour", ["async"])
def test_the_memory_store_is_called_on_the_loop(world: World) -> None:
    assert off_loop(world.store, asyncio.to_thread) is world.store


@pytest.mark.parametrize("colour", ["async"])
def test_a_def_may_return_something_to_wait_for(world: World) -> None:
    """As a wrapper around an async driver does."""
    remote = Remote(world.store, suspends=True)

    class Wrapper:
        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                return getattr(remote, name)(*args, **kwargs)

            return call

    world.configure(store=Wrapper())

    assert world.post(CC, client="service").status == 200


def test_context_variables_reach_the_verifier(world: World) -> None:
    """So that a host's tracing and tenants work in its ports."""
    tenant: ContextVar[str] = ContextVar("tenant", default="none")
    seen: list[str] = []

    class Verifier:
        def verify_password(self, username: str, password: Secret, client: Client) -> Any:
            seen.append(tenant.get())
            raise LookupError

    world.configure(grants=[password_grant(verifier=Verifier())])
    tenant.set("acme")
    world.post(client="app", grant_type="password", username="a", password="b")

    assert seen == ["acme"]


def test_a_storm_of_sign_ins_does_not_hold_up_the_loop() -> None:
    """
    A hundred passwords are being verified; a machine gets its token in a few milliseconds.

    The median counts: on two processors that compute hashes, a single answer may wait for a
    time slice.
    """
    hasher = Argon2idHasher(memory_cost=8 * 1024, time_cost=3, lanes=1)
    store = MemoryStore()
    app, app_secret = Client.confidential(
        "app", grant_types=["password"], first_party=True, access_token_lifetime=timedelta(1)
    )
    service, service_secret = Client.confidential("service", grant_types=["client_credentials"])
    store.add_client(app)
    store.add_client(service)
    store.add_user(User(sub="u", username="alice", password_hash=hasher.hash(Secret("pw"))))
    server = AsyncAuthorizationServer(
        issuer=ISSUER,
        store=store,
        hasher=hasher,
        grants=[ClientCredentialsGrant(), password_grant()],
    )

    def request(client_id: str, secret: Secret, body: str) -> HttpRequest:
        headers = [FORM, basic(client_id, secret)]
        return HttpRequest(
            method="POST", url=f"{ISSUER}/token", headers=headers, body=body.encode()
        )

    async def storm() -> tuple[list[float], list[HttpResponse], int]:
        body = "grant_type=password&username=alice&password=pw"
        sign_ins = [
            asyncio.create_task(server.token(request("app", app_secret, body))) for _ in range(100)
        ]
        await asyncio.sleep(0.01)
        waits: list[float] = []
        while not all(task.done() for task in sign_ins) and len(waits) < 50:
            begin = time.perf_counter()
            assert (await server.token(request("service", service_secret, CC))).status == 200
            waits.append(time.perf_counter() - begin)
            await asyncio.sleep(0.002)
        unfinished = sum(not task.done() for task in sign_ins)
        return waits, await asyncio.gather(*sign_ins), unfinished

    waits, answers, unfinished = asyncio.run(storm())

    assert {answer.status for answer in answers} == {200}
    assert unfinished > 0, "the storm was over before the measurement"
    assert sorted(waits)[len(waits) // 2] < 0.005


@req("R9700-4.14.2-a", "R6749-6-g")
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_of_fifty_with_one_refresh_token_one_wins(world: World, colour: Colour) -> None:
    token = world.sign_in()["refresh_token"]
    barrier = threading.Barrier(50)

    def in_thread(_: int) -> HttpResponse:
        barrier.wait()
        return world.refresh(token)

    async def as_tasks() -> list[HttpResponse]:
        headers = [FORM, basic("app", world.secrets["app"])]
        request = HttpRequest(
            method="POST",
            url=f"{ISSUER}/token",
            headers=headers,
            body=f"grant_type=refresh_token&refresh_token={token}".encode(),
        )
        return list(await asyncio.gather(*(world.server.handle(request) for _ in range(50))))

    if colour == "sync":
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(in_thread, range(50)))
    else:
        world.configure(store=Remote(world.store, suspends=True))
        answers = world.runner.run(as_tasks())

    assert sorted(answer.status for answer in answers) == [200] + [400] * 49
    assert any(isinstance(event, RefreshTokenReused) for event in world.sink.events)
    winner = next(answer for answer in answers if answer.status == 200)
    assert error_of(world.refresh(winner.json()["refresh_token"])) == (400, "invalid_grant")


PORT_CALLS = [
    "find_client",
    "find_user",
    "find_user_by_sub",
    "save_tokens",
    "find_refresh_token",
    "rotate_refresh_token",
    "revoke_family",
]


class Failing:
    """A store that fails at one port call."""

    def __init__(self, store: MemoryStore, at: str) -> None:
        self._store = store
        self._at = at

    def __getattr__(self, name: str) -> Any:
        if name == self._at:

            def fail(*args: Any, **kwargs: Any) -> Any:
                raise ConnectionError("the database is away")

            return fail
        return getattr(self._store, name)


@req("R7009-2.2.1-a")
@pytest.mark.parametrize("at", PORT_CALLS)
def test_a_store_that_fails_is_never_masked(world: World, at: str) -> None:
    """503 with Retry-After, and what was acknowledged before still stands."""
    first = world.sign_in()["refresh_token"]
    second = world.refresh(first).json()["refresh_token"] if at == "revoke_family" else first
    world.configure(store=Failing(world.store, at))
    before = len(world.store.tokens)

    if at in {"find_user", "save_tokens"}:
        response = world.post(
            client="app", grant_type="password", username="alice", password="wonderland"
        )
    else:
        response = world.refresh(first)

    assert error_of(response) == (503, "temporarily_unavailable")
    assert ("Retry-After", "5") in response.headers
    assert len(world.store.tokens) == before
    world.configure(store=world.store)
    assert world.refresh(second).status == 200


def test_servers_can_be_given_their_own_number_of_password_workers() -> None:
    server = AsyncAuthorizationServer(
        password_workers=1,
        issuer=ISSUER,
        store=MemoryStore(),
        hasher=CHEAP,
        grants=[RefreshTokenGrant()],
    )

    assert server.issuer == ISSUER
