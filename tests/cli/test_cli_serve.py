"""``oauthgrants serve``, as a process and in this one."""

from __future__ import annotations

import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from cli_support import WriteConfig, config_writer, read_all, started

from oauthgrants.cli import main
from oauthgrants.cli.http_server import listen

CONFIG = """
issuer = "http://127.0.0.1:8000"
store = "memory:"

[grants]
client_credentials = true
password = true
refresh_token = true

[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
client_secret_machine_made = true
grant_types = ["client_credentials"]
scope = "reports:read reports:write"
default_scope = "reports:read"

[[clients]]
client_id = "app"
client_secret = "p6pWIdpBv0ZOdBVmQBZbWg"
client_secret_machine_made = true
grant_types = ["password", "refresh_token"]
first_party = true

[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
"""

# One that hashes no password at the start, and gives no warning.
QUIET = CONFIG.partition("[[users]]")[0].replace("password = true\nrefresh_token = true\n", "")

REPORTS = ("reports", "7Fjfp0ZBr1KtDRbnfVdmIw")
APP = ("app", "p6pWIdpBv0ZOdBVmQBZbWg")
ALICE = {"grant_type": "password", "username": "alice", "password": "wonderland"}


@pytest.fixture
def config(tmp_path: Path) -> WriteConfig:
    return config_writer(tmp_path)


def test_each_grant_and_each_refusal_over_http(config: WriteConfig) -> None:
    """In the order of checks; and nothing that is printed holds a secret or a token."""
    with started(config(CONFIG), "--port", "0") as server:
        assert re.fullmatch(r"listening on http://127\.0\.0\.1:[1-9]\d*\n", server.line)
        machine = {"grant_type": "client_credentials"}

        status, headers, first = server.post(machine, REPORTS)
        assert (200, "reports:read") == (status, first["scope"])
        assert ("no-store", "application/json") == (
            headers["Cache-Control"],
            headers["Content-Type"],
        )
        status, _, second = server.post(ALICE, APP)
        assert 200 == status
        refresh = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
        status, _, third = server.post(refresh, APP)
        assert 200 == status

        refusals: list[tuple[int, str, tuple[int, dict[str, str], Any]]] = [
            (405, "invalid_request", server.post(machine, REPORTS, method="GET")),
            (405, "invalid_request", server.post(machine, REPORTS, method="FOO")),
            (404, "invalid_request", server.post(machine, REPORTS, target="/tokens")),
            (
                400,
                "invalid_request",
                server.post(machine, REPORTS, content_type="application/json"),
            ),
            (
                400,
                "invalid_request",
                server.post(machine, target="/token?client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"),
            ),
            (400, "invalid_request", server.post({**machine, "client_secret": "x"}, REPORTS)),
            (401, "invalid_client", server.post(machine)),
            (401, "invalid_client", server.post(machine, ("reports", "wrong"))),
            (400, "invalid_request", server.post({}, REPORTS)),
            (400, "unsupported_grant_type", server.post({"grant_type": "x"}, REPORTS)),
            (400, "unauthorized_client", server.post(ALICE, REPORTS)),
            (400, "invalid_request", server.post({"grant_type": "password"}, APP)),
            (400, "invalid_scope", server.post({**machine, "scope": "admin"}, REPORTS)),
            (400, "invalid_grant", server.post({**ALICE, "password": "looking-glass"}, APP)),
            (400, "invalid_grant", server.post(refresh, APP)),
            (400, "invalid_request", server.post({"x": "y" * 70_000}, REPORTS)),
        ]
        for wanted_status, wanted_error, (status, _, answer) in refusals:
            assert (wanted_status, wanted_error) == (status, answer["error"])
        assert 'Basic realm="token"' == refusals[7][2][1]["WWW-Authenticate"]

        status, out, err = server.end()

    assert (0, "") == (status, out)
    assert 1 == err.count("warning: the password grant shows a user's password to the client; RFC")
    assert " INFO TokenIssued: source='127.0.0.1' client_id='reports'" in err
    assert " WARNING RefreshTokenReused: " in err
    assert "Traceback" not in err
    given = [answer[name] for answer in (second, third) for name in answer if "_token" in name]
    for hidden in [*given, first["access_token"], REPORTS[1], APP[1], "wonderland", "glass"]:
        assert hidden not in err


def test_users_may_sign_in_at_the_same_time(config: WriteConfig) -> None:
    """A pool of threads that all hashes share is where they could wait for each other."""
    with started(config(CONFIG), "--port", "0") as server, ThreadPoolExecutor(4) as pool:
        answers = pool.map(server.post, [ALICE] * 4, [APP] * 4)

        assert [200] * 4 == [status for status, _, _ in answers]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(config: WriteConfig, number: signal.Signals) -> None:
    """At once, with connections that wait and half a request."""
    with (
        started(config(QUIET), "--port", "0") as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as idle,
        socket.create_connection(("127.0.0.1", server.port), 10) as gone,
    ):
        gone.sendall(b"POST /token HTTP/1.1\r\n")
        gone.shutdown(socket.SHUT_WR)
        assert 404 == server.post({}, target="/")[0]
        begin = monotonic()
        assert (0, "", "") == server.end(number)
        assert monotonic() - begin < 2
        assert b"" == read_all(idle)


def test_the_issuers_path_is_in_the_way_of_the_endpoints(config: WriteConfig) -> None:
    with started(config(QUIET.replace(":8000", ":8000/auth")), "--port", "0") as server:
        form = {"grant_type": "client_credentials"}
        assert 404 == server.post(form, REPORTS)[0]
        assert 200 == server.post(form, REPORTS, target="/auth/token")[0]


def test_a_port_that_is_taken_is_status_1(
    config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert 1 == main(["serve", "--config", config(QUIET), "--port", str(port)])

    out, err = capsys.readouterr()
    assert "" == out
    assert f"oauthgrants: cannot listen on 127.0.0.1 port {port}: Address already in use\n" == err


def _free_port(host: str) -> int:
    with listen(host, 0) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_it_runs_in_this_process_too(
    config: WriteConfig, capsys: pytest.CaptureFixture[str], host: str, shown: str
) -> None:
    """And leaves signals and logging as they were."""
    try:
        port = _free_port(host)
    except Exception:
        pytest.skip(f"this machine has no {host}")
    answers: list[bytes] = []

    def talk() -> None:
        end = monotonic() + 10
        while monotonic() < end and not answers:
            try:
                with socket.create_connection((host, port), 10) as client:
                    client.sendall(b"GET /token HTTP/1.0\r\n\r\n")
                    answers.append(read_all(client))
            except OSError:
                sleep(0.01)
        # Answered, so it has taken over the signal; else the test is lost anyway.
        if answers:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    thread = Thread(target=talk)
    thread.start()

    text = QUIET + '[[clients]]\nclient_id = "b"\nclient_secret = "a+b"\n'
    assert 0 == main(["serve", "--config", config(text), "--host", host, "--port", str(port)])

    thread.join()
    assert answers[0].startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert handlers == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    out, err = capsys.readouterr()
    assert f"listening on http://{shown}:{port}\n" == out
    warning, event = err.splitlines()
    assert warning.startswith("warning: clients[2]: this client_secret reads differently")
    assert " INFO RequestRefused: source=" in event
