"""What every store of what may be used once has to do; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from os import urandom
from typing import TypeVar

from oauthgrants.ports import ReplayStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import AT_ONCE, StoreTests
from oauthgrants.testing.token_contract import purge_all, purge_of

R = TypeVar("R", bound=ReplayStore)


class ReplayStoreContract(StoreTests[R]):
    """What a `ReplayStore` has to do."""

    def test_what_may_be_used_once_is_new_once(self) -> None:
        """Whatever end it is said to have when it comes again."""
        with self._open() as store:
            ends = samples.moment() + samples.HOUR

            for digest in samples.DIGESTS:
                assert self.resolve(store.add_if_absent(digest, ends)) is True
            for digest in samples.DIGESTS:
                for end in (ends, ends + samples.DAY, ends - samples.MOMENT):
                    assert self.resolve(store.add_if_absent(digest, end)) is False

    def test_of_many_uses_at_once_one_is_new(self) -> None:
        """The others are told so, and none of them fails."""
        with self._open() as store:
            self._race_to_use([store])

    def test_of_many_uses_over_two_connections_one_is_new(self) -> None:
        """No lock of one process is what keeps them apart."""
        with self._open_two() as (store, again):
            self._race_to_use([store, again])

    def _race_to_use(self, stores: Sequence[R]) -> None:
        digest, ends = urandom(32), samples.moment() + samples.HOUR

        answers = self.race(
            [
                partial(stores[number % len(stores)].add_if_absent, digest, ends)
                for number in range(AT_ONCE)
            ]
        )

        assert Counter(answers) == {True: 1, False: AT_ONCE - 1}

    def test_a_use_is_seen_through_another_connection(self) -> None:
        """What was used here is not new there."""
        with self._open_two() as (store, again):
            digest, ends = urandom(32), samples.moment() + samples.HOUR

            assert self.resolve(store.add_if_absent(digest, ends)) is True
            assert self.resolve(again.add_if_absent(digest, ends)) is False

    def test_a_use_outlives_what_has_expired(self) -> None:
        """New uses may push out expired ones, and none before its time."""
        with self._open() as store:
            now = samples.moment()
            valid = [urandom(32) for _ in range(5)]
            for digest in valid:
                assert self.resolve(store.add_if_absent(digest, now + samples.HOUR)) is True

            for number in range(20):
                for ends in (now - (number + 1) * samples.HOUR, now + samples.DAY):
                    assert self.resolve(store.add_if_absent(urandom(32), ends)) is True

            for digest in valid:
                assert self.resolve(store.add_if_absent(digest, now + samples.HOUR)) is False

    def test_expired_uses_are_deleted(self) -> None:
        """And never one that has not expired."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            ends = now + samples.HOUR
            digests = [urandom(32) for _ in range(5)]
            longer = urandom(32)
            for digest in digests:
                self.resolve(store.add_if_absent(digest, ends))
            self.resolve(store.add_if_absent(longer, now + samples.DAY))

            assert purge_all(self, purge, ends - samples.MOMENT) == 0
            for digest in digests:
                assert self.resolve(store.add_if_absent(digest, ends)) is False

            assert purge_all(self, purge, ends + timedelta(minutes=2)) == len(digests)
            for digest in digests:
                assert self.resolve(store.add_if_absent(digest, ends)) is True
            assert self.resolve(store.add_if_absent(longer, ends)) is False
