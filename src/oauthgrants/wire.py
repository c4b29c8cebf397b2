"""Requests and responses of HTTP, as every adapter hands them over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from json.encoder import encode_basestring_ascii
from typing import Any

import attrs

from oauthgrants.brief import brief
from oauthgrants.errors import InvalidRequest, OAuthError
from oauthgrants.forms import Limits
from oauthgrants.tokens import TokenResponse

_JSON = ("Content-Type", "application/json")
# Section 5.1 asks for both wherever a token may be; errors carry them too.
NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
"""The headers of whatever holds a token or a credential."""

_HEADERS = (_JSON, *NO_STORE)

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
# The encoder sets itself up anew for each value, which takes longer than most values do.
_ENCODERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: str,
    bool: {True: "true", False: "false"}.__getitem__,
}


def encode_json(members: Mapping[str, Any]) -> str:
    """
    Return *members* as a JSON object without white space.

    Raises:
        TypeError, ValueError: A value has no place in JSON.
    """
    pairs = [
        f"{encode_basestring_ascii(name)}:{_ENCODERS.get(value.__class__, _encode)(value)}"
        for name, value in members.items()
    ]
    return f"{{{','.join(pairs)}}}"


def _to_pairs(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    # Adapters have made a tuple already.
    if isinstance(headers, tuple):
        return headers
    return tuple([(name, value) for name, value in headers])


@brief(kw_only=True)
class HttpRequest:
    """
    A request, whole and untouched.

    Attributes:
        method: As sent, such as ``POST``; methods are case-sensitive.
        url: Absolute, with scheme, host, path and query, as the client sees it.
        headers: Name and value of each field in the order of the wire, repeats included.
        body: The octets as they came, not chunked, not decoded.
        source: The address that the client connects from, None if unknown. From a
            proxy's header only if the proxy is trusted.
        client_certificate: What the client showed on the TLS layer, DER, None without.
        client_certificate_verified: Whether the host has validated its chain.
        confirmed: What an earlier guard has already checked of this request, as
            `AccessToken.cnf`; None without one. A DPoP proof is good only once, and a request may
            pass several guards.
    """

    method: str
    url: str = attrs.field(repr=False)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_to_pairs, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    source: str | None = None
    client_certificate: bytes | None = attrs.field(default=None, repr=False)
    client_certificate_verified: bool = False
    confirmed: Mapping[str, str] | None = None

    @property
    def path(self) -> str:
        """The path of the URL as it was sent, empty if there is none; never an error."""
        _, _, after_scheme = self.url.partition("://")
        _, slash, path = (after_scheme or self.url).partition("?")[0].partition("/")
        return slash + path

    def get_headers(self, name: str) -> list[str]:
        """
        Return the value of each field called *name*, which is in lower case.

        Empty ones count as absent.
        """
        return [value for field, value in self.headers if field.lower() == name and value]

    def find_header(self, name: str, limits: Limits) -> str | None:
        """
        Return the value of the only field called *name*, None without.

        Args:
            name: In lower case.
            limits: How long the value may be.

        Raises:
            InvalidRequest: There are several, or it is too long.
        """
        found: str | None = None
        for field, value in self.headers:
            if value and field.lower() == name:
                if found is not None:
                    raise InvalidRequest(f"the header {name} is repeated")
                found = value
        if found is not None and len(found) > limits.header_value:
            raise InvalidRequest(f"the header {name} is too long")
        return found


@brief(kw_only=True)
class HttpResponse:
    """
    A response, ready to be sent.

    Attributes:
        status: The status code.
        headers: Name and value of each field, without ``Content-Length``.
        body: The octets to send; not sent with the answer to HEAD.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def reason(self) -> str:
        """The phrase that goes with the status code."""
        return HTTPStatus(self.status).phrase

    @property
    def framed_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers to send, ``Content-Length`` included where there is one (RFC 9110, 8.6)."""
        if self.status == HTTPStatus.NOT_MODIFIED:
            # It would be the length of what 304 stands for, which is not here.
            return self.headers
        return (*self.headers, ("Content-Length", str(len(self.body))))

    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.body)


def render(
    parameters: Mapping[str, Any], *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> HttpResponse:
    """Return *parameters* as a JSON object that nobody may store (RFC 6749, 5.1)."""
    return HttpResponse(
        status=status,
        headers=(*_HEADERS, *headers) if headers else _HEADERS,
        body=encode_json(parameters).encode(),
    )


def render_tokens(
    tokens: TokenResponse, *, headers: tuple[tuple[str, str], ...] = ()
) -> HttpResponse:
    """Return what `render` makes of the parameters of *tokens*, in a third of the time."""
    if tokens.extra:
        return render(tokens.parameters(), headers=headers)
    quote, scope, refresh = encode_basestring_ascii, "", ""
    if tokens.scope:
        scope = f',"scope":{quote(str(tokens.scope))}'
    if tokens.refresh_token is not None:
        refresh = f',"refresh_token":{quote(tokens.refresh_token.reveal())}'
    body = (
        f'{{"access_token":{quote(tokens.access_token.reveal())}'
        f',"token_type":{quote(tokens.token_type)}'
        f',"expires_in":{tokens.expires_in}{scope}{refresh}}}'
    )
    return HttpResponse(
        status=200, headers=(*_HEADERS, *headers) if headers else _HEADERS, body=body.encode()
    )


def render_error(error: OAuthError) -> HttpResponse:
    """Return *error* in its wire form (RFC 6749, 5.2)."""
    return render(error.parameters(), status=error.status, headers=error.headers)
