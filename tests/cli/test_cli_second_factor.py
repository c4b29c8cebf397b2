"""``totp_secret`` in the file of ``oauthgrants serve``."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from oauthgrants import AuthorizationServer, HttpRequest, HttpResponse
from oauthgrants.cli.config import read_configuration
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.mfa import MFA_OTP

FILE = """
issuer = "http://127.0.0.1:8000"
[grants]
client_credentials = true
password = {password}
[[clients]]
client_id = "app"
token_endpoint_auth_method = "none"
grant_types = ["password"]
first_party = true
[[clients]]
client_id = "service"
client_secret = "swordfish"
client_secret_machine_made = true
grant_types = ["client_credentials"]
[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
totp_secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
[[users]]
username = "bob"
password = "builder"
sub = "user-2"
"""


def post(server: AuthorizationServer, **parameters: str) -> HttpResponse:
    return server.handle(
        HttpRequest(
            method="POST",
            url=server.token_endpoint,
            headers=[("Content-Type", "application/x-www-form-urlencoded")],
            body=urlencode({"client_id": "app", **parameters}).encode(),
        )
    )


def test_a_user_with_a_secret_is_asked_for_a_code() -> None:
    with pytest.warns(PasswordGrantWarning):
        server = read_configuration(FILE.format(password="true")).server
    alice = {"grant_type": "password", "username": "alice", "password": "wonderland"}
    bob = {"grant_type": "password", "username": "bob", "password": "builder"}

    asked = post(server, **alice)
    otp = TOTP(b"12345678901234567890", 6, SHA1(), 30).generate(int(time.time())).decode()
    answer = post(server, grant_type=MFA_OTP, mfa_token=asked.json()["mfa_token"], otp=otp)

    assert (asked.status, answer.status, post(server, **bob).status) == (403, 200, 200)
    assert MFA_OTP in server.metadata()["grant_types_supported"]


def test_without_the_password_grant_there_is_nothing_to_add_to() -> None:
    server = read_configuration(FILE.format(password="false")).server

    assert server.metadata()["grant_types_supported"] == ["client_credentials"]
