"""Time and chance, as tests want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random


class MovableClock:
    """
    A clock that stands still until a test moves it.

    >>> clock = MovableClock()
    >>> before = clock()
    >>> clock.move(minutes=5)
    >>> clock() - before
    datetime.timedelta(seconds=300)
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """
        Set the clock.

        Args:
            now: Aware, in UTC.
        """
        self.now: datetime = now
        """What it says; may be set."""

    def __call__(self) -> datetime:
        """Return what it says."""
        return self.now

    def move(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move it by so much; back, if that is negative."""
        self.now += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


class SeededRandomness:
    """
    Randomness that is the same in each run of a test. Nothing outside of tests may use it.

    >>> SeededRandomness("a test")(4) == SeededRandomness("a test")(4)
    True
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311  # that it can be foreseen is its purpose

    def __call__(self, octets: int) -> bytes:
        """Return as many octets."""
        return self._random.randbytes(octets)
