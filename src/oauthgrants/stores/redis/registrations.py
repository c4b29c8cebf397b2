"""
What the store does with clients and users.

Both are kept under their identifier, a ``client_id`` or a ``sub``: so that none is both takes
one key. A username is another key, anywhere in a cluster, that says who claims it; it is the
claimant's if the user that is kept says so too. The claim comes first. The user has to follow
soon, which the server checks; after twice that time, a claim without its user is void.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.secret import random_id
from oauthgrants.stores.redis import scripts
from oauthgrants.stores.redis.keyspace import Keyspace
from oauthgrants.stores.redis.records import decode, encode, parse, to_text
from oauthgrants.users import User

T = TypeVar("T", Client, User)

_IDENTIFIER, _USERNAME = "id", "username"
_KIND: dict[type[Any], str] = {Client: "client", User: "user"}
_TRIES = 100
_WRITE_WITHIN = 30_000
"""For so many milliseconds after the claim the user may be written."""
_CLAIM_LASTS = 60_000
"""So long the username is nobody else's. More than that, since servers' clocks differ."""
_ANY_TIME = 9 * 10**15


class RegistrationKeys(Keyspace):
    """Fills `ClientStore` and `UserStore`, and registers both."""

    async def add_client(self, client: Client) -> None:
        """Register *client*."""
        if not await self._add(client.client_id, client, random_id(9), _ANY_TIME):
            raise ValueError(
                f"client_id {client.client_id!r} is registered already, or is a user's sub"
            )

    async def replace_client(self, client: Client) -> None:
        """Keep *client* in the place of the one with its ``client_id``."""
        if not await self._change(Client, client.client_id, lambda _: client):
            raise KeyError(client.client_id)

    async def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        record = await self._find_record(Client, client_id)
        return None if record is None else _to_client(record)

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        """Keep *new* in the place of *old*."""

        def replace(client: Client) -> Client:
            secrets = tuple(new if kept == old else kept for kept in client.secrets)
            return attrs.evolve(client, secrets=secrets)

        await self._change(Client, client_id, replace)

    async def add_client_secret(
        self,
        client_id: str,
        secret: ClientSecret,
        *,
        others_expire_at: datetime | None = None,
    ) -> None:
        """Let a client authenticate by *secret* too, as `Client.with_secret` says."""

        def add(client: Client) -> Client:
            return client.with_secret(secret, others_expire_at=others_expire_at)

        if not await self._change(Client, client_id, add):
            raise KeyError(client_id)

    async def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        """Let a client no longer authenticate by one of its secrets."""
        if not await self._change(
            Client, client_id, lambda client: client.without_secret(secret_id)
        ):
            raise KeyError(client_id)

    async def add_user(self, user: User) -> None:
        """Add *user*."""
        taken = ValueError(
            f"username {user.username!r} or sub {user.sub!r} exists already, or the sub is a "
            "client_id"
        )
        if await self.execute("EXISTS", self.key(_IDENTIFIER, user.sub)):
            raise taken
        caller = random_id(9)
        claimed_at = await self._claim(user, caller, renames=False)
        if claimed_at is None:
            raise taken
        added = await self._add(user.sub, user, caller, claimed_at + _WRITE_WITHIN)
        if (
            not added
        ):  # pragma: no cover  # somebody else has added the sub meanwhile: a race decides
            await self._release(user.username, caller)
            raise taken

    async def replace_user(self, user: User) -> None:
        """Keep *user* in the place of the one with its ``sub``."""
        caller = random_id(9)
        for _ in range(_TRIES):
            record, kept = await self._read(User, user.sub)
            if kept is None:
                raise KeyError(user.sub)
            if kept.username == user.username:
                if await self._exchange(user.sub, record, user, _ANY_TIME):
                    return
                continue
            claimed = await self.execute("HGET", self.key(_USERNAME, kept.username), "by")
            claimed_at = await self._claim(user, caller, renames=True)
            if claimed_at is None:
                raise ValueError(f"username {user.username!r} exists already")
            if await self._exchange(user.sub, record, user, claimed_at + _WRITE_WITHIN):
                await self._release(kept.username, claimed or "")
                return
        raise _too_often(user.sub)

    async def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        sub = await self.execute("HGET", self.key(_USERNAME, username), "sub")
        if sub is None:
            return None
        user = await self.find_user_by_sub(json.loads(sub))
        return user if user is not None and user.username == username else None

    async def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        _, user = await self._read(User, sub)
        return user

    async def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*."""

        def replace(user: User) -> User:
            return attrs.evolve(user, password_hash=new) if user.password_hash == old else user

        await self._change(User, sub, replace)

    async def _read(self, kind: type[T], identifier: str) -> tuple[Any, T | None]:
        """Return what is kept, as it is spelt and what it means."""
        record = await self._find_record(kind, identifier)
        return record, None if record is None else decode(kind, parse(record))

    async def _find_record(self, kind: type[Client | User], identifier: str) -> Any:
        return await self.execute("HGET", self.key(_IDENTIFIER, identifier), _KIND[kind])

    async def _change(self, kind: type[T], identifier: str, change: Callable[[T], T]) -> bool:
        """Keep what *change* makes of what is kept; return whether there is anything."""
        for _ in range(_TRIES):
            record, kept = await self._read(kind, identifier)
            if kept is None:
                return False
            changed = change(kept)
            if changed == kept or await self._exchange(identifier, record, changed, _ANY_TIME):
                return True
        raise _too_often(identifier)

    async def _add(self, identifier: str, added: Client | User, caller: str, before: int) -> bool:
        """Write *added* under *identifier*, and return whether that was free."""
        key, kind = self.key(_IDENTIFIER, identifier), _KIND[type(added)]
        return _is_done(await self.run(scripts.ADD, key, caller, before, kind, encode(added)))

    async def _exchange(
        self, identifier: str, record: Any, changed: Client | User, before: int
    ) -> bool:
        """Write *changed* in the place of *record*, and return whether that was still there."""
        key, kind = self.key(_IDENTIFIER, identifier), _KIND[type(changed)]
        new = encode(changed)
        return _is_done(await self.run(scripts.EXCHANGE, key, before, kind, record, new))

    async def _claim(self, user: User, caller: str, *, renames: bool) -> int | None:
        """
        Claim a username for *user*.

        Args:
            user: Whose it shall be.
            caller: Names the claim.
            renames: Whether *user* has another one, and so a claim of its own to this one is void.

        Returns:
            When the claim began, in milliseconds; None if the username is another's.
        """
        void = ""
        for _ in range(_TRIES):
            answer = await self.run(
                scripts.CLAIM,
                self.key(_USERNAME, user.username),
                caller,
                void,
                json.dumps(user.sub),
            )
            by, sub, at, age = map(to_text, answer)
            if by == caller:
                return int(at)
            claimant: str = json.loads(sub)
            if not (renames and claimant == user.sub):
                if int(age) < _CLAIM_LASTS:
                    return None
                # Asked after the time in which the claimant might have been written.
                kept = await self.find_user_by_sub(claimant)
                if kept is not None and kept.username == user.username:
                    return None
            void = by
        return None

    async def _release(self, username: str, by: Any) -> None:
        """Give *username* up, unless it has been claimed anew."""
        await self.run(scripts.RELEASE, self.key(_USERNAME, username), by)


@lru_cache(maxsize=1000)  # it is read for every request, and says the same nearly every time
def _to_client(record: str | bytes) -> Client:
    return decode(Client, parse(record))


def _is_done(answer: str | bytes) -> bool:
    outcome = to_text(answer)
    if outcome == "late":
        raise TimeoutError("the username may be another's by now: it took too long to write")
    return outcome == "done"


def _too_often(identifier: str) -> RuntimeError:
    return RuntimeError(f"others changed {identifier!r} {_TRIES} times meanwhile")
