"""
Every port in both colours, for stores that have their operations written once.

What such a store does stands in an object of one colour or the other. Its classes for hosts derive
from `InSync` or `InAsync`, which say of each operation how it is called and what it answers, and
say themselves how any of them is carried out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from typing_extensions import override

from oauthgrants.attempts import AttemptLimit
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports import MaybeAwaitable, Rotation, Store
from oauthgrants.tokens import AccessToken, MfaToken, RefreshToken
from oauthgrants.users import User

P = ParamSpec("P")
T = TypeVar("T")

Operation: TypeAlias = Callable[Concatenate[Any, P], MaybeAwaitable[T]]
"""One of `Operations`, as it is asked for."""


class Operations(Store, Protocol):
    """What a store does: it fills every port, and registers clients."""

    def add_client(self, client: Client) -> MaybeAwaitable[None]:
        """
        Register *client*.

        Raises:
            ValueError: Its ``client_id`` is a client's (RFC 6749, 2.2) or a user's ``sub``
                (RFC 9700, 4.15.1).
        """
        ...

    def replace_client(self, client: Client) -> MaybeAwaitable[None]:
        """
        Keep *client* in the place of the one with its ``client_id``.

        Raises:
            KeyError: There is none.
        """
        ...

    def add_client_secret(
        self,
        client_id: str,
        secret: ClientSecret,
        *,
        others_expire_at: datetime | None = None,
    ) -> MaybeAwaitable[None]:
        """
        Let a client authenticate by *secret* too, as `Client.with_secret` says.

        Raises:
            InvalidClientMetadata: It authenticates without secrets, or has a secret of this id.
            KeyError: There is no such client.
        """
        ...

    def delete_client_secret(self, client_id: str, secret_id: str) -> MaybeAwaitable[None]:
        """
        Let a client no longer authenticate by one of its secrets.

        Raises:
            InvalidClientMetadata: It has no secret of this id, or this is its only one.
            KeyError: There is no such client.
        """
        ...


class UserOperations(Operations, Protocol):
    """What a store does that keeps users too, since no framework of the host's does."""

    def add_user(self, user: User) -> MaybeAwaitable[None]:
        """
        Add *user*.

        Raises:
            ValueError: The ``username`` or ``sub`` is a user's, or the ``sub`` a ``client_id``
                (RFC 9700, 4.15.1).
            TimeoutError: A Redis server took half a minute; nothing was added.
        """
        ...

    def replace_user(self, user: User) -> MaybeAwaitable[None]:
        """
        Keep *user* in the place of the one with its ``sub``.

        Raises:
            KeyError: There is none.
            ValueError: The ``username`` is another user's.
            TimeoutError: A Redis server took half a minute; nothing was replaced.
        """
        ...


def find_operation(operations: Operations, operation: Callable[..., object]) -> Callable[..., Any]:
    """Return the method of *operations* that has the name of *operation*, one of `Operations`."""
    method: Callable[..., Any] = getattr(operations, operation.__name__)
    return method


class InSync(Operations):
    """A store whose methods are written ``def``."""

    @abstractmethod
    def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out the operation of this name, and return what it answers."""

    @override
    def add_client(self, client: Client) -> None:
        self._perform(Operations.add_client, client)

    @override
    def replace_client(self, client: Client) -> None:
        self._perform(Operations.replace_client, client)

    @override
    def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        self._perform(
            Operations.add_client_secret, client_id, secret, others_expire_at=others_expire_at
        )

    @override
    def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        self._perform(Operations.delete_client_secret, client_id, secret_id)

    @override
    def find_client(self, client_id: str) -> Client | None:
        return self._perform(Operations.find_client, client_id)

    @override
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        self._perform(Operations.replace_client_secret, client_id, old, new)

    @override
    def find_user(self, username: str) -> User | None:
        return self._perform(Operations.find_user, username)

    @override
    def find_user_by_sub(self, sub: str) -> User | None:
        return self._perform(Operations.find_user_by_sub, sub)

    @override
    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        self._perform(Operations.replace_password_hash, sub, old, new)

    @override
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        self._perform(Operations.save_tokens, access, refresh)

    @override
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        return self._perform(Operations.find_access_token, digest)

    @override
    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        return self._perform(Operations.find_refresh_token, digest)

    @override
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        return self._perform(Operations.rotate_refresh_token, spent, access, refresh, grace=grace)

    @override
    def revoke_family(self, family: str) -> None:
        self._perform(Operations.revoke_family, family)

    @override
    def revoke_access_token(self, digest: bytes) -> None:
        self._perform(Operations.revoke_access_token, digest)

    @override
    def deny(self, identifier: str, expires_at: datetime) -> None:
        self._perform(Operations.deny, identifier, expires_at)

    @override
    def is_denied(self, identifiers: Collection[str]) -> bool:
        return self._perform(Operations.is_denied, identifiers)

    @override
    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        return self._perform(Operations.add_if_absent, digest, expires_at)

    @override
    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        return self._perform(Operations.begin_attempt, digest, limit, now)

    @override
    def withdraw_attempt(self, digest: bytes) -> None:
        self._perform(Operations.withdraw_attempt, digest)

    @override
    def clear_attempts(self, digest: bytes) -> None:
        self._perform(Operations.clear_attempts, digest)

    @override
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        self._perform(Operations.remember_source, digest, expires_at)

    @override
    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return self._perform(Operations.is_known_source, digest, now)

    @override
    def save_mfa_token(self, token: MfaToken) -> None:
        self._perform(Operations.save_mfa_token, token)

    @override
    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        return self._perform(Operations.find_mfa_token, digest)

    @override
    def take_mfa_token(self, digest: bytes) -> bool:
        return self._perform(Operations.take_mfa_token, digest)


class UsersInSync(InSync, UserOperations):
    """A store that keeps users too."""

    @override
    def add_user(self, user: User) -> None:
        self._perform(UserOperations.add_user, user)

    @override
    def replace_user(self, user: User) -> None:
        self._perform(UserOperations.replace_user, user)


class InAsync(Operations):
    """A store whose methods are written ``async def``."""

    @abstractmethod
    async def _perform(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out the operation of this name, and return what it answers."""

    @override
    async def add_client(self, client: Client) -> None:
        await self._perform(Operations.add_client, client)

    @override
    async def replace_client(self, client: Client) -> None:
        await self._perform(Operations.replace_client, client)

    @override
    async def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        await self._perform(
            Operations.add_client_secret, client_id, secret, others_expire_at=others_expire_at
        )

    @override
    async def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        await self._perform(Operations.delete_client_secret, client_id, secret_id)

    @override
    async def find_client(self, client_id: str) -> Client | None:
        return await self._perform(Operations.find_client, client_id)

    @override
    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        await self._perform(Operations.replace_client_secret, client_id, old, new)

    @override
    async def find_user(self, username: str) -> User | None:
        return await self._perform(Operations.find_user, username)

    @override
    async def find_user_by_sub(self, sub: str) -> User | None:
        return await self._perform(Operations.find_user_by_sub, sub)

    @override
    async def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        await self._perform(Operations.replace_password_hash, sub, old, new)

    @override
    async def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        await self._perform(Operations.save_tokens, access, refresh)

    @override
    async def find_access_token(self, digest: bytes) -> AccessToken | None:
        return await self._perform(Operations.find_access_token, digest)

    @override
    async def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        return await self._perform(Operations.find_refresh_token, digest)

    @override
    async def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        return await self._perform(
            Operations.rotate_refresh_token, spent, access, refresh, grace=grace
        )

    @override
    async def revoke_family(self, family: str) -> None:
        await self._perform(Operations.revoke_family, family)

    @override
    async def revoke_access_token(self, digest: bytes) -> None:
        await self._perform(Operations.revoke_access_token, digest)

    @override
    async def deny(self, identifier: str, expires_at: datetime) -> None:
        await self._perform(Operations.deny, identifier, expires_at)

    @override
    async def is_denied(self, identifiers: Collection[str]) -> bool:
        return await self._perform(Operations.is_denied, identifiers)

    @override
    async def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        return await self._perform(Operations.add_if_absent, digest, expires_at)

    @override
    async def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        return await self._perform(Operations.begin_attempt, digest, limit, now)

    @override
    async def withdraw_attempt(self, digest: bytes) -> None:
        await self._perform(Operations.withdraw_attempt, digest)

    @override
    async def clear_attempts(self, digest: bytes) -> None:
        await self._perform(Operations.clear_attempts, digest)

    @override
    async def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        await self._perform(Operations.remember_source, digest, expires_at)

    @override
    async def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return await self._perform(Operations.is_known_source, digest, now)

    @override
    async def save_mfa_token(self, token: MfaToken) -> None:
        await self._perform(Operations.save_mfa_token, token)

    @override
    async def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        return await self._perform(Operations.find_mfa_token, digest)

    @override
    async def take_mfa_token(self, digest: bytes) -> bool:
        return await self._perform(Operations.take_mfa_token, digest)


class UsersInAsync(InAsync, UserOperations):
    """A store that keeps users too."""

    @override
    async def add_user(self, user: User) -> None:
        await self._perform(UserOperations.add_user, user)

    @override
    async def replace_user(self, user: User) -> None:
        await self._perform(UserOperations.replace_user, user)
