"""Resource owners: the users of ``django.contrib.auth``, and of ``AUTH_USER_MODEL``."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import models, router
from django.http import HttpRequest

from oauthgrants.clients import Client
from oauthgrants.secret import Secret
from oauthgrants.users import Accepted, Disabled, PasswordOutcome, Rejected, User

current_request: ContextVar[HttpRequest | None] = ContextVar("current_request", default=None)
"""The request that is being answered, for authentication backends that look at it."""


class DjangoUsers:
    """
    The port `UserStore`, and what a subclass may change of it.

    The ``sub`` of a user is ``user:`` and the primary key: stable, and never a ``client_id``, as
    no client can be registered whose identifier begins so (RFC 9700, 4.15.1).

    >>> DjangoUsers().may_be_sub("user:7"), DjangoUsers().may_be_sub("reports")
    (True, False)
    """

    def __init__(
        self,
        model: type[AbstractBaseUser] | None = None,
        *,
        sub_field: str = "pk",
        sub_prefix: str = "user:",
    ) -> None:
        """
        Say which users there are.

        Args:
            model: Their model, ``AUTH_USER_MODEL`` by default.
            sub_field: The field that makes up the ``sub``; one that is unique, and never changes
                or comes again.
            sub_prefix: What stands before it. Without one, a client whose ``client_id`` is the
                ``sub`` of a user who exists is refused, but not the user who comes later.
        """
        self._model = model
        self._sub_field = sub_field
        self._sub_prefix = sub_prefix

    @property
    def model(self) -> type[AbstractBaseUser]:
        """The model."""
        return get_user_model() if self._model is None else self._model

    def to_user(self, account: AbstractBaseUser) -> User:
        """
        Return the resource owner whose *account* it is.

        A subclass may say here what scope may be granted: ``attrs.evolve(user, scope=…)``.
        """
        return User(
            sub=f"{self._sub_prefix}{getattr(account, self._sub_field)}",
            username=account.get_username(),
            active=account.is_active,
        )

    def find_account(self, sub: str) -> AbstractBaseUser | None:
        """Return the account with this subject identifier, None if there is none."""
        if not sub.startswith(self._sub_prefix) or "\0" in sub:
            return None
        try:
            account = self._accounts.get(**{self._sub_field: sub.removeprefix(self._sub_prefix)})
        except (self.model.DoesNotExist, OverflowError, ValueError, ValidationError):
            return None
        # " 5" and "05" are 5 to a database, but no identifiers of ours.
        return account if self.to_user(account).sub == sub else None

    def may_be_sub(self, text: str) -> bool:
        """Return whether *text* may be the subject identifier of a user, now or ever."""
        if self._sub_prefix:
            return text.startswith(self._sub_prefix)
        return self.find_account(text) is not None

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        if "\0" in username:
            return None
        try:
            return self.to_user(self._accounts.get_by_natural_key(username))
        except self.model.DoesNotExist:
            return None

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        account = self.find_account(sub)
        return None if account is None else self.to_user(account)

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Do nothing: Django sees to its hashes by itself."""

    @property
    def _accounts(self) -> Any:
        # A replica may not have heard yet that a user was deactivated.
        manager: models.Manager[Any] = self.model._default_manager  # noqa: SLF001  # documented
        return manager.db_manager(router.db_for_write(self.model))


class DjangoPasswords:
    """
    The port `PasswordVerifier`: ``django.contrib.auth.authenticate``, with all its backends.

    The backends are given the request, so those that count attempts and lock out see this one
    too. Of an unknown user Django hashes the password as well, so that timing tells nothing.
    """

    def __init__(self, users: DjangoUsers | None = None) -> None:
        """
        Make a verifier.

        Args:
            users: Makes resource owners of accounts.
        """
        self._users = DjangoUsers() if users is None else users

    def verify_password(
        self,
        username: str,
        password: Secret,
        client: Client,
    ) -> PasswordOutcome:
        """Return whose password it is, or why it is refused."""
        request = current_request.get()
        account: Any = authenticate(request, username=username, password=password.reveal())
        if account is None:
            # Looked up whoever it is. The answer goes to the event, and not to the client.
            user = self._users.find_user(username)
            if user is None:
                return Rejected()
            return Rejected(sub=user.sub) if user.active else Disabled(sub=user.sub)
        user = self._users.to_user(account)
        return Accepted(user) if user.active else Disabled(sub=user.sub)


class AsyncDjangoPasswords:
    """The same for `AsyncAuthorizationServer`, in the thread that Django has for the request."""

    def __init__(self, users: DjangoUsers | None = None) -> None:
        """
        Make a verifier.

        Args:
            users: Makes resource owners of accounts.
        """
        self._verify = sync_to_async(DjangoPasswords(users).verify_password)

    async def verify_password(
        self, username: str, password: Secret, client: Client
    ) -> PasswordOutcome:
        """Return whose password it is, or why it is refused."""
        return await self._verify(username, password, client)
