"""What the tests of the command line share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.wire import HttpRequest, HttpResponse, render

ISSUER = "http://127.0.0.1:8000/auth"

Answer = Callable[[HttpRequest], HttpResponse]
WriteConfig = Callable[[str], str]


class Served:
    """A server in a thread, the requests that reached it, and a way to talk to it."""

    def __init__(
        self, http: HttpServer, port: int, thread: Thread, requests: list[HttpRequest]
    ) -> None:
        self.http = http
        self.port = port
        self.thread = thread
        self.requests = requests

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def say(self, octets: bytes) -> bytes:
        """Return all that comes until the server closes."""
        with self.connect() as client:
            client.sendall(octets)
            return read_all(client)

    def stop(self) -> None:
        self.http.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))


def read_until(client: socket.socket, end: bytes) -> bytes:
    came = b""
    while not came.endswith(end):
        more = client.recv(65_536)
        assert more, came
        came += more
    return came


def say_hello(request: HttpRequest) -> HttpResponse:
    return render({"came": True})


@contextmanager
def running(
    answer: Answer = say_hello, *, patience: float = 30.0, grace: float = 3.0
) -> Generator[Served]:
    """Serve *answer* in a thread."""
    requests: list[HttpRequest] = []

    def note(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return answer(request)

    with (
        listen("127.0.0.1", 0) as listener,
        HttpServer(listener, note, issuer=ISSUER, patience=patience, grace=grace) as http,
    ):
        thread = Thread(target=http.run)
        served = Served(http, listener.getsockname()[1], thread, requests)
        thread.start()
        try:
            yield served
        finally:
            served.stop()


def config_writer(folder: Path) -> WriteConfig:
    """Return what writes a configuration file, and returns its path."""

    def write(text: str) -> str:
        path = folder / "oauth.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
