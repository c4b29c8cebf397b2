"""What every store of tokens has to do, but for rotation; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from datetime import datetime, timedelta
from os import urandom
from typing import Any, TypeVar, cast
from unittest import SkipTest

import attrs

from oauthgrants.ports import Purgeable, TokenStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import StoreTests
from oauthgrants.testing.store_samples import make_access_token, make_pair, make_refresh_token
from oauthgrants.tokens import AccessToken, RefreshToken

K = TypeVar("K", bound=TokenStore)

_Token = AccessToken | RefreshToken
_MINUTE = timedelta(minutes=1)
_FEW = 2


class TokenKeepingContract(StoreTests[K]):
    """Tokens are stored whole, found, revoked, and forgotten when they have expired."""

    def _is_kept(self, store: K, token: _Token) -> bool:
        """Return whether *token* is found, as it was saved."""
        found = self._find(store, token)
        assert found is None or found == token
        return found is not None

    def _find(self, store: K, token: _Token) -> _Token | None:
        if isinstance(token, AccessToken):
            return self.resolve(store.find_access_token(token.digest))
        return self.resolve(store.find_refresh_token(token.digest))

    def test_an_unknown_token_is_none(self) -> None:
        """And an access token is no refresh token, nor the other way round."""
        with self._open() as store:
            access, refresh = make_pair()
            self.resolve(store.save_tokens(access, refresh))

            for digest in (urandom(32), bytes(32), refresh.digest):
                assert self.resolve(store.find_access_token(digest)) is None
            for digest in (urandom(32), bytes(32), access.digest):
                assert self.resolve(store.find_refresh_token(digest)) is None

    def test_access_tokens_come_back_whole(self) -> None:
        """With owner, family, microseconds, claims of any shape, and the order of the audience."""
        with self._open() as store:
            tokens = list(samples.access_tokens())
            for token in tokens:
                self.resolve(store.save_tokens(token, None))
                assert self._find(store, token) == token

    def test_refresh_tokens_come_back_whole(self) -> None:
        """With owner, family and its end, microseconds, and the order of the audience."""
        with self._open() as store:
            tokens = list(samples.refresh_tokens())
            for token in tokens:
                self.resolve(store.save_tokens(None, token))
                assert self._find(store, token) == token

            assert all(self._is_kept(store, token) for token in tokens)

    def test_both_tokens_are_saved(self) -> None:
        """Or one, or none."""
        with self._open() as store:
            access, refresh = make_pair()
            self.resolve(store.save_tokens(access, refresh))
            self.resolve(store.save_tokens(None, None))

            assert self._is_kept(store, access)
            assert self._is_kept(store, refresh)

    def test_both_tokens_are_saved_or_neither(self) -> None:
        """What cannot be written leaves nothing behind: nor what was written before it."""
        with self._open() as store:
            for broken in ("access", "refresh", "claims"):
                access, refresh = make_pair()
                match broken:
                    case "access":
                        access = attrs.evolve(access, sub=samples.UNPAIRED)
                    case "refresh":
                        refresh = attrs.evolve(refresh, sub=samples.UNPAIRED)
                    case _:
                        access = attrs.evolve(access, extra={"not JSON": object})
                kept = _saved(self, store, access, refresh)

                assert (broken, self._is_kept(store, access)) == (broken, kept)
                assert (broken, self._is_kept(store, refresh)) == (broken, kept)

    def test_text_with_a_nul_is_kept_or_refused(self) -> None:
        """It is not cut off there: two users would become one."""
        with self._open() as store:
            access, refresh = make_pair(username=samples.NUL_TEXT, sub=samples.NUL_TEXT)
            kept = _saved(self, store, access, refresh)

            assert self._is_kept(store, access) == kept
            assert self._is_kept(store, refresh) == kept

    def test_an_access_token_is_revoked_alone(self) -> None:
        """Once is enough, and again does no harm."""
        with self._open() as store:
            access, refresh = make_pair()
            other = make_access_token(family=refresh.family)
            self.resolve(store.save_tokens(access, refresh))
            self.resolve(store.save_tokens(other, None))

            for _ in range(2):
                self.resolve(store.revoke_access_token(access.digest))
                self.resolve(store.revoke_access_token(refresh.digest))
                self.resolve(store.revoke_access_token(urandom(32)))

            assert not self._is_kept(store, access)
            assert self._is_kept(store, refresh)
            assert self._is_kept(store, other)

    def test_a_family_is_revoked_whole(self) -> None:
        """Access tokens included, and no other family, however alike its name."""
        with self._open() as store:
            families = [f"fa{middle}mily" for middle in ("", "_", "%", "\\", "'", "A", " ")]
            pairs = [make_pair(family=family) for family in families]
            for pair in pairs:
                self.resolve(store.save_tokens(*pair))
            loner = make_access_token()
            more = make_access_token(family="fa_mily")
            self.resolve(store.save_tokens(loner, None))
            self.resolve(store.save_tokens(more, None))

            for _ in range(2):
                self.resolve(store.revoke_family("fa_mily"))
                self.resolve(store.revoke_family("fa%mily"))
                self.resolve(store.revoke_family("nobody's"))

            kept = [
                family
                for family, pair in zip(families, pairs, strict=True)
                if any(self._is_kept(store, token) for token in pair)
            ]
            assert kept == ["family", "fa\\mily", "fa'mily", "faAmily", "fa mily"]
            assert self._is_kept(store, loner)
            assert not self._is_kept(store, more)

    def test_tokens_are_seen_through_another_connection(self) -> None:
        """What is issued here is valid there, and what is revoked there is no longer valid here."""
        with self._open_two() as (store, again):
            access, refresh = make_pair()
            self.resolve(store.save_tokens(access, refresh))
            assert self._is_kept(again, access)
            assert self._is_kept(again, refresh)

            self.resolve(again.revoke_access_token(access.digest))
            assert not self._is_kept(store, access)

            self.resolve(again.revoke_family(refresh.family))
            assert not self._is_kept(store, refresh)

    def test_what_is_valid_outlives_what_has_expired(self) -> None:
        """New tokens may push out expired ones, and none before its time."""
        with self._open() as store:
            now = samples.moment()
            valid: list[_Token] = [
                make_access_token(issued_at=now - samples.HOUR + _MINUTE),
                make_refresh_token(issued_at=now, family_ends_at=now + _MINUTE),
            ]
            for token in valid:
                _save_one(self, store, token)

            for number in range(20):
                expired = make_access_token(issued_at=now - (number + 2) * samples.HOUR)
                self.resolve(store.save_tokens(expired, None))
                self.resolve(store.save_tokens(make_access_token(issued_at=now), None))

            assert all(self._is_kept(store, token) for token in valid)

    def test_expired_tokens_are_deleted(self) -> None:
        """A few at a time, by the earlier end of token and family, and never a valid one."""
        with self._open() as store:
            purge = purge_of(store)
            now = samples.moment()
            later = now + samples.HOUR + 2 * _MINUTE
            expired: list[_Token] = [
                *(make_access_token(issued_at=now) for _ in range(5)),
                make_refresh_token(issued_at=now, lifetime=samples.HOUR),
                make_refresh_token(issued_at=now, family_ends_at=now + samples.HOUR),
            ]
            valid: list[_Token] = [
                make_access_token(issued_at=now, lifetime=2 * samples.HOUR),
                make_refresh_token(issued_at=now, family_ends_at=later + samples.MOMENT),
                make_refresh_token(issued_at=now),
            ]
            for token in [*expired, *valid]:
                _save_one(self, store, token)

            assert purge_all(self, purge, now) == 0
            assert all(self._is_kept(store, token) for token in [*expired, *valid])

            assert self.resolve(purge.delete_expired(later, _FEW)) == _FEW
            assert sum(self._is_kept(store, token) for token in expired) <= len(expired) - _FEW

            assert purge_all(self, purge, later) == len(expired) - _FEW
            assert [token for token in expired if self._is_kept(store, token)] == []
            assert all(self._is_kept(store, token) for token in valid)

    def test_a_spent_token_stays_until_it_expires(self) -> None:
        """Else nobody would notice that it comes again."""
        with self._open() as store:
            purge = purge_of(store)
            spent = make_refresh_token(lifetime=samples.DAY)
            self.resolve(store.save_tokens(None, spent))
            access, refresh = samples.make_successors(spent)
            self.resolve(
                store.rotate_refresh_token(spent.digest, access, refresh, grace=timedelta())
            )

            purge_all(self, purge, spent.expires_at - samples.MOMENT)

            found = self.resolve(store.find_refresh_token(spent.digest))
            assert found == attrs.evolve(spent, spent_at=refresh.issued_at)


def purge_of(store: object) -> Purgeable:
    """
    Return *store* as one that deletes what has expired.

    Raises:
        SkipTest: It does so by itself.
    """
    if not hasattr(store, "delete_expired"):
        raise SkipTest("the store has no delete_expired")
    return cast("Purgeable", store)


def purge_all(tests: StoreTests[Any], store: Purgeable, now: datetime) -> int:
    """
    Delete all that has expired, a few at a time, and return how much it was.

    Raises:
        AssertionError: It finds no end.
    """
    total = 0
    for _ in range(100):
        deleted = tests.resolve(store.delete_expired(now, _FEW))
        total += deleted
        if deleted < _FEW:
            return total
    raise AssertionError("delete_expired finds no end")


def _save_one(tests: StoreTests[Any], store: TokenStore, token: _Token) -> None:
    if isinstance(token, AccessToken):
        tests.resolve(store.save_tokens(token, None))
    else:
        tests.resolve(store.save_tokens(None, token))


def _saved(
    tests: StoreTests[Any], store: TokenStore, access: AccessToken, refresh: RefreshToken
) -> bool:
    """Return whether the store took both."""
    try:
        tests.resolve(store.save_tokens(access, refresh))
    except Exception:  # whatever its driver raises
        return False
    return True
