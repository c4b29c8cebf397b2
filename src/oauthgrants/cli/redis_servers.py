"""A Redis or Valkey server as ``serve`` uses it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from oauthgrants.cli.errors import CommandError
from oauthgrants.cli.http_server import ANSWERS_AT_ONCE
from oauthgrants.cli.store_urls import StoreUrl
from oauthgrants.stores.redis import RedisStore
from oauthgrants.stores.redis.connecting import ServerFault, faults_explained, make_client


class RedisServer:
    """
    A server, or what speaks its protocol.

    Args:
        url: Where it is.

    Raises:
        CommandError: The URL has settings that there are not.
    """

    def __init__(self, url: StoreUrl) -> None:
        self._url = url
        with self.explained():
            # A request has one at a time, so that none has to wait.
            self._client = make_client(url.reveal(), connections=ANSWERS_AT_ONCE)
        self.store: RedisStore = RedisStore(self._client)

    def prepare(self) -> None:
        """
        Connect, and warn if the server may throw away what it has to keep.

        Raises:
            CommandError: Nobody answers.
        """
        with self.explained():
            self.store.check_eviction()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @contextmanager
    def explained(self) -> Generator[None]:
        """
        Say in one line what the server has against it.

        Raises:
            CommandError: There is something.
        """
        try:
            with faults_explained():
                yield
        except ServerFault as fault:
            raise CommandError(f"{self._url}: {fault}") from None
