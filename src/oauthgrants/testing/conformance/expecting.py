"""What checks say of an answer; each raises `CheckFailed` with what it is instead."""

from __future__ import annotations

from typing import Any

from oauthgrants.testing.conformance.levels import CheckFailed, CheckSkipped
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe

OK, MULTIPLE, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, SERVER_ERROR = 200, 300, 400, 401, 403, 500


def expect(condition: object, otherwise: str) -> None:
    """Fail with *otherwise* unless *condition* is true."""
    if not condition:
        raise CheckFailed(otherwise)


def expect_issued(answer: Answer) -> str:
    """Return the access token of an answer that has to be a success."""
    token = answer.members.get("access_token")
    if not OK <= answer.status < MULTIPLE or not isinstance(token, str) or not token:
        raise CheckFailed(f"no access token came: {answer.outcome}")
    return token


def expect_refused(answer: Answer, *codes: str, what: str = "") -> None:
    """
    Expect an error response with one of *codes*, or with any where there are none.

    Args:
        answer: What came.
        *codes: The error codes that conform.
        what: What was wrong with the request, for the message.
    """
    about = f" to {what}" if what else ""
    wanted = " or ".join(codes) or "an error"
    expect(not is_issued(answer), f"a token came in answer{about} instead of {wanted}")
    is_client_error = BAD_REQUEST <= answer.status < SERVER_ERROR
    expect(is_client_error, f"the answer{about} is {answer.outcome}, not {wanted}")
    if codes:
        expect(answer.error in codes, f"the answer{about} is {answer.outcome}, not {wanted}")


def is_issued(answer: Answer) -> bool:
    """Return whether a token came."""
    return OK <= answer.status < MULTIPLE and "access_token" in answer.members


def scope_of(answer: Answer, requested: str | None) -> frozenset[str]:
    """
    Return what was granted: what the answer says, or what was asked for (RFC 6749, 5.1).

    Raises:
        CheckSkipped: Neither says.
    """
    scope = answer.members.get("scope", requested)
    if not isinstance(scope, str):
        raise CheckSkipped("neither request nor response says what the scope is")
    return frozenset(scope.split())


def scopes_to_spare(probe: Probe) -> list[str]:
    """Return the scopes that the client was granted, two at least."""
    granted = sorted(scope_of(probe.first, probe.target.scope))
    if len(granted) < 2:  # noqa: PLR2004
        raise CheckSkipped("it takes two scopes (--scope)")
    return granted


def first_token(probe: Probe) -> str:
    """Return the access token that came first, for checks of what is done with one."""
    token = probe.first.members.get("access_token")
    if not isinstance(token, str):
        raise CheckSkipped("no access token came")
    return token


def introspection(probe: Probe) -> str:
    """Return the URL of the introspection endpoint."""
    if probe.found.introspection is None:
        raise CheckSkipped("no introspection endpoint is known (--introspection-endpoint)")
    return probe.found.introspection


def revocation(probe: Probe) -> str:
    """Return the URL of the revocation endpoint."""
    if probe.found.revocation is None:
        raise CheckSkipped("no revocation endpoint is known (--revocation-endpoint)")
    return probe.found.revocation


def introspected(probe: Probe) -> Answer:
    """Return what introspection says about the first token."""
    token = first_token(probe)
    answer = probe.once("introspected", lambda: probe.post(introspection(probe), {"token": token}))
    if answer.status in (UNAUTHORIZED, FORBIDDEN):
        raise CheckSkipped(f"this client may not introspect: {answer.outcome}")
    return answer


def active(probe: Probe) -> dict[str, Any]:
    """Return the members that introspection shows of the first token."""
    answer = introspected(probe)
    if answer.members.get("active") is not True:
        raise CheckSkipped("this client may not introspect its own tokens (RFC 7662, 4)")
    return dict(answer.members)


def new_refresh_token(probe: Probe) -> str:
    """Return a refresh token that nobody has used."""
    token = probe.ask_for_password().members.get("refresh_token")
    if not isinstance(token, str):
        raise CheckSkipped("the password grant brings this client no refresh token")
    return token


def refresh_token(probe: Probe) -> str:
    """Return a refresh token for requests that do not use it up."""
    return probe.once("refresh_token", lambda: new_refresh_token(probe))


def refresh_form(token: str, **more: str) -> dict[str, str]:
    """Return a refresh request."""
    return {"grant_type": "refresh_token", "refresh_token": token, **more}


def strings_of(value: Any) -> list[str]:
    """Return the strings of a claim that is one or several, nothing if it is neither."""
    values: list[Any] = [*value] if isinstance(value, list) else [value]
    return values if all(isinstance(each, str) and each for each in values) else []
