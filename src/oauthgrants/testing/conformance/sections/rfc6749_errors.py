"""What a refusal is made of (RFC 6749, 5.2)."""

from __future__ import annotations

import re

from oauthgrants.testing.conformance.expecting import BAD_REQUEST, expect
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 6749, 5.2 Error response")

_NQSCHAR = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
_URI = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SERVER_FAULT = 500


@SECTION.check(MUST, "A refusal is a JSON object with error", "R6749-5.2-a")
def refusal_has_a_code(probe: Probe) -> None:
    answer = probe.refusal
    expect(isinstance(answer.members.get("error"), str), f"there is none: {answer.outcome}")


@SECTION.check(MUST, "A refusal is application/json", "R6749-5.2-a")
def refusal_is_json(probe: Probe) -> None:
    kind = probe.refusal.media_type
    expect(kind == "application/json", f"it is {kind or 'untyped'}")


@SECTION.check(MUST, "A refusal is 400 unless the document says otherwise", "R6749-5.2-a")
def refusal_is_400(probe: Probe) -> None:
    status = probe.refusal.status
    expect(status == BAD_REQUEST, f"the status is {status}")


@SECTION.check(MUST, "Codes and descriptions have no quotes, no accents", "R6749-5.2-j")
def refusal_is_plain_ascii(probe: Probe) -> None:
    """Among all that came so far."""
    for answer in _refusals(probe):
        for name in ("error", "error_description"):
            text = answer.members.get(name)
            if text is not None:
                plain = isinstance(text, str) and _NQSCHAR.fullmatch(text)
                expect(plain, f"{name} of {answer.status} has other characters")


@SECTION.check(MUST, "What was sent does not come back in an error", "R6749-5.2-j")
def request_is_not_reflected(probe: Probe) -> None:
    """Not with the quotes and brackets that descriptions may not have, or pages would run."""
    sent = "<img src=\"x\" onerror='y'>"
    for answer in (probe.ask(grant_type=sent), probe.ask(scope=sent)):
        body = answer.body.decode("utf-8", "replace")
        is_page = answer.media_type in ("", "text/html")
        described = str(answer.members.get("error_description", ""))
        expect('"x"' not in described, "the quotes come back in error_description")
        expect(not is_page or sent not in body, "it comes back as a page")


@SECTION.check(MUST, "error_uri is a URI", "R6749-5.2-j")
def error_uri_is_a_uri(probe: Probe) -> None:
    found = [each.members["error_uri"] for each in _refusals(probe) if "error_uri" in each.members]
    if not found:
        raise CheckSkipped("no refusal so far has an error_uri")
    for uri in found:
        expect(isinstance(uri, str) and _URI.fullmatch(uri), "it has other characters")


@SECTION.check(SHOULD, "A refusal may not be stored either", "R6749-5.2-k")
def refusal_is_not_stored(probe: Probe) -> None:
    found = probe.refusal.get("Cache-Control")
    expect("no-store" in found.lower(), f"Cache-Control is {found!r}")


@SECTION.check(SHOULD, "Nothing that was sent so far is a fault of the server", "R6749-5.2-a")
def nothing_is_a_server_fault(probe: Probe) -> None:
    """Not even what a client sends wrongly."""
    _refusals(probe)
    for answer in probe.answers:
        expect(answer.status < _SERVER_FAULT, f"one answer was {answer.outcome}")


@SECTION.check(SHOULD, "No answer so far repeats a secret or a password", "R6819-4.4.3.1-a")
def secrets_are_not_repeated(probe: Probe) -> None:
    _refusals(probe)
    secrets = [
        each.reveal().encode()
        for each in (probe.target.client_secret, probe.target.password)
        if each is not None
    ]
    if not secrets:
        raise CheckSkipped("the client has no secret, and there is no user")
    for answer in probe.answers:
        expect(not any(each in answer.body for each in secrets), f"one does: {answer.outcome}")


def _refusals(probe: Probe) -> list[Answer]:
    probe.once("refusal", lambda: probe.refusal)
    return [each for each in probe.answers if each.status >= BAD_REQUEST]
