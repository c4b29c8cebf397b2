"""What the parts of the memory store share."""

from __future__ import annotations

from threading import Lock

from oauthgrants.ports import Clock


class Shelf:
    """A part of the memory store. Whatever writes holds the lock, look-ups take none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
