"""``oauthgrants purge``: deletes what has expired, from a timer such as cron's."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from threading import Event
from types import FrameType

from oauthgrants.cli.databases import Database


def purge(database: Database, *, batch_size: int, shows_progress: bool) -> str:
    """
    Delete what has expired by now, batch after batch, and return how much it was.

    SIGTERM and SIGINT end it after the batch under way.

    Args:
        database: Where it is.
        batch_size: How much is deleted in one transaction.
        shows_progress: Whether somebody looks on.

    Raises:
        CommandError: The database is away, or has no tables.
    """
    deleted, is_over = 0, False
    database.require_tables()
    with _stop_requested() as stop, _progress(is_shown=shows_progress) as count:
        # What expires meanwhile is for the next time, else there might be no end.
        now = datetime.now(UTC)
        while not (is_over or stop.is_set()):
            with database.explained():
                batch = database.store.delete_expired(now, batch_size)
            deleted += batch
            is_over = batch < batch_size
            count(batch)
    return f"deleted {deleted} that had expired" + ("" if is_over else "; stopped before the end")


@contextmanager
def _stop_requested() -> Generator[Event]:
    """Yield what is set by SIGTERM and SIGINT; a second one has its usual effect."""
    stop = Event()

    def request(_signal: int, _frame: FrameType | None) -> None:
        restore()
        stop.set()

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    handlers = {each: signal.signal(each, request) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        restore()


def _progress(*, is_shown: bool) -> AbstractContextManager[Callable[[int], object]]:
    if is_shown:
        try:
            from oauthgrants.cli.terminal import counting
        except ModuleNotFoundError:
            pass  # Without rich, the result has to do.
        else:
            return counting("deleted")
    return nullcontext(int)
