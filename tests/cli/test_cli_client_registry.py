"""``oauthgrants client add``, ``show``, ``secret`` and ``retire``: clients in a store."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from oauthgrants import AuthorizationServer, Client, ClientCredentialsGrant, HttpRequest
from oauthgrants.cli import main
from oauthgrants.events import Event, TokenIssued
from oauthgrants.sealed import SealingKey
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

Capture = pytest.CaptureFixture[str]


class Cli:
    """The command on one store."""

    def __init__(self, url: str, capsys: Capture) -> None:
        self.url = url
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run ``oauthgrants client`` and return what it prints, or has against it."""
        assert main(["client", *arguments, "--store", self.url]) == status
        out, err = self._capsys.readouterr()
        assert (out == "") is (status != 0)
        assert (err == "") is (status == 0)
        return out or err

    def add(self, *options: str) -> str:
        """Register ``reports``, and return its secret."""
        return printed(self("add", "--client-id", "reports", *options), "client_secret")


def printed(out: str, name: str) -> str:
    found = re.search(rf"^{name}  +(\S+)", out, re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def cli(tmp_path: Path, capsys: Capture) -> Cli:
    return Cli(f"sqlite:///{tmp_path}/oauth.db", capsys)


class Log:
    """The events of a server."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)


def ask(cli: Cli, secret: str, *, after: timedelta = timedelta(), log: Log | None = None) -> int:
    """Return the status that a server over the same database answers."""
    engine = create_engine(cli.url)
    server = AuthorizationServer(
        issuer="https://auth.example.com",
        store=SqlAlchemyStore(engine),
        grants=[ClientCredentialsGrant()],
        event_sink=log or Log(),
        clock=lambda: datetime.now(UTC) + after,
    )
    credentials = b64encode(f"reports:{secret}".encode()).decode()
    request = HttpRequest(
        method="POST",
        url="https://auth.example.com/token",
        headers=[
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", f"Basic {credentials}"),
        ],
        body=b"grant_type=client_credentials",
    )
    try:
        return server.token(request).status
    finally:
        engine.dispose()


def test_no_secret_is_kept_that_nobody_would_see(
    cli: Cli, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown once, and with a closed output not even that."""
    cli.add()
    shown = cli("show", "reports")

    with monkeypatch.context() as closed:
        closed.setattr("sys.stdout", None)
        for arguments in (["secret", "reports"], ["add", "--client-id", "unseen"]):
            assert 1 == main(["client", *arguments, "--store", cli.url])
        public = ["--client-id", "phone", "--public", "--grant-type", "password"]
        assert 0 == main(["client", "add", *public, "--store", cli.url])

    assert 2 == capsys.readouterr().err.count("standard output is closed")
    assert shown == cli("show", "reports")
    assert "there is no client 'unseen'" in cli("show", "unseen", status=1)


@pytest.mark.req("R6819-5.2.3.6-a")
def test_secrets_are_rotated_without_downtime(cli: Cli) -> None:
    first = cli.add()
    made = cli("secret", "reports", "--others-expire-in", "3600")
    second = printed(made, "client_secret")

    assert (ask(cli, first), ask(cli, second)) == (200, 200)
    hour = timedelta(hours=1)
    assert ask(cli, first, after=hour - timedelta(minutes=1)) == 200
    assert (ask(cli, first, after=hour), ask(cli, second, after=hour)) == (401, 200)

    # Events name the secret that was used, so that one sees when the old one is idle.
    log = Log()
    ask(cli, second, log=log)
    issued = [event for event in log.events if isinstance(event, TokenIssued)]
    assert [event.secret_id for event in issued] == [printed(made, "client_secret id")]


@pytest.mark.req("R6819-5.2.3.6-a")
def test_a_secret_that_is_retired_ends_at_once(cli: Cli) -> None:
    first = cli.add()
    old = printed(cli("show", "reports"), "client_secret")
    second = printed(cli("secret", "reports"), "client_secret")

    left = cli("retire", "reports", old)

    assert old not in left
    assert (ask(cli, first), ask(cli, second)) == (401, 200)


def test_a_client_is_shown_without_what_is_secret(cli: Cli) -> None:
    secret = cli.add("--scope", "b a", "--default-scope", "a")
    cli("secret", "reports", "--expires-in", "60")

    shown = cli("show", "reports")

    assert "scope                       a b\ndefault_scope               a\n" in shown
    assert shown.count("client_secret  ") == 2
    assert shown.count("never expires") == 1
    assert secret not in shown
    assert "sha256:" not in shown


def test_what_has_expired_is_shown_as_such(cli: Cli) -> None:
    cli.add()
    cli("secret", "reports", "--others-expire-in", "0")

    assert cli("show", "reports").count(", expired\n") == 1


def test_a_client_that_is_off_is_shown_as_such(cli: Cli) -> None:
    cli.add()
    engine = create_engine(cli.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE oauth_clients SET active = 0")
    engine.dispose()

    assert "active                      false\n" in cli("show", "reports")


def test_a_public_client_has_no_secret_and_gets_none(cli: Cli) -> None:
    out = cli("add", "--client-id", "phone", "--public", "--grant-type", "password")

    assert "client_secret" not in out
    assert "goes with no client_secret" in cli("secret", "phone", status=1)


def test_a_secret_that_the_server_has_to_read_is_the_servers_to_make(cli: Cli) -> None:
    cli.add()
    signer, _ = Client.confidential(
        "signer",
        token_endpoint_auth_method="client_secret_jwt",
        sealing_key=SealingKey.generate(),
    )
    engine = create_engine(cli.url)
    SqlAlchemyStore(engine).add_client(signer)
    engine.dispose()

    assert "signs with its secret" in cli("secret", "signer", status=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "--client-id", "reports"], "'reports' is registered already"),
        (["show", "nobody"], "there is no client 'nobody'"),
        (["secret", "nobody"], "there is no client 'nobody'"),
        (["retire", "nobody", "x"], "there is no client 'nobody'"),
        (["retire", "reports", "x"], "there is no client_secret 'x'"),
    ],
)
def test_what_cannot_be_done_is_said(cli: Cli, arguments: list[str], message: str) -> None:
    cli.add()

    assert message in cli(*arguments, status=1)


def test_the_last_secret_stays(cli: Cli) -> None:
    secret = cli.add()
    only = printed(cli("show", "reports"), "client_secret")

    assert "needs a client_secret" in cli("retire", "reports", only, status=1)
    assert ask(cli, secret) == 200


def test_a_store_in_memory_is_none(capsys: Capture) -> None:
    cli = Cli("memory:", capsys)

    assert "ends with the command" in cli("add", status=1)


def test_a_store_that_is_away_is_said(capsys: Capture) -> None:
    cli = Cli("redis://127.0.0.1:1/", capsys)

    assert "redis://127.0.0.1:1/" in cli("show", "reports", status=1)


def test_clients_are_kept_on_a_server_too(valkey_url: str, capsys: Capture) -> None:
    cli = Cli(valkey_url, capsys)
    cli("add", "--client-id", "on-valkey")
    first = printed(cli("show", "on-valkey"), "client_secret")
    cli("secret", "on-valkey")

    assert first not in cli("retire", "on-valkey", first)


def test_the_file_of_a_server_says_where_the_store_is(tmp_path: Path, capsys: Capture) -> None:
    config = tmp_path / "oauth.toml"
    config.write_text('issuer = "https://auth.example.com"\nstore = "sqlite:///oauth.db"\n')

    assert main(["client", "add", "--client-id", "reports", "--config", str(config)]) == 0
    assert (tmp_path / "oauth.db").exists()
    assert printed(capsys.readouterr().out, "client_secret").startswith("ogcs_")
