"""The keys and certificates of clients (RFC 7591, 2; OpenID Connect Core, 9; RFC 8705, 2.2)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Generic

import attrs

from oauthgrants.algorithms import MACS
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.connections import Connections
from oauthgrants.clients import Client
from oauthgrants.events import Event
from oauthgrants.fetching import Fetcher, UnusableAnswer
from oauthgrants.kept_keys import KeptKeys, Key
from oauthgrants.ports import Clock
from oauthgrants.secret import Secret

_MOST_KEPT = 1000


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
class Registered(Generic[Key]):
    """
    The keys that stand in a client's registration.

    Attributes:
        keys: All of them.
    """

    keys: tuple[Key, ...]

    async def get(self) -> tuple[Key, ...]:
        """Return the keys."""
        return self.keys

    async def get_newer(self, than: tuple[Key, ...]) -> tuple[Key, ...]:
        """Return *than*: there are no others."""
        return than


@attrs.define(kw_only=True)
class ClientKeys(Generic[Key]):
    """
    Finds the public keys of clients, or their certificates.

    Attributes:
        read_registered: Returns those of a client's ``jwks``.
        read: Returns those of the JWK Set at its ``jwks_uri``; a ``ValueError`` if there is none.
        rules: What fetches them, and from which addresses.
        connections: How keys are fetched.
        allow_insecure_transport: Whether ``jwks_uri`` may be plain http, on loopback hosts.
        clock: Tells the time.
        record: Reports events.
    """

    read_registered: Callable[[str], tuple[Key, ...]]
    read: Callable[[Mapping[str, Any]], tuple[Key, ...]]
    rules: AssertionRules
    connections: Connections
    allow_insecure_transport: bool
    clock: Clock
    record: Callable[[Event], None]
    _fetched: dict[str, KeptKeys[Key]] = attrs.field(factory=dict[str, KeptKeys[Key]], init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _fetcher: Fetcher | None = attrs.field(default=None, init=False)

    def of(self, client: Client) -> Registered[Key] | KeptKeys[Key]:
        """
        Return the keys of *client*.

        Raises:
            ModuleNotFoundError: They have to be fetched, and httpx is missing.
            UnusableAnswer: Their ``jwks_uri`` is not https.
        """
        if client.jwks_uri is None:
            return Registered(self.read_registered(client.jwks or ""))
        with self._lock:
            kept = self._fetched.pop(client.jwks_uri, None) or self._keep(client.jwks_uri)
            # The one that was asked for last is dropped last.
            self._fetched[client.jwks_uri] = kept
            if len(self._fetched) > _MOST_KEPT:
                del self._fetched[next(iter(self._fetched))]
        return kept

    def _keep(self, uri: str) -> KeptKeys[Key]:
        if not uri.startswith("https://") and not self.allow_insecure_transport:
            raise UnusableAnswer("the JWK Set: jwks_uri is not https")
        if self._fetcher is None:
            self._fetcher = self._open_fetcher()

        async def find_uri() -> str:
            return uri

        return KeptKeys(
            find_uri=find_uri,
            read=self.read,
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
