"""What the kit finds right, what it never does, and what it never shows."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import attrs
import pytest
from kit_faults import (
    JWKS,
    at,
    first,
    has_password,
    header,
    issues,
    jose_header,
    published,
    refreshes,
    refuses,
    repeats,
    says,
    status,
    token_where,
    unauthenticated,
)
from kit_servers import (
    AUDIENCE,
    OTHER_SECRET,
    PASSWORD,
    SECRET,
    SERVER_KEY,
    Answer,
    Asked,
    Fault,
    OwnServer,
    serving,
    serving_own,
    target,
    to_response,
)

from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.cli.config import read_configuration
from oauthgrants.testing.conformance import (
    AUTH_METHODS,
    CHECKS,
    Check,
    Level,
    Report,
    Status,
    Target,
    Unusable,
    messages,
    run_conformance,
)
from oauthgrants.testing.conformance.masking import MASK, Masker
from oauthgrants.testing.conformance.probe import MOST_WRONG
from oauthgrants.testing.conformance.reports import to_html, to_json, to_junit, to_text
from oauthgrants.testing.conformance_tests import each_check, require_conformance

MADE_UP = ("wrong-on-purpose", "no-such")


def always(response: HttpResponse) -> Callable[[str], Answer]:
    """Return what makes servers that know one answer."""

    def answer(_: HttpRequest) -> HttpResponse:
        return response

    return lambda _: answer


class Recorder:
    """Notes what reaches a server, and may answer in its place."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self.asked: list[Asked] = []
        self.faults = (Fault(self._note, status(200)), *faults)

    def _note(self, asked: Asked) -> bool:
        self.asked.append(asked)
        return False

    @property
    def made_up(self) -> list[Asked]:
        return [
            each
            for each in self.asked
            if any(
                text in part
                for text in MADE_UP
                for part in (each.basic, each.authorization, *each.form.values())
            )
        ]


@pytest.fixture(scope="module")
def served() -> Generator[tuple[str, OwnServer]]:
    with serving_own() as both:
        yield both


@pytest.fixture
def issuer(served: tuple[str, OwnServer]) -> Generator[str]:
    served[1].faults = ()
    yield served[0]
    served[1].faults = ()


@pytest.fixture(scope="module")
def reports(served: tuple[str, OwnServer]) -> dict[str, Report]:
    """What is said of ours, by the method of the client that asks."""
    served[1].faults = ()
    return {method: run_conformance(target(served[0], method)) for method in AUTH_METHODS}


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_our_server_does_what_is_asked(reports: dict[str, Report], method: str) -> None:
    """Of what each method of authentication can be asked, at every level."""
    report = reports[method]

    assert [] == [each for each in report.results if each.status is Status.FAILED]
    assert report.counts()[Status.PASSED] > 110
    assert (0, "", 0) == (report.remaining, report.cut_short, report.exit_status(strict=True))
    assert report.requests <= 300
    assert report.wrong <= MOST_WRONG


def test_each_check_is_made_for_one_method_or_another(reports: dict[str, Report]) -> None:
    """Nothing is skipped by all, but for what takes a server that is set up otherwise."""
    made = {
        each.check.name
        for report in reports.values()
        for each in report.results
        if each.status is not Status.SKIPPED
    }

    assert {check.name for check in CHECKS} - made == {
        "metadata_do_not_offer_password",
        "foreign_grant_is_unauthorized",
        "error_uri_is_a_uri",
    }


CONFIG = """
issuer = "{issuer}"

[tokens]
audience = "https://api.example.com"

[grants]
client_credentials = true

[[clients]]
client_id = "reports"
client_secret = "{secret}"
client_secret_machine_made = true
scope = "reports:read reports:write"
default_scope = "reports:read"
grant_types = ["client_credentials"]
resources = ["https://api.example.com"]
"""


def test_the_server_for_development_does_what_is_asked() -> None:
    """``oauthgrants serve``, from its file: tokens are opaque there by default."""

    def make(url: str) -> Answer:
        text = CONFIG.format(issuer=url, secret=SECRET)
        return read_configuration(text, Path()).server.handle

    with serving(make) as issuer:
        report = run_conformance(
            Target(
                issuer=issuer,
                client_id="reports",
                client_secret=SECRET,
                scope="reports:read reports:write",
                resource=AUDIENCE,
            )
        )

    assert [] == report.failures(strict=True)
    assert (0, "") == (report.remaining, report.cut_short)
    assert Status.PASSED is report["token_is_for_the_resource"].status
    assert Status.PASSED is report["metadata_do_not_offer_password"].status


@pytest.fixture(scope="module")
def report(served: tuple[str, OwnServer]) -> Report:
    served[1].faults = ()
    return run_conformance(
        Target(
            issuer=served[0],
            client_id="client_secret_basic",
            client_secret=SECRET,
            username="alice",
            password=PASSWORD,
        )
    )


@each_check
def test_conformance(report: Report, check: Check) -> None:
    """As a host has it in its own tests."""
    require_conformance(report, check, strict=True)


def test_a_failure_fails_the_test_if_it_counts(served: tuple[str, OwnServer], issuer: str) -> None:
    served[1].faults = [Fault(lambda asked: asked.path == "/token", says(expires_in=9999))]
    check = next(each for each in CHECKS if each.name == "lifetime_is_short")
    report = run_conformance(target(issuer), only=[check.name])

    with pytest.raises(pytest.skip.Exception, match="SHOULD failed: it is 9999 seconds"):
        require_conformance(report, check)
    with pytest.raises(pytest.fail.Exception, match="it is 9999 seconds\n\nPOST http"):
        require_conformance(report, check, strict=True)


# What it never does


def test_no_more_is_made_up_than_is_said(served: tuple[str, OwnServer], issuer: str) -> None:
    recorder = Recorder()
    served[1].faults = recorder.faults

    report = run_conformance(target(issuer))

    guesses = [
        each
        for each in recorder.made_up
        if "no-such-scope" not in each.form.get("scope", "")
        and "no-such-resource" not in each.form.get("resource", "")
        and "no-such-client" not in each.form.get("client_id", "")
        and "no-such-grant" not in each.grant
    ]
    assert len(guesses) == report.wrong == MOST_WRONG
    assert len(recorder.asked) == report.requests


def test_no_wrong_secret_is_sent_if_none_may_be(served: tuple[str, OwnServer], issuer: str) -> None:
    recorder = Recorder()
    served[1].faults = recorder.faults

    report = run_conformance(target(issuer, wrong_secrets=False))

    assert 0 == report.wrong
    assert not any("wrong-on-purpose" in each.basic for each in recorder.asked)
    assert not any("wrong-on-purpose" in each.form.values() for each in recorder.asked)
    assert not any("no-such-token" in each.form.get("token", "") for each in recorder.asked)
    assert Status.SKIPPED is report["wrong_secret_is_refused"].status
    assert 0 == report.exit_status(strict=True)


@pytest.mark.parametrize("most", [5, 20, 60])
def test_no_more_is_sent_than_may_be(served: tuple[str, OwnServer], issuer: str, most: int) -> None:
    """Revocation at the end included, for which there is a reserve."""
    recorder = Recorder()
    served[1].faults = recorder.faults

    report = run_conformance(target(issuer, max_requests=most))

    assert len(recorder.asked) == report.requests <= most
    assert f"the {most} requests are used up" == report.cut_short
    assert (0, 2) == (report.remaining, report.exit_status())
    assert report.results[-1].why == report.cut_short


def test_secrets_never_go_where_a_redirect_leads(served: tuple[str, OwnServer]) -> None:
    reached: list[HttpRequest] = []

    def catch(request: HttpRequest) -> HttpResponse:
        reached.append(request)
        return to_response({"access_token": "x", "token_type": "Bearer"})

    with serving(lambda _: catch) as elsewhere:
        redirect = HttpResponse(status=307, headers=(("Location", f"{elsewhere}/token"),), body=b"")
        with serving(always(redirect)) as issuer:
            asked = target(issuer, issuer=None, token_endpoint=f"{issuer}/token")
            with pytest.raises(Unusable, match="gives the client no token: 307"):
                run_conformance(asked)

    assert [] == reached


def test_secrets_never_go_where_foreign_metadata_lead(issuer: str) -> None:
    """What names another issuer must not be used (RFC 8414, 3.3)."""
    metadata = to_response({"issuer": "https://elsewhere.example", "token_endpoint": issuer})
    with (
        serving(always(metadata)) as stranger,
        pytest.raises(Unusable, match="another issuer, so nothing in them may be used"),
    ):
        run_conformance(target(stranger))


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        pytest.param({}, "name no token endpoint", id="without"),
        pytest.param({"token_endpoint": 1}, "is not a URL", id="number"),
        pytest.param({"token_endpoint": "http://a.example/"}, "plain http", id="insecure"),
        pytest.param({"token_endpoint": "ftp://a.example/"}, "not an http", id="scheme"),
        pytest.param({"token_endpoint": "https://u:p@a.example/"}, "no user", id="user"),
        pytest.param({"token_endpoint": "https://a.example:x/"}, "malformed", id="port"),
        pytest.param({"token_endpoint": "https://a.example/\r\nX: y"}, "characters", id="split"),
    ],
)
def test_secrets_never_go_to_an_endpoint_that_is_none(
    metadata: dict[str, object], why: str
) -> None:
    def make(issuer: str) -> Answer:
        return always(to_response({"issuer": issuer, **metadata}))(issuer)

    with serving(make) as issuer, pytest.raises(Unusable, match=why):
        run_conformance(target(issuer))


def test_a_wrong_secret_is_not_tried_again(served: tuple[str, OwnServer], issuer: str) -> None:
    """If the first request is refused, the run is over: more of them would be guesses."""
    recorder = Recorder()
    served[1].faults = recorder.faults

    with pytest.raises(Unusable, match="401 invalid_client"):
        run_conformance(target(issuer, client_secret="not-the-secret"))

    assert ["/token"] == [each.path for each in recorder.asked if each.path == "/token"]


def test_a_server_that_wants_less_is_left_alone(served: tuple[str, OwnServer], issuer: str) -> None:
    recorder = Recorder((Fault(lambda asked: asked.path == "/introspect", status(429)),))
    served[1].faults = recorder.faults

    report = run_conformance(target(issuer))

    paths = [each.path for each in recorder.asked]
    assert "/revoke" in paths
    assert {"/revoke"} == set(paths[paths.index("/introspect") + 1 :])
    assert "the server limits how often it may be asked (429)" == report.cut_short
    assert 2 == report.exit_status()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"issuer": None}, "give the issuer, or the token endpoint"),
        ({"client_secret": None}, "needs the client's secret: client_secret, or"),
        ({"auth_method": "private_key_jwt"}, "needs the client's private key"),
        (
            {"auth_method": "private_key_jwt", "private_key": "no key", "other_client_id": None},
            "the private key: ",
        ),
        (
            {"auth_method": "private_key_jwt", "private_key": "no key"},
            "a second client is only checked",
        ),
        ({"auth_method": "none", "username": None, "password": None}, "a public client has only"),
        ({"password": None}, "a user is a name and a password"),
        ({"other_client_secret": None}, "the second client authenticates as the first one"),
        ({"issuer": "http://auth.example.com"}, "plain http would show secrets"),
        ({"ca_file": "/no/such/file"}, "the certificates to trust: No such file"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, object], why: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Unusable, match=why):
        run_conformance(target("https://auth.example.com", **settings))


def test_an_insecure_host_takes_a_word_of_the_caller() -> None:
    assert Target(
        issuer="http://auth.example.com", client_id="a", client_secret="b", allow_insecure=True
    ).allow_insecure


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no check of_no_kind"):
        run_conformance(target("https://auth.example.com"), only=["of_no_kind"])


# Who does not answer


def test_nobody_there_is_no_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(Unusable, match=f"nobody answers at {url}: Connection refused"):
        run_conformance(target(url))


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unusable, match=r"nothing came within 0\.05 seconds"):
            run_conformance(target(url, timeout=0.05))


@contextmanager
def saying(octets: bytes) -> Generator[str]:
    """Answer one connection with *octets*, whatever it asks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            listener.close()
            with connection:
                connection.recv(65_536)
                connection.sendall(octets)
                # Until the other side has enough.
                connection.settimeout(10)
                connection.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_what_is_not_http_is_no_result() -> None:
    with saying(b"SSH-2.0-OpenSSH_9\r\n") as url, pytest.raises(Unusable, match="is not HTTP"):
        run_conformance(target(url))


def test_an_answer_that_never_ends_is_cut_off() -> None:
    """By the octets, and by the time."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"
    with saying(head + b"x" * 300_000) as url, pytest.raises(Unusable, match="Connection refused"):
        run_conformance(target(url, timeout=2.0))
    with saying(head + b"x") as url, pytest.raises(Unusable, match="nothing came within"):
        run_conformance(target(url, timeout=0.05))


def test_a_server_that_falls_silent_fails_and_is_then_left_alone(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    down = threading.Event()

    def break_off(asked: Asked, response: HttpResponse) -> HttpResponse:
        # More headers than the client takes.
        return attrs.evolve(response, headers=(("X-More", "more"),) * 101)

    served[1].faults = [Fault(lambda asked: down.is_set() or asked.path == "/revoke", break_off)]
    made: list[str] = []

    def tell(result: object) -> None:
        made.append(str(result))
        if len(made) == 30:
            down.set()

    report = run_conformance(target(issuer), tell=tell)

    assert "the server did not answer 3 times" == report.cut_short
    silent = [each for each in report.results if each.why.startswith("no answer: ")]
    assert 3 == len(silent)
    assert all(each.status is Status.FAILED for each in silent)
    assert report.remaining > 0
    assert "tokens could not be revoked" in to_text(report)
    assert "The run was cut short: the server did not answer 3 times" in to_text(report)


def test_a_server_that_falls_silent_at_the_end_is_not_waited_for_each_time(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    """There may be hundreds of tokens, and each silence takes as long as it may."""
    recorder = Recorder()

    def break_off(asked: Asked, response: HttpResponse) -> HttpResponse:
        return attrs.evolve(response, headers=(("X-More", "more"),) * 101)

    served[1].faults = [*recorder.faults, Fault(lambda asked: asked.path == "/revoke", break_off)]
    only = ["reuse_ends_the_family"]
    report = run_conformance(target(issuer), only=only)

    assert report.remaining > 3
    assert 3 == sum(asked.path == "/revoke" for asked in recorder.asked)


def test_a_host_that_dns_cannot_name_is_no_answer(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    served[1].faults = [published(introspection_endpoint="https://a..b/introspect")]

    report = run_conformance(target(issuer), only=["introspection_says_active"])

    assert report.results[0].why.startswith("no answer: no such host")


@pytest.mark.parametrize("value", [7, "none", {"none": None}, [["none"]], [{}]])
def test_metadata_of_any_type_are_judged(
    served: tuple[str, OwnServer], issuer: str, value: object
) -> None:
    names = [
        "grant_types_supported",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    ]
    served[1].faults = [published(**dict.fromkeys(names, value))]

    report = run_conformance(target(issuer))

    assert Status.FAILED is report["metadata_name_the_grant"].status
    assert Status.FAILED is report["metadata_name_the_auth_method"].status


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://host:port/", "file:///etc/passwd", "http://example.com/", 7]
)
def test_keys_are_asked_for_where_a_url_says(
    served: tuple[str, OwnServer], issuer: str, url: object
) -> None:
    served[1].faults = [published(jwks_uri=url)]

    only = ["published_keys_are_public", "published_endpoints_are_https"]
    report = run_conformance(target(issuer), only=only)

    assert Status.SKIPPED is report["published_keys_are_public"].status
    is_fault = url != "https://host:port/"
    assert is_fault is (report["published_endpoints_are_https"].status is Status.FAILED)


def test_keys_may_have_names_of_any_type(served: tuple[str, OwnServer], issuer: str) -> None:
    served[1].faults = [Fault(lambda asked: asked.path == JWKS, says(keys=[{"kid": []}] * 2))]

    report = run_conformance(target(issuer), only=["published_keys_have_names"])

    assert Status.FAILED is report.results[0].status


# What it never shows


@pytest.mark.req("R6819-4.4.3.1-a")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt"])
def test_no_report_shows_a_secret(served: tuple[str, OwnServer], issuer: str, method: str) -> None:
    """Not even of a server that sends back whatever it gets, and its tokens in odd places."""
    echoed: list[str] = []

    def echo(asked: Asked, response: HttpResponse) -> HttpResponse:
        members = response.json()
        tokens = [members[each] for each in ("access_token", "refresh_token") if each in members]
        secrets = [asked.authorization.partition(" ")[2], asked.form.get("client_assertion", "")]
        echoed.extend(each for each in (*tokens, *secrets) if len(each) > 20)
        odd = {
            "you_sent": asked.request.body.decode("latin-1"),
            "as": asked.authorization,
            "really": [PASSWORD, SECRET, OTHER_SECRET],
            "tokens": tokens,
        }
        with_header = (*response.headers, ("X-Token", " ".join(tokens)), ("Set-Cookie", SECRET))
        return attrs.evolve(says(**odd)(asked, response), headers=with_header)

    served[1].faults = [Fault(lambda asked: asked.path in ("/token", "/introspect"), echo)]
    report = run_conformance(target(issuer, method))

    shown = [
        to_text(report, verbose=True),
        to_json(report),
        to_junit(report, strict=True),
        to_html(report),
        repr(report),
    ]
    assert len(set(echoed)) > 50
    for text in shown:
        for secret in {PASSWORD, SECRET, OTHER_SECRET, quote_plus(PASSWORD), *echoed}:
            assert secret not in text
    assert all(MASK in text for text in shown[1:])


def answer_of(body: bytes) -> messages.Answer:
    return messages.Answer(messages.Sent("POST", "/", (), b""), 400, (), body)


def test_a_secret_is_masked_however_it_is_spelt() -> None:
    masker = Masker()
    masker.learn('p&ss w\u00f6rd"<', "")
    spelt = [
        "p&ss w\u00f6rd\"<", "p%26ss+w%C3%B6rd%22%3C", "p%26ss%20w%c3%b6rd%22%3c",
        "p&ss w\\u00f6rd\\\"<", "p&amp;ss w\u00f6rd&quot;&lt;", "cCZzcyB3w7ZyZCI8",
    ]  # fmt: skip

    assert [MASK] * len(spelt) == [masker.mask(each) for each in spelt]


SPELLINGS: dict[str, Callable[[str], str | bytes]] = {
    "json-of-php": lambda text: json.dumps(text).replace("/", "\\/"),
    "json-unescaped": lambda text: json.dumps(text, ensure_ascii=False),
    "json-of-dotnet": lambda text: "".join(
        each if each.isalnum() and each.isascii() else f"\\u{ord(each):04X}" for each in text
    ),
    "html": lambda text: escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&apos;"),
    "url-within-url": lambda text: quote(quote(text, safe="")),
    "url-of-javascript": lambda text: quote(text, safe="!'()*~/"),
    "base64-of-more": lambda text: b64encode(b"id:" + text.encode() + b".").decode(),
    "base16": lambda text: text.encode().hex(),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "latin-1": lambda text: text.encode("latin-1"),
    "read-as-latin-1": lambda text: text.encode().decode("latin-1"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_secret_is_masked_whatever_library_escapes_it(name: str) -> None:
    """Each escapes other characters, and in another way."""
    secret = 'it\'s/a+"longer" <s\u00e4cret>&=\\'
    masker = Masker()
    masker.learn(secret)
    spelt = SPELLINGS[name](secret)
    octets = spelt if isinstance(spelt, bytes) else spelt.encode()

    shown = masker.show_response(answer_of(octets))

    assert MASK in shown
    assert "longer" not in shown
    assert len(shown) < 25


@pytest.mark.parametrize("begun", [b"\\" * 200_000, b"%25" * 70_000, b"&amp;#" * 40_000])
def test_no_answer_takes_long_to_mask(begun: bytes) -> None:
    """What looks like the beginning of an escape is not read to its end each time."""
    masker = Masker()
    masker.learn("/+ \\")
    answer = answer_of(begun)
    began = time.process_time()

    masker.show_response(answer)

    assert time.process_time() - began < 20


def test_a_token_that_was_cut_off_is_masked() -> None:
    """What is not JSON any more, nobody knows the tokens of."""
    for cut in (b'{"access_token": "half a to', b'{"access_token":"of two\\\nlines"}'):
        shown = Masker().show_response(answer_of(cut))
        assert f'"{MASK}"' in shown
        assert "half" not in shown
        assert "lines" not in shown


def test_a_secret_as_the_name_of_a_header_is_masked(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    served[1].faults = [
        Fault(lambda asked: "grant_type" not in asked.form, header(SECRET, "it")),
        Fault(lambda asked: "grant_type" not in asked.form, status(200)),
    ]
    report = run_conformance(target(issuer), only=["missing_grant_type_is_refused"])

    assert f"{MASK}: it" in to_text(report, verbose=True)
    assert SECRET not in to_json(report)


def test_the_first_refusal_is_shown_without_secrets_and_on_one_line(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    served[1].faults = [
        Fault(
            lambda asked: asked.path == "/token",
            lambda _, __: to_response({"error": f"\x1b[2J{SECRET}\nall is well"}, 400),
        ),
    ]
    with pytest.raises(Unusable, match=f"400 \ufffd\\[2J{MASK}\ufffdall is well"):
        run_conformance(target(issuer))


def test_a_server_adds_no_results_to_the_report(served: tuple[str, OwnServer], issuer: str) -> None:
    served[1].faults = [
        Fault(lambda asked: "grant_type" not in asked.form, says(error="x\n  passed  MUST   all"))
    ]
    report = run_conformance(target(issuer), only=["missing_grant_type_is_refused"])

    assert "x\ufffd  passed" in report.results[0].why
    assert "\n  passed" not in to_text(report)


def test_what_a_terminal_would_obey_is_not_shown(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    served[1].faults = [
        Fault(lambda asked: "grant_type" not in asked.form, says(error="\x1b[2Jgone\x07"))
    ]
    report = run_conformance(target(issuer), only=["missing_grant_type_is_refused"])

    assert "\ufffd[2Jgone\ufffd" in report.results[0].why
    assert "\x1b" not in to_text(report, verbose=True)


# Where it looks


def test_the_metadata_of_openid_connect_will_do(served: tuple[str, OwnServer], issuer: str) -> None:
    def make(url: str) -> Answer:
        def answer(request: HttpRequest) -> HttpResponse:
            if not request.url.endswith("/.well-known/openid-configuration"):
                return to_response({}, 404)
            return to_response({"issuer": url, "token_endpoint": f"{issuer}/token"})

        return answer

    with serving(make) as openid:
        asked = target(openid)
        report = run_conformance(asked, only=["metadata_are_in_place", "client_authenticates"])

    assert [Status.PASSED] * 2 == [each.status for each in report.results]
    # No revocation endpoint is published there.
    assert 1 == report.remaining


def test_flags_count_for_more_than_metadata(issuer: str) -> None:
    """And without metadata what is about them is skipped, as what takes other endpoints."""
    asked = Target(
        token_endpoint=f"{issuer}/token", client_id="client_secret_basic", client_secret=SECRET
    )
    report = run_conformance(asked)

    assert report.server == f"{issuer}/token"
    skipped = {each.check.name: each.why for each in report.results if each.why}
    assert "no metadata were found" == skipped["metadata_are_json"]
    assert "no introspection endpoint is known" in skipped["introspection_says_active"]
    assert "no revocation endpoint is known" in skipped["access_token_is_revoked"]
    assert "there is no user" in skipped["password_brings_a_token"]
    assert "the issuer is not known" in skipped["jwt_names_the_issuer"]
    assert 0 == report.exit_status(strict=True)


def test_without_anything_the_answer_says_what_to_give(issuer: str) -> None:
    empty = to_response({}, 404)
    with (
        serving(always(empty)) as nothing,
        pytest.raises(Unusable, match="no metadata were found at the issuer: give the token"),
    ):
        run_conformance(target(nothing))


# What is left open by the specifications


def narrows(asked: Asked, _: HttpResponse) -> HttpResponse:
    return to_response({"access_token": "a" * 40, "token_type": "Bearer", "scope": "reports:read"})


def has_no_such_scope(asked: Asked) -> bool:
    return "no-such" in asked.form.get("scope", "")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(
            "two_methods_are_refused",
            Fault(
                lambda asked: asked.basic and "client_secret" in asked.form,
                refuses("invalid_client", 401),
            ),
            id="rfc7521-4.2.1",
        ),
        pytest.param(
            "unknown_scope_is_not_granted",
            Fault(has_no_such_scope, narrows),
            id="rfc6749-3.3-narrowed",
        ),
        pytest.param(
            "wider_scope_is_refused", Fault(has_no_such_scope, narrows), id="rfc6749-6-narrowed"
        ),
        pytest.param(
            "no_scope_is_default_or_refused",
            Fault(token_where(lambda asked: "scope" not in asked.form), refuses("invalid_scope")),
            id="rfc6749-3.3-no-default",
        ),
        pytest.param(
            "access_token_is_revoked",
            Fault(at("/revoke"), refuses("unsupported_token_type")),
            id="rfc7009-2.2.1",
        ),
        pytest.param(
            "several_resources_are_no_repeat",
            Fault(repeats("resource"), refuses("invalid_target")),
            id="rfc8707-2",
        ),
        pytest.param(
            "introspection_has_its_kinds",
            Fault(at("/introspect"), says(aud=["https://a.example", "https://b.example"])),
            id="rfc7662-2.2",
        ),
        pytest.param(
            "metadata_list_signing_algorithms",
            published(
                revocation_endpoint_auth_methods_supported=["client_secret_basic"],
                revocation_endpoint_auth_signing_alg_values_supported=None,
            ),
            id="rfc8414-2",
        ),
    ],
)
def test_all_that_conforms_passes(
    served: tuple[str, OwnServer], issuer: str, name: str, fault: Fault
) -> None:
    served[1].faults = [fault]

    result = run_conformance(target(issuer), only=[name])[name]

    assert (Status.PASSED, "") == (result.status, result.why)


NO_SCOPE = {"scope": None}
NO_REFRESH = Fault(has_password(), says(refresh_token=None))
OPAQUE = first(says(access_token="a" * 40))
SAME = first(says(access_token=SERVER_KEY.sign({"jti": "1"}, typ="at+jwt")))


@pytest.mark.parametrize(
    ("name", "fault", "settings", "why"),
    [
        ("scope_has_case", first(says(scope=None)), NO_SCOPE, "says what the scope is"),
        ("scope_has_case", first(says(scope="12 34")), NO_SCOPE, "the scope has no letters"),
        ("scope_has_case", first(says(scope="")), NO_SCOPE, "no scope was granted"),
        ("repeated_scope_is_refused", first(says(scope=None)), NO_SCOPE, "no scope is known"),
        (
            "empty_parameter_is_left_out",
            Fault(token_where(lambda asked: "scope" not in asked.form), refuses("invalid_scope")),
            {},
            "without scope the client gets no token",
        ),
        (
            "scope_is_said_if_it_differs",
            Fault(at("/introspect"), says(scope=None)),
            {},
            "introspection does not say",
        ),
        ("token_is_printable", first(says(access_token=None)), {}, "no access token came"),
        ("token_fits_the_header", first(says(token_type="DPoP")), {}, "it is no bearer token"),
        ("jwt_is_signed", first(says(access_token="a.b.c")), {}, "the token is not a JWT"),
        ("jwt_names_the_client", first(jose_header(typ="JWT")), {}, "follows RFC 9068"),
        ("jwt_verifies", first(jose_header(alg="HS256")), {}, "the token has a MAC"),
        ("jwt_has_a_name_of_its_own", SAME, {}, "the same token came again"),
        (
            "revoked_token_is_inactive",
            Fault(at("/introspect"), lambda _, __: to_response({"active": False})),
            {},
            "may not introspect its own tokens",
        ),
        (
            "revoked_token_is_inactive",
            Fault(at("/revoke"), refuses("unsupported_token_type")),
            {},
            "access tokens cannot be revoked here",
        ),
        ("access_tokens_go_too", NO_REFRESH, {}, "brings this client no refresh token"),
        ("refresh_brings_a_token", NO_REFRESH, {}, "brings this client no refresh token"),
        (
            "refusal_leaves_the_token",
            Fault(refreshes(), issues),
            {},
            "a wider scope is left out, not refused",
        ),
        (
            "spent_token_is_refused",
            Fault(refreshes(), says(refresh_token=None)),
            {},
            "refresh tokens are not rotated",
        ),
        (
            "introspection_names_the_client",
            Fault(at("/introspect"), says(client_id=None)),
            {},
            "there is no client_id",
        ),
        (
            "introspection_knows_the_end",
            Fault(at("/introspect"), says(exp=None)),
            {},
            "exp or expires_in is missing",
        ),
        ("published_keys_are_public", published(jwks_uri=None), {}, "no jwks_uri is published"),
        ("token_is_for_the_resource", OPAQUE, {}, "says whom it is for"),
        ("token_is_for_the_resource", OPAQUE, {"issuer": None}, "says whom it is for"),
        (
            "each_401_has_a_challenge",
            Fault(unauthenticated, status(400)),
            {},
            "no answer so far was 401",
        ),
        (
            "secrets_are_not_repeated",
            published(),
            {"method": "private_key_jwt", "username": None, "password": None},
            "the client has no secret, and there is no user",
        ),
    ],
)
def test_what_cannot_be_told_is_skipped_and_says_why(
    *,
    served: tuple[str, OwnServer],
    issuer: str,
    name: str,
    fault: Fault,
    settings: dict[str, object],
    why: str,
) -> None:
    served[1].faults = [fault]
    more = {"token_endpoint": f"{issuer}/token", **settings}
    method = more.pop("method", "client_secret_basic")

    result = run_conformance(target(issuer, method, **more), only=[name])[name]

    assert Status.SKIPPED is result.status, result.why
    assert why in result.why


def test_reuse_that_nobody_notices_is_a_failure(served: tuple[str, OwnServer], issuer: str) -> None:
    served[1].faults = [Fault(refreshes(), issues)]
    report = run_conformance(target(issuer), only=["reuse_ends_the_family"])

    assert "the reuse is not even noticed" == report.results[0].why


def test_without_joserfc_signatures_are_left_out(
    issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "oauthgrants.jose", None)

    report = run_conformance(target(issuer), only=["jwt_verifies", "jwt_is_signed"])

    assert [Status.PASSED, Status.SKIPPED] == [each.status for each in report.results]
    with pytest.raises(Unusable, match=r"oauthgrants\.jose"):
        run_conformance(target(issuer, "private_key_jwt"))


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def saying_without_end(head: bytes, piece: bytes) -> Generator[str]:
    """Answer one connection with *head*, and then piece after piece until nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            listener.close()
            end = time.monotonic() + 10
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(head)
                while time.monotonic() < end:
                    connection.sendall(piece)
                    time.sleep(0.001)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(20)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", id="header"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim-responses"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x", id="body"),
        pytest.param(_CHUNKED + b"1;x=", b"x", id="chunk-extension"),
        pytest.param(_CHUNKED + b"0\r\n", b"X: y\r\n", id="trailers"),
    ],
)
def test_an_answer_by_the_octet_ends_in_time(head: bytes, piece: bytes) -> None:
    """Each step may take some time, and all of them together no more than that."""
    with (
        saying_without_end(head, piece) as url,
        pytest.raises(Unusable, match=r"nothing came within 0\.1 sec"),
    ):
        run_conformance(target(url, timeout=0.1))


def test_what_is_only_recommended_counts_if_it_is_to(
    served: tuple[str, OwnServer], issuer: str
) -> None:
    served[1].faults = [Fault(lambda asked: asked.path == "/token", says(expires_in=None))]
    only = ["lifetime_is_said", "lifetime_is_a_number"]

    report = run_conformance(target(issuer), only=only)

    assert (0, 1) == (report.exit_status(), report.exit_status(strict=True))
    assert [Level.SHOULD] == [each.check.level for each in report.failures(strict=True)]
    assert Status.SKIPPED is report["lifetime_is_a_number"].status
    with pytest.raises(KeyError):
        report["success_is_json"]


def test_the_report_says_which_server_and_who_asked(issuer: str) -> None:
    report: Report = run_conformance(target(issuer), only=["success_is_json"])

    first = to_text(report).splitlines()[0]
    assert f"Conformance of {issuer}, asked by client_secret_basic (client_secret_basic)" == first
    page = json.loads(to_json(report))
    assert {"passed": 1, "failed": 0, "skipped": 0} == page["counts"]
    assert ["R6749-5.1-f"] == list(page["checks"][0]["requirements"])
