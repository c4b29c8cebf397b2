"""
The tables of `SqlAlchemyStore`, brought up to date by Alembic.

`Migrations` is what ``oauthgrants db`` runs. A host with migrations of its own may have its
Alembic run ours instead, from ``oauthgrants:stores/sqlalchemy/migrations/versions``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import attrs
from sqlalchemy import Connection, Engine, MetaData, inspect

from oauthgrants.stores.sqlalchemy.engines import DatabaseFault
from oauthgrants.stores.sqlalchemy.tables import make_tables

try:
    from alembic.autogenerate import compare_metadata
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        "migrations need Alembic: pip install 'oauthgrants[cli]'", name=_missing.name
    ) from _missing

__all__ = ["MigrationRefused", "Migrations", "Upgraded"]

_SCRIPTS = str(Path(__file__).parent)
_PREFIX_OPTION = "oauthgrants_prefix"
# Any number that is ours.
_LOCK = 0x6F61757468
# How a transaction begins in which nobody else migrates: isolation level, and first statement.
# On SQLite the driver would begin one at the first INSERT only, and leave CREATE TABLE out; on
# PostgreSQL what is read after the lock has to be what others have left.
_BEGIN = {
    "sqlite": ("AUTOCOMMIT", "BEGIN IMMEDIATE"),
    "postgresql": ("READ COMMITTED", f"SELECT pg_advisory_xact_lock({_LOCK})"),
}


class MigrationRefused(DatabaseFault):
    """The tables are not what a migration could begin from; says what to do."""


@attrs.frozen(kw_only=True)
class Upgraded:
    """
    What `Migrations.upgrade` did.

    Attributes:
        revision: Where the database is now.
        applied: The revisions that were run, the oldest first.
        adopted: Whether there were tables without a revision, which ``create_all`` had made.
    """

    revision: str
    applied: tuple[str, ...] = ()
    adopted: bool = False


class Migrations:
    """
    Brings tables up to date; each call is one transaction, and a second one at once waits.

    The database remembers its revision in a table of ours, so a host's own Alembic and this
    one do not know of each other.

    >>> from sqlalchemy import create_engine
    >>> from sqlalchemy.pool import StaticPool
    >>> engine = create_engine("sqlite://", poolclass=StaticPool)
    >>> migrations = Migrations(engine)
    >>> migrations.upgrade().revision == migrations.head
    True
    >>> migrations.upgrade().applied
    ()
    >>> engine.dispose()
    """

    def __init__(self, engine: Engine, *, prefix: str = "oauth_") -> None:
        """
        Read the migrations; the database is not asked yet.

        Args:
            engine: That of a PostgreSQL or SQLite database, a sync one.
            prefix: What the names of the tables begin with, as given to `make_tables`.

        Raises:
            ValueError: It is another kind of database.
        """
        if engine.dialect.name not in _BEGIN:
            raise ValueError(f"migrations are for {' and '.join(_BEGIN)} only")
        self._engine = engine
        self._prefix = prefix
        self._metadata = MetaData()
        make_tables(self._metadata, prefix=prefix)
        self._scripts = ScriptDirectory(_SCRIPTS)
        # The newest first, as they are walked.
        self._revisions = [script.revision for script in self._scripts.walk_revisions()]
        self.version_table: str = f"{prefix or 'oauth_'}alembic_version"
        """The name of the table with the revision; a host's own is ``alembic_version``."""
        self.head: str = self._revisions[0]
        """The newest revision, which this version of the library needs."""

    def current(self) -> str | None:
        """
        Return the revision of the database, None if it has none.

        Raises:
            MigrationRefused: It is one that this version of the library does not know.
        """
        with self._engine.connect() as connection:
            return self._find_revision(self._on(connection))

    def upgrade(self) -> Upgraded:
        """
        Run the migrations that are missing, none or some; all or nothing is done.

        Tables that ``create_all`` made are taken as they are, if they are those of `head`.

        Raises:
            MigrationRefused: They are not, or the revision is unknown.
        """
        with self._alone() as context:
            current = self._find_revision(context)
            if current is None and self._find_tables(context):
                self._require_equal(context)
                context.stamp(self._scripts, self.head)
                return Upgraded(revision=self.head, adopted=True)
            missing = list(self._scripts.iterate_revisions(self.head, current or "base"))
            with Operations.context(context):
                for script in reversed(missing):
                    script.module.upgrade()
                    context.stamp(self._scripts, script.revision)
            applied = tuple(script.revision for script in reversed(missing))
            return Upgraded(revision=self.head, applied=applied)

    def stamp(self, revision: str | None = None) -> str:
        """
        Say that the database is at *revision*, change no table, and return the revision.

        Args:
            revision: By default `head`.

        Raises:
            MigrationRefused: There is no such revision.
        """
        revision = revision or self.head
        if revision not in self._revisions:
            raise MigrationRefused(
                f"there is no revision {revision!r}; there are {', '.join(self._revisions)}"
            )
        with self._alone() as context:
            self._find_revision(context)
            context.stamp(self._scripts, revision)
        return revision

    @contextmanager
    def _alone(self) -> Generator[MigrationContext]:
        """Begin a transaction in which nobody else migrates."""
        isolation_level, statement = _BEGIN[self._engine.dialect.name]
        engine = self._engine.execution_options(isolation_level=isolation_level)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
            yield self._on(connection)

    def _on(self, connection: Connection) -> MigrationContext:
        options = {
            "version_table": self.version_table,
            "include_name": self._is_ours,
            _PREFIX_OPTION: self._prefix,
        }
        return MigrationContext.configure(connection, opts=options)

    def _is_ours(self, name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in self._metadata.tables

    def _find_revision(self, context: MigrationContext) -> str | None:
        heads = context.get_current_heads()
        for revision in heads:
            if revision not in self._revisions:
                raise MigrationRefused(
                    f"the tables are at revision {revision!r}, which this version of oauthgrants "
                    "does not know: a later one made them"
                )
        return heads[0] if heads else None

    def _find_tables(self, context: MigrationContext) -> bool:
        names = inspect(context.connection).get_table_names()
        return not self._metadata.tables.keys().isdisjoint(names)

    def _require_equal(self, context: MigrationContext) -> None:
        """Check that the tables there are those of `head`."""
        differences = compare_metadata(context, self._metadata)
        if differences:
            shown = "; ".join(map(_describe, differences))
            raise MigrationRefused(
                f"there are tables that no migration made, unlike those of revision {self.head} "
                f"({shown}): say which one they are of by `oauthgrants db stamp REVISION`, then "
                "upgrade"
            )


def prefix_of(context: MigrationContext) -> str:
    """
    Return what the names of the tables begin with, for the migrations.

    A host's own Alembic says so by ``context.configure(…, oauthgrants_prefix="auth_")``.
    """
    prefix: str = context.opts.get(_PREFIX_OPTION, "oauth_")
    return prefix


def _describe(difference: Any) -> str:
    """Return a step of Alembic's as a few words, such as ``add_table oauth_denials``."""
    # What is wrong with one column is a list.
    step: tuple[Any, ...] = (
        cast("Any", difference)[0] if isinstance(difference, list) else difference
    )
    kind, *parts = step
    names = (part if isinstance(part, str) else getattr(part, "name", None) for part in parts)
    return " ".join([kind, *filter(None, names)])
