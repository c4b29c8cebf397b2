"""
Password hashes that an older system left behind, and Argon2id for all that come after.

`Passwords` checks bcrypt, as PHP, Ruby and Python write it, PBKDF2, as Django and Werkzeug write
it, and Argon2id; and it says what to keep instead of an old hash once its password has come by.
Needs ``bcrypt``, for the format of that name.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from hmac import compare_digest
from os import urandom
from typing import Protocol

import attrs
import bcrypt

from oauthgrants import Argon2idHasher, Secret


class OldFormat(Protocol):
    """A way in which hashes were written once, and are no more."""

    def recognises(self, encoded: str) -> bool:
        """Return whether *encoded* is written so."""
        ...

    def covers(self, password: bytes) -> bool:
        """Return whether all of *password* counts."""
        ...

    def verify(self, encoded: str | None, password: bytes) -> bool:
        """
        Return whether *password* matches *encoded*.

        None, and what was made at less than the usual cost, cost as much as the usual.
        """
        ...


@attrs.frozen(kw_only=True)
class Bcrypt:
    """
    ``$2b$12$…``, and ``$2a$`` and ``$2y$``.

    bcrypt looks at 72 octets, and most of its libraries dropped the rest without a word. So did
    what made these hashes: refused, whoever has a longer password could never sign in again.
    Cut here, they can; but `covers` says that a mistake further on went unnoticed, so that
    nobody takes what was typed for the whole password.

    Attributes:
        cost: The highest among the hashes that there are, a power of two.
    """

    cost: int = 12

    _HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
    _MOST_OCTETS = 72

    def recognises(self, encoded: str) -> bool:
        """Return whether *encoded* is of bcrypt."""
        return self._HASH.fullmatch(encoded) is not None

    def covers(self, password: bytes) -> bool:
        """Return whether bcrypt looks at all of *password*."""
        return len(password) <= self._MOST_OCTETS

    def verify(self, encoded: str | None, password: bytes) -> bool:
        """Return whether *password* matches; the work is that of `cost` at least."""
        octets = password[: self._MOST_OCTETS]
        match = None if encoded is None else self._HASH.fullmatch(encoded)
        if match is None:
            bcrypt.hashpw(octets, bcrypt.gensalt(self.cost))
            return False
        matches = bcrypt.checkpw(octets, match[0].encode())
        # What is missing to 2^cost: 2^c has been done, and 2^c + 2^(c+1) + … + 2^(cost-1) follow.
        for cost in range(int(match[1]), self.cost):
            bcrypt.hashpw(octets, bcrypt.gensalt(cost))
        return matches


@attrs.frozen(kw_only=True)
class Pbkdf2:
    """
    PBKDF2 with HMAC and SHA-256 (RFC 8018, 5.2), in two spellings.

    Django's is ``pbkdf2_sha256$iterations$salt$`` and base64. Werkzeug's is
    ``pbkdf2:sha256:iterations$salt$`` and what ``hashlib.pbkdf2_hmac(…).hex()`` says.

    Attributes:
        iterations: The highest among the hashes that there are.
    """

    iterations: int = 1_000_000

    _HASH = re.compile(
        r"(?:pbkdf2_sha256\$(?P<django>[1-9]\d{0,9})|pbkdf2:sha256:(?P<werkzeug>[1-9]\d{0,9}))"
        r"\$(?P<salt>[^$]+)\$"
        r"(?P<derived>(?(django)[A-Za-z0-9+/]{43}=|[0-9a-f]{64}))",
        re.ASCII,
    )

    def recognises(self, encoded: str) -> bool:
        """Return whether *encoded* is in one of the two spellings."""
        return self._HASH.fullmatch(encoded) is not None

    def covers(self, password: bytes) -> bool:  # noqa: ARG002  # whatever it is
        """Return True: PBKDF2 has no limit."""
        return True

    def verify(self, encoded: str | None, password: bytes) -> bool:
        """Return whether *password* matches; the work is that of `iterations` at least."""
        match = None if encoded is None else self._HASH.fullmatch(encoded)
        if match is None:
            self._derive(password, urandom(16), self.iterations)
            return False
        iterations, salt = int(match["django"] or match["werkzeug"]), match["salt"].encode()
        derived = self._derive(password, salt, iterations)
        if iterations < self.iterations:
            self._derive(password, salt, self.iterations - iterations)
        kept = match["derived"]
        return compare_digest(derived, b64decode(kept) if match["django"] else bytes.fromhex(kept))

    def _derive(self, password: bytes, salt: bytes, iterations: int) -> bytes:
        return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


@attrs.frozen(kw_only=True)
class Passwords:
    """
    Checks hashes of every age, and makes new ones.

    Attributes:
        current: What new hashes are made with.
        old: The formats that the table still has. Each costs its time at every sign-in, so
            take one out when the last of its hashes is gone.
    """

    current: Argon2idHasher = attrs.field(factory=Argon2idHasher)
    old: tuple[OldFormat, ...] = (Bcrypt(), Pbkdf2())

    def verify(self, encoded: str | None, password: Secret) -> bool:
        """
        Return whether *password* matches *encoded*, None for a user who is unknown or has none.

        Every format does its work at each call. Else a stopwatch would tell who exists and has
        not signed in since the formats changed.

        Raises:
            ValueError: *encoded* is of no format that we know.
        """
        if encoded is not None and encoded.startswith("!"):
            encoded = None  # how Django marks a password that nobody can use
        own = self._find_old(encoded)
        matches = self.current.verify(encoded if own is None else None, password)
        octets = password.reveal().encode()
        for old in self.old:
            matches |= old.verify(encoded if old is own else None, octets)
        return matches

    def strengthen(self, encoded: str, password: Secret) -> str | None:
        """
        Return what to keep in the place of *encoded*, None if it is to stay.

        Args:
            encoded: One that *password* has matched.
            password: As sent.
        """
        own = self._find_old(encoded)
        if own is None:
            is_weak = self.current.needs_rehash(encoded)
        else:
            is_weak = own.covers(password.reveal().encode())
        return self.current.hash(password) if is_weak else None

    def _find_old(self, encoded: str | None) -> OldFormat | None:
        if encoded is None:
            return None
        return next((old for old in self.old if old.recognises(encoded)), None)
