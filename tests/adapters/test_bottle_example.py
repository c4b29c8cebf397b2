"""The adapter for Bottle that docs/adapters.md shows whole passes both contracts."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from marked_contract import AdapterContract, GuardContract

from oauthgrants import VerifiedToken
from oauthgrants.testing.contract_servers import (
    make_resource_server,
    make_server,
)
from oauthgrants.testing.sending import send_to_wsgi

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


def load_page() -> dict[str, Any]:
    """Return the names of the test file that the page shows."""
    text = (PATH.parents[1] / "docs" / "adapters.md").read_text("utf-8")
    source = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"__name__": "test_bottle_oauth"}
    exec(compile(source, "adapters.md", "exec"), names)
    return names


TestBottle = load_page()["TestBottle"]
TestBottleGuard = load_page()["TestBottleGuard"]


def test_the_contracts_are_those_that_prove_requirements() -> None:
    assert issubclass(TestBottle, AdapterContract)
    assert issubclass(TestBottleGuard, GuardContract)


def test_below_a_prefix_the_endpoints_are_where_the_issuer_says() -> None:
    root = make_app()
    app = make_app()
    BottleOAuth(make_server("/oauth"), prefix="").init_app(app)
    root.mount("/oauth/", app)

    headers = [HOST, FORM, BASIC]
    response = send_to_wsgi(root, "POST", "/oauth/token", headers, b"grant_type=password")

    assert response.json()["error"] == "unsupported_grant_type"


def test_a_form_that_a_hook_has_read_is_still_there() -> None:
    app = make_app()
    BottleOAuth(make_server()).init_app(app)
    seen: list[str] = []
    app.add_hook("before_request", lambda: seen.append(bottle.request.forms.grant_type))

    headers = [HOST, FORM, BASIC]
    response = send_to_wsgi(app, "POST", "/token", headers, b"grant_type=client_credentials")

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

    response = send_to_wsgi(app, "GET", "/?access_token=reader", [HOST], b"")

    assert (response.status, response.body) == (200, b"s6BhdRkqt3")
    assert ("Cache-Control", "private") in response.headers


def test_without_a_resource_server_nothing_is_guarded() -> None:
    with pytest.raises(RuntimeError, match="give BottleOAuth a resource server"):
        BottleOAuth(make_server()).require_token()
