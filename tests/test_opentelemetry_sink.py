"""The sink for OpenTelemetry: what its metrics and spans say, and that they say no secret."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import attrs
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from oauthgrants import HttpRequest, User
from oauthgrants.events import Event, FanOut
from oauthgrants.events.opentelemetry import OpenTelemetrySink
from oauthgrants.users import Accepted
from resource_support import API, Api, bearer
from support import ISSUER, ListSink, World, basic, password_grant

CC = "grant_type=client_credentials"


@attrs.frozen
class Telemetry:
    """Providers that keep what they are told."""

    reader: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)
    exporter: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    providers: dict[str, Any] = attrs.field(factory=dict[str, Any])

    def sink(self, **settings: Any) -> OpenTelemetrySink:
        return OpenTelemetrySink(**self.providers, **settings)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """Return the data points of the instrument *name*."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def counts(self) -> dict[frozenset[tuple[str, Any]], int]:
        """Return how often each event was counted, by its attributes."""
        return {
            frozenset(dict(point.attributes).items()): point.value
            for point in self.points("oauthgrants.events")
        }


@pytest.fixture
def api(world: World) -> Api:
    world.configure(audience=API)
    return Api(world)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(made.exporter))
    meters = MeterProvider([made.reader], shutdown_on_exit=False)
    made.providers.update(tracer_provider=traces, meter_provider=meters)
    yield made
    traces.shutdown()
    meters.shutdown()


def counted(**attributes: Any) -> frozenset[tuple[str, Any]]:
    """Return attributes as `Telemetry.counts` has them."""
    names = {"error": "error.type"}
    return frozenset(
        (names.get(name, f"oauthgrants.{name}"), value) for name, value in attributes.items()
    )


def test_events_are_counted_by_what_takes_few_values(world: World, telemetry: Telemetry) -> None:
    world.configure(event_sink=telemetry.sink())
    tokens = world.sign_in()
    world.refresh(tokens["refresh_token"])
    for guess in ("a-first-guess", "a-second-guess"):
        world.post("grant_type=whatever", basic("service", guess))
    world.post(client="app", path="/introspect", token="no such token")

    assert telemetry.counts() == {
        counted(event="TokenIssued", grant_type="password"): 1,
        counted(event="TokenRefreshed", grant_type="refresh_token"): 1,
        counted(event="RequestRefused", endpoint="token", error="invalid_client"): 2,
        counted(event="TokenIntrospected", active=False): 1,
    }


def test_registered_clients_are_counted_apart_on_request(
    world: World, telemetry: Telemetry
) -> None:
    world.configure(event_sink=telemetry.sink(with_client_id=True))
    world.post(CC, client="service")
    world.post(CC, basic("a-client-of-nobody", "a-guess"))

    assert telemetry.counts() == {
        counted(event="TokenIssued", grant_type="client_credentials", client_id="service"): 1,
        # Whoever sends requests could make time series without end.
        counted(event="RequestRefused", endpoint="token", error="invalid_client"): 1,
    }


def test_a_request_has_a_span(world: World, telemetry: Telemetry) -> None:
    world.configure(event_sink=telemetry.sink())
    world.post(CC, client="service")
    world.post(CC)

    issued, refused = telemetry.spans
    assert issued.name == refused.name == "oauthgrants.token"
    attributes = dict(issued.attributes or {})
    assert len(attributes.pop("oauthgrants.token_id")) == 16  # type: ignore[arg-type]
    assert attributes.pop("oauthgrants.secret_id")
    assert attributes == {
        "client.address": "192.0.2.1",
        "http.response.status_code": 200,
        "oauthgrants.client_id": "service",
        "oauthgrants.endpoint": "token",
        "oauthgrants.events": ("TokenIssued",),
        "oauthgrants.grant_type": "client_credentials",
        "oauthgrants.scope": "read",
        "user.id": "service",
    }
    assert dict(refused.attributes or {}) == {
        "client.address": "192.0.2.1",
        "error.type": "invalid_client",
        "http.response.status_code": 401,
        "oauthgrants.endpoint": "token",
        "oauthgrants.events": ("RequestRefused",),
        "oauthgrants.grant_type": "client_credentials",
        "oauthgrants.reason": "client authentication is missing",
    }
    assert {span.status.status_code for span in (issued, refused)} == {trace.StatusCode.UNSET}


def test_a_fault_is_an_error_of_ours(world: World, telemetry: Telemetry) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("the password of the database is hunter2")

    world.configure(event_sink=telemetry.sink())
    world.store.save_tokens = fail  # type: ignore[assignment,method-assign]
    world.post(CC, client="service")

    [span] = telemetry.spans
    assert span.status.status_code is trace.StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "builtins.ConnectionError"
    assert "hunter2" not in span.to_json()


def test_durations_are_measured(world: World, telemetry: Telemetry) -> None:
    world.configure(event_sink=telemetry.sink())
    world.post(CC, client="service")
    world.post(CC)
    world.post(client="app", path="/revoke", token="no such token")

    points: list[HistogramDataPoint] = telemetry.points("oauthgrants.request.duration")
    assert {frozenset(dict(point.attributes or {}).items()): point.count for point in points} == {
        frozenset(
            {
                ("oauthgrants.endpoint", "token"),
                ("oauthgrants.grant_type", "client_credentials"),
                ("http.response.status_code", 200),
            }
        ): 1,
        frozenset(
            {
                ("oauthgrants.endpoint", "token"),
                ("error.type", "invalid_client"),
                ("http.response.status_code", 401),
            }
        ): 1,
        frozenset({("oauthgrants.endpoint", "revocation"), ("http.response.status_code", 200)}): 1,
    }
    assert all(0 < point.sum < 60 for point in points)
    assert points[0].explicit_bounds[:2] == (0.005, 0.01)


def test_calls_of_an_api_have_spans_and_counts(api: Api, telemetry: Telemetry) -> None:
    token = api.issue(scope="read")
    api.configure(event_sink=telemetry.sink())
    api.check(bearer(token))
    api.call(bearer(token), scope="write")

    accepted, refused = telemetry.spans
    assert accepted.name == refused.name == "oauthgrants.resource"
    told = dict(accepted.attributes or {})
    assert told["oauthgrants.events"] == ("TokenAccepted",)
    assert told["oauthgrants.resource"] == API
    # Here the host answers.
    assert "http.response.status_code" not in told
    assert dict(refused.attributes or {})["http.response.status_code"] == 403
    assert telemetry.counts() == {
        counted(event="TokenAccepted", resource=API): 1,
        counted(event="RequestRefused", endpoint="resource", error="insufficient_scope"): 1,
    }


def test_a_request_from_nowhere_has_no_address(world: World, telemetry: Telemetry) -> None:
    world.configure(event_sink=telemetry.sink())
    world.send(HttpRequest(method="GET", url=f"{ISSUER}/.well-known/oauth-authorization-server"))

    [span] = telemetry.spans
    assert dict(span.attributes or {}) == {
        "http.response.status_code": 200,
        "oauthgrants.endpoint": "metadata",
        "oauthgrants.events": (),
    }


def test_what_ports_do_is_below_the_span_of_the_request(world: World, telemetry: Telemetry) -> None:
    """As an instrumented database would, also from the thread that it is called in."""
    tracer = telemetry.providers["tracer_provider"].get_tracer("database")

    class Traced:
        def verify_password(self, username: str, *_: object) -> Accepted:
            with tracer.start_as_current_span("SELECT"):
                return Accepted(User(sub="user-1", username=username))

    world.configure(event_sink=telemetry.sink(), grants=[password_grant(verifier=Traced())])
    with tracer.start_as_current_span("POST /token") as outermost:
        world.sign_in()

    below, request, _ = telemetry.spans
    assert (below.name, request.name) == ("SELECT", "oauthgrants.token")
    assert below.parent is not None
    assert request.context is not None
    assert below.parent.span_id == request.context.span_id
    assert request.parent is not None
    assert request.parent.span_id == outermost.get_span_context().span_id
    assert not trace.get_current_span().get_span_context().is_valid


class TimeIsUp(BaseException):
    """What a host ends requests with."""


def test_a_request_that_the_host_ends_says_by_what(world: World, telemetry: Telemetry) -> None:
    def end(_: object) -> None:
        raise TimeIsUp

    world.configure(event_sink=telemetry.sink())
    world.store.find_client = end  # type: ignore[assignment,method-assign]
    with pytest.raises(TimeIsUp):
        world.post(CC, client="service")

    [span] = telemetry.spans
    assert dict(span.attributes or {}) == {
        "client.address": "192.0.2.1",
        "error.type": "test_opentelemetry_sink.TimeIsUp",
        "oauthgrants.endpoint": "token",
        "oauthgrants.events": (),
    }


def test_an_event_outside_of_requests_is_counted(telemetry: Telemetry, world: World) -> None:
    class HostsOwn(Event):
        """An event of the host's own: what its attributes take is for the host to know."""

    telemetry.sink(with_client_id=True).record(HostsOwn(at=world.clock()))

    assert telemetry.counts() == {counted(event="HostsOwn"): 1}
    assert telemetry.spans == []


def test_it_goes_with_other_sinks_and_without_providers(world: World) -> None:
    """Without an SDK, the API does nothing, and that without failing."""
    others = ListSink()
    world.configure(event_sink=FanOut(others, OpenTelemetrySink()))

    assert world.post(CC, client="service").status == 200
    assert len(others.events) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "oauthgrants.events.opentelemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'oauthgrants\[otel\]'"):
        import_module("oauthgrants.events.opentelemetry")
