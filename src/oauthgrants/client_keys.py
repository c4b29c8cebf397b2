"""What clients are registered with that sign assertions (RFC 7591, 2; RFC 7523, 2.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from oauthgrants.addresses import is_loopback
from oauthgrants.algorithms import ALGORITHMS_OF, MACS, also_called
from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.forms import is_absolute_uri, is_vschar
from oauthgrants.sealed import SealingKey
from oauthgrants.secret import Secret

ASSERTION_METHODS = frozenset(ALGORITHMS_OF)
"""The methods of OpenID Connect Core, 9, that sign: the client shows a JWT (RFC 7523, 2.2)."""


def to_jwks(value: Mapping[str, Any] | str | None) -> str | None:
    """
    Return a JWK Set as JSON, None for an empty text.

    Raises:
        InvalidClientMetadata: *value* is something that JSON does not know.
    """
    if value is None or isinstance(value, str):
        return value or None
    try:
        return json.dumps(dict(value), separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise InvalidClientMetadata("jwks has to be a JWK Set (RFC 7517, 5)") from None


def seal_client_secret(
    secret: Secret, sealing_key: SealingKey | None, client_id: str, algorithm: str | None
) -> str:
    """
    Return *secret* as a client with ``client_secret_jwt`` keeps it.

    Args:
        secret: The key of an HMAC.
        sealing_key: The server's.
        client_id: Whom it is bound to.
        algorithm: The registered HMAC, None for any that *secret* is long enough for.

    Raises:
        InvalidClientMetadata: There is no key, or *secret* is malformed or too short
            (RFC 7518, 3.2).
    """
    if sealing_key is None:
        raise InvalidClientMetadata(
            "client_secret_jwt takes sealing_key=, since the server has to know the secret"
        )
    text = secret.reveal()
    least = MACS.get(algorithm or "HS256", 0)
    if not is_vschar(text) or len(text) < least:
        raise InvalidClientMetadata(
            f"client_secret has to be {least} or more printable ASCII characters for "
            f"{algorithm or 'HS256'} (RFC 7518, 3.2)"
        )
    return sealing_key.seal(secret, owner=client_id)


def find_contradictions_of_keys(
    method: str, *, jwks: str | None, jwks_uri: str | None, algorithm: str | None
) -> Iterable[tuple[bool, str]]:
    """
    Return what would contradict, and whether it does, of a client with this *method*.

    Raises:
        InvalidClientMetadata: *jwks* is no JWK Set, or has no key that verifies.
        ModuleNotFoundError: There is a *jwks*, and joserfc is missing; says what to install.
    """
    yield (
        method == "private_key_jwt" and jwks is None and jwks_uri is None,
        "token_endpoint_auth_method private_key_jwt needs jwks or jwks_uri",
    )
    yield (
        jwks is not None and jwks_uri is not None,
        "jwks and jwks_uri do not go together (RFC 7591, 2)",
    )
    yield (
        jwks_uri is not None and not _is_fetchable(jwks_uri),
        "jwks_uri has to be an https URL (RFC 7591, 5)",
    )
    fitting = ALGORITHMS_OF.get(method, ())
    yield (
        algorithm is not None and algorithm not in fitting,
        f"token_endpoint_auth_signing_alg does not go with {method}"
        + (f"; there are {', '.join(sorted(fitting))}" if fitting else ""),
    )
    if jwks is not None and method != "self_signed_tls_client_auth":
        # There, the certificates count, which are looked at elsewhere.
        yield from _contradictions_of_keys(jwks, algorithm if method == "private_key_jwt" else None)


def _contradictions_of_keys(jwks: str, algorithm: str | None) -> Iterable[tuple[bool, str]]:
    # Imported here, so that services without such clients never load joserfc.
    from oauthgrants.jwk_sets import registered_keys

    try:
        keys = registered_keys(jwks)
    except ValueError as error:
        raise InvalidClientMetadata(f"jwks: {error}") from None
    yield (
        algorithm is not None and not any(key.algorithms & also_called(algorithm) for key in keys),
        "token_endpoint_auth_signing_alg fits no key in jwks",
    )


def _is_fetchable(url: str) -> bool:
    if not is_absolute_uri(url):
        return False
    try:
        parts = urlsplit(url)
        sound = parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    if not sound or not parts.hostname:
        return False
    # The server has the last word on plain http.
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
