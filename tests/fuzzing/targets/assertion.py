"""Client assertions: claims of any kind, rightly signed, and any text that is not."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
    Secret,
)
from oauthgrants.client_auth.assertion_rules import JWT_BEARER, AssertionRules
from oauthgrants.jose import encode
from oauthgrants.sealed import SealingKey

from .. import models
from ..answers import AlwaysNew, Faults, require_error

ISSUER = "https://auth.example.com"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SECRET = "s" * 64
_SIGNED = 0x80
_HEADERS = (
    b'{"alg":"HS256"}',
    b'{"alg":"HS256","typ":"JWT"}',
    b'{"typ":"application/client-authentication+jwt","alg":"HS256"}',
    b'{"alg":"HS256","kid":7}',
)


def _make_server(faults: Faults) -> AuthorizationServer:
    store = MemoryStore(clock=lambda: NOW)
    sealing_key = SealingKey(bytes(32))
    client, _ = Client.confidential(
        "macker",
        secret=Secret(_SECRET),
        token_endpoint_auth_method="client_secret_jwt",
        sealing_key=sealing_key,
        grant_types=["client_credentials"],
    )
    store.add_client(client)
    return AuthorizationServer(
        issuer=ISSUER,
        store=store,
        replays=AlwaysNew(),
        grants=[ClientCredentialsGrant()],
        assertions=AssertionRules(sealing_key=sealing_key),
        throttle=None,
        event_sink=faults,
        clock=lambda: NOW,
    )


def _sign(header: bytes, payload: bytes) -> str:
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(hmac.digest(_SECRET.encode(), signed.encode(), 'sha256'))}"


GENUINE = _sign(
    _HEADERS[0],
    b'{"iss":"macker","sub":"macker","aud":"https://auth.example.com","jti":"1","exp":1767225660}',
)
"""One that is right, as text."""

_FAULTS = Faults()
_SERVER = _make_server(_FAULTS)


def fuzz(data: bytes) -> None:
    """Send *data*: from its first octet on as claims to be signed, or as it is."""
    first, rest = data[:1] or b"\0", data[1:]
    is_signed = first[0] < _SIGNED
    if is_signed:
        assertion = _sign(_HEADERS[first[0] % len(_HEADERS)], rest)
    else:
        assertion = rest.decode("utf-8", "replace")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": assertion,
    }
    response = _SERVER.handle(
        HttpRequest(
            method="POST",
            url=f"{ISSUER}/token",
            headers=[("Content-Type", "application/x-www-form-urlencoded")],
            body=urlencode(form).encode(),
        )
    )
    _FAULTS.require_none()
    if response.status == 200:
        assert _is_acceptable(rest) if is_signed else assertion == GENUINE, "let in"
    else:
        assert response.status in {400, 401}
        require_error(response)
        assert not (is_signed and _is_acceptable(rest)), response.json()


def _is_acceptable(payload: bytes) -> bool:
    """Return whether claims are as RFC 7523, Section 3 wants them, and C-13."""
    try:
        claims = models.parse_json_object(payload)
    except (models.Refused, models.TooDeep):
        return False
    now, aud, jti = NOW.timestamp(), claims.get("aud"), claims.get("jti")
    return (
        claims.get("iss") == claims.get("sub") == "macker"
        and any(aud in (each, [each]) for each in (ISSUER, f"{ISSUER}/"))
        and isinstance(jti, str)
        and jti != ""
        and _is_within(claims.get("exp"), now - 29.999, now + 3630)
        and _is_within(claims.get("iat", now), now - 3630, now + 30)
        and _is_within(claims.get("nbf", now), float("-inf"), now + 30)
    )


def _is_within(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
