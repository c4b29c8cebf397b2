"""Resource indicators (RFC 8707), where the kit was given one."""

from __future__ import annotations

from typing import Any

from oauthgrants.testing.conformance.expecting import (
    expect,
    expect_issued,
    expect_refused,
    introspection,
    is_issued,
    new_refresh_token,
    refresh_form,
    strings_of,
)
from oauthgrants.testing.conformance.jwts import claims_of
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 8707 Resource indicators")

NO_RESOURCE = "https://no-such-resource.example"


@SECTION.check(MUST, "A resource that the client may ask for brings a token", "R8707-2-c")
def resource_brings_a_token(probe: Probe) -> None:
    expect_issued(_asked(probe))


@SECTION.check(SHOULD, "The token is for the resource that was asked for", "R8707-2-d")
def token_is_for_the_resource(probe: Probe) -> None:
    """As a JWT has it, or introspection."""
    whom = strings_of(_audience(probe, expect_issued(_asked(probe))))
    if not whom:
        raise CheckSkipped("neither the token nor introspection says whom it is for")
    expect(probe.target.resource in whom, f"it is for {whom!r}")


@SECTION.check(MUST, "A resource with a fragment is invalid_target", "R8707-2-a")
def resource_with_fragment_is_refused(probe: Probe) -> None:
    _expect_refused(probe, f"{_resource(probe)}#part")


@SECTION.check(MUST, "A relative resource is invalid_target", "R8707-2-a")
def relative_resource_is_refused(probe: Probe) -> None:
    _resource(probe)
    _expect_refused(probe, "/no/absolute/uri")


@SECTION.check(SHOULD, "An unknown resource is invalid_target", "R8707-2-c")
def unknown_resource_is_refused(probe: Probe) -> None:
    _resource(probe)
    _expect_refused(probe, NO_RESOURCE)


@SECTION.check(MUST, "Several resources bring a token, or invalid_target", "R8707-2-b")
def several_resources_are_no_repeat(probe: Probe) -> None:
    """For no other parameter may be repeated; here with the same value."""
    resource = _resource(probe)
    form = [*probe.form().items(), ("resource", resource), ("resource", resource)]
    answer = probe.post_token(form)
    if not is_issued(answer):
        expect_refused(answer, "invalid_target", what="two resources")


@SECTION.check(MUST, "A refresh is for no other resource", "R8707-2.2-a")
def refresh_is_for_no_other_resource(probe: Probe) -> None:
    _resource(probe)
    form = refresh_form(new_refresh_token(probe), resource=NO_RESOURCE)
    expect_refused(probe.post_token(form), "invalid_target", what="another resource")


def _resource(probe: Probe) -> str:
    if probe.target.resource is None:
        raise CheckSkipped("no resource is known to ask for (--resource)")
    return probe.target.resource


def _asked(probe: Probe) -> Answer:
    resource = _resource(probe)
    return probe.once("resource token", lambda: probe.ask(resource=resource))


def _expect_refused(probe: Probe, resource: str) -> None:
    expect_refused(probe.ask(resource=resource), "invalid_target", what="that resource")


def _audience(probe: Probe, token: str) -> Any:
    claims = claims_of(token)
    if "aud" in claims:
        return claims["aud"]
    if probe.found.introspection is None:
        return None
    return probe.post(introspection(probe), {"token": token}).members.get("aud")
