"""Events and requests for OpenTelemetry: metrics and spans (extra ``otel``)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import attrs

from oauthgrants.events.outcomes import (
    Event,
    Fault,
    RequestRefused,
    Throttled,
    TokenAccepted,
    TokenIntrospected,
    TokenIssued,
    TokenRefreshed,
    describe,
    name_of,
)
from oauthgrants.events.watching import Exchange

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, trace
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        "OpenTelemetrySink needs OpenTelemetry: pip install 'oauthgrants[otel]'", name=_missing.name
    ) from None

_NAME = "oauthgrants"
_SERVER_ERROR = 500
# Those of http.server.request.duration, so that the two can be laid beside each other.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# What takes one of a few values, whoever sends the request: each makes a time series. The grant
# type and the client of a request that was refused are whatever its sender wrote.
_LABELS: Mapping[type[Event], tuple[str, ...]] = {
    TokenIssued: ("grant_type",),
    TokenRefreshed: ("grant_type",),
    RequestRefused: ("endpoint", "error"),
    Throttled: ("kind",),
    TokenIntrospected: ("active",),
    TokenAccepted: ("resource",),
    Fault: ("endpoint", "error"),
}
_ANYBODYS = (RequestRefused, Throttled, Fault)
_OF_DURATIONS = ("oauthgrants.grant_type", "error.type")
# Where the semantic conventions have a name.
_NAMES = {"source": "client.address", "sub": "user.id", "error": "error.type"}
_UNTOLD = frozenset({"event", "at"})


@attrs.define
class _Request:
    """
    A request that is under way.

    Attributes:
        span: Its span.
        events: The names of the events so far.
        labels: What the histogram is to have of them.
    """

    span: trace.Span
    events: list[str] = attrs.field(factory=list[str])
    labels: dict[str, Any] = attrs.field(factory=dict[str, Any])


class OpenTelemetrySink:
    """
    Counts events, measures requests and makes a span for each request.

    =================================  =========  ================================================
    instrument                         unit       attributes
    =================================  =========  ================================================
    ``oauthgrants.events``             {event}    ``oauthgrants.event``, and of the event what
                                                  takes few values: ``oauthgrants.endpoint``,
                                                  ``oauthgrants.grant_type``, ``error.type``,
                                                  ``oauthgrants.kind``, ``oauthgrants.active``,
                                                  ``oauthgrants.resource``
    ``oauthgrants.request.duration``   s          ``oauthgrants.endpoint``,
                                                  ``http.response.status_code``,
                                                  ``oauthgrants.grant_type``, ``error.type``
    =================================  =========  ================================================

    Of an event that the host has made itself, only the name is counted.

    A span is called ``oauthgrants.token``, ``oauthgrants.resource`` and so on, after the
    endpoint. It has the attributes of the metrics, and of the events all that `describe` says,
    as ``oauthgrants.client_id``, ``oauthgrants.token_id``, ``user.id``, ``client.address`` …;
    ``oauthgrants.events`` lists their names. It is the current span while the request lasts, so
    those of a database are below it and log records have its ids.

    Attributes:
        each_call: True: the requests that a resource server lets pass are counted, too.
    """

    each_call = True

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        with_client_id: bool = False,
    ) -> None:
        """
        Make the instruments.

        Args:
            tracer_provider: Where spans go, the global one by default.
            meter_provider: Where metrics go, the global one by default.
            with_client_id: Whether ``oauthgrants.events`` has ``oauthgrants.client_id`` where
                the client is a registered one. Each client is a time series then.
        """
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._with_client_id = with_client_id
        self._key = contexts.create_key("oauthgrants-request")
        self._events = meter.create_counter(
            "oauthgrants.events", unit="{event}", description="What came of requests."
        )
        self._durations = meter.create_histogram(
            "oauthgrants.request.duration",
            unit="s",
            description="How long requests took.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )

    def record(self, event: Event) -> None:
        """Count *event*, and add what it says to the span of its request."""
        name, described = type(event).__name__, _to_attributes(event)
        labels = {
            key: described[key]
            for key in map(_key_of, _LABELS.get(type(event), ()))
            if key in described
        }
        counted = {"oauthgrants.event": name, **labels}
        if self._with_client_id and not isinstance(event, _ANYBODYS):
            counted |= {key: described[key] for key in (_CLIENT_ID,) if key in described}
        self._events.add(1, counted)
        request = contexts.get_value(self._key)
        if isinstance(request, _Request):
            request.events.append(name)
            request.labels |= {key: labels[key] for key in _OF_DURATIONS if key in labels}
            request.span.set_attributes(described)

    @contextmanager
    def watch(self, exchange: Exchange) -> Generator[None, None, None]:
        """Have a span as long as a request lasts, and note how long that was."""
        began = perf_counter()
        request = _Request(self._tracer.start_span(f"{_NAME}.{exchange.endpoint}"))
        within = contexts.set_value(self._key, request, trace.set_span_in_context(request.span))
        token = contexts.attach(within)
        try:
            yield
        except BaseException as error:
            # The host ends the request: a time limit, say, or the client has gone.
            request.labels["error.type"] = name_of(error)
            raise
        finally:
            contexts.detach(token)
            self._end(request, exchange, perf_counter() - began)

    def _end(self, request: _Request, exchange: Exchange, seconds: float) -> None:
        labels = {**request.labels, _key_of("endpoint"): exchange.endpoint}
        status = exchange.status
        if status is not None:
            labels["http.response.status_code"] = status
        self._durations.record(seconds, labels)
        request.span.set_attributes({**labels, "oauthgrants.events": request.events})
        if exchange.source is not None:
            request.span.set_attribute("client.address", exchange.source)
        if status is not None and status >= _SERVER_ERROR:
            # What the client did wrong is no error of this server.
            request.span.set_status(trace.StatusCode.ERROR)
        request.span.end()


def _key_of(attribute: str) -> str:
    return _NAMES.get(attribute, f"{_NAME}.{attribute}")


_CLIENT_ID = _key_of("client_id")


def _to_attributes(event: Event) -> dict[str, Any]:
    return {_key_of(name): value for name, value in describe(event).items() if name not in _UNTOLD}
