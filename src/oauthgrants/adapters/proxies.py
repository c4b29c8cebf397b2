"""How a request arrived, and what a trusted proxy says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import attrs

from oauthgrants.adapters.certificates import NOT_SHOWN, CertificateHeader, ShownCertificate

# Host = uri-host [ ":" port ] (RFC 9110, Section 7.2)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
# pchar / "/" without the escapes (RFC 3986, Section 3.3)
_IN_PATH = "/:@!$&'()*+,;=~"

UNIX = "unix"
"""Stands for peers without an address, such as those on a Unix socket."""


@lru_cache  # the paths of a server are few
def quote_path(octets: bytes, *, escaped: bool = False) -> str:
    """
    Return *octets* as the path of a URL.

    Args:
        octets: A path.
        escaped: Whether it has percent escapes already, which stay as they are.
    """
    return quote(octets, safe=_IN_PATH + "%" if escaped else _IN_PATH)


@attrs.frozen
class Arrival:
    """
    How a request arrived.

    Attributes:
        source: The address that the client connects from, None if unknown.
        scheme: ``http`` or ``https``.
        host: Name or address, with the port if there was one.
        certificate: What the client has shown on the TLS layer.
    """

    source: str | None
    scheme: str
    host: str
    certificate: ShownCertificate = NOT_SHOWN

    @classmethod
    def at(
        cls,
        host: str | None,
        *,
        server: tuple[str, int | str | None] | None,
        scheme: str,
        source: str | None,
        certificate: ShownCertificate = NOT_SHOWN,
    ) -> Arrival:
        """
        Return the arrival of a request.

        Args:
            host: The field ``Host``, None without. A malformed one counts as absent, since
                it could bring a path of its own into the URL.
            server: Name and port of the server, which stand in for the host.
            scheme: As the web server saw it.
            source: As the web server saw it.
            certificate: What the other end of the connection has shown.
        """
        if host and _is_host(host):
            return cls(source, scheme, host, certificate)
        name, port = server or ("localhost", None)
        if ":" in name and not name.startswith("["):
            name = f"[{name}]"
        host = f"{name}:{port}" if port else name
        # A server on a Unix socket may have a file's name.
        return cls(source, scheme, host if _is_host(host) else "localhost", certificate)

    def url(self, path: str, query: str) -> str:
        """
        Return the URL that was asked for.

        Args:
            path: With its escapes, the prefix that the application is mounted at included.
            query: With its escapes, empty for none.
        """
        slash = "" if path.startswith("/") else "/"
        question = "?" + quote(query, safe=_IN_PATH + "?%", encoding="latin-1") if query else ""
        return f"{self.scheme}://{self.host}{slash}{path}{question}"


@attrs.frozen
class TrustedProxies:
    """
    The proxies whose word on source, scheme and host is believed (RFC 9700, 4.13).

    A proxy that is trusted has to set ``X-Forwarded-For``, ``X-Forwarded-Proto`` and
    ``X-Forwarded-Host``, or to take away what the client sent of them.

    Attributes:
        networks: Their addresses.
        unix: Whether peers without an address are trusted.
        certificates: The header in which they hand on what clients show on the TLS layer, None
            if they do not; what the proxy itself shows is not the client's in any case.

    >>> proxies = TrustedProxies.parse(["10.0.0.0/8"])
    >>> arrival = Arrival("10.0.0.7", "http", "backend:8000")
    >>> proxies.look_behind(arrival, [("X-Forwarded-For", "203.0.113.9, 198.51.100.7")]).source
    '198.51.100.7'
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    certificates: CertificateHeader | None = None

    @classmethod
    def parse(
        cls, entries: Proxies, *, certificates: CertificateHeader | None = None
    ) -> TrustedProxies:
        """
        Return the proxies at *entries*.

        Args:
            entries: Addresses, networks, and ``unix``; proxies that are parsed already stay.
            certificates: The header in which they hand on what clients show.

        Raises:
            ValueError: An entry is none of these, or *certificates* comes with proxies that are
                parsed already.
        """
        if isinstance(entries, TrustedProxies):
            if certificates is not None:
                raise ValueError(
                    "the proxies are parsed already: give certificates= to the call that did it"
                )
            return entries
        named = {entries} if isinstance(entries, str) else {str(entry) for entry in entries}
        return cls(
            networks=tuple(_parse_network(entry) for entry in sorted(named - {UNIX})),
            unix=UNIX in named,
            certificates=certificates,
        )

    def look_behind(self, arrival: Arrival, headers: Iterable[tuple[str, str]]) -> Arrival:
        """
        Return *arrival* as it was at the first proxy, or as it is if it is from none.

        The source is the last hop that is no trusted proxy; what stands before it can be made
        up by anybody. Of several schemes or hosts the last one counts, the nearest proxy's. A
        value that makes no sense changes nothing.
        """
        if not (self.networks or self.unix) or not self._trust(arrival.source):
            return arrival
        headers = list(headers)
        forwarded: dict[str, list[str]] = {"for": [], "proto": [], "host": []}
        for name, value in headers:
            prefix, _, kind = name.lower().partition("x-forwarded-")
            if not prefix and kind in forwarded:
                forwarded[kind] += (item.strip() for item in value.split(","))
        scheme = "".join(forwarded["proto"][-1:]).lower()
        host = "".join(forwarded["host"][-1:])
        return Arrival(
            source=self._find_source(forwarded["for"]) or arrival.source,
            scheme=scheme if scheme in {"http", "https"} else arrival.scheme,
            host=host if _is_host(host) else arrival.host,
            certificate=NOT_SHOWN if self.certificates is None else self.certificates.find(headers),
        )

    def _trust(self, source: str | None) -> bool:
        if source is None:
            return self.unix
        address = _parse_address(source)
        return address is not None and any(address in network for network in self.networks)

    def _find_source(self, hops: list[str]) -> str | None:
        source = None
        for hop in reversed(hops):
            address = _parse_address(hop)
            if address is None:
                # Whoever wrote this knows no better than the hop that is nearer.
                break
            source = str(address)
            if not self._trust(source):
                break
        return source


Proxies: TypeAlias = str | Iterable[str] | TrustedProxies
"""Which proxies an adapter trusts, as `TrustedProxies.parse` takes them."""


@lru_cache  # the hosts of a server are few
def _is_host(text: str) -> bool:
    if not _HOST.fullmatch(text):
        return False
    try:
        _ = urlsplit(f"//{text}").port
    except ValueError:  # an address that is none, a port too high
        return False
    return True


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"trusted_proxies has {text!r}; it takes addresses such as '192.0.2.1', networks such "
            f"as '10.0.0.0/8' or '2001:db8::/32', and {UNIX!r}: {error}"
        ) from None


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in *text*, with or without brackets, port and zone, None if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket for both versions shows IPv4 peers as ::ffff:192.0.2.1.
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
