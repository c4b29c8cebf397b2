"""What every deny list has to do; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TypeVar

from oauthgrants.ports import DenyList
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import AT_ONCE, StoreTests
from oauthgrants.testing.token_contract import purge_all, purge_of

D = TypeVar("D", bound=DenyList)


class DenyListContract(StoreTests[D]):
    """What a `DenyList` has to do."""

    def test_nothing_is_denied_at_first(self) -> None:
        """Whatever is asked for, and if nothing is."""
        with self._open() as store:
            for unknown in ([], ["jti"], ["", samples.ODD_TEXT, samples.NUL_TEXT, "a" * 10_000]):
                assert self.resolve(store.is_denied(unknown)) is False

    def test_what_is_denied_is_remembered(self) -> None:
        """One of those that are asked for is enough, whatever collection they come in."""
        with self._open() as store:
            ends = samples.moment() + samples.HOUR
            for identifier in ("jti", "family", samples.ODD_TEXT):
                self.resolve(store.deny(identifier, ends))

            for asked in (["jti"], ("jti", "other"), {"other", "family"}, [samples.ODD_TEXT]):
                assert self.resolve(store.is_denied(asked)) is True
            for asked in (["other"], ["jt_", "jt%", "JTI", "jti ", ""], []):
                assert self.resolve(store.is_denied(asked)) is False

    def test_the_later_end_counts(self) -> None:
        """Whichever came first: the second denial does not shorten the first."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            early, late = now + samples.HOUR, now + samples.DAY
            for identifier, ends in {"a": (early, late), "b": (late, early)}.items():
                for end in ends:
                    self.resolve(store.deny(identifier, end))
            self.resolve(store.deny("c", early))

            purge_all(self, purge, now)
            assert self.resolve(store.is_denied(["c"])) is True

            purge_all(self, purge, early + timedelta(minutes=2))
            assert self.resolve(store.is_denied(["a"])) is True
            assert self.resolve(store.is_denied(["b"])) is True
            assert self.resolve(store.is_denied(["c"])) is False

            purge_all(self, purge, late + timedelta(minutes=2))
            assert self.resolve(store.is_denied(["a", "b"])) is False

    def test_many_denials_at_once_are_one(self) -> None:
        """None of them fails because another one came first."""
        with self._open() as store:
            ends = samples.moment() + samples.HOUR
            self.race(
                [partial(store.deny, "jti", ends + n * samples.MOMENT) for n in range(AT_ONCE)]
            )

            assert self.resolve(store.is_denied(["jti"])) is True

    def test_denials_are_seen_through_another_connection(self) -> None:
        """What is revoked here is no longer valid there."""
        with self._open_two() as (store, again):
            self.resolve(store.deny("jti", samples.moment() + samples.HOUR))

            assert self.resolve(again.is_denied(["jti"])) is True
