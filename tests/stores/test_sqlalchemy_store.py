"""What the SQLAlchemy store does beyond the contract: transactions, indexes, retries, tables."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import attrs
import pytest
from databases import empty_postgres_url, open_engine, sqlite_url
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, func, select, text
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import CompileError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement

from oauthgrants import AccessToken, Client, RefreshToken, RefreshTokenGrant, User
from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.stores.sqlalchemy import (
    AsyncSqlAlchemyStore,
    SqlAlchemyStore,
    make_tables,
    stores,
)
from oauthgrants.stores.sqlalchemy.statements import Statements
from oauthgrants.stores.sqlalchemy.stores import Rows
from oauthgrants.testing.store_samples import (
    DAY,
    HOUR,
    clients,
    make_mfa_token,
    make_pair,
    make_successors,
    moment,
)
from oauthgrants.tokens import MfaToken
from support import World, password_grant

LIMIT = AttemptLimit(max_failures=1, window=HOUR, longest_wait=HOUR)


@pytest.fixture(params=["sqlite", "postgresql+psycopg"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on each database in turn."""
    database = sqlite_url if request.param == "sqlite" else empty_postgres_url
    with database() as url, open_engine(f"{request.param}:{url}") as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> SqlAlchemyStore:
    """A store without anything in it."""
    store = SqlAlchemyStore(engine)
    store.create_all()
    return store


def rows_of(store: SqlAlchemyStore) -> dict[str, int]:
    """Return how many rows there are, by table, without those that are empty."""
    with store.engine.connect() as connection:
        counts = {
            name: connection.scalar(select(func.count()).select_from(getattr(store.tables, name)))
            for name in attrs.fields_dict(type(store.tables))
        }
    return {name: count for name, count in counts.items() if count}


def use_everything(store: SqlAlchemyStore) -> None:
    """Call each method, on each of its ways."""
    now = moment()
    access, refresh = make_pair()
    client = list(clients())[-1]
    secret = client.secrets[0]
    store.add_client(client)
    store.replace_client(client)
    store.find_client(client.client_id)
    store.replace_client_secret(client.client_id, secret, secret)
    store.add_user(User(sub="user-1", username="alice", password_hash="old"))
    store.replace_user(User(sub="user-1", username="alice", password_hash="old"))
    store.find_user("alice")
    store.find_user_by_sub("user-1")
    store.replace_password_hash("user-1", "old", "new")
    store.save_tokens(access, refresh)
    store.find_access_token(access.digest)
    store.find_refresh_token(refresh.digest)
    for _ in range(2):
        store.rotate_refresh_token(refresh.digest, *make_successors(refresh), grace=HOUR)
    store.deny("jti", now)
    store.is_denied(["jti", "family"])
    mfa = make_mfa_token(issued_at=now)
    store.save_mfa_token(mfa)
    store.find_mfa_token(mfa.digest)
    for _ in range(2):
        store.add_if_absent(mfa.digest, now)
        store.begin_attempt(mfa.digest, LIMIT, now)
        store.remember_source(mfa.digest, now)
    store.is_known_source(mfa.digest, now)
    store.withdraw_attempt(mfa.digest)
    store.clear_attempts(mfa.digest)
    store.delete_expired(now, 2)
    store.take_mfa_token(mfa.digest)
    store.revoke_access_token(access.digest)
    store.revoke_family(refresh.family)


def test_every_look_up_has_an_index(store: SqlAlchemyStore) -> None:
    """No statement reads a whole table, so that none takes longer the more is stored."""
    seen: list[tuple[str, Any]] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def note(_: Connection, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        seen.append((statement, parameters))

    use_everything(store)
    event.remove(store.engine, "before_cursor_execute", note)

    explain, scan = (
        ("EXPLAIN QUERY PLAN ", "SCAN ")
        if store.engine.dialect.name == "sqlite"
        else ("EXPLAIN ", "Seq Scan")
    )
    plans: dict[str, str] = {}
    with store.engine.connect() as connection:
        if scan == "Seq Scan":
            # Of an empty table it is the cheapest.
            connection.execute(text("SET enable_seqscan = off"))
        for statement, parameters in seen:
            if not statement.startswith("INSERT"):
                plan = connection.exec_driver_sql(explain + statement, parameters).all()
                plans[statement] = "\n".join(str(row) for row in plan)

    assert len(plans) >= 30
    assert {sql: plan for sql, plan in plans.items() if scan in plan} == {}


def test_a_connection_joins_the_hosts_transaction(store: SqlAlchemyStore) -> None:
    """What the host takes back has not happened, what it commits has."""
    access, refresh = make_pair()
    with store.engine.connect() as connection:
        joined = SqlAlchemyStore(connection, tables=store.tables)
        joined.save_tokens(access, refresh)
        assert joined.find_access_token(access.digest) == access
        connection.rollback()
        assert store.find_access_token(access.digest) is None

        joined.save_tokens(access, refresh)
        connection.commit()

    assert store.find_access_token(access.digest) == access
    assert joined.engine is store.engine


def test_a_session_joins_the_hosts_transaction(store: SqlAlchemyStore) -> None:
    """It may change rows of its own in the same step."""
    user = User(sub="user-1", username="alice")
    with Session(store.engine) as session:
        joined = SqlAlchemyStore(session, tables=store.tables)
        joined.add_user(user)
        session.rollback()
        assert store.find_user("alice") is None

        joined.add_user(user)
        session.commit()

    assert store.find_user("alice") == user
    assert joined.engine is store.engine


def test_what_was_used_before_spoils_no_transaction_of_the_hosts(store: SqlAlchemyStore) -> None:
    """It is an answer, not an error: what else the host does there can still be committed."""
    digest, ends = bytes(32), moment() + HOUR
    user = User(sub="user-1", username="alice")
    assert store.add_if_absent(digest, ends)

    with Session(store.engine) as session:
        joined = SqlAlchemyStore(session, tables=store.tables)
        joined.add_user(user)
        assert not joined.add_if_absent(digest, ends)
        joined.remember_source(digest, ends)
        joined.remember_source(digest, ends)
        assert [joined.begin_attempt(digest, LIMIT, ends) for _ in range(2)] == [True, False]
        session.commit()

    assert store.find_user("alice") == user
    assert store.is_known_source(digest, ends - HOUR)
    assert not store.begin_attempt(digest, LIMIT, ends)


def test_a_use_that_is_rolled_back_is_none(store: SqlAlchemyStore) -> None:
    digest, ends = bytes(32), moment() + HOUR
    with store.engine.connect() as connection:
        joined = SqlAlchemyStore(connection, tables=store.tables)
        assert joined.add_if_absent(digest, ends)
        assert joined.begin_attempt(digest, LIMIT, ends)
        connection.rollback()

    assert store.add_if_absent(digest, ends)
    assert store.begin_attempt(digest, LIMIT, ends)


def test_an_attempt_that_comes_too_early_writes_nothing(store: SqlAlchemyStore) -> None:
    """So that who goes on guessing keeps no disk busy."""
    # What changes when others have written: to the file, or to the row.
    version = (
        "PRAGMA data_version"
        if store.engine.dialect.name == "sqlite"
        else "SELECT ctid::text FROM oauth_attempts"
    )
    seen: list[object] = []
    with store.engine.connect() as connection:
        for allowed in (True, False, False):
            assert store.begin_attempt(bytes(32), LIMIT, moment()) is allowed
            seen.append(connection.exec_driver_sql(version).scalar())
        store.withdraw_attempt(bytes(32))
        seen.append(connection.exec_driver_sql(version).scalar())

    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_async_connections_and_sessions_join_too() -> None:
    """With the same tables."""

    async def sign_in_twice(url: str) -> list[bool]:
        engine = create_async_engine(url)
        store = AsyncSqlAlchemyStore(engine)
        await store.create_all()
        pairs = [make_pair() for _ in range(3)]
        async with engine.connect() as connection, AsyncSession(engine) as session:
            joined = AsyncSqlAlchemyStore(connection, tables=store.tables)
            await joined.save_tokens(*pairs[0])
            await connection.rollback()
            await joined.save_tokens(*pairs[1])
            await connection.commit()
            within = AsyncSqlAlchemyStore(session)
            await within.save_tokens(*pairs[2])
            await session.commit()
        assert joined.engine.sync_engine is within.engine.sync_engine is engine.sync_engine
        found = [await store.find_access_token(access.digest) for access, _ in pairs]
        await engine.dispose()
        return [token is not None for token in found]

    for driver, database in {
        "sqlite+aiosqlite": sqlite_url,
        "postgresql+asyncpg": empty_postgres_url,
    }.items():
        with database() as url:
            assert asyncio.run(sign_in_twice(f"{driver}:{url}")) == [False, True, True]


def test_tables_can_belong_to_the_host(engine: Engine) -> None:
    """Its migrations see them, and its names are kept apart."""
    metadata = MetaData()
    store = SqlAlchemyStore(engine, tables=make_tables(metadata, prefix="host_"))
    store.create_all()
    use_everything(store)

    assert {table.name.partition("_")[0] for table in metadata.sorted_tables} == {"host"}
    assert len(metadata.tables) == len(attrs.fields(type(store.tables)))
    metadata.drop_all(engine)


def test_what_most_databases_lack_is_asked_of_few_statements() -> None:
    """So that others may keep clients, users and tokens; these are what needs ON CONFLICT."""
    statements = Statements(make_tables(MetaData()), mysql.dialect())
    refused: set[str] = set()
    for name, statement in vars(statements).items():
        if isinstance(statement, ClauseElement):
            try:
                statement.compile(dialect=mysql.dialect())
            except CompileError:
                refused.add(name)

    assert refused == {"add_replay", "lock_attempts", "add_source"}


@pytest.mark.parametrize(
    ("kind", "table", "further"),
    [
        (Client, "clients", set[str]()),
        (User, "users", set[str]()),
        (AccessToken, "access_tokens", {"expires_at"}),
        (RefreshToken, "refresh_tokens", {"expires_at"}),
        (MfaToken, "mfa_tokens", {"expires_at"}),
        (Attempts, "attempts", {"digest"}),
    ],
)
def test_every_attribute_has_a_column(kind: type, table: str, further: set[str]) -> None:
    columns = set(getattr(make_tables(MetaData()), table).c.keys())

    assert columns == {field.name for field in attrs.fields(kind)} - {"secrets"} | further


def test_clients_and_users_are_replaced(store: SqlAlchemyStore) -> None:
    client, _ = Client.confidential("app", grant_types=["client_credentials"])
    store.add_client(client)
    store.add_client(Client.public("phone"))
    store.add_user(User(sub="s", username="u"))
    store.add_user(User(sub="t", username="v"))

    changed = attrs.evolve(client, scope="a", secrets=client.secrets * 2)
    store.replace_client(changed)
    store.replace_client(Client.public("phone", scope="b"))
    store.replace_user(User(sub="s", username="w"))

    assert store.find_client("app") == changed
    assert store.find_client("phone") == Client.public("phone", scope="b")
    assert (store.find_user("u"), store.find_user("w")) == (None, User(sub="s", username="w"))
    with pytest.raises(KeyError, match="nobody"):
        store.replace_client(Client.public("nobody"))
    with pytest.raises(KeyError, match="nobody"):
        store.replace_user(User(sub="nobody", username="x"))
    with pytest.raises(ValueError, match="'v' exists already"):
        store.replace_user(User(sub="s", username="v"))


def test_what_no_database_keeps_is_refused(store: SqlAlchemyStore) -> None:
    with pytest.raises(ValueError, match="has a NUL"):
        store.add_user(User(sub="s", username="a\0b"))
    with pytest.raises(ValueError, match="has a NUL"):
        store.deny("a\0b", moment())


def test_nothing_is_left_of_what_has_expired(store: SqlAlchemyStore) -> None:
    """Families neither."""
    for _ in range(3):
        access, refresh = make_pair()
        store.save_tokens(access, refresh)
        store.rotate_refresh_token(
            refresh.digest, *make_successors(refresh, timedelta(seconds=1)), grace=timedelta()
        )
    now = moment()
    store.deny("jti", now)
    store.add_if_absent(bytes(32), now)
    store.begin_attempt(bytes(32), LIMIT, now)
    store.remember_source(bytes(32), now)
    store.save_mfa_token(make_mfa_token(issued_at=now))

    deleted = [store.delete_expired(now + 31 * DAY, 5) for _ in range(5)]

    assert deleted == [5, 5, 5, 2, 0]
    assert rows_of(store) == {}


def test_a_revoked_family_leaves_nothing(store: SqlAlchemyStore) -> None:
    access, refresh = make_pair()
    store.save_tokens(access, refresh)

    store.revoke_family(refresh.family)

    assert rows_of(store) == {}


class DriverError(Exception):
    """What a driver raises, with the codes that drivers give."""

    def __init__(self, sqlstate: str | None = None, code: int = 0) -> None:
        self.sqlstate = sqlstate
        self.sqlite_errorcode = code


def failing(
    times: int, error: Exception, kind: type[OperationalError | IntegrityError]
) -> tuple[Callable[[Rows], str], list[int]]:
    """Return an operation that fails so many times, and a list that grows with each try."""
    tries: list[int] = []

    def operation(_: Rows) -> str:
        tries.append(1)
        if len(tries) <= times:
            raise kind("UPDATE", {}, error)
        return "done"

    return operation, tries


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(DriverError("40001"), OperationalError, id="serialization"),
        pytest.param(DriverError("40P01"), OperationalError, id="deadlock"),
        pytest.param(DriverError(code=517), OperationalError, id="sqlite-busy-snapshot"),
        pytest.param(DriverError(), IntegrityError, id="added-by-another"),
    ],
)
def test_what_may_succeed_is_tried_again(
    error: Exception,
    kind: type[OperationalError | IntegrityError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five times, then it is a failure."""
    monkeypatch.setattr(stores, "random", lambda: 0.0)
    passing, _ = failing(4, error, kind)
    hopeless, tries = failing(9, error, kind)

    async def run_both() -> str:
        engine = create_async_engine("sqlite+aiosqlite://")
        store = AsyncSqlAlchemyStore(engine)
        hopeless, tries = failing(9, error, kind)
        with pytest.raises(kind):
            await store.run(hopeless)
        assert len(tries) == 5
        answer = await store.run(failing(4, error, kind)[0])
        await engine.dispose()
        return answer

    with open_engine("sqlite://") as engine:
        store = SqlAlchemyStore(engine)
        assert store.run(passing) == "done"
        with pytest.raises(kind):
            store.run(hopeless)
    assert len(tries) == 5
    assert asyncio.run(run_both()) == "done"


def test_what_cannot_succeed_is_not_tried_again() -> None:
    async def run() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        operation, tries = failing(1, DriverError("57P01"), OperationalError)
        with pytest.raises(OperationalError):
            await AsyncSqlAlchemyStore(engine).run(operation)
        assert len(tries) == 1
        await engine.dispose()

    operation, tries = failing(1, DriverError("57P01"), OperationalError)
    with open_engine("sqlite://") as engine, pytest.raises(OperationalError):
        SqlAlchemyStore(engine).run(operation)
    assert len(tries) == 1
    asyncio.run(run())


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_one_rotates_at_every_isolation_level(level: Any) -> None:
    """The others are told that they came too late, not that something failed."""
    access, refresh = make_pair()
    with empty_postgres_url() as url:
        engine = create_engine(f"postgresql+psycopg:{url}", isolation_level=level)
        store = SqlAlchemyStore(engine)
        store.save_tokens(access, refresh)

        def rotate(_: int) -> str:
            new = make_successors(refresh)
            return store.rotate_refresh_token(refresh.digest, *new, grace=timedelta()).name

        with ThreadPoolExecutor(4) as pool:
            outcomes = sorted(pool.map(rotate, range(4)))
        engine.dispose()

    assert outcomes == ["REPLAYED", "REPLAYED", "REPLAYED", "ROTATED"]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_one_is_first_at_every_isolation_level(level: Any) -> None:
    """Also where a transaction does not see what others have written meanwhile."""
    with empty_postgres_url() as url:
        engine = create_engine(f"postgresql+psycopg:{url}", isolation_level=level)
        store = SqlAlchemyStore(engine)
        token = make_mfa_token()
        store.save_mfa_token(token)
        calls: list[Callable[[], bool]] = [
            lambda: store.add_if_absent(bytes(32), moment() + HOUR),
            lambda: store.begin_attempt(bytes(32), LIMIT, moment()),
            lambda: store.take_mfa_token(token.digest),
        ]

        with ThreadPoolExecutor(4) as pool:
            answers = [
                sorted(future.result() for future in [pool.submit(call) for _ in range(4)])
                for call in calls
            ]
        engine.dispose()

    assert answers == [[False, False, False, True]] * 3


def test_sqlite_forgets_nothing_and_waits() -> None:
    """WAL for readers beside the writer, FULL for power cuts, half a minute for one's turn."""
    with sqlite_url() as url, open_engine(f"sqlite:{url}") as engine:
        SqlAlchemyStore(engine)
        with engine.connect() as connection:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "busy_timeout")
            ]

    assert pragmas == ["wal", 2, 30000]


def test_a_server_keeps_everything_in_a_database(world: World) -> None:
    """Sign-in, refresh and reuse, in both colours."""

    async def make_async(url: str) -> AsyncSqlAlchemyStore:
        store = AsyncSqlAlchemyStore(create_async_engine(f"sqlite+aiosqlite:{url}"))
        await store.create_all()
        return store

    with sqlite_url() as url, open_engine(f"sqlite:{url}") as engine:
        kept = SqlAlchemyStore(engine)
        kept.create_all()
        for name in ("app", "service"):
            client = world.store.find_client(name)
            assert client is not None
            kept.add_client(client)
        user = world.store.find_user("alice")
        assert user is not None
        kept.add_user(user)
        used: Any = kept if world.colour == "sync" else world.runner.run(make_async(url))
        world.configure(store=used, grants=[password_grant(), RefreshTokenGrant()])

        first = world.sign_in()
        second = world.refresh(first["refresh_token"])
        reused = world.refresh(first["refresh_token"])
        after = world.refresh(second.json()["refresh_token"])
        if isinstance(used, AsyncSqlAlchemyStore):
            world.runner.run(used.engine.dispose())

    assert [second.status, reused.status, after.status] == [200, 400, 400]


def test_without_sqlalchemy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("oauthgrants.stores.sqlalchemy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'oauthgrants\[sqlalchemy\]'"):
        importlib.import_module("oauthgrants.stores.sqlalchemy")
