"""All checks, in the order in which they are made."""

from __future__ import annotations

from oauthgrants.testing.conformance.levels import Check, Section
from oauthgrants.testing.conformance.sections import (
    rfc6749_client_authentication,
    rfc6749_errors,
    rfc6749_grants,
    rfc6749_refresh,
    rfc6749_scope,
    rfc6749_success,
    rfc6749_token_endpoint,
    rfc6750_bearer,
    rfc7009_revocation,
    rfc7523_client_assertions,
    rfc7662_introspection,
    rfc8414_metadata,
    rfc8707_resources,
    rfc9068_jwt,
)

SECTIONS: tuple[Section, ...] = (
    rfc8414_metadata.SECTION,
    rfc6749_success.SECTION,
    rfc9068_jwt.SECTION,
    rfc6749_token_endpoint.SECTION,
    rfc6749_scope.SECTION,
    rfc6749_grants.CLIENT_CREDENTIALS,
    rfc6749_grants.PASSWORD,
    rfc6749_refresh.SECTION,
    rfc7662_introspection.SECTION,
    rfc7009_revocation.SECTION,
    rfc6750_bearer.SECTION,
    rfc8707_resources.SECTION,
    rfc7523_client_assertions.SECTION,
    # What may be counted as guessing, and what looks back at all that came, is last.
    rfc6749_client_authentication.SECTION,
    rfc6749_errors.SECTION,
)

CHECKS: tuple[Check, ...] = tuple(check for section in SECTIONS for check in section.checks)
"""Each check that the kit knows."""
