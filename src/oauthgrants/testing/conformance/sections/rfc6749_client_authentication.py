"""How clients say who they are (RFC 6749, 2.3 and 3.2.1)."""

from __future__ import annotations

from urllib.parse import quote

from oauthgrants.testing.conformance.client_methods import (
    identified,
    raw_basic,
    to_basic,
    to_post,
)
from oauthgrants.testing.conformance.expecting import (
    UNAUTHORIZED,
    expect,
    expect_issued,
    expect_refused,
)
from oauthgrants.testing.conformance.levels import MAY, MUST, SHOULD, CheckSkipped, Section
from oauthgrants.testing.conformance.messages import NOBODY, Answer, Credentials
from oauthgrants.testing.conformance.probe import Probe

SECTION = Section("RFC 6749, 2.3 Client authentication")

NO_SECRET = "wrong-on-purpose"
NO_CLIENT = "no-such-client-of-the-conformance-kit"


@SECTION.check(MUST, "The token endpoint is https", "R6749-1.6-a")
def token_endpoint_is_https(probe: Probe) -> None:
    """Loopback hosts may do without."""
    from oauthgrants.testing.conformance.sections.rfc8414_metadata import expect_https

    expect_https(probe.first.sent.url, "the token endpoint")


@SECTION.check(
    MUST, "The client authenticates as it is registered", "R6749-2.3.1-a", "R6749-4.4.2-a"
)
def client_authenticates(probe: Probe) -> None:
    expect_issued(probe.first)


@SECTION.check(MUST, "The id in a Basic header is form-decoded", "R6749-2.3.1-b")
def basic_is_form_decoded(probe: Probe) -> None:
    """Its first character is sent as a percent escape, which means the same."""
    secret = _basic_secret(probe)
    first, rest = probe.target.client_id[0], probe.target.client_id[1:]
    pair = f"%{ord(first):02X}{quote(rest, safe='')}:{quote(secret, safe='')}"
    expect_issued(probe.post_token(probe.form(), raw_basic(pair)))


@SECTION.check(MUST, "The name of the scheme Basic ignores case", "R9110-11.1-a")
def basic_ignores_case(probe: Probe) -> None:
    credentials = to_basic(probe.target.client_id, _basic_secret(probe))
    ((name, value),) = credentials.headers
    lower = Credentials(headers=[(name, value.replace("Basic", "bAsIc", 1))])
    expect_issued(probe.post_token(probe.form(), lower))


@SECTION.check(MUST, "Two ways to authenticate in one request are refused", "R6749-2.3-a")
def two_methods_are_refused(probe: Probe) -> None:
    """Also where both are right: Basic, and the secret in the body."""
    client_id, secret = probe.target.client_id, probe.wants_client_secret()
    both = Credentials(
        headers=to_basic(client_id, secret).headers, form=to_post(client_id, secret).form
    )
    answer = probe.post_token(probe.form(), both)
    expect_refused(answer, "invalid_request", "invalid_client", what="Basic and client_secret")


@SECTION.check(SHOULD, "Two Authorization headers are refused", "R6749-2.3-a")
def two_authorization_headers_are_refused(probe: Probe) -> None:
    credentials = to_basic(probe.target.client_id, _basic_secret(probe))
    twice = Credentials(headers=[*credentials.headers, *credentials.headers])
    expect_refused(probe.post_token(probe.form(), twice), what="two headers")


@SECTION.check(MUST, "Basic credentials that are not base64 are refused", "R6749-2.3.1-c")
def broken_base64_is_refused(probe: Probe) -> None:
    answer = probe.post_token(probe.form(), _header("Basic !!!"))
    expect_refused(answer, "invalid_request", "invalid_client", what="broken base64")


@SECTION.check(MUST, "Basic credentials without a colon are refused", "R6749-2.3.1-c")
def basic_without_colon_is_refused(probe: Probe) -> None:
    answer = probe.post_token(probe.form(), raw_basic("nocolon"))
    expect_refused(answer, "invalid_request", "invalid_client", what="Basic without colon")


@SECTION.check(SHOULD, "A scheme that clients cannot use is refused", "R6749-5.2-c")
def foreign_scheme_is_refused(probe: Probe) -> None:
    """Though the body has all that it takes."""
    credentials = probe.credentials()
    if credentials.headers:
        credentials = NOBODY
    digest = Credentials(headers=_header("Digest username=x").headers, form=credentials.form)
    expect_refused(probe.post_token(probe.form(), digest), what="the scheme Digest")


@SECTION.check(MUST, "A confidential client that sends only its id is refused", "R6749-2.2-b")
def id_alone_is_refused(probe: Probe) -> None:
    _wants_confidential(probe)
    answer = probe.post_token(probe.form(), identified(probe.target.client_id))
    expect_refused(answer, "invalid_client", what="client_id alone")


@SECTION.check(MUST, "A request without any client is refused", "R6749-3.2.1-a")
def nobody_is_refused(probe: Probe) -> None:
    """Either nobody authenticated, or a parameter is missing."""
    answer = probe.post_token(probe.form(), NOBODY)
    expect_refused(answer, "invalid_client", "invalid_request", what="no client at all")


@SECTION.check(MUST, "An empty client_secret authenticates nobody", "R6749-2.3.1-f")
def empty_secret_is_refused(probe: Probe) -> None:
    _wants_confidential(probe)
    answer = probe.post_token(probe.form(), to_post(probe.target.client_id, ""))
    expect_refused(answer, "invalid_client", "invalid_request", what="an empty secret")


@SECTION.check(MUST, "A wrong secret is invalid_client", "R6749-5.2-c")
def wrong_secret_is_refused(probe: Probe) -> None:
    expect_refused(_wrong_secret(probe), "invalid_client", what="a wrong secret")


@SECTION.check(
    MUST, "A wrong secret in a Basic header is 401, with a Basic challenge", "R6749-5.2-d"
)
def wrong_basic_secret_is_challenged(probe: Probe) -> None:
    if probe.target.auth_method != "client_secret_basic":
        raise CheckSkipped(f"the client authenticates by {probe.target.auth_method}")
    answer = _wrong_secret(probe)
    expect(answer.status == UNAUTHORIZED, f"the status is {answer.status}")
    schemes = answer.get("WWW-Authenticate").lower().split()
    expect("basic" in schemes, "there is no Basic challenge")


@SECTION.check(MUST, "An unknown client is invalid_client", "R6749-5.2-c")
def unknown_client_is_refused(probe: Probe) -> None:
    expect_refused(_unknown_client(probe), "invalid_client", what="an unknown client")


@SECTION.check(SHOULD, "An unknown client is answered as one with a wrong secret", "R6749-10.10-b")
def clients_cannot_be_enumerated(probe: Probe) -> None:
    wrong, unknown = _wrong_secret(probe), _unknown_client(probe)
    expect(wrong.status == unknown.status, f"{wrong.status} and {unknown.status}")
    expect(wrong.members == unknown.members, "the bodies differ")


@SECTION.check(MAY, "client_id may accompany other credentials", "R6749-3.2.1-b")
def same_id_in_the_body_is_accepted(probe: Probe) -> None:
    form = {**probe.form(), "client_id": probe.target.client_id}
    expect_issued(probe.post_token(form, _basic(probe)))


@SECTION.check(SHOULD, "Another client_id beside the credentials is refused", "R6749-3.2.1-b")
def another_id_in_the_body_is_refused(probe: Probe) -> None:
    form = {**probe.form(), "client_id": NO_CLIENT}
    expect_refused(probe.post_token(form, _basic(probe)), what="the id of another client")


@SECTION.check(SHOULD, "Parameters in the URL are not read", "R6749-2.3.1-e")
def url_parameters_are_not_read(probe: Probe) -> None:
    """Shown with ``grant_type``: a secret does not belong into a URL, which is logged."""
    form = probe.form()
    separator = "&" if "?" in probe.found.token else "?"
    url = f"{probe.found.token}{separator}grant_type={form.pop('grant_type')}"
    expect_refused(probe.post(url, form), what="a grant_type in the URL")


@SECTION.check(MUST, "Each 401 has a challenge", "R9110-15.5.2-a", "R6749-5.2-e")
def each_401_has_a_challenge(probe: Probe) -> None:
    """Among the answers that came so far."""
    for answer in _refusals_with_401(probe):
        expect(answer.all("WWW-Authenticate"), f"{answer.outcome} without WWW-Authenticate")


@SECTION.check(MUST, "Challenges have a scheme and a realm or other parameters", "R9110-11.6.1-a")
def challenges_are_well_formed(probe: Probe) -> None:
    for answer in _refusals_with_401(probe):
        for challenge in answer.all("WWW-Authenticate"):
            scheme, _, parameters = challenge.partition(" ")
            expect("=" in parameters, f"the challenge {scheme} has no parameter")
            has_realm = "realm=" in parameters.lower()
            expect(scheme.lower() != "basic" or has_realm, "the Basic challenge has no realm")


def _refusals_with_401(probe: Probe) -> list[Answer]:
    # One at least, without any guess.
    probe.once("nobody", lambda: probe.post_token(probe.form(), NOBODY))
    refusals = [each for each in probe.answers if each.status == UNAUTHORIZED]
    if not refusals:
        raise CheckSkipped("no answer so far was 401")
    return refusals


def _wants_confidential(probe: Probe) -> None:
    if probe.target.is_public:
        raise CheckSkipped("the client is public")


def _basic_secret(probe: Probe) -> str:
    if probe.target.auth_method != "client_secret_basic":
        raise CheckSkipped(f"the client authenticates by {probe.target.auth_method}")
    return probe.wants_client_secret()


def _basic(probe: Probe) -> Credentials:
    return to_basic(probe.target.client_id, _basic_secret(probe))


def _header(value: str) -> Credentials:
    return Credentials(headers=[("Authorization", value)])


def _wrong_secret(probe: Probe) -> Answer:
    probe.wants_client_secret()
    return probe.once("wrong secret", lambda: _try(probe, probe.target.client_id))


def _unknown_client(probe: Probe) -> Answer:
    probe.wants_client_secret()
    return probe.once("unknown client", lambda: _try(probe, NO_CLIENT))


def _try(probe: Probe, client_id: str) -> Answer:
    probe.deliberately_wrong()
    by_basic = probe.target.auth_method == "client_secret_basic"
    make = to_basic if by_basic else to_post
    return probe.post_token(probe.form(), make(client_id, NO_SECRET))
