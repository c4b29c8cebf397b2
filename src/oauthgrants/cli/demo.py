"""``oauthgrants demo``: each grant and each endpoint once over real HTTP, with all that is said."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

from oauthgrants.cli.config import Configuration, read_configuration
from oauthgrants.cli.conversation import Conversation
from oauthgrants.cli.credentials import make_client, to_toml
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.clients import Client
from oauthgrants.errors import OAuthError
from oauthgrants.resource import ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.server import AuthorizationServer
from oauthgrants.wire import HttpRequest, HttpResponse, render

_HOST = "127.0.0.1"
_REPORTS = "/api/reports"
CONFIG = """\
issuer = "http://127.0.0.1:{port}"
store = "sqlite:///oauth.db"

[tokens]
audience = "http://127.0.0.1:{port}/api"

[grants]
client_credentials = true
password = true
refresh_token = true

{machine}
default_scope = "reports:read"

{api}
introspects = ["http://127.0.0.1:{port}/api"]

{app}
default_scope = "profile"

[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
"""
"""The server of the demonstration, with places for its port and its clients."""


def demonstrate() -> None:
    """
    Run a server on a free port of this machine, use what it has and show how.

    Raises:
        CommandError: An answer is not the expected one.
    """
    with TemporaryDirectory() as folder, listen(_HOST, 0) as listener:
        port: int = listener.getsockname()[1]
        talk = Conversation(_HOST, port)
        tables = {
            "machine": make_client(
                client_id="reports", scope=Scope.parse("reports:read reports:write")
            ),
            "api": make_client(client_id="api"),
            "app": make_client(
                client_id="app",
                scope=Scope.parse("profile email"),
                grant_types=["password", "refresh_token"],
            ),
        }
        config = CONFIG.format(port=port, **{name: to_toml(*made) for name, made in tables.items()})
        talk.show("The configuration, as for oauthgrants serve --config FILE", config, "toml")
        configuration, warned = _read(config, Path(folder))
        for text in warned:
            talk.warn(text)
        machine, resource_server, app = (_credentials_of(*made) for made in tables.values())
        with _running(configuration, listener), talk.with_events():
            _act_as_machine(talk, machine, resource_server)
            first = talk.ask(
                "Password: a first-party app signs its user in (RFC 6749, 4.3)",
                app,
                {"grant_type": "password", "username": "alice", "password": "wonderland"},
            )
        talk.say("The server ends, and begins again: its tokens are in the database.")
        configuration, _ = _read(config, Path(folder))
        with _running(configuration, listen(_HOST, port)), talk.with_events():
            _refresh(talk, app, first["refresh_token"])
            talk.ask(
                "Refused: a wrong client secret (RFC 6749, 5.2)",
                (machine[0], app[1]),
                {"grant_type": "client_credentials"},
                expected={"status": 401, "error": "invalid_client"},
            )
    talk.end()


def _act_as_machine(
    talk: Conversation, machine: tuple[str, str], resource_server: tuple[str, str]
) -> None:
    """Get a token, use it, ask about it and end it."""
    token: str = talk.ask(
        "Client credentials: a machine acts for itself (RFC 6749, 4.4)",
        machine,
        {"grant_type": "client_credentials", "scope": "reports:read"},
    )["access_token"]
    talk.call("A protected resource, with the token (RFC 6750, 2.1)", ("GET", _REPORTS), token)
    talk.call(
        "Refused: without a token (RFC 6750, 3)",
        ("GET", _REPORTS),
        None,
        expected={"status": 401, "error": None},
    )
    talk.call(
        "Refused: this takes the scope reports:write (RFC 6750, 3.1)",
        ("DELETE", _REPORTS),
        token,
        expected={"status": 403, "error": "insufficient_scope"},
    )
    question = {"token": token}
    talk.ask(
        "Introspection: a resource server asks what the token stands for (RFC 7662)",
        resource_server,
        question,
        path="/introspect",
        expected={"status": 200, "active": True},
    )
    talk.ask("Revocation: the client ends it (RFC 7009)", machine, question, path="/revoke")
    talk.ask("Introspection: it is no longer active", resource_server, question, path="/introspect")
    talk.call(
        "Refused: nor does it open the resource",
        ("GET", _REPORTS),
        token,
        expected={"status": 401, "error": "invalid_token"},
    )


def _refresh(talk: Conversation, app: tuple[str, str], refresh_token: str) -> None:
    """Get new tokens, until a refresh token comes twice."""
    spent = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    second = talk.ask("Refresh: a new pair for the refresh token (RFC 6749, 6)", app, spent)
    talk.ask(
        "Refused: a spent refresh token comes again (RFC 9700, 4.14.2)",
        app,
        spent,
        expected={"status": 400, "error": "invalid_grant"},
    )
    talk.ask(
        "Refused: with it, its successor was revoked",
        app,
        {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]},
        expected={"status": 400, "error": "invalid_grant"},
    )


class Api:
    """A resource server with a report to read, in front of the authorization server."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server
        self._resource = ResourceServer(
            resource=f"{server.issuer}/api",
            tokens=server.lookup,
            authorization_servers=[server.issuer],
            allow_insecure_transport=True,
        )
        self._metadata_path = urlsplit(self._resource.metadata_url).path

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of whichever of the two *request* is for."""
        if request.path == self._metadata_path:
            return self._resource.handle(request)
        if request.path != _REPORTS:
            return self._server.handle(request)
        scope = "reports:read" if request.method == "GET" else "reports:write"
        try:
            token = self._resource.require_token(request, scope=scope)
        except OAuthError as error:
            return self._resource.render(error)
        return render({"report": "All is well.", "read_by": token.client_id})


def _credentials_of(client: Client, secret: Secret | None) -> tuple[str, str]:
    assert secret is not None  # noqa: S101  # all of them are confidential
    return client.client_id, secret.reveal()


def _read(config: str, directory: Path) -> tuple[Configuration, list[str]]:
    """Return what *config* describes, and the warnings about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        configuration = read_configuration(config, directory)
    return configuration, [str(warning.message) for warning in caught]


@contextmanager
def _running(configuration: Configuration, listener: socket) -> Generator[None]:
    """Serve what *configuration* describes, and close the listener at the end."""
    server = configuration.server
    with closing(configuration.tokens) as tokens, listener:
        tokens.prepare()
        with HttpServer(listener, Api(server).answer, issuer=server.issuer) as http:
            thread = Thread(target=http.run)
            thread.start()
            try:
                yield
            finally:
                http.stop()
                thread.join()
