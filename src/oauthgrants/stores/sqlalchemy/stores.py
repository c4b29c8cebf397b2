"""The store in both colours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import wraps
from random import random
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from oauthgrants.stores.sqlalchemy import attempts, expiry, registrations, sign_ins, tokens
from oauthgrants.stores.sqlalchemy.errors import hide_values, is_transient
from oauthgrants.stores.sqlalchemy.statements import Statements
from oauthgrants.stores.sqlalchemy.tables import Tables, make_tables
from oauthgrants.stores.sqlalchemy.work import Work, is_single

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 5
# For a single statement: BEGIN and COMMIT are two ways to a server and back, and a connection that
# has nothing to commit takes less to give back. To a file there is no way to save.
_AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}

_Begin = Callable[[], AbstractContextManager[Connection]]
_AsyncBegin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


def _in_sync(
    operation: Callable[Concatenate[Work, P], T],
) -> Callable[Concatenate[SqlAlchemyStore, P], T]:
    """Return *operation* as a method of `SqlAlchemyStore`."""

    @wraps(operation)
    def method(self: SqlAlchemyStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        single = is_single(operation, *args, **kwargs)
        return self.run(lambda work: operation(work, *args, **kwargs), single=single)

    return method


def _in_async(
    operation: Callable[Concatenate[Work, P], T],
) -> Callable[Concatenate[AsyncSqlAlchemyStore, P], Awaitable[T]]:
    """Return *operation* as a method of `AsyncSqlAlchemyStore`."""

    @wraps(operation)
    async def method(self: AsyncSqlAlchemyStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        single = is_single(operation, *args, **kwargs)
        return await self.run(lambda work: operation(work, *args, **kwargs), single=single)

    return method


class SqlAlchemyStore:
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
        self.tables = make_tables(MetaData()) if tables is None else tables
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
        self.run(lambda work: _metadata(self.tables).create_all(work.connection))

    def run(self, operation: Callable[[Work], T], *, single: bool = False) -> T:
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

    def _run(self, operation: Callable[[Work], T], *, single: bool) -> T:
        if isinstance(self._bind, Session):
            return operation(Work(self._bind.connection(), self._statements))
        if isinstance(self._bind, Connection):
            return operation(Work(self._bind, self._statements))
        begin = self._begin_single if single else self._bind.begin
        for pause in _pauses():
            try:
                return self._attempt(begin, operation)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
            time.sleep(pause)
        return self._attempt(begin, operation)

    def _attempt(self, begin: _Begin, operation: Callable[[Work], T]) -> T:
        with begin() as connection:
            return operation(Work(connection, self._statements))

    add_client = _in_sync(registrations.add_client)
    replace_client = _in_sync(registrations.replace_client)
    find_client = _in_sync(registrations.find_client)
    replace_client_secret = _in_sync(registrations.replace_client_secret)
    add_client_secret = _in_sync(registrations.add_client_secret)
    delete_client_secret = _in_sync(registrations.delete_client_secret)
    add_user = _in_sync(registrations.add_user)
    replace_user = _in_sync(registrations.replace_user)
    find_user = _in_sync(registrations.find_user)
    find_user_by_sub = _in_sync(registrations.find_user_by_sub)
    replace_password_hash = _in_sync(registrations.replace_password_hash)
    save_tokens = _in_sync(tokens.save_tokens)
    find_access_token = _in_sync(tokens.find_access_token)
    find_refresh_token = _in_sync(tokens.find_refresh_token)
    rotate_refresh_token = _in_sync(tokens.rotate_refresh_token)
    revoke_family = _in_sync(tokens.revoke_family)
    revoke_access_token = _in_sync(tokens.revoke_access_token)
    deny = _in_sync(tokens.deny)
    is_denied = _in_sync(tokens.is_denied)
    add_if_absent = _in_sync(attempts.add_if_absent)
    begin_attempt = _in_sync(attempts.begin_attempt)
    withdraw_attempt = _in_sync(attempts.withdraw_attempt)
    clear_attempts = _in_sync(attempts.clear_attempts)
    remember_source = _in_sync(sign_ins.remember_source)
    is_known_source = _in_sync(sign_ins.is_known_source)
    save_mfa_token = _in_sync(sign_ins.save_mfa_token)
    find_mfa_token = _in_sync(sign_ins.find_mfa_token)
    take_mfa_token = _in_sync(sign_ins.take_mfa_token)
    delete_expired = _in_sync(expiry.delete_expired)


class AsyncSqlAlchemyStore:
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
        self.tables = make_tables(MetaData()) if tables is None else tables
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
        await self.run(lambda work: _metadata(self.tables).create_all(work.connection))

    async def run(self, operation: Callable[[Work], T], *, single: bool = False) -> T:
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

    async def _run(self, operation: Callable[[Work], T], *, single: bool) -> T:
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

    async def _attempt(self, begin: _AsyncBegin, operation: Callable[[Work], T]) -> T:
        async with begin() as connection:
            return await connection.run_sync(self._on, operation)

    def _on(self, connection: Connection, operation: Callable[[Work], T]) -> T:
        return operation(Work(connection, self._statements))

    add_client = _in_async(registrations.add_client)
    replace_client = _in_async(registrations.replace_client)
    find_client = _in_async(registrations.find_client)
    replace_client_secret = _in_async(registrations.replace_client_secret)
    add_client_secret = _in_async(registrations.add_client_secret)
    delete_client_secret = _in_async(registrations.delete_client_secret)
    add_user = _in_async(registrations.add_user)
    replace_user = _in_async(registrations.replace_user)
    find_user = _in_async(registrations.find_user)
    find_user_by_sub = _in_async(registrations.find_user_by_sub)
    replace_password_hash = _in_async(registrations.replace_password_hash)
    save_tokens = _in_async(tokens.save_tokens)
    find_access_token = _in_async(tokens.find_access_token)
    find_refresh_token = _in_async(tokens.find_refresh_token)
    rotate_refresh_token = _in_async(tokens.rotate_refresh_token)
    revoke_family = _in_async(tokens.revoke_family)
    revoke_access_token = _in_async(tokens.revoke_access_token)
    deny = _in_async(tokens.deny)
    is_denied = _in_async(tokens.is_denied)
    add_if_absent = _in_async(attempts.add_if_absent)
    begin_attempt = _in_async(attempts.begin_attempt)
    withdraw_attempt = _in_async(attempts.withdraw_attempt)
    clear_attempts = _in_async(attempts.clear_attempts)
    remember_source = _in_async(sign_ins.remember_source)
    is_known_source = _in_async(sign_ins.is_known_source)
    save_mfa_token = _in_async(sign_ins.save_mfa_token)
    find_mfa_token = _in_async(sign_ins.find_mfa_token)
    take_mfa_token = _in_async(sign_ins.take_mfa_token)
    delete_expired = _in_async(expiry.delete_expired)


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
