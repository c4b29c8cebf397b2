"""Servers that show what an adapter made of a request, and resource servers with a few tokens."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

from oauthgrants.clients import Client
from oauthgrants.events import Event
from oauthgrants.forms import Limits
from oauthgrants.grants.client_credentials import ClientCredentialsGrant
from oauthgrants.ports import never_blocks, utc_now
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.stores.memory import MemoryStore
from oauthgrants.tokens import AccessToken, VerifiedToken
from oauthgrants.wire import HttpRequest, HttpResponse, render

HOST = "auth.example.com"
"""The host of the issuer."""
BODY_LIMIT = 4096
"""How many octets of a body the servers take."""


class ContractServer(AuthorizationServer):
    """
    A server with one client that shows what an adapter made of a request.

    To a request with the field ``X-Contract: echo`` it answers with the `HttpRequest`; on
    ``X-Contract: fault`` it raises `HostFault`.
    """

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to *request*."""
        return _show(request) or super().handle(request)


class AsyncContractServer(AsyncAuthorizationServer):
    """The same for asyncio."""

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to *request*."""
        return _show(request) or await super().handle(request)


class HostFault(Exception):
    """Code of the host fails outside of any port."""


def _show(request: HttpRequest) -> HttpResponse | None:
    wanted = request.get_headers("x-contract")
    if "fault" in wanted:
        raise HostFault
    if "echo" not in wanted:
        return None
    return render(
        {
            "method": request.method,
            "url": request.url,
            "headers": request.headers,
            "body": b64encode(request.body).decode(),
            "source": request.source,
            "client_certificate": b64encode(request.client_certificate or b"").decode(),
            "client_certificate_verified": request.client_certificate_verified,
        }
    )


def read_echo(response: HttpResponse) -> HttpRequest:
    """Return what the adapter made of the request that has this answer."""
    echo = response.json()
    body, certificate = b64decode(echo.pop("body")), b64decode(echo.pop("client_certificate"))
    return HttpRequest(body=body, client_certificate=certificate or None, **echo)


def make_server(prefix: str = "") -> ContractServer:
    """Return a server whose issuer is `HOST` and *prefix*, with the client of RFC 6749, 2.3.1."""
    return ContractServer(**_settings(prefix))


def make_async_server(prefix: str = "") -> AsyncContractServer:
    """Return the same for asyncio."""
    return AsyncContractServer(**_settings(prefix))


def _settings(prefix: str) -> dict[str, Any]:
    client, _ = Client.confidential(
        "s6BhdRkqt3",
        secret="7Fjfp0ZBr1KtDRbnfVdmIw",
        machine_made=True,
        grant_types=["client_credentials"],
    )
    store = MemoryStore()
    store.add_client(client)
    return {
        "issuer": f"https://{HOST}{prefix}",
        "store": store,
        "grants": [ClientCredentialsGrant()],
        "limits": Limits(body=BODY_LIMIT),
    }


RESOURCE = f"https://{HOST}"
"""The identifier of the resource servers."""


@never_blocks
class ContractTokens:
    """
    Knows two tokens: ``reader`` has the scope ``read``, ``writer`` the scope ``write``.

    Asked for any other, it knows none; asked for ``fault``, it fails.
    """

    def find_access_token(self, value: Secret) -> AccessToken | None:
        """Return what *value* stands for."""
        scopes = {"reader": "read", "writer": "write"}
        if value.reveal() == "fault":
            raise HostFault
        scope = scopes.get(value.reveal())
        if scope is None:
            return None
        return AccessToken(
            digest=bytes(32),
            client_id="s6BhdRkqt3",
            sub="s6BhdRkqt3",
            scope=Scope.parse(scope),
            audience=(RESOURCE,),
            issued_at=utc_now(),
            lifetime=timedelta(minutes=10),
        )


class EventList:
    """
    Keeps what happened.

    Attributes:
        events: What, in order.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        """Keep *event*."""
        self.events.append(event)


def make_resource_server(**settings: Any) -> ResourceServer:
    """Return a resource server that knows `ContractTokens`, with *settings*."""
    return ResourceServer(**_resource_settings(settings))


def make_async_resource_server(**settings: Any) -> AsyncResourceServer:
    """Return the same for asyncio."""
    return AsyncResourceServer(**_resource_settings(settings))


def _resource_settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": RESOURCE,
        "tokens": ContractTokens(),
        "limits": Limits(body=BODY_LIMIT),
        **settings,
    }


def show_token(token: VerifiedToken, body: bytes) -> str:
    """Return what a guarded route answers that found *token* and read *body*: JSON."""
    return json.dumps(
        {
            "client_id": token.client_id,
            "scope": str(token.scope),
            "body": b64encode(body).decode(),
        }
    )
