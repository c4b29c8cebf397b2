"""Tokens that their client ends (RFC 7009)."""

from __future__ import annotations

from oauthgrants.testing.conformance.expecting import (
    BAD_REQUEST,
    OK,
    active,
    expect,
    expect_issued,
    expect_refused,
    introspection,
    new_refresh_token,
    refresh_form,
    revocation,
)
from oauthgrants.testing.conformance.levels import (
    MUST,
    SHOULD,
    CheckFailed,
    CheckSkipped,
    Section,
)
from oauthgrants.testing.conformance.messages import NOBODY, Answer, Credentials
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.sections.rfc6749_refresh import NO_TOKEN

SECTION = Section("RFC 7009 Token revocation")


@SECTION.check(MUST, "A client may revoke its access token, or is told that it cannot", "R7009-2-a")
def access_token_is_revoked(probe: Probe) -> None:
    answer = probe.once("revoked", lambda: _revoke_new(probe))
    if answer.error != "unsupported_token_type":
        expect(answer.status == OK, f"the answer is {answer.outcome}")


@SECTION.check(MUST, "What is revoked is not active any more", "R7009-2.1-d", "R7662-4-a")
def revoked_token_is_inactive(probe: Probe) -> None:
    token = _wants_introspection(probe)
    _expect_revoked(_revoke(probe, token))
    _expect_inactive(probe, token)


@SECTION.check(MUST, "A wrong token_type_hint does not matter", "R7009-2.1-b")
def wrong_revocation_hint_does_not_matter(probe: Probe) -> None:
    token = _wants_introspection(probe)
    _expect_revoked(_revoke(probe, token, token_type_hint="refresh_token"))
    _expect_inactive(probe, token)


@SECTION.check(MUST, "An unknown token_type_hint is ignored", "R7009-2.1-b")
def unknown_revocation_hint_is_ignored(probe: Probe) -> None:
    _expect_revoked(probe.once("revoked", lambda: _revoke_new(probe)))
    answer = _revoke(probe, _new_token(probe), token_type_hint="of_no_kind")
    expect(answer.status == OK, f"the answer is {answer.outcome}")


@SECTION.check(MUST, "A revoked refresh token brings nothing", "R7009-2-a", "R7009-2.1-d")
def revoked_refresh_token_is_dead(probe: Probe) -> None:
    revocation(probe)
    token = new_refresh_token(probe)
    answer = _revoke(probe, token)
    expect(answer.status == OK, f"the answer is {answer.outcome}")
    expect_refused(probe.post_token(refresh_form(token)), "invalid_grant", what="a revoked one")


@SECTION.check(SHOULD, "With a refresh token go its access tokens", "R7009-2.1-e")
def access_tokens_go_too(probe: Probe) -> None:
    revocation(probe)
    active(probe)
    answer = probe.ask_for_password()
    refresh = answer.members.get("refresh_token")
    if not isinstance(refresh, str):
        raise CheckSkipped("the password grant brings this client no refresh token")
    access = expect_issued(answer)
    _expect_revoked(_revoke(probe, refresh))
    _expect_inactive(probe, access)


@SECTION.check(MUST, "To revoke an unknown token is no error", "R7009-2.2-a")
def unknown_token_is_no_error(probe: Probe) -> None:
    revocation(probe)
    probe.deliberately_wrong()
    answer = _revoke(probe, NO_TOKEN)
    expect(answer.status == OK, f"the answer is {answer.outcome}")


@SECTION.check(MUST, "To revoke a token twice is no error", "R7009-2.2-a")
def revoking_twice_is_no_error(probe: Probe) -> None:
    token = _new_token(probe)
    _expect_revoked(_revoke(probe, token))
    answer = _revoke(probe, token)
    expect(answer.status == OK, f"the answer is {answer.outcome}")


@SECTION.check(MUST, "Without token it is invalid_request", "R7009-2.1-a", "R7009-2.2.1-a")
def revoking_nothing_is_refused(probe: Probe) -> None:
    answer = probe.post(revocation(probe), {})
    expect_refused(answer, "invalid_request", what="no token")


@SECTION.check(MUST, "Nobody may revoke without saying who they are", "R7009-2.1-a")
def nobody_revokes(probe: Probe) -> None:
    """Try it with a token that the client has done with."""
    answer = _revoke_new(probe, NOBODY)
    expect_refused(answer, "invalid_client", "invalid_request", what="no client")


@SECTION.check(MUST, "Another client may not revoke the token", "R7009-2.1-c")
def another_client_does_not_revoke(probe: Probe) -> None:
    """By what answer is left open, so what counts is that the token lives."""
    other = probe.other_credentials()
    token = _wants_introspection(probe)
    _revoke(probe, token, other)
    answer = probe.post(introspection(probe), {"token": token})
    expect(answer.members.get("active") is True, "the token is dead")


@SECTION.check(SHOULD, "Revocation is not by GET", "R7009-2.1-a")
def revocation_is_not_by_get(probe: Probe) -> None:
    """Without a token: those do not belong into URLs."""
    answer = probe.get(revocation(probe), *probe.credentials().headers)
    expect(answer.status >= BAD_REQUEST, f"the status is {answer.status}")


def _new_token(probe: Probe) -> str:
    revocation(probe)
    return expect_issued(probe.ask())


def _wants_introspection(probe: Probe) -> str:
    """Return a new token, of which introspection tells whether it lives."""
    revocation(probe)
    active(probe)
    return _new_token(probe)


def _revoke(
    probe: Probe, token: str, credentials: Credentials | None = None, **more: str
) -> Answer:
    return probe.post(revocation(probe), {"token": token, **more}, credentials)


def _revoke_new(probe: Probe, credentials: Credentials | None = None) -> Answer:
    return _revoke(probe, _new_token(probe), credentials)


def _expect_revoked(answer: Answer) -> None:
    if answer.error == "unsupported_token_type":
        raise CheckSkipped("access tokens cannot be revoked here")
    if answer.status != OK:
        raise CheckFailed(f"the answer is {answer.outcome}")


def _expect_inactive(probe: Probe, token: str) -> None:
    answer = probe.post(introspection(probe), {"token": token})
    expect(answer.members.get("active") is False, "introspection does not say that it is dead")
