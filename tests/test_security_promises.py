"""What the page on security promises beyond what other tests show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from databases import sqlite_url
from sqlalchemy import create_engine

from oauthgrants import AuthorizationServer, Client, HttpRequest, RefreshTokenGrant, Secret, User
from oauthgrants.sealed import SealingKey
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from support import CHEAP, FORM, ISSUER, World, basic, error_of, password_grant

HOSTILE = (
    "alice' OR '1'='1",
    'alice"; DROP TABLE oauth_users; --',
    "alice%",
    "a_ice",
    "alice\\",
    ":username",
    "%(username)s",
    "$1",
)
"""Names that mean something to a database, if they get into the text of a query."""


@pytest.fixture
def database() -> Iterator[SqlAlchemyStore]:
    with sqlite_url() as url:
        engine = create_engine(f"sqlite:{url}")
        store = SqlAlchemyStore(engine)
        store.create_all()
        yield store
        engine.dispose()


def sign_in(server: AuthorizationServer, headers: tuple[str, str], **form: str) -> Any:
    body = urlencode({"grant_type": "password", "password": "wonderland", **form}).encode()
    return server.token(
        HttpRequest(method="POST", url=server.token_endpoint, headers=[FORM, headers], body=body)
    )


@pytest.mark.req("R6819-5.1.4.1.2-a", "R6749-10.14-a")
def test_names_never_become_part_of_a_query(database: SqlAlchemyStore) -> None:
    """Each is found by itself alone, as client, user and subject, and nothing else changes."""
    passwords = CHEAP.hash(Secret("wonderland"))
    database.add_user(User(sub="user-1", username="alice", password_hash=passwords))
    server = AuthorizationServer(
        issuer=ISSUER,
        store=database,
        hasher=CHEAP,
        grants=[password_grant(), RefreshTokenGrant()],
        throttle=None,
    )
    client, secret = Client.confidential(
        "app'; DELETE FROM oauth_clients; --", grant_types=["password"], first_party=True
    )
    database.add_client(client)
    header = basic(client.client_id, secret)

    for name in HOSTILE:
        refused = sign_in(server, header, username=name)
        assert (400, "invalid_grant") == (refused.status, refused.json()["error"]), name
        assert database.find_client(name) is None
        assert database.find_user_by_sub(name) is None
    assert 200 == sign_in(server, header, username="alice").status
    for index, name in enumerate(HOSTILE):
        database.add_user(User(sub=f"s{index}' --", username=name, password_hash=passwords))
    for name in HOSTILE:
        assert 200 == sign_in(server, header, username=name).status, name
    nul = sign_in(server, header, username="alice\0")
    assert (400, "invalid_request") == (nul.status, nul.json()["error"])


@pytest.mark.req("R6819-5.1.4.1.3-a")
def test_secrets_that_have_to_be_read_again_are_kept_encrypted() -> None:
    client, secret = Client.confidential(
        "reports",
        token_endpoint_auth_method="client_secret_jwt",
        sealing_key=SealingKey.generate(),
        grant_types=["client_credentials"],
    )

    [kept] = client.secrets

    assert kept.hash.startswith("sealed:")
    assert secret.reveal() not in kept.hash


@pytest.mark.req("R6819-4.4.3-a")
def test_a_password_brings_no_more_than_user_and_client_may_have(world: World) -> None:
    """The host sets a greatest scope for either, and says whether there are refresh tokens."""
    world.configure(grants=[password_grant(refresh_tokens=False), RefreshTokenGrant()])
    user = world.store.find_user("alice")
    assert user is not None
    world.store.replace_user(
        User(
            sub=user.sub, username="alice", password_hash=user.password_hash, scope="profile other"
        )
    )

    usual = world.sign_in()

    assert "profile" == usual["scope"]
    assert "refresh_token" not in usual
    for scope in ("profile email", "other"):
        refused = world.post(
            client="app",
            grant_type="password",
            username="alice",
            password="wonderland",
            scope=scope,
        )
        assert (400, "invalid_scope") == error_of(refused)
