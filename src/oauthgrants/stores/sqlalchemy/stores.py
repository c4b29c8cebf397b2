"""The store in both colours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from random import random
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from typing_extensions import override

from oauthgrants.stores.colours import Operation, UsersInAsync, UsersInSync, find_operation
from oauthgrants.stores.sqlalchemy.attempts import AttemptRows
from oauthgrants.stores.sqlalchemy.errors import hide_values, is_transient
from oauthgrants.stores.sqlalchemy.expiry import ExpiringRows
from oauthgrants.stores.sqlalchemy.registrations import RegistrationRows
from oauthgrants.stores.sqlalchemy.sign_ins import SignInRows
from oauthgrants.stores.sqlalchemy.statements import Statements
from oauthgrants.stores.sqlalchemy.tables import Tables, make_tables
from oauthgrants.stores.sqlalchemy.tokens import TokenRows
from oauthgrants.stores.sqlalchemy.transaction import is_single

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 5
# For a single statement: BEGIN and COMMIT are two ways to a server and back, and a connection that
# has nothing to commit takes less to give back. To a file there is no way to save.
_AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}

_Begin = Callable[[], AbstractContextManager[Connection]]
_AsyncBegin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class Rows(RegistrationRows, TokenRows, AttemptRows, SignInRows, ExpiringRows):
    """All that a store does, within a transaction."""


class SqlAlchemyStore(UsersInSync):
    """
    Fills every port on a database, for `AuthorizationServer`.

    `AsyncAuthorizationServer` calls it in worker threads; `AsyncSqlAlchemyStore` needs none.

    >>> from sqlalchemy import create_engine
    >>> from sqlalchemy.pool import StaticPool
    >>> from oauthgrants import User
    >>> store = SqlAlchemyStore(create_engine("sqlite://", poolclass=StaticPool))
    >>> store.create_all()
    >>> store.add_user(User(sub="user-1", username="alice"))
    >>> store.find_user("alice").sub
    'user-1'
    >>> store.engine.dispose()
    """

    def __init__(
        self, bind: Engine | Connection | Session, *, tables: Tables | None = None
    ) -> None:
        """
        Make a store.

        Args:
            bind: An engine: each call is a transaction of its own, and is tried again after a
                deadlock. Or a connection or session: each call is a part of the transaction
                there, and lasts if that is committed. Roll it back if a call raises.
            tables: Those that `make_tables` made in the host's ``MetaData``; by default new
                ones.
        """
        self.tables: Tables = make_tables(MetaData()) if tables is None else tables
        """The tables, for migrations and reports."""
        self._bind = bind
        self._statements = Statements(self.tables, self.engine.dialect)
        if isinstance(bind, Engine):
            _prepare_sqlite(bind)
            autocommitting = bind.execution_options(**_AUTOCOMMIT)
            self._begin_single: _Begin = bind.begin if _is_file(bind) else autocommitting.connect

    @property
    def engine(self) -> Engine:
        """Where the database is."""
        found = self._bind.get_bind() if isinstance(self._bind, Session) else self._bind
        return found.engine

    def create_all(self) -> None:
        """Create the tables that are missing: for tests, and hosts without migrations."""
        self.run(lambda rows: _metadata(self.tables).create_all(rows.connection))

    def run(self, operation: Callable[[Rows], T], *, single: bool = False) -> T:
        """
        Return what *operation* answers, within a transaction.

        Args:
            operation: What to do; it may be called several times.
            single: Whether it is one statement, which is a transaction by itself.
        """
        try:
            return self._run(operation, single=single)
        except Exception as error:
            hide_values(error)
            raise

    def _run(self, operation: Callable[[Rows], T], *, single: bool) -> T:
        if isinstance(self._bind, Session):
            return operation(Rows(self._bind.connection(), self._statements))
        if isinstance(self._bind, Connection):
            return operation(Rows(self._bind, self._statements))
        begin = self._begin_single if single else self._bind.begin
        for pause in _pauses():
            try:
                return self._attempt(begin, operation)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
            time.sleep(pause)
        return self._attempt(begin, operation)

    def _attempt(self, begin: _Begin, operation: Callable[[Rows], T]) -> T:
        with begin() as connection:
            return operation(Rows(connection, self._statements))

    @override
    def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        single = is_single(operation.__name__, *args, **kwargs)
        answer: T = self.run(
            lambda rows: find_operation(rows, operation)(*args, **kwargs), single=single
        )
        return answer

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""
        return self.run(lambda rows: rows.delete_expired(now, limit))


class AsyncSqlAlchemyStore(UsersInAsync):
    """
    Fills every port on a database, for `AsyncAuthorizationServer`.

    It does what `SqlAlchemyStore` does, with the same tables and statements, on an engine such as
    ``create_async_engine("postgresql+asyncpg://…")``.
    """

    def __init__(
        self, bind: AsyncEngine | AsyncConnection | AsyncSession, *, tables: Tables | None = None
    ) -> None:
        """
        Make a store.

        Args:
            bind: An engine: each call is a transaction of its own, and is tried again after a
                deadlock. Or a connection or session: each call is a part of the transaction
                there, and lasts if that is committed. Roll it back if a call raises.
            tables: Those that `make_tables` made in the host's ``MetaData``; by default new
                ones.
        """
        self.tables: Tables = make_tables(MetaData()) if tables is None else tables
        """The tables, for migrations and reports."""
        self._bind = bind
        self._statements = Statements(self.tables, self.engine.dialect)
        if isinstance(bind, AsyncEngine):
            _prepare_sqlite(bind.sync_engine)
            autocommitting = bind.execution_options(**_AUTOCOMMIT)
            self._begin_single: _AsyncBegin = (
                bind.begin if _is_file(bind.sync_engine) else autocommitting.connect
            )

    @property
    def engine(self) -> AsyncEngine:
        """Where the database is."""
        if isinstance(self._bind, AsyncSession):
            return AsyncEngine(self._bind.get_bind().engine)
        return self._bind if isinstance(self._bind, AsyncEngine) else self._bind.engine

    async def create_all(self) -> None:
        """Create the tables that are missing: for tests, and hosts without migrations."""
        await self.run(lambda rows: _metadata(self.tables).create_all(rows.connection))

    async def run(self, operation: Callable[[Rows], T], *, single: bool = False) -> T:
        """
        Return what *operation* answers, within a transaction.

        Args:
            operation: What to do; it may be called several times.
            single: Whether it is one statement, which is a transaction by itself.
        """
        try:
            return await self._run(operation, single=single)
        except Exception as error:
            hide_values(error)
            raise

    async def _run(self, operation: Callable[[Rows], T], *, single: bool) -> T:
        if isinstance(self._bind, AsyncSession):
            connection = await self._bind.connection()
            return await connection.run_sync(self._on, operation)
        if isinstance(self._bind, AsyncConnection):
            return await self._bind.run_sync(self._on, operation)
        begin = self._begin_single if single else self._bind.begin
        for pause in _pauses():
            try:
                return await self._attempt(begin, operation)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(pause)
        return await self._attempt(begin, operation)

    async def _attempt(self, begin: _AsyncBegin, operation: Callable[[Rows], T]) -> T:
        async with begin() as connection:
            return await connection.run_sync(self._on, operation)

    def _on(self, connection: Connection, operation: Callable[[Rows], T]) -> T:
        return operation(Rows(connection, self._statements))

    @override
    async def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        single = is_single(operation.__name__, *args, **kwargs)
        answer: T = await self.run(
            lambda rows: find_operation(rows, operation)(*args, **kwargs), single=single
        )
        return answer

    async def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""
        return await self.run(lambda rows: rows.delete_expired(now, limit))


def _pauses() -> Iterator[float]:
    """Return how long to wait after each attempt but the last, longer each time."""
    for attempt in range(_ATTEMPTS - 1):
        yield random() * 0.01 * 4**attempt  # noqa: S311  # so that two do not meet again


def _is_file(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _metadata(tables: Tables) -> MetaData:
    return tables.identifiers.metadata


def _prepare_sqlite(engine: Engine) -> None:
    """
    See to it that SQLite lets one write while others read, waits its turn, and forgets nothing.

    WAL is a property of the file, the rest one of the connection.
    """
    if not _is_file(engine):
        return

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
