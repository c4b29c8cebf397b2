"""Tokens for the test clients of web frameworks, none of which is imported."""

from __future__ import annotations

from typing import Any, TypeVar

from oauthgrants.testing.actors import IssuedTokens

C = TypeVar("C")


def authorize(test_client: C, tokens: IssuedTokens | str) -> C:
    """
    Return *test_client*, which from now on sends the access token with each request.

    Args:
        test_client: Flask's ``app.test_client()``, Django's ``Client``, the ``TestClient`` of
            Starlette and FastAPI, or a client of httpx or requests.
        tokens: What was issued, or the access token by itself.

    Raises:
        TypeError: It is none of these.
    """
    access_token = tokens if isinstance(tokens, str) else tokens.access_token
    for attribute, name in _HELD_IN.items():
        held: Any = getattr(test_client, attribute, None)
        if held is not None:
            held[name] = f"Bearer {access_token}"
            return test_client
    raise TypeError(
        f"{type(test_client).__qualname__} is no test client of Flask, Django, Starlette or "
        "FastAPI; send IssuedTokens.headers with each request"
    )


# What each client sends with every request: Flask's, Django's, and those of httpx and requests.
_HELD_IN = {
    "environ_base": "HTTP_AUTHORIZATION",
    "defaults": "HTTP_AUTHORIZATION",
    "headers": "Authorization",
}
