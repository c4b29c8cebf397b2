"""The command ``oauthgrants``: a server to develop against, secrets, hashes and signing keys."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oauthgrants.cli import schema
from oauthgrants.cli.errors import CommandError, ConfigError

__all__ = ["main"]

_DESCRIPTION = "A server to develop against, client secrets, password hashes and signing keys."
_MOST_PORT = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command, and return its status: 0, 1 for a failure, 2 for what was asked wrongly.

    Args:
        argv: The arguments, without the name of the program; by default the process's.

    Raises:
        SystemExit: Help or the version was asked for, or an argument is not one.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except CommandError as error:
        print(f"oauthgrants: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        # Such as an output that is full.
        print(f"oauthgrants: {error.strerror}", file=sys.stderr)
        return CommandError.status
    except KeyboardInterrupt:
        return 130  # what shells make of SIGINT
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("oauthgrants", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('oauthgrants')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run a server for development and tests")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="a TOML file")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8000, help="where to listen (%(default)s); 0 for a free port"
    )
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="get tokens by each grant, and show what is said")
    demo.set_defaults(run=_demo)

    client = commands.add_parser("client", help="make a client, and print its TOML")
    client.add_argument("--client-id", type=_as(schema.printable), help="made up if left out")
    client.add_argument("--scope", type=_as(schema.scope), help="all that it may have")
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
    client.set_defaults(run=_client)

    hash_ = commands.add_parser("hash", help="read a password from stdin, and print its hash")
    hash_.set_defaults(run=_hash)
    _add_keys(commands.add_parser("keys", help="make, list and rotate signing keys"))
    return parser


def _add_keys(keys: ArgumentParser) -> None:
    commands = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)

    make = commands.add_parser("make", help="make a directory with a first key")
    make.add_argument("--alg", default="ES256", help="what it signs with (%(default)s)")
    make.set_defaults(run=_make_keys)

    list_ = commands.add_parser("list", help="show which keys there are")
    list_.set_defaults(run=_list_keys)

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
    rotate.set_defaults(run=_rotate_keys)

    for command in (make, list_, rotate):
        command.add_argument("directory", type=Path, metavar="DIR", help="where the keys are")


def _serve(arguments: Namespace) -> None:
    from oauthgrants.cli.serve import serve

    serve(arguments.config, host=arguments.host, port=arguments.port)


def _demo(_: Namespace) -> None:
    try:
        from oauthgrants.cli.demo import demonstrate
    except ModuleNotFoundError as error:
        raise CommandError(f"the demo needs {error.name}: pip install 'oauthgrants[cli]'") from None
    demonstrate()


def _client(arguments: Namespace) -> None:
    from oauthgrants.cli.credentials import make_client

    print(
        make_client(
            client_id=arguments.client_id,
            scope=arguments.scope,
            grant_types=arguments.grant_types,
            public=arguments.public,
            client_name=arguments.name,
        )
    )


def _hash(_: Namespace) -> None:
    from oauthgrants.cli.credentials import hash_password

    print(hash_password())


def _make_keys(arguments: Namespace) -> None:
    with _jwt_extra():
        from oauthgrants.cli.keys import make_keys

    print(make_keys(arguments.directory, arguments.alg))


def _list_keys(arguments: Namespace) -> None:
    with _jwt_extra():
        from oauthgrants.cli.keys import list_keys

    print(list_keys(arguments.directory))


def _rotate_keys(arguments: Namespace) -> None:
    with _jwt_extra():
        from oauthgrants.cli.keys import rotate_keys

    print(rotate_keys(arguments.directory, arguments.alg, arguments.keep))


@contextmanager
def _jwt_extra() -> Generator[None]:
    """Say what to install if it is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _MOST_PORT):
        raise ArgumentTypeError(f"has to be from 0 to {_MOST_PORT}")
    return int(text)


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError("has to be an integer, and not a negative one")
    return int(text)


def _as(read: schema.Reader, convert: Callable[[str], object] = str) -> Callable[[str], Any]:
    """Return a reader of the file's values as one of arguments, which *convert* makes of text."""

    def read_argument(text: str) -> Any:
        value = convert(text)
        try:
            return read("", value)
        except ConfigError as error:
            raise ArgumentTypeError(str(error)) from None

    return read_argument
