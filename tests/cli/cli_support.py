"""What the tests of the command line share."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Any, TextIO
from urllib.parse import urlencode

from oauthgrants import AuthorizationServer
from oauthgrants.cli.config import read_configuration
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.wire import HttpRequest, HttpResponse, render
from secret_scan import read_log

ISSUER = "http://127.0.0.1:8000/auth"
FORM = "application/x-www-form-urlencoded"

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


def read_server(text: str, directory: Path = Path()) -> AuthorizationServer:
    """Return the server that *text* describes, which keeps its tokens in memory."""
    return read_configuration(text, directory).server


class Process:
    """A server as a process of its own."""

    def __init__(self, process: subprocess.Popen[str], errors: TextIO) -> None:
        self.process = process
        self._errors = errors
        assert process.stdout is not None
        self.line = process.stdout.readline()
        if not self.line:
            raise AssertionError(f"the server did not begin:\n{self.end()[2]}")
        self.port = int(self.line.rpartition(":")[2])

    def post(
        self,
        form: dict[str, str],
        client: tuple[str, str] | None = None,
        *,
        method: str = "POST",
        target: str = "/token",
        content_type: str = FORM,
    ) -> tuple[int, dict[str, str], Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": content_type}
        if client is not None:
            headers["Authorization"] = f"Basic {b64encode(':'.join(client).encode()).decode()}"
        try:
            connection.request(method, target, urlencode(form), headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, dict(response.getheaders()), json.loads(body)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Return the status, and what was printed after the first line."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=10)
        self._errors.seek(0)
        return self.process.returncode, out, self._errors.read()

    def get(self, target: str, *headers: tuple[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a document."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", target, headers=dict(headers))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


@contextmanager
def started(path: str, *options: str) -> Generator[Process]:
    # A pipe would be full after some hundred events, and hold the server up.
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "oauthgrants", "serve", "--config", path, *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Process(process, errors)
        finally:
            process.kill()
            errors.seek(0)
            read_log(errors.read())
