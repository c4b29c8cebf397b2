"""
What a response has to be: an assertion for each outcome, with a message that says what came.

They take responses of any kind: `HttpResponse`, those of Flask's, Django's, Starlette's and
FastAPI's test clients, of httpx, of requests.
"""
# ruff: noqa: S101  # asserts are what these are of

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from oauthgrants.scopes import Scope

_MOST_SHOWN = 300
# Whatever looks like a token or secret: reports of failed tests are kept, and read by many.
_SECRETS = re.compile(r'("(?:access_token|refresh_token|mfa_token|client_secret)" ?: ?")[^"]*')


@attrs.frozen(kw_only=True)
class SeenResponse:
    """
    A response, whoever made it.

    Attributes:
        status: The status code.
        headers: By their names in lower case; those that came several times, joined by commas.
        body: The octets.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, response: Any) -> SeenResponse:
        """
        Return what can be seen of *response*.

        Raises:
            TypeError: It is nothing like a response.
        """
        status = getattr(response, "status_code", None)
        if status is None:
            status = getattr(response, "status", None)
        if not isinstance(status, int):
            raise TypeError(f"this is no response: {type(response).__qualname__}")
        headers = response.headers
        pairs = headers.items() if hasattr(headers, "items") else headers
        joined: dict[str, str] = {}
        for name, value in pairs:
            key = str(name).lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else str(value)
        return cls(status=status, headers=joined, body=_body_of(response))

    def json(self) -> Any:
        """
        Return the body, decoded.

        Raises:
            AssertionError: It is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"the body is not JSON: {self}") from None

    def __str__(self) -> str:
        text = _SECRETS.sub(r"\1…", self.body.decode("utf-8", "replace"))
        shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
        challenge = self.headers.get("www-authenticate")
        return f"{self.status} {challenge or ''} {shown}".replace("  ", " ")


def _body_of(response: Any) -> bytes:
    for name in ("content", "data", "body"):
        value = getattr(response, name, None)
        if isinstance(value, bytes):
            return value
    raise TypeError(f"{type(response).__qualname__} does not show its body")


def assert_issued(
    response: Any, *, scope: Scope | str | None = None, refresh_token: bool | None = None
) -> dict[str, Any]:
    """
    Check that *response* brings tokens (RFC 6749, 5.1), and return its members.

    Args:
        response: Of a token endpoint.
        scope: What has to be granted, no more and no less; None for anything.
        refresh_token: Whether there has to be one; None if it does not matter.
    """
    seen = SeenResponse.of(response)
    assert seen.status == 200, f"no tokens were issued: {seen}"  # noqa: PLR2004
    members: dict[str, Any] = seen.json()
    assert "access_token" in members, f"there is no access_token: {seen}"
    if scope is not None:
        granted = Scope.of(members.get("scope", ""))
        wanted = Scope.of(scope)
        assert granted == wanted, f"the scope is {str(granted)!r}, not {str(wanted)!r}"
    if refresh_token is not None:
        has = "refresh_token" in members
        assert has is refresh_token, f"there is {'a' if has else 'no'} refresh_token: {seen}"
    return members


def assert_refused(response: Any, error: str, *, status: int | None = None) -> dict[str, Any]:
    """
    Check that *response* is an error of an endpoint (RFC 6749, 5.2), and return its members.

    Args:
        response: Of the token, introspection or revocation endpoint.
        error: The code, such as ``invalid_grant``.
        status: The status, None for any from 400 on.
    """
    seen = SeenResponse.of(response)
    assert seen.status >= 400, f"the request was not refused: {seen}"  # noqa: PLR2004
    members: dict[str, Any] = seen.json()
    assert members.get("error") == error, f"the error is not {error}: {seen}"
    assert status in {None, seen.status}, f"the status is not {status}: {seen}"
    return members


def assert_challenged(response: Any, error: str | None = None, *, scope: str | None = None) -> None:
    """
    Check that a resource server refuses access, by ``WWW-Authenticate`` (RFC 6750, 3).

    Args:
        response: Of a protected resource.
        error: ``invalid_token``, ``insufficient_scope`` or ``invalid_request``; None for a
            request without token, which gets no error.
        scope: What the challenge asks for, None for anything.
    """
    seen = SeenResponse.of(response)
    wanted = {"insufficient_scope": 403, "invalid_request": 400}.get(error or "", 401)
    assert seen.status == wanted, f"the status is not {wanted}: {seen}"
    challenge = seen.headers.get("www-authenticate", "")
    found = re.search(r'error="([^"]*)"', challenge)
    said = found[1] if found else None
    assert challenge, f"there is no challenge: {seen}"
    assert said == error, f"the error is {said}, not {error}: {seen}"
    if scope is not None:
        asked = re.search(r'scope="([^"]*)"', challenge)
        tokens = asked[1] if asked else ""
        assert Scope.of(tokens) == Scope.of(scope), f"the scope is {tokens!r}, not {scope!r}"


def assert_active(response: Any, **members: Any) -> dict[str, Any]:
    """
    Check that an introspected token is active (RFC 7662, 2.2), and return what is said of it.

    Args:
        response: Of an introspection endpoint.
        **members: What has to be said, such as ``sub="user-1"``.
    """
    seen = SeenResponse.of(response)
    assert seen.status == 200, f"it was not introspected: {seen}"  # noqa: PLR2004
    answer: dict[str, Any] = seen.json()
    assert answer.get("active") is True, f"the token is not active: {seen}"
    for name, value in members.items():
        assert answer.get(name) == value, f"{name} is {answer.get(name)!r}, not {value!r}"
    return answer


def assert_inactive(response: Any) -> None:
    """Check that an introspected token is unknown, expired or revoked, and no more is said."""
    seen = SeenResponse.of(response)
    assert seen.status == 200, f"it was not introspected: {seen}"  # noqa: PLR2004
    assert seen.json() == {"active": False}, f"the token is active, or more is said: {seen}"


def assert_revoked(response: Any) -> None:
    """Check that a revocation endpoint did what it was asked to (RFC 7009, 2.2)."""
    seen = SeenResponse.of(response)
    assert seen.status == 200, f"it was not revoked: {seen}"  # noqa: PLR2004
