"""
Stores, and the bare statements that they send, to be measured beside one another.

The statements are those of the store, listened to while it works once, and go to the same database
by the same driver, on a connection that is there already.
"""

from __future__ import annotations

import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count as count_from
from os import urandom
from typing import Any, cast

import attrs
import psycopg
from sqlalchemy import Connection, Engine, event

from oauthgrants import AuthorizationServer, HttpRequest, Secret

from .asking import form_request, settings_of
from .measuring import Case
from .population import access_token, clients, digest_of
from .subjects import Subject, open_postgresql, open_sqlite, open_valkey

CLIENT_ID = "client-0"
_ENCODED = 43
"""Characters of a digest in base64url, without padding."""

Sent = list[tuple[str, Any]]
"""Statements with their parameters."""


@attrs.frozen
class Rivals:
    """
    Three ways to do the same.

    Attributes:
        store: Finds a client and stores a token.
        bare: Sends the statements that the store sends for that, by the driver alone.
        request: A whole ``client_credentials`` request, without HTTP.
        at_once: So often each does it in one call.
    """

    store: Case
    bare: Case
    request: Case
    at_once: int = 1


def begin(subject: Subject) -> Secret:
    """Add the client, and return its secret."""
    client, secret = clients()[0]
    subject.store.add_client(client)
    return secret


def form_of(secret: Secret) -> HttpRequest:
    """Return what the client asks."""
    return form_request("/token", CLIENT_ID, secret, grant_type="client_credentials")


@contextmanager
def listening(engine: Engine) -> Generator[Sent]:
    """Return the list to which the statements go that are sent meanwhile."""
    sent: Sent = []

    def note(_: Connection, __: object, statement: str, parameters: Any, *rest: object) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def with_digest(parameters: Any, digest: bytes) -> Any:
    """Return *parameters*, of the token with the number 0, with another *digest*."""
    if isinstance(parameters, dict):
        return {**cast("dict[str, Any]", parameters), "digest": digest}
    first = digest_of("access", 0)
    return tuple(digest if value == first else value for value in parameters)


def spell_key(key: bytes, digest: bytes) -> bytes:
    """Return the *key* of another token with another *digest*."""
    return key[:-_ENCODED] + urlsafe_b64encode(digest)[:-1]


@contextmanager
def on_sqlite(calls: int) -> Generator[Rivals]:
    with open_sqlite("overhead", True) as subject:
        secret = begin(subject)
        with listening(subject.store.engine) as sent:
            _do_both(subject.store, 0)
        (find, of_client), (save, of_token) = sent
        path = str(subject.url).removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")

            def send(digest: bytes) -> None:
                assert connection.execute(find, of_client).fetchall()
                connection.execute(save, with_digest(of_token, digest))

            yield _rivals(subject.store, secret, calls, send)


@contextmanager
def on_postgresql(calls: int, *, durable: bool = True) -> Generator[Rivals]:
    with open_postgresql("overhead", durable) as subject:
        secret, store = begin(subject), subject.store
        with listening(store.engine) as sent:
            _do_both(store, 0)
        (find, of_client), (save, of_token) = sent
        _, settings = store.engine.dialect.create_connect_args(store.engine.url)
        with psycopg.connect(**settings, autocommit=True) as connection:
            # To its types, SQL is what stands in the source code.
            execute = cast("Any", connection).execute

            def send(digest: bytes) -> None:
                assert execute(find, of_client).fetchall()
                execute(save, with_digest(of_token, digest))

            yield _rivals(store, secret, calls, send)


@contextmanager
def on_valkey(calls: int) -> Generator[Rivals]:
    with open_valkey("overhead", False) as subject:
        secret, store = begin(subject), subject.store
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
            execute(set_, spell_key(key, digest), *rest)

        yield _rivals(store, secret, calls, send)


def _rivals(store: Any, secret: Secret, calls: int, send: Callable[[bytes], None]) -> Rivals:
    numbers = count_from(1)
    server = AuthorizationServer(**settings_of(store))
    form = form_of(secret)

    def ask(_: None) -> None:
        assert server.token(form).status == 200

    return Rivals(
        store=Case(partial(_do_both, store), calls, lambda: next(numbers)),
        bare=Case(send, calls, lambda: urandom(32)),
        request=Case(ask, calls),
    )


def _do_both(store: Any, number: int) -> None:
    """Find a client and store a token, as a ``client_credentials`` request does."""
    assert store.find_client(CLIENT_ID) is not None
    store.save_tokens(access_token(number, datetime.now(UTC)), None)
