"""The worked examples of RFC 6749, as printed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from oauthgrants import Client, RefreshToken, Scope, Secret, User
from oauthgrants.hashing import token_digest
from support import CHEAP, World

req = pytest.mark.req
BASIC_1 = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
BASIC_2 = ("Authorization", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW")


@pytest.fixture(autouse=True)
def example(world: World) -> None:
    """The client and the user of the examples."""
    client, _ = Client.confidential(
        "s6BhdRkqt3",
        secret="gX1fBat3bV",
        machine_made=True,
        grant_types=["password", "client_credentials", "refresh_token"],
        first_party=True,
    )
    world.store.add_client(client)
    world.store.add_user(
        User(sub="johndoe", username="johndoe", password_hash=CHEAP.hash(Secret("A3ddj3w")))
    )


def give_refresh_token(world: World) -> None:
    """Let the client have the refresh token of Sections 2.3.1 and 6."""
    access = world.sign_in()
    assert access
    world.store.save_tokens(
        next(t for t in world.store.tokens if not isinstance(t, RefreshToken)),
        RefreshToken(
            digest=token_digest(Secret("tGzv3JOkF0XG5Qx2TlKWIA")),
            client_id="s6BhdRkqt3",
            sub="johndoe",
            username="johndoe",
            scope=Scope(),
            grant_type="password",
            issued_at=world.clock(),
            lifetime=timedelta(days=1),
            family="example",
        ),
    )


@req("R6749-2.3.1-a")
def test_basic_1(world: World) -> None:
    """TV-6749-basic-1, Section 2.3.1."""
    client, _ = Client.confidential(
        "s6BhdRkqt3",
        secret="7Fjfp0ZBr1KtDRbnfVdmIw",
        machine_made=True,
        grant_types=["client_credentials"],
    )
    world.store.replace_client(client)

    assert world.post("grant_type=client_credentials", BASIC_1).status == 200


@req("R6749-2.3.1-d")
def test_post(world: World) -> None:
    """TV-6749-post, Section 2.3.1."""
    client, _ = Client.confidential(
        "s6BhdRkqt3",
        secret="7Fjfp0ZBr1KtDRbnfVdmIw",
        machine_made=True,
        grant_types=["refresh_token"],
        token_endpoint_auth_method="client_secret_post",
    )
    world.store.replace_client(client)
    give_refresh_token(world)

    response = world.post(
        "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA"
        "&client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
    )

    assert response.status == 200


@req("R6749-5.1-a", "R6749-5.1-f", "R6749-5.1-g")
def test_password(world: World) -> None:
    """TV-6749-password, Section 4.3."""
    response = world.post("grant_type=password&username=johndoe&password=A3ddj3w", BASIC_2)

    assert response.status == 200
    assert set(response.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert ("Cache-Control", "no-store") in response.headers
    assert ("Pragma", "no-cache") in response.headers


@req("R6749-4.4.3-a")
def test_client_credentials(world: World) -> None:
    """TV-6749-client-credentials, Section 4.4."""
    response = world.post("grant_type=client_credentials", BASIC_2)

    assert response.status == 200
    assert set(response.json()) == {"access_token", "token_type", "expires_in"}


def test_refresh(world: World) -> None:
    """TV-6749-refresh, Section 6."""
    give_refresh_token(world)

    response = world.post("grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA", BASIC_2)

    assert response.status == 200


@req("R6749-5.2-a")
def test_error(world: World) -> None:
    """TV-6749-error, Section 5.2."""
    response = world.post("", BASIC_2)

    assert (response.status, response.json()["error"]) == (400, "invalid_request")
    assert ("Content-Type", "application/json") in response.headers
