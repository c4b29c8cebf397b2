"""``oauthgrants purge``, on real databases."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pytest
from cli_support import config_writer
from fresh_databases import KINDS, fresh_url
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool

from oauthgrants.cli import main
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from oauthgrants.testing.store_samples import DAY, make_access_token, moment

Capture = pytest.CaptureFixture[str]
EXPIRED = 25
USES_SQLALCHEMY = ("databases", "db", "purge")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> Generator[str]:
    """The URL of a database with tokens, most of which have expired."""
    with fresh_url(request.param) as url:
        fill(url)
        yield url


@pytest.fixture
def file_url() -> Generator[str]:
    """The same in a file."""
    with fresh_url("sqlite") as url:
        fill(url)
        yield url


def fill(url: str) -> None:
    store = SqlAlchemyStore(create_engine(url, poolclass=NullPool))
    store.create_all()
    for age in [timedelta(), *[2 * DAY] * EXPIRED]:
        store.save_tokens(make_access_token(issued_at=moment() - age), None)


def count(url: str) -> int:
    """Return how many access tokens are left."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return int(
            connection.exec_driver_sql("SELECT count(*) FROM oauth_access_tokens").scalar_one()
        )


@contextmanager
def at_the_first_delete(act: Callable[[], object]) -> Generator[None]:
    """Call *act* when the first tokens are about to be deleted."""
    left = [act]

    def before(_: object, cursor: object, statement: str, *rest: Any) -> None:
        if left and statement.startswith("DELETE FROM oauth_access_tokens"):
            left.pop()()

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)
    assert not left


@pytest.mark.parametrize("size", ["1", "5", "10", "25", "1000"])
def test_what_has_expired_goes_and_the_rest_stays(capsys: Capture, url: str, size: str) -> None:
    """Whether the last batch is full or not."""
    assert 0 == main(["purge", "--store", url, "--batch-size", size])

    out, err = capsys.readouterr()
    assert "" == err
    assert out.endswith(f": deleted {EXPIRED} that had expired\n")
    assert 1 == out.count("\n")
    assert 1 == count(url)

    assert 0 == main(["purge", "--store", url])
    assert capsys.readouterr().out.endswith(": deleted 0 that had expired\n")


def test_no_transaction_deletes_more_than_a_batch(file_url: str) -> None:
    statements: list[Any] = []

    def before(_: object, cursor: object, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.startswith("DELETE FROM oauth_access_tokens"):
            statements.append(parameters)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        assert 0 == main(["purge", "--store", file_url, "--batch-size", "10"])
    finally:
        event.remove(Engine, "before_cursor_execute", before)

    assert 3 == len(statements)


def test_quiet_prints_nothing_unless_it_fails(capsys: Capture, file_url: str) -> None:
    assert 0 == main(["purge", "--store", file_url, "--quiet"])
    assert ("", "") == capsys.readouterr()
    assert 1 == count(file_url)

    assert 1 == main(["purge", "--store", file_url + "x", "--quiet"])
    assert capsys.readouterr().err.endswith("x: there is no such file\n")


def test_tables_may_have_another_prefix(capsys: Capture, file_url: str) -> None:
    assert 0 == main(["db", "upgrade", "--store", file_url, "--prefix", "auth_"])
    assert 0 == main(["purge", "--store", file_url, "--prefix", "auth_"])

    assert capsys.readouterr().out.endswith(": deleted 0 that had expired\n")
    assert 1 + EXPIRED == count(file_url)


@pytest.mark.parametrize("url", ["memory:", "redis://cache.example.com", "valkey://cache"])
def test_what_forgets_by_itself_is_left_alone(capsys: Capture, url: str) -> None:
    assert 0 == main(["purge", "--store", url])

    out, err = capsys.readouterr()
    assert "" == err
    assert out.endswith(
        ": no tables, and what has expired goes by itself: there is nothing to do\n"
    )


def test_the_url_may_stand_in_a_servers_file(capsys: Capture, tmp_path: Path) -> None:
    path = config_writer(tmp_path)('issuer = "https://auth.example.com"\nstore = "sqlite:///a.db"')
    fill(f"sqlite:///{tmp_path / 'a.db'}")

    assert 0 == main(["purge", "--config", path])

    assert f"sqlite:///a.db: deleted {EXPIRED} that had expired\n" == capsys.readouterr().out


def test_a_server_without_a_store_has_nothing_to_purge(capsys: Capture, tmp_path: Path) -> None:
    path = config_writer(tmp_path)('issuer = "https://auth.example.com"')

    assert 0 == main(["purge", "--config", path])

    assert capsys.readouterr().out.startswith("memory:: no tables")


def test_a_database_without_tables_is_refused(capsys: Capture) -> None:
    with fresh_url("postgresql") as url:
        assert 1 == main(["purge", "--store", url])

    out, err = capsys.readouterr()
    assert "" == out
    assert " has no oauth_access_tokens, oauth_attempts, oauth_client_secrets, …; run: " in err
    assert "run: oauthgrants db upgrade --store postgresql+psycopg://" in err
    assert 1 == err.count("\n")


def test_a_database_of_an_older_version_is_refused(capsys: Capture, url: str) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE oauth_users DROP COLUMN active")

    assert 1 == main(["purge", "--store", url])

    assert " has no oauth_users.active; run: oauthgrants db upgrade" in capsys.readouterr().err


def test_a_database_that_is_away_is_status_1(capsys: Capture) -> None:
    """And the password is nobody's business."""
    url = "postgresql://me:wonderland@127.0.0.1:1/tokens?connect_timeout=2"

    assert 1 == main(["purge", "--store", url])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("oauthgrants: postgresql+psycopg://me:…@127.0.0.1:1/tokens: connection")
    assert "Connection refused" in err
    assert "wonderland" not in err
    assert 1 == err.count("\n")


def test_a_database_that_goes_away_meanwhile_is_status_1(capsys: Capture) -> None:
    with fresh_url("postgresql") as url:
        fill(url)
        others = create_engine(url, poolclass=NullPool)

        def end_all_others() -> None:
            with others.connect() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND starts_with(query, 'DELETE FROM oauth_')"
                )

        with at_the_first_delete(end_all_others):
            assert 1 == main(["purge", "--store", url])

        assert 1 + EXPIRED == count(url)
    out, err = capsys.readouterr()
    assert "" == out
    assert "terminating connection due to administrator command" in err
    assert 1 == err.count("\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch(
    capsys: Capture, url: str, number: signal.Signals
) -> None:
    """What is under way is finished, and counted; then signals are as they were."""
    before = signal.getsignal(number)

    with at_the_first_delete(lambda: os.kill(os.getpid(), number)):
        assert 0 == main(["purge", "--store", url, "--batch-size", "10"])

    assert capsys.readouterr().out.endswith(
        ": deleted 10 that had expired; stopped before the end\n"
    )
    assert 1 + EXPIRED - 10 == count(url)
    assert before == signal.getsignal(number)


def test_a_second_signal_ends_it_at_once(capsys: Capture, file_url: str) -> None:
    def interrupt_twice() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    # A shell has it ignored by what it starts in the background.
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with at_the_first_delete(interrupt_twice):
            assert 130 == main(["purge", "--store", file_url])
    finally:
        signal.signal(signal.SIGINT, kept)

    assert ("", "") == capsys.readouterr()
    assert 1 + EXPIRED == count(file_url)


@pytest.mark.parametrize("size", ["0", "-1", "100001", "many"])
def test_batches_have_bounds(capsys: Capture, size: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["purge", "--store", "memory:", "--batch-size", size])

    assert 2 == end.value.code
    assert "argument --batch-size: has to be from 1 to 100000" in capsys.readouterr().err


# To those who look on


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[TextIO, BinaryIO]]:
    """A terminal: what a program writes to, and what people look at."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    with os.fdopen(slave, "w") as stream, os.fdopen(master, "rb") as shown:
        yield stream, shown


def shown_by(
    screen: tuple[TextIO, BinaryIO], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> str:
    """Return what the command shows on the terminal, apart from its output."""
    stream, shown = screen
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        assert 0 == main(arguments)
        stream.flush()
    return (shown.read() or b"").decode()


def test_a_terminal_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    file_url: str,
    screen: tuple[TextIO, BinaryIO],
) -> None:
    """And the result is no part of it."""
    shown = shown_by(screen, monkeypatch, "purge", "--store", file_url, "--batch-size", "10")

    assert f"{EXPIRED} deleted" in shown
    assert "\x1b[" in shown
    assert f": deleted {EXPIRED} that had expired\n" in capsys.readouterr().out


def test_quiet_shows_nothing_on_a_terminal_either(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    file_url: str,
    screen: tuple[TextIO, BinaryIO],
) -> None:
    assert "" == shown_by(screen, monkeypatch, "purge", "--store", file_url, "--quiet")
    assert ("", "") == capsys.readouterr()


def test_without_rich_the_result_has_to_do(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    file_url: str,
    screen: tuple[TextIO, BinaryIO],
) -> None:
    monkeypatch.delitem(sys.modules, "oauthgrants.cli.terminal", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)

    assert "" == shown_by(screen, monkeypatch, "purge", "--store", file_url)
    assert f": deleted {EXPIRED} that had expired\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["purge"], ["db", "upgrade"], ["db", "current"]])
def test_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, file_url: str, command: list[str]
) -> None:
    loaded = ("oauthgrants.stores.sqlalchemy", *(f"oauthgrants.cli.{x}" for x in USES_SQLALCHEMY))
    for name in list(sys.modules):
        if name.startswith(loaded):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)

    assert 1 == main([*command, "--store", file_url])

    assert capsys.readouterr().err == (
        "oauthgrants: SqlAlchemyStore needs SQLAlchemy: pip install 'oauthgrants[sqlalchemy]'\n"
    )


def test_it_says_that_it_needs_a_driver(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    assert 1 == main(["purge", "--store", "postgresql://db.example.com/tokens"])

    assert capsys.readouterr().err == (
        "oauthgrants: PostgreSQL needs a driver: pip install 'psycopg[binary]'\n"
    )
