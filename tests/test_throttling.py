"""Limits on guessing passwords and client secrets (RFC 6749, 2.3.1 and 4.3.2)."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import attrs
import pytest

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    Secret,
    User,
)
from oauthgrants.client_secrets import hash_client_secret
from oauthgrants.events import RequestRefused, Throttled
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.throttling import Guess, Throttle
from oauthgrants.users import Accepted, MfaRequired, PasswordOutcome, Rejected
from support import CHEAP, FORM, ISSUER, World, basic, error_of, password_grant

req = pytest.mark.req
HOME, ABROAD, ELSEWHERE = "192.0.2.1", "198.51.100.7", "203.0.113.9"
LIMITED = Throttle(max_failures=3, window=timedelta(minutes=10))


@pytest.fixture(autouse=True)
def looks_follow_soon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Shorten the pause between two looks at a limit; most refusals here have two of them.

    Where many guess at once it stays what it is, for others have to get on meanwhile.
    """
    if "at_once" not in request.node.name:
        monkeypatch.setattr("oauthgrants.throttling.limiter._WAIT", 0.001)


class CountingVerifier:
    """Knows alice and bob; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def verify_password(self, username: str, password: Secret, client: Client) -> PasswordOutcome:
        self.asked.append(username)
        if password.reveal() == f"{username}'s":
            return Accepted(User(sub=f"user-{username}", username=username))
        return Rejected()


@attrs.define
class SignIns:
    """Guesses at passwords, and whether the verifier was asked."""

    world: World
    verifier: Any = attrs.field(factory=CountingVerifier)

    def __attrs_post_init__(self) -> None:
        self.world.configure(
            grants=[password_grant(verifier=self.verifier, refresh_tokens=False)],
            throttle=self.world.settings.get("throttle", LIMITED),
        )

    def guess(
        self,
        username: str = "alice",
        password: str = "wrong",
        source: str | None = HOME,
        client: str = "app",
    ) -> HttpResponse:
        return send(
            self.world,
            f"grant_type=password&username={username}&password={password}",
            source,
            basic(client, self.world.secrets[client]),
        )

    def sign_in(self, username: str = "alice", source: str | None = HOME) -> int:
        return self.guess(username, f"{username}'s", source).status


def send(
    world: World, body: str, source: str | None, *headers: tuple[str, str], path: str = "/token"
) -> HttpResponse:
    return world.send(
        HttpRequest(
            method="POST",
            url=ISSUER + path,
            headers=(FORM, *headers),
            body=body.encode(),
            source=source,
        )
    )


# Passwords


@req("R6749-4.3.2-f", "R6819-4.4.3.6-a")
def test_past_the_limit_the_right_password_fails_until_it_lapses(world: World) -> None:
    sign_ins = SignIns(world)
    wrong = [sign_ins.guess() for _ in range(3)]
    throttled = sign_ins.guess(password="alice's")

    assert len(sign_ins.verifier.asked) == 3
    assert (throttled.status, throttled.headers, throttled.body) == (
        wrong[0].status,
        wrong[0].headers,
        wrong[0].body,
    )
    assert error_of(throttled) == (400, "invalid_grant")

    world.clock.move(minutes=10)
    assert sign_ins.sign_in() == 200


@req("R6749-4.3.2-f")
def test_a_throttled_guess_is_an_event(world: World) -> None:
    sign_ins = SignIns(world)
    for _ in range(4):
        sign_ins.guess()

    [event] = [event for event in world.sink.events if isinstance(event, Throttled)]
    assert (event.kind, event.client_id, event.name) == ("password", "app", "alice")
    assert event.source == HOME


@req("R6819-4.4.3.6-a")
def test_each_wait_is_twice_as_long_as_the_one_before(world: World) -> None:
    sign_ins = SignIns(world)
    for _ in range(3):
        sign_ins.guess()

    for wait in (10, 20, 40):
        world.clock.move(minutes=wait, seconds=-1)
        sign_ins.guess()
        asked = len(sign_ins.verifier.asked)
        world.clock.move(seconds=1)
        sign_ins.guess()
        assert len(sign_ins.verifier.asked) == asked + 1


@req("R6819-4.4.3.6-a")
def test_who_tries_during_a_wait_does_not_prolong_it(world: World) -> None:
    sign_ins = SignIns(world)
    for _ in range(3):
        sign_ins.guess()
    for _ in range(59):
        world.clock.move(seconds=10)
        sign_ins.guess()
    assert len(sign_ins.verifier.asked) == 3

    world.clock.move(seconds=10)
    assert sign_ins.sign_in() == 200


@req("R6749-4.3.2-f")
def test_a_source_is_limited_whatever_names_it_tries(world: World) -> None:
    sign_ins = SignIns(world)
    for number in range(10):
        sign_ins.guess(f"name{number}")

    assert sign_ins.verifier.asked == ["name0", "name1", "name2"]
    assert sign_ins.sign_in("alice", ABROAD) == 200


@req("R6749-4.3.2-f")
def test_a_username_is_limited_from_wherever(world: World) -> None:
    sign_ins = SignIns(world)
    for number in range(100):
        sign_ins.guess("alice", source=f"198.51.100.{number}")

    assert len(sign_ins.verifier.asked) == 3 * LIMITED.username_factor
    assert sign_ins.sign_in("alice", ELSEWHERE) == 400
    assert sign_ins.sign_in("bob", ELSEWHERE) == 200


@req("R6749-4.3.2-f")
def test_a_client_is_limited_whoever_guesses_through_it(world: World) -> None:
    world.settings["throttle"] = attrs.evolve(LIMITED, client_factor=2)
    sign_ins = SignIns(world)
    for number in range(20):
        sign_ins.guess(f"name{number}", source=f"198.51.100.{number}")

    assert len(sign_ins.verifier.asked) == 6
    assert sign_ins.sign_in("bob", ELSEWHERE) == 400


@req("R6819-4.4.3.6-a")
def test_strangers_cannot_lock_out_who_signed_in_from_there_before(world: World) -> None:
    world.settings["throttle"] = attrs.evolve(LIMITED, client_factor=11)
    sign_ins = SignIns(world)
    assert sign_ins.sign_in("alice", HOME) == 200
    for number in range(100):
        sign_ins.guess("alice", source=f"198.51.100.{number}")
    for number in range(10):
        sign_ins.guess(f"name{number}", source=HOME)

    assert sign_ins.sign_in("alice", ELSEWHERE) == 400
    assert sign_ins.sign_in("alice", HOME) == 200

    for _ in range(3):
        sign_ins.guess("alice", source=HOME)
    assert sign_ins.sign_in("alice", HOME) == 400, "a known source is limited by what it does"


@req("R6819-4.4.3.6-a")
def test_a_known_source_is_forgotten_in_time(world: World) -> None:
    sign_ins = SignIns(world)
    assert sign_ins.sign_in("alice", HOME) == 200
    world.clock.move(days=31)
    for number in range(100):
        sign_ins.guess("alice", source=f"198.51.100.{number}")

    assert sign_ins.sign_in("alice", HOME) == 400


@req("R6749-4.3.2-f")
def test_success_clears_what_the_source_got_wrong_and_no_more(world: World) -> None:
    sign_ins = SignIns(world)
    for _ in range(2):
        sign_ins.guess("alice")
    assert sign_ins.sign_in("alice") == 200

    # The source has two failures still, so one more guess at another name is its last.
    sign_ins.guess("bob")
    sign_ins.guess("bob")
    assert sign_ins.verifier.asked.count("bob") == 1
    # Against alice it has none.
    for _ in range(2):
        assert sign_ins.guess("alice").status == 400
    assert sign_ins.sign_in("alice") == 200


@req("R6749-4.3.2-f")
def test_without_a_source_names_are_limited_by_themselves(world: World) -> None:
    sign_ins = SignIns(world)
    for _ in range(5):
        sign_ins.guess("alice", source=None)

    assert len(sign_ins.verifier.asked) == 3
    assert sign_ins.sign_in("bob", None) == 200


@req("R6749-4.3.2-f")
def test_with_a_second_factor_to_come_the_password_was_right(world: World) -> None:
    class Wanting(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            self.asked.append("asked")
            return MfaRequired(User(sub="user-alice", username="alice"))

    sign_ins = SignIns(world, Wanting())

    assert {sign_ins.guess().status for _ in range(10)} == {403}


def test_a_verifier_that_fails_has_looked_at_nothing(world: World) -> None:
    class Away(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            self.asked.append("asked")
            raise ConnectionError("the directory is away")

    sign_ins = SignIns(world, Away())

    assert {sign_ins.guess().status for _ in range(10)} == {503}
    assert len(sign_ins.verifier.asked) == 10


def test_429_can_be_selected(world: World) -> None:
    world.settings["throttle"] = attrs.evolve(LIMITED, too_many_requests=True)
    sign_ins = SignIns(world)
    for _ in range(3):
        assert error_of(sign_ins.guess()) == (400, "invalid_grant")

    throttled = sign_ins.guess()
    assert error_of(throttled) == (429, "invalid_grant")
    assert dict(throttled.headers)["Retry-After"] == "600"

    for _ in range(3):
        send(world, "grant_type=client_credentials", ABROAD, basic("service", "wrong"))
    throttled = send(world, "grant_type=client_credentials", ABROAD, basic("service", "wrong"))
    assert error_of(throttled) == (429, "invalid_client")
    assert dict(throttled.headers)["Retry-After"] == "600"


def test_a_refusal_without_a_check_takes_as_long_as_one(world: World) -> None:
    class Slow(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            threading.Event().wait(0.2)
            return Rejected()

    sign_ins = SignIns(world, Slow())
    for _ in range(3):
        sign_ins.guess()
    slept: list[float] = []
    sleep = world.server._sleep

    def sleep_and_tell(seconds: float) -> Any:
        slept.append(seconds)
        return sleep(seconds)

    limited = world.server._token.__self__.handler.grants["password"].args[0].limited
    limited.pace.sleep = sleep_and_tell

    sign_ins.guess()
    assert len(slept) == 1
    assert slept[0] > 0.05, "what is left of 0.2 seconds after the limiter has looked thrice"


# Many at once


@req("R6749-4.3.2-f")
def test_of_many_guesses_at_once_no_more_are_made_than_the_limit_allows() -> None:
    class Slow(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            threading.Event().wait(0.02)
            return super().verify_password(username, password, client)

    with asyncio.Runner() as runner:
        sign_ins = SignIns(World("sync", runner), Slow())
        with ThreadPoolExecutor(50) as pool:
            answers = [each.status for each in pool.map(sign_ins.guess, ["alice"] * 50)]

    assert set(answers) == {400}
    assert len(sign_ins.verifier.asked) == 3


def test_many_who_sign_in_at_once_from_one_place_are_all_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is counted as a failure until it has succeeded; the others wait for it."""
    # So that a busy machine has the time to note down whom it has let through.
    monkeypatch.setattr("oauthgrants.throttling.limiter._WAIT", 0.1)

    class Slow(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            threading.Event().wait(0.01)
            return super().verify_password(username, password, client)

    with asyncio.Runner() as runner:
        sign_ins = SignIns(World("sync", runner), Slow())
        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(sign_ins.sign_in, [f"user{n}" for n in range(20)]))

    assert set(statuses) == {200}


def test_nobody_waits_for_ever_behind_those_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauthgrants.throttling.limiter._MOST_WAITS", 2)
    begun, end = threading.Semaphore(0), threading.Event()

    class Hanging(CountingVerifier):
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            begun.release()
            end.wait(30)
            return super().verify_password(username, password, client)

    with asyncio.Runner() as runner:
        sign_ins = SignIns(World("sync", runner), Hanging())
        with ThreadPoolExecutor(3) as pool:
            hanging = [pool.submit(sign_ins.sign_in) for _ in range(3)]
            for _ in hanging:
                assert begun.acquire(timeout=30)
            assert sign_ins.sign_in() == 503
            end.set()

    assert {each.result() for each in hanging} == {200}


# Client secrets


def wrong_secret(
    world: World, client: str = "service", source: str | None = HOME, path: str = "/token"
) -> HttpResponse:
    body = "grant_type=client_credentials" if path == "/token" else "token=x"
    return send(world, body, source, basic(client, "wrong"), path=path)


def right_secret(world: World, client: str = "service", source: str | None = HOME) -> int:
    header = basic(client, world.secrets[client])
    return send(world, "grant_type=client_credentials", source, header).status


@req("R6749-2.3.1-g", "R6819-4.4.3.6-a")
@pytest.mark.parametrize("client", ["service", "chosen"])
def test_past_the_limit_the_right_secret_fails_until_it_lapses(world: World, client: str) -> None:
    world.configure(throttle=LIMITED)
    add_chosen(world)
    assert right_secret(world, client) == 200
    wrong = [wrong_secret(world, client) for _ in range(3)]

    assert right_secret(world, client) == 401
    throttled = wrong_secret(world, client)
    assert (throttled.status, throttled.headers, throttled.body) == (
        wrong[0].status,
        wrong[0].headers,
        wrong[0].body,
    )
    [first, *_] = [event for event in world.sink.events if isinstance(event, Throttled)]
    assert (first.kind, first.name, first.client_id) == ("client_secret", client, client)
    refused = world.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert refused.reason == "too many wrong secrets"

    assert right_secret(world, client, ABROAD) == 200
    world.clock.move(minutes=10)
    assert right_secret(world, client) == 200
    for _ in range(2):
        wrong_secret(world, client)
    assert right_secret(world, client) == 200


def add_chosen(world: World) -> None:
    """Add a client whose secret a person chose."""
    world.secrets["chosen"] = Secret("chosen by a person")
    hashed = attrs.evolve(
        hash_client_secret(world.secrets["chosen"], machine_made=True),
        hash=CHEAP.hash(world.secrets["chosen"]),
    )
    world.store.add_client(
        Client(client_id="chosen", grant_types=["client_credentials"], secrets=(hashed,))
    )


@req("R6749-2.3.1-g", "R7009-5-a")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_the_endpoints_share_the_limit(world: World, path: str) -> None:
    world.configure(throttle=LIMITED)
    for _ in range(3):
        assert wrong_secret(world, path=path).status == 401

    assert right_secret(world) == 401


@req("R6749-2.3.1-g")
def test_a_source_is_limited_whatever_clients_it_tries(world: World) -> None:
    world.configure(throttle=LIMITED)
    for number in range(3):
        wrong_secret(world, f"client{number}")

    assert right_secret(world) == 401
    assert right_secret(world, source=ABROAD) == 200


@req("R6749-2.3.1-g")
def test_a_client_is_limited_from_wherever(world: World) -> None:
    world.configure(throttle=attrs.evolve(LIMITED, client_factor=2))
    assert right_secret(world, source=HOME) == 200
    for number in range(6):
        wrong_secret(world, source=f"198.51.100.{number}")

    assert right_secret(world, source=ELSEWHERE) == 401
    assert right_secret(world, source=HOME) == 200, "it is known from there"


@req("R6749-2.3.1-g")
def test_a_source_is_known_also_if_others_have_failed_before(world: World) -> None:
    world.configure(throttle=attrs.evolve(LIMITED, client_factor=2))
    wrong_secret(world, source=ABROAD)
    assert right_secret(world, source=HOME) == 200
    for number in range(6):
        wrong_secret(world, source=f"198.51.100.{number}")

    assert right_secret(world, source=ELSEWHERE) == 401
    assert right_secret(world, source=HOME) == 200


@req("R6749-2.3.1-g")
def test_what_a_known_source_gets_wrong_counts_at_other_clients_too(world: World) -> None:
    world.configure(throttle=LIMITED)
    world.add_client("other", grant_types=["client_credentials"])
    assert right_secret(world) == 200
    for _ in range(3):
        wrong_secret(world)

    assert right_secret(world, "other") == 401
    assert right_secret(world, "other", ABROAD) == 200


@req("R6749-2.3.1-g")
def test_the_wrong_method_is_no_guess(world: World) -> None:
    """Some clients try Basic, then the body (C-12)."""
    world.configure(throttle=LIMITED)
    world.add_client("poster", token_endpoint_auth_method="client_secret_post")
    secret = world.secrets["poster"].reveal()
    for _ in range(5):
        assert right_secret(world, "poster") == 401

    body = f"grant_type=client_credentials&client_id=poster&client_secret={secret}"
    assert send(world, body, HOME).status == 200


@req("R6749-2.3.1-g")
def test_another_process_learns_of_the_limit(world: World) -> None:
    """From its own first failure; the store counts for all of them."""
    world.configure(throttle=LIMITED)
    for _ in range(3):
        wrong_secret(world)
    world.configure()  # makes a server with an empty memory

    assert right_secret(world) == 200
    assert wrong_secret(world).status == 401
    assert right_secret(world) == 401


def test_a_hasher_that_fails_has_looked_at_nothing(world: World) -> None:
    class Away(Argon2idHasher):
        def verify(self, encoded: str | None, secret: Secret) -> bool:
            raise ConnectionError("the hardware module is away")

    world.configure(throttle=LIMITED, hasher=Away())
    add_chosen(world)
    for _ in range(5):
        assert wrong_secret(world, "chosen").status == 503

    world.configure(hasher=CHEAP)
    assert right_secret(world, "chosen") == 200


def test_what_a_process_remembers_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauthgrants.client_auth.guesses._MOST_KEPT", 5)
    world.configure(throttle=LIMITED)
    for number in range(20):
        wrong_secret(world, source=f"198.51.100.{number}")
        right_secret(world, source=f"203.0.113.{number}")

    fast = world.server._token.__self__.authenticator.limited.fast
    assert len(fast._counted) == 5
    assert len(fast._succeeded) == 5


def test_what_has_lapsed_is_dropped(world: World) -> None:
    """So that who knows the secret is answered as quickly as before anybody guessed."""
    world.configure(throttle=LIMITED)
    wrong_secret(world, source="198.51.100.1")
    fast = world.server._token.__self__.authenticator.limited.fast
    right_secret(world, source="203.0.113.1")
    assert fast.is_counting

    world.clock.move(days=2)
    statuses = [right_secret(world, source="203.0.113.1") for _ in range(5)]

    assert statuses == [200] * 5
    assert not fast.is_counting


# Settings


def test_there_may_be_no_limit(world: World) -> None:
    world.settings["throttle"] = None
    sign_ins = SignIns(world)
    for _ in range(30):
        sign_ins.guess()
        assert wrong_secret(world).status == 401

    assert sign_ins.sign_in() == 200
    assert len(sign_ins.verifier.asked) == 31


def test_a_server_that_cannot_count_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Tokens:
        """A token store of a host's own."""

        save_tokens = find_access_token = find_refresh_token = MemoryStore.save_tokens
        rotate_refresh_token = revoke_family = revoke_access_token = MemoryStore.save_tokens

    tokens: Any = Tokens()

    def build(**settings: Any) -> None:
        with caplog.at_level(logging.WARNING, "oauthgrants"):
            AuthorizationServer(
                issuer=ISSUER,
                clients=MemoryStore(),
                tokens=tokens,
                grants=[ClientCredentialsGrant()],
                **settings,
            )

    build(throttle=None)
    build(attempts=MemoryStore())
    assert not caplog.records
    build()
    assert "give the server attempts=" in caplog.text


@pytest.mark.parametrize(
    "settings",
    [{"max_failures": 0}, {"window": timedelta()}, {"longest_wait": timedelta(days=400)}],
)
def test_a_limit_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an AttemptLimit takes max_failures"):
        Throttle(**settings)


def test_the_longest_wait_is_never_shorter_than_the_window() -> None:
    throttle = Throttle(window=timedelta(days=3), longest_wait=timedelta(days=1))

    assert throttle.from_one_source.longest_wait == timedelta(days=3)


def test_keys_of_one_kind_are_none_of_another() -> None:
    guesses = [
        Guess(kind="password", name="a", client_id="b", source=HOME),
        Guess(kind="otp", name="a", client_id="b", source=HOME),
        Guess(kind="client_secret", name="b", client_id="b", source=HOME),
        Guess(kind="password", name="b", client_id="a", source=ABROAD),
    ]
    rules = [guess.rules(Throttle(), known=False) for guess in guesses]

    digests = [digest for each in rules for digest, _ in each]
    assert [len(each) for each in rules] == [4, 4, 3, 4]
    assert len(set(digests)) == len(digests)
    assert {len(digest) for digest in digests} == {32}
