"""Tokens that their authorization server is asked about (RFC 7662)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oauthgrants import Scope, Secret
from oauthgrants.token_checks.introspection import RemoteIntrospection
from resource_support import API, INVALID, Api, answer, bearer, outcome
from support import ISSUER, World, basic, error_of

req = pytest.mark.req
ENDPOINT = f"{ISSUER}/introspect"
AWAY = (503, "temporarily_unavailable")
TOKEN = bearer("mF_9.B5f-4.1JqM")


def remote(**settings: Any) -> RemoteIntrospection:
    usual: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "client_id": "api",
        "client_secret": "7Fjfp0ZBr1KtDRbnfVdmIw",
    }
    return RemoteIntrospection(**usual | settings)


@pytest.fixture
def api(world: World) -> Api:
    return Api(world).configure(tokens=remote(issuer=ISSUER))


def say(api: Api, **other: Any) -> None:
    """Let the server answer so; None takes a member away."""
    now = int(api.world.clock.now.timestamp())
    usual: dict[str, Any] = {
        "active": True,
        "client_id": "app",
        "sub": "user-1",
        "username": "alice",
        "scope": "read write",
        "aud": API,
        "iss": ISSUER,
        "exp": now + 600,
        "iat": now,
        "token_type": "Bearer",
    }
    members = {name: value for name, value in (usual | other).items() if value is not None}
    api.fetcher.answers[ENDPOINT] = answer(members)


def asked(api: Api) -> int:
    return len(api.fetcher.requests)


# What is asked and told


def test_what_is_asked(api: Api) -> None:
    api.configure(tokens=remote(client_id="a:b c", client_secret=Secret("p%q+r")))
    say(api)
    api.check(TOKEN)

    [request] = api.fetcher.requests
    assert (request.method, request.url) == ("POST", ENDPOINT)
    assert dict(request.headers) == {
        "Authorization": basic("a:b c", "p%q+r")[1],
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "token": ["mF_9.B5f-4.1JqM"],
        "token_type_hint": ["access_token"],
    }


def test_what_is_told(api: Api) -> None:
    say(api, tenant="acme", jti="j1")
    token = api.check(TOKEN, scope="read")

    assert (token.client_id, token.sub, token.username) == ("app", "user-1", "alice")
    assert token.acts_for_user
    assert token.scope == Scope.of("read write")
    assert (token.audience, token.jti) == ((API,), "j1")
    assert token.expires_at == api.world.clock.now + timedelta(minutes=10)
    assert token.claims == {"tenant": "acme"}


def test_tv_7662_active(api: Api) -> None:
    """The answer that RFC 7662, Section 2.2 prints."""
    api.world.clock.now = datetime.fromtimestamp(1419350238, UTC)
    api.configure(
        resource="https://protected.example.net/resource",
        tokens=remote(issuer="https://server.example.com/"),
    )
    api.fetcher.answers[ENDPOINT] = answer(
        b'{"active":true,"client_id":"l238j323ds-23ij4","username":"jdoe",'
        b'"scope":"read write dolphin","sub":"Z5O3upPC88QrAjx00dis",'
        b'"aud":"https://protected.example.net/resource","iss":"https://server.example.com/",'
        b'"exp":1419356238,"iat":1419350238,"extension_field":"twenty-seven"}'
    )
    token = api.check(TOKEN, scope="dolphin")

    assert (token.client_id, token.username) == ("l238j323ds-23ij4", "jdoe")
    assert token.claims == {"extension_field": "twenty-seven"}
    api.fetcher.answers[ENDPOINT] = answer(b'{"active":false}')
    assert outcome(api.call(TOKEN)) == INVALID


@pytest.mark.parametrize(
    ("change", "for_user"),
    [
        ({"sub": "app", "username": None}, False),
        ({"sub": None, "username": None}, False),
        ({"username": None}, True),
        ({"sub": "app"}, True),
    ],
)
def test_who_acts(api: Api, change: dict[str, Any], for_user: bool) -> None:
    say(api, **change)

    assert api.check(TOKEN).acts_for_user is for_user


@pytest.mark.parametrize("aud", [[API], ["https://other.example.com", API]])
def test_one_of_several_audiences_will_do(api: Api, aud: list[str]) -> None:
    say(api, aud=aud)

    assert api.check(TOKEN).audience == tuple(aud)


def test_what_an_answer_need_not_have(api: Api) -> None:
    api.configure(require_audience=False)
    api.fetcher.answers[ENDPOINT] = answer(
        {
            "active": True,
            "client_id": "app",
            "username": None,
            "scope": None,
            "token_type": "bearer",
        }
    )
    token = api.check(TOKEN)

    assert (token.scope, token.audience, token.expires_at.year) == (Scope(), (), 9999)


# Refusals


@req("R6750-3.1-b", "R7662-4-a")
@pytest.mark.parametrize(
    "change",
    [
        {"active": False},
        {"exp": 1767225600},
        {"exp": 0},
        {"exp": -1.5},
        {"iss": "https://evil.example.com"},
        {"aud": "https://other.example.com"},
        {"aud": None},
        {"aud": []},
        {"token_type": "DPoP"},
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    ],
    ids=str,
)
def test_a_token_that_is_not_valid_here(api: Api, change: dict[str, Any]) -> None:
    say(api, **change)

    assert outcome(api.call(TOKEN)) == INVALID
    assert api.faults == []


@req("R7662-2.2-a")
@pytest.mark.parametrize(
    "failure",
    [
        ConnectionError("no route"),
        TimeoutError(),
        answer({"error": "invalid_client"}, status=401),
        answer({"active": True}, status=302),
        answer({"active": True, "client_id": "app", "aud": API}, status=201),
        answer({}, status=500),
        answer(b""),
        answer(b"<html>"),
        answer(b"[" * 100_000),
        answer(b'{"active":false,"active":true}'),
        answer(b"true"),
        answer({}),
        answer({"active": "true"}),
        answer({"active": 1}),
        answer({"active": None}),
    ],
    ids=str,
)
def test_a_server_that_does_not_say_is_a_fault(api: Api, failure: Any) -> None:
    api.fetcher.answers[ENDPOINT] = failure
    response = api.call(TOKEN)

    assert error_of(response) == AWAY
    assert ("Retry-After", "5") in response.headers
    assert len(api.faults) == 1


@req("R7662-2.2-a")
@pytest.mark.parametrize(
    "change",
    [
        {"client_id": 7},
        {"client_id": None},
        {"client_id": ""},
        {"sub": ["user-1"]},
        {"sub": None},
        {"sub": ""},
        {"username": {"a": 1}},
        {"scope": ["read"]},
        {"scope": 're"ad'},
        {"iss": [ISSUER]},
        {"jti": 7},
        {"token_type": 7},
        {"exp": "1767229200"},
        {"exp": True},
        {"exp": 10**400},
        {"exp": 10**18},
        {"iat": []},
        {"iat": -(10**400)},
        {"aud": 7},
        {"aud": [API, 7]},
        {"aud": {"a": API}},
    ],
    ids=str,
)
def test_a_malformed_answer_is_a_fault(api: Api, change: dict[str, Any]) -> None:
    say(api, **change)

    assert error_of(api.call(TOKEN)) == AWAY
    assert len(api.faults) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=100)
    | st.dictionaries(
        st.sampled_from(["active", "client_id", "sub", "scope", "aud", "exp", "iat", "iss"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    )
)
@pytest.mark.parametrize("colour", ["sync"])
def test_whatever_the_server_says_nothing_breaks(api: Api, body: Any) -> None:
    api.fetcher.answers[ENDPOINT] = answer(body)

    assert api.call(TOKEN).status in {401, 503}


def test_the_endpoint_is_https(api: Api) -> None:
    with pytest.raises(ValueError, match=r"the introspection endpoint .* has to be https"):
        api.configure(tokens=remote(endpoint="http://auth.example.com/introspect")).call()

    assert "7Fjfp0ZBr1KtDRbnfVdmIw" not in repr(remote())


# Kept answers


def test_nothing_is_kept_by_default(api: Api) -> None:
    say(api)
    assert [api.call(TOKEN).status for _ in range(3)] == [200] * 3
    assert asked(api) == 3

    say(api, active=False)
    assert outcome(api.call(TOKEN)) == INVALID


@req("R7662-4-c")
def test_an_answer_is_kept_for_as_long_as_the_host_says(api: Api) -> None:
    api.configure(tokens=remote(keep_for=timedelta(seconds=60)))
    say(api)
    api.call(TOKEN)
    api.world.clock.move(seconds=59)
    assert api.call(TOKEN).status == 200
    assert asked(api) == 1

    api.world.clock.move(seconds=1)
    assert api.call(TOKEN).status == 200
    assert asked(api) == 2


@req("R7662-4-c")
def test_an_answer_is_never_kept_past_its_exp(api: Api) -> None:
    api.configure(tokens=remote(keep_for=timedelta(hours=24)))
    say(api, exp=int(api.world.clock.now.timestamp()) + 30)
    api.call(TOKEN)
    api.world.clock.move(seconds=29)
    assert api.call(TOKEN).status == 200
    assert asked(api) == 1

    api.world.clock.move(seconds=1)
    assert outcome(api.call(TOKEN)) == INVALID
    assert asked(api) == 2


def test_what_is_not_valid_is_not_kept(api: Api) -> None:
    api.configure(tokens=remote(keep_for=timedelta(seconds=60)))
    say(api, active=False)
    assert outcome(api.call(TOKEN)) == INVALID

    say(api)
    assert api.call(TOKEN).status == 200


def test_scope_and_audience_of_a_kept_answer_still_count(api: Api) -> None:
    api.configure(tokens=remote(keep_for=timedelta(seconds=60)))
    say(api)

    assert api.call(TOKEN).status == 200
    assert outcome(api.call(TOKEN, scope="admin")) == (403, "insufficient_scope")
    assert asked(api) == 1


def test_so_many_answers_are_kept_and_no_more(api: Api) -> None:
    """The one that was used longest ago goes first."""
    api.configure(tokens=remote(keep_for=timedelta(seconds=60), keep_most=2))
    say(api)
    for value in ("a", "b", "a", "c"):
        api.call(bearer(value))
    assert asked(api) == 3

    api.call(bearer("a"))
    assert asked(api) == 3
    api.call(bearer("b"))
    assert asked(api) == 4


@pytest.mark.parametrize("keep_most", [0, -1])
def test_a_cache_has_room(keep_most: int) -> None:
    with pytest.raises(ValueError, match="keep_most"):
        remote(keep_most=keep_most)


# Our own server


@req("R7009-2.1-d", "R7662-2.2-c")
def test_our_own_server_answers(api: Api) -> None:
    world = api.world.configure(audience=API)
    secret = world.add_client("api", introspects=[API])
    api.configure(tokens=remote(client_secret=secret, issuer=ISSUER))

    api.fetcher.answers[ENDPOINT] = api.send_apart
    value = api.issue(scope="read")
    refresh_token = world.sign_in()["refresh_token"]

    token = api.check(bearer(value), scope="read")
    assert (token.client_id, token.acts_for_user) == ("service", False)
    assert api.check(bearer(world.sign_in()["access_token"])).username == "alice"
    assert outcome(api.call(bearer(refresh_token))) == INVALID
    world.post(client="service", path="/revoke", token=value)
    assert outcome(api.call(bearer(value))) == INVALID
    world.secrets["api"] = Secret("other")
    api.configure(tokens=remote(client_secret="wrong"))
    assert error_of(api.call(bearer(value))) == AWAY
