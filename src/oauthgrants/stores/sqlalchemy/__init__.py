"""
Every port on one SQL database, through SQLAlchemy 2: PostgreSQL or SQLite, sync or async.

`SqlAlchemyStore` takes an engine, `AsyncSqlAlchemyStore` an async one; or either takes a
connection or session of the host's, and then works within its transaction.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("sqlalchemy") is None:
    raise ModuleNotFoundError(
        "SqlAlchemyStore needs SQLAlchemy: pip install 'oauthgrants[sqlalchemy]'", name="sqlalchemy"
    )

from oauthgrants.stores.sqlalchemy.stores import AsyncSqlAlchemyStore, SqlAlchemyStore
from oauthgrants.stores.sqlalchemy.tables import Tables, make_tables

__all__ = ["AsyncSqlAlchemyStore", "SqlAlchemyStore", "Tables", "make_tables"]
