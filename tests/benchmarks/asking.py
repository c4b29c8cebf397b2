"""Servers of either colour, and the requests that benchmarks send them."""

from __future__ import annotations

import asyncio
import warnings
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import attrs

from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    PasswordGrant,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.grants.password import PasswordGrantWarning

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
# What a password costs is the host's choice, and not what is measured here.
CHEAP = Argon2idHasher(memory_cost=8, time_cost=1, lanes=1)
PASSWORD = Secret("wonderland")
ALICE = User(sub="user-alice", username="alice", password_hash=CHEAP.hash(PASSWORD))


class SilentSink:
    """Hears of events and says nothing: what a host's log costs is not what is measured here."""

    def record(self, event: object) -> None:
        pass


def settings_of(store: Any, **further: Any) -> dict[str, Any]:
    """Return the settings of a server with every grant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        grants = [ClientCredentialsGrant(), PasswordGrant(), RefreshTokenGrant()]
    return {
        "issuer": ISSUER,
        "store": store,
        "grants": grants,
        "hasher": CHEAP,
        "audience": AUDIENCE,
        "event_sink": SilentSink(),
        **further,
    }


def form_request(path: str, client_id: str, secret: Secret, **form: str) -> HttpRequest:
    """Return a request with a form, from a client that authenticates by Basic."""
    pair = f"{client_id}:{secret.reveal()}"
    return HttpRequest(
        method="POST",
        url=ISSUER + path,
        headers=[
            ("Authorization", f"Basic {b64encode(pair.encode()).decode()}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ],
        body=urlencode(form).encode(),
        source="192.0.2.1",
    )


@attrs.frozen(kw_only=True)
class Asker:
    """
    A client, and the server that it asks.

    Attributes:
        server: Of either colour.
        client_id: Of a client that may use every grant and introspect.
        secret: Its own.
        runner: On whose loop the answers of an async server are waited for.
    """

    server: AuthorizationServer | AsyncAuthorizationServer
    client_id: str
    secret: Secret
    runner: asyncio.Runner

    def post(self, path: str, **form: str) -> dict[str, Any]:
        """Return the answer to a form; every request here is one that succeeds."""
        response = self.send(form_request(path, self.client_id, self.secret, **form))
        answer: dict[str, Any] = response.json()
        assert response.status == 200, answer.get("error")
        return answer

    def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to *request*."""
        answer = self.server.handle(request)
        return answer if isinstance(answer, HttpResponse) else self.runner.run(answer)

    def ask_for_token(self) -> dict[str, Any]:
        """Return the answer to ``client_credentials``."""
        return self.post("/token", grant_type="client_credentials")

    def sign_in(self) -> dict[str, Any]:
        """Return the tokens of the password grant."""
        return self.post(
            "/token",
            grant_type="password",
            username=ALICE.username,
            password=PASSWORD.reveal(),
        )

    def refreshing(self) -> Callable[[], object]:
        """Sign in; return what refreshes that sign-in, each time with the token of the last."""
        tokens = self.sign_in()

        def refresh() -> None:
            nonlocal tokens
            tokens = self.post(
                "/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]
            )

        return refresh

    def introspecting(self) -> Callable[[], object]:
        """Get a token; return what introspects it."""
        token = self.ask_for_token()["access_token"]

        def introspect() -> None:
            assert self.post("/introspect", token=token)["active"]

        return introspect

    def revoke_one(self) -> object:
        """Get a token and end it."""
        return self.post("/revoke", token=self.ask_for_token()["access_token"])
