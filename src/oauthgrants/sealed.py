"""Secrets that a server has to know in the clear, encrypted where they are kept."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from os import urandom
from typing import TYPE_CHECKING, NoReturn

from oauthgrants.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SEALED = "sealed:"
_KEY_OCTETS = 32
_NONCE_OCTETS = 12


class CannotOpen(Exception):
    """What is sealed was sealed with another key, or for another owner, or was changed."""


class SealingKey:
    """
    The host's key for secrets that the server has to read again: AES-256-GCM.

    Keep it apart from the store, or whoever has the store has both. Each sealed secret has a
    nonce of its own and is bound to its owner, so that nobody can give it to another client.

    Args:
        key: 32 random octets, the same in all processes.
        former: Older keys, which still open what they have sealed.

    Raises:
        ValueError: A key has another length.

    >>> key = SealingKey(bytes(range(32)))
    >>> sealed = key.seal(Secret("wonderland"), owner="reports")
    >>> key.open(sealed, owner="reports").reveal()
    'wonderland'
    >>> key.open(sealed, owner="somebody-else")
    Traceback (most recent call last):
    ...
    oauthgrants.sealed.CannotOpen: the secret was sealed with another key or for another owner
    """

    def __init__(self, key: bytes, *, former: Iterable[bytes] = ()) -> None:
        keys = (key, *former)
        if any(len(each) != _KEY_OCTETS for each in keys):
            raise ValueError(f"a sealing key has {_KEY_OCTETS} random octets: os.urandom(32)")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._ciphers: tuple[AESGCM, ...] = tuple(AESGCM(each) for each in keys)

    @classmethod
    def generate(cls) -> SealingKey:
        """Return a new key that nobody knows, for secrets that do not outlive the process."""
        return cls(urandom(_KEY_OCTETS))

    def seal(self, secret: Secret, *, owner: str) -> str:
        """Return *secret* as printable ASCII that reveals nothing but its length."""
        nonce = urandom(_NONCE_OCTETS)
        octets = self._ciphers[0].encrypt(nonce, secret.reveal().encode(), _bound_to(owner))
        return _SEALED + urlsafe_b64encode(nonce + octets).decode()

    def open(self, sealed: str, *, owner: str) -> Secret:
        """
        Return the secret that `seal` has sealed for *owner*.

        Raises:
            CannotOpen: It was sealed with another key or for another owner, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            octets = urlsafe_b64decode(sealed.removeprefix(_SEALED))
        except ValueError:
            octets = b""
        nonce, rest = octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:]
        for cipher in self._ciphers if len(nonce) == _NONCE_OCTETS else ():
            try:
                return Secret(cipher.decrypt(nonce, rest, _bound_to(owner)).decode())
            except InvalidTag:
                continue
        raise CannotOpen("the secret was sealed with another key or for another owner")

    def __repr__(self) -> str:
        return "SealingKey(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied into a cache, a queue or a file."""
        raise TypeError("a SealingKey cannot be pickled")


def is_sealed(kept: str) -> bool:
    """Return whether *kept* comes from `SealingKey.seal`."""
    return kept.startswith(_SEALED)


def _bound_to(owner: str) -> bytes:
    return b"client_secret of " + owner.encode()
