"""A resource server of either colour, what issues its tokens, and who answers what it fetches."""

from __future__ import annotations

import asyncio
import json
from contextvars import copy_context
from functools import lru_cache
from typing import Any, Literal

import attrs
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from oauthgrants import (
    AsyncResourceServer,
    HttpRequest,
    HttpResponse,
    OAuthError,
    ResourceServer,
    VerifiedToken,
)
from oauthgrants.events import Fault, RequestRefused
from oauthgrants.jose import SigningKey, encode
from support import ISSUER, World

API = "https://api.example.com"
JWKS_URI = f"{ISSUER}/jwks.json"
Header = tuple[str, str]


def bearer(token: str) -> Header:
    return "Authorization", f"Bearer {token}"


@lru_cache(maxsize=32)
def key(algorithm: str = "ES256", kid: str = "k1") -> SigningKey:
    """Return the same key each time: those of RSA take long to make."""
    return SigningKey.generate(algorithm, kid=kid)


def jwks(*keys: SigningKey) -> dict[str, Any]:
    return {"keys": [each.public.as_dict() for each in keys]}


def answer(body: Any, *headers: Header, status: int = 200) -> HttpResponse:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status=status, headers=headers, body=octets)


def jws(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, signer: SigningKey) -> str:
    """Return a compact JWS, duly signed, with a header that `SigningKey` would never write."""
    parts = (
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    )
    signed = ".".join(map(encode, parts))
    kind: Literal["RSA", "EC", "OKP"] = (
        "RSA"
        if signer.algorithm[:2] in {"RS", "PS"}
        else "EC"
        if signer.algorithm.startswith("ES")
        else "OKP"
    )
    private = import_key(signer.to_pem(), kind)
    signature = JWSRegistry.algorithms[signer.algorithm].sign(signed.encode(), private)
    return f"{signed}.{encode(signature)}"


class FakeFetcher:
    """Answers by URL, and takes note of what it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[HttpRequest] = []

    def fetch(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        found = self.answers[request.url]
        found = found(request) if callable(found) else found
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, HttpResponse) else answer(found)


@attrs.define
class Api:
    """A resource server beside the authorization server of a `World`, with the same clock."""

    world: World
    fetcher: FakeFetcher = attrs.field(factory=FakeFetcher)
    settings: dict[str, Any] = attrs.field(factory=dict[str, Any])
    _server: Any = None

    def configure(self, **settings: Any) -> Api:
        """Make the server anew with *settings* beside the usual ones."""
        self.settings |= settings
        self._server = None
        return self

    @property
    def server(self) -> Any:
        if self._server is None:
            usual: dict[str, Any] = {
                "resource": API,
                "realm": "example",
                "publish_metadata": False,
                "fetcher": self.fetcher,
                "clock": self.world.clock,
                "event_sink": self.world.sink,
            }
            if "tokens" not in self.settings:
                usual["tokens"] = self.world.server.lookup
            kind = ResourceServer if self.world.colour == "sync" else AsyncResourceServer
            self._server = kind(**usual | self.settings)
        return self._server

    def resolve(self, answer: Any) -> Any:
        """Return *answer*, once it has come."""
        if hasattr(answer, "__await__"):
            return self.world.runner.run(answer, context=copy_context())
        return answer

    def check(
        self,
        *headers: Header,
        scope: Any = None,
        any_scope: Any = None,
        method: str = "GET",
        url: str = f"{API}/reports",
        body: bytes = b"",
    ) -> VerifiedToken:
        """Return what the token of a request stands for."""
        request = HttpRequest(
            method=method, url=url, headers=headers, body=body, source="192.0.2.7"
        )
        token: VerifiedToken = self.resolve(
            self.server.require_token(request, scope=scope, any_scope=any_scope)
        )
        return token

    def call(self, *headers: Header, **request: Any) -> HttpResponse:
        """Return the response to a request: 200, or what is rendered of the error."""
        try:
            token = self.check(*headers, **request)
        except OAuthError as error:
            response: HttpResponse = self.server.render(error)
            return response
        return HttpResponse(status=200, headers=token.response_headers)

    def handle(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self.resolve(self.server.handle(request))
        return response

    def issue(self, client: str = "service", **parameters: str) -> str:
        """Return an access token for a client that acts for itself."""
        response = self.world.post(client=client, grant_type="client_credentials", **parameters)
        assert response.status == 200, response.json()
        return str(response.json()["access_token"])

    def send_apart(self, request: HttpRequest) -> HttpResponse:
        """Send *request* to the authorization server, as over a network: not on our loop."""
        answer = self.world.server.handle(request)
        response: HttpResponse = answer if isinstance(answer, HttpResponse) else asyncio.run(answer)
        return response

    def claims(self, **other: Any) -> dict[str, Any]:
        """Return the claims of a JWT access token, with *other* ones; None takes one away."""
        now = int(self.world.clock.now.timestamp())
        usual: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "user-1",
            "aud": API,
            "client_id": "app",
            "iat": now,
            "exp": now + 600,
            "jti": "j1",
            "scope": "read write",
        }
        return {name: value for name, value in (usual | other).items() if value is not None}

    def mint(self, signer: SigningKey | None = None, typ: str = "at+jwt", **other: Any) -> str:
        """Return a JWT access token of another authorization server."""
        return (signer or key()).sign(self.claims(**other), typ=typ)

    @property
    def reasons(self) -> list[str]:
        """Why requests were refused."""
        events = self.world.sink.events
        return [event.reason for event in events if isinstance(event, RequestRefused)]

    @property
    def faults(self) -> list[str]:
        """What went wrong on our side."""
        return [str(event.error) for event in self.world.sink.events if isinstance(event, Fault)]


def challenge_of(response: HttpResponse) -> str | None:
    """Return the only challenge of *response*, None without."""
    values = [value for name, value in response.headers if name == "WWW-Authenticate"]
    assert len(values) <= 1
    return values[0] if values else None


def outcome(response: HttpResponse) -> tuple[int, str | None]:
    """Return the status, and the error that the challenge names."""
    challenge = challenge_of(response) or ""
    _, _, rest = challenge.partition('error="')
    return response.status, rest.partition('"')[0] or None


INVALID = (401, "invalid_token")
