"""Every statement, built once a store and compiled once an engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    insert,
    literal,
    select,
    update,
)

from oauthgrants.stores.sqlalchemy.tables import Moment, Tables


class Statements:
    """
    What the operations execute.

    The parameters of conditions are called ``key``, ``old`` and ``new``, or ``by_`` and the
    column, since SQLAlchemy keeps the names of columns for values.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        clients, secrets, users = tables.clients, tables.client_secrets, tables.users
        access, refresh = tables.access_tokens, tables.refresh_tokens
        families, denials = tables.families, tables.denials

        self.add_identifier: Insert = insert(tables.identifiers)
        self.add_client: Insert = insert(clients)
        self.add_client_secret: Insert = insert(secrets)
        self.add_user: Insert = insert(users)
        self.add_family: Insert = insert(families)
        self.add_access_token: Insert = insert(access)
        self.add_refresh_token: Insert = insert(refresh)
        self.add_denial: Insert = insert(denials)

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

        self.find_access_token = _find_token(access)
        self.find_refresh_token = _find_token(refresh)
        self.prolong_family = _prolong(families, families.c.family)
        self.spend: Update = update(refresh).where(
            refresh.c.digest == bindparam("key"),
            refresh.c.family == bindparam("by_family"),
            refresh.c.spent_at.is_(None),
        )
        self.note_last_spent: Update = update(families).where(families.c.family == bindparam("key"))
        self.find_spent = (
            select(refresh.c.spent_at, families.c.last_spent)
            .join_from(refresh, families, refresh.c.family == families.c.family)
            .where(refresh.c.digest == bindparam("key"), refresh.c.family == bindparam("by_family"))
        )
        self.delete_family: tuple[Delete, ...] = tuple(
            delete(table).where(table.c.family == bindparam("key"))
            for table in (families, refresh, access)
        )
        self.delete_access_token: Delete = delete(access).where(access.c.digest == bindparam("key"))

        self.prolong_denial = _prolong(denials, denials.c.identifier)
        self.find_denials: Select[Any] = (
            select(literal(1))
            .select_from(denials)
            .where(denials.c.identifier.in_(bindparam("keys", expanding=True)))
            .limit(1)
        )

        self.delete_expired: tuple[Delete, ...] = (
            _delete_expired(access, access.c.digest),
            _delete_expired(refresh, refresh.c.digest),
            _delete_expired(denials, denials.c.identifier),
        )
        self.delete_expired_families = _delete_expired(families, families.c.family)


def _find_token(table: Table) -> Select[Any]:
    kept = [column for column in table.c if column.name != "expires_at"]
    return select(*kept).where(table.c.digest == bindparam("key"))


def _prolong(table: Table, key: Column[Any]) -> Update:
    """Return what moves the end of a row to a later moment, and locks the row in any case."""
    ends = bindparam("new", type_=Moment)
    later = case((table.c.expires_at < ends, ends), else_=table.c.expires_at)
    return update(table).where(key == bindparam("key")).values(expires_at=later)


def _delete_expired(table: Table, key: Column[Any]) -> Delete:
    now = bindparam("now", type_=Moment)
    expired = (
        select(key)
        .where(table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(bindparam("most"))
        .scalar_subquery()
    )
    # The moment is asked for twice: a row that was prolonged meanwhile stays.
    return delete(table).where(key.in_(expired), table.c.expires_at <= now)
