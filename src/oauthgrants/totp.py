"""Codes of authenticator applications (RFC 6238), and recovery codes for lost ones."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from binascii import Error as NotBase32
from collections.abc import Iterable, Mapping
from hashlib import sha256
from os import urandom
from threading import Lock
from urllib.parse import quote

import attrs

from oauthgrants.clients import Client
from oauthgrants.ports import Clock, TotpSecrets, never_blocks, resolve, utc_now
from oauthgrants.secret import Randomness, Secret
from oauthgrants.users import User

_DIGITS = 6
_PERIOD = 30
_SECRET_OCTETS = 20  # RFC 4226, Section 4, R6: 160 bits are recommended
_LEAST_OCTETS = 16  # and 128 demanded
_CODE = re.compile("[0-9]{6}", re.ASCII)
_RECOVERY_OCTETS = 10
_NOT_IN_CODES = re.compile("[- ]")


@attrs.frozen(kw_only=True)
class TotpFactor:
    """
    Six digits that change every half minute (RFC 6238), or a recovery code.

    A code is accepted from half a minute before its time to half a minute after it, for clocks
    that differ (RFC 6238, 5.2).

    Attributes:
        secrets: What users share with their applications. Users with a secret are asked for
            codes; the others are not.
        clock: Tells the time.
    """

    secrets: TotpSecrets
    clock: Clock = utc_now

    async def is_wanted(
        self,
        user: User,
        client: Client,  # noqa: ARG002  # the port's, for hosts that care who asks
    ) -> bool:
        """Return whether *user* has a secret."""
        return await resolve(self.secrets.find_totp_secret(user.sub)) is not None

    async def verify_otp(
        self,
        user: User,
        otp: Secret,
        client: Client,  # noqa: ARG002
    ) -> bool:
        """Return whether *otp* is a code of now, or one of the user's recovery codes."""
        if not _CODE.fullmatch(otp.reveal()):
            return await resolve(self.secrets.take_recovery_code(user.sub, recovery_digest(otp)))
        secret = await resolve(self.secrets.find_totp_secret(user.sub))
        return secret is not None and self._is_of_now(secret, otp)

    def _is_of_now(self, secret: Secret, otp: Secret) -> bool:
        # Imported here, so that services without second factors never load it.
        from cryptography.hazmat.primitives.hashes import SHA1
        from cryptography.hazmat.primitives.twofactor import InvalidToken
        from cryptography.hazmat.primitives.twofactor.totp import TOTP

        totp = TOTP(_decode(secret), _DIGITS, SHA1(), _PERIOD)  # noqa: S303  # RFC 6238's
        now = int(self.clock().timestamp())
        for moment in (now, now - _PERIOD, now + _PERIOD):
            try:
                totp.verify(otp.reveal().encode(), max(moment, 0))
            except InvalidToken:
                continue
            return True
        return False


def make_totp_secret(random: Randomness = urandom) -> Secret:
    """
    Return a new secret, in base32 as authenticator applications read it.

    >>> len(make_totp_secret().reveal())
    32
    """
    return Secret(b32encode(random(_SECRET_OCTETS)).decode())


def totp_uri(secret: Secret, *, username: str, issuer: str) -> Secret:
    """
    Return the URI that an authenticator application reads from a QR code.

    >>> totp_uri(Secret("MFRGGZDFMZTWQ2LKNNWG23TPOA"), username="alice", issuer="A B").reveal()
    'otpauth://totp/A%20B:alice?secret=MFRGGZDFMZTWQ2LKNNWG23TPOA&issuer=A%20B'
    """
    label, issuer = f"{quote(issuer, safe='')}:{quote(username, safe='')}", quote(issuer, safe="")
    return Secret(f"otpauth://totp/{label}?secret={secret.reveal()}&issuer={issuer}")


def require_totp_secret(secret: Secret) -> None:
    """
    Check that *secret* is base32 of 128 bits or more (RFC 4226, 4).

    Raises:
        ValueError: It is not.
    """
    try:
        octets = _decode(secret)
    except NotBase32:
        octets = b""
    if len(octets) < _LEAST_OCTETS:
        raise ValueError("has to be base32 of 128 bits or more (RFC 4226, Section 4)")


def make_recovery_codes(count: int = 10, random: Randomness = urandom) -> list[Secret]:
    """
    Return new codes, each good for one sign-in without the application.

    >>> [code] = make_recovery_codes(1, random=bytes)
    >>> code.reveal()
    'AAAA-AAAA-AAAA-AAAA'
    """
    texts = [b32encode(random(_RECOVERY_OCTETS)).decode() for _ in range(count)]
    return [
        Secret("-".join(text[place : place + 4] for place in range(0, len(text), 4)))
        for text in texts
    ]


def recovery_digest(code: Secret) -> bytes:
    """
    Return the 32 octets under which a recovery code is kept: its SHA-256.

    With 80 random bits there is nothing to guess. Hyphens, spaces and case do not matter.
    """
    return sha256(_NOT_IN_CODES.sub("", code.reveal()).upper().encode()).digest()


@never_blocks
class MemoryTotpSecrets:
    """
    Secrets in memory: for tests, for development, for one process that may forget.

    >>> secrets = MemoryTotpSecrets({"user-1": make_totp_secret()})
    >>> secrets.find_totp_secret("user-2") is None
    True
    """

    def __init__(
        self,
        secrets: Mapping[str, Secret],
        recovery_codes: Mapping[str, Iterable[Secret]] | None = None,
    ) -> None:
        """
        Keep *secrets*, and digests of *recovery_codes*, by ``sub``.

        Raises:
            ValueError: A secret is not base32, or is too short.
        """
        for secret in secrets.values():
            require_totp_secret(secret)
        self._lock = Lock()
        self._secrets = dict(secrets)
        self._codes = {
            sub: {recovery_digest(code) for code in codes}
            for sub, codes in (recovery_codes or {}).items()
        }

    def find_totp_secret(self, sub: str) -> Secret | None:
        """Return the secret of this user, None if there is none."""
        return self._secrets.get(sub)

    def take_recovery_code(self, sub: str, digest: bytes) -> bool:
        """Forget a recovery code of this user, and return whether it was there."""
        with self._lock:
            codes = self._codes.get(sub, set())
            if digest not in codes:
                return False
            codes.remove(digest)
            return True


def _decode(secret: Secret) -> bytes:
    text = secret.reveal().replace(" ", "").upper()
    return b32decode(text + "=" * (-len(text) % 8))
