"""What the tests of a host build on: servers in memory, tokens by one call, assertions."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from django.http import HttpResponse as DjangoResponse
from django.test import Client as DjangoClient
from flask import Flask
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient as StarletteClient

from oauthgrants import HttpResponse, ResourceServer
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.events import RequestRefused
from oauthgrants.testing.actors import TestClient
from oauthgrants.testing.authorizing import authorize
from oauthgrants.testing.clock import MovableClock
from oauthgrants.testing.live import LiveOAuth
from oauthgrants.testing.oauth import AsyncOAuth, OAuth
from oauthgrants.testing.responses import (
    SeenResponse,
    assert_active,
    assert_challenged,
    assert_inactive,
    assert_issued,
    assert_refused,
    assert_revoked,
)
from oauthgrants.wire import render

DOCS = Path(__file__).parents[1] / "docs"
API = "https://api.example.com"


# Tokens


def test_a_machine_gets_what_it_asks_for(oauth: OAuth) -> None:
    tokens = oauth.issue_token(scope="b a", resource=API, lifetime=timedelta(minutes=5))

    assert (str(tokens.scope), tokens.expires_in, tokens.refresh_token) == ("a b", 300, None)
    assert tokens.headers == {"Authorization": f"Bearer {tokens.access_token}"}
    assert tokens.access_token not in repr(tokens)


def test_a_user_signs_in(oauth: OAuth) -> None:
    first = oauth.issue_token(user="alice")
    again = oauth.issue_token(user="alice", scope="profile")
    bob = oauth.add_user("bob", sub="user-2", scope="profile")
    other = oauth.issue_token(user=bob)

    assert None not in (first.refresh_token, again.refresh_token, other.refresh_token)
    subs = {getattr(event, "sub", None) for event in oauth.events}
    assert subs == {"user-alice", "user-2"}


def test_a_client_of_ones_own_asks(oauth: OAuth) -> None:
    reports = oauth.add_client("reports", scope="reports:read")
    phone = oauth.add_client("phone", public=True, grant_types=["password"], scope="profile")

    assert str(oauth.issue_token(client=reports).scope) == "reports:read"
    assert str(oauth.issue_token(client=phone, user="alice").scope) == "profile"
    with pytest.raises(ValueError, match="made up"):
        oauth.issue_token(client=reports, lifetime=timedelta(minutes=5))
    with pytest.raises(ValueError, match="'phone' is public"):
        _ = phone.authorization


def test_what_is_refused_is_said(oauth: OAuth) -> None:
    reports = oauth.add_client("reports", scope="reports:read")

    with pytest.raises(AssertionError, match=r"no tokens were issued: 400 .*invalid_scope"):
        oauth.issue_token(client=reports, scope="reports:write")


async def ask_all(oauth: AsyncOAuth) -> None:
    reports = oauth.add_client("reports")
    tokens = await oauth.issue_token(client=reports)
    answer = await oauth.post("/introspect", client=reports, token=tokens.access_token)
    assert_active(answer, client_id="reports")


def test_the_other_colour_does_the_same(async_oauth: AsyncOAuth) -> None:
    import asyncio

    asyncio.run(ask_all(async_oauth))


def test_time_is_the_tests(oauth: OAuth, oauth_clock: MovableClock) -> None:
    reports = oauth.add_client("reports")
    tokens = oauth.issue_token(client=reports)
    assert_active(oauth.post("/introspect", client=reports, token=tokens.access_token))

    oauth_clock.move(hours=1)

    assert_inactive(oauth.post("/introspect", client=reports, token=tokens.access_token))


def test_each_run_has_the_same_tokens() -> None:
    def issue(seed: str) -> str:
        return OAuth(seed=seed).issue_token().access_token

    assert issue("one") == issue("one") != issue("two")


class TestSettings:
    @pytest.fixture
    def oauth_settings(self) -> Mapping[str, Any]:
        return {"audience": API}

    def test_they_are_the_tests(self, oauth: OAuth) -> None:
        reports = oauth.add_client("reports")
        tokens = oauth.issue_token(client=reports)

        answer = oauth.post("/introspect", client=reports, token=tokens.access_token)
        assert_active(answer, aud=API)


# From end to end


def test_a_live_server_answers_over_http(live_oauth: LiveOAuth) -> None:
    job = live_oauth.add_client("job", scope="reports:read")
    assert job.secret is not None

    answer = requests.post(
        f"{live_oauth.url}/token",
        data={"grant_type": "client_credentials"},
        auth=(job.client_id, job.secret.reveal()),
        timeout=5,
    )

    assert_issued(answer, scope="reports:read", refresh_token=False)


def test_who_goes_away_disturbs_nobody(
    live_oauth: LiveOAuth, capfd: pytest.CaptureFixture[str]
) -> None:
    port = int(live_oauth.url.rpartition(":")[2])
    for said in (b"", b"POST /token HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(said)

    metadata = httpx.get(f"{live_oauth.url}/.well-known/oauth-authorization-server")
    assert metadata.json()["issuer"] == live_oauth.url
    assert capfd.readouterr() == ("", "")


# The test clients of frameworks


def in_flask() -> Any:
    app = Flask("app")
    app.add_url_rule("/", view_func=lambda: flask_request.headers.get("Authorization", ""))
    return app.test_client()


def in_starlette() -> Any:
    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers.get("authorization", ""))

    return StarletteClient(Starlette(routes=[Route("/", home)]))


@pytest.mark.parametrize("make", [in_flask, in_starlette])
def test_a_test_client_sends_the_token(oauth: OAuth, make: Callable[[], Any]) -> None:
    tokens = oauth.issue_token()
    client = make()

    assert authorize(client, tokens) is client
    assert client.get("/").text == tokens.headers["Authorization"]


def test_djangos_test_client_sends_the_token(oauth: OAuth) -> None:
    tokens = oauth.issue_token()

    client = authorize(DjangoClient(), tokens.access_token)

    assert client.defaults["HTTP_AUTHORIZATION"] == tokens.headers["Authorization"]


def test_what_is_no_test_client_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no test client"):
        authorize(object(), "token")


# Assertions

JSON = {"Content-Type": "application/json"}


def test_responses_of_all_kinds_are_read(oauth: OAuth) -> None:
    ours = oauth.post("/token")
    app = Flask("app")
    app.add_url_rule("/", view_func=lambda: (ours.body, ours.status, dict(ours.headers)))
    for response in (
        ours,
        app.test_client().get("/"),
        DjangoResponse(ours.body, status=ours.status, headers=dict(ours.headers)),
        httpx.Response(ours.status, headers=list(ours.headers), content=ours.body),
    ):
        assert_refused(response, "invalid_client", status=401)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: assert_issued(render({"error": "invalid_grant"}, status=400)), "no tokens"),
        (lambda: assert_issued(render({})), "there is no access_token"),
        (lambda: assert_issued(render({"access_token": "x"}), scope="a"), "the scope is '', not"),
        (
            lambda: assert_issued(render({"access_token": "x"}), refresh_token=True),
            "there is no refresh_token",
        ),
        (
            lambda: assert_issued(
                render({"access_token": "x", "refresh_token": "y"}), refresh_token=False
            ),
            "there is a refresh_token",
        ),
        (lambda: assert_refused(render({}), "invalid_grant"), "the request was not refused"),
        (
            lambda: assert_refused(render({"error": "invalid_scope"}, status=400), "invalid_grant"),
            "the error is not invalid_grant: 400",
        ),
        (
            lambda: assert_refused(
                render({"error": "invalid_grant"}, status=400), "invalid_grant", status=401
            ),
            "the status is not 401",
        ),
        (lambda: assert_challenged(render({})), "the status is not 401"),
        (lambda: assert_challenged(render({}, status=401)), "there is no challenge"),
        (
            lambda: assert_challenged(challenge('Bearer error="invalid_token"')),
            "the error is invalid_token, not None",
        ),
        (
            lambda: assert_challenged(
                challenge('Bearer error="insufficient_scope", scope="a"', 403),
                "insufficient_scope",
                scope="b",
            ),
            "the scope is 'a', not 'b'",
        ),
        (
            lambda: assert_challenged(
                challenge('Bearer error="insufficient_scope"', 403), "insufficient_scope", scope="b"
            ),
            "the scope is '', not 'b'",
        ),
        (lambda: assert_active(render({"active": False})), "the token is not active"),
        (lambda: assert_active(render({}, status=401)), "it was not introspected"),
        (
            lambda: assert_active(render({"active": True, "sub": "a"}), sub="b"),
            "sub is 'a', not 'b'",
        ),
        (lambda: assert_inactive(render({"active": True})), "the token is active"),
        (lambda: assert_inactive(render({}, status=401)), "it was not introspected"),
        (lambda: assert_revoked(render({}, status=400)), "it was not revoked"),
        (lambda: assert_issued(HttpResponse(status=200, body=b"<html>")), "the body is not JSON"),
    ],
)
def test_an_assertion_says_what_came(check: Callable[[], object], message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        check()


def challenge(value: str, status: int = 401) -> HttpResponse:
    return HttpResponse(status=status, headers=(("WWW-Authenticate", value),))


def test_challenges_are_told_apart() -> None:
    assert_challenged(challenge('Bearer realm="r"'))
    assert_challenged(challenge('Bearer error="invalid_request"', 400), "invalid_request")
    both = HttpResponse(
        status=403,
        headers=(
            ("WWW-Authenticate", "DPoP"),
            ("WWW-Authenticate", 'Bearer error="insufficient_scope", scope="b a"'),
        ),
    )
    assert_challenged(both, "insufficient_scope", scope="a b")


def test_no_report_shows_a_token() -> None:
    seen = SeenResponse.of(render({"access_token": "ogat_abc", "refresh_token": "ogrt_abc"}))

    assert "ogat_" not in f"{seen}{seen!r}"
    assert "ogrt_" not in f"{seen}{seen!r}"
    assert len(str(SeenResponse.of(HttpResponse(status=200, body=b"x" * 9999)))) < 400


@pytest.mark.parametrize("response", [object(), type("R", (), {"status": 200, "headers": {}})()])
def test_what_is_no_response_is_refused(response: object) -> None:
    with pytest.raises(TypeError, match=r"is no response|does not show its body"):
        SeenResponse.of(response)


# As a host uses it


def run_pytest(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_examples_of_the_page_are_tests_that_pass(tmp_path: Path) -> None:
    page = (DOCS / "testing-your-app.md").read_text("utf-8")
    whole = [
        text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import" in text
    ]
    for number, text in enumerate(whole):
        (tmp_path / f"test_page_{number}.py").write_text(text, "utf-8")

    said = run_pytest(tmp_path)

    assert f"{sum(text.count('def test_') for text in whole)} passed" in said, said


def test_pytest_loads_no_framework(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_nothing_is_loaded():\n"
        "    loaded = {'asyncio', 'cryptography', 'flask', 'django', 'starlette', 'httpx'}\n"
        "    assert 'oauthgrants.testing.plugin' in sys.modules\n"
        "    assert 'oauthgrants.server' not in sys.modules\n"
        "    assert not {'flask', 'django', 'starlette', 'sqlalchemy'} & set(sys.modules)\n",
        "utf-8",
    )

    assert "1 passed" in run_pytest(tmp_path)


def test_a_guard_takes_its_tokens(oauth: OAuth, oauth_clock: MovableClock) -> None:
    """The one thing that a host has to do: hand over ``lookup`` and clock."""
    resource = ResourceServer(
        resource=API, tokens=oauth.server.lookup, require_audience=False, clock=oauth_clock
    )
    app = Flask("app")
    guard = FlaskOAuth(resource_server=resource)
    guard.init_app(app)

    @app.get("/")
    @guard.require_token(scope="read")
    def home() -> str:
        return "in"

    client = app.test_client()
    assert_challenged(client.get("/"))
    assert authorize(client, oauth.issue_token(scope="read")).get("/").text == "in"
    authorize(client, oauth.issue_token(scope="write"))
    assert_challenged(client.get("/"), "insufficient_scope", scope="read")


def test_refusals_have_their_reasons(oauth: OAuth) -> None:
    wrong = TestClient(client_id="nobody", secret=oauth.add_client("somebody").secret)

    assert_refused(
        oauth.post("/token", client=wrong, grant_type="client_credentials"), "invalid_client"
    )
    [refused] = [event for event in oauth.events if isinstance(event, RequestRefused)]
    assert refused.reason == "unknown client"
