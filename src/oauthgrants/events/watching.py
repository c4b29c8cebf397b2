"""Watching requests from beginning to end, for sinks that measure them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeAlias

import attrs

from oauthgrants.events.logs import note_failure
from oauthgrants.wire import HttpRequest, HttpResponse


@attrs.define(kw_only=True)
class Exchange:
    """
    A request and what is answered, while it lasts.

    Attributes:
        endpoint: ``token``, ``introspection``, ``revocation``, ``metadata``, ``jwks``, or
            ``resource`` for a resource server.
        source: The address that the request comes from, None if unknown.
        status: The status code of the answer, once there is one. It stays None if the host ends
            the request before, or if a resource server lets it pass: then the host answers.
    """

    endpoint: str
    source: str | None
    status: int | None = None


Watch: TypeAlias = Callable[[Exchange], AbstractContextManager[Any]]
"""Returns what is entered when a request begins and left when it ends."""

Answer: TypeAlias = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]
"""An endpoint, which answers a request and raises nothing, whatever came."""


class Watching:
    """Enters and leaves what a sink watches with; what it raises is logged and changes nothing."""

    def __init__(self, watch: Watch, exchange: Exchange) -> None:
        self._watch = watch
        self._exchange = exchange
        self._entered: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Exchange:
        try:
            manager = self._watch(self._exchange)
            manager.__enter__()
        except Exception:
            note_failure("the event sink failed as a request began")
        else:
            self._entered = manager
        return self._exchange

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Returns nothing, whatever the sink does: it is not for a sink to catch anything.
        if self._entered is None:
            return
        try:
            self._entered.__exit__(kind, error, traceback)
        except Exception:
            note_failure("the event sink failed as a request ended")


def find_watch(sink: object) -> Watch | None:
    """Return how *sink* watches requests, None if it does not."""
    watch: Watch | None = getattr(sink, "watch", None)
    return watch


def watched(answer: Answer, endpoint: str, watch: Watch | None) -> Answer:
    """Return *answer* as *watch* sees it; *answer* itself where nobody watches."""
    if watch is None:
        return answer

    async def answer_watched(request: HttpRequest) -> HttpResponse:
        exchange = Exchange(endpoint=endpoint, source=request.source)
        with Watching(watch, exchange):
            response = await answer(request)
            exchange.status = response.status
            return response

    return answer_watched
