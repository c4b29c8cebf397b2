"""
Requests for an adapter under test, whose octets nothing in between changes.

`send_to_wsgi`, `send_to_asgi` and `send_over_socket` are what the contracts of adapters want of
``mount``, once they know where to send::

    yield partial(send_to_wsgi, application)

Test clients of frameworks and HTTP libraries will not do: they encode forms, fold repeated header
fields into one, and refuse what a contract has to send.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from oauthgrants.wire import HttpResponse

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

Header = tuple[str, str]
Body = bytes | Iterator[bytes]
AsgiCallable = Callable[[Mapping[str, Any], Any, Any], Awaitable[None]]

PEER = ("127.0.0.1", 40000)
"""Where the requests come from that no socket is needed for."""

_SECONDS = 30


def send_to_wsgi(
    application: WSGIApplication,
    method: str,
    target: str,
    headers: Sequence[Header],
    body: Body,
    *,
    prefix: str = "",
) -> HttpResponse:
    """
    Return the response of a WSGI *application*, called on the caller's stack.

    Args:
        application: What is tested.
        method: As it has to arrive.
        target: Path and query, *prefix* included.
        headers: As they have to arrive, ``Host`` among them.
        body: Octets, or the chunks of a chunked body.
        prefix: The path that *application* is mounted below (``SCRIPT_NAME``).
    """
    return call_wsgi(application, make_environ(method, target, headers, body, prefix=prefix))


def send_to_asgi(
    application: AsgiCallable,
    method: str,
    target: str,
    headers: Sequence[Header],
    body: Body,
    *,
    prefix: str = "",
) -> HttpResponse:
    """
    Return the response of an ASGI *application*, called in an event loop of its own.

    Args:
        application: What is tested. It is sent no lifespan events.
        method: As it has to arrive.
        target: Path and query, *prefix* included.
        headers: As they have to arrive, ``Host`` among them.
        body: Octets, or the chunks of a chunked body.
        prefix: The path that *application* is mounted below (``root_path``).
    """
    scope = make_scope(method, target, headers, prefix=prefix)
    return read_response(call_asgi(application, scope, body_messages(body)))


def send_over_socket(
    address: tuple[str, int], method: str, target: str, headers: Sequence[Header], body: Body
) -> HttpResponse:
    """
    Return the response of the web server at *address*.

    Args:
        address: Host and port.
        method: As it has to arrive.
        target: Path and query.
        headers: As they have to arrive, ``Host`` among them.
        body: Octets, or the chunks of a chunked body.

    Raises:
        OSError: Nobody answers there.
    """
    head = [f"{method} {target} HTTP/1.1", "Connection: close"]
    head += [f"{name}: {value}" for name, value in headers]
    if not isinstance(body, bytes):
        head.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*body, b""))
    elif body or method == "POST":
        head.append(f"Content-Length: {len(body)}")
    return exchange(address, "\r\n".join([*head, "", ""]).encode("latin-1") + body)


def exchange(address: tuple[str, int], octets: bytes) -> HttpResponse:
    """Send *octets*, more or less a request, and return the response."""
    with socket.create_connection(address, timeout=_SECONDS) as connection:
        # A server that has read enough of the body answers and hangs up.
        with suppress(ConnectionError):
            connection.sendall(octets)
        received = bytearray()
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    pairs = [field.partition(":") for field in fields]
    return HttpResponse(
        status=int(status.split(" ")[1]),
        headers=tuple((name, value.strip()) for name, _, value in pairs),
        body=body,
    )


class _Chunks(io.RawIOBase):
    """A body that comes in chunks and ends by itself; a read may return less than asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next octets."""
        chunk = self._rest or next(self._chunks, b"")
        self._rest = chunk[size:]
        return chunk[:size]


def make_environ(
    method: str, target: str, headers: Sequence[Header], body: Body, *, prefix: str = ""
) -> dict[str, Any]:
    """Return the environ of a request, as web servers make it."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": prefix,
        "PATH_INFO": unquote(path.removeprefix(prefix), "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "backend",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": PEER[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else _Chunks(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if not isinstance(body, bytes):
        environ["wsgi.input_terminated"] = True
    elif body or method == "POST":
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def call_wsgi(application: WSGIApplication, environ: dict[str, Any]) -> HttpResponse:
    """Return the response of *application*."""
    started: list[tuple[str, list[Header]]] = []

    def start_response(
        status: str, headers: list[Header], _exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return io.BytesIO().write

    answer = application(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        # wsgiref.validate insists on it.
        getattr(answer, "close", bool)()
    [(status, headers)] = started
    return HttpResponse(status=int(status[:3]), headers=tuple(headers), body=body)


def make_scope(
    method: str, target: str, headers: Sequence[Header], *, prefix: str = ""
) -> dict[str, Any]:
    """Return the scope of a request, as web servers make it."""
    raw_path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": prefix,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": PEER,
        "server": ("backend", 8000),
    }


def body_messages(body: Body) -> Iterator[dict[str, Any]]:
    """Return the messages that bring *body*."""
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": False}
        return
    for chunk in body:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request"}


def call_asgi(
    application: AsgiCallable, scope: Mapping[str, Any], messages: Iterator[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what *application* sends when it receives *messages*, and then a disconnect."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def call() -> None:
        await application(scope, receive, send)

    asyncio.run(call())
    return sent


def read_response(sent: list[dict[str, Any]]) -> HttpResponse:
    """Return the response in the messages that an application sent."""
    start, *rest = sent
    return HttpResponse(
        status=start["status"],
        headers=tuple((name.decode(), value.decode()) for name, value in start["headers"]),
        body=b"".join(message.get("body", b"") for message in rest),
    )
