"""Everything in memory: for tests, for development, for one process that may forget."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from threading import Lock

import attrs

from oauthgrants.clients import Client, ClientSecret
from oauthgrants.ports import Clock, Rotation, never_blocks, utc_now
from oauthgrants.tokens import AccessToken, RefreshToken
from oauthgrants.users import User

_A_FEW = 4
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@attrs.define
class _Family:
    """What a family needs to be revoked whole, and its last spent token to be known."""

    access: set[bytes] = attrs.field(factory=set[bytes])
    refresh: set[bytes] = attrs.field(factory=set[bytes])
    last_spent: bytes | None = None


@never_blocks
class MemoryStore:
    """
    Fills every port, keeps digests only, and is safe under threads and under asyncio.

    What has expired is dropped as new tokens come, a few for each, so that no call takes
    longer the more is stored.

    >>> store = MemoryStore()
    >>> client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    >>> store.add_client(client)
    >>> store.find_client("reports") is client
    True
    """

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = Lock()
        self._clients: dict[str, Client] = {}
        self._users: dict[str, User] = {}
        self._users_by_sub: dict[str, User] = {}
        self._access: dict[bytes, AccessToken] = {}
        self._refresh: dict[bytes, RefreshToken] = {}
        self._families: dict[str, _Family] = {}
        self._denied: dict[str, datetime] = {}
        self._expiry = _ExpiryQueue()

    @property
    def tokens(self) -> list[AccessToken | RefreshToken]:
        """All that is stored, for tests to look at."""
        with self._lock:
            return [*self._access.values(), *self._refresh.values()]

    def add_client(self, client: Client) -> None:
        """
        Register *client*.

        Raises:
            ValueError: Its ``client_id`` is a client's (RFC 6749, 2.2) or a user's ``sub``
                (RFC 9700, 4.15.1).
        """
        with self._lock:
            if client.client_id in self._clients:
                raise ValueError(f"client_id {client.client_id!r} is registered already")
            if client.client_id in self._users_by_sub:
                raise ValueError(f"client_id {client.client_id!r} is a user's sub")
            self._clients[client.client_id] = client

    def replace_client(self, client: Client) -> None:
        """
        Keep *client* in the place of the one with its ``client_id``.

        Raises:
            KeyError: There is none.
        """
        with self._lock:
            if client.client_id not in self._clients:
                raise KeyError(client.client_id)
            self._clients[client.client_id] = client

    def add_user(self, user: User) -> None:
        """
        Add *user*.

        Raises:
            ValueError: The ``username`` or ``sub`` is a user's, or the ``sub`` a ``client_id``
                (RFC 9700, 4.15.1).
        """
        with self._lock:
            if user.username in self._users:
                raise ValueError(f"username {user.username!r} exists already")
            if user.sub in self._users_by_sub:
                raise ValueError(f"sub {user.sub!r} exists already")
            if user.sub in self._clients:
                raise ValueError(f"sub {user.sub!r} is a client_id")
            self._put_user(user)

    def replace_user(self, user: User) -> None:
        """
        Keep *user* in the place of the one with its ``sub``.

        Raises:
            KeyError: There is none.
            ValueError: The ``username`` is another user's.
        """
        with self._lock:
            replaced = self._users_by_sub[user.sub]
            if self._users.get(user.username, replaced) is not replaced:
                raise ValueError(f"username {user.username!r} exists already")
            # Look-ups take no lock: the new one is there before the old one goes.
            self._put_user(user)
            if user.username != replaced.username:
                del self._users[replaced.username]

    def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        return self._clients.get(client_id)

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep *new* in the place of *old*."""
        with self._lock:
            client = self._clients.get(client_id)
            if client is not None and old in client.secrets:
                secrets = tuple(new if kept == old else kept for kept in client.secrets)
                self._clients[client_id] = attrs.evolve(client, secrets=secrets)

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        return self._users.get(username)

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        return self._users_by_sub.get(sub)

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*."""
        with self._lock:
            user = self._users_by_sub.get(sub)
            if user is not None and user.password_hash == old:
                self._put_user(attrs.evolve(user, password_hash=new))

    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """Store both or neither."""
        with self._lock:
            self._put_tokens(access, refresh)

    def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        with self._lock:
            self._drop_access_token(digest)

    def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*, or as long as it was denied before."""
        with self._lock:
            self._drop_expired(self._clock())
            if expires_at > self._denied.get(identifier, _LONG_AGO):
                self._denied[identifier] = expires_at
                self._expiry.add(identifier, expires_at)

    def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        return not self._denied.keys().isdisjoint(identifiers)

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* tokens and denials at most, and say how many."""
        with self._lock:
            return self._drop_expired(now, limit)

    def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        return self._access.get(digest)

    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        return self._refresh.get(digest)

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        """Mark a refresh token as spent and store its successors, in one step."""
        with self._lock:
            token = self._refresh.get(spent)
            if token is None:
                return Rotation.MISSING
            family = self._families[token.family]
            if token.spent_at is None:
                self._refresh[spent] = attrs.evolve(token, spent_at=refresh.issued_at)
                family.last_spent = spent
            elif (
                # Without grace no clock is asked: another process's may be behind.
                not grace
                or family.last_spent != spent
                or refresh.issued_at >= token.spent_at + grace
            ):
                return Rotation.REPLAYED
            self._put_tokens(access, refresh)
            return Rotation.ROTATED

    def revoke_family(self, family: str) -> None:
        """End all tokens of *family*, access and refresh, in one step."""
        with self._lock:
            members = self._families.pop(family, _Family())
            for digest in members.access:
                self._access.pop(digest, None)
            for digest in members.refresh:
                self._refresh.pop(digest, None)

    def _put_user(self, user: User) -> None:
        self._users[user.username] = self._users_by_sub[user.sub] = user

    def _put_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        if access is not None:
            self._drop_expired(access.issued_at)
            self._access[access.digest] = access
            self._expiry.add(access.digest, access.expires_at)
            if access.family is not None:
                self._families.setdefault(access.family, _Family()).access.add(access.digest)
        if refresh is not None:
            self._drop_expired(refresh.issued_at)
            self._refresh[refresh.digest] = refresh
            self._expiry.add(refresh.digest, refresh.expires_at)
            self._families.setdefault(refresh.family, _Family()).refresh.add(refresh.digest)

    def _drop_expired(self, now: datetime, most: int = _A_FEW) -> int:
        expired = self._expiry.take_expired(now, most)
        for key in expired:
            if isinstance(key, bytes):
                self._drop_access_token(key)
                self._drop_refresh_token(key)
            elif self._denied.get(key, now) <= now:  # else it was denied again, for longer
                self._denied.pop(key, None)
        return len(expired)

    def _drop_access_token(self, digest: bytes) -> None:
        token = self._access.pop(digest, None)
        if token is not None and token.family is not None:
            self._leave_family(token.family, digest)

    def _drop_refresh_token(self, digest: bytes) -> None:
        token = self._refresh.pop(digest, None)
        if token is not None:
            self._leave_family(token.family, digest)

    def _leave_family(self, name: str, digest: bytes) -> None:
        family = self._families[name]
        family.access.discard(digest)
        family.refresh.discard(digest)
        if not family.access and not family.refresh:
            del self._families[name]


class _ExpiryQueue:
    """
    Digests of tokens, and denied identifiers, by the minute in which they expire.

    Each is added once and taken once; the heap holds a number a minute, so its depth depends
    on how long tokens live and not on how many there are.
    """

    def __init__(self) -> None:
        self._minutes: list[int] = []
        self._digests: dict[int, deque[bytes | str]] = {}

    def add(self, digest: bytes | str, expires_at: datetime) -> None:
        """Remember that *digest* expires at *expires_at*."""
        # The next full minute, so that what is taken has expired.
        minute = int(expires_at.timestamp()) // 60 + 1
        if minute not in self._digests:
            self._digests[minute] = deque()
            heappush(self._minutes, minute)
        self._digests[minute].append(digest)

    def take_expired(self, now: datetime, most: int) -> list[bytes | str]:
        """Return up to *most* digests that have expired by *now*, and forget them."""
        taken: list[bytes | str] = []
        passed = now.timestamp() // 60
        while self._minutes and self._minutes[0] <= passed and len(taken) < most:
            digests = self._digests[self._minutes[0]]
            taken.append(digests.popleft())
            if not digests:
                del self._digests[heappop(self._minutes)]
        return taken
