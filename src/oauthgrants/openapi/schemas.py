"""The shapes of what goes in and comes out, in JSON Schema (OpenAPI 3.1, 4.8.24)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Schema = dict[str, Any]

# The grammars of RFC 6749, Appendix A.
_VSCHAR = "^[ -~]+$"
_NQSCHAR = r"^[ -!#-\[\]-~]+$"
_SCOPE = r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$"
_URI = {"type": "string", "format": "uri"}
_SECONDS = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}

SCHEMAS: Mapping[str, Schema] = {
    "Scope": {
        "type": "string",
        "pattern": _SCOPE,
        "description": "Scope tokens with single spaces between them (RFC 6749, 3.3).",
    },
    "TokenResponse": {
        "type": "object",
        "description": "What a client gets (RFC 6749, 5.1).",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": {"type": "string", "pattern": _VSCHAR},
            "token_type": {"enum": ["Bearer"]},
            "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds."},
            "scope": {"$ref": "#/components/schemas/Scope"},
        },
    },
    "Introspection": {
        "type": "object",
        "description": "What a token stands for, if it is active and the caller's to see "
        "(RFC 7662, 2.2).",
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            "iss": _URI,
            "client_id": {"type": "string", "pattern": _VSCHAR},
            "sub": _TEXT,
            "username": _TEXT,
            "scope": {"$ref": "#/components/schemas/Scope"},
            "aud": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
            "token_type": _TEXT,
            "jti": _TEXT,
            "iat": _SECONDS,
            "exp": _SECONDS,
        },
        "if": {"properties": {"active": {"const": True}}},
        "then": {"required": ["iss", "client_id", "sub", "iat", "exp"]},
        "else": {"maxProperties": 1},
    },
    "Revoked": {
        "type": "object",
        "description": "The token is of no use any more, or was not (RFC 7009, 2.2).",
        "maxProperties": 0,
    },
    "Metadata": {
        "type": "object",
        "description": "What the server can do, and where (RFC 8414, 2).",
        "required": ["issuer", "token_endpoint"],
        "properties": {
            "issuer": _URI,
            "token_endpoint": _URI,
            "introspection_endpoint": _URI,
            "revocation_endpoint": _URI,
            "jwks_uri": _URI,
            "grant_types_supported": {"type": "array", "items": _TEXT},
            "scopes_supported": {"type": "array", "items": _TEXT},
        },
    },
    "JwkSet": {
        "type": "object",
        "description": "The keys that verify this server's signatures (RFC 7517, 5).",
        "required": ["keys"],
        "properties": {
            "keys": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kty"],
                    "properties": {"kty": _TEXT, "kid": _TEXT, "alg": _TEXT, "use": _TEXT},
                },
            }
        },
    },
}
"""Those that every description has, by name; what depends on the server is added to them."""

_IGNORED = {"type": "string", "description": "What is not known is ignored (RFC 6749, 3.2)."}
_SCOPE_REF = {"$ref": "#/components/schemas/Scope"}
_RESOURCES = {
    "type": "array",
    "items": _URI,
    "description": "The resources that the token is for; may be repeated (RFC 8707, 2).",
}
_KNOWN: Mapping[str, Schema] = {
    "scope": _SCOPE_REF,
    "username": {"type": "string", "minLength": 1},
    "password": {"type": "string", "minLength": 1, "format": "password"},
    "refresh_token": {"type": "string", "pattern": _VSCHAR},
    "mfa_token": {
        "type": "string",
        "pattern": _VSCHAR,
        "description": "From the answer with mfa_required.",
    },
    "otp": {"type": "string", "minLength": 1, "description": "The code, or a recovery code."},
}
_REQUIRED = frozenset({"username", "password", "refresh_token", "mfa_token", "otp"})

_SECRET: Mapping[str, Schema] = {
    "client_id": {"type": "string", "pattern": _VSCHAR},
    "client_secret": {"type": "string", "pattern": _VSCHAR, "format": "password"},
}
_ASSERTION: Mapping[str, Schema] = {
    "client_assertion": {"type": "string", "description": "A signed JWT (RFC 7523, 2.2)."},
    "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
}


def describe_token_request(
    grant_type: str,
    parameters: Collection[str],
    further: Collection[str],
    methods: Collection[str],
) -> Schema:
    """
    Return the form that asks for a token.

    Args:
        grant_type: Of the grant.
        parameters: What the grant reads.
        further: What the host's claims are made of.
        methods: Those of client authentication.
    """
    names = sorted({*parameters, *further})
    return {
        "type": "object",
        "title": grant_type,
        "required": ["grant_type", *(name for name in names if name in _REQUIRED)],
        "properties": {
            "grant_type": {"const": grant_type},
            **{name: _KNOWN.get(name, _TEXT) for name in names},
            "resource": _RESOURCES,
            **_credentials(methods),
        },
        "additionalProperties": _IGNORED,
    }


def describe_token_form(methods: Collection[str]) -> Schema:
    """Return the form that asks about a token, or ends it (RFC 7662, 2.1; RFC 7009, 2.1)."""
    return {
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": {"type": "string", "minLength": 1},
            "token_type_hint": {
                "type": "string",
                "description": "Where to look first: access_token or refresh_token. Anything else "
                "says nothing.",
            },
            **_credentials(methods),
        },
        "additionalProperties": _IGNORED,
    }


def _credentials(methods: Collection[str]) -> dict[str, Schema]:
    """Return the parameters of client authentication: those in a body are no security scheme."""
    shown: dict[str, Schema] = {"client_id": _SECRET["client_id"]}
    if "client_secret_post" in methods:
        shown |= _SECRET
    if {"private_key_jwt", "client_secret_jwt"}.intersection(methods):
        shown |= _ASSERTION
    return shown


def describe_error(codes: Collection[str] | None, *members: str) -> Schema:
    """
    Return the body of an error (RFC 6749, 5.2).

    Args:
        codes: Those that there are, None for any: extension grants have their own.
        *members: What it has besides.
    """
    error: Schema = {"type": "string", "pattern": _NQSCHAR}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": error if codes is None else {"enum": sorted(codes)},
            "error_description": {"type": "string", "pattern": _NQSCHAR},
            **{name: {"type": "string", "pattern": _VSCHAR} for name in members},
        },
    }
