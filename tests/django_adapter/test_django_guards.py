"""What is particular to guarded views, beyond the contract."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views import View

from django_adapter.mounting import routing
from django_adapter.projects import Colour, Project, add_client, read, running
from oauthgrants.adapters.django.guards import (
    AsyncDjangoGuard,
    DjangoGuard,
    RequireTokenMixin,
    require_token,
)
from oauthgrants.testing.contract_servers import (
    make_async_resource_server,
    make_resource_server,
)

CACHE = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@require_token(scope="read")
def read_sync(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.oauth_token.client_id)  # type: ignore[attr-defined]


@require_token(any_scope=["write", "admin"])
async def write_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.oauth_token.scope))  # type: ignore[attr-defined]


class Reports(RequireTokenMixin, View):
    required_scope = "read"

    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(f"{request.oauth_token.client_id} {number}")  # type: ignore[attr-defined]

    post = get


class AsyncReports(RequireTokenMixin, View):
    required_any_scope = "write admin"

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(request.oauth_token.scope))  # type: ignore[attr-defined]


URLS: list[Any] = [
    path("sync", read_sync),
    path("async", write_async),
    path("reports/<int:number>", Reports.as_view()),
    path("reports/any/<int:number>", Reports.as_view(required_scope=None)),
    path("async-reports", AsyncReports.as_view()),
]


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    """Which views serve the endpoints."""
    chosen: Colour = request.param
    return chosen


def issue(project: Project, client: str, scope: str) -> str:
    response = project.post(client=client, grant_type="client_credentials", scope=scope)
    token: str = read(response)["access_token"]
    return token


@pytest.mark.usefixtures("database")
def test_views_of_every_kind_are_guarded(colour: Colour) -> None:
    """By the settings, with tokens of the same project; functions and classes, sync and async."""
    with running(colour=colour, urls=URLS, GRANTS=["client_credentials"]) as project:
        client = add_client()
        reader, writer = (issue(project, client, scope) for scope in ("read", "write"))
        seen = {
            where: [project.get(where, token).status_code for token in (None, reader, writer)]
            for where in ("/sync", "/async", "/reports/1", "/reports/any/1", "/async-reports")
        }
        bodies = [
            project.get("/sync", reader).content,
            project.get("/async", writer).content,
            project.get("/reports/7", reader).content,
            project.get("/async-reports", writer).content,
        ]
        posted = project.send("POST", "/reports/7", authorization=f"Bearer {reader}")

    assert seen == {
        "/sync": [401, 200, 403],
        "/async": [401, 403, 200],
        "/reports/1": [401, 200, 403],
        "/reports/any/1": [401, 200, 200],
        "/async-reports": [401, 403, 200],
    }
    assert bodies == [b"app", b"write", b"app 7", b"write"]
    # No browser sends a token by itself, so nobody asks for a CSRF token.
    assert (posted.status_code, posted.content) == (200, b"app 7")


@pytest.mark.usefixtures("database")
def test_refusals_say_what_would_do() -> None:
    with running(urls=URLS, GRANTS=["client_credentials"]) as project:
        missing = project.get("/sync")
        wrong = project.get("/sync", "guess")
        narrow = project.get("/sync", issue(project, add_client(), "write"))

    metadata = "https://api.example.com/.well-known/oauth-protected-resource"
    assert missing["WWW-Authenticate"] == (
        f'Bearer realm="resource", resource_metadata="{metadata}"'
    )
    assert 'error="invalid_token"' in wrong["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in narrow["WWW-Authenticate"]
    assert 'scope="read"' in narrow["WWW-Authenticate"]
    assert read(narrow)["error"] == "insufficient_scope"


@pytest.mark.usefixtures("database")
def test_a_cache_gives_an_answer_to_nobody_else() -> None:
    """Django's would, for all that have the same URL."""
    middleware = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    with (
        override_settings(CACHES=CACHE, MIDDLEWARE=middleware),
        running(urls=URLS, GRANTS=["client_credentials"]) as project,
    ):
        cache.clear()
        token = issue(project, add_client(), "read")
        first = project.get("/sync", token)
        again = [project.get("/sync", token).status_code, project.get("/sync").status_code]
        cache.clear()

    assert first["Vary"] == "Authorization"
    assert again == [200, 401]


def test_what_the_view_says_of_caches_stays() -> None:
    """A token in the URL adds to it (RFC 6750, 2.3)."""
    guard = DjangoGuard(make_resource_server(allow_query=True))

    @guard.require_token()
    def stream(_: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(
            [b"a"], headers={"Cache-Control": "no-store", "Vary": "Accept"}
        )

    with routing([path("stream", stream)]):
        response = Project().get("/stream?access_token=reader")

    assert response["Cache-Control"] == "no-store, private"
    assert response["Vary"] == "Accept, Authorization"


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=5)
def test_a_form_longer_than_django_takes_is_refused() -> None:
    """As the rest is, and not with a page."""
    guard = DjangoGuard(make_resource_server(allow_body=True))

    @guard.require_token()
    def unreached(_: HttpRequest) -> HttpResponse:
        raise AssertionError

    with routing([path("form", unreached)]):
        response = Project().send("POST", "/form", body="access_token=reader")

    assert (response.status_code, read(response)["error"]) == (400, "invalid_request")


def test_the_colours_are_not_mixed_up() -> None:
    with pytest.raises(TypeError, match="AsyncResourceServer does not fit"):
        DjangoGuard(make_async_resource_server())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="ResourceServer does not fit"):
        AsyncDjangoGuard(make_resource_server())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
