"""The examples of use cases do what their pages say, as programs, over HTTP."""

from __future__ import annotations

import asyncio
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Awaitable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import httpx
import pytest
import uvicorn
from flask import Flask, g, request
from werkzeug.serving import make_server

from oauthgrants import (
    AccessToken,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    MemoryStore,
    RefreshTokenGrant,
    ResourceServer,
    Secret,
    User,
)
from oauthgrants.adapters.flask import FlaskOAuth
from support import CHEAP, password_grant

EXAMPLES = Path(__file__).parent.parent / "examples"
API = "https://api.example.com"
SECRET = "0123456789abcdef" * 4
MACHINE = ["client_credentials"]
PEOPLE = ["password", "refresh_token"]
req = pytest.mark.req


@attrs.define
class Tokens:
    """What the API asks for tokens; it sees some as revoked."""

    server: AuthorizationServer
    refused: set[int] = attrs.field(factory=set[int])
    seen: list[str] = attrs.field(factory=list[str])

    def find_access_token(self, value: Secret) -> Awaitable[AccessToken | None] | None:
        self.seen.append(value.reveal())
        if len(self.seen) in self.refused:
            return None
        return self.server.lookup.find_access_token(value)

    def is_active(self, value: str) -> bool:
        return asyncio.run(self.server.lookup.find_access_token(Secret(value))) is not None


@attrs.frozen
class Running:
    """An authorization server with an API, and what came to it."""

    url: str
    tokens: Tokens
    orders: list[tuple[str, str]]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CLIENT_SECRET": SECRET,
            "AUTH_URL": self.url,
            "TOKEN_URL": f"{self.url}/token",
            "REVOCATION_URL": f"{self.url}/revoke",
            "API_URL": self.url,
        }


@contextmanager
def serve(app: Any, listening: socket.socket) -> Generator[None, None, None]:
    port: int = listening.getsockname()[1]
    http = make_server("127.0.0.1", port, app, threaded=True, fd=listening.fileno())
    thread = Thread(target=http.serve_forever, args=[0.01])
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        thread.join(30)
        http.server_close()


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def make_store() -> MemoryStore:
    store = MemoryStore()
    for client_id, grant_types, scope in (
        ("nightly", MACHINE, "reports:read"),
        ("partner", MACHINE, "orders:write"),
        ("cli", PEOPLE, "reports:read"),
    ):
        client, _ = Client.confidential(
            client_id,
            secret=SECRET,
            machine_made=True,
            grant_types=grant_types,
            scope=scope,
            default_scope=scope,
            first_party=grant_types == PEOPLE,
        )
        store.add_client(client)
    store.add_client(
        Client.public(
            "app",
            grant_types=PEOPLE,
            scope="reports:read",
            default_scope="reports:read",
            first_party=True,
        )
    )
    password_hash = CHEAP.hash(Secret("wonderland"))
    store.add_user(User(sub="user-1", username="alice", password_hash=password_hash))
    return store


@pytest.fixture
def running() -> Generator[Running, None, None]:
    app = Flask("api")
    with listen() as listening:
        server = AuthorizationServer(
            issuer=url_of(listening),
            allow_insecure_transport=True,
            store=make_store(),
            hasher=CHEAP,
            grants=[ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
            audience=API,
        )
        tokens, orders = Tokens(server), list[tuple[str, str]]()
        oauth = FlaskOAuth(server, ResourceServer(resource=API, tokens=tokens))
        oauth.init_app(app)

        def list_reports() -> Any:
            page = int(request.args.get("page", "0"))
            if not page:
                return {"client": g.oauth_token.client_id, "user": g.oauth_token.username}
            return {
                "reports": ["a", "b"],
                "next": f"/reports?page={page + 1}" if page < 3 else None,
            }

        def take_order() -> Any:
            orders.append((g.oauth_token.client_id, request.get_json()["number"]))
            return {"accepted": orders[-1][1]}

        reader, writer = (
            oauth.require_token(scope="reports:read"),
            oauth.require_token(scope="orders:write"),
        )
        app.add_url_rule("/reports", view_func=reader(list_reports))
        app.add_url_rule("/orders", view_func=writer(take_order), methods=["POST"])
        with serve(app, listening):
            yield Running(server.issuer, tokens, orders)


def start(
    program: str, *words: str, say: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run *program* as a user would, with *say* on its standard input."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / program), *words],
        env={**os.environ, **environment},
        input=say,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@req("R6749-4.4.2-a", "R7009-2.1-d")
def test_the_nightly_job_goes_on_when_its_token_ends(running: Running) -> None:
    running.tokens.refused.add(2)  # the second page

    done = start("nightly_job/job.py", CLIENT_ID="nightly", **running.environment)

    assert (done.returncode, done.stdout) == (0, "6 reports\n"), done.stderr
    first, refused, *rest = running.tokens.seen
    assert first == refused
    assert len({first, *rest}) == 2
    assert not running.tokens.is_active(rest[-1])


@req("R6749-5.2-a")
def test_the_nightly_job_tells_its_timer_that_it_failed(running: Running) -> None:
    wrong = {**running.environment, "CLIENT_SECRET": "guess"}
    done = start("nightly_job/job.py", CLIENT_ID="nightly", **wrong)

    assert done.returncode != 0
    assert "invalid_client" in done.stderr
    assert running.tokens.seen == []


@req("R6749-4.4.2-a")
@pytest.mark.parametrize("refused", [set[int](), {2}, {2, 3}])
def test_the_partner_hands_in_each_order_once(running: Running, refused: set[int]) -> None:
    """A 401 gets one new token, a second one is an error."""
    running.tokens.refused |= refused

    done = start(
        "backend_integration/partner.py", "1", "2", CLIENT_ID="partner", **running.environment
    )

    if len(refused) < 2:
        assert done.stdout == "accepted 1\naccepted 2\n", done.stderr
        assert running.orders == [("partner", "1"), ("partner", "2")]
    else:
        assert done.returncode == 1
        assert running.orders == [("partner", "1")]
    assert len(set(running.tokens.seen)) == 1 + bool(refused)


@req("R6749-4.3.2-a", "R6749-6-a", "R7009-2.1-d")
def test_the_tool_keeps_tokens_and_no_password(running: Running, tmp_path: Path) -> None:
    kept = tmp_path / "new" / "tokens.json"
    environment = {"CLIENT_ID": "cli", "CLI_TOKENS": str(kept), **running.environment}
    tool = "internal_cli/cli.py"

    assert "sign in first" in start(tool, "reports", **environment).stderr
    assert "invalid_grant" in start(tool, "login", "alice", say="guess\n", **environment).stderr
    assert start(tool, "login", "alice", say="wonderland\n", **environment).returncode == 0
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "wonderland" not in kept.read_text("utf-8")

    running.tokens.refused.add(2)
    for _ in range(2):
        done = start(tool, "reports", **environment)
        assert done.stdout == '{"client": "cli", "user": "alice"}\n', done.stderr
    first, refused, second = running.tokens.seen
    assert first == refused != second

    assert start(tool, "logout", **environment).returncode == 0
    assert not kept.exists()
    assert not running.tokens.is_active(second)
    assert "cli.py login" in start(tool, **environment).stderr


@req("R6749-4.3.2-a", "R6749-6-a", "R7009-2.1-d")
def test_the_app_stays_signed_in_until_it_signs_out(running: Running) -> None:
    example = runpy.run_path(str(EXAMPLES / "mobile_client" / "session.py"))
    kept: list[str | None] = []
    session = example["Session"](running.url, running.url, "app", keep=kept.append)
    again = None
    try:
        with pytest.raises(example["SignedOut"]):
            session.get("/reports")
        with pytest.raises(example["SignedOut"], match="invalid_grant"):
            session.sign_in("alice", "guess")
        session.sign_in("alice", "wonderland")
        assert session.get("/reports") == {"client": "app", "user": "alice"}
        running.tokens.refused.add(2)
        assert session.get("/reports") == {"client": "app", "user": "alice"}

        # The device was off: a refresh token is all that is left, and works once.
        again = example["Session"](
            running.url, running.url, "app", refresh_token=kept[-1], keep=kept.append
        )
        assert again.get("/reports") == {"client": "app", "user": "alice"}
        assert len(set(kept[1:])) == len(kept[1:]) == 3
        again.sign_out()
        assert kept[-1] is None
        assert not running.tokens.is_active(running.tokens.seen[-1])
        with pytest.raises(example["SignedOut"]):
            again.get("/reports")
    finally:
        session.close()
        if again is not None:
            again.close()


@req("R6749-4.4.2-a", "R8707-2-a")
def test_two_services_call_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tokens that are good at the other one alone, kept until one is revoked."""
    folder = EXAMPLES / "two_services"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    monkeypatch.setenv("STOCK_SECRET", SECRET[::-1])
    with ExitStack() as stack:
        auth, orders, stock = (stack.enter_context(listen()) for _ in range(3))
        for name, listening in (("ISSUER", auth), ("ORDERS_URL", orders), ("STOCK_URL", stock)):
            monkeypatch.setenv(name, url_of(listening))
        try:
            made = {
                name: runpy.run_path(str(folder / f"{name}.py"))
                for name in ("auth", "orders", "stock")
            }
        finally:
            for name in ("service", "token_source"):
                sys.modules.pop(name, None)
        for name, listening in (("auth", auth), ("orders", orders), ("stock", stock)):
            stack.enter_context(serve(made[name]["app"], listening))
        for name in ("orders", "stock"):
            stack.callback(made[name]["app"].extensions["close"])

        def get(listening: socket.socket, path: str, token: str = "") -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return httpx.get(f"{url_of(listening)}{path}", headers=headers, timeout=30)

        assert get(orders, "/own").status_code == 401
        assert get(orders, "/theirs").json() == {"by": "stock", "for": "orders"}
        assert get(stock, "/theirs").json() == {"by": "orders", "for": "stock"}

        server: AuthorizationServer = made["auth"]["server"]
        issued: list[str] = []
        token_endpoint = server.token_endpoint
        for _ in range(2):
            answer = httpx.post(
                token_endpoint,
                auth=("orders", SECRET),
                data={
                    "grant_type": "client_credentials",
                    "scope": "stock:read",
                    "resource": "https://stock.example.com",
                },
                timeout=30,
            )
            issued.append(answer.json()["access_token"])
        assert get(stock, "/own", issued[0]).json()["for"] == "orders"
        assert get(orders, "/own", issued[0]).status_code == 401


class Counting:
    """A token endpoint and an API that refuses some requests."""

    def __init__(self, *refused: int) -> None:
        self.issued = 0
        self.seen: list[str] = []
        self.refused = refused

    def token(self) -> Any:
        self.issued += 1
        return {"access_token": f"t{self.issued}", "expires_in": 3600 if self.issued < 3 else 0}

    def api(self) -> Any:
        self.seen.append(request.headers["Authorization"])
        return {}, 401 if len(self.seen) in self.refused else 200


def test_a_token_is_kept_until_it_expires_and_replaced_once() -> None:
    """The flow that the services copy, against a server that says when a token ends."""
    token_source = runpy.run_path(str(EXAMPLES / "two_services" / "token_source.py"))
    counting = Counting(3, 4)
    app = Flask("counting")
    app.add_url_rule("/token", view_func=counting.token, methods=["POST"])
    app.add_url_rule("/", view_func=counting.api)
    with listen() as listening, serve(app, listening), httpx.Client(timeout=30) as http:
        url = url_of(listening)
        tokens = token_source["ClientCredentials"](f"{url}/token", "a", "b", scope="c")

        statuses = [http.get(url, auth=tokens).status_code for _ in range(3)]
        assert statuses == [200, 200, 401]
        assert counting.seen == [f"Bearer t{number}" for number in (1, 1, 1, 2)]
        counting.issued = 2  # from here on they are over when they come
        tokens._good_until = 0.0
        assert [http.get(url, auth=tokens).status_code for _ in range(2)] == [200, 200]
        assert counting.seen[4:] == ["Bearer t3", "Bearer t4"]


def test_the_agent_signs_in_at_the_mcp_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen() as listening:
        monkeypatch.setenv("ISSUER", url_of(listening))
        monkeypatch.setenv("AGENT_SECRET", SECRET)
        app = runpy.run_path(str(EXAMPLES / "mcp_server" / "server.py"))["app"]
        web_server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
        thread = Thread(target=web_server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            done = start("mcp_server/agent.py", "2026")
            wrong = start("mcp_server/agent.py", "2026", AGENT_SECRET="guess")
        finally:
            web_server.should_exit = True
            thread.join(30)

    assert done.stdout == "{'reports': 26, 'for': 'agent'}\n", done.stderr
    assert wrong.returncode != 0
    assert "invalid_client" in wrong.stderr
