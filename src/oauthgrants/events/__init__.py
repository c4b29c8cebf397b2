"""
What happened, with ids and never with secrets, and who hears of it.

`QueuedSink` and the sink for OpenTelemetry are in modules of their own, so that they are loaded
only where they are used.
"""

from __future__ import annotations

from oauthgrants.events.logs import LoggingSink, logger
from oauthgrants.events.outcomes import (
    Event,
    EventsDropped,
    Fault,
    JsonValue,
    MfaAsked,
    MfaPassed,
    NothingRevoked,
    RefreshTokenReused,
    RequestRefused,
    Throttled,
    TokenAccepted,
    TokenIntrospected,
    TokenIssued,
    TokenRefreshed,
    TokenRevoked,
    describe,
    token_id,
)
from oauthgrants.events.sinks import EventSink, FanOut, recorder, wants_each_call
from oauthgrants.events.watching import (
    Answer,
    Exchange,
    Watch,
    Watching,
    find_watch,
    watched,
)

__all__ = [
    "Answer",
    "Event",
    "EventSink",
    "EventsDropped",
    "Exchange",
    "FanOut",
    "Fault",
    "JsonValue",
    "LoggingSink",
    "MfaAsked",
    "MfaPassed",
    "NothingRevoked",
    "RefreshTokenReused",
    "RequestRefused",
    "Throttled",
    "TokenAccepted",
    "TokenIntrospected",
    "TokenIssued",
    "TokenRefreshed",
    "TokenRevoked",
    "Watch",
    "Watching",
    "describe",
    "find_watch",
    "logger",
    "recorder",
    "token_id",
    "wants_each_call",
    "watched",
]
