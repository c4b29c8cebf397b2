"""What came of a request, with ids and never with secrets: one class an outcome."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias, cast

import attrs

from oauthgrants.brief import brief
from oauthgrants.scopes import Scope
from oauthgrants.tokens import AccessToken, RefreshToken

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | None"
"""What `describe` makes of an attribute."""

_AS_IT_IS = (str, bool, int, float, type(None))
_ID_OCTETS = 8
_ATTRIBUTES: dict[type, tuple[str, ...]] = {}


@brief(kw_only=True)
class Event:
    """
    Something that an operator may want to know.

    Attributes:
        at: When, aware.
        source: The address that the request came from, None if unknown.
    """

    at: datetime
    source: str | None = None


@brief(kw_only=True)
class TokenIssued(Event):
    """
    A client got an access token.

    Attributes:
        client_id: Who got it.
        grant_type: How.
        sub: On whose behalf; the ``client_id`` if the client acts for itself.
        scope: What was granted.
        audience: The resources that it is for.
        token_id: Names the access token, see `token_id`.
        family: The token family, None without refresh token.
        secret_id: Which of its secrets the client showed, None without.
        key_id: By which of its keys the client signed, ``kid``, or with which certificate it
            came, ``x5t#S256``; None without.
    """

    client_id: str
    grant_type: str
    sub: str
    scope: Scope
    audience: tuple[str, ...] = ()
    token_id: str | None = None
    family: str | None = None
    secret_id: str | None = None
    key_id: str | None = None


@brief(kw_only=True)
class TokenRefreshed(TokenIssued):
    """A client got an access token for a refresh token; *family* says from which sign-in."""


@brief(kw_only=True)
class RequestRefused(Event):
    """
    A client got an error.

    Attributes:
        error: The code that the client saw.
        reason: Why, in words that the client need not have seen.
        client_id: Who asked, registered or not, as it says; None if it did not say.
        endpoint: Where: ``token``, ``introspection``, ``revocation``, or ``resource`` for a
            resource server.
        grant_type: For which grant, as it says; None if it did not say, or to another endpoint.
        sub: Whose password, code or token it was, None where nobody knows.
        token_id: Which access token a resource server refused, if it could read it.
        secret_id: Which of its secrets the client showed, None if none was checked or it was
            wrong.
        key_id: By which key or certificate it has proven who it is, in the same way.
    """

    error: str
    reason: str
    client_id: str | None = None
    endpoint: str | None = None
    grant_type: str | None = None
    sub: str | None = None
    token_id: str | None = None
    secret_id: str | None = None
    key_id: str | None = None


@brief(kw_only=True)
class MfaAsked(Event):
    """
    A password was right, and the client was asked for a second factor.

    Attributes:
        client_id: Who asked for tokens.
        sub: Whose password it was.
    """

    client_id: str
    sub: str


@brief(kw_only=True)
class MfaPassed(Event):
    """
    A second factor was right.

    Attributes:
        client_id: Who showed it.
        sub: Whose it was.
    """

    client_id: str
    sub: str


@brief(kw_only=True)
class RefreshTokenReused(Event):
    """
    A spent refresh token came again, so its family was revoked (RFC 9700, 4.14.2).

    Attributes:
        client_id: Whose token it was, and who sent it.
        sub: The resource owner.
        family: The family, now revoked.
    """

    client_id: str
    sub: str
    family: str


@brief(kw_only=True)
class Throttled(Event):
    """
    A guess came past the limit, and was not looked at (RFC 6749, 2.3.1 and 4.3.2).

    Attributes:
        kind: What was guessed: ``password``, ``client_secret`` or ``otp``.
        client_id: Through which client, registered or not, as it says.
        name: For whom: a username as it was typed, a ``client_id`` or a ``sub``.
    """

    kind: str
    client_id: str
    name: str


@brief(kw_only=True)
class TokenIntrospected(Event):
    """
    A client asked what a token stands for.

    Attributes:
        client_id: Who asked.
        active: Whether it was told.
        token_id: Which token, None if there is none that can be used. It is also there if the
            client was not told of the token, and must not learn of it.
        secret_id: Which of its secrets the client showed, None without.
        key_id: By which key or certificate it has proven who it is, None without.
    """

    client_id: str
    active: bool
    token_id: str | None = None
    secret_id: str | None = None
    key_id: str | None = None


@brief(kw_only=True)
class TokenRevoked(Event):
    """
    A client ended a token.

    Attributes:
        client_id: Whose token it was.
        sub: On whose behalf it was issued.
        family: The token family, None outside one; a refresh token's is ended whole.
        token_id: Which token.
        secret_id: Which of its secrets the client showed, None without.
        key_id: By which key or certificate it has proven who it is, None without.
    """

    client_id: str
    sub: str
    family: str | None
    token_id: str | None = None
    secret_id: str | None = None
    key_id: str | None = None


@brief(kw_only=True)
class NothingRevoked(Event):
    """
    A client ended a token that is unknown, expired or ended already (RFC 7009, 2.2).

    Attributes:
        client_id: Who asked.
        secret_id: Which of its secrets the client showed, None without.
        key_id: By which key or certificate it has proven who it is, None without.
    """

    client_id: str
    secret_id: str | None = None
    key_id: str | None = None


@brief(kw_only=True)
class TokenAccepted(Event):
    """
    A resource server let a request pass; only sinks that want each call hear of it.

    Attributes:
        resource: The identifier of the resource server.
        client_id: Whom the access token was issued to.
        sub: On whose behalf.
        scope: What was granted, which may be more than the request needed.
        token_id: Which token.
    """

    resource: str
    client_id: str
    sub: str
    scope: Scope
    token_id: str | None = None


@brief(kw_only=True)
class Fault(Event):
    """
    A part of the host raised an exception, and the client was told to try again later.

    Attributes:
        error: The exception, with its traceback.
        endpoint: Where, as in `RequestRefused`, or ``metadata`` or ``jwks``. None for a fault
            that refuses no request, such as one in fetching new keys while the old ones will do.
        client_id: Who asked, as it says; None if it did not say.
    """

    error: Exception = attrs.field(eq=False)
    endpoint: str | None = None
    client_id: str | None = None


@brief(kw_only=True)
class EventsDropped(Event):
    """
    A queue was full, so that its sink has not heard of some events.

    Attributes:
        count: How many, since the last time.
    """

    count: int


def token_id(token: AccessToken | RefreshToken) -> str | None:
    """
    Return what names *token* in events, None if nothing does.

    It is the ``jti`` of a JWT. An opaque token is named by the first 16 hexadecimal digits of its
    SHA-256 digest: nobody finds the token by them, but whoever has the token finds its events.
    """
    return (token.jti if isinstance(token, AccessToken) else None) or (
        token.digest[:_ID_OCTETS].hex() or None
    )


def describe(event: Event) -> dict[str, JsonValue]:
    """
    Return *event* as a flat JSON object: ``event``, the name of its class, and its attributes.

    Those that are None or empty are left out. Moments are in the form of RFC 3339, a scope is
    the text that it is on the wire, and an exception the name of its class, as its message may
    have in it what is not for logs.

    >>> from datetime import UTC, datetime
    >>> describe(
    ...     TokenIssued(
    ...         at=datetime(2026, 1, 1, tzinfo=UTC),
    ...         client_id="reports",
    ...         grant_type="client_credentials",
    ...         sub="reports",
    ...         scope=Scope.parse("read write"),
    ...     )
    ... )
    {'event': 'TokenIssued', 'at': '2026-01-01T00:00:00+00:00', 'client_id': 'reports',
     'grant_type': 'client_credentials', 'sub': 'reports', 'scope': 'read write'}
    """
    described: dict[str, JsonValue] = {"event": type(event).__name__}
    for name in _attributes_of(type(event)):
        value = getattr(event, name)
        if value is not None and value != ():
            described[name] = value if isinstance(value, _AS_IT_IS) else _to_json(value)
    return described


def name_of(error: BaseException) -> str:
    """Return the name of the class of *error*, with its module."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _attributes_of(kind: type[Event]) -> tuple[str, ...]:
    names = _ATTRIBUTES.get(kind)
    if names is None:
        names = tuple(attribute.name for attribute in attrs.fields(kind))
        _ATTRIBUTES[kind] = names
    return names


def _to_json(value: Any) -> JsonValue:
    match value:
        case str() | bool() | int() | float() | None:
            return value
        case datetime():
            return value.isoformat()
        case BaseException():
            return name_of(value)
        case list() | tuple() | set() | frozenset():
            return [_to_json(each) for each in cast("Iterable[Any]", value)]
        case _:
            return str(value)
