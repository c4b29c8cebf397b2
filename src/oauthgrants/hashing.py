"""How secrets are kept: digests of what machines made, Argon2id of what people chose."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from hmac import compare_digest
from os import urandom
from threading import Lock

import attrs

from oauthgrants.secret import Secret

_FAST = "sha256:"
_PHC = re.compile(
    r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}"
)
_SALT_OCTETS = 16
_HASH_OCTETS = 32
# Derivations with several lanes take their threads from one pool of OpenSSL's, where two at a
# time can wait for each other for ever (cryptography 50 with OpenSSL 4.0).
_LANES = Lock()


def token_digest(value: Secret) -> bytes:
    """Return the 32 octets under which stores know the token *value*: its SHA-256."""
    return sha256(value.reveal().encode()).digest()


def fast_digest(secret: Secret) -> str:
    """
    Return the digest of a *secret* that a machine made.

    With 128 random bits or more there is nothing to guess, so neither salt nor cost adds to
    it, and a token request stays fast.
    """
    return _FAST + sha256(secret.reveal().encode()).hexdigest()


def is_fast_digest(encoded: str) -> bool:
    """Return whether *encoded* comes from `fast_digest`."""
    return encoded.startswith(_FAST)


def matches_fast_digest(encoded: str, secret: Secret) -> bool:
    """Return whether *secret* has the digest *encoded*, in constant time."""
    return compare_digest(encoded, fast_digest(secret))


@attrs.frozen(kw_only=True)
class Argon2idHasher:
    """
    Argon2id (RFC 9106), the hash of passwords and of client secrets that people chose.

    The default costs are the second choice of RFC 9106, Section 4: 64 MiB for each
    verification that is under way.

    Attributes:
        memory_cost: KiB, at least eight a lane.
        time_cost: Passes over the memory.
        lanes: Degree of parallelism. With more than one, a process derives one hash at a time,
            whoever asks; with one, as many as there are threads.

    Raises:
        ValueError: A cost is less than RFC 9106, Section 3.1 allows.

    >>> hasher = Argon2idHasher(memory_cost=64, time_cost=1, lanes=1)
    >>> encoded = hasher.hash(Secret("wonderland"))
    >>> encoded.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    True
    >>> hasher.verify(encoded, Secret("wonderland")), hasher.verify(None, Secret("guess"))
    (True, False)
    >>> Argon2idHasher().needs_rehash(encoded)
    True
    """

    memory_cost: int = 64 * 1024
    time_cost: int = 3
    lanes: int = 4

    def __attrs_post_init__(self) -> None:
        if self.time_cost < 1 or self.lanes < 1 or self.memory_cost < 8 * self.lanes:
            raise ValueError(
                "time_cost and lanes have to be 1 or more, memory_cost 8 KiB or more for each lane"
            )

    def hash(self, secret: Secret) -> str:
        """Return *secret* as a PHC string with a salt of its own."""
        # Imported here, so that services without passwords never load it.
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        kdf = Argon2id(
            salt=urandom(_SALT_OCTETS),
            length=_HASH_OCTETS,
            iterations=self.time_cost,
            lanes=self.lanes,
            memory_cost=self.memory_cost,
        )
        with _turn(self.lanes):
            return kdf.derive_phc_encoded(secret.reveal().encode())

    def verify(self, encoded: str | None, secret: Secret) -> bool:
        """
        Return whether *secret* matches *encoded*; None costs the same and never matches.

        Raises:
            ValueError: *encoded* is not a PHC string of Argon2id.
        """
        if encoded is None:
            self.hash(secret)
            return False
        _, _, lanes = self._costs(encoded)
        from cryptography.exceptions import InvalidKey
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        try:
            with _turn(lanes):
                Argon2id.verify_phc_encoded(secret.reveal().encode(), encoded)
        except InvalidKey:
            return False
        return True

    def needs_rehash(self, encoded: str) -> bool:
        """
        Return whether *encoded* was made with less than these costs.

        Raises:
            ValueError: *encoded* is not a PHC string of Argon2id.
        """
        memory, time, _ = self._costs(encoded)
        return memory < self.memory_cost or time < self.time_cost

    @staticmethod
    def _costs(encoded: str) -> tuple[int, int, int]:
        match = _PHC.fullmatch(encoded)
        if match is None:
            raise ValueError(
                "the stored hash is not a PHC string of Argon2id ($argon2id$v=19$m=…,t=…,p=…$…$…); "
                "bring a Hasher that knows it, or hash the secret anew"
            )
        memory, time, lanes = map(int, match.groups())
        return memory, time, lanes


def _turn(lanes: int) -> AbstractContextManager[object]:
    """Return what to hold while deriving with so many lanes."""
    return _LANES if lanes > 1 else nullcontext()
