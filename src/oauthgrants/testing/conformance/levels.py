"""What a check is: a small function, what it asks, and how firmly."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from oauthgrants.testing.conformance.probe import Probe


class Level(StrEnum):
    """How firmly the specification asks (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


MUST, SHOULD, MAY = Level.MUST, Level.SHOULD, Level.MAY


class CheckFailed(Exception):
    """The server does not do what the check asks; the message says what it does instead."""


class CheckSkipped(Exception):
    """The check cannot be made, or asks for what is not offered; the message says why."""


class NoAnswer(Exception):
    """The server did not answer; the message says how."""


class CutShort(Exception):
    """No more requests may be sent; the message says why."""


Run = Callable[["Probe"], None]
"""Returns if the server does what is asked; raises `CheckFailed` or `CheckSkipped` otherwise."""


@attrs.frozen
class Check:
    """
    One thing that can be seen from outside.

    Attributes:
        name: That of its function; unique.
        section: Which document, and where in it.
        level: What the specification sets. Where it leaves room, all that conforms passes.
        title: What has to be, in a sentence.
        requirements: The rows of ``requirements.toml`` that it is about.
        run: Makes it.
    """

    name: str
    section: str
    level: Level
    title: str
    requirements: tuple[str, ...]
    run: Run


class Section:
    """
    The checks of one section, in the order of the file.

    Args:
        title: Such as ``RFC 6749, 5.1 Successful response``.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.checks: list[Check] = []

    def check(self, level: Level, title: str, *requirements: str) -> Callable[[Run], Run]:
        """
        Return a decorator that adds a function to the section.

        Args:
            level: How firmly the specification asks.
            title: What has to be, in a sentence.
            *requirements: Ids of ``requirements.toml``.
        """

        def add(run: Run) -> Run:
            name = str(getattr(run, "__name__", ""))
            self.checks.append(Check(name, self.title, level, title, requirements, run))
            return run

        return add
