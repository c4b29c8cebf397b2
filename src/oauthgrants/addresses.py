"""Which addresses are whose: ours alone, or everybody's (RFC 6890)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")


def is_loopback(hostname: str) -> bool:
    """Return whether *hostname* is this machine."""
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def is_public(address: str) -> bool:
    """
    Return whether *address* is anybody's to reach: not loopback, private, link-local and such.

    An IPv4 address that an IPv6 address carries has to be public too.

    >>> [is_public(each) for each in ("192.0.43.8", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    ip = ip_address(address.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in _carried(ip))


def _carried(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip in _NAT64:
        return [IPv4Address(ip.packed[-4:])]
    return [each for each in (ip, ip.sixtofour) if each is not None]
