"""What a token comes with (RFC 6749, 5.1 and Appendix A)."""

from __future__ import annotations

import re

from oauthgrants.strict_json import parse_object
from oauthgrants.testing.conformance.expecting import OK, expect, expect_issued, first_token
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 6749, 5.1 Successful response")

VSCHAR = re.compile(r"[\x20-\x7e]+")
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TOKEN_TYPE = re.compile(r"[A-Za-z0-9._-]+|[A-Za-z][A-Za-z0-9+.-]*:\S+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*|")
# 128 bits in characters of the base64url alphabet, which have six each.
_LEAST_CHARACTERS = 22
_HOUR = 3600


@SECTION.check(MUST, "Success is 200, with access_token and token_type", "R6749-5.1-a")
def success_has_token_and_type(probe: Probe) -> None:
    answer = probe.first
    expect_issued(answer)
    expect(answer.status == OK, f"the status is {answer.status}")
    expect(isinstance(answer.members.get("token_type"), str), "there is no token_type")


@SECTION.check(MUST, "Success is one JSON object without repeats", "R6749-5.1-f", "R6749-3.2-e")
def success_is_one_object(probe: Probe) -> None:
    try:
        parse_object(probe.first.body)
    except ValueError as error:
        expect(condition=False, otherwise=str(error))


@SECTION.check(MUST, "Success is application/json", "R6749-5.1-f")
def success_is_json(probe: Probe) -> None:
    kind = probe.first.media_type
    expect(kind == "application/json", f"it is {kind or 'untyped'}")


@SECTION.check(MUST, "token_type is a name or a URI", "R6749-A.13-a", "R6749-5.1-b")
def token_type_is_a_name(probe: Probe) -> None:
    kind = probe.first.members.get("token_type")
    expect(isinstance(kind, str) and _TOKEN_TYPE.fullmatch(kind), f"it is {kind!r}")


@SECTION.check(SHOULD, "token_type is one that clients know: Bearer or DPoP", "R6749-5.1-b")
def token_type_is_known(probe: Probe) -> None:
    kind = str(probe.first.members.get("token_type"))
    expect(kind.lower() in ("bearer", "dpop"), f"it is {kind!r}")


@SECTION.check(SHOULD, "expires_in says how long the token lives", "R6749-5.1-c")
def lifetime_is_said(probe: Probe) -> None:
    expect("expires_in" in probe.first.members, "there is no expires_in")


@SECTION.check(MUST, "expires_in is a whole number of seconds", "R6749-5.1-c", "R6749-A.13-a")
def lifetime_is_a_number(probe: Probe) -> None:
    seconds = _lifetime(probe)
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    expect(whole and int(str(seconds)) >= 0, f"it is {seconds!r}")


@SECTION.check(SHOULD, "A bearer token lives for an hour at most", "R6750-5.3-a")
def lifetime_is_short(probe: Probe) -> None:
    seconds = _lifetime(probe)
    expect(isinstance(seconds, int | float) and seconds <= _HOUR, f"it is {seconds!r} seconds")


@SECTION.check(
    MUST, "What is not there is left out, not null or of another kind", "R6749-5.1-f", "R6749-5.1-d"
)
def members_have_their_kinds(probe: Probe) -> None:
    for name in ("access_token", "token_type", "refresh_token", "scope"):
        value = probe.first.members.get(name, "")
        expect(isinstance(value, str), f"{name} is not a string")


@SECTION.check(MUST, "scope is one string, with single spaces", "R6749-5.1-e", "R6749-3.3-a")
def scope_is_well_formed(probe: Probe) -> None:
    scope = probe.first.members.get("scope", "")
    expect(isinstance(scope, str) and _SCOPE.fullmatch(scope), f"it is {scope!r}")


@SECTION.check(MUST, "Success may not be stored: Cache-Control: no-store", "R6749-5.1-g")
def success_is_not_stored(probe: Probe) -> None:
    found = probe.first.get("Cache-Control")
    expect("no-store" in found.lower(), f"Cache-Control is {found!r}")


@SECTION.check(MUST, "Success may not be cached: Pragma: no-cache", "R6749-5.1-g")
def success_is_not_cached(probe: Probe) -> None:
    found = probe.first.get("Pragma")
    expect("no-cache" in found.lower(), f"Pragma is {found!r}")


@SECTION.check(MUST, "Tokens are of printable ASCII", "R6749-A.12-a")
def token_is_printable(probe: Probe) -> None:
    expect(VSCHAR.fullmatch(first_token(probe)), "it has other characters")


@SECTION.check(MUST, "A bearer token fits into the Authorization header", "R6750-2.1-a")
def token_fits_the_header(probe: Probe) -> None:
    token = first_token(probe)
    if str(probe.first.members.get("token_type")).lower() != "bearer":
        raise CheckSkipped("it is no bearer token")
    expect(B64TOKEN.fullmatch(token), "it is not a b64token")


@SECTION.check(MUST, "Tokens are long enough that nobody guesses them", "R6749-10.10-a")
def token_is_long(probe: Probe) -> None:
    """For 128 bits it takes 22 characters of base64url at least."""
    length = len(first_token(probe))
    expect(length >= _LEAST_CHARACTERS, f"it has {length} characters")


@SECTION.check(SHOULD, "Another request brings another token", "R6749-10.10-a")
def tokens_differ(probe: Probe) -> None:
    """Where what is still good comes again, revoking one ends the other."""
    token = first_token(probe)
    another = probe.once("second", probe.ask)
    expect(expect_issued(another) != token, "the same token came again")


def _lifetime(probe: Probe) -> object:
    seconds = probe.first.members.get("expires_in")
    if seconds is None:
        raise CheckSkipped("there is no expires_in")
    return seconds
