"""The SQL store behind a server of either colour."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from killable_postgres import start_cluster
from registrations import copy_registrations
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from oauthgrants import MemoryStore
from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore, SqlAlchemyStore
from support import Colour, World

Database = Literal["sqlite", "postgresql"]
DRIVERS: dict[tuple[Database, Colour], str] = {
    ("sqlite", "sync"): "sqlite",
    ("sqlite", "async"): "sqlite+aiosqlite",
    ("postgresql", "sync"): "postgresql+psycopg",
    ("postgresql", "async"): "postgresql+asyncpg",
}


@contextmanager
def new_database(database: Database) -> Generator[str]:
    """Return what follows the driver in the URL of a new database."""
    if database == "postgresql":
        with start_cluster().new_database() as url:
            yield url
    else:
        with TemporaryDirectory() as folder:
            yield f"///{Path(folder) / 'oauth.db'}"


@contextmanager
def plain_store(database: Database, url: str) -> Generator[SqlAlchemyStore]:
    """Return a store that looks at a database from outside."""
    engine = create_engine(f"{DRIVERS[database, 'sync']}:{url}", poolclass=NullPool)
    try:
        yield SqlAlchemyStore(engine)
    finally:
        engine.dispose()


def fill(store: SqlAlchemyStore, known: MemoryStore) -> None:
    """Make the tables, and copy what is registered."""
    store.create_all()
    copy_registrations(known, store)


def migrate(database: Database, url: str, *statements: str) -> None:
    """Change the tables behind the store's back."""
    with plain_store(database, url) as store, store.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def on_database(world: World, database: Database, url: str, **options: Any) -> Generator[Engine]:
    """
    Let the server of *world* keep everything at *url*.

    Args:
        world: Whose server it is.
        database: Which kind is at *url*.
        url: From `new_database`.
        **options: For the engine.

    Yields:
        The engine, or the sync one within the async one.
    """
    whole = f"{DRIVERS[database, world.colour]}:{url}"
    if world.colour == "sync":
        engine = create_engine(whole, **options)
        world.configure(store=SqlAlchemyStore(engine))
        try:
            yield engine
        finally:
            engine.dispose()
    else:
        async_engine = create_async_engine(whole, **options)
        world.configure(store=AsyncSqlAlchemyStore(async_engine))
        try:
            yield async_engine.sync_engine
        finally:
            world.runner.run(async_engine.dispose())
