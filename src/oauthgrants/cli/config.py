"""From the TOML file of ``oauthgrants serve`` to a server."""

from __future__ import annotations

import tomllib
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oauthgrants import (
    Argon2idHasher,
    AuthorizationServer,
    Client,
    Lifetimes,
    MemoryStore,
    Secret,
    User,
)
from oauthgrants.cli.errors import CommandError, ConfigError
from oauthgrants.cli.tables import FILE, GRANTS
from oauthgrants.endpoints.metadata import GeneratedMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Only for annotations: opaque tokens do without joserfc.
    from oauthgrants.jose import SigningKey
    from oauthgrants.keys import KeySource

_DEFAULT_ALGORITHM = "ES256"
_SECRET_KEYS = ("client_secret", "client_secret_machine_made", "client_secret_expires_at")


def load(path: Path) -> AuthorizationServer:
    """
    Return the server that the file at *path* describes.

    Raises:
        ConfigError: The file cannot be read, or has what it may not have.
        CommandError: It asks for what is not installed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(str(path), "cannot be read: it is not UTF-8") from None
    try:
        return read_server(text, path.parent)
    except ConfigError as error:
        raise ConfigError(str(path), str(error)) from None


def read_server(text: str, directory: Path = Path()) -> AuthorizationServer:
    """
    Return the server that *text* describes, in TOML.

    Args:
        text: The content of a file.
        directory: The file's, where relative paths in it begin.

    Raises:
        ConfigError: *text* is not TOML, or has what it may not have.
        CommandError: It asks for what is not installed.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError("", f"is not TOML: {error}") from None
    values = FILE("", content)
    store = MemoryStore()
    for index, client in enumerate(values.get("clients", ())):
        store.add_client(_to_client(f"clients[{index}]", client))
    for index, user in enumerate(values.get("users", ())):
        try:
            store.add_user(_to_user(f"users[{index}]", user))
        except ValueError as error:
            # The other reasons are ruled out by now: this is one of a client's id (RFC 9700).
            raise ConfigError(f"users[{index}].sub", str(error)) from None
    return _assemble(values, store, directory)


def _assemble(values: dict[str, Any], store: MemoryStore, directory: Path) -> AuthorizationServer:
    tokens = values.get("tokens", {})
    introspection_jwt = values.get("introspection", {}).get("jwt", False)
    enabled = [GRANTS[name]() for name, wanted in values.get("grants", {}).items() if wanted]
    if not enabled:
        raise ConfigError("grants", f"none is true; there are {', '.join(GRANTS)}")
    _require_what_jwts_take(tokens, introspection_jwt=introspection_jwt)
    default = Lifetimes()
    issuer: str = values["issuer"]
    try:
        return AuthorizationServer(
            issuer=issuer,
            allow_insecure_transport=urlsplit(issuer).scheme == "http",
            store=store,
            grants=enabled,
            access_token_format=tokens.get("format", "opaque"),
            signing_keys=_open_keys(tokens, directory),
            introspection_jwt=introspection_jwt,
            lifetimes=Lifetimes(
                access_token=tokens.get("access_token_lifetime", default.access_token),
                refresh_token=tokens.get("refresh_token_lifetime", default.refresh_token),
            ),
            refresh_grace=tokens.get("refresh_grace", timedelta()),
            audience=tokens.get("audience", ()),
            metadata=values.get("metadata"),
            **values.get("client_authentication", {}),
        )
    except GeneratedMember as error:
        raise ConfigError(f"metadata.{error.names[0]}", "is generated from what is wired") from None
    except ValueError as error:
        raise ConfigError("", str(error)) from None


def _require_what_jwts_take(tokens: dict[str, Any], *, introspection_jwt: bool) -> None:
    """Check that keys and audience are there where something is to be signed."""
    if "signing_key_file" not in tokens:
        if tokens.get("format") == "jwt":
            raise ConfigError("tokens.signing_key_file", "is missing: format jwt takes it")
        if introspection_jwt:
            raise ConfigError("tokens.signing_key_file", "is missing: introspection.jwt takes it")
        if "signing_alg" in tokens:
            raise ConfigError("tokens.signing_key_file", "is missing: signing_alg takes it")
    if tokens.get("format") == "jwt" and not tokens.get("audience"):
        raise ConfigError(
            "tokens.audience",
            "is missing: format jwt takes it, as no token is without aud (RFC 9068, Section 3)",
        )


def _open_keys(tokens: dict[str, Any], directory: Path) -> KeySource | SigningKey | None:
    """Return the keys that sign, None if there is nothing to sign."""
    if "signing_key_file" not in tokens:
        return None
    try:
        from oauthgrants.jose import ALGORITHMS
        from oauthgrants.key_files import open_keys
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None

    path: Path = directory / tokens["signing_key_file"]
    algorithm = tokens.get("signing_alg")
    if algorithm is not None:
        if algorithm not in ALGORITHMS:
            raise ConfigError(
                "tokens.signing_alg", f"has to be one of {', '.join(sorted(ALGORITHMS))}"
            )
        if path.is_dir():
            raise ConfigError(
                "tokens.signing_alg",
                "does not go with a directory as signing_key_file, which knows that of each key",
            )
    try:
        return open_keys(path, algorithm or _DEFAULT_ALGORITHM)
    except OSError as error:
        raise ConfigError(
            "tokens.signing_key_file", f"cannot be read or made: {error.strerror}"
        ) from None
    except ValueError as error:
        raise ConfigError("tokens.signing_key_file", str(error)) from None


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
