"""The whole job in few lines: the examples run, and the same with a peer for the count."""

from __future__ import annotations

import ast
import base64
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from asgi_apps import ask as ask_asgi
from werkzeug.security import generate_password_hash

import oauthgrants.adapters
from oauthgrants import HttpResponse
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.testing.sending import call_wsgi, make_environ

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
ADAPTERS = Path(oauthgrants.adapters.__file__).parent
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MOST = 25
Ask = Callable[..., HttpResponse]


def count_lines(path: Path) -> int:
    """Return how many lines of *path* have code: no docstrings, comments and empty lines."""
    text = path.read_text("utf-8")
    lines = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and node.end_lineno is not None
        ):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        spec.loader.exec_module(module)
    return module


def register() -> str:
    """Return the secret that the example shows."""
    command = [sys.executable, str(EXAMPLES / "register.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(params=["flask_app", "fastapi_app"])
def app(request: pytest.FixtureRequest, folder: Path) -> Generator[Ask, None, None]:
    module = load(EXAMPLES / f"{request.param}.py")

    def ask(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> HttpResponse:
        if request.param == "flask_app":
            return call_wsgi(module.app, make_environ(method, target, headers, body))
        return ask_asgi(module.app, method, target, *headers, body=body)

    yield ask
    module.store.engine.dispose()


@pytest.mark.parametrize("path", sorted(ADAPTERS.glob("*.py")), ids=lambda path: path.stem)
def test_an_adapter_is_translation_and_short(path: Path) -> None:
    assert count_lines(path) <= 150


@pytest.mark.parametrize("name", ["flask_app", "fastapi_app"])
def test_the_whole_job_takes_few_lines(name: str) -> None:
    assert count_lines(EXAMPLES / f"{name}.py") <= MOST


def work(ask: Ask, secret: str) -> None:
    """Do with an application what both grants, both endpoints and the route are for."""
    credentials = base64.b64encode(f"reports:{secret}".encode()).decode()

    def post(path: str, **parameters: str) -> HttpResponse:
        body = urlencode(parameters).encode()
        return ask("POST", path, ("Authorization", f"Basic {credentials}"), FORM, body=body)

    def call(token: str) -> HttpResponse:
        return ask("GET", "/reports", ("Authorization", f"Bearer {token}"))

    machine = post("/token", grant_type="client_credentials", scope="reports:read").json()
    assert call(machine["access_token"]).json() == {"client": "reports", "user": None}

    user = {"username": "alice", "password": "wonderland"}
    signed_in = post("/token", grant_type="password", scope="reports:read", **user).json()
    assert call(signed_in["access_token"]).json() == {"client": "reports", "user": "alice"}
    assert post("/token", grant_type="password", username="alice", password="guess").status == 400

    old = signed_in["refresh_token"]
    refreshed = post("/token", grant_type="refresh_token", refresh_token=old).json()
    assert refreshed["refresh_token"] != old

    token = refreshed["access_token"]
    assert post("/introspect", token=token).json()["active"] is True
    assert post("/revoke", token=token).status == 200
    assert post("/introspect", token=token).json()["active"] is False
    assert call(token).status == 401
    assert ask("GET", "/reports").status == 401


def test_the_examples_do_the_whole_job(app: Ask) -> None:
    work(app, register())


def test_a_peer_does_it_in_more_lines(folder: Path) -> None:
    """The same job with Authlib, as its documentation has it; the page on Flask has the count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = load(HERE / "peer_authlib_flask.py")
    peer.Base.metadata.create_all(peer.engine)
    client = peer.Client(client_id="reports", client_secret="secret", client_id_issued_at=0)
    client.set_client_metadata(
        {
            "grant_types": ["client_credentials", "password", "refresh_token"],
            "scope": "reports:read",
            "token_endpoint_auth_method": "client_secret_basic",
        }
    )
    peer.session.add(client)
    peer.session.add(
        peer.User(username="alice", password_hash=generate_password_hash("wonderland"))
    )
    peer.session.commit()

    def ask(method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> HttpResponse:
        environ = make_environ(method, target, headers, body)
        environ["wsgi.url_scheme"] = "https"  # it takes nothing else
        return call_wsgi(peer.app, environ)

    try:
        work(ask, "secret")
    finally:
        peer.session.remove()
        peer.engine.dispose()

    ours, theirs = count_lines(EXAMPLES / "flask_app.py"), count_lines(Path(peer.__file__))
    page = (HERE.parent.parent / "docs" / "flask.md").read_text("utf-8")
    assert f"a guarded route take {ours} lines." in page
    assert f"The same job takes {theirs} lines with Authlib." in page
