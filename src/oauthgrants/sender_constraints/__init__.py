"""What a token is bound to, so that nobody but its client can use it (RFC 8705, 3; RFC 9449)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from oauthgrants.brief import brief
from oauthgrants.clients import VerifiedClient
from oauthgrants.tokens import NO_CLAIMS
from oauthgrants.wire import HttpRequest


@brief
class Confirmed:
    """
    What a client has shown.

    Attributes:
        cnf: What its tokens are bound to, as `AccessToken.cnf`; empty for nothing.
        headers: What a successful response has to carry.
    """

    cnf: Mapping[str, str] = NO_CLAIMS
    headers: tuple[tuple[str, str], ...] = ()


NOTHING = Confirmed()
"""What a client has shown that binds its tokens to nothing."""


class Confirm(Protocol):
    """Looks at what a client shows with its token request, or raises an `OAuthError`."""

    def __call__(self, request: HttpRequest, client: VerifiedClient) -> Awaitable[Confirmed]:
        """Return what its tokens are bound to."""
        ...
