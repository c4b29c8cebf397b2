"""
Every port in one SQLite file, for asyncio, without SQLAlchemy: needs aiosqlite.

Any number of processes may have the file open. Each has one connection, and one of its tasks at a
time uses it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import attrs

from oauthgrants import AccessToken, Client, ClientSecret, RefreshToken, Scope, User
from oauthgrants.ports import AttemptLimit, Attempts, Rotation
from oauthgrants.tokens import MfaToken

T = TypeVar("T", bound=attrs.AttrsInstance)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (client_id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS users (
    sub TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, document TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tokens (
    kind TEXT, digest BLOB, family TEXT, expires_at INTEGER NOT NULL, document TEXT NOT NULL,
    spent_at INTEGER,
    spent_as INTEGER,  -- first, second … of its family
    PRIMARY KEY (kind, digest)
);
CREATE INDEX IF NOT EXISTS tokens_by_family ON tokens (family);
CREATE INDEX IF NOT EXISTS tokens_by_expiry ON tokens (expires_at);
CREATE TABLE IF NOT EXISTS remembered (
    kind TEXT, name BLOB, expires_at INTEGER NOT NULL, PRIMARY KEY (kind, name)
);
CREATE INDEX IF NOT EXISTS remembered_by_expiry ON remembered (expires_at);
CREATE TABLE IF NOT EXISTS attempts (
    digest BLOB PRIMARY KEY, expires_at INTEGER NOT NULL, document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_by_expiry ON attempts (expires_at);
"""


class AiosqliteStore:
    """Clients, users, tokens and what else a server has to remember; made by `open`."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: str | Path) -> AsyncGenerator[AiosqliteStore, None]:
        """Return the store in the file at *path*, which is made if it is not there."""
        async with aiosqlite.connect(path, isolation_level=None, timeout=30) as database:
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute("PRAGMA synchronous = FULL")  # what is acknowledged is on disk
            await database.executescript(_SCHEMA)
            yield cls(database)

    # Clients

    async def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        async with self._lock:
            return await self._read_client(client_id)

    async def add_client(self, client: Client) -> None:
        """
        Register *client*.

        Raises:
            ValueError: Its ``client_id`` is a client's or a user's ``sub``.
        """
        async with self._transaction():
            await self._require_none("SELECT 1 FROM users WHERE sub = ?", client.client_id)
            await self._insert("INSERT INTO clients VALUES (?, ?)", client.client_id, client)

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        """Keep *new* in the place of *old*, if that is still there."""
        async with self._transaction():
            client = await self._read_client(client_id)
            if client is not None and old in client.secrets:
                secrets = tuple(new if kept == old else kept for kept in client.secrets)
                await self._write_client(attrs.evolve(client, secrets=secrets))

    async def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        """Let a client authenticate by *secret* too, as `Client.with_secret` says."""
        async with self._transaction():
            client = await self._require_client(client_id)
            await self._write_client(client.with_secret(secret, others_expire_at=others_expire_at))

    async def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        """Let a client no longer authenticate by one of its secrets."""
        async with self._transaction():
            client = await self._require_client(client_id)
            await self._write_client(client.without_secret(secret_id))

    # Users

    async def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        async with self._lock:
            return _decode(
                User, await self._read("SELECT document FROM users WHERE username = ?", username)
            )

    async def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        async with self._lock:
            return await self._read_user(sub)

    async def add_user(self, user: User) -> None:
        """
        Add *user*.

        Raises:
            ValueError: The ``username`` or ``sub`` is a user's, or the ``sub`` a ``client_id``.
        """
        async with self._transaction():
            await self._require_none("SELECT 1 FROM clients WHERE client_id = ?", user.sub)
            await self._insert("INSERT INTO users VALUES (?, ?, ?)", user.sub, user.username, user)

    async def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*, if that is still there."""
        async with self._transaction():
            user = await self._read_user(sub)
            if user is not None and user.password_hash == old:
                changed = _encode(attrs.evolve(user, password_hash=new))
                await self._execute("UPDATE users SET document = ? WHERE sub = ?", changed, sub)

    # Tokens

    async def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """Store both or neither."""
        async with self._transaction():
            await self._insert_tokens(access, refresh)

    async def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        return await self._find_token(AccessToken, digest)

    async def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not."""
        async with self._lock:
            row = await self._read(
                "SELECT document, spent_at FROM tokens WHERE kind = 'RefreshToken' AND digest = ?",
                digest,
            )
        token = _decode(RefreshToken, row)
        if token is None or row is None or row[1] is None:
            return token
        return attrs.evolve(token, spent_at=_EPOCH + row[1] * _MICROSECOND)

    async def rotate_refresh_token(
        self,
        spent: bytes,
        access: AccessToken | None,
        refresh: RefreshToken,
        *,
        grace: timedelta,
    ) -> Rotation:
        """Mark a refresh token as spent and store its successors, in one step."""
        now = _to_number(refresh.issued_at)
        async with self._transaction():
            first = await self._execute(
                "UPDATE tokens SET spent_at = ?, spent_as = 1 + ("
                "    SELECT coalesce(max(spent_as), 0) FROM tokens AS kin"
                "    WHERE kin.family = tokens.family)"
                " WHERE kind = 'RefreshToken' AND digest = ? AND spent_at IS NULL",
                now,
                spent,
            )
            if not first:
                row = await self._read(
                    "SELECT spent_at, spent_as = ("
                    "    SELECT max(spent_as) FROM tokens AS kin"
                    "    WHERE kin.family = tokens.family)"
                    " FROM tokens WHERE kind = 'RefreshToken' AND digest = ?",
                    spent,
                )
                if row is None:
                    return Rotation.MISSING
                # Without grace no clock is asked: another process's may be behind.
                if not grace or not row[1] or now >= row[0] + grace // _MICROSECOND:
                    return Rotation.REPLAYED
            await self._insert_tokens(access, refresh)
            return Rotation.ROTATED

    async def revoke_family(self, family: str) -> None:
        """End all tokens of *family*."""
        async with self._transaction():
            await self._execute("DELETE FROM tokens WHERE family = ?", family)

    async def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        await self._delete_token(AccessToken, digest)

    async def save_mfa_token(self, token: MfaToken) -> None:
        """Store *token*."""
        async with self._transaction():
            await self._insert_tokens(token)

    async def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        """Return the token with this digest, None if unknown or taken."""
        return await self._find_token(MfaToken, digest)

    async def take_mfa_token(self, digest: bytes) -> bool:
        """Forget the token with this digest, and return whether it was there."""
        return await self._delete_token(MfaToken, digest)

    # What is remembered until it expires

    async def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*."""
        await self._remember("denied", identifier, expires_at)

    async def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        return any([await self._find_end("denied", identifier) for identifier in identifiers])

    async def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest*, and return whether it is new."""
        async with self._transaction():
            return await self._execute(
                "INSERT INTO remembered VALUES ('used', ?, ?) ON CONFLICT DO NOTHING",
                digest,
                _to_number(expires_at),
            )

    async def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        """Remember *digest* until *expires_at*."""
        await self._remember("source", digest, expires_at)

    async def is_known_source(self, digest: bytes, now: datetime) -> bool:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        end = await self._find_end("source", digest)
        return end is not None and _to_number(now) < end

    # Guesses

    async def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        """Count an attempt, unless it comes too early; return whether it may be made."""
        async with self._transaction():
            counted = limit.count(await self._read_attempts(digest), now)
            if counted is not None:
                await self._write_attempts(digest, counted)
            return counted is not None

    async def withdraw_attempt(self, digest: bytes) -> None:
        """Count one failure less."""
        async with self._transaction():
            kept = await self._read_attempts(digest)
            if kept is not None:
                await self._write_attempts(digest, kept.withdraw())

    async def clear_attempts(self, digest: bytes) -> None:
        """Forget all failures."""
        async with self._transaction():
            await self._execute("DELETE FROM attempts WHERE digest = ?", digest)

    async def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired by *now*, *limit* of it at most, and say how many."""
        deleted = 0
        async with self._transaction():
            for statement in (
                "DELETE FROM tokens WHERE rowid IN ("
                "SELECT rowid FROM tokens WHERE expires_at <= ? LIMIT ?)",
                "DELETE FROM remembered WHERE rowid IN ("
                "SELECT rowid FROM remembered WHERE expires_at <= ? LIMIT ?)",
                "DELETE FROM attempts WHERE rowid IN ("
                "SELECT rowid FROM attempts WHERE expires_at <= ? LIMIT ?)",
            ):
                cursor = await self._database.execute(statement, (_to_number(now), limit - deleted))
                deleted += cursor.rowcount
        return deleted

    # Within a transaction or the lock

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[None, None]:
        async with self._lock:
            try:
                # IMMEDIATE: no other process writes between our reading and our writing.
                await self._database.execute("BEGIN IMMEDIATE")
                yield
                await self._database.commit()
            except BaseException:  # a task that is cancelled, too
                await self._database.rollback()
                raise

    async def _execute(self, statement: str, *parameters: object) -> bool:
        """Return whether *statement* changed anything."""
        return (await self._database.execute(statement, parameters)).rowcount > 0

    async def _read(self, query: str, *parameters: object) -> Sequence[Any] | None:
        for row in await self._database.execute_fetchall(query, parameters):
            return tuple(row)
        return None

    async def _require_none(self, query: str, name: str) -> None:
        if await self._read(query, name):
            raise ValueError(f"{name!r} is taken")

    async def _insert(self, statement: str, *values: Any) -> None:
        *names, value = values
        try:
            await self._execute(statement, *names, _encode(value))
        except sqlite3.IntegrityError:
            raise ValueError(f"one of {names} is taken") from None

    async def _read_client(self, client_id: str) -> Client | None:
        return _decode(
            Client, await self._read("SELECT document FROM clients WHERE client_id = ?", client_id)
        )

    async def _require_client(self, client_id: str) -> Client:
        client = await self._read_client(client_id)
        if client is None:
            raise KeyError(client_id)
        return client

    async def _write_client(self, client: Client) -> None:
        await self._execute(
            "UPDATE clients SET document = ? WHERE client_id = ?",
            _encode(client),
            client.client_id,
        )

    async def _read_user(self, sub: str) -> User | None:
        return _decode(User, await self._read("SELECT document FROM users WHERE sub = ?", sub))

    async def _insert_tokens(self, *tokens: AccessToken | RefreshToken | MfaToken | None) -> None:
        for token in tokens:
            if token is None:
                continue
            await self._execute(
                "INSERT INTO tokens (kind, digest, family, expires_at, document)"
                " VALUES (?, ?, ?, ?, ?)",
                type(token).__name__,
                token.digest,
                getattr(token, "family", None),
                _to_number(token.expires_at),
                _encode(token),
            )

    async def _find_token(self, kind: type[T], digest: bytes) -> T | None:
        async with self._lock:
            return _decode(
                kind,
                await self._read(
                    "SELECT document FROM tokens WHERE kind = ? AND digest = ?",
                    kind.__name__,
                    digest,
                ),
            )

    async def _delete_token(self, kind: type[T], digest: bytes) -> bool:
        async with self._transaction():
            return await self._execute(
                "DELETE FROM tokens WHERE kind = ? AND digest = ?", kind.__name__, digest
            )

    async def _remember(self, kind: str, name: str | bytes, expires_at: datetime) -> None:
        async with self._transaction():
            await self._execute(
                "INSERT INTO remembered VALUES (?, ?, ?) ON CONFLICT (kind, name)"
                " DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)",
                kind,
                name,
                _to_number(expires_at),
            )

    async def _find_end(self, kind: str, name: str | bytes) -> int | None:
        async with self._lock:
            row = await self._read(
                "SELECT expires_at FROM remembered WHERE kind = ? AND name = ?", kind, name
            )
        return None if row is None else row[0]

    async def _read_attempts(self, digest: bytes) -> Attempts | None:
        return _decode(
            Attempts, await self._read("SELECT document FROM attempts WHERE digest = ?", digest)
        )

    async def _write_attempts(self, digest: bytes, attempts: Attempts) -> None:
        await self._execute(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)",
            digest,
            _to_number(attempts.forgotten_at),
            _encode(attempts),
        )


# Values as documents

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _to_number(moment: datetime) -> int:
    """Return microseconds, which compare in SQL as moments do here."""
    return (moment - _EPOCH) // _MICROSECOND


def _encode(value: object) -> str:
    return json.dumps(_to_json(value), default=_to_json)


def _to_json(value: Any) -> object:
    match value:
        case Scope():
            return str(value)
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat()
        case timedelta():
            return value // _MICROSECOND
        case Mapping():
            return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return attrs.asdict(value, recurse=False)


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "digest": bytes.fromhex,
    "parent": bytes.fromhex,
    "scope": Scope.of,
    "audience": tuple,
    "secrets": lambda secrets: tuple(_restore(ClientSecret, each) for each in secrets),
    **dict.fromkeys(
        ("lifetime", "access_token_lifetime", "refresh_token_lifetime"),
        lambda number: number * _MICROSECOND,
    ),
    **dict.fromkeys(
        ("issued_at", "expires_at", "family_ends_at", "spent_at"), datetime.fromisoformat
    ),
    **dict.fromkeys(("allowed_at", "forgotten_at", "forgotten_before"), datetime.fromisoformat),
}
"""By the names of the attributes; what is not here is in JSON as it is here."""


def _decode(kind: type[T], row: Sequence[Any] | None) -> T | None:
    """Return what is in the first column of *row*."""
    return None if row is None else _restore(kind, json.loads(row[0]))


def _restore(kind: type[T], members: Mapping[str, Any]) -> T:
    return kind(
        **{
            name: value if value is None else _FROM_JSON.get(name, _same)(value)
            for name, value in members.items()
        }
    )


def _same(value: Any) -> Any:
    return value
