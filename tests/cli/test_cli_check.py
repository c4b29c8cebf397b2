"""``oauthgrants check``: findings for people and programs, and the status that CI wants."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_support import WriteConfig, config_writer

from oauthgrants.cli import main

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

SOUND = """
issuer = "https://auth.example.com"
profile = "oauth2.1"
store = "sqlite:///oauth.db"
[tokens]
audience = "https://api.example.com"
[grants]
client_credentials = true
"""
CLIENT = """
[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
grant_types = ["client_credentials"]
"""
LEGACY = """
issuer = "https://auth.example.com"
store = "sqlite:///oauth.db"
[tokens]
audience = "https://api.example.com"
[grants]
password = true
"""


@pytest.fixture
def write(tmp_path: Path) -> WriteConfig:
    return config_writer(tmp_path)


def check(capsys: Capture, path: str, *options: str) -> tuple[int, str, str]:
    """Return the status, and what is printed."""
    status = main(["check", "--config", path, *options])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_sound_file_passes(write: WriteConfig, capsys: Capture, tmp_path: Path) -> None:
    assert (0, "found: 0 error, 0 warning, 0 info\n", "") == check(capsys, write(SOUND))
    # Nothing is connected to, so that there is no database after it.
    assert ["oauth.toml"] == [path.name for path in tmp_path.iterdir()]


def test_an_error_fails_it(write: WriteConfig, capsys: Capture) -> None:
    path = write(LEGACY)

    status, out, err = check(capsys, path)

    assert 1 == status
    assert "error: server: the password grant is enabled" in out
    assert "[password-grant: R9700-2.4-a, D21-10-a]" in out
    assert f"oauthgrants: {path}: 1 of severity error or above\n" == err
    # It says what the warning of `serve` says, and is not said twice.
    assert "warning: the password grant shows" not in err


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param((), 0, id="default"),
        pytest.param(("--fail-on", "error"), 0, id="error"),
        pytest.param(("--fail-on", "warning"), 1, id="warning"),
        pytest.param(("--fail-on", "info"), 1, id="info"),
        pytest.param(("--fail-on", "never"), 0, id="never"),
    ],
)
def test_a_warning_fails_whom_it_is_asked_to(
    write: WriteConfig, capsys: Capture, options: tuple[str, ...], status: int
) -> None:
    answered, out, _ = check(capsys, write(SOUND + CLIENT), *options)

    assert status == answered
    # What is found is shown in any case.
    assert "warning: client 'reports': it has a secret that no machine is known" in out


def test_never_is_never(write: WriteConfig, capsys: Capture) -> None:
    status, out, err = check(capsys, write(LEGACY), "--fail-on", "never")

    assert (0, "") == (status, err)
    assert "error: server: the password grant is enabled" in out


def test_what_is_accepted_is_not_shown(write: WriteConfig, capsys: Capture) -> None:
    options = ("--accept", "password-grant", "--accept", "password-alone")

    status, out, _ = check(capsys, write(LEGACY), *options)

    assert (0, "found: 0 error, 0 warning, 0 info; 2 accepted\n") == (status, out)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pasword-grant", "--accept: there is no such rule; is it password-grant?"),
        ("qqq", "--accept: there is no such rule"),
    ],
)
def test_only_rules_can_be_accepted(
    write: WriteConfig, capsys: Capture, name: str, said: str
) -> None:
    assert (2, "", f"oauthgrants: {said}\n") == check(capsys, write(SOUND), "--accept", name)


def test_programs_read_json(write: WriteConfig, capsys: Capture) -> None:
    options = ("--json", "--accept", "password-alone")

    status, out, _ = check(capsys, write(LEGACY), *options)

    answer: dict[str, Any] = json.loads(out)
    assert 1 == status
    assert {"error": 1, "warning": 0, "info": 0} == answer["counts"]
    assert 1 == answer["accepted"]
    assert [
        {
            "rule": "password-grant",
            "severity": "error",
            "requirements": ["R9700-2.4-a", "D21-10-a"],
            "subject": "server",
            "message": "the password grant is enabled: clients see their users' passwords",
            "advice": "Move its clients to the authorization code grant, and switch it off with "
            "the last one.",
        }
    ] == answer["findings"]


def test_people_see_the_same_in_colour(
    write: WriteConfig, capsys: Capture, monkeypatch: Patch
) -> None:
    path = write(LEGACY)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    status, out, _ = check(capsys, path)

    assert 1 == status
    shown = " ".join(out.split())
    assert "the password grant is enabled: clients see their users' passwords." in shown
    assert "Move its clients to the authorization code grant" in shown
    assert "R9700-2.4-a" in shown


def test_without_rich_they_see_it_without(
    write: WriteConfig, capsys: Capture, monkeypatch: Patch
) -> None:
    path = write(LEGACY)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "oauthgrants.cli.terminal", None)

    assert "error: server: the password grant is enabled" in check(capsys, path)[1]


def test_other_warnings_are_still_said(write: WriteConfig, capsys: Capture) -> None:
    client = CLIENT.replace("7Fjfp0ZBr1KtDRbnfVdmIw", "7Fj+p0ZBr1KtDRbnfVdmIw")

    _, _, err = check(capsys, write(SOUND + client))

    assert err.startswith("warning: clients[0]: this client_secret reads differently")


def test_a_file_can_end_sign_ins(write: WriteConfig, capsys: Capture) -> None:
    refreshing = LEGACY + "refresh_token = true\n"
    ending = refreshing.replace("[tokens]", "[tokens]\nfamily_lifetime = 7776000")

    assert "[endless-sign-ins: " in check(capsys, write(refreshing))[1]
    assert "[endless-sign-ins: " not in check(capsys, write(ending))[1]


def test_no_key_is_made(write: WriteConfig, capsys: Capture, tmp_path: Path) -> None:
    jwt = SOUND.replace("[tokens]", '[tokens]\nformat = "jwt"\nsigning_key_file = "signing.pem"')

    status, _, _ = check(capsys, write(jwt))

    assert 0 == status
    assert not (tmp_path / "signing.pem").exists()


def test_a_key_that_is_there_is_read(write: WriteConfig, capsys: Capture, tmp_path: Path) -> None:
    jwt = SOUND.replace("[tokens]", '[tokens]\nformat = "jwt"\nsigning_key_file = "signing.pem"')
    (tmp_path / "signing.pem").write_text("no key", "utf-8")

    status, _, err = check(capsys, write(jwt))

    assert 2 == status
    assert "tokens.signing_key_file" in err


def test_a_file_with_faults_is_refused(write: WriteConfig, capsys: Capture) -> None:
    status, out, err = check(capsys, write(SOUND + "colour = 1\n"))

    assert (2, "") == (status, out)
    assert "unknown key" in err


@pytest.mark.req("D21-10-a")
def test_the_profile_bars_the_password_grant_in_the_file(
    write: WriteConfig, capsys: Capture
) -> None:
    """With the reason, and with status 2: there is no such server."""
    path = write('profile = "oauth2.1"\n' + LEGACY)

    for command in ("check", "serve"):
        assert 2 == main([command, "--config", path])
        assert f"{path}: profile oauth2.1 has no password grant" in capsys.readouterr().err


def test_the_profile_is_that_of_the_server(write: WriteConfig, capsys: Capture) -> None:
    status, _, err = check(capsys, write(SOUND.replace("oauth2.1", "oauth2")))

    assert 2 == status
    assert "profile: has to be one of oauth2.0, oauth2.1" in err
    assert (
        "info: server: the profile is oauth2.0"
        in (check(capsys, write(SOUND.replace('profile = "oauth2.1"', "")))[1])
    )
