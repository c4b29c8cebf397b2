"""Assertions that clients sign (RFC 7521, 4.2; RFC 7523, 2.2 and 3; OpenID Connect Core, 9)."""

from __future__ import annotations

from time import time
from typing import Any

from oauthgrants.testing.conformance.client_methods import ASSERTION_TYPE, asserted, unsigned
from oauthgrants.testing.conformance.expecting import expect_issued, expect_refused
from oauthgrants.testing.conformance.levels import MAY, MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer, Credentials
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 7523 Client assertions")

_REFUSALS = ("invalid_client", "invalid_request")


@SECTION.check(MUST, "An assertion for the issuer authenticates", "R7523-2.2-a", "D7523-4-a")
def assertion_authenticates(probe: Probe) -> None:
    _wants_assertions(probe)
    expect_issued(probe.first)


@SECTION.check(MUST, "An assertion without its type is refused", "R7521-4.2-a")
def assertion_without_type_is_refused(probe: Probe) -> None:
    expect_refused(_without(probe, "client_assertion_type"), *_REFUSALS)


@SECTION.check(MUST, "The type without an assertion is refused", "R7521-4.2-a")
def type_without_assertion_is_refused(probe: Probe) -> None:
    expect_refused(_without(probe, "client_assertion"), *_REFUSALS)


@SECTION.check(MUST, "An assertion of an unknown type is refused", "R7521-4.2-a")
def unknown_assertion_type_is_refused(probe: Probe) -> None:
    _wants_assertions(probe)
    unknown = [
        (name, f"{ASSERTION_TYPE}-of-no-kind" if name.endswith("type") else value)
        for name, value in probe.credentials().form
    ]
    expect_refused(probe.post_token(probe.form(), Credentials(form=unknown)), *_REFUSALS)


@SECTION.check(MUST, "An assertion for somebody else is refused", "R7523-3-b")
def foreign_audience_is_refused(probe: Probe) -> None:
    answer = _ask(probe, aud="https://somebody-else.example")
    expect_refused(answer, "invalid_client", what="a foreign aud")


@SECTION.check(MUST, "An assertion without aud is refused", "R7523-3-b")
def missing_audience_is_refused(probe: Probe) -> None:
    expect_refused(_ask(probe, aud=None), "invalid_client", what="no aud")


@SECTION.check(MUST, "An assertion that has expired is refused", "R7523-3-c")
def expired_assertion_is_refused(probe: Probe) -> None:
    hour_ago = int(time()) - 3600
    answer = _ask(probe, iat=hour_ago - 60, exp=hour_ago)
    expect_refused(answer, "invalid_client", what="an expired assertion")


@SECTION.check(MUST, "An assertion without exp is refused", "R7523-3-c", "OIDC-9-b")
def assertion_without_end_is_refused(probe: Probe) -> None:
    expect_refused(_ask(probe, exp=None), "invalid_client", what="no exp")


@SECTION.check(MUST, "An assertion without a signature is refused", "R7523-3-e")
def unsigned_assertion_is_refused(probe: Probe) -> None:
    _wants_assertions(probe)
    credentials = asserted(unsigned(probe.claims()))
    answer = probe.post_token(probe.form(), credentials)
    expect_refused(answer, *_REFUSALS, what="alg none")


@SECTION.check(SHOULD, "An assertion is taken once", "R7523-3-d")
def replayed_assertion_is_refused(probe: Probe) -> None:
    _wants_assertions(probe)
    credentials = probe.credentials()
    expect_issued(probe.post_token(probe.form(), credentials))
    answer = probe.post_token(probe.form(), credentials)
    expect_refused(answer, "invalid_client", what="the same jti")


@SECTION.check(MAY, "An assertion for the token endpoint as well is refused", "D7523-4-a")
def several_audiences_are_refused(probe: Probe) -> None:
    """By the update of RFC 7523, which wants the issuer alone; RFC 7523 leaves more room."""
    audience = [probe.target.issuer or probe.found.token, "https://somebody-else.example"]
    expect_refused(_ask(probe, aud=audience), "invalid_client", what="two audiences")


def _wants_assertions(probe: Probe) -> None:
    if not probe.target.auth_method.endswith("_jwt"):
        raise CheckSkipped(f"the client authenticates by {probe.target.auth_method}")


def _without(probe: Probe, left_out: str) -> Answer:
    _wants_assertions(probe)
    rest = [(name, value) for name, value in probe.credentials().form if name != left_out]
    return probe.post_token(probe.form(), Credentials(form=rest))


def _ask(probe: Probe, **claims: Any) -> Answer:
    _wants_assertions(probe)
    return probe.post_token(probe.form(), probe.credentials(**claims))
