"""Sends requests by the standard library: few, each with an end, none to where a redirect leads."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Buffer, override

from oauthgrants.testing.conformance.levels import CutShort, NoAnswer
from oauthgrants.testing.conformance.messages import Answer, Pairs, Sent
from oauthgrants.testing.conformance.target import Target, Unusable

_MOST_OCTETS = 256 * 1024
_PIECE = 65_536
_TOO_MANY_REQUESTS = 429

MOST_SILENCES = 3
"""So often may the server not answer before it is left alone."""


class Wire:
    """
    The way to the server, with what it costs kept in mind.

    Args:
        target: Says how many requests there may be, and how long each may take.
        reserve: Returns how many requests have to be left for the end.
    """

    def __init__(self, target: Target, reserve: Callable[[], int]) -> None:
        self.requests: int = 0
        self._target = target
        self._reserve = reserve
        self._silences = 0
        # Most runs in tests do without, and to read the system's certificates takes a while.
        self._tls = None if target.ca_file is None else _make_context(target.ca_file)

    def send(self, method: str, url: str, headers: Pairs, body: bytes) -> Answer:
        """
        Return what answers.

        Raises:
            CutShort: As many requests have been sent as there may be, or the server has asked
                for fewer.
            NoAnswer: The connection broke, or nothing came in time.
        """
        # This one, and the two tokens that it may bring.
        if self.requests + 1 + self._reserve() + 2 > self._target.max_requests:
            raise CutShort(f"the {self._target.max_requests} requests are used up")
        if self._silences >= MOST_SILENCES:
            raise CutShort(f"the server did not answer {MOST_SILENCES} times")
        answer = self.send_at_the_end(method, url, headers, body)
        if answer.status == _TOO_MANY_REQUESTS:
            raise CutShort("the server limits how often it may be asked (429)")
        return answer

    def send_at_the_end(self, method: str, url: str, headers: Pairs, body: bytes) -> Answer:
        """
        Return what answers a request for which there was a reserve.

        Raises:
            NoAnswer: The connection broke, or nothing came in time.
        """
        self.requests += 1
        sent = Sent(method, url, headers, body)
        try:
            return self._exchange(sent)
        except TimeoutError:
            why = f"nothing came within {self._target.timeout:g} seconds"
        except ssl.SSLError as error:
            why = f"TLS: {error.reason or 'it failed'}"
        except HTTPException as error:
            why = f"what came is not HTTP ({type(error).__name__})"
        except OSError as error:
            why = error.strerror or type(error).__name__
        except UnicodeError:
            why = "no such host: its name is none of DNS"
        self._silences += 1
        raise NoAnswer(why)

    def _exchange(self, sent: Sent) -> Answer:
        parts = urlsplit(sent.url)
        host, timeout = str(parts.hostname), self._target.timeout
        if parts.scheme == "https":
            self._tls = self._tls or _make_context(None)
            connection: HTTPConnection = HTTPSConnection(
                host, parts.port, timeout=timeout, context=self._tls
            )
        else:
            connection = HTTPConnection(host, parts.port, timeout=timeout)
        deadline = monotonic() + timeout
        # Whatever makes one will do.
        connection.response_class = partial(_respond, deadline)  # type: ignore[assignment]
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.putrequest(sent.method, target, skip_accept_encoding=True)
            for name, value in sent.headers:
                connection.putheader(name, value)
            if sent.method == "POST":
                connection.putheader("Content-Length", str(len(sent.body)))
            connection.putheader("Connection", "close")
            connection.endheaders(sent.body)
            with connection.getresponse() as response:
                body = bytearray()
                while len(body) < _MOST_OCTETS and (piece := response.read1(_PIECE)):
                    body += piece
                return Answer(sent, response.status, response.getheaders(), bytes(body))
        finally:
            connection.close()


class _Timely(RawIOBase):
    """
    What comes over a connection until the time is over.

    Head, chunks and trailers are read octet by octet as they come, and "100 Continue" may come
    any number of times: a limit for each step would be none for the answer.
    """

    def __init__(self, connection: socket, raw: RawIOBase, deadline: float) -> None:
        self._connection = connection
        self._raw = raw
        self._deadline = deadline

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


def _respond(deadline: float, connection: socket, *given: Any, **more: Any) -> HTTPResponse:
    response = HTTPResponse(connection, *given, **more)
    response.fp = BufferedReader(_Timely(connection, response.fp.detach(), deadline))
    return response


def _make_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror or "no certificates in it"
        raise Unusable(f"the certificates to trust: {why}") from None
