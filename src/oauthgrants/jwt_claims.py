"""What claims have to be, whoever made them (RFC 7519, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from oauthgrants.confirmations import read_confirmation
from oauthgrants.jose import ExpiredJwt, InvalidJwt
from oauthgrants.tokens import NO_CLAIMS


def require_times(claims: Mapping[str, Any], *, now: datetime, leeway: timedelta) -> None:
    """
    Check ``exp``, which is wanted, and ``nbf`` and ``iat`` where they are (RFC 7519, 4.1).

    Raises:
        ExpiredJwt: *now* is ``exp`` or later, *leeway* allowed for.
        InvalidJwt: One is no number, or *now* is before the others.
    """
    at, slack = now.timestamp(), leeway.total_seconds()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if "exp" not in times:
        raise InvalidJwt("exp is missing")
    for name, value in times.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidJwt(f"{name} is not a number")
    if times["exp"] <= at - slack:
        raise ExpiredJwt("the JWT has expired")
    if times.get("nbf", at) > at + slack or times.get("iat", at) > at + slack:
        raise InvalidJwt("the JWT is not valid yet")


def audience_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """
    Return ``aud``, a string or an array of them (RFC 7519, 4.1.3).

    Raises:
        InvalidJwt: It is missing or something else.
    """
    aud: Any = claims.get("aud")
    values = cast("Sequence[Any]", aud if isinstance(aud, list) else [aud])
    if not values or not all(isinstance(value, str) for value in values):
        raise InvalidJwt("aud is missing or malformed")
    return tuple(values)


def confirmation_of(claims: Mapping[str, Any]) -> Mapping[str, str]:
    """
    Return ``cnf`` (RFC 7800, 3.1), empty if it is missing.

    Raises:
        InvalidJwt: It is malformed, or has what is not understood.
    """
    try:
        return read_confirmation(claims) or NO_CLAIMS
    except ValueError as error:
        raise InvalidJwt(str(error)) from None
