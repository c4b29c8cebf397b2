"""What holds of every answer, whatever was asked."""

from __future__ import annotations

from datetime import datetime

from oauthgrants import HttpResponse
from oauthgrants.events import Event, Fault

_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_dpop_proof",
    }
)


class Faults:
    """An event sink that keeps what the endpoints would hide behind a 503."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def record(self, event: Event) -> None:
        if isinstance(event, Fault):
            self._errors.append(event.error)

    def require_none(self) -> None:
        """
        Check that nothing has been raised since the last time.

        Raises:
            Exception: What has.
        """
        if self._errors:
            raise self._errors.pop()


class AlwaysNew:
    """Knows no replay, so that an answer depends on its request alone."""

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        assert len(digest) == 32
        assert expires_at.tzinfo is not None
        return True


def require_error(response: HttpResponse) -> None:
    """Check that *response* is an error as Section 5.2 of RFC 6749 has them."""
    members = response.json()
    assert set(members) <= {"error", "error_description"}, members
    assert members["error"] in _CODES, members
    for text in members.values():
        assert text
        assert all(0x20 <= ord(each) <= 0x7E and each not in '"\\' for each in text), members
    headers = dict(response.headers)
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in headers) == (response.status == 401)
    assert ("Allow" in headers) == (response.status == 405)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
