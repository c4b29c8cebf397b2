"""What a server signs: access tokens (RFC 9068) and introspection answers (RFC 9701)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oauthgrants.ports import Clock, DenyList
from oauthgrants.secret import Randomness
from oauthgrants.token_formats import AccessTokenFormat

if TYPE_CHECKING:
    # Only for annotations: without JWTs, joserfc is neither needed nor loaded.
    from oauthgrants.jose import SigningKey
    from oauthgrants.keys import KeySource


def make_jwt_format(
    *,
    issuer: str,
    keys: KeySource | None,
    deny_list: DenyList | None,
    audience: tuple[str, ...],
    clock: Clock,
    random: Randomness,
) -> AccessTokenFormat:
    """
    Return the format of JWT access tokens.

    Raises:
        ModuleNotFoundError: The extra ``jwt`` is missing.
        ValueError: Something that it takes is missing; says what.
    """
    from oauthgrants.token_formats.jwt import JwtFormat

    if keys is None:
        raise ValueError("access_token_format jwt takes signing_keys=")
    if deny_list is None:
        raise ValueError("access_token_format jwt takes store=, or deny_list=")
    if not audience:
        raise ValueError(
            "access_token_format jwt takes audience=: there is no token without aud "
            "(RFC 9068, Section 3)"
        )
    return JwtFormat(issuer=issuer, keys=keys, deny_list=deny_list, clock=clock, random=random)


def require_signing_keys(keys: KeySource | None) -> KeySource:
    """
    Return what signs introspection answers.

    Raises:
        ValueError: There are no keys.
    """
    if keys is None:
        raise ValueError("introspection_jwt takes signing_keys=")
    return keys


def make_signer(keys: KeySource) -> Callable[..., str]:
    """Return what signs introspection answers."""

    def sign(claims: dict[str, Any], *, typ: str) -> str:
        return keys.signing_key().sign(claims, typ=typ)

    return sign


def make_jwks(keys: KeySource | None, now: datetime) -> Mapping[str, Any]:
    """Return the JWK Set with the keys that verify, empty without keys (RFC 7517, 5)."""
    return {"keys": [] if keys is None else [key.as_dict() for key in keys.public_keys(now)]}


def to_key_source(keys: KeySource | SigningKey) -> KeySource:
    """Return where keys come from; a key by itself is the only one there is."""
    from oauthgrants.jose import SigningKey
    from oauthgrants.keys import KeyRing

    return KeyRing(keys) if isinstance(keys, SigningKey) else keys
