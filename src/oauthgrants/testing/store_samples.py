"""Clients, users, tokens and digests that a careless store would not give back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from os import urandom
from typing import Any

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.scopes import Scope
from oauthgrants.secret import random_id
from oauthgrants.tokens import AccessToken, MfaToken, RefreshToken
from oauthgrants.users import User

MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ODD_ASCII = "a'b\"c`d %s%d%% _e\\n\\f ?:g {h} $1;-- /*"
"""Quotes, placeholders, wildcards and escapes."""

ODD_TEXT = (
    ODD_ASCII
    + "\t\u00e9 e\u0301 \u00df \u6f22\u5b57 \u202e\u05d0 \U0001d11e \U0001f600\u200d\U0001f600 "
)
"""The same, composed and decomposed letters, both directions, characters beyond the BMP."""

NUL_TEXT = "alice\0bob"
"""No parameter of a request has a NUL in it (RFC 6749, Appendix A), and some databases no text."""

UNPAIRED = "\ud800"
"""Half a character, which has no UTF-8: most stores cannot write it."""


def moment() -> datetime:
    """Return the time, with microseconds that rounding and floats would change."""
    return datetime.now(UTC).replace(microsecond=123_457)


def make_access_token(**changes: Any) -> AccessToken:
    """Return a client's token for itself, but for *changes*."""
    usual: dict[str, Any] = {
        "digest": urandom(32),
        "client_id": "reports",
        "sub": "reports",
        "scope": Scope.of("read"),
        "issued_at": moment(),
        "lifetime": HOUR,
    }
    return AccessToken(**usual | changes)


def make_refresh_token(**changes: Any) -> RefreshToken:
    """Return the first token of a family of its own, but for *changes*."""
    usual: dict[str, Any] = {
        "digest": urandom(32),
        "client_id": "app",
        "sub": "user-1",
        "username": "alice",
        "scope": Scope.of("profile"),
        "grant_type": "password",
        "issued_at": moment(),
        "lifetime": 30 * DAY,
        "family": random_id(),
    }
    return RefreshToken(**usual | changes)


def make_mfa_token(**changes: Any) -> MfaToken:
    """Return what a sign-in with the right password brings, but for *changes*."""
    usual: dict[str, Any] = {
        "digest": urandom(32),
        "client_id": "app",
        "sub": "user-1",
        "username": "alice",
        "scope": Scope.of("profile"),
        "issued_at": moment(),
        "lifetime": HOUR,
    }
    return MfaToken(**usual | changes)


def make_pair(**changes: Any) -> tuple[AccessToken, RefreshToken]:
    """Return both tokens of one sign-in, the refresh token with *changes*."""
    refresh = make_refresh_token(**changes)
    return _access_beside(refresh), refresh


def make_successors(
    spent: RefreshToken, after: timedelta = HOUR
) -> tuple[AccessToken, RefreshToken]:
    """Return what *spent* is exchanged for, so long *after* it was issued."""
    refresh = attrs.evolve(
        spent, digest=urandom(32), issued_at=spent.issued_at + after, parent=spent.digest
    )
    return _access_beside(refresh), refresh


def _access_beside(refresh: RefreshToken) -> AccessToken:
    return make_access_token(
        client_id=refresh.client_id,
        sub=refresh.sub,
        username=refresh.username,
        scope=refresh.scope,
        issued_at=refresh.issued_at,
        lifetime=DAY,
        family=refresh.family,
    )


def access_tokens() -> Iterator[AccessToken]:
    """Return tokens that use every attribute, with and without what is optional."""
    yield make_access_token()
    yield make_access_token(scope=Scope(), lifetime=timedelta(seconds=1))
    yield make_access_token(
        client_id=ODD_ASCII,
        sub=ODD_TEXT,
        username=ODD_TEXT + "!",
        scope=Scope(frozenset({"a'b", "%s", "100%", "under_score", "{x}", "?", "https://x/y#z"})),
        audience=("https://z.example/?a=%20&b='", ODD_TEXT, "https://a.example", "urn:b"),
        lifetime=timedelta(days=36500),
        family=ODD_TEXT + "?",
        jti=ODD_TEXT + ".",
        extra={
            "text": ODD_TEXT,
            "nul": NUL_TEXT,
            "number": [0, -1, 2**64, 0.1, 1e300, True, False, None],
            "nested": {"": {}, "b": [], "a": [[{"c": [1, {"d": 2}]}]]},
        },
        cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    )
    # As much as a request may ask for.
    yield make_access_token(scope=Scope(frozenset(f"{number:064d}" for number in range(100))))
    # Before and after what 32 bits of seconds can count
    yield make_access_token(
        issued_at=datetime(1901, 2, 3, 4, 5, 6, 7, UTC), lifetime=timedelta(days=100_000)
    )
    yield make_access_token(issued_at=datetime(2107, 12, 31, 23, 59, 59, 999_999, UTC))


def refresh_tokens() -> Iterator[RefreshToken]:
    """Return tokens that use every attribute but ``spent_at``, which rotation sets."""
    yield make_refresh_token()
    yield make_refresh_token(scope=Scope(), family_ends_at=moment() + DAY + MOMENT)
    yield make_refresh_token(
        client_id=ODD_ASCII,
        sub=ODD_TEXT,
        username=ODD_TEXT + "!",
        scope=Scope.of("%s 100% a'b"),
        audience=("https://z.example", ODD_TEXT, "https://a.example"),
        grant_type="urn:example:" + ODD_TEXT,
        lifetime=timedelta(days=36500),
        family=ODD_TEXT + "?",
        family_ends_at=datetime(2107, 12, 31, 23, 59, 59, 999_999, UTC),
        parent=bytes(range(224, 256)),
        cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    )
    yield make_refresh_token(digest=bytes(range(32)), parent=bytes(32))


def mfa_tokens() -> Iterator[MfaToken]:
    """Return tokens that use every attribute, with and without what is optional."""
    yield make_mfa_token()
    yield make_mfa_token(digest=bytes(32), scope=Scope(), lifetime=timedelta(minutes=1))
    yield make_mfa_token(
        client_id=ODD_ASCII,
        sub=ODD_TEXT,
        username=ODD_TEXT + "!",
        scope=Scope.of("%s 100% a'b"),
        audience=("https://z.example/?a=%20&b='", ODD_TEXT, "https://a.example"),
        lifetime=timedelta(days=36500),
    )


_NAME = "CN=a'b\\\"c`d %s%d%% _e\\\\n \u00e9 e\u0301 \u6f22\u5b57 \U0001f600+UID=7,2.5.4.10=#0C0161"

# The public key of RFC 7515, Appendix A.3
_JWKS = """{"keys": [{
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
}]}"""


def clients() -> Iterator[Client]:
    """Return clients that use every attribute, with and without what is optional."""
    yield Client.public("phone")
    yield Client.public(ODD_ASCII, scope="", client_name=ODD_TEXT, resources=("urn:b", "urn:a"))
    yield Client.with_keys(
        "signer",
        jwks_uri="https://client.example/jwks?a=%20&b='",
        token_endpoint_auth_signing_alg="ES256",
    )
    if find_spec("joserfc"):  # pragma: no branch  # keys are looked at, which takes the extra jwt
        yield Client.with_keys("holder", jwks=_JWKS)
    yield Client.with_certificate(
        "subject",
        tls_client_auth_subject_dn=_NAME,
        tls_client_certificate_bound_access_tokens=True,
    )
    yield Client.with_certificate("host", tls_client_auth_san_dns="Reports.example.com")
    yield Client.with_certificate("uri", tls_client_auth_san_uri="urn:a?b=%20&c='")
    yield Client.with_certificate("address", tls_client_auth_san_ip="2001:0DB8::1")
    yield Client.with_certificate("email", tls_client_auth_san_email="o'neil%_@example.com")
    yield Client.with_certificate("certified", jwks_uri="https://client.example/jwks")
    yield Client.public("prover", dpop_bound_access_tokens=True)
    yield Client(
        client_id="everything",
        token_endpoint_auth_method="client_secret_post",
        grant_types=("refresh_token", "password", ODD_TEXT),
        scope=Scope.of("write read 100%"),
        default_scope=Scope.of("read"),
        resources=("https://z.example/?a=%20&b='", "https://a.example"),
        introspects=(ODD_TEXT, "https://a.example"),
        first_party=True,
        access_token_lifetime=timedelta(seconds=1),
        refresh_token_lifetime=timedelta(days=36500),
        secrets=(
            ClientSecret(hash="sha256:" + "0f" * 32, expires_at=moment() + HOUR, id="second"),
            ClientSecret(hash="$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$%_'", id=ODD_TEXT),
        ),
        secret_methods_equal=True,
        active=False,
        client_name="",
    )


def users() -> Iterator[User]:
    """Return users that use every attribute, with and without what is optional."""
    yield User(sub="user-1", username="alice")
    yield User(
        sub=ODD_TEXT,
        username=ODD_TEXT + "!",
        password_hash="$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$%_'",
        scope=Scope.of("profile 100%"),
        active=False,
    )
    yield User(sub="user-3", username="user-4", password_hash="", scope=Scope())


DIGESTS = (
    *(bytes(32), bytes(31) + b"\1", b"\1" + bytes(31), b"\xff" * 32, b"\x80" + bytes(31)),
    *(b"a" * 32, b"A" * 32, b"a" * 31 + b" ", b" " + b"a" * 31, b"a" * 31 + b"%", b"a" * 31 + b"_"),
)
"""Digests that are told apart: no text, no number, and a NUL is no end."""

LOOKALIKES = ("Alice", "alice", "ALICE", "alice ", " alice", "ali_e", "ali%", "al*", "alice\\")
"""Names that are told apart, though a collation or a pattern would not."""

LOOKALIKE_TEXTS = (
    *LOOKALIKES,
    *("\u00e9", "e\u0301", "e", "\u00df", "ss", "\U0001f600", "\U0001f601", "\ufb01", "fi"),
    *("\u212a", "k", "K", "\u0430", "a", "1", "\u0661"),
)
"""More of them, beyond ASCII."""
