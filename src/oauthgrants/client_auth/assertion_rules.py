"""What client assertions have to be, as the host says (RFC 7521, 4.2; RFC 7523, 3)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from importlib.util import find_spec

import attrs

from oauthgrants.client_certificates import CERTIFICATE_METHODS
from oauthgrants.client_keys import ASSERTION_METHODS
from oauthgrants.clients import AUTH_METHODS
from oauthgrants.fetching import Fetcher
from oauthgrants.ports import ReplayStore
from oauthgrants.sealed import SealingKey

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""The ``client_assertion_type`` (RFC 7523, 2.2)."""

_MOST_LEEWAY = timedelta(minutes=5)


class NotProven(Exception):
    """The assertion is malformed, or not signed by the client; the message is for events."""


class NotAcceptable(Exception):
    """The client has signed the assertion, and it cannot be accepted; the message says why."""


@attrs.frozen(kw_only=True)
class AssertionRules:
    """
    What client assertions have to be.

    Attributes:
        sealing_key: Opens the secrets of ``client_secret_jwt``, which is not enabled without.
        accept_endpoint_audience: Whether ``aud`` may be the URL of an endpoint, or a list of such
            URLs, and ``jti`` may be missing: older software sends these. Another server that gets
            such an assertion can then use it here (C-13).
        longest_lifetime: How far ahead ``exp`` may lie, and how far back ``iat``.
        leeway: How far clocks may be apart, five minutes at most.
        most: How many characters an assertion may have.
        fetcher: Fetches from ``jwks_uri``; by default httpx does. A fetcher of the host's own
            decides itself which addresses it reaches.
        allow_private_addresses: Whether a ``jwks_uri`` may lead to private, link-local and
            loopback addresses; whoever registers clients then reaches into the host's network.
            A server with ``allow_insecure_transport``, which is for tests, allows it anyway.

    Raises:
        ValueError: A time is out of bounds.
    """

    sealing_key: SealingKey | None = None
    accept_endpoint_audience: bool = False
    longest_lifetime: timedelta = timedelta(hours=1)
    leeway: timedelta = timedelta(seconds=30)
    most: int = 16 * 1024
    fetcher: Fetcher | None = None
    allow_private_addresses: bool = False

    def __attrs_post_init__(self) -> None:
        if not timedelta() <= self.leeway <= _MOST_LEEWAY:
            raise ValueError("leeway has to be a few minutes at most (RFC 7523, 3)")
        if self.longest_lifetime < timedelta(seconds=1):
            raise ValueError("longest_lifetime has to be a second or more")

    def enabled_methods(
        self,
        asked: Collection[str] | None,
        replays: ReplayStore | None,
        *,
        certificates: bool = False,
    ) -> frozenset[str]:
        """
        Return the client authentication methods that are enabled.

        Args:
            asked: What the host names, None for all that can work.
            replays: Tells which assertions have been used.
            certificates: Whether clients can show them here.

        Raises:
            ModuleNotFoundError: joserfc is missing; says what to install.
            ValueError: There is none, or one is unknown, or what it takes is not there.
        """
        lacking = {
            "private_key_jwt": ["replays="] if replays is None else [],
            "client_secret_jwt": ["replays="] if replays is None else [],
        }
        if self.sealing_key is None:
            lacking["client_secret_jwt"].append("assertions=AssertionRules(sealing_key=…)")
        installed = find_spec("joserfc") is not None
        if asked is None:
            able = {name for name, what in lacking.items() if installed and not what}
            if certificates:
                able |= CERTIFICATE_METHODS
            return (AUTH_METHODS - ASSERTION_METHODS - CERTIFICATE_METHODS) | able
        unknown = sorted(set(asked) - AUTH_METHODS)
        if unknown or not asked:
            raise ValueError(
                f"client_auth_methods has {', '.join(unknown) or 'nothing'}; "
                f"there are {', '.join(sorted(AUTH_METHODS))}"
            )
        for name in sorted(ASSERTION_METHODS.intersection(asked)):
            if lacking[name]:
                raise ValueError(
                    f"client_auth_methods has {name}: give {' and '.join(lacking[name])}"
                )
            if not installed:
                raise ModuleNotFoundError(
                    f"{name} needs joserfc: pip install 'oauthgrants[jwt]'", name="joserfc"
                )
        return frozenset(asked)
