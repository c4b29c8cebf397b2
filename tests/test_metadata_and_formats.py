"""Metadata (RFC 8414), JWT access tokens (RFC 9068), resources (RFC 8707), lifetimes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    Lifetimes,
    MemoryStore,
    Scope,
    User,
)
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.events import RequestRefused
from oauthgrants.jose import ALGORITHMS, SigningKey, verify_jwt
from oauthgrants.keys import KeyRing
from support import FORM, ISSUER, World, basic, error_of

req = pytest.mark.req
CC = "grant_type=client_credentials"
API = "https://api.example.com"
CALENDAR, CONTACTS = "https://cal.example.com/", "https://contacts.example.com/?q=1"
WELL_KNOWN = "/.well-known/oauth-authorization-server"
KEY = SigningKey.generate("ES256", kid="k1")


def get(world: World, url: str, *headers: tuple[str, str], method: str = "GET") -> HttpResponse:
    return world.send(HttpRequest(method=method, url=url, headers=headers))


# Metadata


@req(
    *("R8414-2-b", "R8414-2-c", "R8414-2-d", "R8414-2-e", "R8414-2-f", "R8414-3.2-a"),
    "R8414-3.3-a",
)
def test_metadata_say_what_is_wired(world: World) -> None:
    response = get(world, ISSUER + WELL_KNOWN)

    methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]
    assert response.status == 200
    assert ("Content-Type", "application/json") in response.headers
    assert response.json() == {
        "issuer": ISSUER,
        "token_endpoint": f"{ISSUER}/token",
        "introspection_endpoint": f"{ISSUER}/introspect",
        "revocation_endpoint": f"{ISSUER}/revoke",
        "grant_types_supported": ["client_credentials", "password", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [*methods[:2], "private_key_jwt"],
        **dict.fromkeys(
            (
                "token_endpoint_auth_signing_alg_values_supported",
                "revocation_endpoint_auth_signing_alg_values_supported",
                "introspection_endpoint_auth_signing_alg_values_supported",
            ),
            sorted(ALGORITHMS),
        ),
        "response_types_supported": [],
    }


@req("R8414-2-b", "R8414-2-g", "R8414-2-c", "R9701-7-a")
def test_metadata_follow_the_configuration(world: World) -> None:
    world.configure(
        signing_keys=KEY,
        introspection_jwt=True,
        scopes_supported="write read",
        publish_response_types=False,
        client_auth_methods=["client_secret_post"],
        metadata={"service_documentation": "https://docs.example.com"},
    )

    members = get(world, ISSUER + WELL_KNOWN).json()

    assert members["jwks_uri"] == f"{ISSUER}/jwks.json"
    assert members["scopes_supported"] == ["read", "write"]
    assert members["token_endpoint_auth_methods_supported"] == ["client_secret_post"]
    assert members["introspection_signing_alg_values_supported"] == ["ES256"]
    assert members["service_documentation"] == "https://docs.example.com"
    assert "response_types_supported" not in members


@req("R8414-3.2-a", "R8414-2-e")
def test_members_without_elements_are_left_out(world: World) -> None:
    """But for C-17: where all clients are public, nobody can introspect."""
    world.configure(client_auth_methods=["none"])

    members = get(world, ISSUER + WELL_KNOWN).json()

    assert "introspection_endpoint_auth_methods_supported" not in members
    assert [name for name, value in members.items() if not value] == ["response_types_supported"]


@req("R8414-3-a")
@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://example.com", "https://example.com" + WELL_KNOWN),
        ("https://example.com/", "https://example.com" + WELL_KNOWN),
        ("https://example.com/issuer1", f"https://example.com{WELL_KNOWN}/issuer1"),
        ("https://example.com/a/b/", f"https://example.com{WELL_KNOWN}/a/b"),
    ],
)
def test_where_the_metadata_are(world: World, issuer: str, url: str) -> None:
    """TV-8414-path, among others."""
    world.configure(issuer=issuer)

    assert well_known_url(issuer, "oauth-authorization-server") == url
    assert get(world, url).json()["issuer"] == issuer


def test_a_host_cannot_replace_what_is_generated() -> None:
    with pytest.raises(ValueError, match="metadata has issuer, token_endpoint"):
        AuthorizationServer(
            issuer=ISSUER,
            store=MemoryStore(),
            grants=[ClientCredentialsGrant()],
            metadata={"token_endpoint": "x", "issuer": "y", "op_policy_uri": "z"},
        )


@pytest.mark.parametrize("path", [WELL_KNOWN, "/jwks.json"])
def test_documents_may_be_kept_for_a_while(world: World, path: str) -> None:
    world.configure(signing_keys=KEY)
    first = get(world, ISSUER + path)
    headers = dict(first.headers)
    etag = headers["ETag"]

    again = [
        get(world, ISSUER + path, ("If-None-Match", known))
        for known in (etag, f"W/{etag}", f'"x", {etag}', "*", '"x"')
    ]
    in_two_fields = get(world, ISSUER + path, ("If-None-Match", etag), ("If-None-Match", '"x"'))
    without_space = get(world, ISSUER + path, ("If-None-Match", f'"x",{etag}'))
    head = get(world, ISSUER + path, method="HEAD")

    assert headers["Cache-Control"].startswith("public, max-age=")
    assert [response.status for response in again] == [304, 304, 304, 304, 200]
    assert (in_two_fields.status, without_space.status) == (304, 304)
    assert again[0].body == b""
    assert dict(again[0].headers)["ETag"] == etag
    assert (head.status, head.headers, head.body) == (200, first.headers, first.body)


@req("R9110-15.5.2-a")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get"])
def test_documents_are_there_to_be_read(world: World, method: str) -> None:
    response = get(world, ISSUER + WELL_KNOWN, method=method)

    assert error_of(response) == (405, "invalid_request")
    assert ("Allow", "GET, HEAD") in response.headers


def test_a_server_that_signs_nothing_has_no_keys(world: World) -> None:
    documents = [world.server.metadata(), world.server.jwks()]
    if world.colour == "async":
        documents = [world.runner.run(document) for document in documents]

    assert documents[0]["issuer"] == ISSUER
    assert documents[1] == {"keys": []}
    assert get(world, f"{ISSUER}/jwks.json").status == 404


# JWT access tokens


@pytest.fixture
def signing(world: World) -> World:
    """A server that issues JWTs."""
    return world.configure(access_token_format="jwt", signing_keys=KeyRing(KEY), audience=API)


def claims_of(token: str, key: SigningKey = KEY) -> dict[str, Any]:
    return verify_jwt(token, [key.public], algorithms=ALGORITHMS, typ={"at+jwt"})


@req("R9068-2.1-b", "R9068-2.2-a", "R9068-2.2-b", "R9068-2.2.3-a", "R9068-3-a", "R8414-3.3-a")
def test_a_jwt_says_what_rfc_9068_asks_for(signing: World) -> None:
    answer = signing.sign_in()
    claims = claims_of(answer["access_token"])
    machine = claims_of(signing.post(CC, client="service").json()["access_token"])

    issued_at = int(signing.clock().timestamp())
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "sub": "user-1",
        "aud": API,
        "client_id": "app",
        "scope": "email profile",
        "iat": issued_at,
        "exp": issued_at + answer["expires_in"],
    }
    assert machine["sub"] == machine["client_id"] == "service"


def test_a_jwt_is_stored_nowhere(signing: World) -> None:
    signing.post(CC, client="service")
    assert signing.store.tokens == []
    refresh = signing.sign_in()["refresh_token"]
    signing.refresh(refresh)

    assert {type(token).__name__ for token in signing.store.tokens} == {"RefreshToken"}


class NotingDenials(MemoryStore):
    """It says until when what was denied."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.denials: dict[str, datetime] = {}

    def deny(self, identifier: str, expires_at: datetime) -> None:
        self.denials[identifier] = expires_at
        super().deny(identifier, expires_at)


@req("R9700-4.14.2-a")
@pytest.mark.parametrize(
    ("then", "now", "client"),
    [
        pytest.param({}, {"access_token": timedelta(hours=9)}, {}, id="the-servers"),
        pytest.param({}, {"refresh_token": timedelta(hours=9)}, {}, id="the-servers-of-refresh"),
        pytest.param({"refresh_token": timedelta(hours=9)}, {}, {}, id="the-refresh-tokens-own"),
        pytest.param({}, {}, {"access_token_lifetime": timedelta(hours=9)}, id="the-clients"),
    ],
)
def test_a_family_is_denied_as_long_as_any_jwt_of_it_may_live(
    signing: World, then: dict[str, Any], now: dict[str, Any], client: dict[str, Any]
) -> None:
    """Which nobody has counted; and settings change."""
    short = {"access_token": timedelta(hours=1), "refresh_token": timedelta(hours=2)}
    signing.store = store = NotingDenials(clock=signing.clock)
    signing.__attrs_post_init__()
    signing.configure(store=store, lifetimes=Lifetimes(**short | then))
    token = signing.sign_in()["refresh_token"]
    registered = store.find_client("app")
    assert registered is not None
    store.replace_client(attrs.evolve(registered, **client))
    signing.configure(lifetimes=Lifetimes(**short | now))
    signing.refresh(token)
    assert error_of(signing.refresh(token)) == (400, "invalid_grant")

    assert list(store.denials.values()) == [signing.clock() + timedelta(hours=9)]


@req("R9700-4.14.2-a")
def test_a_family_whose_end_has_begun_gets_no_more_jwts(signing: World) -> None:
    """A fault came between its denial and the removal of what is stored; that is made up for."""
    token = signing.sign_in()["refresh_token"]
    family = signing.store.tokens[0].family
    assert family is not None
    signing.store.deny(family, signing.clock() + timedelta(hours=1))

    answer = signing.refresh(token)

    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "the refresh token is not valid",
    }
    refused = signing.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    assert (refused.reason, refused.sub) == ("revoked refresh token", "user-1")
    assert signing.store.tokens == []


def test_no_two_jwts_are_alike(signing: World) -> None:
    identifiers = {
        claims_of(signing.post(CC, client="service").json()["access_token"])["jti"]
        for _ in range(20)
    }

    assert len(identifiers) == 20


@req("R9068-2.1-a", "R8725-3.2-a")
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_each_algorithm_signs(world: World, algorithm: str) -> None:
    key = SigningKey.generate(algorithm)
    world.configure(access_token_format="jwt", signing_keys=key, audience=API)
    token = world.post(CC, client="service").json()["access_token"]

    assert claims_of(token, key)["client_id"] == "service"
    assert world.post(client="service", path="/introspect", token=token).json()["active"]
    assert algorithm not in {"none", "HS256"}


@req("R7517-4-a")
def test_keys_change_without_a_restart(signing: World) -> None:
    """And the old one stays for as long as a token of its lives."""
    ring = signing.settings["signing_keys"]
    old = signing.post(CC, client="service").json()["access_token"]
    new_key = SigningKey.generate("EdDSA", kid="k2")
    ring.rotate(new_key)
    ring.rotate(SigningKey.generate("ES256", kid="k3"))
    signing.clock.move(minutes=59)
    new = signing.post(CC, client="service").json()["access_token"]

    def kids() -> list[str]:
        return [key["kid"] for key in get(signing, f"{ISSUER}/jwks.json").json()["keys"]]

    def active(token: str) -> bool:
        answer: bool = signing.post(client="service", path="/introspect", token=token).json()[
            "active"
        ]
        return answer

    assert kids() == ["k3", "k1"]
    assert (active(old), active(new)) == (True, True)
    signing.clock.move(minutes=1)
    assert kids() == ["k3"]
    assert (active(old), active(new)) == (False, True)
    for key in get(signing, f"{ISSUER}/jwks.json").json()["keys"]:
        assert not {"d", "p", "q", "k"} & set(key)
        assert key["use"] == "sig"


def test_a_kid_is_one_keys(signing: World) -> None:
    ring = signing.settings["signing_keys"]
    ring.rotate(SigningKey.generate(kid="k2"))

    for kid in ("k1", "k2"):
        with pytest.raises(ValueError, match="another key's"):
            ring.rotate(SigningKey.generate(kid=kid))


@req("R9068-3-a")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signing_keys": KEY}, "audience="),
        ({"audience": API}, "signing_keys="),
        (
            {"signing_keys": KEY, "audience": API, "store": None, "clients": MemoryStore(),
             "tokens": MemoryStore()},
            "deny_list=",
        ),
    ],
)  # fmt: skip
def test_a_jwt_server_says_what_it_lacks(settings: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "store": MemoryStore(),
        "grants": [ClientCredentialsGrant()],
        "access_token_format": "jwt",
    }
    with pytest.raises(ValueError, match=message):
        AuthorizationServer(**usual | settings)


def test_signed_introspection_needs_keys() -> None:
    with pytest.raises(ValueError, match="signing_keys="):
        AuthorizationServer(
            issuer=ISSUER,
            store=MemoryStore(),
            grants=[ClientCredentialsGrant()],
            introspection_jwt=True,
        )


def test_opaque_tokens_outlive_the_change_to_jwts(world: World) -> None:
    token = world.post(CC, client="service").json()["access_token"]
    world.configure(access_token_format="jwt", signing_keys=KEY, audience=API)

    assert world.post(client="service", path="/introspect", token=token).json()["active"]
    assert world.post(client="service", path="/revoke", token=token).status == 200
    assert world.store.tokens == []


@req("R8725-3.12-a", "R9068-4-b", "R8725-3.8-a", "R7662-2.2-b", "R7662-4-a")
def test_a_jwt_that_is_no_access_token_of_ours_is_inactive(signing: World) -> None:
    good = claims_of(signing.post(CC, client="service").json()["access_token"])
    forged = {
        "another-kind": KEY.sign(good, typ="JWT"),
        "another-issuer": KEY.sign({**good, "iss": "https://evil.example"}, typ="at+jwt"),
        "another-key": SigningKey.generate(kid="k1").sign(good, typ="at+jwt"),
        "no-client": KEY.sign({**good, "client_id": None}, typ="at+jwt"),
        "no-jti": KEY.sign({k: v for k, v in good.items() if k != "jti"}, typ="at+jwt"),
        "scope-list": KEY.sign({**good, "scope": ["a"]}, typ="at+jwt"),
        "scope-odd": KEY.sign({**good, "scope": 'a"'}, typ="at+jwt"),
        "no-iat": KEY.sign({k: v for k, v in good.items() if k != "iat"}, typ="at+jwt"),
        "far": KEY.sign({**good, "exp": 1e300}, typ="at+jwt"),
        "no-aud": KEY.sign({**good, "aud": None}, typ="at+jwt"),
        "not-yet": KEY.sign({**good, "nbf": good["iat"] + 1}, typ="at+jwt"),
        "empty": KEY.sign({}, typ="at+jwt"),
    }

    for name, token in forged.items():
        answer = signing.post(client="service", path="/introspect", token=token)
        assert answer.body == b'{"active":false}', name
    genuine = KEY.sign(good, typ="at+jwt")
    assert signing.post(client="service", path="/introspect", token=genuine).json()["active"]


# Resources


@pytest.fixture
def resources(world: World) -> World:
    """A client and an app that may ask for two resources."""
    world.add_client("robot", resources=[CALENDAR, CONTACTS])
    world.add_client(
        "mobile",
        grant_types=["password", "refresh_token"],
        first_party=True,
        resources=[CALENDAR, CONTACTS],
    )
    return world.configure(audience=API)


def audience_of(world: World, token: str, client: str) -> Any:
    return world.post(client=client, path="/introspect", token=token).json().get("aud")


@req("R8707-2-b", "R8707-2-d", "R8707-2.1-a", "R9700-2.3-a")
@pytest.mark.parametrize(
    ("resource", "audience"),
    [
        ([], API),
        ([""], API),
        ([CALENDAR], CALENDAR),
        ([CONTACTS], CONTACTS),
        ([CALENDAR, CONTACTS], [CALENDAR, CONTACTS]),
        ([CALENDAR, CALENDAR], CALENDAR),
        ([API], API),
    ],
)
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_is_for_the_resources_that_were_named(
    resources: World, resource: list[str], audience: Any, token_format: str
) -> None:
    resources.configure(access_token_format=token_format, signing_keys=KEY)
    body = "&".join([CC, *(f"resource={each.replace('?', '%3F')}" for each in resource)])

    token = resources.post(body, client="robot").json()["access_token"]

    assert audience_of(resources, token, "robot") == audience


@req("R8707-2-a", "R8707-2-c")
@pytest.mark.parametrize(
    "resource",
    [
        "https://cal.example.com/#x", "/relative", "cal.example.com", "https://", "a b:c",
        "https://[", "https://other.example.com/", "https://cal.example.com", "caf\xe9:x",
    ],
)  # fmt: skip
def test_another_resource_is_an_invalid_target(resources: World, resource: str) -> None:
    response = resources.post(CC, client="robot", resource=resource)
    beside = resources.post(f"{CC}&resource={CALENDAR}", client="robot", resource=resource)

    assert error_of(response) == error_of(beside) == (400, "invalid_target")
    assert resources.store.tokens == []


@req("R8707-2.2-a")
def test_a_refresh_narrows_the_resources_and_keeps_the_grant(resources: World) -> None:
    grant = "grant_type=password&username=alice&password=wonderland"
    both = f"&resource={CALENDAR}&resource={CONTACTS.replace('?', '%3F')}"
    first = resources.post(grant + both, client="mobile").json()

    narrow = resources.refresh(first["refresh_token"], "mobile", resource=CONTACTS).json()
    whole = resources.refresh(narrow["refresh_token"], "mobile").json()
    beyond = resources.refresh(whole["refresh_token"], "mobile", resource=API)

    assert audience_of(resources, narrow["access_token"], "mobile") == CONTACTS
    assert audience_of(resources, whole["access_token"], "mobile") == [CALENDAR, CONTACTS]
    assert error_of(beyond) == (400, "invalid_target")
    assert resources.refresh(whole["refresh_token"], "mobile").status == 200


@req("R8707-2.2-a")
def test_the_refresh_example_of_rfc_8707(world: World) -> None:
    """TV-8707-refresh."""
    client, _ = Client.confidential(
        "s6BhdRkqt3",
        secret="hsqEzQlUoHAE9px4FSr4yI",
        machine_made=True,
        grant_types=["password", "refresh_token"],
        first_party=True,
        scope="contacts",
        default_scope="contacts",
        resources=["https://contacts.example.com/"],
    )
    world.store.add_client(client)
    auth = ("Authorization", "Basic czZCaGRSa3F0Mzpoc3FFelFsVW9IQUU5cHg0RlNyNHlJ")
    token = world.post(
        "grant_type=password&username=alice&password=wonderland"
        "&resource=https%3A%2F%2Fcontacts.example.com%2F",
        auth,
    ).json()["refresh_token"]

    response = world.post(
        f"grant_type=refresh_token&refresh_token={token}"
        "&resource=https%3A%2F%2Fcontacts.example.com%2F",
        auth,
    )

    members = response.json()
    assert (members["token_type"], members["expires_in"], members["scope"]) == (
        "Bearer",
        3600,
        "contacts",
    )


# Lifetimes by a function


class ShortForMail:
    """A policy that lets tokens for mail live a minute."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None]] = []

    async def choose_lifetimes(
        self, usual: Lifetimes, client: Client, grant_type: str, scope: Scope, user: User | None
    ) -> Lifetimes:
        self.seen.append((client.client_id, grant_type, None if user is None else user.username))
        if "email" in scope:
            return Lifetimes(access_token=timedelta(minutes=1), refresh_token=timedelta(minutes=2))
        return usual


def test_a_function_has_the_last_word_on_lifetimes(world: World) -> None:
    policy = ShortForMail()
    world.configure(lifetime_policy=policy)

    tokens = world.sign_in()
    plain = world.sign_in(scope="profile")
    assert world.refresh(plain["refresh_token"]).status == 200
    world.clock.move(minutes=2)

    assert (tokens["expires_in"], plain["expires_in"]) == (60, 3600)
    assert error_of(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert policy.seen == [
        ("app", "password", "alice"),
        ("app", "password", "alice"),
        ("app", "refresh_token", "alice"),
    ]


def test_a_malformed_url_has_no_endpoint(world: World) -> None:
    urls = [
        "http://[",
        "http://[/",
        "",
        "token",
        "https://h",
        "://",
        "https://h?/token",
        "/tok\nen",
    ]
    for url in urls:
        request = HttpRequest(method="POST", url=url, headers=[FORM, basic("a", "b")])
        assert world.send(request).status == 404, url
    assert world.send(HttpRequest(method="POST", url="/token", headers=[FORM])).status == 401


def test_mapping_is_what_metadata_is(world: World) -> None:
    metadata = world.server.metadata()
    if world.colour == "async":
        metadata = world.runner.run(metadata)

    assert isinstance(metadata, Mapping)
