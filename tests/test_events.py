"""Events and their sinks: what is told of what happens, to whom, and at what cost to the answer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import current_thread
from threading import enumerate as enumerate_threads
from typing import Any

import attrs
import pytest

from oauthgrants import Client, HttpRequest, Scope, Secret
from oauthgrants.brief import brief
from oauthgrants.client_secrets import hash_client_secret
from oauthgrants.events import (
    Event,
    EventsDropped,
    Exchange,
    FanOut,
    Fault,
    LoggingSink,
    NothingRevoked,
    RequestRefused,
    Throttled,
    TokenAccepted,
    TokenIntrospected,
    TokenIssued,
    TokenRefreshed,
    TokenRevoked,
    describe,
    recorder,
)
from oauthgrants.events.queued import QueuedSink, begin_all_anew, close_all
from oauthgrants.fetching import UnusableAnswer
from oauthgrants.jose import decode
from resource_support import API, Api, bearer, jwks, key
from support import ISSUER, ListSink, World, basic, error_of

req = pytest.mark.req
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CC = "grant_type=client_credentials"
ISSUED = TokenIssued(at=NOW, client_id="c", grant_type="g", sub="s", scope=Scope.of("b a"))


WAIT = 60


@pytest.fixture
def api(world: World) -> Api:
    """A resource server beside the authorization server."""
    world.configure(audience=API)
    return Api(world)


def last(world: World, kind: type[Event]) -> Any:
    """Return the last event of *kind*."""
    return [event for event in world.sink.events if type(event) is kind][-1]


# What events say


def test_the_secret_in_use_is_named_at_each_endpoint(world: World) -> None:
    """When no event names the old secret any more, it can be taken away."""
    old, new = Secret("an old secret of the machine"), Secret("a new secret of the machine")
    kept = [hash_client_secret(secret, machine_made=True) for secret in (old, new)]
    client, _ = Client.confidential("mover", grant_types=["client_credentials"])
    world.store.add_client(attrs.evolve(client, secrets=tuple(kept)))

    def used(secret: Secret, kind: type[Event], path: str, body: str) -> Any:
        world.post(body, basic("mover", secret), path=path)
        return last(world, kind).secret_id

    for secret, registered in zip((old, new), kept, strict=True):
        answer = world.post(CC, basic("mover", secret))
        token = answer.json()["access_token"]
        assert last(world, TokenIssued).secret_id == registered.id
        for kind, path, body in [
            (RequestRefused, "/token", f"{CC}&scope=admin"),
            (TokenIntrospected, "/introspect", f"token={token}"),
            (TokenRevoked, "/revoke", f"token={token}"),
            (NothingRevoked, "/revoke", f"token={token}"),
        ]:
            assert used(secret, kind, path, body) == registered.id


def test_who_showed_no_secret_has_none_named(world: World) -> None:
    world.sign_in("browser")
    world.post(CC, basic("service", "a-wrong-secret"))

    assert last(world, TokenIssued).secret_id is None
    assert last(world, RequestRefused).secret_id is None


def test_the_key_in_use_is_named(world: World) -> None:
    signer = key()
    world.store.add_client(
        Client.with_keys("signer", jwks=jwks(signer), grant_types=["client_credentials"])
    )
    now = int(world.clock().timestamp())

    def send(kind: type[Event], path: str, body: str) -> Any:
        jti = str(len(world.sink.events))
        claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": jti, "exp": now + 60}
        answer = world.post(
            body,
            path=path,
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            client_assertion=signer.sign(claims, typ="JWT"),
        )
        told = last(world, kind)
        assert (told.at, told.source, told.client_id) == (world.clock(), "192.0.2.1", "signer")
        assert (told.key_id, told.secret_id) == (signer.kid, None)
        return answer.json()

    token = send(TokenIssued, "/token", CC)["access_token"]
    send(RequestRefused, "/token", f"{CC}&scope=admin")
    send(TokenIntrospected, "/introspect", f"token={token}")
    send(TokenRevoked, "/revoke", f"token={token}")
    send(NothingRevoked, "/revoke", f"token={token}")


def test_a_token_has_one_name_from_its_first_event_to_its_last(api: Api) -> None:
    world = api.world
    token = api.issue()
    api.configure(event_sink=FanOut(world.sink, LoggingSink(each_call=True))).check(bearer(token))
    world.post(client="service", path="/introspect", token=token)
    world.post(client="service", path="/revoke", token=token)

    kinds = (TokenIssued, TokenIntrospected, TokenRevoked)
    assert {last(world, kind).token_id for kind in kinds} == {
        hashlib.sha256(token.encode()).hexdigest()[:16]
    }


def test_a_jwt_is_named_by_its_jti(world: World) -> None:
    world.configure(access_token_format="jwt", signing_keys=key(), audience=API)
    token = world.post(CC, client="service").json()["access_token"]

    assert last(world, TokenIssued).token_id == json.loads(decode(token.split(".")[1]))["jti"]


def test_who_asks_of_a_token_that_is_not_for_it_learns_nothing_and_the_operator_does(
    world: World,
) -> None:
    token = world.post(CC, client="service").json()["access_token"]
    answer = world.post(client="app", path="/introspect", token=token)

    told = last(world, TokenIntrospected)
    assert answer.json() == {"active": False}
    assert (told.client_id, told.active) == ("app", False)
    assert told.token_id == last(world, TokenIssued).token_id

    world.post(client="app", path="/introspect", token="no such token")
    assert last(world, TokenIntrospected).token_id is None


@req("R6819-4.4.3.1-a")
def test_a_wrong_password_names_the_user_it_is_not_of_and_nobody_else(world: World) -> None:
    """What was typed as a username may be a password; only who exists is named."""
    for username in ("alice", "my-secret-password"):
        world.post(
            client="app", grant_type="password", username=username, password="wrong-password"
        )
        refused = last(world, RequestRefused)
        assert (refused.endpoint, refused.grant_type) == ("token", "password")
        assert refused.sub == ("user-1" if username == "alice" else None)
        assert username == "alice" or username not in repr(refused)


def test_a_stolen_refresh_token_names_the_user(world: World) -> None:
    world.add_client("thief", grant_types=["refresh_token"])
    world.refresh(world.sign_in()["refresh_token"], "thief")

    refused = last(world, RequestRefused)
    assert (refused.client_id, refused.sub) == ("thief", "user-1")


def test_refreshing_is_told_from_signing_in(world: World) -> None:
    world.refresh(world.sign_in()["refresh_token"])

    first, second = last(world, TokenIssued), last(world, TokenRefreshed)
    assert first.family == second.family
    assert first.token_id != second.token_id
    assert isinstance(second, TokenIssued)


def test_what_a_resource_server_refuses_names_the_token(api: Api) -> None:
    token = api.issue(scope="read")

    assert api.call(bearer(token), scope="write").status == 403
    refused = last(api.world, RequestRefused)
    assert (refused.endpoint, refused.error) == ("resource", "insufficient_scope")
    assert (refused.client_id, refused.sub) == ("service", "service")
    assert refused.token_id == last(api.world, TokenIssued).token_id


def test_a_resource_server_tells_of_each_call_if_it_is_asked_to(api: Api) -> None:
    token = api.issue()
    api.check(bearer(token))
    assert not any(isinstance(event, TokenAccepted) for event in api.world.sink.events)

    sink = EachCall()
    api.configure(event_sink=sink).check(bearer(token))
    [accepted] = sink.events
    assert isinstance(accepted, TokenAccepted)
    assert (accepted.resource, accepted.client_id, accepted.source) == (API, "service", "192.0.2.7")
    assert accepted.token_id == last(api.world, TokenIssued).token_id


def test_a_fault_says_where_and_for_whom(api: Api) -> None:
    world = api.world
    token = api.issue()
    world.store.find_access_token = None  # type: ignore[assignment,method-assign]
    world.post(client="service", path="/introspect", token=token)
    assert (last(world, Fault).endpoint, last(world, Fault).client_id) == (
        "introspection",
        "service",
    )
    assert (last(world, Fault).at, last(world, Fault).source) == (world.clock(), "192.0.2.1")

    assert api.call(bearer(token)).status == 503
    assert last(world, Fault).endpoint == "resource"


# What is made of them


@brief(kw_only=True)
class HostsOwn(Event):
    """What an extension grant may tell of."""

    since: datetime
    parts: frozenset[int]
    voucher: Secret
    nothing: None = None


def test_an_event_of_the_hosts_own_is_described_too() -> None:
    own = HostsOwn(at=NOW, since=NOW, parts=frozenset({1}), voucher=Secret("a good voucher"))

    assert describe(own) == {
        "event": "HostsOwn",
        "at": "2026-01-01T00:00:00+00:00",
        "since": "2026-01-01T00:00:00+00:00",
        "parts": [1],
        "voucher": "Secret(…)",
    }
    assert describe(own) == json.loads(json.dumps(describe(own)))


class JsonLines(logging.Handler):
    """Writes records as JSON the way that formatters do it: what they know, and all the rest."""

    ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        further = {k: v for k, v in vars(record).items() if k not in self.ORDINARY}
        self.lines.append(json.dumps({"level": record.levelname, **further}))


@pytest.fixture
def json_lines() -> Generator[JsonLines, None, None]:
    """A handler of the logger, open to all levels."""
    handler, logger = JsonLines(), logging.getLogger("oauthgrants")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_records_have_flat_fields_that_are_json(json_lines: JsonLines) -> None:
    sink = LoggingSink()
    sink.record(attrs.evolve(ISSUED, audience=(API,), source="192.0.2.1"))
    sink.record(TokenIntrospected(at=NOW, client_id="c", active=False))
    sink.record(Fault(at=NOW, error=UnusableAnswer("gone"), endpoint="token"))
    sink.record(EventsDropped(at=NOW, count=3))

    assert [json.loads(line) for line in json_lines.lines] == [
        {
            "level": "INFO",
            "oauth_event": "TokenIssued",
            "oauth_at": "2026-01-01T00:00:00+00:00",
            "oauth_source": "192.0.2.1",
            "oauth_client_id": "c",
            "oauth_grant_type": "g",
            "oauth_sub": "s",
            "oauth_scope": "a b",
            "oauth_audience": [API],
        },
        {
            "level": "INFO",
            "oauth_event": "TokenIntrospected",
            "oauth_at": "2026-01-01T00:00:00+00:00",
            "oauth_client_id": "c",
            "oauth_active": False,
        },
        {
            "level": "ERROR",
            "oauth_event": "Fault",
            "oauth_at": "2026-01-01T00:00:00+00:00",
            "oauth_error": "oauthgrants.fetching.UnusableAnswer",
            "oauth_endpoint": "token",
        },
        {
            "level": "WARNING",
            "oauth_event": "EventsDropped",
            "oauth_at": "2026-01-01T00:00:00+00:00",
            "oauth_count": 3,
        },
    ]


class Unreadable(Event):
    """Fails whoever looks at it."""

    def __getattribute__(self, name: str) -> Any:
        # Not its class, which says what level it is for.
        assert name == "__class__"
        return super().__getattribute__(name)


def test_an_event_for_a_level_that_is_off_is_not_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    LoggingSink().record(Unreadable(at=NOW))
    caplog.set_level(logging.CRITICAL)
    LoggingSink().record(Fault(at=NOW, error=OSError("away")))

    assert caplog.records == []


# Sinks that fail


class EachCall(ListSink):
    """Wants to hear of each call."""

    each_call = True


class Broken(ListSink):
    """
    Fails in one place.

    Attributes:
        place: ``record``, or where a request is watched: ``begin``, ``enter`` or ``end``.
        error: What it raises.
    """

    def __init__(self, place: str, error: BaseException) -> None:
        super().__init__()
        self.place = place
        self.error = error

    def record(self, event: Event) -> None:
        super().record(event)
        self.fail_in("record")

    def watch(self, exchange: Exchange) -> AbstractContextManager[None]:
        self.fail_in("begin")
        return self.watch_on()

    @contextmanager
    def watch_on(self) -> Generator[None, None, None]:
        self.fail_in("enter")
        yield
        self.fail_in("end")

    def fail_in(self, place: str) -> None:
        if place == self.place:
            raise self.error


@pytest.mark.parametrize("place", ["record", "begin", "enter", "end"])
def test_a_sink_that_fails_changes_no_answer_anywhere(
    api: Api, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = api.world.configure(event_sink=Broken(place, OSError("no space left")))
    token = api.issue()
    api.configure(event_sink=Broken(place, OSError("no space left")))

    assert error_of(world.post(CC, basic("service", "a-wrong-secret"))) == (401, "invalid_client")
    assert world.post(client="service", path="/introspect", token=token).json()["active"]
    assert api.check(bearer(token)).client_id == "service"
    assert api.call(bearer(token), scope="write").status == 403
    assert world.post(client="service", path="/revoke", token=token).status == 200
    assert "OSError: no space left" in caplog.text
    assert "the event sink failed " in caplog.text


def test_what_a_sink_catches_is_not_caught(api: Api) -> None:
    class Swallowing(ListSink):
        def watch(self, exchange: Exchange) -> Any:
            return suppress(BaseException)

    api.configure(event_sink=Swallowing())

    assert api.call(bearer("an-unknown-token")).status == 401


def test_not_even_a_log_that_fails_changes_an_answer(world: World) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise OSError("no space left")

    logger = logging.getLogger("oauthgrants")
    world.configure(event_sink=LoggingSink())
    logger.addFilter(fail)
    try:
        assert world.post(CC, basic("service", "a-wrong-secret")).status == 401
        logger.setLevel(logging.INFO)
        assert world.post(CC, client="service").status == 200
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeFilter(fail)


class TimeIsUp(BaseException):
    """What a host ends requests with, such as a timeout of gevent."""


@pytest.mark.parametrize("place", ["record", "begin", "enter", "end"])
def test_what_ends_the_thread_is_no_failure_of_the_sink(world: World, place: str) -> None:
    world.configure(event_sink=Broken(place, TimeIsUp()))

    with pytest.raises(TimeIsUp):
        world.post(CC, client="service")


def test_what_is_no_sink_is_refused_when_the_server_is_made(world: World) -> None:
    class Async:
        async def record(self, event: Event) -> None: ...

    with pytest.raises(ValueError, match=r"written def and not async def"):
        world.configure(event_sink=Async()).server  # noqa: B018  # made when it is asked for
    with pytest.raises(ValueError, match=r"an event sink has a method record\(event\)"):
        recorder(object())  # type: ignore[arg-type]


# Several sinks


def test_one_that_fails_keeps_an_event_from_no_other() -> None:
    first, second = Broken("record", OSError("away")), ListSink()
    sink = FanOut(first, second)
    sink.record(ISSUED)

    assert first.events == second.events == [ISSUED]
    assert sink.watch is not None
    assert FanOut(second).watch is None


def test_each_call_is_told_to_those_that_want_it(api: Api) -> None:
    plain, each = ListSink(), EachCall()
    api.configure(event_sink=FanOut(plain, each)).check(bearer(api.issue()))

    assert [type(event) for event in each.events] == [TokenAccepted]
    assert plain.events == []


def test_all_that_watch_do(world: World) -> None:
    watchers = Watcher(), Broken("enter", OSError("away")), Watcher()
    world.configure(event_sink=FanOut(*watchers, ListSink())).post(CC, client="service")

    assert [each.seen for each in watchers if isinstance(each, Watcher)] == [
        ["token began", "TokenIssued", "token 200"]
    ] * 2


# Watching requests


class Watcher(ListSink):
    """Writes down what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def record(self, event: Event) -> None:
        self.seen.append(type(event).__name__)

    @contextmanager
    def watch(self, exchange: Exchange) -> Generator[None, None, None]:
        self.seen.append(f"{exchange.endpoint} began")
        try:
            yield
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise
        finally:
            self.seen.append(f"{exchange.endpoint} {exchange.status}")


def test_requests_are_watched_from_begin_to_end(world: World) -> None:
    sink = Watcher()
    world.configure(event_sink=sink, signing_keys=key())
    world.post(CC, client="service")
    world.post(CC)
    world.post(client="service", path="/introspect", token="no such token")
    world.post(client="service", path="/revoke", token="no such token")
    for path in ("/.well-known/oauth-authorization-server", "/jwks.json", "/nowhere"):
        world.send(HttpRequest(method="GET", url=ISSUER + path))

    assert sink.seen == [
        *("token began", "TokenIssued", "token 200"),
        *("token began", "RequestRefused", "token 401"),
        *("introspection began", "TokenIntrospected", "introspection 200"),
        *("revocation began", "NothingRevoked", "revocation 200"),
        *("metadata began", "metadata 200"),
        *("jwks began", "jwks 200"),
    ]


def test_calls_of_an_api_are_watched(api: Api) -> None:
    sink = Watcher()
    token = api.issue(scope="read")
    api.configure(event_sink=sink)
    api.check(bearer(token))
    api.call(bearer(token), scope="write")
    api.world.store.find_access_token = None  # type: ignore[assignment,method-assign]
    api.call(bearer(token))

    assert sink.seen == [
        # Here the host answers.
        *("resource began", "resource None"),
        *("resource began", "RequestRefused", "resource 403"),
        *("resource began", "Fault", "resource 503"),
    ]


def test_a_request_that_the_host_ends_is_seen_to_end(world: World) -> None:
    def end(_: object) -> None:
        raise TimeIsUp

    sink = Watcher()
    world.configure(event_sink=sink)
    world.store.find_client = end  # type: ignore[assignment,method-assign]

    with pytest.raises(TimeIsUp):
        world.post(CC, client="service")
    assert sink.seen == ["token began", "TimeIsUp", "token None"]


# Behind a queue


class Slow(ListSink):
    """Takes no event before it may, and tells when it is at one."""

    def __init__(self) -> None:
        super().__init__()
        self.at_one = Flag()
        self.may_go_on = Flag()
        self.thread = ""

    def record(self, event: Event) -> None:
        self.at_one.set()
        assert self.may_go_on.wait(WAIT)
        self.thread = current_thread().name
        super().record(event)


@pytest.fixture
def slow() -> Generator[Slow, None, None]:
    """A sink that is let go in the end."""
    sink = Slow()
    yield sink
    sink.may_go_on.set()


def test_an_answer_does_not_wait_for_a_slow_sink(world: World, slow: Slow) -> None:
    with QueuedSink(slow) as queued:
        world.configure(event_sink=queued)
        tokens = world.sign_in()
        world.refresh(tokens["refresh_token"])
        assert slow.events == []

        slow.may_go_on.set()
        assert queued.flush()
        assert [type(event) for event in slow.events] == [TokenIssued, TokenRefreshed]
        assert slow.thread == "oauthgrants-events"


def test_what_finds_the_queue_full_is_counted(slow: Slow) -> None:
    throttled = [Throttled(at=NOW, kind="password", client_id="c", name=str(n)) for n in range(5)]
    with QueuedSink(slow, size=2) as queued:
        queued.record(throttled[0])
        assert slow.at_one.wait(WAIT)
        for event in throttled[1:]:
            queued.record(event)
        assert queued.dropped == 2
        assert not queued.flush(timedelta())

        slow.may_go_on.set()
        assert queued.flush()
        assert [event for event in slow.events if isinstance(event, Throttled)] == throttled[:3]
        [dropped] = [event for event in slow.events if isinstance(event, EventsDropped)]
        assert (dropped.count, dropped.at.tzinfo) == (2, UTC)


def test_what_comes_after_the_end_is_dropped() -> None:
    sink = ListSink()
    queued = QueuedSink(sink)
    queued.record(ISSUED)
    assert queued.close()
    assert queued.close()
    queued.record(ISSUED)

    assert sink.events == [ISSUED]
    assert queued.dropped == 1


def test_closing_waits_no_longer_than_it_is_told(slow: Slow) -> None:
    queued = QueuedSink(slow)
    queued.record(ISSUED)

    assert not queued.close(timedelta())
    slow.may_go_on.set()
    assert queued.close()
    assert slow.events == [ISSUED]


class Ending(ListSink):
    """Fails by what it is told to."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def record(self, event: Event) -> None:
        super().record(event)
        raise self.error


@pytest.mark.parametrize("error", [OSError("away"), SystemExit("away")])
def test_a_sink_behind_a_queue_may_fail_and_hears_of_the_next_event(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Ending(error)
    with QueuedSink(sink) as queued:
        queued.record(ISSUED)
        queued.record(ISSUED)

    assert sink.events == [ISSUED] * 2
    assert caplog.text.count(f"{type(error).__name__}: away\n") == 2


def test_what_a_queue_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="the sink watches requests while they last"):
        QueuedSink(Watcher())
    with pytest.raises(ValueError, match="size has to be one or more"):
        QueuedSink(ListSink(), size=0)


def test_a_queue_wants_what_its_sink_wants() -> None:
    assert QueuedSink(EachCall()).each_call
    assert not QueuedSink(ListSink()).each_call


def test_a_forked_process_has_a_queue_of_its_own(slow: Slow) -> None:
    queued = QueuedSink(slow)
    queued.record(ISSUED)
    assert slow.at_one.wait(WAIT)
    threads = [each for each in enumerate_threads() if each.name == "oauthgrants-events"]
    # What a fork calls in the child, where there is no other thread; here there is one.
    begin_all_anew()
    slow.may_go_on.set()
    queued.record(ISSUED)
    assert queued.flush()
    close_all()
    queued.record(ISSUED)
    assert queued.dropped == 1
    for each in threads:
        each.join(WAIT)


FORKING = """
import os, sys
from datetime import UTC, datetime
from oauthgrants.events import NothingRevoked
from oauthgrants.events.queued import QueuedSink

class Printing:
    def record(self, event):
        sys.stdout.write(f"{who}: {event.client_id}\\n")
        sys.stdout.flush()

who = "parent"
sink = QueuedSink(Printing())
def tell(name):
    sink.record(NothingRevoked(at=datetime.now(UTC), client_id=name))
tell("before")
sink.flush()
if child := os.fork():
    os.waitpid(child, 0)
else:
    who = "child"
tell("after")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_what_waits_is_delivered_as_each_process_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ended.stdout.splitlines() == ["parent: before", "child: after", "parent: after"]
