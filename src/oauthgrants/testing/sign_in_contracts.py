"""What every store of known sources and of MFA tokens has to do; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from os import urandom
from typing import TypeVar

from oauthgrants.ports import KnownSources, MfaTokenStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import AT_ONCE, StoreTests
from oauthgrants.testing.store_samples import make_mfa_token
from oauthgrants.testing.token_contract import purge_all, purge_of

N = TypeVar("N", bound=KnownSources)
M = TypeVar("M", bound=MfaTokenStore)

_TWO_MINUTES = timedelta(minutes=2)


class KnownSourcesContract(StoreTests[N]):
    """What a `KnownSources` has to do."""

    def test_no_source_is_known_at_first(self) -> None:
        """Nor is one known because another one is."""
        with self._open() as store:
            now = samples.moment()
            known, *others = samples.DIGESTS
            for digest in samples.DIGESTS:
                assert self.resolve(store.is_known_source(digest, now)) is False

            self.resolve(store.remember_source(known, now + samples.HOUR))

            assert self.resolve(store.is_known_source(known, now)) is True
            for digest in others:
                assert self.resolve(store.is_known_source(digest, now)) is False

    def test_a_source_is_known_until_it_expires(self) -> None:
        """To the microsecond, and by the time that is asked for: a clock may be behind."""
        with self._open() as store:
            now = samples.moment()
            ends = now + samples.HOUR
            for digest in samples.DIGESTS:
                self.resolve(store.remember_source(digest, ends))

            for digest in samples.DIGESTS:
                for moment in (now, ends - samples.MOMENT, now - samples.HOUR):
                    assert self.resolve(store.is_known_source(digest, moment)) is True
                for moment in (ends, ends + samples.DAY):
                    assert self.resolve(store.is_known_source(digest, moment)) is False

    def test_a_source_is_known_until_the_later_end(self) -> None:
        """Whichever came first: it is remembered at each sign-in."""
        with self._open() as store:
            now = samples.moment()
            early, late = now + samples.HOUR, now + samples.DAY
            for ends in ((early, late), (late, early)):
                digest = urandom(32)
                for end in ends:
                    self.resolve(store.remember_source(digest, end))

                assert self.resolve(store.is_known_source(digest, late - samples.MOMENT)) is True
                assert self.resolve(store.is_known_source(digest, late)) is False

    def test_a_source_remembered_many_times_at_once_is_one(self) -> None:
        """None of them fails, and the latest end counts."""
        with self._open() as store:
            digest, ends = urandom(32), samples.moment() + samples.HOUR
            steps = [n * samples.MOMENT for n in range(AT_ONCE)]
            steps = steps[::2] + steps[::-2]

            self.race([partial(store.remember_source, digest, ends + step) for step in steps])

            latest = ends + max(steps)
            assert self.resolve(store.is_known_source(digest, latest - samples.MOMENT)) is True
            assert self.resolve(store.is_known_source(digest, latest)) is False

    def test_sources_are_seen_through_another_connection(self) -> None:
        """Who signs in here is known there."""
        with self._open_two() as (store, again):
            digest, now = urandom(32), samples.moment()
            self.resolve(store.remember_source(digest, now + samples.HOUR))

            assert self.resolve(again.is_known_source(digest, now)) is True

    def test_expired_sources_are_deleted(self) -> None:
        """And never one that was remembered for longer meanwhile."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            ends = now + samples.HOUR
            digests = [urandom(32) for _ in range(5)]
            longer = urandom(32)
            for digest in (*digests, longer):
                self.resolve(store.remember_source(digest, ends))
            self.resolve(store.remember_source(longer, now + samples.DAY))

            assert purge_all(self, purge, ends - samples.MOMENT) == 0
            for digest in digests:
                assert self.resolve(store.is_known_source(digest, now)) is True

            assert purge_all(self, purge, ends + _TWO_MINUTES) == len(digests)
            for digest in digests:
                assert self.resolve(store.is_known_source(digest, now)) is False
            assert self.resolve(store.is_known_source(longer, now)) is True


class MfaTokenStoreContract(StoreTests[M]):
    """What a `MfaTokenStore` has to do."""

    def test_an_unknown_mfa_token_is_none(self) -> None:
        """And is not there to be taken."""
        with self._open() as store:
            token = make_mfa_token()
            self.resolve(store.save_mfa_token(token))

            for digest in (urandom(32), *samples.DIGESTS):
                assert self.resolve(store.find_mfa_token(digest)) is None
                assert self.resolve(store.take_mfa_token(digest)) is False
            assert self.resolve(store.find_mfa_token(token.digest)) == token

    def test_mfa_tokens_come_back_whole(self) -> None:
        """With owner, microseconds, and the order of the audience; again and again."""
        with self._open() as store:
            tokens = list(samples.mfa_tokens())
            for token in tokens:
                self.resolve(store.save_mfa_token(token))

            for token in tokens * 2:
                assert self.resolve(store.find_mfa_token(token.digest)) == token

    def test_an_mfa_token_is_taken_once(self) -> None:
        """Then it is unknown, and others are as they were."""
        with self._open() as store:
            token, other = make_mfa_token(), make_mfa_token()
            for each in (token, other):
                self.resolve(store.save_mfa_token(each))

            assert self.resolve(store.take_mfa_token(token.digest)) is True
            assert self.resolve(store.take_mfa_token(token.digest)) is False
            assert self.resolve(store.find_mfa_token(token.digest)) is None
            assert self.resolve(store.find_mfa_token(other.digest)) == other

    def test_of_many_takers_at_once_one_takes(self) -> None:
        """A sign-in is finished once."""
        with self._open() as store:
            self._race_to_take(store, [store])

    def test_of_many_takers_over_two_connections_one_takes(self) -> None:
        """No lock of one process is what keeps them apart."""
        with self._open_two() as (store, again):
            self._race_to_take(store, [store, again])

    def _race_to_take(self, store: M, stores: Sequence[M]) -> None:
        token = make_mfa_token()
        self.resolve(store.save_mfa_token(token))

        answers = self.race(
            [
                partial(stores[number % len(stores)].take_mfa_token, token.digest)
                for number in range(AT_ONCE)
            ]
        )

        assert Counter(answers) == {True: 1, False: AT_ONCE - 1}
        assert self.resolve(store.find_mfa_token(token.digest)) is None

    def test_mfa_tokens_are_seen_through_another_connection(self) -> None:
        """What began here is finished there."""
        with self._open_two() as (store, again):
            token = make_mfa_token()
            self.resolve(store.save_mfa_token(token))

            assert self.resolve(again.find_mfa_token(token.digest)) == token
            assert self.resolve(again.take_mfa_token(token.digest)) is True
            assert self.resolve(store.find_mfa_token(token.digest)) is None

    def test_expired_mfa_tokens_are_deleted(self) -> None:
        """And never a valid one."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            expired = [make_mfa_token(issued_at=now) for _ in range(5)]
            valid = make_mfa_token(issued_at=now, lifetime=samples.DAY)
            for token in (*expired, valid):
                self.resolve(store.save_mfa_token(token))
            ends = expired[0].expires_at

            assert purge_all(self, purge, ends - samples.MOMENT) == 0
            for token in expired:
                assert self.resolve(store.find_mfa_token(token.digest)) == token

            assert purge_all(self, purge, ends + _TWO_MINUTES) == len(expired)
            for token in expired:
                assert self.resolve(store.find_mfa_token(token.digest)) is None
            assert self.resolve(store.find_mfa_token(valid.digest)) == valid

    def test_an_mfa_token_outlives_what_has_expired(self) -> None:
        """New tokens may push out expired ones, and none before its time."""
        with self._open() as store:
            now = samples.moment()
            valid = make_mfa_token(issued_at=now, lifetime=_TWO_MINUTES)
            self.resolve(store.save_mfa_token(valid))

            for number in range(20):
                for issued_at in (now - (number + 2) * samples.HOUR, now):
                    self.resolve(store.save_mfa_token(make_mfa_token(issued_at=issued_at)))

            assert self.resolve(store.find_mfa_token(valid.digest)) == valid
