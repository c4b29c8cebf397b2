"""The tables of the file of ``oauthgrants serve``: which keys there are, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from oauthgrants import Argon2idHasher, ClientCredentialsGrant, PasswordGrant, RefreshTokenGrant
from oauthgrants.cli import schema
from oauthgrants.cli.errors import ConfigError
from oauthgrants.cli.store_urls import store_url
from oauthgrants.client_certificates import SUBJECTS
from oauthgrants.clients import AUTH_METHODS
from oauthgrants.forms import is_vschar
from oauthgrants.grants import Grant
from oauthgrants.profiles import PROFILES
from oauthgrants.secret import Secret
from oauthgrants.totp import require_totp_secret

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


def _password_hash(key: str, value: object) -> str:
    text = schema.text(key, value)
    try:
        Argon2idHasher().needs_rehash(text)
    except ValueError:
        raise ConfigError(
            key, "is not a PHC string of Argon2id; `oauthgrants hash` makes one"
        ) from None
    return text


def _totp_secret(key: str, value: object) -> Secret:
    secret = Secret(schema.text(key, value))
    try:
        require_totp_secret(secret)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None
    return secret


_CLIENT_SECRETS = schema.tables(
    {
        "client_secret": schema.secret,
        "client_secret_machine_made": schema.boolean,
        "client_secret_expires_at": schema.moment,
        "id": schema.printable,
    },
    required=["client_secret", "id"],
    unique=["id"],
)


FILE = schema.table(
    {
        "issuer": _issuer,
        "store": store_url,
        "profile": schema.one_of(*PROFILES),
        "tls": schema.table(
            {
                "certificate": schema.path,
                "key": schema.path,
                "client_ca": schema.path,
                "self_signed_clients": schema.boolean,
            },
            required=["certificate", "key"],
        ),
        "tokens": schema.table(
            {
                "format": schema.one_of("opaque", "jwt"),
                "access_token_lifetime": schema.seconds(least=1),
                "refresh_token_lifetime": schema.seconds(least=1),
                "family_lifetime": schema.seconds(least=1),
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
                "accept_endpoint_audience": schema.boolean,
                "allow_private_addresses": schema.boolean,
            }
        ),
        "dpop": schema.table(
            {
                "required": schema.boolean,
                "nonces": schema.one_of("off", "on", "required"),
                "algorithms": schema.texts,
                "longest_age": schema.seconds(least=1),
                "leeway": schema.seconds(least=0),
                "nonce_lifetime": schema.seconds(least=1),
                "origins": schema.texts,
            }
        ),
        "introspection": schema.table({"jwt": schema.boolean}),
        "metadata": schema.json_object,
        "throttle": schema.table(
            {
                "max_failures": schema.whole(least=1, most=1_000_000),
                "window": schema.seconds(least=1),
                "longest_wait": schema.seconds(least=1),
                "username_factor": schema.whole(least=1, most=1_000_000),
                "client_factor": schema.whole(least=1, most=1_000_000),
                "too_many_requests": schema.boolean,
            }
        ),
        "clients": schema.tables(
            {
                "client_id": schema.printable,
                "client_secret": schema.secret,
                "client_secret_machine_made": schema.boolean,
                "client_secret_expires_at": schema.moment,
                "client_secrets": _CLIENT_SECRETS,
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
                "jwks": schema.json_text_or_object,
                "jwks_uri": schema.text,
                "token_endpoint_auth_signing_alg": schema.text,
                **dict.fromkeys(SUBJECTS, schema.text),
                "tls_client_certificate_bound_access_tokens": schema.boolean,
                "dpop_bound_access_tokens": schema.boolean,
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
                "totp_secret": _totp_secret,
            },
            required=["username", "sub"],
            unique=["username", "sub"],
        ),
    },
    required=["issuer"],
)
"""Reads the whole file."""
