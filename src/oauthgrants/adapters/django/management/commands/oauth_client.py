"""``manage.py oauth_client``: register clients, give them new secrets, switch them off and on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.registering import add_secret
from oauthgrants.adapters.django.servers import servers
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.clients import Client
from oauthgrants.ports import utc_now
from oauthgrants.secret import Secret


class Command(BaseCommand):
    """Has a command for each thing to do."""

    help = "Register clients, give them new secrets, list them, switch them off and on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the commands."""
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        add = commands.add_parser("add", help="register a client, and show its secret")
        add.add_argument("--client-id", help="made up if left out")
        add.add_argument("--name", dest="client_name", help="for people")
        add.add_argument(
            "--grant-type",
            action="append",
            dest="grant_types",
            help="may be repeated (client_credentials); with password, it sees the passwords of "
            "its users",
        )
        add.add_argument("--scope", help="all that it may have")
        add.add_argument("--default-scope", help="what it gets when it asks for none")
        kind = add.add_mutually_exclusive_group()
        kind.add_argument("--public", action="store_true", help="it cannot keep a secret")
        kind.add_argument("--jwks", type=Path, help="file with its public keys, a JWK Set")
        kind.add_argument("--jwks-uri", help="where its public keys are, an https URL")
        secret = commands.add_parser("secret", help="make a further secret, and show it")
        secret.add_argument("client_id")
        secret.add_argument(
            "--others-expire-in",
            type=float,
            metavar="HOURS",
            help="end the secrets that it has then (never)",
        )
        commands.add_parser("list", help="show which clients there are")
        for name, does in (("deactivate", "refuse"), ("activate", "take")):
            commands.add_parser(name, help=f"{does} a client").add_argument("client_id")

    def handle(self, *_: Any, command: str, **options: Any) -> None:
        """Do what was asked for."""
        match command:
            case "add":
                self._add(DjangoStore(users=servers().users), options)
            case "secret":
                self._make_secret(options)
            case "list":
                self._list()
            case _:
                self._activate(options["client_id"], active=command == "activate")

    def _add(self, store: DjangoStore, options: dict[str, Any]) -> None:
        if options["public"] and not options["grant_types"]:
            raise CommandError("--public needs --grant-type: without a secret there is no default")
        grant_types = options["grant_types"] or ["client_credentials"]
        names = ("client_id", "client_name", "scope", "default_scope")
        metadata = {name: options[name] for name in names if options[name] is not None}
        metadata |= {"grant_types": grant_types, "first_party": "password" in grant_types}
        secret: Secret | None = None
        try:
            if options["public"]:
                client = Client.public(**metadata)
            elif options["jwks"] is not None:
                client = Client.with_keys(jwks=options["jwks"].read_text("utf-8"), **metadata)
            elif options["jwks_uri"] is not None:
                client = Client.with_keys(jwks_uri=options["jwks_uri"], **metadata)
            else:
                client, secret = Client.confidential(**metadata)
            store.add_client(client)
        except (ModuleNotFoundError, OSError, ValueError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"client_id: {client.client_id}")
        if secret is not None:
            self._show(secret)

    def _make_secret(self, options: dict[str, Any]) -> None:
        hours = options["others_expire_in"]
        end = None if hours is None else utc_now() + timedelta(hours=hours)
        client = models.Client.objects.filter(client_id=options["client_id"]).first()
        if client is None:
            raise CommandError(f"there is no client {options['client_id']!r}")
        try:
            secret = add_secret(client, others_expire_at=end)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self._show(secret)

    def _list(self) -> None:
        for client in models.Client.objects.all():
            grant_types = ", ".join(client.grant_types)
            state = "" if client.active else "  (inactive)"
            self.stdout.write(f"{client.client_id}  {grant_types}{state}")

    def _activate(self, client_id: str, *, active: bool) -> None:
        if not models.Client.objects.filter(client_id=client_id).update(active=active):
            raise CommandError(f"there is no client {client_id!r}")

    def _show(self, secret: Secret) -> None:
        self.stdout.write(f"client_secret: {secret.reveal()}")
        self.stderr.write("The secret is shown this once.")
