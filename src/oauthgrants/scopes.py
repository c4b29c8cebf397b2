"""The grammar of scope (RFC 6749, 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import attrs

from oauthgrants.errors import InvalidScope

# scope-token = 1*NQCHAR, NQCHAR = %x21 / %x23-5B / %x5D-7E
_SCOPE_TOKEN = r"[\x21\x23-\x5B\x5D-\x7E]+"
# scope = scope-token *( SP scope-token )
_SCOPE = re.compile(rf"{_SCOPE_TOKEN}(?: {_SCOPE_TOKEN})*")
# What is longer is rare, and is not kept parsed. In characters.
_OFTEN = 200


@attrs.frozen(repr=False, str=False)
class Scope:
    """
    A set of scope tokens (RFC 6749, 3.3): order and repeats carry no meaning, case does.

    An empty scope stands for a token without scope; no text parses to it.

    >>> read, both = Scope.parse("read"), Scope.parse("write read")
    >>> read <= both, both - read, "Read" in both
    (True, Scope('write'), False)
    """

    tokens: frozenset[str] = frozenset()
    _text: str = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        # Once sorted, two equal scopes read the same on the wire and in logs.
        object.__setattr__(self, "_text", " ".join(sorted(self.tokens)))

    @classmethod
    def parse(cls, text: str, *, most: int = 100) -> Scope:
        """
        Return the scope that *text* spells.

        Args:
            text: Scope tokens with single spaces between them.
            most: How many tokens there may be.

        Raises:
            InvalidScope: *text* does not follow the grammar, or is longer than *most*.
        """
        if text.count(" ") >= most:
            raise InvalidScope("the scope has too many tokens")
        # Clients ask for the same again and again.
        return _parse_often(text) if len(text) <= _OFTEN else _parse(text)

    @classmethod
    def of(cls, scope: Scope | str | Iterable[str]) -> Scope:
        """
        Return *scope*, however a host spells it: text, tokens, or a scope.

        >>> Scope.of("read write") == Scope.of(["write", "read"])
        True

        Raises:
            ValueError: A token does not follow the grammar.
        """
        if isinstance(scope, Scope):
            return scope
        if isinstance(scope, str):
            # The same ones come at each request: in tokens, and in what an endpoint asks for.
            return _read_often(scope) if len(scope) <= _OFTEN else _read(scope)
        return _join(scope)

    def __le__(self, other: Scope) -> bool:
        return self.tokens <= other.tokens

    def __and__(self, other: Scope) -> Scope:
        return Scope(self.tokens & other.tokens)

    def __sub__(self, other: Scope) -> Scope:
        return Scope(self.tokens - other.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.tokens

    def __iter__(self) -> Iterator[str]:
        return iter(self._text.split())

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Scope({self._text!r})"


def _parse(text: str) -> Scope:
    if not _SCOPE.fullmatch(text):
        raise InvalidScope("the scope is malformed")
    return Scope(frozenset(text.split(" ")))


def _join(scope_tokens: Iterable[str]) -> Scope:
    tokens = frozenset(scope_tokens)
    for token in tokens:
        if not re.fullmatch(_SCOPE_TOKEN, token):
            raise ValueError(f"scope token {token!r} is malformed (RFC 6749, Section 3.3)")
    return Scope(tokens)


def _read(text: str) -> Scope:
    return _join(text.split())


_parse_often = lru_cache(maxsize=1024)(_parse)
_read_often = lru_cache(maxsize=1024)(_read)
