"""What a token is bound to, so that nobody but its client can use it (RFC 8705, 3; RFC 9449)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from oauthgrants.clients import VerifiedClient
from oauthgrants.wire import HttpRequest


class Confirm(Protocol):
    """Looks at what a client shows with its token request, or raises an `OAuthError`."""

    def __call__(
        self, request: HttpRequest, client: VerifiedClient
    ) -> Awaitable[Mapping[str, str]]:
        """Return what its tokens are bound to, as `AccessToken.cnf`; empty for nothing."""
        ...
