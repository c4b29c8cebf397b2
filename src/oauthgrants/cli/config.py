"""From the TOML file of ``oauthgrants serve`` to a server."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oauthgrants import (
    Argon2idHasher,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    Lifetimes,
    MemoryStore,
    PasswordGrant,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.cli import schema
from oauthgrants.cli.errors import ConfigError
from oauthgrants.clients import AUTH_METHODS
from oauthgrants.forms import is_vschar
from oauthgrants.grants import Grant

_GRANTS: dict[str, Callable[[], Grant]] = {
    "client_credentials": ClientCredentialsGrant,
    "password": PasswordGrant,
    "refresh_token": RefreshTokenGrant,
}
_SECRET_KEYS = ("client_secret", "client_secret_machine_made", "client_secret_expires_at")


def load(path: Path) -> AuthorizationServer:
    """
    Return the server that the file at *path* describes.

    Raises:
        ConfigError: The file cannot be read, or has what it may not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(str(path), "cannot be read: it is not UTF-8") from None
    try:
        return read_server(text)
    except ConfigError as error:
        raise ConfigError(str(path), str(error)) from None


def read_server(text: str) -> AuthorizationServer:
    """
    Return the server that *text* describes, in TOML.

    Raises:
        ConfigError: *text* is not TOML, or has what it may not have.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError("", f"is not TOML: {error}") from None
    values = _FILE("", content)
    store = MemoryStore()
    for index, client in enumerate(values.get("clients", ())):
        store.add_client(_to_client(f"clients[{index}]", client))
    for index, user in enumerate(values.get("users", ())):
        try:
            store.add_user(_to_user(f"users[{index}]", user))
        except ValueError as error:
            # The other reasons are ruled out by now: this is one of a client's id (RFC 9700).
            raise ConfigError(f"users[{index}].sub", str(error)) from None
    return _assemble(values, store)


def _assemble(values: dict[str, Any], store: MemoryStore) -> AuthorizationServer:
    tokens = values.get("tokens", {})
    enabled = [_GRANTS[name]() for name, wanted in values.get("grants", {}).items() if wanted]
    if not enabled:
        raise ConfigError("grants", f"none is true; there are {', '.join(_GRANTS)}")
    default = Lifetimes()
    issuer: str = values["issuer"]
    try:
        return AuthorizationServer(
            issuer=issuer,
            allow_insecure_transport=urlsplit(issuer).scheme == "http",
            store=store,
            grants=enabled,
            lifetimes=Lifetimes(
                access_token=tokens.get("access_token_lifetime", default.access_token),
                refresh_token=tokens.get("refresh_token_lifetime", default.refresh_token),
            ),
            refresh_grace=tokens.get("refresh_grace", timedelta()),
            audience=tokens.get("audience", ()),
            **values.get("client_authentication", {}),
        )
    except ValueError as error:
        raise ConfigError("", str(error)) from None


def _to_client(key: str, values: dict[str, Any]) -> Client:
    """Return the client of one table; what is not about its secret has the library's names."""
    secret, machine_made, expires_at = (values.pop(name, None) for name in _SECRET_KEYS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if values.get("token_endpoint_auth_method") == "none":
                _require_no_secret(key, secret, machine_made, expires_at)
                client = Client(**values)
            else:
                if secret is None:
                    raise ConfigError(f"{key}.client_secret", "is missing")
                client, _ = Client.confidential(
                    secret=secret,
                    machine_made=machine_made or False,
                    secret_expires_at=expires_at,
                    **values,
                )
        except ValueError as error:
            raise ConfigError(key, str(error)) from None
    for warning in caught:
        warnings.warn(f"{key}: {warning.message}", warning.category, stacklevel=2)
    return client


def _require_no_secret(key: str, *values: object) -> None:
    for name, value in zip(_SECRET_KEYS, values, strict=True):
        if value is not None:
            raise ConfigError(
                f"{key}.{name}", "does not go with token_endpoint_auth_method none (RFC 6749, 10.1)"
            )


def _to_user(key: str, values: dict[str, Any]) -> User:
    password: Secret | None = values.pop("password", None)
    if (password is None) == ("password_hash" not in values):
        raise ConfigError(f"{key}.password", "either it or password_hash is needed, and not both")
    if password is not None:
        values["password_hash"] = Argon2idHasher().hash(password)
    return User(**values)


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


_FILE = schema.table(
    {
        "issuer": _issuer,
        "store": _store,
        "tokens": schema.table(
            {
                "format": schema.one_of("opaque", later=["jwt"]),
                "access_token_lifetime": schema.seconds(least=1),
                "refresh_token_lifetime": schema.seconds(least=1),
                "refresh_grace": schema.seconds(least=0),
                "signing_alg": schema.not_yet,
                "signing_key_file": schema.not_yet,
                "audience": schema.text_or_texts,
            }
        ),
        "grants": schema.table(dict.fromkeys(_GRANTS, schema.boolean)),
        "client_authentication": schema.table(
            {
                "secret_methods_equal": schema.boolean,
                "accept_endpoint_audience": schema.not_yet,
            }
        ),
        "metadata": schema.not_yet,
        "throttle": schema.not_yet,
        "clients": schema.tables(
            {
                "client_id": schema.printable,
                "client_secret": schema.secret,
                "client_secret_machine_made": schema.boolean,
                "client_secret_expires_at": schema.moment,
                "token_endpoint_auth_method": schema.one_of(*sorted(AUTH_METHODS)),
                "grant_types": schema.some_of(*_GRANTS),
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
