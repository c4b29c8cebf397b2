"""What a server's configuration has to be; a host's mistake says what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from oauthgrants.addresses import is_loopback
from oauthgrants.forms import is_absolute_uri, is_vschar
from oauthgrants.grants import Grant

# grant-name and param-name of RFC 6749, Appendix A.10 and Section 8.2
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def require_issuer(issuer: str, *, allow_insecure_transport: bool) -> None:
    """
    Check that *issuer* is an https URL without query and fragment (RFC 8414, 2).

    Raises:
        ValueError: It is not; with *allow_insecure_transport*, http will do on a loopback host.
    """
    # It may come from the environment, with a line break, or not at all.
    if not issuer or not is_absolute_uri(issuer) or "?" in issuer or not urlsplit(issuer).hostname:
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
            "machine, give the server allow_insecure_transport=True: then it takes plain http on a "
            "loopback host"
        )
    if not is_loopback(url.hostname or ""):
        raise ValueError(
            f"{name} {location!r}: plain http is for loopback hosts only, such as 127.0.0.1"
        )


def require_grants(grants: Iterable[Grant]) -> dict[str, Grant]:
    """
    Return *grants* by their ``grant_type``.

    Raises:
        ValueError: A name does not follow its grammar, or comes twice, or there are none.
    """
    enabled: dict[str, Grant] = {}
    for grant in grants:
        name = grant.grant_type
        if not _NAME.fullmatch(name) and not is_absolute_uri(name):
            raise ValueError(
                f"grant_type {name!r} has to be a name or an absolute URI (RFC 6749, Section 4.5)"
            )
        if name in enabled:
            raise ValueError(f"grant_type {name!r} is enabled twice")
        require_parameters(grant.parameters, f"grant_type {name!r}")
        enabled[name] = grant
    if not enabled:
        raise ValueError("no grants are enabled: give the server grants=[…]")
    return enabled


def require_parameters(names: Collection[str], owner: str) -> Collection[str]:
    """
    Return *names*, the parameters that *owner* reads.

    Raises:
        ValueError: A name does not follow its grammar, or *names* is a single string.
    """
    if isinstance(names, str):
        raise ValueError(  # noqa: TRY004  # a mistake like the other ones
            f"{owner}: parameters has to be a collection of names, not {names!r}"
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{owner}: parameter {name!r} has to be of letters, digits, '-', '.' and '_' "
                "(RFC 6749, Section 8.2)"
            )
    return names


def require_settings(
    *, access_token_format: str, refresh_grace: timedelta, clock: Callable[[], datetime]
) -> None:
    """
    Check what would go wrong silently, or at the first request.

    Raises:
        ValueError: The format is unknown, the grace is a number or less than nothing, or the
            clock does not say what zone its time is of, as ``datetime.utcnow`` does not.
    """
    if access_token_format not in {"opaque", "jwt"}:
        raise ValueError(
            f"access_token_format is {access_token_format!r}; there are opaque and jwt"
        )
    if not _is_time(refresh_grace):
        raise ValueError(
            f"refresh_grace has to be a timedelta, zero or more, not {refresh_grace!r}"
        )
    if clock().utcoffset() is None:
        raise ValueError("clock has to return aware datetimes, as datetime.now(UTC) is one")


def _is_time(value: object) -> bool:
    return isinstance(value, timedelta) and value >= timedelta()


def require_audience(audience: str | Iterable[str]) -> tuple[str, ...]:
    """
    Return *audience* as a tuple.

    Raises:
        ValueError: There is an empty one.
    """
    audiences = (audience,) if isinstance(audience, str) else tuple(audience)
    if not all(audiences):
        raise ValueError("audience has an empty string; leave it out for tokens without aud")
    return audiences


def require_port(port: Any, name: str) -> Any:
    """
    Return *port*.

    Raises:
        ValueError: There is none.
    """
    if port is None:
        raise ValueError(f"the server has no {name}: give it store=, or {name}=")
    return port


def filling(store: Any, method: str) -> Any:
    """Return *store* if it fills the port with this method: a host's own may fill a few."""
    return store if hasattr(store, method) else None
