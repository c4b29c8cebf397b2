"""What the Redis store makes of servers and of redis-py's clients."""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from os import urandom
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
import redis
import redis.asyncio
from redis.exceptions import NoPermissionError, OutOfMemoryError
from valkey_servers import (
    HOST,
    client,
    cluster_ports,
    new_prefix,
    open_async_client,
    open_client,
    run_server,
    run_server_in,
    store,
    valkey_url,
)

from oauthgrants import User
from oauthgrants.ports import Rotation
from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from oauthgrants.testing.store_samples import HOUR, make_pair, make_successors, moment
from support import World

__all__ = ["client", "cluster_ports", "store", "valkey_url"]


@contextmanager
def with_policies(clients: Sequence[redis.Redis], policy: str) -> Generator[None, None, None]:
    for each in clients:
        cast("Any", each).config_set("maxmemory-policy", policy)
    yield
    for each in clients:
        cast("Any", each).config_set("maxmemory-policy", "noeviction")


def check_in_both_colours(store: RedisStore, other: Callable[[], AsyncRedisStore]) -> list[bool]:
    """Return what the check answers, asked in either colour."""

    async def check() -> bool:
        again = other()
        answer = await again.check_eviction()
        await again.client.aclose()
        return answer

    return [store.check_eviction(), asyncio.run(check())]


def test_a_server_that_evicts_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Which is said to the log, with the policy; nothing is said of one that does not."""
    with run_server() as url, closing(open_client(url)) as client:
        store = RedisStore(client)

        def other() -> AsyncRedisStore:
            return AsyncRedisStore(open_async_client(url, decode_responses=True))

        assert check_in_both_colours(store, other) == [False, False]
        assert caplog.records == []
        with with_policies([client], "volatile-ttl"):
            assert check_in_both_colours(store, other) == [True, True]

    assert [(each.name, each.levelno) for each in caplog.records] == [
        ("oauthgrants", logging.WARNING)
    ] * 2
    assert "maxmemory-policy is volatile-ttl; set it to noeviction" in caplog.text


def test_a_cluster_that_evicts_is_warned_of(
    cluster_ports: Sequence[int], caplog: pytest.LogCaptureFixture
) -> None:
    """One of its servers is enough."""
    with (
        closing(redis.RedisCluster(host=HOST, port=cluster_ports[0])) as client,
        closing(redis.Redis(host=HOST, port=cluster_ports[2])) as node,
    ):
        store = RedisStore(client)

        def other() -> AsyncRedisStore:
            return AsyncRedisStore(redis.asyncio.RedisCluster(host=HOST, port=cluster_ports[0]))

        assert check_in_both_colours(store, other) == [False, False]
        assert caplog.records == []
        with with_policies([node], "allkeys-lru"):
            assert check_in_both_colours(store, other) == [True, True]

    assert "maxmemory-policy is allkeys-lru" in caplog.text


def test_a_server_that_does_not_say_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Many who run servers for others forbid the question, and it says nothing about the answer."""
    with run_server("--maxmemory-policy", "allkeys-lru") as url, closing(open_client(url)) as admin:
        cast("Any", admin).execute_command(
            "ACL", "SETUSER", "host", "on", ">secret", "~*", "+@all", "-info", "-config"
        )
        with closing(open_client(url, username="host", password="secret")) as client:
            assert RedisStore(client).check_eviction() is False

    assert caplog.records == []


def test_what_was_acknowledged_survives_a_server_that_is_killed() -> None:
    """If it is told to keep a log; and the store goes on where it was."""
    log = ("--appendonly", "yes", "--appendfsync", "always")
    with TemporaryDirectory() as folder:
        first, revoked, used = make_pair(), make_pair(), urandom(32)
        second = make_successors(first[1])
        ends = moment() + HOUR
        with run_server_in(folder, *log) as (url, kill):
            client = open_client(url)
            store = RedisStore(client)
            store.add_user(User(sub="user-1", username="alice"))
            store.save_tokens(*first)
            store.rotate_refresh_token(first[1].digest, *second, grace=timedelta())
            store.save_tokens(*revoked)
            store.revoke_family(revoked[1].family)
            store.deny("jti", ends)
            store.add_if_absent(used, ends)
            kill()

        with run_server_in(folder, *log), closing(client):
            late = make_successors(first[1])
            replayed = store.rotate_refresh_token(first[1].digest, *late, grace=timedelta())
            assert replayed is Rotation.REPLAYED
            assert store.find_access_token(second[0].digest) == second[0]
            assert store.find_access_token(revoked[0].digest) is None
            assert store.is_denied(["jti"]) is True
            assert store.add_if_absent(used, ends) is False
            assert store.find_user("alice") == User(sub="user-1", username="alice")


def test_a_full_server_stores_neither_token_and_says_no_word_of_them() -> None:
    """The old one works once there is room again."""
    with run_server("--maxmemory", "1") as url, closing(open_client(url)) as client:
        store = RedisStore(client)
        first = make_pair(sub="the-sub", username="the-user")
        second = make_successors(first[1])
        cast("Any", client).config_set("maxmemory", "0")
        store.save_tokens(*first)
        cast("Any", client).config_set("maxmemory", "1")

        with pytest.raises(OutOfMemoryError) as caught:
            store.rotate_refresh_token(first[1].digest, *second, grace=timedelta())

        assert not re.search("the-sub|the-user|oauthgrants:", str(caught.value))
        cast("Any", client).config_set("maxmemory", "0")
        assert store.find_refresh_token(first[1].digest) == first[1]
        assert store.find_access_token(second[0].digest) is None
        assert store.find_refresh_token(second[1].digest) is None
        rotated = store.rotate_refresh_token(first[1].digest, *second, grace=timedelta())
        assert rotated is Rotation.ROTATED


def test_of_two_tokens_that_cannot_both_be_written_neither_is_stored() -> None:
    """Here the host's account has too few rights. What was to be written is not told."""
    with run_server() as url, closing(open_client(url)) as admin:
        rights = ("~*:at:*", "~*:family:*", "~*:denied:a", "+@all")
        cast("Any", admin).execute_command("ACL", "SETUSER", "host", "on", ">secret", *rights)
        access, refresh = make_pair(sub="the-sub", username="the-user")
        with closing(open_client(url, username="host", password="secret")) as client:
            store = RedisStore(client)
            with pytest.raises(NoPermissionError) as caught:
                store.save_tokens(access, refresh)
            with pytest.raises(NoPermissionError):
                store.is_denied(["a", "b"])

        assert not re.search("the-sub|the-user|oauthgrants:", str(caught.value))
        kept = RedisStore(admin)
        assert kept.find_access_token(access.digest) is None
        assert kept.find_refresh_token(refresh.digest) is None


def test_a_client_of_the_wrong_kind_is_refused(client: redis.Redis) -> None:
    """By the constructor, which asks no server anything."""
    nowhere = "redis://nowhere.invalid"
    RedisStore(open_client(nowhere))
    AsyncRedisStore(open_async_client(nowhere))

    for wrong in (open_async_client(nowhere), None, redis.ConnectionPool()):
        with pytest.raises(TypeError, match=r"takes a redis\.Redis or redis\..*RedisCluster, not"):
            RedisStore(cast("Any", wrong))
    with pytest.raises(TypeError, match=r"takes a redis\.asyncio\.Redis or .*, not a Redis"):
        AsyncRedisStore(cast("Any", client))


@pytest.mark.parametrize(
    "setting", [{"read_from_replicas": True}, {"load_balancing_strategy": "round_robin"}]
)
def test_a_client_that_reads_from_replicas_is_refused(
    setting: dict[str, Any], cluster_ports: Sequence[int]
) -> None:
    """What is revoked here would be valid there for a while."""
    with closing(redis.RedisCluster(host=HOST, port=cluster_ports[0])) as client:
        for name, value in setting.items():
            setattr(client, name, value)

        with pytest.raises(ValueError, match="replicas are behind"):
            RedisStore(client)


def dump(store: RedisStore) -> str:
    """Return all that is kept, keys and values."""
    client = cast("Any", store.client)
    read = {b"string": client.get, b"hash": client.hgetall}
    keys = client.scan_iter(match=f"{store.keyspace.prefix}*", count=1000)
    return repr([(key, read[client.type(key)](key)) for key in keys])


@pytest.mark.req("R6749-10.3-a", "R9700-4.14.2-a")
def test_a_server_keeps_everything_in_redis(
    world: World, client: redis.Redis, valkey_url: str
) -> None:
    """Sign-in, refresh and reuse, in both colours; and nothing that is kept can be used."""
    kept = RedisStore(client, prefix=new_prefix())
    for name in ("app", "service"):
        registered = world.store.find_client(name)
        assert registered is not None
        kept.add_client(registered)
    user = world.store.find_user("alice")
    assert user is not None
    kept.add_user(user)
    used: Any = kept
    if world.colour == "async":
        used = AsyncRedisStore(open_async_client(valkey_url), prefix=kept.keyspace.prefix)
    world.configure(store=used)

    first = world.sign_in()
    machines = world.post(client="service", grant_type="client_credentials").json()
    second = world.refresh(first["refresh_token"])
    before = dump(kept)
    reused = world.refresh(first["refresh_token"])
    after = world.refresh(second.json()["refresh_token"])
    if world.colour == "async":
        world.runner.run(used.client.aclose())

    assert [second.status, reused.status, after.status] == [200, 400, 400]
    hidden = {"wonderland", *(secret.reveal() for secret in world.secrets.values())}
    for answer in (first, second.json()):
        hidden |= {answer["access_token"], answer["refresh_token"]}
    hidden.add(machines["access_token"])
    assert len(hidden) == 8
    for store_content in (before, dump(kept)):
        assert "alice" in store_content
        assert [value for value in hidden if value in store_content] == []
    assert not [value for value in hidden if value in repr(used)]


def test_without_redis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("oauthgrants.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'oauthgrants\[redis\]'"):
        importlib.import_module("oauthgrants.stores.redis")
