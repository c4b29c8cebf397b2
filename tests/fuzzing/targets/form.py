"""The form parser: it reads what the grammar has, and refuses the rest."""

from __future__ import annotations

from urllib.parse import urlencode

from oauthgrants.errors import InvalidRequest
from oauthgrants.forms import Form, FormParser

from .. import models

KNOWN = ("grant_type", "scope", "client_id", "username", "password", "token")
REPEATABLE = ("resource",)
_READ_BY_OTHERS = ("grant_type", "scope", "refresh_token", "token", "token_type_hint")
_PARSER = FormParser(frozenset(KNOWN), frozenset(REPEATABLE))


def fuzz(data: bytes) -> None:
    """Parse *data*; if it is a form, write it anew, and parse that."""
    try:
        expected = models.parse_form(data, KNOWN, REPEATABLE, _READ_BY_OTHERS)
    except models.Refused:
        expected = None
    try:
        form = _PARSER.parse(data)
    except InvalidRequest:
        form = None
    assert (form is None) == (expected is None), "refused, or not refused"
    if form is None or expected is None:
        return
    _compare(form, expected)
    pairs = [(name, value) for name, values in expected.items() for value in values]
    _compare(_PARSER.parse(urlencode(pairs).encode()), expected)


def _compare(form: Form, expected: dict[str, list[str]]) -> None:
    for name in KNOWN:
        (value,) = expected.get(name, [""])
        assert form.get(name) == (value or None), name
    for name in REPEATABLE:
        assert form.get_all(name) == tuple(filter(None, expected.get(name, []))), name
