"""What every server of these tests knows."""

from __future__ import annotations

from typing import Protocol

from oauthgrants import Client, MemoryStore, User
from oauthgrants.ports import MaybeAwaitable


class Registry(Protocol):
    """What stores have that keep clients and users."""

    def add_client(self, client: Client) -> MaybeAwaitable[None]:
        """Register *client*."""
        ...

    def add_user(self, user: User) -> MaybeAwaitable[None]:
        """Add *user*."""
        ...


def copy_registrations(known: MemoryStore, store: Registry) -> None:
    """Copy the clients "app" and "service", and the user."""
    for client_id in ("app", "service"):
        client = known.find_client(client_id)
        assert client is not None
        store.add_client(client)
    user = known.find_user("alice")
    assert user is not None
    store.add_user(user)
