"""What the server says about tokens (RFC 7662)."""

from __future__ import annotations

from time import time

from oauthgrants.testing.conformance.expecting import (
    BAD_REQUEST,
    OK,
    active,
    expect,
    expect_refused,
    first_token,
    introspected,
    introspection,
    strings_of,
)
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import NOBODY, Answer
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.sections.rfc6749_refresh import NO_TOKEN

SECTION = Section("RFC 7662 Token introspection")

_TEXTS = ("scope", "client_id", "username", "token_type", "sub", "iss", "jti")
_TIMES = ("exp", "iat", "nbf")
_SLACK = 30


@SECTION.check(MUST, "The answer is 200 with a boolean active", "R7662-2.2-a")
def introspection_says_active(probe: Probe) -> None:
    answer = introspected(probe)
    expect(answer.status == OK, f"the answer is {answer.outcome}")
    expect(isinstance(answer.members.get("active"), bool), "active is not a boolean")


@SECTION.check(MUST, "The answer is application/json", "R7662-2.2-a")
def introspection_is_json(probe: Probe) -> None:
    kind = introspected(probe).media_type
    expect(kind == "application/json", f"it is {kind or 'untyped'}")


@SECTION.check(MUST, "An unknown token is not active", "R7662-2.2-b")
def unknown_token_is_inactive(probe: Probe) -> None:
    answer = _unknown(probe)
    expect(answer.status == OK, f"the answer is {answer.outcome}")
    expect(answer.members.get("active") is False, "active is not false")


@SECTION.check(SHOULD, "Nothing else is said about a token that is not active", "R7662-2.2-b")
def inactive_says_nothing_else(probe: Probe) -> None:
    more = sorted(_unknown(probe).members.keys() - {"active"})
    expect(not more, f"there is {', '.join(more)}")


@SECTION.check(MUST, "Without token it is refused", "R7662-2.1-a")
def introspecting_nothing_is_refused(probe: Probe) -> None:
    answer = probe.post(introspection(probe), {})
    expect_refused(answer, what="no token")


@SECTION.check(MUST, "Nobody learns anything without saying who they are", "R7662-2.1-b")
def nobody_introspects(probe: Probe) -> None:
    answer = probe.post(introspection(probe), {"token": first_token(probe)}, NOBODY)
    expect(answer.members.get("active") is not True, "the token is shown to anybody")


@SECTION.check(SHOULD, "An unauthenticated call is refused", "R7662-2.1-b", "R7662-2.3-a")
def unauthenticated_introspection_is_refused(probe: Probe) -> None:
    """By 401, or by 400 as RFC 9701 has it."""
    answer = probe.post(introspection(probe), {"token": first_token(probe)}, NOBODY)
    expect(answer.status >= BAD_REQUEST, f"the status is {answer.status}")


@SECTION.check(SHOULD, "Introspection is not by GET", "R7662-2.1-a")
def introspection_is_not_by_get(probe: Probe) -> None:
    """Without a token: those do not belong into URLs."""
    answer = probe.get(introspection(probe), *probe.credentials().headers)
    expect(answer.status >= BAD_REQUEST, f"the status is {answer.status}")


@SECTION.check(MUST, "A wrong token_type_hint does not change the answer", "R7662-2.1-c")
def wrong_hint_does_not_matter(probe: Probe) -> None:
    before = active(probe)
    form = {"token": first_token(probe), "token_type_hint": "refresh_token"}
    answer = probe.post(introspection(probe), form)
    expect(answer.members.get("active") is True, "the token is not found")
    expect(answer.members.get("sub") == before.get("sub"), "the answer differs")


@SECTION.check(MUST, "Members are of the kinds that they have", "R7662-2.2-c")
def introspection_has_its_kinds(probe: Probe) -> None:
    members = active(probe)
    for name in _TEXTS:
        expect(isinstance(members.get(name, ""), str), f"{name} is not a string")
    for name in _TIMES:
        number = members.get(name, 0)
        expect(isinstance(number, int) and not isinstance(number, bool), f"{name} is no integer")
    audience = members.get("aud", "nobody")
    expect(strings_of(audience), "aud is neither a string nor a list of them")


@SECTION.check(SHOULD, "client_id is the client that asked for the token", "R7662-2.2-c")
def introspection_names_the_client(probe: Probe) -> None:
    client_id = active(probe).get("client_id")
    if client_id is None:
        raise CheckSkipped("there is no client_id")
    expect(client_id == probe.target.client_id, f"it is {client_id!r}")


@SECTION.check(SHOULD, "exp agrees with expires_in", "R7662-2.2-c", "R6749-5.1-c")
def introspection_knows_the_end(probe: Probe) -> None:
    end, lifetime = active(probe).get("exp"), probe.first.members.get("expires_in")
    if not isinstance(end, int) or not isinstance(lifetime, int):
        raise CheckSkipped("exp or expires_in is missing")
    # The run has taken some time, and clocks differ.
    start = active(probe).get("iat", time())
    expect(abs(end - start - lifetime) <= _SLACK, f"it is {end - start:g}, not {lifetime}")


@SECTION.check(SHOULD, "The answer may not be stored", "R7662-4-c")
def introspection_is_not_stored(probe: Probe) -> None:
    found = introspected(probe).get("Cache-Control")
    expect("no-store" in found.lower(), f"Cache-Control is {found!r}")


def _unknown(probe: Probe) -> Answer:
    url = introspection(probe)
    introspected(probe)  # or this client is not the one to ask

    def make() -> Answer:
        probe.deliberately_wrong()
        return probe.post(url, {"token": NO_TOKEN})

    return probe.once("unknown token", make)
