"""Who hears of events, and how the core tells them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from inspect import iscoroutinefunction
from typing import Protocol

from oauthgrants.events.logs import note_failure
from oauthgrants.events.outcomes import Event, TokenAccepted
from oauthgrants.events.watching import Exchange, Watch, Watching, find_watch


class EventSink(Protocol):
    """
    Hears of events. It has to return at once; what it raises is logged and changes nothing.

    It may have two more members. ``watch(exchange)`` returns a context manager that is entered
    when a request begins and left when it ends, see `Exchange`; ``each_call``, if true, asks
    for `TokenAccepted` too.
    """

    def record(self, event: Event) -> None:
        """Take note of *event*."""
        ...


def recorder(sink: EventSink) -> Callable[[Event], None]:
    """
    Return how the core tells *sink* of an event: a sink that fails changes no answer.

    An order to the thread or task to end, such as ``KeyboardInterrupt``, ``SystemExit`` or a
    cancellation, is no failure of the sink and is raised, as everywhere else.

    Raises:
        ValueError: *sink* is not one.
    """
    take_note = getattr(sink, "record", None)
    if not callable(take_note) or iscoroutinefunction(take_note):
        raise ValueError(
            "an event sink has a method record(event), written def and not async def: it answers "
            "at once; what takes long goes behind a QueuedSink"
        )

    def record(event: Event) -> None:
        try:
            take_note(event)
        except Exception:
            note_failure("the event sink failed on %s", type(event).__name__)

    return record


def wants_each_call(sink: EventSink) -> bool:
    """Return whether *sink* is to hear of each request that a resource server lets pass."""
    return bool(getattr(sink, "each_call", False))


class FanOut:
    """
    Tells several sinks of each event, in order; if one fails, the others still hear of it.

    >>> from oauthgrants.events import LoggingSink
    >>> FanOut(LoggingSink(), LoggingSink(each_call=True)).each_call
    True

    Attributes:
        each_call: Whether one of them wants to hear of each call; the others do not.
        watch: Watches requests for the sinks that do so, None if none does.
    """

    def __init__(self, *sinks: EventSink) -> None:
        """
        Make one sink of *sinks*.

        Raises:
            ValueError: One of them is not a sink.
        """
        self._all = [recorder(sink) for sink in sinks]
        self._wanting = [recorder(sink) for sink in sinks if wants_each_call(sink)]
        watches = [watch for sink in sinks if (watch := find_watch(sink)) is not None]
        self.each_call: bool = bool(self._wanting)
        self.watch: Watch | None = _join(watches) if watches else None

    def record(self, event: Event) -> None:
        """Tell of *event*."""
        for record in self._wanting if isinstance(event, TokenAccepted) else self._all:
            record(event)


def _join(watches: list[Watch]) -> Watch:
    @contextmanager
    def watch(exchange: Exchange) -> Generator[None, None, None]:
        with ExitStack() as stack:
            for each in watches:
                stack.enter_context(Watching(each, exchange))
            yield

    return watch
