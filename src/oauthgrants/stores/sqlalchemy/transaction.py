"""
What all operations share: a connection within a transaction, and the store's statements.

The first statement of whatever writes is one that writes. So SQLite has its one writer from
the start, and nothing that was read before has changed meanwhile; PostgreSQL has the row
locked that the rest depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
from sqlalchemy import Connection

from oauthgrants.brief import brief
from oauthgrants.stores.sqlalchemy.statements import Statements
from oauthgrants.stores.texts import is_text

P = ParamSpec("P")
T = TypeVar("T")


@brief
class Transaction:
    """
    A transaction, and what to execute in it.

    Attributes:
        connection: Its connection.
        statements: The store's.
    """

    connection: Connection
    statements: Statements

    def find_one(self, statement: Any, key: str | bytes) -> dict[str, Any] | None:
        """Return the row under *key*, None if there is none."""
        if isinstance(key, str) and not is_text(key):
            return None
        row = self.connection.execute(statement, {"key": key}).mappings().first()
        return None if row is None else dict(row)


_Method = Callable[Concatenate[Any, P], T]
_SINGLE: dict[str, Callable[..., bool]] = {}


def single(method: _Method[P, T]) -> _Method[P, T]:
    """Mark *method* as one statement: nobody has to say where a transaction begins and ends."""
    _SINGLE[method.__name__] = lambda *_, **__: True
    return method


def single_if(condition: Callable[P, bool]) -> Callable[[_Method[P, T]], _Method[P, T]]:
    """Mark a method as one statement, if *condition* holds for what it is called with."""

    def mark(method: _Method[P, T]) -> _Method[P, T]:
        _SINGLE[method.__name__] = condition
        return method

    return mark


def is_single(name: str, /, *args: Any, **kwargs: Any) -> bool:
    """Return whether the method of this name is one statement, called with these arguments."""
    condition = _SINGLE.get(name)
    return condition is not None and condition(*args, **kwargs)


def to_row(value: attrs.AttrsInstance) -> dict[str, Any]:
    """Return what *value* consists of, by column; the types of the columns do the rest."""
    return attrs.asdict(
        value, recurse=False, filter=lambda attribute, _: attribute.name != "secrets"
    )
