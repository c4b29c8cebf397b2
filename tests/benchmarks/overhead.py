"""
What a store costs beside the bare statements that it sends.

``python -m tests.benchmarks.overhead``
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count as count_from
from os import urandom
from typing import Any, cast

import attrs
import psycopg
from sqlalchemy import Connection, event

from oauthgrants import AuthorizationServer, Secret

from . import report
from .asking import form_request, settings_of
from .measuring import Case, interleave
from .population import access_token, clients
from .subjects import open_postgresql, open_valkey

GOAL = 1.5
"""The store takes at most so many times as long as the driver alone."""

_CLIENT_ID = "client-0"


@attrs.frozen
class Rivals:
    """
    Three ways to do the same.

    Attributes:
        store: Finds a client and stores a token.
        bare: Sends the statements that the store sends for that, by the driver alone.
        request: A whole ``client_credentials`` request, without HTTP.
    """

    store: Case
    bare: Case
    request: Case


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.overhead",
        description="What a store costs beside the bare statements that it sends.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--on", action="append", choices=RIVALS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=60, help="blocks of each kind")
    parser.add_argument("--calls", type=int, default=20, help="calls in a block")
    chosen = parser.parse_args(arguments)
    print(report.describe_machine("sqlalchemy", "psycopg", "redis"))
    rows: list[list[object]] = []
    for name in chosen.on or RIVALS:
        with RIVALS[name](chosen.calls) as rivals:
            came = interleave(attrs.asdict(rivals, recurse=False), rounds=chosen.rounds)
        store, bare, request = came["store"], came["bare"], came["request"]
        rows.append(
            [
                name,
                report.duration(bare.usual),
                report.duration(store.usual),
                store.over(bare),
                store.cpu_over(bare),
                report.duration(request.usual),
                request.over(bare),
            ]
        )
    print(
        report.table(
            f"find a client and store a token ({chosen.rounds} rounds; goal {GOAL})",
            [
                "on",
                "bare",
                "store",
                "store over bare",
                "the same, CPU of this process",
                "whole request",
                "request over bare",
            ],
            rows,
        )
    )


@contextmanager
def _on_postgresql(calls: int, *, durable: bool = True) -> Generator[Rivals, None, None]:
    with open_postgresql("overhead", durable) as subject:
        store, (client, secret) = subject.store, clients()[0]
        store.add_client(client)
        sent: list[tuple[str, Any]] = []

        def note(_: Connection, __: object, statement: str, parameters: Any, *rest: object) -> None:
            sent.append((statement, parameters))

        event.listen(store.engine, "before_cursor_execute", note)
        _do_both(store, 0)
        event.remove(store.engine, "before_cursor_execute", note)
        (find, of_client), (save, of_token) = sent

        _, settings = store.engine.dialect.create_connect_args(store.engine.url)
        with psycopg.connect(**settings, autocommit=True) as connection:
            # To its types, SQL is what stands in the source code.
            execute = cast("Any", connection).execute

            def send(digest: bytes) -> None:
                assert execute(find, of_client).fetchall()
                execute(save, {**of_token, "digest": digest})

            yield _rivals(store, secret, calls, send)


@contextmanager
def _on_postgresql_without_waiting(calls: int) -> Generator[Rivals, None, None]:
    with _on_postgresql(calls, durable=False) as rivals:
        yield rivals


@contextmanager
def _on_valkey(calls: int) -> Generator[Rivals, None, None]:
    with open_valkey("overhead", False) as subject:
        store, (client, secret) = subject.store, clients()[0]
        store.add_client(client)
        sent: list[tuple[Any, ...]] = []
        server = store.keyspace.client
        execute = server.execute_command

        def note(*command: Any, **options: Any) -> Any:
            sent.append(command)
            return execute(*command, **options)

        server.execute_command = note
        _do_both(store, 0)
        del server.execute_command
        find, (set_, key, *rest) = sent

        def send(digest: bytes) -> None:
            assert execute(*find)
            execute(set_, key[:-43] + urlsafe_b64encode(digest)[:-1], *rest)

        yield _rivals(store, secret, calls, send)


RIVALS: Mapping[str, Callable[[int], AbstractContextManager[Rivals]]] = {
    "postgresql": _on_postgresql,
    "postgresql, no commit waits for the disk": _on_postgresql_without_waiting,
    "valkey, no write waits for the disk": _on_valkey,
}
"""By name."""


def _rivals(store: Any, secret: Secret, calls: int, send: Callable[[bytes], None]) -> Rivals:
    numbers = count_from(1)
    server = AuthorizationServer(**settings_of(store))
    form = form_request("/token", _CLIENT_ID, secret, grant_type="client_credentials")

    def ask(_: None) -> None:
        assert server.token(form).status == 200

    return Rivals(
        store=Case(partial(_do_both, store), calls, lambda: next(numbers)),
        bare=Case(send, calls, lambda: urandom(32)),
        request=Case(ask, calls),
    )


def _do_both(store: Any, number: int) -> None:
    """Find a client and store a token, as a ``client_credentials`` request does."""
    assert store.find_client(_CLIENT_ID) is not None
    store.save_tokens(access_token(number, datetime.now(UTC)), None)


if __name__ == "__main__":
    main()
