"""Finds the endpoints: by metadata (RFC 8414), by those of OpenID Connect, or as it was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.target import Target, Unusable

_OK = 200
_OAUTH = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"


@attrs.frozen
class Found:
    """
    What is known of the server.

    Attributes:
        token: The URL of the token endpoint.
        introspection: None without.
        revocation: None without.
        metadata: The document, empty without.
        answer: What brought it, None without.
        is_in_place: Whether the document lies where RFC 8414 or OpenID Connect put it.
    """

    token: str
    introspection: str | None
    revocation: str | None
    metadata: Mapping[str, Any]
    answer: Answer | None
    is_in_place: bool = True


def discover(target: Target, get: Callable[[str], Answer]) -> Found:
    """
    Return where the endpoints are.

    Args:
        target: Whose flags count for more than the metadata.
        get: Asks for a document.

    Raises:
        Unusable: No token endpoint is known, or one may not be used.
        NoAnswer: Nobody is there.
    """
    answer, is_in_place = _find_document(target.issuer, get)
    metadata: Mapping[str, Any] = answer.members if answer else {}
    # What stands in a document that names another issuer must not be used (RFC 8414, 3.3).
    usable: Mapping[str, Any] = metadata if metadata.get("issuer") == target.issuer else {}

    def endpoint(name: str, told: str | None) -> str | None:
        url = told or usable.get(name)
        if url is None:
            return None
        if not isinstance(url, str):
            raise Unusable(f"{name} in the metadata is not a URL")
        target.require_safe(url)
        return url

    token = endpoint("token_endpoint", target.token_endpoint)
    if token is None:
        raise Unusable(_why_not(target.issuer, metadata))
    return Found(
        token=token,
        introspection=endpoint("introspection_endpoint", target.introspection_endpoint),
        revocation=endpoint("revocation_endpoint", target.revocation_endpoint),
        metadata=metadata,
        answer=answer,
        is_in_place=is_in_place,
    )


def well_known_urls(issuer: str) -> list[tuple[str, bool]]:
    """
    Return where documents may be, and whether they belong there.

    >>> for url, belongs in well_known_urls("https://example.com/issuer1"):
    ...     print(url, belongs)
    https://example.com/.well-known/oauth-authorization-server/issuer1 True
    https://example.com/issuer1/.well-known/openid-configuration True
    https://example.com/.well-known/openid-configuration/issuer1 True
    https://example.com/issuer1/.well-known/oauth-authorization-server False
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    places = {
        f"{origin}{_OAUTH}{path}": True,
        f"{origin}{path}{_OPENID}": True,
        f"{origin}{_OPENID}{path}": True,
        f"{origin}{path}{_OAUTH}": False,
    }
    if not path:
        # All in one place.
        return [(f"{origin}{_OAUTH}", True), (f"{origin}{_OPENID}", True)]
    return list(places.items())


def _find_document(issuer: str | None, get: Callable[[str], Answer]) -> tuple[Answer | None, bool]:
    if issuer is None:
        return None, True
    for url, belongs in well_known_urls(issuer):
        answer = get(url)
        if answer.status == _OK and "issuer" in answer.members:
            return answer, belongs
    return None, True


def _why_not(issuer: str | None, metadata: Mapping[str, Any]) -> str:
    if metadata and metadata.get("issuer") != issuer:
        return (
            "the metadata name another issuer, so nothing in them may be used (RFC 8414, 3.3): "
            "give the issuer as they have it, or the token endpoint"
        )
    if metadata:
        return "the metadata name no token endpoint: give it"
    return "no metadata were found at the issuer: give the token endpoint"
