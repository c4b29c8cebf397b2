"""Client authentication (RFC 6749, 2.3): exactly one method, the registered one."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import attrs
import pytest

from oauthgrants import (
    Argon2idHasher,
    Client,
    ClientCredentialsGrant,
    HttpResponse,
    MemoryStore,
    Scope,
    Secret,
)
from oauthgrants.client_secrets import ClientSecret, hash_client_secret
from oauthgrants.clients import VerifiedClient
from oauthgrants.events import RequestRefused, TokenIssued
from oauthgrants.issuing import Issue
from oauthgrants.server import AuthorizationServer
from support import CHEAP, World, basic, error_of

req = pytest.mark.req
CC = "grant_type=client_credentials"


def raw_basic(text: str | bytes) -> tuple[str, str]:
    octets = text.encode() if isinstance(text, str) else text
    return "Authorization", f"Basic {base64.b64encode(octets).decode()}"


def challenge_of(response: HttpResponse) -> str | None:
    return dict(response.headers).get("WWW-Authenticate")


@req("R6749-2.3.1-a", "R6749-4.4.2-a")
def test_a_client_authenticates_by_basic(world: World) -> None:
    assert world.post(CC, client="service").status == 200


@req("R6749-2.3.1-d", "R6749-4.4.2-a")
def test_a_client_authenticates_in_the_body(world: World) -> None:
    secret = world.add_client("poster", token_endpoint_auth_method="client_secret_post")

    response = world.post(CC, client_id="poster", client_secret=secret.reveal())

    assert response.status == 200


@req("R6749-2.3.1-b")
@pytest.mark.parametrize(
    ("client_id", "secret", "sent"),
    [
        pytest.param("a:b", "s", "a%3Ab:s", id="colon-in-id"),
        pytest.param("c", "sp ace%+", "c:sp+ace%25%2B", id="space-percent-plus"),
        pytest.param("c", "a:b:c", "c:a:b:c", id="colons-in-secret"),
        pytest.param("a-b.c_d", "s-.~_", "a%2Db%2Ec%5Fd:s%2D%2E%7E%5F", id="all-escaped"),
        pytest.param("c", "a b", "c:a b", id="raw-space"),
    ],
)
def test_basic_credentials_are_form_decoded(
    world: World, client_id: str, secret: str, sent: str
) -> None:
    client, _ = Client.confidential(
        client_id,
        secret=secret,
        machine_made=True,
        grant_types=["client_credentials"],
        token_endpoint_auth_method="client_secret_post",
        secret_methods_equal=True,
    )
    world.store.add_client(client)

    assert world.post(CC, raw_basic(sent)).status == 200


@req("R6749-2.3.1-b")
def test_there_is_no_second_try_on_the_raw_text(world: World) -> None:
    """A plus sign that the client did not encode is a space (C-22)."""
    with pytest.warns(UserWarning, match="form-decoding"):
        client, _ = Client.confidential(
            "plus", secret="a+b", machine_made=True, grant_types=["client_credentials"]
        )
    world.store.add_client(client)

    assert error_of(world.post(CC, raw_basic("plus:a+b"))) == (401, "invalid_client")
    assert world.post(CC, raw_basic("plus:a%2Bb")).status == 200


@req("R6749-2.3.1-c", "R6749-A.1-a")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("Authorization", "Basic !!!!"), id="not-base64"),
        pytest.param(("Authorization", "Basic c2VydmljZTp4="), id="bad-padding"),
        pytest.param(("Authorization", "Basic"), id="nothing"),
        pytest.param(("Authorization", "Basic \xe9"), id="not-ascii"),
        pytest.param(raw_basic("service"), id="no-colon"),
        pytest.param(raw_basic("service:%"), id="broken-escape"),
        pytest.param(raw_basic("service:%FF"), id="escaped-octet"),
        pytest.param(raw_basic(b"service:\xff"), id="raw-octet"),
        pytest.param(raw_basic("serv%00ice:x"), id="nul-in-id"),
        pytest.param(raw_basic("service:caf%C3%A9"), id="secret-not-vschar"),
        pytest.param(raw_basic("service:a\tb"), id="tab-in-secret"),
    ],
)
def test_malformed_basic_credentials(world: World, header: tuple[str, str]) -> None:
    assert error_of(world.post(CC, header)) == (400, "invalid_request")


@req("R6749-A.1-a", "R6749-10.14-a")
@pytest.mark.parametrize("body", ["client_id=caf%C3%A9", "client_id=service&client_secret=%00"])
def test_malformed_credentials_in_the_body(world: World, body: str) -> None:
    assert error_of(world.post(f"{CC}&{body}")) == (400, "invalid_request")


@req("R6749-2.3-a", "R6749-5.2-b")
@pytest.mark.parametrize(
    ("body", "extra"),
    [
        pytest.param("client_secret={secret}", [], id="basic-and-post"),
        pytest.param("client_id=service&client_secret={secret}", [], id="basic-and-post-with-id"),
        pytest.param("client_assertion=x", [], id="basic-and-assertion"),
        pytest.param("client_assertion_type=x", [], id="basic-and-assertion-type"),
        pytest.param("", "same", id="two-authorization-fields"),
    ],
)
def test_one_method_at_a_time(world: World, body: str, extra: Any) -> None:
    """Even when each credential is right (C-01)."""
    secret = world.secrets["service"].reveal()
    headers = [basic("service", secret)] * (2 if extra else 1)

    response = world.post(f"{CC}&{body.format(secret=secret)}", *headers)

    assert error_of(response) == (400, "invalid_request")


@req("R6749-2.3-a", "R7521-4.2-a")
@pytest.mark.parametrize(
    "body",
    [
        "client_id=service&client_secret=x&client_assertion=y",
        "client_id=browser&client_assertion=y",
        "client_id=browser&client_assertion_type=y",
    ],
)
def test_an_assertion_is_never_passed_over(world: World, body: str) -> None:
    assert error_of(world.post(f"{CC}&{body}")) == (400, "invalid_request")


@req("R6749-3.2.1-b")
def test_client_id_may_accompany_basic(world: World) -> None:
    same = world.post(CC, client="service", client_id="service")
    other = world.post(CC, client="service", client_id="app")

    assert same.status == 200
    assert error_of(other) == (400, "invalid_request")


@req("R6749-5.2-c", "R6749-5.2-d", "R9110-15.5.2-a", "R9110-11.6.1-a")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(basic("service", "wrong"), id="wrong-secret"),
        pytest.param(basic("nobody", "wrong"), id="unknown-client"),
        pytest.param(basic("browser", "wrong"), id="public-client"),
        pytest.param(raw_basic("service:"), id="empty-secret"),
        pytest.param(raw_basic(":x"), id="empty-id"),
        pytest.param(("Authorization", "Bearer abc"), id="bearer"),
        pytest.param(("Authorization", 'Digest username="x"'), id="digest"),
    ],
)
def test_failed_authentication_by_header(world: World, header: tuple[str, str]) -> None:
    response = world.post(CC, header)

    assert error_of(response) == (401, "invalid_client")
    assert challenge_of(response) == 'Basic realm="token"'


@req("R6749-5.2-c", "R6749-5.2-e", "R6749-2.2-b", "R6749-2.3.1-f", "R6749-3.2.1-a")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("client_id=service", id="only-client-id"),
        pytest.param("client_id=service&client_secret=", id="empty-secret"),
        pytest.param("client_id=nobody", id="unknown-client"),
        pytest.param("client_id=nobody&client_secret=x", id="unknown-client-with-secret"),
        pytest.param("client_id=browser&client_secret=x", id="public-client-with-secret"),
    ],
)
@pytest.mark.parametrize("grant_type", ["client_credentials", "password", "refresh_token", "x"])
def test_failed_authentication_without_header(world: World, grant_type: str, body: str) -> None:
    response = world.post(f"grant_type={grant_type}&{body}")

    assert error_of(response) == (401, "invalid_client")
    assert challenge_of(response) == 'Basic realm="token"'


@req("R6749-5.2-e")
def test_without_basic_there_is_no_challenge_to_offer(world: World) -> None:
    """400 then (C-11), unless the header was used (5.2)."""
    world.configure(client_auth_methods=["client_secret_post", "none"])

    without = world.post(CC, client_id="service", client_secret="wrong")
    by_header = world.post(CC, client="service")

    assert (error_of(without), challenge_of(without)) == ((400, "invalid_client"), None)
    assert error_of(by_header) == (401, "invalid_client")
    assert challenge_of(by_header) == 'Basic realm="token"'


@req("R7591-2-a", "R6749-5.2-c")
def test_only_the_registered_method_will_do(world: World) -> None:
    """And a refusal for it says nothing else than a wrong secret does (C-12)."""
    secret = world.add_client("poster", token_endpoint_auth_method="client_secret_post")

    by_basic = world.post(CC, basic("poster", secret))
    by_body = world.post(CC, client_id="service", client_secret=world.secrets["service"].reveal())

    assert error_of(by_basic) == error_of(by_body) == (401, "invalid_client")
    assert by_basic.body == world.post(CC, basic("poster", "wrong")).body
    reasons = [e.reason for e in world.sink.events if isinstance(e, RequestRefused)]
    assert "not the client's registered method" in reasons[0]


@pytest.mark.parametrize("where", ["server", "client"])
def test_both_secret_methods_may_count_as_equal(world: World, where: str) -> None:
    secret = world.add_client(
        "either",
        token_endpoint_auth_method="client_secret_post",
        secret_methods_equal=where == "client",
    )
    world.configure(secret_methods_equal=where == "server")

    assert world.post(CC, basic("either", secret)).status == 200
    body = world.post(CC, client_id="either", client_secret=secret.reveal())
    assert body.status == 200


@req("R9110-11.1-a")
@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc", "Basic  "])
def test_the_scheme_ignores_case(world: World, scheme: str) -> None:
    name, value = basic("service", world.secrets["service"])

    assert world.post(CC, (name, value.replace("Basic", scheme))).status == 200


def test_an_empty_authorization_field_counts_as_absent(world: World) -> None:
    response = world.post(
        "grant_type=password&client_id=browser&username=alice&password=wonderland",
        ("Authorization", ""),
    )

    assert response.status == 200


@req("R6749-2.3-b", "R6749-2.1-a")
@pytest.mark.parametrize("header", [[], [raw_basic("browser:")]])
def test_a_public_client_is_identified_and_no_more(
    world: World, header: list[tuple[str, str]]
) -> None:
    """By client_id in the body or by Basic without a secret (C-12)."""
    seen: list[VerifiedClient] = []

    class Spy:
        grant_type = "urn:example:spy"
        parameters = frozenset({"x"})

        def bind(self, services: Any) -> Any:
            async def answer(request: Any) -> Any:
                seen.append(request.client)
                return await services.issuer.issue(
                    Issue(client=request.client, grant_type=self.grant_type, scope=Scope())
                )

            return answer

    world.configure(grants=[Spy()])
    world.store.replace_client(
        Client.public("browser", grant_types=["urn:example:spy"], scope="profile")
    )
    world.post("grant_type=urn:example:spy&client_id=browser", *header)

    assert [(client.authenticated, client.method) for client in seen] == [(False, "none")]


@req("R6749-4.4-a")
def test_a_public_client_gets_no_client_credentials(world: World) -> None:
    response = world.post(CC, client_id="browser")

    assert error_of(response) == (400, "unauthorized_client")
    assert world.store.tokens == []


@req("R6749-4.3.2-d", "R6749-4.3.2-c")
def test_credentials_that_are_sent_are_checked(world: World) -> None:
    """Also those of a public client, which needs none; and nobody asks about the user."""
    response = world.post(
        "grant_type=password&username=alice&password=wonderland",
        client_id="browser",
        client_secret="x",
    )

    assert error_of(response) == (401, "invalid_client")


@req("R6819-5.2.3.6-a")
def test_a_disabled_client_fails_like_an_unknown_one(world: World) -> None:
    tokens = world.sign_in("browser")
    for client_id in ("service", "browser"):
        client = world.store.find_client(client_id)
        assert client is not None
        world.store.replace_client(attrs.evolve(client, active=False))

    disabled = world.post(CC, client="service")

    assert error_of(disabled) == (401, "invalid_client")
    assert disabled.body == world.post(CC, basic("nobody", "x")).body
    assert error_of(world.refresh(tokens["refresh_token"], "browser")) == (401, "invalid_client")


@req("R6749-5.2-c", "R6819-5.2.3.6-a")
def test_every_refusal_says_the_same_and_its_event_says_why(world: World) -> None:
    gone = world.add_client("gone")
    client = world.store.find_client("gone")
    assert client is not None
    world.store.replace_client(attrs.evolve(client, active=False))
    answers = [
        world.post(CC, basic("nobody", "x")),
        world.post(CC, basic("service", "x")),
        world.post(CC, basic("gone", gone)),
        world.post(CC, client_id="service", client_secret="x"),
        world.post(CC, client_id="nobody"),
        world.post(CC, client_id="service"),
    ]

    assert {each.body for each in answers} == {
        b'{"error":"invalid_client","error_description":"client authentication failed"}'
    }
    reasons = [e.reason for e in world.sink.events if isinstance(e, RequestRefused)]
    assert reasons == [
        "unknown client",
        "wrong or expired client secret",
        "the client is disabled",
        "client_secret_post is not the client's registered method",
        "no such public client",
        "no such public client",
    ]


@req("R6749-5.2-e")
def test_who_used_the_header_is_challenged_by_it(world: World) -> None:
    """Some libraries send a mere client_id so."""
    world.configure(client_auth_methods=["client_secret_post", "none"])

    by_header = world.post(CC, raw_basic("service:"))

    assert error_of(by_header) == (401, "invalid_client")
    assert challenge_of(by_header) == 'Basic realm="token"'


@req("R6749-5.2-e")
def test_a_secret_in_the_body_is_no_reason_for_a_challenge(world: World) -> None:
    world.configure(client_auth_methods=["none"])

    answer = world.post(CC, client_id="service", client_secret="x")

    assert (error_of(answer), challenge_of(answer)) == ((400, "invalid_client"), None)


@req("R7591-3.2.1-a")
def test_a_secret_expires_where_nothing_is_limited(world: World) -> None:
    world.configure(throttle=None)
    secret = world.add_client("brief", secret_expires_at=world.clock() + timedelta(seconds=10))
    assert world.post(CC, basic("brief", secret)).status == 200
    world.clock.move(seconds=10)

    assert error_of(world.post(CC, basic("brief", secret))) == (401, "invalid_client")


@req("R7591-3.2.1-a")
def test_a_secret_lives_until_its_expiry(world: World) -> None:
    """Several live at once, so that a new one takes over without downtime."""
    ends = world.clock() + timedelta(seconds=10)
    old = world.add_client("rotating", secret_expires_at=ends)
    client = world.store.find_client("rotating")
    assert client is not None
    new = Secret("ogcs_new")
    kept = hash_client_secret(new, machine_made=True)
    world.store.replace_client(attrs.evolve(client, secrets=(*client.secrets, kept)))

    both = [world.post(CC, basic("rotating", secret)).status for secret in (old, new)]
    world.clock.move(seconds=9.999)
    last = world.post(CC, basic("rotating", old)).status
    world.clock.move(seconds=0.001)
    after = [world.post(CC, basic("rotating", secret)).status for secret in (old, new)]

    assert (both, last, after) == ([200, 200], 200, [401, 200])
    used = [e.secret_id for e in world.sink.events if isinstance(e, TokenIssued)]
    assert used == [client.secrets[0].id, kept.id, client.secrets[0].id, kept.id]


class CountingHasher:
    """Argon2id at little cost, counted."""

    def __init__(self, hasher: Argon2idHasher = CHEAP) -> None:
        self.hasher = hasher
        self.verified: list[str | None] = []

    def hash(self, secret: Secret) -> str:
        return self.hasher.hash(secret)

    def verify(self, encoded: str | None, secret: Secret) -> bool:
        self.verified.append(encoded)
        return self.hasher.verify(encoded, secret)

    def needs_rehash(self, encoded: str) -> bool:
        return self.hasher.needs_rehash(encoded)


def add_human(world: World, hasher: Argon2idHasher = CHEAP) -> ClientSecret:
    """Register a client whose secret a person chose."""
    kept = ClientSecret(hash=hasher.hash(Secret("correct horse")))
    world.store.add_client(
        Client(client_id="human", grant_types=("client_credentials",), secrets=(kept,))
    )
    return kept


@req("R6749-10.10-b")
def test_every_refusal_costs_one_slow_hash_once_there_is_one(world: World) -> None:
    """Unknown clients, digests, another method: who exists cannot be told by time."""
    hasher = CountingHasher()
    kept = add_human(world)
    world.add_client("poster", token_endpoint_auth_method="client_secret_post")
    world.configure(hasher=hasher)
    world.post(CC, basic("human", "wrong"))
    assert hasher.verified == [kept.hash]

    for client_id in ("nobody", "service", "poster"):
        hasher.verified.clear()
        assert world.post(CC, basic(client_id, "wrong")).status == 401
        assert hasher.verified == [None], client_id


@req("R6749-10.10-b")
def test_machine_made_secrets_never_cost_a_slow_hash(world: World) -> None:
    hasher = CountingHasher()
    world.configure(hasher=hasher)

    right = world.secrets["service"].reveal()
    tries = [("service", right), ("service", "wrong"), ("nobody", "x")]
    statuses = [world.post(CC, basic(*each)).status for each in tries]

    assert (statuses, hasher.verified) == ([200, 401, 401], [])


@req("R6819-5.1.4.1.3-a")
def test_a_weaker_hash_that_matches_is_replaced(world: World) -> None:
    kept = add_human(world)
    world.configure(hasher=Argon2idHasher(memory_cost=16, time_cost=1, lanes=1))

    assert world.post(CC, basic("human", "correct horse")).status == 200

    client = world.store.find_client("human")
    assert client is not None
    (replaced,) = client.secrets
    assert replaced.hash.startswith("$argon2id$v=19$m=16,")
    assert (replaced.id, replaced.expires_at) == (kept.id, kept.expires_at)
    assert world.post(CC, basic("human", "correct horse")).status == 200
    assert world.store.find_client("human") is client


def test_a_secret_of_a_store_that_is_read_only_stays(world: World) -> None:
    world.store.replace_client_secret("nobody", ClientSecret(hash="a"), ClientSecret(hash="b"))
    kept = add_human(world)
    world.store.replace_client_secret("human", ClientSecret(hash="a"), ClientSecret(hash="b"))

    client = world.store.find_client("human")
    assert client is not None
    assert client.secrets == (kept,)


@req("R8414-2-e")
@pytest.mark.parametrize(
    ("methods", "message"), [(["client_secret_digest"], "client_secret_digest"), ([], "nothing")]
)
def test_unknown_methods_are_refused_when_configured(methods: list[str], message: str) -> None:
    """And none at all: metadata without the list would mean Basic."""
    with pytest.raises(ValueError, match=f"client_auth_methods has {message}"):
        AuthorizationServer(
            issuer="https://a.example",
            store=MemoryStore(),
            grants=[ClientCredentialsGrant()],
            client_auth_methods=methods,
        )
