# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
# pyright: reportCallIssue=false
"""
Authlib as a contender: its server by itself, and in Flask.

The host's part is as little as it can be, and what the floor does: digests in dictionaries, one
comparison in constant time. Authlib leaves to the host whether a spent refresh token is known.
"""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from time import time
from urllib.parse import parse_qsl

import attrs
from authlib.oauth2 import AuthorizationServer, OAuth2Error, OAuth2Request, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import import_key

from oauthgrants import Secret

from ..asking import ALICE, AUDIENCE, CHEAP, ISSUER
from ..peer_requests import (
    INTROSPECT,
    LIFETIME,
    REPORTS,
    REVOKE,
    TOKEN,
    Answer,
    Asked,
    Contender,
    World,
)

_KINDS = {"ES256": "EC", "EdDSA": "OKP", "RS256": "RSA"}


def _digest(value: str) -> bytes:
    return sha256(value.encode()).digest()


@attrs.frozen
class _Client(ClientMixin):
    client_id: str
    digest: bytes
    scope: frozenset[str]

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return " ".join(each for each in (scope or "").split() if each in self.scope)

    def check_client_secret(self, client_secret):
        return compare_digest(_digest(client_secret), self.digest)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return True


@attrs.frozen
class _Token(TokenMixin):
    client_id: str
    sub: str
    scope: str
    issued_at: float
    expires_in: int

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return self.issued_at + self.expires_in <= time()

    def is_revoked(self):
        return False  # then it is not kept any more


@attrs.frozen
class _User:
    sub: str

    def get_user_id(self):
        return self.sub


class _Host:
    """Dictionaries, and what Authlib asks of them."""

    def __init__(self, world: World) -> None:
        scope = frozenset(world.scope.split())
        self.clients = {world.client_id: _Client(world.client_id, _digest(world.secret), scope)}
        self.users = {ALICE.username: (_User(ALICE.sub), str(ALICE.password_hash))}
        self.access: dict[bytes, _Token] = {}
        self.refresh: dict[bytes, _Token] = {}
        self.keeps_access = world.algorithm is None

    def save_token(self, token, request):
        sub = request.user.sub if request.user else request.client.client_id
        kept = _Token(
            request.client.client_id, sub, token.get("scope", ""), time(), token["expires_in"]
        )
        if self.keeps_access:
            self.access[_digest(token["access_token"])] = kept
        if "refresh_token" in token:
            self.refresh[_digest(token["refresh_token"])] = kept

    def grants(self):
        """Return the grants that a host writes."""
        host = self

        class Password(grants.ResourceOwnerPasswordCredentialsGrant):
            def authenticate_user(self, username, password):
                user, hashed = host.users.get(username, (None, None))
                return user if CHEAP.verify(hashed, Secret(password)) else None

        class Refresh(grants.RefreshTokenGrant):
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token):
                token = host.refresh.get(_digest(refresh_token))
                return None if token is None or token.is_expired() else token

            def authenticate_user(self, refresh_token):
                return _User(refresh_token.sub)

            def revoke_old_credential(self, refresh_token):
                del host.refresh[_digest(self.request.form["refresh_token"])]

        return grants.ClientCredentialsGrant, Password, Refresh

    def endpoints(self):
        """Return the endpoints that a host writes."""
        host = self

        class Introspect(IntrospectionEndpoint):
            def check_permission(self, token, client, request):
                return True

            def query_token(self, token_string, token_type_hint):
                return host.access.get(_digest(token_string))

            def introspect_token(self, token):
                issued_at = int(token.issued_at)
                return {
                    "active": True,
                    "client_id": token.client_id,
                    "sub": token.sub,
                    "scope": token.scope,
                    "exp": issued_at + token.expires_in,
                    "iat": issued_at,
                    "iss": ISSUER,
                    "aud": AUDIENCE,
                    "token_type": "Bearer",
                }

        class Revoke(RevocationEndpoint):
            def query_token(self, token_string, token_type_hint):
                return host.access.get(_digest(token_string))

            def revoke_token(self, token, request):
                del host.access[_digest(request.form["token"])]

        return Introspect, Revoke

    def validator(self):
        """Return what finds tokens."""
        host = self

        class Validator(BearerTokenValidator):
            def authenticate_token(self, token_string):
                return host.access.get(_digest(token_string))

        return Validator()


class _Request(OAuth2Request):
    def __init__(self, asked: Asked) -> None:
        super().__init__("POST", ISSUER + asked.path, headers=asked.headers)
        self._form = dict(parse_qsl(asked.body.decode()))
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self):
        return self._form


class _Server(AuthorizationServer):
    """The server without a framework."""

    def __init__(self, host: _Host) -> None:
        super().__init__()
        self.query_client = host.clients.get
        self.save_token = host.save_token

    def create_oauth2_request(self, request):
        return _Request(request)

    def handle_response(self, status, body, headers):
        return status, json.dumps(body)

    def send_signal(self, name, *args, **kwargs):
        pass


class _JwtGenerator(JWTBearerTokenGenerator):
    def __init__(self, world: World) -> None:
        super().__init__(ISSUER, world.algorithm, expires_generator=LIFETIME)
        self._key = import_key(world.pem, _KINDS[world.algorithm])

    def get_jwks(self):
        return self._key

    def get_audiences(self, client, user, scope):
        return AUDIENCE


def bare(world: World, *, fast: bool = False) -> Contender:
    """Return its server; *fast* takes ``secrets.token_urlsafe`` for its own choice of letters."""
    host = _Host(world)
    server = _Server(host)
    _set_up(server, host, world, fast)
    protector = ResourceProtector()
    protector.register_token_validator(host.validator())

    def at(name: str):
        return lambda asked: server.create_endpoint_response(name, asked)

    def reports(asked: Asked) -> Answer:
        try:
            token = protector.validate_request(["read"], asked)
        except OAuth2Error as error:
            status, body, _ = error()
            return status, json.dumps(body)
        return 200, token.client_id

    ways = {TOKEN: server.create_token_response, REPORTS: reports}
    ways |= {INTROSPECT: at("introspection"), REVOKE: at("revocation")}
    return Contender("Authlib, fast tokens" if fast else "Authlib", ways)


def in_flask(world: World, *, fast: bool = False) -> Contender:
    """Return the same in Flask."""
    from .peer_flask import ways_of

    name = "Authlib in Flask"
    return Contender(
        f"{name}, fast tokens" if fast else name, ways_of(flask_application(world, fast=fast))
    )


def flask_application(world: World, *, fast: bool = False):
    """Return a Flask application with Authlib's server in it."""
    from authlib.integrations.flask_oauth2 import AuthorizationServer as FlaskServer
    from authlib.integrations.flask_oauth2 import ResourceProtector as FlaskProtector
    from authlib.integrations.flask_oauth2 import current_token
    from flask import Flask

    host = _Host(world)
    app = Flask(__name__)
    server = FlaskServer(app, host.clients.get, host.save_token)
    _set_up(server, host, world, fast)
    protector = FlaskProtector()
    protector.register_token_validator(host.validator())

    @app.post(TOKEN)
    def token():
        return server.create_token_response()

    @app.post(INTROSPECT)
    def introspect():
        return server.create_endpoint_response("introspection")

    @app.post(REVOKE)
    def revoke():
        return server.create_endpoint_response("revocation")

    @app.get(REPORTS)
    @protector("read")
    def reports():
        return current_token.client_id

    return app


def _set_up(server: AuthorizationServer, host: _Host, world: World, fast: bool) -> None:
    for grant in host.grants():
        server.register_grant(grant)
    for endpoint in host.endpoints():
        server.register_endpoint(endpoint)
    server.register_token_generator("default", _generator(world, fast))


def _generator(world: World, fast: bool):
    if world.algorithm is not None:
        return _JwtGenerator(world)
    if fast:
        return BearerTokenGenerator(_fast_token, _fast_token, LIFETIME)
    # What its integrations take where the configuration says nothing: 42 and 48 letters.
    from authlib.common.security import generate_token

    return BearerTokenGenerator(
        lambda **_: generate_token(42), lambda **_: generate_token(48), LIFETIME
    )


def _fast_token(**_):
    return token_urlsafe(32)
