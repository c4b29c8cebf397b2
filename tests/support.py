"""A server of either colour, and a way to its endpoints."""

from __future__ import annotations

import asyncio
import base64
import warnings
from contextvars import copy_context
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import attrs

from oauthgrants import (
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    PasswordGrant,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.events import Event
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.testing.clock import MovableClock
from oauthgrants.testing.oauth import CHEAP_HASHER

ISSUER = "https://auth.example.com"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
CHEAP = CHEAP_HASHER
Colour = Literal["sync", "async"]


class ListSink:
    """An event sink that tests look into."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)


def basic(client_id: str, secret: Secret | str) -> tuple[str, str]:
    """Return the header of ``client_secret_basic``."""
    text = secret.reveal() if isinstance(secret, Secret) else secret
    pair = f"{quote_plus(client_id)}:{quote_plus(text)}"
    return "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"


def password_grant(**settings: Any) -> PasswordGrant:
    """Return the grant without its warning, which has a test of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        return PasswordGrant(**settings)


@attrs.define
class World:
    """
    A server with a client of each kind and a user, and what they know.

    ``service`` is a machine, ``app`` a first-party application whose users sign in with their
    passwords, ``browser`` the same without a secret.
    """

    colour: Colour
    runner: asyncio.Runner
    clock: MovableClock = attrs.field(factory=MovableClock)
    store: MemoryStore = attrs.field(
        default=attrs.Factory(lambda self: MemoryStore(clock=self.clock), takes_self=True)
    )
    sink: ListSink = attrs.field(factory=ListSink)
    secrets: dict[str, Secret] = attrs.field(factory=dict[str, Secret])
    settings: dict[str, Any] = attrs.field(factory=dict[str, Any])
    _server: Any = None

    def __attrs_post_init__(self) -> None:
        self.add_client("service", scope="read write", default_scope="read")
        app: dict[str, Any] = {
            "grant_types": ["password", "refresh_token"],
            "scope": "profile email",
            "default_scope": "profile email",
            "first_party": True,
        }
        self.add_client("app", **app)
        self.store.add_client(Client.public("browser", **app))
        self.store.add_user(
            User(sub="user-1", username="alice", password_hash=CHEAP.hash(Secret("wonderland")))
        )

    def add_client(self, client_id: str, **metadata: Any) -> Secret:
        """Register a confidential client, for ``client_credentials`` unless *metadata* differ."""
        metadata.setdefault("grant_types", ["client_credentials"])
        client, self.secrets[client_id] = Client.confidential(client_id, **metadata)
        self.store.add_client(client)
        return self.secrets[client_id]

    def configure(self, **settings: Any) -> World:
        """Make the server anew with *settings* beside the usual ones."""
        self.settings |= settings
        self._server = None
        return self

    @property
    def server(self) -> Any:
        if self._server is None:
            usual: dict[str, Any] = {
                "issuer": ISSUER,
                "store": self.store,
                "hasher": CHEAP,
                "clock": self.clock,
                "event_sink": self.sink,
                "grants": [ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
            }
            kind = AuthorizationServer if self.colour == "sync" else AsyncAuthorizationServer
            self._server = kind(**usual | self.settings)
        return self._server

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send *request*, whatever it is."""
        answer = self.server.handle(request)
        return (
            answer
            if isinstance(answer, HttpResponse)
            else self.runner.run(answer, context=copy_context())
        )

    def post(
        self,
        body: str | bytes = "",
        *headers: tuple[str, str],
        client: str | None = None,
        path: str = "/token",
        **parameters: str,
    ) -> HttpResponse:
        """
        Send a form.

        Args:
            body: As it goes over the wire.
            *headers: Beside the media type.
            client: Who authenticates by Basic; nobody by default.
            path: Of the endpoint, with a query if need be.
            **parameters: Added to *body*, form-encoded.
        """
        octets = body.encode() if isinstance(body, str) else body
        if parameters:
            octets = b"&".join(filter(None, [octets, urlencode(parameters).encode()]))
        if client is not None:
            headers = (basic(client, self.secrets[client]), *headers)
        return self.send(
            HttpRequest(
                method="POST",
                url=ISSUER + path,
                headers=(FORM, *headers),
                body=octets,
                source="192.0.2.1",
            )
        )

    def sign_in(self, client: str = "app", **parameters: str) -> dict[str, Any]:
        """Return the tokens of the password grant."""
        response = self.post(
            client=None if client == "browser" else client,
            grant_type="password",
            username="alice",
            password="wonderland",
            **({"client_id": client} if client == "browser" else {}),
            **parameters,
        )
        assert response.status == 200, response.json()
        answer: dict[str, Any] = response.json()
        return answer

    def refresh(self, token: str, client: str | None = "app", **parameters: str) -> HttpResponse:
        """Send the refresh token *token*."""
        if client == "browser":
            client, parameters = None, {"client_id": "browser", **parameters}
        return self.post(
            client=client, grant_type="refresh_token", refresh_token=token, **parameters
        )


def error_of(response: HttpResponse) -> tuple[int, str]:
    """Return status and code of an error."""
    return response.status, response.json()["error"]
