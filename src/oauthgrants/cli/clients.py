"""The ``[[clients]]`` of the configuration file."""

from __future__ import annotations

import warnings
from typing import Any

from oauthgrants import Client
from oauthgrants.cli.errors import CommandError, ConfigError
from oauthgrants.client_secrets import ClientSecret, make_client_secret
from oauthgrants.sealed import SealingKey

_SECRET_KEYS = ("client_secret", "client_secret_machine_made", "client_secret_expires_at")
_WITHOUT_SECRET = frozenset(
    {"none", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
)


def read_client(key: str, values: dict[str, Any], sealing_key: SealingKey) -> Client:
    """
    Return the client of one table; what is not about its secrets has the library's names.

    Args:
        key: Where in the file it is.
        values: The table, read.
        sealing_key: Encrypts what the server has to read again.

    Raises:
        ConfigError: Its values contradict one another.
        CommandError: It asks for what is not installed.
    """
    single = {name: values.pop(name) for name in _SECRET_KEYS if name in values}
    several: list[dict[str, Any]] | None = values.pop("client_secrets", None)
    method = values.get("token_endpoint_auth_method", "client_secret_basic")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            secrets: tuple[ClientSecret, ...] = ()
            if method in _WITHOUT_SECRET:
                _require_no_secrets(key, method, single, several)
            else:
                tables = _require_tables(key, single, several)
                algorithm = values.get("token_endpoint_auth_signing_alg")
                secrets = tuple(
                    _read_secret(values["client_id"], method, each, sealing_key, algorithm)
                    for each in tables
                )
            client = Client(secrets=secrets, **values)
        except ValueError as error:
            raise ConfigError(key, str(error)) from None
        except ModuleNotFoundError as error:
            raise CommandError(str(error)) from None
    for warning in caught:
        warnings.warn(f"{key}: {warning.message}", warning.category, stacklevel=2)
    return client


def _require_tables(
    key: str, single: dict[str, Any], several: list[dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """Return the secrets, be it the one in the client's own table or those in tables of theirs."""
    if several is None:
        if "client_secret" not in single:
            raise ConfigError(f"{key}.client_secret", "is missing")
        return [single]
    if single:
        raise ConfigError(
            f"{key}.{next(iter(single))}", "does not go with client_secrets, which have their own"
        )
    return several


def _read_secret(
    client_id: str,
    method: str,
    table: dict[str, Any],
    sealing_key: SealingKey,
    algorithm: str | None,
) -> ClientSecret:
    kept, _ = make_client_secret(
        client_id,
        method,
        secret=table["client_secret"],
        machine_made=table.get("client_secret_machine_made", False),
        expires_at=table.get("client_secret_expires_at"),
        sealing_key=sealing_key,
        signing_alg=algorithm,
    )
    if "id" not in table:
        return kept
    return ClientSecret(hash=kept.hash, expires_at=kept.expires_at, id=table["id"])


def _require_no_secrets(
    key: str, method: str, single: dict[str, Any], several: list[dict[str, Any]] | None
) -> None:
    for name in (*single, *(() if several is None else ("client_secrets",))):
        raise ConfigError(
            f"{key}.{name}",
            f"does not go with token_endpoint_auth_method {method} (RFC 6749, 10.1)",
        )
