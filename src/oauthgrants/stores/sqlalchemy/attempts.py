"""What a store does with what may be used once, or tried so often."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.stores.sqlalchemy.work import Work, single, to_row


@single
def add_if_absent(work: Work, digest: bytes, expires_at: datetime) -> bool:
    """Remember *digest* until *expires_at*, and return whether it is new."""
    row = {"digest": digest, "expires_at": expires_at}
    return work.connection.execute(work.statements.add_replay, row).first() is not None


def begin_attempt(work: Work, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
    """Count an attempt, unless it comes too early; return whether it may be made."""
    none = Attempts(failures=0, forgotten_at=now, forgotten_before=now)
    # From here on nobody else counts under this digest.
    row = (
        work.connection.execute(
            work.statements.lock_attempts, to_row(none) | {"digest": digest, "now": now}
        )
        .mappings()
        .first()
    )
    counted = row and limit.count(Attempts(**row), now)
    if not counted:
        return False
    work.connection.execute(work.statements.count_attempt, to_row(counted) | {"key": digest})
    return True


@single
def withdraw_attempt(work: Work, digest: bytes) -> None:
    """Count one failure less, none if there is none: the attempt succeeded."""
    work.connection.execute(work.statements.withdraw_attempt, {"key": digest})


@single
def clear_attempts(work: Work, digest: bytes) -> None:
    """Forget all failures."""
    work.connection.execute(work.statements.delete_attempts, {"key": digest})
