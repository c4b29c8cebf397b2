"""From the arguments of each command to what does its work, which is imported only then."""

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


def serve(arguments: Namespace) -> None:
    """Run a server."""
    from oauthgrants.cli.serve import serve

    serve(arguments.config, host=arguments.host, port=arguments.port)


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
    """Make a client."""
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


def hash_password(_: Namespace) -> None:
    """Hash a password."""
    from oauthgrants.cli.credentials import hash_password

    print(hash_password())


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
    from oauthgrants.cli.db import upgrade

    _tell(arguments, upgrade)


def current(arguments: Namespace) -> None:
    """Show the revision of tables."""
    from oauthgrants.cli.db import current

    _tell(arguments, current)


def stamp(arguments: Namespace) -> None:
    """Note down the revision of tables."""
    from oauthgrants.cli.db import stamp

    _tell(arguments, lambda database: stamp(database, arguments.revision))


def purge(arguments: Namespace) -> None:
    """Delete what has expired."""
    from oauthgrants.cli.purge import purge

    shows_progress = sys.stderr.isatty() and not arguments.quiet
    _tell(
        arguments,
        lambda database: purge(
            database, batch_size=arguments.batch_size, shows_progress=shows_progress
        ),
        quiet=arguments.quiet,
    )


def _tell(arguments: Namespace, act: Callable[[Database], str], *, quiet: bool = False) -> None:
    """Print what *act* says that it did to the database of the arguments."""
    from oauthgrants.cli.config import find_store

    if arguments.config is None:
        url, directory = arguments.store, Path()
    else:
        url, directory = find_store(arguments.config), arguments.config.parent
    if url.has_tables:
        with _extra():
            from oauthgrants.cli.databases import Database
        with closing(Database(url, directory, prefix=arguments.prefix)) as database:
            done = act(database)
    else:
        done = "no tables, and what has expired goes by itself: there is nothing to do"
    if not quiet:
        print(f"{url}: {done}")


@contextmanager
def _extra() -> Generator[None]:
    """Say what to install if it is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
