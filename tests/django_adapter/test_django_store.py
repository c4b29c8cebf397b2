"""What the store on Django's ORM does beyond the contract: transactions, retries, indexes."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from typing import Any

import attrs
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction

from django_adapter.tables import letting_go
from oauthgrants import AccessToken, Client, ClientSecret, RefreshToken, Secret
from oauthgrants.adapters.django import models, transactions
from oauthgrants.adapters.django.store import AsyncDjangoStore, DjangoStore
from oauthgrants.attempts import AttemptLimit
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Rotation
from oauthgrants.testing.store_samples import (
    DAY,
    HOUR,
    clients,
    make_access_token,
    make_mfa_token,
    make_pair,
    make_successors,
    moment,
)
from oauthgrants.tokens import MfaToken

NEVER = timedelta()


def rows_of() -> dict[str, int]:
    """Return how many rows there are, by model, without those that are empty."""
    store = DjangoStore()
    kinds: list[Any] = [
        *(models.Client, models.ClientSecret, models.AccessToken, models.RefreshToken),
        *(models.Family, models.MfaToken, models.Denial, models.Use, models.Attempts),
        models.KnownSource,
    ]
    counts = {kind.__name__: kind.objects.using(store.using).count() for kind in kinds}
    return {name: count for name, count in counts.items() if count}


def make_secret() -> ClientSecret:
    client, _ = Client.confidential("app")
    return client.secrets[0]


def use_everything(store: DjangoStore) -> None:
    """Call each method, on each of its ways."""
    now = moment()
    access, refresh = make_pair()
    client = list(clients())[-1]
    secret = client.secrets[0]
    store.add_client(client)
    store.replace_client(client)
    store.find_client(client.client_id)
    store.replace_client_secret(client.client_id, secret, secret)
    store.add_client_secret(client.client_id, make_secret(), others_expire_at=now)
    store.find_user("alice")
    store.find_user_by_sub("user:1")
    store.save_tokens(access, refresh)
    store.find_access_token(access.digest)
    store.find_refresh_token(refresh.digest)
    for _ in range(2):
        store.rotate_refresh_token(refresh.digest, *make_successors(refresh), grace=HOUR)
    mfa = make_mfa_token()
    store.save_mfa_token(mfa)
    store.find_mfa_token(mfa.digest)
    store.take_mfa_token(mfa.digest)
    for _ in range(2):
        store.deny("jti", now)
        store.add_if_absent(mfa.digest, now)
        limit = AttemptLimit(max_failures=1, window=HOUR, longest_wait=HOUR)
        store.begin_attempt(mfa.digest, limit, now)
        store.remember_source(mfa.digest, now)
    store.is_denied(["jti", "family"])
    store.withdraw_attempt(mfa.digest)
    store.clear_attempts(mfa.digest)
    store.is_known_source(mfa.digest, now)
    store.delete_expired(now, 2)
    store.revoke_access_token(access.digest)
    store.revoke_family(refresh.family)
    store.revoke_tokens(sub="user-1")
    store.delete_client(client.client_id)


@contextmanager
def noting(alias: str) -> Generator[dict[str, Any], None, None]:
    """Return what grows with each statement, with its last parameters."""
    seen: dict[str, Any] = {}

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen[sql] = params
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(note):
        yield seen


def test_every_look_up_has_an_index(alias: str) -> None:
    """No statement reads a whole table, so that none takes longer the more is stored."""
    with noting(alias) as seen:
        use_everything(DjangoStore())

    is_sqlite = alias == "sqlite"
    explain, scan = ("EXPLAIN QUERY PLAN", "SCAN ") if is_sqlite else ("EXPLAIN", "Seq Scan")
    plans: dict[str, str] = {}
    with connections[alias].cursor() as cursor:
        if not is_sqlite:
            # Of an empty table it is the cheapest.
            cursor.execute("SET enable_seqscan = off")
        for sql, params in seen.items():
            if sql.startswith(("SELECT", "UPDATE", "DELETE")):
                cursor.execute(f"{explain} {sql}", params)
                plans[sql] = "\n".join(str(row) for row in cursor.fetchall())

    assert len(plans) >= 30
    assert {sql: plan for sql, plan in plans.items() if scan in plan} == {}


def test_what_writes_begins_by_writing(alias: str) -> None:
    """So SQLite has its one writer from the start, whatever its transaction mode."""
    store = DjangoStore()
    access, refresh = make_pair()
    client = Client.public("app")
    limit = AttemptLimit(max_failures=1, window=HOUR, longest_wait=HOUR)
    now = moment()
    first: dict[str, str] = {}
    writes: dict[str, Callable[[], object]] = {
        "add_client": lambda: store.add_client(client),
        "replace_client": lambda: store.replace_client(client),
        "delete_client": lambda: store.delete_client("app"),
        "save_tokens": lambda: store.save_tokens(access, refresh),
        "rotate": lambda: store.rotate_refresh_token(
            refresh.digest, *make_successors(refresh), grace=NEVER
        ),
        "rotate again": lambda: store.rotate_refresh_token(
            refresh.digest, *make_successors(refresh), grace=HOUR
        ),
        "revoke_family": lambda: store.revoke_family(refresh.family),
        "revoke_tokens": lambda: store.revoke_tokens(client_id="app"),
        "deny": lambda: store.deny("jti", now),
        "begin_attempt": lambda: store.begin_attempt(bytes(32), limit, now),
        "withdraw_attempt": lambda: store.withdraw_attempt(bytes(32)),
        "remember_source": lambda: store.remember_source(bytes(32), now),
        "delete_expired": lambda: store.delete_expired(now, 5),
    }
    for name, write in writes.items():
        with noting(alias) as seen:
            write()
        first[name] = next(sql for sql in seen if not sql.startswith("BEGIN"))

    reading = {name: sql for name, sql in first.items() if sql.startswith("SELECT")}
    assert reading == {}


def test_a_call_joins_the_hosts_transaction(alias: str) -> None:
    """What the host takes back has not happened, what it commits has."""
    store = DjangoStore()
    access, refresh = make_pair()

    with transaction.atomic(alias):
        store.save_tokens(access, refresh)
        assert store.find_access_token(access.digest) == access
        transaction.set_rollback(True, alias)  # its only name is by position
    assert store.find_access_token(access.digest) is None

    with transaction.atomic(alias):
        store.save_tokens(access, refresh)
    assert store.find_access_token(access.digest) == access


def test_a_call_that_fails_leaves_the_hosts_transaction_usable(alias: str) -> None:
    """PostgreSQL would refuse whatever comes after."""
    store = DjangoStore()
    store.add_client(Client.public("app"))

    with transaction.atomic(alias):
        with pytest.raises(ValueError, match="'app' is registered already"):
            store.add_client(Client.public("app"))
        assert store.add_if_absent(bytes(32), moment()) is True
        assert store.add_if_absent(bytes(32), moment()) is False
        store.add_client(Client.public("other"))

    assert store.find_client("other") == Client.public("other")


class DriverError(Exception):
    """What a driver raises, with the codes that drivers give."""

    def __init__(self, **codes: object) -> None:
        vars(self).update(codes)


def failing(
    times: int, error: DatabaseError, cause: Exception | None
) -> tuple[Callable[[], str], list[int]]:
    """Return an operation that fails so many times, and a list that grows with each try."""
    tries: list[int] = []

    def operation() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise error from cause
        return "done"

    return operation, tries


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        pytest.param(OperationalError(), DriverError(sqlstate="40001"), id="serialization"),
        pytest.param(OperationalError(), DriverError(sqlstate="40P01"), id="deadlock"),
        pytest.param(OperationalError(), DriverError(pgcode="40P01"), id="psycopg2"),
        pytest.param(OperationalError(), DriverError(sqlite_errorcode=517), id="sqlite-snapshot"),
        pytest.param(IntegrityError(), None, id="added-by-another"),
    ],
)
def test_what_may_succeed_is_tried_again(
    error: DatabaseError, cause: Exception | None, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times, then it is a failure; within the host's transaction, at once."""
    monkeypatch.setattr(transactions, "random", lambda: 0.0)
    passing, _ = failing(4, error, cause)
    hopeless, tries = failing(9, error, cause)
    joined, tries_within = failing(1, error, cause)

    assert transactions.run(alias, passing) == "done"
    with pytest.raises(type(error)):
        transactions.run(alias, hopeless)
    with pytest.raises(type(error)), transaction.atomic(alias):
        transactions.run(alias, joined)

    assert (len(tries), len(tries_within)) == (5, 1)


def test_what_cannot_succeed_is_not_tried_again(alias: str) -> None:
    operation, tries = failing(1, OperationalError(), DriverError(sqlstate="57P01"))

    with pytest.raises(OperationalError):
        transactions.run(alias, operation)

    assert len(tries) == 1


def test_who_waits_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch, alias: str) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(transactions, "random", lambda: 1.0)
    operation, _ = failing(4, IntegrityError(), None)

    transactions.run(alias, operation)

    assert waited == [0.01, 0.04, 0.16, 0.64]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_one_rotates_at_every_isolation_level(level: str, alias: str) -> None:
    """The others are told that they came too late, not that something failed."""
    access, refresh = make_pair()
    DjangoStore().save_tokens(access, refresh)

    def rotate(_: int) -> str:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"SET default_transaction_isolation = '{level}'")
        new = make_successors(refresh)
        return DjangoStore().rotate_refresh_token(refresh.digest, *new, grace=NEVER).name

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(letting_go(rotate), range(4)))

    assert outcomes == ["REPLAYED", "REPLAYED", "REPLAYED", "ROTATED"]


def test_nothing_is_left_of_what_has_expired(alias: str) -> None:
    """Families neither."""
    store = DjangoStore()
    for _ in range(3):
        access, refresh = make_pair()
        store.save_tokens(access, refresh)
        new = make_successors(refresh, timedelta(seconds=1))
        assert store.rotate_refresh_token(refresh.digest, *new, grace=NEVER) is Rotation.ROTATED
    store.deny("jti", moment())
    store.save_mfa_token(make_mfa_token())
    store.add_if_absent(bytes(32), moment())
    store.remember_source(bytes(32), moment())

    deleted = [store.delete_expired(moment() + 31 * DAY, 5) for _ in range(5)]

    assert deleted == [5, 5, 5, 1, 0]
    assert rows_of() == {}


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_what_is_prolonged_meanwhile_is_not_deleted(alias: str) -> None:
    """Though it had expired when the purge looked for it."""
    store, now = DjangoStore(), moment()
    store.deny("jti", now)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(alias):
            store.deny("jti", now + DAY)
            purge = pool.submit(letting_go(store.delete_expired), now + HOUR, 10)
            with connections[f"{alias}_again"].cursor() as cursor:
                for _ in range(3000):
                    cursor.execute(waiting)
                    if cursor.fetchone() != (0,):
                        break
                    time.sleep(0.01)
                else:
                    raise AssertionError("nobody waits")
        assert purge.result(timeout=60) == 0

    assert store.is_denied(["jti"])


def test_clients_are_replaced(alias: str) -> None:
    store = DjangoStore()
    client, _ = Client.confidential("app", grant_types=["client_credentials"])
    store.add_client(client)
    store.add_client(Client.public("phone"))

    changed = attrs.evolve(client, scope="a", secrets=client.secrets * 2)
    store.replace_client(changed)

    assert store.find_client("app") == changed
    assert store.find_client("phone") == Client.public("phone")
    with pytest.raises(KeyError, match="nobody"):
        store.replace_client(Client.public("nobody"))


def test_a_client_gets_a_further_secret(alias: str) -> None:
    """Those that it has end when they are told to, or earlier if they did."""
    store = DjangoStore()
    now = moment()
    client, _ = Client.confidential("app", secret_expires_at=now + HOUR)
    store.add_client(client)
    [old] = client.secrets
    second, third, fourth = (make_secret() for _ in range(3))

    store.add_client_secret("app", second)
    store.add_client_secret("app", third, others_expire_at=now + DAY)
    store.add_client_secret("app", fourth, others_expire_at=now + 2 * DAY)

    found = store.find_client("app")
    assert found is not None
    assert found.secrets == (
        old,
        attrs.evolve(second, expires_at=now + DAY),
        attrs.evolve(third, expires_at=now + 2 * DAY),
        fourth,
    )


def test_who_has_no_secret_gets_none(alias: str) -> None:
    store = DjangoStore()
    store.add_client(Client.public("phone"))

    with pytest.raises(ValueError, match=r"'phone': .* goes with no client_secret"):
        store.add_client_secret("phone", make_secret())
    with pytest.raises(KeyError, match="nobody"):
        store.add_client_secret("nobody", make_secret())

    assert store.find_client("phone") == Client.public("phone")


def test_a_client_goes_with_its_tokens(alias: str) -> None:
    store = DjangoStore()
    for client_id in ("app", "other"):
        client, _ = Client.confidential(client_id, grant_types=["password"])
        store.add_client(client)
        access, refresh = make_pair(client_id=client_id)
        store.save_tokens(access, refresh)
        store.save_tokens(make_access_token(client_id=client_id), None)

    store.delete_client("app")

    assert store.find_client("app") is None
    assert rows_of() == {
        "Client": 1,
        "ClientSecret": 1,
        "AccessToken": 2,
        "RefreshToken": 1,
        "Family": 1,
    }


def test_all_tokens_of_a_user_are_revoked(alias: str) -> None:
    """Whichever client has them."""
    store = DjangoStore()
    pairs = [make_pair(client_id=client_id, sub="user:1") for client_id in ("app", "phone")]
    kept = make_pair(sub="user:2")
    for pair in (*pairs, kept):
        store.save_tokens(*pair)

    store.revoke_tokens(sub="user:1")

    for access, refresh in pairs:
        assert store.find_access_token(access.digest) is None
        assert store.find_refresh_token(refresh.digest) is None
        new = make_successors(refresh)
        assert store.rotate_refresh_token(refresh.digest, *new, grace=DAY) is Rotation.MISSING
    assert store.find_access_token(kept[0].digest) == kept[0]
    assert store.find_refresh_token(kept[1].digest) == kept[1]


def test_what_no_database_keeps_is_refused(alias: str) -> None:
    with pytest.raises(ValueError, match="has a NUL"):
        DjangoStore().deny("a\0b", moment())


@pytest.mark.parametrize(
    ("kind", "model", "further"),
    [
        (AccessToken, models.AccessToken, {"expires_at"}),
        (RefreshToken, models.RefreshToken, {"expires_at"}),
        (MfaToken, models.MfaToken, {"expires_at"}),
    ],
)
def test_every_attribute_has_a_column(kind: type, model: Any, further: set[str]) -> None:
    columns = {field.name for field in model._meta.get_fields()}

    assert columns == {"id", *(field.name for field in attrs.fields(kind)), *further}


def test_every_attribute_of_a_client_has_a_column() -> None:
    columns = {field.name for field in models.Client._meta.get_fields()}

    assert columns == {"id", *(field.name for field in attrs.fields(Client))}


def test_the_migrations_make_the_models(database: None) -> None:
    """Whatever version of Django compares them."""
    said = StringIO()

    call_command("makemigrations", "oauthgrants", check=True, dry_run=True, stdout=said)

    assert said.getvalue() == "No changes detected in app 'oauthgrants'\n"


def test_the_migrations_can_be_undone(database: None) -> None:
    call_command("migrate", "oauthgrants", "zero", verbosity=0)
    tables = connections["default"].introspection.table_names()
    call_command("migrate", "oauthgrants", verbosity=0)

    assert [name for name in tables if name.startswith("oauthgrants")] == []
    assert rows_of() == {}


def test_both_colours_have_the_same_methods() -> None:
    sync = {name for name in dir(DjangoStore) if not name.startswith("_")}
    for_people = {"delete_client", "revoke_tokens"}
    without_async = {"run", "using", "users", *for_people}

    assert sync - without_async == {
        name for name in dir(AsyncDjangoStore) if not name.startswith("_")
    }


def test_nothing_that_is_kept_can_be_used(database: None) -> None:
    """No table has a token or a secret, or the name of what was guessed at."""
    store = DjangoStore()
    client, secret = Client.confidential("app", grant_types=["client_credentials"])
    store.add_client(client)
    value = Secret("ogat_" + "a" * 48)
    store.save_tokens(make_access_token(digest=token_digest(value)), None)

    dump = StringIO()
    call_command("dumpdata", "oauthgrants", stdout=dump)

    assert f"sha256:{sha256(secret.reveal().encode()).hexdigest()}" in dump.getvalue()
    assert b64encode(token_digest(value)).decode() in dump.getvalue()
    assert secret.reveal() not in dump.getvalue()
    assert value.reveal() not in dump.getvalue()
