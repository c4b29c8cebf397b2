"""Clients of other makers sign, and are let in: Authlib and requests-oauth2client, over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import attrs
import pytest
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523 import (  # type: ignore[import-untyped]
    ClientSecretJWT,
    PrivateKeyJWT,
)
from joserfc.jwk import import_key
from requests_oauth2client import ClientSecretJwt, OAuth2Client, PrivateKeyJwt

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
)
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.fetching import AsyncHttpxFetcher, HttpxFetcher
from oauthgrants.sealed import SealingKey
from resource_support import jwks, key

SECRET = "s" * 64
SEALING_KEY = SealingKey(bytes(range(32)))
SIGNER = key("RS256")


class QuietHandler(WSGIRequestHandler):
    """Keeps requests to itself."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        pass


@contextmanager
def serving(app: Any) -> Generator[str]:
    """Serve *app* on a free port; return the URL."""
    with make_server("127.0.0.1", 0, app, WSGIServer, QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


@attrs.define
class Late:
    """An application that is there once its address is known."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


@contextmanager
def authorization_server(**rules: Any) -> Generator[str]:
    late = Late()
    with serving(late) as issuer:
        store = MemoryStore()
        metadata: dict[str, Any] = {"grant_types": ["client_credentials"], "scope": "read"}

        def publish(environ: Any, start_response: Any) -> list[bytes]:
            import json

            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(jwks(SIGNER)).encode()]

        with serving(publish) as home:
            uri = f"{home}/jwks.json"
            store.add_client(Client.with_keys("signer", jwks=jwks(SIGNER), **metadata))
            store.add_client(Client.with_keys("remote", jwks_uri=uri, **metadata))
            client, _ = Client.confidential(
                "macker",
                secret=SECRET,
                token_endpoint_auth_method="client_secret_jwt",
                sealing_key=SEALING_KEY,
                **metadata,
            )
            store.add_client(client)
            server = AuthorizationServer(
                issuer=issuer,
                store=store,
                grants=[ClientCredentialsGrant()],
                assertions=AssertionRules(sealing_key=SEALING_KEY, **rules),
                allow_insecure_transport=True,
            )
            late.app = WsgiApplication(server)
            yield issuer


def private_jwk() -> dict[str, Any]:
    members: dict[str, Any] = import_key(SIGNER.to_pem(), "RSA").as_dict(private=True)
    return {**members, "kid": SIGNER.kid, "alg": "RS256"}


@pytest.mark.req("R7523-2.2-a", "OIDC-9-a")
@pytest.mark.parametrize("client_id", ["signer", "remote", "macker"])
def test_authlib_is_let_in(client_id: str) -> None:
    """It names the token endpoint as audience, and lives an hour (C-13)."""
    with authorization_server(accept_endpoint_audience=True) as issuer:
        endpoint = f"{issuer}/token"
        by_secret = client_id == "macker"
        method = (
            ClientSecretJWT(endpoint)
            if by_secret
            else PrivateKeyJWT(endpoint, headers={"kid": SIGNER.kid})
        )
        secret = SECRET if by_secret else SIGNER.to_pem().decode()
        session: Any = OAuth2Session(
            client_id, secret, token_endpoint_auth_method=method, scope="read"
        )
        try:
            token = session.fetch_token(endpoint, grant_type="client_credentials")
        finally:
            session.close()

    assert token["scope"] == "read"


@pytest.mark.req("R7523-2.2-a", "R7523-3-b", "OIDC-9-a", "D7523-4-a")
@pytest.mark.parametrize("client_id", ["signer", "remote", "macker"])
def test_requests_oauth2client_is_let_in(client_id: str) -> None:
    """With the issuer as audience, as the strict mode asks for."""
    with authorization_server() as issuer:
        auth = (
            ClientSecretJwt(client_id, SECRET, aud=issuer)
            if client_id == "macker"
            else PrivateKeyJwt(client_id, private_jwk(), aud=issuer)
        )
        client = OAuth2Client(f"{issuer}/token", auth=auth, testing=True)
        with client.session:
            token = client.client_credentials(scope="read")

    assert token.scope == "read"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_request_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """And still says whom it is for: the name is looked up once."""
    checked: list[str] = []

    def note(address: str) -> bool:
        checked.append(address)
        return True

    def show(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["HTTP_HOST"].encode()]

    monkeypatch.setattr("oauthgrants.fetching.is_public", note)
    with serving(show) as url:
        request = HttpRequest(method="GET", url=url.replace("127.0.0.1", "127.1") + "/jwks.json")
        if is_async:
            fetcher = AsyncHttpxFetcher(public_only=True, keep_alive=False)
            response = asyncio.run(fetcher.fetch(request))
        else:
            response = HttpxFetcher(public_only=True, keep_alive=False).fetch(request)

    assert checked == ["127.0.0.1"]
    assert response.body.decode() == url.replace("http://127.0.0.1", "127.1")
