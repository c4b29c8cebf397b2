"""JWK Sets: what is in them that verifies (RFC 7517, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from oauthgrants.jose import InvalidJwt, PublicKey
from oauthgrants.strict_json import parse_object

Keys = tuple[PublicKey, ...]
"""Keys of one moment."""

_PRIVATE = frozenset({"d", "k"})
_MOST_KEYS = 100


def members_of(jwks: Mapping[str, Any]) -> Sequence[Any]:
    """Return what *jwks* has as ``keys``, nothing if that is no array."""
    members: Any = jwks.get("keys")
    return cast("Sequence[Any]", members) if isinstance(members, list) else []


def usable_keys(jwks: Mapping[str, Any]) -> Keys:
    """
    Return the usable keys; the others are passed over (RFC 7517, 5).

    A private key is not usable: whoever reads the set could sign with it.

    Raises:
        InvalidJwt: None is, or there are more than 100.
    """
    keys: list[PublicKey] = []
    for jwk in _bounded(jwks):
        try:
            keys.append(_require_public(jwk))
        except InvalidJwt:
            continue
    return _require_one(keys)


@lru_cache(maxsize=1024)
def registered_keys(jwks: str) -> Keys:
    """
    Return the keys that a client is registered with; those for encryption are left out.

    Args:
        jwks: Its JWK Set, as JSON.

    Raises:
        InvalidJwt: One is private, symmetric, malformed, off its curve or too short; or there
            are none, or more than 100.
        ValueError: *jwks* is no JSON object.
    """
    return _require_one(
        [
            _require_public(jwk)
            for jwk in _bounded(parse_object(jwks.encode()))
            if not (isinstance(jwk, dict) and cast("dict[str, Any]", jwk).get("use") == "enc")
        ]
    )


def _bounded(jwks: Mapping[str, Any]) -> Sequence[Any]:
    members = members_of(jwks)
    if len(members) > _MOST_KEYS:
        raise InvalidJwt(f"it has more than {_MOST_KEYS} keys")
    return members


def _require_public(jwk: Any) -> PublicKey:
    if isinstance(jwk, dict) and _PRIVATE & cast("dict[str, Any]", jwk).keys():
        raise InvalidJwt("a key is private or symmetric, where public ones are wanted")
    return PublicKey.from_jwk(cast("Any", jwk))


def _require_one(keys: Sequence[PublicKey]) -> Keys:
    if not keys:
        raise InvalidJwt("it has no key that verifies")
    return tuple(keys)
