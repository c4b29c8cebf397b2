"""Every port on Django's ORM, in both colours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from oauthgrants.adapters.django.stored_clients import StoredClients
from oauthgrants.adapters.django.stored_limits import StoredLimits
from oauthgrants.adapters.django.stored_tokens import StoredTokens
from oauthgrants.adapters.django.users import DjangoUsers
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


def _in_async(
    method: Callable[Concatenate[DjangoStore, P], T],
) -> Callable[Concatenate[AsyncDjangoStore, P], Awaitable[T]]:
    """Return *method* as one of `AsyncDjangoStore`."""
    in_thread = sync_to_async(method, thread_sensitive=True)

    @wraps(method)
    async def call(self: AsyncDjangoStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(self.sync, *args, **kwargs)

    return call


class AsyncDjangoStore:
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
        self.sync = DjangoStore(using=using, users=users)
        """The same store, for sync code."""

    add_client = _in_async(DjangoStore.add_client)
    replace_client = _in_async(DjangoStore.replace_client)
    find_client = _in_async(DjangoStore.find_client)
    replace_client_secret = _in_async(DjangoStore.replace_client_secret)
    find_user = _in_async(DjangoStore.find_user)
    find_user_by_sub = _in_async(DjangoStore.find_user_by_sub)
    replace_password_hash = _in_async(DjangoStore.replace_password_hash)
    save_tokens = _in_async(DjangoStore.save_tokens)
    find_access_token = _in_async(DjangoStore.find_access_token)
    find_refresh_token = _in_async(DjangoStore.find_refresh_token)
    rotate_refresh_token = _in_async(DjangoStore.rotate_refresh_token)
    revoke_family = _in_async(DjangoStore.revoke_family)
    revoke_access_token = _in_async(DjangoStore.revoke_access_token)
    save_mfa_token = _in_async(DjangoStore.save_mfa_token)
    find_mfa_token = _in_async(DjangoStore.find_mfa_token)
    take_mfa_token = _in_async(DjangoStore.take_mfa_token)
    deny = _in_async(DjangoStore.deny)
    is_denied = _in_async(DjangoStore.is_denied)
    add_if_absent = _in_async(DjangoStore.add_if_absent)
    begin_attempt = _in_async(DjangoStore.begin_attempt)
    withdraw_attempt = _in_async(DjangoStore.withdraw_attempt)
    clear_attempts = _in_async(DjangoStore.clear_attempts)
    remember_source = _in_async(DjangoStore.remember_source)
    is_known_source = _in_async(DjangoStore.is_known_source)
    delete_expired = _in_async(DjangoStore.delete_expired)
