"""What a store does with all that has expired."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.stores.sqlalchemy.work import Work


def delete_expired(work: Work, now: datetime, limit: int) -> int:
    """Delete what has expired, *limit* of it at most, and say how many."""
    work.connection.execute(work.statements.delete_expired_families, {"now": now, "most": limit})
    deleted = 0
    for statement in work.statements.delete_expired:
        left = {"now": now, "most": limit - deleted}
        deleted += work.connection.execute(statement, left).rowcount
    return deleted
