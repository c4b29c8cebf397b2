"""What tokens are bound to: the claim ``cnf`` (RFC 7800, 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

KEY = "jkt"
"""Names the thumbprint of a key that signs proofs (RFC 9449, 6.1)."""

CERTIFICATE = "x5t#S256"
"""Names the thumbprint of a certificate (RFC 8705, 3.1)."""

_KNOWN = frozenset({KEY, CERTIFICATE})


def read_confirmation(claims: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the ``cnf`` of *claims*, empty for a token that is bound to nothing.

    Raises:
        ValueError: It is malformed, or has what is not understood. To leave that out would
            make of a bound token one that whoever holds it may use.

    >>> read_confirmation({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})
    {'jkt': '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'}
    """
    if "cnf" not in claims:
        return {}
    members = claims["cnf"]
    if not isinstance(members, dict) or not members:
        raise ValueError("cnf is malformed")
    found = cast("dict[str, Any]", members)
    if not found.keys() <= _KNOWN:
        raise ValueError("cnf has a member that is not understood")
    if not all(isinstance(value, str) and value for value in found.values()):
        raise ValueError("cnf is malformed")
    return found
