"""``oauthgrants client`` and ``oauthgrants hash``: what goes into the configuration file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from getpass import getpass
from typing import Any

from oauthgrants.cli import schema
from oauthgrants.cli.errors import CommandError, ConfigError, UsageError
from oauthgrants.clients import Client
from oauthgrants.forms import Limits
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret

# More than any password may have, so that its length is ours to refuse.
_MOST_LINE = 16 * Limits().password


def make_client(
    *,
    client_id: str | None = None,
    scope: Scope | None = None,
    default_scope: Scope | None = None,
    grant_types: Sequence[str] = (),
    public: bool = False,
    client_name: str | None = None,
) -> tuple[Client, Secret | None]:
    """
    Return a new client, and its secret if it has one.

    Args:
        client_id: Made up if left out.
        scope: All that it may have, None for tokens without scope.
        default_scope: What it gets when it asks for none, None if it has to ask.
        grant_types: Those that it may use; ``client_credentials`` for one that has a secret.
        public: Whether it cannot keep a secret.
        client_name: For people.

    Raises:
        UsageError: The options contradict one another.
    """
    if public and not grant_types:
        raise UsageError("--public needs --grant-type: without a secret there is no default")
    wanted = tuple(dict.fromkeys(grant_types)) or ("client_credentials",)
    metadata: dict[str, Any] = {
        "grant_types": wanted,
        "scope": scope,
        "default_scope": default_scope,
        "first_party": "password" in wanted,
        "client_name": client_name,
    }
    try:
        if public:
            return Client.public(client_id, **metadata), None
        return Client.confidential(client_id, **metadata)
    except ValueError as error:
        raise UsageError(str(error)) from None


def to_toml(client: Client, secret: Secret | None) -> str:
    """Return the ``[[clients]]`` table of a new *client*, with its *secret*."""
    lines = ["[[clients]]", f"client_id = {quote(client.client_id)}"]
    if secret is not None:
        lines.append(f"client_secret = {quote(secret.reveal())}")
        lines.append("client_secret_machine_made = true")
    lines.append(f"token_endpoint_auth_method = {quote(client.token_endpoint_auth_method)}")
    lines.append(f"grant_types = [{', '.join(map(quote, client.grant_types))}]")
    if client.scope is not None:
        lines.append(f"scope = {quote(str(client.scope))}")
    if client.default_scope is not None:
        lines.append(f"default_scope = {quote(str(client.default_scope))}")
    if client.first_party:
        lines.append("first_party = true  # it sees the passwords of its users")
    if client.client_name is not None:
        lines.append(f"client_name = {quote(client.client_name)}")
    return "\n".join(lines)


def quote(text: str) -> str:
    r"""
    Return *text* as a TOML string, in ASCII: whatever the terminal's encoding, the file is right.

    >>> print(quote('a "b" é'))
    "a \"b\" \U000000E9"
    """
    return '"' + "".join(_escape(character) for character in text) + '"'


def hash_password() -> str:
    """
    Return the hash of the password on standard input, a PHC string of Argon2id.

    Raises:
        CommandError: There is none, or one that no request can bring.
    """
    try:
        password = schema.password("password", _read_password())
    except ConfigError as error:
        raise CommandError(str(error)) from None
    return Argon2idHasher().hash(password)


def _read_password() -> str:
    if sys.stdin is None:  # it is closed
        return ""
    if sys.stdin.isatty():
        try:
            return getpass("Password: ")
        except EOFError:
            return ""
    line = sys.stdin.buffer.readline(_MOST_LINE)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise CommandError("password: has to be UTF-8") from None


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\U{ord(character):08X}"
