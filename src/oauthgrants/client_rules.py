"""What of a client's metadata contradicts the rest of it (RFC 7591, 2 and 3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oauthgrants.client_certificates import (
    CERTIFICATE_METHODS,
    SUBJECTS,
    find_contradictions_of_certificates,
)
from oauthgrants.client_keys import ASSERTION_METHODS, find_contradictions_of_keys
from oauthgrants.client_secrets import SECRET_METHODS
from oauthgrants.forms import is_absolute_uri, is_vschar
from oauthgrants.scopes import Scope
from oauthgrants.sealed import is_sealed
from oauthgrants.tokens import is_lifetime

AUTH_METHODS = SECRET_METHODS | ASSERTION_METHODS | CERTIFICATE_METHODS | {"none"}
"""The values of ``token_endpoint_auth_method`` that clients can be registered with."""


def find_contradictions(client: Any) -> Iterable[tuple[bool, str]]:
    """
    Return what would contradict, and whether it does.

    Args:
        client: A `Client`, which is made of this and so cannot be named here.

    Raises:
        InvalidClientMetadata: Its keys or certificates are malformed.
        ModuleNotFoundError: It has keys, and joserfc is missing; says what to install.
    """
    method = client.token_endpoint_auth_method
    sealed = [is_sealed(kept.hash) for kept in client.secrets]
    yield (
        not client.client_id or not is_vschar(client.client_id),
        "client_id has to be one or more printable ASCII characters (RFC 6749, A.1)",
    )
    yield (
        method not in AUTH_METHODS,
        f"token_endpoint_auth_method is {method!r}, and has to be one of "
        f"{', '.join(sorted(AUTH_METHODS))}",
    )
    yield (
        method == "none" and bool(client.secrets),
        "token_endpoint_auth_method none goes with no client_secret (RFC 6749, 10.1)",
    )
    yield (
        method in {*SECRET_METHODS, "client_secret_jwt"} and not client.secrets,
        f"token_endpoint_auth_method {method} needs a client_secret",
    )
    yield (
        method in SECRET_METHODS and any(sealed),
        f"token_endpoint_auth_method {method} takes hashed secrets, and not sealed ones",
    )
    yield (
        method == "client_secret_jwt" and not all(sealed),
        "token_endpoint_auth_method client_secret_jwt takes sealed secrets, for a hashed one "
        "verifies no signature",
    )
    yield (
        method in {"private_key_jwt", *CERTIFICATE_METHODS} and bool(client.secrets),
        f"token_endpoint_auth_method {method} goes with no client_secret",
    )
    yield from find_contradictions_of_keys(
        method,
        jwks=client.jwks,
        jwks_uri=client.jwks_uri,
        algorithm=client.token_endpoint_auth_signing_alg,
    )
    yield from find_contradictions_of_certificates(
        method,
        subjects={name: getattr(client, name) for name in SUBJECTS},
        jwks=client.jwks,
        jwks_uri=client.jwks_uri,
        bound_to_certificates=client.tls_client_certificate_bound_access_tokens,
        bound_to_keys=client.dpop_bound_access_tokens,
    )
    yield (
        method == "none" and "client_credentials" in client.grant_types,
        "grant_types has client_credentials, which a client with "
        "token_endpoint_auth_method none may not use (RFC 6749, 4.4)",
    )
    yield (
        client.default_scope is not None and not client.default_scope,
        "default_scope is empty; leave it out to refuse requests without scope",
    )
    yield (
        client.default_scope is not None and not client.default_scope <= (client.scope or Scope()),
        "default_scope has to lie within scope",
    )
    for name in ("access_token_lifetime", "refresh_token_lifetime"):
        yield (
            not is_lifetime(getattr(client, name)),
            f"{name} has to be a timedelta of one or more whole seconds",
        )
    for resource in client.resources:
        yield (
            not is_absolute_uri(resource),
            f"resources has {resource!r}, which is not an absolute URI without fragment "
            "(RFC 8707, 2)",
        )
