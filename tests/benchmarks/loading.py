"""Sends one request again and again to a web server: by wrk, or without it by threads here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which

import attrs

from .driving import Address, drive, exchange
from .peer_requests import Asked

_SECONDS = 30.0
"""So long after the end of its time wrk has to have stopped."""


class Refused(Exception):
    """A request was refused while the clock ran, or got no answer."""


@attrs.frozen
class Load:
    """
    What sends the requests.

    Attributes:
        connections: So many requests are under way at a time.
        wrk: The command, None where it is not installed.
    """

    connections: int
    wrk: str | None = attrs.field(factory=lambda: which("wrk"))

    @property
    def name(self) -> str:
        """What it is, with its version."""
        if self.wrk is None:
            return f"threads of Python, {self.connections} connections, a new one each time"
        # It says its version and how to use it, and ends as if that were wrong.
        said = subprocess.run([self.wrk, "-v"], capture_output=True, text=True, check=False)
        version = re.search(r"wrk\s+(?:debian/)?(\S+)", said.stdout + said.stderr)
        return f"wrk {version[1] if version else ''}, {self.connections} connections"

    def rate(self, address: Address, asked: Asked, seconds: float, folder: Path) -> float:
        """
        Return how many requests a second were answered.

        Args:
            address: Where to.
            asked: What.
            seconds: So long.
            folder: Where files may be left.

        Raises:
            Refused: One was not answered with 200.
        """
        if self.wrk is not None:
            return self._by_wrk(self.wrk, address, asked, seconds, folder)
        octets = to_octets(address, asked)
        driven = drive(address, [partial(exchange, octets=octets)] * self.connections, seconds)
        refused = sum(answer.status != 200 for answer in driven.answers)
        if refused:
            raise Refused(f"{refused} of {len(driven.answers)} requests were refused")
        return driven.rate

    def _by_wrk(
        self, wrk: str, address: Address, asked: Asked, seconds: float, folder: Path
    ) -> float:
        script = folder / "request.lua"
        # What JSON writes as text is what Lua reads, as long as it is ASCII.
        lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(asked.body.decode())}"]
        lines += [
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}"
            for name, value in asked.headers.items()
        ]
        script.write_text("\n".join(lines), encoding="ascii")
        host, port = address
        done = subprocess.run(
            [
                *(wrk, "--threads", "1", "--connections", str(self.connections)),
                *("--duration", f"{max(1, round(seconds))}s", "--script", str(script)),
                f"http://{host}:{port}{asked.path}",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + _SECONDS,
        )
        return rate_in(done.stdout)


def rate_in(printed: str) -> float:
    """Return what wrk has *printed* of the rate, if it is that of right answers."""
    for complaint in ("Non-2xx or 3xx responses", "Socket errors"):
        if complaint in printed:
            raise Refused(printed[printed.index(complaint) :].partition("\n")[0])
    rate = re.search(r"^Requests/sec:\s+([0-9.]+)$", printed, re.MULTILINE)
    if rate is None:
        raise Refused("wrk does not say how many requests were answered")
    return float(rate[1])


def to_octets(address: Address, asked: Asked) -> bytes:
    """Return *asked* as it goes over the wire, on a connection of its own."""
    host, port = address
    fields = asked.headers | {
        "Host": f"{host}:{port}",
        "Content-Length": str(len(asked.body)),
        "Connection": "close",
    }
    lines = [f"POST {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + asked.body


def ask(address: Address, asked: Asked) -> tuple[int, bytes]:
    """Return the status and the body of one answer."""
    answer = exchange(address, to_octets(address, asked))
    return answer.status, answer.body


@contextmanager
def pinned(cores: Iterable[int]) -> Generator[None]:
    """Keep this process and those that it begins meanwhile to *cores*, where that can be said."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
