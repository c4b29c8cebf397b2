"""The memory store: atomic, bounded, and without anything usable in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import attrs
import pytest

from oauthgrants import AccessToken, Client, MemoryStore, RefreshToken, Scope, User
from oauthgrants.attempts import AttemptLimit
from oauthgrants.ports import Rotation
from oauthgrants.testing.clock import MovableClock
from oauthgrants.testing.store_samples import make_mfa_token
from support import World

req = pytest.mark.req
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMIT = AttemptLimit(max_failures=2, window=HOUR, longest_wait=4 * HOUR)


def access(digest: str, at: datetime = NOW, family: str | None = None) -> AccessToken:
    return AccessToken(
        digest=digest.encode(), client_id="c", sub="s", scope=Scope(), issued_at=at,
        lifetime=HOUR, family=family,
    )  # fmt: skip


def refresh(digest: str, at: datetime = NOW, family: str = "f") -> RefreshToken:
    return RefreshToken(
        digest=digest.encode(), client_id="c", sub="s", username="u", scope=Scope(),
        grant_type="password", issued_at=at, lifetime=2 * HOUR, family=family,
    )  # fmt: skip


def rotate(store: MemoryStore, spent: str, new: str, at: datetime = NOW) -> Rotation:
    return store.rotate_refresh_token(
        spent.encode(), access(f"a{new}", at, "f"), refresh(new, at), grace=timedelta()
    )


@req("R6749-2.2-a", "R9700-4.15.1-a")
def test_identifiers_are_one_owners() -> None:
    store = MemoryStore()
    store.add_client(Client.public("c"))
    store.add_user(User(sub="s", username="u"))

    mistakes: list[tuple[Callable[[], None], str]] = [
        (lambda: store.add_client(Client.public("c")), "client_id 'c' is registered"),
        (lambda: store.add_client(Client.public("s")), "client_id 's' is a user's sub"),
        (lambda: store.add_user(User(sub="t", username="u")), "username 'u' exists"),
        (lambda: store.add_user(User(sub="s", username="v")), "sub 's' exists"),
        (lambda: store.add_user(User(sub="c", username="v")), "sub 'c' is a client_id"),
    ]
    for mistake, message in mistakes:
        with pytest.raises(ValueError, match=message):
            mistake()


def test_clients_and_users_are_replaced() -> None:
    store = MemoryStore()
    store.add_client(Client.public("c"))
    store.add_user(User(sub="s", username="u"))
    store.add_user(User(sub="t", username="v"))

    store.replace_client(Client.public("c", scope="a"))
    store.replace_user(User(sub="s", username="w"))

    client = store.find_client("c")
    assert client is not None
    assert client.scope == Scope.of("a")
    assert (store.find_user("u"), store.find_user_by_sub("s")) == (None, store.find_user("w"))
    with pytest.raises(KeyError):
        store.replace_client(Client.public("d"))
    with pytest.raises(KeyError):
        store.replace_user(User(sub="x", username="x"))
    with pytest.raises(ValueError, match="exists already"):
        store.replace_user(User(sub="s", username="v"))


def test_a_user_is_there_while_replaced() -> None:
    """Look-ups take no lock."""
    store = MemoryStore()
    store.add_user(User(sub="s", username="u"))
    seen: list[bool] = []

    class Watched(dict[str, User]):
        def __setitem__(self, key: str, value: User) -> None:
            super().__setitem__(key, value)
            seen.append("u" in self)

        def __delitem__(self, key: str) -> None:
            super().__delitem__(key)
            seen.append("u" in self)

    vars(store)["_users"] = Watched(vars(store)["_users"])
    store.replace_user(User(sub="s", username="u", scope="a"))

    assert seen
    assert all(seen)


def test_hashes_are_replaced_only_if_they_are_still_there() -> None:
    store = MemoryStore()
    store.add_user(User(sub="s", username="u", password_hash="old"))

    store.replace_password_hash("s", "other", "new")
    store.replace_password_hash("nobody", "old", "new")
    unchanged = store.find_user("u")
    store.replace_password_hash("s", "old", "new")
    changed = store.find_user("u")

    assert unchanged is not None
    assert changed is not None
    assert (unchanged.password_hash, changed.password_hash) == ("old", "new")


def test_rotation_has_three_answers() -> None:
    store = MemoryStore()
    store.save_tokens(access("a1", family="f"), refresh("r1"))

    answers = [rotate(store, "r1", "r2"), rotate(store, "r1", "r3"), rotate(store, "r9", "r4")]

    assert answers == [Rotation.ROTATED, Rotation.REPLAYED, Rotation.MISSING]
    assert {token.digest for token in store.tokens} == {b"a1", b"r1", b"ar2", b"r2"}
    spent = store.find_refresh_token(b"r1")
    assert spent is not None
    assert spent.spent_at == NOW


@req("R9700-4.14.2-a")
def test_a_clock_that_is_behind_gives_no_second_use() -> None:
    """Two requests read the clock in one order and rotate in the other."""
    store = MemoryStore()
    store.save_tokens(None, refresh("r1"))

    answers = [rotate(store, "r1", "r2"), rotate(store, "r1", "r3", NOW - timedelta(seconds=1))]

    assert answers == [Rotation.ROTATED, Rotation.REPLAYED]


def test_an_access_token_is_revoked_and_no_refresh_token() -> None:
    store = MemoryStore()
    store.save_tokens(access("a1", family="f"), refresh("r1"))

    for digest in (b"a1", b"a1", b"r1", b"x"):
        store.revoke_access_token(digest)

    assert [token.digest for token in store.tokens] == [b"r1"]


def test_what_is_denied_twice_is_denied_for_longer() -> None:
    clock = MovableClock()
    store = MemoryStore(clock=clock)
    for hours in (1, 3, 2, 3):
        store.deny("twice", clock() + hours * HOUR)
    for seconds in (1, 2):
        store.deny("in one minute", clock() + timedelta(seconds=seconds))

    clock.move(hours=2, minutes=30)
    for n in range(3):
        store.deny(f"other{n}", clock())
    assert store.is_denied(["x", "twice"])
    assert not store.is_denied(["in one minute"])

    clock.move(hours=1)
    for n in range(3):
        store.deny(f"another{n}", clock())
    assert not store.is_denied(["twice"])


def test_a_family_ends_whole() -> None:
    store = MemoryStore()
    store.save_tokens(access("a1", family="f"), refresh("r1"))
    rotate(store, "r1", "r2")
    store.save_tokens(access("other"), None)

    store.revoke_family("f")
    store.revoke_family("f")

    assert [token.digest for token in store.tokens] == [b"other"]
    assert rotate(store, "r2", "r3") is Rotation.MISSING


def test_what_has_expired_is_dropped_as_new_tokens_come() -> None:
    """A few at a time, so that no call pays for all."""
    store = MemoryStore()
    for n in range(100):
        store.save_tokens(access(f"a{n}"), None)
    later = NOW + 2 * HOUR

    store.save_tokens(access("b0", later), None)
    after_one = len(store.tokens)
    for n in range(1, 30):
        store.save_tokens(access(f"b{n}", later), None)

    assert after_one == 97
    assert {token.digest[:1] for token in store.tokens} == {b"b"}


def test_families_leave_nothing_behind() -> None:
    store = MemoryStore()
    for n in range(10):
        family = f"f{n}"
        store.save_tokens(access(f"a{n}", family=family), refresh(f"r{n}", family=family))
    store.save_tokens(access("gone", family="g"), refresh("gone-too", family="g"))
    store.revoke_family("g")
    later = NOW + 3 * HOUR

    for n in range(10):
        store.save_tokens(access(f"b{n}", later), None)

    assert len(store.tokens) == 10
    state = {name: len(vars(store)[name]) for name in ("_access", "_refresh", "_families")}
    assert state == {"_access": 10, "_refresh": 0, "_families": 0}


def sizes(store: MemoryStore) -> dict[str, int]:
    """Return how many there are of what expires, by kind, without those of which there is none."""
    names = ("_denied", "_replays", "_attempts", "_known_sources", "_mfa_tokens")
    return {name: size for name in names if (size := len(vars(store)[name]))}


def fill(store: MemoryStore, clock: MovableClock, kind: str) -> None:
    """Put ten of each kind that expires into *store*; they do so within three hours."""
    now = clock()
    for n in range(10):
        digest = f"{kind}{n}".encode()
        store.deny(f"{kind}{n}", now + HOUR)
        store.add_if_absent(digest, now + HOUR)
        store.begin_attempt(digest, LIMIT, now)
        store.remember_source(digest, now + HOUR)
        store.save_mfa_token(make_mfa_token(digest=digest, issued_at=now))


def test_whatever_expires_is_dropped_as_more_of_its_kind_comes() -> None:
    """A few at a time: four for each that comes, until none is left."""
    clock = MovableClock()
    store = MemoryStore(clock=clock)
    fill(store, clock, "a")
    full = sizes(store)
    clock.move(hours=3)

    store.deny("b", clock() + HOUR)
    store.add_if_absent(b"b", clock() + HOUR)
    store.begin_attempt(b"b", LIMIT, clock())
    store.remember_source(b"b", clock() + HOUR)
    store.save_mfa_token(make_mfa_token(digest=b"b", issued_at=clock()))
    after_one = sizes(store)
    fill(store, clock, "c")

    assert set(full.values()) == {10}
    assert set(after_one.values()) == {7}
    assert sizes(store) == dict.fromkeys(full, 11)


def test_whatever_expires_is_deleted() -> None:
    """As much as is asked for, of whatever kind."""
    clock = MovableClock()
    store = MemoryStore(clock=clock)
    fill(store, clock, "a")
    store.save_tokens(access("a", clock()), None)

    nothing = store.delete_expired(clock() + HOUR - timedelta(minutes=1), 100)
    first = store.delete_expired(clock() + 3 * HOUR, 15)
    left = sum(sizes(store).values())
    rest = [store.delete_expired(clock() + 3 * HOUR, 20) for _ in range(3)]

    assert (nothing, first, left, rest) == (0, 15, 36, [20, 16, 0])
    assert sizes(store) == {}


def test_what_is_taken_back_leaves_nothing_behind() -> None:
    store = MemoryStore()
    token = make_mfa_token()
    store.save_mfa_token(token)
    for digest in (b"withdrawn", b"cleared"):
        store.begin_attempt(digest, LIMIT, NOW)

    store.withdraw_attempt(b"withdrawn")
    store.clear_attempts(b"cleared")
    store.take_mfa_token(token.digest)

    assert sizes(store) == {}
    assert store.delete_expired(token.expires_at + 9 * HOUR, 100) == 0


def test_past_the_most_the_attempts_forgotten_soonest_go_first() -> None:
    """Those who have to wait are forgotten late, and so they are not pushed out."""
    store = MemoryStore(max_attempts=3)
    for moment in (NOW, NOW + HOUR / 4):
        store.begin_attempt(b"waits", LIMIT, moment)
    store.begin_attempt(b"early", LIMIT, NOW + HOUR / 3)
    store.begin_attempt(b"late", LIMIT, NOW + HOUR / 2)
    now = NOW + 3 * HOUR / 4

    store.begin_attempt(b"early", LIMIT, now)
    store.withdraw_attempt(b"early")
    store.begin_attempt(b"new", LIMIT, now)

    assert sizes(store) == {"_attempts": 3}
    allowed = {
        name: [store.begin_attempt(name, LIMIT, now) for _ in range(2)]
        for name in (b"waits", b"new", b"late")
    }
    assert allowed == {b"waits": [False, False], b"new": [True, False], b"late": [True, False]}
    # It was forgotten, and now something else is.
    assert [store.begin_attempt(b"early", LIMIT, now) for _ in range(2)] == [True, True]
    assert sizes(store) == {"_attempts": 3}


def test_a_store_without_room_for_attempts_is_refused() -> None:
    with pytest.raises(ValueError, match="max_attempts has to be 1 or more, not 0"):
        MemoryStore(max_attempts=0)


@req("R6749-10.3-a", "R6819-4.4.3.1-a")
def test_a_copy_of_the_store_yields_nothing_usable(world: World) -> None:
    tokens = world.sign_in()
    tokens = world.refresh(tokens["refresh_token"]).json()
    hidden = [
        tokens["access_token"],
        tokens["refresh_token"],
        world.secrets["app"].reveal(),
        "wonderland",
    ]

    seen: set[int] = set()
    pending: list[object] = [vars(world.store)]
    texts: list[str] = []
    while pending:
        thing = pending.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        if isinstance(thing, str | bytes):
            texts.append(str(thing))
        elif isinstance(thing, dict):
            pending += [*cast("dict[object, object]", thing), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            pending += cast("list[object]", thing)
        elif attrs.has(kind := type(thing)):
            pending += [getattr(thing, name) for name in attrs.fields_dict(kind)]
        elif kind.__module__.startswith("oauthgrants.stores."):
            pending.append(vars(thing))

    assert len(texts) > 20
    assert not [text for text in texts if any(secret in text for secret in hidden)]
