"""Which request a proof is for: URLs as they can be compared (RFC 9449, 4.3; RFC 3986, 6.2)."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from oauthgrants.forms import is_absolute_uri

_QUERY_OR_FRAGMENT = re.compile(r"[?#]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
# unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~" (RFC 3986, Section 2.3)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise(url: str) -> str:
    """
    Return *url* without query and fragment, in the same spelling for all its spellings.

    >>> normalise("HTTPS://API.example.com:443/a/./b/../%7euser?page=2#top")
    'https://api.example.com/a/~user'

    Raises:
        ValueError: *url* is no http or https URL, or has a user in it.
    """
    location = _QUERY_OR_FRAGMENT.split(url, maxsplit=1)[0]
    parts = _split(location)
    return _origin(parts) + _normal_path(parts.path)


def origin_of(url: str) -> str:
    """
    Return scheme, host and port of *url*, in the same spelling for all their spellings.

    >>> origin_of("https://API.example.com:8443/v1")
    'https://api.example.com:8443'

    Raises:
        ValueError: *url* is no http or https URL, or has a user in it.
    """
    return _origin(_split(url))


def _split(location: str) -> SplitResult:
    parts = urlsplit(location) if is_absolute_uri(location) else None
    if parts is None or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
        raise ValueError("the URL is not one of http or https")
    return parts


def _origin(parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise ValueError("the URL has no host")
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != _DEFAULT_PORTS[parts.scheme]:
        authority += f":{parts.port}"
    return f"{parts.scheme}://{authority}"


def _normal_path(path: str) -> str:
    segments: list[str] = []
    _, *rest = _ESCAPE.sub(_normal_escape, path).split("/") if path else ("", "")
    for segment in rest:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if rest[-1] in {".", ".."}:
        # What ends so is a directory (RFC 3986, Section 5.2.4).
        segments.append("")
    return "/" + "/".join(segments)


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
