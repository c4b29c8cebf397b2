# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
# pyright: reportTypedDictNotRequiredAccess=false
"""
oauthlib as a contender: the ready-made servers of its two grants.

It asks the host for nearly everything: the validator below reads Basic by itself, as the floor
does, and keeps digests in dictionaries.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from time import time
from types import SimpleNamespace
from urllib.parse import unquote_plus

from oauthlib.oauth2 import BackendApplicationServer, LegacyApplicationServer, RequestValidator

from oauthgrants import Secret

from ..asking import ALICE, AUDIENCE, CHEAP, ISSUER
from ..peer_requests import (
    INTROSPECT,
    LIFETIME,
    REFRESH_LIFETIME,
    REPORTS,
    REVOKE,
    TOKEN,
    Answer,
    Asked,
    Contender,
    World,
)


def _digest(value: str) -> bytes:
    return sha256(value.encode()).digest()


class _Validator(RequestValidator):
    def __init__(self, world: World) -> None:
        self._secrets = {world.client_id: _digest(world.secret)}
        self._clients = {world.client_id: SimpleNamespace(client_id=world.client_id)}
        self._scope = frozenset(world.scope.split())
        self._passwords = {ALICE.username: str(ALICE.password_hash)}
        # Client, subject, scopes, when it ends.
        self._access: dict[bytes, tuple[str, str, list[str], float]] = {}
        self._refresh: dict[bytes, tuple[str, str, list[str], float]] = {}

    def client_authentication_required(self, request, *args, **kwargs):
        return True

    def authenticate_client(self, request, *args, **kwargs):
        pair = b64decode(request.headers["Authorization"].partition(" ")[2]).decode()
        client_id, _, secret = pair.partition(":")
        client_id = unquote_plus(client_id)
        known = self._secrets.get(client_id, b"")
        if not compare_digest(_digest(unquote_plus(secret)), known):
            return False
        request.client = self._clients[client_id]
        return True

    def validate_grant_type(self, client_id, grant_type, client, request, *args, **kwargs):
        return True

    def get_default_scopes(self, client_id, request, *args, **kwargs):
        return ["read"]

    def validate_scopes(self, client_id, scopes, client, request, *args, **kwargs):
        return self._scope.issuperset(scopes)

    def validate_user(self, username, password, client, request, *args, **kwargs):
        if not CHEAP.verify(self._passwords.get(username), Secret(password)):
            return False
        request.user = username
        return True

    def validate_refresh_token(self, refresh_token, client, request, *args, **kwargs):
        kept = self._refresh.get(_digest(refresh_token))
        if kept is None or kept[0] != client.client_id or kept[3] <= time():
            return False
        request.user = kept[1]
        return True

    def get_original_scopes(self, refresh_token, request, *args, **kwargs):
        return self._refresh[_digest(refresh_token)][2]

    def save_bearer_token(self, token, request, *args, **kwargs):
        client_id, scopes, now = request.client.client_id, token["scope"].split(), time()
        sub = request.user or client_id
        kept = client_id, sub, scopes, now + token["expires_in"]
        self._access[_digest(token["access_token"])] = kept
        if "refresh_token" in token:
            if request.grant_type == "refresh_token":
                del self._refresh[_digest(request.refresh_token)]
            digest = _digest(token["refresh_token"])
            self._refresh[digest] = client_id, sub, scopes, now + REFRESH_LIFETIME

    def validate_bearer_token(self, token, scopes, request):
        kept = self._access.get(_digest(token))
        if kept is None or kept[3] <= time() or not set(kept[2]).issuperset(scopes):
            return False
        request.client = self._clients[kept[0]]
        return True

    def introspect_token(self, token, token_type_hint, request, *args, **kwargs):
        kept = self._access.get(_digest(token))
        if kept is None or kept[3] <= time():
            return None
        client_id, sub, scopes, ends = kept
        return {
            "client_id": client_id,
            "sub": sub,
            "scope": " ".join(scopes),
            "exp": int(ends),
            "iat": int(ends) - LIFETIME,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "token_type": "Bearer",
        }

    def revoke_token(self, token, token_type_hint, request, *args, **kwargs):
        digest = _digest(token)
        kept = self._access.get(digest)
        if kept is not None and kept[0] == request.client.client_id:
            del self._access[digest]


def backend(world: World, *, fast: bool = False) -> Contender:
    """Return ``BackendApplicationServer``, which has ``client_credentials``."""
    return _contender("oauthlib", BackendApplicationServer, world, fast)


def legacy(world: World, *, fast: bool = False) -> Contender:
    """Return ``LegacyApplicationServer``, which has passwords and refresh tokens."""
    return _contender("oauthlib", LegacyApplicationServer, world, fast)


def _contender(name: str, kind: type, world: World, fast: bool) -> Contender:
    server = kind(_Validator(world), token_generator=_fast_token if fast else None)

    def at(path: str, create_response):
        url = ISSUER + path

        def ask(asked: Asked) -> Answer:
            _, body, status = create_response(url, "POST", asked.body.decode(), asked.headers)
            return status, body

        return ask

    def reports(asked: Asked) -> Answer:
        is_valid, request = server.verify_request(
            AUDIENCE + REPORTS, "GET", None, asked.headers, ["read"]
        )
        return (200, request.client.client_id) if is_valid else (401, "")

    ways = {
        TOKEN: at(TOKEN, server.create_token_response),
        INTROSPECT: at(INTROSPECT, server.create_introspect_response),
        REVOKE: at(REVOKE, server.create_revocation_response),
        REPORTS: reports,
    }
    return Contender(f"{name}, fast tokens" if fast else name, ways)


def _fast_token(request, refresh_token=False):
    return token_urlsafe(32)
