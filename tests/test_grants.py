"""The grants: client credentials, password, refresh token, and extensions (RFC 6749, 4 and 6)."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import attrs
import pytest

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    InvalidGrant,
    InvalidScope,
    Lifetimes,
    MemoryStore,
    PasswordGrant,
    RefreshTokenGrant,
    Scope,
    Secret,
    User,
)
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.errors import OAuthError
from oauthgrants.events import Event, Fault, RefreshTokenReused, RequestRefused, TokenIssued
from oauthgrants.forms import Limits
from oauthgrants.grants import Services, TokenRequest
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.hashing import token_digest
from oauthgrants.issuing import Issue
from oauthgrants.tokens import RefreshToken, TokenResponse
from oauthgrants.users import (
    Accepted,
    Disabled,
    Locked,
    MfaRequired,
    PasswordOutcome,
    Rejected,
)
from support import CHEAP, FORM, ISSUER, World, error_of, password_grant

req = pytest.mark.req
CC = "grant_type=client_credentials"


# Client credentials


@req("R6749-4.4.3-a")
def test_client_credentials_never_bring_a_refresh_token(world: World) -> None:
    world.add_client("both", grant_types=["client_credentials", "refresh_token"])

    assert set(world.post(CC, client="both").json()) == {
        "access_token",
        "token_type",
        "expires_in",
    }


def test_its_tokens_live_as_long_as_the_grant_says(world: World) -> None:
    world.configure(grants=[ClientCredentialsGrant(access_token_lifetime=timedelta(seconds=11))])

    seconds = world.post(CC, client="service").json()["expires_in"]
    assert (seconds, type(seconds)) == (11, int)


def test_a_client_acts_for_itself(world: World) -> None:
    world.configure(audience="https://api.example.com")
    world.post(CC, client="service")

    (token,) = world.store.tokens
    assert (token.sub, token.client_id, token.username) == ("service", "service", None)
    assert token.audience == ("https://api.example.com",)
    issued = world.sink.events[-1]
    assert isinstance(issued, TokenIssued)
    assert (issued.sub, issued.scope, issued.audience) == (token.sub, token.scope, token.audience)


# Password


@req("R6749-4.3.3-a")
def test_a_password_brings_both_tokens(world: World) -> None:
    assert {"access_token", "refresh_token"} <= set(world.sign_in())


@req("R6749-4.3.3-a", "R6819-4.4.3-a", "R6749-5.1-d")
@pytest.mark.parametrize("why", ["client", "grant", "server"])
def test_a_refresh_token_comes_only_if_all_allow_it(world: World, why: str) -> None:
    if why == "client":
        client = world.store.find_client("app")
        assert client is not None
        world.store.replace_client(attrs.evolve(client, grant_types=["password"]))
    elif why == "grant":
        world.configure(grants=[password_grant(refresh_tokens=False), RefreshTokenGrant()])
    else:
        world.configure(grants=[password_grant()])

    assert "refresh_token" not in world.sign_in()


@req("R6749-4.3-a", "R9700-2.4-a", "R6749-5.2-h")
def test_the_password_grant_is_off_until_enabled(world: World) -> None:
    world.configure(grants=[ClientCredentialsGrant()])

    response = world.post(
        client="app", grant_type="password", username="alice", password="wonderland"
    )

    assert error_of(response) == (400, "unsupported_grant_type")


@req("R6749-4.3-a", "R6819-4.4.3-a")
def test_the_password_grant_is_for_first_party_clients(world: World) -> None:
    """Unless the host says otherwise."""
    secret_client = world.store.find_client("app")
    assert secret_client is not None
    world.store.replace_client(attrs.evolve(secret_client, first_party=False))
    body = {"grant_type": "password", "username": "alice", "password": "wonderland"}

    third_party = world.post(client="app", **body)

    assert error_of(third_party) == (400, "unauthorized_client")
    refused = world.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert refused.reason == "third party"
    assert third_party.body == world.post(client="service", **body).body, "one answer for both"
    assert error_of(world.post(client="app", grant_type="password")) == (
        400,
        "unauthorized_client",
    )
    world.configure(grants=[password_grant(first_party_only=False)])
    assert world.post(client="app", **body).status == 200


@req("R9700-2.4-a")
def test_enabling_the_password_grant_warns_with_the_reason() -> None:
    with pytest.warns(PasswordGrantWarning, match=r"RFC 9700, Section 2\.4") as caught:
        PasswordGrant()

    assert caught[0].filename == __file__


@req("R6749-4.3.2-e", "R6749-5.2-f", "R6749-10.10-b")
@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "wrong"),
        ("Alice", "wonderland"),
        ("alice ", "wonderland"),
        ("alice", "wonderland "),
        ("nobody", "wonderland"),
        ("hashless", "wonderland"),
        ("gone", "wonderland"),
    ],
)
def test_wrong_passwords_and_unknown_users_look_the_same(
    world: World, username: str, password: str
) -> None:
    world.store.add_user(User(sub="user-2", username="hashless"))
    world.store.add_user(
        User(
            sub="user-3",
            username="gone",
            password_hash=CHEAP.hash(Secret("wonderland")),
            active=False,
        )
    )
    response = world.post(client="app", grant_type="password", username=username, password=password)

    assert error_of(response) == (400, "invalid_grant")
    assert "WWW-Authenticate" not in dict(response.headers)
    assert response.json()["error_description"] == "the username or password is not valid"
    assert world.store.tokens == []


@req("R6749-10.10-b")
def test_an_unknown_user_costs_the_work_of_a_wrong_password(world: World) -> None:
    verified: list[str | None] = []

    class Counting:
        hash = CHEAP.hash
        needs_rehash = CHEAP.needs_rehash

        def verify(self, encoded: str | None, secret: Secret) -> bool:
            verified.append(encoded)
            return CHEAP.verify(encoded, secret)

    world.store.add_user(User(sub="user-2", username="hashless"))
    world.configure(hasher=Counting())
    for username in ("alice", "nobody", "hashless"):
        world.post(client="app", grant_type="password", username=username, password="wrong")

    assert [encoded is None for encoded in verified] == [False, True, True]


@attrs.define
class FakeVerifier:
    """Answers what it is told to, and remembers what it was asked."""

    outcome: PasswordOutcome | Exception
    asked: list[tuple[str, str, str]] = attrs.field(factory=list[tuple[str, str, str]])

    def verify_password(self, username: str, password: Secret, client: Client) -> PasswordOutcome:
        self.asked.append((username, password.reveal(), client.client_id))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


ALICE = User(sub="user-1", username="alice")


@req("R6749-4.3.2-e")
@pytest.mark.parametrize(
    ("outcome", "answer", "reason"),
    [
        (Rejected(), (400, "invalid_grant"), "unknown user or wrong password"),
        (Disabled(), (400, "invalid_grant"), "the user is disabled"),
        (Locked("since noon"), (400, "invalid_grant"), "since noon"),
        (
            Accepted(attrs.evolve(ALICE, active=False)),
            (400, "invalid_grant"),
            "the user is disabled",
        ),
        (MfaRequired(ALICE), (403, "mfa_required"), "a second factor is required"),
    ],
)
def test_outcomes_are_typed_and_refusals_look_the_same(
    world: World, outcome: PasswordOutcome, answer: tuple[int, str], reason: str
) -> None:
    """The reason goes to the event alone."""
    world.configure(grants=[password_grant(verifier=FakeVerifier(outcome))])

    response = world.post(client="app", grant_type="password", username="alice", password="x")

    assert error_of(response) == answer
    refused = world.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert (refused.reason, refused.client_id) == (reason, "app")


@req("R6749-4.3.2-b")
@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("caf%C3%A9", "café"),
        ("cafe%CC%81", "cafe\u0301"),
        ("+Alice%09+", " Alice\t "),
        ("%F0%9F%94%91", "🔑"),
        ("%EF%BF%BD", "\ufffd"),
    ],
)
def test_the_verifier_sees_what_was_sent(world: World, sent: str, seen: str) -> None:
    verifier = FakeVerifier(Accepted(ALICE))
    world.configure(grants=[password_grant(verifier=verifier), RefreshTokenGrant()])

    response = world.post(f"grant_type=password&username={sent}&password={sent}", client="app")

    assert response.status == 200
    assert verifier.asked == [(seen, seen, "app")]


@req("R6749-A.15-a", "R6749-10.14-a")
@pytest.mark.parametrize("character", ["%0A", "%0D", "%00", "%7F", "%1F", "%EF%BF%BE", "%EF%BF%BF"])
@pytest.mark.parametrize("where", ["username", "password"])
def test_characters_that_are_not_allowed_never_reach_the_verifier(
    world: World, where: str, character: str
) -> None:
    verifier = FakeVerifier(Accepted(ALICE))
    world.configure(grants=[password_grant(verifier=verifier)])
    other = "password" if where == "username" else "username"

    response = world.post(f"grant_type=password&{where}=a{character}b&{other}=x", client="app")

    assert error_of(response) == (400, "invalid_request")
    assert verifier.asked == []


def test_a_password_has_a_greatest_length(world: World) -> None:
    """In octets; the umlaut counts as two."""
    verifier = FakeVerifier(Accepted(ALICE))
    world.configure(grants=[password_grant(verifier=verifier)])
    passwords = ["a" * 1024, "ä" * 512, "a" * 1025, "ä" * 512 + "a"]

    statuses = [
        world.post(client="app", grant_type="password", username="a", password=password).status
        for password in passwords
    ]

    assert statuses == [200, 200, 400, 400]


@req("R6749-4.3.2-c", "R6749-3.2.1-a")
@pytest.mark.parametrize(
    ("client", "body"),
    [
        pytest.param(None, "client_id=app", id="unauthenticated"),
        pytest.param("service", "", id="other-grants"),
        pytest.param("app", "scope=admin", id="scope"),
        pytest.param("app", "username=alice", id="repeated"),
    ],
)
def test_the_verifier_is_called_last(world: World, client: str | None, body: str) -> None:
    verifier = FakeVerifier(Accepted(ALICE))
    world.configure(grants=[password_grant(verifier=verifier)])

    response = world.post(
        f"grant_type=password&username=alice&password=wonderland&{body}", client=client
    )

    assert response.status >= 400
    assert verifier.asked == []


@pytest.mark.parametrize("answer", [None, True, "eyJ0b2tlbg"])
def test_a_verifier_that_answers_something_else_is_told_what_to_answer(
    world: World, answer: Any
) -> None:
    """Without showing it: it may be what an upstream server let the user have."""
    world.configure(grants=[password_grant(verifier=FakeVerifier(answer))])

    response = world.post(client="app", grant_type="password", username="a", password="b")

    assert error_of(response) == (503, "temporarily_unavailable")
    fault = world.sink.events[-1]
    assert isinstance(fault, Fault)
    assert "has to answer Accepted, Rejected" in str(fault.error)
    assert str(fault.error).endswith(f"not a {type(answer).__name__}")
    assert str(answer) not in str(fault.error).replace("NoneType", "")


def test_whose_sign_in_was_refused_is_told_in_the_event(world: World) -> None:
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(attrs.evolve(user, active=False))

    world.post(client="app", grant_type="password", username="alice", password="wonderland")

    refused = world.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert (refused.reason, refused.sub) == ("the user is disabled", "user-1")


def test_a_verifier_that_fails_is_a_fault(world: World) -> None:
    world.configure(grants=[password_grant(verifier=FakeVerifier(OSError("ldap is away")))])

    response = world.post(client="app", grant_type="password", username="a", password="b")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert ("Retry-After", "5") in response.headers
    assert isinstance(world.sink.events[-1], Fault)


def test_a_weaker_password_hash_is_replaced_on_sign_in(world: World) -> None:
    world.configure(hasher=attrs.evolve(CHEAP, memory_cost=16))

    world.sign_in()

    user = world.store.find_user("alice")
    assert user is not None
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=16,")
    assert user is world.store.find_user_by_sub("user-1")
    world.sign_in()


# Refresh


def _family_of(world: World, refresh_token: str) -> str:
    found = world.store.find_refresh_token(token_digest(Secret(refresh_token)))
    assert found is not None
    return found.family


@req("R6749-6-g", "R9700-2.2.2-a", "R6749-10.4-b")
@pytest.mark.parametrize("client", ["app", "browser"])
def test_every_use_rotates(world: World, client: str) -> None:
    first = world.sign_in(client)
    second = world.refresh(first["refresh_token"], client).json()
    third = world.refresh(second["refresh_token"], client).json()

    kept = world.store.find_refresh_token(token_digest(Secret(third["refresh_token"])))
    assert kept is not None
    assert kept.parent == token_digest(Secret(second["refresh_token"]))
    refresh_tokens = {first["refresh_token"], second["refresh_token"], third["refresh_token"]}
    access_tokens = {first["access_token"], second["access_token"], third["access_token"]}
    assert (len(refresh_tokens), len(access_tokens)) == (3, 3)


@req("R9700-4.14.2-a", "R6749-5.2-f", "R6749-10.4-b")
@pytest.mark.parametrize("client", ["app", "browser"])
def test_reuse_revokes_the_family(world: World, client: str) -> None:
    other = world.sign_in(client)
    first = world.sign_in(client)
    second = world.refresh(first["refresh_token"], client).json()

    replay = world.refresh(first["refresh_token"], client, scope="admin")
    successor = world.refresh(second["refresh_token"], client)

    assert error_of(replay) == error_of(successor) == (400, "invalid_grant")
    assert replay.json()["error_description"] == "the refresh token is not valid"
    assert world.refresh(other["refresh_token"], client).status == 200
    for token in (first["access_token"], second["access_token"]):
        assert world.store.find_access_token(token_digest(Secret(token))) is None
    (issued,) = {
        e.family for e in world.sink.events if isinstance(e, TokenIssued) and e.family is not None
    } - {_family_of(world, other["refresh_token"])}
    (reused,) = (e for e in world.sink.events if isinstance(e, RefreshTokenReused))
    assert (reused.client_id, reused.sub, reused.family) == (client, "user-1", issued)


@req("R9700-4.14.2-a")
@pytest.mark.parametrize("client", ["app", "browser"])
def test_reuse_is_reuse_whatever_the_clock_says(world: World, client: str) -> None:
    """Clocks of several machines differ, and are set back."""
    token = world.sign_in(client)["refresh_token"]
    successor = world.refresh(token, client).json()["refresh_token"]
    world.clock.move(seconds=-1)

    assert error_of(world.refresh(token, client)) == (400, "invalid_grant")
    assert error_of(world.refresh(successor, client)) == (400, "invalid_grant")


@req("R6749-6-d", "R6749-10.4-a", "R6749-5.2-f")
def test_another_clients_refresh_token_stays_with_its_owner(world: World) -> None:
    token = world.sign_in()["refresh_token"]

    assert error_of(world.refresh(token, "browser")) == (400, "invalid_grant")
    assert world.refresh(token).status == 200


@req("R6749-6-e")
def test_a_confidential_client_authenticates_before_its_token_is_looked_at(world: World) -> None:
    token = world.sign_in()["refresh_token"]
    world.store.find_refresh_token = None  # type: ignore[assignment,method-assign]

    anonymous = world.refresh(token, None)
    named = world.refresh(token, None, client_id="app")
    wrong = world.refresh(token, None, client_id="app", client_secret="x")

    assert {error_of(r) for r in (anonymous, named, wrong)} == {(401, "invalid_client")}


@req("R6749-6-f", "R6749-A.17-a")
def test_refresh_tokens_that_are_no_good_look_the_same(world: World) -> None:
    spent = world.sign_in()["refresh_token"]
    world.refresh(spent)
    expired = world.sign_in()["refresh_token"]
    world.clock.move(days=30)
    garbled = expired[:-1] + ("A" if expired[-1] != "A" else "B")
    tokens = ["x", "tGzv3JOkF0XG5Qx2TlKWIA", "a\x00b", "caf\xe9", garbled, expired, spent]

    answers = {world.refresh(token).body for token in tokens}

    assert answers == {
        b'{"error":"invalid_grant","error_description":"the refresh token is not valid"}'
    }


def test_why_a_refresh_token_is_refused_is_told_in_the_event(world: World) -> None:
    """The client is told nothing of it."""
    alice = world.store.find_user("alice")
    assert alice is not None
    spent, expired, ended, fresh = (world.sign_in()["refresh_token"] for _ in range(4))
    world.refresh(spent)
    world.store.revoke_family(_family_of(world, ended))

    def refuse(token: str, client: str = "app") -> tuple[str, str | None]:
        world.refresh(token, client)
        refused = world.sink.events[-1]
        assert isinstance(refused, RequestRefused)
        return refused.reason, refused.sub

    assert refuse("a\x00b") == ("malformed refresh token", None)
    assert refuse("x") == refuse(ended) == ("unknown refresh token", None)
    assert refuse(fresh, "browser") == ("another client's refresh token", "user-1")
    assert refuse(spent) == ("replayed refresh token", "user-1")
    world.store.replace_user(attrs.evolve(alice, active=False))
    assert refuse(fresh) == ("the user is gone or disabled", "user-1")
    world.store.replace_user(alice)
    world.clock.move(days=30)
    assert refuse(expired) == ("expired refresh token", "user-1")


@req("R6749-A.17-a")
@pytest.mark.parametrize("token", ["a\x00b", "caf\xe9", "\u20ac", "ogrt_" + "A" * 48])
def test_what_nobody_was_given_is_not_looked_up(world: World, token: str) -> None:
    world.store.find_refresh_token = None  # type: ignore[assignment,method-assign]

    assert error_of(world.refresh(token)) == (400, "invalid_grant")


def test_imported_refresh_tokens_of_any_legal_shape_work(world: World) -> None:
    world.store.save_tokens(
        _access_token_of(world),
        RefreshToken(
            digest=token_digest(Secret("an old ~ token")),
            client_id="app",
            sub="user-1",
            username="alice",
            scope=Scope.parse("profile"),
            grant_type="password",
            issued_at=world.clock(),
            lifetime=timedelta(days=1),
            family="imported",
        ),
    )

    assert world.refresh("an old ~ token").status == 200


def _access_token_of(world: World) -> Any:
    world.sign_in()
    return world.store.tokens[0]


@req("R6749-6-b", "R6749-5.2-i")
@pytest.mark.parametrize("scope", ["profile admin", "admin", 're"ad', "profile  email"])
def test_a_wider_scope_leaves_the_refresh_token_usable(world: World, scope: str) -> None:
    token = world.sign_in(scope="profile")["refresh_token"]

    assert error_of(world.refresh(token, scope=scope)) == (400, "invalid_scope")
    assert error_of(world.refresh(token, scope="profile email")) == (400, "invalid_scope")
    assert world.refresh(token).json()["scope"] == "profile"


@req("R6749-6-c", "R6749-6-g")
def test_a_narrower_refresh_keeps_the_grant_whole(world: World) -> None:
    first = world.sign_in(scope="profile email")
    narrow = world.refresh(first["refresh_token"], scope="email").json()
    whole = world.refresh(narrow["refresh_token"]).json()

    assert (narrow["scope"], whole["scope"]) == ("email", "email profile")


@req("D21-4.3-a")
@pytest.mark.parametrize("fate", ["disabled", "deleted"])
def test_the_user_has_to_be_active_still(world: World, fate: str) -> None:
    token = world.sign_in()["refresh_token"]
    if fate == "disabled":
        user = world.store.find_user("alice")
        assert user is not None
        world.store.replace_user(attrs.evolve(user, active=False))
    else:
        world.store.find_user_by_sub = lambda _: None  # type: ignore[assignment,method-assign]

    assert error_of(world.refresh(token)) == (400, "invalid_grant")


@req("R6749-6-c")
def test_what_client_or_user_lost_since_is_not_granted(world: World) -> None:
    token = world.sign_in(scope="profile email")["refresh_token"]
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(attrs.evolve(user, scope="email"))

    assert error_of(world.refresh(token, scope="profile")) == (400, "invalid_scope")
    again = world.refresh(token).json()
    assert again["scope"] == "email"
    world.store.replace_user(attrs.evolve(user, scope="other"))
    assert error_of(world.refresh(again["refresh_token"])) == (400, "invalid_scope")


@req("R9700-4.14.2-b")
def test_a_refresh_token_lives_as_long_as_its_grant_says(world: World) -> None:
    lifetime = timedelta(minutes=3)
    world.configure(grants=[password_grant(refresh_token_lifetime=lifetime), RefreshTokenGrant()])
    used, unused = (world.sign_in()["refresh_token"] for _ in range(2))
    world.clock.move(minutes=2, seconds=59)
    assert world.refresh(used).status == 200
    world.clock.move(seconds=1)

    assert error_of(world.refresh(unused)) == (400, "invalid_grant")


@req("R9700-4.14.2-b")
def test_a_client_may_have_its_own_and_the_family_ends_with_the_servers(world: World) -> None:
    world.configure(lifetimes=Lifetimes(family=timedelta(minutes=4)))
    world.add_client(
        "hasty",
        grant_types=["password", "refresh_token"],
        first_party=True,
        refresh_token_lifetime=timedelta(minutes=3),
    )
    used, unused = (world.sign_in("hasty")["refresh_token"] for _ in range(2))
    world.clock.move(minutes=2)
    used = world.refresh(used, "hasty").json()["refresh_token"]
    world.clock.move(minutes=1)
    assert error_of(world.refresh(unused, "hasty")) == (400, "invalid_grant")
    used = world.refresh(used, "hasty").json()["refresh_token"]
    world.clock.move(minutes=1)

    assert error_of(world.refresh(used, "hasty")) == (400, "invalid_grant")


@req("R6749-6-f", "R9700-4.14.2-b")
def test_a_refresh_token_lies_unused_for_so_long(world: World) -> None:
    world.configure(lifetimes=Lifetimes(refresh_token=timedelta(hours=1)))
    token = world.sign_in()["refresh_token"]
    for _ in range(3):
        world.clock.move(minutes=59, seconds=59)
        token = world.refresh(token).json()["refresh_token"]
    world.clock.move(hours=1)

    assert error_of(world.refresh(token)) == (400, "invalid_grant")


@req("R9700-4.14.2-b")
def test_a_family_may_have_an_end(world: World) -> None:
    world.configure(lifetimes=Lifetimes(family=timedelta(hours=2)))
    token = world.sign_in()["refresh_token"]
    world.clock.move(hours=1, minutes=59)
    token = world.refresh(token).json()["refresh_token"]
    world.clock.move(minutes=1)

    assert error_of(world.refresh(token)) == (400, "invalid_grant")


@req("R9700-4.14.2-b")
def test_a_host_ends_what_came_of_an_old_password(world: World) -> None:
    """Events say which families are a user's."""
    token = world.sign_in()["refresh_token"]
    for event in world.sink.events:
        if isinstance(event, TokenIssued) and event.sub == "user-1" and event.family is not None:
            world.store.revoke_family(event.family)

    assert error_of(world.refresh(token)) == (400, "invalid_grant")
    assert world.store.tokens == []


class TestGrace:
    """The token that was spent last may come again for a while, where that is set (C-20)."""

    @pytest.fixture(autouse=True)
    def _grace(self, world: World) -> None:
        world.configure(refresh_grace=timedelta(seconds=10))

    def test_within_it_a_retry_works(self, world: World) -> None:
        first = world.sign_in()["refresh_token"]
        answer = world.refresh(first).json()["refresh_token"]
        world.clock.move(seconds=9)
        retry = world.refresh(first).json()["refresh_token"]

        assert world.refresh(answer).status == 200
        assert world.refresh(retry).status == 200

    def test_after_it_the_family_is_revoked(self, world: World) -> None:
        first = world.sign_in()["refresh_token"]
        answer = world.refresh(first).json()["refresh_token"]
        world.clock.move(seconds=10)

        assert error_of(world.refresh(first)) == (400, "invalid_grant")
        assert error_of(world.refresh(answer)) == (400, "invalid_grant")

    def test_a_retry_does_not_prolong_it(self, world: World) -> None:
        first = world.sign_in()["refresh_token"]
        world.refresh(first)
        world.clock.move(seconds=9)
        world.refresh(first)
        world.clock.move(seconds=1)

        assert error_of(world.refresh(first)) == (400, "invalid_grant")

    def test_only_the_last_spent_token_has_it(self, world: World) -> None:
        first = world.sign_in()["refresh_token"]
        second = world.refresh(first).json()["refresh_token"]
        world.refresh(second)

        assert error_of(world.refresh(first)) == (400, "invalid_grant")

    def test_a_client_that_cannot_authenticate_has_none(self, world: World) -> None:
        first = world.sign_in("browser")["refresh_token"]
        world.refresh(first, "browser")

        assert error_of(world.refresh(first, "browser")) == (400, "invalid_grant")


def test_lifetimes_come_from_client_then_grant_then_server(world: World) -> None:
    seconds = [timedelta(seconds=n) for n in (11, 22, 33)]
    world.configure(
        lifetimes=Lifetimes(access_token=seconds[0]),
        grants=[
            ClientCredentialsGrant(),
            password_grant(access_token_lifetime=seconds[1], refresh_token_lifetime=seconds[1]),
            RefreshTokenGrant(access_token_lifetime=seconds[2]),
        ],
    )
    world.add_client("hasty", access_token_lifetime=timedelta(seconds=7))
    tokens = world.sign_in()

    assert world.post(CC, client="service").json()["expires_in"] == 11
    assert world.post(CC, client="hasty").json()["expires_in"] == 7
    assert tokens["expires_in"] == 22
    assert world.refresh(tokens["refresh_token"]).json()["expires_in"] == 33


# Extension grants


class Unheard(OAuthError):
    code = "unheard_of"


class VoucherGrant:
    """An extension grant as a host would write it (RFC 6749, 4.5)."""

    grant_type = "urn:example:grant-type:voucher"
    parameters: tuple[str, ...] = ("voucher", "scope")

    def bind(self, services: Services) -> Callable[[TokenRequest], Awaitable[TokenResponse]]:
        async def answer(request: TokenRequest) -> TokenResponse:
            if request.form.get("password") is not None:
                raise AssertionError("another grant's parameters are none of ours")
            voucher = request.form.require("voucher")
            if voucher == "odd":
                raise Unheard("this is new")
            if voucher.startswith("echo"):
                raise InvalidGrant(f"no {voucher}", reason=f"no {voucher}")
            if voucher == "object":
                raise InvalidGrant(cast("str", ValueError("no text")))
            if voucher != "gold":
                raise InvalidGrant("the voucher is not valid")
            asked = services.scopes.read(request.client, request.form.get("scope"))
            scope = await services.scopes.grant(asked, request.client)
            return await services.issuer.issue(
                Issue(client=request.client, grant_type=self.grant_type, scope=scope)
            )

        return answer


@req("R6749-4.5-a", "R6749-4.5-b", "R6749-4.4.2-b")
def test_an_extension_grant_is_a_grant_like_any_other(world: World) -> None:
    world.configure(grants=[VoucherGrant(), ClientCredentialsGrant()])
    world.add_client("holder", grant_types=[VoucherGrant.grant_type], scope="a b")
    body = {"grant_type": VoucherGrant.grant_type}

    good = world.post(client="holder", voucher="gold", scope="b", **body)

    assert (good.status, good.json()["scope"]) == (200, "b")
    assert [error_of(r) for r in (
        world.post(client="holder", voucher="tin", **body),
        world.post(client="holder", voucher="odd", **body),
        world.post(client="holder", **body),
        world.post("voucher=gold&voucher=gold", client="holder", **body),
        world.post(client="service", voucher="gold", **body),
        world.post(voucher="gold", **body),
        world.post(client="holder", voucher="gold", grant_type=VoucherGrant.grant_type.upper()),
    )] == [
        (400, "invalid_grant"),
        (400, "unheard_of"),
        (400, "invalid_request"),
        (400, "invalid_request"),
        (400, "unauthorized_client"),
        (401, "invalid_client"),
        (400, "unsupported_grant_type"),
    ]  # fmt: skip


@req("R6749-5.2-j")
def test_a_description_keeps_to_its_grammar_whatever_a_grant_says(world: World) -> None:
    world.configure(grants=[VoucherGrant()])
    world.add_client("holder", grant_types=[VoucherGrant.grant_type])
    body = {"grant_type": VoucherGrant.grant_type}

    echoed = world.post(client="holder", voucher='echo "\\é\t\x80€🔑', **body)
    refused = world.sink.events[-1]
    no_text = world.post(client="holder", voucher="object", **body)

    assert echoed.json()["error_description"] == "no echo ???????"
    assert isinstance(refused, RequestRefused)
    assert refused.reason == 'no echo "\\é\t\x80€🔑'
    assert error_of(no_text) == (503, "temporarily_unavailable")


@req("R6749-10.14-a")
@pytest.mark.parametrize("character", ["%00", "%0A", "%7F", "\x00", "%EF%BF%BF"])
def test_controls_never_reach_an_extension_grant(world: World, character: str) -> None:
    world.configure(grants=[VoucherGrant()])
    world.add_client("holder", grant_types=[VoucherGrant.grant_type])
    body = f"grant_type={VoucherGrant.grant_type}&voucher=go{character}ld"

    assert error_of(world.post(body, client="holder")) == (400, "invalid_request")


@req("R6749-8.5-a")
@pytest.mark.parametrize("code", ["", 'a"b', "a\\b", "caf\xe9", "a\n", None])
def test_error_codes_keep_to_their_grammar(code: str | None) -> None:
    with pytest.raises(ValueError, match=r"8\.5"):
        type("Odd", (OAuthError,), {"code": code} if code is not None else {})


@req("R6749-8.2-a")
@pytest.mark.parametrize("name", ["", "a b", "caf\xe9", "a&b", "a="])
def test_parameter_names_keep_to_their_grammar(name: str) -> None:
    grant = VoucherGrant()
    grant.parameters = (name, "scope")

    with pytest.raises(ValueError, match=r"8\.2"):
        AuthorizationServer(issuer=ISSUER, store=MemoryStore(), grants=[grant])


@req("R6749-8.2-a")
@pytest.mark.parametrize("names", ["voucher", ["a b"]])
def test_parameters_are_a_collection_of_names(names: Any) -> None:
    """Also those of extra claims; a string would be one name a letter."""
    grant = VoucherGrant()
    grant.parameters = names

    class Claims:
        parameters = names

        def make_claims(
            self, client: Client, user: User | None, scope: Scope, parameters: Mapping[str, str]
        ) -> dict[str, Any]:
            return {}

    usual: dict[str, Any] = {"issuer": ISSUER, "store": MemoryStore()}
    message = "collection of names" if isinstance(names, str) else r"8\.2"
    with pytest.raises(ValueError, match=f"{grant.grant_type}.*{message}"):
        AuthorizationServer(grants=[grant], **usual)
    with pytest.raises(ValueError, match=f"extra_claims.*{message}"):
        AuthorizationServer(grants=[ClientCredentialsGrant()], extra_claims=Claims(), **usual)


@req("R6749-A.10-a")
@pytest.mark.parametrize(
    "name",
    ["", "two words", "caf\xe9", "/relative", "urn:two words", "urn:caf\xe9", "a:b#c", "h://["],
)
def test_grant_types_keep_to_their_grammar(name: str) -> None:
    grant = VoucherGrant()
    grant.grant_type = name

    with pytest.raises(ValueError, match=r"4\.5"):
        AuthorizationServer(issuer=ISSUER, store=MemoryStore(), grants=[grant])


# What the host gets wrong


def test_a_server_says_what_it_lacks() -> None:
    store = MemoryStore()
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"grants": [ClientCredentialsGrant()]}, "clients="),
        ({"grants": [ClientCredentialsGrant()], "clients": store}, "tokens="),
        ({"grants": [], "store": store}, "grants="),
        ({"grants": [ClientCredentialsGrant()] * 2, "store": store}, "twice"),
        ({"grants": [password_grant()], "clients": store, "tokens": store}, "users="),
        ({"grants": [RefreshTokenGrant()], "clients": store, "tokens": store}, "users="),
    ]
    for settings, message in mistakes:
        with pytest.raises(ValueError, match=message):
            AuthorizationServer(issuer=ISSUER, **settings)


def test_each_port_may_be_given_by_itself(world: World) -> None:
    other = MemoryStore()
    world.configure(store=None, clients=world.store, tokens=other, users=world.store)

    tokens = world.sign_in()

    assert world.store.tokens == []
    assert len(other.tokens) == 2
    assert world.refresh(tokens["refresh_token"]).status == 200


def test_a_port_that_is_empty_is_a_port() -> None:
    """A host's class may be a collection, and a collection without members is false."""

    class Clients(dict[str, Client]):
        def find_client(self, client_id: str) -> Client | None:
            return self.get(client_id)

        def replace_client_secret(
            self, client_id: str, old: ClientSecret, new: ClientSecret
        ) -> None:
            raise AssertionError

    class Sink(list[Event]):
        def record(self, event: Event) -> None:
            self.append(event)

    clients, sink, others = Clients(), Sink(), MemoryStore()
    others.add_client(Client.public("browser", grant_types=["password"]))
    server = AuthorizationServer(
        issuer=ISSUER,
        store=others,
        clients=clients,
        event_sink=sink,
        grants=[ClientCredentialsGrant()],
    )
    body = b"grant_type=password&client_id=browser"
    request = HttpRequest(method="POST", url="/token", headers=[FORM], body=body)

    assert error_of(server.token(request)) == (401, "invalid_client")
    assert [type(event) for event in sink] == [RequestRefused]


def test_clients_alone_need_no_users(world: World) -> None:
    world.configure(
        store=None, clients=world.store, tokens=world.store, grants=[ClientCredentialsGrant()]
    )

    assert world.post(CC, client="service").status == 200


def test_a_refresh_token_without_a_user_is_the_hosts_mistake(world: World) -> None:
    class Wrong(VoucherGrant):
        def bind(self, services: Services) -> Callable[[TokenRequest], Awaitable[TokenResponse]]:
            async def answer(request: TokenRequest) -> TokenResponse:
                issue = Issue(client=request.client, grant_type="x", scope=Scope())
                return await services.issuer.issue(issue, with_refresh_token=True)

            return answer

    world.configure(grants=[Wrong()])
    world.add_client("holder", grant_types=[VoucherGrant.grant_type])

    response = world.post(client="holder", grant_type=VoucherGrant.grant_type)

    assert response.status == 503
    fault = world.sink.events[-1]
    assert isinstance(fault, Fault)
    assert "needs one" in str(fault.error)


# Scope


@req("R6749-3.3-a", "R6749-3.3-b", "R6749-5.2-i")
@pytest.mark.parametrize(
    "scope",
    ["re%22ad", "re%5Cad", "re%00ad", "re%7Fad", "caf%C3%A9", "read%09write", "read++write",
     "+read", "read+", "+", "read%0Awrite"],
)  # fmt: skip
def test_a_malformed_scope_earns_no_token(world: World, scope: str) -> None:
    response = world.post(f"{CC}&scope={scope}", client="service")

    assert error_of(response) == (400, "invalid_scope")
    assert world.store.tokens == []


@req("R6749-3.3-c", "R6749-3.3-g", "R6749-4.4.2-b", "R6749-5.2-i")
@pytest.mark.parametrize("scope", ["Read", "read admin", "admin", "rea", "readd"])
def test_an_unknown_or_excess_scope_is_refused(world: World, scope: str) -> None:
    assert error_of(world.post(CC, client="service", scope=scope)) == (400, "invalid_scope")


@req("R6749-3.3-d", "R6749-5.1-e")
@pytest.mark.parametrize("scope", ["read write", "write read", "write read write"])
def test_order_and_repeats_carry_no_meaning(world: World, scope: str) -> None:
    assert world.post(CC, client="service", scope=scope).json()["scope"] == "read write"


@req("R6749-3.3-f")
def test_without_scope_there_is_the_default_or_a_refusal(world: World) -> None:
    world.add_client("strict", scope="read")
    world.add_client("scopeless")

    assert world.post(CC, client="service").json()["scope"] == "read"
    assert error_of(world.post(CC, client="strict")) == (400, "invalid_scope")
    assert "scope" not in world.post(CC, client="scopeless").json()
    assert error_of(world.post(CC, client="scopeless", scope="a")) == (400, "invalid_scope")


def test_a_scope_has_a_greatest_number_of_tokens(world: World) -> None:
    scope = " ".join(f"s{n}" for n in range(101))
    world.add_client("wide", scope=scope)

    assert world.post(CC, client="wide", scope=scope.rpartition(" ")[0]).status == 200
    assert error_of(world.post(CC, client="wide", scope=scope)) == (400, "invalid_scope")


def test_a_host_says_how_many_tokens_a_scope_has(world: World) -> None:
    world.configure(limits=Limits(scope=1))
    world.add_client("machine", scope="a b")
    token = world.sign_in(scope="email")["refresh_token"]

    assert world.post(CC, client="machine", scope="a").status == 200
    for answer in (
        world.post(CC, client="machine", scope="a b"),
        world.refresh(token, scope="email other"),
    ):
        assert error_of(answer) == (400, "invalid_scope")
        assert answer.json()["error_description"] == "the scope has too many tokens"


def test_what_a_user_has_lost_is_refused_if_it_is_asked_for(world: World) -> None:
    """By default, it is merely left out."""
    token = world.sign_in()["refresh_token"]
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(attrs.evolve(user, scope="email"))

    assert error_of(world.refresh(token, scope="profile email")) == (400, "invalid_scope")
    assert world.refresh(token).json()["scope"] == "email"


@req("R6749-3.3-g")
def test_a_user_may_have_less_than_the_client(world: World) -> None:
    """What was named is refused, the default is narrowed and said."""
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(attrs.evolve(user, scope="email other"))
    body = {"grant_type": "password", "username": "alice", "password": "wonderland"}

    assert error_of(world.post(client="app", scope="profile", **body)) == (400, "invalid_scope")
    assert world.post(client="app", scope="email", **body).json()["scope"] == "email"
    assert world.post(client="app", **body).json()["scope"] == "email"


@attrs.frozen
class Narrowing:
    """A policy that drops what is too much."""

    async def grant_scope(
        self, requested: Scope, allowed: Scope, client: Client, user: User | None
    ) -> Scope:
        if "nothing" in requested:
            raise InvalidScope("nothing of it")
        return Scope.parse("all of it") if "all" in requested else requested & allowed


@req("R6749-3.3-e", "R6749-5.1-e")
def test_a_policy_may_narrow(world: World) -> None:
    world.configure(scope_policy=Narrowing())

    assert world.post(CC, client="service", scope="read admin").json()["scope"] == "read"
    assert error_of(world.post(CC, client="service", scope="nothing")) == (400, "invalid_scope")


@req("R6749-3.3-e", "R6749-5.1-e")
def test_a_policy_that_leaves_nothing_refuses(world: World) -> None:
    """A response without scope would say that all was granted."""
    world.configure(scope_policy=Narrowing())

    assert error_of(world.post(CC, client="service", scope="admin")) == (400, "invalid_scope")
    assert world.store.tokens == []


class Generous:
    """A policy that grants all that it may."""

    def grant_scope(
        self, requested: Scope, allowed: Scope, client: Client, user: User | None
    ) -> Scope:
        return allowed


def test_a_policy_is_told_who_asks_and_what_is_allowed(world: World) -> None:
    alice = world.store.find_user("alice")
    assert alice is not None
    world.store.replace_user(attrs.evolve(alice, scope="email other"))
    asked: list[tuple[str, str, str, str | None]] = []

    class Noting:
        def grant_scope(
            self, requested: Scope, allowed: Scope, client: Client, user: User | None
        ) -> Scope:
            sub = None if user is None else user.sub
            asked.append((str(requested), str(allowed), client.client_id, sub))
            return requested & allowed

    world.configure(scope_policy=Noting())
    world.post(CC, client="service", scope="read admin")
    world.sign_in(scope="profile email")

    assert asked == [
        ("admin read", "read write", "service", None),
        ("email profile", "email", "app", "user-1"),
    ]


@req("R6749-6-b")
def test_a_policy_grants_no_more_on_refresh_than_before(world: World) -> None:
    token = world.sign_in(scope="email")["refresh_token"]
    world.configure(scope_policy=Generous())

    renewed = world.refresh(token, scope="email").json()
    assert renewed["scope"] == "email"
    assert world.refresh(renewed["refresh_token"]).json()["scope"] == "email"


def test_a_policy_that_widens_is_the_hosts_mistake(world: World) -> None:
    world.configure(scope_policy=Narrowing())

    assert world.post(CC, client="service", scope="all").status == 503
    fault = world.sink.events[-1]
    assert isinstance(fault, Fault)
    assert "policy grants more than client and user may have" in str(fault.error)
    assert world.store.tokens == []


def test_no_warning_is_left_when_all_is_said(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert world.post(CC, client="service").status == 200


def test_a_family_revoked_meanwhile_is_gone(world: World) -> None:
    """Between the look-up of a refresh token and its rotation, it was signed out elsewhere."""
    token = world.sign_in()["refresh_token"]
    find = world.store.find_refresh_token

    def find_and_revoke(digest: bytes) -> RefreshToken | None:
        found = find(digest)
        assert found is not None
        world.store.revoke_family(found.family)
        return found

    world.store.find_refresh_token = find_and_revoke  # type: ignore[method-assign]

    assert world.refresh(token).json() == {
        "error": "invalid_grant",
        "error_description": "the refresh token is not valid",
    }
    assert world.store.tokens == []
    refused = world.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert (refused.reason, refused.sub) == ("revoked refresh token", "user-1")


@req("R9700-4.14.2-a")
def test_a_refresh_token_spent_meanwhile_ends_its_family(world: World) -> None:
    """Of two at once, both may see it unspent; the rotation knows."""
    token = world.sign_in()["refresh_token"]
    seen = world.store.find_refresh_token(token_digest(Secret(token)))
    successor = world.refresh(token).json()["refresh_token"]
    world.store.find_refresh_token = lambda digest: seen  # type: ignore[method-assign]
    replay = world.refresh(token)
    del world.store.find_refresh_token
    (reused,) = (e for e in world.sink.events if isinstance(e, RefreshTokenReused))
    assert reused.source == "192.0.2.1"

    assert error_of(replay) == error_of(world.refresh(successor)) == (400, "invalid_grant")
