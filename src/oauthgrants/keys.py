"""Which key signs, and which others still verify (RFC 7517; RFC 9068, 4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from typing import Protocol

from oauthgrants.jose import PublicKey, SigningKey


class KeySource(Protocol):
    """The keys of a server, asked at every token: so a rotation needs no restart."""

    def signing_key(self) -> SigningKey:
        """Return the key that signs now."""
        ...

    def public_keys(self, now: datetime) -> Iterable[PublicKey]:
        """Return the keys that still verify: the one that signs, then those with live tokens."""
        ...

    def note_expiry(self, kid: str, expires_at: datetime) -> None:
        """Take note that a token signed by the key *kid* lives until *expires_at*."""
        ...


class KeyRing:
    """
    Keys in memory: one signs, retired ones verify until the last token signed with them expires.

    >>> ring = KeyRing(SigningKey.generate("ES256", kid="2026-01"))
    >>> ring.rotate(SigningKey.generate("ES256", kid="2026-02"))
    >>> ring.signing_key().kid
    '2026-02'
    """

    def __init__(self, key: SigningKey) -> None:
        self._lock = Lock()
        self._signing = key
        self._retired: dict[str, SigningKey] = {}
        self._last_expiry: dict[str, datetime] = {}

    def signing_key(self) -> SigningKey:
        """Return the key that signs now."""
        return self._signing

    def rotate(self, key: SigningKey) -> None:
        """
        Let *key* sign from now on; the one before it verifies for as long as it is needed.

        Raises:
            ValueError: Another key of the ring has its ``kid``.
        """
        with self._lock:
            if key.kid == self._signing.kid or key.kid in self._retired:
                raise ValueError(f"the kid {key.kid!r} is another key's")
            self._retired[self._signing.kid] = self._signing
            self._signing = key

    def public_keys(self, now: datetime) -> list[PublicKey]:
        """Return the keys that still verify: the one that signs, then those with live tokens."""
        with self._lock:
            # None is forgotten: a token may be on its way whose expiry is not noted yet.
            retired = [
                key.public
                for kid, key in self._retired.items()
                if kid in self._last_expiry and self._last_expiry[kid] > now
            ]
            return [self._signing.public, *retired]

    def note_expiry(self, kid: str, expires_at: datetime) -> None:
        """Take note that a token signed by the key *kid* lives until *expires_at*."""
        with self._lock:
            last = self._last_expiry.get(kid)
            if last is None or last < expires_at:
                self._last_expiry[kid] = expires_at
