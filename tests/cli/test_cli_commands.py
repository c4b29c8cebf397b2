"""``oauthgrants`` itself, and its commands ``client``, ``hash`` and ``demo``."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tomllib
from typing import IO, Any

import pytest
from cli_support import read_server

from oauthgrants import Argon2idHasher, HttpRequest, Secret
from oauthgrants.cli import main

Capture = pytest.CaptureFixture[str]

GRANTS = 'issuer = "https://auth.example.com"\n[grants]\nclient_credentials = true\n'


def client_table(capsys: Capture, *options: str) -> dict[str, Any]:
    """Return what the command prints, which the server has to take as it is."""
    assert 0 == main(["client", *options])
    out, err = capsys.readouterr()
    assert "" == err
    assert out.isascii()
    read_server(GRANTS + out)
    tables: list[dict[str, Any]] = tomllib.loads(out)["clients"]
    assert 1 == len(tables)
    return tables[0]


def test_a_client_comes_with_a_secret_of_ours(capsys: Capture) -> None:
    first, second = client_table(capsys), client_table(capsys)

    assert first["client_secret"].startswith("ogcs_")
    assert first["client_secret"] != second["client_secret"]
    assert first["client_id"] != second["client_id"]
    assert True is first["client_secret_machine_made"]
    assert ["client_credentials"] == first["grant_types"]


def test_a_client_is_what_the_options_say(capsys: Capture) -> None:
    name = 'The "app" \\ of Zoë 🎩'
    table = client_table(
        capsys,
        *("--client-id", 'a"\\b', "--scope", "b a", "--name", name),
        *("--default-scope", "a"),
        *("--grant-type", "password", "--grant-type", "refresh_token", "--grant-type", "password"),
    )
    del table["client_secret"]

    assert {
        "client_id": 'a"\\b',
        "client_secret_machine_made": True,
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["password", "refresh_token"],
        "scope": "a b",
        "default_scope": "a",
        "first_party": True,
        "client_name": name,
    } == table


def test_a_public_client_has_no_secret(capsys: Capture) -> None:
    table = client_table(capsys, "--public", "--grant-type", "password", "--client-id", "phone")

    assert {
        "client_id": "phone",
        "token_endpoint_auth_method": "none",
        "grant_types": ["password"],
        "first_party": True,
    } == table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--public"], "--public needs --grant-type"),
        (["--public", "--grant-type", "client_credentials"], "may not use"),
        (["--scope", "a", "--default-scope", "b"], "default_scope"),
    ],
)
def test_options_that_contradict_one_another_are_status_2(
    capsys: Capture, options: list[str], message: str
) -> None:
    assert 2 == main(["client", *options])

    out, err = capsys.readouterr()
    assert "" == out
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["serve"], "the following arguments are required: --config"),
        (["serve", "--config", "x", "--port", "65536"], "--port: has to be from 0 to 65535"),
        (["serve", "--config", "x", "--port", "-1"], "--port: has to be from 0 to 65535"),
        (["serve", "--config", "x", "--port", "http"], "--port: has to be from 0 to 65535"),
        (["client", "--client-id", "é"], "--client-id: has to be of printable ASCII"),
        (["client", "--client-id", ""], "--client-id: has to be a string, and not an empty one"),
        (["client", "--scope", "a  b"], "--scope: the scope is malformed"),
        (["client", "--grant-type", "implicit"], "--grant-type: invalid choice: 'implicit'"),
        (["client", "--name", "a\nb"], "--name: has a character that is not allowed"),
        (["client", "--name", "\udcff"], "--name: has a character that is not allowed"),
    ],
)
def test_arguments_that_are_none_are_status_2(
    capsys: Capture, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert 2 == end.value.code
    assert message in capsys.readouterr().err


class Input(io.TextIOWrapper):
    """Standard input, a terminal or not."""

    def __init__(self, octets: bytes, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(octets), encoding="ascii")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"wonderland", "wonderland"),
        (b"wonderland\n", "wonderland"),
        (b"wonderland\r\nand more\n", "wonderland"),
        (b" wonder land \n", " wonder land "),
        ("wönder🎩\n".encode(), "wönder🎩"),
    ],
)
def test_a_password_is_hashed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, octets: bytes, password: str
) -> None:
    monkeypatch.setattr("sys.stdin", Input(octets))

    assert 0 == main(["hash"])

    encoded = capsys.readouterr().out.removesuffix("\n")
    assert Argon2idHasher().verify(encoded, Secret(password))


def test_a_password_is_asked_for_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", Input(b"", is_terminal=True))
    monkeypatch.setattr("oauthgrants.cli.credentials.getpass", "wonderland".format)

    assert 0 == main(["hash"])

    encoded = capsys.readouterr().out.removesuffix("\n")
    assert Argon2idHasher().verify(encoded, Secret("wonderland"))


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "password: has to be a string, and not an empty one"),
        (b"\nwonderland", "password: has to be a string, and not an empty one"),
        (b"wond\xe9rland", "password: has to be UTF-8"),
        (b"wonder\x00land", "password: has a character that is not allowed"),
        (b"w" * 1025, "password: has to be 1024 octets in UTF-8 at most"),
        (b"w" * 100_000, "password: has to be 1024 octets in UTF-8 at most"),
    ],
)
def test_a_password_that_no_request_can_bring_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, octets: bytes, message: str
) -> None:
    monkeypatch.setattr("sys.stdin", Input(octets))

    assert 1 == main(["hash"])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith(f"oauthgrants: {message}")
    assert "www" not in err


@pytest.mark.parametrize(("raised", "status"), [(EOFError, 1), (KeyboardInterrupt, 130)])
def test_a_password_may_be_refused_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], status: int
) -> None:
    def ask(_: str) -> str:
        raise raised

    monkeypatch.setattr("sys.stdin", Input(b"", is_terminal=True))
    monkeypatch.setattr("oauthgrants.cli.credentials.getpass", ask)

    assert status == main(["hash"])


def test_without_an_input_there_is_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", None)

    assert 1 == main(["hash"])

    assert "password: has to be a string, and not an empty one" in capsys.readouterr().err


def test_an_output_that_is_full_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stdout", Full())

    assert 1 == main(["client"])

    assert "oauthgrants: No space left on device\n" == capsys.readouterr().err


class FullAtTheEnd(io.StringIO):
    """An output that is written when it is flushed, as files are."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["client"], "No space left on device", id="all-went-well"),
        pytest.param(["keys", "list", "/no/such"], "has no keys", id="it-failed"),
    ],
)
def test_an_output_that_is_full_at_the_end_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("sys.stdout", FullAtTheEnd())

    assert 1 == main(arguments)

    err = capsys.readouterr().err
    assert message in err
    assert 1 == err.count("\n")
    assert sys.stdout.closed


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no output is full here")  # noqa: PTH110
def test_what_is_not_written_is_not_tried_again_at_the_exit() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        result = run("client", stdout=full, env={**os.environ, "PYTHONUNBUFFERED": ""})

    assert (1, "oauthgrants: No space left on device\n") == (result.returncode, result.stderr)


def run(
    *arguments: str, stdout: int | IO[str] = subprocess.PIPE, **settings: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oauthgrants", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
        **settings,
    )


def test_it_is_a_module_that_runs() -> None:
    result = run("--version")

    assert 0 == result.returncode
    assert result.stdout.startswith("oauthgrants ")


def test_what_is_made_is_what_serve_takes() -> None:
    """From the commands to the file, as one would paste it."""
    encoded = run("hash", input="wonderland\n").stdout.strip()
    client = run("client", "--grant-type", "client_credentials").stdout

    with pytest.warns(UserWarning, match="RFC 9700"):
        server = read_server(
            f'{GRANTS}password = true\n{client}\n[[users]]\nusername = "alice"\nsub = "user-1"\n'
            f'password_hash = "{encoded}"'
        )

    assert "https://auth.example.com/token" == server.token_endpoint


def test_the_demo_shows_each_grant_each_endpoint_and_refusals(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Not a whole secret or token among what it shows."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert 0 == main(["demo"])

    out, err = capsys.readouterr()
    assert "" == err
    assert out.endswith("All answers are as expected.\n")
    for shown in [
        "grant_type=client_credentials",
        "grant_type=password&username=alice&password=…",
        "grant_type=refresh_token&refresh_token=ogrt_",
        "RFC 9700",
        "Authorization: Basic base64(reports:ogcs_",
        "POST /token HTTP/1.1",
        "HTTP/1.1 200 OK",
        '"access_token": "ogat_',
        "RefreshTokenReused",
        "invalid_grant",
        "HTTP/1.1 401 Unauthorized",
        'WWW-Authenticate: Basic realm="token"',
        "POST /introspect HTTP/1.1",
        '"active": true',
        "POST /revoke HTTP/1.1",
        "TokenRevoked",
        '"active": false',
        "GET /api/reports HTTP/1.1",
        "Authorization: Bearer ogat_",
        "All is well.",
        'WWW-Authenticate: Bearer realm="resource"',
        "HTTP/1.1 403 Forbidden",
        "insufficient_scope",
        "reports:write",
    ]:
        assert shown in out
    assert "wonderland" not in out
    for kind in ("ogat_", "ogrt_", "ogcs_"):
        assert all("…" == part[4] for part in out.split(kind)[1:])


def test_the_demo_runs_where_nothing_but_ascii_is_shown() -> None:
    result = run("demo", env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})

    assert (0, "") == (result.returncode, result.stderr)
    assert result.stdout.isascii()


def test_the_demo_fails_if_an_answer_is_not_the_expected_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from oauthgrants.cli import demo

    text = demo.CONFIG.replace("wonderland", "looking-glass")
    monkeypatch.setattr(demo, "CONFIG", text)
    # An output that is nothing but text cannot change its encoding.
    monkeypatch.setattr("sys.stdout", io.StringIO())

    assert 1 == main(["demo"])

    err = capsys.readouterr().err
    assert err == (
        "oauthgrants: step 9: the answer has {'status': 400, 'error': 'invalid_grant'}, "
        "and not {'status': 200, 'error': None}\n"
    )


def test_the_demo_says_where_its_resource_has_its_metadata() -> None:
    """As its challenges do (RFC 9728, 5.1)."""
    from oauthgrants.cli.demo import Api

    server = read_server(GRANTS)
    url = "https://auth.example.com/.well-known/oauth-protected-resource/api"

    document = Api(server).answer(HttpRequest(method="GET", url=url)).json()

    assert document["resource"] == "https://auth.example.com/api"
    assert document["authorization_servers"] == ["https://auth.example.com"]


def test_the_demo_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    for name in ("demo", "conversation", "terminal"):
        monkeypatch.delitem(sys.modules, f"oauthgrants.cli.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)

    assert 1 == main(["demo"])

    assert "pip install 'oauthgrants[cli]'" in capsys.readouterr().err


def test_the_rest_does_without_rich() -> None:
    """Nor does anything else of ours, or asyncio, come along."""
    code = (
        "import sys; sys.modules['rich'] = None; from oauthgrants.cli import main; "
        "import oauthgrants.cli.serve, oauthgrants.cli.credentials; "
        "assert 'asyncio' not in sys.modules; sys.exit(main(['client']))"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (0, b"") == (result.returncode, result.stderr)
