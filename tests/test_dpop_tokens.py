"""Tokens that are bound to the key of a DPoP proof (RFC 9449, 5, 6 and 8)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from dpop_support import (
    PRINTED_JKT,
    PRINTED_PROOFS,
    TOKEN_URL,
    Prover,
    at,
    nonces_of,
    other_key,
    public_jwk,
    rules,
)
from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    RefreshTokenGrant,
    Scope,
    Secret,
)
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.errors import UseDpopNonce
from oauthgrants.events import Fault, RequestRefused
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.issuing import Issue
from oauthgrants.mfa import MFA_OTP
from oauthgrants.tokens import TokenResponse
from oauthgrants.totp import MemoryTotpSecrets, TotpFactor
from resource_support import API, key
from support import CHEAP, FORM, ISSUER, World, basic, error_of, password_grant

req = pytest.mark.req
BAD_PROOF = (400, "invalid_dpop_proof")
USE_NONCE = (400, "use_dpop_nonce")
BAD_GRANT = (400, "invalid_grant")


@pytest.fixture
def prover(world: World) -> Prover:
    """A client with a key, at a server that takes proofs."""
    world.configure(dpop=rules())
    return Prover(world.clock)


def ask(world: World, *proofs: tuple[str, str], **parameters: str) -> HttpResponse:
    return world.post("grant_type=client_credentials", *proofs, client="service", **parameters)


def introspect(world: World, token: str, client: str = "service") -> dict[str, Any]:
    response = world.post(client=client, path="/introspect", token=token)
    assert response.status == 200
    members: dict[str, Any] = response.json()
    return members


# Binding


@req("R9449-5-a", "R9449-6.2-a", "R6749-5.1-b", "R7662-2.2-b")
def test_a_proof_binds_the_token(world: World, prover: Prover) -> None:
    """And introspection says so, of its own caller wanting no proof."""
    response = ask(world, prover.prove())

    assert response.status == 200
    assert response.json()["token_type"] == "DPoP"
    members = introspect(world, response.json()["access_token"])
    assert members["cnf"] == {"jkt": prover.jkt}
    assert members["token_type"] == "DPoP"


@req("R9449-5-a", "R9449-6.1-a", "R9449-6.2-a")
def test_a_jwt_says_what_it_is_bound_to(world: World, prover: Prover) -> None:
    world.configure(
        access_token_format="jwt", signing_keys=key(), audience=API, introspection_jwt=True
    )
    token = ask(world, prover.prove()).json()["access_token"]

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": prover.jkt}
    assert introspect(world, token)["cnf"] == {"jkt": prover.jkt}


@req("R9449-5-a", "R9449-4.3-b", "R9449-4.3-d")
def test_the_printed_request(world: World) -> None:
    """The proof of Section 5, at the server and the time that it is for; then it is too old."""
    server = AuthorizationServer(
        issuer="https://server.example.com",
        store=world.store,
        grants=[ClientCredentialsGrant()],
        dpop=rules(),
        clock=world.clock,
        event_sink=world.sink,
    )
    request = HttpRequest(
        method="POST",
        url="https://server.example.com/token",
        headers=(FORM, basic("service", world.secrets["service"]), ("DPoP", PRINTED_PROOFS[1])),
        body=b"grant_type=client_credentials",
    )

    at(world.clock, 1562262616)
    response = server.token(request)
    assert response.json()["token_type"] == "DPoP", response.json()
    at(world.clock, 1562262616 + 90)
    assert error_of(server.token(request)) == BAD_PROOF
    # The one of the refresh has the same jti, long after the store has forgotten it.
    at(world.clock, 1562265296)
    world.store.delete_expired(world.clock.now, 100)
    again = [*request.headers[:-1], ("DPoP", PRINTED_PROOFS[2])]
    later = server.token(
        HttpRequest(method="POST", url=request.url, headers=again, body=request.body)
    )
    assert later.json()["token_type"] == "DPoP"
    assert [token.cnf for token in world.store.tokens] == [{"jkt": PRINTED_JKT}] * 2


@req("R9449-5-a")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_the_field_of_a_large_key_is_long_and_is_read(world: World, algorithm: str) -> None:
    """That of an RSA key has more than 512 octets."""
    world.configure(dpop=rules())
    prover = Prover(world.clock, key(algorithm))
    field = prover.prove()

    assert len(field[1]) > 512 or algorithm != "RS256"
    assert ask(world, field).json()["token_type"] == "DPoP"


class BareGrant:
    """An extension grant (RFC 6749, 4.5)."""

    grant_type = "urn:example:grant"
    parameters = ()

    def bind(self, services: Services) -> GrantHandler:
        async def answer(request: TokenRequest) -> TokenResponse:
            return await services.issuer.issue(
                Issue(
                    client=request.client,
                    grant_type=self.grant_type,
                    scope=Scope(),
                    cnf=request.cnf,
                )
            )

        return answer


@req("R9449-5-a")
def test_password_refresh_and_extension_grants_bind_too(world: World, prover: Prover) -> None:
    world.configure(grants=[password_grant(), RefreshTokenGrant(), BareGrant()])
    world.add_client("extended", grant_types=[BareGrant.grant_type])
    form = f"grant_type={BareGrant.grant_type}"
    extended = world.post(form, prover.prove(), client="extended")
    signed_in = sign_in(world, "app", prover.prove())
    refreshed = refresh(world, signed_in["refresh_token"], "app", prover.prove()).json()

    for tokens, client in (
        (extended.json(), "extended"),
        (signed_in, "app"),
        (refreshed, "app"),
    ):
        assert tokens["token_type"] == "DPoP"
        assert introspect(world, tokens["access_token"], client)["cnf"] == {"jkt": prover.jkt}


@req("R9449-5-a")
def test_a_grant_that_would_not_bind_hands_out_nothing(world: World, prover: Prover) -> None:
    """One of the host's own that leaves the key out: a fault, and no bearer token."""

    class Forgetful(BareGrant):
        def bind(self, services: Services) -> GrantHandler:
            answer = super().bind(services)

            async def forget(request: TokenRequest) -> TokenResponse:
                return await answer(attrs.evolve(request, cnf={}))

            return forget

    world.configure(grants=[Forgetful()])
    world.add_client("extended", grant_types=[BareGrant.grant_type])
    form = f"grant_type={BareGrant.grant_type}"
    response = world.post(form, prover.prove(), client="extended")

    assert error_of(response) == (503, "temporarily_unavailable")
    [fault] = [each for each in world.sink.events if isinstance(each, Fault)]
    assert "cnf=request.cnf" in str(fault.error)
    assert world.post(form, client="extended").status == 200


@req("R9449-5-a")
def test_a_second_factor_is_shown_with_a_proof_too(world: World, prover: Prover) -> None:
    seed = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    factor = TotpFactor(secrets=MemoryTotpSecrets({"user-1": seed}), clock=world.clock)
    moment = int(world.clock.now.timestamp())
    world.configure(grants=[password_grant(second_factor=factor), MfaOtpGrant(factor=factor)])
    world.add_client("phone", grant_types=["password", MFA_OTP], first_party=True)
    waiting = world.post(
        "grant_type=password&username=alice&password=wonderland", prover.prove(), client="phone"
    )
    assert error_of(waiting) == (403, "mfa_required")
    response = world.post(
        "",
        prover.prove(),
        client="phone",
        grant_type=MFA_OTP,
        mfa_token=waiting.json()["mfa_token"],
        otp=TOTP(b"12345678901234567890", 6, SHA1(), 30).generate(moment).decode(),
    )

    assert response.json()["token_type"] == "DPoP"


@req("R9449-5-d")
@pytest.mark.usefixtures("prover")
def test_without_a_proof_the_token_is_a_bearer_token(world: World) -> None:
    response = ask(world)

    assert response.json()["token_type"] == "Bearer"
    assert "cnf" not in introspect(world, response.json()["access_token"])


@req("R9449-5-d")
def test_a_server_without_dpop_does_not_know_the_field(world: World) -> None:
    """Whatever is in it; the client sees by the type of the token that it is not bound."""
    for field in (Prover(world.clock).prove(), ("DPoP", "anything")):
        response = ask(world, field)

        assert response.json()["token_type"] == "Bearer"
        assert nonces_of(response) == []


@req("R9449-5.1-a", "R8414-2-a")
def test_the_metadata_say_what_may_sign(world: World) -> None:
    def metadata() -> Any:
        return world.send(
            HttpRequest(method="GET", url=f"{ISSUER}/.well-known/oauth-authorization-server")
        ).json()

    name = "dpop_signing_alg_values_supported"
    assert name not in metadata()
    world.configure(dpop=rules(algorithms=["ES256", "EdDSA"]))
    assert metadata()[name] == ["ES256", "Ed25519", "EdDSA"]


# Proofs that are none


@req("R9449-4.1-a", "R9449-5-a")
def test_a_bad_proof_earns_no_token(world: World, prover: Prover) -> None:
    """Not a bearer token either."""
    _, good = prover.prove()
    for bad in ("anything", good + "A", good[:-8] + "AAAAAAAA", f"{good},{good}", good[:-5]):
        assert error_of(ask(world, ("DPoP", bad))) == BAD_PROOF
    assert ask(world, ("DPoP", good)).status == 200


@req("R9449-4.1-a")
def test_two_fields_are_refused(world: World, prover: Prover) -> None:
    assert error_of(ask(world, prover.prove(), prover.prove())) == BAD_PROOF
    name, value = prover.prove()
    assert ask(world, (name.lower(), value)).json()["token_type"] == "DPoP"


@req("R9449-4.1-a")
def test_a_field_beyond_its_limit_is_refused(world: World, prover: Prover) -> None:
    _, proof = prover.prove()
    world.configure(dpop=rules(most=len(proof)))

    assert error_of(ask(world, ("DPoP", proof + "A"))) == BAD_PROOF
    assert ask(world, ("DPoP", proof)).status == 200


@req("R9449-4.3-b")
@pytest.mark.parametrize("method", ["GET", "post", "Post", "PUT", " POST"])
def test_a_proof_for_another_method_is_refused(world: World, prover: Prover, method: str) -> None:
    assert error_of(ask(world, prover.prove(method))) == BAD_PROOF


@req("R9449-4.3-b")
@pytest.mark.parametrize(
    "url",
    [
        f"{ISSUER}/revoke",
        f"{ISSUER}/token/",
        f"{ISSUER}/Token",
        f"{ISSUER}:8443/token",
        "http://auth.example.com/token",
        "https://other.example.com/token",
        "https://auth.example.com.evil.example/token",
        "https://auth.example.com@evil.example/token",
        "/token",
        "token",
        "https://",
        "https://[/token",
        "é",
    ],
)
def test_a_proof_for_another_url_is_refused(world: World, prover: Prover, url: str) -> None:
    assert error_of(ask(world, prover.prove(url=url))) == BAD_PROOF


@req("R9449-4.3-b", "R9449-4.3-c")
@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://AUTH.example.com/token",
        "https://auth.example.com:443/token",
        "https://auth.example.com/%74oken",
        "https://auth.example.com/x/../token",
        "https://auth.example.com/token?a=b#c",
    ],
)
def test_another_spelling_of_the_url_will_do(world: World, prover: Prover, url: str) -> None:
    assert ask(world, prover.prove(url=url)).status == 200


@req("R9449-4.3-b")
def test_the_query_of_the_request_does_not_count(world: World, prover: Prover) -> None:
    response = world.post(
        "grant_type=client_credentials", prover.prove(), client="service", path="/token?tenant=1"
    )

    assert response.status == 200


@req("R9449-4.3-b")
def test_who_lets_us_call_him_otherwise_gains_nothing(world: World, prover: Prover) -> None:
    """A proof made for elsewhere is none here, whatever ``Host`` the request brings along."""
    request = HttpRequest(
        method="POST",
        url="https://evil.example/token",
        headers=(
            FORM,
            basic("service", world.secrets["service"]),
            prover.prove(url="https://evil.example/token"),
        ),
        body=b"grant_type=client_credentials",
    )
    assert error_of(world.send(request)) == BAD_PROOF

    world.configure(dpop=rules(origins="https://evil.example:443"))
    assert world.send(request).json()["token_type"] == "DPoP"


@req("R9449-4.3-b", "R8705-5-a")
def test_an_alias_for_clients_with_certificates_is_another_name(
    world: World, prover: Prover
) -> None:
    """Its host, that is: they may send proofs too."""
    alias = "https://mtls.example.com/token"
    assert error_of(ask(world, prover.prove(url=alias))) == BAD_PROOF
    world.configure(mutual_tls=MutualTls(endpoint_aliases={"token_endpoint": alias}))
    assert ask(world, prover.prove(url=alias)).status == 200


@req("R9449-4.3-d")
@pytest.mark.parametrize(
    ("age", "accepted"),
    [(-31, False), (-30, True), (0, True), (60, True), (89, True), (90, False), (3600, False)],
)
def test_the_window(world: World, prover: Prover, age: int, accepted: bool) -> None:
    """A minute, and half of one that clocks may be apart."""
    iat = int(world.clock.now.timestamp()) - age
    response = ask(world, prover.prove(iat=iat))

    assert response.status == 200 if accepted else error_of(response) == BAD_PROOF


@req("R9449-4.3-d")
@pytest.mark.parametrize("iat", [-1e300, 1e300, 10**400, -(10**400), 0, -1])
def test_times_that_no_calendar_has(world: World, prover: Prover, iat: float) -> None:
    assert error_of(ask(world, prover.prove(iat=iat))) == BAD_PROOF


@req("R9449-4.3-d")
def test_the_window_is_the_hosts(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(longest_age=timedelta(minutes=5), leeway=timedelta()))
    now = int(world.clock.now.timestamp())

    assert ask(world, prover.prove(iat=now - 299)).status == 200
    assert error_of(ask(world, prover.prove(iat=now - 300))) == BAD_PROOF
    assert error_of(ask(world, prover.prove(iat=now + 1))) == BAD_PROOF


# Once only


@req("R9449-11.1-a")
def test_a_proof_can_be_used_once(world: World, prover: Prover) -> None:
    proof = prover.prove()

    assert ask(world, proof).status == 200
    assert error_of(ask(world, proof)) == BAD_PROOF
    world.clock.move(seconds=89)
    assert error_of(ask(world, proof)) == BAD_PROOF


@req("R9449-11.1-a")
def test_the_same_jti_is_another_keys_and_another_urls(world: World, prover: Prover) -> None:
    """No client can use up another one's; another spelling of the URL is no other."""
    assert ask(world, prover.prove(jti="j")).status == 200
    assert ask(world, Prover(world.clock, other_key()).prove(jti="j")).status == 200
    again = prover.prove(jti="j", url="https://AUTH.example.com:443/token")
    assert error_of(ask(world, again)) == BAD_PROOF


@req("R9449-11.1-a")
def test_a_jti_may_be_long(world: World, prover: Prover) -> None:
    """What is kept of it is a digest."""
    assert ask(world, prover.prove(jti="j" * 4000)).status == 200
    assert ask(world, prover.prove(jti="j" * 4001)).status == 200
    assert error_of(ask(world, prover.prove(jti="j" * 4000))) == BAD_PROOF


@req("R9449-11.1-a")
def test_a_proof_that_is_refused_is_not_used_up(world: World, prover: Prover) -> None:
    late = int(world.clock.now.timestamp()) + 40
    proof = prover.prove(iat=late)

    assert error_of(ask(world, proof)) == BAD_PROOF
    world.clock.move(seconds=20)
    assert ask(world, proof).status == 200


@req("R9449-11.1-a")
def test_of_fifty_at_once_one_is_accepted(world: World, prover: Prover) -> None:
    """Threads at the sync server, tasks at the other."""
    _, proof = prover.prove()
    request = HttpRequest(
        method="POST",
        url=TOKEN_URL,
        headers=(FORM, basic("service", world.secrets["service"]), ("DPoP", proof)),
        body=b"grant_type=client_credentials",
    )
    server = world.server
    answers: list[HttpResponse] = []
    if world.colour == "sync":
        barrier = threading.Barrier(50)

        def run() -> None:
            barrier.wait(30)
            answers.append(server.handle(request))

        threads = [threading.Thread(target=run) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    else:

        async def run_all() -> None:
            answers.extend(await asyncio.gather(*(server.handle(request) for _ in range(50))))

        world.runner.run(run_all())

    assert sorted(answer.status for answer in answers) == [200] + [400] * 49


def test_who_binds_has_to_remember(world: World) -> None:
    """Ports that are given one by one may lack the one for it."""
    with pytest.raises(ValueError, match="replays="):
        AuthorizationServer(
            issuer=ISSUER,
            clients=world.store,
            tokens=world.store,
            grants=[ClientCredentialsGrant()],
            dpop=rules(),
        )


# Who has to send one


@req("R9449-5.2-a")
def test_a_client_may_be_registered_for_bound_tokens(world: World, prover: Prover) -> None:
    world.add_client("bound", dpop_bound_access_tokens=True)
    form = "grant_type=client_credentials"

    assert error_of(world.post(form, client="bound")) == BAD_PROOF
    assert world.post(form, prover.prove(), client="bound").json()["token_type"] == "DPoP"


@req("R9449-5.2-a")
def test_such_a_client_gets_no_token_where_none_can_be_bound(world: World) -> None:
    world.add_client("bound", dpop_bound_access_tokens=True)
    response = world.post(
        "grant_type=client_credentials", Prover(world.clock).prove(), client="bound"
    )

    assert error_of(response) == BAD_PROOF
    [refused] = [each for each in world.sink.events if isinstance(each, RequestRefused)]
    assert "dpop=" in refused.reason


@req("R9449-5.2-a")
def test_a_server_may_want_proofs_of_all(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(required=True))

    assert error_of(ask(world)) == BAD_PROOF
    assert ask(world, prover.prove()).json()["token_type"] == "DPoP"


@pytest.mark.usefixtures("prover")
def test_a_client_that_may_not_use_the_grant_is_told_so_first(world: World) -> None:
    response = world.post("grant_type=password", ("DPoP", "bad"), client="service")

    assert error_of(response) == (400, "unauthorized_client")


# Refresh tokens


def sign_in(world: World, client: str, *proofs: tuple[str, str]) -> dict[str, Any]:
    form = "grant_type=password&username=alice&password=wonderland"
    if client == "browser":
        response = world.post(f"{form}&client_id=browser", *proofs)
    else:
        response = world.post(form, *proofs, client=client)
    assert response.status == 200, response.json()
    tokens: dict[str, Any] = response.json()
    return tokens


def refresh(world: World, token: str, client: str, *proofs: tuple[str, str]) -> HttpResponse:
    form = f"grant_type=refresh_token&refresh_token={token}"
    if client == "browser":
        return world.post(f"{form}&client_id=browser", *proofs)
    return world.post(form, *proofs, client=client)


@req("R9449-5-b", "R9700-2.2.2-a")
def test_a_public_clients_refresh_token_is_bound(world: World, prover: Prover) -> None:
    """Neither without proof nor with another key; and such a try ends nothing."""
    first = sign_in(world, "browser", prover.prove())["refresh_token"]
    thief = Prover(world.clock, other_key())

    assert error_of(refresh(world, first, "browser")) == BAD_GRANT
    assert error_of(refresh(world, first, "browser", thief.prove())) == BAD_GRANT
    response = refresh(world, first, "browser", prover.prove())
    assert response.json()["token_type"] == "DPoP"
    second = response.json()["refresh_token"]
    # The successor is bound as well; and who has not the key cannot end the family.
    assert error_of(refresh(world, first, "browser", thief.prove())) == BAD_GRANT
    assert error_of(refresh(world, second, "browser")) == BAD_GRANT
    assert refresh(world, second, "browser", prover.prove()).status == 200


@req("R9449-5-b")
def test_a_refresh_token_from_before_the_key_is_bound_by_its_first_proof(
    world: World, prover: Prover
) -> None:
    """What it is refreshed for is issued with a proof, like any other."""
    unbound = sign_in(world, "browser")["refresh_token"]
    again = refresh(world, unbound, "browser").json()["refresh_token"]
    bound = refresh(world, again, "browser", prover.prove()).json()["refresh_token"]

    assert error_of(refresh(world, bound, "browser")) == BAD_GRANT
    assert refresh(world, bound, "browser", prover.prove()).status == 200


@req("R9449-5-b")
def test_a_proof_that_is_none_is_no_other_key(world: World, prover: Prover) -> None:
    token = sign_in(world, "browser", prover.prove())["refresh_token"]

    assert error_of(refresh(world, token, "browser", ("DPoP", "bad"))) == BAD_PROOF


@req("R9449-5-c")
def test_a_confidential_client_may_change_its_key(world: World, prover: Prover) -> None:
    token = sign_in(world, "app", prover.prove())["refresh_token"]
    newer = Prover(world.clock, other_key())
    response = refresh(world, token, "app", newer.prove())

    assert response.json()["token_type"] == "DPoP"
    assert introspect(world, response.json()["access_token"], "app")["cnf"] == {"jkt": newer.jkt}
    last = refresh(world, response.json()["refresh_token"], "app")
    assert last.json()["token_type"] == "Bearer"


@req("R9700-4.14.2-a")
def test_grace_is_for_who_has_the_key(world: World, prover: Prover) -> None:
    """A lost answer may be asked for again, by the key and by no one else (C-20)."""
    world.configure(refresh_grace=timedelta(seconds=10))
    token = sign_in(world, "browser", prover.prove())["refresh_token"]

    assert refresh(world, token, "browser", prover.prove()).status == 200
    assert refresh(world, token, "browser", prover.prove()).status == 200
    world.clock.move(seconds=10)
    assert error_of(refresh(world, token, "browser", prover.prove())) == BAD_GRANT


# One constraint at most


CERTIFICATE = b"as DER"


def with_certificate(world: World, client: str, *headers: tuple[str, str]) -> HttpResponse:
    return world.send(
        HttpRequest(
            method="POST",
            url=TOKEN_URL,
            headers=(FORM, basic(client, world.secrets[client]), *headers),
            body=b"grant_type=client_credentials",
            client_certificate=CERTIFICATE,
        )
    )


def bound_to(world: World, response: HttpResponse, client: str) -> set[str]:
    assert response.status == 200, response.json()
    return set(introspect(world, response.json()["access_token"], client).get("cnf", {}))


@req("R9449-5-a")
def test_with_a_proof_and_a_certificate_the_proof_counts(world: World, prover: Prover) -> None:
    response = with_certificate(world, "service", prover.prove())

    assert bound_to(world, response, "service") == {"jkt"}


@req("R8705-3.1-a", "R9449-5-d")
def test_a_client_registered_for_certificates_is_bound_to_its_own(
    world: World, prover: Prover
) -> None:
    """A proof beside it is a field that is not known."""
    world.add_client("certified", tls_client_certificate_bound_access_tokens=True)
    for headers in ((), (prover.prove(),)):
        response = with_certificate(world, "certified", *headers)

        assert bound_to(world, response, "certified") == {"x5t#S256"}
        assert response.json()["token_type"] == "Bearer"


# Nonces


@req("R9449-8-a", "R9449-11.3-a")
def test_a_nonce_may_be_required(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(nonces="required"))
    refused = ask(world, prover.prove())

    assert error_of(refused) == USE_NONCE
    assert ("Cache-Control", "no-store") in refused.headers
    assert [name for name, _ in refused.headers].count("WWW-Authenticate") == 0
    [nonce] = nonces_of(refused)
    accepted = ask(world, prover.prove(nonce=nonce))
    assert accepted.json()["token_type"] == "DPoP"
    assert nonces_of(accepted) == []
    # Once supplied, it is wanted.
    assert error_of(ask(world, prover.prove())) == USE_NONCE


@req("R9449-8-a")
@pytest.mark.parametrize("nonces", ["on", "required"])
def test_a_wrong_nonce_brings_a_fresh_one(world: World, prover: Prover, nonces: Any) -> None:
    world.configure(dpop=rules(nonces=nonces))
    for wrong in ("eyJ7S_zG.eyJH0-Z.HX4w-7v", "x", "A" * 40):  # TV-9449-nonce
        refused = ask(world, prover.prove(nonce=wrong))
        assert error_of(refused) == USE_NONCE
        [nonce] = nonces_of(refused)
        assert ask(world, prover.prove(nonce=nonce)).status == 200


@req("R9449-8-a")
def test_a_nonce_grows_old(world: World, prover: Prover) -> None:
    """In the second half of its life, the next one rides on the answer; at its end, it is stale."""
    world.configure(dpop=rules(nonces="required"))
    [nonce] = nonces_of(ask(world, prover.prove()))

    world.clock.move(seconds=149)
    assert nonces_of(ask(world, prover.prove(nonce=nonce))) == []
    world.clock.move(seconds=1)
    response = ask(world, prover.prove(nonce=nonce))
    [newer] = nonces_of(response)
    assert ("Cache-Control", "no-store") in response.headers
    assert newer != nonce
    world.clock.move(seconds=150)
    assert error_of(ask(world, prover.prove(nonce=nonce))) == USE_NONCE
    assert ask(world, prover.prove(nonce=newer)).status == 200


@req("R9449-4.3-d")
def test_the_time_in_a_nonce_counts_and_not_the_clients(world: World, prover: Prover) -> None:
    """Whose clock may be a year behind."""
    world.configure(dpop=rules(nonces="required"))
    wrong = int(world.clock.now.timestamp()) - 31_536_000
    [nonce] = nonces_of(ask(world, prover.prove(iat=wrong)))
    proof = prover.prove(iat=wrong, nonce=nonce)

    assert ask(world, proof).status == 200
    world.clock.move(seconds=200)
    assert ask(world, prover.prove(iat=wrong, nonce=nonce)).status == 200
    assert error_of(ask(world, proof)) == BAD_PROOF  # used before, and still remembered


@req("R9449-11.1-a")
def test_a_proof_is_used_once_in_either_half_of_its_nonces_life(
    world: World, prover: Prover
) -> None:
    world.configure(dpop=rules(nonces="required"))
    [nonce] = nonces_of(ask(world, prover.prove()))
    for _ in range(2):
        proof = prover.prove(nonce=nonce)
        assert ask(world, proof).status == 200
        world.store.delete_expired(world.clock.now, 100)
        assert error_of(ask(world, proof)) == BAD_PROOF
        world.clock.move(seconds=200)


@req("R9449-8-a", "R9449-11.3-a")
def test_nonces_may_be_on_without_being_required_at_first(world: World, prover: Prover) -> None:
    """The first proof of a key does without; from then on it has been given one."""
    world.configure(dpop=rules(nonces="on"))
    first = ask(world, prover.prove())
    [nonce] = nonces_of(first)

    assert first.json()["token_type"] == "DPoP"
    assert ask(world, prover.prove(nonce=nonce)).status == 200
    again = ask(world, prover.prove())
    assert error_of(again) == USE_NONCE
    assert len(nonces_of(again)) == 1
    other = ask(world, Prover(world.clock, other_key()).prove())
    assert other.status == 200
    # When all its nonces are stale, the key is as new as it was.
    world.clock.move(minutes=10)
    assert ask(world, prover.prove()).status == 200


@req("R9449-11.3-a")
def test_a_nonce_has_been_given_whatever_the_answer(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(nonces="on"))

    assert error_of(ask(world, prover.prove(nonce="wrong"))) == USE_NONCE
    assert error_of(ask(world, prover.prove())) == USE_NONCE


@req("R9449-11.3-a")
def test_a_nonce_that_rides_on_an_answer_has_been_given_too(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(nonces="on"))
    [nonce] = nonces_of(ask(world, prover.prove()))
    world.clock.move(minutes=4)
    [newer] = nonces_of(ask(world, prover.prove(nonce=nonce)))
    world.clock.move(minutes=4)
    world.store.delete_expired(world.clock.now, 100)

    assert error_of(ask(world, prover.prove())) == USE_NONCE
    assert ask(world, prover.prove(nonce=newer)).status == 200


@req("R9449-8-a")
def test_nonces_are_off_by_default(world: World, prover: Prover) -> None:
    """That of another server, which some clients send along, is not looked at."""
    assert nonces_of(ask(world, prover.prove())) == []
    assert ask(world, prover.prove(nonce="of-somebody-else")).status == 200


@req("R9449-9-a")
def test_processes_share_nonces_by_their_key(world: World, prover: Prover) -> None:
    world.configure(dpop=rules(nonces="required"))
    [nonce] = nonces_of(ask(world, prover.prove()))
    world.configure(dpop=rules(nonces="required"))
    assert ask(world, prover.prove(nonce=nonce)).status == 200

    newer = {"nonce_key": b"n" * 32}
    world.configure(dpop=rules(nonces="required", former_nonce_keys=[bytes(range(32))], **newer))
    assert ask(world, prover.prove(nonce=nonce)).status == 200
    world.configure(dpop=rules(nonces="required", **newer))
    assert error_of(ask(world, prover.prove(nonce=nonce))) == USE_NONCE


def test_the_error_shows_its_nonce() -> None:
    error = UseDpopNonce.offering("n0")

    assert error.headers == (("DPoP-Nonce", "n0"),)
    assert "n0" not in str(error)


@req("R9700-2.6-a")
def test_scripts_of_other_origins_see_the_nonce() -> None:
    store = MemoryStore()
    client, secret = Client.confidential("spa", grant_types=["client_credentials"])
    store.add_client(client)
    server = AuthorizationServer(
        issuer=ISSUER,
        store=store,
        grants=[ClientCredentialsGrant()],
        hasher=CHEAP,
        dpop=rules(nonces="required", required=True),
    )
    request = HttpRequest(
        method="POST",
        url=TOKEN_URL,
        headers=(
            FORM,
            basic("spa", secret),
            ("Origin", "https://app.example.com"),
            ("DPoP", "x"),
        ),
        body=b"grant_type=client_credentials",
    )
    response = CrossOrigin.to(server, "https://app.example.com").add_to(
        server.token(request), request
    )

    [exposed] = [value for name, value in response.headers if "Expose" in name]
    assert {"DPoP-Nonce", "WWW-Authenticate"} <= set(exposed.split(", "))


# What it costs


def test_joserfc_is_not_loaded_before_the_first_proof() -> None:
    script = f"""
import sys
from oauthgrants import (
    AuthorizationServer, ClientCredentialsGrant, HttpRequest, MemoryStore
)
from oauthgrants.sender_constraints.dpop_rules import DpopRules
store = MemoryStore()
server = AuthorizationServer(
    issuer={ISSUER!r}, store=store, grants=[ClientCredentialsGrant()], dpop=DpopRules()
)
request = HttpRequest(method="POST", url={TOKEN_URL!r}, headers=[{FORM!r}], body=b"a=b")
assert server.token(request).status == 401
assert "joserfc" not in sys.modules, "loaded"
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_public_part_of_a_key_is_enough() -> None:
    """The other tests rest on it."""
    assert set(public_jwk(key())) == {"kty", "crv", "x", "y"}
