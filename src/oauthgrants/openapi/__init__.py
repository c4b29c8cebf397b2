"""
An OpenAPI 3.1 description of a server's endpoints, generated from what is wired.

As with the metadata: what is described works, and what works is described. It is for those who
read it, for what makes clients of it, and for what tests servers by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from oauthgrants.client_certificates import CERTIFICATE_METHODS
from oauthgrants.endpoints.introspection import JWT_MEDIA_TYPE
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.mfa import MFA_OTP
from oauthgrants.openapi import schemas
from oauthgrants.openapi.schemas import Schema
from oauthgrants.wiring import Wiring

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_OURS = frozenset({"client_credentials", "password", "refresh_token", MFA_OTP})
_BASIC, _CERTIFICATE = "client_secret_basic", "mutual_tls"
_OF_CLIENTS = frozenset({"invalid_request", "invalid_client"})
_OF_TOKENS = frozenset(
    {
        *("invalid_grant", "invalid_scope", "invalid_target"),
        *("unauthorized_client", "unsupported_grant_type"),
    }
)
_OF_PROOFS = frozenset({"invalid_dpop_proof", "use_dpop_nonce"})


def describe_api(metadata: Mapping[str, Any], wiring: Wiring) -> dict[str, Any]:
    """
    Return the description of a server, an OpenAPI 3.1 document.

    Args:
        metadata: The server's (RFC 8414).
        wiring: Its parts.
    """
    return _Description(metadata, wiring).document()


@attrs.frozen
class _Description:
    metadata: Mapping[str, Any]
    wiring: Wiring

    @property
    def has_proofs(self) -> bool:
        return "dpop_signing_alg_values_supported" in self.metadata

    def document(self) -> dict[str, Any]:
        issuer = urlsplit(self.wiring.issuer)
        endpoints = {
            self.metadata["token_endpoint"]: {"post": self.token()},
            self.metadata["introspection_endpoint"]: {"post": self.introspection()},
            self.metadata["revocation_endpoint"]: {"post": self.revocation()},
            well_known_url(self.wiring.issuer, "oauth-authorization-server"): {
                "get": _document("metadata", "What the server can do, and where", "Metadata")
            },
        }
        if "jwks_uri" in self.metadata:
            endpoints[self.metadata["jwks_uri"]] = {
                "get": _document("jwks", "The keys that verify signatures", "JwkSet")
            }
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "OAuth 2.0 authorization server",
                "version": version("oauthgrants"),
                "description": f"The endpoints of {self.wiring.issuer}.",
            },
            "servers": [{"url": f"{issuer.scheme}://{issuer.netloc}"}],
            "paths": {urlsplit(url).path: _at(url, item) for url, item in endpoints.items()},
            "components": {
                "schemas": self.schemas(),
                "securitySchemes": self.security_schemes(),
            },
        }

    # The endpoints

    def token(self) -> dict[str, Any]:
        requests = [
            {"$ref": f"#/components/schemas/{_request_name(grant_type)}"}
            for grant_type in sorted(self.wiring.grants)
        ]
        operation = self.form(
            "token",
            "Get tokens (RFC 6749, 3.2)",
            requests[0] if len(requests) == 1 else {"oneOf": requests},
            _json("TokenResponse"),
            codes=_OF_TOKENS | _OF_PROOFS if self.has_proofs else _OF_TOKENS,
            throttled=("invalid_client", "invalid_grant"),
        )
        content = operation["requestBody"]["content"][_FORM]
        content["encoding"] = {"resource": {"style": "form", "explode": True}}
        if "password" in self.wiring.grants:
            operation["responses"]["403"] = _response(
                "The password is right, and a second factor is wanted.",
                _inline(schemas.describe_error(["mfa_required"], "mfa_token")),
            )
        if self.has_proofs:
            operation["parameters"] = [_header("DPoP", "A proof of the client's key (RFC 9449).")]
            for response in operation["responses"].values():
                response["headers"]["DPoP-Nonce"] = _text("For the next proof (RFC 9449, 8).")
        return operation

    def introspection(self) -> dict[str, Any]:
        content = _json("Introspection")
        if "introspection_signing_alg_values_supported" in self.metadata:
            content[JWT_MEDIA_TYPE] = {"schema": {"type": "string"}}
        return self.form(
            "introspection",
            "Ask what a token stands for (RFC 7662)",
            schemas.describe_token_form(self.methods("introspection")),
            content,
        )

    def revocation(self) -> dict[str, Any]:
        return self.form(
            "revocation",
            "End a token (RFC 7009)",
            schemas.describe_token_form(self.methods("revocation")),
            _json("Revoked"),
            # For a token of another client (C-15)
            codes=frozenset({"invalid_grant"}),
        )

    def form(
        self,
        endpoint: str,
        summary: str,
        request: Schema,
        content: Mapping[str, Any],
        *,
        codes: frozenset[str] = frozenset(),
        throttled: Collection[str] = ("invalid_client",),
    ) -> dict[str, Any]:
        """
        Return an operation that takes a form from a client.

        Args:
            endpoint: Its name in the metadata.
            summary: What it is for.
            request: What the form has.
            content: What comes of success.
            codes: Errors of its own with status 400.
            throttled: The errors that may come of too many guesses.
        """
        only_ours = endpoint != "token" or _OURS.issuperset(self.wiring.grants)
        responses = {
            "200": _response("Success.", content),
            "400": _response(
                "The request cannot be granted.",
                _inline(schemas.describe_error(_OF_CLIENTS | codes if only_ours else None)),
            ),
            "401": _response(
                "The client is not who it says, or does not say (RFC 6749, 5.2).",
                _inline(schemas.describe_error(["invalid_client"])),
                **{"WWW-Authenticate": _text("How to authenticate.", required=True)},
            ),
            "503": _response(
                "A part of the server does not answer.",
                _inline(schemas.describe_error(["temporarily_unavailable"])),
                **{"Retry-After": _text("Seconds.", required=True)},
            ),
        }
        limiter = self.wiring.limiter
        if limiter is not None and limiter.throttle.too_many_requests:
            responses["429"] = _response(
                "Too many guesses were wrong of late (RFC 6585, 4).",
                _inline(schemas.describe_error(throttled)),
                **{"Retry-After": _text("Seconds.", required=True)},
            )
        return {
            "operationId": endpoint,
            "summary": summary,
            "security": self.security(endpoint),
            "requestBody": {"required": True, "content": {_FORM: {"schema": request}}},
            "responses": responses,
        }

    # What they share

    def methods(self, endpoint: str) -> Collection[str]:
        methods: Collection[str] = self.metadata[f"{endpoint}_endpoint_auth_methods_supported"]
        return methods

    def security(self, endpoint: str) -> list[dict[str, list[str]]]:
        methods = set(self.methods(endpoint))
        ways: list[dict[str, list[str]]] = []
        if _BASIC in methods:
            ways.append({_BASIC: []})
        if methods & CERTIFICATE_METHODS:
            ways.append({_CERTIFICATE: []})
        if methods - CERTIFICATE_METHODS - {_BASIC}:
            # With what is in the body, as the form says.
            ways.append({})
        return ways

    def security_schemes(self) -> dict[str, Any]:
        methods = {
            method
            for endpoint in ("token", "introspection", "revocation")
            for method in self.methods(endpoint)
        }
        shown: dict[str, Any] = {}
        if _BASIC in methods:
            shown[_BASIC] = {
                "type": "http",
                "scheme": "basic",
                "description": "client_id and client_secret, each form-encoded (RFC 6749, 2.3.1).",
            }
        if methods & CERTIFICATE_METHODS:
            shown[_CERTIFICATE] = {
                "type": "mutualTLS",
                "description": "The client's certificate, with its client_id (RFC 8705, 2).",
            }
        flows = {
            flow: {
                "tokenUrl": self.metadata["token_endpoint"],
                "scopes": dict.fromkeys(self.metadata.get("scopes_supported", ()), ""),
            }
            for grant_type, flow in _FLOWS.items()
            if grant_type in self.wiring.grants
        }
        if flows:
            shown["oauth2"] = {
                "type": "oauth2",
                "flows": flows,
                "description": "For APIs that take this server's tokens.",
            }
        return shown

    def schemas(self) -> dict[str, Schema]:
        further: Collection[str] = ()
        if self.wiring.services.issuer.extra_claims is not None:
            further = self.wiring.services.issuer.extra_claims.parameters
        shown = dict(schemas.SCHEMAS)
        if "jwks_uri" not in self.metadata:
            del shown["JwkSet"]
        response = shown["TokenResponse"]
        properties = dict(response["properties"])
        if self.has_proofs:
            properties["token_type"] = {"enum": ["Bearer", "DPoP"]}
        if "refresh_token" in self.wiring.grants:
            properties["refresh_token"] = properties["access_token"]
        shown["TokenResponse"] = {**response, "properties": properties}
        for grant_type, grant in sorted(self.wiring.grants.items()):
            shown[_request_name(grant_type)] = schemas.describe_token_request(
                grant_type, grant.parameters, further, self.methods("token")
            )
        return shown


_FLOWS = {"client_credentials": "clientCredentials", "password": "password"}


def _request_name(grant_type: str) -> str:
    """Return the name of a schema, of letters, digits, ``.``, ``-`` and ``_`` alone."""
    name = grant_type.rpartition(":")[2] if grant_type in _OURS else grant_type
    return "TokenRequest." + "".join(each if each.isalnum() else "_" for each in name)


def _at(url: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return *item* with what stands in the query of *url*, which a path cannot hold."""
    parameters = [
        {"name": name, "in": "query", "required": True, "schema": {"const": value}}
        for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
    ]
    return {"parameters": parameters, **item} if parameters else item


def _document(name: str, summary: str, schema: str) -> dict[str, Any]:
    kept = {
        "Cache-Control": _text("For how long it may be kept.", required=True),
        "ETag": _text("Which one it is.", required=True),
    }
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "parameters": [_header("If-None-Match", "Those that are known (RFC 9110, 13.1.2).")],
        "responses": {
            "200": {"description": "Success.", "headers": kept, "content": _json(schema)},
            "304": {"description": "It is known.", "headers": kept},
            "503": _response(
                "A part of the server does not answer.",
                _inline(schemas.describe_error(["temporarily_unavailable"])),
                **{"Retry-After": _text("Seconds.", required=True)},
            ),
        },
    }


def _response(description: str, content: Mapping[str, Any], **headers: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            "Cache-Control": {"required": True, "schema": {"const": "no-store"}},
            "Pragma": {"required": True, "schema": {"const": "no-cache"}},
            **headers,
        },
        "content": dict(content),
    }


def _json(schema: str) -> dict[str, Any]:
    return _inline({"$ref": f"#/components/schemas/{schema}"})


def _inline(schema: Schema) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _text(description: str, *, required: bool = False) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": {"type": "string"}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
