"""``private_key_jwt`` and ``client_secret_jwt``: the client signs a JWT (RFC 7523, 2.2 and 3)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs

from oauthgrants.algorithms import ALGORITHMS, MACS, RSA, also_called
from oauthgrants.client_auth.assertion_rules import AssertionRules, NotAcceptable, NotProven
from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.client_auth.keys import ClientKeys, MacKey
from oauthgrants.clients import Client
from oauthgrants.forms import is_vschar
from oauthgrants.jose import (
    InvalidJwt,
    Jws,
    PublicKey,
    SigningKey,
    UnknownKey,
    VerifyingKey,
    encode,
)
from oauthgrants.jwt_claims import audience_of, require_times
from oauthgrants.ports import Clock, ReplayStore, resolve
from oauthgrants.secret import Secret

_ALL = ALGORITHMS.union(MACS)
# Most software leaves typ out or sends JWT; another value says another kind of JWT (D7523, 4).
_TYPES = frozenset({"", "jwt", "client-authentication+jwt"})
_NOBODYS = Secret("0" * 64)
_SIGNATURE_OCTETS = 64


@attrs.frozen(kw_only=True)
class AssertionVerifier:
    """
    Verifies what clients sign.

    First comes the signature, so that nobody else learns why an assertion would be refused; and
    last the note that it has been used, so that one that is refused is not used up.

    Attributes:
        rules: What assertions have to be.
        issuer: The server's identifier.
        endpoints: The URLs of its endpoints.
        keys: Finds the clients' public keys.
        replays: Tells which assertions have been used.
        clock: Tells the time.
    """

    rules: AssertionRules
    issuer: str
    endpoints: Collection[str]
    keys: ClientKeys[PublicKey]
    replays: ReplayStore
    clock: Clock

    def read(self, assertion: str, client_id: str | None) -> Credentials:
        """
        Return whom *assertion* says that it comes from.

        Args:
            assertion: A compact JWS.
            client_id: The body's, None without. It may name the same client.

        Raises:
            NotProven: It is malformed or says no such thing, or *client_id* is another one.
        """
        if len(assertion) > self.rules.most:
            raise NotProven("the assertion is too long")
        try:
            jws = Jws.parse(assertion, algorithms=_ALL, typ=_TYPES)
        except InvalidJwt as error:
            raise NotProven(str(error)) from None
        sub = jws.claims.get("sub")
        if not isinstance(sub, str) or not sub or not is_vschar(sub):
            raise NotProven("sub is missing or malformed")
        if jws.claims.get("iss") != sub:
            raise NotProven("iss and sub are not the same")
        if client_id is not None and client_id != sub:
            raise NotProven("client_id and the assertion name two clients")
        method = "client_secret_jwt" if jws.algorithm in MACS else "private_key_jwt"
        return Credentials(client_id=sub, method=method, assertion=jws)

    async def verify(self, client: Client | None, jws: Jws) -> str | None:
        """
        Return which secret has signed, None for a key, once all has been checked.

        Args:
            client: With the method that *jws* is of; None for an unknown one, which costs what
                a wrong signature does.
            jws: The assertion.

        Raises:
            NotProven: *client* has not signed it.
            NotAcceptable: It has, and the assertion is for another server, or has expired or
                been used, or lacks a claim.
            UnusableAnswer: The keys cannot be fetched.
        """
        if client is None:
            _refuse_at_cost(jws)
        secret_id = await self._require_signature(client, jws)
        try:
            expires_at = self._require_claims(jws.claims)
        except InvalidJwt as error:
            raise NotAcceptable(str(error)) from None
        if not await resolve(self.replays.add_if_absent(_digest_of_use(jws), expires_at)):
            raise NotAcceptable("it has been used before")
        return secret_id

    async def _require_signature(self, client: Client, jws: Jws) -> str | None:
        registered = client.token_endpoint_auth_signing_alg
        if registered is not None and jws.algorithm not in also_called(registered):
            raise NotProven("the algorithm is not the registered one")
        try:
            if jws.algorithm in MACS:
                return self._require_mac(client, jws)
            await self._require_key(client, jws)
        except InvalidJwt as error:
            raise NotProven(str(error)) from None
        return None

    async def _require_key(self, client: Client, jws: Jws) -> None:
        source = self.keys.of(client)
        keys = await source.get()
        try:
            jws.require_signature(keys)
        except UnknownKey:
            newer = await source.get_newer(keys)
            if newer is keys:
                raise
            jws.require_signature(newer)

    def _require_mac(self, client: Client, jws: Jws) -> str:
        # The method is not enabled without a key. A secret that it cannot open is our fault.
        assert self.rules.sealing_key is not None  # noqa: S101
        now = self.clock()
        for kept in client.secrets:
            if kept.is_live(now):
                secret = self.rules.sealing_key.open(kept.hash, owner=client.client_id)
                with suppress(InvalidJwt):
                    jws.require_signature([MacKey(jws.kid, secret)])
                    return kept.id
        raise InvalidJwt("the signature is wrong, or by a secret that is short or has expired")

    def _require_claims(self, claims: Mapping[str, Any]) -> datetime:
        """Return when the assertion can no longer be used."""
        rules, now = self.rules, self.clock()
        self._require_audience(claims)
        require_times(claims, now=now, leeway=rules.leeway)
        at, span = now.timestamp(), (rules.longest_lifetime + rules.leeway).total_seconds()
        if claims["exp"] > at + span:
            raise InvalidJwt("exp is too far ahead")
        if claims.get("iat", at) < at - span:
            raise InvalidJwt("iat is too far back")
        jti = claims.get("jti")
        if not (isinstance(jti, str) and jti) and (
            "jti" in claims or not rules.accept_endpoint_audience
        ):
            raise InvalidJwt("jti is missing or malformed")
        return datetime.fromtimestamp(claims["exp"], UTC) + rules.leeway

    def _require_audience(self, claims: Mapping[str, Any]) -> None:
        named = audience_of(claims)
        accepted = {self.issuer}
        if not urlsplit(self.issuer).path:
            # Some software cannot write a URL without one.
            accepted.add(f"{self.issuer}/")
        if self.rules.accept_endpoint_audience:
            accepted.update(self.endpoints)
        elif len(named) > 1:
            raise InvalidJwt("aud has to be the issuer identifier alone")
        if not accepted.issuperset(named):
            raise InvalidJwt("aud is not the issuer identifier of this server")


def _digest_of_use(jws: Jws) -> bytes:
    """Return what stands for this use: issuer and ``jti``, or all of it where that is missing."""
    jti = jws.claims.get("jti")
    used = ["client_assertion", jws.claims["iss"], jti]
    if jti is None:
        # Not the signature: some have several spellings.
        used.append(sha256(jws.signed).hexdigest())
    return sha256(json.dumps(used).encode()).digest()


def _refuse_at_cost(jws: Jws) -> NoReturn:
    """Do the work of a wrong signature, for there is nothing to compare with."""
    key: VerifyingKey = (
        MacKey(jws.kid, _NOBODYS) if jws.algorithm in MACS else _nobodys_key(jws.algorithm)
    )
    key.verify(jws.algorithm, jws.signed, bytes(_SIGNATURE_OCTETS))
    raise NotProven("nobody has such a key")


@cache
def _nobodys_key(algorithm: str) -> PublicKey:
    if algorithm in RSA:
        # Nobody needs the primes to verify, and to find them would take long.
        return PublicKey.from_jwk({"kty": "RSA", "n": encode(b"\xff" * 256), "e": "AQAB"})
    return SigningKey.generate(algorithm).public
