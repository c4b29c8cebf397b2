"""The contracts and what is particular to Flask."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, request
from flask.cli import routes_command
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View
from marked_contract import METHODS, AdapterContract, GuardContract, Send

from oauthgrants import (
    AuthorizationServer,
    HttpResponse,
    InsufficientScope,
    OAuthError,
    ResourceServer,
)
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.testing.contract_servers import (
    HostFault,
    make_async_resource_server,
    make_async_server,
    make_resource_server,
    make_server,
    read_echo,
    show_token,
)
from oauthgrants.testing.sending import Body, Header, call_wsgi, make_environ

HOST = ("Host", "auth.example.com")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
BASIC = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
READER = ("Authorization", "Bearer reader")
TOKEN_REQUEST = b"grant_type=client_credentials"


def ask(
    app: Flask,
    method: str,
    target: str,
    *headers: Header,
    body: Body = b"",
    prefix: str = "",
) -> HttpResponse:
    environ = make_environ(method, target, [HOST, *headers], body, prefix=prefix)
    return call_wsgi(app, environ)


class TestFlask(AdapterContract):
    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = Flask(__name__)
        FlaskOAuth(server, trusted_proxies=trusted_proxies).init_app(app)

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            return call_wsgi(app, make_environ(method, target, headers, body))

        yield send


class TestFlaskBelowAPrefix(AdapterContract):
    """The web server takes the prefix off."""

    @contextmanager
    def mount(
        self, server: AuthorizationServer, *, prefix: str, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = Flask(__name__)
        FlaskOAuth(server, prefix="", trusted_proxies=trusted_proxies).init_app(app)

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            return call_wsgi(app, make_environ(method, target, headers, body, prefix=prefix))

        yield send


class TestFlaskGuard(GuardContract):
    @contextmanager
    def mount(
        self, resource_server: ResourceServer, *, trusted_proxies: Collection[str]
    ) -> Generator[Send, None, None]:
        app = Flask(__name__)
        oauth = FlaskOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
        oauth.init_app(app)

        @app.route("/read", methods=METHODS)
        @oauth.require_token(scope="read")
        def read() -> ResponseReturnValue:
            return show_token(g.oauth_token, request.get_data())

        @app.route("/either")
        @oauth.require_token(any_scope="read write")
        def either() -> ResponseReturnValue:
            return show_token(g.oauth_token, request.get_data())

        @app.route("/any", methods=METHODS)
        @oauth.require_token()
        def take_any() -> ResponseReturnValue:
            return show_token(g.oauth_token, request.get_data())

        @app.route("/fault")
        @oauth.require_token()
        def fail() -> ResponseReturnValue:
            raise HostFault

        def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
            return call_wsgi(app, make_environ(method, target, headers, body))

        yield send


def test_any_method_whatever_reaches_the_server() -> None:
    app = Flask(__name__)
    FlaskOAuth(make_server()).init_app(app)

    response = ask(app, "PROPFIND", "/token")

    assert (response.status, dict(response.headers)["Allow"]) == (405, "POST")


def test_the_routes_can_be_listed() -> None:
    app = Flask(__name__)
    FlaskOAuth(make_server("/auth"), make_resource_server()).init_app(app)

    listed = app.test_cli_runner().invoke(routes_command).output

    assert [line.split()[0] for line in listed.splitlines() if "oauth." in line] == [
        "oauth.introspect",
        "oauth.metadata",
        "oauth.resource_metadata",
        "oauth.revoke",
        "oauth.token",
    ]
    with app.test_request_context():
        assert {rule.rule for rule in app.url_map.iter_rules() if "oauth" in rule.rule} == {
            "/.well-known/oauth-authorization-server/auth",
            "/.well-known/oauth-protected-resource",
        }
        assert app.url_for("oauth.token") == "/auth/token"


def test_the_metadata_stand_before_the_prefix() -> None:
    app = Flask(__name__)
    FlaskOAuth(make_server("/auth")).init_app(app)

    response = ask(app, "GET", "/.well-known/oauth-authorization-server/auth")

    assert response.json()["token_endpoint"] == "https://auth.example.com/auth/token"


def test_a_blueprint_can_be_registered_by_hand() -> None:
    oauth = FlaskOAuth(make_server("/v1/auth"))
    outer = Blueprint("v1", __name__, url_prefix="/v1")
    outer.register_blueprint(oauth.blueprint, url_prefix="/auth")
    app = Flask(__name__)
    app.register_blueprint(outer)

    assert ask(app, "POST", "/v1/auth/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200
    with app.test_request_context():
        assert app.url_for("v1.oauth.token") == "/v1/auth/token"


def test_one_adapter_serves_the_applications_of_a_factory() -> None:
    oauth = FlaskOAuth()

    @oauth.require_token(scope="read")
    def read() -> ResponseReturnValue:
        return {"scope": str(g.oauth_token.scope)}

    def create_app(resource_server: ResourceServer) -> Flask:
        app = Flask(__name__)
        oauth.init_app(app, make_server(), resource_server)
        app.add_url_rule("/read", view_func=read)
        return app

    with_header = create_app(make_resource_server())
    with_query = create_app(make_resource_server(allow_query=True))

    assert ask(with_header, "GET", "/read?access_token=reader").status == 401
    assert ask(with_query, "GET", "/read?access_token=reader").json() == {"scope": "read"}
    assert ask(with_query, "POST", "/token", BASIC, FORM, body=TOKEN_REQUEST).status == 200


def test_two_adapters_live_in_one_application() -> None:
    app = Flask(__name__)
    FlaskOAuth(make_server("/a")).init_app(app)
    FlaskOAuth(make_server("/b"), name="other").init_app(app)

    for path in ("/a/token", "/b/token"):
        assert ask(app, "POST", path, BASIC, FORM, body=TOKEN_REQUEST).status == 200


def test_views_of_every_kind_are_guarded() -> None:
    app = Flask(__name__)
    oauth = FlaskOAuth(resource_server=make_resource_server())
    oauth.init_app(app)

    @app.get("/async/<word>")
    @oauth.require_token(scope="read")
    async def later(word: str) -> ResponseReturnValue:
        return {"word": word, "scope": str(g.oauth_token.scope)}

    class Whole(View):
        decorators = [oauth.require_token(scope="read")]  # noqa: RUF012  # as Flask has it

        def dispatch_request(self) -> ResponseReturnValue:
            return {"scope": str(g.oauth_token.scope)}

    class ByMethod(MethodView):
        def get(self) -> ResponseReturnValue:
            return {"open": True}

        @oauth.require_token(scope="write")
        async def post(self) -> ResponseReturnValue:
            return {"scope": str(g.oauth_token.scope)}

    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/by-method", view_func=ByMethod.as_view("by_method"))

    assert later.__name__ == "later"
    assert ask(app, "GET", "/async/x", READER).json() == {"word": "x", "scope": "read"}
    assert ask(app, "GET", "/async/x").status == 401
    assert ask(app, "GET", "/whole", READER).json() == {"scope": "read"}
    assert ask(app, "GET", "/whole").status == 401
    assert ask(app, "GET", "/by-method").json() == {"open": True}
    assert ask(app, "POST", "/by-method", READER).status == 403


def test_a_whole_blueprint_is_guarded_before_its_requests() -> None:
    app = Flask(__name__)
    oauth = FlaskOAuth(resource_server=make_resource_server())
    oauth.init_app(app)
    reports = Blueprint("reports", __name__)

    @reports.before_request
    @oauth.require_token(scope="read")
    def guard() -> None:
        """Let go on who has a token."""

    @reports.get("/reports")
    def show() -> ResponseReturnValue:
        return {"for": g.oauth_token.client_id}

    app.register_blueprint(reports)

    assert ask(app, "GET", "/reports", READER).json() == {"for": "s6BhdRkqt3"}
    assert ask(app, "GET", "/reports").status == 401


def test_what_a_view_answers_stays_its_own() -> None:
    app = Flask(__name__)
    oauth = FlaskOAuth(resource_server=make_resource_server())
    oauth.init_app(app)

    @app.get("/gone")
    @oauth.require_token()
    def gone() -> ResponseReturnValue:
        abort(410)

    assert ask(app, "GET", "/gone", READER).status == 410


def test_a_view_may_ask_for_more() -> None:
    app = Flask(__name__)
    oauth = FlaskOAuth(resource_server=make_resource_server())
    oauth.init_app(app)
    app.register_error_handler(OAuthError, oauth.render)

    @app.get("/deep")
    @oauth.require_token()
    def deep() -> ResponseReturnValue:
        raise InsufficientScope.wanting("admin")

    response = ask(app, "GET", "/deep", READER)

    assert response.status == 403
    assert 'scope="admin"' in dict(response.headers)["WWW-Authenticate"]


def with_hook(hook: Any) -> Flask:
    app = Flask(__name__)
    app.before_request(hook)
    FlaskOAuth(make_server()).init_app(app)
    app.testing = True  # exceptions come out
    return app


def test_a_body_that_the_host_has_read_is_read_again() -> None:
    def keep() -> None:
        g.octets = request.get_data()

    app = with_hook(keep)

    echo = read_echo(ask(app, "POST", "/token", FORM, ("X-Contract", "echo"), body=b"a=%zz&a=1"))

    assert echo.body == b"a=%zz&a=1"


def test_a_form_that_the_host_has_read_is_missed_loudly() -> None:
    def check_for_forgery() -> None:
        assert "csrf_token" not in request.form

    app = with_hook(check_for_forgery)

    with pytest.raises(RuntimeError, match="exempt the blueprint"):
        ask(app, "POST", "/token", BASIC, FORM, body=TOKEN_REQUEST)
    # Where there is no body, none was lost.
    assert ask(app, "GET", "/token").status == 405


def test_what_was_not_wired_is_said() -> None:
    app = Flask(__name__)
    app.testing = True
    oauth = FlaskOAuth(make_server())
    oauth.init_app(app)

    @app.get("/read")
    @oauth.require_token()
    def read() -> ResponseReturnValue:
        return ""

    with pytest.raises(RuntimeError, match=r"give FlaskOAuth a resource server, and call init_app"):
        ask(app, "GET", "/read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((make_async_server(),), "AuthorizationServer takes the same settings"),
        ((None, make_async_resource_server()), "ResourceServer takes the same settings"),
    ],
)
def test_servers_for_asyncio_are_refused_at_once(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        FlaskOAuth(*arguments)


def test_a_prefix_is_a_path() -> None:
    with pytest.raises(ValueError, match="prefix is 'auth'; it has to begin with '/'"):
        FlaskOAuth(make_server(), prefix="auth")


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("flask", "flask", "flask"),
        ("starlette", "starlette", "starlette"),
        ("fastapi", "fastapi", "fastapi"),
        ("aiohttp", "aiohttp", "aiohttp"),
    ],
)
def test_an_adapter_says_which_extra_is_missing(module: str, library: str, extra: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import oauthgrants.adapters.{module}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"pip install 'oauthgrants[{extra}]'" in done.stderr.splitlines()[-1]
