"""The adapter for Bottle that docs/adapters.md shows whole passes both contracts."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from marked_contract import METHODS, AdapterContract, GuardContract, Send
from raw_http import Body, Header, call_wsgi, make_environ

from oauthgrants import AuthorizationServer, HttpResponse, ResourceServer, VerifiedToken
from oauthgrants.testing.contract_servers import (
    HostFault,
    make_resource_server,
    make_server,
    show_token,
)

PATH = Path(__file__).parents[2] / "examples" / "bottle_oauth.py"
HOST = ("Host", "auth.example.com")
READER = ("Authorization", "Bearer reader")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
BASIC = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")

bottle: Any = import_module("bottle")  # it has no types


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("bottle_oauth", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BottleOAuth


BottleOAuth = load_example()


def make_app() -> Any:
    app = bottle.Bottle()
    app.config["catchall"] = False  # what a callback raises comes out
    return app


def send(
    app: Any, method: str, target: str, headers: Sequence[Header], body: Body, *, prefix: str = ""
) -> HttpResponse:
    return call_wsgi(app, make_environ(method, target, headers, body, prefix=prefix))


class TestBottle(AdapterContract):
    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = make_app()
        BottleOAuth(server, trusted_proxies=trusted_proxies).init_app(app)
        yield partial(send, app)


class TestBottleGuard(GuardContract):
    @contextmanager
    def mount(
        self, resource_server: ResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = make_app()
        oauth = BottleOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        oauth.init_app(app)

        def show() -> str:
            return show_token(bottle.request.oauth_token, bottle.request.body.read())

        def fail() -> str:
            raise HostFault

        readers = oauth.require_token(scope="read")
        either = oauth.require_token(any_scope="read write")
        anybody = oauth.require_token()
        app.route("/read", list(METHODS), readers(show))
        app.route("/either", callback=either(show))
        app.route("/any", list(METHODS), anybody(show))
        app.route("/fault", callback=anybody(fail))
        yield partial(send, app)


def test_below_a_prefix_the_endpoints_are_where_the_issuer_says() -> None:
    root = make_app()
    app = make_app()
    BottleOAuth(make_server("/oauth"), prefix="").init_app(app)
    root.mount("/oauth/", app)

    response = send(root, "POST", "/oauth/token", [HOST, FORM, BASIC], b"grant_type=password")

    assert response.json()["error"] == "unsupported_grant_type"


def test_a_form_that_a_hook_has_read_is_still_there() -> None:
    app = make_app()
    BottleOAuth(make_server()).init_app(app)
    seen: list[str] = []
    app.add_hook("before_request", lambda: seen.append(bottle.request.forms.grant_type))

    response = send(app, "POST", "/token", [HOST, FORM, BASIC], b"grant_type=client_credentials")

    assert response.status == 200
    assert seen == ["client_credentials"]


def test_a_response_of_the_callbacks_own_has_the_headers_too() -> None:
    """A token in the URL makes the response private (RFC 6750, 2.3)."""
    oauth = BottleOAuth(resource_server=make_resource_server(allow_query=True))
    app = make_app()
    oauth.init_app(app)

    def show() -> Any:
        token: VerifiedToken = bottle.request.oauth_token
        return bottle.HTTPResponse(token.client_id)

    app.route("/", callback=oauth.require_token()(show))

    response = send(app, "GET", "/?access_token=reader", [HOST], b"")

    assert (response.status, response.body) == (200, b"s6BhdRkqt3")
    assert ("Cache-Control", "private") in response.headers


def test_without_a_resource_server_nothing_is_guarded() -> None:
    with pytest.raises(RuntimeError, match="give BottleOAuth a resource server"):
        BottleOAuth(make_server()).require_token()
