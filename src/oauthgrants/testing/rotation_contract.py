"""What every store of tokens has to do when a refresh token is spent; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from datetime import timedelta
from os import urandom
from typing import TypeVar

import attrs

from oauthgrants.ports import Rotation, TokenStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import StoreTests
from oauthgrants.testing.store_samples import make_pair, make_successors
from oauthgrants.tokens import AccessToken, RefreshToken

K = TypeVar("K", bound=TokenStore)

ROTATED, REPLAYED, MISSING = Rotation.ROTATED, Rotation.REPLAYED, Rotation.MISSING
NEVER = timedelta()
MINUTE = timedelta(minutes=1)

Pair = tuple[AccessToken, RefreshToken]


class RotationTests(StoreTests[K]):
    """
    Ways to write tests of rotation.

    In them *first* is what a sign-in brings and *second* what came of its refresh token.
    """

    def sign_in(self, store: K) -> Pair:
        """Return the tokens of a sign-in, saved."""
        pair = make_pair()
        self.resolve(store.save_tokens(*pair))
        return pair

    def rotate(self, store: K, spent: Pair, new: Pair, *, grace: timedelta = NEVER) -> Rotation:
        """Return what comes of spending a token for *new* ones."""
        return self.resolve(store.rotate_refresh_token(spent[1].digest, *new, grace=grace))

    def require_kept(self, store: K, *pairs: Pair) -> None:
        """Check that all of *pairs* are found as they were saved, and unspent."""
        for access, refresh in pairs:
            assert self.resolve(store.find_access_token(access.digest)) == access
            assert self.resolve(store.find_refresh_token(refresh.digest)) == refresh

    def require_gone(self, store: K, *pairs: Pair) -> None:
        """Check that none of *pairs* is found."""
        for access, refresh in pairs:
            assert self.resolve(store.find_access_token(access.digest)) is None
            assert self.resolve(store.find_refresh_token(refresh.digest)) is None

    def spent_at(self, store: K, pair: Pair) -> object:
        """Return when a refresh token was spent, which is otherwise as it was saved."""
        found = self.resolve(store.find_refresh_token(pair[1].digest))
        assert found is not None
        assert attrs.evolve(found, spent_at=None) == pair[1]
        return found.spent_at


class RotationContract(RotationTests[K]):
    """A refresh token is spent once, and its successors are stored in the same step."""

    def test_a_token_is_spent_and_its_successors_are_stored(self) -> None:
        """The moment is that of the new token, and the old access token stays."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            third = make_successors(second[1])

            assert self.rotate(store, first, second) is ROTATED
            assert self.rotate(store, second, third) is ROTATED

            assert self.spent_at(store, first) == second[1].issued_at
            assert self.spent_at(store, second) == third[1].issued_at
            assert self.spent_at(store, third) is None
            for access, _ in (first, second, third):
                assert self.resolve(store.find_access_token(access.digest)) == access

    def test_a_successor_may_come_without_an_access_token(self) -> None:
        """JWTs are not stored."""
        with self._open() as store:
            first = self.sign_in(store)
            _, refresh = make_successors(first[1])

            rotate = store.rotate_refresh_token
            assert self.resolve(rotate(first[1].digest, None, refresh, grace=NEVER)) is ROTATED

            assert self.resolve(store.find_refresh_token(refresh.digest)) == refresh

    def test_a_token_that_was_spent_is_replayed(self) -> None:
        """Nothing is stored, and the moment of its first use stays."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            late = make_successors(first[1], 2 * samples.HOUR)
            self.rotate(store, first, second)

            for _ in range(2):
                assert self.rotate(store, first, late) is REPLAYED

            self.require_gone(store, late)
            self.require_kept(store, second)
            assert self.spent_at(store, first) == second[1].issued_at

    def test_an_unknown_token_is_missing(self) -> None:
        """Nothing is stored, though the family exists; an access token is no refresh token."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])

            for unknown in (urandom(32), first[0].digest):
                rotate = store.rotate_refresh_token
                assert self.resolve(rotate(unknown, *second, grace=samples.HOUR)) is MISSING

            self.require_gone(store, second)
            self.require_kept(store, first)

    def test_a_token_of_a_revoked_family_is_missing(self) -> None:
        """A sign-in that has ended stays ended, within the grace too."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            third = make_successors(second[1])
            self.rotate(store, first, second)
            self.resolve(store.revoke_family(first[1].family))

            for spent in (first, second):
                assert self.rotate(store, spent, third, grace=samples.HOUR) is MISSING

            self.require_gone(store, first, second, third)

    def test_a_token_is_spent_and_both_successors_are_stored_or_nothing(self) -> None:
        """What cannot be written leaves the old token as it was."""
        with self._open() as store:
            for broken in (0, 1):
                first = self.sign_in(store)
                access, refresh = second = make_successors(first[1])
                bad = (
                    (attrs.evolve(access, sub=samples.UNPAIRED), refresh),
                    (access, attrs.evolve(refresh, sub=samples.UNPAIRED)),
                )[broken]
                try:
                    self.rotate(store, first, bad)
                except Exception:  # whatever its driver raises
                    self.require_kept(store, first)
                    self.require_gone(store, bad)
                    assert self.rotate(store, first, second) is ROTATED
                else:
                    self.require_kept(store, bad)

    def test_within_the_grace_the_last_spent_token_may_come_again(self) -> None:
        """Its client did not get the answer. What it got or not, all of it is stored."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            again = make_successors(first[1], samples.HOUR + MINUTE - samples.MOMENT)

            assert self.rotate(store, first, second, grace=MINUTE) is ROTATED
            assert self.rotate(store, first, again, grace=MINUTE) is ROTATED

            self.require_kept(store, second, again)
            assert self.spent_at(store, first) == second[1].issued_at

    def test_a_retry_does_not_prolong_the_grace(self) -> None:
        """It counts from the first use, to the microsecond."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            again = make_successors(first[1], samples.HOUR + MINUTE / 2)
            late = make_successors(first[1], samples.HOUR + MINUTE)

            assert self.rotate(store, first, second, grace=MINUTE) is ROTATED
            assert self.rotate(store, first, again, grace=MINUTE) is ROTATED
            assert self.rotate(store, first, late, grace=MINUTE) is REPLAYED

            self.require_gone(store, late)

    def test_the_grace_is_for_the_token_that_was_spent_last(self) -> None:
        """A client that has used the second token has got it: who sends the first is another."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1])
            third = make_successors(second[1], timedelta(seconds=1))
            again = make_successors(second[1], timedelta(seconds=2))
            stolen = make_successors(first[1], samples.HOUR + timedelta(seconds=3))

            self.rotate(store, first, second, grace=MINUTE)
            self.rotate(store, second, third, grace=MINUTE)

            assert self.rotate(store, first, stolen, grace=MINUTE) is REPLAYED
            self.require_gone(store, stolen)
            assert self.rotate(store, second, again, grace=MINUTE) is ROTATED
            self.require_kept(store, again)

    def test_the_grace_is_of_one_family(self) -> None:
        """What others spend meanwhile makes no difference."""
        with self._open() as store:
            first, other = self.sign_in(store), self.sign_in(store)
            second, others = make_successors(first[1]), make_successors(other[1])
            again = make_successors(first[1])

            self.rotate(store, first, second, grace=MINUTE)
            self.rotate(store, other, others, grace=MINUTE)

            assert self.rotate(store, first, again, grace=MINUTE) is ROTATED

    def test_a_clock_that_is_behind_gives_no_second_use(self) -> None:
        """Without grace a token that was spent is replayed, whoever says what time it is."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1], samples.HOUR)
            behind = make_successors(first[1], samples.HOUR - MINUTE)

            assert self.rotate(store, first, second) is ROTATED
            assert self.rotate(store, first, behind) is REPLAYED

            self.require_gone(store, behind)

    def test_a_clock_that_is_behind_stops_nobody(self) -> None:
        """A token may be spent before it was issued, and come again before it was spent."""
        with self._open() as store:
            first = self.sign_in(store)
            second = make_successors(first[1], -MINUTE / 2)
            again = make_successors(first[1], -MINUTE)

            assert self.rotate(store, first, second, grace=MINUTE) is ROTATED
            assert self.rotate(store, first, again, grace=MINUTE) is ROTATED

            self.require_kept(store, second, again)
            assert self.spent_at(store, first) == second[1].issued_at

    def test_rotation_is_seen_through_another_connection(self) -> None:
        """Spent here is spent there."""
        with self._open_two() as (store, again):
            first = self.sign_in(store)
            second, late = make_successors(first[1]), make_successors(first[1])

            assert self.rotate(again, first, second) is ROTATED
            assert self.rotate(store, first, late) is REPLAYED

            self.require_kept(store, second)
            self.require_gone(again, late)
