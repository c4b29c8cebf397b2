"""``profile="oauth2.1"``: what the OAuth 2.1 draft asks beyond OAuth 2.0."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    InvalidToken,
    MemoryStore,
    RefreshTokenGrant,
    ResourceServer,
)
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.issuing import Issue
from oauthgrants.tokens import TokenResponse
from oauthgrants.totp import MemoryTotpSecrets, TotpFactor
from support import ISSUER, World, basic, error_of, password_grant

API = "https://api.example.com"


class SignInGrant:
    """Stands for a grant that OAuth 2.1 has, such as the device grant: it brings a user."""

    grant_type = "https://example.com/grants/sign-in"
    parameters = frozenset({"scope"})

    def bind(self, services: Services) -> GrantHandler:
        return partial(self._answer, services)

    async def _answer(self, services: Services, request: TokenRequest) -> TokenResponse:
        assert services.users is not None
        user: Any = services.users.find_user("alice")
        issue = Issue(
            client=request.client,
            grant_type=self.grant_type,
            scope=await services.scopes.grant(
                services.scopes.read(request.client, request.form.get("scope")),
                request.client,
                user,
            ),
            user=user,
        )
        return await services.issuer.issue(issue, with_refresh_token=True)


class HostsPasswordGrant(SignInGrant):
    """One of the host's own, by the same name."""

    grant_type = "password"


GRANTS = [ClientCredentialsGrant(), RefreshTokenGrant(), SignInGrant()]


def oauth21(world: World, **settings: Any) -> World:
    """Give the server the profile."""
    return world.configure(**{"profile": "oauth2.1", "grants": GRANTS} | settings)


def sign_in(world: World, client_id: str, **metadata: Any) -> str:
    """Return a refresh token that came from a grant of OAuth 2.1."""
    world.store.add_client(
        Client.public(
            client_id,
            grant_types=[SignInGrant.grant_type, "refresh_token"],
            scope="profile",
            default_scope="profile",
            **metadata,
        )
    )
    response = world.post(grant_type=SignInGrant.grant_type, client_id=client_id)
    assert response.status == 200, response.json()
    token: str = response.json()["refresh_token"]
    return token


def refresh(world: World, client_id: str, token: str) -> Any:
    return world.post(grant_type="refresh_token", refresh_token=token, client_id=client_id)


@pytest.mark.req("D21-10-a", "R6749-5.2-h")
def test_there_is_no_password_grant(world: World) -> None:
    response = oauth21(world).post(
        client="app", grant_type="password", username="alice", password="wonderland"
    )

    assert (400, "unsupported_grant_type") == error_of(response)
    document = world.send(
        HttpRequest(method="GET", url=f"{ISSUER}/.well-known/oauth-authorization-server")
    ).json()
    assert "password" not in document["grant_types_supported"]


@pytest.mark.req("D21-10-a", "R9700-2.4-a")
@pytest.mark.parametrize(
    "grants",
    [
        pytest.param([ClientCredentialsGrant(), password_grant()], id="password"),
        pytest.param(
            [
                ClientCredentialsGrant(),
                MfaOtpGrant(factor=TotpFactor(secrets=MemoryTotpSecrets({}))),
            ],
            id="its-second-half",
        ),
        pytest.param([HostsPasswordGrant()], id="one-of-the-hosts"),
    ],
)
def test_the_password_grant_cannot_be_enabled(world: World, grants: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"no password grant.*RFC 9700, Section 2\.4"):
        _ = oauth21(world, grants=grants).server


@pytest.mark.req("D21-2.4.1-a")
@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
def test_whoever_has_a_secret_may_send_it_in_the_body(world: World, registered: str) -> None:
    secret = world.add_client("either", token_endpoint_auth_method=registered)
    oauth21(world)

    in_body = world.post(
        grant_type="client_credentials", client_id="either", client_secret=secret.reveal()
    )
    by_basic = world.post("grant_type=client_credentials", basic("either", secret))

    assert (200, 200) == (in_body.status, by_basic.status)


@pytest.mark.req("D21-2.4.1-a")
def test_basic_is_optional(world: World) -> None:
    """A client that is registered for it sends its secret in the body."""
    secret = world.add_client("either", token_endpoint_auth_method="client_secret_basic")
    oauth21(world, client_auth_methods=["client_secret_post"])

    in_body = world.post(
        grant_type="client_credentials", client_id="either", client_secret=secret.reveal()
    )
    by_basic = world.post("grant_type=client_credentials", basic("either", secret))

    assert 200 == in_body.status
    assert (401, "invalid_client") == error_of(by_basic)


@pytest.mark.req("D21-2.4.1-a")
def test_secrets_in_the_body_cannot_be_left_out(world: World) -> None:
    with pytest.raises(ValueError, match="takes client_secret_post beside it"):
        _ = oauth21(world, client_auth_methods=["client_secret_basic", "none"]).server


@pytest.mark.req("R9700-2.5-a")
def test_a_server_may_do_without_secrets(world: World) -> None:
    methods = ["private_key_jwt"]

    assert oauth21(world, client_auth_methods=methods).server is not None


@pytest.mark.req("D7523-4-a")
def test_assertions_are_for_the_issuer_alone(world: World) -> None:
    with pytest.raises(ValueError, match="accept_endpoint_audience"):
        _ = oauth21(world, assertions=AssertionRules(accept_endpoint_audience=True)).server


@pytest.mark.req("D21-4.3-a", "R9700-2.2.2-a", "R9700-4.14.2-a", "R6749-10.4-b")
def test_refresh_tokens_of_public_clients_rotate(world: World) -> None:
    oauth21(world)
    first = sign_in(world, "phone")

    answer = refresh(world, "phone", first)

    second: str = answer.json()["refresh_token"]
    assert 200 == answer.status
    assert first != second
    assert (400, "invalid_grant") == error_of(refresh(world, "phone", first))
    # Of two that have it, nobody knows which is the thief.
    assert (400, "invalid_grant") == error_of(refresh(world, "phone", second))


@pytest.mark.req("D21-4.3-a")
def test_a_refresh_token_ends_with_the_grant_that_it_came_from(world: World) -> None:
    """Who signed in by password before the profile came signs in anew."""
    before = world.sign_in()["refresh_token"]

    refused = oauth21(world).refresh(before)

    assert (400, "invalid_grant") == error_of(refused)
    assert "no longer enabled" in world.sink.events[-1].reason  # type: ignore[attr-defined]
    assert "alice" not in str(refused.json())


def test_without_the_profile_sign_ins_outlive_their_grant(world: World) -> None:
    """So that whoever switches the password grant off signs nobody out."""
    before = world.sign_in()["refresh_token"]

    world.configure(grants=[ClientCredentialsGrant(), RefreshTokenGrant()])

    assert 200 == world.refresh(before).status


@pytest.mark.req("D21-4.3-a")
def test_a_refresh_token_ends_with_its_user(world: World) -> None:
    oauth21(world)
    token = sign_in(world, "phone")
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(type(user)(sub=user.sub, username="alice", active=False))

    assert (400, "invalid_grant") == error_of(refresh(world, "phone", token))


@pytest.mark.req("D21-4.3-a", "R9700-4.14.2-b")
def test_a_refresh_token_ends_in_time(world: World) -> None:
    oauth21(world)
    token = sign_in(world, "phone")

    world.clock.move(days=30)

    assert (400, "invalid_grant") == error_of(refresh(world, "phone", token))


def test_there_are_two_profiles(world: World) -> None:
    with pytest.raises(ValueError, match=r"'oauth3'; there are oauth2\.0 and oauth2\.1"):
        _ = world.configure(profile="oauth3").server


@pytest.fixture
def protected() -> tuple[ResourceServer, str]:
    """A resource server that keeps to the profile, and a token for it."""
    store = MemoryStore()
    client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    store.add_client(client)
    server = AuthorizationServer(
        issuer=ISSUER,
        store=store,
        grants=[ClientCredentialsGrant()],
        profile="oauth2.1",
        audience=API,
    )
    answer = server.token(
        HttpRequest(
            method="POST",
            url=server.token_endpoint,
            headers=[
                ("Content-Type", "application/x-www-form-urlencoded"),
                basic("reports", secret),
            ],
            body=b"grant_type=client_credentials",
        )
    )
    resource = ResourceServer(resource=API, tokens=server.lookup, profile="oauth2.1")
    return resource, answer.json()["access_token"]


@pytest.mark.req("D21-5.1-a")
def test_a_token_in_the_url_is_ignored(protected: tuple[ResourceServer, str]) -> None:
    """It is as if there were none, and another one in its place counts."""
    resource, token = protected
    url = f"{API}/reports?access_token={token}"

    with pytest.raises(InvalidToken, match="there is no access token") as refusal:
        resource.require_token(HttpRequest(method="GET", url=url))
    assert 401 == resource.render(refusal.value).status
    both = HttpRequest(method="GET", url=url, headers=[("Authorization", f"Bearer {token}")])
    assert "reports" == resource.require_token(both).client_id
    assert ["header"] == resource.metadata()["bearer_methods_supported"]


@pytest.mark.req("D21-5.1-a")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_matched_without_case(
    protected: tuple[ResourceServer, str], scheme: str
) -> None:
    resource, token = protected
    request = HttpRequest(method="GET", url=API, headers=[("Authorization", f"{scheme} {token}")])

    assert "reports" == resource.require_token(request).client_id


@pytest.mark.req("D21-5.1-a")
def test_urls_cannot_be_opened_for_tokens() -> None:
    with pytest.raises(ValueError, match="allow_query"):
        ResourceServer(resource=API, tokens=_NoTokens(), profile="oauth2.1", allow_query=True)


class _NoTokens:
    def find_access_token(self, value: Any) -> None:
        raise AssertionError("there is nothing to ask")
