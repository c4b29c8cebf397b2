"""A project with the endpoints, from settings to responses."""

from __future__ import annotations

import importlib
import io
import logging
from typing import Any, cast
from wsgiref.util import setup_testing_defaults

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.signals import user_login_failed
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections
from django.http import HttpRequest
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.urls import reverse
from django.views.debug import ExceptionReporter

from django_adapter.projects import Colour, Project, add_client, add_user, digest_of, read, running
from oauthgrants import wire
from oauthgrants.adapters.cors import CrossOrigin
from oauthgrants.adapters.django import async_urls, models, urls
from oauthgrants.adapters.django.requests import DjangoRequests, respond
from oauthgrants.adapters.django.requests import read as read_body_of
from oauthgrants.adapters.django.servers import servers

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.filterwarnings("ignore::oauthgrants.grants.password.PasswordGrantWarning"),
]
BACKENDS = "django.contrib.auth.backends"


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    """Which views the project has."""
    chosen: Colour = request.param
    return chosen


@pytest.fixture
def reasons(caplog: pytest.LogCaptureFixture) -> Any:
    """Return what gives the reasons of refusals so far, as the log has them."""
    caplog.set_level(logging.INFO, "oauthgrants")
    return lambda: [
        record.oauth_reason
        for record in cast("list[Any]", caplog.records)
        if record.name == "oauthgrants" and hasattr(record, "oauth_reason")
    ]


def test_a_client_gets_a_token(colour: Colour) -> None:
    with running(colour=colour) as project:
        response = project.post(client=add_client(), grant_type="client_credentials")

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    row = models.AccessToken.objects.get()
    assert row.digest == digest_of(read(response)["access_token"])
    assert (row.client_id, row.sub, row.audience) == ("app", "app", ("https://api.example.com",))
    assert str(row) == "app by app"


def test_a_user_signs_in_refreshes_and_is_gone(colour: Colour) -> None:
    """The tokens are for the user of Django, whose key never is a client's identifier."""
    with running(colour=colour) as project:
        client, user = add_client(), add_user()
        sub = f"user:{user.pk}"
        first = project.sign_in(client)
        second = read(
            project.post(
                client=client, grant_type="refresh_token", refresh_token=first["refresh_token"]
            )
        )
        told = read(project.post("/introspect", client, token=second["access_token"]))
        user.is_active = False
        user.save()
        refused = project.post(
            client=client, grant_type="refresh_token", refresh_token=second["refresh_token"]
        )
        user.delete()
        gone = project.post(
            client=client, grant_type="refresh_token", refresh_token=second["refresh_token"]
        )

    assert (told["sub"], told["username"], told["active"]) == (sub, "alice", True)
    assert (refused.status_code, read(refused)["error"]) == (400, "invalid_grant")
    assert (gone.status_code, read(gone)["error"]) == (400, "invalid_grant")


def test_a_spent_refresh_token_ends_its_family(colour: Colour) -> None:
    with running(colour=colour) as project:
        client = add_client()
        add_user()
        first = project.sign_in(client)
        again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        assert project.post(client=client, **again).status_code == 200

        assert project.post(client=client, **again).status_code == 400

    assert models.RefreshToken.objects.count() == 0
    assert models.AccessToken.objects.count() == 0


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        pytest.param("alice", "unknown user or wrong password", id="wrong-password"),
        pytest.param("nobody", "unknown user or wrong password", id="unknown"),
        pytest.param("carol", "the user is disabled", id="inactive"),
    ],
)
def test_who_is_refused_is_not_told_why(
    username: str, reason: str, colour: Colour, reasons: Any
) -> None:
    """The event says it, to the operator."""
    add_user()
    add_user("carol", is_active=False)
    with running(colour=colour) as project:
        response = project.post(
            client=add_client(),
            grant_type="password",
            username=username,
            password="a guess",
        )

    assert response.status_code == 400
    assert read(response) == {
        "error": "invalid_grant",
        "error_description": "the username or password is not valid",
    }
    assert reasons() == [reason]


@override_settings(AUTHENTICATION_BACKENDS=[f"{BACKENDS}.AllowAllUsersModelBackend"])
def test_a_backend_may_let_inactive_users_through(colour: Colour, reasons: Any) -> None:
    """They get no token all the same."""
    add_user(is_active=False)
    with running(colour=colour) as project:
        response = project.post(
            client=add_client(), grant_type="password", username="alice", password="wonderland"
        )

    assert response.status_code == 400
    assert reasons() == ["the user is disabled"]


@override_settings(
    AUTHENTICATION_BACKENDS=[
        "django_adapter.backends.LockingBackend",
        f"{BACKENDS}.ModelBackend",
    ]
)
def test_backends_see_the_request(colour: Colour) -> None:
    """Those that count attempts and lock out do so here too, and hear of failures."""
    failures: list[Any] = []

    def note(request: HttpRequest, credentials: dict[str, str], **_: object) -> None:
        failures.append((request.path, credentials["username"], credentials["password"]))

    add_user()
    user_login_failed.connect(note)
    try:
        with running(colour=colour) as project:
            client = add_client()
            assert project.sign_in(client)["token_type"] == "Bearer"
            response = project.post(
                client=client, grant_type="password", username="alice", password="a guess"
            )
    finally:
        user_login_failed.disconnect(note)

    assert response.status_code == 400
    assert failures == [("/token", "alice", "********************")]


def test_who_is_locked_out_stays_out() -> None:
    add_user()
    backends = ["django_adapter.backends.LockingBackend", f"{BACKENDS}.ModelBackend"]
    with running(), override_settings(AUTHENTICATION_BACKENDS=backends):
        form = {
            "client": add_client(),
            "grant_type": "password",
            "username": "alice",
            "password": "wonderland",
        }
        here, there = Project().post(**form), Project(source="203.0.113.9").post(**form)

    assert (here.status_code, there.status_code) == (200, 400)


def test_an_unknown_user_costs_a_hash() -> None:
    """As Django sees to; nobody learns from the time it takes who exists."""
    made: list[str] = []

    class Hasher(MD5PasswordHasher):
        def encode(self, password: str, salt: str) -> str:
            made.append(password)
            return super().encode(password, salt)

    with running() as project, override_settings(PASSWORD_HASHERS=["unused"]):
        client = add_client()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hashers, "get_hashers", lambda: [Hasher()])
            patch.setattr(hashers, "get_hasher", lambda _="default": Hasher())
            project.post(client=client, grant_type="password", username="nobody", password="guess")

    assert made == ["guess"]


def test_the_endpoints_have_names(colour: Colour) -> None:
    with running(colour=colour, ISSUER="https://auth.example.com/oauth"):
        paths = [reverse(name) for name in ("token", "introspect", "revoke", "metadata")]
        paths.append(reverse("resource_metadata"))

    assert paths == [
        "/oauth/token",
        "/oauth/introspect",
        "/oauth/revoke",
        "/.well-known/oauth-authorization-server/oauth",
        "/.well-known/oauth-protected-resource",
    ]


def test_the_modules_of_routes_have_them_too() -> None:
    """By the settings that the project has when they are loaded."""
    for module in (urls, async_urls):
        with running():
            again = importlib.reload(module)
        assert (again.app_name, len(again.urlpatterns)) == ("oauthgrants", 5)


def test_documents_are_public(colour: Colour) -> None:
    with running(colour=colour) as project:
        metadata = project.get("/.well-known/oauth-authorization-server")
        resource = project.get("/.well-known/oauth-protected-resource")

    assert read(metadata)["grant_types_supported"] == [
        "client_credentials",
        "password",
        "refresh_token",
    ]
    assert read(resource)["authorization_servers"] == ["https://auth.example.com"]


def test_scripts_of_allowed_origins_may_call() -> None:
    preflight = {"origin": "https://app.example.com", "access_control_request_method": "POST"}
    with running(ALLOWED_ORIGINS=["https://app.example.com"]) as project:
        asked = project.send("OPTIONS", "/token", **preflight)
        answer = project.send("POST", "/token", origin="https://app.example.com")

    assert (asked.status_code, asked["Access-Control-Allow-Methods"]) == (200, "POST")
    assert answer["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert answer["Vary"] == "Origin"


def test_a_refusal_lasts_though_requests_are_transactions(colour: Colour) -> None:
    """With ATOMIC_REQUESTS too, each call of the store is one of its own."""
    connection = connections["default"]
    with running(colour=colour) as project:
        client = add_client()
        add_user()
        seen: list[bool] = []

        def note(execute: Any, *args: Any) -> Any:
            seen.append(connection.in_atomic_block)
            return execute(*args)

        with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(note):
            patch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
            patch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
            project.sign_in(client)

    # Looking up the client is no part of anything.
    assert seen[0] is False


@pytest.mark.parametrize("middleware", ["read_body", "read_form"])
def test_middleware_may_read_the_body_first(middleware: str, colour: Colour) -> None:
    with (
        running(colour=colour) as project,
        override_settings(MIDDLEWARE=[f"django_adapter.backends.{middleware}"]),
    ):
        response = project.post(client=add_client(), grant_type="client_credentials")

    assert response.status_code == 200


def test_half_a_body_is_none(colour: Colour) -> None:
    """Half a form may mean something else."""
    with (
        running(colour=colour) as project,
        override_settings(MIDDLEWARE=["django_adapter.backends.read_half"]),
    ):
        response = project.post(client=add_client(), grant_type="client_credentials")

    assert response.status_code == 400
    assert read(response)["error_description"] == "the body is not as long as Content-Length says"


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=5)
def test_the_limit_is_that_of_the_server(colour: Colour) -> None:
    """And not Django's, whose refusal would be a page."""
    with running(colour=colour, LIMITS={"body": 1000}) as project:
        client = add_client()
        taken = project.post(client=client, grant_type="client_credentials")
        refused = project.post(client=client, grant_type="client_credentials", a="b" * 1000)

    assert taken.status_code == 200
    assert (refused.status_code, read(refused)["error"]) == (400, "invalid_request")


def test_a_client_that_goes_away_sends_no_body() -> None:
    class Gone(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError

    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "5", "wsgi.input": Gone()}
    setup_testing_defaults(environ)

    assert read_body_of(WSGIRequest(environ), 100) is None


def test_what_fails_shows_no_password(colour: Colour) -> None:
    """In the reports that Django makes of errors."""
    reports: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            request: HttpRequest = vars(record)["request"]
            reporter = ExceptionReporter(request, *(record.exc_info or (None, None, None)))
            reports.append(reporter.get_traceback_text())

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    logger = logging.getLogger("django.request")
    handler = Handler()
    logger.addHandler(handler)
    try:
        with (
            running(colour=colour) as project,
            # Else there was nothing left to show.
            override_settings(MIDDLEWARE=["django_adapter.backends.read_form"]),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(CrossOrigin, "add_to", fail)
            response = project.post(
                client=add_client(), grant_type="password", username="alice", password="wonderland"
            )
    finally:
        logger.removeHandler(handler)

    assert response.status_code == 500
    [report] = reports
    assert "ZeroDivisionError" in report
    assert "wonderland" not in report


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        pytest.param({}, "http://testserver/a/b?c=d", id="plain"),
        pytest.param(
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_TLS", "on")},
            "https://testserver/a/b?c=d",
            id="behind-tls",
        ),
    ],
)
@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_the_url_is_what_django_says(
    changes: dict[str, Any], url: str, factory: type[RequestFactory]
) -> None:
    with override_settings(**changes):
        request = factory().get("/a/b?c=d", headers={"x-tls": "on", "host": "testserver"})
        seen = DjangoRequests().see(request)

    assert seen.url == url


@override_settings(FORCE_SCRIPT_NAME="/prefix")
def test_a_prefix_may_be_forced() -> None:
    seen = DjangoRequests().see(RequestFactory().get("/a", headers={"host": "example.com"}))

    assert seen.url == "http://example.com/prefix/a"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        pytest.param("/caf%C3%A9/%E6%BC%A2", "/caf%C3%A9/%E6%BC%A2", id="utf-8"),
        pytest.param("/%FF", "/%25FF", id="not-utf-8"),
    ],
)
def test_paths_of_any_letters_are_seen(path: str, url: str) -> None:
    """Django has decoded them."""
    seen = DjangoRequests().see(RequestFactory().get(path, headers={"host": "example.com"}))

    assert seen.url == f"http://example.com{url}"


def test_the_scheme_of_django_is_believed_before_that_of_a_proxy() -> None:
    request = RequestFactory().get(
        "/", headers={"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
    )

    assert DjangoRequests().see(request).source == "127.0.0.1"
    seen = DjangoRequests(["127.0.0.1"]).see(request)
    assert (seen.source, seen.url) == ("198.51.100.7", "https://testserver:80/")


def test_what_comes_twice_is_joined() -> None:
    """Django has each field once (RFC 9110, 5.3)."""
    response = wire.HttpResponse(
        status=401, headers=(("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Bearer"))
    )

    answer = respond(response, RequestFactory().get("/"))

    assert dict(answer.headers) == {"WWW-Authenticate": "Basic, Bearer", "Content-Length": "0"}


def test_tests_may_change_the_settings() -> None:
    """What was made of the ones before is forgotten."""
    with running():
        before = servers()
        with running(ISSUER="https://other.example.com"):
            assert servers().server.issuer == "https://other.example.com"
        assert servers() is not before
        assert servers().server.issuer == "https://auth.example.com"
