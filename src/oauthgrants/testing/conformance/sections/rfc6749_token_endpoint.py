"""How the token endpoint reads requests (RFC 6749, 3.2, Appendix A and B)."""

from __future__ import annotations

import json

from oauthgrants.testing.conformance.expecting import (
    expect,
    expect_issued,
    expect_refused,
    is_issued,
)
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer, encode_form
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 6749, 3.2 Token endpoint")

_NOT_ALLOWED = 405


@SECTION.check(MUST, "GET yields no token", "R6749-3.2-a")
def get_yields_no_token(probe: Probe) -> None:
    """No secret is in the URL; credentials of the body are left out."""
    expect(not is_issued(_get(probe)), "a token came")


@SECTION.check(SHOULD, "GET is 405, with an Allow header", "R6749-3.2-a", "R9110-15.5.2-a")
def get_is_not_allowed(probe: Probe) -> None:
    """No document says 405; who says it has to say what is allowed."""
    answer = _get(probe)
    expect(answer.status == _NOT_ALLOWED, f"the status is {answer.status}")
    expect("POST" in answer.get("Allow"), "there is no Allow header that names POST")


@SECTION.check(MUST, "A parameter without value counts as left out", "R6749-3.2-c")
def empty_parameter_is_left_out(probe: Probe) -> None:
    without = probe.once("without scope", lambda: probe.ask(scope=None))
    if not is_issued(without):
        raise CheckSkipped("without scope the client gets no token")
    answer = probe.ask(scope="")
    expect_issued(answer)
    expect(answer.members.get("scope") == without.members.get("scope"), "the scope differs")


@SECTION.check(MUST, "An empty grant_type is invalid_request", "R6749-3.2-c", "R6749-5.2-b")
def empty_grant_type_is_refused(probe: Probe) -> None:
    expect_refused(probe.ask(grant_type=""), "invalid_request", what="an empty grant_type")


@SECTION.check(MUST, "Unknown parameters are ignored", "R6749-3.2-d")
def unknown_parameter_is_ignored(probe: Probe) -> None:
    expect_issued(probe.ask(no_such_parameter="at all"))


@SECTION.check(MUST, "A repeated grant_type is refused", "R6749-3.2-e")
def repeated_grant_type_is_refused(probe: Probe) -> None:
    form = list(probe.form().items())
    answer = probe.post_token([*form, ("grant_type", dict(form)["grant_type"])])
    expect_refused(answer, "invalid_request", what="a repeated grant_type")


@SECTION.check(MUST, "A repeated scope is refused", "R6749-3.2-e")
def repeated_scope_is_refused(probe: Probe) -> None:
    scope = probe.first.members.get("scope", probe.target.scope)
    if not isinstance(scope, str) or not scope:
        raise CheckSkipped("no scope is known to repeat (--scope)")
    form = list(probe.form(scope=scope).items())
    answer = probe.post_token([*form, ("scope", scope)])
    expect_refused(answer, "invalid_request", what="a repeated scope")


@SECTION.check(SHOULD, "A body in JSON is refused", "R6749-3.2-f")
def json_body_is_refused(probe: Probe) -> None:
    credentials = probe.credentials()
    whole = json.dumps({**probe.form(), **dict(credentials.form)}).encode()
    bare = type(credentials)(headers=credentials.headers)
    answer = probe.post_token(whole, bare, content_type="application/json")
    expect_refused(answer, what="JSON")


@SECTION.check(MUST, "The media type ignores case and takes a charset", "R6749-3.2-f")
def media_type_ignores_case(probe: Probe) -> None:
    kind = "Application/X-WWW-Form-URLEncoded; charset=UTF-8"
    expect_issued(probe.post_token(probe.form(), content_type=kind))


@SECTION.check(MUST, "Without grant_type it is invalid_request", "R6749-5.2-b")
def missing_grant_type_is_refused(probe: Probe) -> None:
    expect_refused(probe.refusal, "invalid_request", what="no grant_type")


@SECTION.check(MUST, "An unknown grant_type is unsupported_grant_type", "R6749-5.2-h")
def unknown_grant_type_is_refused(probe: Probe) -> None:
    answer = probe.ask(grant_type="urn:example:no-such-grant")
    expect_refused(answer, "unsupported_grant_type", what="an unknown grant_type")


@SECTION.check(MUST, "grant_type is compared with case", "R6749-5.2-h")
def grant_type_has_case(probe: Probe) -> None:
    answer = probe.ask(grant_type=probe.form()["grant_type"].upper())
    expect_refused(answer, "unsupported_grant_type", what="a grant_type in capitals")


@SECTION.check(MUST, "A grant_type outside the grammar is refused", "R6749-A.10-a")
def malformed_grant_type_is_refused(probe: Probe) -> None:
    answer = probe.ask(grant_type="<script> \N{SNOWMAN}")
    expect_refused(answer, "unsupported_grant_type", "invalid_request", what="a broken grant_type")


@SECTION.check(SHOULD, "Octets that are no UTF-8 are refused", "R6749-B-b")
def broken_utf8_is_refused(probe: Probe) -> None:
    form = encode_form(probe.form(scope=None)) + b"&scope=%ff%fe"
    answer = probe.post_token(form)
    expect_refused(answer, "invalid_request", "invalid_scope", what="broken UTF-8")


@SECTION.check(SHOULD, "Broken percent escapes are refused", "R6749-B-b")
def broken_escape_is_refused(probe: Probe) -> None:
    form = encode_form(probe.form(scope=None)) + b"&scope=%zz"
    answer = probe.post_token(form)
    expect_refused(answer, "invalid_request", "invalid_scope", what="a broken escape")


def _get(probe: Probe) -> Answer:
    query = encode_form({"grant_type": probe.form()["grant_type"]}).decode()
    separator = "&" if "?" in probe.found.token else "?"
    url = f"{probe.found.token}{separator}{query}"
    return probe.once("GET", lambda: probe.get(url, *probe.credentials().headers))
