"""How the Redis store keeps clients and users apart, over several keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from os import urandom
from typing import Any, cast

import attrs
import pytest
import redis
from valkey_servers import (
    client,
    cluster_ports,
    new_prefix,
    store,
    valkey_url,
)

from oauthgrants import Client, User
from oauthgrants.stores.redis import RedisStore, registrations, scripts

__all__ = ["client", "cluster_ports", "store", "valkey_url"]


def test_a_client_is_replaced(store: RedisStore) -> None:
    """Whole, and only if it is there."""
    client, _ = Client.confidential("app", scope="a b", client_name="before")
    changed = Client.public("app", scope="c")
    store.add_client(client)

    store.replace_client(changed)

    assert store.find_client("app") == changed
    with pytest.raises(KeyError, match="nobody"):
        store.replace_client(Client.public("nobody"))
    assert store.find_client("nobody") is None


def test_a_user_is_replaced(store: RedisStore) -> None:
    """With the username, whose old one is free then; and only if it is there."""
    alice = User(sub="user-1", username="alice", password_hash="hash")
    changed = attrs.evolve(alice, password_hash="another", active=False)
    renamed = attrs.evolve(alice, username="alicia")
    store.add_user(alice)
    store.add_user(User(sub="user-2", username="bob"))

    store.replace_user(changed)
    assert store.find_user("alice") == changed

    for _ in range(3):
        store.replace_user(renamed)
        assert store.find_user("alicia") == store.find_user_by_sub("user-1") == renamed
        assert store.find_user("alice") is None
        store.replace_user(alice)
        assert store.find_user("alice") == store.find_user_by_sub("user-1") == alice
        assert store.find_user("alicia") is None

    store.replace_user(renamed)
    store.add_user(User(sub="user-3", username="alice"))
    with pytest.raises(ValueError, match="'bob' exists already"):
        store.replace_user(attrs.evolve(renamed, username="bob"))
    with pytest.raises(KeyError, match="nobody"):
        store.replace_user(User(sub="nobody", username="carol"))
    assert store.find_user("alicia") == renamed
    assert store.find_user("carol") is None
    names = {name: store.find_user(name) for name in ("alice", "bob")}
    assert {name: user and user.sub for name, user in names.items()} == {
        "alice": "user-3",
        "bob": "user-2",
    }


def test_a_username_is_a_users_for_good(store: RedisStore) -> None:
    """Only a claim that nobody followed up is void after a minute."""
    user = User(sub="user-1", username="alice")
    store.add_user(user)
    key = store.keyspace.key("username", "alice")
    cast("Any", store.client).hset(key, "at", 0)

    with pytest.raises(ValueError, match="exists already"):
        store.add_user(User(sub="user-2", username="alice"))
    store.add_user(User(sub="user-3", username="bob"))
    with pytest.raises(ValueError, match="exists already"):
        store.replace_user(User(sub="user-3", username="alice"))

    assert store.find_user("alice") == user


def test_of_many_users_at_once_one_gets_the_name(store: RedisStore) -> None:
    """Be it new, or after another name; the others are as before."""
    for number in range(8):
        store.add_user(User(sub=f"old-{number}", username=f"name-{number}"))

    def has_won(sub: str) -> bool:
        call = store.add_user if sub.startswith("new") else store.replace_user
        try:
            call(User(sub=sub, username="alice"))
        except ValueError:
            return False
        return True

    subs = [f"{age}-{number}" for age in ("new", "old") for number in range(8)]
    with ThreadPoolExecutor(16) as pool:
        winners = [sub for sub, won in zip(subs, pool.map(has_won, subs), strict=True) if won]

    alice = store.find_user("alice")
    assert alice is not None
    assert winners == [alice.sub]
    users = [store.find_user_by_sub(f"old-{number}") for number in range(8)]
    assert [user and user.username for user in users] == [
        "alice" if sub == alice.sub else f"name-{number}"
        for number, sub in enumerate(f"old-{number}" for number in range(8))
    ]
    assert [store.find_user(f"name-{number}") for number in range(8)] == [
        None if user == alice else user for user in users
    ]


def test_one_user_that_is_renamed_by_many_has_one_name(store: RedisStore) -> None:
    """The last of them counts, and all other names are free."""
    names = [f"name-{number}" for number in range(8)]
    user = User(sub="user-1", username="alice")
    store.add_user(user)

    def rename(name: str) -> None:
        store.replace_user(attrs.evolve(user, username=name))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rename, names))

    kept = store.find_user_by_sub("user-1")
    assert kept is not None
    assert [name for name in (*names, "alice") if store.find_user(name)] == [kept.username]


def test_a_name_that_is_taken_up_again_is_not_given_up(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a call that began before, and is late with its last step."""
    alice = User(sub="user-1", username="alice")
    store.add_user(alice)
    execute = cast("Any", redis.Redis).execute_command
    seen: list[str] = []

    def interfere(self: redis.Redis, *command: Any, **options: Any) -> Any:
        if command[1] == scripts.RELEASE.sha1 and not seen:
            seen.append("release")
            store.replace_user(alice)
        return execute(self, *command, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", interfere)
    store.replace_user(attrs.evolve(alice, username="alicia"))

    assert seen == ["release"]
    assert store.find_user("alice") == store.find_user_by_sub("user-1") == alice
    assert store.find_user("alicia") is None


def test_of_many_registrations_at_once_one_counts(store: RedisStore) -> None:
    """Clients and users under one identifier; the users that lost have no name either."""

    def add(number: int) -> bool:
        try:
            if number % 2:
                store.add_client(Client.public("one", client_name=str(number)))
            else:
                store.add_user(User(sub="one", username=f"name-{number}"))
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = [number for number, has_won in enumerate(pool.map(add, range(16))) if has_won]

    client, user = store.find_client("one"), store.find_user_by_sub("one")
    kept = [client.client_name] if client else []
    kept += [user.username.removeprefix("name-")] if user else []
    assert kept == [str(number) for number in won]
    # Nothing is left of those that lost.
    for number in range(0, 16, 2):
        if [number] != won:
            store.add_user(User(sub=f"sub-{number}", username=f"name-{number}"))


def test_what_takes_too_long_is_not_written(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the username may be another's, whom nobody would find."""
    store.add_user(User(sub="user-1", username="alice"))
    monkeypatch.setattr(registrations, "_WRITE_WITHIN", 0)

    with pytest.raises(TimeoutError, match="took too long"):
        store.add_user(User(sub="user-2", username="bob"))
    with pytest.raises(TimeoutError, match="took too long"):
        store.replace_user(User(sub="user-1", username="alicia"))

    assert store.find_user_by_sub("user-2") is None
    assert store.find_user("alice") == store.find_user_by_sub("user-1")
    assert [store.find_user(name) for name in ("bob", "alicia")] == [None, None]


def test_nobody_tries_for_ever(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others change again and again meanwhile, is a fault."""
    store = RedisStore(client, prefix=new_prefix())
    store.add_client(Client.public("app"))
    store.add_user(User(sub="user-1", username="alice", password_hash="old"))
    store.add_user(User(sub="user-2", username="bob"))
    execute = cast("Any", redis.Redis).execute_command
    contended = {
        scripts.EXCHANGE.sha1: b"changed",
        scripts.CLAIM.sha1: [urandom(9).hex().encode(), b'"nobody"', b"0", b"60000"],
    }

    def interfere(self: redis.Redis, *command: Any, **options: Any) -> Any:
        if command[1] in contended:
            return contended[command[1]]
        return execute(self, *command, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", interfere)

    with pytest.raises(RuntimeError, match="'app' 100 times"):
        store.replace_client(Client.public("app", scope="a"))
    with pytest.raises(RuntimeError, match="'user-1' 100 times"):
        store.replace_password_hash("user-1", "old", "new")
    with pytest.raises(RuntimeError, match="'user-1' 100 times"):
        store.replace_user(User(sub="user-1", username="alice"))
    with pytest.raises(ValueError, match="exists already"):
        store.add_user(User(sub="user-3", username="carol"))
