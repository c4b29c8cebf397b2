"""The introspection endpoint (RFC 7662), with signed answers (RFC 9701)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from oauthgrants.brief import service
from oauthgrants.clients import VerifiedClient
from oauthgrants.events import Event, TokenIntrospected, token_id
from oauthgrants.forms import Form
from oauthgrants.lookup import TokenLookup
from oauthgrants.ports import Clock
from oauthgrants.secret import Secret
from oauthgrants.tokens import REGISTERED_CLAIMS, AccessToken, RefreshToken
from oauthgrants.wire import NO_STORE, HttpRequest, HttpResponse, render

PARAMETERS = frozenset({"token", "token_type_hint"})
JWT_MEDIA_TYPE = "application/token-introspection+jwt"
_INACTIVE: dict[str, Any] = {"active": False}
# Says that a media type is not acceptable (RFC 9110, 12.4.2)
_WEIGHT_OF_ZERO = re.compile(r"q=0(?:\.0*)?")


class SignClaims(Protocol):
    """Signs claims as a JWT."""

    def __call__(self, claims: dict[str, Any], *, typ: str) -> str:
        """Return the compact JWS."""
        ...


@service(kw_only=True)
class IntrospectionHandler:
    """
    Tells the owner of a token, and the resource servers that it is for, what it stands for.

    Its clients have proven who they are: the method ``none`` is not enabled here (2.1).

    Attributes:
        issuer: The ``iss``.
        lookup: Finds tokens.
        sign: Signs answers for callers that accept JWTs, None to switch that off.
        clock: Tells the time.
        record: Reports events.
    """

    issuer: str
    lookup: TokenLookup
    sign: SignClaims | None = None
    clock: Clock
    record: Callable[[Event], None]

    async def __call__(
        self, request: HttpRequest, form: Form, client: VerifiedClient
    ) -> HttpResponse:
        """
        Return what the token stands for, or that it is not active (RFC 7662, 2.2).

        Raises:
            InvalidRequest: ``token`` is missing.
        """
        value = Secret(form.require("token"))
        token = await self.lookup.find(value, form.get("token_type_hint"))
        members = _INACTIVE
        if token is not None and _may_see(client, token):
            members = self._describe(token)
        self.record(
            TokenIntrospected(
                at=self.clock(),
                source=request.source,
                client_id=client.client_id,
                active=members["active"],
                token_id=None if token is None else token_id(token),
                secret_id=client.secret_id,
                key_id=client.key_id,
            )
        )
        if self.sign is not None and _accepts_jwt(request):
            return self._signed(self.sign, members, client)
        return render(members)

    def _describe(self, token: AccessToken | RefreshToken) -> dict[str, Any]:
        members: dict[str, Any] = {
            "active": True,
            "iss": self.issuer,
            "client_id": token.client_id,
            "sub": token.sub,
            "iat": _seconds(token.issued_at),
            "exp": _seconds(token.expires_at),
        }
        if token.scope:
            members["scope"] = str(token.scope)
        if token.username is not None:
            members["username"] = token.username
        if token.audience:
            members["aud"] = token.audience[0] if len(token.audience) == 1 else token.audience
        if token.cnf:
            members["cnf"] = dict(token.cnf)
        if isinstance(token, RefreshToken):
            return members
        members["token_type"] = token.token_type
        if token.jti is not None:
            members["jti"] = token.jti
        if not token.extra:
            return members
        # Claims of the host replace no registered member (RFC 7662, 3.1), not even an absent one.
        claims = token.extra.items()
        extra = {name: value for name, value in claims if name not in REGISTERED_CLAIMS}
        return {**extra, **members}

    def _signed(
        self, sign: SignClaims, members: dict[str, Any], client: VerifiedClient
    ) -> HttpResponse:
        claims = {
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": _seconds(self.clock()),
            "token_introspection": members,
        }
        return HttpResponse(
            status=200,
            headers=(("Content-Type", JWT_MEDIA_TYPE), *NO_STORE),
            body=sign(claims, typ="token-introspection+jwt").encode(),
        )


def _may_see(client: VerifiedClient, token: AccessToken | RefreshToken) -> bool:
    if token.client_id == client.client_id:
        return True
    # A resource server that took a refresh token for an access token would be fooled.
    return isinstance(token, AccessToken) and not set(client.client.introspects).isdisjoint(
        token.audience
    )


def _accepts_jwt(request: HttpRequest) -> bool:
    for each in ",".join(request.get_headers("accept")).lower().split(","):
        media_type, *parameters = map(str.strip, each.split(";"))
        if media_type == JWT_MEDIA_TYPE:
            return not any(map(_WEIGHT_OF_ZERO.fullmatch, parameters))
    return False


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
