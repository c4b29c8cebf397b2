"""Tokens in the database. Families are locked before their tokens, always."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
from django.db.models import Case, F, Value, When

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.fields import MomentField
from oauthgrants.adapters.django.parts import Part
from oauthgrants.adapters.django.transactions import delete
from oauthgrants.ports import Rotation
from oauthgrants.tokens import AccessToken, MfaToken, RefreshToken

_ACCESS = tuple(attrs.fields_dict(AccessToken))
_REFRESH = tuple(attrs.fields_dict(RefreshToken))
_MFA = tuple(attrs.fields_dict(MfaToken))


class StoredTokens(Part):
    """The ports `TokenStore` and `MfaTokenStore`."""

    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        """Store both or neither."""
        ends = _family_ends(access, refresh)

        def save() -> None:
            for family, expires_at in ends.items():
                if not self._prolong_family(family, expires_at):
                    models.Family.objects.using(self.using).create(
                        name=family, expires_at=expires_at
                    )
            self._add_tokens(access, refresh)

        self.run(save, single=not ends)

    def find_access_token(self, digest: bytes) -> AccessToken | None:
        """Return the access token with this digest, None if unknown or revoked."""
        row = self._find(models.AccessToken, digest, _ACCESS)
        return None if row is None else AccessToken(**row)

    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        row = self._find(models.RefreshToken, digest, _REFRESH)
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
        now = refresh.issued_at
        [expires_at] = _family_ends(access, refresh).values()

        def rotate() -> Rotation:
            # From here on nobody else rotates or revokes in this family.
            if not self._prolong_family(refresh.family, expires_at):
                return Rotation.MISSING
            family = models.Family.objects.using(self.using).filter(name=refresh.family)
            token = models.RefreshToken.objects.using(self.using).filter(
                digest=spent, family=refresh.family
            )
            if token.filter(spent_at=None).update(spent_at=now):
                family.update(last_spent=spent)
            else:
                found = list(token.values_list("spent_at", flat=True))
                if not found:
                    return Rotation.MISSING
                # Without grace no clock is asked: another process's may be behind.
                if (
                    not grace
                    or not family.filter(last_spent=spent).exists()
                    or now >= found[0] + grace
                ):
                    return Rotation.REPLAYED
            self._add_tokens(access, refresh)
            return Rotation.ROTATED

        return self.run(rotate)

    def revoke_family(self, family: str) -> None:
        """End all tokens of *family*, access and refresh, in one step."""

        def revoke() -> None:
            delete(models.Family.objects.using(self.using).filter(name=family))
            for model in (models.RefreshToken, models.AccessToken):
                delete(model.objects.using(self.using).filter(family=family))

        self.run(revoke)

    def revoke_access_token(self, digest: bytes) -> None:
        """End the access token with this digest."""
        rows = models.AccessToken.objects.using(self.using).filter(digest=digest)
        self.run(lambda: delete(rows), single=True)

    def save_mfa_token(self, token: MfaToken) -> None:
        """Store *token*."""
        rows = models.MfaToken.objects.using(self.using)
        self.run(lambda: rows.create(**_to_row(token)), single=True)

    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        """Return the token with this digest, None if unknown or taken."""
        row = self._find(models.MfaToken, digest, _MFA)
        return None if row is None else MfaToken(**row)

    def take_mfa_token(self, digest: bytes) -> bool:
        """Forget the token with this digest, and return whether it was there."""
        rows = models.MfaToken.objects.using(self.using).filter(digest=digest)
        return self.run(lambda: delete(rows), single=True) > 0

    def _find(
        self,
        model: type[models.AccessToken | models.RefreshToken | models.MfaToken],
        digest: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any] | None:
        rows = model.objects.using(self.using).filter(digest=digest).order_by().values(*fields)
        return next(iter(self.run(lambda: list(rows), single=True)), None)

    def _add_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        if access is not None:
            models.AccessToken.objects.using(self.using).create(**_to_row(access))
        if refresh is not None:
            models.RefreshToken.objects.using(self.using).create(**_to_row(refresh))

    def _prolong_family(self, family: str, expires_at: datetime) -> bool:
        """Lock *family* until the transaction ends; return whether there is one."""
        rows = models.Family.objects.using(self.using).filter(name=family)
        return prolong(rows, expires_at)


def prolong(rows: Any, expires_at: datetime) -> bool:
    """
    Move the end of *rows* to *expires_at* unless it is later, by one statement.

    Return whether there are any. They are locked in any case until the transaction ends.
    """
    later = Case(
        When(expires_at__lt=expires_at, then=Value(expires_at, MomentField())),
        default=F("expires_at"),
    )
    return bool(rows.update(expires_at=later))


def _to_row(token: AccessToken | RefreshToken | MfaToken) -> dict[str, Any]:
    """Return what *token* consists of, by field; the types of the fields do the rest."""
    return {**attrs.asdict(token, recurse=False), "expires_at": token.expires_at}


def _family_ends(*tokens: AccessToken | RefreshToken | None) -> dict[str, datetime]:
    """Return the families of *tokens*, each with the end of what lives longest."""
    ends: dict[str, datetime] = {}
    for token in tokens:
        if token is not None and token.family is not None:
            ends[token.family] = max(token.expires_at, ends.get(token.family, token.expires_at))
    return ends
