"""``manage.py oauth_purge``: delete what has expired, from a timer such as cron's."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.ports import utc_now


def _read_size(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError("has to be an integer of 1 or more")
    return int(text)


class Command(BaseCommand):
    """Deletes in small batches, each a transaction, so that nobody has to wait."""

    help = "Delete expired tokens, denials and the like; run it from a timer."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--database", help="its alias; by default what routers say")
        parser.add_argument(
            "--batch-size",
            type=_read_size,
            default=1000,
            help="how much is deleted in one transaction (1000)",
        )

    def handle(self, *_: Any, database: str | None, batch_size: int, **__: Any) -> None:
        """Delete all there is."""
        store = DjangoStore(using=database)
        # What expires meanwhile is for the next time, else there might be no end.
        now = utc_now()
        deleted, batch = 0, batch_size
        while batch == batch_size:
            batch = store.delete_expired(now, batch_size)
            deleted += batch
        self.stdout.write(f"deleted {deleted} that had expired")
