"""From the URL of a store to the store, ready to be used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from oauthgrants import MemoryStore
from oauthgrants.assembly import Store
from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.store_urls import StoreUrl


class Tokens(Protocol):
    """Where a server keeps its tokens, and all else that it has to remember."""

    @property
    def store(self) -> Store:
        """The store; it connects when it is first used, or when it is told to."""
        ...

    def prepare(self) -> None:
        """
        Connect, and check that all is there that the store needs.

        Raises:
            CommandError: Something is missing, or nobody answers.
        """
        ...

    def explained(self) -> AbstractContextManager[None]:
        """
        Say in one line what goes wrong in the store within this context.

        Raises:
            CommandError: The store failed.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class InMemory:
    """Tokens that end with the process."""

    def __init__(self) -> None:
        self.store: MemoryStore = MemoryStore()

    def prepare(self) -> None:
        """Do nothing: there is nothing that could be missing."""

    def explained(self) -> AbstractContextManager[None]:
        """Do nothing: there is nobody who could be away."""
        return nullcontext()

    def close(self) -> None:
        """Do nothing."""


def make_tokens(url: StoreUrl, directory: Path) -> Tokens:
    """
    Return where *url* says that tokens are kept; nothing connects yet.

    Args:
        url: Where.
        directory: Where relative paths begin.

    Raises:
        CommandError: Something has to be installed.
    """
    try:
        return _MAKERS[url.scheme](url, directory)
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None


def _in_memory(_url: StoreUrl, _directory: Path) -> Tokens:
    return InMemory()


def _in_database(url: StoreUrl, directory: Path) -> Tokens:
    from oauthgrants.cli.databases import Database

    return Database(url, directory)


def _on_redis(url: StoreUrl, _directory: Path) -> Tokens:
    from oauthgrants.cli.redis_servers import RedisServer

    return RedisServer(url)


_MAKERS: dict[str, Callable[[StoreUrl, Path], Tokens]] = {
    "memory": _in_memory,
    "sqlite": _in_database,
    "postgresql+psycopg": _in_database,
    "redis": _on_redis,
    "rediss": _on_redis,
}
