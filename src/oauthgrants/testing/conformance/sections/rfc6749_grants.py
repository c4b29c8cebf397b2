"""The password grant and the client credentials grant (RFC 6749, 4.3 and 4.4)."""

from __future__ import annotations

from oauthgrants.testing.conformance.expecting import (
    BAD_REQUEST,
    expect,
    expect_issued,
    expect_refused,
)
from oauthgrants.testing.conformance.levels import MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import NOBODY, Answer
from oauthgrants.testing.conformance.probe import Probe

PASSWORD = Section("RFC 6749, 4.3 Password grant")
CLIENT_CREDENTIALS = Section("RFC 6749, 4.4 Client credentials grant")

NO_PASSWORD = "wrong-on-purpose"
NO_USER = "no-such-user-of-the-conformance-kit"


@PASSWORD.check(MUST, "User and password bring a token", "R6749-4.3.3-a")
def password_brings_a_token(probe: Probe) -> None:
    expect_issued(probe.password_answer)


@PASSWORD.check(MUST, "Without username it is invalid_request", "R6749-4.3.2-a")
def missing_username_is_refused(probe: Probe) -> None:
    expect_refused(probe.ask_for_password(username=None), "invalid_request", what="no username")


@PASSWORD.check(MUST, "Without password it is invalid_request", "R6749-4.3.2-a")
def missing_password_is_refused(probe: Probe) -> None:
    expect_refused(probe.ask_for_password(password=None), "invalid_request", what="no password")


@PASSWORD.check(MUST, "An empty username counts as left out", "R6749-3.2-c")
def empty_username_is_refused(probe: Probe) -> None:
    expect_refused(probe.ask_for_password(username=""), "invalid_request", what="no username")


@PASSWORD.check(MUST, "A repeated username is refused", "R6749-3.2-e")
def repeated_username_is_refused(probe: Probe) -> None:
    form = probe.password_form()
    answer = probe.post_token([*form.items(), ("username", form["username"])])
    expect_refused(answer, "invalid_request", what="a repeated username")


@PASSWORD.check(MUST, "A wrong password is invalid_grant", "R6749-4.3.2-e", "R6749-5.2-f")
def wrong_password_is_refused(probe: Probe) -> None:
    expect_refused(_wrong_password(probe), "invalid_grant", what="a wrong password")


@PASSWORD.check(MUST, "A wrong password is 400, without a challenge", "R6749-4.3.2-e")
def wrong_password_is_400(probe: Probe) -> None:
    answer = _wrong_password(probe)
    expect(answer.status == BAD_REQUEST, f"the status is {answer.status}")
    expect(not answer.all("WWW-Authenticate"), "there is a challenge")


@PASSWORD.check(SHOULD, "An unknown user is answered as one with a wrong password", "R6749-10.10-b")
def users_cannot_be_enumerated(probe: Probe) -> None:
    wrong = _wrong_password(probe)
    unknown = probe.once("unknown user", lambda: _try(probe, NO_USER))
    expect(wrong.status == unknown.status, f"{wrong.status} and {unknown.status}")
    expect(wrong.members == unknown.members, "the bodies differ")


@PASSWORD.check(MUST, "The client authenticates, whoever the user is", "R6749-4.3.2-c")
def password_without_client_is_refused(probe: Probe) -> None:
    form = probe.password_form()
    answer = probe.post_token(form, NOBODY)
    expect_refused(answer, "invalid_client", "invalid_request", what="no client")


@CLIENT_CREDENTIALS.check(SHOULD, "No refresh token comes with client credentials", "R6749-4.4.3-a")
def client_credentials_bring_no_refresh_token(probe: Probe) -> None:
    if probe.form()["grant_type"] != "client_credentials":
        raise CheckSkipped("the client may not use client credentials")
    expect("refresh_token" not in probe.first.members, "one came")


@CLIENT_CREDENTIALS.check(MUST, "A public client gets nothing for its credentials", "R6749-4.4-a")
def public_client_has_no_credentials(probe: Probe) -> None:
    if not probe.target.is_public:
        raise CheckSkipped("the client is confidential")
    answer = probe.post_token({"grant_type": "client_credentials"})
    codes = ("unauthorized_client", "invalid_client", "invalid_grant", "unsupported_grant_type")
    expect_refused(answer, *codes, what="a public client")


@CLIENT_CREDENTIALS.check(
    MUST, "A grant that the client may not use is unauthorized_client", "R6749-5.2-g"
)
def foreign_grant_is_unauthorized(probe: Probe) -> None:
    """Or unsupported, where the server has it for nobody."""
    if not probe.has("refused_grant"):
        raise CheckSkipped("the client may use every grant that is checked")
    answer = probe.once("refused_grant", lambda: probe.first)
    expect_refused(answer, "unauthorized_client", "unsupported_grant_type")
    expect(answer.status == BAD_REQUEST, f"the status is {answer.status}")


def _wrong_password(probe: Probe) -> Answer:
    return probe.once("wrong password", lambda: _try(probe, None))


def _try(probe: Probe, username: str | None) -> Answer:
    form = probe.password_form(password=NO_PASSWORD)
    if username is not None:
        form["username"] = username
    probe.deliberately_wrong()
    return probe.post_token(form)
