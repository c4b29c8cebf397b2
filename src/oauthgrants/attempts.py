"""How many guesses at a password or secret may fail (RFC 6749, 2.3.1 and 4.3.2)."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from oauthgrants.brief import brief

MOST_FAILURES = 1_000_000
"""The most failures that a limit lets through."""

_LONGEST = timedelta(days=366)
_DOUBLINGS = 45
"""After so many doublings, even a microsecond is longer than the longest wait."""


@attrs.frozen(kw_only=True)
class AttemptLimit:
    """
    How many guesses may fail before the next one has to wait (RFC 6749, 4.3.2).

    >>> limit = AttemptLimit(
    ...     max_failures=10, window=timedelta(minutes=15), longest_wait=timedelta(days=1)
    ... )

    Attributes:
        max_failures: How many guesses may fail within *window* before the next one has to wait;
            from one to a million.
        window: How long failures are counted together, from the first one; and how long the first
            wait is. Each wait is twice as long as the one before.
        longest_wait: No wait is longer, so that nobody is locked out for ever; 366 days at most.

    Raises:
        ValueError: *max_failures* is out of bounds, a time is zero or negative, or
            *longest_wait* is shorter than *window* or too long.
    """

    max_failures: int
    window: timedelta
    longest_wait: timedelta

    def __attrs_post_init__(self) -> None:
        if not (
            1 <= self.max_failures <= MOST_FAILURES
            and timedelta() < self.window <= self.longest_wait <= _LONGEST
        ):
            raise ValueError(
                f"an AttemptLimit takes max_failures from 1 to {MOST_FAILURES}, a window longer "
                "than none, and a longest_wait no shorter than that and no longer than "
                f"{_LONGEST.days} days, not {self}"
            )

    def count(self, attempts: Attempts | None, now: datetime) -> Attempts | None:
        """Return *attempts* with one more at *now*, None if it comes too early."""
        if attempts is None or not attempts.failures or now >= attempts.forgotten_at:
            failures, forgotten_at = 0, now + self.window
        elif attempts.allowed_at is not None and now < attempts.allowed_at:
            return None
        else:
            failures, forgotten_at = attempts.failures, attempts.forgotten_at
        failures += 1
        wait = self._wait_after(failures)
        if wait is None:
            return Attempts(
                failures=failures, forgotten_at=forgotten_at, forgotten_before=forgotten_at
            )
        return Attempts(
            failures=failures,
            allowed_at=now + wait,
            forgotten_at=now + 2 * wait,
            forgotten_before=forgotten_at,
        )

    def _wait_after(self, failures: int) -> timedelta | None:
        if failures < self.max_failures:
            return None
        windows = 1 << min(failures - self.max_failures, _DOUBLINGS)
        # What is longer than the longest wait is not computed: it may be longer than any time.
        windows = min(windows, self.longest_wait // self.window + 1)
        return min(self.window * windows, self.longest_wait)


@brief(kw_only=True)
class Attempts:
    """
    What an `AttemptStore` keeps under a key.

    Attributes:
        failures: How many attempts failed, those under way included.
        allowed_at: When the next one may come, None for at once.
        forgotten_at: When all of them are forgotten.
        forgotten_before: What *forgotten_at* was before the latest attempt.
    """

    failures: int
    allowed_at: datetime | None = None
    forgotten_at: datetime
    forgotten_before: datetime

    def withdraw(self) -> Attempts:
        """
        Return these with one failure less, since an attempt succeeded.

        The wait that the attempt began ends too. Otherwise those who sign in would prolong what
        others failed at, and nothing would ever be forgotten where many come from one place.
        """
        return Attempts(
            failures=max(self.failures - 1, 0),
            forgotten_at=self.forgotten_before,
            forgotten_before=self.forgotten_before,
        )
