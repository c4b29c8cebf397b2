"""
One operation of the store, as a transaction.

The first statement of whatever writes is one that writes. So SQLite has its one writer from the
start, and nothing that was read before has changed meanwhile; PostgreSQL has the row locked that
the rest depends on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import random
from typing import Any, TypeVar

from django.db import DatabaseError, IntegrityError, connections, models, transaction

T = TypeVar("T")

_ATTEMPTS = 5
_SERIALIZATION_FAILURE, _DEADLOCK = "40001", "40P01"
_SQLITE_BUSY = 5


def run(using: str, operation: Callable[[], T], *, single: bool = False) -> T:
    """
    Return what *operation* answers.

    It is a transaction of its own, and is tried again after a deadlock; or, within a transaction
    of the host's, a part of that, which lasts if the host commits.

    Args:
        using: The alias of the database.
        operation: What to do; it may be called several times.
        single: Whether it is one statement, which is a transaction by itself.
    """
    attempt = operation if single else transaction.atomic(using)(operation)
    if not connections[using].get_autocommit():
        return attempt()
    for pause in _pauses():
        try:
            return attempt()
        except DatabaseError as error:
            if not is_transient(error):
                raise
        time.sleep(pause)
    return attempt()


def is_transient(error: DatabaseError) -> bool:
    """
    Return whether the same transaction may well succeed if it is tried again.

    Two transactions that wait for one another, or add the same row, end in an error for one of
    them; PostgreSQL says so with a SQLSTATE, SQLite with a result code.
    """
    if isinstance(error, IntegrityError):
        return True
    cause = error.__cause__
    # psycopg calls it sqlstate, psycopg2 pgcode.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    busy = getattr(cause, "sqlite_errorcode", 0) & 0xFF == _SQLITE_BUSY
    return busy or state in {_SERIALIZATION_FAILURE, _DEADLOCK}


def delete(rows: models.QuerySet[Any]) -> int:
    """
    Delete *rows* by one statement, and return how many.

    ``QuerySet.delete`` reads them first where anything in the project listens to deletions, and
    what was read may have changed by then.
    """
    count: int = rows._raw_delete(rows.db)  # noqa: SLF001  # there is no public one
    return count


def _pauses() -> Iterator[float]:
    """Return how long to wait after each attempt but the last, longer each time."""
    for attempt in range(_ATTEMPTS - 1):
        yield random() * 0.01 * 4**attempt  # noqa: S311  # so that two do not meet again
