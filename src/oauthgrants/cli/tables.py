"""The tables of the file of ``oauthgrants serve``: which keys there are, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from oauthgrants import Argon2idHasher, ClientCredentialsGrant, PasswordGrant, RefreshTokenGrant
from oauthgrants.cli import schema
from oauthgrants.cli.errors import ConfigError
from oauthgrants.clients import AUTH_METHODS
from oauthgrants.forms import is_vschar
from oauthgrants.grants import Grant

GRANTS: Mapping[str, Callable[[], Grant]] = {
    "client_credentials": ClientCredentialsGrant,
    "password": PasswordGrant,
    "refresh_token": RefreshTokenGrant,
}
"""The grants that can be enabled."""


def _issuer(key: str, value: object) -> str:
    """Return *value*, a URL that can be shown; the server says what else it has to be."""
    text = schema.text(key, value)
    try:
        url = urlsplit(text)
        sound = is_vschar(text) and " " not in text and url.port != 0 and "@" not in url.netloc
        sound = sound and url.scheme in {"https", "http"}
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            key, "has to be an https URL of host, port and path, or http on a loopback host"
        )
    return text


def _store(key: str, value: object) -> str:
    text = schema.text(key, value)
    if text == "memory:":
        return text
    # What follows the scheme may have a password in it.
    scheme, found, _ = text.partition("://")
    if found and scheme.partition("+")[0] in {"sqlite", "postgresql", "redis"}:
        raise ConfigError(key, f'"{ascii(scheme)[1:-1]}://…" is not supported yet')
    raise ConfigError(key, 'has to be "memory:"')


def _password_hash(key: str, value: object) -> str:
    text = schema.text(key, value)
    try:
        Argon2idHasher().needs_rehash(text)
    except ValueError:
        raise ConfigError(
            key, "is not a PHC string of Argon2id; `oauthgrants hash` makes one"
        ) from None
    return text


FILE = schema.table(
    {
        "issuer": _issuer,
        "store": _store,
        "tokens": schema.table(
            {
                "format": schema.one_of("opaque", "jwt"),
                "access_token_lifetime": schema.seconds(least=1),
                "refresh_token_lifetime": schema.seconds(least=1),
                "refresh_grace": schema.seconds(least=0),
                "signing_alg": schema.text,
                "signing_key_file": schema.path,
                "audience": schema.text_or_texts,
            }
        ),
        "grants": schema.table(dict.fromkeys(GRANTS, schema.boolean)),
        "client_authentication": schema.table(
            {
                "secret_methods_equal": schema.boolean,
                "accept_endpoint_audience": schema.not_yet,
            }
        ),
        "introspection": schema.table({"jwt": schema.boolean}),
        "metadata": schema.json_object,
        "throttle": schema.not_yet,
        "clients": schema.tables(
            {
                "client_id": schema.printable,
                "client_secret": schema.secret,
                "client_secret_machine_made": schema.boolean,
                "client_secret_expires_at": schema.moment,
                "token_endpoint_auth_method": schema.one_of(*sorted(AUTH_METHODS)),
                "grant_types": schema.some_of(*GRANTS),
                "scope": schema.scope,
                "default_scope": schema.scope,
                "resources": schema.uris,
                "introspects": schema.texts,
                "first_party": schema.boolean,
                "access_token_lifetime": schema.seconds(least=1),
                "refresh_token_lifetime": schema.seconds(least=1),
                "client_name": schema.text,
                "secret_methods_equal": schema.boolean,
            },
            required=["client_id"],
            unique=["client_id"],
        ),
        "users": schema.tables(
            {
                "username": schema.line,
                "password": schema.password,
                "password_hash": _password_hash,
                "sub": schema.text,
                "scope": schema.scope,
                "active": schema.boolean,
            },
            required=["username", "sub"],
            unique=["username", "sub"],
        ),
    },
    required=["issuer"],
)
"""Reads the whole file."""
