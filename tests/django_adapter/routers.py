"""Which database the models are in, as tests choose."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from django.db import models


class ChosenRouter:
    """Sends what is written to the database that a test chose."""

    chosen = "default"

    def db_for_write(self, model: type[models.Model], **hints: object) -> str | None:
        """Return the database that a test chose."""
        return self.chosen

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool | None:
        """Return whether it is that database."""
        return db == self.chosen


@contextmanager
def chosen(alias: str) -> Generator[None, None, None]:
    """Let *alias* be where everything is."""
    before, ChosenRouter.chosen = ChosenRouter.chosen, alias
    try:
        yield
    finally:
        ChosenRouter.chosen = before
