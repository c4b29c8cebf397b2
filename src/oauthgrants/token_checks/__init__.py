"""How a resource server finds out what a token stands for: one file a way (RFC 6749, 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from oauthgrants.brief import service
from oauthgrants.events import Event
from oauthgrants.fetching import Fetcher
from oauthgrants.gates import Gate as Gate  # public here too
from oauthgrants.ports import Clock, MaybeAwaitable
from oauthgrants.secret import Secret
from oauthgrants.tokens import AccessToken


class TokenFinder(Protocol):
    """
    Says what a token stands for.

    `AuthorizationServer.lookup` is one, for a resource server in the same process.
    """

    def find_access_token(self, value: Secret) -> MaybeAwaitable[AccessToken | None]:
        """
        Return the access token of this *value*, None if it cannot be used now.

        Signature, issuer, expiry and revocation are looked at here; audience and scope by the
        resource server.

        Raises:
            InvalidToken: Instead of None, to say why; every other exception counts as a fault.
        """
        ...


@service(kw_only=True)
class Services:
    """
    What a resource server lends its checker.

    Attributes:
        open_fetcher: Returns what sends requests.
        make_gate: Returns a new gate.
        clock: Tells the time.
        record: Reports events.
        allow_insecure_transport: Whether plain http will do, on loopback hosts.
    """

    open_fetcher: Callable[[], Fetcher]
    make_gate: Callable[[], Gate]
    clock: Clock
    record: Callable[[Event], None]
    allow_insecure_transport: bool


@runtime_checkable
class TokenChecker(Protocol):
    """The settings of one way; a resource server, sync or async, binds it."""

    def bind(self, services: Services) -> TokenFinder:
        """
        Return what finds tokens; called once, when the resource server is made.

        Raises:
            ValueError: A setting is not what it has to be.
        """
        ...
