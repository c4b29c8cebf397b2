"""JSON from outside, which can be read in one way only (RFC 8259; RFC 8725, 2.6)."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast


def parse_object(octets: bytes) -> dict[str, Any]:
    """
    Return the JSON object in *octets*.

    >>> parse_object(b'{"iss": "https://auth.example.com"}')
    {'iss': 'https://auth.example.com'}

    Raises:
        ValueError: *octets* is no JSON object in UTF-8, or one that repeats a member, has
            numbers that JSON does not know or text that is none.
    """
    try:
        text = octets.decode()
        parsed: object = _DECODER.decode(text)
        if "\\u" in text:
            # An escape may stand for half a character.
            json.dumps(parsed, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError("the JSON is not an object")  # noqa: TRY004  # one error for all input
    return cast("dict[str, Any]", parsed)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_refuse)
