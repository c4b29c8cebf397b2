"""What clients are registered with that show a certificate (RFC 8705, 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, cast

from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.forms import is_absolute_uri, is_vschar
from oauthgrants.strict_json import parse_object

TLS_CLIENT_AUTH = "tls_client_auth"
"""An authority has issued the certificate, and its subject is registered (RFC 8705, 2.1)."""

SELF_SIGNED = "self_signed_tls_client_auth"
"""The certificate itself is registered (RFC 8705, 2.2)."""

CERTIFICATE_METHODS = frozenset({TLS_CLIENT_AUTH, SELF_SIGNED})
"""The methods of mutual TLS."""

SUBJECTS = tuple(
    f"{TLS_CLIENT_AUTH}_{name}"
    for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
)
"""The metadata that name the subject of a certificate; a client has one of them (2.1.2)."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MOST_KEYS = 100


def certificates_of(jwks: Mapping[str, Any]) -> tuple[bytes, ...]:
    """
    Return the certificates in *jwks*; what cannot be read of it is passed over.

    Raises:
        ValueError: There is none that can, or there are more than 100 keys.
    """
    from oauthgrants.certificates import NotACertificate, certificate_of

    found: list[bytes] = []
    for jwk in _bounded(jwks):
        try:
            certificate = certificate_of(jwk)
        except NotACertificate:
            continue
        if certificate is not None:
            found.append(certificate)
    return _require_one(found)


@lru_cache(maxsize=1024)
def registered_certificates(jwks: str) -> tuple[bytes, ...]:
    """
    Return the certificates that a client is registered with.

    Args:
        jwks: Its JWK Set, as JSON. Keys without ``x5c`` are for something else.

    Raises:
        ValueError: *jwks* is no JWK Set, has a private key or a certificate that cannot be
            read or is another key's, or has none.
    """
    from oauthgrants.certificates import certificate_of

    found: list[bytes] = []
    for jwk in _bounded(parse_object(jwks.encode())):
        if isinstance(jwk, dict) and _PRIVATE & cast("dict[str, Any]", jwk).keys():
            raise ValueError("a key is private or symmetric, where public ones are wanted")
        certificate = certificate_of(jwk)
        if certificate is not None:
            found.append(certificate)
    return _require_one(found)


def to_certificate_jwks(certificate: str | bytes) -> dict[str, Any]:
    """
    Return the JWK Set with *certificate*.

    Args:
        certificate: PEM, or DER.

    Raises:
        InvalidClientMetadata: It is neither, or has a key that JWKs do not know.
    """
    from oauthgrants.certificates import from_pem, to_jwk

    try:
        octets = from_pem(certificate) if isinstance(certificate, str) else certificate
        return {"keys": [to_jwk(octets)]}
    except ValueError as error:
        raise InvalidClientMetadata(f"certificate: {error}") from None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that *text* is, None if it is none, or has a zone."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def find_contradictions_of_certificates(
    method: str,
    *,
    subjects: Mapping[str, str | None],
    jwks: str | None,
    jwks_uri: str | None,
    bound_to_certificates: bool,
    bound_to_keys: bool,
) -> Iterable[tuple[bool, str]]:
    """
    Return what would contradict, and whether it does, of a client with this *method*.

    Raises:
        InvalidClientMetadata: *jwks* has no certificate, or one that cannot be read; or a
            subject is malformed.
    """
    given = {name: text for name, text in subjects.items() if text is not None}
    yield (
        method == TLS_CLIENT_AUTH and len(given) != 1,
        f"token_endpoint_auth_method {TLS_CLIENT_AUTH} needs exactly one of "
        f"{', '.join(SUBJECTS)} (RFC 8705, 2.1.2)",
    )
    yield (
        method != TLS_CLIENT_AUTH and bool(given),
        f"{' and '.join(given)} goes with token_endpoint_auth_method {TLS_CLIENT_AUTH} alone",
    )
    yield (
        method == SELF_SIGNED and jwks is None and jwks_uri is None,
        f"token_endpoint_auth_method {SELF_SIGNED} needs jwks with x5c, or jwks_uri",
    )
    yield (
        bound_to_certificates and bound_to_keys,
        "tls_client_certificate_bound_access_tokens and dpop_bound_access_tokens do not go "
        "together: a token is bound once",
    )
    for name, text in given.items():
        wanted = _find_fault(name, text)
        yield wanted is not None, f"{name} {wanted}"
    if method == SELF_SIGNED and jwks is not None:
        try:
            registered_certificates(jwks)
        except ValueError as error:
            raise InvalidClientMetadata(f"jwks: {error}") from None


def _find_fault(name: str, text: str) -> str | None:
    """Return what the subject called *name* has to be, None if *text* is that."""
    match name.removeprefix(f"{TLS_CLIENT_AUTH}_"):
        case "subject_dn":
            from oauthgrants.distinguished_names import MalformedName, parse_name

            try:
                parse_name(text)
            except MalformedName as error:
                return f"has to be a distinguished name (RFC 4514): {error}"
        case "san_dns" if not is_vschar(text) or set(text) & set(" /:@"):
            return "has to be a host name in ASCII, and no more"
        case "san_uri" if not is_absolute_uri(text):
            return "has to be an absolute URI"
        case "san_ip" if parse_address(text) is None:
            return "has to be an IP address"
        case "san_email" if not all(text.rpartition("@")) or not is_vschar(text):
            return "has to be an email address in ASCII"
        case _:
            pass
    return None


def _bounded(jwks: Mapping[str, Any]) -> Sequence[Any]:
    members: Any = jwks.get("keys")
    keys: Sequence[Any] = cast("Sequence[Any]", members) if isinstance(members, list) else []
    if len(keys) > _MOST_KEYS:
        raise ValueError(f"it has more than {_MOST_KEYS} keys")
    return keys


def _require_one(found: list[bytes]) -> tuple[bytes, ...]:
    if not found:
        raise ValueError("it has no key with a certificate (x5c; RFC 8705, 2.2.2)")
    return tuple(found)
