"""A project with settings of its own, and what its clients and users do."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlencode

import attrs
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import AsyncClient, Client

from django_adapter.mounting import AnyRoute, routing
from oauthgrants import Client as OAuthClient
from oauthgrants import Secret
from oauthgrants.adapters.django.routes import make_project_urls
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.hashing import token_digest

FORM = "application/x-www-form-urlencoded"
SETTINGS: dict[str, Any] = {
    "ISSUER": "https://auth.example.com",
    "GRANTS": ["client_credentials", "password", "refresh_token"],
    "RESOURCE": "https://api.example.com",
}
Colour = Literal["sync", "async"]


@contextmanager
def running(
    *, colour: Colour = "sync", urls: Iterable[AnyRoute] = (), **changes: Any
) -> Generator[Project, None, None]:
    """Let the project have the usual settings but for *changes*, views of *colour* and *urls*."""
    wanted = {name: value for name, value in {**SETTINGS, **changes}.items() if value is not None}
    with (
        routing([], OAUTHGRANTS=wanted),
        routing([*make_project_urls(is_async=colour == "async"), *urls]),
    ):
        yield Project(colour)


@attrs.frozen
class Project:
    """What is asked of the project, with all of its middleware in between."""

    colour: Colour = "sync"
    source: str = "127.0.0.1"

    def send(self, method: str, path: str, *, body: str = "", **headers: str) -> HttpResponse:
        """Return the response to a request, a form unless *headers* say what it is."""
        request: dict[str, Any] = {
            "data": body,
            "content_type": headers.pop("content_type", FORM),
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self.colour == "sync":
            client: Any = Client(
                enforce_csrf_checks=True, raise_request_exception=False, REMOTE_ADDR=self.source
            )
            answer: HttpResponse = client.generic(method, path, **request)
            return answer

        async def ask() -> HttpResponse:
            asynchronous: Any = AsyncClient(enforce_csrf_checks=True, raise_request_exception=False)
            response: HttpResponse = await asynchronous.generic(method, path, **request)
            return response

        return async_to_sync(ask)()

    def get(self, path: str, token: str | None = None) -> HttpResponse:
        """Return what is at *path* for who has *token*."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.send("GET", path, **headers)

    def post(self, path: str = "/token", client: str = "", **parameters: str) -> HttpResponse:
        """Return the answer to a form of *client*, whose identifier and secret it has."""
        credentials = b64encode(client.encode()).decode()
        headers = {"authorization": f"Basic {credentials}"} if client else {}
        return self.send("POST", path, body=urlencode(parameters), **headers)

    def sign_in(self, client: str, username: str = "alice", **more: str) -> dict[str, Any]:
        """Return the tokens of a user."""
        response = self.post(
            client=client, grant_type="password", username=username, password="wonderland", **more
        )
        assert response.status_code == 200, response.content
        return read(response)


def read(response: HttpResponse) -> dict[str, Any]:
    """Return what stands in the body."""
    answer: dict[str, Any] = vars(response)["json"]()
    return answer


def add_client(client_id: str = "app", **metadata: Any) -> str:
    """Register a client, and return its identifier and secret with a colon between."""
    usual: dict[str, Any] = {
        "grant_types": ["client_credentials", "password", "refresh_token"],
        "scope": "read write",
        "default_scope": "read",
        "first_party": True,
    }
    client, secret = OAuthClient.confidential(client_id, **usual | metadata)
    DjangoStore().add_client(client)
    return f"{client_id}:{secret.reveal()}"


def add_user(username: str = "alice", **more: Any) -> Any:
    """Return a user of the project, whose password is ``wonderland``."""
    users: Any = get_user_model()._default_manager
    return users.create_user(username, password="wonderland", **more)


def digest_of(value: str) -> bytes:
    """Return what is kept of a token."""
    return token_digest(Secret(value))
