"""``oauthgrants conformance``, and the reports that it writes."""

from __future__ import annotations

import io
import json
import ssl
import sys
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from xml.etree.ElementTree import fromstring

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kit_faults import says
from kit_servers import (
    KEY,
    OTHER_SECRET,
    PASSWORD,
    SECRET,
    Fault,
    OwnServer,
    serving_own,
    target,
)

from oauthgrants import HttpRequest, HttpResponse
from oauthgrants.cli import main
from oauthgrants.cli.conformance_arguments import AUTH_METHODS as OFFERED
from oauthgrants.testing.conformance import (
    AUTH_METHODS,
    CHECKS,
    Unusable,
    run_conformance,
)
from oauthgrants.testing.conformance.requirements import requirement_texts

TESTS = Path(__file__).parents[1]
METHOD = "client_secret_basic"
ONE = ["--check", "success_is_json"]


@pytest.fixture(scope="module")
def served() -> Generator[tuple[str, OwnServer]]:
    with serving_own() as both:
        yield both


@pytest.fixture
def issuer(served: tuple[str, OwnServer]) -> str:
    served[1].faults = ()
    return served[0]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Secrets are where they are best kept."""
    monkeypatch.setenv("OAUTHGRANTS_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("OAUTHGRANTS_PASSWORD", PASSWORD)
    monkeypatch.setenv("OAUTHGRANTS_OTHER_CLIENT_SECRET", OTHER_SECRET)
    return monkeypatch


def test_everything_at_once(
    issuer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text for people, and files for CI and for the browser."""
    junit, html = tmp_path / "report.xml", tmp_path / "report.html"
    asked = ["conformance", "--issuer", issuer, "--client-id", METHOD, "--strict"]
    asked += ["--username", "alice", "--scope", "reports:read reports:write"]
    asked += ["--other-client-id", f"other-{METHOD}", "--resource", "https://api.example.com"]
    asked += ["--protected-resource", f"{issuer}/api", "--junit", str(junit), "--html", str(html)]

    assert 0 == main(asked)

    out = capsys.readouterr().out
    assert f"Conformance of {issuer}, asked by {METHOD} ({METHOD})" in out
    assert "  passed  MUST   Success is application/json [R6749-5.1-f]\n" in out
    assert " 0 failed, " in out
    suite = fromstring(junit.read_text("utf-8"))
    assert str(len(CHECKS)) == suite.get("tests") == str(len(suite.findall("testcase")))
    assert "0" == suite.get("failures")
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped") or 0) > 0
    page = html.read_text("utf-8")
    assert page.count("<details") == len(CHECKS)


def test_a_failure_is_shown_whole(
    served: tuple[str, OwnServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each form: what was asked, what was sent, what came."""
    issuer, server = served
    server.faults = [Fault(lambda asked: asked.path == "/token", says(token_type=None, scope=3))]
    files = [tmp_path / "report.xml", tmp_path / "report.html"]
    asked = ["conformance", "--issuer", issuer, "--client-id", METHOD, "--verbose"]
    asked += ["--check", "success_has_token_and_type", "--check", "token_type_is_known"]
    asked += ["--junit", str(files[0]), "--html", str(files[1])]

    assert 1 == main(asked)

    out, errors = capsys.readouterr()
    assert "  FAILED  MUST   Success is 200, with access_token and token_type" in out
    assert f"{' ' * 17}there is no token_type\n{' ' * 17}> POST {issuer}/token\n" in out
    assert f"{' ' * 17}> Authorization: Basic •••\n" in out
    assert f"{' ' * 17}< 200\n" in out
    assert '"access_token": "•••"' in out
    assert "0 passed, 2 failed (1 MUST, 1 SHOULD), 0 skipped" in out
    assert "oauthgrants: 1 of the checks failed that are asked with MUST\n" == errors
    suite = fromstring(files[0].read_text("utf-8"))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert ("there is no token_type", "MUST") == (failure.get("message"), failure.get("type"))
    assert "Success is 200 with a JSON object" in (failure.text or "")
    assert "SHOULD failed: it is 'None'" == next(
        each.get("message") for each in suite.iter("skipped")
    )
    assert len(suite.findall("testcase/system-out")) == 2

    assert 1 == main([*asked, "--strict", "--json"])
    out, errors = capsys.readouterr()
    assert [SECRET in out, "failed", "failed"] == [
        False,
        *(each["status"] for each in json.loads(out)["checks"]),
    ]
    assert "2 of the checks failed that are asked with MUST or SHOULD" in errors


class Page(HTMLParser):
    """What there is in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def test_the_page_needs_nothing_and_runs_nothing(
    served: tuple[str, OwnServer], tmp_path: Path
) -> None:
    """Not even what a server puts into it."""
    issuer, server = served
    hostile = '</pre><script src="https://evil.example/x.js"></script><img src=x>'
    server.faults = [
        Fault(lambda asked: "grant_type" not in asked.form, says(error=hostile)),
    ]
    file = tmp_path / "report.html"
    asked = ["conformance", "--issuer", issuer, "--client-id", METHOD, "--html", str(file)]

    assert 1 == main([*asked, "--check", "missing_grant_type_is_refused"])

    page = Page(file.read_text("utf-8"))
    assert [] == page.open
    assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "onerror", "style"} & {name for name, _ in page.attributes}
    assert ("lang", "en") in page.attributes
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert {"main", "h1", "h2", "h3", "summary", "dl"} <= set(page.tags)


@pytest.mark.parametrize("way", ["option", "file", "stdin"])
def test_where_secrets_come_from(
    issuer: str, environment: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """The environment is shown by all other tests."""
    environment.delenv("OAUTHGRANTS_CLIENT_SECRET")
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    environment.setattr(sys, "stdin", io.StringIO(f"{SECRET}\nmore"))
    options = {
        "option": ["--client-secret", SECRET],
        "file": ["--client-secret-file", str(tmp_path / "secret")],
        "stdin": ["--client-secret-file", "-"],
    }
    asked = ["conformance", "--issuer", issuer, "--client-id", METHOD, *options[way], *ONE]

    assert 0 == main(asked)


@pytest.mark.parametrize("stdin", [None, io.StringIO(""), io.StringIO("\nsecret")])
def test_a_secret_that_does_not_come_is_missed(
    environment: pytest.MonkeyPatch,
    issuer: str,
    capsys: pytest.CaptureFixture[str],
    stdin: io.StringIO | None,
) -> None:
    """Standard input may be closed too."""
    environment.setattr(sys, "stdin", stdin)

    arguments = ["--issuer", issuer, "--client-id", "client_secret_basic"]
    assert 2 == main(["conformance", *arguments, "--client-secret-file", "-"])

    assert "oauthgrants: standard input has no secret" in capsys.readouterr().err


def test_a_key_comes_from_a_file(issuer: str, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(KEY.to_pem())
    asked = ["conformance", "--issuer", issuer, "--client-id", "private_key_jwt"]
    asked += ["--auth-method", "private_key_jwt", "--key-id", "client"]
    asked += ["--private-key", str(tmp_path / "key.pem")]

    assert 0 == main([*asked, *ONE])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--client-secret", "a", "--client-secret-file", "b"], "give either --client-secret or"),
        (["--client-secret-file", "{folder}/none"], "cannot read {folder}/none: No such file"),
        (["--client-secret-file", "{folder}/latin"], "cannot read {folder}/latin: it is not UTF-8"),
        (["--client-secret", "not-the-secret"], "gives the client no token: 401 invalid_client"),
        (["--check", "of_no_kind"], "there is no check of_no_kind"),
        (["--junit", "{folder}/no/such.xml", *ONE], "cannot write {folder}/no/such.xml"),
        (["--max-requests", "3"], "not even a first token came: the 3 requests are used up"),
        (["--max-requests", "6"], "the run was cut short: the 6 requests are used up"),
    ],
)
def test_what_cannot_be_checked_is_status_2(
    issuer: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    why: str,
) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    given = [each.format(folder=tmp_path) for each in options]

    assert 2 == main(["conformance", "--issuer", issuer, "--client-id", METHOD, *given])

    assert why.format(folder=tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1001", "many", "\u0663"])
def test_a_number_of_requests_is_bounded(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["conformance", "--client-id", "a", "--max-requests", text])

    assert 2 == end.value.code
    assert "--max-requests: has to be from 1 to 1000" in capsys.readouterr().err


def test_the_help_says_why_secrets_are_not_for_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["conformance", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert "Other users of this machine can see the arguments of a command" in text
    assert "OAUTHGRANTS_CLIENT_SECRET" in text
    assert OFFERED == AUTH_METHODS


def test_without_a_client_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["conformance", "--issuer", "https://auth.example.com"])

    assert "give the client that asks, --client-id ID" in capsys.readouterr().err


def test_the_checks_are_listed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["conformance", "--list"])

    lines = capsys.readouterr().out.splitlines()
    assert [check.name for check in CHECKS] == [line.split()[0] for line in lines]


def test_a_terminal_gets_colours_if_there_are_any(
    issuer: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without rich it reads as well."""
    environment.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    environment.setenv("FORCE_COLOR", "1")
    environment.setenv("TERM", "xterm-256color")
    environment.delenv("NO_COLOR", raising=False)
    asked = ["conformance", "--issuer", issuer, "--client-id", METHOD, *ONE]

    assert 0 == main(asked)
    assert "\x1b[32m  passed" in capsys.readouterr().out
    environment.setitem(sys.modules, "oauthgrants.cli.terminal", None)
    assert 0 == main(asked)
    assert "\n  passed" in capsys.readouterr().out


def test_rows_are_those_of_the_project() -> None:
    """Word for word, and no more than checks are about."""
    catalogue = tomllib.loads((TESTS / "requirements.toml").read_text("utf-8"))
    rows: dict[str, str] = {}
    for document in catalogue["documents"]:
        rows |= {id_: text for id_, (_, text) in document["requirements"].items()}
    about = {id_ for check in CHECKS for id_ in check.requirements}

    assert {id_: rows[id_] for id_ in about} == requirement_texts()
    assert all(check.requirements for check in CHECKS)


# TLS


class OverTls(BaseHTTPRequestHandler):
    """Hands requests on to ours."""

    answer: OwnServer

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        request = HttpRequest(
            method=self.command,
            url=f"{self.answer.server.issuer}{self.path}",
            headers=tuple(self.headers.items()),
            body=self.rfile.read(length),
        )
        response: HttpResponse = self.answer.answer(request)
        self.send_response_only(response.status)
        for name, value in response.framed_headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def do_GET(self) -> None:
        self.headers["Content-Length"] = "0"
        self.do_POST()


@contextmanager
def serving_tls(folder: Path) -> Generator[tuple[str, Path]]:
    """Serve ours with a certificate that nobody trusts, and return where that is."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "conformance kit")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    # All that it takes to be trusted as its own authority (RFC 5280, 4.2.1).
    for extension, critical in (
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), OverTls) as server:
        issuer = f"https://127.0.0.1:{server.server_address[1]}"
        OverTls.answer = OwnServer(issuer)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield issuer, folder / "ca.pem"
        server.shutdown()
        thread.join(10)


def test_certificates_are_checked(tmp_path: Path) -> None:
    """And those that are given are trusted."""
    only = ["token_endpoint_is_https", "issuer_is_an_https_url"]
    with serving_tls(tmp_path) as (issuer, ca_file):
        asked = target(issuer, ca_file=str(ca_file))
        report = run_conformance(asked, only=only)
        with pytest.raises(Unusable, match="TLS: CERTIFICATE_VERIFY_FAILED"):
            run_conformance(attrs.evolve(asked, ca_file=None))

    assert 0 == report.exit_status(strict=True)
