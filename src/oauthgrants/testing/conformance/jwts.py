"""Reads tokens that are JWTs, as anybody can who holds one (RFC 7519)."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from oauthgrants.strict_json import parse_object


def header_of(token: str) -> Mapping[str, Any]:
    """Return the header, empty if *token* is no JWT."""
    return _part(token, 0)


def claims_of(token: str) -> Mapping[str, Any]:
    """
    Return the claims, empty if *token* is no JWT.

    >>> claims_of("eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZXBvcnRzIn0.")
    {'sub': 'reports'}
    >>> claims_of("2YotnFZFEjr1zCsicMWpAA")
    {}
    """
    return _part(token, 1)


def _part(token: str, place: int) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  # header, payload, signature
        return {}
    try:
        return parse_object(urlsafe_b64decode(parts[place] + "=" * (-len(parts[place]) % 4)))
    except ValueError:
        return {}
