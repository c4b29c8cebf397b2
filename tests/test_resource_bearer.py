"""How a request brings its token, and what a refusal says (RFC 6750), with the same store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oauthgrants import (
    AccessToken,
    AsyncResourceServer,
    AuthorizationServer,
    ClientCredentialsGrant,
    HttpRequest,
    InsufficientScope,
    InvalidToken,
    MemoryStore,
    OAuthError,
    ResourceServer,
    Scope,
    Secret,
    TemporarilyUnavailable,
)
from oauthgrants.errors import InvalidGrant, InvalidRequest, MissingToken
from oauthgrants.events import LoggingSink, RequestRefused
from oauthgrants.forms import Limits
from oauthgrants.secret import SecretFormat
from resource_support import API, INVALID, Api, bearer, challenge_of, outcome
from support import World, error_of

req = pytest.mark.req
FORM = ("Content-Type", "application/x-www-form-urlencoded")
NOTHING_SAID = (401, None)
MALFORMED = (400, "invalid_request")


@pytest.fixture
def api(world: World) -> Api:
    world.configure(audience=API)
    return Api(world)


class Finder:
    """Knows one token, and may fail."""

    def __init__(self, found: Any = None) -> None:
        self.found = found
        self.asked: list[str] = []

    def find_access_token(self, value: Secret) -> AccessToken | None:
        self.asked.append(value.reveal())
        if isinstance(self.found, Exception):
            raise self.found
        token: AccessToken | None = self.found
        return token


# Who acts


def test_a_client_that_acts_for_itself(api: Api) -> None:
    token = api.check(bearer(api.issue(scope="read")), scope="read")

    assert (token.client_id, token.sub, token.username) == ("service", "service", None)
    assert not token.acts_for_user
    assert token.scope == Scope.of("read")
    assert token.audience == (API,)
    assert token.expires_at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert token.jti is None
    assert token.response_headers == ()


def test_a_client_that_acts_for_a_user(api: Api) -> None:
    token = api.check(bearer(api.world.sign_in()["access_token"]), scope="profile")

    assert (token.client_id, token.sub, token.username) == ("app", "user-1", "alice")
    assert token.acts_for_user


def test_what_is_verified_cannot_be_changed(api: Api) -> None:
    token = api.check(bearer(api.issue()))

    with pytest.raises(AttributeError):
        token.client_id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        token.claims["admin"] = True  # type: ignore[index]


def test_claims_of_the_host_come_along(api: Api) -> None:
    class Tenants:
        parameters = ()

        def make_claims(self, *_: Any) -> dict[str, Any]:
            return {"tenant": "acme"}

    api.world.configure(extra_claims=Tenants())

    assert api.check(bearer(api.issue())).claims == {"tenant": "acme"}


@req("R6749-10.3-a")
def test_the_value_is_nowhere_in_what_is_verified(api: Api) -> None:
    value = api.issue()

    assert value not in repr(api.check(bearer(value)))


# The header


@req("R6750-2.1-a", "R9110-11.1-a")
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR    "])
def test_the_scheme_knows_no_case_and_may_be_followed_by_spaces(api: Api, scheme: str) -> None:
    assert api.call(("authorization", scheme + api.issue())).status == 200


@req("R6750-2.1-a")
@pytest.mark.parametrize("token", ["mF_9.B5f-4.1JqM", "a", "~+/-._09", "a=", "a==", "A" * 8000])
def test_a_b64token_is_looked_up(api: Api, token: str) -> None:
    finder = Finder()

    assert outcome(api.configure(tokens=finder).call(bearer(token))) == INVALID
    assert finder.asked == [token]


@req("R6750-2.1-a", "R6750-3.1-a")
@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer\tabc",
        "Bearer \tabc",
        "Bearer a b",
        "Bearer abc ",
        "Bearer =",
        "Bearer a=b",
        "Bearer a,b",
        "Bearer a, Bearer b",
        'Bearer "abc"',
        "Bearer token=abc",
        "Bearer a\u00e9",
        "Bearer a\x00",
        "Bearer a\n",
        "Bearer \u212a",
        "Bearer, abc",
        "Bearer " + "A" * 8192,
    ],
)
def test_other_syntax_is_a_malformed_request(api: Api, value: str) -> None:
    finder = Finder()
    response = api.configure(tokens=finder).call(("Authorization", value))

    assert outcome(response) == MALFORMED
    assert error_of(response) == MALFORMED
    assert finder.asked == []


@req("R6750-3-a", "R6750-3.1-d")
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Basic czZCaGRSa3F0Mzo3")],
        [("Authorization", "DPoP abc")],
        [("Authorization", "BearerX abc")],
        [("Authorization", "Bearer-ish")],
        [("Authorization", "abc")],
        [("Authorization", " ")],
    ],
)
def test_without_a_bearer_token_the_challenge_names_no_error(api: Api, headers: Any) -> None:
    response = api.call(*headers)

    assert response.status == 401
    assert challenge_of(response) == 'Bearer realm="example"'
    assert response.json() == {}


@req("R6750-2-a", "R6750-3.1-a")
def test_two_authorization_fields_are_refused(api: Api) -> None:
    token = bearer(api.issue())

    assert outcome(api.call(token, token)) == MALFORMED
    assert outcome(api.call(token, ("authorization", "Basic abc"))) == MALFORMED


# Body and query


def in_body(token: str, **other: Any) -> dict[str, Any]:
    return {"method": "POST", "body": f"a=%FF&access_token={token}&b".encode()} | other


@req("R6750-2.2-a", "R6750-2.3-a")
def test_body_and_query_are_off_by_default(api: Api) -> None:
    token = api.issue()

    assert outcome(api.call(FORM, **in_body(token))) == NOTHING_SAID
    assert outcome(api.call(url=f"{API}/?access_token={token}")) == NOTHING_SAID
    assert api.call(bearer(token), FORM, **in_body("other")).status == 200


@req("R6750-2.2-a")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_form_may_have_the_token_where_it_is_allowed(api: Api, method: str) -> None:
    api.configure(allow_body=True)
    form = ("content-type", "Application/X-WWW-Form-URLEncoded; charset=utf-8")
    response = api.call(form, **in_body(api.issue(), method=method))

    assert (response.status, response.headers) == (200, ())


@req("R6750-2.2-a")
@pytest.mark.parametrize(
    ("headers", "request_"),
    [
        pytest.param([FORM], {"method": "GET"}, id="get"),
        pytest.param([FORM], {"method": "HEAD"}, id="head"),
        pytest.param([FORM], {"method": "DELETE"}, id="delete"),
        pytest.param([], {}, id="no media type"),
        pytest.param([("Content-Type", "multipart/form-data; boundary=x")], {}, id="parts"),
        pytest.param([("Content-Type", "application/json")], {}, id="json"),
        pytest.param([FORM, FORM], {}, id="two media types"),
        pytest.param([FORM], {"body": "access_token=a\u00e9".encode()}, id="not ascii"),
        pytest.param([FORM], {"body": b""}, id="empty"),
        pytest.param([FORM], {"body": b"access_token="}, id="empty token"),
        pytest.param([FORM], {"body": b"Access_Token=a&access_tokens=b&=c&&"}, id="other names"),
    ],
)
def test_what_is_no_such_form_is_not_looked_at(api: Api, headers: Any, request_: Any) -> None:
    api.configure(allow_body=True)

    assert outcome(api.call(*headers, **in_body(api.issue()) | request_)) == NOTHING_SAID


@req("R6750-2.3-a")
def test_the_query_may_have_the_token_where_it_is_allowed(api: Api) -> None:
    api.configure(allow_query=True)
    token = api.issue()
    response = api.call(url=f"{API}/?a=%FF&access%5Ftoken={token}#access_token=x")

    assert response.status == 200
    assert response.headers == (("Cache-Control", "private"),)
    assert api.call(bearer(token)).headers == ()


@req("R6750-2-a", "R6750-3.1-a")
@pytest.mark.parametrize("ways", ["hb", "hq", "bq", "hbq"])
def test_a_token_comes_once(api: Api, ways: str) -> None:
    api.configure(allow_body=True, allow_query=True)
    token = api.issue()
    request = in_body(token) if "b" in ways else {}
    if "q" in ways:
        request["url"] = f"{API}/?access_token={token}"
    headers = [FORM, bearer(token)] if "h" in ways else [FORM]

    assert outcome(api.call(*headers, **request)) == MALFORMED


@req("R6750-3.1-a")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("access_token=a&access_token=a", MALFORMED),
        ("access_token=a&access_token=", MALFORMED),
        ("access_token=%zz", MALFORMED),
        ("access_token=%FF", MALFORMED),
        ("access_token=" + "a" * 8193, MALFORMED),
        ("access_token=%00", INVALID),
        ("access_token=a%0d%0ab", INVALID),
        ("access_token=%C3%A9", INVALID),
        ("access_token=a+b", INVALID),
    ],
)
def test_what_cannot_be_a_token_is_refused(api: Api, text: str, expected: Any) -> None:
    api.configure(allow_body=True, allow_query=True)

    assert outcome(api.call(FORM, method="POST", body=text.encode())) == expected
    assert outcome(api.call(url=f"{API}/?{text}")) == expected


def test_a_form_has_a_limit(api: Api) -> None:
    api.configure(allow_body=True, limits=Limits(body=64))

    assert outcome(api.call(FORM, method="POST", body=b"a" * 65)) == MALFORMED
    assert outcome(api.call(FORM, method="POST", body=b"a" * 64)) == NOTHING_SAID
    assert api.server.limits.body == 64


# Challenges


@req("R6750-3-a", "R6750-3-b", "R6750-3-c", "R6750-3.1-b", "R6750-3.1-d", "R9110-11.6.1-a")
def test_tv_6750_challenge(api: Api) -> None:
    """As RFC 6750, Section 3 prints them."""
    api.configure(tokens=Finder(InvalidToken("The access token expired")))

    assert challenge_of(api.call()) == 'Bearer realm="example"'
    assert challenge_of(api.call(bearer("mF_9.B5f-4.1JqM"))) == (
        'Bearer realm="example", error="invalid_token", '
        'error_description="The access token expired"'
    )


@req("R9728-5.1-a")
def test_tv_9728_challenge(api: Api) -> None:
    """As RFC 9728, Section 5.1 prints it."""
    api.configure(resource="https://resource.example.com", realm=None, publish_metadata=True)
    url = "https://resource.example.com/.well-known/oauth-protected-resource"

    assert challenge_of(api.call()) == f'Bearer resource_metadata="{url}"'


@req("R6750-3-a", "R6750-3-b", "R9728-5.1-a")
def test_a_challenge_says_all_that_it_has_to(api: Api) -> None:
    settings: dict[str, Any] = {"tokens": api.world.server.lookup, "resource": API}
    server = ResourceServer(**settings)
    rendered = server.render(InsufficientScope.wanting("a b"))

    assert challenge_of(server.render(MissingToken())) == (
        'Bearer realm="resource", '
        'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
    )
    assert challenge_of(rendered) == (
        'Bearer realm="resource", error="insufficient_scope", '
        'error_description="the scope of the access token does not cover this request", '
        'scope="a b", '
        'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
    )
    assert rendered.status == 403
    assert ("Cache-Control", "no-store") in rendered.headers
    assert ("Content-Type", "application/json") in rendered.headers
    assert rendered.json()["error"] == "insufficient_scope"


@req("R9110-11.6.1-a", "R6750-3-b")
def test_strings_are_quoted_and_nothing_breaks_out_of_them(api: Api) -> None:
    api.configure(realm='a "b" \\c', tokens=Finder())

    for words, shown in (
        ('a "quoted" word', "a ?quoted? word"),
        ("line\r\nSet-Cookie: a=b", "line??Set-Cookie: a=b"),
        ("caf\u00e9", "caf?"),
        ("back\\slash", "back?slash"),
    ):
        challenge = challenge_of(api.server.render(InvalidToken(words)))
        assert challenge == (
            r'Bearer realm="a \"b\" \\c", error="invalid_token", '
            f'error_description="{shown}"'
        )


@req("R9110-11.6.1-a")
@pytest.mark.parametrize("realm", ["a\r\nb", "a\x00", "caf\u00e9", "\x7f"])
def test_a_realm_that_no_header_can_have_is_refused(api: Api, realm: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        api.configure(realm=realm).call()


@req("R6750-3-a")
@pytest.mark.parametrize("realm", [None, ""])
def test_a_challenge_has_something_to_say(api: Api, realm: str | None) -> None:
    with pytest.raises(ValueError, match=r"RFC 6750, Section 3"):
        api.configure(realm=realm).call()


@req("R6750-3-c", "R6750-3.1-b")
def test_an_error_carries_its_wire_form(api: Api) -> None:
    """So that an error handler which knows no resource server renders it too."""
    with pytest.raises(InvalidToken) as refusal:
        api.check(bearer("unknown"))

    error = refusal.value
    assert error.headers == (
        (
            "WWW-Authenticate",
            'Bearer realm="example", error="invalid_token", '
            'error_description="the access token is unknown, revoked or expired"',
        ),
    )
    assert api.server.render(error).headers.count(error.headers[0]) == 1
    assert InvalidToken.headers == ()


def test_errors_of_another_kind_have_no_challenge(api: Api) -> None:
    assert challenge_of(api.server.render(InvalidGrant("no"))) is None
    assert challenge_of(api.server.render(InvalidRequest("no"))) is not None


# Store


@req("R6749-7-a", "R6750-3.1-b")
def test_an_expired_token_is_refused(api: Api) -> None:
    token = bearer(api.issue())
    api.world.clock.move(seconds=3599)
    assert api.call(token).status == 200

    api.world.clock.move(seconds=1)
    assert outcome(api.call(token)) == INVALID


@req("R7009-2.1-d", "R6750-3.1-b")
def test_a_revoked_token_is_refused_at_once(api: Api) -> None:
    token = api.issue()
    assert api.call(bearer(token)).status == 200
    api.world.post(client="service", path="/revoke", token=token)

    assert outcome(api.call(bearer(token))) == INVALID


@req("R6750-3.1-b")
def test_refresh_tokens_and_guesses_are_refused(api: Api) -> None:
    refresh_token = api.world.sign_in()["refresh_token"]
    made = SecretFormat("ogat_").generate().reveal()

    for value in (refresh_token, made, made[:-1] + "A", "ogat_", "a.b.c"):
        assert outcome(api.call(bearer(value))) == INVALID


@req("R6750-3.1-b", "R6750-5.3-a", "R9700-2.3-a")
def test_a_token_for_another_resource_is_refused(api: Api) -> None:
    value = bearer(api.issue())

    assert outcome(api.configure(resource="https://other.example.com").call(value)) == INVALID
    assert outcome(api.configure(require_audience=False).call(value)) == INVALID
    assert api.reasons == ["the audience is foreign"] * 2
    assert api.configure(audience=["urn:api", API]).call(value).status == 200
    assert outcome(api.configure(audience="urn:api").call(value)) == INVALID


@req("R6750-5.3-a")
def test_a_token_without_audience_takes_the_hosts_word(api: Api) -> None:
    api.world.configure(audience=())
    value = bearer(api.issue())

    assert outcome(api.call(value)) == INVALID
    assert api.reasons == ["the token has no audience, and require_audience wants one"]
    assert api.configure(require_audience=False).call(value).status == 200


# Scope


@req("R6749-7-a", "R6750-3.1-c")
@pytest.mark.parametrize(
    ("scope", "any_scope", "wanted"),
    [
        ("read", None, None),
        ("read write", None, None),
        (["write", "read"], None, None),
        (Scope.of("write"), None, None),
        ((), (), None),
        (None, "read admin", None),
        ("write", "read admin", None),
        ("admin", None, "admin"),
        ("read admin", None, "admin read"),
        (None, "admin", "admin"),
        (None, "admin root", "admin root"),
        ("read", "admin root", "admin read root"),
        ("admin", "read", "admin read"),
        ("Read", None, "Read"),
    ],
)
def test_scope_is_all_of_and_any_of(
    api: Api, scope: Any, any_scope: Any, wanted: str | None
) -> None:
    token = bearer(api.issue(scope="read write"))
    response = api.call(token, scope=scope, any_scope=any_scope)

    if wanted is None:
        assert response.status == 200
    else:
        assert outcome(response) == (403, "insufficient_scope")
        assert f', scope="{wanted}"' in str(challenge_of(response))


def test_a_scope_that_is_none_is_the_hosts_mistake(api: Api) -> None:
    with pytest.raises(ValueError, match=r"Section 3\.3"):
        api.check(bearer(api.issue()), scope='re"ad')


# Faults, events


@req("R7009-2.2.1-a")
def test_a_fault_is_never_masked(api: Api) -> None:
    api.configure(tokens=Finder(ConnectionError("the database is away")))
    response = api.call(bearer("abc"))

    assert error_of(response) == (503, "temporarily_unavailable")
    assert ("Retry-After", "5") in response.headers
    assert challenge_of(response) is None
    assert api.faults == ["the database is away"]
    with pytest.raises(TemporarilyUnavailable):
        api.check(bearer("abc"))


def test_refusals_have_events_without_the_token(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    token = api.issue()
    for headers, scope in (
        ([], None),
        ([bearer("unknown-token")], None),
        ([bearer(token)], "admin"),
        ([bearer(token), bearer(token)], None),
    ):
        api.call(*headers, scope=scope)

    refused = [each for each in api.world.sink.events if isinstance(each, RequestRefused)]
    assert [(each.error, each.client_id, each.source) for each in refused] == [
        ("invalid_token", None, "192.0.2.7"),
        ("invalid_token", None, "192.0.2.7"),
        ("insufficient_scope", "service", "192.0.2.7"),
        ("invalid_request", None, "192.0.2.7"),
    ]
    api.configure(event_sink=LoggingSink()).call(bearer("unknown-token"))
    assert "RequestRefused" in caplog.text
    assert "unknown-token" not in caplog.text


# Colours


@pytest.mark.parametrize("colour", ["async"])
def test_a_blocking_finder_is_called_off_the_loop(api: Api) -> None:
    import threading

    threads: set[int] = set()

    class Blocking(Finder):
        def find_access_token(self, value: Secret) -> AccessToken | None:
            threads.add(threading.get_ident())
            return None

    assert outcome(api.configure(tokens=Blocking()).call(bearer("a"))) == INVALID
    assert threads
    assert threading.get_ident() not in threads


def test_a_finder_that_suspends_takes_the_async_twin() -> None:
    import asyncio

    class Suspending:
        async def find_access_token(self, value: Secret) -> AccessToken | None:
            await asyncio.sleep(0)
            return None

    request = HttpRequest(method="GET", url=API, headers=[bearer("a")])
    with pytest.raises(RuntimeError, match="AsyncResourceServer"):
        ResourceServer(resource=API, tokens=Suspending()).require_token(request)
    with pytest.raises(InvalidToken):
        asyncio.run(AsyncResourceServer(resource=API, tokens=Suspending()).require_token(request))


# Fuzz


@pytest.fixture(scope="module")
def forgiving() -> ResourceServer:
    store = MemoryStore()
    server = AuthorizationServer(
        issuer="https://auth.example.com", store=store, grants=[ClientCredentialsGrant()]
    )
    return ResourceServer(resource=API, tokens=server.lookup, allow_body=True, allow_query=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.text(max_size=200) | st.from_regex(r"\ABearer +\S*\Z"), max_size=3),
    query=st.text(max_size=100),
    body=st.binary(max_size=200) | st.from_regex(rb"\Aaccess_token=.*\Z"),
    media_type=st.sampled_from(["application/x-www-form-urlencoded", "text/plain", ""]),
)
def test_whatever_comes_is_answered(
    forgiving: ResourceServer, values: list[str], query: str, body: bytes, media_type: str
) -> None:
    headers = [("Authorization", value) for value in values] + [("Content-Type", media_type)]
    request = HttpRequest(method="POST", url=f"{API}/?{query}", headers=headers, body=body)
    with pytest.raises(OAuthError) as refusal:
        forgiving.require_token(request)

    response = forgiving.render(refusal.value)
    assert response.status in {400, 401}
    challenge = challenge_of(response) or ""
    assert challenge.isascii()
    assert challenge.isprintable()
