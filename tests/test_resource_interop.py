"""JWT access tokens over real HTTP: at PyJWT, at Authlib and at our own resource server."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import attrs
import jwt
import pytest
from authlib.oauth2.rfc6750.errors import (  # type: ignore[import-untyped]
    InsufficientScopeError,
    InvalidTokenError,
)
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator  # type: ignore[import-untyped]
from joserfc.jwk import KeySet

from oauthgrants import (
    AsyncResourceServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    InvalidToken,
    MemoryStore,
    ResourceServer,
    Secret,
    VerifiedToken,
)
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.jose import SigningKey
from oauthgrants.keys import KeyRing
from oauthgrants.token_checks.introspection import RemoteIntrospection
from oauthgrants.token_checks.jwt import JwtChecker
from oauthgrants.token_checks.key_sets import StaticKeys
from resource_support import API, bearer, key
from support import FORM, Colour, basic

req = pytest.mark.req
OTHER = "https://other.example.com"


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        pass


class Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@attrs.frozen
class Running:
    """An authorization server that is reachable, and a client of its."""

    issuer: str
    keys: KeyRing
    secret: Secret

    def issue(self, **parameters: str) -> str:
        """Return an access token, by HTTP."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        request = urllib.request.Request(
            f"{self.issuer}/token",
            data=f"grant_type=client_credentials&{query}".encode(),
            headers=dict([FORM, basic("service", self.secret)]),
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(json.load(response)["access_token"])

    def get(self, url: str) -> Any:
        """Return a JSON document, by HTTP."""
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)

    def metadata(self) -> Any:
        return self.get(f"{self.issuer}/.well-known/oauth-authorization-server")


def nothing(environ: Any, start_response: Any) -> list[bytes]:
    """Stand in until the port is known."""
    return []


@contextmanager
def running(signer: SigningKey) -> Generator[Running]:
    store = MemoryStore()
    client, secret = Client.confidential(
        "service",
        grant_types=["client_credentials"],
        scope="read write",
        default_scope="read",
        resources=[OTHER],
        introspects=[API],
    )
    store.add_client(client)
    keys = KeyRing(signer)
    with make_server("127.0.0.1", 0, nothing, server_class=Threading, handler_class=Quiet) as http:
        issuer = f"http://127.0.0.1:{http.server_port}"
        server = AuthorizationServer(
            issuer=issuer,
            store=store,
            grants=[ClientCredentialsGrant()],
            access_token_format="jwt",
            signing_keys=keys,
            audience=API,
            allow_insecure_transport=True,
        )
        http.set_app(WsgiApplication(server))
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Running(issuer, keys, secret)
        finally:
            http.shutdown()
            thread.join(10)


def check(colour: Colour, tokens: Any, *values: str) -> list[VerifiedToken]:
    """Return what our resource server makes of *values*, one after the other."""
    requests = [HttpRequest(method="GET", url=API, headers=[bearer(value)]) for value in values]
    settings: dict[str, Any] = {
        "resource": API,
        "tokens": tokens,
        "allow_insecure_transport": True,
    }
    if colour == "sync":
        server = ResourceServer(**settings)
        try:
            return [server.require_token(request, scope="read") for request in requests]
        finally:
            server.close()

    async def in_loop() -> list[VerifiedToken]:
        server = AsyncResourceServer(**settings)
        try:
            return [await server.require_token(request, scope="read") for request in requests]
        finally:
            await server.close()

    return asyncio.run(in_loop())


@req("R9068-2.1-a", "R9068-2.2-a", "R8414-3.3-a", "R7517-4-a")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256"])
def test_pyjwt_accepts_our_tokens(algorithm: str) -> None:
    with running(key(algorithm)) as server:
        token = server.issue()
        jwks = jwt.PyJWKClient(server.metadata()["jwks_uri"])
        signing_key = jwks.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            signing_key,
            algorithms=[algorithm],
            audience=API,
            issuer=server.issuer,
            options={"require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]},
        )
        assert (claims["sub"], claims["client_id"], claims["scope"]) == ("service",) * 2 + ("read",)
        with pytest.raises(jwt.InvalidAudienceError):
            jwt.decode(server.issue(resource=OTHER), signing_key, [algorithm], audience=API)


@req("R9068-2.1-b", "R9068-2.2-a", "R8414-3.3-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_authlib_accepts_our_tokens(algorithm: str) -> None:
    """The algorithms that it allows."""
    with running(key(algorithm)) as server:

        class Validator(JWTBearerTokenValidator):  # type: ignore[misc]
            def get_jwks(self) -> Any:
                return KeySet.import_key_set(server.get(server.metadata()["jwks_uri"]))

        validator: Any = Validator(issuer=server.issuer, resource_server=API)
        claims = validator.authenticate_token(server.issue())
        validator.validate_token(claims, ["read"], None)

        assert claims["client_id"] == "service"
        with pytest.raises(InsufficientScopeError):
            validator.validate_token(claims, ["admin"], None)
        foreign = validator.authenticate_token(server.issue(resource=OTHER))
        with pytest.raises(InvalidTokenError):
            validator.validate_token(foreign, ["read"], None)


@req("R9068-4-b", "R8414-3.3-a")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256"])
def test_our_resource_server_accepts_our_tokens(colour: Colour, algorithm: str) -> None:
    """The issuer is all that it is told; metadata and keys come over HTTP."""
    with running(key(algorithm)) as server:
        [token] = check(colour, JwtChecker(issuer=server.issuer), server.issue())
        assert (token.client_id, token.acts_for_user) == ("service", False)

        server.keys.rotate(key(algorithm, "k2"))
        old, new = server.issue(), server.issue()
        assert len(check(colour, JwtChecker(issuer=server.issuer), old, new)) == 2
        with pytest.raises(InvalidToken):
            check(colour, JwtChecker(issuer=server.issuer), server.issue(resource=OTHER))


@req("R7662-2.2-c")
def test_our_resource_server_introspects_at_our_server(colour: Colour) -> None:
    with running(key()) as server:
        remote = RemoteIntrospection(
            endpoint=server.metadata()["introspection_endpoint"],
            client_id="service",
            client_secret=server.secret,
            issuer=server.issuer,
        )
        value = server.issue(scope="read+write")

        [token] = check(colour, remote, value)
        assert (token.client_id, str(token.scope)) == ("service", "read write")
        with pytest.raises(InvalidToken):
            check(colour, remote, value[:-1])


@req("R9068-4-b", "R8725-3.1-a")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256"])
def test_our_resource_server_accepts_tokens_that_pyjwt_signs(algorithm: str) -> None:
    signer = key(algorithm)
    claims = {"iss": "https://as.example.com", "aud": API, "sub": "u", "client_id": "c", "jti": "j"}
    times = {"iat": 1767225600, "exp": 4102444800}
    token = jwt.encode(
        claims | times | {"scope": "read"},
        signer.to_pem(),
        algorithm=algorithm,
        headers={"typ": "at+jwt", "kid": "k1"},
    )

    tokens = JwtChecker(issuer="https://as.example.com", keys=StaticKeys([signer.public]))
    [verified] = check("sync", tokens, token)
    assert (verified.client_id, verified.sub) == ("c", "u")
