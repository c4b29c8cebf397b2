"""The contract of stores, for Django's ORM on SQLite and PostgreSQL, in both colours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, TypeVar

import attrs
from asgiref.sync import sync_to_async
from databases import postgres_url
from django.db import IntegrityError, connections

from django_adapter.accounts.models import Account
from django_adapter.routers import ChosenRouter, chosen
from django_adapter.tables import empty_database, letting_go, use_postgres
from oauthgrants import Client, User
from oauthgrants.adapters.django.store import AsyncDjangoStore, DjangoStore
from oauthgrants.adapters.django.users import DjangoUsers
from oauthgrants.assembly import Store
from oauthgrants.ports import MaybeAwaitable
from oauthgrants.testing.store_contract import StoreContract
from oauthgrants.testing.store_driver import refused

T = TypeVar("T")
F = TypeVar("F", bound=Store)


class _Users(DjangoUsers):
    """Users of any name and any identifier, as the contract has them."""

    def __init__(self) -> None:
        super().__init__(Account, sub_field="sub", sub_prefix="")

    def to_user(self, account: Any) -> User:
        return attrs.evolve(
            super().to_user(account), scope=account.scope, password_hash=account.hash
        )


class _Contract(StoreContract[F]):
    # Django hashes passwords anew by itself, when `authenticate` has checked them.
    keeps_passwords = False
    alias: ClassVar[str]

    def add_user(self, store: F, user: User) -> None:
        try:
            Account.objects.using(ChosenRouter.chosen).create(
                sub=user.sub,
                username=user.username,
                hash=user.password_hash,
                scope=user.scope,
                is_active=user.active,
            )
        except IntegrityError as taken:
            raise ValueError from taken

    def race(self, calls: Sequence[Callable[[], MaybeAwaitable[T]]]) -> list[T]:
        return super().race([letting_go(call) for call in calls])

    @contextmanager
    def _open(self) -> Generator[F, None, None]:
        if self.alias == "postgres":
            use_postgres(postgres_url())
        with empty_database(self.alias), chosen(self.alias), super()._open() as store:
            yield store

    def test_a_client_id_is_no_users_sub(self) -> None:
        """Django adds users without asking us; what keeps them apart from clients is a prefix."""
        with self._open() as store:
            self.add_user(store, User(sub="user", username="alice"))

            with refused(ValueError, why="the client_id is a user's sub"):
                self.add_client(store, Client.public("user"))

            assert self.resolve(store.find_client("user")) is None


class _SyncContract(_Contract[DjangoStore]):
    @contextmanager
    def open_store(self) -> Generator[DjangoStore, None, None]:
        yield DjangoStore(users=_Users())

    @contextmanager
    def connect_again(self, store: DjangoStore) -> Generator[DjangoStore, None, None]:
        yield DjangoStore(using=f"{store.using}_again", users=_Users())


class _AsyncContract(_Contract[AsyncDjangoStore]):
    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AsyncDjangoStore, None]:
        yield AsyncDjangoStore(users=_Users())
        await sync_to_async(connections.close_all)()

    @asynccontextmanager
    async def connect_again(
        self, store: AsyncDjangoStore
    ) -> AsyncGenerator[AsyncDjangoStore, None]:
        yield AsyncDjangoStore(using=f"{store.sync.using}_again", users=_Users())


class TestSqlite(_SyncContract):
    alias = "sqlite"


class TestPostgres(_SyncContract):
    alias = "postgres"


class TestSqliteAsync(_AsyncContract):
    """The same calls in other threads, so one database will do."""

    alias = "sqlite"
