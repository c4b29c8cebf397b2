"""Every statement, built once a store and compiled once an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    Column,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from oauthgrants.stores.sqlalchemy.tables import Moment, Tables

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.sql.dml import ReturningInsert

    _Upsert: TypeAlias = sqlite.Insert | postgresql.Insert


class Statements:
    """
    What the operations execute.

    The parameters of conditions are called ``key``, ``old`` and ``new``, or ``by_`` and the
    column, since SQLAlchemy keeps the names of columns for values.
    """

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self.tables = tables
        clients, secrets, users = tables.clients, tables.client_secrets, tables.users
        access, refresh = tables.access_tokens, tables.refresh_tokens
        families, denials = tables.families, tables.denials
        replays, attempts = tables.replays, tables.attempts
        sources, mfa_tokens = tables.known_sources, tables.mfa_tokens
        upsert = _upsert_of(dialect)

        self.add_identifier: Insert = insert(tables.identifiers)
        self.add_client: Insert = insert(clients)
        self.add_client_secret: Insert = insert(secrets)
        self.add_user: Insert = insert(users)
        self.add_family: Insert = insert(families)
        self.add_access_token: Insert = insert(access)
        self.add_refresh_token: Insert = insert(refresh)
        self.add_denial: Insert = insert(denials)
        self.add_mfa_token: Insert = insert(mfa_tokens)

        self.find_client: Select[Any] = (
            select(
                *clients.c,
                *(
                    secrets.c[name].label(f"of_secret_{name}")
                    for name in ("hash", "expires_at", "id")
                ),
            )
            .select_from(clients.outerjoin(secrets, clients.c.client_id == secrets.c.client_id))
            .where(clients.c.client_id == bindparam("key"))
            .order_by(secrets.c.position)
        )
        self.replace_client: Update = update(clients).where(clients.c.client_id == bindparam("key"))
        self.lock_client: Update = (
            update(clients)
            .where(clients.c.client_id == bindparam("key"))
            .values(active=clients.c.active)
        )
        self.delete_client_secrets: Delete = delete(secrets).where(
            secrets.c.client_id == bindparam("key")
        )
        self.replace_client_secret: Update = update(secrets).where(
            secrets.c.client_id == bindparam("key"),
            secrets.c.id == bindparam("by_id"),
            secrets.c.hash == bindparam("by_hash"),
            secrets.c.expires_at.is_not_distinct_from(bindparam("by_expires_at", type_=Moment)),
        )

        self.find_user: Select[Any] = select(users).where(users.c.username == bindparam("key"))
        self.find_user_by_sub: Select[Any] = select(users).where(users.c.sub == bindparam("key"))
        self.replace_user: Update = update(users).where(users.c.sub == bindparam("key"))
        self.replace_password_hash: Update = update(users).where(
            users.c.sub == bindparam("key"), users.c.password_hash == bindparam("old")
        )

        self.find_access_token: Select[Any] = _find_token(access)
        self.find_refresh_token: Select[Any] = _find_token(refresh)
        self.prolong_family: Update = _prolong(families, families.c.family)
        self.spend: Update = update(refresh).where(
            refresh.c.digest == bindparam("key"),
            refresh.c.family == bindparam("by_family"),
            refresh.c.spent_at.is_(None),
        )
        self.note_last_spent: Update = update(families).where(families.c.family == bindparam("key"))
        self.find_spent: Select[Any, Any] = (
            select(refresh.c.spent_at, families.c.last_spent)
            .join_from(refresh, families, refresh.c.family == families.c.family)
            .where(refresh.c.digest == bindparam("key"), refresh.c.family == bindparam("by_family"))
        )
        self.delete_family: tuple[Delete, ...] = tuple(
            delete(table).where(table.c.family == bindparam("key"))
            for table in (families, refresh, access)
        )
        self.delete_access_token: Delete = delete(access).where(access.c.digest == bindparam("key"))

        self.prolong_denial: Update = _prolong(denials, denials.c.identifier)
        self.find_denials: Select[Any] = (
            select(literal(1))
            .select_from(denials)
            .where(denials.c.identifier.in_(bindparam("keys", expanding=True)))
            .limit(1)
        )

        self.add_replay: ReturningInsert[Any] = (
            upsert(replays)
            .on_conflict_do_nothing(index_elements=["digest"])
            .returning(replays.c.digest)
        )
        self.lock_attempts: ReturningInsert[Any] = (
            upsert(attempts)
            .on_conflict_do_update(
                index_elements=["digest"],
                set_={"failures": attempts.c.failures},
                # What comes too early writes nothing, and finds nothing.
                where=or_(
                    attempts.c.allowed_at.is_(None),
                    attempts.c.allowed_at <= bindparam("now", type_=Moment),
                ),
            )
            .returning(*(column for column in attempts.c if column.name != "digest"))
        )
        self.count_attempt: Update = update(attempts).where(attempts.c.digest == bindparam("key"))
        self.withdraw_attempt: Update = self.count_attempt.where(attempts.c.failures > 0).values(
            failures=attempts.c.failures - 1,
            allowed_at=null(),
            forgotten_at=attempts.c.forgotten_before,
        )
        self.delete_attempts: Delete = delete(attempts).where(attempts.c.digest == bindparam("key"))

        new_source = upsert(sources)
        self.add_source: _Upsert = new_source.on_conflict_do_update(
            index_elements=["digest"],
            set_={"expires_at": new_source.excluded.expires_at},
            where=sources.c.expires_at < new_source.excluded.expires_at,
        )
        self.find_source: Select[Any] = (
            select(literal(1))
            .select_from(sources)
            .where(
                sources.c.digest == bindparam("key"),
                sources.c.expires_at > bindparam("now", type_=Moment),
            )
        )
        self.find_mfa_token: Select[Any] = _find_token(mfa_tokens)
        self.delete_mfa_token: Delete = delete(mfa_tokens).where(
            mfa_tokens.c.digest == bindparam("key")
        )

        self.delete_expired: tuple[Delete, ...] = (
            *(
                _delete_expired(table.c.digest, table.c.expires_at)
                for table in (access, refresh, replays, sources, mfa_tokens)
            ),
            _delete_expired(denials.c.identifier, denials.c.expires_at),
            _delete_expired(attempts.c.digest, attempts.c.forgotten_at),
        )
        self.delete_expired_families: Delete = _delete_expired(
            families.c.family, families.c.expires_at
        )


def _upsert_of(dialect: Dialect) -> Callable[[Table], _Upsert]:
    """Return the INSERT that knows ON CONFLICT; most other databases have no such thing."""
    if dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


def _find_token(table: Table) -> Select[Any]:
    kept = [column for column in table.c if column.name != "expires_at"]
    return select(*kept).where(table.c.digest == bindparam("key"))


def _prolong(table: Table, key: Column[Any]) -> Update:
    """Return what moves the end of a row to a later moment, and locks the row in any case."""
    ends = bindparam("new", type_=Moment)
    later = case((table.c.expires_at < ends, ends), else_=table.c.expires_at)
    return update(table).where(key == bindparam("key")).values(expires_at=later)


def _delete_expired(key: Column[Any], end: Column[Any]) -> Delete:
    now = bindparam("now", type_=Moment)
    expired = select(key).where(end <= now).order_by(end).limit(bindparam("most")).scalar_subquery()
    # The moment is asked for twice: a row that was prolonged meanwhile stays.
    return delete(key.table).where(key.in_(expired), end <= now)
