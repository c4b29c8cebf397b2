"""``oauthgrants demo``: each grant once over real HTTP, with all that is said."""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from threading import Thread
from typing import Any
from urllib.parse import quote_plus, urlencode

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from oauthgrants.cli.config import read_server
from oauthgrants.cli.credentials import make_client
from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.events import logger
from oauthgrants.scopes import Scope
from oauthgrants.server import AuthorizationServer

_HOST = "127.0.0.1"
CONFIG = """\
issuer = "http://127.0.0.1:{port}"
store = "memory:"

[grants]
client_credentials = true
password = true
refresh_token = true

{machine}
default_scope = "reports:read"

{app}
default_scope = "profile"

[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
"""
"""The server of the demonstration, with places for its port and its clients."""

_MADE_BY_US = re.compile(r"(og(?:at|rt|cs)_[\w-]{4})[\w-]+")
_PASSWORD = re.compile(r'(password(?:=| = "))[^&"]+')
_BASIC = re.compile(r"(Authorization: Basic) (\S+)")


def demonstrate() -> None:
    """
    Run a server on a free port of this machine, get tokens from it and show how.

    Raises:
        CommandError: An answer is not the expected one.
    """
    # Ellipses are more than some terminals can show.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    console = Console()
    with listen(_HOST, 0) as listener:
        port: int = listener.getsockname()[1]
        machine = make_client(client_id="reports", scope=Scope.parse("reports:read reports:write"))
        app = make_client(
            client_id="app",
            scope=Scope.parse("profile email"),
            grant_types=["password", "refresh_token"],
        )
        config = CONFIG.format(port=port, machine=machine, app=app)
        _show(console, "The configuration, as for oauthgrants serve --config FILE", config, "toml")
        server = _start(console, config)
        with (
            HttpServer(listener, server.handle, issuer=server.issuer) as http,
            _running(http),
            _events_on(console),
        ):
            _walk(_Talk(console, port), _secret_in(machine), _secret_in(app))
    console.print(Text("All answers are as expected.", style="bold green"))


def mask(text: str) -> str:
    """
    Return *text* without the secrets in it: enough is left to tell one from another.

    >>> mask("grant_type=password&username=alice&password=wonderland")
    'grant_type=password&username=alice&password=…'
    """
    text = _BASIC.sub(lambda found: f"{found[1]} base64({b64decode(found[2]).decode()})", text)
    return _PASSWORD.sub(r"\1…", _MADE_BY_US.sub(r"\1…", text))


def _walk(talk: _Talk, machine_secret: str, app_secret: str) -> None:
    """Say what there is to say: each grant, then refusals."""
    machine, app = ("reports", machine_secret), ("app", app_secret)
    talk.ask(
        "Client credentials: a machine acts for itself (RFC 6749, 4.4)",
        machine,
        {"grant_type": "client_credentials", "scope": "reports:read"},
    )
    first = talk.ask(
        "Password: a first-party app signs its user in (RFC 6749, 4.3)",
        app,
        {"grant_type": "password", "username": "alice", "password": "wonderland"},
    )
    spent = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = talk.ask("Refresh: a new pair for the refresh token (RFC 6749, 6)", app, spent)
    talk.ask(
        "Refused: a spent refresh token comes again (RFC 9700, 4.14.2)",
        app,
        spent,
        expected=(400, "invalid_grant"),
    )
    talk.ask(
        "Refused: with it, its successor was revoked",
        app,
        {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]},
        expected=(400, "invalid_grant"),
    )
    talk.ask(
        "Refused: a wrong client secret (RFC 6749, 5.2)",
        ("reports", app_secret),
        {"grant_type": "client_credentials"},
        expected=(401, "invalid_client"),
    )


class _Talk:
    """What is said between clients and the server, and shown."""

    def __init__(self, console: Console, port: int) -> None:
        self._console = console
        self._port = port
        self._steps = 0

    def ask(
        self,
        title: str,
        client: tuple[str, str],
        form: Mapping[str, str],
        *,
        expected: tuple[int, str | None] = (200, None),
    ) -> dict[str, Any]:
        """
        Send *form*, show what goes and what comes, and return the latter.

        Args:
            title: What it is about.
            client: Id and secret.
            form: The parameters.
            expected: Status, and ``error`` if it is to be one.

        Raises:
            CommandError: Something else comes.
        """
        self._steps += 1
        self._console.rule(Text(f"{self._steps}. {title}"), align="left")
        basic = ":".join(quote_plus(part) for part in client).encode()
        headers = {
            "Host": f"{_HOST}:{self._port}",
            "Authorization": f"Basic {b64encode(basic).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form)
        _show(self._console, "Request", _message("POST /token HTTP/1.1", headers, body), "http")
        connection = HTTPConnection(_HOST, self._port, timeout=10)
        try:
            connection.request("POST", "/token", body, headers)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        self._show_response(response, answer)
        came = (response.status, answer.get("error"))
        if came != expected:
            raise CommandError(f"step {self._steps}: the answer is {came}, and not {expected}")
        return answer

    def _show_response(self, response: HTTPResponse, answer: object) -> None:
        line = f"HTTP/1.1 {response.status} {response.reason}"
        headers = {name: value for name, value in response.getheaders() if name != "Date"}
        _show(
            self._console,
            "Answer",
            _message(line, headers, json.dumps(answer, indent=2)),
            "http",
        )


def _message(line: str, headers: Mapping[str, str], body: str) -> str:
    return "\n".join([line, *(f"{name}: {headers[name]}" for name in headers), "", body])


def _show(console: Console, title: str, text: str, language: str) -> None:
    shown = Syntax(mask(text.rstrip()), language, word_wrap=True, background_color="default")
    console.print(Panel(shown, title=title, title_align="left"))


def _secret_in(table: str) -> str:
    found = re.search('client_secret = "(.*)"', table)
    return "" if found is None else found[1]


def _start(console: Console, config: str) -> AuthorizationServer:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        server = read_server(config)
    for warning in caught:
        console.print(Panel(Text(str(warning.message)), title="Warning", style="yellow"))
    return server


@contextmanager
def _running(http: HttpServer) -> Generator[None]:
    thread = Thread(target=http.run)
    thread.start()
    try:
        yield
    finally:
        http.stop()
        thread.join()


@contextmanager
def _events_on(console: Console) -> Generator[None]:
    """Show what the library logs, between request and answer."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.print(Text(f"event: {record.getMessage()}", style="dim"))

    handler, level = Handler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
