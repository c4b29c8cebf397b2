"""The whole server: octets as a request line, header fields and a body."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from oauthgrants import (
    Argon2idHasher,
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
from oauthgrants.grants import Grant

from .. import models
from ..answers import Faults, require_error

ISSUER = "https://auth.example.com"
SECRETS = {
    "service": "machine-made-secret-of-the-service",
    "app": "machine-made-secret-of-the-app",
}
_DOCUMENTS = ("/.well-known/oauth-authorization-server",)
_OF_CLIENTS = ("client_id", "client_secret")
_OF_USERS = ("username", "password", "refresh_token")
_CHEAP = Argon2idHasher(memory_cost=8, time_cost=1, lanes=1)


class _Clock:
    """Goes on by a minute a request, so that tokens end and are forgotten."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


_CLOCK = _Clock()
_FAULTS = Faults()


def _make_server() -> AuthorizationServer:
    store = MemoryStore(clock=_CLOCK)
    signing_in: dict[str, Any] = {"grant_types": ["password", "refresh_token"], "first_party": True}
    service, _ = Client.confidential(
        "service",
        secret=SECRETS["service"],
        machine_made=True,
        grant_types=["client_credentials"],
        scope="read write",
        default_scope="read",
        resources=["https://api.example.com"],
    )
    app, _ = Client.confidential(
        "app",
        secret=SECRETS["app"],
        machine_made=True,
        token_endpoint_auth_method="client_secret_post",
        **signing_in,
    )
    for client in (service, app, Client.public("browser", **signing_in)):
        store.add_client(client)
    store.add_user(
        User(sub="user-1", username="alice", password_hash=_CHEAP.hash(Secret("wonderland")))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grants: list[Grant] = [ClientCredentialsGrant(), PasswordGrant(), RefreshTokenGrant()]
    return AuthorizationServer(
        issuer=ISSUER,
        store=store,
        grants=grants,
        hasher=_CHEAP,
        throttle=None,
        event_sink=_FAULTS,
        clock=_CLOCK,
    )


_SERVER = _make_server()


def fuzz(data: bytes) -> None:
    """Send *data*, and hold the answer to what may be answered."""
    request = _read(data)
    _CLOCK.now += timedelta(minutes=1)
    response = _SERVER.handle(request)
    _FAULTS.require_none()
    if request.path in _DOCUMENTS:
        assert response.status in {200, 304, 405}
    elif response.status == 200:
        _require_proof(request, response)
    else:
        assert response.status in {400, 401, 404, 405}
        require_error(response)


def _read(data: bytes) -> HttpRequest:
    head, _, body = data.partition(b"\n\n")
    line, *fields = head.decode("latin-1").split("\n")
    method, _, target = line.partition(" ")
    headers = [(name, value.lstrip()) for name, _, value in (f.partition(":") for f in fields)]
    return HttpRequest(method=method, url=ISSUER + target, headers=headers, body=body)


def _require_proof(request: HttpRequest, response: HttpResponse) -> None:
    """Check that who was let in has shown what only the right one knows."""
    # What an endpoint does not know it does not look at, and neither does the model.
    known = (*_OF_CLIENTS, *(_OF_USERS if request.path == "/token" else ("token",)))
    form = models.parse_form(request.body, known, ("resource",), ("refresh_token", "token"))
    values = {name: several[0] for name, several in form.items()}
    shown = [models.parse_basic(each) for each in request.get_headers("authorization")]
    shown.append((values.get("client_id", ""), values.get("client_secret", "")))
    client_id = next((each for each, secret in shown if SECRETS.get(each) == secret), None)
    members = response.json()
    assert ("Cache-Control", "no-store") in response.headers
    if request.path == "/token":
        assert members["token_type"] == "Bearer"
        signed_in = (values.get("username"), values.get("password")) == ("alice", "wonderland")
        assert client_id == "service" or signed_in or "refresh_token" in values
        if client_id is not None:
            assert _is_active(client_id, members["access_token"])
    elif request.path == "/introspect":
        assert client_id is not None
        assert members["active"] in {True, False}
    else:
        assert request.path == "/revoke"
        assert members == {}
    assert client_id is not None or "browser" in {each for each, _ in shown}


def _is_active(client_id: str, token: str) -> bool:
    """Ask as *client_id* whether *token* is active."""
    form = {"token": token}
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    if client_id == "app":
        form |= {"client_id": client_id, "client_secret": SECRETS[client_id]}
    else:
        headers.append(("Authorization", _SERVICE))
    response = _SERVER.handle(
        HttpRequest(
            method="POST",
            url=f"{ISSUER}/introspect",
            headers=headers,
            body=urlencode(form).encode(),
        )
    )
    return response.status == 200 and response.json()["active"] is True


_SERVICE = "Basic c2VydmljZTptYWNoaW5lLW1hZGUtc2VjcmV0LW9mLXRoZS1zZXJ2aWNl"
