"""Guesses at client secrets, and when they are no longer looked at (RFC 6749, 2.3.1)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

import attrs

from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.brief import service
from oauthgrants.client_auth.secrets import SecretVerifier
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports import resolve
from oauthgrants.secret import Secret
from oauthgrants.throttling import Guess, Rules
from oauthgrants.throttling.limited import Pace
from oauthgrants.throttling.limiter import Limiter

K = TypeVar("K")

_MOST_KEPT = 10_000


class TooManyGuesses(Exception):
    """
    The guess was not looked at.

    Attributes:
        retry_after: The header that says when to come again, None if nobody is to know.
    """

    def __init__(self, retry_after: tuple[str, str] | None) -> None:
        super().__init__()
        self.retry_after = retry_after


@service(kw_only=True)
class LimitedSecrets:
    """
    Compares client secrets, as often as the limits allow.

    Attributes:
        secrets: Compares them.
        limiter: Counts guesses at the secrets that people chose, before they are made.
        fast: Counts guesses at the others.
        pace: Keeps the time that a wrong secret takes.
    """

    secrets: SecretVerifier
    limiter: Limiter
    fast: FastGuesses
    pace: Pace

    def find_at_once(
        self, client: Client | None, presented: Secret, source: str | None
    ) -> ClientSecret | None:
        """
        Return which of its live secrets *client* showed, if that takes no waiting.

        That is so as long as nothing has failed, and nearly always.
        """
        if self.fast.is_counting:
            return None
        matched = self.secrets.find_at_once(client, presented, self.limiter.clock())
        if client is not None and matched is not None:
            self.fast.note_success(client.client_id, source)
        return matched

    async def find_match(
        self, client: Client | None, client_id: str, presented: Secret, source: str | None
    ) -> ClientSecret | None:
        """
        Return which of its live secrets *client* showed, None if none of them.

        Raises:
            TooManyGuesses: Too many were wrong.
        """
        find = self._find_slow if self.secrets.is_slow(client) else self._find_fast
        began = perf_counter()
        matched = await find(client, client_id, presented, source)
        if matched is None:
            self.pace.note(began)
        return matched

    async def require_room(self, client_id: str, source: str | None) -> None:
        """
        Check that another guess may be looked at.

        Raises:
            TooManyGuesses: Too many were wrong.
        """
        guess = _guess(client_id, source)
        if self.fast.are_over(guess, self.fast.rules_for(guess), self.limiter.clock()):
            raise await self._too_many(perf_counter())

    async def note_failure(self, client_id: str, source: str | None) -> None:
        """Count a guess that was wrong."""
        rules = _guess(client_id, source).rules(self.limiter.throttle, known=False)
        await self.fast.note_failure(rules, self.limiter.clock())

    async def _find_fast(
        self, client: Client | None, client_id: str, presented: Secret, source: str | None
    ) -> ClientSecret | None:
        guess, now = _guess(client_id, source), self.limiter.clock()
        rules = self.fast.rules_for(guess)
        if self.fast.are_over(guess, rules, now):
            raise await self._too_many(perf_counter())
        matched = await self.secrets.find_match(client, presented, now)
        if matched is None:
            if self.fast.knows(guess):
                rules = guess.rules(self.limiter.throttle, known=False)
            await self.fast.note_failure(rules, now)
        else:
            self.fast.note_success(client_id, source)
            await self.fast.forget(rules[0][0])
            self.fast.drop_lapsed(now)
        return matched

    async def _find_slow(
        self, client: Client | None, client_id: str, presented: Secret, source: str | None
    ) -> ClientSecret | None:
        arrived = perf_counter()
        attempt = await self.limiter.begin(_guess(client_id, source))
        if attempt is None:
            raise await self._too_many(arrived)
        try:
            matched = await self.secrets.find_match(client, presented, self.limiter.clock())
        except BaseException:
            await self.limiter.abandon(attempt)
            raise
        if matched is None:
            self.limiter.fail(attempt)
        else:
            await self.limiter.succeed(attempt)
        return matched

    async def _too_many(self, arrived: float) -> TooManyGuesses:
        throttle = self.limiter.throttle
        if throttle.too_many_requests:
            return TooManyGuesses(throttle.retry_after)
        await self.pace.keep(arrived)
        return TooManyGuesses(None)


def limit_secrets(secrets: SecretVerifier, limiter: Limiter | None) -> LimitedSecrets | None:
    """Return what compares client secrets within the limits of *limiter*; None without."""
    if limiter is None:
        return None
    return LimitedSecrets(
        secrets=secrets, limiter=limiter, fast=FastGuesses(limiter), pace=Pace(limiter.sleep)
    )


@attrs.define
class FastGuesses:
    """
    Limits guesses at secrets that machines made, at no cost to those who know theirs.

    Such a check takes microseconds, and a trip to the store a thousand times as long. So what
    has failed is counted in the store, for all processes; but whether the limit is reached, each
    process asks its own memory. The limit is exact in one process; another one looks at one
    guess more, until the store tells it that it was one too many.

    Attributes:
        limiter: Counts in the store.
    """

    limiter: Limiter
    _counted: dict[bytes, Attempts] = attrs.field(factory=dict[bytes, Attempts], init=False)
    _succeeded: dict[tuple[str, str | None], None] = attrs.field(
        factory=dict[tuple[str, str | None], None], init=False
    )

    @property
    def is_counting(self) -> bool:
        """Whether anything has failed of late."""
        return bool(self._counted)

    def are_over(self, guess: Guess, rules: Rules, now: datetime) -> bool:
        """Return whether *guess* comes too early to be looked at, by *rules*."""
        for digest, _ in rules:
            if self._is_waiting(digest, now):
                self.limiter.refuse(guess)
                return True
        return False

    def knows(self, guess: Guess) -> bool:
        """Return whether a right secret has come from where *guess* comes from."""
        return (guess.client_id, guess.source) in self._succeeded

    def rules_for(self, guess: Guess) -> Rules:
        """Return what holds against *guess*."""
        return guess.rules(self.limiter.throttle, known=self.knows(guess))

    async def note_failure(self, rules: Rules, now: datetime) -> None:
        """Count a guess that was wrong."""
        for digest, limit in rules:
            in_bounds = await resolve(self.limiter.attempts.begin_attempt(digest, limit, now))
            self._count(digest, limit, now, in_bounds=in_bounds)

    def note_success(self, client_id: str, source: str | None) -> None:
        """Note from where a client comes that knows its secret."""
        self._succeeded[client_id, source] = None
        if len(self._succeeded) > _MOST_KEPT:
            _drop_first(self._succeeded)

    async def forget(self, pair: bytes) -> None:
        """Forget what a source got wrong for a client; *pair* stands for both."""
        if self._counted.pop(pair, None) is not None:
            await resolve(self.limiter.attempts.clear_attempts(pair))

    def drop_lapsed(self, now: datetime) -> None:
        """Drop what counts no more, a few at a time; once all has gone, nothing takes waiting."""
        with suppress(RuntimeError):  # another thread is at it
            for digest, counted in tuple(islice(self._counted.items(), 2)):
                if counted.forgotten_at <= now:
                    self._counted.pop(digest, None)

    def _is_waiting(self, digest: bytes, now: datetime) -> bool:
        counted = self._counted.get(digest)
        return counted is not None and counted.allowed_at is not None and now < counted.allowed_at

    def _count(self, digest: bytes, limit: AttemptLimit, now: datetime, *, in_bounds: bool) -> None:
        counted = limit.count(self._counted.pop(digest, None), now)
        if counted is None or not in_bounds:
            # Other processes have counted more than this one.
            ends = now + limit.window
            counted = Attempts(
                failures=limit.max_failures,
                allowed_at=ends,
                forgotten_at=ends + limit.window,
                forgotten_before=ends,
            )
        self._counted[digest] = counted
        if len(self._counted) > _MOST_KEPT:
            _drop_first(self._counted)


def _guess(client_id: str, source: str | None) -> Guess:
    return Guess(kind="client_secret", name=client_id, client_id=client_id, source=source)


def _drop_first(kept: dict[K, Any]) -> None:
    # Another thread may be at it; then it drops one.
    with suppress(RuntimeError, StopIteration, KeyError):
        del kept[next(iter(kept))]
