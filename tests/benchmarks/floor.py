"""
The least Python that does the work: what any library is measured against.

Straight lines over dictionaries and the standard library, and `cryptography` for signatures:
form and Basic are decoded, secrets compared in constant time, tokens kept as digests. No limit,
no event, no choice: it is what a server cannot leave out, and not one that anybody should run.
"""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from time import time
from typing import cast
from urllib.parse import parse_qsl, unquote_plus

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from oauthgrants import Secret

from .asking import ALICE, AUDIENCE, CHEAP, ISSUER
from .peer_requests import (
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

# Client, subject, scope, when it ends; a refresh token says by None that it is spent.
_Kept = tuple[str, str, str, float]

BARE = "the signature alone"

_WRONG_CLIENT = 401, '{"error":"invalid_client"}'
_WRONG_GRANT = 400, '{"error":"invalid_grant"}'
_WRONG_SCOPE = 400, '{"error":"invalid_scope"}'


class Floor:
    """Answers as a server does, as far as the benchmark asks."""

    def __init__(self, world: World) -> None:
        self._secrets = {world.client_id: sha256(world.secret.encode()).digest()}
        self._scopes = {world.client_id: frozenset(world.scope.split())}
        self._passwords = {ALICE.username: str(ALICE.password_hash)}
        self._access: dict[bytes, _Kept] = {}
        self._refresh: dict[bytes, _Kept | None] = {}
        self._sign: Callable[[bytes], bytes] | None = None
        if world.algorithm is not None:
            self._sign = signer(world.algorithm, world.pem)
            header = {"typ": "at+jwt", "alg": world.algorithm, "kid": "1"}
            self._header = encode(json.dumps(header).encode()) + b"."

    def token(self, asked: Asked) -> Answer:  # noqa: PLR0911  # lines as straight as can be
        """Return the answer of the token endpoint."""
        form = dict(parse_qsl(asked.body.decode()))
        client_id = self._authenticate(asked)
        if client_id is None:
            return _WRONG_CLIENT
        grant_type = form["grant_type"]
        if grant_type == "refresh_token":
            digest = sha256(form["refresh_token"].encode()).digest()
            kept = self._refresh.get(digest)
            if kept is None or kept[0] != client_id or kept[3] <= time():
                return _WRONG_GRANT
            self._refresh[digest] = None
            return 200, json.dumps(self._issue(client_id, kept[1], kept[2], refreshable=True))
        scope = form["scope"]
        if not self._scopes[client_id].issuperset(scope.split()):
            return _WRONG_SCOPE
        if grant_type == "client_credentials":
            return 200, json.dumps(self._issue(client_id, client_id, scope, refreshable=False))
        username = form["username"]
        if not CHEAP.verify(self._passwords.get(username), Secret(form["password"])):
            return _WRONG_GRANT
        return 200, json.dumps(self._issue(client_id, username, scope, refreshable=True))

    def introspect(self, asked: Asked) -> Answer:
        """Return what an access token stands for."""
        form = dict(parse_qsl(asked.body.decode()))
        if self._authenticate(asked) is None:
            return _WRONG_CLIENT
        kept = self._access.get(sha256(form["token"].encode()).digest())
        if kept is None or kept[3] <= time():
            return 200, '{"active":false}'
        client_id, sub, scope, ends = kept
        claims = {
            "active": True,
            "client_id": client_id,
            "sub": sub,
            "scope": scope,
            "exp": int(ends),
            "iat": int(ends) - LIFETIME,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "token_type": "Bearer",
        }
        return 200, json.dumps(claims)

    def revoke(self, asked: Asked) -> Answer:
        """End an access token."""
        form = dict(parse_qsl(asked.body.decode()))
        client_id = self._authenticate(asked)
        if client_id is None:
            return _WRONG_CLIENT
        digest = sha256(form["token"].encode()).digest()
        kept = self._access.get(digest)
        if kept is not None and kept[0] == client_id:
            del self._access[digest]
        return 200, ""

    def reports(self, asked: Asked) -> Answer:
        """Return for whom the token is that came along, if it may read."""
        scheme, _, value = asked.headers["Authorization"].partition(" ")
        kept = self._access.get(sha256(value.encode()).digest())
        if scheme.lower() != "bearer" or kept is None or kept[3] <= time():
            return 401, ""
        return (200, kept[0]) if "read" in kept[2].split() else (403, "")

    def _authenticate(self, asked: Asked) -> str | None:
        pair = b64decode(asked.headers["Authorization"].partition(" ")[2]).decode()
        client_id, _, secret = pair.partition(":")
        client_id = unquote_plus(client_id)
        known = self._secrets.get(client_id, b"")
        if compare_digest(sha256(unquote_plus(secret).encode()).digest(), known):
            return client_id
        return None

    def _issue(
        self, client_id: str, sub: str, scope: str, *, refreshable: bool
    ) -> dict[str, object]:
        now = time()
        if self._sign is None:
            value = token_urlsafe(32)
            ends = now + LIFETIME
            self._access[sha256(value.encode()).digest()] = (client_id, sub, scope, ends)
        else:
            claims = {
                "iss": ISSUER,
                "sub": sub,
                "aud": AUDIENCE,
                "client_id": client_id,
                "iat": int(now),
                "exp": int(now) + LIFETIME,
                "jti": token_urlsafe(16),
                "scope": scope,
            }
            signed = self._header + encode(json.dumps(claims).encode())
            value = (signed + b"." + encode(self._sign(signed))).decode()
        answer: dict[str, object] = {
            "access_token": value,
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": scope,
        }
        if refreshable:
            refresh = answer["refresh_token"] = token_urlsafe(32)
            digest = sha256(refresh.encode()).digest()
            self._refresh[digest] = (client_id, sub, scope, now + REFRESH_LIFETIME)
        return answer


def encode(octets: bytes) -> bytes:
    """Return *octets* as base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(octets).rstrip(b"=")


def signer(algorithm: str, pem: bytes) -> Callable[[bytes], bytes]:
    """Return what signs as a JWS has it (RFC 7518, 3), by `cryptography` alone."""
    key = load_pem_private_key(pem, None)
    if algorithm == "EdDSA":
        return cast("Ed25519PrivateKey", key).sign
    if algorithm == "RS256":
        rsa, padding, digest = cast("RSAPrivateKey", key), PKCS1v15(), SHA256()
        return lambda signed: rsa.sign(signed, padding, digest)
    if algorithm != "ES256":
        raise ValueError(f"no signature for {algorithm}")
    curve, scheme = cast("EllipticCurvePrivateKey", key), ECDSA(SHA256())

    def sign(signed: bytes) -> bytes:
        r, s = decode_dss_signature(curve.sign(signed, scheme))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def floor(world: World, name: str = "floor") -> Contender:
    """Return the floor, as a contender."""
    made = Floor(world)
    ways = {
        TOKEN: made.token,
        INTROSPECT: made.introspect,
        REVOKE: made.revoke,
        REPORTS: made.reports,
    }
    return Contender(name, ways)


def signed_part(algorithm: str) -> bytes:
    """Return header and claims as `signature_alone` signs them."""
    header = {"typ": "at+jwt", "alg": algorithm}
    claims = {"iss": ISSUER, "sub": "service", "aud": AUDIENCE, "exp": 2**32, "scope": "read"}
    return b".".join(encode(json.dumps(part).encode()) for part in (header, claims))


def signature_alone(world: World) -> Contender:
    """Return what signs the same text each time, and does nothing else."""
    algorithm = str(world.algorithm)
    sign, signed = signer(algorithm, world.pem), signed_part(algorithm)
    return Contender(BARE, {TOKEN: lambda _: (200, sign(signed))})
