"""
What a store does with tokens and denials, each written once.

Families are locked before their tokens, always.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from oauthgrants.ports import Rotation
from oauthgrants.stores.sqlalchemy.transaction import (
    Transaction,
    single,
    single_if,
    to_row,
)
from oauthgrants.stores.texts import is_text, require_text
from oauthgrants.tokens import AccessToken, RefreshToken


def _is_one_row(access: AccessToken | None, refresh: RefreshToken | None) -> bool:
    return refresh is None and (access is None or access.family is None)


class TokenRows(Transaction):
    """Fills `TokenStore` and `DenyList`."""

    @single_if(_is_one_row)
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """Store both or neither."""
        ends = _family_ends(access, refresh)
        for family, expires_at in ends.items():
            if not self._prolong_family(family, expires_at):
                self.connection.execute(
                    self.statements.add_family,
                    {"family": family, "last_spent": None, "expires_at": expires_at},
                )
        self._add_tokens(access, refresh)

    @single
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        row = self.find_one(self.statements.find_access_token, digest)
        return None if row is None else AccessToken(**row)

    @single
    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        row = self.find_one(self.statements.find_refresh_token, digest)
        return None if row is None else RefreshToken(**row)

    def rotate_refresh_token(
        self,
        spent: bytes,
        access: AccessToken | None,
        refresh: RefreshToken,
        *,
        grace: timedelta,
    ) -> Rotation:
        """Mark a refresh token as spent and store its successors, in one step."""
        now, execute, statements = refresh.issued_at, self.connection.execute, self.statements
        [expires_at] = _family_ends(access, refresh).values()
        # From here on nobody else rotates or revokes in this family.
        if not self._prolong_family(refresh.family, expires_at):
            return Rotation.MISSING
        token = {"key": spent, "by_family": refresh.family}
        if execute(statements.spend, token | {"spent_at": now}).rowcount:
            execute(statements.note_last_spent, {"key": refresh.family, "last_spent": spent})
        else:
            found = execute(statements.find_spent, token).one_or_none()
            if found is None:
                return Rotation.MISSING
            # Without grace no clock is asked: another process's may be behind.
            if not grace or found.last_spent != spent or now >= found.spent_at + grace:
                return Rotation.REPLAYED
        self._add_tokens(access, refresh)
        return Rotation.ROTATED

    def revoke_family(self, family: str) -> None:
        """End all tokens of *family*, access and refresh, in one step."""
        for statement in self.statements.delete_family:
            self.connection.execute(statement, {"key": family})

    @single
    def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        self.connection.execute(self.statements.delete_access_token, {"key": digest})

    def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*, or as long as it was denied before."""
        require_text(identifier)
        end = {"key": identifier, "new": expires_at}
        if not self.connection.execute(self.statements.prolong_denial, end).rowcount:
            self.connection.execute(
                self.statements.add_denial, {"identifier": identifier, "expires_at": expires_at}
            )

    @single
    def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        keys = [identifier for identifier in identifiers if is_text(identifier)]
        if not keys:
            return False
        return (
            self.connection.execute(self.statements.find_denials, {"keys": keys}).first()
            is not None
        )

    def _add_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        if access is not None:
            self.connection.execute(
                self.statements.add_access_token,
                to_row(access) | {"expires_at": access.expires_at},
            )
        if refresh is not None:
            self.connection.execute(
                self.statements.add_refresh_token,
                to_row(refresh) | {"expires_at": refresh.expires_at},
            )

    def _prolong_family(self, family: str, expires_at: datetime) -> bool:
        """Lock *family* until the transaction ends; return whether there is one."""
        end = {"key": family, "new": expires_at}
        return bool(self.connection.execute(self.statements.prolong_family, end).rowcount)


def _family_ends(*tokens: AccessToken | RefreshToken | None) -> dict[str, datetime]:
    """Return the families of *tokens*, each with the end of what lives longest."""
    ends: dict[str, datetime] = {}
    for token in tokens:
        if token is not None and token.family is not None:
            ends[token.family] = max(token.expires_at, ends.get(token.family, token.expires_at))
    return ends
