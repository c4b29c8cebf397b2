"""Clients that show certificates, and tokens bound to them (RFC 8705)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from certificate_makers import PRINTED, Identity, authority, common_name, make
from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    InvalidClientMetadata,
    MemoryStore,
)
from oauthgrants.certificates import NotACertificate, from_pem, thumbprint, to_jwk
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.client_certificates import SUBJECTS
from oauthgrants.distinguished_names import MalformedName, name_of, parse_name
from oauthgrants.events import RequestRefused, TokenIssued
from resource_support import FakeFetcher, key
from support import FORM, ISSUER, World, basic, error_of

req = pytest.mark.req
CC = "grant_type=client_credentials"
GRANTS: Any = ("client_credentials",)
REFUSED = (401, "invalid_client")
JWKS_URI = "https://client.example.com/jwks.json"
REPORTS = common_name("reports")


def show(
    world: World,
    identity: Identity | bytes | None,
    body: str = f"{CC}&client_id=reports",
    *headers: tuple[str, str],
    verified: bool = False,
    path: str = "/token",
) -> HttpResponse:
    """Send a form on a connection with a certificate."""
    return world.send(
        HttpRequest(
            method="POST",
            url=ISSUER + path,
            headers=(FORM, *headers),
            body=body.encode(),
            source="192.0.2.1",
            client_certificate=identity.der if isinstance(identity, Identity) else identity,
            client_certificate_verified=verified,
        )
    )


def reasons(world: World) -> list[str]:
    return [event.reason for event in world.sink.events if isinstance(event, RequestRefused)]


def issued(subject: x509.Name | str = "reports", *names: x509.GeneralName) -> Identity:
    return make(subject, *names, issuer=authority())


@pytest.fixture
def tls(world: World) -> World:
    """A world that takes certificates."""
    return world.configure(mutual_tls=MutualTls())


def register(world: World, **metadata: Any) -> None:
    world.store.add_client(Client.with_certificate("reports", grant_types=GRANTS, **metadata))


def jwks_of(*identities: Identity) -> dict[str, Any]:
    return {"keys": [to_jwk(identity.der) for identity in identities]}


# tls_client_auth


@req("R8705-2-a", "R8705-2.1-a")
def test_a_client_with_a_verified_certificate_of_the_registered_subject_is_let_in(
    tls: World,
) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")
    identity = issued()

    assert show(tls, identity, verified=True).status == 200
    [event] = [event for event in tls.sink.events if isinstance(event, TokenIssued)]
    assert event.key_id == thumbprint(identity.der)


@req("R8705-2.1-a")
def test_a_certificate_that_nobody_has_verified_is_refused(tls: World) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")

    assert error_of(show(tls, issued())) == REFUSED
    assert reasons(tls) == ["the web server has not verified the certificate's chain"]


@req("R8705-2-a")
def test_a_client_without_a_certificate_is_refused(tls: World) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")

    assert error_of(show(tls, None, verified=True)) == REFUSED
    assert reasons(tls) == ["there is no client certificate"]


@req("R8705-2-a")
def test_a_certificate_without_a_client_id_is_no_client_authentication(tls: World) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")

    assert error_of(show(tls, issued(), CC, verified=True)) == REFUSED
    assert reasons(tls) == ["client authentication is missing"]


@req("R8705-2-a")
def test_the_certificate_of_one_client_does_not_serve_another(tls: World) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")
    tls.store.add_client(
        Client.with_certificate("other", tls_client_auth_subject_dn="CN=other", grant_types=GRANTS)
    )

    assert error_of(show(tls, issued("other"), verified=True)) == REFUSED
    assert reasons(tls) == [
        "the certificate does not have the registered tls_client_auth_subject_dn"
    ]


def test_a_self_signed_certificate_does_not_speak_for_a_subject(tls: World) -> None:
    """Trusted by the web server, as those of self_signed_tls_client_auth may be, it could."""
    register(tls, tls_client_auth_subject_dn="CN=reports")

    own = make("reports")
    # OpenSSL compares names by their meaning too.
    same = make("reports", issuer=Identity(make("REPORTS", key=own.key).certificate, own.key))

    assert error_of(show(tls, own, verified=True)) == REFUSED
    assert error_of(show(tls, same, verified=True)) == REFUSED
    assert reasons(tls) == ["the certificate is self-signed"] * 2


SANS: list[Any] = [
    pytest.param("dns", "Reports.Example.com", x509.DNSName("reports.EXAMPLE.com"), id="dns"),
    pytest.param(
        "uri",
        "spiffe://example.com/reports",
        x509.UniformResourceIdentifier("spiffe://example.com/reports"),
        id="uri",
    ),
    pytest.param("ip", "192.0.2.7", x509.IPAddress(ip_address("192.0.2.7")), id="ipv4"),
    pytest.param(
        "ip",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        x509.IPAddress(ip_address("2001:db8::1")),
        id="ipv6-in-another-spelling",
    ),
    pytest.param(
        "email", "reports@Example.com", x509.RFC822Name("reports@example.com"), id="email"
    ),
]


@req("R8705-2.1-a", "R8705-2.1.2-b")
@pytest.mark.parametrize(("kind", "registered", "name"), SANS)
def test_a_subject_alternative_name_counts(
    tls: World, kind: str, registered: str, name: x509.GeneralName
) -> None:
    register(tls, **{f"tls_client_auth_san_{kind}": registered})
    unlike = [x509.DNSName("x.example.com"), x509.RFC822Name("Reports@example.com")]

    assert (
        show(tls, issued("any", x509.DNSName("first.example.com"), name), verified=True).status
        == 200
    )
    assert error_of(show(tls, issued("any", *unlike), verified=True)) == REFUSED
    # Without the extension, the common name does not stand in for it.
    assert error_of(show(tls, issued(registered[:60]), verified=True)) == REFUSED


@pytest.mark.parametrize(
    ("kind", "registered", "name"),
    [
        ("dns", "a.example.com", x509.DNSName("*.example.com")),
        ("uri", "https://example.com/A", x509.UniformResourceIdentifier("https://example.com/a")),
        ("ip", "192.0.2.7", x509.IPAddress(ip_address("::ffff:192.0.2.7"))),
        ("email", "a@example.com", x509.RFC822Name("A@example.com")),
        ("email", '"x@Y"@example.com', x509.RFC822Name('"x@y"@example.com')),
        ("uri", "spiffe://example.com/a", x509.DNSName("spiffe://example.com/a")),
    ],
)
def test_what_is_merely_alike_does_not_count(
    tls: World, kind: str, registered: str, name: x509.GeneralName
) -> None:
    register(tls, **{f"tls_client_auth_san_{kind}": registered})

    assert error_of(show(tls, issued("any", name), verified=True)) == REFUSED


@req("R8705-2.1-a")
@pytest.mark.parametrize(
    ("kind", "registered", "name"),
    [
        ("dns", "k.example.com", x509.DNSName("xxx.example.com")),
        ("email", "a@k.example.com", x509.RFC822Name("a@xxx.example.com")),
    ],
)
def test_a_character_beyond_ascii_is_no_letter_of_a_host(
    tls: World, kind: str, registered: str, name: x509.GeneralName
) -> None:
    """The sign for kelvin is a k in lower case; no IA5String has it, but nobody looks."""
    register(tls, **{f"tls_client_auth_san_{kind}": registered})
    octets = issued("any", name).der.replace(b"xxx.example.com", "\u212a.example.com".encode())

    assert error_of(show(tls, octets, verified=True)) == REFUSED


_VERSION_3 = bytes.fromhex("a003020102")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"x",
        make().der[:-1],
        make().der + b"\0",
        # Of a version that there is not
        make().der.replace(_VERSION_3, _VERSION_3[:-1] + b"\x05"),
    ],
)
def test_a_malformed_certificate_is_refused(tls: World, octets: bytes) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")

    assert error_of(show(tls, octets, verified=True)) == REFUSED
    assert reasons(tls) == ["a certificate is malformed"]


def test_malformed_extensions_are_refused(tls: World) -> None:
    register(tls, tls_client_auth_san_dns="reports.example.com")
    octets = issued("any", x509.DNSName("reports.example.com")).der
    twice = octets.replace(b"\x06\x03\x55\x1d\x13", b"\x06\x03\x55\x1d\x11")
    broken = octets.replace(b"\x82\x13reports", b"\xbf\x13reports")
    assert twice != octets != broken

    for each in (twice, broken):
        assert error_of(show(tls, each, verified=True)) == REFUSED
    assert reasons(tls) == ["the certificate is malformed"] * 2


def test_a_name_of_bits_is_refused(tls: World) -> None:
    register(tls, tls_client_auth_subject_dn="CN=reports")
    octets = issued("\0bits").der.replace(b"\x0c\x05\0bits", b"\x03\x05\0bits")

    assert error_of(show(tls, octets, verified=True)) == REFUSED
    assert reasons(tls) == ["the certificate is malformed"]


# Names


@req("R8705-2.1.2-b")
@pytest.mark.parametrize(
    "text",
    [
        "CN=Reports + UID=7,O=Example\\, Inc.,C=DE",
        "cn=reports+uid=7,o=EXAMPLE\\2C INC.,c=de",
        "UID=7+CN=Reports,O=Example\\,  Inc.,C=DE",
        "2.5.4.3=reports+0.9.2342.19200300.100.1.1=7,O=example\\, inc.,2.5.4.6=de",
        " CN = Reports + UID = 7 , O = \\ Example\\, Inc.\\  , C = DE ",
        "CN=\\52eports+UID=#0C0137,O=#130d4578616d706c652c20496e632e,C=DE",
        "CN=#1e0e005200650070006f007200740073+UID=7,O=Example\\, Inc.,C=DE",
        "CN=#0c810752657 06f727473+UID=7,O=Example\\, Inc.,C=DE".replace(" ", "", 1),
    ],
)
def test_a_distinguished_name_is_compared_by_its_meaning(text: str) -> None:
    oid = x509.NameOID
    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(oid.COUNTRY_NAME, "DE")]),
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(oid.ORGANIZATION_NAME, "Example, Inc.")]
            ),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(oid.COMMON_NAME, "Reports"),
                    x509.NameAttribute(oid.USER_ID, "7"),
                ]
            ),
        ]
    )

    assert parse_name(text) == name_of(name)
    assert parse_name(name.rfc4514_string()) == name_of(name)


@req("R8705-2.1.2-b")
@pytest.mark.parametrize(
    "text",
    [
        "O=Example,CN=reports",
        "CN=reports",
        "CN=reports,O=Example,C=DE",
        "CN=reports+O=Example",
        "CN=reports,OU=Example",
        "CN=report s,O=Example",
        "CN=reports\\,O=Example",
        "CN=reports,O=#2401 00".replace(" ", ""),
    ],
)
def test_another_name_is_another_one(text: str) -> None:
    assert parse_name(text) != parse_name("CN=reports,O=Example")


def test_values_of_unknown_attributes_are_compared_as_they_are() -> None:
    """Nobody says here whether their letter case matters."""
    assert parse_name("1.2.3=a") != parse_name("1.2.3=A")
    assert parse_name("1.2.3= a\\ ") == parse_name("1.2.3=#0c026120")
    assert parse_name("1.2.3=#0101ff") == parse_name("1.2.3=#0101FF")


def test_characters_are_folded_as_directories_do() -> None:
    assert parse_name("CN=Stra\u00dfe \u212b") == parse_name("CN=STRASSE  a\u030a")
    assert parse_name("CN=a\u00a0\t\u2028b") == parse_name("CN=a b")


def test_a_separator_of_teletypes_is_no_space() -> None:
    assert parse_name("CN=a\x1fb") != parse_name("CN=a b")
    assert parse_name("CN=a\x1c") != parse_name("CN=a")


KINDS = [
    *(x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME, x509.NameOID.USER_ID),
    *(x509.NameOID.DOMAIN_COMPONENT, x509.NameOID.EMAIL_ADDRESS, x509.ObjectIdentifier("1.2.3")),
]
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    # An end of spaces has to be escaped, which the other writer forgets.
    lambda text: text == text.strip() and "\0" not in text
)


@req("R8705-2.1.2-b")
@given(st.lists(st.lists(st.tuples(st.sampled_from(KINDS), values), min_size=1), min_size=1))
def test_names_written_by_somebody_else_mean_the_same(
    parts: list[list[tuple[x509.ObjectIdentifier, str]]],
) -> None:
    name = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(oid, value) for oid, value in dict(rdn).items()]
            )
            for rdn in parts
        ]
    )

    assert parse_name(name.rfc4514_string()) == name_of(name)


@given(st.text(alphabet=' CNO=,+\\#"0aF\u00e9;', max_size=20))
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    try:
        name = parse_name(text)
    except MalformedName:
        return
    assert name
    assert parse_name(f" {text.lstrip()}") == name


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "CN", "CN=a,", "CN=a+", "=a", "CN=a;O=b", 'CN="a"', "CN=a\\", "CN=a\\x"),
        *("CN=a\0", "nickname=a", "CN=#1", "CN=#zz", "CN=\\ff", "CN=#0c", "CN=#0c02ff"),
        *("CN=#0c01ff", "CN=#0c8201", "CN=<a>", "1=a", "CN=a,,O=b"),
    ],
)
def test_a_malformed_name_is_none(text: str) -> None:
    with pytest.raises(MalformedName):
        parse_name(text)


# self_signed_tls_client_auth


@req("R8705-2-a", "R8705-2.2-a")
def test_a_client_shows_a_registered_certificate(tls: World) -> None:
    """Nobody verifies a chain."""
    first, second = make("one"), make("two")
    register(tls, jwks=jwks_of(first, second))

    assert show(tls, first).status == 200
    assert show(tls, second, verified=True).status == 200


@req("R8705-2.2-a")
def test_another_certificate_of_the_same_key_and_name_is_another_one(tls: World) -> None:
    registered = make("reports")
    register(tls, certificate=registered.pem)

    assert show(tls, registered).status == 200
    assert error_of(show(tls, make("reports", key=registered.key), verified=True)) == REFUSED
    assert reasons(tls) == ["the certificate is not a registered one"]


@req("R8705-2-a", "R8705-2.2-a")
def test_a_self_signed_certificate_serves_its_own_client_alone(tls: World) -> None:
    register(tls, certificate=make("reports").der)
    other = make("other")
    tls.store.add_client(
        Client.with_certificate("other", certificate=other.pem, grant_types=GRANTS)
    )

    assert error_of(show(tls, other)) == REFUSED
    assert show(tls, other, f"{CC}&client_id=other").status == 200


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_registered_certificate_counts_while_it_is_valid(
    tls: World, since: datetime, until: datetime
) -> None:
    identity = make(since=since, until=until)
    register(tls, certificate=identity.pem)

    assert error_of(show(tls, identity)) == REFUSED
    assert reasons(tls) == ["the certificate has expired, or is not valid yet"]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_its_first_second_and_its_last_are_part_of_that(
    tls: World, since: datetime, until: datetime
) -> None:
    identity = make(since=since, until=until)
    register(tls, certificate=identity.pem)

    assert show(tls, identity).status == 200


@req("R8705-2.2-a")
def test_certificates_are_fetched_and_an_unknown_one_is_looked_for_once(world: World) -> None:
    """A client that replaces its certificate need not wait for the old one to be forgotten."""
    old, new = make(), make()
    stray = {"kty": "oct", "x5c": ["?"]}
    fetcher = FakeFetcher()
    fetcher.answers[JWKS_URI] = {"keys": [stray, {"kty": "EC"}, *jwks_of(old)["keys"]]}
    world.configure(mutual_tls=MutualTls(), assertions=AssertionRules(fetcher=fetcher))
    register(world, jwks_uri=JWKS_URI)

    assert show(world, old).status == 200
    assert show(world, old).status == 200
    assert len(fetcher.requests) == 1
    fetcher.answers[JWKS_URI] = jwks_of(old, new)
    world.clock.move(minutes=1)
    assert show(world, new).status == 200
    assert error_of(show(world, make())) == REFUSED
    assert len(fetcher.requests) == 2


def test_a_set_without_certificates_is_a_fault_of_the_clients(world: World) -> None:
    fetcher = FakeFetcher()
    fetcher.answers[JWKS_URI] = {"keys": [{"kty": "EC"}]}
    world.configure(mutual_tls=MutualTls(), assertions=AssertionRules(fetcher=fetcher))
    register(world, jwks_uri=JWKS_URI)

    assert show(world, make()).status == 503


# What is registered


def with_(**metadata: Any) -> Callable[[], Client]:
    return lambda: Client.with_certificate("reports", **metadata)


DN: dict[str, Any] = {"tls_client_auth_subject_dn": "CN=reports"}
PRIVATE = {**to_jwk(make().der), "d": "AA"}
FOREIGN = {**to_jwk(make().der), "x5c": to_jwk(make().der)["x5c"]}


@req("R8705-2.1.2-a", "R6749-2.3.2-a")
@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "needs exactly one of tls_client_auth_subject_dn, "),
        ({**DN, "tls_client_auth_san_ip": "192.0.2.1"}, "needs exactly one of"),
        (dict.fromkeys(SUBJECTS, "a"), "needs exactly one of"),
        ({"tls_client_auth_san_dns": ""}, "needs exactly one of"),
        ({"tls_client_auth_subject_dn": "reports"}, "subject_dn has to be a distinguished name"),
        ({"tls_client_auth_san_dns": "a b"}, "san_dns has to be a host name"),
        ({"tls_client_auth_san_dns": "b\u00fccher.example"}, "san_dns has to be a host name"),
        ({"tls_client_auth_san_dns": "https://a.example"}, "san_dns has to be a host name"),
        ({"tls_client_auth_san_uri": "reports"}, "san_uri has to be an absolute URI"),
        ({"tls_client_auth_san_ip": "192.0.2.0/24"}, "san_ip has to be an IP address"),
        ({"tls_client_auth_san_ip": "fe80::1%eth0"}, "san_ip has to be an IP address"),
        ({"tls_client_auth_san_email": "reports"}, "san_email has to be an email address"),
        ({"tls_client_auth_san_email": "@example.com"}, "san_email has to be an email address"),
        ({**DN, "token_endpoint_auth_signing_alg": "ES256"}, "does not go with tls_client_auth"),
    ],
)
def test_a_client_has_exactly_one_sound_subject(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=message) as refusal:
        Client.with_certificate("reports", **metadata)

    assert refusal.value.code == "invalid_client_metadata"


@pytest.mark.parametrize(
    ("make_client", "message"),
    [
        (with_(jwks={"keys": [{"kty": "EC"}]}), "it has no key with a certificate"),
        (with_(jwks={"keys": "?"}), "it has no key with a certificate"),
        (with_(jwks="[]"), "not an object"),
        (with_(jwks={"keys": [{"x5c": []}]}), "x5c has to be a list"),
        (with_(jwks={"keys": [{"x5c": [1]}]}), "x5c has to be a list"),
        (with_(jwks={"keys": [{"x5c": ["?"]}]}), "not in Base64"),
        (with_(jwks={"keys": [{"x5c": ["AAAA"]}]}), "a certificate is malformed"),
        (with_(jwks={"keys": [FOREIGN]}), "x5c has the certificate of another key"),
        (with_(jwks={"keys": [PRIVATE]}), "a key is private or symmetric"),
        (with_(jwks={"keys": [{}] * 101}), "more than 100 keys"),
        (with_(certificate="no PEM"), "certificate: there is no certificate in PEM"),
        (with_(certificate=b"no DER"), "certificate: a certificate is malformed"),
        (with_(jwks_uri="http://client.example.com/jwks"), "jwks_uri has to be an https URL"),
        (with_(jwks_uri=JWKS_URI, certificate=make().der), "jwks and jwks_uri do not go together"),
        (with_(jwks_uri=JWKS_URI, **DN), "goes with token_endpoint_auth_method tls_client_auth"),
        (
            lambda: Client(client_id="a", token_endpoint_auth_method="self_signed_tls_client_auth"),
            "needs jwks with x5c, or jwks_uri",
        ),
        (lambda: Client.public("a", **DN), "goes with token_endpoint_auth_method tls_client_auth"),
        (
            lambda: Client.confidential("a", token_endpoint_auth_method="tls_client_auth", **DN)[0],
            "token_endpoint_auth_method tls_client_auth goes with no client_secret",
        ),
        (
            with_(
                **DN, tls_client_certificate_bound_access_tokens=True, dpop_bound_access_tokens=True
            ),
            "a token is bound once",
        ),
    ],
)
def test_what_contradicts_is_not_registered(
    make_client: Callable[[], Client], message: str
) -> None:
    with pytest.raises(InvalidClientMetadata, match=message):
        make_client()


@pytest.mark.parametrize(
    "made",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
    ],
    ids=lambda made: type(made).__name__,
)
def test_certificates_of_each_kind_of_key_are_registered(tls: World, made: Any) -> None:
    identity = make(key=made)
    register(tls, certificate=identity.pem)

    assert show(tls, identity).status == 200


@pytest.mark.parametrize(
    "made", [dsa.generate_private_key(2048), ec.generate_private_key(ec.SECP256K1())]
)
def test_a_key_that_jwks_do_not_know_has_no_jwk(made: Any) -> None:
    with pytest.raises(NotACertificate, match="of a kind that JWKs do not know"):
        to_jwk(make(key=made).der)


def test_a_key_that_cannot_be_read_has_no_jwk() -> None:
    # The object identifier of the curve, changed to one that nobody has assigned
    octets = make().der.replace(
        b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x7f"
    )

    with pytest.raises(NotACertificate):
        to_jwk(octets)


def test_certificates_take_no_extra() -> None:
    code = """
import sys

sys.modules["joserfc"] = sys.modules["httpx"] = None
from certificate_makers import make
from oauthgrants import *
from oauthgrants.client_auth.mutual_tls import MutualTls

identity, store = make(), MemoryStore()
store.add_client(
    Client.with_certificate("a", certificate=identity.pem, grant_types=["client_credentials"])
)
server = AuthorizationServer(
    issuer="https://a.example",
    store=store,
    grants=[ClientCredentialsGrant()],
    mutual_tls=MutualTls(),
)
request = HttpRequest(
    method="POST",
    url="https://a.example/token",
    headers=[("Content-Type", "application/x-www-form-urlencoded")],
    body=b"grant_type=client_credentials&client_id=a",
    client_certificate=identity.der,
)
print(server.token(request).status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parent,
    )
    assert done.stdout == "200\n"


# Other clients


@req("R8705-2-a")
def test_a_client_of_another_method_may_show_a_certificate(tls: World) -> None:
    tls.add_client("plain")
    header = basic("plain", tls.secrets["plain"])
    body = f"{CC}&client_id=plain&client_secret={tls.secrets['plain'].reveal()}"
    tls.add_client("poster", token_endpoint_auth_method="client_secret_post")
    posted = f"{CC}&client_id=poster&client_secret={tls.secrets['poster'].reveal()}"

    assert show(tls, issued(), CC, header, verified=True).status == 200
    assert show(tls, issued(), posted, verified=True).status == 200
    assert error_of(show(tls, issued(), body, verified=True)) == REFUSED
    assert error_of(show(tls, issued(), f"{CC}&client_id=plain", verified=True)) == REFUSED
    assert error_of(show(tls, issued(), f"{CC}&client_id=nobody", verified=True)) == REFUSED


@req("R8705-2-a")
def test_a_secret_is_no_way_round_the_certificate(tls: World) -> None:
    register(tls, **DN)
    body = f"{CC}&client_id=reports&client_secret=anything"

    assert error_of(show(tls, issued(), body, verified=True)) == REFUSED
    assert error_of(show(tls, issued(), CC, basic("reports", ""), verified=True)) == REFUSED
    assert error_of(show(tls, issued(), CC, basic("reports", "x"), verified=True)) == REFUSED
    assert reasons(tls) == [
        "client_secret_post is not the client's registered method",
        *["client_secret_basic is not the client's registered method"] * 2,
    ]


@req("R8705-2-a")
def test_every_refusal_says_the_same(tls: World) -> None:
    register(tls, **DN)
    gone: dict[str, Any] = {"tls_client_auth_subject_dn": "CN=gone", "active": False}
    tls.store.add_client(Client.with_certificate("gone", grant_types=GRANTS, **gone))
    answers = [
        show(tls, issued("other"), verified=True),
        show(tls, issued("gone"), f"{CC}&client_id=gone", verified=True),
        show(tls, issued(), f"{CC}&client_id=nobody", verified=True),
        show(tls, None, f"{CC}&client_id=reports"),
    ]
    tls.configure(client_auth_methods=["client_secret_basic", "none"], mutual_tls=None)
    answers.append(show(tls, issued(), verified=True))

    assert {each.body for each in answers} == {tls.post(CC, basic("nobody", "x")).body}


def test_a_public_client_with_a_certificate_stays_public(tls: World) -> None:
    sign_in = "grant_type=password&username=alice&password=wonderland&client_id=browser"

    assert show(tls, make(), sign_in).status == 200
    assert error_of(show(tls, make(), "token=x&client_id=browser", path="/introspect")) == REFUSED


def test_an_inactive_client_is_refused(tls: World) -> None:
    register(tls, active=False, **DN)

    assert error_of(show(tls, issued(), verified=True)) == REFUSED
    assert reasons(tls) == ["the client is disabled"]


def test_certificates_count_where_the_host_says_that_they_get_through(world: World) -> None:
    register(world, **DN)

    assert error_of(show(world, issued(), verified=True)) == REFUSED
    assert reasons(world) == ["tls_client_auth is not enabled"]
    world.configure(client_auth_methods=["tls_client_auth"])
    assert show(world, issued(), verified=True).status == 200


@req("R8705-2-a")
@pytest.mark.parametrize(("path", "status"), [("/introspect", 200), ("/revoke", 200)])
def test_each_endpoint_takes_certificates(tls: World, path: str, status: int) -> None:
    register(tls, **DN)
    form = "token=unknown&client_id=reports"

    assert show(tls, issued(), form, verified=True, path=path).status == status
    assert error_of(show(tls, issued("other"), form, verified=True, path=path)) == REFUSED
    assert error_of(show(tls, None, form, path=path)) == REFUSED


# Bound tokens


@req("R8705-3.1-a", "R8705-3.2-a")
def test_a_token_is_bound_to_the_certificate_that_asked_for_it(tls: World) -> None:
    identity = make("reports")
    register(tls, certificate=identity.pem, tls_client_certificate_bound_access_tokens=True)

    answered = show(tls, identity).json()
    seen = show(
        tls,
        identity,
        f"token={answered['access_token']}&client_id=reports",
        path="/introspect",
    ).json()

    assert answered["token_type"] == "Bearer"
    assert seen["cnf"] == {"x5t#S256": thumbprint(identity.der)}


@req("R8705-3.1-a", "R8705-3.2-a")
def test_a_jwt_says_to_which_certificate_it_is_bound(tls: World) -> None:
    """The vector of RFC 8705, Appendix A: any client may bind its tokens to it."""
    tls.add_client("plain", tls_client_certificate_bound_access_tokens=True)
    tls.configure(access_token_format="jwt", signing_keys=key(), audience="https://api.example.com")
    header = basic("plain", tls.secrets["plain"])
    token = show(tls, from_pem(PRINTED), CC, header).json()["access_token"]
    claims = decode_claims(token)

    assert claims["cnf"] == {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}
    introspected = tls.post(f"token={token}", client="plain", path="/introspect").json()
    assert introspected["cnf"] == claims["cnf"]


def decode_claims(token: str) -> Any:
    from oauthgrants.jose import decode

    return json.loads(decode(token.split(".")[1]))


@req("R8705-3.1-a")
def test_the_printed_certificate_is_read(tls: World) -> None:
    jwk = to_jwk(from_pem(f"leading text\n{PRINTED}"))

    assert jwk["x"] == "1yfLHCpXqFjxCeHHHMVDTcLscpb07KUxudBmOMn8C7Q"
    assert jwk["y"] == "8_coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8"
    register(tls, certificate=PRINTED)
    assert error_of(show(tls, from_pem(PRINTED))) == REFUSED
    assert reasons(tls) == ["the certificate has expired, or is not valid yet"]


@req("R8705-3.4-a")
def test_who_has_to_show_a_certificate_and_does_not_gets_no_token(tls: World) -> None:
    tls.add_client("plain", tls_client_certificate_bound_access_tokens=True)

    response = tls.post(CC, client="plain")

    assert error_of(response) == (400, "invalid_request")
    assert (
        response.json()["error_description"]
        == "a client certificate is needed, to bind the tokens to"
    )


@req("R8705-3.4-a")
def test_no_octets_are_no_certificate(tls: World) -> None:
    """So some web servers say that there is none; all who show none would share a token."""
    tls.add_client("plain", tls_client_certificate_bound_access_tokens=True)
    header = basic("plain", tls.secrets["plain"])

    assert error_of(show(tls, b"", CC, header)) == (400, "invalid_request")


@req("R8705-3.4-a")
def test_bound_tokens_need_no_setting_of_the_server(world: World) -> None:
    """A client that is registered for them gets no others, wherever it asks."""
    world.add_client("plain", tls_client_certificate_bound_access_tokens=True)
    header = basic("plain", world.secrets["plain"])
    token = show(world, make(), CC, header).json()["access_token"]

    assert "cnf" in world.post(f"token={token}", client="plain", path="/introspect").json()
    assert error_of(world.post(CC, client="plain")) == (400, "invalid_request")


def test_a_certificate_binds_nothing_that_was_not_registered_for_it(tls: World) -> None:
    register(tls, certificate=(identity := make()).pem)
    token = show(tls, identity).json()["access_token"]
    form = f"token={token}&client_id=reports"

    assert "cnf" not in show(tls, identity, form, path="/introspect").json()


@req("R8705-4-a")
def test_the_refresh_token_of_a_public_client_is_bound(tls: World) -> None:
    tls.store.add_client(
        Client.public(
            "phone",
            grant_types=["password", "refresh_token"],
            scope="profile",
            default_scope="profile",
            first_party=True,
            tls_client_certificate_bound_access_tokens=True,
        )
    )
    mine, other = make(), make()
    sign_in = "grant_type=password&username=alice&password=wonderland&client_id=phone"
    token = show(tls, mine, sign_in).json()["refresh_token"]
    refresh = f"grant_type=refresh_token&refresh_token={token}&client_id=phone"

    assert error_of(show(tls, other, refresh, verified=True)) == (400, "invalid_grant")
    assert error_of(show(tls, None, refresh)) == (400, "invalid_request")
    assert show(tls, mine, refresh).status == 200


@req("R8705-4-a")
def test_the_refresh_token_of_a_client_that_authenticates_outlives_its_certificate(
    tls: World,
) -> None:
    """Its certificates come and go; that it is the same client is what it proves each time."""
    tls.store.add_client(
        Client.with_certificate(
            "desk",
            grant_types=["password", "refresh_token"],
            scope="profile",
            default_scope="profile",
            first_party=True,
            tls_client_auth_subject_dn="CN=desk",
            tls_client_certificate_bound_access_tokens=True,
        )
    )
    sign_in = "grant_type=password&username=alice&password=wonderland&client_id=desk"
    token = show(tls, issued("desk"), sign_in, verified=True).json()["refresh_token"]
    newer = issued("desk")
    refresh = f"grant_type=refresh_token&refresh_token={token}&client_id=desk"
    answered = show(tls, newer, refresh, verified=True).json()
    form = f"token={answered['access_token']}&client_id=desk"

    seen = show(tls, newer, form, verified=True, path="/introspect").json()
    assert seen["cnf"] == {"x5t#S256": thumbprint(newer.der)}


# Metadata


def metadata(**settings: Any) -> Any:
    server = AuthorizationServer(
        issuer=ISSUER, store=MemoryStore(), grants=[ClientCredentialsGrant()], **settings
    )
    path = "/.well-known/oauth-authorization-server"
    return server.handle(HttpRequest(method="GET", url=ISSUER + path)).json()


@req("R8705-5-a")
def test_the_metadata_tell_of_mutual_tls() -> None:
    aliases = {
        "token_endpoint": "https://mtls.example.com/token",
        "revocation_endpoint": "https://mtls.example.com/revoke",
        "introspection_endpoint": "https://mtls.example.com/introspect",
    }
    told = metadata(mutual_tls=MutualTls(endpoint_aliases=aliases))

    assert told["mtls_endpoint_aliases"] == aliases
    assert told["tls_client_certificate_bound_access_tokens"] is True
    for endpoint in ("token", "revocation", "introspection"):
        methods = told[f"{endpoint}_endpoint_auth_methods_supported"]
        assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(methods)


@req("R8705-5-a")
def test_a_server_without_mutual_tls_says_nothing_of_it() -> None:
    told = metadata()

    assert not {"mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens"} & told.keys()
    assert "tls_client_auth" not in told["token_endpoint_auth_methods_supported"]
    named = metadata(client_auth_methods=["tls_client_auth"])
    assert named["tls_client_certificate_bound_access_tokens"] is True
    assert "mtls_endpoint_aliases" not in named


@req("R8705-5-a")
@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ({"jwks_uri": "https://mtls.example.com/jwks"}, "endpoint_aliases has 'jwks_uri'"),
        ({"token_endpoint": "http://mtls.example.com/token"}, "has to be an https URL"),
        ({"token_endpoint": "https:/token"}, "has to be an https URL"),
        ({"token_endpoint": "/token"}, "has to be an https URL"),
    ],
)
def test_aliases_are_of_our_endpoints(aliases: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MutualTls(endpoint_aliases=aliases)


def test_metadata_of_the_host_do_not_replace_what_is_wired() -> None:
    with pytest.raises(ValueError, match="tls_client_certificate_bound_access_tokens"):
        metadata(
            mutual_tls=MutualTls(), metadata={"tls_client_certificate_bound_access_tokens": False}
        )
