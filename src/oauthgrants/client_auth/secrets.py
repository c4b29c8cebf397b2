"""Comparing client secrets, at the same cost whoever asks."""

from __future__ import annotations

from datetime import datetime

import attrs

from oauthgrants.clients import Client, ClientSecret
from oauthgrants.hashing import fast_digest, is_fast_digest, matches_fast_digest
from oauthgrants.ports import ClientStore, Hasher, resolve
from oauthgrants.secret import Secret

_NOBODYS = fast_digest(Secret(""))


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
        if client is None:
            await self._refuse_at_cost(presented)
            return None
        live = [kept for kept in client.secrets if kept.is_live(now)]
        slow = [kept for kept in live if not is_fast_digest(kept.hash)]
        for kept in live:
            if is_fast_digest(kept.hash) and matches_fast_digest(kept.hash, presented):
                return kept
        for kept in slow:
            self._has_met_slow = True
            if await resolve(self.hasher.verify(kept.hash, presented)):
                await self._upgrade(client, kept, presented)
                return kept
        if not slow:
            await self._refuse_at_cost(presented)
        return None

    async def _refuse_at_cost(self, presented: Secret) -> None:
        """Do the work of a comparison, for there is nothing to compare with."""
        if self._has_met_slow:
            await resolve(self.hasher.verify(None, presented))
        else:
            matches_fast_digest(_NOBODYS, presented)

    async def _upgrade(self, client: Client, kept: ClientSecret, presented: Secret) -> None:
        if await resolve(self.hasher.needs_rehash(kept.hash)):
            stronger = attrs.evolve(kept, hash=await resolve(self.hasher.hash(presented)))
            await resolve(self.clients.replace_client_secret(client.client_id, kept, stronger))
