"""Whose word on source, scheme and host is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from oauthgrants.adapters.certificates import CertificateHeader
from oauthgrants.adapters.proxies import Arrival, TrustedProxies

PROXY = "10.0.0.7"
PROXIES = TrustedProxies.parse(["10.0.0.0/8", "2001:db8:ff::/48"])


def arrive(source: str | None = PROXY) -> Arrival:
    return Arrival(source, "http", "backend:8000")


def find_source(*values: str, source: str | None = PROXY) -> str | None:
    headers = [("X-Forwarded-For", value) for value in values]
    return PROXIES.look_behind(arrive(source), headers).source


FORWARDED = [
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "auth.example.com"),
]


@pytest.mark.req("R9700-4.13-a")
@pytest.mark.parametrize(
    "source",
    [
        pytest.param("192.0.2.1", id="other-address"),
        pytest.param("2001:db8::1", id="other-network"),
        pytest.param("::ffff:192.0.2.1", id="other-mapped"),
        pytest.param("backend", id="no-address"),
        pytest.param(None, id="unix-socket"),
    ],
)
def test_an_untrusted_peer_is_not_believed(source: str | None) -> None:
    assert PROXIES.look_behind(arrive(source), FORWARDED) == arrive(source)


@pytest.mark.req("R9700-4.13-a")
def test_nobody_is_trusted_by_default() -> None:
    for source in (PROXY, "127.0.0.1", "::1", None):
        assert TrustedProxies().look_behind(arrive(source), FORWARDED) == arrive(source)


@pytest.mark.req("R9700-4.13-a")
@pytest.mark.parametrize(
    "source",
    ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8:ff::1", "2001:DB8:FF:0::1", "2001:db8:ff::1%eth0"],
)
def test_a_trusted_peer_is_believed(source: str) -> None:
    seen = PROXIES.look_behind(arrive(source), FORWARDED)

    assert seen == Arrival("198.51.100.7", "https", "auth.example.com")


def test_a_proxy_that_says_nothing_changes_nothing() -> None:
    headers = [("X-Forwarded-Port", "443"), ("Not-X-Forwarded-For", "198.51.100.7")]

    assert PROXIES.look_behind(arrive(), headers) == arrive()


@pytest.mark.parametrize(
    ("value", "source"),
    [
        pytest.param("198.51.100.7", "198.51.100.7", id="ipv4"),
        pytest.param("198.51.100.7:4711", "198.51.100.7", id="ipv4-port"),
        pytest.param("2001:db8::7", "2001:db8::7", id="ipv6"),
        pytest.param("2001:0DB8:0::7", "2001:db8::7", id="ipv6-normal-form"),
        pytest.param("[2001:db8::7]", "2001:db8::7", id="ipv6-brackets"),
        pytest.param("[2001:db8::7]:4711", "2001:db8::7", id="ipv6-port"),
        pytest.param("fe80::7%eth0", "fe80::7", id="ipv6-zone"),
        pytest.param("::ffff:198.51.100.7", "198.51.100.7", id="ipv4-mapped"),
        pytest.param(" \t198.51.100.7 ", "198.51.100.7", id="white-space"),
    ],
)
def test_addresses_are_read_in_every_form(value: str, source: str) -> None:
    assert find_source(value) == source


@pytest.mark.req("R9700-4.13-a")
@pytest.mark.parametrize(
    ("values", "source"),
    [
        pytest.param(["203.0.113.9, 198.51.100.7"], "198.51.100.7", id="made-up"),
        pytest.param(["203.0.113.9", "198.51.100.7"], "198.51.100.7", id="made-up-field"),
        pytest.param(["10.0.0.1, 198.51.100.7"], "198.51.100.7", id="made-up-proxy"),
        pytest.param(["203.0.113.9, 198.51.100.7, 10.0.0.1"], "198.51.100.7", id="two-proxies"),
        pytest.param(["198.51.100.7", "2001:db8:ff::1, 10.0.0.1"], "198.51.100.7", id="three"),
        pytest.param(["10.0.0.2, 10.0.0.1"], "10.0.0.2", id="all-proxies"),
    ],
)
def test_the_source_is_the_last_hop_that_is_no_trusted_proxy(
    values: list[str], source: str
) -> None:
    assert find_source(*values) == source


@pytest.mark.parametrize(
    ("value", "source"),
    [
        pytest.param("", PROXY, id="empty"),
        pytest.param("unknown", PROXY, id="word"),
        pytest.param("198.51.100.7, unknown", PROXY, id="word-last"),
        pytest.param("198.51.100.7,", PROXY, id="empty-last"),
        pytest.param("198.51.100.7, 999.1.1.1, 10.0.0.1", "10.0.0.1", id="word-before-a-proxy"),
        pytest.param("[", PROXY, id="bracket"),
        pytest.param("198.51.100.7/8", PROXY, id="network"),
        pytest.param("1", PROXY, id="number"),
        pytest.param("198.51.100.07", PROXY, id="leading-zero"),
        pytest.param("a" * 100_000, PROXY, id="long"),
    ],
)
def test_behind_a_hop_that_makes_no_sense_nobody_is_known(value: str, source: str) -> None:
    assert find_source(value) == source


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        pytest.param("https", "https", id="https"),
        pytest.param("HTTPS", "https", id="case"),
        pytest.param("http, https", "https", id="last"),
        pytest.param("https, http", "http", id="made-up"),
        pytest.param("", "http", id="empty"),
        pytest.param("javascript", "http", id="other"),
    ],
)
def test_the_scheme_is_the_nearest_proxy_s(value: str, scheme: str) -> None:
    assert PROXIES.look_behind(arrive(), [("x-forwarded-proto", value)]).scheme == scheme


@pytest.mark.parametrize(
    ("value", "host"),
    [
        pytest.param("auth.example.com:8443", "auth.example.com:8443", id="port"),
        pytest.param("[2001:db8::1]:8443", "[2001:db8::1]:8443", id="ipv6"),
        pytest.param("evil.example, auth.example.com", "auth.example.com", id="last"),
        pytest.param("", "backend:8000", id="empty"),
        pytest.param("evil.example/path", "backend:8000", id="path"),
    ],
)
def test_the_host_is_the_nearest_proxy_s(value: str, host: str) -> None:
    assert PROXIES.look_behind(arrive(), [("X-Forwarded-Host", value)]).host == host


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        pytest.param("auth.example.com", "auth.example.com", id="name"),
        pytest.param("auth.example.com:443", "auth.example.com:443", id="port"),
        pytest.param("auth.example.com:", "auth.example.com:", id="empty-port"),
        pytest.param("[::1]:8000", "[::1]:8000", id="ipv6"),
        pytest.param(None, "backend:8000", id="none"),
        pytest.param("", "backend:8000", id="empty"),
        pytest.param("h/token?", "backend:8000", id="path"),
        pytest.param("h?", "backend:8000", id="query"),
        pytest.param("h#", "backend:8000", id="fragment"),
        pytest.param("user@h", "backend:8000", id="user"),
        pytest.param("h h", "backend:8000", id="space"),
        pytest.param("caf\xe9", "backend:8000", id="not-ascii"),
        pytest.param("[", "backend:8000", id="bracket"),
        pytest.param("[::1", "backend:8000", id="open-bracket"),
        pytest.param("[:::]", "backend:8000", id="no-ipv6"),
        pytest.param("h:65536", "backend:8000", id="port-too-high"),
        pytest.param("h:x", "backend:8000", id="port-no-number"),
    ],
)
def test_a_host_brings_nothing_but_a_host_into_the_url(host: str | None, seen: str) -> None:
    arrival = Arrival.at(host, server=("backend", "8000"), scheme="http", source=None)

    assert arrival.url("/introspect", "") == f"http://{seen}/introspect"


@pytest.mark.parametrize(
    ("server", "host"),
    [
        pytest.param(("backend", 8000), "backend:8000", id="port"),
        pytest.param(("backend", None), "backend", id="no-port"),
        pytest.param(("::1", 8000), "[::1]:8000", id="ipv6"),
        pytest.param(("[::1]", "8000"), "[::1]:8000", id="ipv6-brackets"),
        pytest.param(("/run/oauth.sock", None), "localhost", id="unix-socket"),
        pytest.param(None, "localhost", id="unknown"),
    ],
)
def test_the_server_stands_in_for_the_host(
    server: tuple[str, int | str | None] | None, host: str
) -> None:
    assert Arrival.at(None, server=server, scheme="http", source=None).host == host


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("*", id="star"),
        pytest.param("", id="empty"),
        pytest.param("proxy.example.com", id="name"),
        pytest.param("10.0.0.1/8", id="host-bits"),
        pytest.param("10.0.0.1,10.0.0.2", id="list-in-text"),
        pytest.param("300.1.1.1", id="no-address"),
    ],
)
def test_nonsense_is_refused_at_once(entry: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies has") as caught:
        TrustedProxies.parse(["10.0.0.0/8", entry])

    assert repr(entry) in str(caught.value)


def test_one_proxy_needs_no_list() -> None:
    assert TrustedProxies.parse("10.0.0.1") == TrustedProxies.parse(["10.0.0.1"])


def test_every_kind_of_entry_is_read() -> None:
    assert TrustedProxies.parse(["unix", "10.0.0.0/8", "::1"]) == TrustedProxies(
        networks=(ip_network("10.0.0.0/8"), ip_network("::1")), unix=True
    )


def test_proxies_are_parsed_once() -> None:
    assert TrustedProxies.parse(PROXIES) is PROXIES
    with pytest.raises(ValueError, match="the proxies are parsed already"):
        TrustedProxies.parse(PROXIES, certificates=CertificateHeader.nginx())
