"""Values that must not be seen, and how we make them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable
from os import urandom
from typing import NoReturn
from zlib import crc32

import attrs

from oauthgrants.brief import brief

Randomness = Callable[[int], bytes]
"""Returns as many random octets as it is asked for; the system's generator by default."""

_RANDOM_OCTETS = 32
_CHECKSUM_OCTETS = 4
# 36 octets fill them, so that there is one spelling of each value.
_CHARACTERS = re.compile("[A-Za-z0-9_-]{48}")


@brief(eq=False, repr=False, unsafe_hash=False)
class Secret:
    """
    A password, client secret or token in the clear.

    It hides from ``repr``, ``str`` and formatting, refuses to be pickled, and
    has no ``==`` of its own: compare digests, in constant time.

    >>> password = Secret("wonderland")
    >>> f"{password} {password!r}"
    'Secret(…) Secret(…)'
    >>> password.reveal()
    'wonderland'
    """

    _value: str

    def reveal(self) -> str:
        """Return the clear text; for hashing and for the wire alone."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied into a cache, a queue or a file."""
        raise TypeError("a Secret cannot be pickled; pass its digest on instead")


@attrs.frozen
class SecretFormat:
    """
    The form of the tokens and secrets that we make: kind, 256 random bits, a checksum.

    The kind is ``ogat_`` (access token), ``ogrt_`` (refresh token) or ``ogcs_`` (client
    secret). After it come 48 characters of the base64url alphabet: 32 random octets, and the
    CRC-32 of kind and octets. Secret scanners find such a value without false alarms, garbage
    is refused without a look-up, and every character form-encodes to itself.

    Attributes:
        prefix: The kind.
        random: The source of randomness.

    >>> access_token = SecretFormat("ogat_")
    >>> value = access_token.generate()
    >>> len(value.reveal()), access_token.recognises(value)
    (53, True)
    """

    prefix: str
    random: Randomness = urandom
    _seed: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        # Seeded with the kind, so that a value cannot pass as one of another kind.
        object.__setattr__(self, "_seed", crc32(self.prefix.encode()))

    def generate(self) -> Secret:
        """Return a new value."""
        octets = self.random(_RANDOM_OCTETS)
        checksum = crc32(octets, self._seed).to_bytes(_CHECKSUM_OCTETS, "big")
        return Secret(self.prefix + urlsafe_b64encode(octets + checksum).decode())

    def recognises(self, value: Secret) -> bool:
        """Return whether *value* has this kind, this length and the right checksum."""
        text = value.reveal()
        return text.startswith(self.prefix) and self._is_whole(text.removeprefix(self.prefix))

    def is_garbled(self, value: Secret) -> bool:
        """Return whether *value* has the prefix of this kind and is malformed: nobody issued it."""
        text = value.reveal()
        return text.startswith(self.prefix) and not self._is_whole(text.removeprefix(self.prefix))

    def _is_whole(self, text: str) -> bool:
        # The decoder skips what is not of its alphabet.
        if _CHARACTERS.fullmatch(text) is None:
            return False
        octets = a2b_base64(text.replace("-", "+").replace("_", "/"))
        checksum = crc32(octets[:_RANDOM_OCTETS], self._seed)
        return octets.endswith(checksum.to_bytes(_CHECKSUM_OCTETS, "big"))


def random_id(octets: int = 16, random: Randomness = urandom) -> str:
    """
    Return a random identifier of letters, digits, ``-`` and ``_``.

    Args:
        octets: How many random octets it stands for; 16 make 22 characters.
        random: The source of randomness.
    """
    return urlsafe_b64encode(random(octets)).decode().rstrip("=")
