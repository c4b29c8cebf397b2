"""
What a TOML file may hold: readers, and tables made of them.

A reader takes a key and its value, and returns the value as the server wants it or raises a
`ConfigError` that names the key. It never shows the value, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from oauthgrants.cli.errors import ConfigError
from oauthgrants.errors import InvalidScope
from oauthgrants.forms import Limits, is_unicodecharnocrlf, is_vschar
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret

Reader: TypeAlias = Callable[[str, object], Any]
"""Returns a checked value, or raises a `ConfigError`."""

_BARE_KEY = re.compile("[A-Za-z0-9_-]+")
# A hundred years: whatever is longer is a mistake, and might pass the end of the calendar.
_MOST_SECONDS = 100 * 365 * 24 * 3600
_END_OF_CALENDAR = 253_402_300_800
_MOST_NESTED = 20


def table(readers: Mapping[str, Reader], *, required: Collection[str] = ()) -> Reader:
    """Return the reader of a table with these keys and no other."""

    def read(key: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ConfigError(key, f"has to be a table, [{key}]")
        entries = cast("dict[str, object]", value)
        for name in entries:
            if name not in readers:
                raise ConfigError(_join(key, name), f"unknown key{_suggest(name, readers)}")
        values = {name: readers[name](_join(key, name), entry) for name, entry in entries.items()}
        for name in required:
            if name not in values:
                raise ConfigError(_join(key, name), "is missing")
        return values

    return read


def tables(
    readers: Mapping[str, Reader], *, required: Collection[str], unique: Collection[str]
) -> Reader:
    """Return the reader of an array of tables; the keys in *unique* differ in all of them."""
    read_table = table(readers, required=required)

    def read(key: str, value: object) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise ConfigError(key, f"has to be an array of tables, [[{key}]]")
        entries = [
            read_table(f"{key}[{index}]", entry)
            for index, entry in enumerate(cast("list[object]", value))
        ]
        for name in unique:
            first: dict[str, int] = {}
            for index, entry in enumerate(entries):
                earlier = first.setdefault(entry[name], index)
                if earlier != index:
                    raise ConfigError(
                        f"{key}[{index}].{name}", f"is the same as that of {key}[{earlier}]"
                    )
        return entries

    return read


def boolean(key: str, value: object) -> bool:
    """Return *value*, true or false."""
    if not isinstance(value, bool):
        raise ConfigError(key, "has to be true or false")
    return value


def text(key: str, value: object) -> str:
    """Return *value*, a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigError(key, "has to be a string, and not an empty one")
    return value


def texts(key: str, value: object) -> tuple[str, ...]:
    """Return *value*, a list of strings."""
    if not isinstance(value, list):
        raise ConfigError(key, "has to be a list of strings")
    return tuple(text(key, entry) for entry in cast("list[object]", value))


def text_or_texts(key: str, value: object) -> tuple[str, ...]:
    """Return *value*, a string or a list of strings."""
    return (text(key, value),) if isinstance(value, str) else texts(key, value)


def path(key: str, value: object) -> Path:
    """Return *value*, the path of a file or a directory."""
    value = text(key, value)
    if not value.isprintable():
        raise ConfigError(key, "has a character that no path should have")
    return Path(value)


def json_object(key: str, value: object) -> dict[str, Any]:
    """Return *value*, a table of what JSON can say."""
    if not isinstance(value, dict):
        raise ConfigError(key, f"has to be a table, [{key}]")
    return _json_object(key, cast("dict[str, object]", value), _MOST_NESTED)


def json_text_or_object(key: str, value: object) -> str | dict[str, Any]:
    """Return *value*, a table of what JSON can say, or a JSON object as text."""
    return text(key, value) if isinstance(value, str) else json_object(key, value)


def printable(key: str, value: object) -> str:
    """Return *value*, printable ASCII (RFC 6749, A.1)."""
    value = text(key, value)
    if not is_vschar(value):
        raise ConfigError(key, "has to be of printable ASCII characters (RFC 6749, Appendix A)")
    return value


def secret(key: str, value: object) -> Secret:
    """Return *value*, a client secret (RFC 6749, A.2)."""
    return Secret(printable(key, value))


def line(key: str, value: object) -> str:
    """Return *value*, without control characters (RFC 6749, A.15)."""
    value = text(key, value)
    if not is_unicodecharnocrlf(value):
        raise ConfigError(key, "has a character that is not allowed (RFC 6749, Appendix A.15)")
    return value


def password(key: str, value: object) -> Secret:
    """Return *value*, a password that requests can bring (RFC 6749, A.16)."""
    value = line(key, value)
    if len(value.encode()) > Limits().password:
        raise ConfigError(key, f"has to be {Limits().password} octets in UTF-8 at most")
    return Secret(value)


def scope(key: str, value: object) -> Scope:
    """Return *value*, scope tokens with single spaces between them; an empty one has none."""
    if value == "":
        return Scope()
    try:
        return Scope.parse(text(key, value), most=Limits().scope)
    except InvalidScope as error:
        raise ConfigError(key, f"{error.description} (RFC 6749, Section 3.3)") from None


def uris(key: str, value: object) -> tuple[str, ...]:
    """Return *value*, a list of absolute URIs without fragment (RFC 8707, 2)."""
    found = texts(key, value)
    if any(not _has_scheme(uri) or "#" in uri for uri in found):
        raise ConfigError(key, "has to be of absolute URIs without fragment (RFC 8707, Section 2)")
    return found


def one_of(*known: str) -> Reader:
    """Return the reader of one of the names *known*."""

    def read(key: str, value: object) -> str:
        value = text(key, value)
        if value not in known:
            raise ConfigError(key, f"has to be one of {', '.join(known)}")
        return value

    return read


def some_of(*known: str) -> Reader:
    """Return the reader of a list of names out of *known*."""

    def read(key: str, value: object) -> tuple[str, ...]:
        names = texts(key, value)
        if not set(names) <= set(known):
            raise ConfigError(key, f"may have {', '.join(known)} and nothing else")
        return names

    return read


def seconds(*, least: int) -> Reader:
    """Return the reader of a time span of *least* or more seconds."""

    def read(key: str, value: object) -> timedelta:
        return timedelta(seconds=_integer(key, value, least, _MOST_SECONDS))

    return read


def whole(*, least: int, most: int) -> Reader:
    """Return the reader of a whole number within bounds."""

    def read(key: str, value: object) -> int:
        return _integer(key, value, least, most)

    return read


def moment(key: str, value: object) -> datetime | None:
    """Return *value*, seconds since 1970, as a moment; None for zero, which is never."""
    since = _integer(key, value, 0, _END_OF_CALENDAR - 1)
    return datetime.fromtimestamp(since, UTC) if since else None


def _json_object(key: str, entries: dict[str, object], levels: int) -> dict[str, Any]:
    return {name: _json(_join(key, name), entry, levels) for name, entry in entries.items()}


def _json(key: str, value: object, levels: int) -> Any:
    if not levels:
        raise ConfigError(key, f"is nested deeper than {_MOST_NESTED} levels")
    if isinstance(value, dict):
        return _json_object(key, cast("dict[str, object]", value), levels - 1)
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return [_json(f"{key}[{index}]", each, levels - 1) for index, each in enumerate(entries)]
    if isinstance(value, float) and not isfinite(value):
        raise ConfigError(key, "has to be a finite number")
    if not isinstance(value, str | int | float):
        raise ConfigError(key, "has to be a string, a number, true, false, a list or a table")
    return value


def _integer(key: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(key, f"has to be an integer from {least} to {most}")
    return value


def _has_scheme(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).scheme)
    except ValueError:
        return False


def _join(key: str, name: str) -> str:
    # Quoted where TOML has to, so that no key can begin another line of the message.
    name = name if _BARE_KEY.fullmatch(name) else ascii(name)
    return f"{key}.{name}" if key else name


def _suggest(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; is it {close[0]}?" if close else f"; there are {', '.join(known)}"
