"""``oauthgrants client add, show, secret, …``: the clients in a store, and their secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.stores import Tokens
from oauthgrants.clients import Client


class Registry:
    """
    The clients of a store.

    Args:
        tokens: The store, prepared.
    """

    def __init__(self, tokens: Tokens) -> None:
        # What registers clients is no port: all stores of ours have it.
        self._store: Any = tokens.store

    def add(self, client: Client) -> None:
        """
        Register *client*.

        Raises:
            CommandError: Its ``client_id`` is taken.
        """
        try:
            self._store.add_client(client)
        except ValueError as error:
            raise CommandError(str(error)) from None

    def show(self, client_id: str) -> str:
        """
        Return what is registered of a client, and of its secrets; a line each.

        Raises:
            CommandError: There is none.
        """
        client = self._find(client_id)
        now = datetime.now(UTC)
        lines = [
            f"client_id                   {client.client_id}",
            f"token_endpoint_auth_method  {client.token_endpoint_auth_method}",
            f"grant_types                 {' '.join(client.grant_types)}",
            f"scope                       {client.scope or ''}".rstrip(),
        ]
        if client.default_scope is not None:
            lines.append(f"default_scope               {client.default_scope}")
        if not client.active:
            lines.append("active                      false")
        for secret in client.secrets:
            end = "never expires" if secret.expires_at is None else f"{secret.expires_at:%FT%TZ}"
            ended = "" if secret.is_live(now) else ", expired"
            lines.append(f"client_secret               {secret.id}  {end}{ended}")
        return "\n".join(lines)

    def add_secret(
        self, client_id: str, *, expires_in: timedelta | None, others_expire_in: timedelta | None
    ) -> str:
        """
        Return a further secret of a client, which is kept as a digest and shown this once.

        Args:
            client_id: The client's.
            expires_in: When it ends, None for never.
            others_expire_in: When the others end at the latest, None for when they would anyway.

        Raises:
            CommandError: There is no such client, or it has no use for one.
        """
        now = datetime.now(UTC)
        client = self._find(client_id)
        if client.token_endpoint_auth_method == "client_secret_jwt":
            raise CommandError(
                f"client {client_id!r} signs with its secret, which only the server's sealing key "
                "can keep: call Client.make_secret there"
            )
        try:
            kept, secret = client.make_secret(
                expires_at=None if expires_in is None else now + expires_in
            )
            self._store.add_client_secret(
                client_id,
                kept,
                others_expire_at=None if others_expire_in is None else now + others_expire_in,
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
        return f"client_secret     {secret.reveal()}\nclient_secret id  {kept.id}"

    def delete_secret(self, client_id: str, secret_id: str) -> str:
        """
        End one of a client's secrets at once, and return what is left.

        Raises:
            CommandError: There is none of this id, or it is the last.
        """
        self._find(client_id)
        try:
            self._store.delete_client_secret(client_id, secret_id)
        except ValueError as error:
            raise CommandError(str(error)) from None
        return self.show(client_id)

    def _find(self, client_id: str) -> Client:
        client: Client | None = self._store.find_client(client_id)
        if client is None:
            raise CommandError(f"there is no client {client_id!r}")
        return client
