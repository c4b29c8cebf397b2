"""Everything in memory: for tests, for development, for one process that may forget."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.ports import Clock, never_blocks, utc_now
from oauthgrants.stores.memory.attempts import AttemptShelf
from oauthgrants.stores.memory.registrations import RegistrationShelf
from oauthgrants.stores.memory.sign_ins import SignInShelf
from oauthgrants.stores.memory.tokens import TokenShelf

__all__ = ["MemoryStore"]


@never_blocks
class MemoryStore(RegistrationShelf, TokenShelf, AttemptShelf, SignInShelf):
    """
    Fills every port, keeps digests only, and is safe under threads and under asyncio.

    What has expired is dropped as new things of its kind come, a few for each, so that no call
    takes longer the more is stored.

    >>> from oauthgrants import Client
    >>> store = MemoryStore()
    >>> client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    >>> store.add_client(client)
    >>> store.find_client("reports") is client
    True
    """

    shared_between_processes = False
    """Tells the policy check that no other process sees what one keeps here."""

    def __init__(self, *, clock: Clock = utc_now, max_attempts: int = 100_000) -> None:
        """
        Make a store.

        Args:
            clock: Returns the time, aware, in UTC.
            max_attempts: Under how many keys failed attempts are counted at most. Beyond it, the
                failures that would lapse soonest are forgotten.

        Raises:
            ValueError: *max_attempts* is less than one.
        """
        if max_attempts < 1:
            raise ValueError(f"max_attempts has to be 1 or more, not {max_attempts}")
        super().__init__(clock)
        self._max_attempts = max_attempts

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""
        with self._lock:
            deleted = 0
            for drop in (
                self._drop_expired_tokens,
                self._denied.drop_expired,
                self._replays.drop_expired,
                self._attempts.drop_expired,
                self._known_sources.drop_expired,
                self._mfa_tokens.drop_expired,
            ):
                deleted += drop(now, limit - deleted)
            return deleted
