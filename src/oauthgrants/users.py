"""The resource owner, and what came of checking a password (RFC 6749, 4.3)."""

from __future__ import annotations

import attrs
from attrs.validators import and_, instance_of, min_len

from oauthgrants.scopes import Scope


def _to_scope(scope: Scope | str | None) -> Scope | None:
    return None if scope is None else Scope.of(scope)


@attrs.frozen(kw_only=True)
class User:
    """
    A resource owner.

    Attributes:
        sub: The stable identifier that tokens carry; never a ``client_id``.
        username: What the resource owner types.
        password_hash: A PHC string, None if the password is checked elsewhere.
        scope: All that may be granted, None for whatever the client may have.
        active: False for a user who gets no tokens, and whose tokens are not refreshed.

    Raises:
        TypeError: *sub* or *username* is not text.
        ValueError: One of them is empty.
    """

    sub: str = attrs.field(validator=and_(instance_of(str), min_len(1)))
    username: str = attrs.field(validator=and_(instance_of(str), min_len(1)))
    password_hash: str | None = attrs.field(default=None, repr=False)
    scope: Scope | None = attrs.field(default=None, converter=_to_scope)
    active: bool = True


@attrs.frozen
class Accepted:
    """The password is this user's."""

    user: User


@attrs.frozen
class Rejected:
    """
    No such user, or not the password.

    Attributes:
        reason: For the event.
        sub: Whose password it is not, for the event; None if there is no such user.
    """

    reason: str = "unknown user or wrong password"
    sub: str | None = None


@attrs.frozen
class Disabled:
    """The password may be right, but the account is disabled; attributes as in `Rejected`."""

    reason: str = "the user is disabled"
    sub: str | None = None


@attrs.frozen
class Locked:
    """The account is locked for now; attributes as in `Rejected`."""

    reason: str = "the user is locked"
    sub: str | None = None


@attrs.frozen
class MfaRequired:
    """The password is this user's, and a second factor is needed beside it."""

    user: User


PasswordOutcome = Accepted | Rejected | Disabled | Locked | MfaRequired
"""What a `PasswordVerifier` answers; on the wire every refusal is one ``invalid_grant``."""
