"""SQL databases as the commands use them: ``serve``, ``db`` and ``purge``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.http_server import ANSWERS_AT_ONCE
from oauthgrants.cli.store_urls import StoreUrl
from oauthgrants.stores.sqlalchemy.engines import (
    DatabaseFault,
    faults_explained,
    find_missing,
    make_store,
)
from oauthgrants.stores.sqlalchemy.stores import SqlAlchemyStore

if TYPE_CHECKING:
    # Only for annotations: a database that is up to date does without Alembic.
    from oauthgrants.stores.sqlalchemy.migrations import Migrations

_MOST_SHOWN = 3


class Database:
    """
    A database, PostgreSQL or SQLite.

    Args:
        url: Where it is.
        directory: Where a relative path begins.
        prefix: What the names of the tables begin with.

    Raises:
        CommandError: There is no driver.
    """

    def __init__(self, url: StoreUrl, directory: Path = Path(), *, prefix: str = "oauth_") -> None:
        self._url = url
        self._prefix = prefix
        with self.explained():
            try:
                self.store: SqlAlchemyStore = make_store(
                    url.reveal(),
                    directory=directory,
                    prefix=prefix,
                    # A request has one at a time, so that none has to wait.
                    connections=ANSWERS_AT_ONCE,
                )
            except ImportError:
                # Psycopg raises it as well if it finds no libpq.
                raise CommandError(
                    "PostgreSQL needs a driver: pip install 'psycopg[binary]'"
                ) from None

    def prepare(self) -> None:
        """
        Connect and see that the tables are there; those of SQLite are made, or brought up to date.

        Raises:
            CommandError: They are not there, or nobody answers.
        """
        if self._url.scheme == "sqlite":
            with self.migrations() as migrations:
                migrations.upgrade()
        else:
            self.require_tables()

    def require_tables(self) -> None:
        """
        Check that the tables are there, and have all columns.

        Raises:
            CommandError: They are not, or nobody answers.
        """
        self.require_file()
        with self.explained():
            missing = find_missing(self.store)
        if missing:
            shown = ", ".join(missing[:_MOST_SHOWN]) + (", …" if missing[_MOST_SHOWN:] else "")
            raise CommandError(
                f"{self._url} has no {shown}; run: oauthgrants db upgrade --store {self._url}"
            )

    def require_file(self) -> None:
        """
        Check that a SQLite database is there, which is made where it is opened if it is not.

        Raises:
            CommandError: It is not.
        """
        name = self.store.engine.url.database
        if self._url.scheme == "sqlite" and not Path(name or "").exists():
            raise CommandError(f"{self._url}: there is no such file")

    @contextmanager
    def migrations(self) -> Generator[Migrations]:
        """
        Yield what makes and changes the tables.

        Raises:
            CommandError: They are not what it could change, nobody answers, or there is no
                Alembic.
        """
        try:
            from oauthgrants.stores.sqlalchemy.migrations import Migrations
        except ModuleNotFoundError as error:
            raise CommandError(str(error)) from None
        with self.explained():
            yield Migrations(self.store.engine, prefix=self._prefix)

    @contextmanager
    def explained(self) -> Generator[None]:
        """
        Say in one line what the database has against it.

        Raises:
            CommandError: There is something.
        """
        try:
            with faults_explained():
                yield
        except DatabaseFault as fault:
            raise CommandError(f"{self._url}: {fault}") from None

    def close(self) -> None:
        """Close all connections."""
        self.store.engine.dispose()
