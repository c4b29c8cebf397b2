"""Authlib, requests-oauthlib, httpx-oauth and requests-oauth2client get what they ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any
from urllib.parse import quote_plus

import authlib.integrations.base_client as authlib_errors  # type: ignore[import-untyped]
import authlib.integrations.httpx_client as authlib_httpx  # type: ignore[import-untyped]
import authlib.integrations.requests_client as authlib_requests  # type: ignore[import-untyped]
import pytest
import requests
import requests_oauth2client
import requests_oauthlib
from httpx_oauth.oauth2 import OAuth2, RefreshTokenError
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError
from requests.auth import HTTPBasicAuth
from requests_oauth2client import ClientSecretBasic, ClientSecretPost, InvalidClient
from running_servers import METHODS, ODD_SECRET, SERVERS, Running

# These have types in part, or none.
OAuthError: Any = authlib_errors.OAuthError
AuthlibSession: Any = authlib_requests.OAuth2Session
AuthlibClient: Any = authlib_httpx.OAuth2Client
AsyncAuthlibClient: Any = authlib_httpx.AsyncOAuth2Client
OAuth2Session: Any = requests_oauthlib.OAuth2Session
OAuth2Client: Any = requests_oauth2client.OAuth2Client

ALICE: dict[str, Any] = {"username": "alice", "password": "wonder+land %"}
req = pytest.mark.req
# All that a client may ask for, over the wire that it writes.
whole_life = req("R6749-4.4.2-a", "R6749-4.3.2-a", "R6749-6-a", "R7009-2.1-d")


@pytest.fixture(params=SERVERS)
def running(request: pytest.FixtureRequest) -> Generator[Running, None, None]:
    """Each adapter in turn."""
    with SERVERS[request.param]() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients talk http, which they do not by themselves."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def as_written(client_id: str, method: str, secret: str) -> dict[str, Any]:
    """
    Return the credentials for a client that does not form-encode them for Basic.

    RFC 6749, 2.3.1 asks for it; whoever uses such a client has to, if the secret needs it.
    """
    encode = quote_plus if method == "client_secret_basic" else str
    return {"client_id": encode(client_id), "client_secret": encode(secret)}


def of(running: Running, client_id: str, method: str) -> dict[str, Any]:
    return as_written(client_id, method, running.secrets[client_id])


@whole_life
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [AuthlibSession, AuthlibClient])
def test_authlib(running: Running, kind: Any, method: str, odd: str) -> None:
    client_id = odd + method
    methods = {"token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method}
    with kind(**of(running, client_id, method), **methods, scope="read") as session:
        machine = session.fetch_token(running.url("token"), grant_type="client_credentials")
        assert running.holder(machine["access_token"]) == (client_id, None)

        first = session.fetch_token(running.url("token"), grant_type="password", **ALICE)
        assert running.holder(first["access_token"]) == (client_id, "alice")
        second = session.refresh_token(running.url("token"), first["refresh_token"])
        assert running.holder(second["access_token"]) == (client_id, "alice")
        assert second["refresh_token"] != first["refresh_token"]

        value = second["access_token"]
        settings = {"token": value, "token_type_hint": "access_token"}
        assert session.introspect_token(running.url("introspect"), **settings).json()["active"]
        assert session.revoke_token(running.url("revoke"), **settings).status_code == 200
        assert running.find(value) is None
        after = session.introspect_token(running.url("introspect"), **settings)
        assert after.json() == {"active": False}


@req("R6749-5.2-a")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [AuthlibSession, AuthlibClient])
def test_authlib_hears_of_a_wrong_secret(running: Running, kind: Any, method: str) -> None:
    with (
        kind(method, "guess", token_endpoint_auth_method=method) as session,
        pytest.raises(OAuthError, match="invalid_client"),
    ):
        session.fetch_token(running.url("token"), grant_type="client_credentials")


@req("R6749-4.4.2-a", "R6749-5.2-a")
def test_authlib_on_asyncio(running: Running) -> None:
    [method, _] = METHODS

    async def ask(secret: str) -> Any:
        async with AsyncAuthlibClient(method, secret, scope="write") as session:
            return await session.fetch_token(running.url("token"), grant_type="client_credentials")

    token = asyncio.run(ask(running.secrets[method]))
    assert running.holder(token["access_token"]) == (method, None)
    with pytest.raises(OAuthError, match="invalid_client"):
        asyncio.run(ask("guess"))


@req("R6749-4.4.2-a", "R6749-4.3.2-a", "R6749-6-a")
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
def test_requests_oauthlib(running: Running, method: str, odd: str) -> None:
    client_id, secret = of(running, odd + method, method).values()
    # It sends what it gets: by Basic with auth, in the body with include_client_id.
    how: dict[str, Any] = (
        {"auth": HTTPBasicAuth(client_id, secret)}
        if method == "client_secret_basic"
        else {"include_client_id": True, "client_secret": secret}
    )
    with OAuth2Session(client=BackendApplicationClient(client_id, scope=["read"])) as session:
        machine = session.fetch_token(running.url("token"), **how)
    assert running.holder(machine["access_token"]) == (odd + method, None)

    with OAuth2Session(client=LegacyApplicationClient(client_id, scope=["read"])) as session:
        first = session.fetch_token(running.url("token"), **ALICE, **how)
        assert running.holder(first["access_token"]) == (odd + method, "alice")
        again = how if "auth" in how else {"client_id": client_id, "client_secret": secret}
        second = session.refresh_token(
            running.url("token"), refresh_token=first["refresh_token"], **again
        )
    assert running.holder(second["access_token"]) == (odd + method, "alice")
    assert second["refresh_token"] != first["refresh_token"]


@req("R6749-5.2-a")
def test_requests_oauthlib_hears_of_a_wrong_secret(running: Running) -> None:
    [method, _] = METHODS
    client = BackendApplicationClient(method)
    with OAuth2Session(client=client) as session, pytest.raises(InvalidClientError):
        session.fetch_token(running.url("token"), auth=HTTPBasicAuth(method, "guess"))


@req("R6749-6-a", "R7009-2.1-d")
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
def test_httpx_oauth(running: Running, method: str, odd: str) -> None:
    """It refreshes and revokes; what it begins with is the authorization code."""
    credentials = of(running, odd + method, method)
    with AuthlibClient(**credentials, token_endpoint_auth_method=method) as session:
        first = session.fetch_token(running.url("token"), grant_type="password", **ALICE)
    settings: dict[str, Any] = {
        "authorize_endpoint": running.url("authorize"),
        "access_token_endpoint": running.url("token"),
        "refresh_token_endpoint": running.url("token"),
        "revoke_token_endpoint": running.url("revoke"),
        "token_endpoint_auth_method": method,
        "revocation_endpoint_auth_method": method,
    }
    client = OAuth2(**credentials, **settings)

    second = asyncio.run(client.refresh_token(first["refresh_token"]))
    assert running.holder(second["access_token"]) == (odd + method, "alice")
    assert not second.is_expired()

    wrong = OAuth2(odd + method, "guess", **settings)
    with pytest.raises(RefreshTokenError) as caught:
        asyncio.run(wrong.refresh_token(second["refresh_token"]))
    assert caught.value.response is not None
    assert caught.value.response.json()["error"] == "invalid_client"

    asyncio.run(client.revoke_token(second["refresh_token"], "refresh_token"))
    assert running.find(second["access_token"]) is None


@whole_life
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
def test_requests_oauth2client(running: Running, method: str, odd: str) -> None:
    credentials = of(running, odd + method, method)
    kind = ClientSecretBasic if method == "client_secret_basic" else ClientSecretPost
    # As a context manager it would fetch keys, which a server of opaque tokens has not.
    with requests.Session() as session:
        client = OAuth2Client.from_discovery_endpoint(
            running.url(".well-known/oauth-authorization-server"),
            issuer=running.issuer,
            auth=kind(**credentials),
            session=session,
            testing=True,
        )
        machine = client.client_credentials(scope="write")
        assert running.holder(machine.access_token) == (odd + method, None)

        first = client.resource_owner_password(**ALICE, scope="read")
        assert running.holder(first.access_token) == (odd + method, "alice")
        second = client.refresh_token(first)
        assert running.holder(second.access_token) == (odd + method, "alice")

        assert client.introspect_token(second)["username"] == "alice"
        assert client.revoke_access_token(second)
        assert running.find(second.access_token) is None
        assert client.introspect_token(second) == {"active": False}


@req("R6749-5.2-a")
@pytest.mark.parametrize("kind", [ClientSecretBasic, ClientSecretPost])
def test_requests_oauth2client_hears_of_a_wrong_secret(running: Running, kind: Any) -> None:
    method = METHODS[kind is ClientSecretPost]
    with requests.Session() as session:
        client = OAuth2Client(
            running.url("token"), auth=kind(method, "guess"), session=session, testing=True
        )
        with pytest.raises(InvalidClient):
            client.client_credentials()


@req("R6749-2.3.1-b")
def test_a_secret_that_nobody_encoded_is_refused(running: Running) -> None:
    """The warning at registration says so; such a secret goes in the body, or encoded."""
    with (
        AuthlibSession("odd-client_secret_basic", ODD_SECRET) as session,
        pytest.raises(OAuthError, match="invalid_request"),
    ):
        session.fetch_token(running.url("token"), grant_type="client_credentials")
