"""The keys that verify a client's assertions (RFC 7591, 2; OpenID Connect Core, 9)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from threading import Lock
from typing import Protocol

import attrs

from oauthgrants.algorithms import MACS
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.connections import Connections
from oauthgrants.clients import Client
from oauthgrants.events import Event
from oauthgrants.fetching import Fetcher, UnusableAnswer
from oauthgrants.jwk_sets import Keys, registered_keys
from oauthgrants.kept_keys import KeptKeys
from oauthgrants.ports import Clock
from oauthgrants.secret import Secret

_MOST_KEPT = 1000


class KeySource(Protocol):
    """The keys of a client, as they change."""

    async def get(self) -> Keys:
        """Return the keys as they are known."""
        ...

    async def get_newer(self, than: Keys) -> Keys:
        """Return the keys now that *than* lacks one, *than* if it stays so."""
        ...


@attrs.frozen
class MacKey:
    """
    A client secret that verifies (RFC 7518, 3.2).

    Attributes:
        kid: Whatever the header says: a secret has no name, and all are tried.
    """

    kid: str | None
    _secret: Secret = attrs.field(repr=False)

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's; one that is too short verifies nothing."""
        octets = self._secret.reveal().encode()
        if len(octets) < MACS[algorithm]:
            return False
        expected = hmac.digest(octets, signed, algorithm.replace("HS", "sha"))
        return hmac.compare_digest(expected, signature)


@attrs.frozen
class _Registered:
    keys: Keys

    async def get(self) -> Keys:
        return self.keys

    async def get_newer(self, than: Keys) -> Keys:
        return than


@attrs.define(kw_only=True)
class ClientKeys:
    """
    Finds the public keys of clients.

    Attributes:
        rules: What fetches them, and from which addresses.
        connections: How keys are fetched.
        allow_insecure_transport: Whether ``jwks_uri`` may be plain http, on loopback hosts.
        clock: Tells the time.
        record: Tells of events.
    """

    rules: AssertionRules
    connections: Connections
    allow_insecure_transport: bool
    clock: Clock
    record: Callable[[Event], None]
    _fetched: dict[str, KeptKeys] = attrs.field(factory=dict[str, KeptKeys], init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _fetcher: Fetcher | None = attrs.field(default=None, init=False)

    def of(self, client: Client) -> KeySource:
        """
        Return the keys of *client*.

        Raises:
            ModuleNotFoundError: They have to be fetched, and httpx is missing.
            UnusableAnswer: They are where this server does not fetch from.
        """
        if client.jwks_uri is None:
            return _Registered(registered_keys(client.jwks or ""))
        with self._lock:
            kept = self._fetched.pop(client.jwks_uri, None) or self._keep(client.jwks_uri)
            # The one that was asked for last is dropped last.
            self._fetched[client.jwks_uri] = kept
            if len(self._fetched) > _MOST_KEPT:
                del self._fetched[next(iter(self._fetched))]
        return kept

    def _keep(self, uri: str) -> KeptKeys:
        if not uri.startswith("https://") and not self.allow_insecure_transport:
            raise UnusableAnswer("the JWK Set: jwks_uri is not https")
        if self._fetcher is None:
            self._fetcher = self._open_fetcher()

        async def find_uri() -> str:
            return uri

        return KeptKeys(
            find_uri=find_uri,
            fetcher=self._fetcher,
            gate=self.connections.make_gate(),
            clock=self.clock,
            record=self.record,
        )

    def _open_fetcher(self) -> Fetcher:
        if self.rules.fetcher is not None:
            return self.connections.adapt(self.rules.fetcher)
        private = self.rules.allow_private_addresses or self.allow_insecure_transport
        return self.connections.open_fetcher(not private)
