"""What can be wrong with a store, and how a command says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_support import WriteConfig, config_writer, started
from fresh_databases import fresh_url
from serving_stores import RestartableRedis
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
)
from oauthgrants.assembly import Store
from oauthgrants.cli import main
from oauthgrants.cli.store_urls import StoreUrl
from oauthgrants.stores.redis import RedisStore
from oauthgrants.stores.redis.connecting import make_client
from oauthgrants.stores.sqlalchemy.engines import DatabaseFault, faults_explained, make_store

Capture = pytest.CaptureFixture[str]

CONFIG = """
issuer = "http://127.0.0.1:8000"
store = "{store}"
[grants]
client_credentials = true
"""


@pytest.fixture
def refusal(tmp_path: Path, capsys: Capture) -> Callable[[str], str]:
    """Return what lets a server begin that cannot, and returns why."""
    write: WriteConfig = config_writer(tmp_path)

    def begin(store: str) -> str:
        path = write(CONFIG.format(store=store))
        assert 1 == main(["serve", "--config", path, "--port", "0"])
        out, err = capsys.readouterr()
        assert "" == out
        assert 1 == err.count("\n")
        assert "swordfish" not in err
        assert err.startswith("oauthgrants: ")
        return err.removeprefix("oauthgrants: ").removesuffix("\n")

    return begin


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("memory:", "memory:"),
        ("sqlite:///oauth.db", "sqlite:///oauth.db"),
        ("sqlite:////var/lib/my oauth#1.db?timeout=3", "sqlite:////var/lib/my oauth#1.db"),
        ("postgresql://db/tokens", "postgresql+psycopg://db/tokens"),
        ("postgres://me:pw@db:5432/tokens", "postgresql+psycopg://me:…@db:5432/tokens"),
        ("postgresql+psycopg:///tokens?password=pw", "postgresql+psycopg:///tokens"),
        ("postgresql://me@[::1]:5432/tokens", "postgresql+psycopg://me@[::1]:5432/tokens"),
        ("redis://:pw@cache:6379/2", "redis://:…@cache:6379/2"),
        ("rediss://cache", "rediss://cache"),
        ("valkey://me:pw@cache?password=pw", "redis://me:…@cache"),
        ("valkeys://cache", "rediss://cache"),
    ],
)
def test_a_url_is_shown_without_its_secrets(text: str, shown: str) -> None:
    url = StoreUrl.parse(text)

    assert shown == str(url)
    assert "pw" not in f"{url!r} {url}"


# At the start


@pytest.mark.parametrize(
    ("store", "why"),
    [
        (
            "postgresql://me:swordfish@127.0.0.1:1/x",
            "postgresql+psycopg://me:…@127.0.0.1:1/x: connection failed: ",
        ),
        ("redis://:swordfish@127.0.0.1:1", "redis://:…@127.0.0.1:1: Error 111 connecting to 127.0"),
        ("valkeys://127.0.0.1:1", "rediss://127.0.0.1:1: Error 111 connecting to 127.0.0.1:1. Co"),
        ("sqlite:///no/oauth.db", "sqlite:///no/oauth.db: unable to open database file"),
    ],
)
def test_a_store_that_is_away_is_status_1(
    refusal: Callable[[str], str], store: str, why: str
) -> None:
    assert refusal(store).startswith(why)


@pytest.mark.parametrize(
    ("store", "why"),
    [
        (
            "postgresql://127.0.0.1:1/x?swordfish=1",
            'postgresql+psycopg://127.0.0.1:1/x: invalid connection option "',
        ),
        ("redis://127.0.0.1:1?password=swordfish&x=1", "redis://127.0.0.1:1: has settings that re"),
        ("redis://127.0.0.1:1?db=swordfish", "redis://127.0.0.1:1: has settings that redis-py d"),
    ],
)
def test_settings_that_there_are_not_are_refused(
    tmp_path: Path, capsys: Capture, store: str, why: str
) -> None:
    path = config_writer(tmp_path)(CONFIG.format(store=store))

    assert 1 == main(["serve", "--config", path, "--port", "0"])

    assert capsys.readouterr().err.startswith(f"oauthgrants: {why}")


def test_a_password_that_is_wrong_is_refused(refusal: Callable[[str], str]) -> None:
    with ExitStack() as stack:
        url = RestartableRedis(stack).url.replace("//", "//me:swordfish@")

        assert "invalid username-password pair" in refusal(url)


def test_tables_that_are_missing_are_said_how_to_make(refusal: Callable[[str], str]) -> None:
    with fresh_url("postgresql") as url:
        why = refusal(url)

    assert "; run: oauthgrants db upgrade --store postgresql+psycopg://" in why


def test_a_file_whose_tables_are_of_another_shape_is_refused(
    refusal: Callable[[str], str],
) -> None:
    with fresh_url("sqlite") as url:
        with create_engine(url, poolclass=NullPool).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE oauth_users (name TEXT)")

        assert "there are tables that no migration made, unlike those of revision" in refusal(url)


def test_a_server_that_may_forget_is_warned_of(tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = RestartableRedis(stack)
        store.configure("maxmemory-policy", "allkeys-lru")
        path = config_writer(tmp_path)(CONFIG.format(store=store.url))
        with started(path, "--port", "0") as server:
            status, _, err = server.end()

    assert 0 == status
    assert " WARNING the Redis server may evict what has to be kept" in err


@pytest.mark.parametrize(
    ("library", "store", "why"),
    [
        ("redis", "redis://cache", "RedisStore needs redis-py: pip install 'oauthgrants[redis]'"),
        (
            "sqlalchemy",
            "sqlite:///oauth.db",
            "SqlAlchemyStore needs SQLAlchemy: pip install 'oauthgrants[sqlalchemy]'",
        ),
        (
            "alembic.script",
            "sqlite:///oauth.db",
            "migrations need Alembic: pip install 'oauthgrants[cli]'",
        ),
        (
            "psycopg",
            "postgresql://db/x",
            "PostgreSQL needs a driver: pip install 'psycopg[binary]'",
        ),
    ],
)
def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch,
    refusal: Callable[[str], str],
    library: str,
    store: str,
    why: str,
) -> None:
    for name in list(sys.modules):
        ours = ("oauthgrants.stores.redis", "oauthgrants.stores.sqlalchemy")
        if name.startswith(ours) or name in {
            "oauthgrants.cli.databases",
            "oauthgrants.cli.redis_servers",
        }:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)

    assert why == refusal(store)


# With every connection in use


@contextmanager
def busy_database() -> Generator[Store]:
    with fresh_url("sqlite") as url:
        store = make_store(url, connections=1, patience=0.05)
        store.create_all()
        try:
            with store.engine.connect():
                yield store
        finally:
            store.engine.dispose()


@contextmanager
def busy_redis() -> Generator[Store]:
    with ExitStack() as stack:
        url = RestartableRedis(stack).url
        with closing(make_client(url, connections=1, patience=0.05)) as client:
            pool: Any = client.connection_pool
            connection = pool.get_connection()
            try:
                yield RedisStore(client)
            finally:
                pool.release(connection)


@pytest.mark.parametrize("busy", [busy_database, busy_redis])
def test_a_pool_that_is_used_up_is_503_in_time(
    busy: Callable[[], AbstractContextManager[Store]],
) -> None:
    """Nobody waits for half a minute, as SQLAlchemy would."""
    client, secret = Client.confidential(
        "reports",
        grant_types=["client_credentials"],
        token_endpoint_auth_method="client_secret_post",
    )
    clients = MemoryStore()
    clients.add_client(client)
    with busy() as store:
        server = AuthorizationServer(
            issuer="https://auth.example.com",
            store=store,
            clients=clients,
            grants=[ClientCredentialsGrant()],
        )
        response = server.token(
            HttpRequest(
                method="POST",
                url=server.token_endpoint,
                headers=[("Content-Type", "application/x-www-form-urlencoded")],
                body=f"grant_type=client_credentials&client_id=reports"
                f"&client_secret={secret.reveal()}".encode(),
            )
        )

    assert (503, "temporarily_unavailable") == (response.status, response.json()["error"])
    assert "Retry-After" in dict(response.headers)


def test_what_no_url_is_is_refused_without_showing_it() -> None:
    with pytest.raises(DatabaseFault, match=r"^is not a URL that SQLAlchemy can read$"):
        make_store("postgresql://me:swordfish@db:port/x")


def test_what_sqlalchemy_says_by_itself_is_one_line() -> None:
    with fresh_url("sqlite") as url:
        store = make_store(url, patience=0.05)
        with (
            closing(store.engine.connect()),
            pytest.raises(DatabaseFault, match=r"^QueuePool limit of size 1") as fault,
            faults_explained(),
        ):
            store.engine.connect()
        store.engine.dispose()

    assert "\n" not in str(fault.value)
