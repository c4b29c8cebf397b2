"""What a store does with what a sign-in leaves: where it came from, and that it waits."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.stores.sqlalchemy.transaction import Transaction, single, to_row
from oauthgrants.tokens import MfaToken


class SignInRows(Transaction):
    """Fills `KnownSources` and `MfaTokenStore`."""

    @single
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        """Remember *digest* until *expires_at*, or as long as it was remembered before."""
        self.connection.execute(
            self.statements.add_source, {"digest": digest, "expires_at": expires_at}
        )

    @single
    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        key = {"key": digest, "now": now}
        return self.connection.execute(self.statements.find_source, key).first() is not None

    @single
    def save_mfa_token(self, token: MfaToken) -> None:
        """Store *token*."""
        row = to_row(token) | {"expires_at": token.expires_at}
        self.connection.execute(self.statements.add_mfa_token, row)

    @single
    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        """Return the token with this digest, None if unknown or taken."""
        row = self.find_one(self.statements.find_mfa_token, digest)
        return None if row is None else MfaToken(**row)

    @single
    def take_mfa_token(self, digest: bytes) -> bool:
        """Forget the token with this digest, and return whether it was there."""
        taken = self.connection.execute(self.statements.delete_mfa_token, {"key": digest})
        return bool(taken.rowcount)
