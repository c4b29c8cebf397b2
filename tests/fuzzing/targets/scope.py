"""The scope: a set of tokens, in any order."""

from __future__ import annotations

from contextlib import suppress

from oauthgrants.errors import InvalidScope
from oauthgrants.scopes import Scope

from .. import models


def fuzz(data: bytes) -> None:
    """Parse *data*; parse its tokens anew, the other way round."""
    text = data.decode("utf-8", "replace")
    with suppress(ValueError):
        # How a host spells it: with white space of any kind.
        assert set(Scope.of(text)) == set(text.split())
    try:
        expected = models.parse_scope(text)
    except models.Refused:
        expected = None
    try:
        scope = Scope.parse(text)
    except InvalidScope:
        scope = None
    assert (scope.tokens if scope is not None else None) == expected
    if scope is None:
        return
    assert Scope.parse(str(scope)) == scope == Scope.of(text)
    assert Scope.parse(" ".join(reversed(list(scope)))) == scope
    assert str(scope).split(" ") == sorted(scope.tokens)
    assert not scope - Scope.parse(text)
