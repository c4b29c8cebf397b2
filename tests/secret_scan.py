"""
No log, event or exception shows a secret: a pytest plugin that looks at the whole run.

It takes note of each secret, password and token of the run: what is made a `Secret`, and what
requests have in their credentials. It reads each log record with its traceback and attributes,
each event that a server tells of, each error that the library makes, each warning, and each
exception that a test expects or fails by. A secret in one of them fails the run.

What is shorter than `SHORTEST` characters, or has fewer than `MOST_ALIKE` different ones, is not
looked for: ``wrong`` and ``00000000`` are in many a text that shows no secret. So six digits of a
second factor, and a password such as ``pw``, are for the tests of their own. Nor is what Hypothesis
makes up, which takes constants of ours for passwords, but for tokens that the library made. Of a
server in another process, its log is read where a test hands it to `read_log`.
"""

from __future__ import annotations

import logging
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from http.client import HTTPConnection
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_plus

import attrs
import pytest
from hypothesis import currently_in_test_context

import oauthgrants.assembly
import oauthgrants.protected_resource
from oauthgrants import AccessToken, HttpRequest, OAuthError, Secret
from oauthgrants.events import Event, EventSink, Fault

SHORTEST = 8
MOST_ALIKE = 5
_CREDENTIALS = frozenset(
    {
        "access_token",
        "client_assertion",
        "client_secret",
        "mfa_token",
        "password",
        "refresh_token",
        "token",
    }
)
_MOST_SHOWN = 50
_LONGEST = 500
_FORMATTER = logging.Formatter("%(name)s %(message)s")
_ORDINARY = frozenset(vars(logging.makeLogRecord({})))
# No secrets, though tests send them as such: names by which fuzzed requests call their values, the
# scope of the tests' users, from an answer whose members are all tried as tokens, and plain words.
_WORDS = _CREDENTIALS | {
    "$argon2id$",
    "a refresh token",
    "an access token",
    "another one",
    "email profile",
    "authorization_code",
    "client_assertion_type",
    "client_credentials",
    "client_id",
    "grant_type",
    "resource",
    "token_type_hint",
    "username",
}


@attrs.frozen
class Leak:
    """
    A secret that was shown.

    Attributes:
        test: During which test.
        where: In what.
        shown: The text around it, without it.
    """

    test: str
    where: str
    shown: str

    def __str__(self) -> str:
        return f"{self.test}: {self.where} shows a secret: {self.shown}"


class Secrets:
    """The secrets so far, under their first characters."""

    def __init__(self) -> None:
        self._by_beginning: defaultdict[str, set[str]] = defaultdict(set)
        self._identifiers: set[str] = set()

    def exempt(self, identifier: str) -> None:
        """Do not look for *identifier*: it is one, and a `Secret` only to be hashed."""
        self._identifiers.add(identifier)

    def add(self, value: object) -> None:
        """Look for *value* from now on, unless it is too short or too plain."""
        if (
            isinstance(value, str)
            and len(value) >= SHORTEST
            and len(set(value)) >= MOST_ALIKE
            and value not in _WORDS
        ):
            self._by_beginning[value[:SHORTEST]].add(value)

    def find_in(self, text: str) -> str | None:
        """Return a secret that *text* shows, None if it shows none."""
        by_beginning = self._by_beginning
        ends = range(SHORTEST, len(text) + 1)
        for beginning in {text[end - SHORTEST : end] for end in ends} & by_beginning.keys():
            for secret in by_beginning[beginning]:
                if secret in text and secret not in self._identifiers:
                    return secret
        return None


class Scan:
    """What is known of the test that runs, and all leaks so far."""

    def __init__(self) -> None:
        self.leaks: list[Leak] = []
        self._secrets = Secrets()
        self._made: list[Secret] = []
        self._tokens: list[AccessToken] = []
        self._requests: list[HttpRequest] = []
        self._events: list[Event] = []
        self._texts: dict[str, str] = {}

    def note_secret(self, secret: Secret) -> None:
        """Take note of *secret*, unless it is one that Hypothesis has made up."""
        if not currently_in_test_context() or secret.reveal().startswith("og"):
            self._made.append(secret)

    def note_token(self, token: AccessToken) -> None:
        """Take note that the ``jti`` of *token* names it."""
        self._tokens.append(token)

    def note_request(self, request: HttpRequest) -> None:
        """Take note of what *request* has of credentials, as `note_secret` does."""
        if not currently_in_test_context():
            self._requests.append(request)

    def note_event(self, event: Event) -> None:
        """Read *event*."""
        if isinstance(event, Fault):
            # Not kept: its frames hold connections.
            self.note_exception(event.error, "a fault")
            event = attrs.evolve(event, error=Exception(repr(event.error)))
        self._events.append(event)

    def note_exception(self, error: BaseException, where: str) -> None:
        """Read *error*, and what led to it; without the lines of code, which are no messages."""
        chain = traceback.TracebackException.from_exception(error, lookup_lines=False)
        self.note_text("".join(_messages(chain)), where)

    def note_text(self, text: str, where: str) -> None:
        """Read *text*."""
        self._texts[text] = where

    def look(self, test: str) -> None:
        """Look at what has been noted since the last test."""
        made, self._made = self._made, []
        tokens, self._tokens = self._tokens, []
        requests, self._requests = self._requests, []
        events, self._events = self._events, []
        texts, self._texts = self._texts, {}
        for made_secret in made:
            self._secrets.add(made_secret.reveal())
        for token in tokens:
            if token.jti is not None:
                self._secrets.exempt(token.jti)
        for request in requests:
            for value in _credentials_of(request):
                self._secrets.add(value)
        for event in events:
            texts[repr(event)] = "an event"
        self.look_at(texts, test)

    def look_at(self, texts: Mapping[str, str], test: str) -> None:
        """Look at *texts*, each with what it is of; tell of each secret once."""
        found: set[str] = set()
        for text, where in texts.items():
            secret = self._secrets.find_in(text)
            if secret is not None and secret not in found:
                found.add(secret)
                shown = " | ".join(text.replace(secret, "<secret>").splitlines())
                self.leaks.append(Leak(test, where, shown[:_LONGEST]))


def _messages(chain: traceback.TracebackException | None) -> Iterator[str]:
    if chain is not None:
        yield from chain.format_exception_only()
        yield from _messages(chain.__cause__)
        yield from _messages(chain.__context__)
        for each in chain.exceptions or ():
            yield from _messages(each)


def _credentials_of(request: HttpRequest) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() == "authorization":
            # As it came: a text that shows it shows the secret, in Base64 or not.
            yield value.partition(" ")[2]
    pairs = request.body.decode("latin-1") + "&" + request.url.partition("?")[2]
    for pair in pairs.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) in _CREDENTIALS:
            yield value
            yield unquote_plus(value)


class Reader(logging.Handler):
    """Reads each log record."""

    def __init__(self, scan: Scan) -> None:
        super().__init__()
        self._scan = scan

    def emit(self, record: logging.LogRecord) -> None:
        """Read *record*, its traceback and what else it has."""
        if record.name == "django.request":
            return  # Django's own: the URL as the client has sent it, with whatever is in it
        # A copy: formatting leaves the traceback's text behind, which is the next one's to make.
        further = [f"{value!r}" for name, value in vars(record).items() if name not in _ORDINARY]
        self._scan.note_text("\n".join([_FORMATTER.format(copy(record)), *further]), "a log record")


_UNDER_WAY: list[Scan] = []


def read_log(text: str) -> None:
    """Read the log of a server in another process, here where its secrets are known."""
    for scan in _UNDER_WAY:
        scan.note_text(text, "the log of a server")


def _note_sent() -> Callable[[], None]:
    """Have requests noted that are sent to servers in other processes."""
    original = HTTPConnection.request

    def request(
        self: HTTPConnection,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = MappingProxyType[str, str]({}),
        **settings: Any,
    ) -> None:
        octets = body.encode() if isinstance(body, str) else body
        # It is noted as all of them are.
        HttpRequest(
            method=method,
            url=url,
            headers=[(name, str(value)) for name, value in dict(headers).items()],
            body=octets if isinstance(octets, bytes) else b"",
        )
        original(self, method, url, body, headers, **settings)

    HTTPConnection.request = request  # type: ignore[method-assign]
    return lambda: setattr(HTTPConnection, "request", original)


def _note_after(owner: type, note: Callable[[Any], None]) -> Callable[[], None]:
    """Have *note* called with each new *owner*; return what ends it."""
    original = owner.__init__  # type: ignore[misc]  # to be put back as it was

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # takes its place
        original(self, *args, **kwargs)
        note(self)

    owner.__init__ = __init__  # type: ignore[misc]
    return lambda: setattr(owner, "__init__", original)


def _note_events(module: Any, scan: Scan) -> Callable[[], None]:
    original = module.recorder

    def recorder(sink: EventSink) -> Callable[[Event], None]:
        record = original(sink)

        def record_and_note(event: Event) -> None:
            scan.note_event(event)
            record(event)

        return record_and_note

    module.recorder = recorder
    return lambda: setattr(module, "recorder", original)


def _note_expected(scan: Scan) -> Callable[[], None]:
    """Have the exceptions read that tests expect with ``pytest.raises``."""
    kind: Any = pytest.ExceptionInfo
    original = kind.fill_unfilled

    def fill_unfilled(self: Any, exc_info: Any) -> None:
        scan.note_exception(exc_info[1], "an exception")
        original(self, exc_info)

    kind.fill_unfilled = fill_unfilled
    return lambda: setattr(kind, "fill_unfilled", original)


@contextmanager
def scanning(scan: Scan) -> Generator[None, None, None]:
    """Have *scan* take note of all that there is to note."""
    reader = Reader(scan)
    logging.getLogger().addHandler(reader)

    def note_error(error: OAuthError) -> None:
        scan.note_text(f"{error.description}\n{error.reason}", "an error")

    undo = [
        _note_after(Secret, scan.note_secret),
        _note_after(AccessToken, scan.note_token),
        _note_after(HttpRequest, scan.note_request),
        _note_after(OAuthError, note_error),
        _note_events(oauthgrants.assembly, scan),
        _note_events(oauthgrants.protected_resource, scan),
        _note_expected(scan),
        _note_sent(),
    ]
    _UNDER_WAY.append(scan)
    try:
        yield
    finally:
        _UNDER_WAY.remove(scan)
        logging.getLogger().removeHandler(reader)
        for each in undo:
            each()


class Plugin:
    """Looks after each test, and fails the run if a secret was shown."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        result = yield
        self._scan.look(item.nodeid)
        return result

    @pytest.hookimpl
    def pytest_runtest_makereport(self, call: pytest.CallInfo[Any]) -> None:
        if call.excinfo is not None:
            self._scan.note_exception(call.excinfo.value, "an exception")

    @pytest.hookimpl
    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, nodeid: str
    ) -> None:
        # They come once the test has ended.
        self._scan.look_at({str(warning_message.message): "a warning"}, nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._scan.look("the end of the run")
        if self._scan.leaks and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._scan.leaks:
            terminalreporter.section("secrets that were shown", red=True)
            for leak in self._scan.leaks[:_MOST_SHOWN]:
                terminalreporter.line(str(leak))
            terminalreporter.line(f"{len(self._scan.leaks)} in all")


def pytest_configure(config: pytest.Config) -> None:
    scan = Scan()
    stack = ExitStack()
    stack.enter_context(scanning(scan))
    config.add_cleanup(stack.close)
    config.pluginmanager.register(Plugin(scan), "secrets")
