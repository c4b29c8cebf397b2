"""The contract of stores, for the memory store in both colours, whole and port by port."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from async_store import AsyncMemoryStore

from oauthgrants import AccessToken, ClientSecret, MemoryStore, RefreshToken
from oauthgrants.ports import Rotation
from oauthgrants.testing.store_contract import (
    ClientStoreContract,
    StoreContract,
    TokenStoreContract,
    UserStoreContract,
)


class TestMemoryStore(StoreContract[MemoryStore]):
    @contextmanager
    def open_store(self) -> Generator[MemoryStore, None, None]:
        yield MemoryStore()

    @contextmanager
    def connect_again(self, store: MemoryStore) -> Generator[MemoryStore, None, None]:
        yield store


class TestAsyncMemoryStore(StoreContract[AsyncMemoryStore]):
    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncMemoryStore, None]:
        yield AsyncMemoryStore(MemoryStore())

    @asynccontextmanager
    async def connect_again(
        self, store: AsyncMemoryStore
    ) -> AsyncGenerator[AsyncMemoryStore, None]:
        yield AsyncMemoryStore(store.kept)


class _OnlyTokens:
    """Has no other method, and deletes nothing."""

    def __init__(self) -> None:
        kept = MemoryStore()
        self.save_tokens = kept.save_tokens
        self.find_access_token = kept.find_access_token
        self.find_refresh_token = kept.find_refresh_token
        self.rotate_refresh_token = kept.rotate_refresh_token
        self.revoke_family = kept.revoke_family
        self.revoke_access_token = kept.revoke_access_token


class TestOnlyTokens(TokenStoreContract[_OnlyTokens]):
    """One way in, so that nothing is to be seen through another connection."""

    @contextmanager
    def open_store(self) -> Generator[_OnlyTokens, None, None]:
        yield _OnlyTokens()


class _ReadOnlyStore(MemoryStore):
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        pass

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        pass


class TestReadOnlyClients(ClientStoreContract[_ReadOnlyStore]):
    keeps_secrets = False

    @contextmanager
    def open_store(self) -> Generator[_ReadOnlyStore, None, None]:
        yield _ReadOnlyStore()


class TestReadOnlyUsers(UserStoreContract[_ReadOnlyStore]):
    keeps_passwords = False

    @contextmanager
    def open_store(self) -> Generator[_ReadOnlyStore, None, None]:
        yield _ReadOnlyStore()


class _PickyStore(MemoryStore):
    """Takes what a database does: text in UTF-8, without NUL."""

    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        self._require_text(access, refresh)
        super().save_tokens(access, refresh)

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        self._require_text(access, refresh)
        return super().rotate_refresh_token(spent, access, refresh, grace=grace)

    def _require_text(self, *tokens: AccessToken | RefreshToken | None) -> None:
        for token in tokens:
            if token is not None and b"\0" in token.sub.encode():
                raise ValueError("text has a NUL")


class TestPickyStore(TokenStoreContract[_PickyStore]):
    """What it refuses leaves no trace."""

    @contextmanager
    def open_store(self) -> Generator[_PickyStore, None, None]:
        yield _PickyStore()
