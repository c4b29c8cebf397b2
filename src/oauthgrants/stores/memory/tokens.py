"""Tokens in memory, with their families, and what is revoked of the JWTs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import attrs

from oauthgrants.brief import evolve
from oauthgrants.ports import Clock, Rotation
from oauthgrants.stores.memory.expiry import A_FEW, Minutes, Remembered
from oauthgrants.stores.memory.shelf import Shelf
from oauthgrants.tokens import AccessToken, RefreshToken


@attrs.define
class _Family:
    """What a family needs to be revoked whole, and its last spent token to be known."""

    access: set[bytes] = attrs.field(factory=set[bytes])
    refresh: set[bytes] = attrs.field(factory=set[bytes])
    last_spent: bytes | None = None


class TokenShelf(Shelf):
    """Fills `TokenStore` and `DenyList`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._access: dict[bytes, AccessToken] = {}
        self._refresh: dict[bytes, RefreshToken] = {}
        self._families: dict[str, _Family] = {}
        self._token_expiry = Minutes(list[bytes])
        self._denied = Remembered[str]()

    @property
    def tokens(self) -> list[AccessToken | RefreshToken]:
        """All that is stored, for tests to look at."""
        with self._lock:
            return [*self._access.values(), *self._refresh.values()]

    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """Store both or neither."""
        with self._lock:
            self._put_tokens(access, refresh)

    def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        with self._lock:
            self._drop_access_token(digest)

    def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        return self._access.get(digest)

    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        return self._refresh.get(digest)

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        """Mark a refresh token as spent and store its successors, in one step."""
        with self._lock:
            token = self._refresh.get(spent)
            if token is None:
                return Rotation.MISSING
            family = self._families[token.family]
            if token.spent_at is None:
                self._refresh[spent] = evolve(token, spent_at=refresh.issued_at)
                family.last_spent = spent
            elif (
                # Without grace no clock is asked: another process's may be behind.
                not grace
                or family.last_spent != spent
                or refresh.issued_at >= token.spent_at + grace
            ):
                return Rotation.REPLAYED
            self._put_tokens(access, refresh)
            return Rotation.ROTATED

    def revoke_family(self, family: str) -> None:
        """End all tokens of *family*, access and refresh, in one step."""
        with self._lock:
            members = self._families.pop(family, _Family())
            for digest in members.access:
                self._access.pop(digest, None)
            for digest in members.refresh:
                self._refresh.pop(digest, None)

    def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*, or as long as it was denied before."""
        with self._lock:
            self._denied.drop_expired(self._clock())
            self._denied.prolong(identifier, expires_at)

    def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        return any(identifier in self._denied for identifier in identifiers)

    def _put_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        if access is not None:
            self._drop_expired_tokens(access.issued_at)
            self._access[access.digest] = access
            self._token_expiry.at(access.expires_at).append(access.digest)
            if access.family is not None:
                self._family(access.family).access.add(access.digest)
        if refresh is not None:
            self._drop_expired_tokens(refresh.issued_at)
            self._refresh[refresh.digest] = refresh
            self._token_expiry.at(refresh.expires_at).append(refresh.digest)
            self._family(refresh.family).refresh.add(refresh.digest)

    def _family(self, name: str) -> _Family:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _Family()
        return family

    def _drop_expired_tokens(self, now: datetime, most: int = A_FEW) -> int:
        dropped = 0
        while dropped < most and (expired := self._token_expiry.passed(now)):
            digest = expired.pop()
            self._drop_access_token(digest)
            self._drop_refresh_token(digest)
            dropped += 1
        return dropped

    def _drop_access_token(self, digest: bytes) -> None:
        token = self._access.pop(digest, None)
        if token is not None and token.family is not None:
            self._leave_family(token.family, digest)

    def _drop_refresh_token(self, digest: bytes) -> None:
        token = self._refresh.pop(digest, None)
        if token is not None:
            self._leave_family(token.family, digest)

    def _leave_family(self, name: str, digest: bytes) -> None:
        family = self._families[name]
        family.access.discard(digest)
        family.refresh.discard(digest)
        if not family.access and not family.refresh:
            del self._families[name]
