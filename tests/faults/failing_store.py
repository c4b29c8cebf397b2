"""A store that works, but for the one call that is meant to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from oauthgrants import MemoryStore
from oauthgrants.ports import never_blocks
from support import Colour

Moment = Literal["before", "after"]
"""Whether the call fails before it has done anything, or when all is done."""


class StoreAway(Exception):
    """What the failing call raises."""


@never_blocks
class FailingStore:
    """
    Counts its calls, and fails at one of them.

    Its methods are ``def`` or ``async def``, whichever suits the colour of the server.
    """

    def __init__(self, kept: MemoryStore, colour: Colour) -> None:
        self.failed: str | None = None
        self._kept = kept
        self._colour = colour
        self._calls_left = 0
        self._moment: Moment = "before"

    def fail_at(self, number: int, moment: Moment) -> None:
        """Fail at the call of this *number*, the next one being 1."""
        self.failed = None
        self._calls_left, self._moment = number, moment

    def end(self) -> None:
        """Fail no more."""
        self._calls_left = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = partial(self._call, name, getattr(self._kept, name))
        if self._colour == "sync":
            return call

        async def call_later(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return call(*args, **kwargs)

        return call_later

    def _call(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._calls_left -= 1
        if self._calls_left != 0:
            return method(*args, **kwargs)
        self.failed = name
        if self._moment == "after":
            method(*args, **kwargs)
        raise StoreAway(f"{self._moment} {name}")
