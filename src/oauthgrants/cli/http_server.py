"""An HTTP/1.1 server on threads, for development and tests."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from selectors import EVENT_READ, DefaultSelector
from ssl import SSLSocket
from threading import Semaphore, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import urlsplit

from oauthgrants.adapters.certificates import NOT_SHOWN, ShownCertificate
from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.http1 import (
    CONTINUE,
    MalformedRequest,
    Stream,
    encode,
    read_body,
    read_head,
)
from oauthgrants.events import logger
from oauthgrants.forms import Limits
from oauthgrants.wire import HttpRequest, HttpResponse, render

# scheme and authority of an absolute-form target (RFC 9112, 3.2.2)
_ABSOLUTE = re.compile("[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
# Each password check holds 64 MiB: this many together hold a gigabyte.
ANSWERS_AT_ONCE = 16
"""How many requests are answered at the same time; the others wait for one of them to end."""

Secure: TypeAlias = Callable[[socket.socket, float], tuple[SSLSocket, ShownCertificate]]
"""
Does the handshake on a connection within so many seconds, and returns what the client has shown.

An ``OSError`` says that it comes to nothing; the connection is closed then.
"""


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that takes connections.

    Raises:
        CommandError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # As the call below does it, which leaves a socket open if it cannot.
        host.encode("idna")
        return socket.create_server((host, port), family=family, backlog=128)
    except UnicodeError:
        raise CommandError("cannot listen: the host is not a name") from None
    except OSError as error:
        # Without the address, which the library says a second time.
        why = str(error.strerror).partition(" (")[0]
        raise CommandError(f"cannot listen on {host} port {port}: {why}") from None


class HttpServer:
    """
    Answers HTTP/1.1 requests, a thread for each connection.

    Args:
        listener: Takes the connections; closed at the end.
        answer: Returns the response to a request, on many threads at once.
        issuer: The URL whose scheme and authority requests come to.
        limits: How much a request may bring.
        patience: Seconds in which a request has to come, and in which another may follow.
        grace: Seconds in which requests under way are finished at the end.
        secure: Does the handshake of TLS, None for plain HTTP.
    """

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[HttpRequest], HttpResponse],
        *,
        issuer: str,
        limits: Limits = Limits(),
        patience: float = 30.0,
        grace: float = 3.0,
        secure: Secure | None = None,
    ) -> None:
        url = urlsplit(issuer)
        self.origin: str = f"{url.scheme}://{url.netloc}"
        self.limits = limits
        self.patience = patience
        self.secure = secure
        self.stopping: bool = False
        self._listener = listener
        self._answer = answer
        self._grace = grace
        self._slots = Semaphore(ANSWERS_AT_ONCE)
        self._connections: dict[Connection, Thread] = {}
        self.waker: socket.socket
        self._woken, self.waker = socket.socketpair()
        self.waker.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._woken.close()
        self.waker.close()

    def run(self) -> None:
        """Take connections until `stop`, or until something is written to `waker`."""
        self._accept()
        self.stopping = True
        self._drain()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self.waker.send(b"\0")

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the response to *request*, whatever happens."""
        try:
            with self._slots:
                return self._answer(request)
        except Exception:
            logger.exception("a request could not be answered")
            return render({"error": "server_error"}, status=HTTPStatus.INTERNAL_SERVER_ERROR)

    def _accept(self) -> None:
        self._listener.setblocking(False)
        with DefaultSelector() as selector:
            selector.register(self._listener, EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in selector.select()):
                try:
                    self._begin(*self._listener.accept())
                except (OSError, RuntimeError):
                    # The client is gone, or files or threads have run out: it will pass.
                    sleep(0.05)
        # Those that have connected already are not left waiting.
        with self._listener, suppress(OSError, RuntimeError):
            while True:
                self._begin(*self._listener.accept())

    def _begin(self, client: socket.socket, address: tuple[str, int]) -> None:
        connection = Connection(client, address[0], self)
        thread = Thread(target=self._converse, args=[connection], daemon=True)
        self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:
            del self._connections[connection]
            client.close()
            raise

    def _converse(self, connection: Connection) -> None:
        try:
            connection.converse()
        finally:
            del self._connections[connection]

    def _drain(self) -> None:
        """Finish the requests under way, and end the connections that wait for one."""
        end = monotonic() + self._grace
        connections = self._connections.copy()
        for connection in connections:
            connection.stop_waiting()
        for thread in connections.values():
            thread.join(max(0.0, end - monotonic()))


class Connection:
    """A connection and what is said on it."""

    def __init__(self, client: socket.socket, source: str, server: HttpServer) -> None:
        self._socket = client
        self._source = source
        self._server = server
        self._stream = Stream(self._receive)
        self._waits = True
        self._deadline = 0.0
        self._certificate = NOT_SHOWN

    def converse(self) -> None:
        """Answer one request after the other until either side has had enough."""
        # All that is an OSError means that the client is gone, or says nothing for too long.
        try:
            with suppress(OSError):
                self._socket.setblocking(True)
                # A response is one piece, and has nothing to wait for.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._server.secure is not None:
                    # Here, where it holds up nobody else.
                    self._socket, self._certificate = self._server.secure(
                        self._socket, self._server.patience
                    )
                while self._exchange():
                    pass
                self._linger()
        finally:
            self._socket.close()

    def stop_waiting(self) -> None:
        """End the connection unless a request is under way."""
        if self._waits:
            # What has come already can still be read.
            with suppress(OSError):
                # Not by the method of TLS, which would give up what has come.
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def _exchange(self) -> bool:
        """Answer the next request, and return whether another may follow."""
        self._waits = True
        self._start_clock()
        if not self._stream.wait():
            return False
        self._waits = False
        self._start_clock()
        try:
            request, may_follow = self._read_request()
        except MalformedRequest as error:
            self._send(_refuse(error.description, error.status), closes=True)
            return False
        except TimeoutError:
            self._send(_refuse("the request is too slow", 408), closes=True)
            return False
        response = self._server.answer(request)
        may_follow = may_follow and not self._server.stopping
        self._send(response, with_body=request.method != "HEAD", closes=not may_follow)
        return may_follow

    def _read_request(self) -> tuple[HttpRequest, bool]:
        head = read_head(self._stream)
        if head.expects_continue and head.length != 0:
            self._socket.sendall(CONTINUE)
        most = self._server.limits.body
        body = read_body(self._stream, head, most)
        target = _ABSOLUTE.sub("", head.target, count=1) if head.target[0] != "/" else head.target
        request = HttpRequest(
            method=head.method,
            url=self._server.origin + (target if target.startswith("/") else f"/{target}"),
            headers=head.headers,
            body=body,
            source=self._source,
            client_certificate=self._certificate.octets,
            client_certificate_verified=self._certificate.verified,
        )
        # What is left of a body that is too long cannot be told from a request.
        return request, head.keeps_alive and len(body) <= most

    def _send(self, response: HttpResponse, *, with_body: bool = True, closes: bool) -> None:
        self._socket.settimeout(self._server.patience)
        self._socket.sendall(encode(response, with_body=with_body, closes=closes))

    def _receive(self) -> bytes:
        # The time for a whole request, not for a piece: else it could come by the octet for ever.
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket.recv(65_536)

    def _start_clock(self) -> None:
        self._deadline = monotonic() + self._server.patience

    def _linger(self) -> None:
        """Let the client read the answer: closed with octets unread, TCP would take it away."""
        if isinstance(self._socket, SSLSocket):
            self._socket.settimeout(0)
            # It says goodbye, and does not wait for the other side's.
            with suppress(OSError):
                self._socket.unwrap()
        self._socket.shutdown(socket.SHUT_WR)
        self._deadline = monotonic() + 1
        while self._receive():
            pass


def _refuse(description: str, status: int) -> HttpResponse:
    return render({"error": "invalid_request", "error_description": description}, status=status)
