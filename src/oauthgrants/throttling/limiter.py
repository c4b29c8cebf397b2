"""Counts guesses before they are made, and takes back those that were right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import attrs

from oauthgrants.attempts import AttemptLimit
from oauthgrants.errors import TemporarilyUnavailable
from oauthgrants.events import Event, Throttled, logger
from oauthgrants.ports import AttemptStore, Clock, KnownSources, MaybeAwaitable, resolve
from oauthgrants.throttling import Guess, Throttle

Sleep = Callable[[float], MaybeAwaitable[None]]
"""Waits for so many seconds."""

_WAIT = 0.02
_MOST_WAITS = 750
"""Fifteen seconds in all."""
# In a row. A single one may come while another guess is counted and not yet known to be under way.
_REFUSALS = 3


@attrs.frozen(kw_only=True)
class Attempt:
    """
    A guess that may be made, counted as failed until it has succeeded.

    Attributes:
        guess: The guess.
        known: Whether its source is.
        counted: Under what it is counted, the pair first.
    """

    guess: Guess
    known: bool
    counted: tuple[bytes, ...]


@attrs.define(kw_only=True)
class Limiter:
    """
    Lets guesses through, one by one.

    Attributes:
        attempts: Counts them.
        sources: Knows from where users have signed in; None to know none.
        throttle: How many are let through.
        sleep: Waits.
        clock: Tells the time.
        record: Reports events.
    """

    attempts: AttemptStore
    sources: KnownSources | None
    throttle: Throttle
    sleep: Sleep
    clock: Clock
    record: Callable[[Event], None]
    _under_way: Counter[bytes] = attrs.field(factory=Counter[bytes], init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)

    async def begin(self, guess: Guess) -> Attempt | None:
        """
        Count *guess* and return it as an attempt, None if it is not to be made.

        Guesses that are under way count as failed. Where only these fill the limit, wait for
        them: many users who sign in at once from one place are no reason to refuse one.

        Raises:
            TemporarilyUnavailable: The guesses that are under way take too long.
        """
        known = await self._is_known(guess)
        rules = guess.rules(self.throttle, known=known)
        refusals = 0
        for _ in range(_MOST_WAITS):
            # Asked before the store is: what ends meanwhile may have made room.
            under_way = {digest for digest, _ in rules if digest in self._under_way}
            counted, refused = await self._count(rules)
            if refused is None:
                return Attempt(guess=guess, known=known, counted=counted)
            if refused in under_way or refused in self._under_way:
                refusals = 0
            else:
                refusals += 1
            if refusals == _REFUSALS:
                self.refuse(guess)
                return None
            await resolve(self.sleep(_WAIT))
        raise TemporarilyUnavailable("too many requests like this one are under way")

    async def succeed(self, attempt: Attempt) -> None:
        """
        Note that the guess was right.

        What the same source got wrong for the same name is forgotten; what others did is not.
        """
        pair, *others = attempt.counted
        try:
            await resolve(self.attempts.clear_attempts(pair))
            await self._withdraw(others)
        finally:
            self.fail(attempt)
        if attempt.guess.source is not None and self.sources is not None and not attempt.known:
            ends = self.clock() + self.throttle.known_for
            await resolve(self.sources.remember_source(pair, ends))

    def fail(self, attempt: Attempt) -> None:
        """Note that the guess was wrong; it is counted as failed already."""
        self._end(attempt.counted)

    async def abandon(self, attempt: Attempt) -> None:
        """Take the guess back: it was not made."""
        await self._take_back(attempt.counted)

    async def _count(
        self, rules: list[tuple[bytes, AttemptLimit]]
    ) -> tuple[tuple[bytes, ...], bytes | None]:
        """Count a guess; return what it is counted under, and what refuses it."""
        counted: list[bytes] = []
        for digest, limit in rules:
            if not await resolve(self.attempts.begin_attempt(digest, limit, self.clock())):
                await self._take_back(counted)
                return (), digest
            counted.append(digest)
            with self._lock:
                self._under_way[digest] += 1
        return tuple(counted), None

    async def _take_back(self, counted: Sequence[bytes]) -> None:
        try:
            await self._withdraw(counted)
        finally:
            self._end(counted)

    def _end(self, counted: Iterable[bytes]) -> None:
        with self._lock:
            self._under_way.subtract(counted)
            for digest in counted:
                if not self._under_way[digest]:
                    del self._under_way[digest]

    async def _is_known(self, guess: Guess) -> bool:
        if guess.source is None or self.sources is None:
            return False
        return await resolve(self.sources.is_known_source(guess.pair, self.clock()))

    async def _withdraw(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            await resolve(self.attempts.withdraw_attempt(digest))

    def refuse(self, guess: Guess) -> None:
        """Report that *guess* was not looked at."""
        self.record(
            Throttled(
                at=self.clock(),
                source=guess.source,
                kind=guess.kind,
                client_id=guess.client_id,
                name=guess.name,
            )
        )


def make_limiter(
    attempts: Any,
    sources: Any,
    throttle: Throttle | None,
    *,
    sleep: Sleep,
    clock: Clock,
    record: Callable[[Event], None],
) -> Limiter | None:
    """
    Return what limits guesses; None, and a warning in the log, if there is nothing to count in.

    Args:
        attempts: An `AttemptStore`, or a store that may be one.
        sources: The same for `KnownSources`.
        throttle: None to have no limits.
        sleep: Waits.
        clock: Tells the time.
        record: Reports events.
    """
    if throttle is None:
        return None
    if not hasattr(attempts, "begin_attempt"):
        logger.warning(
            "nothing limits guesses at passwords and secrets (RFC 6749, 4.3.2): give the server "
            "attempts=, a store of attempts; or throttle=None, if that is meant"
        )
        return None
    return Limiter(
        attempts=attempts,
        sources=sources if hasattr(sources, "is_known_source") else None,
        throttle=throttle,
        sleep=sleep,
        clock=clock,
        record=record,
    )
