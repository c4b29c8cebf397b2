"""Refresh tokens (RFC 6749, 6; RFC 9700, 4.14)."""

from __future__ import annotations

from oauthgrants.testing.conformance.client_methods import identified
from oauthgrants.testing.conformance.expecting import (
    expect,
    expect_issued,
    expect_refused,
    is_issued,
    new_refresh_token,
    refresh_form,
    refresh_token,
    scope_of,
)
from oauthgrants.testing.conformance.levels import (
    MAY,
    MUST,
    SHOULD,
    CheckFailed,
    CheckSkipped,
    Section,
)
from oauthgrants.testing.conformance.messages import NOBODY
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.sections.rfc6749_scope import NO_SCOPE

SECTION = Section("RFC 6749, 6 Refreshing an access token")

NO_TOKEN = "no-such-token-of-the-conformance-kit-made-up-on-purpose"


@SECTION.check(MUST, "A refresh token brings an access token", "R6749-6-c")
def refresh_brings_a_token(probe: Probe) -> None:
    answer = probe.post_token(refresh_form(new_refresh_token(probe)))
    expect_issued(answer)


@SECTION.check(MUST, "Without refresh_token it is invalid_request", "R6749-6-a")
def missing_refresh_token_is_refused(probe: Probe) -> None:
    refresh_token(probe)
    answer = probe.post_token({"grant_type": "refresh_token"})
    expect_refused(answer, "invalid_request", what="no refresh_token")


@SECTION.check(MUST, "An unknown refresh token is invalid_grant", "R6749-6-f", "R6749-5.2-f")
def unknown_refresh_token_is_refused(probe: Probe) -> None:
    refresh_token(probe)
    probe.deliberately_wrong()
    answer = probe.post_token(refresh_form(NO_TOKEN))
    expect_refused(answer, "invalid_grant", what="an unknown refresh token")


@SECTION.check(MUST, "A refresh token with foreign characters is refused", "R6749-A.17-a")
def malformed_refresh_token_is_refused(probe: Probe) -> None:
    refresh_token(probe)
    probe.deliberately_wrong()
    answer = probe.post_token(refresh_form("no-such\0token\N{SNOWMAN}"))
    expect_refused(answer, "invalid_grant", "invalid_request", what="a broken refresh token")


@SECTION.check(MUST, "A confidential client authenticates to refresh", "R6749-6-e")
def refresh_without_authentication_is_refused(probe: Probe) -> None:
    if probe.target.is_public:
        raise CheckSkipped("the client is public")
    form = refresh_form(refresh_token(probe))
    answer = probe.post_token(form, identified(probe.target.client_id))
    expect_refused(answer, "invalid_client", what="no authentication")


@SECTION.check(MUST, "A refresh token is of no use to nobody", "R6749-6-e", "R6749-10.4-a")
def refresh_by_nobody_is_refused(probe: Probe) -> None:
    answer = probe.post_token(refresh_form(refresh_token(probe)), NOBODY)
    expect_refused(answer, "invalid_client", "invalid_request", "invalid_grant", what="no client")


@SECTION.check(MUST, "A refresh token is of no use to another client", "R6749-6-d", "R6749-10.4-a")
def foreign_refresh_token_is_refused(probe: Probe) -> None:
    other = probe.other_credentials()
    answer = probe.post_token(refresh_form(refresh_token(probe)), other)
    expect_refused(answer, "invalid_grant", "unauthorized_client", what="another's refresh token")


@SECTION.check(MUST, "A scope that was not granted is invalid_scope", "R6749-6-b", "R6749-5.2-i")
def wider_scope_is_refused(probe: Probe) -> None:
    """Or left out, if the answer says so."""
    answer = probe.post_token(refresh_form(new_refresh_token(probe), scope=NO_SCOPE))
    if is_issued(answer):
        granted = answer.members.get("scope")
        expect(isinstance(granted, str), "it is granted without a word")
        expect(NO_SCOPE not in str(granted).split(), "it is granted")
    else:
        expect_refused(answer, "invalid_scope", what="a wider scope")


@SECTION.check(SHOULD, "A refused refresh leaves the refresh token usable", "R6749-6-b")
def refusal_leaves_the_token(probe: Probe) -> None:
    token = new_refresh_token(probe)
    refused = probe.post_token(refresh_form(token, scope=NO_SCOPE))
    if is_issued(refused):
        raise CheckSkipped("a wider scope is left out, not refused")
    expect_issued(probe.post_token(refresh_form(token)))


@SECTION.check(MUST, "A narrower scope is granted as asked", "R6749-6-b")
def narrower_scope_is_granted(probe: Probe) -> None:
    _, wanted = _granted(probe)
    answer = probe.post_token(refresh_form(new_refresh_token(probe), scope=wanted))
    expect_issued(answer)
    expect(scope_of(answer, wanted) == frozenset({wanted}), "another scope is granted")


@SECTION.check(MUST, "Without scope it is the one first granted", "R6749-6-c", "R6749-6-g")
def scope_comes_back(probe: Probe) -> None:
    """Also after a narrower refresh, by whichever refresh token is good then."""
    whole, wanted = _granted(probe)
    token = new_refresh_token(probe)
    narrow = probe.post_token(refresh_form(token, scope=wanted))
    expect_issued(narrow)
    answer = probe.post_token(refresh_form(narrow.members.get("refresh_token", token)))
    expect_issued(answer)
    expect(scope_of(answer, " ".join(whole)) == whole, "another scope is granted")


@SECTION.check(SHOULD, "A spent refresh token is refused", "R9700-2.2.2-a", "R6749-10.4-b")
def spent_token_is_refused(probe: Probe) -> None:
    """Of confidential clients, whose tokens are bound to their secret; see the next one."""
    _wants_rotation(probe)
    if probe.target.is_public:
        raise CheckSkipped("the client is public: see the next check")
    _expect_spent(probe)


@SECTION.check(
    MUST, "Refresh tokens of public clients are rotated", "R9700-2.2.2-a", "R6749-10.4-b"
)
def public_tokens_are_rotated(probe: Probe) -> None:
    """Or bound to a key, which the kit cannot see; bearer tokens are not."""
    if not probe.target.is_public:
        raise CheckSkipped("the client is confidential")
    token = new_refresh_token(probe)
    answer = probe.post_token(refresh_form(token))
    expect_issued(answer)
    successor = answer.members.get("refresh_token", token)
    expect(successor != token, "the same refresh token stays in use")
    _expect_spent(probe)


@SECTION.check(SHOULD, "Reuse of a refresh token ends the one that came after", "R9700-4.14.2-a")
def reuse_ends_the_family(probe: Probe) -> None:
    """Nobody can tell which of the two was the thief."""
    _wants_rotation(probe)
    token = new_refresh_token(probe)
    successor = probe.post_token(refresh_form(token)).members.get("refresh_token")
    if is_issued(probe.post_token(refresh_form(token))):
        raise CheckFailed("the reuse is not even noticed")
    answer = probe.post_token(refresh_form(str(successor)))
    expect_refused(answer, "invalid_grant", what="the successor")


@SECTION.check(MAY, "A refresh brings another refresh token", "R6749-6-g")
def refresh_rotates(probe: Probe) -> None:
    token = new_refresh_token(probe)
    answer = probe.post_token(refresh_form(token))
    expect_issued(answer)
    expect(answer.members.get("refresh_token", token) != token, "the old one stays in use")


def _granted(probe: Probe) -> tuple[frozenset[str], str]:
    refresh_token(probe)
    granted = scope_of(probe.password_answer, probe.target.scope)
    if len(granted) < 2:  # noqa: PLR2004
        raise CheckSkipped("it takes two scopes (--scope)")
    return granted, min(granted)


def _wants_rotation(probe: Probe) -> None:
    def try_out() -> bool:
        token = new_refresh_token(probe)
        successor = probe.post_token(refresh_form(token)).members.get("refresh_token", token)
        return bool(successor != token)

    if not probe.once("rotates", try_out):
        raise CheckSkipped("refresh tokens are not rotated")


def _expect_spent(probe: Probe) -> None:
    token = new_refresh_token(probe)
    expect_issued(probe.post_token(refresh_form(token)))
    expect_refused(probe.post_token(refresh_form(token)), "invalid_grant", what="a spent one")
