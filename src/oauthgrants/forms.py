"""Strict parsing of form bodies (RFC 6749, Appendix B) and of what they hold (Appendix A)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes, urlsplit

import attrs

from oauthgrants.brief import brief, service
from oauthgrants.errors import InvalidRequest

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
# UNICODECHARNOCRLF = %x09 / %x20-7E / %x80-D7FF / %xE000-FFFD / %x10000-10FFFF (A.15). All others
# are listed here, since that is shorter and compiles in a tenth of the time.
_NOT_UNICODECHARNOCRLF = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

# What is malformed in these has an answer of its own, such as invalid_scope.
_ANSWERED_BY_READER = frozenset(
    {"grant_type", "scope", "refresh_token", "token", "token_type_hint"}
)


def is_vschar(text: str) -> bool:
    """Return whether *text* is ``*VSCHAR``, %x20-7E (RFC 6749, Appendix A)."""
    # What is ASCII and printable is just that range.
    return text.isascii() and text.isprintable()


def is_absolute_uri(text: str) -> bool:
    """Return whether *text* is an absolute URI, so without fragment (RFC 3986, 4.3)."""
    if not is_vschar(text) or " " in text or "#" in text:
        return False
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return bool(url.scheme and (url.netloc or url.path))


def is_unicodecharnocrlf(text: str) -> bool:
    """Return whether *text* is ``*UNICODECHARNOCRLF`` (RFC 6749, Appendix A)."""
    # Nearly all that comes is printable, and all that is printable is allowed.
    return text.isprintable() or _NOT_UNICODECHARNOCRLF.search(text) is None


def decode_form_text(text: str) -> str:
    """
    Return *text* without its form encoding: ``+`` is a space, escapes are UTF-8 octets.

    >>> decode_form_text("+%25%26%2B%C2%A3%E2%82%AC")
    ' %&+£€'

    Raises:
        InvalidRequest: An escape is broken or its octets are not UTF-8.
    """
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    if _BROKEN_ESCAPE.search(text):
        raise InvalidRequest("a percent escape is malformed")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("a parameter is not UTF-8") from None


@attrs.frozen(kw_only=True)
class Limits:
    """
    How large a request and its parts may be; what is larger is an ``invalid_request``.

    Attributes:
        body: Octets of the body.
        parameters: Parameters in the body, unknown ones included.
        header_value: Characters of a header that is read.
        password: Octets of a password in UTF-8.
        scope: Tokens of a scope.
    """

    body: int = 64 * 1024
    parameters: int = 64
    header_value: int = 8 * 1024
    password: int = 1024
    scope: int = 100


@brief
class Form:
    """
    The known parameters of a request: decoded, none repeated; an empty one counts as absent.

    Parameters that the endpoint does not read are not in it.
    """

    _values: Mapping[str, str] = attrs.field(repr=False)
    _repeatable: Mapping[str, tuple[str, ...]] = attrs.field(
        factory=dict[str, tuple[str, ...]], repr=False
    )

    def get(self, name: str) -> str | None:
        """Return the value of *name*, None if it is absent or empty."""
        return self._values.get(name) or None

    def require(self, name: str) -> str:
        """
        Return the value of *name*.

        Raises:
            InvalidRequest: It is absent or empty.
        """
        value = self._values.get(name)
        if not value:
            raise InvalidRequest(f"the parameter {name} is missing")
        return value

    def without(self, name: str) -> Form:
        """Return the form as if *name* had not been sent, for code that must not see it."""
        values = {each: value for each, value in self._values.items() if each != name}
        return Form(values, self._repeatable)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return each value of *name*, a parameter that may be repeated, without empty ones."""
        return tuple(filter(None, self._repeatable.get(name, ())))


@service
class FormParser:
    """
    Reads bodies of one endpoint.

    Attributes:
        known: Names of the parameters that the endpoint reads.
        repeatable: Those that may come more than once, as ``resource`` may (RFC 8707).
    """

    known: frozenset[str]
    repeatable: frozenset[str] = frozenset()
    limits: Limits = Limits()

    def parse(self, body: bytes) -> Form:
        """
        Return the form in *body*.

        Unknown parameters are ignored, repeated or not; an empty value counts
        as absent, though not when repeats are counted (RFC 6749, 3.2).

        Raises:
            InvalidRequest: *body* is too large or malformed, repeats a parameter, or has a
                control character in one (RFC 6749, A.15 and 10.14).
        """
        if len(body) > self.limits.body:
            raise InvalidRequest("the body is too large")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("the body is not UTF-8") from None
        pairs = text.split("&") if text else []
        if len(pairs) > self.limits.parameters:
            raise InvalidRequest("the body has too many parameters")
        return self._collect(pairs)

    def _collect(self, pairs: Iterable[str]) -> Form:
        values: dict[str, str] = {}
        repeatable: dict[str, tuple[str, ...]] = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            if "%" in pair or "+" in pair:
                # Unknown parameters too: a malformed body is malformed anywhere.
                name, value = decode_form_text(name), decode_form_text(value)
            if name in self.repeatable:
                repeatable[name] = (*repeatable.get(name, ()), value)
            elif name in self.known:
                if name in values:
                    raise InvalidRequest(f"the parameter {name} is repeated")
                if name not in _ANSWERED_BY_READER and not is_unicodecharnocrlf(value):
                    raise InvalidRequest(f"the parameter {name} has a character that is no text")
                values[name] = value
        return Form(values, repeatable)
