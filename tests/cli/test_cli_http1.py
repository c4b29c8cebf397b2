"""Reading and writing HTTP/1.1 messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauthgrants.cli.http1 import Head, MalformedRequest, Stream, encode, read_body, read_head
from oauthgrants.wire import HttpResponse

MOST = 100


def stream_of(octets: bytes, *, piece: int = 65_536) -> Stream:
    pieces = (octets[start : start + piece] for start in range(0, len(octets), piece))
    return Stream(lambda: next(pieces, b""))


def read(octets: bytes, *, piece: int = 65_536) -> tuple[Head, bytes]:
    stream = stream_of(octets, piece=piece)
    assert stream.wait()
    head = read_head(stream)
    return head, read_body(stream, head, MOST)


POST = b"POST /token HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("piece", [1, 2, 3, 65_536])
@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (POST + b"\r\n", b""),
        (b"\r\n" + POST + b"\r\n", b""),
        (POST + b"Content-Length: 3\r\n\r\na=b", b"a=b"),
        (POST + b"content-length:003 \r\n\r\na=b", b"a=b"),
        (POST + b"Content-Length: 100\r\n\r\n" + b"x" * 100, b"x" * 100),
        (POST + b"Content-Length: 999999999999999999\r\n\r\n" + b"x" * 200, b"x" * 101),
        (CHUNKED + b"0\r\n\r\n", b""),
        (CHUNKED + b'3;a="b"\r\na=b\r\n00002\r\n&c\r\n0\r\nX: y\r\n\r\n', b"a=b&c"),
        (CHUNKED.replace(b"chunked", b"Chunked") + b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (CHUNKED + b"ffffffffffffffff\r\n" + b"x" * 200, b"x" * 101),
        (CHUNKED + (b"40\r\n" + b"x" * 64 + b"\r\n") * 3, b"x" * 101),
    ],
)
def test_a_body_is_read_however_it_comes(octets: bytes, body: bytes, piece: int) -> None:
    """Of one that is too long, one octet more than is allowed."""
    head, read_body_ = read(octets, piece=piece)

    assert ("POST", "/token") == (head.method, head.target)
    assert body == read_body_


def test_headers_stay_in_order_with_repeats_and_octets() -> None:
    head, _ = read(b"GET / HTTP/1.1\r\nHost: a\r\nX:\t b \xe9\x85c\t\r\nx-empty:\r\nX: d\r\n\r\n")

    assert (
        ("Host", "a"),
        ("X", "b \xe9\x85c"),
        ("x-empty", ""),
        ("X", "d"),
    ) == head.headers


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / \r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"GET /" + b"x" * 70_000, 414),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \r \r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"x" * 9000 + b"\r\n") * 9 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * 100 + b"\r\n", 431),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: +1\r\n\r\n", 400),
        (POST + b"Content-Length: 1_0\r\n\r\n", 400),
        (POST + b"Content-Length: 0x1\r\n\r\n", 400),
        (POST + b"Content-Length: 1, 1\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (POST + b"Content-Length: \xb2\r\n\r\n", 400),
        (POST + b"Content-Length:\r\n\r\n", 400),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"-1\r\n", 400),
        (CHUNKED + b"+1\r\n", 400),
        (CHUNKED + b"0x1\r\n", 400),
        (CHUNKED + b"\r\n", 400),
        (CHUNKED + b"1\na\r\n", 400),
        (CHUNKED + b"11111111111111111\r\n", 400),
        (CHUNKED + b"1;" + b"x" * 300 + b"\r\n", 400),
        (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"0\r\nbad trailer\r\n\r\n", 400),
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(octets: bytes, status: int) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(octets)

    assert status == refused.value.status
    assert refused.value.description.isascii()


@pytest.mark.parametrize("octets", [b"GE", POST, POST + b"Content-Length: 3\r\n\r\na", CHUNKED])
def test_a_client_that_goes_away_is_noticed(octets: bytes) -> None:
    with pytest.raises(ConnectionError):
        read(octets)


@pytest.mark.parametrize(
    ("line", "keeps_alive"),
    [
        (b"HTTP/1.1\r\nHost: a\r\n", True),
        (b"HTTP/1.2\r\nHost: a\r\n", True),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: te\r\nConnection: x, Close\r\n", False),
        (b"HTTP/1.0\r\n", False),
        (b"HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n", False),
    ],
)
def test_whether_another_request_may_follow(line: bytes, keeps_alive: bool) -> None:
    assert keeps_alive == read(b"GET / " + line + b"\r\n")[0].keeps_alive


@pytest.mark.parametrize(
    ("line", "expects"),
    [
        (b"HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n", True),
        (b"HTTP/1.1\r\nHost: a\r\n", False),
        (b"HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n", False),
        (b"HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n", False),
    ],
)
def test_whether_the_client_waits_for_a_word(line: bytes, expects: bool) -> None:
    assert expects == read(b"GET / " + line + b"\r\n")[0].expects_continue


_PARTS = [
    *(bytes([octet]) for octet in b"\r\n\t \x00\x16:;/aG1\x85\xff"),
    *(b"GET", b"POST ", b" HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 5\r\n", b"\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"5\r\n", b"0\r\n", b"Expect: 100-continue\r\n"),
]


@given(octets=st.lists(st.sampled_from(_PARTS), min_size=1).map(b"".join), piece=st.integers(1, 9))
def test_no_octets_do_worse_than_to_be_refused(octets: bytes, piece: int) -> None:
    """However they are cut, the result is the same."""

    def outcome(read_it: Callable[[], tuple[Head, bytes]]) -> object:
        try:
            return read_it()
        except MalformedRequest as refusal:
            return refusal.status, refusal.description
        except ConnectionError:
            return "gone"

    assert outcome(lambda: read(octets)) == outcome(lambda: read(octets, piece=piece))


@pytest.mark.parametrize(("status", "lengths"), [(200, 1), (304, 0), (404, 1)])
def test_what_has_not_changed_has_no_length(status: int, lengths: int) -> None:
    """It would have to be that of the document (RFC 9110, 8.6)."""
    octets = encode(HttpResponse(status=status), with_body=True, closes=False)

    assert lengths == octets.count(b"\r\nContent-Length: 0\r\n")
