"""What a store does with all that has expired."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.stores.sqlalchemy.transaction import Transaction


class ExpiringRows(Transaction):
    """Fills `Purgeable`."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""
        self.connection.execute(
            self.statements.delete_expired_families, {"now": now, "most": limit}
        )
        deleted = 0
        for statement in self.statements.delete_expired:
            left = {"now": now, "most": limit - deleted}
            deleted += self.connection.execute(statement, left).rowcount
        return deleted
