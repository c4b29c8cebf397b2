"""Access tokens as JWTs (RFC 9068; extra ``jwt``): resource servers check them by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from oauthgrants.brief import service
from oauthgrants.hashing import token_digest
from oauthgrants.jose import (
    ALGORITHMS,
    InvalidJwt,
    looks_like_jwt,
    verify_jwt,
)
from oauthgrants.jwt_claims import audience_of, confirmation_of, require_times
from oauthgrants.keys import KeySource
from oauthgrants.ports import Clock, DenyList, resolve
from oauthgrants.scopes import Scope
from oauthgrants.secret import Randomness, Secret, random_id
from oauthgrants.token_formats import Describe
from oauthgrants.tokens import AccessToken

TYP = "at+jwt"
REGISTERED = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "username", "cnf"}
)
"""The claims that extra ones cannot replace (RFC 9068, 2.2)."""


@service(kw_only=True)
class JwtFormat:
    """
    JWTs of one issuer, signed by its keys and stored nowhere.

    Attributes:
        issuer: The ``iss``.
        keys: Signs and verifies.
        deny_list: What was revoked before it expired.
        clock: Tells which retired keys still count.
        random: Makes ``jti`` values.
    """

    issuer: str
    keys: KeySource
    deny_list: DenyList
    clock: Clock
    random: Randomness

    is_stored = False

    def make(self, describe: Describe, family: str | None) -> tuple[Secret, AccessToken]:
        """Return a new JWT and what it stands for."""
        # With the family inside, one entry of the deny list ends all access tokens of a sign-in.
        jti = random_id(16, self.random)
        if family is not None:
            jti = f"{family}.{jti}"
        token = describe(digest=token_digest(Secret(jti)), jti=jti)
        key = self.keys.signing_key()
        # Before the token is out, so that its key does not go first.
        self.keys.note_expiry(key.kid, token.expires_at)
        return Secret(key.sign(self._claims(token), typ=TYP)), token

    def _claims(self, token: AccessToken) -> dict[str, Any]:
        issued_at = int(token.issued_at.timestamp())
        claims = {
            **{name: value for name, value in token.extra.items() if name not in REGISTERED},
            "iss": self.issuer,
            "sub": token.sub,
            "aud": token.audience[0] if len(token.audience) == 1 else list(token.audience),
            "client_id": token.client_id,
            "iat": issued_at,
            "exp": issued_at + int(token.lifetime.total_seconds()),
            "jti": token.jti,
        }
        if token.scope:
            claims["scope"] = str(token.scope)
        if token.cnf:
            claims["cnf"] = dict(token.cnf)
        return claims

    async def find(self, value: Secret) -> AccessToken | None:
        """Return what *value* stands for, None if it is not ours, expired or revoked."""
        if not looks_like_jwt(value.reveal()):
            return None
        now = self.clock()
        try:
            claims = verify_jwt(
                value.reveal(), self.keys.public_keys(now), algorithms=ALGORITHMS, typ={TYP}
            )
            if claims.get("iss") != self.issuer:
                return None
            require_times(claims, now=now, leeway=timedelta())
            token = token_of(claims)
        except InvalidJwt:
            return None
        identifiers = {str(token.jti), str(token.jti).partition(".")[0]}
        return None if await resolve(self.deny_list.is_denied(identifiers)) else token

    async def revoke(self, token: AccessToken) -> None:
        """End *token*."""
        await resolve(self.deny_list.deny(str(token.jti), token.expires_at))


def token_of(claims: Mapping[str, Any]) -> AccessToken:
    """
    Return what a JWT access token with *claims* stands for (RFC 9068, 2.2).

    Raises:
        InvalidJwt: A claim is missing or malformed.
    """
    texts = [claims.get(name) for name in ("sub", "client_id", "jti")]
    scope = claims.get("scope", "")
    if not all(isinstance(text, str) and text for text in texts) or not isinstance(scope, str):
        raise InvalidJwt("a claim is missing or malformed")
    sub, client_id, jti = map(str, texts)
    try:
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        lifetime = datetime.fromtimestamp(claims["exp"], UTC) - issued_at
        granted = Scope.of(scope)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise InvalidJwt("a claim is missing or malformed") from None
    return AccessToken(
        digest=token_digest(Secret(jti)),
        client_id=client_id,
        sub=sub,
        scope=granted,
        audience=audience_of(claims),
        issued_at=issued_at,
        lifetime=lifetime,
        jti=jti,
        extra={name: value for name, value in claims.items() if name not in REGISTERED},
        cnf=confirmation_of(claims),
    )
