"""The contract of stores, for SQLAlchemy on SQLite and PostgreSQL, in both colours."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import ClassVar

from databases import empty_postgres_url, empty_sqlite_url, open_engine
from sqlalchemy.ext.asyncio import create_async_engine

from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore, SqlAlchemyStore
from oauthgrants.testing.store_contract import StoreContract


class _Contract(StoreContract[SqlAlchemyStore]):
    driver: ClassVar[str]

    @abstractmethod
    def database(self) -> AbstractContextManager[str]:
        """Return the URL of one with tables and nothing in them, without its driver."""

    @contextmanager
    def open_store(self) -> Generator[SqlAlchemyStore, None, None]:
        with self.database() as url, open_engine(f"{self.driver}:{url}") as engine:
            yield SqlAlchemyStore(engine)

    @contextmanager
    def connect_again(self, store: SqlAlchemyStore) -> Generator[SqlAlchemyStore, None, None]:
        with open_engine(store.engine.url.render_as_string(hide_password=False)) as engine:
            yield SqlAlchemyStore(engine)


class TestSqlite(_Contract):
    driver = "sqlite"

    def database(self) -> AbstractContextManager[str]:
        return empty_sqlite_url()


class TestPostgres(_Contract):
    driver = "postgresql+psycopg"

    def database(self) -> AbstractContextManager[str]:
        return empty_postgres_url()


class _AsyncContract(StoreContract[AsyncSqlAlchemyStore]):
    driver: ClassVar[str]
    _url: str

    @abstractmethod
    def database(self) -> AbstractContextManager[str]:
        """Return the URL of one with tables and nothing in them, without its driver."""

    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncSqlAlchemyStore, None]:
        with self.database() as url:
            self._url = f"{self.driver}:{url}"
            engine = create_async_engine(self._url)
            yield AsyncSqlAlchemyStore(engine)
            await engine.dispose()

    @asynccontextmanager
    async def connect_again(
        self, store: AsyncSqlAlchemyStore
    ) -> AsyncGenerator[AsyncSqlAlchemyStore, None]:
        engine = create_async_engine(self._url)
        yield AsyncSqlAlchemyStore(engine)
        await engine.dispose()


class TestAiosqlite(_AsyncContract):
    driver = "sqlite+aiosqlite"

    def database(self) -> AbstractContextManager[str]:
        return empty_sqlite_url()


class TestAsyncpg(_AsyncContract):
    driver = "postgresql+asyncpg"

    def database(self) -> AbstractContextManager[str]:
        return empty_postgres_url()
