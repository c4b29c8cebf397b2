"""What DPoP proofs have to be, as the host says (RFC 9449, 4.3, 8 and 11.1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from importlib.util import find_spec
from os import urandom
from typing import Literal

import attrs

from oauthgrants.algorithms import ALGORITHMS, also_called
from oauthgrants.sender_constraints.target_uris import origin_of

_ALL = tuple(sorted(ALGORITHMS))
_MOST_AGE = timedelta(hours=1)
_MOST_LEEWAY = timedelta(minutes=5)
_LEAST_KEY_OCTETS = 32


def _new_key() -> bytes:
    return urandom(_LEAST_KEY_OCTETS)


def _to_algorithms(names: Iterable[str]) -> tuple[str, ...]:
    # EdDSA goes by two names, and clients write either (C-24).
    return tuple(sorted({each for name in names for each in also_called(name)}))


def _to_origins(urls: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(map(origin_of, [urls] if isinstance(urls, str) else urls))


@attrs.frozen(kw_only=True)
class DpopRules:
    """
    What DPoP proofs have to be, and whether they have to be there (RFC 9449).

    Attributes:
        required: Whether every client has to send proofs, and every token be bound to a key.
        algorithms: The algorithms that may sign them.
        longest_age: How long after its ``iat`` a proof may come, an hour at most.
        leeway: How far clocks may be apart, five minutes at most.
        nonces: ``required``: each proof needs a nonce of this server. ``on``: the first proof of
            a key needs none, and the answer to it brings the nonce for the next ones. ``off``: no
            nonces are given out, and none are looked at.
        nonce_lifetime: How long a nonce is good; in its second half the client gets the next one.
            A proof with a nonce is as old as the nonce, whatever the client's clock says.
        nonce_key: 32 random octets or more, the same in all processes that serve one URL. By
            default a random one, which is enough for a single process.
        former_nonce_keys: Older keys, whose nonces are still accepted.
        origins: Origins at which the server is reached beside that of its identifier, such as
            ``http://auth.internal:8000``. The ``Host`` of a request is not trusted, so that nobody
            can use proofs here that were made for another server.
        most: How many characters a proof may have.

    Raises:
        ValueError: A setting is out of bounds or unknown; says which.
    """

    required: bool = False
    algorithms: tuple[str, ...] = attrs.field(default=_ALL, converter=_to_algorithms)
    longest_age: timedelta = timedelta(minutes=1)
    leeway: timedelta = timedelta(seconds=30)
    nonces: Literal["off", "on", "required"] = "off"
    nonce_lifetime: timedelta = timedelta(minutes=5)
    nonce_key: bytes = attrs.field(factory=_new_key, repr=False)
    former_nonce_keys: tuple[bytes, ...] = attrs.field(default=(), converter=tuple, repr=False)
    origins: tuple[str, ...] = attrs.field(default=(), converter=_to_origins)
    most: int = 8 * 1024

    def __attrs_post_init__(self) -> None:
        unknown = sorted(set(self.algorithms) - ALGORITHMS)
        if unknown or not self.algorithms:
            raise ValueError(
                f"algorithms has {', '.join(unknown) or 'nothing'}; "
                f"there are {', '.join(sorted(ALGORITHMS))}"
            )
        if not timedelta(seconds=1) <= self.longest_age <= _MOST_AGE:
            raise ValueError("longest_age has to be seconds or minutes (RFC 9449, Section 4.3)")
        if not timedelta() <= self.leeway <= _MOST_LEEWAY:
            raise ValueError("leeway has to be a few minutes at most (RFC 9449, Section 11.1)")
        if self.nonces not in {"off", "on", "required"}:
            raise ValueError(f"nonces is {self.nonces!r}; there are off, on and required")
        if self.nonce_lifetime < timedelta(seconds=1):
            raise ValueError("nonce_lifetime has to be a second or more")
        if any(len(key) < _LEAST_KEY_OCTETS for key in (self.nonce_key, *self.former_nonce_keys)):
            raise ValueError(f"a nonce key has {_LEAST_KEY_OCTETS} random octets: os.urandom(32)")

    def require_library(self) -> None:
        """
        Check that proofs can be verified, without loading what does so.

        Raises:
            ModuleNotFoundError: joserfc is missing; says what to install.
        """
        if find_spec("joserfc") is None:
            raise ModuleNotFoundError(
                "DPoP needs joserfc: pip install 'oauthgrants[jwt]'", name="joserfc"
            )
