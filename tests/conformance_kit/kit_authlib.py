# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportReturnType=false
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
# ruff: noqa: RET503, C901, A002
"""
Authlib in Flask, as its documentation has it, with dictionaries for tables.

The host's part does what the documentation asks of it: refresh tokens are rotated, spent ones
are kept and refused, other clients' tokens are neither introspected nor revoked.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from secrets import compare_digest
from threading import Thread

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask
from kit_servers import AUDIENCE, OTHER_SECRET, PASSWORD, SCOPE, SECRET
from werkzeug.serving import WSGIRequestHandler, make_server


class _Client(ClientMixin):
    def __init__(self, client_id, secret, method):
        self.client_id, self.secret, self.method = client_id, secret, method

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return " ".join(each for each in (scope or "").split() if each in SCOPE.split())

    def check_client_secret(self, client_secret):
        return compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method, endpoint):
        return self.method == method

    def check_grant_type(self, grant_type):
        return True


class _Token(TokenMixin):
    def __init__(self, client_id, user, token):
        self.client_id, self.user = client_id, user
        self.access_token = token["access_token"]
        self.refresh_token = token.get("refresh_token")
        self.scope, self.expires_in = token.get("scope", ""), token["expires_in"]
        self.issued_at = int(time.time())
        self.is_over = False

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return self.issued_at + self.expires_in < time.time()

    def is_revoked(self):
        return self.is_over

    def get_user(self):
        return self.user

    def get_client(self):
        return None


class _User:
    def get_user_id(self):
        return "user-1"


def make_app() -> Flask:
    """Return the application."""
    ids = {"client_secret_basic": SECRET, "other-client_secret_basic": OTHER_SECRET}
    clients = {each: _Client(each, secret, "client_secret_basic") for each, secret in ids.items()}
    tokens = []

    def find(value):
        for token in tokens:
            if value in (token.access_token, token.refresh_token):
                return token

    def save_token(token, request):
        tokens.append(_Token(request.client.client_id, request.user, token))

    class Password(grants.ResourceOwnerPasswordCredentialsGrant):
        def authenticate_user(self, username, password):
            return _User() if (username, password) == ("alice", PASSWORD) else None

    class Refresh(grants.RefreshTokenGrant):
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token):
            token = find(refresh_token)
            if token and token.refresh_token == refresh_token and not token.is_revoked():
                return token

        def authenticate_user(self, refresh_token):
            return refresh_token.user

        def revoke_old_credential(self, refresh_token):
            refresh_token.is_over = True

    class Introspect(IntrospectionEndpoint):
        def check_permission(self, token, client, request):
            return token.check_client(client)

        def query_token(self, token_string, token_type_hint):
            return find(token_string)

        def introspect_token(self, token):
            return {
                "active": not token.is_revoked() and not token.is_expired(),
                "client_id": token.client_id,
                "token_type": "Bearer",
                "scope": token.scope,
                "aud": AUDIENCE,
                "iat": token.issued_at,
                "exp": token.issued_at + token.expires_in,
            }

    class Revoke(RevocationEndpoint):
        def query_token(self, token_string, token_type_hint):
            return find(token_string)

        def revoke_token(self, token, request):
            token.is_over = True

    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string):
            return find(token_string)

    app = Flask(__name__)
    app.config |= {"OAUTH2_REFRESH_TOKEN_GENERATOR": True, "OAUTH2_SCOPES_SUPPORTED": SCOPE.split()}
    server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
    for grant in (grants.ClientCredentialsGrant, Password, Refresh):
        server.register_grant(grant)
    server.register_endpoint(Introspect)
    server.register_endpoint(Revoke)
    protector = ResourceProtector()
    protector.register_token_validator(Validator())

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.post("/introspect")
    def introspect():
        return server.create_endpoint_response("introspection")

    @app.post("/revoke")
    def revoke():
        return server.create_endpoint_response("revocation")

    @app.get("/api")
    @protector("reports:read")
    def api():
        return {"reports": []}

    return app


class _Silent(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


@contextmanager
def serving_authlib() -> Generator[str]:
    """Serve it by werkzeug, as behind a proxy that does TLS: without, Authlib refuses all."""
    app = make_app()

    def behind_tls(environ, start_response):
        return app({**environ, "wsgi.url_scheme": "https"}, start_response)

    server = make_server("127.0.0.1", 0, behind_tls, request_handler=_Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
