"""Resource servers want what a token is bound to, key or certificate (RFC 9449, 7; RFC 8705, 3)."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from dpop_support import (
    PRINTED_JKT,
    PRINTED_PROOFS,
    PRINTED_TOKEN,
    REPORTS,
    Prover,
    at,
    nonces_of,
    other_key,
    rules,
)
from oauthgrants import (
    AccessToken,
    HttpRequest,
    HttpResponse,
    InsufficientScope,
    InvalidToken,
    MemoryStore,
    OAuthError,
    ResourceServer,
    Scope,
    Secret,
)
from oauthgrants.certificates import thumbprint
from oauthgrants.challenges import Challenges
from oauthgrants.errors import MissingToken, UseDpopNonce
from oauthgrants.hashing import token_digest
from oauthgrants.token_checks.introspection import RemoteIntrospection
from oauthgrants.token_checks.jwt import JwtChecker
from oauthgrants.token_checks.key_sets import StaticKeys
from resource_support import API, INVALID, Api, answer, bearer, challenge_of, key, outcome
from support import ISSUER, World

req = pytest.mark.req
BAD_PROOF = (401, "invalid_dpop_proof")
USE_NONCE = (401, "use_dpop_nonce")
CERTIFICATE = b"a certificate in DER"
Header = tuple[str, str]


@pytest.fixture
def api(world: World) -> Api:
    world.configure(audience=API, dpop=rules(algorithms=["ES256", "RS256"]))
    return Api(world).configure(dpop=rules(algorithms=["ES256", "RS256"]))


@pytest.fixture
def prover(world: World) -> Prover:
    return Prover(world.clock)


def bound_token(api: Api, prover: Prover) -> str:
    response = api.world.post(
        "grant_type=client_credentials&scope=read", prover.prove(), client="service"
    )
    assert response.json()["token_type"] == "DPoP"
    return str(response.json()["access_token"])


# The key


@req("R9449-7.1-a")
def test_token_and_proof_let_through(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    verified = api.check(*prover.call(token), scope="read")

    assert verified.cnf == {"jkt": prover.jkt}
    assert verified.client_id == "service"
    assert verified.response_headers == ()


@req("R9449-7.1-a", "R9449-4.3-b")
def test_the_printed_request(world: World) -> None:
    """The token and the proof of Section 7.1."""
    token = AccessToken(
        digest=token_digest(Secret(PRINTED_TOKEN)),
        client_id="s6BhdRkqt3",
        sub="someone@example.com",
        scope=Scope(),
        audience=("https://resource.example.org",),
        issued_at=world.clock.now,
        lifetime=timedelta(days=36500),
        cnf={"jkt": PRINTED_JKT},  # TV-9449-bound
    )
    world.store.save_tokens(token, None)
    api = Api(world).configure(resource="https://resource.example.org", dpop=rules())
    at(world.clock, 1562262618)
    headers = (("Authorization", f"DPoP {PRINTED_TOKEN}"), ("DPoP", PRINTED_PROOFS[3]))
    url = "https://resource.example.org/protectedresource"

    assert api.call(*headers, url=url, method="POST").status == 401
    assert api.call(*headers, url=url).status == 200


@req("R9110-11.1-a", "R9449-7.1-a")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "dPoP  "])
def test_the_scheme_knows_no_case(api: Api, prover: Prover, scheme: str) -> None:
    token = bound_token(api, prover)
    _, proof = prover.call(token)

    assert api.call(("Authorization", f"{scheme} {token}"), proof).status == 200


@req("R9449-7.1-a", "R9449-7.1-b")
def test_a_proof_that_is_wanted(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    response = api.call(("Authorization", f"DPoP {token}"))

    assert outcome(response) == BAD_PROOF
    assert response.json()["error"] == "invalid_dpop_proof"
    assert challenge_of(response) == (
        'DPoP realm="example", error="invalid_dpop_proof", '
        'error_description="the DPoP proof is missing", algs="ES256 RS256", '
        'Bearer realm="example"'
    )


@req("R9449-7.1-b", "R9449-4.2-b")
def test_bad_proofs(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    authorization = ("Authorization", f"DPoP {token}")
    now = int(api.world.clock.now.timestamp())
    for proof in (
        ("DPoP", "bad"),
        prover.prove("GET", REPORTS),  # without ath
        prover.prove("GET", REPORTS, token="another"),
        prover.prove("POST", REPORTS, token=token),
        prover.prove("GET", f"{API}/other", token=token),
        prover.prove("GET", f"{ISSUER}/reports", token=token),
        prover.prove("GET", REPORTS, token=token, iat=now - 90),
        Prover(api.world.clock, key("PS256")).prove("GET", REPORTS, token=token),
    ):
        assert outcome(api.call(authorization, proof)) == BAD_PROOF
    twice = prover.prove("GET", REPORTS, token=token)
    assert outcome(api.call(authorization, twice, twice)) == BAD_PROOF
    assert api.call(authorization, twice).status == 200


@req("R9449-7.1-a", "R9449-7.1-b")
def test_another_key_is_told_so(api: Api, prover: Prover) -> None:
    """In the words of the RFC (TV-9449-challenge)."""
    thief = Prover(api.world.clock, other_key())
    response = api.call(*thief.call(bound_token(api, prover)))

    assert outcome(response) == INVALID
    challenge = challenge_of(response) or ""
    assert 'error="invalid_token", error_description="Invalid DPoP key binding"' in challenge
    assert challenge.startswith("DPoP ")


@req("R9449-7.2-a")
def test_a_bound_token_is_no_bearer_token(api: Api, prover: Prover) -> None:
    """With a proof beside it or without; the error goes to the scheme that was used."""
    token = bound_token(api, prover)
    proof = prover.prove("GET", REPORTS, token=token)
    for headers in ((bearer(token),), (bearer(token), proof)):
        response = api.call(*headers)
        assert outcome(response) == INVALID
        challenge = challenge_of(response) or ""
        assert challenge.startswith('Bearer realm="example", error="invalid_token"')
        assert challenge.endswith('DPoP realm="example", algs="ES256 RS256"')


@req("R9449-7.2-a")
def test_a_bound_token_in_a_form_or_url_is_no_bearer_token(api: Api, prover: Prover) -> None:
    api.configure(allow_query=True, allow_body=True)
    token = bound_token(api, prover)
    url = f"{REPORTS}?access_token={token}"
    proof = prover.prove("GET", REPORTS, token=token)

    assert outcome(api.call(proof, url=url)) == INVALID
    assert outcome(api.call(*prover.call(token), url=url))[0] == 400  # twice


@req("R9449-7.1-a")
def test_a_bearer_token_by_the_other_scheme_is_refused(api: Api, prover: Prover) -> None:
    """A proof of any key would do, else."""
    token = api.issue()

    assert outcome(api.call(*prover.call(token))) == INVALID
    assert api.call(bearer(token)).status == 200


@req("R9449-7.1-b")
def test_who_sends_nothing_hears_of_no_error(api: Api, prover: Prover) -> None:
    """Both schemes are offered; a proof alone is no token."""
    for headers in ((), (prover.prove("GET", REPORTS),)):
        response = api.call(*headers)

        assert outcome(response) == (401, None)
        assert challenge_of(response) == (
            'Bearer realm="example", DPoP realm="example", algs="ES256 RS256"'
        )


@req("R9449-7.1-b")
@pytest.mark.parametrize("value", ["DPoP", "DPoP ", "DPoP a b", "DPoP =", "dpop\ta"])
def test_what_is_malformed_is_told_so(api: Api, value: str) -> None:
    assert outcome(api.call(("Authorization", value))) == (400, "invalid_request")


@req("R9449-7.1-b")
def test_a_guess_is_an_invalid_token(api: Api, prover: Prover) -> None:
    response = api.call(*prover.call("guess"))

    assert outcome(response) == INVALID
    assert (challenge_of(response) or "").startswith("DPoP ")


@req("R9449-7.2-a", "R6750-3.1-c")
def test_too_little_scope_is_told_by_the_scheme_that_was_used(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    response = api.call(*prover.call(token), scope="write")

    assert outcome(response) == (403, "insufficient_scope")
    assert 'scope="write", algs=' in (challenge_of(response) or "")
    # Who has not the key is not told what the token lacks.
    assert outcome(api.call(bearer(token), scope="write")) == INVALID


@req("R9449-11.1-a")
def test_a_proof_can_be_used_once(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    headers = prover.call(token)

    assert api.call(*headers).status == 200
    assert outcome(api.call(*headers)) == BAD_PROOF


@req("R9449-11.1-a")
def test_servers_of_one_url_share_a_store(api: Api, prover: Prover) -> None:
    token = bound_token(api, prover)
    api.configure(replays=MemoryStore(clock=api.world.clock))
    headers = prover.call(token)

    assert api.call(*headers).status == 200
    api.configure()  # another one, with the same store
    assert outcome(api.call(*headers)) == BAD_PROOF


@req("R9449-11.1-a")
def test_of_fifty_at_once_one_is_accepted(api: Api, prover: Prover) -> None:
    headers = prover.call(bound_token(api, prover))
    request = HttpRequest(method="GET", url=REPORTS, headers=headers)
    server, statuses = api.server, list[int]()
    if api.world.colour == "sync":
        barrier = threading.Barrier(50)

        def run() -> None:
            barrier.wait(30)
            try:
                server.require_token(request)
            except OAuthError as error:
                statuses.append(error.status)
            else:
                statuses.append(200)

        threads = [threading.Thread(target=run) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    else:

        async def run_all() -> None:
            tries = (server.require_token(request) for _ in range(50))
            for each in await asyncio.gather(*tries, return_exceptions=True):
                statuses.append(each.status if isinstance(each, OAuthError) else 200)

        api.world.runner.run(run_all())

    assert sorted(statuses) == [200] + [401] * 49


@req("R9449-7.1-a")
def test_who_lets_us_call_him_otherwise_gains_nothing(api: Api, prover: Prover) -> None:
    """A resource server that got token and proof cannot use them at another one."""
    token = bound_token(api, prover)
    elsewhere = "https://evil.example/reports"
    headers = prover.call(token, url=elsewhere)

    assert outcome(api.call(*headers, url=elsewhere)) == BAD_PROOF


@req("R9449-4.3-b", "R9449-4.3-c")
def test_behind_a_proxy_the_url_is_the_clients(api: Api, prover: Prover) -> None:
    """Whatever the proxy calls the server; other names are the host's to allow."""
    token = bound_token(api, prover)
    inside = "http://10.0.0.7:8000/reports"

    assert api.call(*prover.call(token), url=inside).status == 200
    headers = prover.call(token, url=inside)
    assert outcome(api.call(*headers, url=inside)) == BAD_PROOF
    api.configure(dpop=rules(origins=["http://10.0.0.7:8000"]))
    assert api.call(*headers, url=inside).status == 200


# Without DPoP


@req("R9449-7.2-a")
def test_without_dpop_a_bound_token_will_not_do(world: World, prover: Prover) -> None:
    """In no way; and nobody is told of a scheme that is not offered."""
    world.configure(audience=API, dpop=rules())
    api = Api(world)
    token = bound_token(api, prover)
    response = api.call(bearer(token))

    assert outcome(response) == INVALID
    assert (challenge_of(response) or "").count("DPoP") == 0
    assert outcome(api.call(*prover.call(token))) == (401, None)


# Required


@req("R9449-7.1-b", "R9728-2-a")
def test_keys_may_be_wanted_of_all(api: Api, prover: Prover) -> None:
    """The scheme Bearer is then not offered."""
    api.configure(dpop=rules(required=True, algorithms=["ES256"]), realm=None)
    refused = api.call(bearer(api.issue()))

    assert outcome(refused) == INVALID
    challenge = challenge_of(refused) or ""
    assert challenge.startswith('DPoP error="invalid_token"')
    assert "Bearer" not in challenge
    assert challenge_of(api.call()) == 'DPoP algs="ES256"'
    assert api.call(*prover.call(bound_token(api, prover))).status == 200
    metadata = api.resolve(api.server.metadata())
    assert metadata["dpop_bound_access_tokens_required"] is True
    assert metadata["dpop_signing_alg_values_supported"] == ["ES256"]


@req("R9728-2-a", "R9728-3.2-a")
def test_the_metadata_say_what_is_wired(world: World) -> None:
    plain = Api(world).configure()
    members = plain.resolve(plain.server.metadata())
    assert not [name for name in members if name.startswith("dpop_")]

    plain.configure(
        dpop=rules(algorithms=["ES256"]),
        metadata={"tls_client_certificate_bound_access_tokens": True},
    )
    members = plain.resolve(plain.server.metadata())
    assert members["dpop_signing_alg_values_supported"] == ["ES256"]
    assert "dpop_bound_access_tokens_required" not in members
    assert members["tls_client_certificate_bound_access_tokens"] is True
    with pytest.raises(ValueError, match="dpop_bound_access_tokens_required"):
        ResourceServer(
            resource=API,
            tokens=world.server.lookup,
            metadata={"dpop_bound_access_tokens_required": True},
        )


@req("R9728-5.1-a")
def test_both_challenges_say_where_the_metadata_are(api: Api) -> None:
    api.configure(publish_metadata=True)
    challenge = challenge_of(api.call()) or ""

    assert challenge.count(f'resource_metadata="{API}/.well-known/oauth-protected-resource"') == 2


# Nonces


@req("R9449-9-a", "R9449-11.3-a")
def test_the_resource_server_demands_its_own_nonce(api: Api, prover: Prover) -> None:
    api.configure(dpop=rules(nonces="required"))
    api.world.configure(dpop=rules(nonces="required"))
    asked = api.world.post(
        "grant_type=client_credentials&scope=read", prover.prove(), client="service"
    )
    [of_server] = nonces_of(asked)
    token = api.world.post(
        "grant_type=client_credentials&scope=read",
        prover.prove(nonce=of_server),
        client="service",
    ).json()["access_token"]

    refused = api.call(*prover.call(token))
    assert outcome(refused) == USE_NONCE
    assert (challenge_of(refused) or "").startswith('DPoP realm="example", error="use_dpop_nonce"')
    [nonce] = nonces_of(refused)
    # That of the authorization server is none here, though the key of both is the same.
    assert outcome(api.call(*prover.call(token, nonce=of_server))) == USE_NONCE
    accepted = api.call(*prover.call(token, nonce=nonce))
    assert (accepted.status, nonces_of(accepted)) == (200, [])
    # The next one comes in time, with the answer of the host.
    api.world.clock.move(seconds=151)
    later = api.call(*prover.call(token, nonce=nonce))
    assert later.status == 200
    assert nonces_of(later) not in ([], [nonce])
    assert ("Cache-Control", "no-store") in later.headers


@req("R9449-9-a")
def test_a_refusal_that_is_rendered_again_keeps_what_it_has(api: Api, prover: Prover) -> None:
    """Hosts catch the error and render it."""
    api.configure(dpop=rules(nonces="required"))
    headers = prover.call(bound_token(api, prover))
    with pytest.raises(UseDpopNonce) as refused:
        api.check(*headers)
    response: HttpResponse = api.server.render(refused.value)

    assert response.status == 401
    assert len(nonces_of(response)) == 1
    assert (challenge_of(response) or "").count('error="use_dpop_nonce"') == 1


@req("R9449-9-a")
def test_the_printed_nonce_challenge() -> None:
    """TV-9449-nonce, in our words; the error is 401 here and 400 at the token endpoint."""
    error = UseDpopNonce.offering("eyJ7S_zG.eyJH0-Z.HX4w-7v")
    challenges = Challenges(algorithms=("ES256",), bearer=False)
    refusal = challenges.add_to(error, by_dpop=True)

    assert (error.status, refusal.status) == (400, 401)
    assert dict(refusal.headers)["DPoP-Nonce"] == "eyJ7S_zG.eyJH0-Z.HX4w-7v"
    assert dict(refusal.headers)["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')


@req("R9449-7.1-b", "R9449-7.2-a")
def test_the_printed_challenges() -> None:
    """TV-9449-challenge, with a realm where the RFC has none."""
    dpop = Challenges(algorithms=("ES256", "PS256"), bearer=False)
    assert dpop.describe(MissingToken()) == 'DPoP algs="ES256 PS256"'
    one = Challenges(algorithms=("ES256",), bearer=False)
    assert one.describe(InvalidToken("Invalid DPoP key binding")) == (
        'DPoP error="invalid_token", error_description="Invalid DPoP key binding", algs="ES256"'
    )
    both = Challenges(realm="example", algorithms=("ES256", "PS256"))
    assert both.describe(MissingToken()) == (
        'Bearer realm="example", DPoP realm="example", algs="ES256 PS256"'
    )


def test_an_error_of_the_hosts_own_goes_to_both_schemes() -> None:
    """Nobody says by which the token came."""
    both = Challenges(realm="example", algorithms=("ES256",))

    assert both.describe(InsufficientScope.wanting("write")).count("insufficient_scope") == 2


# Certificates


def certified_token(api: Api) -> str:
    token = AccessToken(
        digest=token_digest(Secret("held-by-a-certificate")),
        client_id="service",
        sub="service",
        scope=Scope.of("read"),
        audience=(API,),
        issued_at=api.world.clock.now,
        lifetime=timedelta(hours=1),
        cnf={"x5t#S256": thumbprint(CERTIFICATE)},
    )
    api.world.store.save_tokens(token, None)
    return "held-by-a-certificate"


def call_over_tls(api: Api, certificate: bytes | None, *headers: Header) -> HttpResponse:
    request = HttpRequest(
        method="GET", url=REPORTS, headers=headers, client_certificate=certificate
    )
    try:
        token = api.resolve(api.server.require_token(request))
    except OAuthError as error:
        response: HttpResponse = api.server.render(error)
        return response
    return HttpResponse(status=200, headers=token.response_headers)


@req("R8705-3-a")
def test_the_certificate_of_the_token_lets_through(api: Api) -> None:
    """The same one, and whoever issued it: it is compared, not believed."""
    token = certified_token(api)

    assert call_over_tls(api, CERTIFICATE, bearer(token)).status == 200
    for certificate in (None, b"", CERTIFICATE + b"\0", b"another"):
        response = call_over_tls(api, certificate, bearer(token))
        assert outcome(response) == INVALID
        assert (challenge_of(response) or "").startswith('Bearer realm="example", error=')


@req("R8705-3-a", "R9449-7.1-a")
def test_a_token_that_is_bound_to_a_certificate_is_a_bearer_token(api: Api, prover: Prover) -> None:
    token = certified_token(api)

    assert outcome(call_over_tls(api, CERTIFICATE, *prover.call(token))) == INVALID


@req("R8705-3-a", "R9449-7.1-a")
def test_what_another_server_bound_twice_is_wanted_twice(api: Api, prover: Prover) -> None:
    cnf = {"x5t#S256": thumbprint(CERTIFICATE), "jkt": prover.jkt}
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=StaticKeys([key().public])))
    token = api.mint(cnf=cnf)

    assert call_over_tls(api, CERTIFICATE, *prover.call(token)).status == 200
    assert outcome(call_over_tls(api, None, *prover.call(token))) == INVALID
    assert outcome(call_over_tls(api, CERTIFICATE, bearer(token))) == INVALID


# However the token is checked


@req("R9449-6.1-a", "R9449-7.1-a", "R8705-3.1-a")
def test_a_jwt_is_bound_by_its_claim(api: Api, prover: Prover) -> None:
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=StaticKeys([key().public])))
    token = api.mint(cnf={"jkt": prover.jkt})

    assert api.call(*prover.call(token)).status == 200
    assert outcome(api.call(bearer(token))) == INVALID
    certified = api.mint(cnf={"x5t#S256": thumbprint(CERTIFICATE)})
    assert call_over_tls(api, CERTIFICATE, bearer(certified)).status == 200
    assert outcome(call_over_tls(api, None, bearer(certified))) == INVALID


CONFIRMATIONS: list[Any] = [
    {},
    None,
    "jkt",
    [],
    {"jkt": ""},
    {"jkt": 7},
    {"jkt": "x", "kid": "k1"},
    {"jwk": {}},
    {"osc": {}},
]


@req("R9449-6.1-a")
@pytest.mark.parametrize("cnf", CONFIRMATIONS)
def test_what_is_not_understood_in_a_jwt_is_refused(api: Api, prover: Prover, cnf: Any) -> None:
    """To leave it out would make a bearer token of it."""
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=StaticKeys([key().public])))
    token = key().sign({**api.claims(), "cnf": cnf}, typ="at+jwt")

    assert outcome(api.call(bearer(token))) == INVALID
    assert outcome(api.call(*prover.call(token))) == INVALID


@req("R8725-3.12-a")
def test_a_proof_is_no_access_token_and_an_access_token_no_proof(api: Api, prover: Prover) -> None:
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=StaticKeys([key().public])))
    token = api.mint(cnf={"jkt": prover.jkt})
    _, proof = prover.prove("GET", REPORTS, token=token)

    assert outcome(api.call(*prover.call(proof))) == INVALID
    authorization = ("Authorization", f"DPoP {token}")
    assert outcome(api.call(authorization, ("DPoP", token))) == BAD_PROOF


@pytest.fixture
def remote(api: Api) -> tuple[Api, dict[str, Any]]:
    """A resource server that asks, and what it is told."""
    told: dict[str, Any] = {"active": True, "client_id": "app", "sub": "user-1", "aud": API}

    def tell(_: HttpRequest) -> HttpResponse:
        return answer(told)

    api.fetcher.answers[f"{ISSUER}/introspect"] = tell
    api.configure(
        tokens=RemoteIntrospection(
            endpoint=f"{ISSUER}/introspect", client_id="api", client_secret="s"
        )
    )
    return api, told


@req("R9449-6.2-a", "R9449-7.1-a", "R8705-3.2-a")
def test_introspection_says_what_a_token_is_bound_to(
    remote: tuple[Api, dict[str, Any]], prover: Prover
) -> None:
    api, told = remote
    for token_type in ("DPoP", "dpop", "Bearer", None):
        told |= {"cnf": {"jkt": prover.jkt}, "token_type": token_type}
        assert api.call(*prover.call("t")).status == 200
        assert outcome(api.call(bearer("t"))) == INVALID
    told |= {"cnf": {"x5t#S256": thumbprint(CERTIFICATE)}, "token_type": "Bearer"}
    assert call_over_tls(api, CERTIFICATE, bearer("t")).status == 200
    assert outcome(call_over_tls(api, None, bearer("t"))) == INVALID


@req("R9449-6.2-a")
@pytest.mark.parametrize("cnf", [each for each in CONFIRMATIONS if each is not None])
def test_what_is_not_understood_in_an_answer_is_refused(
    remote: tuple[Api, dict[str, Any]], prover: Prover, cnf: Any
) -> None:
    api, told = remote
    told["cnf"] = cnf

    assert outcome(api.call(bearer("t"))) == INVALID
    assert outcome(api.call(*prover.call("t"))) == INVALID


@req("R9449-6.2-a")
@pytest.mark.parametrize("token_type", ["DPoP", "", "mac", "N_A"])
def test_a_type_without_what_it_takes_is_refused(
    remote: tuple[Api, dict[str, Any]], token_type: str
) -> None:
    """Such as ``DPoP`` of a token that is bound to no key."""
    api, told = remote
    told["token_type"] = token_type

    assert outcome(api.call(bearer("t"))) == INVALID


@req("R9449-6.2-a", "R9449-7.1-a")
def test_our_own_introspection_serves_our_own_resource_server(api: Api, prover: Prover) -> None:
    secret = api.world.add_client("api", introspects=[API])
    token = bound_token(api, prover)
    api.fetcher.answers[f"{ISSUER}/introspect"] = api.send_apart
    api.configure(
        tokens=RemoteIntrospection(
            endpoint=f"{ISSUER}/introspect", client_id="api", client_secret=secret
        )
    )

    assert api.call(*prover.call(token)).status == 200
    assert outcome(api.call(bearer(token))) == INVALID
    [asked] = {parse_qs(request.body)[b"token"][0].decode() for request in api.fetcher.requests}
    assert asked == token


# Faults and costs


def test_a_store_that_fails_is_no_bad_proof(api: Api, prover: Prover) -> None:
    class Failing:
        def add_if_absent(self, *_: Any) -> bool:
            raise ConnectionError("no store")

    token = bound_token(api, prover)
    api.configure(replays=Failing())

    assert api.call(*prover.call(token)).status == 503
    assert api.faults == ["no store"]
    assert api.call(bearer(api.issue())).status == 200


def test_a_store_of_either_colour_will_do(world: World, prover: Prover) -> None:
    """An async one at the async server, a blocking one at either."""
    calls: list[bytes] = []

    class Waiting:
        async def add_if_absent(self, digest: bytes, _: Any) -> bool:
            await asyncio.sleep(0)
            calls.append(digest)
            return True

    class Blocking:
        def add_if_absent(self, digest: bytes, _: Any) -> bool:
            calls.append(digest)
            return True

    world.configure(audience=API, dpop=rules())
    for store in (Blocking(), Waiting()):
        if world.colour == "sync" and isinstance(store, Waiting):
            continue
        api = Api(world).configure(dpop=rules(), replays=store)
        assert api.call(*prover.call(bound_token(api, prover))).status == 200
    assert all(len(digest) == 32 for digest in calls)
    assert calls
