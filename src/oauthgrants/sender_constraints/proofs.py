"""What a DPoP proof says, and that its key has signed it (RFC 9449, 4.2 and 4.3; extra ``jwt``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, cast

import attrs

from oauthgrants.algorithms import ALGORITHMS
from oauthgrants.brief import brief
from oauthgrants.errors import InvalidDpopProof
from oauthgrants.jose import InvalidJwt, Jws, PublicKey, decode
from oauthgrants.strict_json import parse_object

TYP = "dpop+jwt"
# 8192 and 64 bits in base64url: anybody may send a key, and long ones take long.
_MOST_MODULUS = 1366
_MOST_EXPONENT = 11
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@brief(kw_only=True)
class Proof:
    """
    A proof that is valid by itself; whether it fits a request is not checked yet.

    Attributes:
        jkt: SHA-256 thumbprint of the key that has signed it (RFC 7638).
        jti: Its identifier, as long as it may be.
        htm: The method of the request that it is for.
        htu: Its URL, in the client's spelling.
        iat: When the client says that it was made, in seconds since 1970.
        nonce: The server's, None without.
        ath: The digest of the access token that it goes with, None without.
    """

    jkt: str
    jti: str
    htm: str
    htu: str
    iat: float
    nonce: str | None
    ath: str | None


def parse_proof(text: str, *, algorithms: Collection[str] = ALGORITHMS) -> Proof:
    """
    Return the proof that *text* is.

    Args:
        text: The value of a ``DPoP`` field.
        algorithms: What may sign it.

    Raises:
        InvalidDpopProof: It is not a compact JWS of this kind whose own key has signed it, or
            lacks a claim, whatever else came.
    """
    if not text.isascii():
        raise InvalidDpopProof("the DPoP proof is not a compact JWS")
    try:
        jws = Jws.parse(text, algorithms=ALGORITHMS.intersection(algorithms), typ={TYP})
        key, jkt = _read_key(text.partition(".")[0])
        # The key is in the proof, so its name has nothing to choose from.
        attrs.evolve(jws, kid=None).require_signature([key])
        return _read(jkt, jws.claims)
    except ValueError as error:
        raise InvalidDpopProof(f"the DPoP proof is not valid: {error}") from None


@lru_cache(maxsize=1024)
def _read_key(header: str) -> tuple[PublicKey, str]:
    """Return the key and its thumbprint; the *header* of a client is mostly the same."""
    jwk: object = parse_object(decode(header)).get("jwk")
    if not isinstance(jwk, dict):
        raise InvalidJwt("jwk is missing")
    members = cast("dict[str, Any]", jwk)
    if _PRIVATE & members.keys():
        raise InvalidJwt("jwk is private or symmetric, where a public one is wanted")
    if len(str(members.get("n"))) > _MOST_MODULUS:
        raise InvalidJwt("an RSA key has 8192 bits at most")
    if len(str(members.get("e"))) > _MOST_EXPONENT:
        raise InvalidJwt("an RSA exponent has 64 bits at most")
    key = PublicKey.from_jwk(members)
    return key, key.thumbprint()


def _read(jkt: str, claims: Mapping[str, Any]) -> Proof:
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise InvalidJwt("iat is missing or malformed")
    return Proof(
        jkt=jkt,
        jti=_require_text(claims, "jti"),
        htm=_require_text(claims, "htm"),
        htu=_require_text(claims, "htu"),
        iat=iat,
        nonce=_require_text(claims, "nonce") if "nonce" in claims else None,
        ath=_require_text(claims, "ath") if "ath" in claims else None,
    )


def _require_text(claims: Mapping[str, Any], name: str) -> str:
    text = claims.get(name)
    if not isinstance(text, str) or not text:
        raise InvalidJwt(f"{name} is missing or malformed")
    return text
