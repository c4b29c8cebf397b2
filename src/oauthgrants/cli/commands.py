"""What each command does with its arguments; what does the work is imported only then."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from oauthgrants.cli.errors import CommandError

if TYPE_CHECKING:
    # Only for annotations: most commands do without SQLAlchemy.
    from oauthgrants.cli.databases import Database
    from oauthgrants.cli.registry import Registry
    from oauthgrants.cli.store_urls import StoreUrl
    from oauthgrants.cli.stores import Tokens
    from oauthgrants.clients import Client
    from oauthgrants.secret import Secret


def serve(arguments: Namespace) -> None:
    """Run a server."""
    from oauthgrants.cli.serve import serve

    serve(arguments.config, host=arguments.host, port=arguments.port)


def check(arguments: Namespace) -> None:
    """Check a server against RFC 9700 and OAuth 2.1."""
    from oauthgrants.cli.check import check
    from oauthgrants.policy import Severity

    name: str = arguments.fail_on
    check(
        arguments.config,
        as_json=arguments.json,
        fail_on=None if name == "never" else Severity[name.upper()],
        accepted=arguments.accept,
    )


def demo(_: Namespace) -> None:
    """
    Show what a server does.

    Raises:
        CommandError: Something has to be installed.
    """
    try:
        from oauthgrants.cli.demo import demonstrate
    except ModuleNotFoundError as error:
        raise CommandError(f"the demo needs {error.name}: pip install 'oauthgrants[cli]'") from None
    demonstrate()


def client(arguments: Namespace) -> None:
    """Make a client, for the configuration file."""
    from oauthgrants.cli.credentials import to_toml

    print(to_toml(*_make_client(arguments)))


def add_client(arguments: Namespace) -> None:
    """Register a client in a store."""
    client, secret = _make_client(arguments)
    if secret is not None:
        _require_output()
    with _registry(arguments) as registry:
        registry.add(client)
    print(f"client_id         {client.client_id}")
    if secret is not None:
        print(f"client_secret     {secret.reveal()}")


def show_client(arguments: Namespace) -> None:
    """Show what is registered of a client."""
    with _registry(arguments) as registry:
        print(registry.show(arguments.client_id))


def add_client_secret(arguments: Namespace) -> None:
    """Make a further secret of a client."""
    _require_output()
    with _registry(arguments) as registry:
        print(
            registry.add_secret(
                arguments.client_id,
                expires_in=arguments.expires_in,
                others_expire_in=arguments.others_expire_in,
            )
        )


def delete_client_secret(arguments: Namespace) -> None:
    """End a secret of a client."""
    with _registry(arguments) as registry:
        print(registry.delete_secret(arguments.client_id, arguments.secret_id))


def _require_output() -> None:
    """Check that there is somewhere to show a secret, before it is kept: it is shown once."""
    if sys.stdout is None:
        raise CommandError("standard output is closed: nobody would see the secret")


def _make_client(arguments: Namespace) -> tuple[Client, Secret | None]:
    from oauthgrants.cli.credentials import make_client

    return make_client(
        client_id=arguments.client_id,
        scope=arguments.scope,
        default_scope=arguments.default_scope,
        grant_types=arguments.grant_types,
        public=arguments.public,
        client_name=arguments.name,
    )


@contextmanager
def _registry(arguments: Namespace) -> Generator[Registry]:
    """Yield the clients of the store of the arguments."""
    from oauthgrants.cli.registry import Registry
    from oauthgrants.cli.store_urls import MEMORY
    from oauthgrants.cli.stores import make_tokens

    url, directory = _find_url(arguments)
    with _extra():
        if url.has_tables:
            from oauthgrants.cli.databases import Database

            tokens: Tokens = Database(url, directory, prefix=arguments.prefix)
        else:
            tokens = make_tokens(url, directory)
    with closing(tokens), tokens.explained():
        if url == MEMORY:
            raise CommandError(f"{url}: what is registered there ends with the command")
        tokens.prepare()
        yield Registry(tokens)


def hash_password(_: Namespace) -> None:
    """Hash a password."""
    from oauthgrants.cli.credentials import hash_password

    print(hash_password())


def openapi(arguments: Namespace) -> None:
    """Describe endpoints."""
    from oauthgrants.cli.openapi import describe

    print(describe(arguments.config))


def make_keys(arguments: Namespace) -> None:
    """Make a directory of keys."""
    with _extra():
        from oauthgrants.cli.keys import make_keys

    print(make_keys(arguments.directory, arguments.alg))


def list_keys(arguments: Namespace) -> None:
    """Show which keys there are."""
    with _extra():
        from oauthgrants.cli.keys import list_keys

    print(list_keys(arguments.directory))


def rotate_keys(arguments: Namespace) -> None:
    """Let a new key sign."""
    with _extra():
        from oauthgrants.cli.keys import rotate_keys

    print(rotate_keys(arguments.directory, arguments.alg, arguments.keep))


def upgrade(arguments: Namespace) -> None:
    """Bring tables up to date."""
    with _extra():
        from oauthgrants.cli.db import upgrade

    _tell(arguments, upgrade)


def current(arguments: Namespace) -> None:
    """Show the revision of tables."""
    with _extra():
        from oauthgrants.cli.db import current

    _tell(arguments, current)


def stamp(arguments: Namespace) -> None:
    """Note down the revision of tables."""
    with _extra():
        from oauthgrants.cli.db import stamp

    _tell(arguments, lambda database: stamp(database, arguments.revision))


def purge(arguments: Namespace) -> None:
    """Delete what has expired."""
    with _extra():
        from oauthgrants.cli.purge import purge

    shows_progress = sys.stderr.isatty() and not arguments.quiet
    _tell(
        arguments,
        lambda database: purge(
            database, batch_size=arguments.batch_size, shows_progress=shows_progress
        ),
        quiet=arguments.quiet,
    )


def conformance(arguments: Namespace) -> None:
    """Check a server from outside."""
    from oauthgrants.cli.conformance import check_server, list_checks

    if arguments.list:
        print(list_checks())
    else:
        check_server(arguments)


def _tell(arguments: Namespace, act: Callable[[Database], str], *, quiet: bool = False) -> None:
    """Print what *act* says that it did to the database of the arguments."""
    url, directory = _find_url(arguments)
    if url.has_tables:
        with _extra():
            from oauthgrants.cli.databases import Database
        with closing(Database(url, directory, prefix=arguments.prefix)) as database:
            done = act(database)
    else:
        done = "no tables, and what has expired goes by itself: there is nothing to do"
    if not quiet:
        print(f"{url}: {done}")


def _find_url(arguments: Namespace) -> tuple[StoreUrl, Path]:
    """Return where the store of the arguments is, and where relative paths in that begin."""
    from oauthgrants.cli.config import find_store

    if arguments.config is None:
        return arguments.store, Path()
    return find_store(arguments.config), arguments.config.parent


@contextmanager
def _extra() -> Generator[None]:
    """Say what to install if an extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
