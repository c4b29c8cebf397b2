"""Columns that give back what was put in, on every database and whatever ``USE_TZ`` says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from oauthgrants.adapters.django import options
from oauthgrants.errors import InvalidScope
from oauthgrants.scopes import Scope

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

if TYPE_CHECKING:
    # Django's fields are generic for the type checker alone.
    _Moments = models.Field[datetime | None, datetime | None]
    _Scopes = models.TextField[Scope | str | None, Scope | None]
    _Texts = models.TextField[tuple[str, ...], tuple[str, ...]]
    _Claims = models.TextField[Mapping[str, Any], Mapping[str, Any]]
    _Digests = models.BinaryField[bytes | None, bytes | None]
else:
    _Moments = models.Field
    _Scopes = _Texts = _Claims = models.TextField
    _Digests = models.BinaryField


class DigestField(_Digests):
    """A SHA-256, 32 octets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 32, **kwargs})

    def from_db_value(self, value: Any, *_: object) -> bytes | None:
        """Return the octets; some drivers bring a view of them."""
        return None if value is None else bytes(value)


class MomentField(_Moments):
    """
    A moment, as microseconds since 1970 in UTC.

    Not every database has a type with microseconds and a time zone, and without ``USE_TZ`` Django
    has none either; whole numbers compare the same everywhere. In Python it is an aware datetime.

    >>> MomentField().get_prep_value(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """

    description: options.OrProperty[options.Text] = "A moment"

    def get_internal_type(self) -> str:
        """Return the type of the column."""
        return "BigIntegerField"

    def from_db_value(self, value: int | None, *_: object) -> datetime | None:
        """Return the moment."""
        return None if value is None else _EPOCH + value * _MICROSECOND

    def get_prep_value(self, value: Any) -> Any:
        """Return the number."""
        return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value

    def to_python(self, value: Any) -> datetime | None:
        """
        Return the moment that a form or a fixture has; without time zone, it is the project's.

        Raises:
            ValidationError: It is none.
        """
        moment = parse_datetime(value) if isinstance(value, str) else value
        if moment is None or timezone.is_aware(moment):
            if value and moment is None:
                raise ValidationError(f"{value!r} is no moment")
            return moment
        return timezone.make_aware(moment, timezone.get_default_timezone())

    def value_from_object(self, obj: models.Model) -> datetime | None:
        """Return the moment as forms have it, without time zone if the project has none."""
        moment: datetime | None = super().value_from_object(obj)
        if moment is None or settings.USE_TZ:
            return moment
        return timezone.make_naive(moment, timezone.get_default_timezone())

    def value_to_string(self, obj: models.Model) -> str:
        """Return the moment as fixtures have it."""
        moment: datetime | None = super().value_from_object(obj)
        return "" if moment is None else moment.isoformat()

    def formfield(self, **kwargs: Any) -> Any:
        """Return a field for date and time."""
        options: dict[str, Any] = {"form_class": forms.DateTimeField, **kwargs}
        return super().formfield(**options)


class ScopeField(_Scopes):
    """
    A scope as it is spelt (RFC 6749, 3.3), empty for one without tokens.

    >>> ScopeField().to_python("write  read")
    Scope('read write')
    """

    def from_db_value(self, value: str | None, *_: object) -> Scope | None:
        """Return the scope."""
        return None if value is None else Scope.of(value)

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text."""
        return None if value is None else str(value)

    def to_python(self, value: Any) -> Scope | None:
        """
        Return the scope that a form or a fixture has.

        Raises:
            ValidationError: It is malformed.
        """
        if value is None or isinstance(value, Scope):
            return value
        try:
            return Scope.parse(" ".join(str(value).split())) if str(value).strip() else Scope()
        except InvalidScope as error:
            raise ValidationError(f"{error.description} (RFC 6749, Section 3.3)") from None

    def formfield(self, **kwargs: Any) -> Any:
        """Return a field whose emptiness is none, and not a scope without tokens."""
        options: dict[str, Any] = {"empty_value": None, **kwargs}
        return super().formfield(**options)

    def value_to_string(self, obj: models.Model) -> str:
        """Return the scope as fixtures have it."""
        return str(self.value_from_object(obj) or "")


class TextsField(_Texts):
    """Several texts in their order, as a JSON array."""

    def from_db_value(self, value: str, *_: object) -> tuple[str, ...]:
        """Return the texts."""
        return tuple(json.loads(value))

    def get_prep_value(self, value: Any) -> str:
        """Return the array."""
        return json.dumps(tuple(value), separators=(",", ":"))

    def to_python(self, value: Any) -> tuple[str, ...]:
        """Return the texts that a form or a fixture has."""
        return tuple(json.loads(value) if isinstance(value, str) else value)

    def value_to_string(self, obj: models.Model) -> str:
        """Return the array, as fixtures have it."""
        return self.get_prep_value(self.value_from_object(obj))


class ClaimsField(_Claims):
    """Claims as a JSON object. Databases' own JSON types lose NULs and the size of numbers."""

    def from_db_value(self, value: str | None, *_: object) -> dict[str, Any]:
        """Return the claims."""
        claims: dict[str, Any] = json.loads(value or "{}")
        return claims

    def get_prep_value(self, value: Any) -> str | None:
        """Return the object; nothing takes no room."""
        return json.dumps(dict(value), separators=(",", ":")) if value else None

    def to_python(self, value: Any) -> Mapping[str, Any]:
        """Return the claims that a fixture has."""
        claims: Mapping[str, Any] = json.loads(value) if isinstance(value, str) else value or {}
        return claims

    def value_to_string(self, obj: models.Model) -> str:
        """Return the object, as fixtures have it."""
        return self.get_prep_value(self.value_from_object(obj)) or "{}"
