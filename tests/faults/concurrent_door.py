"""A way to a server within the process, for many threads at once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlencode

from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.ports import MaybeAwaitable, is_awaitable
from support import FORM, ISSUER, World, basic

_PATIENCE = 60.0


class ConcurrentDoor:
    """Sends forms to the server of *world*, whose loop runs in another thread."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self._server = world.server
        self._loop = loop
        self._authorizations = {name: basic(name, secret) for name, secret in world.secrets.items()}

    def __call__(self, client: str, path: str = "/token", **parameters: str) -> HttpResponse:
        """Return the response."""
        request = HttpRequest(
            method="POST",
            url=ISSUER + path,
            headers=(FORM, self._authorizations[client]),
            body=urlencode(parameters).encode(),
            source="192.0.2.1",
        )
        response: HttpResponse = self.finish(self._server.handle(request))
        return response

    def finish(self, answer: MaybeAwaitable[Any]) -> Any:
        """Return *answer*, waiting for it if need be."""
        if not is_awaitable(answer):
            return answer

        async def wait() -> Any:
            return await answer

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(_PATIENCE)


@contextmanager
def concurrent_door(world: World) -> Generator[ConcurrentDoor]:
    """Let the loop of *world* run in a thread meanwhile."""
    loop = world.runner.get_loop()
    door = ConcurrentDoor(world, loop)
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield door
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        assert not thread.is_alive()
