"""Clients that sign: private_key_jwt, client_secret_jwt (RFC 7521; RFC 7523; OpenID Connect)."""

from __future__ import annotations

import hmac
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    InvalidClientMetadata,
    MemoryStore,
    Secret,
)
from oauthgrants.addresses import is_public
from oauthgrants.algorithms import ALGORITHMS
from oauthgrants.cli.config import read_configuration
from oauthgrants.cli.errors import CommandError
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.keys import MacKey
from oauthgrants.client_secrets import ClientSecret
from oauthgrants.events import RequestRefused, Throttled, TokenIssued
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.issuing import Issue
from oauthgrants.jose import SigningKey, encode
from oauthgrants.sealed import CannotOpen, SealingKey
from oauthgrants.throttling import Throttle
from oauthgrants.tokens import TokenResponse
from resource_support import FakeFetcher, answer, jwks, jws, key
from support import FORM, ISSUER, World, basic, error_of

req = pytest.mark.req
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CC = "grant_type=client_credentials"
JWKS_URI = "https://client.example.com/jwks.json"
SEALING_KEY = SealingKey(bytes(range(32)))
REFUSED = (401, "invalid_client")
SECRET = "s" * 64


def claims(world: World, client_id: str = "signer", **other: Any) -> dict[str, Any]:
    """Return the claims of an assertion, with *other* ones; None takes one away."""
    now = int(world.clock.now.timestamp())
    usual: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "jti": "j1",
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in (usual | other).items() if value is not None}


def sign(
    world: World,
    client_id: str = "signer",
    *,
    signer: SigningKey | None = None,
    header: dict[str, Any] | None = None,
    **other: Any,
) -> str:
    signer = signer or key()
    members = {"alg": signer.algorithm, "kid": signer.kid, **(header or {})}
    members = {name: value for name, value in members.items() if value is not None}
    return jws(members, claims(world, client_id, **other), signer)


def mac(
    world: World,
    secret: str | bytes = SECRET,
    alg: str = "HS256",
    client_id: str = "macker",
    header: dict[str, Any] | None = None,
    **other: Any,
) -> str:
    octets = secret.encode() if isinstance(secret, str) else secret
    parts = ({"alg": alg, **(header or {})}, claims(world, client_id, **other))
    signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
    digest = hmac.digest(octets, signed.encode(), alg.replace("HS", "sha"))
    return f"{signed}.{encode(digest)}"


def send(world: World, assertion: str, body: str = CC, **parameters: str) -> HttpResponse:
    return world.post(body, client_assertion_type=TYPE, client_assertion=assertion, **parameters)


def reasons(world: World) -> list[str]:
    return [event.reason for event in world.sink.events if isinstance(event, RequestRefused)]


@pytest.fixture
def signing(world: World) -> World:
    """A world with a client of either method, ``signer`` and ``macker``."""
    grants = ("client_credentials",)
    world.store.add_client(Client.with_keys("signer", jwks=jwks(key()), grant_types=grants))
    client, _ = Client.confidential(
        "macker",
        secret=SECRET,
        token_endpoint_auth_method="client_secret_jwt",
        sealing_key=SEALING_KEY,
        grant_types=grants,
    )
    world.store.add_client(client)
    return world.configure(assertions=AssertionRules(sealing_key=SEALING_KEY))


# What is accepted


@req("R7523-2.2-a", "OIDC-9-a", "R7523-3-a", "R7523-3-b")
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_client_signs_with_its_private_key(signing: World, algorithm: str) -> None:
    signer = key(algorithm)
    signing.store.add_client(
        Client.with_keys("other", jwks=jwks(signer), grant_types=["client_credentials"])
    )

    assert send(signing, sign(signing, "other", signer=signer)).status == 200


@req("R7523-2.2-a", "OIDC-9-a")
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_client_signs_with_its_secret(signing: World, algorithm: str) -> None:
    assert send(signing, mac(signing, alg=algorithm)).status == 200
    assert error_of(send(signing, mac(signing, "w" * 64, algorithm, jti="j2"))) == REFUSED
    assert send(signing, mac(signing, alg=algorithm, jti="j3", header={"kid": "any"})).status == 200


@pytest.mark.parametrize(("said", "signed"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
def test_ed25519_goes_by_either_name(signing: World, said: str, signed: str) -> None:
    """RFC 9864 renamed it; key, registration and header may differ (C-24)."""
    signer = key(signed)
    jwk = signer.public.as_dict() | {"alg": said}
    client = Client.with_keys(
        "ed",
        jwks={"keys": [jwk]},
        token_endpoint_auth_signing_alg=said,
        grant_types=["client_credentials"],
    )
    signing.store.add_client(client)

    assert send(signing, sign(signing, "ed", signer=signer)).status == 200


@req("R7521-4.2-b")
def test_client_id_may_be_there_and_has_to_agree(signing: World) -> None:
    assert send(signing, sign(signing), client_id="signer").status == 200
    assert error_of(send(signing, sign(signing, jti="j2"), client_id="service")) == REFUSED


@req("R7523-2.2-a")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
@pytest.mark.parametrize("make", [sign, mac])
def test_every_endpoint_takes_assertions(signing: World, path: str, make: Any) -> None:
    response = signing.post(
        "token=x", path=path, client_assertion_type=TYPE, client_assertion=make(signing)
    )
    replayed = signing.post(
        "token=x", path=path, client_assertion_type=TYPE, client_assertion=make(signing)
    )

    assert response.status == 200
    assert error_of(replayed) == REFUSED


@req("R7523-3-b", "D7523-4-a")
@pytest.mark.parametrize(
    ("aud", "is_ours"),
    [
        (ISSUER, True),
        ([ISSUER], True),
        (f"{ISSUER}/", True),
        ([f"{ISSUER}/"], True),
        (f"{ISSUER}/token", False),
        ([ISSUER, "https://other.example.com"], False),
        ([ISSUER, ISSUER], False),
        ("https://other.example.com", False),
        (ISSUER.upper(), False),
        (f"{ISSUER}:443", False),
        ([], False),
        ("", False),
        (7, False),
        (None, False),
    ],
)
def test_the_audience_is_the_issuer_alone(signing: World, aud: Any, is_ours: bool) -> None:
    """With the tolerance of C-13."""
    status = send(signing, sign(signing, aud=aud)).status

    assert status == (200 if is_ours else 401)


@req("R7523-3-b")
def test_endpoints_are_an_audience_where_the_host_says_so(signing: World) -> None:
    """And all that is named has to be this server (C-13)."""
    signing.configure(assertions=AssertionRules(accept_endpoint_audience=True))

    for number, aud in enumerate(
        [f"{ISSUER}/token", f"{ISSUER}/introspect", [ISSUER, f"{ISSUER}/revoke"], ISSUER]
    ):
        assert send(signing, sign(signing, aud=aud, jti=str(number))).status == 200
    for foreign in ([ISSUER, "https://other.example.com"], f"{ISSUER}/other"):
        assert error_of(send(signing, sign(signing, aud=foreign, jti="x"))) == REFUSED


@req("R7523-3-d")
def test_without_jti_the_assertion_itself_is_used_once(signing: World) -> None:
    """Where the host says so; an empty one is malformed even then (C-13)."""
    signing.configure(assertions=AssertionRules(accept_endpoint_audience=True))
    first, second = sign(signing, jti=None), sign(signing, jti=None, aud=[ISSUER])

    statuses = [send(signing, each).status for each in (first, second, first, second)]

    assert statuses == [200, 200, 401, 401]
    assert error_of(send(signing, sign(signing, jti=""))) == REFUSED


def test_an_issuer_with_a_path_is_compared_as_it_is(world: World) -> None:
    world.store.add_client(
        Client.with_keys("signer", jwks=jwks(key()), grant_types=["client_credentials"])
    )
    world.configure(issuer=f"{ISSUER}/a")

    def post(jti: str, aud: str) -> int:
        assertion = sign(world, aud=aud, jti=jti)
        return world.post(
            CC, path="/a/token", client_assertion_type=TYPE, client_assertion=assertion
        ).status

    assert (post("1", f"{ISSUER}/a"), post("2", f"{ISSUER}/a/")) == (200, 401)


@req("R7523-3-c", "OIDC-9-b")
@pytest.mark.parametrize(
    ("exp", "other", "is_good"),
    [
        (3600, {}, True),
        (3629, {}, True),
        (3631, {}, False),
        (1e300, {}, False),
        (-29, {}, True),
        (-31, {}, False),
        (None, {}, False),
        ("soon", {}, False),
        (60, {"nbf": 29}, True),
        (60, {"nbf": 31}, False),
        (60, {"iat": 31}, False),
        (60, {"iat": -3600}, True),
        (60, {"iat": -3700}, False),
        (60, {"iat": None}, True),
    ],
)
def test_times(signing: World, exp: Any, other: dict[str, Any], is_good: bool) -> None:
    """An assertion lives an hour at most, and clocks may be half a minute apart."""
    now = int(signing.clock.now.timestamp())
    times: dict[str, Any] = {
        name: value if value is None or isinstance(value, str) else now + value
        for name, value in {"exp": exp, **other}.items()
    }

    assert send(signing, sign(signing, **times)).status == (200 if is_good else 401)


@req("D7523-4-b", "R8725-3.11-a", "R8725-3.12-a")
@pytest.mark.parametrize(
    ("typ", "is_good"),
    [
        ("client-authentication+jwt", True),
        ("application/Client-Authentication+JWT", True),
        ("JWT", True),
        (None, True),
        ("at+jwt", False),
        ("dpop+jwt", False),
        ("token-introspection+jwt", False),
    ],
)
def test_another_kind_of_jwt_is_no_assertion(
    signing: World, typ: str | None, is_good: bool
) -> None:
    response = send(signing, sign(signing, header={"typ": typ}))

    assert response.status == (200 if is_good else 401)


# What is refused


@req("R7521-4.2-a", "R7523-2.2-a")
@pytest.mark.parametrize(
    "parameters",
    [
        {"client_assertion": "x"},
        {"client_assertion_type": TYPE},
        {"client_assertion_type": TYPE, "client_assertion": ""},
        {"client_assertion": "x", "client_assertion_type": "urn:x"},
        {"client_assertion": "x", "client_assertion_type": TYPE.upper()},
        {
            "client_assertion": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        },
    ],
)
def test_assertion_and_type_come_together(signing: World, parameters: dict[str, str]) -> None:
    assert error_of(signing.post(CC, **parameters)) == (400, "invalid_request")


@req("R6749-2.3-a")
def test_an_assertion_comes_alone(signing: World) -> None:
    """Even beside another right credential (C-01)."""
    assertion, secret = sign(signing), signing.secrets["service"]
    parameters = {"client_assertion_type": TYPE, "client_assertion": assertion}

    by_basic = signing.post(CC, basic("service", secret), **parameters)
    by_body = signing.post(CC, client_secret=secret.reveal(), **parameters)

    assert error_of(by_basic) == error_of(by_body) == (400, "invalid_request")
    assert send(signing, assertion).status == 200


@req("OIDC-9-b", "R7523-3-a")
@pytest.mark.parametrize(
    "other",
    [
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"iss": "service"},
        {"iss": "macker", "sub": "macker"},
        {"iss": "nobody", "sub": "nobody"},
        {"iss": ["signer"]},
        {"sub": 7, "iss": 7},
        {"sub": "caf\u00e9", "iss": "caf\u00e9"},
        {"aud": None},
        {"exp": None},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
    ],
)
def test_claims_that_are_missing_or_wrong(signing: World, other: dict[str, Any]) -> None:
    assert error_of(send(signing, sign(signing, **other))) == REFUSED


BREAKS: dict[str, Callable[[str], str]] = {
    "signature": lambda text: text[:-8] + "AAAAAAAA",
    "no-signature": lambda text: text.rpartition(".")[0] + ".",
    "two-parts": lambda text: text.rpartition(".")[0],
    "four-parts": lambda text: f"{text}.x",
    "space": lambda text: f" {text}",
    "no-jwt": lambda text: "x",
    "json": lambda text: '{"payload":"e30","signatures":[]}',
    "empty-parts": lambda text: "..",
}


@req("R7523-3-e", "R8725-3.2-a", "R8725-3.3-a")
@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS.keys())
def test_broken_assertions(signing: World, break_it: Callable[[str], str]) -> None:
    assert error_of(send(signing, break_it(sign(signing)))) == REFUSED


def test_the_event_says_what_is_wrong_with_an_assertion(signing: World) -> None:
    """The client is told nothing of it, as long as it has not signed."""
    client = Client.with_keys(
        "picky",
        jwks=jwks(key(), key("RS256")),
        token_endpoint_auth_signing_alg="RS256",
        grant_types=["client_credentials"],
    )
    signing.store.add_client(client)
    stranger = SigningKey.generate("ES256", kid="another")
    for refused in (
        "x",
        sign(signing, sub=""),
        sign(signing, iss="service"),
        sign(signing, "picky"),
        sign(signing, signer=stranger),
        mac(signing, "w" * 64),
    ):
        send(signing, refused)
    send(signing, sign(signing), client_id="service")

    assert reasons(signing) == [
        "a compact JWS has three parts",
        "sub is missing or malformed",
        "iss and sub are not the same",
        "the algorithm is not the registered one",
        "the key is not known",
        "the signature is wrong, or by a secret that is short or has expired",
        "client_id and the assertion name two clients",
    ]


@req("R7523-3-e", "R8725-3.1-a", "R8725-3.2-a")
@pytest.mark.parametrize("alg", ["none", "None", "RS1", "RSA1_5", "", None, 7])
def test_unsigned_and_unknown_algorithms(signing: World, alg: Any) -> None:
    header = encode(json.dumps({"alg": alg}).encode())
    body = encode(json.dumps(claims(signing)).encode())

    assert error_of(send(signing, f"{header}.{body}.")) == REFUSED


@req("R8725-3.1-a", "OIDC-9-a")
def test_a_public_key_is_no_secret(signing: World) -> None:
    """HS256 with what anybody can read, in each form that it could be taken in."""
    signer = key("RS256")
    signing.store.add_client(
        Client.with_keys("rsa", jwks=jwks(signer), grant_types=["client_credentials"])
    )
    public = signer.public.as_dict()

    for secret in (json.dumps(public), json.dumps(jwks(signer)), public["n"], ""):
        assert error_of(send(signing, mac(signing, secret, client_id="rsa"))) == REFUSED


@req("OIDC-9-a")
def test_neither_method_takes_the_others_algorithms(signing: World) -> None:
    assert error_of(send(signing, sign(signing, "macker"))) == REFUSED
    assert error_of(send(signing, mac(signing, client_id="signer"))) == REFUSED
    assert reasons(signing) == [
        "private_key_jwt is not the client's registered method",
        "client_secret_jwt is not the client's registered method",
    ]


@req("OIDC-9-c")
def test_only_the_registered_algorithm(signing: World) -> None:
    client, secret = Client.confidential(
        "strict",
        token_endpoint_auth_method="client_secret_jwt",
        token_endpoint_auth_signing_alg="HS512",
        sealing_key=SEALING_KEY,
        grant_types=["client_credentials"],
    )
    signing.store.add_client(client)

    def post(alg: str) -> int:
        return send(signing, mac(signing, secret.reveal(), alg, "strict", jti=alg)).status

    assert [post("HS256"), post("HS384"), post("HS512")] == [401, 401, 200]


@req("R8725-3.8-a")
def test_the_key_of_another_client_verifies_nothing(signing: World) -> None:
    """Be it named as it is: who signs for A is A alone."""
    other = key("ES256", "k2")
    signing.store.add_client(
        Client.with_keys("b", jwks=jwks(other), grant_types=["client_credentials"])
    )

    for kid in ("k1", "k2", None):
        forged = sign(signing, "signer", signer=other, header={"kid": kid})
        assert error_of(send(signing, forged)) == REFUSED
    assert error_of(send(signing, sign(signing, "signer"), client_id="b")) == REFUSED


@req("R8725-3.10-a")
@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../etc/passwd"},
        {"kid": "https://attacker.example/jwks.json"},
        {"kid": "k1' OR '1'='1"},
        {"kid": {"$ne": ""}},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"jwk": "public"},
        {"jwk": "private"},
        {"crit": ["exp"]},
        {"crit": []},
    ],
)
def test_the_header_brings_no_key(signing: World, header: dict[str, Any]) -> None:
    """What it names is neither fetched nor trusted, and nothing else breaks."""
    fetcher = FakeFetcher()
    signing.configure(assertions=AssertionRules(fetcher=fetcher))
    attacker = SigningKey.generate("ES256", kid="k1")
    jwk = dict(attacker.public.as_dict())
    if header.get("jwk") == "private":
        jwk["d"] = encode(b"1" * 32)
    members = {name: jwk if name == "jwk" else value for name, value in header.items()}

    assert error_of(send(signing, sign(signing, signer=attacker, header=members))) == REFUSED
    assert fetcher.requests == []


@req("R8725-3.10-a")
def test_foreign_headers_do_no_harm(signing: World) -> None:
    """Many clients send their certificate along."""
    header = {"x5c": ["MII"], "jku": "https://x.example", "x5u": "https://x.example"}

    assert send(signing, sign(signing, header=header)).status == 200


def test_an_oversized_assertion(signing: World) -> None:
    assert error_of(send(signing, sign(signing, padding="x" * 20_000))) == REFUSED
    assert reasons(signing) == ["the assertion is too long"]


# Replays


@req("R7523-3-d")
@pytest.mark.parametrize("jti", ["j1", "\u00e9\n\x00", "a:b", "*?[", "x" * 5000, "' OR 1=1--"])
def test_an_assertion_is_used_once(signing: World, jti: str) -> None:
    """Signed anew with the same jti it is the same; of another client it is another."""
    first = send(signing, sign(signing, jti=jti))
    again = send(signing, sign(signing, jti=jti, iat=None))
    other = send(signing, mac(signing, jti=jti))

    assert (first.status, error_of(again), other.status) == (200, REFUSED, 200)
    assert "used before" in again.json()["error_description"]


@req("R7523-3-d")
def test_of_many_uses_at_once_one_is_accepted(clocked_store: MemoryStore) -> None:
    server = AuthorizationServer(
        issuer=ISSUER, store=clocked_store, grants=[ClientCredentialsGrant()]
    )
    now = int(datetime.now(UTC).timestamp())
    body = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "j", "exp": now + 60}
    assertion = key().sign(body, typ="client-authentication+jwt")
    request = HttpRequest(
        method="POST",
        url=f"{ISSUER}/token",
        headers=[FORM],
        body=f"{CC}&client_assertion_type={TYPE}&client_assertion={assertion}".encode(),
    )

    with ThreadPoolExecutor(50) as pool:
        statuses = [done.status for done in pool.map(server.token, [request] * 50)]

    assert sorted(statuses) == [200] + [401] * 49


@pytest.fixture
def clocked_store() -> MemoryStore:
    store = MemoryStore()
    store.add_client(
        Client.with_keys("signer", jwks=jwks(key()), grant_types=["client_credentials"])
    )
    return store


@req("R7523-3-d")
def test_a_use_is_remembered_as_long_as_clocks_may_differ(signing: World) -> None:
    """Past ``exp`` by less than the leeway, and others have come since."""
    used = sign(signing)
    assert send(signing, used).status == 200
    signing.clock.move(seconds=85)
    assert send(signing, sign(signing, jti="j2")).status == 200

    assert send(signing, used).json()["error_description"].endswith("it has been used before")


@req("R7523-3-d")
def test_what_is_refused_is_not_used_up(signing: World) -> None:
    now = int(signing.clock.now.timestamp())
    attacker = SigningKey.generate("ES256", kid="k1")
    for refused in (
        sign(signing, signer=attacker),
        sign(signing, aud="https://other.example.com"),
        sign(signing, exp=now - 60),
        sign(signing, nbf=now + 60),
    ):
        assert error_of(send(signing, refused)) == REFUSED

    assert send(signing, sign(signing)).status == 200


# What clients learn, and limits


@req("R7521-4.2.1-a")
def test_the_client_alone_learns_why(signing: World) -> None:
    """Whoever has not signed gets one answer, be the client known or not."""
    attacker = SigningKey.generate("ES256", kid="k1")
    answers = [
        send(signing, sign(signing, signer=attacker)),
        send(signing, sign(signing, signer=attacker, aud="x")),
        send(signing, sign(signing, "nobody")),
        send(signing, mac(signing, client_id="nobody")),
        send(signing, sign(signing, "nobody", signer=key("RS256"))),
        send(signing, sign(signing, "service")),
    ]
    told = send(signing, sign(signing, aud="x")).json()["error_description"]

    assert len({(each.status, each.body, each.headers) for each in answers}) == 1
    assert answers[0].body == signing.post(CC, basic("nobody", "x")).body
    assert reasons(signing)[:6] == [
        *["the signature is wrong"] * 2,
        *["unknown client"] * 3,
        "private_key_jwt is not the client's registered method",
    ]
    assert told == (
        "the client assertion is not accepted: aud is not the issuer identifier of this server"
    )


@req("R7521-4.2.1-a")
@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"exp": 7200}, "exp is too far ahead"),
        ({"iat": -7200}, "iat is too far back"),
        ({"jti": None}, "jti is missing or malformed"),
        ({"aud": [ISSUER, "https://a.example"]}, "aud has to be the issuer identifier alone"),
    ],
)
def test_who_has_signed_is_told_what_to_mend(
    signing: World, other: dict[str, Any], why: str
) -> None:
    now = int(signing.clock.now.timestamp())
    moved: dict[str, Any] = {
        name: now + value if isinstance(value, int) else value for name, value in other.items()
    }
    answer = send(signing, sign(signing, **moved))

    assert error_of(answer) == REFUSED
    told = answer.json()["error_description"]
    assert told == f"the client assertion is not accepted: {why}"


@req("R6749-5.2-e")
def test_without_basic_a_refusal_asks_for_none(signing: World) -> None:
    signing.configure(client_auth_methods=["private_key_jwt"])
    attacker = SigningKey.generate("ES256", kid="k1")
    for refused in ("x", sign(signing, signer=attacker), sign(signing, aud="x"), mac(signing)):
        answer = send(signing, refused)
        assert error_of(answer) == (400, "invalid_client")
        assert "WWW-Authenticate" not in dict(answer.headers)


class Curious:
    """An extension grant that looks at who asks."""

    grant_type = "urn:example:who"
    parameters: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool]] = []

    def bind(self, services: Services) -> GrantHandler:
        async def answer(request: TokenRequest) -> TokenResponse:
            client = request.client
            self.seen.append((client.client_id, client.method, client.authenticated))
            scope = await services.scopes.grant(services.scopes.read(client, None), client)
            issue = Issue(client=client, grant_type=self.grant_type, scope=scope)
            return await services.issuer.issue(issue)

        return answer


def test_grants_and_events_know_how_the_client_has_proven_who_it_is(signing: World) -> None:
    grant = Curious()
    signing.configure(grants=[grant])
    for client_id in ("signer", "macker"):
        client = signing.store.find_client(client_id)
        assert client is not None
        signing.store.replace_client(attrs.evolve(client, grant_types=[grant.grant_type]))
    body = f"grant_type={grant.grant_type}"

    assert send(signing, sign(signing), body).status == 200
    assert send(signing, mac(signing, header={"kid": "any"}), body).status == 200
    assert grant.seen == [
        ("signer", "private_key_jwt", True),
        ("macker", "client_secret_jwt", True),
    ]
    macker = signing.store.find_client("macker")
    assert macker is not None
    issued = [each for each in signing.sink.events if isinstance(each, TokenIssued)]
    assert [(each.key_id, each.secret_id) for each in issued] == [
        (key().kid, None),
        (None, macker.secrets[0].id),
    ]


def test_wrong_signatures_count_as_guesses(signing: World) -> None:
    """Past the limit no secret can be guessed; who has a private key is never kept waiting."""
    signing.configure(throttle=Throttle(max_failures=3))
    attacker = SigningKey.generate("ES256", kid="k1")
    for _ in range(4):
        send(signing, mac(signing, "w" * 64))
        send(signing, sign(signing, signer=attacker))

    assert error_of(send(signing, mac(signing))) == REFUSED
    assert send(signing, sign(signing)).status == 200
    throttled = [event for event in signing.sink.events if isinstance(event, Throttled)]
    assert {(each.kind, each.name, each.client_id, each.source) for each in throttled} == {
        ("client_secret", "macker", "macker", "192.0.2.1")
    }
    assert reasons(signing)[-1] == "too many wrong secrets"


def test_wrong_signatures_count_against_their_source(signing: World) -> None:
    """Whatever clients it tries, and by whatever method."""
    signing.configure(throttle=Throttle(max_failures=3))
    for _ in range(3):
        send(signing, mac(signing, "w" * 64))

    assert error_of(signing.post(CC, client="service")) == REFUSED
    assert reasons(signing)[-1] == "too many wrong secrets"


def test_without_limits_nothing_is_counted(signing: World) -> None:
    signing.configure(throttle=None)
    for _ in range(20):
        assert error_of(send(signing, mac(signing, "w" * 64))) == REFUSED
    assert send(signing, mac(signing)).status == 200


# Secrets


def test_a_sealed_secret_says_nothing() -> None:
    client, secret = Client.confidential(
        token_endpoint_auth_method="client_secret_jwt", sealing_key=SEALING_KEY
    )

    assert secret.reveal() not in client.secrets[0].hash
    assert repr(SEALING_KEY) == "SealingKey(…)"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(SEALING_KEY)


def test_a_sealed_secret_is_its_owners() -> None:
    """Nor does it open once it was changed, cut or sealed by another key."""
    sealed = SEALING_KEY.seal(Secret("x"), owner="a")
    rotated = SealingKey(b"n" * 32, former=[bytes(range(32))])

    assert rotated.open(sealed, owner="a").reveal() == "x"
    for broken, owner in (
        *((sealed, "b"), (sealed[:-4], "a"), ("sealed:", "a")),
        *(("sealed:x", "a"), (SealingKey.generate().seal(Secret("x"), owner="a"), "a")),
    ):
        with pytest.raises(CannotOpen):
            SEALING_KEY.open(broken, owner=owner)
    with pytest.raises(ValueError, match="32 random octets"):
        SealingKey(b"short")


def test_secrets_are_rotated_and_expire(signing: World) -> None:
    ends = signing.clock.now + timedelta(seconds=50)
    old = ClientSecret(
        hash=SEALING_KEY.seal(Secret("o" * 32), owner="rotating"), expires_at=ends, id="old"
    )
    new = ClientSecret(hash=SEALING_KEY.seal(Secret("n" * 32), owner="rotating"), id="new")
    signing.store.add_client(
        Client(
            client_id="rotating",
            token_endpoint_auth_method="client_secret_jwt",
            secrets=(old, new),
            grant_types=("client_credentials",),
        )
    )

    def post(letter: str, jti: str) -> int:
        assertion = mac(signing, letter * 32, client_id="rotating", jti=jti)
        return send(signing, assertion).status

    assert [post("o", "1"), post("n", "2")] == [200, 200]
    signing.clock.move(seconds=50)
    assert [post("o", "3"), post("n", "4")] == [401, 200]


@req("R8725-3.5-a")
def test_a_short_secret_verifies_no_long_hmac(signing: World) -> None:
    client, _ = Client.confidential(
        "short",
        secret="a" * 32,
        token_endpoint_auth_method="client_secret_jwt",
        sealing_key=SEALING_KEY,
        grant_types=["client_credentials"],
    )
    signing.store.add_client(client)

    assert error_of(send(signing, mac(signing, "a" * 32, "HS384", "short"))) == REFUSED
    assert send(signing, mac(signing, "a" * 32, "HS256", "short")).status == 200
    assert MacKey(None, Secret("a" * 47)).verify("HS384", b"", b"") is False


def test_a_secret_that_does_not_open_is_a_fault(signing: World) -> None:
    """The client's assertion may be good; it is told to come again."""
    signing.configure(assertions=AssertionRules(sealing_key=SealingKey.generate()))

    assert error_of(send(signing, mac(signing))) == (503, "temporarily_unavailable")


# Registration

JWK = key().public.as_dict()


@req("R6749-2.3.2-a", "R7591-2-c", "R8725-3.4-a", "R8725-3.5-a", "OIDC-9-c")
@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "needs jwks or jwks_uri"),
        ({"jwks": {"keys": [JWK]}, "jwks_uri": JWKS_URI}, "do not go together"),
        ({"jwks": {"keys": []}}, "no key that verifies"),
        ({"jwks": {"keys": [JWK | {"use": "enc"}]}}, "no key that verifies"),
        ({"jwks": "["}, "jwks"),
        ({"jwks": {"keys": {1, 2}}}, "has to be a JWK Set"),
        ({"jwks": {"keys": [JWK | {"d": "AQ"}]}}, "private or symmetric"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AQ"}]}}, "private or symmetric"),
        ({"jwks": {"keys": ["x"]}}, "malformed"),
        ({"jwks": {"keys": [JWK | {"x": JWK["y"], "y": JWK["x"]}]}}, "malformed"),
        ({"jwks": {"keys": [{"kty": "RSA", "n": encode(b"\xff" * 128), "e": "AQAB"}]}}, "2048"),
        ({"jwks": {"keys": [JWK] * 101}}, "more than 100"),
        ({"jwks_uri": "http://client.example.com/jwks"}, "https"),
        ({"jwks_uri": "ftp://client.example.com/jwks"}, "https"),
        ({"jwks_uri": "https://user@client.example.com/"}, "https"),
        ({"jwks_uri": "https://client.example.com:x/"}, "https"),
        ({"jwks_uri": "https:/jwks"}, "https"),
        ({"jwks_uri": "jwks"}, "https"),
        ({"jwks": {"keys": [JWK]}, "token_endpoint_auth_signing_alg": "HS256"}, "does not go"),
        ({"jwks": {"keys": [JWK]}, "token_endpoint_auth_signing_alg": "none"}, "does not go"),
        ({"jwks": {"keys": [JWK]}, "token_endpoint_auth_signing_alg": "RS256"}, "fits no key"),
        ({"jwks": {"keys": [JWK]}, "secrets": [ClientSecret(hash="x")]}, "no client_secret"),
    ],
)
def test_keys_that_cannot_be_registered(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=message):
        Client.with_keys("signer", **metadata)


@req("R8725-3.5-a")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "takes sealing_key="),
        ({"sealing_key": SEALING_KEY, "secret": "a" * 31}, "32 or more"),
        ({"sealing_key": SEALING_KEY, "secret": "caf\u00e9" * 9}, "32 or more"),
        (
            {
                "sealing_key": SEALING_KEY,
                "secret": "a" * 63,
                "token_endpoint_auth_signing_alg": "HS512",
            },
            "64 or more",
        ),
        (
            {"sealing_key": SEALING_KEY, "token_endpoint_auth_signing_alg": "ES256"},
            "does not go with client_secret_jwt; there are HS256, HS384, HS512",
        ),
    ],
)
def test_secrets_that_cannot_be_registered(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=message):
        Client.confidential(token_endpoint_auth_method="client_secret_jwt", **settings)


def test_hashed_secrets_verify_no_assertion() -> None:
    hashed, _ = Client.confidential("a")
    sealed, _ = Client.confidential(
        "a", token_endpoint_auth_method="client_secret_jwt", sealing_key=SEALING_KEY
    )

    for secrets, method, message in (
        (hashed.secrets, "client_secret_jwt", "takes sealed secrets"),
        (sealed.secrets, "client_secret_basic", "takes hashed secrets"),
        ((), "client_secret_jwt", "needs a client_secret"),
    ):
        with pytest.raises(InvalidClientMetadata, match=message):
            Client(client_id="a", token_endpoint_auth_method=method, secrets=secrets)
    with pytest.raises(InvalidClientMetadata, match="does not go with client_secret_basic"):
        Client.confidential(token_endpoint_auth_signing_alg="HS256")


def test_empty_metadata_are_none() -> None:
    """As forms have it."""
    client = Client.public("a", jwks="", jwks_uri="", token_endpoint_auth_signing_alg="")

    assert client == Client.public("a")


# What is wired


@req("R8414-2-f")
def test_metadata_tell_of_methods_and_algorithms(signing: World) -> None:
    url = f"{ISSUER}/.well-known/oauth-authorization-server"
    members = signing.send(HttpRequest(method="GET", url=url)).json()

    for endpoint in ("token", "introspection", "revocation"):
        methods = members[f"{endpoint}_endpoint_auth_methods_supported"]
        assert {"private_key_jwt", "client_secret_jwt"} <= set(methods)
        algorithms = members[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == sorted({*ALGORITHMS, "HS256", "HS384", "HS512"})


def make(**settings: Any) -> AuthorizationServer:
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "store": MemoryStore(),
        "grants": [ClientCredentialsGrant()],
    }
    return AuthorizationServer(**usual | settings)


@req("R8414-2-f")
def test_without_signing_methods_there_are_no_algorithms() -> None:
    members = make(client_auth_methods=["client_secret_basic"]).metadata()

    assert not [name for name in members if "signing_alg" in name]


class _NoReplays:
    def __init__(self) -> None:
        self._store = MemoryStore()

    def __getattr__(self, name: str) -> Any:
        if name == "add_if_absent":
            raise AttributeError(name)
        return getattr(self._store, name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"client_auth_methods": ["client_secret_jwt"]}, "client_secret_jwt: give assertions="),
        ({"client_auth_methods": ["private_key_jwt"], "store": _NoReplays()}, "give replays="),
    ],
)
def test_a_method_takes_what_it_takes(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_methods_that_cannot_work_are_not_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "private_key_jwt" not in str(make(store=_NoReplays()).metadata())

    def find_nothing(name: str) -> None:
        pass

    monkeypatch.setattr("oauthgrants.client_auth.assertion_rules.find_spec", find_nothing)
    assert "private_key_jwt" not in str(make().metadata())
    with pytest.raises(ModuleNotFoundError, match=r"oauthgrants\[jwt\]"):
        make(client_auth_methods=["private_key_jwt"])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"leeway": timedelta(minutes=6)}, "leeway"),
        ({"longest_lifetime": timedelta()}, "longest_lifetime"),
    ],
)
def test_rules_out_of_bounds(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AssertionRules(**rules)


def test_rules_at_the_bounds(signing: World) -> None:
    for rules in (
        AssertionRules(leeway=timedelta()),
        AssertionRules(leeway=timedelta(minutes=5)),
        AssertionRules(longest_lifetime=timedelta(seconds=1)),
    ):
        signing.configure(assertions=rules)
        at_once = int(signing.clock.now.timestamp()) + 1
        assert send(signing, sign(signing, exp=at_once, jti=str(rules))).status == 200


def test_an_assertion_where_none_is_enabled(signing: World) -> None:
    signing.configure(client_auth_methods=["client_secret_basic"])
    assert error_of(send(signing, sign(signing))) == (400, "invalid_request")
    signing.configure(client_auth_methods=["client_secret_basic", "private_key_jwt"])
    assert error_of(send(signing, mac(signing))) == REFUSED


def test_a_server_without_such_clients_never_loads_joserfc() -> None:
    code = (
        "import sys\n"
        "from oauthgrants import *\n"
        "AuthorizationServer(issuer='https://a.example', store=MemoryStore(),"
        " grants=[ClientCredentialsGrant()])\n"
        "print(sorted({'joserfc', 'httpx', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


# Keys that are fetched


@pytest.fixture
def fetched(signing: World) -> tuple[World, FakeFetcher]:
    fetcher = FakeFetcher()
    fetcher.answers[JWKS_URI] = jwks(key())
    signing.store.add_client(
        Client.with_keys("remote", jwks_uri=JWKS_URI, grant_types=["client_credentials"])
    )
    signing.configure(assertions=AssertionRules(fetcher=fetcher))
    return signing, fetcher


@req("OIDC-9-a")
def test_keys_are_fetched_and_kept(fetched: tuple[World, FakeFetcher]) -> None:
    world, fetcher = fetched

    assert send(world, sign(world, "remote", jti="1")).status == 200
    assert send(world, sign(world, "remote", jti="2")).status == 200
    assert [each.url for each in fetcher.requests] == [JWKS_URI]


def test_an_unknown_kid_is_looked_for_once(fetched: tuple[World, FakeFetcher]) -> None:
    world, fetcher = fetched
    new = key("ES256", "k2")
    send(world, sign(world, "remote", jti="1"))
    for _ in range(3):
        refused = send(world, sign(world, "remote", signer=new, jti="2"))
        assert error_of(refused) == REFUSED
    assert len(fetcher.requests) == 2

    fetcher.answers[JWKS_URI] = jwks(new)
    world.clock.move(seconds=11)

    assert send(world, sign(world, "remote", signer=new, jti="2")).status == 200
    assert len(fetcher.requests) == 3


@pytest.mark.parametrize(
    "broken",
    [
        answer({}, status=500),
        answer({}, ("Location", "http://169.254.169.254/"), status=302),
        answer(b"<html>"),
        answer({"keys": []}),
        answer({"keys": [JWK | {"d": "AQ"}]}),
        answer({"keys": [JWK] * 101}),
        OSError("no route"),
    ],
    ids=["500", "redirect", "no-json", "empty", "private", "too-many", "no-route"],
)
def test_keys_that_cannot_be_had_are_a_fault(
    fetched: tuple[World, FakeFetcher], broken: Any
) -> None:
    """Of the assertion nobody can say whether it is good; no redirect is followed."""
    world, fetcher = fetched
    fetcher.answers[JWKS_URI] = broken

    assert error_of(send(world, sign(world, "remote"))) == (503, "temporarily_unavailable")
    assert len(fetcher.requests) == 1

    fetcher.answers[JWKS_URI] = jwks(key())
    world.clock.move(seconds=11)
    assert send(world, sign(world, "remote")).status == 200


def test_plain_http_is_for_tests(fetched: tuple[World, FakeFetcher]) -> None:
    world, fetcher = fetched
    uri = "http://127.0.0.1:9/jwks"
    world.store.add_client(
        Client.with_keys("plain", jwks_uri=uri, grant_types=["client_credentials"])
    )

    assert error_of(send(world, sign(world, "plain")))[0] == 503
    assert fetcher.requests == []


def test_keys_of_many_clients_are_dropped_in_turn(
    fetched: tuple[World, FakeFetcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, fetcher = fetched
    monkeypatch.setattr("oauthgrants.client_auth.keys._MOST_KEPT", 1)
    other = "https://other.example.com/jwks"
    fetcher.answers[other] = jwks(key())
    world.store.add_client(
        Client.with_keys("other", jwks_uri=other, grant_types=["client_credentials"])
    )

    for jti, client_id in enumerate(["remote", "other", "remote"]):
        assert send(world, sign(world, client_id, jti=str(jti))).status == 200
    assert [each.url for each in fetcher.requests] == [JWKS_URI, other, JWKS_URI]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1"])
def test_private_addresses_are_refused(signing: World, host: str) -> None:
    """Without a connection to them."""
    signing.store.add_client(
        Client.with_keys(
            "inside", jwks_uri=f"https://{host}:9/jwks", grant_types=["client_credentials"]
        )
    )

    assert error_of(send(signing, sign(signing, "inside"))) == (503, "temporarily_unavailable")
    faults = [str(getattr(event, "error", "")) for event in signing.sink.events]
    assert "the address is not public" in faults


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.43.8", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:192.168.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::c000:2b08", True),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


# The file of `oauthgrants serve`


def configure_from(text: str) -> AuthorizationServer:
    usual = 'issuer = "http://127.0.0.1:8000"\n[grants]\nclient_credentials = true\n'
    return read_configuration(usual + text).server


def test_the_file_of_serve_has_clients_that_sign() -> None:
    """With keys as a table or as text, and a secret that is sealed at the start."""
    public = ", ".join(f'{name} = "{value}"' for name, value in JWK.items())
    client = '[[clients]]\ngrant_types = ["client_credentials"]\n'
    by_key = client + 'token_endpoint_auth_method = "private_key_jwt"\n'
    server = configure_from(
        "[client_authentication]\naccept_endpoint_audience = true\n"
        f'{by_key}client_id = "table"\njwks = {{ keys = [{{ {public} }}] }}\n'
        f"{by_key}client_id = \"text\"\njwks = '{json.dumps(jwks(key()))}'\n"
        f'{client}client_id = "macker"\ntoken_endpoint_auth_method = "client_secret_jwt"\n'
        f'client_secret = "{SECRET}"\n'
    )

    def post(assertion: str) -> int:
        body = f"{CC}&client_assertion_type={TYPE}&client_assertion={assertion}"
        url = "http://127.0.0.1:8000/token"
        request = HttpRequest(method="POST", url=url, headers=[FORM], body=body.encode())
        return server.token(request).status

    exp = int(datetime.now(UTC).timestamp()) + 60
    for client_id in ("table", "text"):
        members = {"iss": client_id, "sub": client_id, "aud": server.token_endpoint, "exp": exp}
        assert post(key().sign(members, typ="JWT")) == 200
    members = {"iss": "macker", "sub": "macker", "aud": server.issuer, "exp": exp}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, members))
    assert (
        post(f"{signed}.{encode(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}") == 200
    )


def test_serve_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oauthgrants.jwk_sets", None)

    with pytest.raises(CommandError, match="jwk_sets"):
        configure_from(
            '[[clients]]\nclient_id = "a"\ntoken_endpoint_auth_method = "private_key_jwt"\n'
            'jwks = "{}"'
        )
