"""What the benchmark of peers asks, and who answers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import attrs

from oauthgrants import Client, Secret
from oauthgrants.jose import SigningKey

from .asking import AUDIENCE

TOKEN, INTROSPECT, REVOKE, REPORTS = "/token", "/introspect", "/revoke", "/reports"
"""Where questions go; the last one is what bearer tokens protect."""

LIFETIME, REFRESH_LIFETIME = 3600, 30 * 24 * 3600
"""In seconds, for whoever has to be told."""

SOURCE = "192.0.2.1"


@attrs.frozen
class Asked:
    """
    A request as a web server has it.

    Attributes:
        path: Where it goes.
        headers: Values by names.
        body: The octets.
    """

    path: str
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


Answer = tuple[int, str | bytes]
"""The status and the body."""


@attrs.frozen
class Contender:
    """
    Somebody who answers.

    Attributes:
        name: As it stands in the tables.
        ways: What answers at a path; who has none does not take part there.
        is_async: Whether answers are awaited.
    """

    name: str
    ways: Mapping[str, Callable[[Asked], Any]]
    is_async: bool = False


@attrs.frozen(kw_only=True)
class World:
    """
    What all contenders of one table share.

    Attributes:
        client: May use every grant, and introspect.
        secret: Its own.
        algorithm: Of access tokens that are JWTs, None for opaque ones.
        pem: The key that signs them.
        guesses_are_free: Whether there is no limit on wrong secrets, to see each one checked.
    """

    client: Client
    secret: str = attrs.field(repr=False)
    algorithm: str | None = None
    pem: bytes = attrs.field(default=b"", repr=False)
    guesses_are_free: bool = False

    @property
    def client_id(self) -> str:
        return self.client.client_id

    @property
    def scope(self) -> str:
        return str(self.client.scope)

    @classmethod
    def make(
        cls,
        algorithm: str | None = None,
        *,
        guesses_are_free: bool = False,
        secret: Secret | None = None,
    ) -> World:
        """Return a new one, with a new key, and with a new secret if none is given."""
        client, secret = Client.confidential(
            "service",
            secret=secret,
            machine_made=secret is not None,
            grant_types=["client_credentials", "password", "refresh_token"],
            scope="read write",
            default_scope="read",
            resources=(AUDIENCE,),
            introspects=(AUDIENCE,),
            first_party=True,
        )
        return cls(
            client=client,
            secret=secret.reveal(),
            algorithm=algorithm,
            pem=b"" if algorithm is None else SigningKey.generate(algorithm).to_pem(),
            guesses_are_free=guesses_are_free,
        )

    def ask(self, path: str, *, secret: str | None = None, **form: str) -> Asked:
        """Return a form of the client, by Basic with *secret* or else with its own."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(secret or self.secret)}"
        headers = {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return Asked(path, headers, urlencode(form).encode())


def bearing(token: str) -> Asked:
    """Return a request for what *token* protects."""
    return Asked(REPORTS, {"Authorization": f"Bearer {token}"})
