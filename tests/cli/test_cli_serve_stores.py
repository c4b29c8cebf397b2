"""``oauthgrants serve`` on stores that outlive it, as processes."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cli_support import FORM, WriteConfig, config_writer, started
from serving_stores import (
    KINDS,
    PASSWORD,
    Restartable,
    RestartablePostgres,
    RestartableRedis,
    store_url,
)

from oauthgrants import HttpRequest
from oauthgrants.cli.config import read_configuration
from oauthgrants.grants.password import PasswordGrantWarning

req = pytest.mark.req

CONFIG = """
issuer = "http://127.0.0.1:8000"
store = "{store}"

[tokens]
format = "{format}"
audience = "https://api.example.com"
signing_key_file = "signing.pem"

[grants]
client_credentials = true
password = true
refresh_token = true

[[clients]]
client_id = "api"
client_secret = "n2nVZ2Jv5mBPqkUfZ0JkYw"
client_secret_machine_made = true
introspects = ["https://api.example.com"]
"""
CLIENTS = """
[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
client_secret_machine_made = true
grant_types = ["client_credentials"]

[[clients]]
client_id = "app"
client_secret = "p6pWIdpBv0ZOdBVmQBZbWg"
client_secret_machine_made = true
grant_types = ["password", "refresh_token"]
first_party = true
"""
USERS = """
[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
"""
API = ("api", "n2nVZ2Jv5mBPqkUfZ0JkYw")
REPORTS = ("reports", "7Fjfp0ZBr1KtDRbnfVdmIw")
APP = ("app", "p6pWIdpBv0ZOdBVmQBZbWg")
MACHINE = {"grant_type": "client_credentials"}
ALICE = {"grant_type": "password", "username": "alice", "password": "wonderland"}

Tokens = dict[str, Any]


@pytest.fixture
def config(tmp_path: Path) -> WriteConfig:
    return config_writer(tmp_path)


def file_for(store: str, *parts: str, token_format: str = "opaque") -> str:
    return "".join([CONFIG.format(store=store, format=token_format), *parts])


def refresh(tokens: Tokens) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}


@req("R7009-2.1-d", "R9700-4.14.2-a")
@pytest.mark.parametrize(
    ("kind", "token_format"),
    [("sqlite", "opaque"), ("postgresql", "opaque"), ("redis", "opaque"), ("postgresql", "jwt")],
)
def test_two_servers_share_what_they_know(
    config: WriteConfig, kind: str, token_format: str
) -> None:
    """What one issues, the other introspects, ends, and sees coming twice."""
    with ExitStack() as stack:
        store = stack.enter_context(store_url(kind))
        path = config(file_for(store, CLIENTS, USERS, token_format=token_format))
        one, other = (stack.enter_context(started(path, "--port", "0")) for _ in range(2))

        def is_active(tokens: Tokens) -> bool:
            form = {"token": tokens["access_token"]}
            answers = [each.post(form, API, target="/introspect")[2] for each in (one, other)]
            assert answers[0]["active"] == answers[1]["active"]
            return bool(answers[0]["active"])

        status, _, machine = one.post(MACHINE, REPORTS)
        assert 200 == status
        assert ("." in machine["access_token"]) == (token_format == "jwt")
        assert is_active(machine)
        form = {"token": machine["access_token"]}
        assert 200 == other.post(form, REPORTS, target="/revoke")[0]
        assert not is_active(machine)

        status, _, first = one.post(ALICE, APP)
        assert 200 == status
        status, _, second = other.post(refresh(first), APP)
        assert 200 == status
        assert is_active(second)
        status, _, refused = one.post(refresh(first), APP)
        assert (400, "invalid_grant") == (status, refused["error"])
        assert not is_active(second)
        assert 400 == other.post(refresh(second), APP)[0]

        ends = [each.end() for each in (one, other)]

    assert [0, 0] == [status for status, _, _ in ends]
    assert "WARNING RefreshTokenReused" in ends[0][2]
    for hidden in (PASSWORD, "wonderland", first["refresh_token"], machine["access_token"]):
        assert not any(hidden in err for _, _, err in ends)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_outlive_the_server(config: WriteConfig, kind: str) -> None:
    with store_url(kind) as store:
        path = config(file_for(store, CLIENTS, USERS))
        with started(path, "--port", "0") as server:
            _, _, machine = server.post(MACHINE, REPORTS)
            _, _, first = server.post(ALICE, APP)
            assert 0 == server.end()[0]

        with started(path, "--port", "0") as server:
            form = {"token": machine["access_token"]}
            assert server.post(form, API, target="/introspect")[2]["active"]
            assert 200 == server.post(refresh(first), APP)[0]
            assert 0 == server.end()[0]


@contextmanager
def opened(text: str, folder: Path) -> Generator[Callable[..., tuple[int, Tokens]]]:
    """Yield what posts to the server of a file, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        configuration = read_configuration(text, folder)

    def post(form: dict[str, str], client: tuple[str, str]) -> tuple[int, Tokens]:
        credentials = b64encode(":".join(client).encode()).decode()
        response = configuration.server.token(
            HttpRequest(
                method="POST",
                url=configuration.server.token_endpoint,
                headers=[("Content-Type", FORM), ("Authorization", f"Basic {credentials}")],
                body=urlencode(form).encode(),
            )
        )
        return response.status, response.json()

    with closing(configuration.tokens):
        configuration.tokens.prepare()
        yield post


def test_clients_and_users_are_those_of_the_file(tmp_path: Path) -> None:
    """Whatever tokens of theirs the store has."""
    store = "sqlite:///oauth.db"
    with opened(file_for(store, CLIENTS, USERS), tmp_path) as post:
        status, tokens = post(ALICE, APP)
        assert 200 == status

    with opened(file_for(store, CLIENTS), tmp_path) as post:
        status, refused = post(refresh(tokens), APP)
        assert (400, "invalid_grant") == (status, refused["error"])

    with opened(file_for(store, USERS), tmp_path) as post:
        status, refused = post(refresh(tokens), APP)
        assert (401, "invalid_client") == (status, refused["error"])

    with opened(file_for(store, CLIENTS, USERS), tmp_path) as post:
        assert 200 == post(refresh(tokens), APP)[0]


@pytest.mark.parametrize("kind", [RestartablePostgres, RestartableRedis])
def test_a_store_that_goes_away_and_comes_back_is_waited_for(
    config: WriteConfig, kind: Callable[[ExitStack], Restartable]
) -> None:
    """Meanwhile there is 503; nobody starts the server again."""
    with ExitStack() as stack:
        store = kind(stack)
        path = config(file_for(store.url, CLIENTS))
        server = stack.enter_context(started(path, "--port", "0"))
        assert 200 == server.post(MACHINE, REPORTS)[0]

        store.stop()
        for _ in range(2):
            status, headers, refused = server.post(MACHINE, REPORTS)
            assert (503, "temporarily_unavailable") == (status, refused["error"])
            assert headers["Retry-After"].isdecimal()

        store.start()
        assert 200 == server.post(MACHINE, REPORTS)[0]
        status, _, err = server.end()

    assert 0 == status
    assert " ERROR Fault: " in err


def test_a_file_is_where_the_configuration_is(config: WriteConfig, tmp_path: Path) -> None:
    """The process runs elsewhere; tables are made by the server itself."""
    with started(config(file_for("sqlite:///oauth.db", CLIENTS)), "--port", "0") as server:
        assert 200 == server.post(MACHINE, REPORTS)[0]
        assert 0 == server.end()[0]

    assert {"oauth.toml", "signing.pem", "oauth.db"} == {path.name for path in tmp_path.iterdir()}
