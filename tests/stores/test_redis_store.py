"""What the Redis store does beyond the contract: keys, times, costs, families, records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from os import urandom
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import redis
from lossy_proxy import LossyProxy, run_proxy
from redis.exceptions import NoPermissionError
from valkey_servers import (
    HOST,
    client,
    cluster_ports,
    new_prefix,
    open_client,
    run_server,
    store,
    valkey_url,
)

from oauthgrants import AccessToken, Client, RefreshToken, Scope, User
from oauthgrants.attempts import AttemptLimit
from oauthgrants.ports import Rotation
from oauthgrants.stores.redis import RedisStore, scripts
from oauthgrants.stores.redis.records import decode, encode, parse, to_base64
from oauthgrants.testing import store_samples as samples
from oauthgrants.testing.store_samples import (
    make_access_token,
    make_mfa_token,
    make_pair,
    make_refresh_token,
    make_successors,
)

__all__ = ["client", "cluster_ports", "store", "valkey_url"]

_LIMIT = AttemptLimit(
    max_failures=3, window=timedelta(minutes=15), longest_wait=timedelta(minutes=15)
)
_SLACK = timedelta(minutes=1)


def use_everything(store: RedisStore) -> None:
    """Call each method, on each of its ways."""
    now = samples.moment()
    access, refresh = make_pair()
    successors = make_successors(refresh)
    mfa = make_mfa_token()
    client = list(samples.clients())[-1]
    secret = client.secrets[0]
    store.add_client(client)
    store.replace_client(attrs.evolve(client, active=True))
    store.find_client(client.client_id)
    store.replace_client_secret(client.client_id, secret, attrs.evolve(secret, hash="new"))
    store.add_user(User(sub="user-1", username="alice", password_hash="old"))
    store.replace_user(User(sub="user-1", username="alicia", password_hash="old"))
    store.find_user("alicia")
    store.find_user_by_sub("user-1")
    store.replace_password_hash("user-1", "old", "new")
    store.save_tokens(access, refresh)
    store.save_tokens(make_access_token(), None)
    store.find_access_token(access.digest)
    store.find_refresh_token(refresh.digest)
    for _ in range(2):
        store.rotate_refresh_token(refresh.digest, *successors, grace=samples.HOUR)
    store.deny("jti", now + samples.HOUR)
    store.is_denied(["jti", "family"])
    store.add_if_absent(urandom(32), now + samples.HOUR)
    attempted = urandom(32)
    for _ in range(2):
        store.begin_attempt(attempted, _LIMIT, now)
    store.withdraw_attempt(attempted)
    store.clear_attempts(urandom(32))
    store.remember_source(attempted, now + samples.DAY)
    store.is_known_source(attempted, now)
    store.save_mfa_token(mfa)
    store.find_mfa_token(mfa.digest)
    store.take_mfa_token(mfa.digest)
    store.revoke_access_token(access.digest)
    gone = make_pair()
    store.save_tokens(*gone)
    store.revoke_family(gone[1].family)
    store.check_eviction()


def keys_of(store: RedisStore) -> list[bytes]:
    """Return the keys that the store has written."""
    client = cast("Any", store.client)
    return sorted(client.scan_iter(match=f"{store.keyspace.prefix}*", count=1000))


def kind_of(store: RedisStore, key: bytes) -> str:
    return key.decode().removeprefix(store.keyspace.prefix).partition(":")[0]


def test_what_expires_is_forgotten_by_the_server(store: RedisStore) -> None:
    """A minute after its end, since clocks differ; clients and users stay."""
    use_everything(store)
    client = cast("Any", store.client)
    lasts = {
        "at": [samples.HOUR, samples.DAY],
        "rt": [30 * samples.DAY],
        "family": [30 * samples.DAY],
        "denied": [samples.HOUR],
        "once": [samples.HOUR],
        "attempts": [timedelta(minutes=15)],
        "source": [samples.DAY],
        "mfa": [samples.HOUR],
    }

    kinds: set[str] = set()
    for key in keys_of(store):
        kind = kind_of(store, key)
        kinds.add(kind)
        left = client.pttl(key)
        if kind in {"id", "username"}:
            assert left == -1, key
        else:
            ends = [(last + _SLACK) / timedelta(milliseconds=1) for last in lasts[kind]]
            # The samples' clock is up to a second ahead.
            assert any(end - 60_000 < left < end + 1_000 for end in ends), (key, left)
    assert kinds == {"id", "username", *lasts}


def test_no_time_is_too_far_away(store: RedisStore) -> None:
    """In either direction: what is past is kept for a minute."""
    for year in (1, 1969, 9999):
        ends = datetime(year, 1, 2, tzinfo=UTC)
        digest = urandom(32)
        assert store.add_if_absent(digest, ends) is True
        assert store.add_if_absent(digest, ends) is False
        store.remember_source(digest, ends)
        assert store.is_known_source(digest, ends - samples.MOMENT) is True
        assert store.is_known_source(digest, ends) is False
        store.deny(str(year), ends)
        assert store.is_denied([str(year)]) is True

    assert all(0 < cast("Any", store.client).pttl(key) for key in keys_of(store))


def test_a_token_lives_as_long_as_it_says_whatever_the_clocks_say(store: RedisStore) -> None:
    """It counts from when it was issued: the server's own clock makes no difference."""
    long_ago = datetime(2001, 2, 3, tzinfo=UTC)
    access, refresh = make_pair(issued_at=long_ago)
    later = make_successors(refresh)

    store.save_tokens(access, refresh)

    assert store.find_access_token(access.digest) == access
    assert store.find_refresh_token(refresh.digest) == refresh
    rotated = store.rotate_refresh_token(refresh.digest, *later, grace=timedelta())
    assert rotated is Rotation.ROTATED


def test_every_script_has_one_key(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a cluster never has to refuse it for keys on several servers."""
    sent: dict[str, set[int]] = {}
    execute = cast("Any", redis.Redis).execute_command

    def note(self: redis.Redis, *command: Any, **options: Any) -> Any:
        if command[0] == "EVALSHA":
            sent.setdefault(command[1], set()).add(command[2])
        return execute(self, *command, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", note)
    use_everything(store)

    known = {name: script for name, script in vars(scripts).items() if name.isupper()}
    used = {script.sha1 for script in known.values() if isinstance(script, scripts.Script)}
    assert sent == {sha1: {1} for sha1 in used}
    assert len(used) == 12


def test_keys_are_spread_over_a_cluster(cluster_ports: Sequence[int]) -> None:
    """No kind of key is on one server alone, and everything works."""
    with closing(redis.RedisCluster(host=HOST, port=cluster_ports[0])) as client:
        store = RedisStore(client, prefix=new_prefix())
        use_everything(store)
        pairs = [make_pair() for _ in range(30)]
        for pair in pairs:
            store.save_tokens(*pair)
        nodes: dict[str, set[object]] = {}
        for key in keys_of(store):
            node: Any = cast("Any", client).get_node_from_key(key)
            nodes.setdefault(kind_of(store, key), set()).add(node.name)

        assert [len(nodes[kind]) for kind in ("at", "rt", "family")] == [3, 3, 3]
        assert all(store.find_access_token(access.digest) == access for access, _ in pairs)


def test_two_stores_on_one_server_are_two(client: redis.Redis) -> None:
    """By their prefixes."""
    one, other = (RedisStore(client, prefix=new_prefix()) for _ in range(2))
    access, refresh = make_pair()

    one.add_client(Client.public("app"))
    one.save_tokens(access, refresh)
    other.revoke_family(refresh.family)

    assert other.find_client("app") is None
    assert other.find_access_token(access.digest) is None
    assert one.find_access_token(access.digest) == access


def test_a_server_that_has_forgotten_the_scripts_learns_them_again() -> None:
    """As it has after a restart."""
    with run_server() as url, closing(open_client(url)) as client:
        store = RedisStore(client)
        for _ in range(2):
            digest = urandom(32)
            assert store.add_if_absent(digest, samples.moment()) is True
            assert store.add_if_absent(digest, samples.moment()) is False
            cast("Any", client).script_flush()


def test_the_rights_on_the_page_suffice() -> None:
    """And reach no keys but the store's own."""
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text("utf-8")
    [rights] = re.findall("^ACL SETUSER oauth on >PASSWORD (.*)$", page, re.MULTILINE)
    with run_server() as url, closing(open_client(url)) as admin:
        cast("Any", admin).execute_command("ACL", "SETUSER", "oauth", "on", ">a", *rights.split())
        with closing(open_client(url, username="oauth", password="a")) as client:
            use_everything(RedisStore(client))
            with pytest.raises(NoPermissionError):
                RedisStore(client, prefix="other:").find_client("app")


@pytest.fixture(scope="module")
def counted() -> Iterator[tuple[RedisStore, LossyProxy]]:
    """A store, and the proxy that counts its ways to the server."""
    with (
        run_server() as url,
        run_proxy(url.removeprefix("unix://")) as proxy,
        closing(redis.Redis(host="127.0.0.1", port=proxy.port)) as client,
    ):
        store = RedisStore(client)
        use_everything(store)
        yield store, proxy


def _trips(proxy: LossyProxy, call: Callable[[], object]) -> int:
    proxy.count()
    call()
    return proxy.trips


def test_a_machines_token_takes_two_trips(counted: tuple[RedisStore, LossyProxy]) -> None:
    """One for the client, one for the token; and one for whoever checks it."""
    store, proxy = counted
    token = make_access_token()
    store.add_client(Client.public("machine"))

    assert _trips(proxy, lambda: store.find_client("machine")) == 1
    assert _trips(proxy, lambda: store.save_tokens(token, None)) == 1
    assert _trips(proxy, lambda: store.find_access_token(token.digest)) == 1
    assert _trips(proxy, lambda: store.revoke_access_token(token.digest)) == 1


def test_a_sign_in_takes_few_trips(counted: tuple[RedisStore, LossyProxy]) -> None:
    """What the tokens are goes first, and what comes of it is one step."""
    store, proxy = counted
    access, refresh = make_pair()
    new = make_successors(refresh)
    digest, now = urandom(32), samples.moment()

    assert _trips(proxy, lambda: store.find_user("alicia")) == 2
    assert _trips(proxy, lambda: store.find_user_by_sub("user-1")) == 1
    assert _trips(proxy, lambda: store.begin_attempt(digest, _LIMIT, now)) == 1
    assert _trips(proxy, lambda: store.withdraw_attempt(digest)) == 1
    assert _trips(proxy, lambda: store.save_tokens(access, refresh)) == 2
    assert _trips(proxy, lambda: store.find_refresh_token(refresh.digest)) == 2
    rotate = store.rotate_refresh_token
    assert _trips(proxy, lambda: rotate(refresh.digest, *new, grace=timedelta())) == 2
    assert _trips(proxy, lambda: rotate(new[1].digest, None, refresh, grace=timedelta())) == 2
    assert _trips(proxy, lambda: store.is_denied(["jti", "family"])) == 1
    assert _trips(proxy, lambda: store.is_denied([])) == 0
    assert _trips(proxy, lambda: store.save_tokens(None, None)) == 0


@pytest.mark.parametrize(
    ("make", "most"),
    [
        pytest.param(lambda: (make_access_token(), None), 400, id="client_credentials"),
        pytest.param(make_pair, 1000, id="sign-in"),
    ],
)
def test_memory_is_spent_on_what_is_kept(
    make: Callable[[], tuple[AccessToken, RefreshToken | None]], most: int
) -> None:
    """So many bytes a token, or a pair with its family."""
    with run_server() as url, closing(open_client(url)) as client:
        store = RedisStore(client)
        number = 1024

        def used() -> int:
            return int(cast("Any", client).info("memory")["used_memory_dataset"])

        store.save_tokens(*make())
        before = used()
        for _ in range(number):
            store.save_tokens(*make())

        assert (used() - before) / number < most


def test_a_revoked_family_stays_revoked(store: RedisStore) -> None:
    """Whatever comes late: nothing of it is there again."""
    first = make_pair()
    store.save_tokens(*first)
    store.revoke_family(first[1].family)
    late = make_access_token(family=first[1].family)

    store.save_tokens(*first)
    store.save_tokens(late, None)
    rotated = store.rotate_refresh_token(
        first[1].digest, *make_successors(first[1]), grace=samples.HOUR
    )

    assert rotated is Rotation.MISSING
    assert store.find_refresh_token(first[1].digest) is None
    assert store.find_access_token(first[0].digest) is None
    assert store.find_access_token(late.digest) is None


def test_the_tokens_of_one_call_are_of_one_family(store: RedisStore) -> None:
    """Others could not be stored in one step."""
    access, refresh = make_pair()
    other = make_refresh_token()
    loner = make_access_token()
    store.save_tokens(access, refresh)
    new = make_successors(refresh)

    for pair in ((access, other), (loner, other)):
        with pytest.raises(ValueError, match="of one family"):
            store.save_tokens(*pair)
        with pytest.raises(ValueError, match="of one family"):
            store.rotate_refresh_token(refresh.digest, *pair, grace=timedelta())

    assert store.find_refresh_token(other.digest) is None
    assert store.find_access_token(loner.digest) is None
    rotated = store.rotate_refresh_token(refresh.digest, *new, grace=timedelta())
    assert rotated is Rotation.ROTATED


def test_a_token_that_was_spent_elsewhere_is_spent(store: RedisStore) -> None:
    """A host may bring sign-ins along from another store."""
    refresh = make_refresh_token(spent_at=samples.moment())
    store.save_tokens(None, refresh)

    rotated = store.rotate_refresh_token(
        refresh.digest, *make_successors(refresh), grace=timedelta()
    )

    assert store.find_refresh_token(refresh.digest) == refresh
    assert rotated is Rotation.REPLAYED


def test_a_family_forgets_what_has_expired(store: RedisStore) -> None:
    """However long it is refreshed, it has no more than what is valid, and as much again."""
    refresh = make_refresh_token()
    store.save_tokens(None, refresh)
    client = cast("Any", store.client)
    family = store.keyspace.key("family", refresh.family)
    sizes: list[int] = []
    for round_ in range(100):
        # As if those of the rounds before had expired meanwhile.
        for field in client.hkeys(family):
            if field[:3] in {b"at:", b"rt:"} and field[3:] != to_base64(refresh.digest).encode():
                client.hset(family, field, f"{round_} 1")
        new = make_successors(refresh)
        rotated = store.rotate_refresh_token(refresh.digest, *new, grace=timedelta())
        assert rotated is Rotation.ROTATED
        refresh = new[1]
        sizes.append(client.hlen(family))

    assert max(sizes) <= 34
    assert store.find_refresh_token(refresh.digest) == refresh


def test_a_large_family_is_kept_whole(store: RedisStore) -> None:
    """Looking for what has expired takes nothing else away."""
    pairs = [make_pair()]
    store.save_tokens(*pairs[0])
    for _ in range(60):
        pairs.append(make_successors(pairs[-1][1], samples.MOMENT))
        spent = pairs[-2][1].digest
        store.rotate_refresh_token(spent, *pairs[-1], grace=timedelta())

    for (access, refresh), (_, new) in zip(pairs, [*pairs[1:], (None, None)], strict=True):
        spent_at = None if new is None else new.issued_at
        found = store.find_refresh_token(refresh.digest)
        assert found == attrs.evolve(refresh, spent_at=spent_at)
        assert store.find_access_token(access.digest) == access


@attrs.frozen(kw_only=True)
class _Before:
    name: str
    ends_at: datetime | None = None


@attrs.frozen(kw_only=True)
class _After:
    """The same, some versions later."""

    text: str | None = None
    flag: bool = True
    number: int = 7
    confirmation: Mapping[str, Any] | None = None
    several: tuple[str, ...] = ("a",)
    pause: timedelta = timedelta(seconds=2)
    name: str
    ends_at: datetime | None = None


def test_attributes_may_be_added() -> None:
    """What was written before is read, with the defaults; what is new comes back whole."""
    record = encode(_Before(name="n", ends_at=samples.moment()))
    new = _After(
        name="n",
        text="\0\ud800",
        flag=False,
        number=2**70,
        confirmation={"jkt": ["é", None]},
        several=(),
        pause=timedelta(milliseconds=1),
    )

    read = decode(_After, parse(record))
    assert read == _After(name="n", ends_at=read.ends_at)
    assert decode(_After, parse(encode(new))) == new
    assert encode(new).isascii()


def test_what_a_later_version_says_is_not_ignored() -> None:
    """It may restrict what a token may be used for."""
    with pytest.raises(TypeError, match="text"):
        decode(_Before, parse(encode(_After(name="n", text="t"))))


def test_what_says_nothing_is_left_out() -> None:
    """A machine's token is its client, subject, scope, time and lifetime."""
    token = make_access_token(scope=Scope.of("read"), issued_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert json.loads(encode(token, without=("digest",))) == {
        "c": "reports",
        "s": "reports",
        "o": "read",
        "i": 1767225600000000,
        "l": 3600,
    }
