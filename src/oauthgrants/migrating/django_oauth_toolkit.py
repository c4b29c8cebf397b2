"""Rows of django-oauth-toolkit's models, and the hashes of its client secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.hashing import (
    Argon2idHasher,
    fast_digest,
    is_fast_digest,
    matches_fast_digest,
    token_digest,
)
from oauthgrants.migrating.tokens import OldTokens, Terms, TokenPair, later, read_rows
from oauthgrants.secret import Secret

# Its applications have one each. Those that need a browser have none that we know.
_GRANT_TYPES = {
    "client-credentials": ("client_credentials",),
    "password": ("password", "refresh_token"),
}
_DJANGO_HASH = re.compile(r"(pbkdf2_sha\d+|argon2|bcrypt(_sha256)?|scrypt|md5)\$")
_OUR_HASH = re.compile(r"sha256:[0-9a-f]{64}|\$argon2id\$.+")


def to_client(row: Any, **metadata: Any) -> Client:
    """
    Return the client that an ``Application`` is.

    A secret may come by Basic and by body alike, as it may there. The hash of Django stays, for
    `ClientSecrets` to check; of a secret in plain text we keep a digest.

    Args:
        row: The application.
        **metadata: Any attribute of `Client` that the row does not have, or has otherwise:
            ``scope`` and ``default_scope``, which were the same for all in the settings, and
            ``first_party``.

    Raises:
        InvalidClientMetadata: The metadata contradict one another, or the secret is blank.
    """
    is_public = row.client_type == "public"
    kept: str = "" if is_public else row.client_secret
    secret = ClientSecret(hash=_to_hash(kept), id="django-oauth-toolkit")
    said: dict[str, Any] = {
        "client_name": row.name or None,
        "grant_types": _GRANT_TYPES.get(row.authorization_grant_type, ()),
        "token_endpoint_auth_method": "none" if is_public else "client_secret_basic",
        "secrets": (secret,) if kept else (),
        "secret_methods_equal": not is_public,
    }
    return Client(client_id=row.client_id, **{**said, **metadata})


def _to_hash(kept: str) -> str:
    is_hash = _DJANGO_HASH.match(kept) or _OUR_HASH.fullmatch(kept)
    return kept if is_hash else fast_digest(Secret(kept))


@attrs.frozen(kw_only=True)
class ClientSecrets:
    """
    The port `Hasher` for client secrets that Django has hashed, until the last one is replaced.

    Each check does the work of Django's hash and of Argon2id, so that timing does not tell whose
    hash is of which kind, nor who exists.

    Attributes:
        check_password: Django's function.
        make_password: Django's function.
        current: What secrets are kept with that people chose.
        generated: How many letters and digits it takes for a secret to be one that the toolkit
            has made, its ``CLIENT_SECRET_GENERATOR_LENGTH``. Such a one, shown once, is kept as a
            fast digest.
    """

    check_password: Callable[[str, str], bool]
    make_password: Callable[[str], str]
    current: Argon2idHasher = attrs.field(factory=Argon2idHasher)
    generated: int = attrs.field(default=128, validator=attrs.validators.ge(32))

    def hash(self, secret: Secret) -> str:
        """Return *secret* in the form that is kept."""
        text = secret.reveal()
        if len(text) >= self.generated and text.isascii() and text.isalnum():
            return fast_digest(secret)
        return self.current.hash(secret)

    def verify(self, encoded: str | None, secret: Secret) -> bool:
        """
        Return whether *secret* matches *encoded*; None costs the same and never matches.

        Raises:
            ValueError: *encoded* is of no kind that we know.
        """
        if encoded is not None and is_fast_digest(encoded):
            return matches_fast_digest(encoded, secret)
        if encoded is not None and _DJANGO_HASH.match(encoded):
            matches = self.check_password(secret.reveal(), encoded)
            self.current.verify(None, secret)
            return matches
        self.make_password(secret.reveal())
        return self.current.verify(encoded, secret)

    def needs_rehash(self, encoded: str) -> bool:
        """Return whether *encoded* is Django's, or weaker than what `hash` makes."""
        if is_fast_digest(encoded):
            return False
        return bool(_DJANGO_HASH.match(encoded)) or self.current.needs_rehash(encoded)


def read_tokens(rows: Iterable[Any], terms: Terms) -> Iterator[TokenPair]:
    """
    Yield the live tokens of ``AccessToken``, each with the ``RefreshToken`` beside it.

    Left out are revoked refresh tokens, those without an access token, which the toolkit refuses
    too, and tokens without an application, which are another server's.

    Args:
        rows: Access tokens, those that have expired too, as their refresh tokens may not have.
            ``select_related("application", "refresh_token")`` saves two queries for each.
        terms: What the rows do not say.

    Raises:
        ValueError: A row cannot be read, such as one whose scope is malformed; says its ``pk``.
    """
    ours = (row for row in rows if row.application is not None)
    return read_rows(ours, _to_old, terms, key="pk")


def _to_old(row: Any, terms: Terms) -> OldTokens:
    # Django's way to say that there is none is an AttributeError.
    beside = getattr(row, "refresh_token", None)
    refresh = None if beside is None or beside.revoked is not None else beside
    expires_at = later(_to_aware(row.expires), 0)
    application = row.application
    return OldTokens(
        client_id=application.client_id,
        user_id=row.user_id,
        scope=row.scope,
        audience=tuple(getattr(row, "resource", None) or ()),  # since 3.4
        issued_at=_to_aware(row.created),
        access=_to_digest(row),
        access_expires_at=expires_at,
        refresh=None if refresh is None else _to_digest(refresh),
        refresh_expires_at=later(expires_at, terms.refresh_lifetime.total_seconds()),
        family=f"django-oauth-toolkit-{getattr(refresh, 'token_family', None) or row.pk}",
        grant_type=application.authorization_grant_type.replace("-", "_"),
    )


def _to_digest(row: Any) -> bytes:
    # The column is blank where COMPLIANT_BCP_RFC9700_TOKEN_STORAGE is on; refresh tokens have a
    # checksum since 3.4.
    return token_digest(Secret(row.token)) if row.token else bytes.fromhex(row.token_checksum)


def _to_aware(moment: datetime) -> datetime:
    # Without USE_TZ, they are in local time.
    return moment.astimezone(UTC)
