"""
The first tables.

What a migration makes stays as it was: types and names stand here, and not what
`make_tables` has them be today. Moments are microseconds since 1970, lifetimes are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from oauthgrants.stores.sqlalchemy.migrations import prefix_of

revision = "og0001"
down_revision = None
branch_labels: Sequence[str] = ("oauthgrants",)
depends_on = None

TABLES = (
    "identifiers",
    "clients",
    "client_secrets",
    "users",
    "families",
    "access_tokens",
    "refresh_tokens",
    "denials",
    "replays",
    "attempts",
    "known_sources",
    "mfa_tokens",
)


def upgrade() -> None:
    """Make the tables."""
    prefix = prefix_of(op.get_context())
    op.create_table(
        f"{prefix}identifiers",
        sa.Column("identifier", sa.String(255), primary_key=True),
    )
    op.create_table(
        f"{prefix}clients",
        sa.Column("client_id", sa.String(255), primary_key=True),
        sa.Column("token_endpoint_auth_method", sa.String(255), nullable=False),
        sa.Column("grant_types", sa.Text, nullable=False),
        sa.Column("scope", sa.Text),
        sa.Column("default_scope", sa.Text),
        sa.Column("resources", sa.Text, nullable=False),
        sa.Column("introspects", sa.Text, nullable=False),
        sa.Column("first_party", sa.Boolean, nullable=False),
        sa.Column("access_token_lifetime", sa.BigInteger),
        sa.Column("refresh_token_lifetime", sa.BigInteger),
        sa.Column("secret_methods_equal", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("client_name", sa.Text),
        sa.Column("jwks", sa.Text),
        sa.Column("jwks_uri", sa.Text),
        sa.Column("token_endpoint_auth_signing_alg", sa.Text),
        sa.Column("tls_client_auth_subject_dn", sa.Text),
        sa.Column("tls_client_auth_san_dns", sa.Text),
        sa.Column("tls_client_auth_san_uri", sa.Text),
        sa.Column("tls_client_auth_san_ip", sa.Text),
        sa.Column("tls_client_auth_san_email", sa.Text),
        sa.Column("tls_client_certificate_bound_access_tokens", sa.Boolean, nullable=False),
        sa.Column("dpop_bound_access_tokens", sa.Boolean, nullable=False),
    )
    op.create_table(
        f"{prefix}client_secrets",
        sa.Column("client_id", sa.String(255), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("id", sa.Text, nullable=False),
    )
    op.create_table(
        f"{prefix}users",
        sa.Column("sub", sa.String(255), primary_key=True),
        sa.Column("username", sa.String(255), nullable=False, unique=True),
        sa.Column("password_hash", sa.Text),
        sa.Column("scope", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        f"{prefix}families",
        sa.Column("family", sa.String(255), primary_key=True),
        sa.Column("last_spent", sa.LargeBinary(32)),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        f"{prefix}access_tokens",
        *_token_columns(),
        sa.Column("username", sa.Text),
        sa.Column("family", sa.String(255), index=True),
        sa.Column("jti", sa.Text),
        sa.Column("extra", sa.Text),
        sa.Column("cnf", sa.Text),
    )
    op.create_table(
        f"{prefix}refresh_tokens",
        *_token_columns(),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("grant_type", sa.Text, nullable=False),
        sa.Column("family", sa.String(255), nullable=False, index=True),
        sa.Column("family_ends_at", sa.BigInteger),
        sa.Column("parent", sa.LargeBinary(32)),
        sa.Column("spent_at", sa.BigInteger),
        sa.Column("cnf", sa.Text),
    )
    op.create_table(
        f"{prefix}denials",
        sa.Column("identifier", sa.String(255), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        f"{prefix}replays",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        f"{prefix}attempts",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("allowed_at", sa.BigInteger),
        sa.Column("forgotten_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("forgotten_before", sa.BigInteger, nullable=False),
    )
    op.create_table(
        f"{prefix}known_sources",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        f"{prefix}mfa_tokens",
        *_token_columns(),
        sa.Column("username", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    prefix = prefix_of(op.get_context())
    for name in reversed(TABLES):
        op.drop_table(f"{prefix}{name}")


def _token_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("sub", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("lifetime", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    ]
