"""A queue before a sink that is slow, so that no request waits for it."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import Self
from weakref import WeakSet

from oauthgrants.events.logs import note_failure
from oauthgrants.events.outcomes import Event, EventsDropped
from oauthgrants.events.sinks import EventSink, recorder, wants_each_call
from oauthgrants.events.watching import find_watch

_FIVE_SECONDS = timedelta(seconds=5)


class QueuedSink:
    """
    Hands events to another sink in a thread of its own, one by one, in order.

    The queue is bounded. What finds it full is dropped and counted, and the sink hears of it by
    `EventsDropped`: a slow sink costs memory for *size* events, and delays no answer. What
    waits is delivered when the process ends in the ordinary way, for five seconds at most; call
    `close` where it ends otherwise. A process that is forked begins with an empty queue and a
    thread of its own, and what waited is the parent's to deliver.

    Attributes:
        each_call: As the sink has it.
    """

    def __init__(self, sink: EventSink, *, size: int = 10_000) -> None:
        """
        Put a queue before *sink*.

        Args:
            sink: Hears of events, in another thread; no two at a time.
            size: How many may wait.

        Raises:
            ValueError: *sink* watches requests, which it cannot do in another thread; or *size*
                is less than one.
        """
        if find_watch(sink) is not None:
            raise ValueError(
                "the sink watches requests while they last, and has to be told at once: "
                "FanOut(that_sink, QueuedSink(the_others))"
            )
        if size < 1:
            raise ValueError("size has to be one or more")
        self._record = recorder(sink)
        self._size = size
        self._dropped = 0
        self.each_call: bool = wants_each_call(sink)
        self.begin_anew()
        _ALL.add(self)

    def begin_anew(self) -> None:
        """Begin with an empty queue, as after a fork; a thread is there from the first event on."""
        lock = Lock()
        self._arrived = Condition(lock)
        self._delivered = Condition(lock)
        self._waiting: deque[Event] = deque()
        self._under_way = False
        self._untold = 0
        self._closed = False
        self._thread: Thread | None = None

    @property
    def dropped(self) -> int:
        """How many events were dropped in all, because the queue was full or closed."""
        return self._dropped

    def record(self, event: Event) -> None:
        """Put *event* into the queue, or drop it."""
        with self._arrived:
            if self._closed or len(self._waiting) >= self._size:
                self._dropped += 1
                self._untold += 1
                return
            self._waiting.append(event)
            if self._thread is None:
                self._thread = Thread(target=self._deliver, name="oauthgrants-events", daemon=True)
                self._thread.start()
            self._arrived.notify()

    def flush(self, timeout: timedelta = _FIVE_SECONDS) -> bool:
        """
        Wait until all that is in the queue is delivered.

        Returns:
            Whether it was, within *timeout*.
        """
        with self._delivered:
            return self._wait(lambda: not (self._waiting or self._under_way), timeout)

    def close(self, timeout: timedelta = _FIVE_SECONDS) -> bool:
        """
        Deliver what is in the queue, and end the thread. What comes later is dropped.

        Returns:
            Whether all was delivered, within *timeout*.
        """
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
            return self._wait(lambda: self._thread is None, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, is_done: Callable[[], bool], timeout: timedelta) -> bool:
        return self._delivered.wait_for(is_done, timeout.total_seconds())

    def _deliver(self) -> None:
        while self._deliver_next():
            pass

    def _deliver_next(self) -> bool:
        """Wait for an event and deliver it; return False once the queue is closed and empty."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                self._thread = None
                self._delivered.notify_all()
                return False
            event = self._waiting.popleft()
            self._under_way = True
            untold, self._untold = self._untold, 0
        try:
            if untold:
                self._record(EventsDropped(at=datetime.now(UTC), count=untold))
            self._record(event)
        except BaseException:
            # The thread is ours, and nobody but the sink can have wanted to end it.
            note_failure("the event sink failed on %s", type(event).__name__)
        with self._delivered:
            self._under_way = False
            if not self._waiting:
                self._delivered.notify_all()
        return True


_ALL: WeakSet[QueuedSink] = WeakSet()


def begin_all_anew() -> None:
    """Have every queue begin anew, in a process that was forked."""
    # The locks may be held, and their holders are not in this process.
    for sink in _ALL:
        sink.begin_anew()


def close_all() -> None:
    """Deliver what is in the queues, as the process ends."""
    # Daemon threads are still there, and end after this.
    for sink in list(_ALL):
        sink.close()


atexit.register(close_all)
# Not on Windows, where nothing forks.
getattr(os, "register_at_fork", dict)(after_in_child=begin_all_anew)
