"""The users and clients of examples/ports, and how they go together with stores of tokens."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import format_exception
from typing import Any, cast

import attrs
import bcrypt
import pytest
import redis
import redis.asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from databases import open_engine, sqlite_url
from ldap3 import IP_V4_ONLY, MOCK_SYNC, NONE, Connection, Server
from sqlalchemy import Engine, create_engine, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from valkey_servers import valkey_url

import client_table
import ldap_users
import user_table
from client_file import ClientFile
from client_table import Partner, TableClients
from ldap_users import LdapUsers, open_directory
from oauthgrants import (
    Argon2idHasher,
    Client,
    ClientCredentialsGrant,
    ClientSecret,
    MemoryStore,
    RefreshTokenGrant,
    Scope,
    Secret,
    User,
)
from oauthgrants.client_secrets import hash_client_secret
from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.events import Fault, RequestRefused
from oauthgrants.jose import SigningKey
from oauthgrants.ports import ClientStore, Store, utc_now
from oauthgrants.secret import random_id
from oauthgrants.stores.redis import AsyncRedisStore, RedisStore
from oauthgrants.stores.sqlalchemy import AsyncSqlAlchemyStore, SqlAlchemyStore
from oauthgrants.testing.store_contract import ClientStoreContract
from oauthgrants.testing.store_samples import LOOKALIKE_TEXTS, ODD_TEXT
from oauthgrants.users import Accepted, Disabled, Rejected
from old_hashes import Bcrypt, Passwords, Pbkdf2
from support import CHEAP, World, error_of, password_grant
from user_table import Account, TableUsers

__all__ = ["valkey_url"]

# From the tests of crypt_blowfish: what comes after the 72nd octet does not count.
LONG = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    "chars after 72 are ignored"
)
LONG_BCRYPT = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
# Made by libxcrypt 4.4, Django 5.2 and Werkzeug 3.1, all of "wonderland" but for the first.
OLD_HASHES = [
    pytest.param("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", id="2a"),
    pytest.param(
        "$2b$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW", "wonderland", id="2b"
    ),
    pytest.param(
        "$2y$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW", "wonderland", id="2y"
    ),
    pytest.param("$2a$04$CCCCCCCCCCCCCCCCCCCCC.W809GEA3PzU9zSZ2tv/PnJgqYkxCw3u", "café", id="utf8"),
    pytest.param(
        "pbkdf2_sha256$1000$saltysaltysaltysalty22$yQcr7j2dKyEXuKETFqBt0j7vRC/y26OGzIrovcXwsek=",
        "wonderland",
        id="django",
    ),
    pytest.param(
        "pbkdf2:sha256:1000$9ABSxW7ybSVnCg75$"
        "eaf18b71e2593cd802701013b57ce8dbc61a5f0d90cd0821a25d4daf368bd9fb",
        "wonderland",
        id="werkzeug",
    ),
]
BCRYPT, DJANGO = str(OLD_HASHES[1].values[0]), str(OLD_HASHES[4].values[0])
PASSWORDS = Passwords(current=CHEAP, old=(Bcrypt(cost=5), Pbkdf2(iterations=1000)))
ANYBODY = Client.public("anybody")


# Old hashes


@pytest.mark.parametrize(("encoded", "password"), OLD_HASHES)
def test_hashes_of_other_systems_are_known_and_become_argon2id(encoded: str, password: str) -> None:
    assert PASSWORDS.verify(encoded, Secret(password))
    assert not PASSWORDS.verify(encoded, Secret(password + "!"))
    assert not PASSWORDS.verify(encoded, Secret(password.upper() + " "))

    stronger = PASSWORDS.strengthen(encoded, Secret(password))

    assert stronger is not None
    assert CHEAP.verify(stronger, Secret(password))
    assert PASSWORDS.verify(stronger, Secret(password))
    assert PASSWORDS.strengthen(stronger, Secret(password)) is None


def test_a_password_longer_than_bcrypt_reads_signs_in_and_stays_as_it_was_kept() -> None:
    """A mistake further on went unnoticed: it must not become the password."""
    assert PASSWORDS.verify(LONG_BCRYPT, Secret(LONG))
    assert PASSWORDS.verify(LONG_BCRYPT, Secret(LONG + " and a mistake"))
    assert not PASSWORDS.verify(LONG_BCRYPT, Secret("!" + LONG[1:]))

    assert PASSWORDS.strengthen(LONG_BCRYPT, Secret(LONG)) is None
    assert PASSWORDS.strengthen(LONG_BCRYPT, Secret(LONG[:72])) is not None


def test_bcrypt_counts_octets_and_not_letters() -> None:
    """The 72nd octet may lie within a letter."""
    password = "x" * 71 + "é"
    encoded = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()

    assert PASSWORDS.verify(encoded, Secret(password))
    assert PASSWORDS.strengthen(encoded, Secret(password)) is None


@pytest.mark.parametrize("encoded", [None, "!", "!QF03rjN4RRihjGiqnG9bcZgSt1mn3u1o0QFlYCuK"])
def test_without_a_password_none_matches(encoded: str | None) -> None:
    assert not PASSWORDS.verify(encoded, Secret("wonderland"))


@pytest.mark.req("R6819-4.4.3.1-a")
@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "5ebe2294ecd0e0f08eab7690d2a6ee69",
        BCRYPT[:-1],
        BCRYPT + "\n",
        BCRYPT.replace("$2b$", "$2x$"),
        DJANGO + "A",
        DJANGO.replace("sha256", "sha1"),
        DJANGO.replace("$1000$", "$0$"),
        "pbkdf2:sha256:1000$9ABSxW7ybSVnCg75$yQcr7j2dKyEXuKETFqBt0j7vRC/y26OGzIrovcXwsek=",
    ],
)
def test_a_hash_that_nobody_knows_is_a_fault_and_no_wrong_password(encoded: str) -> None:
    with pytest.raises(ValueError, match="not a PHC string of Argon2id") as fault:
        PASSWORDS.verify(encoded, Secret("wonderland"))

    assert not encoded or encoded not in str(fault.value)


class Work:
    """Counts what is derived, as far as it costs time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        hashpw, checkpw, pbkdf2 = bcrypt.hashpw, bcrypt.checkpw, hashlib.pbkdf2_hmac

        def count_hashpw(password: bytes, salt: bytes) -> bytes:
            self.done["bcrypt"] += 1 << int(salt[4:6])
            return hashpw(password, salt)

        def count_checkpw(password: bytes, hashed: bytes) -> bool:
            done = self.done["bcrypt"] + (1 << int(hashed[4:6]))
            matches = checkpw(password, hashed)
            # Up to bcrypt 4.0 it went through hashpw.
            self.done["bcrypt"] = done
            return matches

        def count_pbkdf2(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
            self.done["pbkdf2"] += iterations
            return pbkdf2(name, password, salt, iterations)

        monkeypatch.setattr(bcrypt, "hashpw", count_hashpw)
        monkeypatch.setattr(bcrypt, "checkpw", count_checkpw)
        monkeypatch.setattr(hashlib, "pbkdf2_hmac", count_pbkdf2)

    def passwords(self) -> Passwords:
        """Return checks that are counted."""
        done = self.done

        class Counting(Argon2idHasher):
            def verify(self, encoded: str | None, secret: Secret) -> bool:
                done["argon2id"] += 1
                return super().verify(encoded, secret)

        current = Counting(memory_cost=8, time_cost=1, lanes=1)
        return Passwords(current=current, old=(Bcrypt(cost=7), Pbkdf2(iterations=3000)))


@pytest.mark.req("R6749-10.10-b")
@pytest.mark.parametrize(
    "username", ["nobody", "bcrypt4", "bcrypt7", "pbkdf2", "new", "none", "unusable", "disabled"]
)
def test_every_refusal_costs_the_same(
    username: str, users: TableUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever it is, with a hash of whatever age and cost."""
    salt = bcrypt.gensalt(4)
    add_account(users, "bcrypt4", bcrypt.hashpw(b"wonderland", salt).decode())
    add_account(users, "bcrypt7", bcrypt.hashpw(b"wonderland", bcrypt.gensalt(7)).decode())
    add_account(users, "pbkdf2", DJANGO)
    add_account(users, "new", CHEAP.hash(Secret("wonderland")))
    add_account(users, "none", None)
    add_account(users, "unusable", "!")
    add_account(users, "disabled", BCRYPT, is_active=False)
    work = Work(monkeypatch)
    password = Secret("wonderland" if username == "disabled" else "a guess")

    outcome = attrs.evolve(users, passwords=work.passwords()).verify_password(
        username, password, ANYBODY
    )

    assert isinstance(outcome, Disabled if username == "disabled" else Rejected)
    assert work.done == {"bcrypt": 1 << 7, "pbkdf2": 3000, "argon2id": 1}


# Users in a table


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database with both tables of the host's, and nothing in them."""
    with sqlite_url() as url, open_engine(f"sqlite:{url}") as engine:
        user_table.Base.metadata.create_all(engine)
        client_table.Base.metadata.create_all(engine)
        yield engine


@pytest.fixture
def users(engine: Engine) -> TableUsers:
    """The users of the table, with hashes that are quick to check."""
    return TableUsers(engine, PASSWORDS)


def add_account(
    users: TableUsers, username: str, password: str | None, *, is_active: bool = True
) -> None:
    with Session(users.engine) as session, session.begin():
        session.add(Account(username=username, password=password, is_active=is_active))


def kept(users: TableUsers, username: str) -> str | None:
    with Session(users.engine) as session:
        return session.query(Account).filter_by(username=username).one().password


def with_users(world: World, users: TableUsers | LdapUsers) -> World:
    """Let *users* sign in at the server of *world*."""
    return world.configure(
        users=users,
        grants=[ClientCredentialsGrant(), password_grant(verifier=users), RefreshTokenGrant()],
    )


def sign_in(world: World, username: str, password: str) -> Any:
    return world.post(client="app", grant_type="password", username=username, password=password)


def fault_of(world: World) -> str:
    """Return what an operator reads of the last event, which is a fault."""
    event = world.sink.events[-1]
    assert isinstance(event, Fault)
    return "".join(format_exception(event.error))


@pytest.mark.parametrize(("encoded", "password"), OLD_HASHES)
def test_signing_in_replaces_an_old_hash(
    world: World, users: TableUsers, encoded: str, password: str
) -> None:
    with_users(world, users)
    add_account(users, "alice", encoded)

    first = sign_in(world, "alice", password)
    upgraded = kept(users, "alice")
    second = sign_in(world, "alice", password)

    assert (first.status, second.status) == (200, 200)
    assert upgraded is not None
    assert CHEAP.verify(upgraded, Secret(password))
    assert kept(users, "alice") == upgraded


def test_a_weaker_argon2id_is_replaced_too(users: TableUsers) -> None:
    weak = CHEAP.hash(Secret("wonderland"))
    add_account(users, "alice", weak)
    current = Argon2idHasher(memory_cost=16, time_cost=1, lanes=1)
    users = attrs.evolve(users, passwords=attrs.evolve(PASSWORDS, current=current))

    users.verify_password("alice", Secret("wonderland"), ANYBODY)

    upgraded = kept(users, "alice")
    assert upgraded is not None
    assert upgraded.startswith("$argon2id$v=19$m=16,")


def test_a_password_that_stays_in_bcrypt_signs_in_again(world: World, users: TableUsers) -> None:
    with_users(world, users)
    add_account(users, "alice", LONG_BCRYPT)

    for _ in range(2):
        assert sign_in(world, "alice", LONG).status == 200

    assert kept(users, "alice") == LONG_BCRYPT


@pytest.mark.req("R6749-4.3.2-e", "R6749-10.10-b")
@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        pytest.param("alice", "a guess", "unknown user or wrong password", id="wrong"),
        pytest.param("nobody", "wonderland", "unknown user or wrong password", id="unknown"),
        pytest.param("Alice", "wonderland", "unknown user or wrong password", id="case"),
        pytest.param("mallory", "wonderland", "the user is disabled", id="disabled"),
        pytest.param("' OR 1=1 --", "wonderland", "unknown user or wrong password", id="sql"),
    ],
)
def test_the_table_refuses_in_one_way(
    world: World, users: TableUsers, username: str, password: str, reason: str
) -> None:
    """The operator learns the reason, the client does not; and nothing is upgraded."""
    with_users(world, users)
    add_account(users, "alice", BCRYPT)
    add_account(users, "mallory", BCRYPT, is_active=False)

    response = sign_in(world, username, password)

    assert response.status == 400
    assert response.json() == {
        "error": "invalid_grant",
        "error_description": "the username or password is not valid",
    }
    event = world.sink.events[-1]
    assert isinstance(event, RequestRefused)
    assert event.reason == reason
    known = users.find_user(username)
    assert event.sub == (None if known is None else known.sub)
    assert kept(users, "alice") == kept(users, "mallory") == BCRYPT


def test_a_password_that_was_changed_meanwhile_is_not_put_back(users: TableUsers) -> None:
    """The hash is replaced on the condition that it is the one that was checked."""
    add_account(users, "alice", BCRYPT)

    class ChangedMeanwhile(Passwords):
        def strengthen(self, encoded: str, password: Secret) -> str | None:
            with Session(users.engine) as session, session.begin():
                session.execute(update(Account).values(password="changed"))
            return super().strengthen(encoded, password)

    slow = attrs.evolve(users, passwords=ChangedMeanwhile(current=CHEAP, old=PASSWORDS.old))
    outcome = slow.verify_password("alice", Secret("wonderland"), ANYBODY)

    assert isinstance(outcome, Accepted)
    assert kept(users, "alice") == "changed"


@pytest.mark.req("R6819-5.1.4.1.2-a", "R6749-4.3.2-b")
def test_usernames_are_taken_as_they_come(users: TableUsers) -> None:
    for username in LOOKALIKE_TEXTS:
        add_account(users, username, BCRYPT)

    for username in LOOKALIKE_TEXTS:
        outcome = users.verify_password(username, Secret("wonderland"), ANYBODY)
        assert isinstance(outcome, Accepted)
        assert outcome.user.username == username
        assert users.find_user(username) == outcome.user
        assert users.find_user_by_sub(outcome.user.sub) == outcome.user
    assert users.find_user("nobody") is None


@pytest.mark.parametrize(
    "sub",
    ["", "1", "user-", "user-2", "user-01", "user-1 ", "user-\u0661", "user-" + "9" * 30, ODD_TEXT],
)
def test_a_sub_of_nobody_is_nobody(users: TableUsers, sub: str) -> None:
    add_account(users, "alice", BCRYPT)

    assert users.find_user_by_sub(sub) is None
    users.replace_password_hash(sub, BCRYPT, "new")

    assert kept(users, "alice") == BCRYPT


@pytest.mark.parametrize("change", ["disabled", "deleted"])
def test_who_is_switched_off_gets_no_refresh(world: World, users: TableUsers, change: str) -> None:
    with_users(world, users)
    add_account(users, "alice", BCRYPT)
    tokens = sign_in(world, "alice", "wonderland").json()

    with Session(users.engine) as session, session.begin():
        account = session.query(Account).one()
        if change == "deleted":
            session.delete(account)
        else:
            account.is_active = False

    assert error_of(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.req("R6819-4.4.3.1-a")
def test_a_database_that_is_away_is_503_and_shows_no_secret(world: World) -> None:
    with sqlite_url() as url:
        engine = create_engine(f"sqlite:{url}", hide_parameters=True)
        users = TableUsers(engine, PASSWORDS)
        with_users(world, users)

        response = sign_in(world, "alice", "wonderland")
        with pytest.raises(Exception, match="no such table") as fault:
            users.replace_password_hash("user-1", BCRYPT, "new")

        engine.dispose()
    assert error_of(response) == (503, "temporarily_unavailable")
    assert "no such table" in fault_of(world)
    assert "wonderland" not in fault_of(world)
    assert BCRYPT not in str(fault.value)


# Users in a directory

BASE = "ou=people,dc=example,dc=com"
SERVICE, DECOY = "cn=tokens,dc=example,dc=com", "cn=decoy,dc=example,dc=com"
ALICE = f"uid=alice,{BASE}"
SUB = "686b0664-7b23-1041-8bb5-751418815f11"


@attrs.frozen
class Mock:
    """A directory within ldap3."""

    server: Server = attrs.field(
        factory=lambda: Server("ldap.example.com", use_ssl=True, get_info=NONE)
    )
    threads: set[int] = attrs.field(factory=set[int])

    def __attrs_post_init__(self) -> None:
        self.add(SERVICE, userPassword="service")
        self.add(DECOY, userPassword="nobody knows")
        self.add(ALICE, userPassword="wonderland", uid="alice", entryUUID=SUB)
        self.add(
            f"uid=mallory,{BASE}",
            userPassword="wonderland",
            uid="mallory",
            entryUUID="686b14d8-7b23-1041-8bb6-751418815f11",
            pwdAccountLockedTime="000001010000Z",
        )

    def add(self, dn: str, **attributes: str) -> None:
        assert self.strategy.add_entry(dn, attributes)

    @property
    def strategy(self) -> Any:
        return Connection(self.server, client_strategy=MOCK_SYNC).strategy

    def open_server(self) -> Server:
        self.threads.add(threading.get_ident())
        return self.server

    def users(self) -> LdapUsers:
        return attrs.evolve(directory_users(self.open_server), strategy=MOCK_SYNC)


def directory_users(open_server: Callable[[], Server]) -> LdapUsers:
    return LdapUsers(
        open_server=open_server,
        base=BASE,
        service_dn=SERVICE,
        service_password=Secret("service"),
        decoy_dn=DECOY,
    )


@pytest.fixture
def mock() -> Mock:
    return Mock()


def test_a_bind_signs_in(world: World, mock: Mock) -> None:
    """On the caller's stack or, next to an event loop, in a thread of its own."""
    with_users(world, mock.users())

    # The directory knows her by this name as well.
    tokens = sign_in(world, "Alice", "wonderland").json()
    refreshed = world.refresh(tokens["refresh_token"]).json()
    found = world.post(client="app", path="/introspect", token=refreshed["access_token"]).json()

    assert (found["active"], found["sub"], found["username"]) == (True, SUB, "alice")
    is_callers = threading.get_ident() in mock.threads
    assert is_callers == (world.colour == "sync")


@pytest.mark.req("R6749-4.3.2-e")
@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        pytest.param("alice", "a guess", "unknown user or wrong password", id="wrong"),
        pytest.param("nobody", "wonderland", "unknown user or wrong password", id="unknown"),
        pytest.param("nobody", "nobody knows", "unknown user or wrong password", id="decoy"),
        pytest.param("*", "wonderland", "unknown user or wrong password", id="any"),
        pytest.param("al*", "wonderland", "unknown user or wrong password", id="pattern"),
        pytest.param(
            "x)(|(uid=alice)", "wonderland", "unknown user or wrong password", id="injection"
        ),
        pytest.param("al\\69ce", "wonderland", "unknown user or wrong password", id="escape"),
        pytest.param("mallory", "wonderland", "the user is disabled", id="disabled"),
    ],
)
def test_the_directory_refuses_in_one_way(
    world: World, mock: Mock, username: str, password: str, reason: str
) -> None:
    with_users(world, mock.users())

    response = sign_in(world, username, password)

    assert response.status == 400
    assert response.json() == {
        "error": "invalid_grant",
        "error_description": "the username or password is not valid",
    }
    event = world.sink.events[-1]
    assert isinstance(event, RequestRefused)
    assert event.reason == reason
    known = mock.users().find_user(username)
    assert event.sub == (None if known is None else known.sub)


def test_who_is_locked_for_good_is_disabled_and_not_unknown(mock: Mock) -> None:
    users = mock.users()
    mallory = users.find_user("mallory")

    assert mallory is not None
    assert users.verify_password("mallory", Secret("wonderland"), ANYBODY) == Disabled(
        sub=mallory.sub
    )
    assert users.verify_password("mallory", Secret("a guess"), ANYBODY) == Rejected(sub=mallory.sub)


def test_an_empty_password_never_comes_to_a_bind(mock: Mock) -> None:
    """With a name and no password it would succeed (RFC 4513, 5.1.2)."""
    assert mock.users().verify_password("alice", Secret(""), ANYBODY) == Rejected()
    assert not mock.threads


def test_the_directory_finds_users_by_both_names(mock: Mock) -> None:
    users = mock.users()
    alice = User(sub=SUB, username="alice")

    assert users.find_user("alice") == users.find_user_by_sub(SUB) == alice
    for nobody in ("nobody", "*", "", ODD_TEXT):
        assert users.find_user(nobody) is None
        assert users.find_user_by_sub(nobody) is None
    users.replace_password_hash(SUB, "wonderland", "new")

    assert users.verify_password("alice", Secret("wonderland"), ANYBODY) == Accepted(alice)


def test_a_name_that_two_users_have_is_a_fault(world: World, mock: Mock) -> None:
    """Nobody is signed in as whichever comes first."""
    mock.add(f"cn=other,{BASE}", userPassword="wonderland", uid="alice", entryUUID="another")
    with_users(world, mock.users())

    response = sign_in(world, "alice", "wonderland")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert "sizeLimitExceeded" in fault_of(world)


@pytest.mark.parametrize("change", ["locked", "deleted"])
def test_who_left_the_directory_gets_no_refresh(world: World, mock: Mock, change: str) -> None:
    with_users(world, mock.users())
    tokens = sign_in(world, "alice", "wonderland").json()

    mock.strategy.remove_entry(ALICE)
    if change == "locked":
        mock.add(ALICE, uid="alice", entryUUID=SUB, pwdAccountLockedTime="000001010000Z")

    assert error_of(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_while_the_directory_is_away_no_refresh_token_is_spent(world: World, mock: Mock) -> None:
    with_users(world, mock.users())
    tokens = sign_in(world, "alice", "wonderland").json()

    with free_port() as port:
        with_users(world, directory_users(lambda: Server("127.0.0.1", port, get_info=NONE)))
        away = world.refresh(tokens["refresh_token"])
    with_users(world, mock.users())

    assert error_of(away) == (503, "temporarily_unavailable")
    assert world.refresh(tokens["refresh_token"]).status == 200


# A directory on the wire


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return a value in BER."""
    value = b"".join(parts)
    length = bytes([len(value)]) if len(value) < 128 else bytes([0x81, len(value)])
    return bytes([tag]) + length + value


def result(operation: int, code: int = 0, *rest: bytes) -> bytes:
    """Return what ends an operation (RFC 4511, 4.1.9)."""
    return tlv(operation, tlv(0x0A, bytes([code])), tlv(4), tlv(4), *rest)


def entry(dn: str, **attributes: str) -> bytes:
    """Return an entry that was found (RFC 4511, 4.5.2)."""
    kinds = [
        tlv(0x30, tlv(4, name.encode()), tlv(0x31, tlv(4, value.encode())))
        for name, value in attributes.items()
    ]
    return tlv(0x64, tlv(4, dn.encode()), tlv(0x30, *kinds))


BIND, SEARCH_DONE, REFERENCE = 0x61, 0x65, 0x73
UNBIND = tlv(0x42)
TIME_LIMIT, SIZE_LIMIT, REFERRAL, NO_OBJECT, NO_PASSWORD, WRONG, BUSY = 3, 4, 10, 32, 48, 49, 51
BOUND = [result(BIND)]
FOUND = entry(ALICE, uid="alice", entryUUID=SUB)
DONE = result(SEARCH_DONE)
ELSEWHERE = tlv(0xA3, tlv(4, b"ldap://127.0.0.1:9/dc=example"))


class Directory:
    """
    Gives prepared answers, one a request, and is silent then until the client goes.

    An answer is the operations within its messages (RFC 4511, 4.1.1).
    """

    def __init__(self, answers: tuple[list[bytes], ...], tls: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        self.was_left = threading.Event()
        self._answers = answers
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Serve one connection."""
        # Whatever goes wrong with the connection, the test sees by what it got.
        with self._listener, suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(30)
            with self._wrap(connection) as connection:
                for operations in self._answers:
                    request = connection.recv(65536)
                    self.requests.append(request)
                    # After tag and length of the message comes its number, of up to four octets.
                    number = request[2 : 4 + request[3]]
                    for operation in operations:
                        connection.sendall(tlv(0x30, number, operation))
                while request := connection.recv(65536):
                    self.requests.append(request)
                self.was_left.set()

    def _wrap(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        with connection:
            return self._tls.wrap_socket(connection, server_side=True)

    def open_server(self) -> Server:
        return Server("127.0.0.1", self.port, get_info=NONE, connect_timeout=30)


@contextmanager
def serving(
    *answers: list[bytes], tls: ssl.SSLContext | None = None
) -> Generator[Directory, None, None]:
    directory = Directory(answers, tls)
    thread = threading.Thread(target=directory.serve)
    thread.start()
    try:
        yield directory
    finally:
        thread.join()


@contextmanager
def free_port() -> Generator[int, None, None]:
    """Return a port where nobody listens, and nobody else will."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.mark.req("R6749-4.3.2-b")
@pytest.mark.parametrize("password", ["wonderland", "caf\u00e9", "cafe\u0301", "\u00ad", "\ue000"])
def test_the_directory_gets_the_octets_of_the_password(password: str) -> None:
    """ldap3 would fold some of them, and refuse others (RFC 4013)."""
    with serving(BOUND, [FOUND, DONE], [result(BIND)]) as directory:
        outcome = directory_users(directory.open_server).verify_password(
            "alice", Secret(password), ANYBODY
        )

    assert outcome == Accepted(User(sub=SUB, username="alice"))
    assert directory.requests[2].endswith(tlv(0x80, password.encode()))
    assert ALICE.encode() in directory.requests[2]
    assert directory.requests[3].endswith(UNBIND)
    assert directory.was_left.is_set()


@pytest.mark.req("R6749-10.10-b")
def test_an_unknown_user_costs_a_bind_too() -> None:
    with serving(BOUND, [DONE], [result(BIND)]) as directory:
        outcome = directory_users(directory.open_server).verify_password(
            "nobody", Secret("a guess"), ANYBODY
        )

    assert outcome == Rejected()
    assert DECOY.encode() in directory.requests[2]
    assert directory.requests[2].endswith(tlv(0x80, b"a guess"))


@pytest.mark.parametrize("code", [WRONG, NO_PASSWORD])
def test_a_bind_that_is_refused_is_a_wrong_password(world: World, code: int) -> None:
    with serving(BOUND, [FOUND, DONE], [result(BIND, code)]) as directory:
        with_users(world, directory_users(directory.open_server))
        response = sign_in(world, "alice", "a guess")

    assert error_of(response) == (400, "invalid_grant")
    assert directory.was_left.is_set()


@pytest.mark.req("R6819-4.4.3.1-a")
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param([[result(BIND, BUSY)]], "busy", id="busy-service"),
        pytest.param([[result(BIND, WRONG)]], "service_dn", id="wrong-service"),
        pytest.param([BOUND, [result(SEARCH_DONE, BUSY)]], "busy", id="busy-search"),
        pytest.param([BOUND, [result(SEARCH_DONE, NO_OBJECT)]], "noSuchObject", id="no-base"),
        pytest.param([BOUND, [result(SEARCH_DONE, TIME_LIMIT)]], "timeLimit", id="slow-search"),
        pytest.param(
            [BOUND, [FOUND, result(SEARCH_DONE, SIZE_LIMIT)]], "sizeLimit", id="two-entries"
        ),
        pytest.param(
            [BOUND, [result(SEARCH_DONE, REFERRAL, ELSEWHERE)]], "referral", id="search-referred"
        ),
        pytest.param([BOUND, [entry(ALICE, uid="alice"), DONE]], "unpack", id="no-sub"),
        pytest.param([BOUND, [FOUND, DONE], [result(BIND, BUSY)]], "busy", id="busy-bind"),
        pytest.param(
            [BOUND, [FOUND, DONE], [result(BIND, REFERRAL)]],
            "neither accepts nor refuses",
            id="bind-referred",
        ),
    ],
)
def test_no_answer_is_503_and_never_a_wrong_password(
    world: World, answers: list[list[bytes]], said: str
) -> None:
    """Nobody follows a referral, and the operator reads no password."""
    with serving(*answers) as directory:
        with_users(world, directory_users(directory.open_server))
        response = sign_in(world, "alice", "wonderland")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert said in fault_of(world)
    assert "wonderland" not in fault_of(world)
    assert "service password" not in fault_of(world)
    assert directory.was_left.is_set()


def test_a_reference_beside_the_entry_is_passed_over() -> None:
    reference = tlv(REFERENCE, tlv(4, b"ldap://127.0.0.1:9/dc=example"))
    with serving(BOUND, [reference, FOUND, DONE]) as directory:
        user = directory_users(directory.open_server).find_user("alice")

    assert user == User(sub=SUB, username="alice")


@pytest.mark.parametrize("answered", [0, 2])
def test_a_silent_directory_is_waited_for_so_long(
    world: World, answered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldap_users, "TIMEOUT", 1)
    with serving(*[BOUND, [FOUND, DONE]][:answered]) as directory:
        with_users(world, directory_users(directory.open_server))
        response = sign_in(world, "alice", "wonderland")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert "timed out" in fault_of(world)


def test_a_directory_that_is_away_is_503(world: World) -> None:
    with free_port() as port:
        with_users(world, directory_users(lambda: Server("127.0.0.1", port, get_info=NONE)))
        response = sign_in(world, "alice", "wonderland")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert "while opening" in fault_of(world)


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """A file with a certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "directory.pem"
        path.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        yield path


# What ldap3 does under Python 3.11 to compare the name with that of the certificate.
@pytest.mark.filterwarnings(r"ignore:ssl\.match_hostname\(\) is deprecated:DeprecationWarning")
@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_directory_has_to_show_a_certificate(certificate: Path, *, is_trusted: bool) -> None:
    """Before it is told anything."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    def open_server() -> Server:
        server = open_directory("localhost", str(certificate) if is_trusted else None)
        server.port, server.mode = directory.port, IP_V4_ONLY
        return server

    with serving(BOUND, [FOUND, DONE], [result(BIND)], tls=tls) as directory:
        users = directory_users(open_server)
        if is_trusted:
            outcome = users.verify_password("alice", Secret("wonderland"), ANYBODY)
            assert outcome == Accepted(User(sub=SUB, username="alice"))
        else:
            with pytest.raises(Exception, match="certificate verify failed"):
                users.verify_password("alice", Secret("wonderland"), ANYBODY)
            assert directory.requests == []


# Clients in a file


class GrowingFile(ClientFile):
    """Written by the tests alone: one client after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        super().__init__(path)

    def add_client(self, client: Client) -> None:
        before = self.path.read_text("utf-8")
        self.path.write_text(before + to_toml(client), "utf-8")
        try:
            super().__init__(self.path)
        except ValueError:
            self.path.write_text(before, "utf-8")
            raise


def to_toml(client: Client) -> str:
    """Return the tables of *client*, without what is as by default."""
    lines = [f"[{to_text(client.client_id)}]"]
    for attribute in attrs.fields(Client):
        value = getattr(client, attribute.name)
        if attribute.name not in ("client_id", "secrets") and value != attribute.default:
            lines.append(f"{attribute.name} = {to_value(value)}")
    for secret in client.secrets:
        lines.append(f"[[{to_text(client.client_id)}.secrets]]")
        lines.append(f"id = {to_text(secret.id)}")
        lines.append(f"hash = {to_text(secret.hash)}")
        if secret.expires_at is not None:
            lines.append(f"expires_at = {secret.expires_at.isoformat()}")
    return "\n".join([*lines, ""])


def to_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def to_value(value: object) -> str:
    if isinstance(value, timedelta):
        value = int(value.total_seconds())
    # Arrays, numbers, true and false are written as in JSON, and a scope as text.
    return json.dumps(value, ensure_ascii=False, default=str)


class TestClientFile(ClientStoreContract[GrowingFile]):
    keeps_secrets = False

    @contextmanager
    def open_store(self) -> Generator[GrowingFile, None, None]:
        with TemporaryDirectory() as folder:
            yield GrowingFile(Path(folder) / "clients.toml")


@pytest.mark.parametrize(
    ("toml", "error", "said"),
    [
        ("[app]\nfirst_party = 'false'", TypeError, "first_party has to be true or false"),
        ("[app]\nactive = 0", TypeError, "active has to be true or false"),
        ("[app]\ngrant_typs = []", TypeError, "grant_typs"),
        ("[app]\naccess_token_lifetime = '600'", TypeError, "seconds"),
        ("[app]\ngrant_types = 'password'", InvalidClientMetadata, "a list of strings"),
        ("[app]", InvalidClientMetadata, "'app': .* needs a client_secret"),
        ("[[app.secrets]]\nhash = 'x'\nexpires_at = 2027-01-01", ValueError, "aware datetime"),
        ("[[app.secrets]]\nhash = 'x'\nexpires_at = 2027-01-01T00:00:00", ValueError, "aware"),
        ("[app", ValueError, "TOML|Expected"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_when_it_is_read(
    toml: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(toml, "utf-8")

    with pytest.raises(error, match=said):
        ClientFile(path)


def test_the_file_of_the_docstring_is_read(tmp_path: Path) -> None:
    """Its secrets keep their names when the process starts again."""
    import client_file

    assert client_file.__doc__ is not None
    toml = client_file.__doc__.partition("::\n")[2].replace("    ", "")
    path = tmp_path / "clients.toml"
    path.write_text(toml + "[[reports.secrets]]\nhash = 'sha256:…'", "utf-8")

    first, again = (ClientFile(path).find_client("reports") for _ in range(2))

    assert first == again
    assert first is not None
    assert first.access_token_lifetime == timedelta(minutes=10)
    assert first.secrets == (
        ClientSecret(hash="sha256:…", id="2026-01", expires_at=datetime(2027, 2, 1, tzinfo=UTC)),
        ClientSecret(hash="sha256:…", id="reports-1"),
    )


class CountingHasher(Argon2idHasher):
    """Says how often it was asked for a hash."""

    made = 0

    def hash(self, secret: Secret) -> str:
        type(self).made += 1
        return super().hash(secret)


def test_a_file_keeps_a_weak_hash_and_each_request_pays_for_it(
    world: World, tmp_path: Path
) -> None:
    """What docs/mixing-stores.md says of raised costs."""
    path = tmp_path / "clients.toml"
    weak = CHEAP.hash(Secret("chosen by a person"))
    path.write_text(
        f"[old]\ngrant_types = ['client_credentials']\n[[old.secrets]]\nhash = '{weak}'"
    )

    class Hasher(CountingHasher):
        pass

    world.secrets["old"] = Secret("chosen by a person")
    world.configure(clients=ClientFile(path), hasher=Hasher(memory_cost=16, time_cost=1, lanes=1))
    for _ in range(2):
        assert world.post(client="old", grant_type="client_credentials").status == 200

    assert Hasher.made == 2


# Clients in a table


@pytest.fixture
def clients(engine: Engine) -> TableClients:
    """The clients of the table, so far none."""
    return TableClients(engine)


def add_partner(clients: TableClients, slug: str, key_hash: str, **columns: Any) -> None:
    with Session(clients.engine) as session, session.begin():
        columns.setdefault("scope", "read")
        session.add(Partner(slug=slug, name=slug.title(), key_hash=key_hash, **columns))


def key_hash_of(clients: TableClients, slug: str) -> str:
    with Session(clients.engine) as session:
        return session.get_one(Partner, slug).key_hash


def test_a_row_is_a_client(clients: TableClients) -> None:
    add_partner(clients, "partner", "sha256:1", scope="read write")
    add_partner(clients, "app", "sha256:2", is_own_app=True)

    partner = clients.find_client("partner")

    assert partner == Client(
        client_id="partner",
        client_name="Partner",
        grant_types=("client_credentials",),
        scope=Scope.of("read write"),
        default_scope=Scope.of("write read"),
        secrets=(ClientSecret(hash="sha256:1", id="partner"),),
    )
    app = clients.find_client("app")
    assert app is not None
    assert app.first_party
    assert app.grant_types == ("password", "refresh_token")
    assert clients.find_client("Partner") is None
    assert clients.find_client("nobody") is None


@pytest.mark.req("R6819-5.2.3.6-a")
def test_a_suspended_partner_gets_nothing(world: World, clients: TableClients) -> None:
    secret = Secret("a key of 128 random bits")
    world.secrets["partner"] = secret
    world.configure(clients=clients)
    add_partner(clients, "partner", hash_client_secret(secret, machine_made=True).hash)
    asked = {"client": "partner", "grant_type": "client_credentials"}

    before = world.post(**asked).status
    with Session(clients.engine) as session, session.begin():
        session.get_one(Partner, "partner").is_suspended = True

    assert before == 200
    assert error_of(world.post(**asked)) == (401, "invalid_client")


def test_a_weak_hash_of_a_key_is_replaced(world: World, clients: TableClients) -> None:
    weak = CHEAP.hash(Secret("chosen by a person"))
    add_partner(clients, "old", weak)
    world.secrets["old"] = Secret("chosen by a person")
    stronger = Argon2idHasher(memory_cost=16, time_cost=1, lanes=1)
    world.configure(clients=clients, hasher=stronger)

    for _ in range(2):
        assert world.post(client="old", grant_type="client_credentials").status == 200

    assert not stronger.needs_rehash(key_hash_of(clients, "old"))


def test_a_key_that_was_changed_meanwhile_is_not_put_back(clients: TableClients) -> None:
    add_partner(clients, "old", "changed")
    add_partner(clients, "other", "old hash")

    clients.replace_client_secret("old", ClientSecret(hash="old hash"), ClientSecret(hash="new"))

    assert (key_hash_of(clients, "old"), key_hash_of(clients, "other")) == ("changed", "old hash")


@pytest.mark.req("R6819-4.4.3.1-a")
def test_a_row_that_makes_no_client_is_a_fault(world: World, clients: TableClients) -> None:
    add_partner(clients, "broken", "sha256:secret", scope='"')
    world.secrets["broken"] = Secret("anything")
    world.configure(clients=clients)

    response = world.post(client="broken", grant_type="client_credentials")

    assert error_of(response) == (503, "temporarily_unavailable")
    assert "sha256:secret" not in fault_of(world)


# All together


@contextmanager
def open_tokens(kind: str, world: World, valkey_url: str) -> Generator[Store, None, None]:
    """Return an empty store of the colour of *world*; the tests give it tokens and denials."""
    is_sync = world.colour == "sync"
    if kind == "memory":
        yield MemoryStore()
    elif kind == "redis":
        prefix = f"{random_id(6)}:"
        with closing(cast("Any", redis.Redis).from_url(valkey_url)) as client:
            if is_sync:
                yield RedisStore(client, prefix=prefix)
            else:
                async_client = cast("Any", redis.asyncio.Redis).from_url(valkey_url)
                yield AsyncRedisStore(async_client, prefix=prefix)
                world.runner.run(async_client.aclose())
            for key in client.scan_iter(match=f"{prefix}*"):
                client.delete(key)
    else:
        with sqlite_url() as url, open_engine(f"sqlite:{url}") as engine:
            store = SqlAlchemyStore(engine)
            store.create_all()
            if is_sync:
                yield store
            else:
                async_engine = create_async_engine(f"sqlite+aiosqlite:{url}")
                yield AsyncSqlAlchemyStore(async_engine)
                world.runner.run(async_engine.dispose())


@pytest.fixture(params=["memory", "sqlalchemy", "redis"])
def tokens(request: pytest.FixtureRequest, world: World, valkey_url: str) -> Iterator[Store]:
    """A store that is to keep tokens alone."""
    with open_tokens(request.param, world, valkey_url) as store:
        yield store


@pytest.fixture(params=["file", "table"])
def client_store(
    request: pytest.FixtureRequest, world: World, clients: TableClients, tmp_path: Path
) -> ClientStore:
    """The clients ``app`` and ``service`` with the secrets that *world* knows, kept elsewhere."""
    keys = {
        name: hash_client_secret(world.secrets[name], machine_made=True).hash
        for name in ("app", "service")
    }
    if request.param == "table":
        add_partner(clients, "app", keys["app"], scope="profile", is_own_app=True)
        add_partner(clients, "service", keys["service"])
        return clients
    path = tmp_path / "clients.toml"
    path.write_text(
        f"""
        [app]
        grant_types = ["password", "refresh_token"]
        scope = "profile"
        default_scope = "profile"
        first_party = true
        [[app.secrets]]
        hash = "{keys["app"]}"

        [service]
        grant_types = ["client_credentials"]
        scope = "read"
        default_scope = "read"
        [[service.secrets]]
        hash = "{keys["service"]}"
        """
    )
    return ClientFile(path)


@pytest.fixture(params=["directory", "table"])
def user_store(
    request: pytest.FixtureRequest, users: TableUsers, mock: Mock
) -> TableUsers | LdapUsers:
    """Somewhere where alice signs in with her password."""
    if request.param == "directory":
        return mock.users()
    add_account(users, "alice", DJANGO)
    return users


def is_active(world: World, token: str, client: str = "app") -> bool:
    found = world.post(client=client, path="/introspect", token=token).json()
    assert isinstance(found["active"], bool)
    return found["active"]


@pytest.mark.req("R9700-4.14.2-a", "R7009-2.1-d", "R7009-2.1-e")
def test_each_port_has_a_store_of_its_own(
    world: World, client_store: ClientStore, tokens: Store, user_store: TableUsers | LdapUsers
) -> None:
    """Tokens, refresh, introspection and revocation, whoever keeps what."""
    with_users(world, user_store)
    world.configure(store=None, clients=client_store, tokens=tokens, clock=utc_now)

    service = world.post(client="service", grant_type="client_credentials").json()
    assert is_active(world, service["access_token"], "service")
    world.post(client="service", path="/revoke", token=service["access_token"])
    assert not is_active(world, service["access_token"], "service")

    first = sign_in(world, "alice", "wonderland").json()
    second = world.refresh(first["refresh_token"]).json()
    assert is_active(world, second["access_token"])
    assert first["refresh_token"] != second["refresh_token"]
    assert error_of(world.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert not is_active(world, second["access_token"])

    third = sign_in(world, "alice", "wonderland").json()
    assert is_active(world, third["access_token"])
    world.post(client="app", path="/revoke", token=third["refresh_token"])
    assert not is_active(world, third["access_token"])
    assert error_of(world.refresh(third["refresh_token"])) == (400, "invalid_grant")

    assert error_of(sign_in(world, "alice", "a guess")) == (400, "invalid_grant")
    assert error_of(sign_in(world, "nobody", "wonderland")) == (400, "invalid_grant")


def test_denials_have_a_store_of_their_own(
    world: World, mock: Mock, tokens: Store, valkey_url: str
) -> None:
    """JWTs are revoked there, and live on in no other."""
    with_users(world, mock.users())
    with open_tokens("redis", world, valkey_url) as denials:
        world.configure(
            tokens=tokens,
            deny_list=denials,
            clock=utc_now,
            access_token_format="jwt",
            signing_keys=SigningKey.generate("ES256", kid="k1"),
            audience="https://api.example.com",
        )
        signed_in = sign_in(world, "alice", "wonderland").json()

        assert is_active(world, signed_in["access_token"])
        world.post(client="app", path="/revoke", token=signed_in["refresh_token"])
        assert not is_active(world, signed_in["access_token"])

        # With another list it would have been valid still.
        world.configure(deny_list=MemoryStore())
        assert is_active(world, signed_in["access_token"])
