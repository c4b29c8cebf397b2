# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
"""
aioauth as a contender.

It checks no bearer tokens, and its way to make tokens is fixed. Its ``client_credentials`` make a
refresh token too. The host reads the form; it reads Basic.
"""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import compare_digest
from time import time
from urllib.parse import parse_qsl

from aioauth.collections import HTTPHeaderDict
from aioauth.models import Client, Token
from aioauth.requests import Post, Request
from aioauth.server import AuthorizationServer
from aioauth.storage import BaseStorage

from oauthgrants import Secret

from ..asking import ALICE, CHEAP, ISSUER
from ..peer_requests import (
    INTROSPECT,
    LIFETIME,
    REFRESH_LIFETIME,
    REVOKE,
    TOKEN,
    Answer,
    Asked,
    Contender,
    World,
)


def _digest(value: str) -> bytes:
    return sha256(value.encode()).digest()


class _Storage(BaseStorage):
    def __init__(self, world: World) -> None:
        client = Client(
            client_id=world.client_id,
            client_secret="",
            grant_types=["client_credentials", "password", "refresh_token"],
            response_types=[],
            redirect_uris=[],
            scope=world.scope,
        )
        self._clients = {world.client_id: (client, _digest(world.secret))}
        self._passwords = {ALICE.username: str(ALICE.password_hash)}
        self._access: dict[bytes, Token] = {}
        self._refresh: dict[bytes, Token] = {}

    async def get_client(self, *, request, client_id, client_secret=None):
        client, known = self._clients.get(client_id, (None, b""))
        return client if compare_digest(_digest(client_secret or ""), known) else None

    async def get_user(self, request):
        username = request.post.username
        hashed = self._passwords.get(username)
        return username if CHEAP.verify(hashed, Secret(request.post.password)) else None

    async def create_token(self, *, request, client_id, scope, access_token, refresh_token=None):
        kept = Token(
            access_token=access_token,
            refresh_token=refresh_token,
            scope=scope,
            issued_at=int(time()),
            expires_in=LIFETIME,
            refresh_token_expires_in=REFRESH_LIFETIME,
            client_id=client_id,
        )
        self._access[_digest(access_token)] = kept
        self._refresh[_digest(refresh_token)] = kept
        return kept

    async def get_token(
        self, *, request, client_id, token_type=None, access_token=None, refresh_token=None
    ):
        if access_token is not None:
            return self._access.get(_digest(access_token))
        return self._refresh.get(_digest(refresh_token))

    async def revoke_token(
        self, *, request, client_id, refresh_token=None, token_type=None, access_token=None
    ):
        if access_token is not None:
            del self._access[_digest(access_token)]
        else:
            del self._refresh[_digest(refresh_token)]


def server(world: World) -> Contender:
    """Return its server."""
    served = AuthorizationServer(_Storage(world))

    def at(path: str, create_response):
        url = ISSUER + path

        async def ask(asked: Asked) -> Answer:
            request = Request(
                method="POST",
                post=Post(**dict(parse_qsl(asked.body.decode()))),
                headers=HTTPHeaderDict(asked.headers),
                url=url,
            )
            response = await create_response(request)
            return int(response.status_code), json.dumps(response.content)

        return ask

    ways = {
        TOKEN: at(TOKEN, served.create_token_response),
        INTROSPECT: at(INTROSPECT, served.create_token_introspection_response),
        REVOKE: at(REVOKE, served.revoke_token),
    }
    return Contender("aioauth", ways, is_async=True)
