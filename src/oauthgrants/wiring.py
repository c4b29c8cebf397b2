"""The parts of a server, for what looks at it as a whole: policy check and OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from oauthgrants.brief import service
from oauthgrants.client_auth import ClientAuthenticator
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.grants import Grant, Services
from oauthgrants.profiles import Profile
from oauthgrants.throttling.limiter import Limiter

G = TypeVar("G", bound=Grant)


@service(kw_only=True)
class Wiring:
    """
    The parts of a server, and what is known of its users.

    Attributes:
        issuer: Its identifier.
        grants: Those that are enabled, by their ``grant_type``.
        services: What it lends them, ports and settings.
        authenticator: Authenticates its clients.
        assertions: What client assertions have to be.
        subs: The subject identifiers of users, as far as they are known.
    """

    issuer: str
    grants: Mapping[str, Grant]
    services: Services
    authenticator: ClientAuthenticator
    assertions: AssertionRules
    subs: frozenset[str] = frozenset()

    @property
    def profile(self) -> Profile:
        """The rules that the server keeps to."""
        return self.services.profile

    @property
    def now(self) -> datetime:
        """The time by the server's clock."""
        return self.services.clock()

    @property
    def limiter(self) -> Limiter | None:
        """What limits guesses, None if nothing does."""
        return None if self.services.limited is None else self.services.limited.limiter

    def find_grant(self, kind: type[G]) -> G | None:
        """Return the grant of this class that is enabled, None without."""
        return next((grant for grant in self.grants.values() if isinstance(grant, kind)), None)

    def access_lifetimes(self) -> dict[str, timedelta]:
        """Return how long access tokens live, by who says so."""
        return {
            "the server": self.services.issuer.lifetimes.access_token,
            **self._of_grants("access_token_lifetime"),
        }

    def refresh_lifetimes(self) -> dict[str, timedelta]:
        """Return how long refresh tokens may lie unused, by who says so."""
        return {
            "the server": self.services.issuer.lifetimes.refresh_token,
            **self._of_grants("refresh_token_lifetime"),
        }

    def _of_grants(self, name: str) -> dict[str, timedelta]:
        found = {
            f"the grant {grant_type}": getattr(grant, name, None)
            for grant_type, grant in self.grants.items()
        }
        return {who: lifetime for who, lifetime in found.items() if lifetime is not None}


def is_shared(port: Any) -> bool:
    """
    Return whether other processes see what *port* keeps.

    They do, unless the store has ``shared_between_processes = False``.
    """
    return bool(getattr(port, "shared_between_processes", True))
