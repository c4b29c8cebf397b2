"""What clients and servers say to one another, shown on the terminal."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote_plus, urlencode

from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.terminal import Terminal
from oauthgrants.events import logger

OK: Mapping[str, object] = {"status": 200, "error": None}
"""What is expected of most answers."""

_MADE_BY_US = re.compile(r"(og(?:at|rt|cs)_[\w-]{4})[\w-]+")
_PASSWORD = re.compile(r'(password(?:=| = "))[^&"]+')
_BASIC = re.compile(r"(Authorization: Basic) (\S+)")


def mask(text: str) -> str:
    """
    Return *text* without the secrets in it: enough is left to tell one from another.

    >>> mask("grant_type=password&username=alice&password=wonderland")
    'grant_type=password&username=alice&password=…'
    """
    text = _BASIC.sub(lambda found: f"{found[1]} base64({b64decode(found[2]).decode()})", text)
    return _PASSWORD.sub(r"\1…", _MADE_BY_US.sub(r"\1…", text))


class Conversation:
    """
    Sends requests over HTTP, and shows them with their answers.

    Args:
        host: Where to send them.
        port: Where to send them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._terminal = Terminal()
        self._address = host, port
        self._steps = 0

    def show(self, title: str, text: str, language: str) -> None:
        """Show *text*, in a language that can be coloured, without the secrets in it."""
        self._terminal.show(title, mask(text), language)

    def warn(self, text: str) -> None:
        """Show a warning."""
        self._terminal.warn(text)

    def say(self, text: str) -> None:
        """Show what is no request."""
        self._terminal.headline(text)

    def end(self) -> None:
        """Say that all went well."""
        self._terminal.end("All answers are as expected.")

    def ask(
        self,
        title: str,
        client: tuple[str, str],
        form: Mapping[str, str],
        *,
        path: str = "/token",
        expected: Mapping[str, object] = OK,
    ) -> dict[str, Any]:
        """
        Send *form*, show what goes and what comes, and return the latter.

        Args:
            title: What it is about.
            client: Id and secret.
            form: The parameters.
            path: Of the endpoint.
            expected: The ``status``, and members that the answer has or, if None, has not.

        Raises:
            CommandError: Something else comes.
        """
        basic = ":".join(quote_plus(part) for part in client).encode()
        headers = {
            "Authorization": f"Basic {b64encode(basic).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self._exchange(title, ("POST", path), headers, urlencode(form), expected)

    def call(
        self,
        title: str,
        line: tuple[str, str],
        token: str | None,
        *,
        expected: Mapping[str, object] = OK,
    ) -> dict[str, Any]:
        """
        Call a protected resource, show what goes and what comes, and return the latter.

        Args:
            title: What it is about.
            line: Method and path.
            token: The access token, None to send none.
            expected: The ``status``, and members that the answer has or, if None, has not.

        Raises:
            CommandError: Something else comes.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self._exchange(title, line, headers, "", expected)

    def _exchange(
        self,
        title: str,
        line: tuple[str, str],
        headers: Mapping[str, str],
        body: str,
        expected: Mapping[str, object],
    ) -> dict[str, Any]:
        self._steps += 1
        self._terminal.headline(f"{self._steps}. {title}")
        host, port = self._address
        headers = {"Host": f"{host}:{port}", **headers}
        self.show("Request", _message(f"{' '.join(line)} HTTP/1.1", headers, body), "http")
        connection = HTTPConnection(host, port, timeout=10)
        try:
            connection.request(*line, body or None, headers)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        self._show_response(response, answer)
        whole = {**answer, "status": response.status}
        came = {name: whole.get(name) for name in expected}
        if came != expected:
            raise CommandError(f"step {self._steps}: the answer has {came}, and not {expected}")
        return answer

    def _show_response(self, response: HTTPResponse, answer: object) -> None:
        line = f"HTTP/1.1 {response.status} {response.reason}"
        headers = {name: value for name, value in response.getheaders() if name != "Date"}
        self.show("Answer", _message(line, headers, json.dumps(answer, indent=2)), "http")

    @contextmanager
    def with_events(self) -> Generator[None]:
        """Show what the library logs, between request and answer."""
        terminal = self._terminal

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                terminal.note(f"event: {record.getMessage()}")

        handler, level = Handler(), logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)


def _message(line: str, headers: Mapping[str, str], body: str) -> str:
    return "\n".join([line, *(f"{name}: {headers[name]}" for name in headers), "", body])
