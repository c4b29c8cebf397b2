"""Whether a DPoP proof is for a request, and is new (RFC 9449, 4.3, 8, 9 and 11.1)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from oauthgrants.brief import brief, service
from oauthgrants.errors import InvalidDpopProof, UseDpopNonce
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Clock, ReplayStore, resolve
from oauthgrants.secret import Secret
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.nonces import EPOCH, Nonces
from oauthgrants.sender_constraints.target_uris import normalise, origin_of
from oauthgrants.wire import HttpRequest

if TYPE_CHECKING:
    # Only for annotations: until the first proof comes, joserfc is not loaded.
    from oauthgrants.sender_constraints.proofs import Proof


@brief
class ShownKey:
    """
    A key that the client has proven to have.

    Attributes:
        jkt: Its thumbprint.
        headers: What a successful response has to carry.
    """

    jkt: str
    headers: tuple[tuple[str, str], ...] = ()


@service(kw_only=True)
class ProofChecker:
    """
    Checks the proofs at one server.

    The use of a proof is noted last, so that a proof that is refused is not used up.

    Attributes:
        rules: What proofs have to be.
        origins: Where the server is reached.
        nonces: Makes and checks nonces.
        replays: Remembers which proofs have been used.
        clock: Tells the time.
    """

    rules: DpopRules
    origins: frozenset[str]
    nonces: Nonces
    replays: ReplayStore
    clock: Clock

    @classmethod
    def of(
        cls,
        rules: DpopRules,
        *,
        server: str,
        aliases: Iterable[str] = (),
        replays: ReplayStore,
        clock: Clock,
    ) -> ProofChecker:
        """
        Return what checks proofs at *server*.

        Args:
            rules: What they have to be.
            server: Its identifier, a URL.
            aliases: Further URLs at which it is reached.
            replays: Remembers which have been used.
            clock: Tells the time.

        Raises:
            ModuleNotFoundError: joserfc is missing; says what to install.
        """
        rules.require_library()
        return cls(
            rules=rules,
            origins=frozenset({origin_of(server), *rules.origins, *map(origin_of, aliases)}),
            nonces=Nonces(server=server, keys=(rules.nonce_key, *rules.former_nonce_keys)),
            replays=replays,
            clock=clock,
        )

    async def find(self, request: HttpRequest, token: Secret | None = None) -> ShownKey | None:
        """
        Return the key that *request* proves to come from, None if it has no proof.

        Args:
            request: May have a proof.
            token: The access token that it goes with, None at the token endpoint.

        Raises:
            InvalidDpopProof: The proof is not what it has to be, or there are several.
            UseDpopNonce: It has no nonce where one is required, or one that is too old or foreign.
        """
        values = request.get_headers("dpop")
        if not values:
            return None
        if len(values) > 1:
            raise InvalidDpopProof("there is more than one DPoP proof")
        if len(values[0]) > self.rules.most:
            raise InvalidDpopProof("the DPoP proof is too long")
        from oauthgrants.sender_constraints.proofs import parse_proof

        proof = parse_proof(values[0], algorithms=self.rules.algorithms)
        self._require_target(proof, request)
        if token is not None:
            _require_token(proof, token)
        expires_at, headers = await self._require_fresh(proof)
        use = _digest("dpop_proof", proof.jkt, normalise(proof.htu), proof.jti)
        if not await resolve(self.replays.add_if_absent(use, expires_at)):
            raise InvalidDpopProof("the DPoP proof has been used before")
        return ShownKey(proof.jkt, headers)

    def _require_target(self, proof: Proof, request: HttpRequest) -> None:
        if proof.htm != request.method:
            raise InvalidDpopProof("the DPoP proof is for another method")
        try:
            named = normalise(proof.htu)
            here = any(named == normalise(origin + request.path) for origin in self.origins)
        except ValueError:
            here = False
        if not here:
            raise InvalidDpopProof("the DPoP proof is for another URL")

    async def _require_fresh(self, proof: Proof) -> tuple[datetime, tuple[tuple[str, str], ...]]:
        """Return when the proof will be too old, and the headers that bring the next nonce."""
        now = self.clock()
        if self.rules.nonces == "off":
            return self._require_age(proof, now), ()
        if proof.nonce is not None:
            return await self._require_nonce(proof, now)
        if self.rules.nonces == "required":
            raise UseDpopNonce.offering(self.nonces.make(now))
        expires_at = self._require_age(proof, now)
        if not await self._note_given(proof, now):
            raise UseDpopNonce.offering(self.nonces.make(now))
        return expires_at, self._offer(now)

    def _require_age(self, proof: Proof, now: datetime) -> datetime:
        at, leeway = now.timestamp(), self.rules.leeway
        span = self.rules.longest_age + leeway
        if proof.iat > at + leeway.total_seconds():
            raise InvalidDpopProof("the iat of the DPoP proof is ahead of the time here")
        if proof.iat <= at - span.total_seconds():
            raise InvalidDpopProof("the DPoP proof is too old")
        return datetime.fromtimestamp(proof.iat, UTC) + span

    async def _require_nonce(
        self, proof: Proof, now: datetime
    ) -> tuple[datetime, tuple[tuple[str, str], ...]]:
        made_at = self.nonces.find_time(proof.nonce or "")
        lifetime = self.rules.nonce_lifetime
        if made_at is not None and made_at - self.rules.leeway <= now < made_at + lifetime / 2:
            return made_at + lifetime, ()
        if self.rules.nonces == "on":
            await self._note_given(proof, now)
        if made_at is None or not made_at <= now < made_at + lifetime:
            raise UseDpopNonce.offering(self.nonces.make(now))
        return made_at + lifetime, self._offer(now)

    async def _note_given(self, proof: Proof, now: datetime) -> bool:
        """
        Note that the key of *proof* is given a nonce, and return whether it had none before.

        From then on its proofs need nonces (RFC 9449, 11.3), at least while the last one that it
        was given is good. A note cannot be prolonged. So time is divided into spans, each as long
        as a nonce is good, and a note made in one span counts to the end of the next.
        """
        lifetime, had_none = self.rules.nonce_lifetime, True
        number = (now - EPOCH) // lifetime
        for each in (number - 1, number):
            note = _digest("dpop_nonce", self.nonces.server, proof.jkt, str(each))
            ends_at = EPOCH + (each + 2) * lifetime
            had_none &= bool(await resolve(self.replays.add_if_absent(note, ends_at)))
        return had_none

    def _offer(self, now: datetime) -> tuple[tuple[str, str], ...]:
        return (("DPoP-Nonce", self.nonces.make(now)),)


def hash_of(token: Secret) -> str:
    """
    Return the ``ath`` of proofs that go with *token* (RFC 9449, 4.2).

    >>> hash_of(Secret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"))
    'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo'
    """
    return urlsafe_b64encode(token_digest(token)).decode().rstrip("=")


def _require_token(proof: Proof, token: Secret) -> None:
    if proof.ath is None or not compare_digest(proof.ath.encode(), hash_of(token).encode()):
        raise InvalidDpopProof("the DPoP proof is for another access token")


def _digest(*named: str) -> bytes:
    return sha256(json.dumps(named).encode()).digest()
