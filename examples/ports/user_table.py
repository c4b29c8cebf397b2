"""
Users in a table of the host's own, with the password hashes that it has.

`TableUsers` fills `PasswordVerifier` and `UserStore`; replace `Account` by the model that you
have. It answers on the caller's stack: `AuthorizationServer` calls it as it is, and
`AsyncAuthorizationServer` in worker threads. Needs SQLAlchemy and a driver, beside `old_hashes`.
"""

from __future__ import annotations

import re

import attrs
from sqlalchemy import ColumnElement, Engine, String, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from oauthgrants import Client, Secret, User
from oauthgrants.users import Accepted, Disabled, PasswordOutcome, Rejected
from old_hashes import Passwords

_SUB = re.compile(r"user-([1-9]\d{0,17})", re.ASCII)


class Base(DeclarativeBase):
    """The host's models."""


class Account(Base):
    """
    A user, as the host keeps them.

    Attributes:
        id: Never given to another user, even if this one is deleted.
        username: What the user types.
        password: A hash in any format that `Passwords` knows, None without a password.
        is_active: Whether the user may sign in.
    """

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    password: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)


@attrs.frozen
class TableUsers:
    """
    The users in `Account`.

    Attributes:
        engine: With ``hide_parameters=True``, or what SQLAlchemy raises shows password hashes.
        passwords: Which formats there are.
    """

    engine: Engine
    passwords: Passwords = attrs.field(factory=Passwords)

    def verify_password(
        self,
        username: str,
        password: Secret,
        client: Client,  # noqa: ARG002  # the port's, for verifiers that care who asks
    ) -> PasswordOutcome:
        """Return whose password it is; unknown and disabled users cost what a wrong one does."""
        account = self._find(Account.username == username)
        encoded = None if account is None else account.password
        # No connection is held meanwhile: this is slow on purpose.
        matches = self.passwords.verify(encoded, password)
        if account is None:
            return Rejected()
        user = _to_user(account)
        if encoded is None or not matches:
            return Rejected(sub=user.sub)
        if not user.active:
            return Disabled(sub=user.sub)
        stronger = self.passwords.strengthen(encoded, password)
        if stronger is not None:
            self.replace_password_hash(user.sub, encoded, stronger)
        return Accepted(user)

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        account = self._find(Account.username == username)
        return None if account is None else _to_user(account)

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        match = _SUB.fullmatch(sub)
        account = None if match is None else self._find(Account.id == int(match[1]))
        return None if account is None else _to_user(account)

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Keep *new* in the place of *old*, unless the password has been changed meanwhile."""
        match = _SUB.fullmatch(sub)
        if match is not None:
            with Session(self.engine) as session, session.begin():
                session.execute(
                    update(Account)
                    .where(Account.id == int(match[1]), Account.password == old)
                    .values(password=new)
                )

    def _find(self, condition: ColumnElement[bool]) -> Account | None:
        with Session(self.engine) as session:
            return session.scalar(select(Account).where(condition))


def _to_user(account: Account) -> User:
    # No client may be registered as user-…, or its tokens would pass as a user's.
    return User(sub=f"user-{account.id}", username=account.username, active=account.is_active)
