"""Clients in the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import F

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.parts import Part
from oauthgrants.adapters.django.transactions import delete
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.stores.texts import is_text

_SECRET = ("hash", "expires_at", "secret_id")
_JOINED = tuple(f"secrets__{name}" for name in _SECRET)


class StoredClients(Part):
    """The port `ClientStore`, and how clients are registered."""

    def add_client(self, client: Client) -> None:
        """
        Register *client*.

        Raises:
            ValueError: Its ``client_id`` is a client's (RFC 6749, 2.2), or may be a user's
                ``sub`` (RFC 9700, 4.15.1).
        """
        if self.users.may_be_sub(client.client_id):
            raise ValueError(f"client_id {client.client_id!r} may be a user's sub")

        def add() -> None:
            try:
                row = models.Client.objects.using(self.using).create(**_to_row(client))
            except IntegrityError as taken:
                raise ValueError(f"client_id {client.client_id!r} is registered already") from taken
            self._add_secrets(row, client.secrets)

        self.run(add)

    def replace_client(self, client: Client) -> None:
        """
        Keep *client* in the place of the one with its ``client_id``.

        Raises:
            KeyError: There is none.
        """

        def replace() -> None:
            rows = models.Client.objects.using(self.using).filter(client_id=client.client_id)
            if not rows.update(**_to_row(client)):
                raise KeyError(client.client_id)
            row = rows.get()
            delete(models.ClientSecret.objects.using(self.using).filter(client=row))
            self._add_secrets(row, client.secrets)

        self.run(replace)

    def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        """
        Let a client authenticate by *secret* too.

        Args:
            client_id: The client's.
            secret: The new one.
            others_expire_at: When its other secrets expire at the latest, aware; None to leave
                them as they are.

        Raises:
            InvalidClientMetadata: It authenticates without secrets, or has one with this id.
            KeyError: There is no such client.
        """

        def add() -> None:
            row = self._lock_client(client_id)
            # A row may come to need its first secret, which a client cannot be without.
            kept = self._find_secrets(row)
            if kept or not row.needs_secret:
                _to_client(row, kept).with_secret(secret)
            if others_expire_at is not None:
                others = models.ClientSecret.objects.using(self.using).filter(client=row)
                others.exclude(expires_at__lte=others_expire_at).update(expires_at=others_expire_at)
            self._add_secrets(row, [secret])

        self.run(add)

    def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        """
        Let a client no longer authenticate by one of its secrets.

        Raises:
            InvalidClientMetadata: It has no secret with this id, or only this one.
            KeyError: There is no such client.
        """

        def delete_one() -> None:
            row = self._lock_client(client_id)
            _to_client(row, self._find_secrets(row)).without_secret(secret_id)
            secrets = models.ClientSecret.objects.using(self.using)
            delete(secrets.filter(client=row, secret_id=secret_id))

        self.run(delete_one)

    def delete_client(self, client_id: str) -> None:
        """Delete a client, and end its tokens; JWTs end by themselves."""

        def delete_all() -> None:
            clients = models.Client.objects.using(self.using).filter(client_id=client_id)
            delete(models.ClientSecret.objects.using(self.using).filter(client__in=clients))
            delete(clients)
            self.revoke_tokens(client_id=client_id)

        self.run(delete_all)

    def revoke_tokens(self, **owner: str) -> None:
        """
        End all tokens of a client (``client_id=…``), or of whoever they speak for (``sub=…``).

        JWTs end by themselves, as they are not kept.
        """

        def revoke() -> None:
            refresh = models.RefreshToken.objects.using(self.using).filter(**owner).order_by()
            families = models.Family.objects.using(self.using)
            delete(families.filter(name__in=refresh.values("family")))
            delete(refresh)
            delete(models.AccessToken.objects.using(self.using).filter(**owner).order_by())

        self.run(revoke)

    def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        if not is_text(client_id):
            return None
        # One statement, so that fields and secrets are those of one moment.
        rows = self.run(
            lambda: list(
                models.Client.objects.using(self.using)
                .filter(client_id=client_id)
                .order_by("secrets__id")
                .values(*models.CLIENT_FIELDS, *_JOINED)
            ),
            single=True,
        )
        if not rows:
            return None
        return Client(
            secrets=tuple(_to_secret(row) for row in rows if row["secrets__hash"] is not None),
            **{name: rows[0][name] for name in models.CLIENT_FIELDS},
        )

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep *new* in the place of *old*."""
        # The client by a subquery: with a join, Django would ask for the hash in a subquery too,
        # where it is not asked again once another transaction has changed the row.
        owner = models.Client.objects.using(self.using).filter(client_id=client_id).values("pk")
        rows = models.ClientSecret.objects.using(self.using).filter(
            client__in=owner, **_to_secret_row(old)
        )
        self.run(lambda: rows.update(**_to_secret_row(new)), single=True)

    def _lock_client(self, client_id: str) -> models.Client:
        """Return the row of a client; nobody else changes it until the transaction ends."""
        rows = models.Client.objects.using(self.using).filter(client_id=client_id)
        if not is_text(client_id) or not rows.update(active=F("active")):
            raise KeyError(client_id)
        return rows.get()

    def _find_secrets(self, row: models.Client) -> tuple[ClientSecret, ...]:
        kept = models.ClientSecret.objects.using(self.using).filter(client=row).order_by("id")
        return tuple(
            ClientSecret(hash=each.hash, expires_at=each.expires_at, id=each.secret_id)
            for each in kept
        )

    def _add_secrets(self, row: models.Client, secrets: Iterable[ClientSecret]) -> None:
        for secret in secrets:
            models.ClientSecret.objects.using(self.using).create(
                client=row, **_to_secret_row(secret)
            )


def _to_client(row: models.Client, secrets: tuple[ClientSecret, ...]) -> Client:
    return Client(secrets=secrets, **{name: getattr(row, name) for name in models.CLIENT_FIELDS})


def _to_row(client: Client) -> dict[str, Any]:
    return {name: getattr(client, name) for name in models.CLIENT_FIELDS}


def _to_secret_row(secret: ClientSecret) -> dict[str, Any]:
    return {"hash": secret.hash, "expires_at": secret.expires_at, "secret_id": secret.id}


def _to_secret(row: dict[str, Any]) -> ClientSecret:
    return ClientSecret(
        hash=row["secrets__hash"],
        expires_at=row["secrets__expires_at"],
        id=row["secrets__secret_id"],
    )
