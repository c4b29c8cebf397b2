"""Comparing client secrets, at the same cost whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client
from oauthgrants.hashing import fast_digest, is_fast_digest, matches_fast_digest
from oauthgrants.ports import ClientStore, Hasher, resolve
from oauthgrants.secret import Secret, random_id

_NOBODYS = (ClientSecret(hash=fast_digest(Secret(random_id(32)))),)
"""What an unknown client is compared with."""


@attrs.define(kw_only=True)
class SecretVerifier:
    """
    Finds the secret of a client that matches what it showed.

    Secrets that machines made are compared as digests; those that people chose go to the
    hasher, which is slow on purpose. A server with none of the second kind never pays for it.
    From the first one it meets, every refusal costs one slow hash: unknown clients, and
    clients with a digest, take as long as a wrong secret.

    Attributes:
        clients: Where a weaker hash that matched is replaced.
        hasher: Argon2id, as a rule.
    """

    clients: ClientStore
    hasher: Hasher
    _has_met_slow: bool = attrs.field(default=False, init=False)

    def is_slow(self, client: Client | None) -> bool:
        """Return whether what *client* shows goes to the hasher, right or wrong."""
        if client is None:
            return self._has_met_slow
        return not all(is_fast_digest(kept.hash) for kept in client.secrets)

    def find_at_once(
        self, client: Client | None, presented: Secret, now: datetime
    ) -> ClientSecret | None:
        """
        Return which of its live secrets *client* showed, of those that machines made.

        None for an unknown client costs what one with a digest does.
        """
        for kept in _NOBODYS if client is None else client.secrets:
            if (
                is_fast_digest(kept.hash)
                and kept.is_live(now)
                and matches_fast_digest(kept.hash, presented)
            ):
                return kept
        return None

    async def find_match(
        self, client: Client | None, presented: Secret, now: datetime
    ) -> ClientSecret | None:
        """
        Return which of its live secrets *client* showed, None if none of them.

        Args:
            client: None for an unknown one; costs what a wrong secret does.
            presented: What was sent.
            now: Secrets that have expired by then do not count.
        """
        matched = self.find_at_once(client, presented, now)
        if matched is not None:
            return matched
        has_slow = False
        for kept in _NOBODYS if client is None else client.secrets:
            if is_fast_digest(kept.hash) or not kept.is_live(now):
                continue
            has_slow = self._has_met_slow = True
            if await resolve(self.hasher.verify(kept.hash, presented)):
                await self._upgrade(cast("Client", client), kept, presented)
                return kept
        if self._has_met_slow and not has_slow:
            # There is nothing to compare with; the work is done all the same.
            await resolve(self.hasher.verify(None, presented))
        return None

    async def _upgrade(self, client: Client, kept: ClientSecret, presented: Secret) -> None:
        if await resolve(self.hasher.needs_rehash(kept.hash)):
            stronger = attrs.evolve(kept, hash=await resolve(self.hasher.hash(presented)))
            await resolve(self.clients.replace_client_secret(client.client_id, kept, stronger))
