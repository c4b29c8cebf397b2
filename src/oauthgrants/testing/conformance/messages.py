"""What is sent and what comes back, before anything is masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import attrs

from oauthgrants.strict_json import parse_object

Pairs = Sequence[tuple[str, str]]
Form = Mapping[str, str] | Pairs | bytes
"""What a form has: names and values, or the octets as they are sent."""

FORM = "application/x-www-form-urlencoded"


@attrs.frozen
class Credentials:
    """What a request carries to say whose it is."""

    headers: Pairs = ()
    form: Pairs = ()


NOBODY = Credentials()


@attrs.frozen
class Sent:
    """A request."""

    method: str
    url: str
    headers: Pairs
    body: bytes


@attrs.frozen(slots=False)
class Answer:
    """
    A response.

    Attributes:
        sent: What it answers.
        status: Its number.
        headers: Names and values as they came, in order.
        body: Octets, at most 256 KiB.
    """

    sent: Sent
    status: int
    headers: Pairs
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of each header of that *name*, whatever its case."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def get(self, name: str) -> str:
        """Return the values of the header *name* as one list (RFC 9110, 5.3), or nothing."""
        return ", ".join(self.all(name))

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.get("Content-Type").partition(";")[0].strip().lower()

    @cached_property
    def members(self) -> Mapping[str, Any]:
        """The JSON object, empty if there is none."""
        try:
            return parse_object(self.body)
        except ValueError:
            return {}

    @property
    def error(self) -> str | None:
        """The error code (RFC 6749, 5.2), if it is one."""
        code = self.members.get("error")
        return code if isinstance(code, str) and self.status >= 400 else None  # noqa: PLR2004

    @property
    def outcome(self) -> str:
        """What it says, in some words without any secret."""
        if self.error is not None:
            return f"{self.status} {self.error}"
        if "access_token" in self.members:
            return f"{self.status} with an access token"
        return f"{self.status}"


def encode_form(form: Form) -> bytes:
    """Return *form* as it is sent (RFC 6749, Appendix B)."""
    if isinstance(form, bytes):
        return form
    pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
    return urlencode(pairs).encode()
