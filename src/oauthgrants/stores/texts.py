"""Which texts a database can hold: PostgreSQL takes no NUL."""

from __future__ import annotations


def is_text(text: str) -> bool:
    """Return whether a database can hold *text*; one that it cannot hold is not there."""
    return "\0" not in text


def require_text(text: str) -> None:
    """
    Check that a database can hold *text*.

    Raises:
        ValueError: It has a NUL.
    """
    if not is_text(text):
        raise ValueError(f"{text!r} has a NUL, which databases do not keep")
