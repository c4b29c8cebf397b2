"""The server on threads, over real sockets."""

from __future__ import annotations

import logging
import socket
import struct
import sys
from collections.abc import Generator
from http.client import HTTPConnection
from statistics import median
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from cli_support import ISSUER, Served, read_all, read_until, running, say_hello

from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.http_server import Connection, HttpServer, listen
from oauthgrants.wire import render

BODY = b'{"came":true}'
GET = b"GET /token HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def served() -> Generator[Served]:
    with running() as served:
        yield served


def test_a_request_arrives_as_it_was_sent(served: Served) -> None:
    answer = served.say(
        b"POST /auth//token;a?b=%zz HTTP/1.1\r\nHost: evil.example.com\r\nX: 1\r\nx: \xff\r\n"
        b"Content-Length: 6\r\nConnection: close\r\n\r\na=\xff\x00\r\n"
    )

    (request,) = served.requests
    assert "POST" == request.method
    assert "http://127.0.0.1:8000/auth//token;a?b=%zz" == request.url
    assert (("X", "1"), ("x", "\xff")) == request.headers[1:3]
    assert b"a=\xff\x00\r\n" == request.body
    assert "127.0.0.1" == request.source
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert "HTTP/1.1 200 OK" == lines[0]
    assert "Content-Length: 13" in lines
    assert "Connection: close" in lines
    assert not any(line.startswith("Server:") for line in lines)
    assert BODY == body


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/token", "/token"),
        ("//token", "//token"),
        ("http://evil.example.com/token?a=b", "/token?a=b"),
        ("http://evil.example.com", "/"),
        ("http://evil.example.com?a", "/?a"),
        ("*", "/*"),
        ("evil.example.com:443", "/evil.example.com:443"),
        ("/http://evil.example.com/", "/http://evil.example.com/"),
        ("/[::", "/[::"),
    ],
)
def test_the_url_is_the_issuers_with_the_target(served: Served, target: str, path: str) -> None:
    """Neither Host nor the authority of the target has a say."""
    served.say(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert "http://127.0.0.1:8000" + path == served.requests[0].url


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO", "get"])
def test_any_method_arrives(served: Served, method: str) -> None:
    answer = served.say(f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert [method] == [request.method for request in served.requests]
    assert answer.endswith(BODY)


def test_head_gets_the_headers_alone(served: Served) -> None:
    answer = served.say(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)

    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Content-Length: 13\r\n" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(BODY)


def test_requests_share_a_connection_one_after_the_other(served: Served) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=10)
    took: list[float] = []
    for _ in range(21):
        begin = monotonic()
        connection.request("POST", "/token", b"a=b")
        assert BODY == connection.getresponse().read()
        took.append(monotonic() - begin)
    connection.close()

    assert 21 == len(served.requests)
    # With one piece held back for the other's acknowledgement, each would take 40 ms.
    assert median(took) < 0.03


def test_requests_may_come_all_at_once(served: Served) -> None:
    chunked = (
        b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n"
    )
    answer = served.say(GET + chunked + b"\r\n" + LAST)

    assert 3 == answer.count(BODY)
    assert [b"", b"a=b", b""] == [request.body for request in served.requests]


def test_http_1_0_gets_one_answer(served: Served) -> None:
    answer = served.say(b"GET / HTTP/1.0\r\n\r\n")

    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(BODY)


def test_a_body_held_back_is_asked_for(served: Served) -> None:
    with served.connect() as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == read_until(client, b"\r\n\r\n")
        client.sendall(b"a=b")
        assert read_all(client).startswith(b"HTTP/1.1 200 OK\r\n")

    assert b"a=b" == served.requests[0].body


def test_what_has_no_body_is_not_asked_for_one(served: Served) -> None:
    answer = served.say(LAST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 1048576", b"Transfer-Encoding: chunked"])
def test_a_body_that_is_too_long_is_cut_and_the_answer_arrives(
    served: Served, framing: bytes
) -> None:
    """The client may send all of it before it reads."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"
    size = b"100000\r\n" if b"chunked" in framing else b""

    answer = served.say(head + size + b"x" * 1_048_576)

    assert b"x" * 65_537 == served.requests[0].body
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(BODY)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"garbage\r\n\r\n", 400),
        (b"\x00" * 100 + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET /" + b"x" * 100_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, 431),
    ],
)
def test_what_is_no_request_gets_an_answer_and_the_end(
    served: Served, octets: bytes, status: int
) -> None:
    """What is behind it is not taken for a request."""
    answer = served.say(octets + GET)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert 1 == answer.count(b"HTTP/1.1 ")
    assert b"\r\nCache-Control: no-store\r\n" in answer
    assert b'{"error":"invalid_request","error_description":"' in answer
    assert [] == served.requests


def test_a_fault_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: HttpRequest) -> HttpResponse:
        raise RuntimeError("a bug")

    with running(fail) as served, caplog.at_level(logging.ERROR, "oauthgrants"):
        answer = served.say(LAST)

    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answer.endswith(b'{"error":"server_error"}')
    assert ["a request could not be answered"] == [record.message for record in caplog.records]


def test_a_client_that_says_nothing_is_left() -> None:
    with running(patience=0.1) as served, served.connect() as client:
        assert b"" == read_all(client)


def test_a_request_by_the_octet_is_cut_off() -> None:
    """Each piece comes in time, the whole does not."""
    with running(patience=0.3) as served, served.connect() as client:
        client.settimeout(0.02)
        begin = monotonic()
        answer = b""
        while not answer:
            assert monotonic() - begin < 5
            client.sendall(b"G")
            try:
                answer = client.recv(65_536)
            except TimeoutError:
                continue

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_time_that_is_over_is_over() -> None:
    """Also when something has come at the very last moment."""
    with running(patience=0.0) as served, served.connect() as client:
        assert b"" == read_all(client)


@pytest.mark.parametrize("octets", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\n"])
def test_a_client_that_goes_away_disturbs_nobody(served: Served, octets: bytes) -> None:
    with served.connect() as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        assert b"" == read_all(client)
    with served.connect() as client:
        client.sendall(octets)
        # A reset in the place of an end.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert served.say(LAST).endswith(BODY)


def test_a_client_that_has_said_all_gets_its_answer(served: Served) -> None:
    with served.connect() as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(BODY)


def test_slow_clients_do_not_hold_up_others(served: Served) -> None:
    slow = [served.connect() for _ in range(50)]
    for client in slow:
        client.sendall(b"POST / HTTP/1.1\r\n")

    assert served.say(LAST).endswith(BODY)

    for client in slow:
        client.close()


def test_threads_that_run_out_come_back(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    start, failures = Thread.start, [RuntimeError("can't start new thread")]

    def fail_once(thread: Thread) -> None:
        if failures:
            raise failures.pop()
        start(thread)

    monkeypatch.setattr(Thread, "start", fail_once)
    with served.connect() as client:
        assert b"" == read_all(client)

    assert served.say(LAST).endswith(BODY)


def test_the_end_finishes_what_is_under_way_and_leaves_who_waits() -> None:
    begun, may_end = Event(), Event()

    def answer(_: HttpRequest) -> HttpResponse:
        begun.set()
        assert may_end.wait(10)
        return render({"came": True})

    with running(answer) as served, served.connect() as busy, served.connect() as idle:
        busy.sendall(GET)
        assert begun.wait(10)
        served.http.stop()
        assert b"" == read_all(idle)
        may_end.set()
        came = read_all(busy)

    assert came.endswith(BODY)
    assert b"\r\nConnection: close\r\n" in came


def test_the_end_does_not_wait_for_ever() -> None:
    may_end = Event()

    def answer(_: HttpRequest) -> HttpResponse:
        may_end.wait(10)
        return render({})

    with running(answer, grace=0.1) as served, served.connect() as client:
        client.sendall(GET)
        while not served.requests:
            sleep(0.01)
        begin = monotonic()
        served.stop()
        assert monotonic() - begin < 5
        may_end.set()
        read_all(client)


def test_a_connection_can_end_while_the_server_does() -> None:
    """Then there is nothing left to end."""
    with listen("127.0.0.1", 0) as listener, HttpServer(listener, say_hello, issuer=ISSUER) as http:
        here, there = socket.socketpair()
        here.close()
        there.close()
        Connection(here, "", http).stop_waiting()


def test_a_host_that_is_no_name_is_an_error() -> None:
    with pytest.raises(CommandError, match="the host is not a name"):
        listen("ä" * 100, 0)


@pytest.mark.skipif(not socket.has_ipv6 or sys.platform == "win32", reason="needs ::1")
def test_the_address_may_be_of_ipv6() -> None:
    try:
        listener = listen("::1", 0)
    except CommandError:
        pytest.skip("this machine has no ::1")
    with listener:
        assert socket.AF_INET6 == listener.family
