"""The host's client, and the keys that are the store's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import attrs
from redis.exceptions import NoScriptError

from oauthgrants.ports import Clock, resolve
from oauthgrants.stores.redis.records import to_base64
from oauthgrants.stores.redis.scripts import Script

_MILLISECOND = timedelta(milliseconds=1)
SLACK = timedelta(minutes=1)
"""What has expired is kept for so long, since clocks differ."""


class Pipeline(Protocol):
    """Commands that go in one packet."""

    def execute_command(self, *command: Any) -> object:
        """Add a command."""
        ...

    def execute(self, *, raise_on_error: bool) -> Any:
        """Send the commands, and return what came of each."""
        ...


class RedisClient(Protocol):
    """What redis-py's clients have in common, but that some have to be waited for."""

    def execute_command(self, *command: Any, **options: Any) -> Any:
        """Send a command, and return the answer."""
        ...

    def pipeline(self, *, transaction: bool) -> Any:
        """Return a `Pipeline`."""
        ...


@attrs.frozen
class Keyspace:
    """
    Where a store keeps what it keeps.

    Attributes:
        client: The host's, of either colour.
        prefix: What all keys begin with.
        clock: Returns the time, aware, in UTC.
        is_cluster: Whether the keys are on several servers.
    """

    client: RedisClient
    prefix: str
    clock: Clock
    is_cluster: bool

    def key(self, kind: str, name: str | bytes) -> bytes:
        """Return the key of a digest or a name."""
        text = to_base64(name) if isinstance(name, bytes) else name
        # Whatever was sent as a name can be looked for.
        return f"{self.prefix}{kind}:{text}".encode(errors="surrogatepass")

    def time_left(self, expires_at: datetime) -> int:
        """Return for how many milliseconds to keep what expires at *expires_at*."""
        return time_to_live(expires_at - self.clock())

    async def execute(self, *command: Any) -> Any:
        """Return what the server answers to one command."""
        return await resolve(self.client.execute_command(*command))

    async def execute_all(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """
        Return what the server answers to several commands, in one way there and back.

        They have no order: a cluster has them carried out by several servers.
        """
        pipeline: Pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        # Of its own, the client puts the command with all its values into the error's text.
        answers: list[Any] = await resolve(pipeline.execute(raise_on_error=False))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def run(self, script: Script, key: bytes, *arguments: Any) -> Any:
        """Return what *script* answers."""
        try:
            return await self.execute("EVALSHA", script.sha1, 1, key, *arguments)
        except NoScriptError:
            # The server has not seen it since its start; from now on it has.
            return await self.execute("EVAL", script.source, 1, key, *arguments)


def time_to_live(lifetime: timedelta) -> int:
    """Return for how many milliseconds to keep what lives for *lifetime*."""
    return (max(lifetime, timedelta()) + SLACK) // _MILLISECOND
