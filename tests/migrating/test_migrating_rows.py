"""What becomes of rows of Authlib and of django-oauth-toolkit, beside what their guides show."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import pytest
from authlib_tables import Base, OAuth2Client, OAuth2Token, make_client_row, make_token_row
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from oauthgrants import (
    AccessToken,
    Argon2idHasher,
    AuthorizationServer,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
    RefreshToken,
    Scope,
    Secret,
    User,
)
from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.hashing import fast_digest, token_digest
from oauthgrants.jose import SigningKey
from oauthgrants.migrating import RowClients, Terms, TokenPair, authlib, copy_tokens
from oauthgrants.migrating import django_oauth_toolkit as toolkit
from oauthgrants.ports import run

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
GENERATED = "generated" * 15
USERS = {
    1: User(sub="user-1", username="alice"),
    2: User(sub="user-2", username="bob", active=False),
}
TERMS = Terms(
    find_user=USERS.get,
    refresh_lifetime=timedelta(days=30),
    audience="https://api.example.com",
    clock=lambda: NOW,
)
CHEAP = Argon2idHasher(memory_cost=64, time_cost=1, lanes=1)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool, hide_parameters=True)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def keep(engine: Engine, *rows: Any) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def ask(server: AuthorizationServer, **form: str) -> int:
    body = "&".join(f"{name}={value}" for name, value in form.items())
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    return server.token(
        HttpRequest(
            method="POST",
            url="https://auth.example.com/token",
            headers=headers,
            body=f"grant_type=client_credentials&{body}".encode(),
        )
    ).status


# --- Clients of Authlib


def test_a_client_of_authlib_says_what_its_metadata_say() -> None:
    row = make_client_row(
        "app",
        GENERATED,
        expires_at=1767312000,
        client_name="App",
        grant_types=["password"],
        scope="read write",
        token_endpoint_auth_method="client_secret_post",
        redirect_uris=["https://app.example.com/cb"],
    )

    client = authlib.to_client(row, default_scope="read", first_party=True)

    assert client.token_endpoint_auth_method == "client_secret_post"
    assert (client.client_name, client.grant_types) == ("App", ("password",))
    assert (client.scope, client.default_scope) == (Scope.of("read write"), Scope.of("read"))
    assert client.secrets[0].hash == fast_digest(Secret(GENERATED))
    assert client.secrets[0].expires_at == NOW
    assert client == authlib.to_client(row, default_scope="read", first_party=True)


def test_a_secret_may_end_as_late_as_a_host_likes() -> None:
    client = authlib.to_client(make_client_row("app", GENERATED, expires_at=10**18))

    assert client.secrets[0].expires_at == datetime(9999, 1, 1, tzinfo=UTC)


def test_a_client_without_metadata_may_do_nothing_as_with_authlib() -> None:
    client = authlib.to_client(make_client_row("app", GENERATED))

    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert (client.grant_types, client.scope) == ((), None)


def test_what_is_said_beside_the_row_goes_before_it() -> None:
    row = make_client_row("app", GENERATED, scope="read write", grant_types=["password"])

    assert authlib.to_client(row, scope="read", grant_types=[]).scope == Scope.of("read")


def test_a_secret_that_a_person_chose_moves_as_argon2id() -> None:
    client = authlib.to_client(make_client_row("app", "chosen by me"), machine_made=False)

    assert client.secrets[0].hash.startswith("$argon2id$")


def test_a_public_client_and_one_with_keys_have_no_secret() -> None:
    jwk = SigningKey.generate("ES256").public.as_dict()
    public = make_client_row(
        "phone", token_endpoint_auth_method="none", grant_types=["password"], jwks={"keys": [jwk]}
    )
    signing = make_client_row(
        "partner", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [jwk]}
    )

    assert authlib.to_client(public).is_public
    assert authlib.to_client(public).jwks is None
    partner = authlib.to_client(signing)
    assert partner.jwks is not None
    assert partner.secrets == ()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        pytest.param({}, "client_secret has to be", id="no-secret"),
        pytest.param(
            {"token_endpoint_auth_method": "client_secret_jwt"},
            "needs a client_secret",
            id="a-secret-to-be-read-again",
        ),
        pytest.param(
            {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
            "may not use",
            id="public-and-confidential",
        ),
    ],
)
def test_a_row_that_makes_no_client_is_loud(metadata: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=said):
        authlib.to_client(make_client_row("app", **metadata))


def test_a_client_is_what_its_row_says_now(engine: Engine) -> None:
    """The server of the other library goes on, and what changes there, changes here."""
    keep(engine, make_client_row("app", GENERATED, grant_types=["client_credentials"]))

    def find_row(client_id: str) -> Any:
        with Session(engine) as session:
            return session.scalar(select(OAuth2Client).filter_by(client_id=client_id))

    server = AuthorizationServer(
        issuer="https://auth.example.com",
        clients=RowClients(
            find_row=find_row,
            to_client=lambda row: authlib.to_client(row, secret_methods_equal=True),
        ),
        store=MemoryStore(),
        grants=[ClientCredentialsGrant()],
    )

    assert ask(server, client_id="app", client_secret=GENERATED) == 200
    assert ask(server, client_id="nobody", client_secret=GENERATED) == 401
    with Session(engine) as session, session.begin():
        session.scalars(select(OAuth2Client)).one().client_secret = "another one"
    assert ask(server, client_id="app", client_secret=GENERATED) == 401
    assert ask(server, client_id="app", client_secret="another+one") == 200


def test_a_client_is_who_has_the_very_identifier() -> None:
    """MySQL's usual collation finds "app" for "App"."""
    row = make_client_row("app", GENERATED)
    clients = RowClients(find_row=lambda client_id: row, to_client=authlib.to_client)

    assert clients.find_client("app") is not None
    assert clients.find_client("App") is None


def test_rows_stay_as_they_are_unless_there_is_what_changes_them() -> None:
    changed: list[tuple[str, str, str]] = []
    client = authlib.to_client(make_client_row("app", GENERATED))
    old = client.secrets[0]
    new = attrs.evolve(old, hash="$argon2id$")

    def replace(client_id: str, before: str, after: str) -> None:
        changed.append((client_id, before, after))

    rows: dict[str, Any] = {}
    still = RowClients(find_row=rows.get, to_client=authlib.to_client)
    still.replace_client_secret("app", old, new)
    moving = attrs.evolve(still, replace_hash=replace)
    moving.replace_client_secret("app", old, new)

    assert changed == [("app", old.hash, "$argon2id$")]


# --- Tokens of Authlib


def at(moment: datetime) -> int:
    return int(moment.timestamp())


def row_of(access_token: str, **columns: Any) -> Any:
    usual: dict[str, Any] = {
        "client_id": "app",
        "user_id": 1,
        "scope": "read write",
        "issued_at": at(NOW - HOUR / 2),
        "expires_in": 3600,
    }
    return make_token_row(access_token, **usual | columns)


def read_authlib(engine: Engine, *rows: Any, terms: Terms = TERMS) -> list[TokenPair]:
    keep(engine, *rows)
    with Session(engine) as session:
        return list(authlib.read_tokens(session.scalars(select(OAuth2Token)), terms))


def test_a_sign_in_goes_over_whole(engine: Engine) -> None:
    [(access, refresh)] = read_authlib(engine, row_of("a-token", refresh_token="another"))

    family = f"authlib-{token_digest(Secret('another'))[:16].hex()}"
    assert access == AccessToken(
        digest=token_digest(Secret("a-token")),
        client_id="app",
        sub="user-1",
        username="alice",
        scope=Scope.of("read write"),
        audience=("https://api.example.com",),
        issued_at=NOW - HOUR / 2,
        lifetime=HOUR,
        family=family,
    )
    assert refresh == RefreshToken(
        digest=token_digest(Secret("another")),
        client_id="app",
        sub="user-1",
        username="alice",
        scope=Scope.of("read write"),
        audience=("https://api.example.com",),
        grant_type="password",
        issued_at=NOW - HOUR / 2,
        lifetime=timedelta(days=30),
        family=family,
    )


def test_a_client_that_acts_for_itself_has_no_family_and_no_refresh_token(engine: Engine) -> None:
    own = row_of("a-token", user_id=None, scope=None)
    odd = row_of("b-token", user_id=None, refresh_token="of nobody")

    (access, none), (_, none_either) = read_authlib(engine, own, odd)

    assert access is not None
    assert (access.sub, access.username, access.family) == ("app", None, None)
    assert access.scope == Scope()
    assert none is none_either is None


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"access_token_revoked_at": 1}, id="access-token-revoked"),
        pytest.param({"refresh_token_revoked_at": 1}, id="refresh-token-revoked"),
        pytest.param({"user_id": 2}, id="user-not-active"),
        pytest.param({"user_id": 3}, id="user-gone"),
        pytest.param({"issued_at": at(NOW - timedelta(days=30))}, id="all-expired"),
        pytest.param({"expires_in": 0, "refresh_token": None}, id="without-an-end"),
        pytest.param({"expires_in": -10, "refresh_token": None}, id="ended-before-it-began"),
        pytest.param({"expires_in": 1800, "refresh_token": None}, id="expires-now"),
    ],
)
def test_what_is_not_live_is_left_out(engine: Engine, columns: dict[str, Any]) -> None:
    assert read_authlib(engine, row_of("a", **{"refresh_token": "b"} | columns)) == []


def test_of_an_expired_access_token_the_refresh_token_stays(engine: Engine) -> None:
    [(access, refresh)] = read_authlib(
        engine, row_of("a", refresh_token="b", issued_at=at(NOW - 2 * HOUR))
    )

    assert access is None
    assert refresh is not None
    assert refresh.expires_at == NOW - 2 * HOUR + timedelta(days=30)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"scope": 're"ad'}, id="malformed-scope"),
        pytest.param({"issued_at": at(NOW) * 1000}, id="milliseconds"),
        pytest.param({"issued_at": 10**18}, id="no-time-at-all"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(engine: Engine, columns: dict[str, Any]) -> None:
    """So that it can be mended, or left out; a copy goes on from there."""
    rows = [row_of("a", id=7), row_of("b", id=8, **columns), row_of("c", id=9)]
    keep(engine, *rows)
    store = MemoryStore()

    with Session(engine) as session:
        found = authlib.read_tokens(session.scalars(select(OAuth2Token)), TERMS)
        with pytest.raises(ValueError, match="the row 8 makes no token of ours"):
            run(copy_tokens(found, store))
        rest = select(OAuth2Token).where(OAuth2Token.id != 8)
        assert run(copy_tokens(authlib.read_tokens(session.scalars(rest), TERMS), store)) == 1


@pytest.mark.parametrize("seconds", [10**11, 10**12, 10**18])
def test_what_has_its_end_far_away_goes_over(engine: Engine, seconds: int) -> None:
    """Many a host says so that there is none."""
    [(access, refresh)] = read_authlib(engine, row_of("a", refresh_token="b", expires_in=seconds))

    assert access is not None
    assert refresh is not None
    assert 5000 < access.expires_at.year < 10_000
    assert refresh.expires_at == NOW - HOUR / 2 + timedelta(days=30)


def test_the_host_says_what_a_scope_is_called_here(engine: Engine) -> None:
    def rename(text: str) -> Scope:
        return Scope.of(text.replace("write", "edit"))

    terms = attrs.evolve(TERMS, to_scope=rename, grant_type="authorization_code")

    [(access, refresh)] = read_authlib(engine, row_of("a", refresh_token="b"), terms=terms)

    assert access is not None
    assert refresh is not None
    assert access.scope == refresh.scope == Scope.of("read edit")
    assert refresh.grant_type == "authorization_code"


def test_terms_know_a_lifetime() -> None:
    with pytest.raises(ValueError, match="refresh_lifetime has to be"):
        Terms(find_user=USERS.get, refresh_lifetime=timedelta(0))


def test_an_audience_may_be_several() -> None:
    several = ["https://api.example.com", "https://other.example.com"]

    assert attrs.evolve(TERMS, audience=several).audience == tuple(several)


# --- Copying


def test_a_copy_that_stopped_goes_on_where_it_was(engine: Engine) -> None:
    store = MemoryStore()
    pairs = read_authlib(
        engine, row_of("a", refresh_token="b"), row_of("c"), row_of("d", refresh_token="e")
    )

    assert run(copy_tokens(pairs[:1], store)) == 1
    assert run(copy_tokens(pairs, store)) == 2
    assert run(copy_tokens(pairs, store)) == 0
    digests = {token_digest(Secret(value)) for value in "abcde"}
    assert {token.digest for token in store.tokens} == digests


def test_rows_that_share_a_refresh_token_are_one_sign_in(engine: Engine) -> None:
    """As with Authlib where refresh tokens are not rotated, and hosts keep them in each row."""
    store = MemoryStore()
    pairs = read_authlib(engine, row_of("a", refresh_token="b"), row_of("c", refresh_token="b"))

    assert run(copy_tokens(pairs, store)) == 2
    assert len({token.family for token in store.tokens}) == 1
    assert run(copy_tokens(pairs, store)) == 0
    assert len(store.tokens) == 3


def test_an_async_store_is_awaited(engine: Engine) -> None:
    class Tokens(MemoryStore):
        async def save_tokens(  # type: ignore[override]
            self, access: AccessToken | None, refresh: RefreshToken | None
        ) -> None:
            await asyncio.sleep(0)
            super().save_tokens(access, refresh)

    pairs = read_authlib(engine, row_of("a", refresh_token="b"))

    assert asyncio.run(copy_tokens(pairs, Tokens())) == 1


# --- django-oauth-toolkit


def check_password(password: str, encoded: str) -> bool:
    return encoded == make_password(password)


def make_password(password: str) -> str:
    return "pbkdf2_sha256$1$salt$" + hashlib.sha256(password.encode()).hexdigest()


SECRETS = toolkit.ClientSecrets(
    check_password=check_password, make_password=make_password, current=CHEAP
)


def application(**columns: Any) -> Any:
    """Return a row as version 3.4 has it."""
    usual: dict[str, Any] = {
        "client_id": "app",
        "client_type": "confidential",
        "authorization_grant_type": "password",
        "client_secret": make_password(GENERATED),
        "name": "App",
    }
    return SimpleNamespace(**usual | columns)


@pytest.mark.parametrize(
    ("kind", "grant_types"),
    [
        ("client-credentials", ("client_credentials",)),
        ("password", ("password", "refresh_token")),
        ("authorization-code", ()),
        ("urn:ietf:params:oauth:grant-type:device_code", ()),
    ],
)
def test_an_application_may_use_its_grant(kind: str, grant_types: Iterable[str]) -> None:
    client = toolkit.to_client(application(authorization_grant_type=kind), scope="read")

    assert client.grant_types == grant_types
    assert (client.client_name, client.scope) == ("App", Scope.of("read"))
    assert client.secret_methods_equal


def test_a_public_application_shows_no_secret() -> None:
    client = toolkit.to_client(application(client_type="public", name=""))

    assert client.is_public
    assert client.secrets == ()
    assert client.client_name is None


def test_an_application_with_a_blank_secret_is_loud() -> None:
    with pytest.raises(InvalidClientMetadata, match="needs a client_secret"):
        toolkit.to_client(application(client_secret=""))


@pytest.mark.parametrize(
    "kept",
    [
        "pbkdf2_sha256$1000000$salt$hash=",
        "pbkdf2_sha1$1$salt$hash",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash",
        "bcrypt_sha256$$2b$12$hash",
        "scrypt$salt$16384$8$1$hash",
        fast_digest(Secret("one of ours")),
        CHEAP.hash(Secret("one of ours")),
    ],
)
def test_hashes_are_kept_as_they_are(kept: str) -> None:
    assert toolkit.to_client(application(client_secret=kept)).secrets[0].hash == kept


@pytest.mark.parametrize("plain", ["0123456789", "pa$word", "sha256:", "$argon2id$", "pbkdf2"])
def test_of_a_secret_in_plain_text_there_is_a_digest(plain: str) -> None:
    """So it is with ``hash_client_secret`` off."""
    kept = toolkit.to_client(application(client_secret=plain)).secrets[0].hash

    assert kept == fast_digest(Secret(plain))
    assert SECRETS.verify(kept, Secret(plain))


@pytest.mark.parametrize(
    ("secret", "becomes"),
    [
        pytest.param("g" * 64 + "7" * 64, "sha256:", id="made-by-the-toolkit"),
        pytest.param("g" * 127, "$argon2id$", id="shorter"),
        pytest.param("g" * 127 + "-", "$argon2id$", id="other-characters"),
        pytest.param("ä" * 128, "$argon2id$", id="other-letters"),
    ],
)
def test_a_hash_is_replaced_by_what_its_secret_deserves(secret: str, becomes: str) -> None:
    encoded = make_password(secret)

    assert SECRETS.verify(encoded, Secret(secret))
    assert SECRETS.needs_rehash(encoded)
    stronger = SECRETS.hash(Secret(secret))
    assert stronger.startswith(becomes)
    assert SECRETS.verify(stronger, Secret(secret))
    assert not SECRETS.verify(stronger, Secret("a guess"))
    assert not SECRETS.needs_rehash(stronger)


def test_weak_argon2id_is_replaced_too() -> None:
    dear = attrs.evolve(SECRETS, current=attrs.evolve(CHEAP, time_cost=2))

    assert dear.needs_rehash(CHEAP.hash(Secret("chosen by me")))


def test_each_check_of_a_slow_hash_does_the_work_of_both_kinds() -> None:
    """A stopwatch tells neither who exists, nor whose hash has been replaced."""
    work: list[str] = []

    def check(password: str, encoded: str) -> bool:
        work.append("django")
        return check_password(password, encoded)

    def make(password: str) -> str:
        work.append("django")
        return make_password(password)

    class Hasher(Argon2idHasher):
        def verify(self, encoded: str | None, secret: Secret) -> bool:
            work.append("argon2id")
            return super().verify(encoded, secret)

    current = Hasher(memory_cost=64, time_cost=1, lanes=1)
    secrets = toolkit.ClientSecrets(check_password=check, make_password=make, current=current)
    argon2id = CHEAP.hash(Secret("chosen"))
    for encoded, matches in ((None, False), (make_password("chosen"), True), (argon2id, True)):
        work.clear()
        assert secrets.verify(encoded, Secret("chosen")) is matches
        assert sorted(work) == ["argon2id", "django"]


def test_short_secrets_are_never_taken_for_generated_ones() -> None:
    with pytest.raises(ValueError, match="generated"):
        toolkit.ClientSecrets(
            check_password=check_password, make_password=make_password, generated=31
        )


def test_who_shows_a_secret_gets_a_better_hash() -> None:
    rows = {"app": application(authorization_grant_type="client-credentials")}
    rows["app"].client_secret = make_password(GENERATED)

    def replace(client_id: str, old: str, new: str) -> None:
        assert rows[client_id].client_secret == old
        rows[client_id].client_secret = new

    server = AuthorizationServer(
        issuer="https://auth.example.com",
        clients=RowClients(find_row=rows.get, to_client=toolkit.to_client, replace_hash=replace),
        store=MemoryStore(),
        hasher=SECRETS,
        grants=[ClientCredentialsGrant()],
    )

    assert ask(server, client_id="app", client_secret="a+guess") == 401
    assert rows["app"].client_secret.startswith("pbkdf2_sha256$")
    assert ask(server, client_id="app", client_secret=GENERATED) == 200
    assert rows["app"].client_secret == fast_digest(Secret(GENERATED))
    assert ask(server, client_id="app", client_secret=GENERATED) == 200
    assert ask(server, client_id="app", client_secret="a+guess") == 401


def tokens_of(**columns: Any) -> Any:
    usual: dict[str, Any] = {
        "pk": 7,
        "application": application(),
        "user_id": 1,
        "token": "a-token",
        "token_checksum": hashlib.sha256(b"a-token").hexdigest(),
        "scope": "read",
        "created": NOW - HOUR / 2 + timedelta(microseconds=5),
        "expires": NOW + HOUR / 2 + timedelta(microseconds=3),
    }
    return SimpleNamespace(**usual | columns)


def refresh_of(**columns: Any) -> Any:
    usual = {"token": "another", "revoked": None, "token_family": UUID(int=5)}
    return SimpleNamespace(**usual | columns)


def test_tokens_keep_family_and_resource() -> None:
    row = tokens_of(refresh_token=refresh_of(), resource=["https://other.example.com"])

    [(access, refresh)] = toolkit.read_tokens([row], TERMS)

    assert access is not None
    assert refresh is not None
    assert access.digest == token_digest(Secret("a-token"))
    assert refresh.digest == token_digest(Secret("another"))
    assert access.audience == refresh.audience == ("https://other.example.com",)
    assert access.family == refresh.family == f"django-oauth-toolkit-{UUID(int=5)}"
    assert (access.issued_at, access.lifetime) == (NOW - HOUR / 2, HOUR)
    assert refresh.expires_at == NOW + HOUR / 2 + timedelta(days=30)
    assert refresh.grant_type == "password"


def test_tokens_that_are_kept_as_checksums_are_known_by_them() -> None:
    """So it is with ``COMPLIANT_BCP_RFC9700_TOKEN_STORAGE``; without a family since before 2.4."""
    checksum = hashlib.sha256(b"another").hexdigest()
    beside = refresh_of(token="", token_checksum=checksum, token_family=None)

    [(access, refresh)] = toolkit.read_tokens([tokens_of(token="", refresh_token=beside)], TERMS)

    assert access is not None
    assert refresh is not None
    assert access.digest == token_digest(Secret("a-token"))
    assert refresh.digest == token_digest(Secret("another"))
    assert access.family == refresh.family == "django-oauth-toolkit-7"
    assert access.audience == ("https://api.example.com",)


@pytest.mark.parametrize("beside", [{}, {"refresh_token": refresh_of(revoked=NOW)}])
def test_a_revoked_refresh_token_is_none(beside: dict[str, Any]) -> None:
    [(access, refresh)] = toolkit.read_tokens([tokens_of(**beside)], TERMS)

    assert access is not None
    assert access.family is None
    assert refresh is None


def test_tokens_of_the_toolkit_may_end_as_late_as_there_are_dates() -> None:
    last = datetime.max.replace(tzinfo=UTC)

    [(access, refresh)] = toolkit.read_tokens(
        [tokens_of(expires=last, refresh_token=refresh_of())], TERMS
    )

    assert access is not None
    assert refresh is not None
    assert access.expires_at == refresh.expires_at == datetime(9999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"scope": 're"ad'}, id="malformed-scope"),
        pytest.param({"expires": None}, id="no-end"),
        pytest.param({"token": "", "token_checksum": None}, id="no-token"),
    ],
)
def test_a_row_of_the_toolkit_that_cannot_be_read_is_named(columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the row 8 makes no token of ours"):
        list(toolkit.read_tokens([tokens_of(pk=8, **columns)], TERMS))


def test_tokens_of_another_server_are_left_out() -> None:
    assert list(toolkit.read_tokens([tokens_of(application=None)], TERMS)) == []


def test_without_time_zones_times_are_local() -> None:
    row = tokens_of(
        created=(NOW - HOUR / 2).astimezone().replace(tzinfo=None),
        expires=(NOW + HOUR / 2).astimezone().replace(tzinfo=None),
    )

    [(access, _)] = toolkit.read_tokens([row], TERMS)

    assert access is not None
    assert access.expires_at == NOW + HOUR / 2
