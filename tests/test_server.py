"""Configuration, events and logs of a server."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore, Scope
from oauthgrants.assembly import Endpoints
from oauthgrants.events import (
    Event,
    Fault,
    LoggingSink,
    RefreshTokenReused,
    RequestRefused,
    TokenIssued,
    TokenRefreshed,
    recorder,
)
from oauthgrants.ports import utc_now
from support import World, basic, error_of

req = pytest.mark.req
CC = "grant_type=client_credentials"


def make(issuer: str, **settings: Any) -> AuthorizationServer:
    return AuthorizationServer(
        issuer=issuer, store=MemoryStore(), grants=[ClientCredentialsGrant()], **settings
    )


@req("R6749-1.6-a", "R8414-2-a")
@pytest.mark.parametrize(
    ("issuer", "message"),
    [
        ("http://auth.example.com", "has to be https"),
        ("http://127.0.0.1:8000", "allow_insecure_transport"),
        ("ftp://auth.example.com", "has to be https"),
        ("https://auth.example.com?a", "without query"),
        ("https://auth.example.com#a", "without query and fragment"),
        ("auth.example.com", "has to be a URL"),
        ("https://", "has to be a URL"),
        ("https://[", "has to be a URL"),
        ("https://auth.example.com\n", "has to be a URL"),
        ("https://auth example.com", "has to be a URL"),
        ("https://\xe4.example", "has to be a URL"),
        ("", "has to be a URL"),
    ],
)
def test_an_issuer_that_is_no_https_url_is_refused(issuer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(issuer)


@req("R6749-1.6-a")
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.1.2.3", "[::1]:80", "localhost"])
def test_plain_http_is_for_loopback_hosts(host: str) -> None:
    assert make(f"http://{host}", allow_insecure_transport=True).issuer == f"http://{host}"
    with pytest.raises(ValueError, match="has to be https"):
        make(f"http://{host}")


@req("R6749-1.6-a")
@pytest.mark.parametrize("issuer", ["http://10.0.0.1", "http://a.example", "ftp://localhost"])
def test_plain_http_is_for_no_other_host(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"has to be https|loopback hosts only"):
        make(issuer, allow_insecure_transport=True)


@req("R6749-3.2-b")
@pytest.mark.parametrize("path", ["/token#x", "token", ""])
def test_an_endpoint_is_a_path_without_fragment(path: str) -> None:
    with pytest.raises(ValueError, match=r"Section 3\.2"):
        Endpoints(token=path)


@pytest.mark.parametrize("other", ["/x", "/x?tenant=1"])
def test_no_two_endpoints_share_a_path(other: str) -> None:
    """One of them would never be asked."""
    with pytest.raises(ValueError, match=r"token and revocation .*'/x'"):
        Endpoints(token="/x", revocation=other)


@pytest.mark.parametrize("issuer", ["https://a.example/tenant", "https://a.example/tenant/"])
def test_endpoints_lie_below_the_issuer(issuer: str) -> None:
    assert make(issuer).token_endpoint == "https://a.example/tenant/token"


def test_the_time_is_aware() -> None:
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refresh_grace": 10}, "refresh_grace .*timedelta"),
        ({"refresh_grace": timedelta(seconds=-1)}, "refresh_grace .*zero or more"),
        ({"clock": datetime.now}, "clock .*aware"),
        ({"access_token_format": "JWT"}, "access_token_format .*'JWT'"),
        ({"audience": ""}, "audience .*empty"),
        ({"audience": ["https://api.example", ""]}, "audience .*empty"),
        ({"metadata": {"since": datetime(2026, 1, 1, tzinfo=UTC)}}, "metadata .*JSON"),
        ({"metadata": {"since": float("nan")}}, "metadata .*JSON"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("https://auth.example.com", **settings)


# Events


def test_what_happens_has_an_event(world: World) -> None:
    first = world.sign_in()["refresh_token"]
    world.refresh(first)
    world.refresh(first)
    world.post(CC, client="service")
    world.post(CC, basic("service", "wrong"))
    world.post()

    told = [
        (
            type(event),
            getattr(event, "error", None) or getattr(event, "grant_type", None),
            getattr(event, "client_id", None),
        )
        for event in world.sink.events
    ]
    assert told == [
        (TokenIssued, "password", "app"),
        (TokenRefreshed, "refresh_token", "app"),
        (RefreshTokenReused, None, "app"),
        (RequestRefused, "invalid_grant", "app"),
        (TokenIssued, "client_credentials", "service"),
        (RequestRefused, "invalid_client", "service"),
        (RequestRefused, "invalid_client", None),
    ]
    assert {event.source for event in world.sink.events} == {"192.0.2.1"}
    assert {event.at for event in world.sink.events} == {world.clock.now}


def test_a_sink_that_fails_changes_no_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def record(self, event: Event) -> None:
            raise OSError("no space left")

    world.configure(event_sink=Broken())

    assert world.post(CC, client="service").status == 200
    assert error_of(world.post(CC, basic("service", "x"))) == (401, "invalid_client")
    assert "the event sink failed on TokenIssued" in caplog.text


@req("R6819-4.4.3.1-a", "R6749-10.3-a")
def test_logs_say_what_happened_and_no_secret(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.configure(event_sink=LoggingSink())
    tokens = world.sign_in()
    world.post(CC, basic("service", "wrong-secret"))
    world.post(CC, client="app")
    world.refresh(tokens["refresh_token"])
    world.refresh(tokens["refresh_token"])
    world.post(client="app", grant_type="password", username="hunter2", password="hunter3")
    world.store.save_tokens = None  # type: ignore[assignment,method-assign]
    world.post(CC, client="service")

    levels = {record.levelname for record in caplog.records if record.name == "oauthgrants"}
    assert levels == {"INFO", "WARNING", "ERROR"}
    assert "reason='wrong or expired client secret' client_id='service'" in caplog.text
    assert "TypeError: 'NoneType' object is not callable" in caplog.text
    secrets = [secret.reveal() for secret in world.secrets.values()]
    for secret in (
        *secrets, tokens["access_token"], tokens["refresh_token"], "wonderland", "wrong-secret",
        "hunter2", "hunter3",
    ):  # fmt: skip
        assert secret not in caplog.text


def test_a_log_line_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    LoggingSink().record(
        RequestRefused(at=now, source="a\nERROR forged", error="x", reason="y", client_id=None)
    )
    LoggingSink().record(
        TokenIssued(at=now, client_id="c", grant_type="g", sub="s", scope=Scope.of("b a"))
    )

    assert [record.getMessage() for record in caplog.records] == [
        "RequestRefused: source='a\\nERROR forged' error='x' reason='y'",
        "TokenIssued: client_id='c' grant_type='g' sub='s' scope='a b'",
    ]


def test_nothing_is_put_together_for_a_level_that_is_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    record = recorder(LoggingSink())
    record(RefreshTokenReused(at=now, client_id="c", sub="s", family="f"))
    record(Fault(at=now, error=OSError("away")))

    assert [r.levelname for r in caplog.records] == ["ERROR"]


# Import


def test_importing_brings_no_framework() -> None:
    code = (
        "import sys, oauthgrants; "
        "print(sorted({'asyncio', 'joserfc', 'sqlalchemy', 'redis', 'flask', 'django', "
        "'starlette', 'fastapi', 'aiohttp', 'rich', 'httpx', 'cryptography'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert answer.stdout.decode().strip() == "[]"


def test_the_everyday_names_are_all_there() -> None:
    """And come from the modules in which they live."""
    import oauthgrants

    assert sorted(vars(oauthgrants)["_HOMES"]) == dir(oauthgrants) == oauthgrants.__all__
    for name in oauthgrants.__all__:
        assert getattr(oauthgrants, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        vars(oauthgrants)["__getattr__"]("Nothing")


def test_the_package_runs_as_the_command() -> None:
    importlib.import_module("oauthgrants.__main__")  # does nothing yet
    done = subprocess.run(
        [sys.executable, "-m", "oauthgrants", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("oauthgrants 0.1.0")
