"""The tables, in types that every database has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from oauthgrants.scopes import Scope

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)

# As wide as in the class above, where it can be an instance too.
_Impl: TypeAlias = TypeEngine[Any] | type[TypeEngine[Any]]


class Moment(TypeDecorator[datetime]):
    """
    A moment, as microseconds since 1970 in UTC.

    Not every database has a type with microseconds and a time zone, some round, some drop the
    zone; whole numbers compare the same everywhere.
    """

    impl: _Impl = BigInteger
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the number."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Seconds(TypeDecorator[timedelta]):
    """A lifetime, which is one of whole seconds."""

    impl: _Impl = BigInteger
    cache_ok: bool | None = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Return the number."""
        return None if value is None else value // _SECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:  # noqa: ARG002
        """Return the lifetime."""
        return None if value is None else value * _SECOND


class ScopeText(TypeDecorator[Scope]):
    """A scope as it is spelt (RFC 6749, 3.3), empty for one without tokens."""

    impl: _Impl = Text
    cache_ok: bool | None = True

    def process_bind_param(self, value: Scope | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Scope | None:  # noqa: ARG002
        """Return the scope."""
        return None if value is None else Scope.of(value)


class Texts(TypeDecorator[tuple[str, ...]]):
    """Several texts in their order, as a JSON array."""

    impl: _Impl = Text
    cache_ok: bool | None = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:  # noqa: ARG002
        """Return the array."""
        return json.dumps(value or (), separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:  # noqa: ARG002
        """Return the texts."""
        return tuple(json.loads(value or "[]"))


class Claims(TypeDecorator[Mapping[str, Any]]):
    """Claims as a JSON object. Databases' own JSON types lose NULs and the size of numbers."""

    impl: _Impl = Text
    cache_ok: bool | None = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the object, None for an empty one."""
        return json.dumps(dict(value), separators=(",", ":")) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any]:  # noqa: ARG002
        """Return the claims."""
        claims: dict[str, Any] = json.loads(value or "{}")
        return claims


@attrs.frozen(kw_only=True)
class Tables:
    """
    What `make_tables` made.

    Attributes:
        identifiers: Each ``client_id`` and each ``sub``, so that none is both.
        clients: Clients but for their secrets.
        client_secrets: By client, in order.
        users: Resource owners.
        families: One row a family; who changes the family changes it first.
        access_tokens: By digest.
        refresh_tokens: By digest.
        denials: What the deny list remembers.
        replays: What has been used, and may be used once.
        attempts: How many guesses failed, by what they were made at.
        known_sources: From where users have signed in.
        mfa_tokens: Sign-ins that wait for a second factor, by digest.
    """

    identifiers: Table
    clients: Table
    client_secrets: Table
    users: Table
    families: Table
    access_tokens: Table
    refresh_tokens: Table
    denials: Table
    replays: Table
    attempts: Table
    known_sources: Table
    mfa_tokens: Table


def make_tables(metadata: MetaData, *, prefix: str = "oauth_") -> Tables:
    """
    Return the store's tables, as members of *metadata*.

    Give it the host's own ``MetaData`` and its migrations take care of them.

    Args:
        metadata: Where they belong.
        prefix: What their names begin with.
    """
    return Tables(
        identifiers=Table(f"{prefix}identifiers", metadata, _name("identifier", primary_key=True)),
        clients=Table(
            f"{prefix}clients",
            metadata,
            _name("client_id", primary_key=True),
            _name("token_endpoint_auth_method"),
            Column("grant_types", Texts, nullable=False),
            Column("scope", ScopeText),
            Column("default_scope", ScopeText),
            Column("resources", Texts, nullable=False),
            Column("introspects", Texts, nullable=False),
            Column("first_party", Boolean, nullable=False),
            Column("access_token_lifetime", Seconds),
            Column("refresh_token_lifetime", Seconds),
            Column("secret_methods_equal", Boolean, nullable=False),
            Column("active", Boolean, nullable=False),
            Column("client_name", Text),
            Column("jwks", Text),
            Column("jwks_uri", Text),
            Column("token_endpoint_auth_signing_alg", Text),
            Column("tls_client_auth_subject_dn", Text),
            Column("tls_client_auth_san_dns", Text),
            Column("tls_client_auth_san_uri", Text),
            Column("tls_client_auth_san_ip", Text),
            Column("tls_client_auth_san_email", Text),
            Column("tls_client_certificate_bound_access_tokens", Boolean, nullable=False),
            Column("dpop_bound_access_tokens", Boolean, nullable=False),
        ),
        client_secrets=Table(
            f"{prefix}client_secrets",
            metadata,
            _name("client_id", primary_key=True),
            Column("position", Integer, primary_key=True, autoincrement=False),
            Column("hash", Text, nullable=False),
            Column("expires_at", Moment),
            Column("id", Text, nullable=False),
        ),
        users=Table(
            f"{prefix}users",
            metadata,
            _name("sub", primary_key=True),
            _name("username", unique=True),
            Column("password_hash", Text),
            Column("scope", ScopeText),
            Column("active", Boolean, nullable=False),
        ),
        families=Table(
            f"{prefix}families",
            metadata,
            _name("family", primary_key=True),
            Column("last_spent", LargeBinary(32)),
            _end("expires_at"),
        ),
        access_tokens=Table(
            f"{prefix}access_tokens",
            metadata,
            *_token_columns(),
            Column("username", Text),
            _name("family", nullable=True, index=True),
            Column("jti", Text),
            Column("extra", Claims),
            Column("cnf", Claims),
        ),
        refresh_tokens=Table(
            f"{prefix}refresh_tokens",
            metadata,
            *_token_columns(),
            Column("username", Text, nullable=False),
            Column("grant_type", Text, nullable=False),
            _name("family", index=True),
            Column("family_ends_at", Moment),
            Column("parent", LargeBinary(32)),
            Column("spent_at", Moment),
            Column("cnf", Claims),
        ),
        denials=Table(
            f"{prefix}denials",
            metadata,
            _name("identifier", primary_key=True),
            _end("expires_at"),
        ),
        replays=Table(f"{prefix}replays", metadata, _digest(), _end("expires_at")),
        attempts=Table(
            f"{prefix}attempts",
            metadata,
            _digest(),
            Column("failures", Integer, nullable=False),
            Column("allowed_at", Moment),
            _end("forgotten_at"),
            Column("forgotten_before", Moment, nullable=False),
        ),
        known_sources=Table(f"{prefix}known_sources", metadata, _digest(), _end("expires_at")),
        mfa_tokens=Table(
            f"{prefix}mfa_tokens",
            metadata,
            *_token_columns(),
            Column("username", Text, nullable=False),
        ),
    )


def _name(name: str, *, nullable: bool = False, **rules: Any) -> Column[str]:
    return Column(name, String(255), nullable=nullable, **rules)


def _digest() -> Column[bytes]:
    return Column("digest", LargeBinary(32), primary_key=True)


def _end(name: str) -> Column[datetime]:
    """Return a column by which what is deleted is found."""
    return Column(name, Moment, nullable=False, index=True)


def _token_columns() -> list[Column[Any]]:
    return [
        _digest(),
        _name("client_id"),
        Column("sub", Text, nullable=False),
        Column("scope", ScopeText, nullable=False),
        Column("audience", Texts, nullable=False),
        Column("issued_at", Moment, nullable=False),
        Column("lifetime", Seconds, nullable=False),
        # Of the value, not a part of it.
        _end("expires_at"),
    ]
