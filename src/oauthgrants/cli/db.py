"""``oauthgrants db``: makes the tables of a database, and brings them up to date."""

from __future__ import annotations

from oauthgrants.cli.databases import Database


def upgrade(database: Database) -> str:
    """
    Bring the tables up to date, and return what was done.

    Raises:
        CommandError: It cannot be done.
    """
    with database.migrations() as migrations:
        done = migrations.upgrade()
    if done.adopted:
        return f"the tables are as create_all makes them: noted as revision {done.revision}"
    if done.applied:
        return f"upgraded to revision {done.revision}"
    return f"revision {done.revision}: up to date"


def current(database: Database) -> str:
    """
    Return the revision of the tables, and whether it is the latest.

    Raises:
        CommandError: It cannot be found out.
    """
    database.require_file()
    with database.migrations() as migrations:
        revision, head = migrations.current(), migrations.head
    if revision == head:
        return f"revision {revision}: up to date"
    return f"{f'revision {revision}' if revision else 'no revision'}, the latest is {head}"


def stamp(database: Database, revision: str | None) -> str:
    """
    Note down the revision of the tables without a change to them, and return it.

    Args:
        database: Where they are.
        revision: By default the latest.

    Raises:
        CommandError: It cannot be done.
    """
    database.require_file()
    with database.migrations() as migrations:
        return f"noted as revision {migrations.stamp(revision)}"
