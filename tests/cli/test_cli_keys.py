"""``oauthgrants keys``: what it makes, shows and refuses."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oauthgrants.cli import main
from oauthgrants.key_files import KeyDirectory

Capture = pytest.CaptureFixture[str]

LINE = re.compile(
    r"([\w-]{43})  (\w+) +made (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)  "
    r"(signs|over|kept until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ))"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def run(capsys: Capture, *arguments: object) -> list[re.Match[str]]:
    """Return the lines that the command prints."""
    assert 0 == main(["keys", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert "" == err
    assert out.endswith("\n")
    matches = [LINE.fullmatch(line) for line in out.splitlines()]
    assert None not in matches
    return [match for match in matches if match is not None]


def test_keys_are_made_listed_and_rotated(path: Path, capsys: Capture) -> None:
    (made,) = run(capsys, "make", path)
    (listed,) = run(capsys, "list", path)
    new, old = run(capsys, "rotate", path)

    assert ("ES256", "signs") == made.group(2, 4)
    assert made[0] == listed[0]
    assert ("ES256", "signs") == new.group(2, 4)
    assert made.group(1, 2, 3) == old.group(1, 2, 3)
    until = datetime.strptime(old[5], "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)
    left = until - datetime.now(UTC)
    assert timedelta(hours=24) < left <= timedelta(hours=24, minutes=1)
    assert [new[0], old[0]] == [line[0] for line in run(capsys, "list", path)]


def test_the_options_say_what_signs_and_for_how_long(path: Path, capsys: Capture) -> None:
    run(capsys, "make", path, "--alg", "EdDSA")
    run(capsys, "rotate", path, "--keep", "0")
    lines = run(capsys, "rotate", "--alg", "Ed25519", "--keep", "60", path)

    assert ["Ed25519", "EdDSA", "EdDSA"] == [line[2] for line in lines]
    first, second = KeyDirectory(path).entries[1:]
    assert first.keep_until is not None
    assert second.keep_until is not None
    assert timedelta(seconds=55) < first.keep_until - second.keep_until < timedelta(seconds=90)


def test_a_key_whose_time_is_over_is_shown_as_such(path: Path, capsys: Capture) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    KeyDirectory.make(path, now=long_ago).rotate(keep=timedelta(days=1), now=long_ago)

    assert ["signs", "over"] == [line[4] for line in run(capsys, "list", path)]


def _lock_out(path: Path) -> None:
    KeyDirectory.make(path)
    (path / "keys.json").unlink()
    (path / "keys.json").mkdir()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["make", "{keys}"], 1, "{keys} has keys already; `oauthgrants keys rotate` adds one"),
        (["make", "{file}"], 1, "{file}: Not a directory"),
        (["make", "{file}/keys"], 1, "{file}/keys: Not a directory"),
        (["make", "{none}", "--alg", "HS256"], 2, "--alg has to be one of ES256, ES256K, "),
        (["list", "{none}"], 1, "{none} has no keys; `oauthgrants keys make` makes them"),
        (["list", "{file}"], 1, "{file}: Not a directory"),
        (["list", "{garbage}"], 1, "{garbage}/keys.json does not hold keys as we write them"),
        (["rotate", "{none}"], 1, "{none} has no keys; `oauthgrants keys make` makes them"),
        (["rotate", "{keys}", "--alg", "none"], 2, "--alg has to be one of ES256, ES256K, "),
        (["rotate", "{folder}"], 1, "{folder}: Is a directory"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    tmp_path: Path, capsys: Capture, arguments: list[str], status: int, message: str
) -> None:
    places = {name: tmp_path / name for name in ("keys", "file", "none", "garbage", "folder")}
    KeyDirectory.make(places["keys"])
    places["file"].touch()
    places["garbage"].mkdir()
    (places["garbage"] / "keys.json").write_text('{"keys": ["swordfish"]}')
    _lock_out(places["folder"])
    before = (places["keys"] / "keys.json").read_bytes()

    assert status == main(["keys", *(each.format(**places) for each in arguments)])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith(f"oauthgrants: {message.format(**places)}")
    assert 1 == err.count("\n")
    assert "swordfish" not in err
    assert before == (places["keys"] / "keys.json").read_bytes()
    assert not places["none"].exists()


def test_a_system_without_file_locks_is_told(
    path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    assert 1 == main(["keys", "make", str(path)])

    message = f"oauthgrants: {path}: a directory of keys needs the file locks of POSIX\n"
    assert message == capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["burn", "keys"], "invalid choice: 'burn'"),
        (["make"], "the following arguments are required: DIR"),
        (["rotate", "keys", "--keep", "-1"], "--keep: "),
        (["rotate", "keys", "--keep", "1.5"], "--keep: has to be an integer"),
        (["rotate", "keys", "--keep", "9" * 12], "--keep: has to be an integer from 0 to 31536"),
        (["rotate", "keys", "--keep", "9" * 5000], "--keep: "),
        (["make", "keys", "--keep", "1"], "unrecognized arguments: --keep 1"),
    ],
)
def test_arguments_that_are_none_are_status_2(
    capsys: Capture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["keys", *arguments])

    assert 2 == end.value.code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["make", "list", "rotate"])
def test_keys_say_what_they_need(
    path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name in ("jose", "keys", "key_files", "cli.keys"):
        monkeypatch.delitem(sys.modules, f"oauthgrants.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "joserfc.errors", None)

    assert 1 == main(["keys", command, str(path)])

    message = "oauthgrants: JWTs need joserfc: pip install 'oauthgrants[jwt]'\n"
    assert message == capsys.readouterr().err
    assert not path.exists()


def test_help_says_how_long_keys_have_to_be_kept(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "rotate", "--help"])

    out = " ".join(capsys.readouterr().out.split())
    assert "at least the longest lifetime of an access token (86400)" in out
