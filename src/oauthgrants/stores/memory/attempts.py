"""What may be used once, or tried so often, in memory."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter

from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.ports import Clock
from oauthgrants.stores.memory.expiry import Expiring, Remembered
from oauthgrants.stores.memory.shelf import Shelf


class AttemptShelf(Shelf):
    """Fills `ReplayStore` and `AttemptStore`."""

    _max_attempts: int

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._replays = Remembered[bytes]()
        self._attempts = Expiring[bytes, Attempts](attrgetter("forgotten_at"))

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest* until *expires_at*, and return whether it is new."""
        with self._lock:
            if digest in self._replays:
                return False
            self._replays.drop_expired(self._clock())
            self._replays.put(digest, expires_at)
            return True

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        """Count an attempt, unless it comes too early; return whether it may be made."""
        with self._lock:
            kept = self._attempts.get(digest)
            counted = limit.count(kept, now)
            if counted is None:
                return False
            self._attempts.drop_expired(now)
            if kept is None and len(self._attempts) >= self._max_attempts:
                self._attempts.drop_soonest()
            self._attempts.put(digest, counted)
            return True

    def withdraw_attempt(self, digest: bytes) -> None:
        """Count one failure less, none if there is none: the attempt succeeded."""
        with self._lock:
            kept = self._attempts.take(digest)
            if kept is not None and kept.failures > 1:
                self._attempts.put(digest, kept.withdraw())

    def clear_attempts(self, digest: bytes) -> None:
        """Forget all failures."""
        with self._lock:
            self._attempts.take(digest)
