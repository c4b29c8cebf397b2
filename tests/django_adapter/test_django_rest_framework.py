"""Access tokens in Django REST framework."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import attrs
import pytest
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from django_adapter.projects import Project, add_client, add_user, read, running
from oauthgrants import MemoryStore, Secret
from oauthgrants.adapters.django.rest_framework import (
    Refusal,
    TokenAuthentication,
    TokenUser,
    require_token,
)
from oauthgrants.adapters.django.servers import servers
from oauthgrants.errors import MissingToken
from oauthgrants.testing.contract_servers import ContractTokens, EventList, HostFault
from oauthgrants.tokens import AccessToken

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.filterwarnings("ignore::oauthgrants.grants.password.PasswordGrantWarning"),
]


class View(APIView):
    authentication_classes = (TokenAuthentication,)

    def get(self, request: Request) -> Response:
        return Response({"user": str(request.user), "token": str(request.auth)})

    post = get


class Whoever(View):
    permission_classes = (AllowAny,)


class Authenticated(View):
    permission_classes = (IsAuthenticated,)


class Readers(View):
    permission_classes = (require_token(scope="read"),)

    def get(self, request: Request) -> Response:
        django_request: Any = request._request
        assert request.auth is django_request.oauth_token
        return super().get(request)

    post = get


class Either(View):
    permission_classes = (require_token(any_scope="read write"),)


class SessionFirst(APIView):
    get = View.get
    authentication_classes = (SessionAuthentication, TokenAuthentication)
    permission_classes = (require_token(scope="read"),)


class AdminsOrTokens(View):
    permission_classes = (IsAdminUser | require_token(scope="read"),)


class Once(UserRateThrottle):
    rate = "1/day"


class Throttled(View):
    throttle_classes = (Once,)


URLS = [
    path("whoever", Whoever.as_view()),
    path("authenticated", Authenticated.as_view()),
    path("readers", Readers.as_view()),
    path("either", Either.as_view()),
    path("session-first", SessionFirst.as_view()),
    path("admins-or-tokens", AdminsOrTokens.as_view()),
    path("throttled", Throttled.as_view()),
]
CONTRACT: dict[str, Any] = {
    "RESOURCE": "https://auth.example.com",
    "RESOURCE_TOKENS": ContractTokens(),
}


@pytest.fixture(params=["sync", "async"])
def project(request: pytest.FixtureRequest) -> Any:
    """A project whose tokens are ``reader`` and ``writer``, behind WSGI and ASGI."""
    with running(colour=request.param, urls=URLS, **CONTRACT) as project:
        yield project


def test_views_without_token_or_scope_are_refused(project: Project) -> None:
    """401 where another token would do, 403 where the scope is too narrow (RFC 6750, 3.1)."""
    seen = {
        where: [project.get(f"/{where}", token).status_code for token in (None, "reader", "writer")]
        for where in (
            *("whoever", "authenticated", "readers", "either", "session-first"),
            "admins-or-tokens",
        )
    }

    assert seen == {
        "whoever": [200, 200, 200],
        "authenticated": [401, 200, 200],
        "readers": [401, 200, 403],
        "either": [401, 200, 200],
        "session-first": [401, 200, 403],
        "admins-or-tokens": [401, 200, 403],
    }


@pytest.mark.req("R6750-3-a", "R6750-3.1-d")
@pytest.mark.parametrize("where", ["authenticated", "readers", "session-first"])
def test_no_token_is_no_error(where: str, project: Project) -> None:
    """The challenge asks for one, whatever other ways there are to authenticate."""
    response = project.get(f"/{where}")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith('Bearer realm="resource"')
    assert "error" not in response["WWW-Authenticate"]


@pytest.mark.req("R6750-3-c", "R6750-3.1-b")
@pytest.mark.parametrize("where", ["whoever", "authenticated", "readers", "session-first"])
def test_a_bad_token_is_refused(where: str, project: Project) -> None:
    """Also where none is wanted: who shows one means it."""
    response = project.get(f"/{where}", "guess")

    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert read(response)["error"] == "invalid_token"


@pytest.mark.req("R6750-3.1-c")
@pytest.mark.parametrize("where", ["readers", "session-first", "admins-or-tokens"])
def test_too_little_scope_is_refused(where: str, project: Project) -> None:
    response = project.get(f"/{where}", "writer")

    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert 'scope="read"' in response["WWW-Authenticate"]
    assert read(response)["error"] == "insufficient_scope"


def test_two_tokens_are_none(project: Project) -> None:
    response = project.send("GET", "/readers", authorization="Bearer reader, Bearer reader")

    assert (response.status_code, read(response)["error"]) == (400, "invalid_request")


def test_a_store_that_fails_is_no_bad_token() -> None:
    with running(urls=URLS, **CONTRACT, EVENT_SINK=EventList()) as project:
        response = project.get("/readers", "fault")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "WWW-Authenticate" not in response
    assert HostFault.__name__ not in response.content.decode()


def test_the_event_of_a_refusal_says_how_it_came_to_it() -> None:
    sink = EventList()
    with running(urls=URLS, **CONTRACT, EVENT_SINK=sink) as project:
        project.get("/readers", "writer")

    [event] = sink.events
    assert event.source == "127.0.0.1"


def test_nobody_asks_for_a_csrf_token(project: Project) -> None:
    response = project.send("POST", "/readers", authorization="Bearer reader")

    assert response.status_code == 200


def test_a_token_in_the_url_keeps_caches_away() -> None:
    """Where the settings allow it (RFC 6750, 2.3)."""
    with running(urls=URLS, **CONTRACT, RESOURCE_ALLOW_QUERY=True) as project:
        response = project.get("/readers?access_token=reader")

    assert (response.status_code, response["Cache-Control"]) == (200, "private")


def test_a_user_is_the_account() -> None:
    """And nobody once the account is inactive or gone."""
    with running(urls=URLS) as project:
        account = add_user()
        token = project.sign_in(add_client())["access_token"]
        there = project.get("/authenticated", token)
        account.is_active = False
        account.save()
        inactive = project.get("/authenticated", token)
        account.delete()
        gone = project.get("/authenticated", token)

    assert read(there)["user"] == "alice"
    for response in (inactive, gone):
        assert (response.status_code, read(response)["error"]) == (401, "invalid_token")


def test_a_client_is_no_account() -> None:
    with running(urls=URLS) as project:
        client = add_client("reports")
        answer = read(project.post(client=client, grant_type="client_credentials"))
        response = project.get("/authenticated", answer["access_token"])

    assert read(response)["user"] == "reports"


class ForeignTokens:
    """Knows a token of another server, for a user called as one here."""

    def __init__(self, sub: str) -> None:
        self.sub = sub

    def find_access_token(self, value: Secret) -> AccessToken | None:
        token = ContractTokens().find_access_token(Secret("reader"))
        assert token is not None
        return attrs.evolve(token, sub=self.sub, username="mallory")


def test_users_of_other_servers_are_none_of_ours() -> None:
    """Another server may call its users as it likes."""
    sub = f"user:{add_user().pk}"
    settings: dict[str, Any] = CONTRACT | {"RESOURCE_TOKENS": ForeignTokens(sub)}
    with running(urls=URLS, **settings) as project:
        response = project.get("/authenticated", "reader")

    assert read(response)["user"] == "mallory"


def test_users_of_a_store_of_ones_own_have_no_account() -> None:
    with running(urls=URLS, USERS=MemoryStore(), GRANTS=["client_credentials"]) as project:
        client = add_client("reports")
        answer = read(project.post(client=client, grant_type="client_credentials"))

        assert project.get("/readers", answer["access_token"]).status_code == 200


def test_throttles_tell_clients_apart() -> None:
    cache = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with override_settings(CACHES=cache), running(urls=URLS) as project:
        seen: list[int] = []
        for name in ("a", "b"):
            client = add_client(name)
            answer = read(project.post(client=client, grant_type="client_credentials"))
            token = answer["access_token"]
            seen += (project.get("/throttled", token).status_code for _ in range(2))

    assert seen == [200, 429, 200, 429]


def test_who_acts_with_a_token_has_no_permissions_of_djangos() -> None:
    request = APIRequestFactory().get("/", headers={"authorization": "Bearer reader"})
    with running(**CONTRACT):
        user = TokenUser(servers().guard.verify(request))

    assert (user.pk, user.get_username(), str(user)) == ("s6BhdRkqt3",) * 3
    assert user.is_authenticated
    assert not any([user.is_anonymous, user.is_staff, user.is_superuser])
    assert not user.has_perm("reports.view_report")
    assert not user.has_perms(["reports.view_report"])
    assert user.has_perms([])


def test_a_request_outside_of_a_view_is_authenticated_too() -> None:
    with running(**CONTRACT):
        request = Request(APIRequestFactory().get("/", headers={"authorization": "Bearer reader"}))
        answer = TokenAuthentication().authenticate(request)

    assert answer is not None
    assert answer[1].client_id == "s6BhdRkqt3"


def test_a_refusal_is_one_of_the_frameworks() -> None:
    """Handlers of exceptions find in it what they look for."""
    with running(**CONTRACT):
        refusal = Refusal(MissingToken("there is no access token"))

    assert isinstance(refusal, APIException)
    assert refusal.get_codes() == {}
    assert (refusal.status_code, refusal.detail) == (401, {})


def test_without_the_framework_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['rest_framework.authentication'] = None\n"
        "import django_adapter\n"
        "import oauthgrants.adapters.django.rest_framework"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )

    assert "pip install 'oauthgrants[djangorestframework]'" in ran.stderr


def test_without_django_the_message_says_what_to_install() -> None:
    code = "import sys; sys.modules['django'] = None\nimport oauthgrants.adapters.django.views"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert "pip install 'oauthgrants[django]'" in ran.stderr
