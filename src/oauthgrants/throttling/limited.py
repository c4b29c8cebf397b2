"""Passwords and codes, tried as often as the limits allow."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import attrs

from oauthgrants.brief import service
from oauthgrants.errors import InvalidGrant, TooManyWrongPasswords
from oauthgrants.ports import MaybeAwaitable, resolve
from oauthgrants.throttling import Guess
from oauthgrants.throttling.limiter import Limiter, Sleep

T = TypeVar("T")

WRONG = {
    "password": "the username or password is not valid",
    "otp": "the code is not valid",
}
"""What a client is told of a wrong guess, whatever was wrong with it."""

_THROTTLED = "too many wrong guesses"
_WEIGHT_OF_LATEST = 1 / 8


@attrs.define
class Pace:
    """
    How long a check that fails takes, as a rule.

    A refusal without a check takes as long, so that the time does not tell that a guess was not
    looked at. It waits, and computes nothing.

    Attributes:
        sleep: Waits.
    """

    sleep: Sleep
    _usual: float = attrs.field(default=0.0, init=False)

    def note(self, began: float) -> None:
        """Learn from a check that failed now and *began* at that reading of `perf_counter`."""
        took = perf_counter() - began
        self._usual += (took - self._usual) * _WEIGHT_OF_LATEST if self._usual else took

    async def keep(self, began: float) -> None:
        """Wait until a check that *began* at that reading of `perf_counter` would have failed."""
        await resolve(self.sleep(max(began + self._usual - perf_counter(), 0.0)))


@service
class LimitedGuesses:
    """
    Lets passwords and codes be tried as often as the limits allow.

    Attributes:
        limiter: Counts guesses before they are made.
        pace: Keeps the time that a wrong one takes.
    """

    limiter: Limiter
    pace: Pace

    async def make(
        self, guess: Guess, check: Callable[[], MaybeAwaitable[T]], is_right: Callable[[T], bool]
    ) -> T:
        """
        Return what *check* answers, unless *guess* comes too early.

        Args:
            guess: Counts as failed until it was right.
            check: Makes the guess. If it raises, the guess was not made.
            is_right: Whether the answer is that of a right guess.

        Raises:
            InvalidGrant: It comes too early. The description says no more than it would of
                a wrong one.
        """
        arrived = perf_counter()
        attempt = await self.limiter.begin(guess)
        if attempt is None:
            raise await self._refusal(guess, arrived)
        began = perf_counter()
        try:
            answer = await resolve(check())
        except BaseException:
            await self.limiter.abandon(attempt)
            raise
        if is_right(answer):
            await self.limiter.succeed(attempt)
        else:
            self.limiter.fail(attempt)
            self.pace.note(began)
        return answer

    async def _refusal(self, guess: Guess, arrived: float) -> InvalidGrant:
        description = WRONG[guess.kind]
        throttle = self.limiter.throttle
        if throttle.too_many_requests:
            return TooManyWrongPasswords(description, reason=_THROTTLED).with_headers(
                throttle.retry_after
            )
        await self.pace.keep(arrived)
        return InvalidGrant(description, reason=_THROTTLED)


def limit_guesses(limiter: Limiter | None) -> LimitedGuesses | None:
    """Return what lets guesses be made within the limits of *limiter*; None without."""
    return None if limiter is None else LimitedGuesses(limiter, Pace(limiter.sleep))
