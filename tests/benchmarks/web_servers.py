"""Starts the web servers of the benchmark over HTTP: one worker each, all on one core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, sleep

import attrs

from .driving import Address
from .measuring import cpu_seconds
from .web_applications import SECRET

_PACKAGE = Path(__file__).parent
_APPLICATIONS = f"{_PACKAGE.name}.web_applications"
_START = 60.0
"""Who has not begun to listen after so many seconds will not."""


@attrs.frozen
class Entry:
    """
    Somebody who answers over HTTP.

    Attributes:
        name: As it stands in the tables.
        command: Begins the process, given where it listens.
        checks: Whether it looks at the secret; who does not is only there to be compared with.
    """

    name: str
    command: Sequence[str]
    checks: bool = True


def by_gunicorn(name: str, application: str, *, checks: bool = True, threads: int = 1) -> Entry:
    """Return what gunicorn serves with one worker; of its default kind, if that has one thread."""
    return Entry(
        name,
        [
            *(sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1"),
            *("--pythonpath", str(_PACKAGE.parent), "--log-level", "critical"),
            *("--threads", str(threads)),
            f"{_APPLICATIONS}:{application}",
        ],
        checks,
    )


def by_uvicorn(
    name: str, application: str, *, checks: bool = True, loop: str = "asyncio", http: str = "h11"
) -> Entry:
    """Return what uvicorn serves, by default with what it brings itself."""
    return Entry(
        name,
        [
            *(sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}"),
            *("--loop", loop, "--http", http, "--no-access-log", "--log-level", "critical"),
            *("--app-dir", str(_PACKAGE.parent), "--factory", f"{_APPLICATIONS}:{application}"),
        ],
        checks,
    )


def by_node(name: str, node: str, script: Path, folder: Path) -> Entry:
    """Return what Node.js serves with the packages in *folder*."""
    return Entry(name, [node, str(script), str(folder), "{port}"])


@attrs.frozen
class Service:
    """
    A server that listens.

    Attributes:
        address: Where.
        process: What was begun; it may have begun others.
    """

    address: Address
    process: subprocess.Popen[bytes]

    def cpu(self) -> float | None:
        """Return what it has computed so far, in seconds; None where nobody says."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if not children.exists():
            return None
        return cpu_seconds([pid, *map(int, children.read_text("utf-8").split())])


@contextmanager
def serve(entry: Entry, secret: str) -> Generator[Service]:
    """
    Begin *entry*, and end it again.

    Raises:
        RuntimeError: It ends at once, or does not listen in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    with TemporaryFile() as complaints:
        process = subprocess.Popen(
            [part.replace("{port}", str(address[1])) for part in entry.command],
            env={**os.environ, SECRET: secret, "NODE_ENV": "production"},
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        try:
            if not _listens(address, process):
                complaints.seek(0)
                raise RuntimeError(f"{entry.name} does not listen: {complaints.read().decode()}")
            yield Service(address, process)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _listens(address: Address, process: subprocess.Popen[bytes]) -> bool:
    """Wait until somebody listens, and return whether it has come to that."""
    ends = monotonic() + _START
    while monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            sleep(0.05)
        else:
            return True
    return False
