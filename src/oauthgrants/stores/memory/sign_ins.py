"""What a sign-in leaves in memory: where it came from, and that it waits for a second factor."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter

from oauthgrants.ports import Clock
from oauthgrants.stores.memory.expiry import Expiring, Remembered
from oauthgrants.stores.memory.shelf import Shelf
from oauthgrants.tokens import MfaToken


class SignInShelf(Shelf):
    """Fills `KnownSources` and `MfaTokenStore`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._known_sources = Remembered[bytes]()
        self._mfa_tokens = Expiring[bytes, MfaToken](attrgetter("expires_at"))

    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        """Remember *digest* until *expires_at*, or as long as it was remembered before."""
        with self._lock:
            self._known_sources.drop_expired(self._clock())
            self._known_sources.prolong(digest, expires_at)

    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        ends = self._known_sources.get(digest)
        return ends is not None and now < ends

    def save_mfa_token(self, token: MfaToken) -> None:
        """Store *token*."""
        with self._lock:
            self._mfa_tokens.drop_expired(token.issued_at)
            self._mfa_tokens.put(token.digest, token)

    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        """Return the token with this digest, None if unknown or taken."""
        return self._mfa_tokens.get(digest)

    def take_mfa_token(self, digest: bytes) -> bool:
        """Forget the token with this digest, and return whether it was there."""
        with self._lock:
            return self._mfa_tokens.take(digest) is not None
