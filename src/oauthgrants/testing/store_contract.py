"""
What every store has to do, as tests to inherit.

There is a contract for each port: `ClientStoreContract`, `UserStoreContract`,
`TokenStoreContract`, `DenyListContract`, `ReplayStoreContract`, `AttemptStoreContract`,
`KnownSourcesContract` and `MfaTokenStoreContract`. A store that fills one is tested by one; one
that fills all of them is tested by `StoreContract`. A test module subclasses it and says how an
empty store is opened::

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
from os import urandom
from typing import TypeVar

from oauthgrants.attempts import AttemptLimit
from oauthgrants.clients import Client
from oauthgrants.ports import Store, TokenStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.attempt_contract import AttemptStoreContract
from oauthgrants.testing.client_and_user_contracts import ClientStoreContract, UserStoreContract
from oauthgrants.testing.deny_list_contract import DenyListContract
from oauthgrants.testing.replay_contract import ReplayStoreContract
from oauthgrants.testing.rotation_contract import RotationContract
from oauthgrants.testing.rotation_race_contract import RotationRaceContract
from oauthgrants.testing.sign_in_contracts import KnownSourcesContract, MfaTokenStoreContract
from oauthgrants.testing.store_driver import Opened, refused
from oauthgrants.testing.token_contract import TokenKeepingContract
from oauthgrants.users import User

__all__ = [
    "AttemptStoreContract",
    "ClientStoreContract",
    "DenyListContract",
    "KnownSourcesContract",
    "MfaTokenStoreContract",
    "ReplayStoreContract",
    "StoreContract",
    "TokenStoreContract",
    "UserStoreContract",
]

K = TypeVar("K", bound=TokenStore)
F = TypeVar("F", bound=Store)


class TokenStoreContract(TokenKeepingContract[K], RotationContract[K], RotationRaceContract[K]):
    """What a `TokenStore` has to do."""


class StoreContract(
    ClientStoreContract[F],
    UserStoreContract[F],
    TokenStoreContract[F],
    DenyListContract[F],
    ReplayStoreContract[F],
    AttemptStoreContract[F],
    KnownSourcesContract[F],
    MfaTokenStoreContract[F],
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

    def test_an_mfa_token_is_no_other_token(self) -> None:
        """Half a sign-in opens nothing, and is not revoked or taken for another."""
        with self._open() as store:
            access, refresh = samples.make_pair()
            mfa = samples.make_mfa_token()
            self.resolve(store.save_tokens(access, refresh))
            self.resolve(store.save_mfa_token(mfa))

            for token in (access, refresh):
                assert self.resolve(store.find_mfa_token(token.digest)) is None
                assert self.resolve(store.take_mfa_token(token.digest)) is False
            assert self.resolve(store.find_access_token(mfa.digest)) is None
            assert self.resolve(store.find_refresh_token(mfa.digest)) is None
            self.resolve(store.revoke_access_token(mfa.digest))

            assert self.resolve(store.find_access_token(access.digest)) == access
            assert self.resolve(store.find_refresh_token(refresh.digest)) == refresh
            assert self.resolve(store.find_mfa_token(mfa.digest)) == mfa

    def test_a_digest_is_of_one_port(self) -> None:
        """What was used once is no known source, and neither is what was guessed at."""
        with self._open() as store:
            used, guessed, known = urandom(32), urandom(32), urandom(32)
            now, hour = samples.moment(), samples.HOUR
            limit = AttemptLimit(max_failures=1, window=hour, longest_wait=hour)
            self.resolve(store.add_if_absent(used, now + hour))
            self.resolve(store.begin_attempt(guessed, limit, now))
            self.resolve(store.remember_source(known, now + hour))

            for digest in (used, guessed):
                assert self.resolve(store.is_known_source(digest, now)) is False
            for digest in (used, known):
                assert self.resolve(store.begin_attempt(digest, limit, now)) is True
            for digest in (guessed, known):
                assert self.resolve(store.add_if_absent(digest, now + hour)) is True
