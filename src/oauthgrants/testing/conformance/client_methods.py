"""How the kit's client says who it is (RFC 6749, 2.3; RFC 7523, 2.2)."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from time import time
from typing import Any
from urllib.parse import quote_plus

from oauthgrants.secret import Secret
from oauthgrants.testing.conformance.messages import Credentials
from oauthgrants.testing.conformance.target import AuthMethod, Target, Unusable

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Sign = Callable[[Mapping[str, Any]], str]
"""Returns a JWT of these claims."""


def to_basic(client_id: str, secret: str) -> Credentials:
    """Return the header of ``client_secret_basic``: form-encoded, then base64."""
    return raw_basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")


def raw_basic(pair: str, scheme: str = "Basic") -> Credentials:
    """Return a header with *pair* as it is."""
    return Credentials(headers=[("Authorization", f"{scheme} {b64encode(pair.encode()).decode()}")])


def to_post(client_id: str, secret: str) -> Credentials:
    """Return the parameters of ``client_secret_post``."""
    return Credentials(form=[("client_id", client_id), ("client_secret", secret)])


def identified(client_id: str) -> Credentials:
    """Return the parameter of a client that has nothing to authenticate with."""
    return Credentials(form=[("client_id", client_id)])


def asserted(assertion: str) -> Credentials:
    """Return the parameters of a client assertion."""
    return Credentials(
        form=[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
    )


def assertion_claims(client_id: str, audience: str, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good assertion, but for *changes*; None leaves a claim out."""
    now = int(time())
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": token_urlsafe(16),
        "iat": now,
        "exp": now + 60,
    }
    claims |= changes
    return {name: value for name, value in claims.items() if value is not None}


def make_signer(target: Target) -> Sign | None:
    """
    Return what signs the client's assertions, None for a client that shows a secret or nothing.

    Raises:
        Unusable: The key cannot be read, or nothing is installed that could.
    """
    match target.auth_method:
        case "client_secret_jwt":
            return _mac(_known(target.client_secret))
        case "private_key_jwt":
            return _signer(_known(target.private_key), target.signing_alg, target.key_id)
        case _:
            return None


def by_secret(method: AuthMethod, client_id: str, secret: Secret | None) -> Credentials:
    """Return what says whose a request is, for the methods that need no signature."""
    if method == "client_secret_basic":
        return to_basic(client_id, _known(secret))
    if method == "client_secret_post":
        return to_post(client_id, _known(secret))
    return identified(client_id)


def sign_for(secret: Secret | None, client_id: str, audience: str) -> Credentials:
    """Return an assertion with a MAC by *secret*."""
    return asserted(_mac(_known(secret))(assertion_claims(client_id, audience)))


def unsigned(claims: Mapping[str, Any]) -> str:
    """Return a JWT that claims to need no signature (RFC 7519, 6)."""
    return f"{_encode({'alg': 'none'})}.{_encode(claims)}."


def _known(secret: Secret | None) -> str:
    # Target has seen to it.
    return "" if secret is None else secret.reveal()


def _mac(secret: str) -> Sign:
    def sign(claims: Mapping[str, Any]) -> str:
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"

    return sign


def _signer(pem: str, algorithm: str, kid: str | None) -> Sign:
    try:
        from oauthgrants.jose import SigningKey
    except ModuleNotFoundError as missing:
        raise Unusable(str(missing)) from None
    try:
        key = SigningKey.from_pem(pem.encode(), algorithm, kid=kid)
    except ValueError as error:
        raise Unusable(f"the private key: {error}") from None
    return lambda claims: key.sign(claims, typ="JWT")


def _encode(members: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(members).encode())


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
