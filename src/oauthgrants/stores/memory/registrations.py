"""Clients and users in memory."""

from __future__ import annotations

from datetime import datetime

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports import Clock
from oauthgrants.stores.memory.shelf import Shelf
from oauthgrants.users import User


class RegistrationShelf(Shelf):
    """Fills `ClientStore` and `UserStore`; no identifier is both a client's and a user's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._clients: dict[str, Client] = {}
        self._users: dict[str, User] = {}
        self._users_by_sub: dict[str, User] = {}

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

    def list_clients(self) -> list[Client]:
        """Return all clients, in the order in which they were registered."""
        with self._lock:
            return list(self._clients.values())

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep *new* in the place of *old*."""
        with self._lock:
            client = self._clients.get(client_id)
            if client is not None and old in client.secrets:
                secrets = tuple(new if kept == old else kept for kept in client.secrets)
                self._clients[client_id] = attrs.evolve(client, secrets=secrets)

    def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        """
        Let a client authenticate by *secret* too, as `Client.with_secret` says.

        Raises:
            InvalidClientMetadata: It authenticates without secrets, or has one of this id.
            KeyError: There is no such client.
        """
        with self._lock:
            client = self._clients[client_id]
            self._clients[client_id] = client.with_secret(secret, others_expire_at=others_expire_at)

    def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        """
        Let a client no longer authenticate by one of its secrets.

        Raises:
            InvalidClientMetadata: It has none of this id, or no other.
            KeyError: There is no such client.
        """
        with self._lock:
            self._clients[client_id] = self._clients[client_id].without_secret(secret_id)

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        return self._users.get(username)

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        return self._users_by_sub.get(sub)

    def list_users(self) -> list[User]:
        """Return all users, in the order in which they were added."""
        with self._lock:
            return list(self._users_by_sub.values())

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*."""
        with self._lock:
            user = self._users_by_sub.get(sub)
            if user is not None and user.password_hash == old:
                self._put_user(attrs.evolve(user, password_hash=new))

    def _put_user(self, user: User) -> None:
        self._users[user.username] = self._users_by_sub[user.sub] = user
