"""JWTs, keys and thumbprints (RFC 7515, 7517, 7519, 7638, 8037, 8725)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey

from oauthgrants.jose import (
    ALGORITHMS,
    ExpiredJwt,
    InvalidJwt,
    Jws,
    PublicKey,
    SigningKey,
    UnknownKey,
    decode,
    encode,
    looks_like_jwt,
    verify_jwt,
)
from oauthgrants.jwt_claims import audience_of, require_times
from oauthgrants.keys import KeyRing
from oauthgrants.strict_json import parse_object
from oauthgrants.token_formats.jwt import token_of
from resource_support import jws, key

req = pytest.mark.req
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAYLOAD = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'

TV_7638 = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
        "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW"
        "2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQ"
        "Fh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
TV_8037 = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
TV_8037_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
TV_8037_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvM"
    "g3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
TV_7515_A1_KEY = (
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
)
TV_7515_A1 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh"
    "0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
TV_7515_A2_N = (
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d"
    "4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM"
    "dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvU"
    "K-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
)
TV_7515_A2 = (
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm"
    "4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6"
    "xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
TV_7515_A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
TV_7515_A3 = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
    "KTUJqPP3-Kg6NU1Q"
)
TV_9449 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
}


def verify(token: str, *keys: PublicKey, typ: str = "") -> dict[str, Any]:
    """Return the claims; the vectors have no ``typ``, or ``JWT``."""
    return verify_jwt(token, keys, algorithms=ALGORITHMS, typ={typ, "jwt"})


# Vectors


@req("R8725-3.1-a", "R7515-4.1.11-a")
@pytest.mark.parametrize(
    ("jwk", "token"),
    [
        ({"kty": "RSA", "n": TV_7515_A2_N, "e": "AQAB"}, TV_7515_A2),
        (TV_7515_A3_KEY, TV_7515_A3),
    ],
    ids=["A.2", "A.3"],
)
def test_tv_7515(jwk: dict[str, str], token: str) -> None:
    public = PublicKey.from_jwk(jwk)
    header, payload, signature = token.split(".")

    assert decode(payload) == PAYLOAD
    assert verify(token, public) == {
        "iss": "joe",
        "exp": 1300819380,
        "http://example.com/is_root": True,
    }
    for damaged in (
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{encode(PAYLOAD.replace(b'joe', b'eve'))}.{signature}",
        f"{encode(b' ' + decode(header))}.{payload}.{signature}",
    ):
        with pytest.raises(InvalidJwt, match="signature"):
            verify(damaged, public)


@req("R8725-3.1-a", "R9068-2.1-a")
def test_tv_7515_a1_is_refused() -> None:
    """HS256: who could check such a token could forge it."""
    with pytest.raises(InvalidJwt, match="algorithm"):
        verify(TV_7515_A1, PublicKey.from_jwk(TV_7515_A3_KEY))
    with pytest.raises(InvalidJwt, match="not asymmetric"):
        PublicKey.from_jwk({"kty": "oct", "k": TV_7515_A1_KEY})


def test_tv_8037_jws() -> None:
    public = PublicKey.from_jwk(TV_8037)
    signed, _, signature = TV_8037_JWS.rpartition(".")

    assert decode(signed.partition(".")[2]) == b"Example of Ed25519 signing"
    assert public.verify("EdDSA", signed.encode(), decode(signature))
    assert public.verify("Ed25519", signed.encode(), decode(signature))
    assert not public.verify("EdDSA", signed.encode() + b"A", decode(signature))
    # Its payload is no JSON, so it is no JWT.
    with pytest.raises(InvalidJwt, match="JSON"):
        verify(TV_8037_JWS, public)


THUMBPRINTS = [
    pytest.param(TV_7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "e kty n", id="7638"),
    pytest.param(TV_8037, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "crv kty x", id="8037"),
    pytest.param(TV_9449, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "crv kty x y", id="9449"),
]


@req("R7638-3.2-a", "R7638-3.3-a")
@pytest.mark.parametrize(("jwk", "thumbprint", "members"), THUMBPRINTS)
def test_tv_thumbprints(jwk: dict[str, str], thumbprint: str, members: str) -> None:
    required = {name: jwk[name] for name in members.split()}
    spelled = json.dumps(required, sort_keys=True, separators=(",", ":"))

    assert encode(sha256(spelled.encode()).digest()) == thumbprint
    assert PublicKey.from_jwk(jwk).thumbprint() == thumbprint


@req("R7638-3.2-a", "R7638-3.3-a")
def test_thumbprint_of_a_symmetric_key() -> None:
    """Of no use here yet; what computes the others knows it."""
    spelled = f'{{"k":"{TV_7515_A1_KEY}","kty":"oct"}}'
    symmetric = OctKey.import_key({"k": TV_7515_A1_KEY, "kty": "oct", "kid": "a", "use": "sig"})

    assert symmetric.thumbprint() == encode(sha256(spelled.encode()).digest())


@req("R7638-3.2.1-a")
@pytest.mark.parametrize(("jwk", "thumbprint", "_"), THUMBPRINTS)
@pytest.mark.parametrize("change", [{"kid": "other"}, {"use": "sig"}, {"key_ops": ["verify"]}])
def test_nothing_else_changes_a_thumbprint(
    jwk: dict[str, str], thumbprint: str, _: str, change: dict[str, Any]
) -> None:
    turned = dict(reversed((jwk | change).items()))

    assert PublicKey.from_jwk(turned).thumbprint() == thumbprint


@pytest.mark.parametrize(
    ("algorithm", "curve", "bits"), [("ES256", ec.SECP256R1(), 256), ("ES384", ec.SECP384R1(), 384)]
)
@pytest.mark.parametrize("coordinate", ["x", "y"])
def test_a_coordinate_keeps_its_leading_zeros(
    algorithm: str, curve: ec.EllipticCurve, bits: int, coordinate: str
) -> None:
    """Each is as long as the curve's (RFC 7518, 6.2.1.2); one key in 256 has a short one."""
    short = next(
        key
        for key in (ec.derive_private_key(d, curve) for d in range(1, 10_000))
        if getattr(key.public_key().public_numbers(), coordinate) >> (bits - 8) == 0
    )
    pem = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    jwk = SigningKey.from_pem(pem, algorithm).public.as_dict()

    assert len(decode(jwk[coordinate])) == bits // 8


@req("R7638-3.2.1-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_a_private_key_and_its_public_one_have_one_thumbprint(algorithm: str) -> None:
    signer = SigningKey.from_pem(key(algorithm).to_pem(), algorithm)

    assert signer.kid == signer.public.thumbprint()
    assert PublicKey.from_jwk(signer.public.as_dict()).thumbprint() == signer.kid
    private = PublicKey.from_jwk(TV_8037 | {"d": TV_8037_D})
    assert private.thumbprint() == PublicKey.from_jwk(TV_8037).thumbprint()


@req("R7517-4-a")
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_what_is_published_of_a_key(algorithm: str) -> None:
    published = key(algorithm).public.as_dict()

    assert published.keys() <= {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"}
    assert (published["use"], published["kid"], published["alg"]) == ("sig", "k1", algorithm)
    assert PublicKey.from_jwk(TV_8037 | {"d": TV_8037_D}).as_dict() == {**TV_8037, "use": "sig"}
    token = key(algorithm).sign({"a": 1}, typ="jwt")
    assert verify(token, PublicKey.from_jwk(published)) == {"a": 1}


# Verification


@req("R8725-3.1-a", "R8725-3.2-a")
def test_there_is_no_weak_algorithm() -> None:
    assert not {"none", "HS256", "HS384", "HS512", "RS1", "RSA1_5"} & ALGORITHMS
    for algorithm in ("none", "HS256", "RS1", ""):
        with pytest.raises(ValueError, match="no signature algorithm"):
            SigningKey.generate(algorithm)


@req("R8725-3.1-a")
def test_a_key_serves_its_own_algorithm_and_no_other() -> None:
    signer = key("RS256")
    signed, _, signature = signer.sign({}, typ="jwt").rpartition(".")

    assert signer.public.algorithms == {"RS256"}
    assert signer.public.verify("RS256", signed.encode(), decode(signature))
    for algorithm in ("PS256", "RS512", "ES256", "HS256", "none"):
        assert not signer.public.verify(algorithm, signed.encode(), decode(signature))


@req("R7517-4-a")
def test_a_key_that_may_not_verify_does_not() -> None:
    signed, _, signature = key().sign({}, typ="jwt").rpartition(".")
    jwk = key().public.as_dict() | {"key_ops": ["sign"]}
    del jwk["use"]

    with pytest.raises(InvalidJwt, match="not for signatures"):
        PublicKey.from_jwk(jwk)
    public = PublicKey("k1", frozenset({"ES256"}), ECKey.import_key(jwk))
    assert not public.verify("ES256", signed.encode(), decode(signature))


@req("R8725-3.1-a")
def test_ed25519_is_called_by_either_name() -> None:
    """RFC 9864 renamed it (C-24)."""
    for said, signs in (("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")):
        public = PublicKey.from_jwk(key(signs).public.as_dict() | {"alg": said})
        assert verify(key(signs).sign({"a": 1}, typ="jwt"), public) == {"a": 1}


@req("R8725-3.10-a")
def test_a_kid_only_chooses() -> None:
    token = key().sign({}, typ="jwt")

    with pytest.raises(UnknownKey):
        verify(token, key("ES256", "k2").public)
    with pytest.raises(UnknownKey):
        verify(token)
    with pytest.raises(InvalidJwt, match="signature"):
        verify(token, PublicKey.from_jwk(key("ES256", "k2").public.as_dict() | {"kid": "k1"}))


def test_of_several_keys_with_one_kid_any_will_do() -> None:
    other = PublicKey.from_jwk(key("ES256", "k2").public.as_dict() | {"kid": "k1"})

    assert verify(key().sign({"a": 1}, typ="jwt"), other, key().public) == {"a": 1}


def test_looks_like_jwt() -> None:
    assert looks_like_jwt("a.b.c")
    assert not looks_like_jwt("a.b")
    assert not looks_like_jwt("a.b.c.d")


@req("R7515-4.1.11-a")
@pytest.mark.parametrize("change", ["drop the signature", "add a part"])
def test_a_compact_jws_has_three_parts(change: str) -> None:
    token = key().sign({"sub": "user-1"}, typ="at+jwt")
    parts = token.split(".")
    parts = parts[:2] if change == "drop the signature" else [*parts, ""]

    with pytest.raises(InvalidJwt):
        Jws.parse(".".join(parts), algorithms=ALGORITHMS, typ={"at+jwt"})


@req("R7515-4.1.11-a")
@pytest.mark.parametrize(
    "text", ["A", "AB", "AAB", "AA==", "A+AA", "A/AA", "AA A", "\u00e9", "A\n"]
)
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(InvalidJwt, match="base64url"):
        decode(text)


@given(st.binary(max_size=64))
def test_base64url_comes_back(octets: bytes) -> None:
    assert decode(encode(octets)) == octets


# Claims


@req("R7519-4.1-a")
@pytest.mark.parametrize("value", ["1", True, None, [], {}, "2026-01-01"])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_times_are_numbers(name: str, value: Any) -> None:
    with pytest.raises(InvalidJwt, match="is not a number"):
        require_times({"exp": 4102444800, name: value}, now=NOW, leeway=timedelta())


@req("R7519-4.1-a")
def test_times_have_bounds_and_leeway() -> None:
    at = int(NOW.timestamp())
    for claims in ({"exp": at + 1}, {"exp": at + 0.5}, {"exp": at + 1, "nbf": at, "iat": at}):
        require_times(claims, now=NOW, leeway=timedelta())
    for claims in ({"exp": at - 9}, {"exp": at + 1, "nbf": at + 10, "iat": at + 10}):
        require_times(claims, now=NOW, leeway=timedelta(seconds=10))
    with pytest.raises(InvalidJwt, match="missing"):
        require_times({}, now=NOW, leeway=timedelta())
    with pytest.raises(ExpiredJwt):
        require_times({"exp": at}, now=NOW, leeway=timedelta())
    for name in ("nbf", "iat"):
        with pytest.raises(InvalidJwt, match="not valid yet"):
            require_times({"exp": at + 9, name: at + 1}, now=NOW, leeway=timedelta())


@req("R7519-4.1-a")
@pytest.mark.parametrize("aud", [None, [], "", 7, True, {}, [7], ["a", None], [["a"]]])
def test_an_audience_is_text(aud: Any) -> None:
    if aud == "":
        assert audience_of({"aud": aud}) == ("",)
        return
    with pytest.raises(InvalidJwt, match="aud"):
        audience_of({"aud": aud})
    with pytest.raises(InvalidJwt, match="aud"):
        audience_of({})


@req("R7519-4.1-a")
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"1",
        b'"a"',
        b"null",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"[" * 150_000 + b"]" * 150_000 + b"}",
        b'{"a":' + b"1" * 10_000 + b"}",
    ],
    ids=range(17),
)
def test_json_is_read_in_one_way_only(octets: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whichever the parser finds first
        parse_object(octets)


@pytest.mark.parametrize(
    "text", ['{"a":"\\u00e9"}', '{"a":"\\ud83d\\ude00"}', '{"\u00e9":1}', "{}"]
)
def test_json_that_is_fine(text: str) -> None:
    assert parse_object(text.encode()) == json.loads(text)


# Keys that are no good


def to_pem(private: Any, *, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    octets: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return octets


def test_a_file_that_holds_no_such_key_is_refused() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert SigningKey.from_pem(to_pem(private), "ES256", kid="a").kid == "a"
    for pem, algorithm, message in (
        (b"", "ES256", "holds no private key"),
        (b"\xff\x00", "ES256", "holds no private key"),
        (to_pem(private)[:-60], "ES256", "holds no private key"),
        (to_pem(private, password=b"x"), "ES256", "holds no private key"),
        (to_pem(private), "RS256", "holds no private key"),
        (to_pem(private), "EdDSA", "holds no private key"),
        (to_pem(private), "ES384", "does not fit ES384"),
        (to_pem(private), "HS256", "no signature algorithm"),
        (public, "ES256", "this is a public one"),
    ):
        with pytest.raises(ValueError, match=message):
            SigningKey.from_pem(pem, algorithm)


def test_a_short_rsa_key_is_refused() -> None:
    private = rsa.generate_private_key(65537, 1024)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": encode(numbers.n.to_bytes(128)), "e": "AQAB"}

    with pytest.warns(SecurityWarning), pytest.raises(ValueError, match="2048 bits"):
        SigningKey.from_pem(to_pem(private), "RS256")
    # No warning here: the key is somebody else's.
    with pytest.raises(InvalidJwt, match="2048 bits"):
        PublicKey.from_jwk(jwk)
    with pytest.raises(InvalidJwt, match="2048 bits"):
        PublicKey.from_jwk(jwk | {"n": encode(bytes(200) + numbers.n.to_bytes(128))})


@req("R8725-3.4-a")
@pytest.mark.parametrize("crv", ["P-256", "P-384", "P-521", "secp256k1"])
def test_a_point_lies_on_its_curve(crv: str) -> None:
    for x, y in ((1, 1), (0, 0)):
        with pytest.raises(InvalidJwt, match="malformed"):
            PublicKey.from_jwk(
                {"kty": "EC", "crv": crv, "x": encode(x.to_bytes(66)), "y": encode(y.to_bytes(66))}
            )


# Keys in turn


@req("R7517-4-a")
def test_a_kid_is_given_once() -> None:
    ring = KeyRing(key())
    ring.rotate(key("ES256", "k2"))

    for kid in ("k1", "k2"):
        with pytest.raises(ValueError, match="another key's"):
            ring.rotate(SigningKey.generate("ES256", kid=kid))


@req("R7517-4-a")
def test_a_retired_key_stays_until_its_last_token_expires() -> None:
    ring = KeyRing(key())
    ring.note_expiry("k1", NOW + timedelta(hours=2))
    ring.note_expiry("k1", NOW + timedelta(hours=1))
    ring.rotate(key("ES256", "k2"))
    ring.rotate(key("ES256", "k3"))

    def kids(hours: float) -> list[str | None]:
        return [each.kid for each in ring.public_keys(NOW + timedelta(hours=hours))]

    assert kids(1.9) == ["k3", "k1"]
    assert kids(2) == ["k3"]
    # Noted late, as by a request that began before the rotation.
    ring.note_expiry("k2", NOW + timedelta(hours=3))
    assert kids(2) == ["k3", "k2"]


@req("R7517-4-a")
def test_the_latest_expiry_counts_whoever_comes_first() -> None:
    ring = KeyRing(key())
    ring.rotate(key("ES256", "k2"))
    barrier = threading.Barrier(8)

    def note(offset: int) -> None:
        barrier.wait(10)
        for minutes in range(offset, 800, 8):
            ring.note_expiry("k1", NOW + timedelta(minutes=minutes))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(8)))
    assert len(list(ring.public_keys(NOW + timedelta(minutes=798)))) == 2
    assert len(list(ring.public_keys(NOW + timedelta(minutes=799)))) == 1


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PARTS = st.text("ABCZaz09-_=+/. \u00e9", max_size=40)
KEYS = [key().public, key("RS256").public]


def only_invalid(token: str) -> None:
    try:
        verify_jwt(token, KEYS, algorithms=ALGORITHMS, typ={"at+jwt"})
    except InvalidJwt:
        return
    raise AssertionError(f"{token!r} is accepted")


@given(st.text(max_size=200) | st.builds(".".join, st.lists(PARTS, max_size=4)))
def test_verify_raises_nothing_else_for_any_text(token: str) -> None:
    only_invalid(token)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64"]), JSON)
    | st.fixed_dictionaries(
        {"alg": st.sampled_from(["ES256", "RS256", "none"]), "typ": st.just("at+jwt")},
        optional={"kid": st.sampled_from(["k1", "k2"]) | JSON},
    ),
    payload=JSON,
    signature=st.binary(max_size=70),
)
def test_verify_raises_nothing_else_for_any_header(
    header: dict[str, Any], payload: Any, signature: bytes
) -> None:
    parts = (encode(json.dumps(part).encode()) for part in (header, payload))
    only_invalid(".".join([*parts, encode(signature)]))


def a_good_key_but_for(change: dict[str, Any]) -> dict[str, Any]:
    return key().public.as_dict() | change


@given(
    st.dictionaries(
        st.sampled_from(
            ["kty", "crv", "x", "y", "n", "e", "d", "k", "use", "key_ops", "alg", "kid"]
        ),
        JSON | st.sampled_from(["EC", "RSA", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig"]),
    )
    | st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "use", "key_ops", "alg", "kid", "d"]), JSON
    ).map(a_good_key_but_for)
)
def test_reading_a_key_raises_nothing_else(jwk: dict[str, Any]) -> None:
    try:
        PublicKey.from_jwk(jwk)
    except InvalidJwt:
        return


CLAIMS = {"sub": "s", "client_id": "c", "jti": "j", "aud": "a", "iat": 0, "exp": 1, "scope": "b"}


@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), JSON, max_size=3))
def test_reading_claims_raises_nothing_else(change: dict[str, Any]) -> None:
    claims = parse_or_skip(CLAIMS | change)
    try:
        require_times(claims, now=NOW, leeway=timedelta())
        token_of(claims).expires_at  # noqa: B018  # computed, so may fail
    except InvalidJwt:
        return


def parse_or_skip(members: dict[str, Any]) -> dict[str, Any]:
    """Return *members* as they come out of a token; nothing of what no token can hold."""
    try:
        return parse_object(json.dumps(members).encode())
    except ValueError:
        return {}


def test_a_payload_that_is_signed_is_checked_all_the_same() -> None:
    header = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}

    assert verify(jws(header, {"a": 1}, key()), key().public, typ="at+jwt") == {"a": 1}
    with pytest.raises(InvalidJwt):
        verify(jws(header, b"[]", key()), key().public, typ="at+jwt")
