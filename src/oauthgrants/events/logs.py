"""Events in the log (the standard library's ``logging``)."""

from __future__ import annotations

import logging
from contextlib import suppress

from oauthgrants.events.outcomes import (
    Event,
    EventsDropped,
    Fault,
    JsonValue,
    RefreshTokenReused,
    Throttled,
    describe,
)

logger: logging.Logger = logging.getLogger("oauthgrants")

_WARNINGS = (RefreshTokenReused, Throttled, EventsDropped)


def note_failure(message: str, *values: object) -> None:
    """Log *message* and the exception that is being handled; raise nothing."""
    # A filter or handler of the host's may be what has failed, and fails again.
    with suppress(Exception):
        logger.exception(message, *values)  # noqa: LOG004  # its callers are handling one


class LoggingSink:
    """
    Writes events to the logger ``oauthgrants``: faults as errors, others as INFO or WARNING.

    Reuse, throttling and dropped events are warnings. Each record has what `describe` says as
    attributes of its own, ``oauth_event``, ``oauth_client_id`` and so on, of JSON types:
    formatters for JSON find them as they find those of ``extra=``.

    Attributes:
        each_call: Whether to log the requests that a resource server lets pass, too.
    """

    def __init__(self, *, each_call: bool = False) -> None:
        self.each_call = each_call

    def record(self, event: Event) -> None:
        """Log *event*."""
        level = _level_of(event)
        if logger.isEnabledFor(level):
            described = describe(event)
            logger.log(
                level,
                "%s",
                _words(event, described),
                exc_info=event.error if isinstance(event, Fault) else None,
                extra={f"oauth_{name}": value for name, value in described.items()},
            )


def _level_of(event: Event) -> int:
    if isinstance(event, Fault):
        return logging.ERROR
    return logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO


def _words(event: Event, described: dict[str, JsonValue]) -> str:
    """Return *event* as one line; values are quoted, so that none can begin another line."""
    values: dict[str, object] = {**described}
    if isinstance(event, Fault):
        values["error"] = event.error
    pairs = (f"{name}={value!r}" for name, value in values.items() if name not in {"event", "at"})
    return f"{type(event).__name__}: {' '.join(pairs)}"
