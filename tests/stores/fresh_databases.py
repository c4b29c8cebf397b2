"""Databases with nothing in them, not even tables."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from databases import postgres_url
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema, DropSchema

KINDS = ["sqlite", "postgresql"]


@contextmanager
def fresh_url(kind: str) -> Generator[str]:
    """Yield the URL of an empty database, one of `KINDS`."""
    with (fresh_file_url if kind == "sqlite" else fresh_schema_url)() as url:
        yield url


@contextmanager
def fresh_file_url() -> Generator[str]:
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'oauth.db'}"


@contextmanager
def fresh_schema_url() -> Generator[str]:
    """Yield the URL of PostgreSQL whose names are in a schema of their own."""
    url = make_url(f"postgresql+psycopg:{postgres_url()}")
    schema = f"test_{uuid4().hex}"
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(CreateSchema(schema))
    try:
        yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(
            hide_password=False
        )
    finally:
        with engine.begin() as connection:
            connection.execute(DropSchema(schema, cascade=True))
