"""The databases of the project: migrated once, emptied for each test, and let go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import ParamSpec, TypeVar

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.transaction import atomic
from psycopg.conninfo import conninfo_to_dict

from django_adapter.routers import chosen

P = ParamSpec("P")
T = TypeVar("T")


def use_postgres(url: str) -> None:
    """Let the aliases of PostgreSQL be the server at *url*, which has no ``postgresql:``."""
    told = conninfo_to_dict(f"postgresql:{url}")
    for alias in ("postgres", "postgres_again"):
        settings.DATABASES[alias].update(
            {
                "NAME": told["dbname"],
                "USER": told.get("user", ""),
                "PASSWORD": told.get("password", ""),
                "HOST": told.get("host", ""),
                "PORT": told.get("port", ""),
            }
        )


@contextmanager
def empty_database(alias: str = "default") -> Generator[str, None, None]:
    """Return *alias*, with all tables there and nothing in them, until its connections close."""
    _migrate(alias)
    # At once, and not by way of the models: each would look for what refers to its rows.
    with atomic(using=alias), connections[alias].cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            # What Django knows of the models themselves came with the migrations.
            if model not in {ContentType, Permission}:
                cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
    try:
        yield alias
    finally:
        connections.close_all()


def letting_go(call: Callable[P, T]) -> Callable[P, T]:
    """Return *call*, closing the connections of the thread that makes it."""

    def closing(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        finally:
            connections.close_all()

    return closing


@cache
def _migrate(alias: str) -> None:
    if connections[alias].vendor == "sqlite":
        # As docs/django.md has it, where Django is new enough; it is a property of the file.
        connections[alias].cursor().execute("PRAGMA journal_mode=WAL")
    with chosen(alias):
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
