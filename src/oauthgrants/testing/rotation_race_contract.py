"""What every store of tokens has to do when calls come at once; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

from oauthgrants.ports import MaybeAwaitable, Rotation, TokenStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.rotation_contract import (
    MINUTE,
    NEVER,
    REPLAYED,
    ROTATED,
    Pair,
    RotationTests,
)
from oauthgrants.testing.store_driver import AT_ONCE
from oauthgrants.testing.store_samples import make_successors

K = TypeVar("K", bound=TokenStore)


class RotationRaceContract(RotationTests[K]):
    """Of any number of calls at once, from threads, tasks or processes, the right ones win."""

    def _race_to_rotate(
        self, stores: Sequence[K], rotations: Sequence[tuple[Pair, Pair]], grace: timedelta
    ) -> list[Rotation]:
        """Return what came of all *rotations*, made at once through all *stores* in turn."""
        return self.race(
            [
                partial(
                    stores[number % len(stores)].rotate_refresh_token,
                    spent[1].digest,
                    *new,
                    grace=grace,
                )
                for number, (spent, new) in enumerate(rotations)
            ]
        )

    def test_of_many_calls_at_once_one_rotates(self) -> None:
        """The others are replays, and store nothing."""
        with self._open() as store:
            self._race_for_one_token(store, [store])

    def test_of_many_calls_over_two_connections_one_rotates(self) -> None:
        """No lock of one process is what keeps them apart."""
        with self._open_two() as (store, again):
            self._race_for_one_token(store, [store, again])

    def _race_for_one_token(self, store: K, stores: Sequence[K]) -> None:
        first = self.sign_in(store)
        new = [make_successors(first[1]) for _ in range(AT_ONCE)]

        outcomes = self._race_to_rotate(stores, [(first, pair) for pair in new], NEVER)

        assert Counter(outcomes) == {ROTATED: 1, REPLAYED: AT_ONCE - 1}
        for pair, outcome in zip(new, outcomes, strict=True):
            require = self.require_kept if outcome is ROTATED else self.require_gone
            require(store, pair)

    def test_within_the_grace_many_calls_at_once_rotate(self) -> None:
        """A client that asks twice, of two servers, gets two answers that work."""
        with self._open() as store:
            first = self.sign_in(store)
            new = [make_successors(first[1]) for _ in range(AT_ONCE)]

            outcomes = self._race_to_rotate([store], [(first, pair) for pair in new], MINUTE)

            assert set(outcomes) == {ROTATED}
            self.require_kept(store, *new)
            assert self.spent_at(store, first) == new[0][1].issued_at

    def test_of_siblings_spent_at_once_one_is_the_last(self) -> None:
        """Else each of them could come again within the grace."""
        with self._open() as store:
            first = self.sign_in(store)
            siblings = [make_successors(first[1]) for _ in range(10)]
            for sibling in siblings:
                self.rotate(store, first, sibling, grace=MINUTE)
            rotations = [
                [(sibling, make_successors(sibling[1])) for sibling in siblings] for _ in range(2)
            ]

            spent, again = (self._race_to_rotate([store], pairs, MINUTE) for pairs in rotations)

            assert Counter(spent) == {ROTATED: 10}
            assert Counter(again) == {ROTATED: 1, REPLAYED: 9}

    def test_what_is_revoked_while_it_rotates_is_gone(self) -> None:
        """Whichever came first, no token of the family is left."""
        with self._open() as store:
            for _ in range(5):
                first = self.sign_in(store)
                pairs = [first]
                for _ in range(4):
                    pairs.append(make_successors(first[1]))
                    self.rotate(store, first, pairs[-1], grace=samples.DAY)
                new = [make_successors(pair[1]) for pair in pairs]
                calls: list[Callable[[], MaybeAwaitable[object]]] = [
                    partial(store.rotate_refresh_token, spent[1].digest, *pair, grace=samples.DAY)
                    for spent, pair in zip(pairs, new, strict=True)
                ]
                calls.insert(2, partial(store.revoke_family, first[1].family))
                self.race(calls)

                self.require_gone(store, *pairs, *new)
