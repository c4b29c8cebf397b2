"""Every port on Django's ORM, in both colours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from typing_extensions import override

from oauthgrants.adapters.django.stored_clients import StoredClients
from oauthgrants.adapters.django.stored_limits import StoredLimits
from oauthgrants.adapters.django.stored_tokens import StoredTokens
from oauthgrants.adapters.django.users import DjangoUsers
from oauthgrants.stores.colours import InAsync, Operation, find_operation
from oauthgrants.users import User

P = ParamSpec("P")
T = TypeVar("T")


class DjangoStore(StoredClients, StoredTokens, StoredLimits):
    """
    Fills every port on Django's ORM, for `AuthorizationServer`.

    Each call is a transaction of its own, and is tried again after a deadlock; within a
    transaction of the host's it is a part of that, and lasts if that is committed.

    >>> from oauthgrants import Client
    >>> store = DjangoStore()
    >>> client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    >>> store.add_client(client)
    >>> store.find_client("reports") == client
    True
    """

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        return self.users.find_user(username)

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        return self.users.find_user_by_sub(sub)

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Do what `DjangoUsers` does: nothing, unless a subclass does more."""
        self.users.replace_password_hash(sub, old, new)


class AsyncDjangoStore(InAsync):
    """
    Fills every port on Django's ORM, for `AsyncAuthorizationServer`.

    The ORM is sync, and its connections belong to threads. So each call runs in the thread that
    Django has for the request, whose connection Django closes or keeps as ``CONN_MAX_AGE`` says;
    in threads of somebody else's, connections would stay open for ever.
    """

    def __init__(self, *, using: str | None = None, users: DjangoUsers | None = None) -> None:
        """
        Make a store.

        Args:
            using: As for `DjangoStore`.
            users: As for `DjangoStore`.
        """
        self.sync: DjangoStore = DjangoStore(using=using, users=users)
        """The same store, for sync code."""

    @override
    async def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(find_operation(self.sync, operation), *args, **kwargs)

    async def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""
        return await self._in_thread(self.sync.delete_expired, now, limit)

    async def _in_thread(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await sync_to_async(method, thread_sensitive=True)(*args, **kwargs)
