"""
Clients in a TOML file, which change with a deployment.

`ClientFile` fills `ClientStore`, read-only. The file has a table a client, with the attributes of
`Client`, lifetimes in seconds, and the hashes of its secrets::

    [reports]
    grant_types = ["client_credentials"]
    scope = "reports:read"
    default_scope = "reports:read"
    access_token_lifetime = 600

    [[reports.secrets]]
    id = "2026-01"
    hash = "sha256:…"
    expires_at = 2027-02-01T00:00:00Z
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from oauthgrants import Client, ClientSecret
from oauthgrants.ports import never_blocks


@never_blocks
class ClientFile:
    """
    The clients that *path* has when this is made.

    Raises:
        InvalidClientMetadata: A client contradicts itself; the message names it.
        TypeError: A key is not an attribute of `Client`, or its value is of another kind.
        TOMLDecodeError: The file is not TOML.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            entries = tomllib.load(file)
        self._clients = {
            client_id: _to_client(client_id, entries[client_id]) for client_id in entries
        }

    def find_client(self, client_id: str) -> Client | None:
        """Return the client with this id, None if there is none."""
        return self._clients.get(client_id)

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Do nothing: the file is not ours to write."""


def _to_client(client_id: str, entry: dict[str, Any]) -> Client:
    for name in ("access_token_lifetime", "refresh_token_lifetime"):
        if name in entry:
            entry[name] = timedelta(seconds=entry[name])
    for name in ("first_party", "secret_methods_equal", "active"):
        # "false" is text, and true.
        if not isinstance(entry.get(name, False), bool):
            raise TypeError(f"client {client_id!r}: {name} has to be true or false")
    kept: list[dict[str, Any]] = entry.pop("secrets", [])
    for number, secret in enumerate(kept):
        # So that events name the same secret after a restart.
        secret.setdefault("id", f"{client_id}-{number}")
    secrets = tuple(ClientSecret(**secret) for secret in kept)
    return Client(client_id=client_id, secrets=secrets, **entry)
