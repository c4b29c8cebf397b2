"""``oauthgrants serve`` with JWTs: as a process, over HTTP, while keys take turns."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import jwt as pyjwt
import pytest
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator  # type: ignore[import-untyped]
from cli_support import FORM, Process, WriteConfig, config_writer, started
from joserfc import jwt
from joserfc.jwk import KeySet
from jwt import PyJWKClient

from oauthgrants.key_files import KeyDirectory

req = pytest.mark.req

API = "https://api.example.com"
CONFIG = """
issuer = "http://127.0.0.1:8000/auth"

[tokens]
format = "jwt"
signing_key_file = "{keys}"
audience = "https://api.example.com"

[grants]
client_credentials = true

[introspection]
jwt = true

[metadata]
service_documentation = "https://docs.example.com"

[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
client_secret_machine_made = true
grant_types = ["client_credentials"]
scope = "reports:read"
default_scope = "reports:read"
resources = ["https://cal.example.com"]

[[clients]]
client_id = "api"
client_secret = "p6pWIdpBv0ZOdBVmQBZbWg"
client_secret_machine_made = true
grant_types = []
introspects = ["https://api.example.com"]
"""
REPORTS = ("reports", "7Fjfp0ZBr1KtDRbnfVdmIw")
SERVICE = ("api", "p6pWIdpBv0ZOdBVmQBZbWg")
MACHINE = {"grant_type": "client_credentials"}
WELL_KNOWN = "/.well-known/oauth-authorization-server/auth"


@pytest.fixture
def config(tmp_path: Path) -> WriteConfig:
    return config_writer(tmp_path)


def read_metadata(server: Process) -> dict[str, Any]:
    status, _, body = server.get(WELL_KNOWN)
    assert 200 == status
    members: dict[str, Any] = json.loads(body)
    return members


def read_keys(server: Process) -> KeySet:
    """Return the keys to which the metadata point."""
    # The port is not the issuer's, which is not known before.
    jwks_uri: str = read_metadata(server)["jwks_uri"]
    status, headers, body = server.get(urlsplit(jwks_uri).path)
    assert (200, "application/json") == (status, headers["Content-Type"])
    keys = json.loads(body)["keys"]
    assert all({"kid", "alg", "use"} <= set(key) and not {"d", "p", "q"} & set(key) for key in keys)
    assert len(keys) == len({key["kid"] for key in keys})
    return KeySet.import_key_set({"keys": keys})


def verify(token: str, keys: KeySet) -> jwt.Token:
    """Check *token* as a resource server would, by another library."""
    return jwt.decode(token, keys, algorithms=["ES256"])


@contextmanager
def talking(server: Process, client: tuple[str, str]) -> Generator[Any]:
    """Yield what sends forms on one connection, and returns the answers."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {
        "Content-Type": FORM,
        "Authorization": f"Basic {b64encode(':'.join(client).encode()).decode()}",
    }

    def send(target: str, form: dict[str, str]) -> dict[str, Any]:
        connection.request("POST", target, urlencode(form), headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer

    try:
        yield send
    finally:
        connection.close()


@req("R8414-2-b", "R8414-2-g", "R8414-3-a", "R8414-3.3-a", "R9068-2.1-b", "R9068-3-a")
def test_a_token_is_verified_by_what_the_metadata_point_to(
    config: WriteConfig, tmp_path: Path
) -> None:
    """From nothing but the issuer's address; the key outlives the server."""
    path = config(CONFIG.format(keys="signing.pem"))
    with started(path, "--port", "0") as server:
        status, _, answer = server.post(MACHINE, REPORTS, target="/auth/token")
        assert 200 == status
        token = verify(answer["access_token"], read_keys(server))
        resource = {**MACHINE, "resource": "https://cal.example.com"}
        other = server.post(resource, REPORTS, target="/auth/token")[2]["access_token"]
        assert "https://cal.example.com" == verify(other, read_keys(server)).claims["aud"]

        metadata = read_metadata(server)
        status, headers, _ = server.get(WELL_KNOWN)
        assert (304, b"") == server.get(WELL_KNOWN, ("If-None-Match", headers["ETag"]))[::2]
        status, out, err = server.end()

    assert (0, "") == (status, out)
    assert "at+jwt" == token.header["typ"]
    assert metadata["issuer"] == token.claims["iss"] == "http://127.0.0.1:8000/auth"
    assert ("reports", API) == (token.claims["sub"], token.claims["aud"])
    assert "https://docs.example.com" == metadata["service_documentation"]
    assert answer["access_token"] not in err
    for line in (tmp_path / "signing.pem").read_text().splitlines():
        assert line not in err
    with started(path, "--port", "0") as server:
        verify(answer["access_token"], read_keys(server))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@req("R9068-2.1-a", "R9068-2.2-a", "R8414-3.3-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_peers_accept_the_tokens_from_the_servers_own_metadata(
    config: WriteConfig, algorithm: str
) -> None:
    """PyJWT and Authlib, told of the issuer alone."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/auth"
    text = CONFIG.format(keys="signing.pem").replace("http://127.0.0.1:8000/auth", issuer)
    signing = f'signing_key_file = "signing.pem"\nsigning_alg = "{algorithm}"'
    path = config(text.replace('signing_key_file = "signing.pem"', signing))
    with started(path, "--port", str(port)) as server:
        token = server.post(MACHINE, REPORTS, target="/auth/token")[2]["access_token"]
        metadata = read_metadata(server)
        assert metadata["issuer"] == issuer

        signing_key = PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
        claims = pyjwt.decode(
            token, signing_key, algorithms=[algorithm], audience=API, issuer=metadata["issuer"]
        )

        class Validator(JWTBearerTokenValidator):  # type: ignore[misc]
            def get_jwks(self) -> Any:
                with urlopen(metadata["jwks_uri"]) as answer:
                    return KeySet.import_key_set(json.load(answer))

        validator: Any = Validator(issuer=metadata["issuer"], resource_server=API)
        accepted = validator.authenticate_token(token)
        validator.validate_token(accepted, ["reports:read"], None)

    assert ("reports", "reports:read") == (claims["client_id"], claims["scope"])
    assert "reports" == accepted["client_id"]


def test_introspection_and_revocation_of_jwts(config: WriteConfig) -> None:
    """The resource server asks about tokens for itself, and about no others."""
    with started(config(CONFIG.format(keys="signing.pem")), "--port", "0") as server:
        token = server.post(MACHINE, REPORTS, target="/auth/token")[2]["access_token"]
        resource = {**MACHINE, "resource": "https://cal.example.com"}
        other = server.post(resource, REPORTS, target="/auth/token")[2]["access_token"]

        def is_active(client: tuple[str, str], value: str) -> bool:
            answer = server.post({"token": value}, client, target="/auth/introspect")[2]
            return bool(answer["active"])

        assert [True, True] == [is_active(REPORTS, token), is_active(REPORTS, other)]
        assert [True, False] == [is_active(SERVICE, token), is_active(SERVICE, other)]
        assert 400 == server.post({"token": token}, SERVICE, target="/auth/revoke")[0]
        assert 200 == server.post({"token": token}, REPORTS, target="/auth/revoke")[0]
        assert [False, False] == [is_active(REPORTS, token), is_active(SERVICE, token)]


@req("R9701-4-a", "R9701-5-a", "R9701-7-a")
def test_introspection_is_signed_for_whom_accepts_it(config: WriteConfig) -> None:
    with started(config(CONFIG.format(keys="signing.pem")), "--port", "0") as server:
        token = server.post(MACHINE, REPORTS, target="/auth/token")[2]["access_token"]
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request(
            "POST",
            "/auth/introspect",
            urlencode({"token": token}),
            {
                "Content-Type": FORM,
                "Accept": "application/token-introspection+jwt",
                "Authorization": f"Basic {b64encode(':'.join(SERVICE).encode()).decode()}",
            },
        )
        response = connection.getresponse()
        answer = verify(response.read().decode(), read_keys(server))
        connection.close()
        algorithms = read_metadata(server)["introspection_signing_alg_values_supported"]

    assert "application/token-introspection+jwt" == response.getheader("Content-Type")
    assert "token-introspection+jwt" == answer.header["typ"]
    assert "api" == answer.claims["aud"]
    assert answer.claims["token_introspection"]["active"]
    assert ["ES256"] == algorithms


@req("R7517-4-a")
def test_keys_rotate_while_the_server_runs(config: WriteConfig, tmp_path: Path) -> None:
    """A thousand tokens of the old key, all live, and none is lost."""
    folder = tmp_path / "keys"
    old = KeyDirectory.make(folder).signing_key().kid
    with started(config(CONFIG.format(keys="keys")), "--port", "0") as server:
        with talking(server, REPORTS) as send:
            before = [send("/auth/token", MACHINE)["access_token"] for _ in range(1000)]

        rotated = subprocess.run(
            [sys.executable, "-m", "oauthgrants", "keys", "rotate", str(folder)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        new = rotated.stdout.split()[0]
        after = server.post(MACHINE, REPORTS, target="/auth/token")[2]["access_token"]

        keys = read_keys(server)
        assert [new, old] == [key.kid for key in keys.keys]
        assert new != old
        assert new == verify(after, keys).header["kid"]
        assert {old} == {verify(token, keys).header["kid"] for token in before}
        with talking(server, SERVICE) as send:
            answers = [send("/auth/introspect", {"token": token}) for token in [*before, after]]
        assert [True] * 1001 == [answer["active"] for answer in answers]

        # What breaks the file later is not the clients' to feel.
        (folder / "keys.json").write_text("{}")
        assert 200 == server.post(MACHINE, REPORTS, target="/auth/token")[0]
        assert [new, old] == [key.kid for key in read_keys(server).keys]
        status, out, err = server.end()

    assert (0, "") == (status, out)
    assert 1 == err.count(" WARNING the signing keys stay as they were: ")
    assert "Traceback" not in err


@req("R7517-4-a")
def test_no_token_falls_between_two_keys(config: WriteConfig, tmp_path: Path) -> None:
    """Rotated again and again while tokens are issued: whatever was issued verifies."""
    folder = tmp_path / "keys"
    directory = KeyDirectory.make(folder)
    with started(config(CONFIG.format(keys="keys")), "--port", "0") as server:

        def get_tokens(_: int) -> list[str]:
            with talking(server, REPORTS) as send:
                return [send("/auth/token", MACHINE)["access_token"] for _ in range(100)]

        with ThreadPoolExecutor(4) as pool:
            came = pool.map(get_tokens, range(4))
            for _ in range(5):
                directory.rotate(keep=timedelta(hours=1))
            tokens = [token for some in came for token in some]
        keys = read_keys(server)

        assert 400 == len({verify(token, keys).claims["jti"] for token in tokens})
        with talking(server, SERVICE) as send:
            assert all(send("/auth/introspect", {"token": token})["active"] for token in tokens)
    assert 6 == len(keys.keys)
