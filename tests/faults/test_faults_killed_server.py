"""A server that is killed while clients get tokens, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import uniform
from time import sleep
from urllib.parse import urlencode

import pytest
from ledger import Post, require_sound, require_true
from sql_stores import DRIVERS, Database, fill, new_database, on_database
from workload import Load

from oauthgrants import HttpResponse
from oauthgrants.ports import utc_now
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from support import FORM, World, basic

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("OAUTHGRANTS_TEST_KILL_ROUNDS", "20"))
_PATIENCE = 60.0


class ForkingServer:
    """A process that serves, and that can be killed and started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._read())
        self._serves: int | None = None

    def start(self) -> None:
        """Begin to serve; connections that come at once are taken."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._serves = int(self._read())

    def kill(self) -> None:
        """Give it no time to do anything any more."""
        assert self._serves is not None
        os.kill(self._serves, signal.SIGKILL)
        self._serves = None
        assert self._read() == "\n"

    def end(self) -> None:
        """Leave nothing that runs."""
        if self._serves is not None:
            with suppress(ProcessLookupError):
                os.kill(self._serves, signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(_PATIENCE) == 0

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _forking_server(url: str) -> Generator[ForkingServer]:
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, HERE / "forking_server.py", url],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        server = ForkingServer(process)
        try:
            yield server
        finally:
            server.end()


@contextmanager
def _door(port: int, world: World) -> Generator[Post]:
    """Return what posts forms, over one connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    authorizations = {name: basic(name, secret) for name, secret in world.secrets.items()}

    def post(client: str, path: str = "/token", **parameters: str) -> HttpResponse:
        headers = dict([FORM, authorizations[client]])
        try:
            connection.request("POST", path, urlencode(parameters), headers)
            response = connection.getresponse()
            return HttpResponse(
                status=response.status,
                headers=tuple(response.getheaders()),
                body=response.read(),
            )
        except HTTPException as error:
            raise ConnectionError("the answer ends too early") from error

    try:
        yield post
    finally:
        connection.close()


@pytest.mark.parametrize("colour", ["sync"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_was_acknowledged_survives_the_kill(world: World, database: Database) -> None:
    """No refresh token works twice, and no family is half revoked."""

    def post(client: str, path: str = "/token", **parameters: str) -> HttpResponse:
        return world.post(client=client, path=path, **parameters)

    known = cut_off = 0
    with new_database(database) as url, on_database(world, database, url):
        store: SqlAlchemyStore = world.settings["store"]
        world.configure(clock=utc_now)
        fill(store, world.store)
        with _forking_server(f"{DRIVERS[database, 'sync']}:{url}") as server:
            for _ in range(ROUNDS):
                server.start()
                with Load(lambda: _door(server.port, world)) as load:
                    load.wait_for_answers()
                    # No event to wait for: any moment will do.
                    sleep(uniform(0, 0.1))
                    server.kill()
                require_sound(store)
                # What this process knows, it knows from the database, as the next one will.
                require_true(load.ledger, post)
                require_sound(store)
                assert load.ledger.unavailable == []
                known += load.ledger.tokens
                cut_off += sum(family.unanswered is not None for family in load.ledger.families)
    print(f"{database}: {ROUNDS} kills, {known} tokens acknowledged, {cut_off} requests cut off")
