"""Rows with the columns of ``authlib.integrations.sqla_oauth2``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from oauthgrants.client_secrets import SECRET_METHODS, ClientSecret, hash_client_secret
from oauthgrants.clients import Client
from oauthgrants.hashing import token_digest
from oauthgrants.migrating.tokens import OldTokens, Terms, TokenPair, later, read_rows
from oauthgrants.secret import Secret

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = ("jwks", "jwks_uri", "token_endpoint_auth_signing_alg")


def to_client(row: Any, *, machine_made: bool = True, **metadata: Any) -> Client:
    """
    Return the client that an ``OAuth2ClientMixin`` has.

    Its secret stands there in plain text, and with us as a digest.

    Args:
        row: With ``client_metadata`` by the names of RFC 7591.
        machine_made: False for a secret that a person chose, which is then kept as Argon2id.
            That takes its time, so let it be for a client that moves to a store of ours.
        **metadata: Any attribute of `Client` that the row does not have, or has otherwise, such
            as ``default_scope`` and ``first_party``.

    Raises:
        InvalidClientMetadata: The metadata contradict one another, or the secret is missing, or
            not of printable ASCII.
    """
    method: str = row.token_endpoint_auth_method
    said: dict[str, Any] = {
        "client_name": row.client_name,
        "grant_types": row.grant_types,
        "scope": row.scope or None,
    }
    if method in SECRET_METHODS:
        said["secrets"] = (_to_secret(row, machine_made=machine_made),)
    elif method == "private_key_jwt":
        said |= {name: row.client_metadata.get(name) or None for name in _KEYS}
    return Client(
        client_id=row.client_id, token_endpoint_auth_method=method, **{**said, **metadata}
    )


def _to_secret(row: Any, *, machine_made: bool) -> ClientSecret:
    expires_at = row.client_secret_expires_at  # RFC 7591, 3.2.1: zero is never
    kept = hash_client_secret(
        Secret(row.client_secret or ""),
        machine_made=machine_made,
        expires_at=later(_EPOCH, expires_at) if expires_at else None,
    )
    # The same at each look-up, for events.
    return attrs.evolve(kept, id="authlib")


def read_tokens(rows: Iterable[Any], terms: Terms) -> Iterator[TokenPair]:
    """
    Yield the live tokens of ``OAuth2TokenMixin``.

    Left out are rows with anything revoked in them, as their ``is_revoked`` says; and access
    tokens without an end, whose ``expires_in`` is zero, for there are none here.

    Args:
        rows: With a column ``user_id``, as ``create_save_token_func`` wants it.
        terms: What the rows do not say.

    Raises:
        ValueError: A row cannot be read, such as one whose scope is malformed; says its ``id``.
    """
    live = (row for row in rows if not row.is_revoked())
    return read_rows(live, _to_old, terms, key="id")


def _to_old(row: Any, terms: Terms) -> OldTokens:
    issued_at = _EPOCH + timedelta(seconds=row.issued_at)
    access = token_digest(Secret(row.access_token))
    refresh = token_digest(Secret(row.refresh_token)) if row.refresh_token else None
    return OldTokens(
        client_id=row.client_id,
        user_id=row.user_id,
        scope=row.scope or "",
        issued_at=issued_at,
        access=access,
        access_expires_at=later(issued_at, row.expires_in),
        refresh=refresh,
        refresh_expires_at=later(issued_at, terms.refresh_lifetime.total_seconds()),
        # Rows that share a refresh token, where it is not rotated, are one sign-in.
        family=f"authlib-{(refresh or access)[:16].hex()}",
        grant_type=terms.grant_type,
    )
