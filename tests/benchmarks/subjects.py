"""The stores that are measured: each opened empty, filled, weighed and taken away again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import attrs
from databases import open_engine, postgres_url
from redis import Redis
from sqlalchemy import Engine, event, insert, make_url, text
from valkey_servers import run_server

from oauthgrants import AccessToken, MemoryStore, RefreshToken
from oauthgrants.stores.redis import RedisStore
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

from .measuring import cpu_seconds
from .population import Tokens

_PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
_AT_ONCE = 10_000
_IN_TEN = 10


@attrs.frozen(kw_only=True)
class Subject:
    """
    A store, and what a benchmark does with it beside calling it.

    Attributes:
        store: Filled or not; fills every port.
        url: Where another process finds it, None if that cannot be.
        version: Of what keeps the tokens.
        fill: Adds tokens, fast, and just as the store would have.
        settle: Does now what the server would do sooner or later in the background.
        octets: Returns how much it takes, of disk or memory.
        cpu: Returns how many seconds its server has computed so far, None where nobody says.
        waits: Whether a call waits for something, or only computes.
    """

    store: Any
    url: str | None = None
    version: str
    fill: Callable[[Iterable[Tokens]], None]
    settle: Callable[[], None] = lambda: None
    octets: Callable[[], int]
    cpu: Callable[[], float | None] = lambda: None
    waits: bool = True


Opener = Callable[[str, bool], AbstractContextManager[Subject]]
"""Opens an empty store, given a name of its own and whether its writes wait for the disk."""


@contextmanager
def open_memory(name: str, durable: bool) -> Generator[Subject, None, None]:
    """Open a store in this process."""
    store = MemoryStore()

    def fill(population: Iterable[Tokens]) -> None:
        for access, refresh in population:
            store.save_tokens(access, refresh)

    # What it takes of this process cannot be told from outside; see the benchmark of sizes.
    yield Subject(store=store, version="", fill=fill, octets=lambda: 0, waits=False)


@contextmanager
def open_sqlite(name: str, durable: bool) -> Generator[Subject, None, None]:
    """Open a new file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.db"
        url = f"sqlite:///{path}"
        with open_engine(url) as engine:
            store = SqlAlchemyStore(engine)
            if not durable:
                event.listen(engine, "connect", _stop_waiting)
            store.create_all()
            yield Subject(
                store=store,
                url=url,
                version=_scalar(engine, "SELECT sqlite_version()"),
                fill=lambda population: _fill_tables(store, population),
                settle=lambda: _run(engine, "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
                octets=lambda: path.stat().st_size,
            )


@contextmanager
def open_postgresql(
    name: str, durable: bool, *, partitioned: bool = False
) -> Generator[Subject, None, None]:
    """Open a new schema of the server that the tests use."""
    schema = f"benchmark_{name}"
    # Tables are made and found in the schema that is first on the path.
    options = f"-csearch_path={schema} -csynchronous_commit={'on' if durable else 'off'}"
    url = make_url(f"postgresql+psycopg:{postgres_url()}").update_query_dict({"options": options})
    with open_engine(url.render_as_string(hide_password=False)) as engine:
        _run(engine, f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}")
        store = SqlAlchemyStore(engine)
        store.create_all()
        if partitioned:
            _run(engine, *partitioning())
        weigh = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            f"WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r'"
        )
        try:
            yield Subject(
                store=store,
                url=url.render_as_string(hide_password=False),
                version=_scalar(engine, "SHOW server_version").partition(" ")[0],
                fill=lambda population: _fill_tables(store, population),
                settle=lambda: _run(
                    engine,
                    *(f"VACUUM (ANALYZE) {table.name}" for table in attrs.astuple(store.tables)),
                    "CHECKPOINT",
                ),
                octets=lambda: int(_scalar(engine, weigh)),
                cpu=lambda: _cpu_of_postgresql(engine),
            )
        finally:
            _run(engine, f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def open_partitioned(name: str, durable: bool) -> Generator[Subject, None, None]:
    """Open the same with tokens in partitions."""
    with open_postgresql(f"{name}_partitioned", durable, partitioned=True) as subject:
        yield subject


def partitioning() -> list[str]:
    """Return the statements of the page on scaling, for both tables of tokens."""
    [block] = re.findall(r"```sql\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    statements = [statement.strip() for statement in block.split(";")]
    return [
        statement.replace("access_tokens", table)
        for table in ("access_tokens", "refresh_tokens")
        for statement in statements
        if statement and statement not in {"BEGIN", "COMMIT"}
    ]


@contextmanager
def open_valkey(name: str, durable: bool) -> Generator[Subject, None, None]:
    """Open a server of its own, which writes each command to the disk before it answers."""
    # Rewriting its log would disturb what is measured, at a moment of its own choice.
    log = ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
    with run_server(*(log if durable else ())) as url, closing(_redis(url)) as client:
        store = RedisStore(client)

        def fill(population: Iterable[Tokens]) -> None:
            source = iter(population)
            client.config_set("appendfsync", "no")
            # The server has to know the scripts before they come without waiting for an answer.
            for access, refresh in islice(source, _IN_TEN):
                store.save_tokens(access, refresh)
            while chunk := list(islice(source, _AT_ONCE)):
                with client.pipeline(transaction=False) as pipeline:
                    writer = RedisStore(pipeline)
                    for access, refresh in chunk:
                        writer.save_tokens(access, refresh)
                    pipeline.execute()
            client.config_set("appendfsync", "always")

        server = client.info("server")
        yield Subject(
            store=store,
            url=url,
            version=str(server.get("valkey_version", server["redis_version"])),
            fill=fill,
            octets=lambda: client.info("memory")["used_memory"],
            cpu=lambda: cpu_seconds([client.info("server")["process_id"]]),
        )


OPENERS: dict[str, Opener] = {
    "memory": open_memory,
    "sqlite": open_sqlite,
    "postgresql": open_postgresql,
    "partitioned": open_partitioned,
    "valkey": open_valkey,
}
"""By name."""


def _cpu_of_postgresql(engine: Engine) -> float | None:
    # That of another machine has process ids too, and here they would be somebody else's.
    if "OAUTHGRANTS_TEST_POSTGRES_URL" in os.environ:
        return None
    lasting = "backend_type NOT LIKE 'autovacuum worker%'"
    with engine.connect() as connection:
        pids = connection.scalars(text(f"SELECT pid FROM pg_stat_activity WHERE {lasting}")).all()
    return cpu_seconds(pids)


def _redis(url: str) -> Any:
    # Its types are not whole.
    return cast("Any", Redis).from_url(url)


def _fill_tables(store: SqlAlchemyStore, population: Iterable[Tokens]) -> None:
    """Write many rows with one statement, in the tables and types of *store*."""
    tables, source = store.tables, iter(population)
    while chunk := list(islice(source, _AT_ONCE)):
        refreshes = [refresh for _, refresh in chunk if refresh is not None]
        rows = {
            tables.families: [_family_row(access, refresh) for access, refresh in chunk if refresh],
            tables.access_tokens: [_row(access) for access, _ in chunk],
            tables.refresh_tokens: [_row(token) for token in refreshes],
        }
        with store.engine.begin() as connection:
            for table, values in rows.items():
                if values:
                    connection.execute(insert(table), values)


def _row(token: AccessToken | RefreshToken) -> dict[str, Any]:
    return attrs.asdict(token, recurse=False) | {"expires_at": token.expires_at}


def _family_row(access: AccessToken, refresh: RefreshToken) -> dict[str, Any]:
    ends = max(access.expires_at, refresh.expires_at)
    return {"family": refresh.family, "last_spent": None, "expires_at": ends}


def _stop_waiting(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def _run(engine: Engine, *statements: str) -> None:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _scalar(engine: Engine, statement: str) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(statement)).scalar())
