"""What a store does with what may be used once, or tried so often."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.stores.sqlalchemy.transaction import Transaction, single, to_row


class AttemptRows(Transaction):
    """Fills `ReplayStore` and `AttemptStore`."""

    @single
    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest* until *expires_at*, and return whether it is new."""
        row = {"digest": digest, "expires_at": expires_at}
        return self.connection.execute(self.statements.add_replay, row).first() is not None

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        """Count an attempt, unless it comes too early; return whether it may be made."""
        none = Attempts(failures=0, forgotten_at=now, forgotten_before=now)
        # From here on nobody else counts under this digest.
        row = (
            self.connection.execute(
                self.statements.lock_attempts, to_row(none) | {"digest": digest, "now": now}
            )
            .mappings()
            .first()
        )
        counted = row and limit.count(Attempts(**row), now)
        if not counted:
            return False
        self.connection.execute(self.statements.count_attempt, to_row(counted) | {"key": digest})
        return True

    @single
    def withdraw_attempt(self, digest: bytes) -> None:
        """Count one failure less, none if there is none: the attempt succeeded."""
        self.connection.execute(self.statements.withdraw_attempt, {"key": digest})

    @single
    def clear_attempts(self, digest: bytes) -> None:
        """Forget all failures."""
        self.connection.execute(self.statements.delete_attempts, {"key": digest})
