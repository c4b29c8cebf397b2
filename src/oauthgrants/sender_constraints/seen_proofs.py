"""Which proofs one process has seen, for a resource server without a store (RFC 9449, 11.1)."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from threading import Lock

from oauthgrants.ports import Clock, never_blocks


@never_blocks
class SeenProofs:
    """
    Fills `ReplayStore` in memory: digests, for the minutes that a proof can be used.

    Args:
        clock: Tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        # They expire in nearly the order in which they come.
        self._expiries: dict[bytes, datetime] = {}

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest* until *expires_at*, and return whether it is new."""
        now = self._clock()
        with self._lock:
            known = self._expiries.get(digest)
            if known is not None and now < known:
                return False
            self._expiries.pop(digest, None)
            self._expiries[digest] = expires_at
            self._drop_expired(now)
            return True

    def _drop_expired(self, now: datetime) -> None:
        # Two for each that comes, so that no call takes longer the more there is.
        for oldest in tuple(islice(self._expiries, 2)):
            if now >= self._expiries[oldest]:
                del self._expiries[oldest]
