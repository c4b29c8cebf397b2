"""
Signed JWTs and their keys, by joserfc (RFC 7515, 7517, 7519; extra ``jwt``).

joserfc signs and verifies; this module is strict about all that is around it (RFC 8725).
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, Protocol

import attrs

from oauthgrants.algorithms import ALGORITHMS as ALGORITHMS  # noqa: PLC0414  # public here too
from oauthgrants.algorithms import CURVES, MACS, RSA, also_called
from oauthgrants.strict_json import parse_object

try:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey
    from joserfc.jws import JWSRegistry
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test shows it
    raise ModuleNotFoundError(
        "JWTs need joserfc: pip install 'oauthgrants[jwt]'", name=_missing.name
    ) from _missing

_Key = RSAKey | ECKey | OKPKey
_KINDS: dict[str, type[_Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

_MIN_RSA_BITS = 2048
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


class InvalidJwt(ValueError):
    """A JWT is not what it has to be; the message says why, without its content."""


class ExpiredJwt(InvalidJwt):
    """A JWT was good until its ``exp``."""


class UnknownKey(InvalidJwt):
    """A JWT names a key that is not known, perhaps not yet."""


def encode(octets: bytes) -> str:
    """Return base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(octets).decode().rstrip("=")


def decode(text: str) -> bytes:
    """
    Return the octets of *text*, base64url without padding.

    Raises:
        InvalidJwt: *text* has padding or characters of another alphabet, or ends in stray bits.
    """
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise InvalidJwt("a part is not base64url")
    octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(octets) != text:
        # Bits beyond the last octet: nobody may spell a token in several ways.
        raise InvalidJwt("a part is not base64url")
    return octets


@attrs.frozen(eq=False)
class PublicKey:
    """
    A key that verifies (RFC 7517).

    Attributes:
        kid: Its name in the JWK Set, None without.
        algorithms: The only ones that it serves.
    """

    kid: str | None
    algorithms: frozenset[str]
    _key: _Key = attrs.field(repr=False)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> PublicKey:
        """
        Return the key that *jwk* describes.

        Raises:
            InvalidJwt: It is no public signature key, is malformed, off its curve or too short.
        """
        try:
            key = _import_public(jwk)
            algorithms = _fitting(key)
            if "alg" in jwk:
                algorithms &= also_called(jwk["alg"])
        except InvalidJwt:
            raise
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidJwt("the key is malformed") from error
        if not algorithms:
            raise InvalidJwt("the key fits no signature algorithm of ours")
        kid = jwk.get("kid")
        return cls(kid if isinstance(kid, str) else None, algorithms, key)

    def as_dict(self) -> dict[str, Any]:
        """Return the members that anybody may see, with ``use``."""
        members: dict[str, Any] = dict(self._key.as_dict(private=False))
        members |= {"use": "sig"}
        if self.kid is not None:
            members["kid"] = self.kid
        if len(self.algorithms) == 1:
            (members["alg"],) = self.algorithms
        return members

    def thumbprint(self) -> str:
        """Return the SHA-256 thumbprint (RFC 7638)."""
        return self._key.thumbprint()

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's, by *algorithm*."""
        if algorithm not in self.algorithms:
            return False
        try:
            return JWSRegistry.algorithms[algorithm].verify(signed, signature, self._key)
        except (JoseError, ValueError):
            return False


def _import_public(jwk: Mapping[str, Any]) -> _Key:
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise InvalidJwt("the key is not for signatures")
    kind = _KINDS.get(jwk["kty"])
    if kind is None:
        raise InvalidJwt("the key is not asymmetric")
    if kind is RSAKey:
        # joserfc would take a short one, with a warning.
        _require_rsa_bits(int.from_bytes(decode(jwk["n"])).bit_length())
    return kind.import_key(dict(jwk))


def _fitting(key: _Key) -> frozenset[str]:
    if isinstance(key, RSAKey):
        _require_rsa_bits(key.public_key.key_size)
        return RSA
    return frozenset(name for name, curve in CURVES.items() if curve == key.curve_name)


def _require_rsa_bits(bits: int) -> None:
    if bits < _MIN_RSA_BITS:
        raise InvalidJwt(f"an RSA key needs {_MIN_RSA_BITS} bits or more (RFC 7518, 3.3)")


@attrs.frozen(eq=False)
class SigningKey:
    """
    A private key with the one algorithm that it serves.

    Attributes:
        kid: Its name, the thumbprint where none was given.
        algorithm: Such as ``ES256``.
        public: The key that verifies.
    """

    kid: str
    algorithm: str
    public: PublicKey = attrs.field(repr=False)
    _key: _Key = attrs.field(repr=False)
    _headers: dict[str, bytes] = attrs.field(init=False, factory=dict[str, bytes], repr=False)

    @classmethod
    def generate(cls, algorithm: str = "ES256", *, kid: str | None = None) -> SigningKey:
        """
        Return a new key for *algorithm*.

        Raises:
            ValueError: *algorithm* is not one of `ALGORITHMS`.
        """
        _require_algorithm(algorithm)
        if algorithm in RSA:
            return cls._of(RSAKey.generate_key(_MIN_RSA_BITS), algorithm, kid)
        if algorithm.startswith("ES"):
            return cls._of(ECKey.generate_key(CURVES[algorithm]), algorithm, kid)
        curve: Literal["Ed448", "Ed25519"] = "Ed448" if algorithm == "Ed448" else "Ed25519"
        return cls._of(OKPKey.generate_key(curve), algorithm, kid)

    @classmethod
    def from_pem(cls, pem: bytes, algorithm: str, *, kid: str | None = None) -> SigningKey:
        """
        Return the private key in *pem*, not encrypted.

        Raises:
            ValueError: *pem* holds no private key that fits *algorithm*, or a short one.
        """
        _require_algorithm(algorithm)
        kind = RSAKey if algorithm in RSA else ECKey if algorithm.startswith("ES") else OKPKey
        try:
            key: _Key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            raise ValueError(f"the file holds no private key for {algorithm} in PEM") from None
        return cls._of(key, algorithm, kid)

    @classmethod
    def _of(cls, key: _Key, algorithm: str, kid: str | None) -> SigningKey:
        if not key.is_private:
            raise ValueError("a private key is wanted, and this is a public one")
        if algorithm not in _fitting(key):
            raise ValueError(f"the key does not fit {algorithm}")
        name = kid or key.thumbprint()
        return cls(name, algorithm, PublicKey(name, frozenset({algorithm}), key), key)

    def to_pem(self) -> bytes:
        """Return the private key in PEM (PKCS #8), not encrypted; for files of mode 0600."""
        return self._key.as_pem(private=True)

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """Return *claims* as a compact JWS whose header says *typ*."""
        header = self._headers.get(typ)
        if header is None:
            members = {"typ": typ, "alg": self.algorithm, "kid": self.kid}
            header = self._headers[typ] = encode(_to_json(members)).encode()
        signed = header + b"." + encode(_to_json(claims)).encode()
        signature = JWSRegistry.algorithms[self.algorithm].sign(signed, self._key)
        return f"{signed.decode()}.{encode(signature)}"


def _require_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise ValueError(
            f"{algorithm!r} is no signature algorithm of ours; "
            f"there are {', '.join(sorted(ALGORITHMS))}"
        )


def _to_json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), allow_nan=False).encode()


def looks_like_jwt(text: str) -> bool:
    """Return whether *text* has the three parts of a compact JWS."""
    return text.count(".") == 2  # noqa: PLR2004  # header.payload.signature


class VerifyingKey(Protocol):
    """What says whether a signature is right."""

    @property
    def kid(self) -> str | None:
        """Its name, None without."""
        ...

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's, by *algorithm*, and may be."""
        ...


@attrs.frozen(eq=False, repr=False)
class Jws:
    """
    A compact JWS (RFC 7515, 7.1) that nobody has verified yet.

    Attributes:
        algorithm: What it says that it is signed by.
        kid: Which key it says that it is signed with, None if it does not say.
        typ: Its media type, in lower case and without ``application/``; empty without.
        signed: The octets that are signed.
        claims: Not to be believed before `require_signature`.
    """

    algorithm: str
    kid: str | None
    typ: str
    signed: bytes
    claims: dict[str, Any]
    _signature: bytes

    @classmethod
    def parse(cls, token: str, *, algorithms: Collection[str], typ: Collection[str]) -> Jws:
        """
        Return what *token* says.

        Header members ``jku``, ``x5u``, ``jwk`` and ``x5c`` are never followed (RFC 8725, 3.10).

        Args:
            token: A compact JWS.
            algorithms: The allowed ones.
            typ: The allowed media types, in lower case and without ``application/``.

        Raises:
            InvalidJwt: It is malformed, or its header has what is not allowed.
        """
        header_part, _, rest = token.partition(".")
        payload_part, dot, signature_part = rest.partition(".")
        if not dot:
            raise InvalidJwt("a compact JWS has three parts")
        header = _parse_object(decode(header_part))
        algorithm, kid = header.get("alg"), header.get("kid")
        known = isinstance(algorithm, str) and (algorithm in ALGORITHMS or algorithm in MACS)
        if not known or algorithm not in algorithms:
            raise InvalidJwt("the algorithm is not allowed")
        if "crit" in header:
            raise InvalidJwt("a critical header member is not understood")
        kind = _media_type(header.get("typ"))
        if kind not in typ:
            raise InvalidJwt("the JWT is of another kind")
        signed = f"{header_part}.{payload_part}".encode()
        claims = _parse_object(decode(payload_part))
        return cls(str(algorithm), kid, kind, signed, claims, decode(signature_part))

    def require_signature(self, keys: Iterable[VerifyingKey]) -> None:
        """
        Check that one of *keys* has signed it; ``kid`` only chooses among them.

        Raises:
            UnknownKey: No key has its ``kid``.
            InvalidJwt: The signature is wrong.
        """
        chosen = [key for key in keys if self.kid is None or key.kid == self.kid]
        if not chosen:
            raise UnknownKey("the key is not known")
        if not any(key.verify(self.algorithm, self.signed, self._signature) for key in chosen):
            raise InvalidJwt("the signature is wrong")


def verify_jwt(
    token: str,
    keys: Iterable[PublicKey],
    *,
    algorithms: Collection[str],
    typ: Collection[str],
) -> dict[str, Any]:
    """
    Return the claims of *token*, once its signature, header and form have been checked.

    Args:
        token: A compact JWS.
        keys: Those of its issuer; ``kid`` only chooses among them.
        algorithms: The allowed ones.
        typ: The allowed media types, in lower case and without ``application/``.

    Raises:
        UnknownKey: No key has its ``kid``.
        InvalidJwt: Anything else is not as it has to be.
    """
    jws = Jws.parse(token, algorithms=ALGORITHMS.intersection(algorithms), typ=typ)
    jws.require_signature(keys)
    return jws.claims


def _media_type(typ: object) -> str:
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else ""


def _parse_object(octets: bytes) -> dict[str, Any]:
    try:
        return parse_object(octets)
    except ValueError:
        raise InvalidJwt("a part is not a JSON object without repeated members") from None
