"""What happened, with ids and never with secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import attrs

from oauthgrants.brief import brief
from oauthgrants.scopes import Scope

logger = logging.getLogger("oauthgrants")


@brief(kw_only=True)
class Event:
    """
    Something that an operator may want to know.

    Attributes:
        at: When, aware.
        source: The address that the request came from, None if unknown.
    """

    at: datetime
    source: str | None = None


@brief(kw_only=True)
class TokenIssued(Event):
    """
    A client got an access token.

    Attributes:
        client_id: Who got it.
        grant_type: How.
        sub: On whose behalf; the ``client_id`` if the client acts for itself.
        scope: What was granted.
        family: The token family, None without refresh token.
        secret_id: Which of its secrets the client showed, None without.
    """

    client_id: str
    grant_type: str
    sub: str
    scope: Scope
    family: str | None = None
    secret_id: str | None = None


@brief(kw_only=True)
class RequestRefused(Event):
    """
    A client got an error.

    Attributes:
        error: The code that the client saw.
        reason: Why, in words that the client need not have seen.
        client_id: Who asked, registered or not, as it says; None if it did not say.
    """

    error: str
    reason: str
    client_id: str | None = None


@brief(kw_only=True)
class MfaAsked(Event):
    """
    A password was right, and the client was asked for a second factor.

    Attributes:
        client_id: Who asked for tokens.
        sub: Whose password it was.
    """

    client_id: str
    sub: str


@brief(kw_only=True)
class MfaPassed(Event):
    """
    A second factor was right.

    Attributes:
        client_id: Who showed it.
        sub: Whose it was.
    """

    client_id: str
    sub: str


@brief(kw_only=True)
class RefreshTokenReused(Event):
    """
    A spent refresh token came again, so its family was revoked (RFC 9700, 4.14.2).

    Attributes:
        client_id: Whose token it was, and who sent it.
        sub: The resource owner.
        family: The family, now revoked.
    """

    client_id: str
    sub: str
    family: str


@brief(kw_only=True)
class Throttled(Event):
    """
    A guess came past the limit, and was not looked at (RFC 6749, 2.3.1 and 4.3.2).

    Attributes:
        kind: What was guessed: ``password``, ``client_secret`` or ``otp``.
        client_id: Through which client, registered or not, as it says.
        name: For whom: a username as it was typed, a ``client_id`` or a ``sub``.
    """

    kind: str
    client_id: str
    name: str


@brief(kw_only=True)
class TokenIntrospected(Event):
    """
    A client asked what a token stands for.

    Attributes:
        client_id: Who asked.
        active: Whether it was told.
    """

    client_id: str
    active: bool


@brief(kw_only=True)
class TokenRevoked(Event):
    """
    A client ended a token.

    Attributes:
        client_id: Whose token it was.
        sub: On whose behalf it was issued.
        family: The token family, None outside one; a refresh token's is ended whole.
    """

    client_id: str
    sub: str
    family: str | None


@brief(kw_only=True)
class Fault(Event):
    """
    A part of the host raised, and the client was told to come again.

    Attributes:
        error: The exception, with its traceback.
    """

    error: Exception = attrs.field(eq=False)


class EventSink(Protocol):
    """Who hears of events. Answers at once; what it raises is logged and changes nothing."""

    def record(self, event: Event) -> None:
        """Take note of *event*."""
        ...


def recorder(sink: EventSink) -> Callable[[Event], None]:
    """Return how the core tells *sink* of an event: a sink that fails changes no answer."""

    def record(event: Event) -> None:
        try:
            sink.record(event)
        except Exception:
            logger.exception("the event sink failed on %s", type(event).__name__)

    return record


class LoggingSink:
    """
    Writes events to the logger ``oauthgrants``: faults as errors, reuse and throttling as warnings.

    The event itself is ``record.event``, for handlers that want its parts.
    """

    def record(self, event: Event) -> None:
        """Log *event*."""
        if isinstance(event, Fault):
            logger.error("%s", _words(event), exc_info=event.error, extra={"event": event})
            return
        level = logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, "%s", _words(event), extra={"event": event})


_WARNINGS = (RefreshTokenReused, Throttled)


def _words(event: Event) -> str:
    """Return *event* as one line; values are quoted, so that none can begin another line."""
    values = attrs.asdict(event, recurse=False, filter=lambda _, value: value is not None)
    values.pop("at")
    pairs = (f"{name}={_quote(value)}" for name, value in values.items())
    return f"{type(event).__name__}: {' '.join(pairs)}"


def _quote(value: object) -> str:
    return repr(value if not isinstance(value, Scope) else str(value))
