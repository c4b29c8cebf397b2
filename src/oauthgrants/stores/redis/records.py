"""
Clients, users and tokens as JSON, member by member.

Attributes are told by their names, not by their order, and what is None or empty by default is
left out. So an attribute may be added, and what was written before is still read. All of it is
ASCII, so that it reads the same whether or not a client of the host's decodes it, and how.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from oauthgrants.scopes import Scope

T = TypeVar("T", bound=attrs.AttrsInstance)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_COMPACT = json.JSONEncoder(separators=(",", ":"))
_SHORT = {
    "audience": "a",
    "client_id": "c",
    "family": "f",
    "family_ends_at": "e",
    "grant_type": "g",
    "issued_at": "i",
    "lifetime": "l",
    "parent": "p",
    "scope": "o",
    "sub": "s",
    "username": "u",
}
"""Names that millions of tokens would repeat. What an attribute is called here, it stays."""

_Convert = Callable[[Any], Any]


def to_text(reply: str | bytes) -> str:
    """Return what a server answered, whether or not the client has decoded it."""
    return reply if isinstance(reply, str) else reply.decode()


def to_base64(octets: bytes) -> str:
    """Return *octets* as letters, digits, ``-`` and ``_``."""
    return urlsafe_b64encode(octets).decode().rstrip("=")


def to_microseconds(moment: datetime) -> int:
    """Return *moment* as whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """Return the moment so many microseconds after 1970."""
    return _EPOCH + number * _MICROSECOND


def encode(value: attrs.AttrsInstance, *, without: tuple[str, ...] = ()) -> str:
    """
    Return *value*, an instance of an attrs class, as a JSON object.

    Args:
        value: What is to be kept.
        without: Attributes that are kept elsewhere.

    Raises:
        TypeError: JSON has no such thing as there is in a mapping.
    """
    return _COMPACT.encode(_to_json(value, without))


def parse(record: str | bytes) -> dict[str, Any]:
    """Return the members of a JSON object."""
    members: dict[str, Any] = json.loads(record)
    return members


def decode(kind: type[T], members: Mapping[str, Any], **known: Any) -> T:
    """
    Return what *members* stand for.

    Args:
        kind: An attrs class.
        members: As `encode` wrote them, be it in an earlier version.
        **known: Attributes that were kept elsewhere.

    Raises:
        TypeError: They were written by a later version, and say what *kind* cannot.
    """
    by_name = _members_of(kind)
    for short, value in members.items():
        member = by_name.get(short)
        if member is None:
            known[short] = value
        else:
            known[member.name] = None if value is None else member.from_json(value)
    return kind(**known)


@attrs.frozen
class _Member:
    """
    How one attribute is written.

    Attributes:
        name: The attribute's.
        nothing: What is left out, since it is the default.
        to_json: Makes JSON of what is not None.
        from_json: Takes it back.
    """

    name: str
    nothing: object
    to_json: _Convert
    from_json: _Convert


def _to_json(value: attrs.AttrsInstance, without: tuple[str, ...] = ()) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for short, member in _members_of(type(value)).items():
        part = getattr(value, member.name)
        if member.name not in without and part != member.nothing:
            written[short] = None if part is None else member.to_json(part)
    return written


def _members_of(kind: type[attrs.AttrsInstance]) -> dict[str, _Member]:
    """Return how the attributes of *kind* are written, by the names of the members."""
    if kind not in _KNOWN:
        _KNOWN[kind] = dict(_make_members(kind))
    return _KNOWN[kind]


_KNOWN: dict[type[attrs.AttrsInstance], dict[str, _Member]] = {}


def _make_members(kind: type[attrs.AttrsInstance]) -> Iterator[tuple[str, _Member]]:
    hints = get_type_hints(kind)
    for attribute in attrs.fields(kind):
        name: str = attribute.name
        member = _Member(name, _nothing(attribute.default), *_conversions(hints[name]))
        yield _SHORT.get(name, name), member


def _nothing(default: Any) -> object:
    """Return *default* if that is None or empty."""
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, which its stub hides
        default = {} if get_origin(default.factory) is dict else attrs.NOTHING
    return default if default is None or default in ((), {}) else attrs.NOTHING


def _same(value: Any) -> Any:
    return value


def _to_seconds(time: timedelta) -> float:
    return time / _SECOND if time.microseconds else time // _SECOND


_SINGLE: dict[type[Any], tuple[_Convert, _Convert]] = {
    Scope: (str, Scope.of),
    bytes: (to_base64, lambda text: urlsafe_b64decode(text + "=" * (-len(text) % 4))),
    datetime: (to_microseconds, from_microseconds),
    timedelta: (_to_seconds, lambda number: number * _SECOND),
}


def _conversions(hint: Any) -> tuple[_Convert, _Convert]:
    """Return how to write what is of the type *hint*, and how to read it."""
    choices = [choice for choice in get_args(hint) if choice is not NoneType]
    if NoneType in get_args(hint) and len(choices) == 1:
        return _conversions(choices[0])
    if hint in _SINGLE:
        return _SINGLE[hint]
    origin = get_origin(hint)
    if origin is tuple:
        part = choices[0]
        if attrs.has(part):
            return _to_list, lambda values: tuple(decode(part, value) for value in values)
        return list, tuple
    if origin is Mapping:
        return dict, _same
    return _same, _same


def _to_list(values: tuple[Any, ...]) -> list[Any]:
    return [_to_json(value) for value in values]
