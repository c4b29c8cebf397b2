"""The certificates that clients show (X.509, RFC 5280), as their octets: DER."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    # Loaded when the first certificate is read: most servers never see one.
    from cryptography.x509 import Certificate

# preeb, base64text and posteb of a certificate (RFC 7468, Sections 3 and 5.1)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


class NotACertificate(ValueError):
    """What should be a certificate cannot be read as one."""


def thumbprint(certificate: bytes) -> str:
    """
    Return what names *certificate* in a token: ``x5t#S256`` (RFC 8705, 3.1).

    Args:
        certificate: DER.
    """
    return _encode(sha256(certificate).digest())


def from_pem(text: str) -> bytes:
    """
    Return the first certificate in *text* as DER; what else stands there is left alone.

    Raises:
        NotACertificate: There is none.
    """
    return all_from_pem(text)[0]


def all_from_pem(text: str) -> list[bytes]:
    """
    Return the certificates in *text* as DER, one or more.

    Raises:
        NotACertificate: There is none, or one is malformed.
    """
    bodies: list[str] = _PEM.findall(text)
    if not bodies:
        raise NotACertificate("there is no certificate in PEM")
    return [from_base64("".join(body.split())) for body in bodies]


def from_base64(text: str) -> bytes:
    """
    Return the certificate that *text* is in Base64, as ``x5c`` has it (RFC 7517, 4.7).

    Raises:
        NotACertificate: It is none.
    """
    try:
        certificate = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        raise NotACertificate("a certificate is not in Base64") from None
    read_certificate(certificate)
    return certificate


def read_certificate(certificate: bytes) -> Certificate:
    """
    Return what *certificate* says.

    Raises:
        NotACertificate: It is not DER, or not of a certificate.
    """
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate

    try:
        return load_der_x509_certificate(certificate)
    except (ValueError, InvalidVersion):
        raise NotACertificate("a certificate is malformed") from None


def to_jwk(certificate: bytes) -> dict[str, Any]:
    """
    Return the public key of *certificate* as a JWK, with the certificate as ``x5c``.

    Raises:
        NotACertificate: It is none, or has a key of a kind that JWKs do not know.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    read = read_certificate(certificate)
    try:
        key = read.public_key()
    except (UnsupportedAlgorithm, ValueError):
        raise NotACertificate("a certificate has a key that cannot be read") from None
    members: dict[str, str]
    if isinstance(key, RSAPublicKey):
        rsa = key.public_numbers()
        members = {"kty": "RSA", "n": _encode_number(rsa.n), "e": _encode_number(rsa.e)}
    elif isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        point, size = key.public_numbers(), (key.key_size + 7) // 8
        members = {
            "kty": "EC",
            "crv": _CURVES[key.curve.name],
            "x": _encode(point.x.to_bytes(size, "big")),
            "y": _encode(point.y.to_bytes(size, "big")),
        }
    elif isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        curve = "Ed25519" if isinstance(key, Ed25519PublicKey) else "Ed448"
        members = {"kty": "OKP", "crv": curve, "x": _encode(key.public_bytes_raw())}
    else:
        raise NotACertificate("a certificate has a key of a kind that JWKs do not know")
    return {**members, "x5c": [b64encode(certificate).decode()]}


def certificate_of(jwk: Any) -> bytes | None:
    """
    Return the certificate of a JWK, None if it has no ``x5c``.

    Raises:
        NotACertificate: It is malformed, or of another key than the JWK (RFC 7517, 4.7).
    """
    if not isinstance(jwk, dict) or "x5c" not in jwk:
        return None
    members = cast("dict[str, Any]", jwk)
    chain = members["x5c"]
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise NotACertificate("x5c has to be a list of certificates (RFC 7517, 4.7)")
    certificate = from_base64(cast("list[str]", chain)[0])
    of_key = to_jwk(certificate)
    if any(members.get(name) != value for name, value in of_key.items() if name != "x5c"):
        raise NotACertificate("x5c has the certificate of another key (RFC 7517, 4.7)")
    return certificate


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _encode(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
