"""A full disk, a read-only database, no free connection: 503, and a log that says why."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from redis_stores import on_valkey
from sql_stores import Database, fill, migrate, new_database, on_database, plain_store
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from valkey_servers import open_client, run_server

from oauthgrants import HttpResponse
from oauthgrants.events import LoggingSink
from oauthgrants.ports import resolve, utc_now
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from oauthgrants.testing.store_samples import make_pair
from support import World, error_of

req = pytest.mark.req
# More tokens than there are pages left
MANY = 1000


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each database in turn."""
    chosen: Database = request.param
    return chosen


@pytest.fixture
def url(world: World, database: Database) -> Generator[str]:
    """A database that has the clients and the user, of a server that logs what happens."""
    world.configure(event_sink=LoggingSink())
    with new_database(database) as url:
        with plain_store(database, url) as store:
            fill(store, world.store)
        yield url


def _ask_for_token(world: World) -> HttpResponse:
    return world.post(client="service", grant_type="client_credentials")


def _is_active(world: World, token: str, client: str = "app") -> bool:
    active: bool = world.post(client=client, path="/introspect", token=token).json()["active"]
    return active


def _require_unavailable(response: HttpResponse) -> None:
    assert error_of(response) == (503, "temporarily_unavailable")
    assert ("Retry-After", "5") in response.headers


@pytest.mark.parametrize("database", ["sqlite"])
def test_on_a_full_disk_nothing_is_issued_and_nothing_is_lost(
    world: World, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When there is room again, the service goes on by itself."""
    most_pages = 2**30

    def limit(connection: Any, *_: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={most_pages}")
        cursor.close()

    with on_database(world, database, url) as engine:
        event.listen(engine, "checkout", limit)
        signed_in = world.sign_in()
        # Of as many pages as there are already: SQLite allows no less.
        most_pages = 1
        answers = [_ask_for_token(world)]
        while answers[-1].status == 200 and len(answers) < MANY:
            answers.append(_ask_for_token(world))
        issued = [answer.json()["access_token"] for answer in answers[:-1]]

        _require_unavailable(answers[-1])
        assert "database or disk is full" in caplog.text
        _require_unavailable(world.refresh(signed_in["refresh_token"]))
        assert all(_is_active(world, token, "service") for token in issued)
        assert _is_active(world, signed_in["access_token"])

        most_pages = 2**30
        assert _ask_for_token(world).status == 200
        assert world.refresh(signed_in["refresh_token"]).status == 200


def test_when_valkey_has_no_memory_left_nothing_is_issued_and_nothing_is_lost(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """If it evicts nothing, as it has to be told."""
    world.configure(event_sink=LoggingSink(), clock=utc_now)
    with run_server() as url, on_valkey(world, url), closing(open_client(url)) as client:
        settings: Any = client
        signed_in = world.sign_in()
        settings.config_set("maxmemory", 1)

        _require_unavailable(_ask_for_token(world))
        _require_unavailable(world.refresh(signed_in["refresh_token"]))
        assert "command not allowed when used memory > 'maxmemory'" in caplog.text
        _require_nothing_of_the_user(caplog.text)
        assert _is_active(world, signed_in["access_token"])

        settings.config_set("maxmemory", 0)
        assert world.refresh(signed_in["refresh_token"]).status == 200


@req("R7009-2.2.1-a")
def test_on_a_read_only_database_nothing_is_issued_and_nothing_is_spent(
    world: World, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What takes no writing works on."""
    read_only: dict[str, Any] = {}
    read_only_url = url
    if database == "sqlite":
        cause = "attempt to write a readonly database"
        read_only_url = url.replace("///", "///file:") + "?mode=ro&uri=true"
    else:
        cause = "in a read-only transaction"
        setting = "default_transaction_read_only"
        read_only["connect_args"] = (
            {"options": f"-c {setting}=on"}
            if world.colour == "sync"
            else {"server_settings": {setting: "on"}}
        )
    with on_database(world, database, url):
        signed_in = world.sign_in()

    with on_database(world, database, read_only_url, **read_only):
        _require_unavailable(_ask_for_token(world))
        _require_unavailable(world.refresh(signed_in["refresh_token"]))
        _require_unavailable(
            world.post(client="app", path="/revoke", token=signed_in["refresh_token"])
        )
        assert _is_active(world, signed_in["access_token"])
        assert caplog.text.count(f"{cause}\n") >= 3

    with on_database(world, database, url):
        assert world.refresh(signed_in["refresh_token"]).status == 200


@contextmanager
def _connection_taken(world: World) -> Generator[None]:
    engine = world.settings["store"].engine

    async def connect() -> Any:
        return await engine.connect()

    taken = engine.connect() if world.colour == "sync" else world.runner.run(connect())
    try:
        yield
    finally:
        world.runner.run(resolve(taken.close()))


@pytest.mark.parametrize("database", ["postgresql"])
def test_without_a_free_connection_the_client_is_to_come_again(
    world: World, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As soon as there is one, the service goes on."""
    pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    with on_database(world, database, url, **pool):
        with _connection_taken(world):
            _require_unavailable(_ask_for_token(world))

        assert "QueuePool limit of size 1 overflow 0 reached" in caplog.text
        assert _ask_for_token(world).status == 200


BROKEN = {
    "sqlite": (
        ["ALTER TABLE oauth_access_tokens DROP COLUMN extra"],
        "table oauth_access_tokens has no column named extra",
    ),
    "postgresql": (
        [
            "ALTER TABLE oauth_access_tokens ADD COLUMN drift INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE oauth_access_tokens ALTER COLUMN drift DROP DEFAULT",
        ],
        'null value in column "drift" of relation "oauth_access_tokens" violates not-null',
    ),
}


@req("R6749-10.3-a", "R6819-4.4.3.1-a")
def test_the_log_says_why_and_names_nobody(
    world: World, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A migration went wrong: there are the driver's words, and no row and no parameter."""
    with on_database(world, database, url):
        signed_in = world.sign_in()
    migration, cause = BROKEN[database]
    migrate(database, url, *migration)

    with on_database(world, database, url):
        _require_unavailable(world.refresh(signed_in["refresh_token"]))

    assert cause in caplog.text
    assert "Traceback" in caplog.text
    _require_nothing_of_the_user(caplog.text)


@req("R6749-10.3-a", "R6819-4.4.3.1-a")
def test_an_error_that_reaches_the_host_shows_no_hash(
    world: World, database: Database, url: str
) -> None:
    """It names what the host has named, and not the rest of the row."""
    alice = world.store.find_user("alice")
    assert alice is not None
    with on_database(world, database, url):
        store = world.settings["store"]
        with pytest.raises(ValueError, match="username 'alice'") as taken:
            world.runner.run(resolve(store.add_user(alice)))

    assert alice.password_hash is not None
    shown = "".join(traceback.format_exception(taken.value))
    assert "IntegrityError" in shown
    assert alice.password_hash not in shown
    assert "DETAIL" not in shown


@req("R6749-10.3-a", "R6819-4.4.3.1-a")
def test_within_a_transaction_of_the_host_nothing_is_shown_either(
    world: World, database: Database, url: str
) -> None:
    migration, cause = BROKEN[database]
    migrate(database, url, *migration)
    with (
        plain_store(database, url) as store,
        store.engine.connect() as connection,
        pytest.raises(DBAPIError) as broken,
    ):
        SqlAlchemyStore(connection).save_tokens(*make_pair())

    shown = "".join(traceback.format_exception(broken.value))
    assert cause in shown
    _require_nothing_of_the_user(shown)


def _require_nothing_of_the_user(text: str) -> None:
    # What the samples and the tests' server have in common
    assert "alice" not in text
    assert "user-1" not in text
    assert "parameters:" not in text
    assert "Failing row" not in text


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_database_that_stays_locked_is_waited_for_once(
    world: World, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has waited for as long as ``busy_timeout`` says does not begin to wait anew."""
    begun: list[str] = []

    def be_impatient(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10")
        cursor.close()

    def note(_: object, __: object, statement: str, *rest: object) -> None:
        begun.append(statement.partition(" ")[0])

    with on_database(world, database, url) as engine, plain_store(database, url) as another:
        event.listen(engine, "connect", be_impatient)
        event.listen(engine, "before_cursor_execute", note)
        with another.engine.connect() as holder:
            holder.exec_driver_sql("BEGIN IMMEDIATE")
            _require_unavailable(_ask_for_token(world))

        assert "database is locked" in caplog.text
        assert begun == ["SELECT", "INSERT"]
        assert _ask_for_token(world).status == 200
