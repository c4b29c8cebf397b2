"""Remembers clients for a while, so that a request need not ask the database for its client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from time import monotonic

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports import ClientStore, off_loop, resolve, run


class CachedClients:
    """
    A `ClientStore` over another one, for `AuthorizationServer`.

    A client that was found is not asked for again until its time is over. What is changed
    elsewhere meanwhile, such as a client that is disabled or a secret that is withdrawn, counts
    from then on; a secret's own ``expires_at`` is exact all the same. Clients that are not found
    are asked for each time, so that a new one can be used at once.

    >>> from oauthgrants import MemoryStore
    >>> store = MemoryStore()
    >>> store.add_client(Client.public("phone"))
    >>> clients = CachedClients(store, ttl=timedelta(seconds=30))
    >>> clients.find_client("phone") is clients.find_client("phone")
    True
    """

    def __init__(
        self,
        clients: ClientStore,
        *,
        ttl: timedelta = timedelta(minutes=1),
        size: int = 10_000,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        """
        Make a cache.

        Args:
            clients: Who is asked; its methods answer at once.
            ttl: How long a client is remembered.
            size: How many clients are remembered at most; beyond it, those found longest ago
                are forgotten.
            timer: Returns seconds; never goes back.

        Raises:
            ValueError: *ttl* is not positive, or *size* is less than one.
        """
        self._clients = clients
        self._kept = _Kept(ttl, size, timer)

    def find_client(self, client_id: str) -> Client | None:
        """
        Return the client with this id, None if there is none.

        Raises:
            RuntimeError: The other store suspends; then take `AsyncCachedClients`.
        """
        client = self._kept.find(client_id)
        if client is None:
            asked = self._kept.ask()
            client = run(resolve(self._clients.find_client(client_id)))
            self._kept.keep(client_id, client, asked)
        return client

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """
        Keep *new* in the place of *old*.

        Raises:
            RuntimeError: The other store suspends; then take `AsyncCachedClients`.
        """
        try:
            run(resolve(self._clients.replace_client_secret(client_id, old, new)))
        finally:
            self._kept.forget(client_id)

    def forget(self, client_id: str | None = None) -> None:
        """Ask for this client again, or for each one if None; in this process alone."""
        self._kept.forget(client_id)


class AsyncCachedClients:
    """
    The same for `AsyncAuthorizationServer`.

    What is remembered is answered on the loop. For the rest, a store written ``async def`` is
    awaited, and one written ``def`` is called in a worker thread.
    """

    def __init__(
        self,
        clients: ClientStore,
        *,
        ttl: timedelta = timedelta(minutes=1),
        size: int = 10_000,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        """
        Make a cache.

        Args:
            clients: Who is asked.
            ttl: How long a client is remembered.
            size: How many clients are remembered at most; beyond it, those found longest ago
                are forgotten.
            timer: Returns seconds; never goes back.

        Raises:
            ValueError: *ttl* is not positive, or *size* is less than one.
        """
        # Not at the top: who has no loop need not wait for this import.
        from asyncio import to_thread

        self._clients = off_loop(clients, to_thread)
        self._kept = _Kept(ttl, size, timer)

    async def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        client = self._kept.find(client_id)
        if client is None:
            asked = self._kept.ask()
            client = await resolve(self._clients.find_client(client_id))
            self._kept.keep(client_id, client, asked)
        return client

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        """Keep *new* in the place of *old*."""
        try:
            await resolve(self._clients.replace_client_secret(client_id, old, new))
        finally:
            self._kept.forget(client_id)

    def forget(self, client_id: str | None = None) -> None:
        """Ask for this client again, or for each one if None; in this process alone."""
        self._kept.forget(client_id)


@attrs.frozen
class _Asked:
    """
    When another store was asked, by both measures.

    Attributes:
        seconds: Of the timer.
        forgotten: How often something had been forgotten by then.
    """

    seconds: float
    forgotten: int


class _Kept:
    """What is remembered, the oldest first, so that what is over its time is in front."""

    def __init__(self, ttl: timedelta, size: int, timer: Callable[[], float]) -> None:
        if ttl <= timedelta() or size < 1:
            raise ValueError(
                f"a cache takes a positive ttl and a size of 1 or more, not {ttl}, {size}"
            )
        self._ttl = ttl.total_seconds()
        self._size = size
        self._timer = timer
        self._clients: dict[str, tuple[Client, float]] = {}
        self._forgotten = 0
        self._lock = Lock()

    def find(self, client_id: str) -> Client | None:
        kept = self._clients.get(client_id)
        return kept[0] if kept is not None and self._timer() < kept[1] else None

    def ask(self) -> _Asked:
        return _Asked(self._timer(), self._forgotten)

    def keep(self, client_id: str, client: Client | None, asked: _Asked) -> None:
        """Remember *client* from when it was *asked* for, unless it may have changed since."""
        if client is None:
            return
        with self._lock:
            if self._forgotten != asked.forgotten:
                return
            self._clients.pop(client_id, None)
            self._clients[client_id] = client, asked.seconds + self._ttl
            if len(self._clients) > self._size:
                del self._clients[next(iter(self._clients))]

    def forget(self, client_id: str | None) -> None:
        with self._lock:
            self._forgotten += 1
            if client_id is None:
                self._clients.clear()
            else:
                self._clients.pop(client_id, None)
