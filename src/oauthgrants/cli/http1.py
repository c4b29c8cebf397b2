"""
HTTP/1.1 messages, as much of RFC 9112 as a server without surprises needs.

The parser of the standard library's server mends what is broken: it breaks field lines at octet
85, joins folded ones and collapses slashes. Here, what the grammar does not allow is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

import attrs

from oauthgrants.wire import HttpResponse

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Asks for the body that a client holds back (RFC 9110, 10.1.1)."""

# The library has limits of its own, lower ones, with better answers; these keep memory bounded.
_MOST_HEAD = 64 * 1024
_MOST_FIELDS = 100
_MOST_CHUNK_LINE = 256

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# request-line = method SP request-target SP HTTP-version (RFC 9112, 3); no target has "#"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])")
# field-line = field-name ":" OWS field-value OWS (5); a folded one has no name (5.2)
_FIELD_LINE = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)")
# chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF (7.1)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")


class MalformedRequest(Exception):
    """
    What came is not a request that can be answered, and what follows it cannot be read.

    Args:
        description: A constant; what the client sent never goes back in it.
        status: Of the answer.
    """

    def __init__(self, description: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(description)
        self.description = description
        self.status = status


class Stream:
    """
    The octets of a connection, in the pieces that messages are made of.

    Args:
        receive: Waits for more octets; none at the end.
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    def wait(self) -> bool:
        """Return whether anything comes before the end."""
        if not self._buffer:
            self._buffer += self._receive()
        return bool(self._buffer)

    def starts_with(self, octets: bytes) -> bool:
        """Return whether the next octet, which has come, is one of *octets*."""
        return self._buffer[0] in octets

    def take(self, size: int) -> bytes:
        """
        Return the next *size* octets.

        Raises:
            ConnectionError: The end comes before.
        """
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def take_line(self, most: int, *, too_long: int = HTTPStatus.BAD_REQUEST) -> bytes:
        """
        Return the next line, without its CRLF.

        Args:
            most: How long it may be.
            too_long: The status for one that is longer.

        Raises:
            MalformedRequest: It is longer, or ends with LF alone.
            ConnectionError: The end comes before.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and len(self._buffer) <= most + 1:
            searched = len(self._buffer)
            self._fill()
        if not 0 <= end <= most + 1:
            raise MalformedRequest("a line is too long", too_long)
        ended = self.take(end + 1)
        if not ended.endswith(b"\r\n"):
            raise MalformedRequest("a line does not end with CRLF")
        return ended[:-2]

    def _fill(self) -> None:
        received = self._receive()
        if not received:
            raise ConnectionResetError("the client is gone in the middle of a request")
        self._buffer += received


@attrs.frozen(kw_only=True)
class Head:
    """
    A request up to its body (RFC 9112, 2.1).

    Attributes:
        method: As sent.
        target: As sent.
        headers: In the order of the wire, values in Latin-1.
        length: Octets of the body, None if it comes in chunks.
        keeps_alive: Whether the client may send another request after this one.
        expects_continue: Whether it waits for a word before it sends the body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    length: int | None
    keeps_alive: bool
    expects_continue: bool


def read_head(stream: Stream) -> Head:
    """
    Return the request that begins on *stream*, up to its body.

    Raises:
        MalformedRequest: It is none, or its body has no clear end.
        ConnectionError: The client goes away in the middle of it.
    """
    if stream.starts_with(b"\x16"):
        # A TLS handshake has no line ends to wait for.
        raise MalformedRequest("this is HTTP without TLS")
    # One empty line before the request is forgiven (2.2).
    line = stream.take_line(_MOST_HEAD, too_long=HTTPStatus.REQUEST_URI_TOO_LONG)
    line = line or stream.take_line(_MOST_HEAD, too_long=HTTPStatus.REQUEST_URI_TOO_LONG)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise MalformedRequest("the request line is malformed")
    method, target, major, minor = (part.decode() for part in match.groups())
    if major != "1":
        raise MalformedRequest(
            "the version has to be HTTP/1.1", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        )
    is_1_0 = minor == "0"
    headers = _read_fields(stream)
    values = _values_by_name(headers)
    if len(values.get("host", ())) != 1 and not (is_1_0 and "host" not in values):
        raise MalformedRequest("the header Host is missing or repeated")
    expects = ",".join(values.get("expect", ())).lower()
    connection = ",".join(values.get("connection", ())).lower().replace(" ", "").split(",")
    return Head(
        method=method,
        target=target,
        headers=headers,
        length=_read_length(values, is_1_0=is_1_0),
        keeps_alive=not is_1_0 and "close" not in connection,
        expects_continue=not is_1_0 and expects == "100-continue",
    )


def read_body(stream: Stream, head: Head, most: int) -> bytes:
    """
    Return the body that follows *head*; of one longer than *most*, one octet too many.

    Raises:
        MalformedRequest: A chunk is malformed.
        ConnectionError: The client goes away in the middle of it.
    """
    if head.length is not None:
        return stream.take(min(head.length, most + 1))
    body = bytearray()
    while size := _read_chunk_size(stream):
        body += stream.take(min(size, most + 1 - len(body)))
        if len(body) > most:
            return bytes(body)
        if stream.take(2) != b"\r\n":
            raise MalformedRequest("a chunk is malformed")
    _read_fields(stream)  # trailers, which say nothing that we read
    return bytes(body)


def encode(response: HttpResponse, *, with_body: bool, closes: bool) -> bytes:
    """
    Return *response* as it goes over the wire, in one piece.

    Args:
        response: What to send.
        with_body: Whether the body goes with it; not after HEAD.
        closes: Whether the connection ends with it.
    """
    fields = [
        f"HTTP/1.1 {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in response.framed_headers),
        f"Date: {formatdate(usegmt=True)}",
        *(["Connection: close"] if closes else []),
    ]
    head = "\r\n".join(fields).encode("latin-1") + b"\r\n\r\n"
    return head + response.body if with_body else head


def _read_fields(stream: Stream) -> tuple[tuple[str, str], ...]:
    too_large = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    left = _MOST_HEAD
    headers: list[tuple[str, str]] = []
    while line := stream.take_line(left, too_long=too_large):
        left -= len(line)
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            raise MalformedRequest("a header is malformed")
        if len(headers) == _MOST_FIELDS:
            raise MalformedRequest("there are too many headers", too_large)
        name, value = match.groups()
        headers.append((name.decode(), value.strip(b" \t").decode("latin-1")))
    return tuple(headers)


def _values_by_name(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return values


def _read_length(values: dict[str, list[str]], *, is_1_0: bool) -> int | None:
    """Return how long the body is, None for chunks; whatever is not clear is refused (6.3)."""
    lengths, codings = values.get("content-length"), values.get("transfer-encoding")
    if codings is not None:
        if lengths is not None or is_1_0:
            raise MalformedRequest("Transfer-Encoding goes with HTTP/1.1, without Content-Length")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedRequest(
                "the transfer coding is not supported", HTTPStatus.NOT_IMPLEMENTED
            )
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedRequest("the header Content-Length is malformed or repeated")
    return int(lengths[0])


def _read_chunk_size(stream: Stream) -> int:
    match = _CHUNK_LINE.fullmatch(stream.take_line(_MOST_CHUNK_LINE))
    if match is None:
        raise MalformedRequest("a chunk is malformed")
    return int(match[1], 16)
