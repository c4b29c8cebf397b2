"""
Each extra in use, once and as small as can be.

``python tests/extras/uses.py flask`` uses what the extra ``flask`` brings; without a name it uses
nothing. Then all that needs a library which is not installed has to say what brings it. It needs
nothing but the package and the extra, so that it runs where nothing else is installed. ``--list``
says which extras there are.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    MemoryStore,
    ResourceServer,
    Secret,
)

ISSUER = "https://auth.example.com"
API = "https://api.example.com"
FORM = "application/x-www-form-urlencoded"
REQUEST = {"grant_type": "client_credentials", "scope": "read"}


class Parts:
    """What a server is made of, with one client that may have tokens."""

    def __init__(self, **settings: Any) -> None:
        self.client, secret = Client.confidential(
            "service", scope="read", grant_types=["client_credentials"], introspects=[API]
        )
        self.secret = secret.reveal()
        pair = b64encode(f"service:{self.secret}".encode()).decode()
        self.authorization = f"Basic {pair}"
        self.store = MemoryStore()
        self.store.add_client(self.client)
        self.settings: dict[str, Any] = {
            "issuer": ISSUER,
            "store": self.store,
            "grants": [ClientCredentialsGrant()],
            "audience": API,
        } | settings

    def make(self) -> tuple[AuthorizationServer, ResourceServer]:
        """Return both servers."""
        server = AuthorizationServer(**self.settings)
        return server, ResourceServer(resource=API, tokens=server.lookup)

    def make_async(self) -> tuple[AsyncAuthorizationServer, AsyncResourceServer]:
        """Return both servers as coroutines."""
        server = AsyncAuthorizationServer(**self.settings)
        return server, AsyncResourceServer(resource=API, tokens=server.lookup)

    def ask(self, server: AuthorizationServer) -> dict[str, Any]:
        """Return the answer to a request for a token."""
        response = server.token(
            HttpRequest(
                method="POST",
                url=f"{ISSUER}/token",
                headers=[("Authorization", self.authorization), ("Content-Type", FORM)],
                body=urlencode(REQUEST).encode(),
            )
        )
        assert response.status == 200, response
        answer: dict[str, Any] = response.json()
        return answer


async def send(app: Any, method: str, path: str, authorization: str, body: bytes = b"") -> Any:
    """Return status and body of what an ASGI application answers."""
    came: list[Any] = []
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"auth.example.com"),
            (b"content-type", FORM.encode()),
            (b"authorization", authorization.encode()),
        ],
        "server": ("auth.example.com", 443),
        "client": ("192.0.2.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def note(message: Any) -> None:
        came.append(message)

    await app(scope, receive, note)
    return came[0]["status"], b"".join(message.get("body", b"") for message in came)


async def visit(app: Any, parts: Parts, path: str) -> None:
    """Get a token from an ASGI application, and come with it."""
    from json import loads

    body = urlencode(REQUEST).encode()
    status, answer = await send(app, "POST", "/token", parts.authorization, body)
    assert status == 200, answer
    bearer = f"Bearer {loads(answer)['access_token']}"
    assert (await send(app, "GET", path, bearer))[0] == 200
    assert (await send(app, "GET", path, "Bearer guess"))[0] == 401


def use_aiohttp() -> None:
    """Get a token from an application of aiohttp, and come with it."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    from oauthgrants.adapters.aiohttp import AiohttpOAuth

    parts = Parts()
    oauth = AiohttpOAuth(*parts.make_async())

    @oauth.require_token(scope="read")
    async def guarded(_: web.Request) -> web.Response:
        return web.Response(text="come in")

    app = web.Application()
    oauth.init_app(app)
    app.add_routes([web.get("/guarded", guarded)])

    async def work() -> None:
        async with TestClient(TestServer(app)) as http:
            own = {"Authorization": parts.authorization}
            answer = await (await http.post("/token", data=REQUEST, headers=own)).json()
            bearer = {"Authorization": f"Bearer {answer['access_token']}"}
            assert (await http.get("/guarded", headers=bearer)).status == 200
            assert (await http.get("/guarded")).status == 401

    asyncio.run(work())


def use_cli() -> None:
    """Run the demo, make tables by migration and show what they are."""
    from oauthgrants.cli import main

    assert main(["demo"]) == 0
    with TemporaryDirectory() as folder:
        config = Path(folder, "oauth.toml")
        config.write_text(
            f'issuer = "http://127.0.0.1:8000"\nstore = "sqlite:///{folder}/oauth.db"\n'
        )
        assert main(["db", "upgrade", "--config", str(config)]) == 0
        assert main(["purge", "--config", str(config)]) == 0


def use_django(*more: str) -> None:
    """Make a project with a guarded view, get a token and come with it."""
    from types import ModuleType

    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.http import HttpRequest as DjangoRequest
    from django.http import HttpResponse as DjangoResponse

    urls: Any = ModuleType("urls_of_the_project")
    sys.modules[urls.__name__] = urls
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            *more,
            "oauthgrants.adapters.django",
        ],
        OAUTHGRANTS={"ISSUER": ISSUER, "RESOURCE": API},
        ROOT_URLCONF=urls.__name__,
        SECRET_KEY="signs nothing that lasts",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)

    from django.test import Client as Browser
    from django.urls import include, path

    from oauthgrants.adapters.django.guards import require_token
    from oauthgrants.adapters.django.store import DjangoStore

    @require_token(scope="read")
    def guarded(_: DjangoRequest) -> DjangoResponse:
        return DjangoResponse("come in")

    urls.urlpatterns = [
        path("", include("oauthgrants.adapters.django.urls")),
        path("guarded", guarded),
    ]
    if more:
        from rest_framework.request import Request
        from rest_framework.response import Response
        from rest_framework.views import APIView

        from oauthgrants.adapters.django import rest_framework

        class Guarded(APIView):
            authentication_classes = (rest_framework.TokenAuthentication,)
            permission_classes = (rest_framework.require_token(scope="read"),)

            def get(self, _: Request) -> Response:
                return Response({"come": "in"})

        urls.urlpatterns[1] = path("guarded", Guarded.as_view())
    parts = Parts()
    DjangoStore().add_client(parts.client)
    browser = Browser()
    answer = browser.post(
        "/token",
        urlencode(REQUEST),
        content_type=FORM,
        headers={"authorization": parts.authorization},
        secure=True,
    )
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    assert browser.get("/guarded", headers=bearer, secure=True).status_code == 200
    assert browser.get("/guarded", secure=True).status_code == 401


def use_djangorestframework() -> None:
    """Do the same with a view of Django REST framework."""
    use_django("rest_framework")


def use_fastapi() -> None:
    """Get a token from an application of FastAPI, and come with it."""
    from fastapi import FastAPI, Security

    from oauthgrants.adapters.fastapi import FastApiOAuth

    parts = Parts()
    oauth = FastApiOAuth(*parts.make_async())
    app = FastAPI()
    oauth.init_app(app)

    async def guarded() -> dict[str, str]:
        return {"come": "in"}

    may_read = Security(oauth.require_token(), scopes=["read"])
    app.add_api_route("/guarded", guarded, dependencies=[may_read])
    asyncio.run(visit(app, parts, "/guarded"))
    assert "clientCredentials" in str(app.openapi())


def use_flask() -> None:
    """Get a token from an application of Flask, and come with it."""
    from flask import Flask

    from oauthgrants.adapters.flask import FlaskOAuth

    parts = Parts()
    oauth = FlaskOAuth(*parts.make())
    app = Flask("app")
    oauth.init_app(app)

    def guarded() -> str:
        return "come in"

    app.add_url_rule("/guarded", view_func=oauth.require_token(scope="read")(guarded))
    http = app.test_client()
    own = {"Authorization": parts.authorization}
    answer = http.post("/token", data=REQUEST, headers=own, base_url=ISSUER)
    assert answer.json is not None
    bearer = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert http.get("/guarded", headers=bearer, base_url=ISSUER).status_code == 200
    assert http.get("/guarded", base_url=ISSUER).status_code == 401


def use_jwt() -> None:
    """Issue a JWT and check it by the public key alone."""
    from oauthgrants.jose import PublicKey, SigningKey
    from oauthgrants.keys import KeyRing
    from oauthgrants.token_checks.jwt import JwtChecker
    from oauthgrants.token_checks.key_sets import StaticKeys

    ring = KeyRing(SigningKey.generate("ES256", kid="one"))
    parts = Parts(access_token_format="jwt", signing_keys=ring)
    server, _ = parts.make()
    keys = StaticKeys(map(PublicKey.from_jwk, server.jwks()["keys"]))
    api = ResourceServer(resource=API, tokens=JwtChecker(issuer=ISSUER, keys=keys))
    check(api, parts.ask(server)["access_token"])


def check(api: ResourceServer, value: str) -> None:
    """Come to an API with a token."""
    bearer = [("Authorization", f"Bearer {value}")]
    call = HttpRequest(method="GET", url=f"{API}/guarded", headers=bearer)
    assert api.require_token(call, scope="read").client_id == "service"


def use_mcp() -> None:
    """Get a token that the SDK's verifier takes."""
    from oauthgrants.adapters.mcp import McpOAuth, metadata_for_sdk

    parts = Parts(metadata=metadata_for_sdk(ISSUER))
    server, _ = parts.make_async()
    api = AsyncResourceServer(
        resource=API,
        tokens=server.lookup,
        authorization_servers=[ISSUER],
        scopes_supported="read",
    )
    oauth = McpOAuth(server, api, scope="read")
    # The same store: one issues, the other is asked.
    value = parts.ask(parts.make()[0])["access_token"]
    token = asyncio.run(oauth.token_verifier.verify_token(value))
    assert token is not None
    assert token.client_id == "service"


def use_otel() -> None:
    """Issue a token while OpenTelemetry's interface listens; what exports is the host's."""
    from oauthgrants.events.opentelemetry import OpenTelemetrySink

    parts = Parts(event_sink=OpenTelemetrySink())
    server, api = parts.make()
    check(api, parts.ask(server)["access_token"])


def use_redis() -> None:
    """Ask a Redis that is not there: what the client raises is a fault, and not a refusal."""
    import socket

    import redis

    from oauthgrants.stores.redis import RedisStore

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        port = bound.getsockname()[1]
        with closing(redis.Redis(port=port, socket_connect_timeout=5)) as connections:
            parts = Parts(store=RedisStore(connections))
            server, _ = parts.make()
            headers = [("Authorization", parts.authorization), ("Content-Type", FORM)]
            body = urlencode(REQUEST).encode()
            url = f"{ISSUER}/token"
            response = server.token(HttpRequest(method="POST", url=url, headers=headers, body=body))
    assert response.json()["error"] == "temporarily_unavailable", response


def use_resource() -> None:
    """Ask another server, over HTTP, what a token stands for."""
    from threading import Thread
    from wsgiref.simple_server import WSGIRequestHandler, demo_app, make_server

    from oauthgrants.adapters.wsgi import WsgiApplication
    from oauthgrants.token_checks.introspection import RemoteIntrospection

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name
            pass

    with make_server("127.0.0.1", 0, demo_app, handler_class=Quiet) as http:
        issuer = f"http://127.0.0.1:{http.server_port}"
        parts = Parts(issuer=issuer, allow_insecure_transport=True)
        server, _ = parts.make()
        http.set_app(WsgiApplication(server))  # once its port is known
        thread = Thread(target=http.serve_forever)
        thread.start()
        try:
            tokens = RemoteIntrospection(
                endpoint=f"{issuer}/introspect",
                client_id="service",
                client_secret=Secret(parts.secret),
            )
            api = ResourceServer(resource=API, tokens=tokens, allow_insecure_transport=True)
            with closing(api):
                check(api, parts.ask(server)["access_token"])
        finally:
            http.shutdown()
            thread.join()


def use_sqlalchemy() -> None:
    """Keep a client and a token in SQLite, sync; the driver for async is the host's."""
    from sqlalchemy import create_engine

    from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

    with TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/oauth.db")
        store = SqlAlchemyStore(engine)
        store.create_all()
        parts = Parts(store=store)
        store.add_client(parts.client)
        server, api = parts.make()
        check(api, parts.ask(server)["access_token"])
        engine.dispose()
    assert find_spec("greenlet")  # what the async engine needs


def use_starlette() -> None:
    """Get a token from an application of Starlette, and come with it."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from oauthgrants.adapters.starlette import StarletteOAuth

    parts = Parts()
    oauth = StarletteOAuth(*parts.make_async())

    @oauth.require_token(scope="read")
    async def guarded(_: Request) -> PlainTextResponse:
        return PlainTextResponse("come in")

    app = Starlette(routes=[*oauth.routes, Route("/guarded", guarded)])
    asyncio.run(visit(app, parts, "/guarded"))


def run_demo() -> None:
    """Run the demo, as its command does."""
    from oauthgrants.cli.arguments import make_parser

    arguments = make_parser().parse_args(["demo"])
    arguments.run(arguments)


def introspect_elsewhere() -> None:
    """Make a resource server that asks another one."""
    from oauthgrants.token_checks.introspection import RemoteIntrospection

    asks = RemoteIntrospection(
        endpoint=f"{ISSUER}/introspect", client_id="service", client_secret=Secret("secret")
    )
    ResourceServer(resource=API, tokens=asks).close()


USES: dict[str, Callable[[], None]] = {
    "aiohttp": use_aiohttp,
    "cli": use_cli,
    "django": use_django,
    "djangorestframework": use_djangorestframework,
    "fastapi": use_fastapi,
    "flask": use_flask,
    "jwt": use_jwt,
    "mcp": use_mcp,
    "otel": use_otel,
    "redis": use_redis,
    "resource": use_resource,
    "sqlalchemy": use_sqlalchemy,
    "starlette": use_starlette,
}
"""By extra, what uses it."""

NEEDS: dict[str, tuple[str, Callable[[], object]]] = {
    "aiohttp": ("aiohttp", partial(import_module, "oauthgrants.adapters.aiohttp")),
    "cli": ("rich", run_demo),
    "django": ("django", partial(import_module, "oauthgrants.adapters.django")),
    "djangorestframework": (
        "rest_framework",
        partial(import_module, "oauthgrants.adapters.django.rest_framework"),
    ),
    "fastapi": ("fastapi", partial(import_module, "oauthgrants.adapters.fastapi")),
    "flask": ("flask", partial(import_module, "oauthgrants.adapters.flask")),
    "jwt": ("joserfc", partial(import_module, "oauthgrants.jose")),
    "mcp": ("mcp", partial(import_module, "oauthgrants.adapters.mcp")),
    "otel": ("opentelemetry", partial(import_module, "oauthgrants.events.opentelemetry")),
    "redis": ("redis", partial(import_module, "oauthgrants.stores.redis")),
    "resource": ("httpx", introspect_elsewhere),
    "sqlalchemy": ("sqlalchemy", partial(import_module, "oauthgrants.stores.sqlalchemy")),
    "starlette": ("starlette", partial(import_module, "oauthgrants.adapters.starlette")),
}
"""By extra, a library that it brings, and what cannot be done without."""

BELOW = {"djangorestframework": "django"}
"""The extra that is asked for first, if the library of neither is here."""


def check_messages() -> list[str]:
    """Return the extras that are not here; what needs one has to say so."""
    missing = [extra for extra, (library, _) in NEEDS.items() if find_spec(library) is None]
    for extra in missing:
        try:
            NEEDS[extra][1]()
        except Exception as error:  # whatever it is, its text is what counts
            said = str(error)
        else:
            said = "nothing"
        below = BELOW.get(extra)
        wanted = below if below in missing else extra
        assert f"pip install 'oauthgrants[{wanted}]'" in said, f"without {extra} it says: {said}"
    return missing


def main(extra: str | None = None) -> None:
    """Use *extra*, and look at what is said about those that are not here."""
    logging.basicConfig()  # faults say what they are
    if extra is not None:
        USES[extra]()
    missing = check_messages()
    print(f"{extra or 'no extra'}: fine; {len(missing)} others ask to be installed")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(*USES)
    else:
        main(*sys.argv[1:])
