"""Gates that let in one at a time: one thread, or one task of an event loop."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from threading import Lock
from typing import Protocol

from oauthgrants.fetching import PerLoop


class Gate(AbstractAsyncContextManager[None], Protocol):
    """Lets one at a time pass."""

    def locked(self) -> bool:
        """Return whether somebody is inside."""
        ...


class ThreadGate:
    """Lets one thread pass; the others stand and wait."""

    def __init__(self) -> None:
        self._lock = Lock()

    def locked(self) -> bool:
        """Return whether somebody is inside."""
        return self._lock.locked()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class TaskGate:
    """Lets one task of each event loop pass."""

    def __init__(self) -> None:
        from asyncio import Lock

        self._locks = PerLoop(Lock)

    def locked(self) -> bool:
        """Return whether somebody is inside."""
        return self._locks.get().locked()

    async def __aenter__(self) -> None:
        await self._locks.get().acquire()

    async def __aexit__(self, *_: object) -> None:
        self._locks.get().release()
