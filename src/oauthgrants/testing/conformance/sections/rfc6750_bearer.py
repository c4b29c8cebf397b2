"""A protected resource (RFC 6750): GET requests to the URL that the kit was given."""

from __future__ import annotations

from oauthgrants.testing.conformance.expecting import (
    BAD_REQUEST,
    OK,
    UNAUTHORIZED,
    expect,
    first_token,
)
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.sections.rfc6749_refresh import NO_TOKEN

SECTION = Section("RFC 6750 Bearer token usage")


@SECTION.check(MUST, "A good token is let in", "R6750-2.1-a")
def bearer_token_is_let_in(probe: Probe) -> None:
    answer = _call(probe, f"Bearer {first_token(probe)}")
    expect(answer.status not in (BAD_REQUEST, UNAUTHORIZED), f"the status is {answer.status}")


@SECTION.check(MUST, "The name of the scheme Bearer ignores case", "R9110-11.1-a")
def bearer_ignores_case(probe: Probe) -> None:
    answer = _call(probe, f"bEaReR {first_token(probe)}")
    expect(answer.status not in (BAD_REQUEST, UNAUTHORIZED), f"the status is {answer.status}")


@SECTION.check(MUST, "Without a token it is 401, with a Bearer challenge", "R6750-3-a")
def resource_is_closed(probe: Probe) -> None:
    answer = _nobody(probe)
    expect(answer.status == UNAUTHORIZED, f"the status is {answer.status}")
    scheme, _, parameters = _challenge(answer).partition(" ")
    expect(scheme.lower() == "bearer", "there is no Bearer challenge")
    expect("=" in parameters, "the challenge has no parameter")


@SECTION.check(SHOULD, "Without a token the challenge names no error", "R6750-3.1-d")
def closed_resource_names_no_error(probe: Probe) -> None:
    expect("error=" not in _challenge(_nobody(probe)), "it does")


@SECTION.check(SHOULD, "A token that is none is 401 invalid_token", "R6750-3.1-b", "R6750-3-c")
def unknown_token_is_kept_out(probe: Probe) -> None:
    _url(probe)
    probe.deliberately_wrong()
    answer = _call(probe, f"Bearer {NO_TOKEN}")
    expect(answer.status == UNAUTHORIZED, f"the status is {answer.status}")
    expect('error="invalid_token"' in _challenge(answer), "the challenge does not say so")


@SECTION.check(MUST, "A header that is no token is not let in", "R6750-2.1-a")
def malformed_header_is_kept_out(probe: Probe) -> None:
    answer = _call(probe, "Bearer not a token")
    expect(answer.status >= OK * 2, f"the status is {answer.status}")


def _url(probe: Probe) -> str:
    if probe.target.protected_resource is None:
        raise CheckSkipped("no protected resource is known (--protected-resource)")
    return probe.target.protected_resource


def _call(probe: Probe, value: str) -> Answer:
    return probe.get(_url(probe), ("Authorization", value))


def _nobody(probe: Probe) -> Answer:
    url = _url(probe)
    return probe.once("resource", lambda: probe.get(url))


def _challenge(answer: Answer) -> str:
    return answer.get("WWW-Authenticate")
