"""
What a store does, each written once, on a connection within a transaction.

The first statement of whatever writes is one that writes. So SQLite has its one writer from
the start, and nothing that was read before has changed meanwhile; PostgreSQL has the row
locked that the rest depends on. Families are locked before their tokens, always.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from oauthgrants.clients import Client, ClientSecret
from oauthgrants.ports import Rotation
from oauthgrants.stores.sqlalchemy.statements import Statements
from oauthgrants.tokens import AccessToken, RefreshToken
from oauthgrants.users import User


@attrs.frozen
class Work:
    """
    A transaction, and what to execute in it.

    Attributes:
        connection: Its connection.
        statements: The store's.
    """

    connection: Connection
    statements: Statements


def add_client(work: Work, client: Client) -> None:
    """
    Register *client*.

    Raises:
        ValueError: Its ``client_id`` is a client's (RFC 6749, 2.2) or a user's ``sub``
            (RFC 9700, 4.15.1).
    """
    row = _to_row(client)
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
    replaced = work.connection.execute(work.statements.replace_client, _to_row(client) | key)
    if not replaced.rowcount:
        raise KeyError(client.client_id)
    work.connection.execute(work.statements.delete_client_secrets, key)
    if secrets:
        work.connection.execute(work.statements.add_client_secret, secrets)


def find_client(work: Work, client_id: str) -> Client | None:
    """Return the client with this id, None if there is none."""
    if not _is_text(client_id):
        return None
    rows = work.connection.execute(work.statements.find_client, {"key": client_id}).mappings().all()
    if not rows:
        return None
    metadata = {name: value for name, value in rows[0].items() if not name.startswith("of_secret_")}
    return Client(
        secrets=tuple(
            ClientSecret(
                hash=row["of_secret_hash"],
                expires_at=row["of_secret_expires_at"],
                id=row["of_secret_id"],
            )
            for row in rows
            if row["of_secret_hash"] is not None
        ),
        **metadata,
    )


def replace_client_secret(work: Work, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
    """Keep *new* in the place of *old*."""
    values = attrs.asdict(new)
    condition = {f"by_{name}": value for name, value in attrs.asdict(old).items()}
    work.connection.execute(
        work.statements.replace_client_secret, {"key": client_id, **condition, **values}
    )


def add_user(work: Work, user: User) -> None:
    """
    Add *user*.

    Raises:
        ValueError: The ``username`` or ``sub`` is a user's, or the ``sub`` a ``client_id``
            (RFC 9700, 4.15.1).
    """
    _require_text(user.username)
    try:
        work.connection.execute(work.statements.add_identifier, {"identifier": user.sub})
        work.connection.execute(work.statements.add_user, _to_row(user))
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
            work.statements.replace_user, _to_row(user) | {"key": user.sub}
        )
    except IntegrityError as taken:
        raise ValueError(f"username {user.username!r} exists already") from taken
    if not replaced.rowcount:
        raise KeyError(user.sub)


def find_user(work: Work, username: str) -> User | None:
    """Return the user who types *username*, None if there is none."""
    row = _find_one(work, work.statements.find_user, username)
    return None if row is None else User(**row)


def find_user_by_sub(work: Work, sub: str) -> User | None:
    """Return the user with this subject identifier, None if there is none."""
    row = _find_one(work, work.statements.find_user_by_sub, sub)
    return None if row is None else User(**row)


def replace_password_hash(work: Work, sub: str, old: str, new: str) -> None:
    """Keep *new* in the place of *old*."""
    work.connection.execute(
        work.statements.replace_password_hash, {"key": sub, "old": old, "password_hash": new}
    )


def save_tokens(work: Work, access: AccessToken | None, refresh: RefreshToken | None) -> None:
    """Store both or neither."""
    ends = _family_ends(access, refresh)
    for family, expires_at in ends.items():
        if not _prolong_family(work, family, expires_at):
            work.connection.execute(
                work.statements.add_family,
                {"family": family, "last_spent": None, "expires_at": expires_at},
            )
    _add_tokens(work, access, refresh)


def find_access_token(work: Work, digest: bytes) -> AccessToken | None:
    """Return the access token with this digest, None if unknown or revoked."""
    row = _find_one(work, work.statements.find_access_token, digest)
    return None if row is None else AccessToken(**row)


def find_refresh_token(work: Work, digest: bytes) -> RefreshToken | None:
    """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
    row = _find_one(work, work.statements.find_refresh_token, digest)
    return None if row is None else RefreshToken(**row)


def rotate_refresh_token(
    work: Work,
    spent: bytes,
    access: AccessToken | None,
    refresh: RefreshToken,
    *,
    grace: timedelta,
) -> Rotation:
    """Mark a refresh token as spent and store its successors, in one step."""
    now, execute, statements = refresh.issued_at, work.connection.execute, work.statements
    [expires_at] = _family_ends(access, refresh).values()
    # From here on nobody else rotates or revokes in this family.
    if not _prolong_family(work, refresh.family, expires_at):
        return Rotation.MISSING
    token = {"key": spent, "by_family": refresh.family}
    if execute(statements.spend, token | {"spent_at": now}).rowcount:
        execute(statements.note_last_spent, {"key": refresh.family, "last_spent": spent})
    else:
        found = execute(statements.find_spent, token).one_or_none()
        if found is None:
            return Rotation.MISSING
        # Without grace no clock is asked: another process's may be behind.
        if not grace or found.last_spent != spent or now >= found.spent_at + grace:
            return Rotation.REPLAYED
    _add_tokens(work, access, refresh)
    return Rotation.ROTATED


def revoke_family(work: Work, family: str) -> None:
    """End all tokens of *family*, access and refresh, in one step."""
    for statement in work.statements.delete_family:
        work.connection.execute(statement, {"key": family})


def revoke_access_token(work: Work, digest: bytes) -> None:
    """End the access token with this digest."""
    work.connection.execute(work.statements.delete_access_token, {"key": digest})


def deny(work: Work, identifier: str, expires_at: datetime) -> None:
    """Remember *identifier* until *expires_at*, or as long as it was denied before."""
    _require_text(identifier)
    end = {"key": identifier, "new": expires_at}
    if not work.connection.execute(work.statements.prolong_denial, end).rowcount:
        work.connection.execute(
            work.statements.add_denial, {"identifier": identifier, "expires_at": expires_at}
        )


def is_denied(work: Work, identifiers: Collection[str]) -> bool:
    """Return whether any of *identifiers* is remembered."""
    keys = [identifier for identifier in identifiers if _is_text(identifier)]
    if not keys:
        return False
    return work.connection.execute(work.statements.find_denials, {"keys": keys}).first() is not None


def delete_expired(work: Work, now: datetime, limit: int) -> int:
    """Delete what has expired, *limit* tokens and denials at most, and say how many."""
    work.connection.execute(work.statements.delete_expired_families, {"now": now, "most": limit})
    deleted = 0
    for statement in work.statements.delete_expired:
        left = {"now": now, "most": limit - deleted}
        deleted += work.connection.execute(statement, left).rowcount
    return deleted


SINGLE = frozenset[Any](
    {
        find_client,
        find_user,
        find_user_by_sub,
        find_access_token,
        find_refresh_token,
        is_denied,
        replace_client_secret,
        replace_password_hash,
        revoke_access_token,
    }
)
"""Those that are one statement, so that nobody has to say where a transaction begins and ends."""


def _add_tokens(work: Work, access: AccessToken | None, refresh: RefreshToken | None) -> None:
    if access is not None:
        work.connection.execute(
            work.statements.add_access_token,
            _to_row(access) | {"expires_at": access.expires_at},
        )
    if refresh is not None:
        work.connection.execute(
            work.statements.add_refresh_token,
            _to_row(refresh) | {"expires_at": refresh.expires_at},
        )


def _prolong_family(work: Work, family: str, expires_at: datetime) -> bool:
    """Lock *family* until the transaction ends; return whether there is one."""
    end = {"key": family, "new": expires_at}
    return bool(work.connection.execute(work.statements.prolong_family, end).rowcount)


def _family_ends(*tokens: AccessToken | RefreshToken | None) -> dict[str, datetime]:
    """Return the families of *tokens*, each with the end of what lives longest."""
    ends: dict[str, datetime] = {}
    for token in tokens:
        if token is not None and token.family is not None:
            ends[token.family] = max(token.expires_at, ends.get(token.family, token.expires_at))
    return ends


def _find_one(work: Work, statement: Any, key: str | bytes) -> dict[str, Any] | None:
    if isinstance(key, str) and not _is_text(key):
        return None
    row = work.connection.execute(statement, {"key": key}).mappings().first()
    return None if row is None else dict(row)


def _to_row(value: Client | User | AccessToken | RefreshToken) -> dict[str, Any]:
    """Return what *value* consists of, by column; the types of the columns do the rest."""
    return attrs.asdict(
        value, recurse=False, filter=lambda attribute, _: attribute.name != "secrets"
    )


def _to_rows(client: Client) -> list[Mapping[str, Any]]:
    return [
        {"client_id": client.client_id, "position": position, **attrs.asdict(secret)}
        for position, secret in enumerate(client.secrets)
    ]


def _is_text(text: str) -> bool:
    """Return whether a database can hold *text*; what it can't, it hasn't."""
    return "\0" not in text


def _require_text(text: str) -> None:
    if not _is_text(text):
        raise ValueError(f"{text!r} has a NUL, which databases do not keep")
