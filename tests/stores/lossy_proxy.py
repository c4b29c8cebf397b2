"""A way to a server on which one request or one answer gets lost, and ways there are counted."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from typing import Literal

Loss = Literal["request", "answer"]

_CHUNK = 65536
_LONG_ENOUGH = 60


class LossyProxy:
    """
    Passes on what it gets, on a port of its own.

    A trip is what a client sends at once, and all that comes back for it.

    Attributes:
        port: Where it listens.
        trips: How many there have been since it was told to lose something, or to count.
        has_lost: Whether what was to get lost is lost.
    """

    def __init__(self, listener: socket.socket, upstream: str) -> None:
        self.port: int = listener.getsockname()[1]
        self.trips = 0
        self.has_lost = False
        self._upstream = upstream
        self._listener = listener
        self._loss: tuple[Loss, int] | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._of_client: set[socket.socket] = set()
        self._is_answered: set[socket.socket] = set()

    def count(self) -> None:
        """Begin to count, and lose nothing."""
        self.trips, self.has_lost, self._loss = 0, False, None

    def lose(self, what: Loss, trip: int) -> None:
        """Lose the request or the answer of this *trip*, the next being 1, and the connection."""
        self.count()
        self._loss = what, trip

    def run(self) -> None:
        """Pass on, until `stop` is called."""
        while True:
            for key, _ in self._selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._woken:
                    return
                if source is self._listener:
                    self._connect()
                elif source in self._other:
                    self._pass_on(source)

    def stop(self) -> None:
        """Let `run` return."""
        self._waker.send(b"!")

    def close(self) -> None:
        """Close what is open."""
        for source in list(self._of_client):
            self._disconnect(source)
        self._selector.close()
        for each in (self._waker, self._woken):
            each.close()

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._upstream)
        self._other |= {client: server, server: client}
        self._of_client.add(client)
        self._is_answered.add(client)
        for each in (client, server):
            self._selector.register(each, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        other = self._other[source]
        try:
            data = source.recv(_CHUNK)
            if data and not self._loses(source, other):
                other.sendall(data)
                return
        except OSError:
            pass  # gone, without a word
        self._disconnect(source)

    def _loses(self, source: socket.socket, other: socket.socket) -> bool:
        """Return whether what has come from *source* is what is to get lost."""
        if source not in self._of_client:
            self._is_answered.add(other)
        elif source in self._is_answered:
            self._is_answered.remove(source)
            self.trips += 1
        what: Loss = "request" if source in self._of_client else "answer"
        if self.has_lost or self._loss != (what, self.trips):
            return False
        self.has_lost = True
        return True

    def _disconnect(self, source: socket.socket) -> None:
        for each in (source, self._other[source]):
            self._selector.unregister(each)
            self._of_client.discard(each)
            self._is_answered.discard(each)
            del self._other[each]
            each.close()


@contextmanager
def run_proxy(upstream: str) -> Generator[LossyProxy, None, None]:
    """Return a proxy for the server on the Unix socket *upstream*."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = LossyProxy(listener, upstream)
        thread = Thread(target=proxy.run)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.stop()
            thread.join(_LONG_ENOUGH)
            proxy.close()
