"""What a token stands for. The value in the clear goes to the client and is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs

from oauthgrants.brief import brief
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret

REGISTERED_CLAIMS = frozenset(
    {"active", "scope", "client_id", "username", "token_type", "exp", "iat", "nbf", "sub", "aud",
     "iss", "jti", "cnf"}
)  # fmt: skip
"""The claims that a token has attributes for (RFC 7662, 2.2; RFC 9068, 2.2)."""

NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})
"""The claims of a host that adds none."""

_RESPONSE_MEMBERS = frozenset(
    {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
)  # RFC 6749, 5.1


def is_lifetime(lifetime: object) -> bool:
    """Return whether *lifetime* is one or more whole seconds, as ``expires_in`` is; or None."""
    return lifetime is None or (
        isinstance(lifetime, timedelta)
        and lifetime >= timedelta(seconds=1)
        and not lifetime.microseconds
    )


def require_lifetime(_: object, attribute: attrs.Attribute[Any], lifetime: object) -> None:
    """
    Check *lifetime*, which goes out as ``expires_in`` (RFC 6749, 5.1).

    Raises:
        ValueError: It is not one or more whole seconds.
    """
    if not is_lifetime(lifetime):
        raise ValueError(
            f"{attribute.name} has to be a timedelta of one or more whole seconds, not {lifetime!r}"
        )


@attrs.frozen(kw_only=True)
class Lifetimes:
    """
    How long tokens live, where neither their client nor their grant says.

    Attributes:
        access_token: Whole seconds; an hour by default (RFC 6750, 5.3).
        refresh_token: How long one may lie unused, in whole seconds; by default 30 days.
        family: How long a sign-in lasts, however often it is refreshed; None for ever.

    Raises:
        ValueError: One is not one or more whole seconds.
    """

    access_token: timedelta = attrs.field(default=timedelta(hours=1), validator=require_lifetime)
    refresh_token: timedelta = attrs.field(default=timedelta(days=30), validator=require_lifetime)
    family: timedelta | None = attrs.field(default=None, validator=require_lifetime)


@attrs.frozen(kw_only=True, weakref_slot=False)  # millions are kept
class AccessToken:
    """
    What an access token stands for (RFC 6749, 1.4).

    Attributes:
        digest: SHA-256 of the value, 32 octets.
        client_id: The client that it was issued to.
        sub: The subject: the resource owner's identifier, or the ``client_id`` if the client
            acts for itself.
        username: The resource owner's, None if the client acts for itself.
        scope: What was granted.
        audience: The resources that it is for (RFC 8707), in the order of the request.
        issued_at: Aware, in UTC.
        lifetime: One or more whole seconds.
        family: Names the token family, all that came from one sign-in; None outside one.
        jti: The identifier inside a JWT (RFC 7519, 4.1.7), None for an opaque token.
        extra: Claims of the host's own, none of them registered.
        cnf: What it is bound to (RFC 7800, 3.1): ``jkt``, the thumbprint of a key (RFC 9449,
            6), or ``x5t#S256``, that of a certificate (RFC 8705, 3.1); empty for a bearer
            token.
    """

    digest: bytes = attrs.field(repr=False)
    client_id: str
    sub: str
    username: str | None = None
    scope: Scope
    audience: tuple[str, ...] = ()
    issued_at: datetime
    lifetime: timedelta
    family: str | None = None
    jti: str | None = None
    extra: Mapping[str, Any] = NO_CLAIMS
    cnf: Mapping[str, str] = NO_CLAIMS

    @property
    def token_type(self) -> str:
        """How it is to be sent, ``DPoP`` if it is bound to a key and else ``Bearer``."""
        return "DPoP" if "jkt" in self.cnf else "Bearer"

    @property
    def expires_at(self) -> datetime:
        """The first moment at which the token is no longer valid."""
        return self.issued_at + self.lifetime


@attrs.frozen(kw_only=True, weakref_slot=False)  # millions are kept
class RefreshToken:
    """
    What a refresh token stands for (RFC 6749, 1.5): one member of a token family.

    Attributes:
        digest: SHA-256 of the value, 32 octets.
        client_id: The only client that may use it.
        sub: The resource owner's subject identifier.
        username: The resource owner's.
        scope: The whole grant, even if the client has asked for less since.
        audience: The resources of the whole grant.
        grant_type: The grant that began the family.
        issued_at: Aware, in UTC.
        lifetime: How long it may lie unused; one or more whole seconds.
        family: Names the family, the same through all rotations.
        family_ends_at: When the family ends, used or not; None for never.
        parent: Digest of the refresh token that was spent for this one, None for the first.
        spent_at: When it was first used, None while it has not been.
        cnf: What it is bound to, as `AccessToken.cnf`; empty for a confidential client, which
            authenticates.
    """

    digest: bytes = attrs.field(repr=False)
    client_id: str
    sub: str
    username: str
    scope: Scope
    audience: tuple[str, ...] = ()
    grant_type: str
    issued_at: datetime
    lifetime: timedelta
    family: str
    family_ends_at: datetime | None = None
    parent: bytes | None = attrs.field(default=None, repr=False)
    spent_at: datetime | None = None
    cnf: Mapping[str, str] = NO_CLAIMS

    @property
    def expires_at(self) -> datetime:
        """The first moment at which the token is no longer valid."""
        idle = self.issued_at + self.lifetime
        return idle if self.family_ends_at is None else min(idle, self.family_ends_at)


@brief(kw_only=True)
class TokenResponse:
    """
    A successful answer of the token endpoint (RFC 6749, 5.1).

    Attributes:
        access_token: The value in the clear, shown this once.
        token_type: ``Bearer``, or ``DPoP`` (RFC 9449, 5).
        expires_in: Whole seconds.
        scope: What was granted; an empty one is left out of the body.
        refresh_token: None when none is issued, and then left out.
        extra: Further members; they cannot replace the ones above.
    """

    access_token: Secret
    token_type: str = "Bearer"
    expires_in: int
    scope: Scope = Scope()
    refresh_token: Secret | None = None
    extra: Mapping[str, Any] = NO_CLAIMS

    def parameters(self) -> dict[str, Any]:
        """Return the members of the JSON body."""
        body: dict[str, Any] = {
            "access_token": self.access_token.reveal(),
            "token_type": self.token_type,
            "expires_in": self.expires_in,
        }
        if self.scope:
            body["scope"] = str(self.scope)
        if self.refresh_token is not None:
            body["refresh_token"] = self.refresh_token.reveal()
        if not self.extra:
            return body
        # Extra members replace no defined one, not even one that is left out.
        extra = {name: value for name, value in self.extra.items() if name not in _RESPONSE_MEMBERS}
        return {**extra, **body}


def _read_only(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    return claims if isinstance(claims, MappingProxyType) else MappingProxyType(claims)


@attrs.frozen(kw_only=True)
class VerifiedToken:
    """
    The access token of a request, checked (RFC 6749, 7); only resource servers make one.

    Attributes:
        client_id: The client that it was issued to.
        sub: The subject: the resource owner's identifier, or the client's if it acts for
            itself.
        username: The resource owner's, None if unknown or if the client acts for itself.
        scope: What was granted.
        audience: The resources that it is for.
        expires_at: The first moment at which it is no longer valid, aware, in UTC; the end of
            the year 9999 if the authorization server does not say.
        jti: Its identifier, None without.
        claims: Further claims, none of them registered.
        cnf: What it is bound to, as `AccessToken.cnf`, and what the request has shown; empty for
            a bearer token.
        response_headers: What a successful response has to carry (RFC 6750, 2.3).
    """

    client_id: str
    sub: str
    username: str | None
    scope: Scope
    audience: tuple[str, ...]
    expires_at: datetime
    jti: str | None
    claims: Mapping[str, Any] = attrs.field(converter=_read_only)
    cnf: Mapping[str, str] = attrs.field(default=NO_CLAIMS, converter=_read_only)
    response_headers: tuple[tuple[str, str], ...] = ()

    @property
    def acts_for_user(self) -> bool:
        """Whether there is a resource owner; if not, the client acts for itself."""
        # A client's sub is its client_id, and never a user's (RFC 9700, 4.15.1).
        return self.username is not None or self.sub != self.client_id

    @classmethod
    def of(
        cls, token: AccessToken, response_headers: tuple[tuple[str, str], ...] = ()
    ) -> VerifiedToken:
        """Return what a host may see of *token*, which has been checked."""
        return cls(
            client_id=token.client_id,
            sub=token.sub,
            username=token.username,
            scope=token.scope,
            audience=token.audience,
            expires_at=token.expires_at,
            jti=token.jti,
            claims=token.extra,
            cnf=token.cnf,
            response_headers=response_headers,
        )


@attrs.frozen(kw_only=True)
class MfaToken:
    """
    A sign-in whose password was right, and that waits for a second factor.

    Attributes:
        digest: SHA-256 of the value, 32 octets.
        client_id: The only client that may finish the sign-in.
        sub: The resource owner's subject identifier.
        username: The resource owner's.
        scope: What will be granted.
        audience: The resources that it will be granted for.
        issued_at: Aware, in UTC.
        lifetime: One or more whole seconds.
    """

    digest: bytes = attrs.field(repr=False)
    client_id: str
    sub: str
    username: str
    scope: Scope
    audience: tuple[str, ...] = ()
    issued_at: datetime
    lifetime: timedelta

    @property
    def expires_at(self) -> datetime:
        """The first moment at which it is no longer valid."""
        return self.issued_at + self.lifetime
