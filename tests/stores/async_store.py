"""The memory store behind coroutines that do suspend."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from oauthgrants import AccessToken, Client, ClientSecret, MemoryStore, RefreshToken, User
from oauthgrants.ports import AttemptLimit, Rotation
from oauthgrants.tokens import MfaToken


class AsyncMemoryStore:
    """Gives way to other tasks before and after it does anything, as a driver would."""

    def __init__(self, kept: MemoryStore) -> None:
        self.kept = kept

    async def add_client(self, client: Client) -> None:
        await asyncio.sleep(0)
        self.kept.add_client(client)
        await asyncio.sleep(0)

    async def add_user(self, user: User) -> None:
        await asyncio.sleep(0)
        self.kept.add_user(user)
        await asyncio.sleep(0)

    async def find_client(self, client_id: str) -> Client | None:
        await asyncio.sleep(0)
        return self.kept.find_client(client_id)

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        await asyncio.sleep(0)
        self.kept.replace_client_secret(client_id, old, new)

    async def find_user(self, username: str) -> User | None:
        await asyncio.sleep(0)
        return self.kept.find_user(username)

    async def find_user_by_sub(self, sub: str) -> User | None:
        await asyncio.sleep(0)
        return self.kept.find_user_by_sub(sub)

    async def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        await asyncio.sleep(0)
        self.kept.replace_password_hash(sub, old, new)

    async def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        await asyncio.sleep(0)
        self.kept.save_tokens(access, refresh)

    async def find_access_token(self, digest: bytes) -> AccessToken | None:
        await asyncio.sleep(0)
        return self.kept.find_access_token(digest)

    async def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        await asyncio.sleep(0)
        return self.kept.find_refresh_token(digest)

    async def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        await asyncio.sleep(0)
        return self.kept.rotate_refresh_token(spent, access, refresh, grace=grace)

    async def revoke_family(self, family: str) -> None:
        await asyncio.sleep(0)
        self.kept.revoke_family(family)

    async def revoke_access_token(self, digest: bytes) -> None:
        await asyncio.sleep(0)
        self.kept.revoke_access_token(digest)

    async def deny(self, identifier: str, expires_at: datetime) -> None:
        await asyncio.sleep(0)
        self.kept.deny(identifier, expires_at)

    async def is_denied(self, identifiers: Collection[str]) -> bool:
        await asyncio.sleep(0)
        return self.kept.is_denied(identifiers)

    async def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        await asyncio.sleep(0)
        return self.kept.add_if_absent(digest, expires_at)

    async def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        await asyncio.sleep(0)
        return self.kept.begin_attempt(digest, limit, now)

    async def withdraw_attempt(self, digest: bytes) -> None:
        await asyncio.sleep(0)
        self.kept.withdraw_attempt(digest)

    async def clear_attempts(self, digest: bytes) -> None:
        await asyncio.sleep(0)
        self.kept.clear_attempts(digest)

    async def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        await asyncio.sleep(0)
        self.kept.remember_source(digest, expires_at)

    async def is_known_source(self, digest: bytes, now: datetime) -> bool:
        await asyncio.sleep(0)
        return self.kept.is_known_source(digest, now)

    async def save_mfa_token(self, token: MfaToken) -> None:
        await asyncio.sleep(0)
        self.kept.save_mfa_token(token)

    async def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        await asyncio.sleep(0)
        return self.kept.find_mfa_token(digest)

    async def take_mfa_token(self, digest: bytes) -> bool:
        await asyncio.sleep(0)
        return self.kept.take_mfa_token(digest)

    async def delete_expired(self, now: datetime, limit: int) -> int:
        await asyncio.sleep(0)
        return self.kept.delete_expired(now, limit)
