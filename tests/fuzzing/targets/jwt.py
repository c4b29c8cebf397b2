"""JWTs: what is read is what is written, and only what a key has signed is believed."""

from __future__ import annotations

from typing import Any

from oauthgrants.jose import ALGORITHMS, InvalidJwt, Jws, SigningKey, encode, verify_jwt

from .. import models

_KEY = SigningKey.from_pem(
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    b"-----END PRIVATE KEY-----\n",
    "Ed25519",
    kid="k1",
)
_AS_TEXT = 0x80
_TYPES = ("at+jwt", "")
GENUINE = frozenset(
    _KEY.sign(claims, typ="at+jwt")
    for claims in ({"sub": "user-1", "exp": 2000000000}, {"scope": "read", "aud": ["a", "b"]})
)
"""What the key has signed."""


def fuzz(data: bytes) -> None:
    """
    Parse *data*, and see whether anybody would believe it.

    Its first octet says whether the rest is a token, or header and claims, a line each.
    """
    token = _read(data[:1] or b"\0", data[1:])
    expected: tuple[dict[str, Any], dict[str, Any]] | None = None
    is_certain = True
    try:
        expected = _parse(token)
    except models.Refused:
        pass
    except models.TooDeep:
        is_certain = False
    try:
        jws = Jws.parse(token, algorithms=ALGORITHMS, typ=_TYPES)
    except InvalidJwt:
        jws = None
    if is_certain:
        assert (jws is None) == (expected is None), "refused, or not refused"
    if jws is None:
        return
    if expected is not None:
        header, claims = expected
        assert jws.claims == claims
        assert (jws.algorithm, jws.kid) == (header["alg"], header.get("kid"))
    assert f"{jws.signed.decode()}.{token.rpartition('.')[2]}" == token
    try:
        verify_jwt(token, [_KEY.public], algorithms=ALGORITHMS, typ=_TYPES)
    except InvalidJwt:
        assert token not in GENUINE
    else:
        assert token in GENUINE, "a forgery"


def _read(first: bytes, rest: bytes) -> str:
    if first[0] >= _AS_TEXT:
        return rest.decode("utf-8", "replace")
    header, _, claims = rest.partition(b"\n")
    return f"{encode(header)}.{encode(claims)}.{encode(bytes(first[0]))}"


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = token.split(".")
    if len(parts) != 3:
        raise models.Refused("not three parts")
    header_octets, claims_octets, signature = map(models.decode_base64url, parts)
    assert [encode(each) for each in (header_octets, claims_octets, signature)] == parts
    header = models.parse_json_object(header_octets)
    claims = models.parse_json_object(claims_octets)
    typ = header.get("typ")
    kind = typ.lower() if isinstance(typ, str) else ""
    kind = kind.removeprefix("application/")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise models.Refused("the algorithm")
    if "crit" in header or kind not in _TYPES:
        raise models.Refused("the header")
    return header, claims
