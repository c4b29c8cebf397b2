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
from oauthgrants.stores.sqlalchemy.transaction import (
    Transaction,
    single,
    to_row,
)
from oauthgrants.stores.texts import is_text, require_text
from oauthgrants.users import User


class RegistrationRows(Transaction):
    """Fills `ClientStore` and `UserStore`, and registers both."""

    def add_client(self, client: Client) -> None:
        """Register *client*."""
        row = to_row(client)
        secrets = _to_rows(client)
        try:
            self.connection.execute(
                self.statements.add_identifier, {"identifier": client.client_id}
            )
        except IntegrityError as taken:
            raise ValueError(
                f"client_id {client.client_id!r} is registered already, or is a user's sub"
            ) from taken
        self.connection.execute(self.statements.add_client, row)
        if secrets:
            self.connection.execute(self.statements.add_client_secret, secrets)

    def replace_client(self, client: Client) -> None:
        """Keep *client* in the place of the one with its ``client_id``."""
        secrets = _to_rows(client)
        key = {"key": client.client_id}
        replaced = self.connection.execute(self.statements.replace_client, to_row(client) | key)
        if not replaced.rowcount:
            raise KeyError(client.client_id)
        self.connection.execute(self.statements.delete_client_secrets, key)
        if secrets:
            self.connection.execute(self.statements.add_client_secret, secrets)

    @single
    def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        if not is_text(client_id):
            return None
        found = self.connection.execute(self.statements.find_client, {"key": client_id})
        columns = tuple(found.keys())
        rows = tuple(map(tuple, found.all()))
        return _to_client(columns, rows) if rows else None

    @single
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep *new* in the place of *old*."""
        values = attrs.asdict(new)
        condition = {f"by_{name}": value for name, value in attrs.asdict(old).items()}
        self.connection.execute(
            self.statements.replace_client_secret, {"key": client_id, **condition, **values}
        )

    def add_client_secret(
        self,
        client_id: str,
        secret: ClientSecret,
        *,
        others_expire_at: datetime | None = None,
    ) -> None:
        """Let a client authenticate by *secret* too, as `Client.with_secret` says."""
        client = self._lock_client(client_id)
        self.replace_client(client.with_secret(secret, others_expire_at=others_expire_at))

    def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        """Let a client no longer authenticate by one of its secrets."""
        self.replace_client(self._lock_client(client_id).without_secret(secret_id))

    def _lock_client(self, client_id: str) -> Client:
        """Return the client; nobody else changes its secrets until the transaction ends."""
        require_text(client_id)
        self.connection.execute(self.statements.lock_client, {"key": client_id})
        client = self.find_client(client_id)
        if client is None:
            raise KeyError(client_id)
        return client

    def add_user(self, user: User) -> None:
        """Add *user*."""
        require_text(user.username)
        try:
            self.connection.execute(self.statements.add_identifier, {"identifier": user.sub})
            self.connection.execute(self.statements.add_user, to_row(user))
        except IntegrityError as taken:
            raise ValueError(
                f"username {user.username!r} or sub {user.sub!r} exists already, or the sub is a "
                "client_id"
            ) from taken

    def replace_user(self, user: User) -> None:
        """Keep *user* in the place of the one with its ``sub``."""
        try:
            replaced = self.connection.execute(
                self.statements.replace_user, to_row(user) | {"key": user.sub}
            )
        except IntegrityError as taken:
            raise ValueError(f"username {user.username!r} exists already") from taken
        if not replaced.rowcount:
            raise KeyError(user.sub)

    @single
    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        row = self.find_one(self.statements.find_user, username)
        return None if row is None else User(**row)

    @single
    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        row = self.find_one(self.statements.find_user_by_sub, sub)
        return None if row is None else User(**row)

    @single
    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*."""
        self.connection.execute(
            self.statements.replace_password_hash, {"key": sub, "old": old, "password_hash": new}
        )


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


def _to_rows(client: Client) -> list[Mapping[str, Any]]:
    return [
        {"client_id": client.client_id, "position": position, **attrs.asdict(secret)}
        for position, secret in enumerate(client.secrets)
    ]
