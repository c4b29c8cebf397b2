"""Introspection (RFC 7662, 9701) and revocation (RFC 7009)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from oauthgrants import AccessToken, Client, HttpRequest, HttpResponse, Lifetimes, Scope, User
from oauthgrants.events import TokenIntrospected, TokenIssued, TokenRevoked
from oauthgrants.jose import ALGORITHMS, SigningKey, verify_jwt
from support import FORM, ISSUER, World, basic, error_of

req = pytest.mark.req
API = "https://api.example.com"
INACTIVE = b'{"active":false}'


@pytest.fixture(params=["opaque", "jwt"])
def issuing(world: World, request: pytest.FixtureRequest) -> World:
    """A server that issues access tokens of each format, for one resource server."""
    world.add_client("api", grant_types=[], introspects=[API])
    world.add_client("stranger", grant_types=[], introspects=["https://other.example"])
    settings: dict[str, Any] = {"audience": API}
    if request.param == "jwt":
        settings |= {"access_token_format": "jwt", "signing_keys": KEY}
    return world.configure(**settings)


KEY = SigningKey.generate("ES256", kid="k1")


def introspect(world: World, token: str, client: str = "api", **more: str) -> HttpResponse:
    return world.post(client=client, path="/introspect", token=token, **more)


def revoke(world: World, token: str, client: str | None = "app", **more: str) -> HttpResponse:
    return world.post(client=client, path="/revoke", token=token, **more)


def is_active(world: World, token: str, client: str = "app") -> bool:
    active: bool = introspect(world, token, client).json()["active"]
    return active


# Introspection


@req("R7662-2.2-a", "R7662-2.2-c", "R7662-4-c", "R8707-2-d", "R6750-5.3-a")
def test_an_access_token_is_described(issuing: World) -> None:
    tokens = issuing.sign_in()
    issued_at = int(issuing.clock().timestamp())

    response = introspect(issuing, tokens["access_token"])

    members = response.json()
    is_jwt = members.pop("jti", None) is not None
    expected = {
        "active": True,
        "iss": ISSUER,
        "client_id": "app",
        "sub": "user-1",
        "username": "alice",
        "scope": "email profile",
        "aud": API,
        "token_type": "Bearer",
        "iat": issued_at,
        "exp": issued_at + 3600,
    }
    if is_jwt:
        del expected["username"]
    assert members == expected
    assert response.status == 200
    assert ("Content-Type", "application/json") in response.headers
    assert ("Cache-Control", "no-store") in response.headers


@req("R7662-2.2-c")
def test_a_client_that_acts_for_itself_has_no_username(issuing: World) -> None:
    token = issuing.post(client="service", grant_type="client_credentials").json()["access_token"]

    members = introspect(issuing, token).json()

    assert (members["sub"], members["client_id"]) == ("service", "service")
    assert "username" not in members


@req("R7662-2.2-b", "R7662-4-b", "R7662-2.2-d", "R7662-4-a")
def test_only_the_owner_and_the_audience_are_told(issuing: World) -> None:
    token = issuing.sign_in()["access_token"]

    assert is_active(issuing, token, "app")
    assert is_active(issuing, token, "api")
    for client in ("service", "stranger"):
        assert introspect(issuing, token, client).body == INACTIVE


def test_a_refresh_token_is_for_its_owner_to_see(issuing: World) -> None:
    """A resource server that took it for an access token would be fooled."""
    token = issuing.sign_in()["refresh_token"]

    members = introspect(issuing, token, "app").json()

    assert (members["active"], members["username"]) == (True, "alice")
    assert members["exp"] - members["iat"] == 30 * 24 * 3600
    assert "token_type" not in members
    assert introspect(issuing, token, "api").body == INACTIVE


@req("R7662-2.2-b", "R7662-4-a")
def test_what_cannot_be_used_is_inactive(issuing: World) -> None:
    issuing.configure(lifetimes=Lifetimes(refresh_token=timedelta(hours=2)))
    first = issuing.sign_in()
    spent = first["refresh_token"]
    second = issuing.refresh(spent).json()
    issuing.clock.move(hours=1)

    for token in ("", "x", "a.b.c", "ogat_" + "A" * 48, "ogrt_x", "caf\xe9", "a\x00b", "." * 9):
        if token:
            assert introspect(issuing, token, "app").body == INACTIVE, token
    assert not is_active(issuing, first["access_token"])
    assert not is_active(issuing, spent)
    assert is_active(issuing, second["refresh_token"])
    issuing.clock.move(hours=1)
    assert not is_active(issuing, second["refresh_token"])


@req("R7662-2.1-c")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "x", ""])
def test_a_hint_only_orders_the_look_up(issuing: World, hint: str) -> None:
    tokens = issuing.sign_in()

    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert introspect(issuing, token, "app", token_type_hint=hint).json()["active"]


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
def test_a_wrong_hint_costs_one_look_up_a_kind(world: World, hint: str) -> None:
    looked_up: list[str] = []
    for name in ("find_access_token", "find_refresh_token"):
        method = getattr(world.store, name)

        def spy(digest: bytes, name: str = name, method: Any = method) -> Any:
            looked_up.append(name)
            return method(digest)

        setattr(world.store, name, spy)

    introspect(world, "nobodys", "app", token_type_hint=hint)

    assert sorted(looked_up) == ["find_access_token", "find_refresh_token"]
    assert looked_up[0] == f"find_{hint}"


@req("R7662-2.1-a", "R7009-2.1-a")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_both_endpoints_take_a_form_with_a_token(world: World, path: str) -> None:
    get = world.send(HttpRequest(method="GET", url=f"{ISSUER}{path}"))
    without = world.post(client="app", path=path)
    empty = world.post("token=", client="app", path=path)
    twice = world.post("token=a&token=a", client="app", path=path)
    in_uri = world.post("token=a", client="app", path=f"{path}?token=a")

    assert error_of(get) == (405, "invalid_request")
    assert {error_of(r) for r in (without, empty, twice, in_uri)} == {(400, "invalid_request")}


@req("R7662-2.1-b", "R7662-2.3-a")
def test_an_anonymous_caller_learns_nothing(issuing: World) -> None:
    token = issuing.sign_in()["access_token"]
    public = issuing.sign_in("browser")["access_token"]

    answers = [
        issuing.post(path="/introspect", token=token),
        issuing.post(path="/introspect", token=public, client_id="browser"),
        issuing.post("", basic("api", "wrong"), path="/introspect", token=token),
        issuing.post("", ("Authorization", "Bearer x"), path="/introspect", token=token),
    ]

    for answer in answers:
        assert error_of(answer) == (401, "invalid_client")
        assert dict(answer.headers)["WWW-Authenticate"].startswith("Basic realm=")


@req("R7662-2.1-b", "R6749-5.2-e")
def test_a_public_caller_is_offered_no_basic_where_there_is_none(world: World) -> None:
    """It cannot prove who it is (C-11)."""
    world.configure(client_auth_methods=["client_secret_post", "none"])

    answer = world.post(path="/introspect", token="x", client_id="browser")

    assert error_of(answer) == (400, "invalid_client")
    assert "WWW-Authenticate" not in dict(answer.headers)


class Claims:
    """A host's own claims, some of them not its to make."""

    parameters: tuple[str, ...] = ("tenant",)

    def make_claims(
        self, client: Client, user: User | None, scope: Scope, parameters: Mapping[str, str]
    ) -> Mapping[str, Any]:
        who = client.client_id if user is None else user.username
        return {
            "groups": ["staff"],
            "seen": f"{who} {scope} {dict(parameters)}",
            "active": False,
            "sub": "root",
            "aud": "https://evil.example",
            "exp": 0,
            "username": "root",
            "cnf": {"jkt": "forged"},
        }


@req("R7662-2.2-c", "R9068-2.2.3-a")
def test_custom_members_appear_and_replace_none(issuing: World) -> None:
    issuing.configure(extra_claims=Claims())
    token = issuing.post(
        client="service", grant_type="client_credentials", tenant="acme", other="x"
    ).json()["access_token"]

    members = introspect(issuing, token).json()

    assert members["groups"] == ["staff"]
    assert members["seen"] == "service read {'tenant': 'acme'}"
    assert (members["active"], members["sub"], members["aud"]) == (True, "service", API)
    assert not {"username", "cnf"} & set(members)


def test_no_token_keeps_claims_that_are_not_the_hosts(world: World) -> None:
    """Whoever looks at it in the same process sees what introspection shows."""
    world.configure(extra_claims=Claims())
    world.post(client="service", grant_type="client_credentials")

    (token,) = world.store.tokens
    assert isinstance(token, AccessToken)
    assert set(token.extra) == {"groups", "seen"}


@req("R6819-4.4.3.1-a")
def test_claims_cannot_ask_for_the_password(world: World) -> None:
    """It has done its work by then."""

    class Curious(Claims):
        parameters = ("tenant", "username", "password")

    world.configure(extra_claims=Curious())
    token = world.sign_in(tenant="acme")["access_token"]

    seen = introspect(world, token, "app").json()["seen"]
    assert seen == "alice email profile {'tenant': 'acme', 'username': 'alice'}"


def test_claims_see_what_comes_with_a_refresh(world: World) -> None:
    world.configure(extra_claims=Claims())
    token = world.refresh(world.sign_in()["refresh_token"], tenant="acme").json()["access_token"]

    seen = introspect(world, token, "app").json()["seen"]
    assert seen == "alice email profile {'tenant': 'acme'}"


def test_claims_of_a_user_see_no_password(world: World) -> None:
    world.configure(extra_claims=Claims())
    token = world.sign_in()["access_token"]

    assert introspect(world, token, "app").json()["seen"] == "alice email profile {}"


@req("R7009-2.2.1-a", "R7662-2.2-b")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_a_stores_fault_is_no_answer(world: World, path: str) -> None:
    """Never ``active: false``, never a revocation that did not happen."""
    token = world.sign_in()["access_token"]
    world.store.find_access_token = None  # type: ignore[assignment,method-assign]

    response = world.post(client="app", path=path, token=token)

    assert error_of(response) == (503, "temporarily_unavailable")
    assert ("Retry-After", "5") in response.headers


def test_introspection_and_revocation_have_events(world: World) -> None:
    tokens = world.sign_in()
    introspect(world, tokens["access_token"], "app")
    introspect(world, "x", "app")
    revoke(world, tokens["access_token"])

    issued, *_, yes, no, revoked = world.sink.events
    assert isinstance(issued, TokenIssued)
    assert isinstance(yes, TokenIntrospected)
    assert isinstance(no, TokenIntrospected)
    assert isinstance(revoked, TokenRevoked)
    assert (yes.active, no.active, yes.client_id) == (True, False, "app")
    assert (revoked.client_id, revoked.sub, revoked.family) == ("app", "user-1", issued.family)


# Signed answers


def claims_of(response: HttpResponse) -> tuple[dict[str, Any], dict[str, Any]]:
    token = response.body.decode()
    header = token.partition(".")[0]
    decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    return decoded, verify_jwt(
        token, [KEY.public], algorithms=ALGORITHMS, typ={"token-introspection+jwt"}
    )


@req("R9701-4-a", "R9701-5-a", "R9701-5-b", "R9701-5-c", "R8725-3.11-a")
def test_an_answer_is_signed_for_who_accepts_it(issuing: World) -> None:
    """With the members of TV-9701's shape."""
    issuing.configure(introspection_jwt=True, signing_keys=KEY)
    token = issuing.sign_in()["access_token"]
    accept = ("Accept", "application/json;q=0.5, Application/Token-Introspection+JWT")

    signed = issuing.post("", accept, client="api", path="/introspect", token=token)
    plain = introspect(issuing, token)
    both = [("Accept", "application/token-introspection+jwt"), ("Accept", "text/plain")]
    in_two_fields = issuing.post("", *both, client="api", path="/introspect", token=token)
    inactive = issuing.post("", accept, client="api", path="/introspect", token="x")

    header, claims = claims_of(signed)
    assert (signed.status, signed.headers) == (200, in_two_fields.headers)
    assert ("Content-Type", "application/token-introspection+jwt") in signed.headers
    assert ("Cache-Control", "no-store") in signed.headers
    assert header == {"typ": "token-introspection+jwt", "alg": "ES256", "kid": "k1"}
    assert claims == {
        "iss": ISSUER,
        "aud": "api",
        "iat": int(issuing.clock().timestamp()),
        "token_introspection": plain.json(),
    }
    assert plain.json()["active"]
    assert claims_of(inactive)[1]["token_introspection"] == {"active": False}


@req("R9701-4-a")
@pytest.mark.parametrize(
    ("accept", "signed"),
    [
        ("application/token-introspection+jwt;q=0, application/json", False),
        ("application/token-introspection+jwt ; q=0.000", False),
        ("application/token-introspection+jwt;q=0.001", True),
        ("application/token-introspection+jwt;q=1", True),
        ("*/*", False),
    ],
)
def test_no_answer_is_signed_for_who_refuses_it(world: World, accept: str, signed: bool) -> None:
    """A weight of zero says that (RFC 9110, 12.4.2)."""
    world.configure(introspection_jwt=True, signing_keys=KEY)

    answer = world.post("", ("Accept", accept), client="app", path="/introspect", token="x")

    assert signed == (dict(answer.headers)["Content-Type"] != "application/json")


@req("R9701-4-a")
def test_signing_is_off_unless_it_is_switched_on(world: World) -> None:
    accept = ("Accept", "application/token-introspection+jwt")

    assert world.post("", accept, client="app", path="/introspect", token="x").body == INACTIVE


@req("R9701-5-d")
def test_where_answers_are_signed_nobody_is_asked_for_basic(world: World) -> None:
    """400 without credentials, 401 with wrong ones (C-16)."""
    world.configure(introspection_jwt=True, signing_keys=KEY)

    without = world.post(path="/introspect", token="x")
    wrong = world.post("", basic("app", "wrong"), path="/introspect", token="x")

    named = [
        world.post(path="/introspect", token="x", client_id=client_id)
        for client_id in ("app", "browser", "nobody")
    ]

    for answer in (without, *named):
        assert error_of(answer) == (400, "invalid_client")
        assert "WWW-Authenticate" not in dict(answer.headers)
    assert error_of(wrong) == (401, "invalid_client")


# Revocation


@req("R7009-2-a", "R7009-2.1-d", "R7009-2.2-a")
def test_an_access_token_ends_alone(issuing: World) -> None:
    tokens = issuing.sign_in()

    response = revoke(issuing, tokens["access_token"])

    assert (response.status, response.body) == (200, b"{}")
    assert ("Content-Type", "application/json") in response.headers
    assert not is_active(issuing, tokens["access_token"])
    assert issuing.refresh(tokens["refresh_token"]).status == 200


@req("R7009-2-a", "R7009-2.1-d", "R7009-2.1-e")
@pytest.mark.parametrize("which", ["live", "spent"])
def test_a_refresh_token_takes_its_family_with_it(issuing: World, which: str) -> None:
    first = issuing.sign_in()
    second = issuing.refresh(first["refresh_token"]).json()
    other = issuing.sign_in()

    revoke(issuing, (second if which == "live" else first)["refresh_token"])

    for token in (first["access_token"], second["access_token"], second["refresh_token"]):
        assert not is_active(issuing, token)
    assert error_of(issuing.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert is_active(issuing, other["access_token"])
    assert is_active(issuing, other["refresh_token"])


@req("R7009-2.1-d", "R7009-2.1-e")
def test_what_is_revoked_stays_so_for_as_long_as_its_tokens_live(issuing: World) -> None:
    """Also where access tokens live longer than refresh tokens."""
    issuing.add_client(
        "long",
        grant_types=["password", "refresh_token"],
        first_party=True,
        access_token_lifetime=timedelta(days=90),
        refresh_token_lifetime=timedelta(minutes=10),
    )
    tokens = issuing.sign_in("long")
    revoke(issuing, tokens["refresh_token"], "long")
    issuing.clock.move(days=89)
    for _ in range(3):  # whose denial takes along what has expired
        revoke(issuing, issuing.sign_in("long")["access_token"], "long")

    assert not is_active(issuing, tokens["access_token"], "long")


@req("R9700-4.14.2-a")
def test_reuse_ends_the_access_tokens_of_the_family(issuing: World) -> None:
    first = issuing.sign_in()
    second = issuing.refresh(first["refresh_token"]).json()
    issuing.refresh(first["refresh_token"])

    assert not is_active(issuing, first["access_token"])
    assert not is_active(issuing, second["access_token"])


@req("R7009-2.1-b")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_wrong_or_unknown_hint_does_no_harm(issuing: World, kind: str, hint: str) -> None:
    token = issuing.sign_in()[kind]

    assert revoke(issuing, token, token_type_hint=hint).status == 200
    assert not is_active(issuing, token)


@req("R7009-2.2-a")
def test_what_is_not_there_is_revoked_already(issuing: World) -> None:
    """TV-7009, among others."""
    tokens = issuing.sign_in()
    revoke(issuing, tokens["access_token"])
    issuing.clock.move(days=31)

    bodies = {
        (answer.status, answer.body)
        for token in ("45ghiukldjahdnhzdauz", "a.b.c", "caf\xe9", *tokens.values())
        for answer in [revoke(issuing, str(token))]
    }

    assert bodies == {(200, b"{}")}


@req("R7009-2.1-c")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_another_clients_token_stays(issuing: World, kind: str) -> None:
    """The request is refused and says so (C-15)."""
    token = issuing.sign_in()[kind]

    assert error_of(revoke(issuing, token, "service")) == (400, "invalid_grant")
    assert is_active(issuing, token)


@req("R7009-2.1-a")
def test_a_public_client_revokes_its_own(issuing: World) -> None:
    tokens = issuing.sign_in("browser")

    response = revoke(issuing, tokens["refresh_token"], None, client_id="browser")

    assert response.status == 200
    assert error_of(issuing.refresh(tokens["refresh_token"], "browser")) == (400, "invalid_grant")


@req("R7009-2.1-a")
def test_a_confidential_client_has_to_authenticate(issuing: World) -> None:
    token = issuing.sign_in()["access_token"]

    for answer in (
        issuing.post(path="/revoke", token=token),
        issuing.post(path="/revoke", token=token, client_id="app"),
        issuing.post("", basic("app", "wrong"), path="/revoke", token=token),
    ):
        assert error_of(answer) == (401, "invalid_client")
    assert is_active(issuing, token)


def test_the_methods_have_endpoints_of_their_own(world: World) -> None:
    """As ``handle`` picks them by path."""
    request = HttpRequest(
        method="POST",
        url="https://anywhere.example/",
        headers=[FORM, basic("app", world.secrets["app"])],
        body=b"token=x",
    )
    answers = [world.server.introspect(request), world.server.revoke(request)]
    if world.colour == "async":
        answers = [world.runner.run(answer) for answer in answers]

    assert [answer.body for answer in answers] == [INACTIVE, b"{}"]


def test_the_deny_list_forgets_what_has_expired(issuing: World) -> None:
    for _ in range(5):
        revoke(issuing, issuing.sign_in()["refresh_token"])
    issuing.clock.move(days=40)
    for _ in range(9):
        revoke(issuing, issuing.sign_in()["access_token"])

    denied = vars(issuing.store)["_denied"]
    assert len(denied) == (9 if "signing_keys" in issuing.settings else 0)
