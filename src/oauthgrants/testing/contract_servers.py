"""Servers that show what an adapter made of a request."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from oauthgrants.clients import Client
from oauthgrants.forms import Limits
from oauthgrants.grants.client_credentials import ClientCredentialsGrant
from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.stores.memory import MemoryStore
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
        }
    )


def read_echo(response: HttpResponse) -> HttpRequest:
    """Return what the adapter made of the request that has this answer."""
    echo = response.json()
    body = b64decode(echo.pop("body"))
    return HttpRequest(body=body, **echo)


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
