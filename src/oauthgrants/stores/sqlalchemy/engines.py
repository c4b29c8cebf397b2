"""Stores for threads, on databases that may go away and come back; what is wrong with one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import MetaData, create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from oauthgrants.stores.sqlalchemy.stores import SqlAlchemyStore
from oauthgrants.stores.sqlalchemy.tables import make_tables

_CONNECT_SECONDS = 5
_SILENT_MILLISECONDS = 10_000


class DatabaseFault(Exception):
    """
    A database cannot be used.

    Args:
        message: Why, on one line; neither the URL nor what a statement held.
    """


def make_store(
    url: str,
    *,
    directory: Path = Path(),
    prefix: str = "oauth_",
    connections: int = 1,
    patience: float = 5.0,
) -> SqlAlchemyStore:
    """
    Return the store on the database at *url*; it connects when it is first used.

    A connection that the database has dropped is replaced before it is used. One that does not
    answer is given up after seconds, so that nobody waits for a database that is away.

    Args:
        url: ``sqlite:///…`` or ``postgresql+psycopg://…``.
        directory: Where the relative path of a SQLite database begins.
        prefix: What the names of the tables begin with.
        connections: How many there are at most.
        patience: Seconds to wait for one of them.

    Raises:
        ImportError: There is no driver.
        DatabaseFault: *url* is none that SQLAlchemy can read.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        # What they say has the URL in it.
        raise DatabaseFault("is not a URL that SQLAlchemy can read") from None
    is_file = parsed.drivername == "sqlite"
    if is_file:
        parsed = parsed.set(database=str((directory / (parsed.database or "")).absolute()))
    else:
        # Ours, unless the URL has its own.
        limits = {
            "connect_timeout": str(_CONNECT_SECONDS),
            "tcp_user_timeout": str(_SILENT_MILLISECONDS),
        }
        parsed = parsed.set(query={**limits, **parsed.query})
    engine = create_engine(
        parsed,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=patience,
        pool_pre_ping=not is_file,
        hide_parameters=True,
    )
    return SqlAlchemyStore(engine, tables=make_tables(MetaData(), prefix=prefix))


@contextmanager
def faults_explained() -> Generator[None]:
    """
    Turn what SQLAlchemy raises into one line.

    Raises:
        DatabaseFault: The database is away, or refuses.
    """
    try:
        yield
    except DBAPIError as error:
        # The driver's own words, which have no parameters.
        lines = str(error.orig).strip().splitlines()
        raise DatabaseFault(lines[0] if lines else type(error.orig).__name__) from None
    except SQLAlchemyError as error:
        raise DatabaseFault(str(error).partition("\n")[0]) from None


def find_missing(store: SqlAlchemyStore) -> list[str]:
    """Return the names of the tables and columns that the store's database lacks."""
    tables = store.tables.identifiers.metadata.sorted_tables
    with store.engine.connect() as connection:
        found = inspect(connection).get_multi_columns(filter_names=[table.name for table in tables])
    there = {name: {column["name"] for column in columns} for (_, name), columns in found.items()}
    missing: list[str] = []
    for table in tables:
        if table.name not in there:
            missing.append(table.name)
        else:
            missing += [
                f"{table.name}.{column.name}"
                for column in table.columns
                if column.name not in there[table.name]
            ]
    return missing
