"""What a server's configuration has to be; a host's mistake says what to change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from oauthgrants.forms import is_vschar
from oauthgrants.grants import Grant

# grant-name and param-name of RFC 6749, Appendix A.10 and Section 8.2
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def require_issuer(issuer: str, *, allow_insecure_transport: bool) -> None:
    """
    Check that *issuer* is an https URL without query and fragment (RFC 8414, 2).

    Raises:
        ValueError: It is not; with *allow_insecure_transport*, http will do on a loopback host.
    """
    url = urlsplit(issuer)
    if not url.hostname or "?" in issuer or "#" in issuer:
        raise ValueError(
            f"issuer {issuer!r} has to be a URL without query and fragment (RFC 8414, Section 2)"
        )
    require_https(issuer, "issuer", allow_insecure_transport=allow_insecure_transport)


def require_resource(resource: str, *, allow_insecure_transport: bool) -> None:
    """
    Check that *resource* is an https URL without fragment (RFC 9728, 1.2).

    Raises:
        ValueError: It is not; with *allow_insecure_transport*, http will do on a loopback host.
    """
    if not urlsplit(resource).hostname or "#" in resource or not is_vschar(resource):
        raise ValueError(
            f"resource {resource!r} has to be a URL without fragment (RFC 9728, Section 1.2)"
        )
    require_https(resource, "resource", allow_insecure_transport=allow_insecure_transport)


def require_https(location: str, name: str, *, allow_insecure_transport: bool) -> None:
    """
    Check that *location* is an https URL.

    Args:
        location: The URL.
        name: What it is, for the message.
        allow_insecure_transport: Whether http will do on a loopback host.

    Raises:
        ValueError: It is not.
    """
    url = urlsplit(location)
    if url.scheme == "https" and url.hostname:
        return
    if url.scheme != "http" or not allow_insecure_transport:
        raise ValueError(
            f"{name} {location!r} has to be https (RFC 6749, Section 1.6); for tests on this "
            "machine, allow_insecure_transport=True takes plain http on a loopback host"
        )
    if not _is_loopback(url.hostname or ""):
        raise ValueError(
            f"{name} {location!r}: plain http is for loopback hosts only, such as 127.0.0.1"
        )


def _is_loopback(hostname: str) -> bool:
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def require_grants(grants: Iterable[Grant]) -> dict[str, Grant]:
    """
    Return *grants* by their ``grant_type``.

    Raises:
        ValueError: A name does not follow its grammar, or comes twice, or there are none.
    """
    enabled: dict[str, Grant] = {}
    for grant in grants:
        name = grant.grant_type
        if not _NAME.fullmatch(name) and not urlsplit(name).scheme:
            raise ValueError(
                f"grant_type {name!r} has to be a name or an absolute URI (RFC 6749, Section 4.5)"
            )
        if name in enabled:
            raise ValueError(f"grant_type {name!r} is enabled twice")
        for parameter in grant.parameters:
            if not _NAME.fullmatch(parameter):
                raise ValueError(
                    f"parameter {parameter!r} of grant_type {name!r} has to be of letters, "
                    "digits, '-', '.' and '_' (RFC 6749, Section 8.2)"
                )
        enabled[name] = grant
    if not enabled:
        raise ValueError("no grants are enabled: give the server grants=[…]")
    return enabled
