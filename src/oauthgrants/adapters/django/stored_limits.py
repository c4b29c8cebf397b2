"""Revoked JWTs, what may be used once, failed guesses and known sources, in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.parts import Part
from oauthgrants.adapters.django.stored_tokens import prolong
from oauthgrants.adapters.django.transactions import delete
from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.stores.texts import is_text, require_text

_EXPIRING: tuple[Any, ...] = (
    models.AccessToken,
    models.RefreshToken,
    models.MfaToken,
    models.Denial,
    models.Use,
    models.Attempts,
    models.KnownSource,
)


class StoredLimits(Part):
    """The ports `DenyList`, `ReplayStore`, `AttemptStore`, `KnownSources` and `Purgeable`."""

    def deny(self, identifier: str, expires_at: datetime) -> None:
        """Remember *identifier* until *expires_at*, or as long as it was denied before."""
        require_text(identifier)
        self._remember(models.Denial, expires_at, identifier=identifier)

    def is_denied(self, identifiers: Collection[str]) -> bool:
        """Return whether any of *identifiers* is remembered."""
        keys = [identifier for identifier in identifiers if is_text(identifier)]
        rows = models.Denial.objects.using(self.using).filter(identifier__in=keys)
        return self.run(rows.exists, single=True)

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        """Remember *digest* until *expires_at*, and return whether it is new."""

        def add() -> bool:
            try:
                # Within a transaction of the host's, this alone is undone.
                with transaction.atomic(self.using):
                    models.Use.objects.using(self.using).create(
                        digest=digest, expires_at=expires_at
                    )
            except IntegrityError:
                return False
            return True

        return self.run(add, single=True)

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        """Count an attempt, unless it comes too early; return whether it may be made."""

        def begin() -> bool:
            rows = self._lock_attempts(digest)
            counted = limit.count(None if rows is None else _read(rows), now)
            if counted is None:
                return False
            if rows is None:
                models.Attempts.objects.using(self.using).create(digest=digest, **_to_row(counted))
            else:
                rows.update(**_to_row(counted))
            return True

        return self.run(begin)

    def withdraw_attempt(self, digest: bytes) -> None:
        """Count one failure less, but never less than zero: the attempt succeeded."""

        def withdraw() -> None:
            rows = self._lock_attempts(digest)
            if rows is not None:
                rows.update(**_to_row(_read(rows).withdraw()))

        self.run(withdraw)

    def clear_attempts(self, digest: bytes) -> None:
        """Forget all failures."""
        rows = models.Attempts.objects.using(self.using).filter(digest=digest)
        self.run(lambda: delete(rows), single=True)

    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        """Remember *digest* until *expires_at*; a later end stays."""
        self._remember(models.KnownSource, expires_at, digest=digest)

    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        """Return whether *digest* is remembered, and has not expired by *now*."""
        rows = models.KnownSource.objects.using(self.using).filter(
            digest=digest, expires_at__gt=now
        )
        return self.run(rows.exists, single=True)

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete what has expired, *limit* of it at most, and say how many."""

        def delete_some() -> int:
            self._delete_expired(models.Family, now, limit)
            deleted = 0
            for model in _EXPIRING:
                deleted += self._delete_expired(model, now, limit - deleted)
            return deleted

        return self.run(delete_some)

    def _remember(self, model: Any, expires_at: datetime, **key: Any) -> None:
        def remember() -> None:
            if not prolong(model.objects.using(self.using).filter(**key), expires_at):
                model.objects.using(self.using).create(**key, expires_at=expires_at)

        self.run(remember)

    def _lock_attempts(self, digest: bytes) -> Any:
        """Return the row of *digest*, locked until the transaction ends; None if there is none."""
        rows = models.Attempts.objects.using(self.using).filter(digest=digest)
        return rows if rows.update(failures=F("failures")) else None

    def _delete_expired(self, model: Any, now: datetime, most: int) -> int:
        if most < 1:
            return 0
        rows = model.objects.using(self.using).filter(expires_at__lte=now)
        expired = rows.order_by("expires_at").values_list("pk", flat=True)[:most]
        sql, parameters = expired.query.get_compiler(self.using).as_sql()
        # The moment is asked for twice: a row that was prolonged meanwhile stays. In a deletion by
        # itself, that is; of one that names the same table twice, Django 4.2 makes another one.
        return delete(rows.filter(pk__in=RawSQL(sql, parameters)).order_by())  # noqa: S611  # Django's own SQL


def _read(rows: Any) -> Attempts:
    row = rows.get()
    return Attempts(
        failures=row.failures,
        allowed_at=row.allowed_at,
        forgotten_at=row.expires_at,
        forgotten_before=row.forgotten_before,
    )


def _to_row(attempts: Attempts) -> dict[str, Any]:
    return {
        "failures": attempts.failures,
        "allowed_at": attempts.allowed_at,
        "expires_at": attempts.forgotten_at,
        "forgotten_before": attempts.forgotten_before,
    }
