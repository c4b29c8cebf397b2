"""``oauthgrants serve`` takes DPoP proofs, of a client that others wrote (RFC 9449)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import attrs
import pytest
import requests
from cli_support import config_writer, read_server, started
from requests_oauth2client import (
    ClientSecretBasic,
    DPoPKey,
    DPoPToken,
    InvalidGrant,
    OAuth2Client,
    PublicApp,
)

from oauthgrants import ResourceServer
from oauthgrants.adapters.wsgi_guard import WsgiGuard
from oauthgrants.cli.dpop import read_dpop
from oauthgrants.cli.errors import CommandError, ConfigError
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.token_checks.introspection import RemoteIntrospection

req = pytest.mark.req
FILE = """
issuer = "http://127.0.0.1:8000"

[dpop]
required = true
nonces = "required"
algorithms = ["ES256", "EdDSA"]
longest_age = 120
leeway = 5
nonce_lifetime = 60
origins = ["http://localhost:8000"]

[grants]
client_credentials = true

[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
grant_types = ["client_credentials"]
dpop_bound_access_tokens = true
"""


# The file


def test_the_table_has_what_the_library_has() -> None:
    metadata = read_server(FILE).metadata()

    assert metadata["dpop_signing_alg_values_supported"] == ["ES256", "Ed25519", "EdDSA"]
    rules = read_dpop(
        {
            "required": True,
            "longest_age": timedelta(seconds=120),
            "origins": ("http://localhost:8000",),
        }
    )
    assert rules is not None
    assert (rules.required, rules.origins) == (True, ("http://localhost:8000",))


def test_without_a_table_proofs_are_taken_and_not_wanted() -> None:
    metadata = read_server(FILE[: FILE.index("[dpop]")] + FILE[FILE.index("[grants]") :]).metadata()

    assert "ES256" in metadata["dpop_signing_alg_values_supported"]
    rules = read_dpop(None)
    assert rules is not None
    assert not rules.required
    assert rules.nonces == "off"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"required"', '"always"', "dpop.nonces"),
        ("required = true", "required = 1", "dpop.required"),
        ('"ES256"', '"HS256"', "dpop: algorithms has HS256"),
        ("= 120", "= 100000", "dpop: longest_age"),
        ("= 60", "= 0", "dpop.nonce_lifetime"),
        ('"http://localhost:8000"', '"localhost"', "dpop: the URL"),
        ("nonces =", "nonce =", "dpop.nonce: unknown key"),
    ],
)
def test_what_may_not_be_is_refused_with_its_key(before: str, after: str, message: str) -> None:
    assert before in FILE
    with pytest.raises(ConfigError) as refused:
        read_server(FILE.replace(before, after, 1))

    assert str(refused.value).startswith(message)


def test_without_the_library_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the file asks for it."""

    def find_nothing(_: str) -> None:
        return None

    monkeypatch.setattr("oauthgrants.sender_constraints.dpop_rules.find_spec", find_nothing)

    assert read_dpop(None) is None
    with pytest.raises(CommandError, match=r"^\[dpop\]: .*pip install 'oauthgrants\[jwt\]'"):
        read_dpop({})


# A real client


class QuietHandler(WSGIRequestHandler):
    """Keeps requests to itself."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        pass


@contextmanager
def guarded_api(issuer: str) -> Generator[str]:
    """Serve an API that wants tokens of *issuer*, and nonces of its own; return its URL."""
    applications: list[Any] = []

    def dispatch(environ: Any, start_response: Any) -> Any:
        return applications[0](environ, start_response)

    with make_server("127.0.0.1", 0, dispatch, WSGIServer, QuietHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        resource_server = ResourceServer(
            resource=url,
            tokens=RemoteIntrospection(
                endpoint=f"{issuer}/introspect", client_id="api", client_secret="api-secret-0"
            ),
            audience="https://api.example.com",
            dpop=DpopRules(nonces="required"),
            allow_insecure_transport=True,
        )

        @WsgiGuard(resource_server).require_token(scope="read")
        def reports(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [environ["oauthgrants.token"].cnf["jkt"].encode()]

        applications.append(reports)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join(10)
            resource_server.close()


@attrs.frozen
class Running:
    issuer: str
    api: str


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """Both servers, each with nonces of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    folder: Path = tmp_path_factory.mktemp("dpop")
    text = f"""
issuer = "{issuer}"

[tokens]
audience = "https://api.example.com"

[grants]
client_credentials = true
password = true
refresh_token = true

[dpop]
nonces = "required"

[[clients]]
client_id = "reports"
client_secret = "reports-secret-0"
client_secret_machine_made = true
grant_types = ["client_credentials"]
scope = "read"
dpop_bound_access_tokens = true

[[clients]]
client_id = "api"
client_secret = "api-secret-0"
client_secret_machine_made = true
grant_types = ["client_credentials"]
introspects = ["https://api.example.com"]

[[clients]]
client_id = "app"
token_endpoint_auth_method = "none"
grant_types = ["password", "refresh_token"]
scope = "read"
default_scope = "read"
first_party = true

[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
"""
    with (
        started(config_writer(folder)(text), "--port", str(port)),
        guarded_api(issuer) as api,
    ):
        yield Running(issuer, api)


def call(token: DPoPToken, url: str) -> requests.Response:
    with requests.Session() as session:
        return session.get(url, auth=token, timeout=10)


def key_of(token: DPoPToken) -> DPoPKey:
    key: DPoPKey = cast("Any", token).dpop_key
    return key


@req("R9449-5-a", "R9449-7.1-a", "R9449-8-a", "R9449-9-a", "R9449-5.2-a")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_requests_oauth2client_gets_a_token_and_calls_the_api(servers: Running, alg: str) -> None:
    """It answers the demand for a nonce at both servers, by itself."""
    client = OAuth2Client(
        f"{servers.issuer}/token",
        auth=ClientSecretBasic("reports", "reports-secret-0"),
        dpop_alg=alg,
        testing=True,
    )
    with client.session:
        token = client.client_credentials(scope="read", dpop=True)

    assert isinstance(token, DPoPToken)
    assert token.token_type == "DPoP"
    answer = call(token, f"{servers.api}/reports?page=1")
    assert (answer.status_code, answer.text) == (200, key_of(token).dpop_jkt)


@req("R9449-7.2-a")
def test_its_token_is_no_bearer_token(servers: Running) -> None:
    client = OAuth2Client(
        f"{servers.issuer}/token",
        auth=ClientSecretBasic("reports", "reports-secret-0"),
        testing=True,
    )
    with client.session:
        token = client.client_credentials(scope="read", dpop=True)
    with requests.Session() as session:
        refused = session.get(
            servers.api, headers={"Authorization": f"Bearer {token.access_token}"}, timeout=10
        )

    assert refused.status_code == 401
    assert refused.json()["error"] == "invalid_token"


@req("R9449-5-b")
def test_a_refresh_token_is_of_use_with_its_key_alone(servers: Running) -> None:
    client = OAuth2Client(f"{servers.issuer}/token", auth=PublicApp("app"), testing=True)
    with client.session:
        token = client.resource_owner_password("alice", "wonderland", dpop=True)
        assert isinstance(token, DPoPToken)
        form = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        with pytest.raises(InvalidGrant):
            client.token_request(form)
        with pytest.raises(InvalidGrant):
            client.token_request(form, dpop=True, dpop_key=DPoPKey.generate())
        newer = client.token_request(form, dpop=True, dpop_key=key_of(token))

    assert isinstance(newer, DPoPToken)
    assert call(newer, f"{servers.api}/reports").status_code == 200
