"""Tokens that clients hold already, and that go on being good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from oauthgrants.ports import Clock, TokenStore, resolve, utc_now
from oauthgrants.scopes import Scope
from oauthgrants.tokens import AccessToken, RefreshToken, require_lifetime
from oauthgrants.users import User

TokenPair = tuple[AccessToken | None, RefreshToken | None]
"""What `TokenStore.save_tokens` takes: at least one of the two."""


# What has no end there says so by one that is far away. Beyond this, databases in some time
# zones have none.
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


def _to_tuple(audience: str | Iterable[str]) -> tuple[str, ...]:
    return (audience,) if isinstance(audience, str) else tuple(audience)


@attrs.frozen(kw_only=True)
class Terms:
    """
    What rows do not say of the tokens in them.

    Attributes:
        find_user: Returns the user of a row's ``user_id``, None for one who is gone. Tokens of
            that one, and of one who is not active, are left out.
        refresh_lifetime: For how long a refresh token may lie unused, in whole seconds: after
            its row was made (Authlib), or after the access token beside it has expired
            (django-oauth-toolkit's ``REFRESH_TOKEN_EXPIRE_SECONDS``).
        audience: The resource that access tokens are for, or several, where their row names none.
        to_scope: Makes a scope of the text in a row. It may rename, and leave out.
        grant_type: How those signed in whose row does not say it.
        clock: What has expired by then is left out.
    """

    find_user: Callable[[Any], User | None]
    refresh_lifetime: timedelta = attrs.field(validator=require_lifetime)
    audience: tuple[str, ...] = attrs.field(default=(), converter=_to_tuple)
    to_scope: Callable[[str], Scope] = Scope.of
    grant_type: str = "password"
    clock: Clock = utc_now


@attrs.frozen(kw_only=True)
class OldTokens:
    """
    An access token and the refresh token beside it, whatever library has issued them.

    Attributes:
        client_id: Whose they are.
        user_id: The resource owner's key; None if the client acts for itself.
        scope: As granted, with spaces between.
        audience: The resources that it is for, none for those of the terms.
        issued_at: Aware.
        access: Digest of the access token, 32 octets.
        access_expires_at: Aware.
        refresh: Digest of the refresh token, None without.
        refresh_expires_at: Aware.
        family: Names the sign-in.
        grant_type: How it began.
    """

    client_id: str
    user_id: object
    scope: str
    audience: tuple[str, ...] = ()
    issued_at: datetime
    access: bytes = attrs.field(repr=False)
    access_expires_at: datetime
    refresh: bytes | None = attrs.field(repr=False)
    refresh_expires_at: datetime
    family: str
    grant_type: str


def read_live(all_old: Iterable[OldTokens], terms: Terms) -> Iterator[TokenPair]:
    """Yield what is live of *all_old*, on *terms*."""
    for old in all_old:
        user = None
        if old.user_id is not None:
            user = terms.find_user(old.user_id)
            # A token of somebody must not become one of the client itself (RFC 9700, 4.15.1).
            if user is None or not user.active:
                continue
        pair = _to_access(old, user, terms), _to_refresh(old, user, terms)
        if pair != (None, None):
            yield pair


def read_rows(
    rows: Iterable[Any], to_old: Callable[[Any, Terms], OldTokens], terms: Terms, *, key: str
) -> Iterator[TokenPair]:
    """
    Yield what is live of *rows*, on *terms*.

    Args:
        rows: Of one library.
        to_old: Reads one of them.
        terms: What they do not say.
        key: The attribute that tells them apart, where they have it.

    Raises:
        ValueError: A row cannot be read; says which.
    """
    for row in rows:
        try:
            pairs = [*read_live([to_old(row, terms)], terms)]
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            name = getattr(row, key, None)
            raise ValueError(f"the row {name!r} makes no token of ours: {error}") from error
        yield from pairs


def later(moment: datetime, seconds: float) -> datetime:
    """Return when *seconds* are over, or the last moment that all stores can keep."""
    try:
        return min(moment + timedelta(seconds=max(seconds, 0)), _LAST)
    except OverflowError:
        return _LAST


def _to_access(old: OldTokens, user: User | None, terms: Terms) -> AccessToken | None:
    issued_at = old.issued_at.replace(microsecond=0)
    lifetime = _lifetime(issued_at, old.access_expires_at, terms)
    if lifetime is None:
        return None
    return AccessToken(
        digest=old.access,
        client_id=old.client_id,
        sub=old.client_id if user is None else user.sub,
        username=None if user is None else user.username,
        scope=terms.to_scope(old.scope),
        audience=old.audience or terms.audience,
        issued_at=issued_at,
        lifetime=lifetime,
        family=None if old.refresh is None else old.family,
    )


def _to_refresh(old: OldTokens, user: User | None, terms: Terms) -> RefreshToken | None:
    issued_at = old.issued_at.replace(microsecond=0)
    lifetime = _lifetime(issued_at, old.refresh_expires_at, terms)
    # A client that acts for itself gets a new token as it got the first (RFC 6749, 4.4.3).
    if old.refresh is None or user is None or lifetime is None:
        return None
    return RefreshToken(
        digest=old.refresh,
        client_id=old.client_id,
        sub=user.sub,
        username=user.username,
        scope=terms.to_scope(old.scope),
        audience=old.audience or terms.audience,
        grant_type=old.grant_type,
        issued_at=issued_at,
        lifetime=lifetime,
        family=old.family,
    )


def _lifetime(issued_at: datetime, expires_at: datetime, terms: Terms) -> timedelta | None:
    """Return the whole seconds between the two, None if the end has come."""
    lifetime = timedelta(seconds=(expires_at - issued_at) // timedelta(seconds=1))
    is_live = lifetime > timedelta() and terms.clock() < issued_at + lifetime
    return lifetime if is_live else None


async def copy_tokens(pairs: Iterable[TokenPair], tokens: TokenStore) -> int:
    """
    Store the tokens of *pairs* that are not there yet, and return of how many pairs.

    Of one that stops halfway, another run does the rest. Let it be through before a server
    answers for *tokens*: what is revoked after that would come back. With a store that is
    written ``def``, `oauthgrants.ports.run` drives it to its end without an event loop.

    Args:
        pairs: Read one after the other, so that they need not fit into memory.
        tokens: Where to.
    """
    copied = 0
    for access, refresh in pairs:
        if access and await resolve(tokens.find_access_token(access.digest)):
            access = None  # noqa: PLW2901  # what is left of the pair
        if refresh and await resolve(tokens.find_refresh_token(refresh.digest)):
            refresh = None  # noqa: PLW2901
        if access or refresh:
            await resolve(tokens.save_tokens(access, refresh))
            copied += 1
    return copied
