"""What a store does with clients and users, each written once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import attrs
from sqlalchemy.exc import IntegrityError

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.stores.sqlalchemy.work import (
    Work,
    find_one,
    is_text,
    require_text,
    single,
    to_row,
)
from oauthgrants.users import User


def add_client(work: Work, client: Client) -> None:
    """
    Register *client*.

    Raises:
        ValueError: Its ``client_id`` is a client's (RFC 6749, 2.2) or a user's ``sub``
            (RFC 9700, 4.15.1).
    """
    row = to_row(client)
    secrets = _to_rows(client)
    try:
        work.connection.execute(work.statements.add_identifier, {"identifier": client.client_id})
    except IntegrityError as taken:
        raise ValueError(
            f"client_id {client.client_id!r} is registered already, or is a user's sub"
        ) from taken
    work.connection.execute(work.statements.add_client, row)
    if secrets:
        work.connection.execute(work.statements.add_client_secret, secrets)


def replace_client(work: Work, client: Client) -> None:
    """
    Keep *client* in the place of the one with its ``client_id``.

    Raises:
        KeyError: There is none.
    """
    secrets = _to_rows(client)
    key = {"key": client.client_id}
    replaced = work.connection.execute(work.statements.replace_client, to_row(client) | key)
    if not replaced.rowcount:
        raise KeyError(client.client_id)
    work.connection.execute(work.statements.delete_client_secrets, key)
    if secrets:
        work.connection.execute(work.statements.add_client_secret, secrets)


@single
def find_client(work: Work, client_id: str) -> Client | None:
    """Return the client with this id, None if there is none."""
    if not is_text(client_id):
        return None
    found = work.connection.execute(work.statements.find_client, {"key": client_id})
    columns = tuple(found.keys())
    rows = tuple(map(tuple, found.all()))
    return _to_client(columns, rows) if rows else None


@lru_cache(maxsize=1000)  # it is read for every request, and says the same nearly every time
def _to_client(columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> Client:
    """Return what *rows* say, of which each has another secret, and the rest alike."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return Client(
        secrets=tuple(
            ClientSecret(
                hash=row["of_secret_hash"],
                expires_at=row["of_secret_expires_at"],
                id=row["of_secret_id"],
            )
            for row in named
            if row["of_secret_hash"] is not None
        ),
        **{name: value for name, value in named[0].items() if not name.startswith("of_secret_")},
    )


@single
def replace_client_secret(work: Work, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
    """Keep *new* in the place of *old*."""
    values = attrs.asdict(new)
    condition = {f"by_{name}": value for name, value in attrs.asdict(old).items()}
    work.connection.execute(
        work.statements.replace_client_secret, {"key": client_id, **condition, **values}
    )


def add_client_secret(
    work: Work,
    client_id: str,
    secret: ClientSecret,
    *,
    others_expire_at: datetime | None = None,
) -> None:
    """
    Let a client authenticate by *secret* too, as `Client.with_secret` says.

    Raises:
        InvalidClientMetadata: It authenticates without secrets, or has one of this id.
        KeyError: There is no such client.
    """
    client = _lock_client(work, client_id)
    replace_client(work, client.with_secret(secret, others_expire_at=others_expire_at))


def delete_client_secret(work: Work, client_id: str, secret_id: str) -> None:
    """
    Let a client no longer authenticate by one of its secrets.

    Raises:
        InvalidClientMetadata: It has none of this id, or no other.
        KeyError: There is no such client.
    """
    replace_client(work, _lock_client(work, client_id).without_secret(secret_id))


def _lock_client(work: Work, client_id: str) -> Client:
    """Return the client; nobody else changes its secrets until the transaction ends."""
    require_text(client_id)
    work.connection.execute(work.statements.lock_client, {"key": client_id})
    client = find_client(work, client_id)
    if client is None:
        raise KeyError(client_id)
    return client


def add_user(work: Work, user: User) -> None:
    """
    Add *user*.

    Raises:
        ValueError: The ``username`` or ``sub`` is a user's, or the ``sub`` a ``client_id``
            (RFC 9700, 4.15.1).
    """
    require_text(user.username)
    try:
        work.connection.execute(work.statements.add_identifier, {"identifier": user.sub})
        work.connection.execute(work.statements.add_user, to_row(user))
    except IntegrityError as taken:
        raise ValueError(
            f"username {user.username!r} or sub {user.sub!r} exists already, or the sub is a "
            "client_id"
        ) from taken


def replace_user(work: Work, user: User) -> None:
    """
    Keep *user* in the place of the one with its ``sub``.

    Raises:
        KeyError: There is none.
        ValueError: The ``username`` is another user's.
    """
    try:
        replaced = work.connection.execute(
            work.statements.replace_user, to_row(user) | {"key": user.sub}
        )
    except IntegrityError as taken:
        raise ValueError(f"username {user.username!r} exists already") from taken
    if not replaced.rowcount:
        raise KeyError(user.sub)


@single
def find_user(work: Work, username: str) -> User | None:
    """Return the user who types *username*, None if there is none."""
    row = find_one(work, work.statements.find_user, username)
    return None if row is None else User(**row)


@single
def find_user_by_sub(work: Work, sub: str) -> User | None:
    """Return the user with this subject identifier, None if there is none."""
    row = find_one(work, work.statements.find_user_by_sub, sub)
    return None if row is None else User(**row)


@single
def replace_password_hash(work: Work, sub: str, old: str, new: str) -> None:
    """Keep *new* in the place of *old*."""
    work.connection.execute(
        work.statements.replace_password_hash, {"key": sub, "old": old, "password_hash": new}
    )


def _to_rows(client: Client) -> list[Mapping[str, Any]]:
    return [
        {"client_id": client.client_id, "position": position, **attrs.asdict(secret)}
        for position, secret in enumerate(client.secrets)
    ]
