"""
What every store has to do, as tests to inherit.

There is a contract for each port: `ClientStoreContract`, `UserStoreContract`,
`TokenStoreContract` and `DenyListContract`. A store that fills one is tested by one; one that
fills all four is tested by `StoreContract`. A test module subclasses it and says how an empty
store is opened::

    class TestSqlite(TokenStoreContract[SqliteTokens]):
        @contextmanager
        def open_store(self):
            with TemporaryDirectory() as folder:
                store = SqliteTokens(Path(folder) / "tokens.db")
                yield store
                store.close()

Methods may be ``def`` or ``async def``; for a store that has to be opened on its event loop,
``open_store`` is an ``asynccontextmanager``. The tests are plain asserts and run under pytest
or, mixed with ``unittest.TestCase``, under unittest.
"""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from oauthgrants.assembly import Store
from oauthgrants.clients import Client
from oauthgrants.ports import TokenStore
from oauthgrants.testing.client_and_user_contracts import ClientStoreContract, UserStoreContract
from oauthgrants.testing.deny_list_contract import DenyListContract
from oauthgrants.testing.rotation_contract import RotationContract
from oauthgrants.testing.rotation_race_contract import RotationRaceContract
from oauthgrants.testing.store_driver import Opened, refused
from oauthgrants.testing.token_contract import TokenKeepingContract
from oauthgrants.users import User

__all__ = [
    "ClientStoreContract",
    "DenyListContract",
    "StoreContract",
    "TokenStoreContract",
    "UserStoreContract",
]

K = TypeVar("K", bound=TokenStore)
F = TypeVar("F", bound=Store)


class TokenStoreContract(TokenKeepingContract[K], RotationContract[K], RotationRaceContract[K]):
    """What a `TokenStore` has to do."""


class StoreContract(
    ClientStoreContract[F], UserStoreContract[F], TokenStoreContract[F], DenyListContract[F]
):
    """What a store of everything has to do: each port's contract, and how they go together."""

    @abstractmethod
    def open_store(self) -> Opened[F]:
        """
        Return an empty store, within a context manager that closes it, sync or async.

        An async one is entered and left on the event loop on which the test calls the store.
        """
        ...

    def test_a_client_id_is_no_users_sub(self) -> None:
        """Else a client's token for itself could pass as that user's (RFC 9700, 4.15.1)."""
        with self._open() as store:
            client = Client.public("client")
            user = User(sub="user", username="alice")
            self.add_client(store, client)
            self.add_user(store, user)

            with refused(ValueError, why="the client_id is a user's sub"):
                self.add_client(store, Client.public("user"))
            with refused(ValueError, why="the sub is a client_id"):
                self.add_user(store, User(sub="client", username="bob"))

            assert self.resolve(store.find_client("user")) is None
            assert self.resolve(store.find_user_by_sub("client")) is None
            assert self.resolve(store.find_user("bob")) is None
            assert self.resolve(store.find_client("client")) == client
            assert self.resolve(store.find_user("alice")) == user

    def test_a_username_may_be_a_client_id(self) -> None:
        """It is what people type, and no token names its owner by it alone."""
        with self._open() as store:
            user = User(sub="user", username="app")
            self.add_client(store, Client.public("app"))
            self.add_user(store, user)

            assert self.resolve(store.find_user("app")) == user
