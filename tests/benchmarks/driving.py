"""Sends requests to a web server from several threads, as fast as it answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import perf_counter
from typing import Any

import attrs

from oauthgrants import HttpRequest

Address = tuple[str, int]
Turn = Callable[[Address], "Answer"]
"""Sends one request and returns what came of it."""

_SECONDS = 60.0
"""An answer that takes longer is none."""


@attrs.frozen
class Answer:
    """
    What came of a request.

    Attributes:
        status: Of HTTP.
        body: JSON, read when nobody measures.
    """

    status: int
    body: bytes = attrs.field(repr=False)

    def json(self) -> Any:
        return json.loads(self.body)


@attrs.frozen
class Drive:
    """
    What came of many requests.

    Attributes:
        answers: To all of them, in no order.
        seconds: From the first request to the last answer.
        latencies: Seconds from each request to its answer.
    """

    answers: list[Answer]
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds


def to_octets(request: HttpRequest) -> bytes:
    """Return *request* as it goes over the wire, on a connection of its own."""
    path = "/" + request.url.split("/", 3)[3]
    host = request.url.split("/", 3)[2]
    fields = [*request.headers, ("Content-Length", str(len(request.body)))]
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode() + request.body


def exchange(address: Address, octets: bytes) -> Answer:
    """Send a request and return its answer."""
    with socket.create_connection(address, timeout=_SECONDS) as connection:
        connection.sendall(octets)
        parts: list[bytes] = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]), body)


def drive(address: Address, turns: Sequence[Turn], seconds: float) -> Drive:
    """Take each of *turns* in a thread of its own, again and again for so many seconds."""
    barrier, stop = Barrier(len(turns) + 1), Event()

    def run(turn: Turn) -> list[tuple[Answer, float]]:
        came: list[tuple[Answer, float]] = []
        barrier.wait()
        while not stop.is_set():
            start = perf_counter()
            answer = turn(address)
            came.append((answer, perf_counter() - start))
        return came

    with ThreadPoolExecutor(len(turns)) as pool:
        running = [pool.submit(run, turn) for turn in turns]
        barrier.wait()
        start = perf_counter()
        stop.wait(seconds)
        stop.set()
        came = [pair for thread in running for pair in thread.result()]
        took = perf_counter() - start
    return Drive(
        answers=[answer for answer, _ in came],
        seconds=took,
        latencies=[latency for _, latency in came],
    )


def race(address: Address, octets: bytes, racers: int) -> list[Answer]:
    """Send the same request from so many threads at once."""
    barrier = Barrier(racers)

    def run(_: int) -> Answer:
        barrier.wait()
        return exchange(address, octets)

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(run, range(racers)))
