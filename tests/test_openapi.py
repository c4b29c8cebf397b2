"""The description of the endpoints is valid, and what it says is so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
import schemathesis
from cli_support import started
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup

from oauthgrants import (
    AsyncAuthorizationServer,
    AuthorizationServer,
    ClientCredentialsGrant,
    MemoryStore,
    RefreshTokenGrant,
)
from oauthgrants.cli import main
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.endpoints import Endpoints
from oauthgrants.grants import Grant, GrantHandler, Services
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.jose import SigningKey
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.throttling import Throttle
from oauthgrants.totp import MemoryTotpSecrets, TotpFactor
from support import ISSUER, basic, password_grant

EXAMPLES = 10
# Its types are known in part, and there is no telling which.
OPENAPI: Any = schemathesis.openapi
_OF_OPENAPI: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS: list[Any] = [
    import_module("schemathesis.checks").not_a_server_error,
    _OF_OPENAPI.status_code_conformance,
    _OF_OPENAPI.content_type_conformance,
    _OF_OPENAPI.response_headers_conformance,
    _OF_OPENAPI.response_schema_conformance,
]
CONFIG = """
issuer = "http://127.0.0.1:8000/auth"

[tokens]
format = "jwt"
audience = "https://api.example.com"
signing_key_file = "signing.pem"

[introspection]
jwt = true

[throttle]
max_failures = 100000
too_many_requests = true

[grants]
client_credentials = true
password = true
refresh_token = true

[[clients]]
client_id = "service"
client_secret = "machine-made-secret-of-the-service"
client_secret_machine_made = true
grant_types = ["client_credentials"]
scope = "read write"
default_scope = "read"
"""


class Exchange:
    """An extension grant of a host."""

    grant_type = "urn:example:exchange"
    parameters = frozenset({"subject_token", "scope"})

    def bind(self, services: Services) -> GrantHandler:
        raise NotImplementedError


class _Bound(Exchange):
    def bind(self, services: Services) -> GrantHandler:
        return ClientCredentialsGrant().bind(services)


def describe(**others: Any) -> dict[str, Any]:
    """Return the valid description of a server with these settings."""
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "store": MemoryStore(),
        "grants": [ClientCredentialsGrant()],
    }
    document = dict(AuthorizationServer(**usual | others).openapi())
    validate(document)
    # It can be written down.
    assert json.loads(json.dumps(document)) == document
    return document


def form_of(document: dict[str, Any], path: str = "/token") -> dict[str, Any]:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    schema: dict[str, Any] = content["application/x-www-form-urlencoded"]["schema"]
    return schema


def request_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    schema: dict[str, Any] = document["components"]["schemas"][f"TokenRequest.{name}"]
    return schema


def answers(document: dict[str, Any], path: str = "/token") -> dict[str, Any]:
    responses: dict[str, Any] = document["paths"][path]["post"]["responses"]
    return responses


def errors_of(response: dict[str, Any]) -> Any:
    return response["content"]["application/json"]["schema"]["properties"]["error"].get("enum")


# What it says


def test_each_endpoint_is_where_the_metadata_have_it() -> None:
    document = describe(signing_keys=SigningKey.generate())

    assert document["servers"] == [{"url": ISSUER}]
    assert set(document["paths"]) == {
        "/token",
        "/introspect",
        "/revoke",
        "/jwks.json",
        "/.well-known/oauth-authorization-server",
    }
    assert "/jwks.json" not in describe()["paths"]


def test_an_issuer_may_have_a_path_and_an_endpoint_a_query() -> None:
    document = describe(
        issuer=f"{ISSUER}/tenant", endpoints=Endpoints(token="/token?version=1&debug=")
    )

    assert document["servers"] == [{"url": ISSUER}]
    assert "/.well-known/oauth-authorization-server/tenant" in document["paths"]
    assert document["paths"]["/tenant/token"]["parameters"] == [
        {"name": "version", "in": "query", "required": True, "schema": {"const": "1"}},
        {"name": "debug", "in": "query", "required": True, "schema": {"const": ""}},
    ]


def test_a_server_with_one_grant_has_one_form() -> None:
    document = describe()

    assert form_of(document) == {"$ref": "#/components/schemas/TokenRequest.client_credentials"}
    request = request_of(document, "client_credentials")
    assert request["required"] == ["grant_type"]
    assert request["properties"]["grant_type"] == {"const": "client_credentials"}
    assert {"scope", "resource"} <= set(request["properties"])
    assert "refresh_token" not in document["components"]["schemas"]["TokenResponse"]["properties"]
    assert "403" not in answers(document)


def test_each_grant_has_its_form() -> None:
    factor = TotpFactor(secrets=MemoryTotpSecrets({}))
    document = describe(
        grants=[
            ClientCredentialsGrant(),
            password_grant(second_factor=factor),
            RefreshTokenGrant(),
            MfaOtpGrant(factor=factor),
        ]
    )

    assert len(form_of(document)["oneOf"]) == 4
    assert request_of(document, "password")["required"] == ["grant_type", "password", "username"]
    assert request_of(document, "refresh_token")["required"] == ["grant_type", "refresh_token"]
    assert request_of(document, "mfa_otp")["required"] == ["grant_type", "mfa_token", "otp"]
    assert "refresh_token" in document["components"]["schemas"]["TokenResponse"]["properties"]
    assert errors_of(answers(document)["403"]) == ["mfa_required"]
    assert set(document["components"]["securitySchemes"]["oauth2"]["flows"]) == {
        "clientCredentials",
        "password",
    }


def test_an_extension_grant_has_parameters_and_errors_of_its_own() -> None:
    extension: Grant = _Bound()
    document = describe(grants=[extension])

    request = request_of(document, "urn_example_exchange")
    assert request["properties"]["subject_token"] == {"type": "string"}
    assert request["required"] == ["grant_type"]
    assert errors_of(answers(document)["400"]) is None
    assert errors_of(answers(document, "/revoke")["400"]) is not None
    assert "oauth2" not in document["components"]["securitySchemes"]


def test_claims_of_the_host_may_have_parameters() -> None:
    class Tenant:
        parameters = ("tenant",)

        def make_claims(self, *_: Any) -> dict[str, Any]:
            return {}

    document = describe(extra_claims=Tenant())

    assert "tenant" in request_of(document, "client_credentials")["properties"]


@pytest.mark.parametrize(
    ("methods", "schemes", "parameters"),
    [
        ("client_secret_basic", ["client_secret_basic"], ""),
        ("client_secret_post", ["in the form"], "client_secret"),
        (
            "client_secret_basic private_key_jwt",
            ["client_secret_basic", "in the form"],
            "client_assertion client_assertion_type",
        ),
    ],
)  # fmt: skip
def test_client_authentication_is_a_scheme_or_in_the_form(
    methods: str, schemes: list[str], parameters: str
) -> None:
    document = describe(client_auth_methods=methods.split())

    shown = document["components"]["securitySchemes"]
    assert ("client_secret_basic" in shown) == ("client_secret_basic" in schemes)
    for path, form in (
        ("/token", request_of(document, "client_credentials")),
        ("/introspect", form_of(document, "/introspect")),
        ("/revoke", form_of(document, "/revoke")),
    ):
        security = document["paths"][path]["post"]["security"]
        assert ["".join(way) or "in the form" for way in security] == schemes
        assert {name for name in form["properties"] if name.startswith("client_")} == {
            "client_id",
            *parameters.split(),
        }


def test_certificates_are_a_scheme() -> None:
    document = describe(mutual_tls=MutualTls(), client_auth_methods=["tls_client_auth"])

    assert document["paths"]["/token"]["post"]["security"] == [{"mutual_tls": []}]
    assert document["components"]["securitySchemes"]["mutual_tls"]["type"] == "mutualTLS"


def test_proofs_are_a_header() -> None:
    document = describe(dpop=DpopRules())

    token = document["paths"]["/token"]["post"]
    assert [each["name"] for each in token["parameters"]] == ["DPoP"]
    assert "DPoP-Nonce" in token["responses"]["400"]["headers"]
    assert {"use_dpop_nonce", "invalid_dpop_proof"} <= set(errors_of(token["responses"]["400"]))
    response = document["components"]["schemas"]["TokenResponse"]
    assert response["properties"]["token_type"] == {"enum": ["Bearer", "DPoP"]}


@pytest.mark.parametrize("throttle", [None, Throttle()])
def test_429_is_there_only_where_it_is_chosen(throttle: Throttle | None) -> None:
    assert "429" not in answers(describe(throttle=throttle))
    assert "429" in answers(describe(throttle=Throttle(too_many_requests=True)), "/introspect")


def test_signed_answers_have_their_media_type() -> None:
    media_type = "application/token-introspection+jwt"
    signing = describe(signing_keys=SigningKey.generate(), introspection_jwt=True)

    assert media_type in answers(signing, "/introspect")["200"]["content"]
    assert media_type not in answers(describe(), "/introspect")["200"]["content"]


def test_either_colour_describes_itself() -> None:
    settings: dict[str, Any] = {
        "issuer": ISSUER,
        "store": MemoryStore(),
        "grants": [ClientCredentialsGrant()],
    }

    described = asyncio.run(AsyncAuthorizationServer(**settings).openapi())

    assert described == AuthorizationServer(**settings).openapi()


# The command


def test_the_command_prints_one_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    validate(document)
    assert len(form_of(document)["oneOf"]) == 3
    assert printed.err == ""


def test_the_command_prints_that_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "oauth.toml"
    path.write_text(CONFIG, "utf-8")

    assert main(["openapi", "--config", str(path)]) == 0

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    validate(document)
    assert {"/auth/token", "/auth/jwks.json"} <= set(document["paths"])
    assert "warning: " in printed.err


def test_the_command_refuses_a_file_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "oauth.toml"
    path.write_text("issuer = 1", "utf-8")

    assert main(["openapi", "--config", str(path)]) == 2
    assert "issuer" in capsys.readouterr().err


# That it is so


@attrs.frozen
class Described:
    """A server that runs, and its description."""

    document: dict[str, Any]
    url: str


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """One with all of it: JWTs, signed answers, 429."""
    path = tmp_path_factory.mktemp("openapi") / "oauth.toml"
    path.write_text(CONFIG, "utf-8")
    from oauthgrants.cli.openapi import describe as describe_file

    document = json.loads(describe_file(path))
    with started(str(path), "--port", "0") as process:
        yield Described(document, f"http://127.0.0.1:{process.port}")


def try_operations(described: Described, document: dict[str, Any]) -> Counter[tuple[str, int]]:
    """Ask what the description allows and what it does not; return how often came what."""
    came = Counter[tuple[str, int]]()

    def asking(headers: dict[str, str] | None) -> Callable[[Any], None]:
        def ask(case: Any) -> None:
            response = case.call(base_url=described.url, headers=headers)
            came[case.path, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        return ask

    right = dict([basic("service", "machine-made-secret-of-the-service")])
    for found in OPENAPI.from_dict(document).get_all_operations():
        operation = found.ok()
        cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        _try(cases, asking(None))
        if operation.method == "post":
            _try(cases, asking(right))
            # Of the documents, whatever is in their one header is let pass.
            _try(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), asking(right))
    return came


def _try(cases: Any, ask: Callable[[Any], None]) -> None:
    limited = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    limited(given(case=cases)(ask))()


def test_what_is_described_is_so(described: Described) -> None:
    came = try_operations(described, described.document)

    for path in ("/auth/token", "/auth/introspect", "/auth/revoke"):
        assert {status for where, status in came if where == path} >= {200, 400}
    assert came["/auth/token", 401] or came["/auth/revoke", 401]
    assert came["/.well-known/oauth-authorization-server/auth", 200]
    assert came["/auth/jwks.json", 200]


def _forget_401(document: dict[str, Any]) -> None:
    del document["paths"]["/auth/token"]["post"]["responses"]["401"]


def _want_a_member(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["TokenResponse"]["required"].append("scopes")


def _want_a_header(document: dict[str, Any]) -> None:
    document["paths"]["/auth/revoke"]["post"]["responses"]["200"]["headers"]["X-Request-Id"] = {
        "required": True,
        "schema": {"type": "string"},
    }


def _change_a_media_type(document: dict[str, Any]) -> None:
    response = document["paths"]["/auth/jwks.json"]["get"]["responses"]["200"]
    response["content"] = {"application/xml": {}}


@pytest.mark.parametrize(
    "change", [_forget_401, _want_a_member, _want_a_header, _change_a_media_type]
)
def test_what_is_not_so_is_found(
    described: Described, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(json.dumps(described.document))
    change(document)

    with pytest.raises((Failure, FailureGroup)):
        try_operations(described, document)
