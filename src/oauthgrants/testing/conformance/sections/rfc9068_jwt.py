"""Access tokens that are JWTs (RFC 9068): what they say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any

from oauthgrants.testing.conformance.expecting import (
    expect,
    expect_issued,
    first_token,
    scope_of,
    strings_of,
)
from oauthgrants.testing.conformance.jwts import claims_of, header_of
from oauthgrants.testing.conformance.levels import (
    MUST,
    SHOULD,
    CheckFailed,
    CheckSkipped,
    Section,
)
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.sections.rfc8414_metadata import jwks_answer

SECTION = Section("RFC 9068 JWT access tokens")

_TYPES = ("at+jwt", "application/at+jwt")
_REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
_SLACK = 300


@SECTION.check(SHOULD, "A token that is a JWT says that it is an access token", "R9068-2.1-b")
def jwt_is_of_its_type(probe: Probe) -> None:
    """Who says so follows RFC 9068, and the checks below ask for the rest of it."""
    typ = _header(probe).get("typ")
    expect(_is_access_token(typ), f"typ is {typ!r}")


@SECTION.check(MUST, "It is signed", "R9068-2.1-a")
def jwt_is_signed(probe: Probe) -> None:
    algorithm = _header(probe).get("alg")
    expect(isinstance(algorithm, str) and algorithm.lower() != "none", f"alg is {algorithm!r}")
    expect(first_token(probe).rpartition(".")[2], "there is no signature")


@SECTION.check(MUST, "It has all the claims that it has to have", "R9068-2.2-a")
def jwt_has_the_claims(probe: Probe) -> None:
    missing = [name for name in _REQUIRED if name not in _claims(probe)]
    expect(not missing, f"there is no {', '.join(missing)}")


@SECTION.check(MUST, "iss is the issuer", "R8414-3.3-a")
def jwt_names_the_issuer(probe: Probe) -> None:
    if probe.target.issuer is None:
        raise CheckSkipped("the issuer is not known (--issuer)")
    issuer = _claims(probe).get("iss")
    expect(issuer == probe.target.issuer, f"it is {issuer!r}")


@SECTION.check(MUST, "aud says whom it is for", "R9068-3-a")
def jwt_has_an_audience(probe: Probe) -> None:
    audience = _claims(probe).get("aud")
    expect(strings_of(audience), f"it is {audience!r}")


@SECTION.check(MUST, "exp and iat are times, and now is between them", "R7519-4.1-a")
def jwt_is_good_now(probe: Probe) -> None:
    begin, end = _claims(probe).get("iat"), _claims(probe).get("exp")
    for each in (begin, end):
        expect(isinstance(each, int | float) and not isinstance(each, bool), "one is no number")
    now = time()
    expect(float(str(begin)) - _SLACK <= now <= float(str(end)) + _SLACK, "now is not")


@SECTION.check(MUST, "client_id is the client that asked for it", "R9068-2.2-a")
def jwt_names_the_client(probe: Probe) -> None:
    client_id = _claims(probe).get("client_id")
    expect(client_id == probe.target.client_id, f"it is {client_id!r}")


@SECTION.check(MUST, "jti is another in another token", "R9068-2.2-a")
def jwt_has_a_name_of_its_own(probe: Probe) -> None:
    first = _claims(probe).get("jti")
    second = claims_of(expect_issued(probe.once("second", probe.ask))).get("jti")
    if probe.once("second", probe.ask).members.get("access_token") == first_token(probe):
        raise CheckSkipped("the same token came again")
    expect(first != second, "it is the same")


@SECTION.check(SHOULD, "scope is the one that was granted", "R9068-2.2.3-a")
def jwt_has_the_scope(probe: Probe) -> None:
    granted = scope_of(probe.first, probe.target.scope)
    scope = _claims(probe).get("scope", "")
    expect(isinstance(scope, str) and frozenset(scope.split()) == granted, f"it is {scope!r}")


@SECTION.check(MUST, "A key of jwks_uri verifies it", "R9068-4-b", "R8414-2-b")
def jwt_verifies(probe: Probe) -> None:
    token = first_token(probe)
    _claims(probe)
    algorithm = str(_header(probe)["alg"])
    if algorithm.startswith("HS"):
        raise CheckSkipped("the token has a MAC, for which nobody publishes a key")
    answer = jwks_answer(probe)
    try:
        from oauthgrants.jose import InvalidJwt, Jws
        from oauthgrants.jwk_sets import usable_keys
    except ModuleNotFoundError as missing:
        raise CheckSkipped(str(missing)) from None
    try:
        parsed = Jws.parse(token, algorithms=[algorithm], typ=["at+jwt"])
        parsed.require_signature(usable_keys(answer.members))
    except (InvalidJwt, ValueError) as error:
        raise CheckFailed(str(error)) from None


def _header(probe: Probe) -> Mapping[str, Any]:
    header = header_of(first_token(probe))
    if "alg" not in header:
        raise CheckSkipped("the token is not a JWT")
    return header


def _claims(probe: Probe) -> Mapping[str, Any]:
    if not _is_access_token(_header(probe).get("typ")):
        raise CheckSkipped("the token does not say that it follows RFC 9068")
    return claims_of(first_token(probe))


def _is_access_token(typ: object) -> bool:
    return isinstance(typ, str) and typ.lower() in _TYPES
