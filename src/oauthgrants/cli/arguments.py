"""The arguments of each command."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oauthgrants.cli import commands as run
from oauthgrants.cli import schema
from oauthgrants.cli.conformance_arguments import add_conformance
from oauthgrants.cli.errors import ConfigError
from oauthgrants.cli.store_urls import store_url

_DESCRIPTION = (
    "A server to develop against; client secrets, password hashes and signing keys; the tables "
    "of a database."
)
_MOST_PORT = 65_535
_MOST_BATCH = 100_000
# As an identifier of SQL, and short enough for the longest name of an index.
_PREFIX = re.compile("[A-Za-z_][A-Za-z0-9_]{0,19}")


def make_parser() -> ArgumentParser:
    """Return what reads arguments; ``run`` among them does what they say."""
    parser = ArgumentParser("oauthgrants", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('oauthgrants')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run a server for development and tests")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="a TOML file")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8000, help="where to listen (%(default)s); 0 for a free port"
    )
    serve.set_defaults(run=run.serve)

    _add_check(commands.add_parser("check", help="hold a server to RFC 9700 and OAuth 2.1"))

    demo = commands.add_parser("demo", help="get tokens by each grant, and show what is said")
    demo.set_defaults(run=run.demo)

    _add_client(
        commands.add_parser(
            "client", help="make a client, and print its TOML; or keep clients in a store"
        )
    )

    hash_ = commands.add_parser("hash", help="read a password from stdin, and print its hash")
    hash_.set_defaults(run=run.hash_password)

    _add_openapi(commands.add_parser("openapi", help="print what describes the endpoints to tools"))
    _add_keys(commands.add_parser("keys", help="make, list and rotate signing keys"))
    _add_db(commands.add_parser("db", help="make the tables of a database, or update them"))
    _add_purge(commands.add_parser("purge", help="delete what has expired from a database"))
    add_conformance(commands.add_parser("conformance", help="check any server, from outside"))
    return parser


def _add_openapi(openapi: ArgumentParser) -> None:
    openapi.add_argument(
        "--config", type=Path, metavar="FILE", help="the TOML file of a server; else one is made up"
    )
    openapi.set_defaults(run=run.openapi)


def _add_client(client: ArgumentParser) -> None:
    _add_new_client(client)
    client.set_defaults(run=run.client)
    commands = client.add_subparsers(
        title="commands", metavar="COMMAND", description="those that keep clients in a store"
    )

    add = commands.add_parser("add", help="register a new client, and print its secret")
    _add_new_client(add)
    add.set_defaults(run=run.add_client)

    show = commands.add_parser("show", help="show a client, and the ids of its secrets")
    show.set_defaults(run=run.show_client)

    secret = commands.add_parser("secret", help="make a further secret, and print it")
    secret.add_argument(
        "--expires-in",
        type=_as(schema.seconds(least=1), _integer),
        metavar="SECONDS",
        help="when it ends (never)",
    )
    secret.add_argument(
        "--others-expire-in",
        type=_as(schema.seconds(least=0), _integer),
        metavar="SECONDS",
        help="when the secrets that it has end at the latest (when they would anyway)",
    )
    secret.set_defaults(run=run.add_client_secret)

    retire = commands.add_parser("retire", help="end a secret at once")
    retire.set_defaults(run=run.delete_client_secret)

    for command in (show, secret, retire):
        command.add_argument("client_id", metavar="CLIENT_ID", type=_as(schema.printable))
    retire.add_argument("secret_id", metavar="SECRET_ID", help="as `show` has it")
    for command in (add, show, secret, retire):
        _add_store(command)


def _add_new_client(client: ArgumentParser) -> None:
    client.add_argument("--client-id", type=_as(schema.printable), help="made up if left out")
    client.add_argument("--scope", type=_as(schema.scope), help="all that it may have")
    client.add_argument(
        "--default-scope",
        type=_as(schema.scope),
        metavar="SCOPE",
        help="what it gets when it asks for none (none: it has to ask)",
    )
    client.add_argument(
        "--grant-type",
        dest="grant_types",
        action="append",
        default=[],
        choices=["client_credentials", "password", "refresh_token"],
        help="may be repeated (client_credentials)",
    )
    client.add_argument("--public", action="store_true", help="it cannot keep a secret")
    client.add_argument("--name", type=_as(schema.line), help="for people")


def _add_check(check: ArgumentParser) -> None:
    check.add_argument("--config", type=Path, required=True, metavar="FILE", help="a TOML file")
    check.add_argument("--json", action="store_true", help="print JSON, for programs")
    check.add_argument(
        "--fail-on",
        choices=["error", "warning", "info", "never"],
        default="error",
        help="the least that ends it with status 1 (%(default)s)",
    )
    check.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="RULE",
        help="leave out what this rule finds; may be repeated",
    )
    check.set_defaults(run=run.check)


def _add_keys(keys: ArgumentParser) -> None:
    commands = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)

    make = commands.add_parser("make", help="make a directory with a first key")
    make.add_argument("--alg", default="ES256", help="what it signs with (%(default)s)")
    make.set_defaults(run=run.make_keys)

    list_ = commands.add_parser("list", help="show which keys there are")
    list_.set_defaults(run=run.list_keys)

    rotate = commands.add_parser("rotate", help="let a new key sign, and keep the one before")
    rotate.add_argument("--alg", help="what it signs with (as the one before)")
    rotate.add_argument(
        "--keep",
        type=_as(schema.seconds(least=0), _integer),
        default=timedelta(days=1),
        metavar="SECONDS",
        help="for how long the key before still verifies; at least the longest lifetime of an "
        "access token (86400)",
    )
    rotate.set_defaults(run=run.rotate_keys)

    for command in (make, list_, rotate):
        command.add_argument("directory", type=Path, metavar="DIR", help="where the keys are")


def _add_db(db: ArgumentParser) -> None:
    commands = db.add_subparsers(title="commands", metavar="COMMAND", required=True)

    upgrade = commands.add_parser("upgrade", help="make the tables, or bring them up to date")
    upgrade.set_defaults(run=run.upgrade)

    current = commands.add_parser("current", help="show which revision the tables are of")
    current.set_defaults(run=run.current)

    stamp = commands.add_parser("stamp", help="note down which revision the tables are of")
    stamp.add_argument("revision", nargs="?", metavar="REVISION", help="the latest if left out")
    stamp.set_defaults(run=run.stamp)

    for command in (upgrade, current, stamp):
        _add_store(command)


def _add_purge(purge: ArgumentParser) -> None:
    _add_store(purge)
    purge.add_argument(
        "--batch-size",
        type=_batch_size,
        default=1000,
        metavar="NUMBER",
        help="how much is deleted in one transaction (%(default)s)",
    )
    purge.add_argument("--quiet", action="store_true", help="print nothing if all goes well")
    purge.set_defaults(run=run.purge)


def _add_store(command: ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--store", type=_as(store_url), metavar="URL", help="such as sqlite:///oauth.db"
    )
    where.add_argument(
        "--config", type=Path, metavar="FILE", help="the TOML file of a server, which has the URL"
    )
    command.add_argument(
        "--prefix",
        type=_prefix,
        default="oauth_",
        help="what the names of the tables begin with (%(default)s)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _MOST_PORT):
        raise ArgumentTypeError(f"has to be from 0 to {_MOST_PORT}")
    return int(text)


def _batch_size(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_BATCH):
        raise ArgumentTypeError(f"has to be from 1 to {_MOST_BATCH}")
    return int(text)


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError("has to be an integer, and not a negative one")
    return int(text)


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ArgumentTypeError("has to be of letters, digits and _, 20 at most")
    return text


def _as(read: schema.Reader, convert: Callable[[str], object] = str) -> Callable[[str], Any]:
    """Return *read*, a reader of values of the file, for arguments: *convert* makes the values."""

    def read_argument(text: str) -> Any:
        value = convert(text)
        try:
            return read("", value)
        except ConfigError as error:
            raise ArgumentTypeError(str(error)) from None

    return read_argument
