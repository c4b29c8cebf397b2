"""
Every store leads the same life, that of the model.

A few lives each; ``OAUTHGRANTS_LIVES=5000 pytest tests/stores/test_life_cycle.py`` for more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import attrs
import pytest
from databases import empty_postgres_url, open_engine, sqlite_url
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from life_cycle import Bench, Format, LifeCycle
from valkey_servers import new_prefix, open_client, valkey_url

from django_adapter.accounts.models import Account
from django_adapter.routers import chosen
from django_adapter.tables import empty_database
from oauthgrants import Client, MemoryStore, User
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.adapters.django.users import DjangoUsers
from oauthgrants.ports import Rotation
from oauthgrants.stores.redis import RedisStore
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from oauthgrants.tokens import AccessToken, RefreshToken

__all__ = ["valkey_url"]

req = pytest.mark.req

LIVES = int(os.environ.get("OAUTHGRANTS_LIVES", "10"))
_STEPS = 40


@contextmanager
def open_memory() -> Generator[Bench]:
    yield Bench.of(MemoryStore())


@contextmanager
def open_sql(driver: str, database: AbstractContextManager[str]) -> Generator[Bench]:
    with database as url, open_engine(f"{driver}:{url}") as engine:
        store = SqlAlchemyStore(engine)
        store.create_all()
        yield Bench.of(store)


class _Users(DjangoUsers):
    """Users with a hash and a scope of ours."""

    def __init__(self) -> None:
        super().__init__(Account, sub_field="sub", sub_prefix="")

    def to_user(self, account: Any) -> User:
        return attrs.evolve(
            super().to_user(account), scope=account.scope, password_hash=account.hash
        )


@contextmanager
def open_django() -> Generator[Bench]:
    def add(user: User) -> None:
        Account.objects.create(
            sub=user.sub,
            username=user.username,
            hash=user.password_hash,
            scope=user.scope,
            is_active=user.active,
        )

    def replace(user: User) -> None:
        Account.objects.filter(sub=user.sub).update(is_active=user.active)

    with empty_database("sqlite"), chosen("sqlite"):
        yield Bench(DjangoStore(users=_Users()), add, replace)


BENCHES: dict[str, Callable[[], AbstractContextManager[Bench]]] = {
    "memory": open_memory,
    "sqlite": lambda: open_sql("sqlite", sqlite_url()),
    "postgresql": lambda: open_sql("postgresql+psycopg", empty_postgres_url()),
    "django": open_django,
}


def lead(bench: Bench, access_token_format: Format, lives: int, **others: Any) -> None:
    """Let the model and the server lead so many *lives*, as long as they agree."""
    run_state_machine_as_test(
        # A factory will do, its types say otherwise.
        cast("Any", lambda: LifeCycle(bench, access_token_format)),
        settings=settings(
            max_examples=lives,
            stateful_step_count=_STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            **others,
        ),
    )


LIFE = req(
    *("R6749-6-b", "R6749-6-c", "R6749-6-d", "R6749-6-e", "R6749-6-f", "R6749-6-g", "R6749-6-h"),
    *("R7009-2.1-b", "R7009-2.1-c", "R7009-2.1-d", "R7009-2.1-e", "R7662-2.2-b", "R9700-4.14.2-a"),
)


@LIFE
@pytest.mark.parametrize("access_token_format", ["opaque", "jwt"])
@pytest.mark.parametrize("name", list(BENCHES))
def test_a_life_is_that_of_the_model(name: str, access_token_format: Format) -> None:
    with BENCHES[name]() as bench:
        lead(bench, access_token_format, LIVES)


@LIFE
@pytest.mark.parametrize("access_token_format", ["opaque", "jwt"])
def test_a_life_in_valkey_is_that_of_the_model(
    valkey_url: str, access_token_format: Format
) -> None:
    with closing(open_client(valkey_url)) as client:
        lead(Bench.of(RedisStore(client, prefix=new_prefix())), access_token_format, LIVES)


# That it can fail


class _ForgetsReplays(MemoryStore):
    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        found = super().find_refresh_token(digest)
        return None if found is None else attrs.evolve(found, spent_at=None)

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        rotation = super().rotate_refresh_token(spent, access, refresh, grace=grace)
        if rotation is Rotation.REPLAYED:
            self.save_tokens(access, refresh)
        return Rotation.ROTATED


class _KeepsFamilies(MemoryStore):
    def revoke_family(self, family: str) -> None: ...


class _KeepsAccessTokens(MemoryStore):
    def revoke_access_token(self, digest: bytes) -> None: ...


class _DeniesNothing(MemoryStore):
    def deny(self, identifier: str, expires_at: datetime) -> None: ...


class _KnowsFormerClients(MemoryStore):
    def replace_client(self, client: Client) -> None: ...


class _KnowsFormerUsers(MemoryStore):
    def replace_user(self, user: User) -> None: ...


class _MixesScopesUp(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        if access is not None and refresh is not None:
            refresh = attrs.evolve(refresh, scope=access.scope - access.scope)
        super().save_tokens(access, refresh)


@pytest.mark.parametrize(
    ("store", "access_token_format"),
    [
        (_ForgetsReplays, "opaque"),
        (_KeepsFamilies, "opaque"),
        (_KeepsAccessTokens, "opaque"),
        (_DeniesNothing, "jwt"),
        (_KnowsFormerClients, "opaque"),
        (_KnowsFormerUsers, "opaque"),
        (_MixesScopesUp, "opaque"),
    ],
)
def test_a_faulty_store_is_caught(store: type[MemoryStore], access_token_format: Format) -> None:
    """The first life that differs is enough, and the same one each time."""
    with pytest.raises(AssertionError):
        lead(
            Bench.of(store()),
            access_token_format,
            500,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
        )
