"""
The tokens that stores are filled with.

Of ten, eight belong to clients alone, and two to a sign-in: an access token and its refresh
token. Digests are as random as those of tokens, and follow from a number, so that any token can
be made again to look for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from oauthgrants import AccessToken, Client, RefreshToken, Scope, Secret

Tokens = tuple[AccessToken, RefreshToken | None]

_IN_TEN = 10
_CLIENTS = 100
_SCOPE = Scope.of("reports:read reports:write")
_AUDIENCE = ("https://api.example.com",)
_ACCESS_LIFETIME = timedelta(hours=1)
_REFRESH_LIFETIME = timedelta(days=30)
_LONG_AGO = timedelta(days=60)


class Population:
    """
    So many tokens, all alive for the next half an hour.

    Attributes:
        size: How many there are, a multiple of ten.
        now: When the last of them was issued; the others in the half hour before.
    """

    def __init__(self, size: int, *, now: datetime | None = None) -> None:
        self.size = size
        self.now = datetime.now(UTC) if now is None else now
        self._random = Random(size)

    @property
    def sign_ins(self) -> int:
        """How many families there are."""
        return self.size // _IN_TEN

    def __iter__(self) -> Iterator[Tokens]:
        """Return all tokens, in the order in which they were issued."""
        for number in range(self.size - self.sign_ins):
            issued_at = self._issued_at(number)
            yield (
                (access_token(number, issued_at), None)
                if number % (_IN_TEN - 1)
                else sign_in(number // (_IN_TEN - 1), issued_at)
            )

    def random_access_digest(self) -> bytes:
        """Return the digest of any of the access tokens of clients alone."""
        number = self._random.randrange(self.size - self.sign_ins)
        return digest_of("access", number if number % (_IN_TEN - 1) else number + 1)

    def some_refresh_tokens(self, most: int) -> list[RefreshToken]:
        """Return so many of the refresh tokens, any and in any order."""
        families = self._random.sample(range(self.sign_ins), min(most, self.sign_ins))
        return [sign_in(family, self._issued_at(family * (_IN_TEN - 1)))[1] for family in families]

    def _issued_at(self, number: int) -> datetime:
        return self.now - _ACCESS_LIFETIME / 2 * (1 - number / self.size)


def digest_of(kind: str, number: int) -> bytes:
    """Return 32 octets that look random, the same each time."""
    return sha256(f"{kind} {number}".encode()).digest()


def access_token(number: int, issued_at: datetime) -> AccessToken:
    """Return a token of ``client_credentials``."""
    client_id = f"client-{number % _CLIENTS}"
    return AccessToken(
        digest=digest_of("access", number),
        client_id=client_id,
        sub=client_id,
        scope=_SCOPE,
        audience=_AUDIENCE,
        issued_at=issued_at,
        lifetime=_ACCESS_LIFETIME,
    )


def sign_in(number: int, issued_at: datetime) -> tuple[AccessToken, RefreshToken]:
    """Return both tokens of a sign-in."""
    family = digest_of("family", number)[:11].hex()  # 22 characters, as `random_id` makes them
    refresh = RefreshToken(
        digest=digest_of("refresh", number),
        client_id=f"client-{number % _CLIENTS}",
        sub=f"user-{number}",
        username=f"user-{number}@example.com",
        scope=_SCOPE,
        audience=_AUDIENCE,
        grant_type="password",
        issued_at=issued_at,
        lifetime=_REFRESH_LIFETIME,
        family=family,
    )
    return access_beside(refresh, digest_of("access of sign-in", number)), refresh


def access_beside(refresh: RefreshToken, digest: bytes) -> AccessToken:
    """Return the access token that goes with *refresh*."""
    return AccessToken(
        digest=digest,
        client_id=refresh.client_id,
        sub=refresh.sub,
        username=refresh.username,
        scope=refresh.scope,
        audience=refresh.audience,
        issued_at=refresh.issued_at,
        lifetime=_ACCESS_LIFETIME,
        family=refresh.family,
    )


def expired_token(number: int, now: datetime) -> Tokens:
    """Return a token of a client that has expired."""
    # No live token has a number below zero.
    return access_token(-1 - number, now - _LONG_AGO), None


def clients() -> list[tuple[Client, Secret]]:
    """Return the clients that the tokens are of, and their secrets."""
    return [
        Client.confidential(
            f"client-{number}",
            grant_types=["client_credentials", "password", "refresh_token"],
            scope=_SCOPE,
            default_scope=_SCOPE,
            resources=_AUDIENCE,
            introspects=_AUDIENCE,
            first_party=True,
        )
        for number in range(_CLIENTS)
    ]
