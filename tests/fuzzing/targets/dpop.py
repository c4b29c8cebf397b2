"""DPoP proofs: headers and claims of any kind, rightly signed, and any text that is not."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
    Secret,
)
from oauthgrants.jose import encode
from oauthgrants.sender_constraints.dpop_rules import DpopRules

from .. import models
from ..answers import AlwaysNew, Faults, require_error

URL = "https://auth.example.com/token"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LEEWAY, _LONGEST_AGE = timedelta(seconds=30), timedelta(minutes=5)
_WITH_HEADER, _AS_TEXT = 0x40, 0x80
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_JWK = {"kty": "OKP", "crv": "Ed25519", "x": encode(_KEY.public_key().public_bytes_raw())}
_SECRET = "machine-made-secret-of-the-service"
_BASIC = f"Basic {b64encode(f'service:{_SECRET}'.encode()).decode()}"
_HEADER = json.dumps({"typ": "dpop+jwt", "alg": "Ed25519", "jwk": _JWK}).encode()


def _make_server(faults: Faults) -> AuthorizationServer:
    store = MemoryStore(clock=lambda: NOW)
    client, _ = Client.confidential(
        "service",
        secret=Secret(_SECRET),
        machine_made=True,
        grant_types=["client_credentials"],
    )
    store.add_client(client)
    return AuthorizationServer(
        issuer="https://auth.example.com",
        store=store,
        replays=AlwaysNew(),
        grants=[ClientCredentialsGrant()],
        dpop=DpopRules(nonces="off", leeway=_LEEWAY, longest_age=_LONGEST_AGE, required=True),
        throttle=None,
        event_sink=faults,
        clock=lambda: NOW,
    )


def _sign(header: bytes, claims: bytes) -> str:
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(_KEY.sign(signed.encode()))}"


GENUINE = _sign(
    _HEADER, json.dumps({"jti": "1", "htm": "POST", "htu": URL, "iat": NOW.timestamp()}).encode()
)
"""One that is right, as text."""

_FAULTS = Faults()
_SERVER = _make_server(_FAULTS)


def fuzz(data: bytes) -> None:
    """
    Send *data* as a proof.

    Its first octet says whether the rest is claims, or header and claims, a line each, to be
    signed; or a proof as it is.
    """
    first, rest = (data[:1] or b"\0")[0], data[1:]
    header, claims = _HEADER, rest
    if first >= _WITH_HEADER:
        header, _, claims = rest.partition(b"\n")
    proof = rest.decode("latin-1") if first >= _AS_TEXT else _sign(header, claims)
    response = _SERVER.handle(
        HttpRequest(
            method="POST",
            url=URL,
            headers=[
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Authorization", _BASIC),
                ("DPoP", proof),
            ],
            body=b"grant_type=client_credentials",
        )
    )
    _FAULTS.require_none()
    if response.status != 200:
        assert response.status == 400
        require_error(response)
        assert response.json()["error"] == "invalid_dpop_proof"
    else:
        assert response.json()["token_type"] == "DPoP"
    if first >= _AS_TEXT:
        assert response.status == 400 or proof == GENUINE, "a forgery"
        return
    if first >= _WITH_HEADER:
        assert response.status == 400 or _has_our_key(header), "somebody else's key"
    if response.status == 200:
        assert _is_acceptable(claims, exactly=False), "let in"
    elif header == _HEADER and len(proof) <= DpopRules().most:
        assert not _is_acceptable(claims, exactly=True), response.json()


def _has_our_key(header: bytes) -> bool:
    jwk: dict[str, Any] = models.parse_json_object(header)["jwk"]
    return {name: jwk.get(name) for name in _JWK} == _JWK


def _is_acceptable(octets: bytes, *, exactly: bool) -> bool:
    """Return whether claims are as RFC 9449, Section 4.3 wants them, for certain or perhaps."""
    try:
        claims = models.parse_json_object(octets)
    except models.Refused:
        return False
    except models.TooDeep:
        return not exactly
    now, iat = NOW.timestamp(), claims.get("iat")
    return (
        all(isinstance(claims.get(name, "-"), str) for name in ("nonce", "ath"))
        and all(claims.get(name, "-") for name in ("nonce", "ath"))
        and isinstance(claims.get("jti"), str)
        and claims["jti"] != ""
        and claims.get("htm") == "POST"
        and isinstance(iat, int | float)
        and not isinstance(iat, bool)
        and now - 330 < iat <= now + 30
        and _is_here(claims.get("htu"), exactly=exactly)
    )


def _is_here(htu: object, *, exactly: bool) -> bool:
    if not isinstance(htu, str):
        return False
    if exactly:
        return htu == URL
    location = htu.partition("#")[0].partition("?")[0]
    scheme, _, rest = location.partition("://")
    host, _, path = rest.partition("/")
    return (
        scheme.lower() == "https"
        and host.lower() in ("auth.example.com", "auth.example.com:443", "auth.example.com:")
        and normpath("/" + unquote(path)) == "/token"
    )
