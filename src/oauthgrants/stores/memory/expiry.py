"""What ends, in the order in which it ends."""

from __future__ import annotations

from collections.abc import Callable, Container, Sized
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Generic, TypeVar

A_FEW = 4
"""How many are dropped for each that is added, so that no call takes longer the more is stored."""

B = TypeVar("B", bound=Sized)
K = TypeVar("K")
V = TypeVar("V")

_MINUTE = timedelta(minutes=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


class Minutes(Generic[B]):
    """
    Keys by the minute in which they expire: a list or a set of them for each.

    The heap holds a number a minute, so its depth depends on how long things live and not on
    how many there are.
    """

    def __init__(self, make: Callable[[], B]) -> None:
        self._make = make
        self._minutes: list[int] = []
        self._first = _NEVER
        self._keys: dict[int, B] = {}

    def at(self, expires_at: datetime) -> B:
        """Return the keys of what expires in the same minute as *expires_at*."""
        minute = int(expires_at.timestamp()) // 60
        keys = self._keys.get(minute)
        if keys is None:
            keys = self._keys[minute] = self._make()
            heappush(self._minutes, minute)
            self._note_first()
        return keys

    def passed(self, now: datetime) -> B | None:
        """Return the keys, one or more, of the first minute that has passed; None without."""
        # The whole minute has passed, so all that it has has expired.
        while self._minutes and self._first <= now - _MINUTE:
            keys = self._keys[self._minutes[0]]
            if keys:
                return keys
            del self._keys[heappop(self._minutes)]
            self._note_first()
        return None

    def _note_first(self) -> None:
        # As a datetime: that is asked for at each call, and a number of it takes ten times as long.
        if self._minutes:
            self._first = datetime.fromtimestamp(self._minutes[0] * 60, UTC)


class Expiring(Container[K], Generic[K, V]):
    """Values by key, each with an end, which may move while the value is kept."""

    def __init__(self, end_of: Callable[[V], datetime]) -> None:
        self._end_of = end_of
        self._values: dict[K, V] = {}
        self._minutes = Minutes(set[K])

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value under *key*, None if there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep *value* under *key*, in the place of what is there."""
        old, end = self._values.get(key), self._end_of(value)
        # Look-ups take no lock: the new value is there before the old one goes.
        self._values[key] = value
        if old is not None:
            if self._end_of(old) == end:
                return
            self._minutes.at(self._end_of(old)).discard(key)
        self._minutes.at(end).add(key)

    def take(self, key: K) -> V | None:
        """Forget what is kept under *key* and return it, None if there is nothing."""
        value = self._values.pop(key, None)
        if value is not None:
            self._minutes.at(self._end_of(value)).discard(key)
        return value

    def drop_expired(self, now: datetime, most: int = A_FEW) -> int:
        """Forget up to *most* values whose end has come by *now*, and say how many."""
        dropped = 0
        while dropped < most and (keys := self._minutes.passed(now)):
            del self._values[keys.pop()]
            dropped += 1
        return dropped

    def drop_soonest(self) -> None:
        """Forget the value that ends soonest, to the minute."""
        self.drop_expired(_NEVER, 1)


class Remembered(Expiring[K, datetime]):
    """Keys that are remembered, each until a moment."""

    def __init__(self) -> None:
        super().__init__(lambda ends: ends)

    def prolong(self, key: K, expires_at: datetime) -> None:
        """Remember *key* until *expires_at*, or as long as it was remembered before."""
        kept = self.get(key)
        if kept is None or kept < expires_at:
            self.put(key, expires_at)
