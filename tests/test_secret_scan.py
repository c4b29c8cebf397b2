"""The scan for secrets finds each leak that is planted, and nothing where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Each leaks in one way; what follows it is what the scan has to say of it.
LEAKING = """
import base64
import logging
import warnings

import pytest

from oauthgrants import HttpRequest, MemoryStore, AuthorizationServer, ClientCredentialsGrant
from oauthgrants import InvalidRequest, Secret
from oauthgrants.events import NothingRevoked
from oauthgrants.secret import SecretFormat
from secret_scan import read_log

logger = logging.getLogger("elsewhere")
PASSWORD = "correct horse"


class Fails(MemoryStore):
    def find_client(self, client_id):
        raise OSError(f"no client for {PASSWORD}")


def serve(store):
    return AuthorizationServer(
        issuer="https://a.example", store=store, grants=[ClientCredentialsGrant()]
    )


def request():
    return HttpRequest(
        method="POST",
        url="https://a.example/token",
        headers=[
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", "Basic " + base64.b64encode(b"c:correct horse").decode()),
        ],
    )


def test_log_record():
    logger.warning("signing in with %s", Secret(PASSWORD).reveal())


def test_log_attribute():
    logger.warning("signing in", extra={"of": [SecretFormat("ogat_").generate().reveal()]})


def test_log_traceback():
    try:
        raise OSError(Secret(PASSWORD).reveal())
    except OSError:
        logger.exception("failed")


def test_event():
    server = serve(MemoryStore())
    server._record(NothingRevoked(at=server._clock(), client_id=PASSWORD))


def test_fault():
    serve(Fails()).token(request())


def test_error():
    InvalidRequest("malformed", reason=Secret(PASSWORD).reveal())


def test_expected_exception():
    with pytest.raises(KeyError):
        try:
            raise ValueError(Secret(PASSWORD).reveal())
        except ValueError:
            raise KeyError from None


def test_warning():
    warnings.warn(Secret(PASSWORD).reveal())


def test_credentials_as_they_were_sent():
    request()
    logger.warning("Authorization: Basic %s", base64.b64encode(b"c:correct horse").decode())


def test_another_process():
    read_log("GET /?token=" + Secret(PASSWORD).reveal())


def test_no_leak(capsys):
    print(SecretFormat("ogcs_").generate().reveal())
    logger.warning("%s %s %s", Secret(PASSWORD), Secret("pw").reveal(), Secret("0" * 40).reveal())


@pytest.mark.xfail(reason="it leaks as it fails")
def test_failure():
    raise AssertionError(Secret(PASSWORD).reveal())
"""

SAFE = """
import logging

from oauthgrants import Secret


def test_nothing_is_shown():
    logging.getLogger().warning("signing in with %s", Secret("correct horse"))
"""


def run(path: Path, text: str) -> tuple[int, str]:
    """Return status and output of a run of its own, with *text* for its tests."""
    file = path / "test_planted.py"
    file.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "secret_scan", "-p", "no:cacheprovider",
         "--rootdir", str(path), "-c", os.devnull, "-q", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.req("R6819-4.4.3.1-a", "R6749-10.3-a")
def test_each_leak_is_found(tmp_path: Path) -> None:
    status, output = run(tmp_path, LEAKING)

    leaks = [line for line in output.splitlines() if " shows a secret: " in line]
    assert [line.partition("::")[2].partition(" shows ")[0] for line in leaks] == [
        "test_log_record: a log record",
        "test_log_attribute: a log record",
        "test_log_traceback: a log record",
        "test_event: an event",
        "test_fault: a fault",
        "test_error: an error",
        "test_expected_exception: an exception",
        "test_warning: a warning",
        "test_credentials_as_they_were_sent: a log record",
        "test_another_process: the log of a server",
        "test_failure: an exception",
    ], output
    assert "11 passed, 1 xfailed" in output
    assert f"{len(leaks)} in all" in output
    assert "correct horse" not in "".join(leaks)
    assert status == pytest.ExitCode.TESTS_FAILED


def test_where_nothing_leaks_the_run_succeeds(tmp_path: Path) -> None:
    status, output = run(tmp_path, SAFE)

    assert "1 passed" in output
    assert status == pytest.ExitCode.OK
