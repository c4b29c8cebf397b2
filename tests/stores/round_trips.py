"""How often a client waits for PostgreSQL, counted on the way between them."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Thread

from sqlalchemy.engine import URL, make_url


class RoundTrips:
    """
    Passes on what is said, byte by byte.

    Whenever the client says something after the server did, it has waited for an answer.
    """

    def __init__(self, server: URL) -> None:
        self.count = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopper, self._stopped = socket.socketpair()
        self._other_end = dict[socket.socket, socket.socket]()
        self._clients = set[socket.socket]()
        self._client_spoke_last = dict[socket.socket, bool]()
        self._thread = Thread(target=self._pass_on)

    @property
    def url(self) -> URL:
        """Where a client connects instead of to the server."""
        port = self._listener.getsockname()[1]
        query = {name: value for name, value in self._server.query.items() if name != "host"}
        return self._server.set(host="127.0.0.1", port=port, query=query)

    @contextmanager
    def listening(self) -> Generator[None, None, None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopper.close()
            self._thread.join(10)
            for each in (self._listener, self._stopped, *self._other_end):
                each.close()

    def _pass_on(self) -> None:
        with DefaultSelector() as selector:
            for each in (self._listener, self._stopped):
                selector.register(each, EVENT_READ)
            while True:
                for key, _ in selector.select():
                    heard = key.fileobj
                    assert isinstance(heard, socket.socket)
                    if heard is self._stopped:
                        return
                    if heard is self._listener:
                        for end in self._connect():
                            selector.register(end, EVENT_READ)
                    elif not self._pass_on_from(heard):
                        selector.unregister(heard)

    def _connect(self) -> tuple[socket.socket, socket.socket]:
        client, _ = self._listener.accept()
        server = self._connect_to_server()
        self._other_end |= {client: server, server: client}
        self._clients.add(client)
        self._client_spoke_last[client] = False
        return client, server

    def _connect_to_server(self) -> socket.socket:
        folder, port = self._server.query.get("host"), self._server.port or 5432
        if folder is None:
            return socket.create_connection((self._server.host or "localhost", port), timeout=10)
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{port}")
        return server

    def _pass_on_from(self, heard: socket.socket) -> bool:
        """Pass on what has come, and return whether more may come."""
        other, said = self._other_end[heard], b""
        with suppress(OSError):  # who is gone hears and says nothing
            said = heard.recv(65536)
            other.sendall(said)
        if not said:
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)
            return False
        client, is_client = (heard, True) if heard in self._clients else (other, False)
        if is_client and not self._client_spoke_last[client]:
            self.count += 1
        self._client_spoke_last[client] = is_client
        return True


@contextmanager
def counted(url: str) -> Generator[RoundTrips, None, None]:
    """Return what counts the round trips to PostgreSQL at *url*."""
    trips = RoundTrips(make_url(url))
    with trips.listening():
        yield trips
