"""The rows that checks are about, word for word as the project's own tests have them."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def requirement_texts() -> dict[str, str]:
    """
    Return each row by its id.

    >>> requirement_texts()["R6749-3.2-d"]
    'Unknown parameters change nothing in the outcome, also when repeated (C-06).'
    """
    text = files("oauthgrants.testing.conformance").joinpath("requirements.toml").read_text("utf-8")
    return dict(tomllib.loads(text))
