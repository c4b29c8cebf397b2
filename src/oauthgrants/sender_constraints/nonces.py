"""Nonces that no store keeps: the time, and a code that only the server can make (RFC 9449, 8)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import attrs

from oauthgrants.brief import service

_TIME_OCTETS = 6
_CODE_OCTETS = 24
_LENGTH = (_TIME_OCTETS + _CODE_OCTETS) * 4 // 3
_MILLISECOND = timedelta(milliseconds=1)

EPOCH = datetime.fromtimestamp(0, UTC)
"""From when time is counted."""


@service(kw_only=True)
class Nonces:
    """
    The nonces of one server; those of another are not valid here, even with the same key.

    Attributes:
        server: Its identifier.
        keys: The first one makes nonces, all of them check.

    >>> nonces = Nonces(server="https://auth.example.com", keys=(bytes(32),))
    >>> nonce = nonces.make(datetime(2026, 1, 1, tzinfo=UTC))
    >>> nonces.find_time(nonce)
    datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """

    server: str
    keys: tuple[bytes, ...] = attrs.field(repr=False)

    def make(self, now: datetime) -> str:
        """Return a nonce, of letters, digits, ``-`` and ``_``."""
        time = ((now - EPOCH) // _MILLISECOND).to_bytes(_TIME_OCTETS, "big")
        return urlsafe_b64encode(time + self._code(self.keys[0], time)).decode()

    def find_time(self, nonce: str) -> datetime | None:
        """Return when *nonce* was made, None if it is none of this server."""
        if len(nonce) != _LENGTH or not nonce.isascii():
            return None
        try:
            octets = urlsafe_b64decode(nonce)
        except ValueError:
            return None
        time, code = octets[:_TIME_OCTETS], octets[_TIME_OCTETS:]
        if not any(hmac.compare_digest(code, self._code(key, time)) for key in self.keys):
            return None
        return EPOCH + int.from_bytes(time, "big") * _MILLISECOND

    def _code(self, key: bytes, time: bytes) -> bytes:
        message = b"\0".join([b"DPoP-Nonce", self.server.encode(), time])
        return hmac.digest(key, message, "sha256")[:_CODE_OCTETS]
