"""Keys that a resource server fetches: when, how often, and what if that fails (RFC 7517)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from oauthgrants import HttpRequest, HttpResponse, OAuthError
from oauthgrants.jose import SigningKey
from oauthgrants.keys import KeyRing
from oauthgrants.ports import never_blocks
from oauthgrants.token_checks.fetched_keys import FetchedKeys
from oauthgrants.token_checks.jwt import JwtChecker
from resource_support import (
    API,
    INVALID,
    JWKS_URI,
    Api,
    answer,
    bearer,
    jwks,
    key,
    outcome,
)
from support import ISSUER, World, error_of

req = pytest.mark.req
AWAY = (503, "temporarily_unavailable")
METADATA = f"{ISSUER}/.well-known/oauth-authorization-server"
NEW = key("ES256", "k2")


def fetched(**settings: Any) -> JwtChecker:
    usual: dict[str, Any] = {"jwks_uri": JWKS_URI}
    return JwtChecker(issuer=ISSUER, keys=FetchedKeys(**usual | settings))


@pytest.fixture
def api(world: World) -> Api:
    api = Api(world).configure(tokens=fetched())
    api.fetcher.answers[JWKS_URI] = jwks(key())
    return api


def good(api: Api, signer: SigningKey | None = None) -> int:
    return api.call(bearer(api.mint(signer))).status


def fetches(api: Api) -> int:
    return len(api.fetcher.requests)


def test_keys_are_fetched_when_they_are_needed(api: Api) -> None:
    assert api.call().status == 401
    assert fetches(api) == 0

    assert [good(api) for _ in range(3)] == [200, 200, 200]
    [request] = api.fetcher.requests
    assert (request.method, request.url) == ("GET", JWKS_URI)
    assert ("Accept", "application/json") in request.headers


def test_keys_are_kept_for_an_hour(api: Api) -> None:
    good(api)
    api.world.clock.move(seconds=3599)
    good(api)
    assert fetches(api) == 1

    api.world.clock.move(seconds=1)
    assert good(api) == 200
    assert fetches(api) == 2


@pytest.mark.parametrize(
    ("cache_control", "kept"),
    [
        ("max-age=300", 300),
        ("public, Max-Age=300", 300),
        ("max-age=300, must-revalidate", 300),
        ("max-age=0", 10),
        ("max-age=999999", 3600),
        ("max-age=99999999999999", 3600),
        ("s-maxage=5", 3600),
        ("max-age=x", 3600),
        ("no-store", 3600),
    ],
)
def test_max_age_is_honoured_within_bounds(api: Api, cache_control: str, kept: int) -> None:
    api.fetcher.answers[JWKS_URI] = answer(jwks(key()), ("cache-control", cache_control))
    good(api)
    api.world.clock.move(seconds=kept - 1)
    good(api)
    assert fetches(api) == 1

    api.world.clock.move(seconds=1)
    good(api)
    assert fetches(api) == 2


@req("R8725-3.10-a")
def test_an_unknown_key_is_looked_for_once(api: Api) -> None:
    good(api)
    api.fetcher.answers[JWKS_URI] = jwks(NEW, key())

    assert good(api, NEW) == 200
    assert good(api) == 200
    assert fetches(api) == 2


def test_unknown_keys_do_not_make_us_fetch_without_end(api: Api) -> None:
    good(api)
    for number in range(5):
        assert outcome(api.call(bearer(api.mint(key("ES256", f"x{number}"))))) == INVALID
    assert fetches(api) == 2
    assert api.reasons == ["the key is not known"] * 5

    api.world.clock.move(seconds=10)
    api.fetcher.answers[JWKS_URI] = jwks(NEW)
    assert good(api, NEW) == 200
    assert fetches(api) == 3


def test_what_cannot_be_an_access_token_makes_us_fetch_nothing_more(api: Api) -> None:
    good(api)
    for token in ("abc", "a.b.c", api.mint(NEW, typ="JWT"), api.mint()[:-9]):
        assert api.call(bearer(token)).status == 401
    assert fetches(api) == 1


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionError("no route"),
        answer({}, status=404),
        answer(jwks(key()), status=302),
        answer(b""),
        answer(b"<html>"),
        answer([]),
        answer({}),
        answer({"keys": []}),
        answer({"keys": "k1"}),
        answer({"keys": [{"kty": "oct", "k": "AAAA"}, "k1", None]}),
        answer(b'{"keys":[],"keys":[]}'),
        answer(b"[" * 100_000),
    ],
    ids=str,
)
def test_old_keys_stay_when_a_fetch_fails(api: Api, failure: Any) -> None:
    good(api)
    api.fetcher.answers[JWKS_URI] = failure
    api.world.clock.move(hours=1)

    assert [good(api), good(api)] == [200, 200]
    assert fetches(api) == 2
    assert len(api.faults) == 1
    # Tried again after a while, and as soon as it works all is as before.
    api.world.clock.move(seconds=10)
    api.fetcher.answers[JWKS_URI] = jwks(NEW)
    assert good(api, NEW) == 200
    assert outcome(api.call(bearer(api.mint()))) == INVALID
    assert len(api.faults) == 1


def test_without_keys_nobody_is_refused_as_invalid(api: Api) -> None:
    """And the other side is left alone for a while."""
    api.fetcher.answers[JWKS_URI] = ConnectionError("no route")

    assert [error_of(api.call(bearer(api.mint()))) for _ in range(3)] == [AWAY] * 3
    assert fetches(api) == 1
    api.fetcher.answers[JWKS_URI] = jwks(key())
    api.world.clock.move(seconds=10)
    assert good(api) == 200


def test_a_token_of_an_unknown_key_may_be_good_while_keys_cannot_be_had(api: Api) -> None:
    good(api)
    api.fetcher.answers[JWKS_URI] = ConnectionError("no route")

    assert [error_of(api.call(bearer(api.mint(NEW)))) for _ in range(3)] == [AWAY] * 3
    assert good(api) == 200
    assert fetches(api) == 2


def test_keys_for_other_things_are_passed_over(api: Api) -> None:
    others: list[Any] = [
        {"kty": "oct", "k": "AAAA", "kid": "k1"},
        {**key("ES256", "enc").public.as_dict(), "use": "enc"},
        {"kty": "new-kind"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short"},
    ]
    api.fetcher.answers[JWKS_URI] = {"keys": [*others, key().public.as_dict()]}

    assert good(api) == 200
    assert outcome(api.call(bearer(api.mint(key("ES256", "enc"))))) == INVALID


# Metadata


@req("R8414-3.3-a")
@pytest.mark.parametrize("keys", [None, FetchedKeys.discover(ISSUER)])
def test_keys_are_found_by_the_issuers_metadata(api: Api, keys: Any) -> None:
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=keys))
    api.fetcher.answers[METADATA] = {"issuer": ISSUER, "jwks_uri": JWKS_URI}

    assert good(api) == 200
    assert [request.url for request in api.fetcher.requests] == [METADATA, JWKS_URI]


@req("R8414-3.3-a")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"issuer": ISSUER + "/"}, "the issuer is another one"),
        ({"issuer": "https://AUTH.example.com"}, "the issuer is another one"),
        ({"issuer": None}, "the issuer is another one"),
        ({"jwks_uri": None}, "there is no jwks_uri"),
        ({"jwks_uri": 7}, "there is no jwks_uri"),
        ({"jwks_uri": "http://auth.example.com/jwks.json"}, "has to be https"),
        ({"jwks_uri": "file:///etc/passwd"}, "has to be https"),
        ({"jwks_uri": "https://"}, "has to be https"),
    ],
)
def test_metadata_that_are_not_right_are_a_fault(api: Api, change: Any, fault: str) -> None:
    api.configure(tokens=JwtChecker(issuer=ISSUER))
    api.fetcher.answers[METADATA] = {"issuer": ISSUER, "jwks_uri": JWKS_URI} | change

    assert error_of(api.call(bearer(api.mint()))) == AWAY
    assert [request.url for request in api.fetcher.requests] == [METADATA]
    assert fault in api.faults[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jwks_uri": "http://auth.example.com/jwks.json"}, "has to be https"),
        ({"jwks_uri": "http://127.0.0.1/jwks.json"}, "allow_insecure_transport"),
        ({"jwks_uri": None}, "jwks_uri= or issuer="),
        ({"jwks_uri": None, "issuer": "http://auth.example.com"}, "has to be https"),
    ],
)
def test_where_keys_are_is_checked(api: Api, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        api.configure(tokens=fetched(**settings)).call()


# Concurrency


@never_blocks
class SlowFetcher:
    """Answers after a while, and counts."""

    def __init__(self, keys: Callable[[], dict[str, Any]], *, asynchronous: bool) -> None:
        self.keys = keys
        self.count = 0
        self.entered = threading.Event()
        self.may_answer = threading.Event()
        self.asynchronous = asynchronous

    def fetch(self, request: HttpRequest) -> Any:
        self.count += 1
        self.entered.set()
        if self.asynchronous:
            return self._later()
        assert self.may_answer.wait(10)
        return answer(self.keys())

    async def _later(self) -> HttpResponse:
        for _ in range(10_000):
            if self.may_answer.is_set():
                return answer(self.keys())
            await asyncio.sleep(0.001)
        raise TimeoutError


def together(api: Api, fetcher: SlowFetcher, tokens: list[str]) -> list[int]:
    """Send all *tokens* at once; the first fetch is under way before the others come."""
    requests = [HttpRequest(method="GET", url=API, headers=[bearer(token)]) for token in tokens]
    server = api.server

    def in_thread(request: HttpRequest) -> int:
        try:
            server.require_token(request)
        except OAuthError as error:
            return error.status
        return 200

    async def as_task(request: HttpRequest) -> int:
        try:
            await server.require_token(request)
        except OAuthError as error:
            return error.status
        return 200

    async def as_tasks() -> list[int]:
        tasks = [asyncio.create_task(as_task(request)) for request in requests]
        await asyncio.sleep(0.05)
        fetcher.may_answer.set()
        return list(await asyncio.gather(*tasks))

    if api.world.colour == "async":
        return api.world.runner.run(as_tasks())
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(in_thread, request) for request in requests]
        assert fetcher.entered.wait(10)
        fetcher.may_answer.set()
        return [each.result(10) for each in answers]


def test_a_crowd_makes_one_fetch(api: Api) -> None:
    """Those who have no key yet wait for it."""
    fetcher = SlowFetcher(lambda: jwks(key()), asynchronous=api.world.colour == "async")
    api.configure(fetcher=fetcher)

    assert together(api, fetcher, [api.mint()] * 20) == [200] * 20
    assert fetcher.count == 1


def test_a_crowd_with_a_new_key_makes_one_fetch_more(api: Api) -> None:
    published = [key()]
    fetcher = SlowFetcher(lambda: jwks(*published), asynchronous=api.world.colour == "async")
    fetcher.may_answer.set()
    api.configure(fetcher=fetcher)
    assert good(api) == 200

    published.append(NEW)
    fetcher.may_answer.clear()
    fetcher.entered.clear()
    assert together(api, fetcher, [api.mint(NEW)] * 20) == [200] * 20
    assert fetcher.count == 2


def test_while_one_renews_the_others_go_on_with_what_they_have(api: Api) -> None:
    asynchronous = api.world.colour == "async"
    fetcher = SlowFetcher(lambda: jwks(key()), asynchronous=asynchronous)
    fetcher.may_answer.set()
    api.configure(fetcher=fetcher)
    assert good(api) == 200

    api.world.clock.move(hours=2)
    fetcher.may_answer.clear()
    fetcher.entered.clear()
    request = HttpRequest(method="GET", url=API, headers=[bearer(api.mint())])
    server = api.server

    async def both() -> None:
        renews = asyncio.create_task(server.require_token(request))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(server.require_token(request), 5)
        assert not renews.done()
        fetcher.may_answer.set()
        await renews

    if asynchronous:
        api.world.runner.run(both())
    else:
        with ThreadPoolExecutor(1) as pool:
            renews = pool.submit(server.require_token, request)
            assert fetcher.entered.wait(10)
            server.require_token(request)
            assert not renews.done()
            fetcher.may_answer.set()
            renews.result(10)
    assert fetcher.count == 2


@pytest.mark.parametrize("colour", ["async"])
def test_a_resource_server_may_serve_several_loops(api: Api) -> None:
    """As a framework has it that makes a loop for each request."""
    fetcher = SlowFetcher(lambda: jwks(key()), asynchronous=True)
    fetcher.may_answer.set()
    api.configure(fetcher=fetcher, tokens=fetched(lifetime=timedelta()))
    server = api.server
    request = HttpRequest(method="GET", url=API, headers=[bearer(api.mint())])

    async def crowd() -> None:
        await asyncio.gather(*(server.require_token(request) for _ in range(5)))

    for _ in range(3):
        asyncio.run(crowd())
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(asyncio.run, crowd()) for _ in range(4)]
        assert [each.result(10) for each in runs] == [None] * 4


# Rotation


@req("R7517-4-a")
def test_a_rotation_loses_no_token_and_needs_no_restart(api: Api) -> None:
    """A thousand tokens of the old key live on; the new key counts at once."""
    ring = KeyRing(key("EdDSA", "2026-01"))
    world = api.world.configure(access_token_format="jwt", signing_keys=ring, audience=API)
    api.fetcher.answers[JWKS_URI] = api.send_apart
    old = [api.issue() for _ in range(1000)]
    assert good_values(api, old[:10]) == {200}

    ring.rotate(key("EdDSA", "2026-02"))
    new = [api.issue() for _ in range(10)]
    mixed = [token for pair in zip(new * 100, old, strict=True) for token in pair]

    assert good_values(api, mixed) == {200}
    assert fetches(api) == 2
    # Once the last of them has expired, their key goes.
    api.world.clock.move(hours=1)
    assert good_values(api, [api.issue()]) == {200}
    kids = {each["kid"] for each in world.send(api.fetcher.requests[-1]).json()["keys"]}
    assert kids == {"2026-02"}
    assert good_values(api, old[:10]) == {401}


def good_values(api: Api, tokens: list[str]) -> set[int]:
    return {api.call(bearer(token)).status for token in tokens}
