"""What every store that counts guesses has to do; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from os import urandom
from typing import TypeVar

from oauthgrants.attempts import AttemptLimit
from oauthgrants.ports import AttemptStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import AT_ONCE, StoreTests
from oauthgrants.testing.token_contract import purge_all, purge_of

A = TypeVar("A", bound=AttemptStore)

_MINUTE = timedelta(minutes=1)
_WINDOW = timedelta(minutes=15)
_LIMIT = AttemptLimit(max_failures=3, window=_WINDOW, longest_wait=5 * _WINDOW)
_FEW = _LIMIT.max_failures - 1


class AttemptStoreContract(StoreTests[A]):
    """What an `AttemptStore` has to do."""

    def _count_allowed(
        self, store: A, digest: bytes, now: datetime, *, of: int = 5, limit: AttemptLimit = _LIMIT
    ) -> int:
        """Return how many attempts are allowed *of* so many, one after another."""
        begin = store.begin_attempt
        answers = [self.resolve(begin(digest, limit, now)) for _ in range(of)]
        allowed = Counter(answers)[True]
        assert answers == [True] * allowed + [False] * (of - allowed)
        return allowed

    def _withdraw(self, store: A, digest: bytes, times: int = 1) -> None:
        for _ in range(times):
            self.resolve(store.withdraw_attempt(digest))

    def test_so_many_attempts_are_allowed(self) -> None:
        """For each digest by itself."""
        with self._open() as store:
            now = samples.moment()
            for digest in samples.DIGESTS:
                assert self._count_allowed(store, digest, now) == _LIMIT.max_failures
            for digest in samples.DIGESTS:
                assert self._count_allowed(store, digest, now + _WINDOW - samples.MOMENT) == 0

    def test_one_attempt_may_be_the_limit(self) -> None:
        """Or a million."""
        with self._open() as store:
            now, year = samples.moment(), timedelta(days=366)
            for number, allowed in ((1, 1), (1_000_000, 5)):
                limit = AttemptLimit(max_failures=number, window=year, longest_wait=year)
                digest = urandom(32)
                assert self._count_allowed(store, digest, now, limit=limit) == allowed

    def test_each_wait_is_twice_as_long_up_to_the_longest(self) -> None:
        """After it one attempt is allowed, to the microsecond."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            assert self._count_allowed(store, digest, now) == _LIMIT.max_failures

            for windows in (1, 2, 4, 5, 5, 5):
                now += windows * _WINDOW
                assert self._count_allowed(store, digest, now - samples.MOMENT) == 0
                assert self._count_allowed(store, digest, now) == 1

    def test_an_attempt_that_comes_too_early_changes_nothing(self) -> None:
        """Else anybody could keep others out for ever."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            self._count_allowed(store, digest, now)

            for minute in range(15):
                assert self._count_allowed(store, digest, now + minute * _MINUTE) == 0

            assert self._count_allowed(store, digest, now + _WINDOW) == 1
            # And forgotten when they would have been.
            assert self._count_allowed(store, digest, now + 5 * _WINDOW) == _LIMIT.max_failures

    def test_failures_are_forgotten(self) -> None:
        """Fewer than the limit a window after the first, others twice the wait after the last."""
        with self._open() as store:
            now = samples.moment()
            later = now + _WINDOW - samples.MOMENT
            few, all_ = urandom(32), urandom(32)
            for moment in (now, later):
                assert self._count_allowed(store, few, moment, of=1) == 1
            self._count_allowed(store, all_, now)

            assert self._count_allowed(store, few, now + _WINDOW) == _LIMIT.max_failures
            assert self._count_allowed(store, all_, now + 2 * _WINDOW) == _LIMIT.max_failures

    def test_failures_are_not_forgotten_too_early(self) -> None:
        """Not by a microsecond."""
        with self._open() as store:
            now = samples.moment()
            few, all_ = urandom(32), urandom(32)
            assert self._count_allowed(store, few, now, of=_FEW) == _FEW
            self._count_allowed(store, all_, now)

            assert self._count_allowed(store, few, now + _WINDOW - samples.MOMENT) == 1
            assert self._count_allowed(store, all_, now + 2 * _WINDOW - samples.MOMENT) == 1

    def test_an_attempt_that_succeeded_is_no_failure(self) -> None:
        """However many there are, and the wait that it began is over."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            for number in range(10):
                assert self._count_allowed(store, digest, now + number * _MINUTE, of=1) == 1
                self._withdraw(store, digest)

            assert self._count_allowed(store, digest, now) == _LIMIT.max_failures
            self._withdraw(store, digest)
            assert self._count_allowed(store, digest, now) == 1
            self._withdraw(store, digest, times=_FEW)
            assert self._count_allowed(store, digest, now) == _FEW

    def test_a_success_after_a_wait_begins_no_wait(self) -> None:
        """The next attempt is allowed at once, and how long it has to wait is as it was."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            self._count_allowed(store, digest, now)
            now += _WINDOW

            for _ in range(5):
                assert self._count_allowed(store, digest, now) == 1
                self._withdraw(store, digest)

            assert self._count_allowed(store, digest, now) == 1
            assert self._count_allowed(store, digest, now + 2 * _WINDOW - samples.MOMENT) == 0
            assert self._count_allowed(store, digest, now + 2 * _WINDOW) == 1

    def test_successes_do_not_keep_failures_alive(self) -> None:
        """Else nothing was ever forgotten of a source that many sign in from."""
        with self._open() as store:
            now = samples.moment()
            few, all_ = urandom(32), urandom(32)
            self._count_allowed(store, few, now, of=_FEW)
            self._count_allowed(store, all_, now)

            for digest, lasts in {few: _WINDOW, all_: 2 * _WINDOW}.items():
                for minutes in (3, 2, 1):
                    last = now + lasts - minutes * _MINUTE
                    assert self._count_allowed(store, digest, last) == 1
                    self._withdraw(store, digest)
                assert self._count_allowed(store, digest, now + lasts) == _LIMIT.max_failures

    def test_nothing_is_withdrawn_of_nothing(self) -> None:
        """Less than no failures would be more attempts than the limit allows."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            self._withdraw(store, digest)
            assert self._count_allowed(store, digest, now, of=1) == 1
            self._withdraw(store, digest, times=3)

            assert self._count_allowed(store, digest, now) == _LIMIT.max_failures

    def test_the_window_begins_with_a_failure(self) -> None:
        """And not with an attempt that succeeded."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            self._count_allowed(store, digest, now, of=1)
            self._withdraw(store, digest)
            now += 10 * _MINUTE
            self._count_allowed(store, digest, now, of=_FEW)

            assert self._count_allowed(store, digest, now + 10 * _MINUTE) == 1

    def test_attempts_are_cleared(self) -> None:
        """With the wait, and for that digest alone."""
        with self._open() as store:
            digest, other, now = urandom(32), urandom(32), samples.moment()
            for each in (digest, other):
                self._count_allowed(store, each, now)

            for each in (digest, digest, urandom(32)):
                self.resolve(store.clear_attempts(each))

            assert self._count_allowed(store, digest, now) == _LIMIT.max_failures
            assert self._count_allowed(store, other, now) == 0

    def test_of_many_attempts_at_once_so_many_are_allowed(self) -> None:
        """The first ever, and those after a wait."""
        with self._open() as store:
            self._race_to_begin([store])

    def test_of_many_attempts_over_two_connections_so_many_are_allowed(self) -> None:
        """No lock of one process is what counts them."""
        with self._open_two() as (store, again):
            self._race_to_begin([store, again])

    def _race_to_begin(self, stores: Sequence[A]) -> None:
        digest, now = urandom(32), samples.moment()

        for moment, allowed in (
            (now, _LIMIT.max_failures),
            (now + _WINDOW, 1),
            (now + samples.DAY, _LIMIT.max_failures),
        ):
            answers = self.race(
                [
                    partial(stores[n % len(stores)].begin_attempt, digest, _LIMIT, moment)
                    for n in range(AT_ONCE)
                ]
            )
            assert Counter(answers) == {True: allowed, False: AT_ONCE - allowed}

    def test_each_of_many_attempts_at_once_is_withdrawn(self) -> None:
        """Nobody writes back a number that somebody else has changed meanwhile."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            limit = AttemptLimit(max_failures=AT_ONCE + 1, window=_WINDOW, longest_wait=_WINDOW)
            begin = partial(store.begin_attempt, digest, limit, now)

            for _ in range(2):
                assert self.race([begin] * AT_ONCE) == [True] * AT_ONCE
                self.race([partial(store.withdraw_attempt, digest)] * AT_ONCE)

            allowed = self._count_allowed(store, digest, now, of=AT_ONCE + 5, limit=limit)
            assert allowed == limit.max_failures

    def test_a_clock_that_is_behind_gives_no_more_attempts(self) -> None:
        """Nor is one ahead asked for less: all count, and who waits goes on waiting."""
        with self._open() as store:
            digest, now = urandom(32), samples.moment()
            behind = now - _MINUTE
            for moment in (now, behind, now):
                assert self._count_allowed(store, digest, moment, of=1) == 1

            for moment in (behind, now, behind + _WINDOW):
                assert self._count_allowed(store, digest, moment) == 0
            assert self._count_allowed(store, digest, now + _WINDOW) == 1

    def test_attempts_are_seen_through_another_connection(self) -> None:
        """Counted here, withdrawn or forgotten there."""
        with self._open_two() as (store, again):
            digest, now = urandom(32), samples.moment()

            assert self._count_allowed(store, digest, now, of=1) == 1
            assert self._count_allowed(again, digest, now) == _FEW
            assert self._count_allowed(store, digest, now) == 0
            self._withdraw(again, digest)
            assert self._count_allowed(store, digest, now) == 1
            self.resolve(again.clear_attempts(digest))
            assert self._count_allowed(store, digest, now) == _LIMIT.max_failures

    def test_forgotten_attempts_are_deleted(self) -> None:
        """And never those that count still, because more have failed meanwhile."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            digests = [urandom(32) for _ in range(5)]
            failed_again = urandom(32)
            for digest in (*digests, failed_again):
                self._count_allowed(store, digest, now)
            assert self._count_allowed(store, failed_again, now + _WINDOW) == 1
            ends = now + 2 * _WINDOW

            assert purge_all(self, purge, ends - samples.MOMENT) == 0
            for digest in digests:
                assert self._count_allowed(store, digest, now) == 0

            assert purge_all(self, purge, ends + 2 * _MINUTE) == len(digests)
            for digest in digests:
                # Without them, a clock that is behind sees none either.
                assert self._count_allowed(store, digest, now) == _LIMIT.max_failures
            assert self._count_allowed(store, failed_again, now + 3 * _WINDOW - _MINUTE) == 0

    def test_attempts_outlive_what_is_forgotten(self) -> None:
        """New ones may push out those, and none before its time."""
        with self._open() as store:
            now = samples.moment()
            counted = [urandom(32) for _ in range(5)]
            for digest in counted:
                self._count_allowed(store, digest, now)

            for number in range(20):
                for moment in (now - (number + 1) * samples.HOUR, now):
                    assert self._count_allowed(store, urandom(32), moment, of=1) == 1

            for digest in counted:
                assert self._count_allowed(store, digest, now + _WINDOW - samples.MOMENT) == 0
