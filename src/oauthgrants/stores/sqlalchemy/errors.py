"""What databases say when something fails: whether it will pass, and what of it may be logged."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

_SERIALIZATION_FAILURE, _DEADLOCK = "40001", "40P01"
_SQLITE_BUSY_SNAPSHOT = 517


def is_transient(error: DBAPIError) -> bool:
    """
    Return whether the same transaction may well succeed if it is tried again.

    Two transactions that wait for one another, or add the same row, end in an error for one of
    them; PostgreSQL says so with a SQLSTATE, SQLite with a result code. SQLite that is merely
    busy is not among them: it has waited for its turn for as long as ``busy_timeout`` says.
    """
    if isinstance(error, IntegrityError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == _SQLITE_BUSY_SNAPSHOT or state in {_SERIALIZATION_FAILURE, _DEADLOCK}


def hide_values(error: BaseException) -> None:
    """
    Take the values that a statement failed on out of *error*, and out of what it came from.

    Faults are logged, and the values are digests, hashes and the names of users. SQLAlchemy
    shows the parameters; PostgreSQL shows the row, in lines after the first.
    """
    for each in _with_causes(error):
        from_driver: BaseException | None = each
        if isinstance(each, StatementError):
            each.hide_parameters = True
            from_driver = each.orig
        elif isinstance(getattr(each, "detail", None), str):
            # asyncpg keeps it apart from the message.
            each.detail = None  # type: ignore[attr-defined]
        if getattr(from_driver, "sqlstate", None) is not None:
            each.args = (str(each.args[0]).partition("\n")[0], *each.args[1:])


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, and all that a traceback shows before it."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            left += [before for before in (each.__cause__, each.__context__) if before is not None]
