"""What every store of clients and of users has to do; see `store_contract`."""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, TypeVar, cast
from unittest import SkipTest

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.ports import ClientStore, UserStore
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_driver import AT_ONCE, StoreTests, refused
from oauthgrants.users import User

C = TypeVar("C", bound=ClientStore)
U = TypeVar("U", bound=UserStore)


class ClientStoreContract(StoreTests[C]):
    """
    What a `ClientStore` has to do.

    Attributes:
        keeps_secrets: False for a store that is read-only: `replace_client_secret` does nothing.
    """

    keeps_secrets: ClassVar[bool] = True

    def add_client(self, store: C, client: Client) -> None:
        """
        Register *client*; ``store.add_client`` does, unless this is replaced.

        Raises:
            ValueError: Its ``client_id`` is registered already (RFC 6749, 2.2).
        """
        self.resolve(cast("Any", store).add_client(client))

    def _registry(self, store: C, method: str = "add_client_secret") -> Any:
        if not hasattr(store, method):
            raise SkipTest(f"the store has no {method}")
        return store

    def _secrets(self, store: C) -> tuple[ClientSecret, ...]:
        client = self.resolve(store.find_client("app"))
        assert client is not None
        return client.secrets

    def test_an_unknown_client_is_none(self) -> None:
        """Whatever was sent as its id: an exception would say that the store is away."""
        with self._open() as store:
            self.add_client(store, Client.public("app"))

            for unknown in ("", "nobody", samples.ODD_TEXT, samples.NUL_TEXT, "a" * 10_000):
                assert self.resolve(store.find_client(unknown)) is None

    def test_a_client_comes_back_whole(self) -> None:
        """Every attribute, with its order, its microseconds, and None told from empty."""
        with self._open() as store:
            clients = list(samples.clients())
            for client in clients:
                self.add_client(store, client)

            for client in clients:
                assert self.resolve(store.find_client(client.client_id)) == client

    def test_client_ids_that_look_alike_are_two(self) -> None:
        """Case and spaces count, and nothing is a pattern."""
        with self._open() as store:
            for number, client_id in enumerate(samples.LOOKALIKES):
                self.add_client(store, Client.public(client_id, client_name=str(number)))

            for number, client_id in enumerate(samples.LOOKALIKES):
                found = self.resolve(store.find_client(client_id))
                assert found == Client.public(client_id, client_name=str(number))

    def test_a_client_id_is_registered_once(self) -> None:
        """The second client is refused, and the first stays as it was (RFC 6749, 2.2)."""
        with self._open() as store:
            client = Client.public("app", client_name="first")
            self.add_client(store, client)

            with refused(ValueError, why="the client_id is registered"):
                self.add_client(store, Client.public("app", client_name="second"))

            assert self.resolve(store.find_client("app")) == client

    def test_a_client_is_replaced_whole(self) -> None:
        """Its secrets too; and who is unknown is not registered by it."""
        with self._open() as store:
            registry = self._registry(store, "replace_client")
            client = _client_with_secrets(2)
            changed = attrs.evolve(client, client_name="changed", secrets=client.secrets[1:])
            self.add_client(store, client)

            self.resolve(registry.replace_client(changed))
            assert self.resolve(store.find_client("app")) == changed
            with refused(KeyError, why="there is no such client"):
                self.resolve(registry.replace_client(Client.public("nobody")))
            assert self.resolve(store.find_client("nobody")) is None

    def test_a_secret_is_replaced(self) -> None:
        """The new one takes the place of the old, and nothing else changes."""
        with self._open() as store:
            client = _client_with_secrets(3)
            old = client.secrets[1]
            new = attrs.evolve(old, hash="new")
            self.add_client(store, client)

            self.resolve(store.replace_client_secret("app", old, new))

            secrets = (client.secrets[0], new if self.keeps_secrets else old, client.secrets[2])
            expected = attrs.evolve(client, secrets=secrets)
            assert self.resolve(store.find_client("app")) == expected

    def test_a_secret_that_is_gone_is_not_replaced(self) -> None:
        """It was withdrawn or replaced meanwhile: it must not come back under a new hash."""
        with self._open() as store:
            client = _client_with_secrets(2)
            old = client.secrets[0]
            self.add_client(store, client)

            new = ClientSecret(hash="new", id=old.id)
            for gone in (
                attrs.evolve(old, hash="another"),
                attrs.evolve(old, expires_at=samples.moment()),
            ):
                self.resolve(store.replace_client_secret("app", gone, new))
            self.resolve(store.replace_client_secret("nobody", old, new))

            assert self.resolve(store.find_client("app")) == client
            assert self.resolve(store.find_client("nobody")) is None

    def test_secrets_replaced_at_once_are_all_replaced(self) -> None:
        """Nobody writes back a list that somebody else has changed meanwhile."""
        with self._open() as store:
            client = _client_with_secrets(10)
            new = [attrs.evolve(old, hash=f"new {old.id}") for old in client.secrets]
            self.add_client(store, client)

            replace = partial(store.replace_client_secret, "app")
            self.race([partial(replace, *pair) for pair in zip(client.secrets, new, strict=True)])

            secrets = tuple(new) if self.keeps_secrets else client.secrets
            assert self.resolve(store.find_client("app")) == attrs.evolve(client, secrets=secrets)

    def test_a_client_has_several_secrets(self) -> None:
        """A further one leaves the rest as they are, or lets them end at some moment."""
        with self._open() as store:
            registry = self._registry(store)
            client = _client_with_secrets(2)
            soon, later = samples.moment() + samples.HOUR, samples.moment() + samples.DAY
            ending = attrs.evolve(client.secrets[0], expires_at=soon)
            client = attrs.evolve(client, secrets=(ending, client.secrets[1]))
            self.add_client(store, client)
            added = ClientSecret(hash="third", id="third")
            last = ClientSecret(hash="fourth", id="fourth", expires_at=later + samples.DAY)

            self.resolve(registry.add_client_secret("app", added))
            assert self._secrets(store) == (*client.secrets, added)
            self.resolve(registry.add_client_secret("app", last, others_expire_at=later))
            until = attrs.evolve(client.secrets[1], expires_at=later)
            third = attrs.evolve(added, expires_at=later)
            assert self._secrets(store) == (ending, until, third, last)

            for secret_id in (ending.id, "third", until.id):
                self.resolve(registry.delete_client_secret("app", secret_id))
            assert self._secrets(store) == (last,)

    def test_a_client_keeps_the_secrets_that_it_needs(self) -> None:
        """What is refused changes nothing: its last secret, an id twice, one for who has none."""
        with self._open() as store:
            registry = self._registry(store)
            client = _client_with_secrets(1)
            public = Client.public("phone")
            self.add_client(store, client)
            self.add_client(store, public)
            again = ClientSecret(hash="another", id=client.secrets[0].id)

            with refused(ValueError, why="there is a secret of this id"):
                self.resolve(registry.add_client_secret("app", again))
            with refused(ValueError, why="the client has no other secret"):
                self.resolve(registry.delete_client_secret("app", again.id))
            with refused(ValueError, why="there is no such secret"):
                self.resolve(registry.delete_client_secret("app", "none"))
            with refused(ValueError, why="the client is public"):
                self.resolve(registry.add_client_secret("phone", again))
            with refused(KeyError, why="there is no such client"):
                self.resolve(registry.add_client_secret("nobody", again))
            with refused(KeyError, why="there is no such client"):
                self.resolve(registry.delete_client_secret("nobody", again.id))

            assert self.resolve(store.find_client("app")) == client
            assert self.resolve(store.find_client("phone")) == public

    def test_secrets_added_at_once_are_all_added(self) -> None:
        """Two people rotate the secrets of one client: each has one that works."""
        with self._open() as store:
            registry = self._registry(store)
            client = _client_with_secrets(1)
            self.add_client(store, client)
            added = [ClientSecret(hash=f"new {n}", id=f"new {n}") for n in range(5)]

            self.race([partial(registry.add_client_secret, "app", secret) for secret in added])

            assert set(self._secrets(store)) == {*client.secrets, *added}

    def test_clients_are_seen_through_another_connection(self) -> None:
        """What is registered here authenticates there."""
        with self._open_two() as (store, again):
            client = _client_with_secrets(1)
            self.add_client(store, client)

            assert self.resolve(again.find_client("app")) == client


class UserStoreContract(StoreTests[U]):
    """
    What a `UserStore` has to do.

    Attributes:
        keeps_passwords: False for a store that is read-only: `replace_password_hash` does
            nothing.
    """

    keeps_passwords: ClassVar[bool] = True

    def add_user(self, store: U, user: User) -> None:
        """
        Add *user*; ``store.add_user`` does, unless this is replaced.

        Raises:
            ValueError: The ``username`` or ``sub`` is another user's.
        """
        self.resolve(cast("Any", store).add_user(user))

    def test_an_unknown_user_is_none(self) -> None:
        """Whatever was sent as username: an exception would say that the store is away."""
        with self._open() as store:
            self.add_user(store, User(sub="user-1", username="alice"))

            for unknown in ("", "nobody", samples.ODD_TEXT, samples.NUL_TEXT, "a" * 10_000):
                assert self.resolve(store.find_user(unknown)) is None
                assert self.resolve(store.find_user_by_sub(unknown)) is None

    def test_a_user_comes_back_whole(self) -> None:
        """By either name, with None told from empty."""
        with self._open() as store:
            users = list(samples.users())
            for user in users:
                self.add_user(store, user)

            for user in users:
                assert self.resolve(store.find_user(user.username)) == user
                assert self.resolve(store.find_user_by_sub(user.sub)) == user

    def test_username_and_sub_are_two_names(self) -> None:
        """Neither is looked for among the other."""
        with self._open() as store:
            self.add_user(store, User(sub="user-1", username="alice"))
            self.add_user(store, User(sub="alice", username="bob"))

            for sub, username in (("user-1", "alice"), ("alice", "bob")):
                user = User(sub=sub, username=username)
                assert self.resolve(store.find_user(username)) == user
                assert self.resolve(store.find_user_by_sub(sub)) == user
            assert self.resolve(store.find_user("user-1")) is None
            assert self.resolve(store.find_user_by_sub("bob")) is None

    def test_usernames_that_look_alike_are_two(self) -> None:
        """They come as sent: not folded, trimmed or normalised, and nothing is a pattern."""
        with self._open() as store:
            for number, username in enumerate(samples.LOOKALIKE_TEXTS):
                self.add_user(store, User(sub=f"user-{number}", username=username))

            for number, username in enumerate(samples.LOOKALIKE_TEXTS):
                user = User(sub=f"user-{number}", username=username)
                assert self.resolve(store.find_user(username)) == user

    def test_username_and_sub_are_one_users(self) -> None:
        """The second user is refused, and leaves no trace."""
        with self._open() as store:
            user = User(sub="user-1", username="alice")
            self.add_user(store, user)

            for second in (
                User(sub="user-2", username="alice"),
                User(sub="user-1", username="bob"),
            ):
                with refused(ValueError, why="the username or the sub is another user's"):
                    self.add_user(store, second)

            assert self.resolve(store.find_user("alice")) == user
            assert self.resolve(store.find_user_by_sub("user-1")) == user
            assert self.resolve(store.find_user("bob")) is None
            assert self.resolve(store.find_user_by_sub("user-2")) is None

    def test_a_password_hash_is_replaced(self) -> None:
        """Under both names, and nothing else changes."""
        with self._open() as store:
            for user in samples.users():
                self.add_user(store, attrs.evolve(user, password_hash="old"))

                self.resolve(store.replace_password_hash(user.sub, "old", "new"))

                changed = attrs.evolve(user, password_hash="new" if self.keeps_passwords else "old")
                assert self.resolve(store.find_user(user.username)) == changed
                assert self.resolve(store.find_user_by_sub(user.sub)) == changed

    def test_a_password_hash_that_is_gone_is_not_replaced(self) -> None:
        """The password was changed meanwhile: the one before must not come back."""
        with self._open() as store:
            user = User(sub="user-1", username="alice", password_hash="changed")
            other = User(sub="user-2", username="bob")
            self.add_user(store, user)
            self.add_user(store, other)

            self.resolve(store.replace_password_hash("user-1", "old", "new"))
            self.resolve(store.replace_password_hash("user-1", "CHANGED", "new"))
            self.resolve(store.replace_password_hash("user-2", "", "new"))
            self.resolve(store.replace_password_hash("alice", "changed", "new"))
            self.resolve(store.replace_password_hash("nobody", "changed", "new"))

            assert self.resolve(store.find_user_by_sub("user-1")) == user
            assert self.resolve(store.find_user_by_sub("user-2")) == other

    def test_of_many_replacements_at_once_one_is_made(self) -> None:
        """All found the old hash; the first leaves nothing to replace."""
        with self._open() as store:
            user = User(sub="user-1", username="alice", password_hash="old")
            self.add_user(store, user)
            names = [f"new {number}" for number in range(AT_ONCE)]

            replace = partial(store.replace_password_hash, "user-1")
            self.race([partial(replace, "old", new) for new in names])
            first = self.resolve(store.find_user("alice"))
            # Other ones, so that the last of them cannot be the first of those by chance.
            self.race([partial(replace, "old", f"newer {number}") for number in range(AT_ONCE)])

            assert first is not None
            assert first.password_hash in (names if self.keeps_passwords else ["old"])
            assert self.resolve(store.find_user("alice")) == first

    def test_users_are_seen_through_another_connection(self) -> None:
        """Who is added here signs in there."""
        with self._open_two() as (store, again):
            user = User(sub="user-1", username="alice")
            self.add_user(store, user)

            assert self.resolve(again.find_user("alice")) == user


def _client_with_secrets(number: int) -> Client:
    return Client(
        client_id="app",
        grant_types=("client_credentials",),
        client_name=samples.ODD_TEXT,
        secrets=tuple(ClientSecret(hash=f"old {n}", id=str(n)) for n in range(number)),
    )
