"""What the parts of the store share: the database, and what text it can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import router

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.transactions import run
from oauthgrants.adapters.django.users import DjangoUsers

T = TypeVar("T")


class Part:
    """What fills one port or a few."""

    def __init__(self, *, using: str | None = None, users: DjangoUsers | None = None) -> None:
        """
        Make a store.

        Args:
            using: The alias of the database; by default the one that routers name for writing,
                since a replica may not have heard yet of what is revoked.
            users: The resource owners; those of ``AUTH_USER_MODEL`` by default.
        """
        self._using = using
        self.users: DjangoUsers = DjangoUsers() if users is None else users
        """The resource owners."""

    @property
    def using(self) -> str:
        """The alias of the database."""
        return router.db_for_write(models.Family) if self._using is None else self._using

    def run(self, operation: Callable[[], T], *, single: bool = False) -> T:
        """Return what *operation* answers, as `transactions.run` has it."""
        return run(self.using, operation, single=single)
