"""Stands between a client and its server, and counts how often the client waits."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from threading import Thread
from typing import cast

import attrs

_AT_ONCE = 1 << 16


@attrs.define
class Relay:
    """
    What passes between clients and a server.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        round_trips: How often a client has sent something after it had read all, so that it
            waits for an answer once more. What it sends in several parts is one.
    """

    port: int
    round_trips: int = 0


@contextmanager
def relay_to(upstream: tuple[str, int] | Path) -> Generator[Relay, None, None]:
    """Open a relay to a server at this address or Unix socket, in a thread of its own."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        DefaultSelector() as selector,
    ):
        stop, stopped = socket.socketpair()
        relay = Relay(listening.getsockname()[1])
        selector.register(listening, EVENT_READ)
        selector.register(stopped, EVENT_READ)
        pump = _Pump(relay, selector, upstream)
        thread = Thread(target=pump.run, args=[listening, stopped])
        thread.start()
        try:
            yield relay
        finally:
            stop.close()
            thread.join()
            stopped.close()


@attrs.define
class _Pump:
    """
    One thread for all connections, so that it sees an answer before what is sent after it.

    Attributes:
        relay: What is counted.
        selector: What it listens to.
        upstream: Where the server is.
        peers: By each end, the other one.
        clients: The ends that began.
        waiting: Those of them that wait for an answer.
    """

    relay: Relay
    selector: DefaultSelector
    upstream: tuple[str, int] | Path
    peers: dict[socket.socket, socket.socket] = attrs.field(
        factory=dict[socket.socket, socket.socket]
    )
    clients: set[socket.socket] = attrs.field(factory=set[socket.socket])
    waiting: set[socket.socket] = attrs.field(factory=set[socket.socket])

    def run(self, listening: socket.socket, stopped: socket.socket) -> None:
        while True:
            ready = [cast("socket.socket", key.fileobj) for key, _ in self.selector.select()]
            if stopped in ready:
                break
            for end in ready:
                if end is listening:
                    self._accept(listening)
                elif end in self.peers:  # else it was closed with its peer just now
                    self._pass_on(end)
        for end in list(self.peers):
            end.close()

    def _accept(self, listening: socket.socket) -> None:
        client, _ = listening.accept()
        if isinstance(self.upstream, Path):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.upstream))
        else:
            server = socket.create_connection(self.upstream)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers |= {client: server, server: client}
        self.clients.add(client)
        for end in (client, server):
            self.selector.register(end, EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        octets = b""
        with suppress(ConnectionError):
            octets = end.recv(_AT_ONCE)
        peer = self.peers[end]
        if octets:
            if end in self.clients:
                self.relay.round_trips += end not in self.waiting
                self.waiting.add(end)
            else:
                self.waiting.discard(peer)
            with suppress(ConnectionError):
                peer.sendall(octets)
                return
        for closed in (end, peer):
            self.selector.unregister(closed)
            del self.peers[closed]
            self.clients.discard(closed)
            self.waiting.discard(closed)
            closed.close()
